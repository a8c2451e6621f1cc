//! Each role does its work under the policy that `oq iam` prints for it, on a server that enforces
//! it: nothing needed is missing, and nothing granted is unused.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use oq_chaos::policy::{Grant, Policy};
use oq_chaos::relay::Relay;
use oq_chaos::server::{Kind, Server};
use oq_core::env::Env;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Child;

use crate::world::{Oq, binary};

struct World {
    server: Server,
    /// Sees the store as it is.
    all: Oq,
}

/// A program under the policy of its role.
struct Member {
    oq: Oq,
    policy: Arc<Policy>,
}

impl World {
    async fn new() -> World {
        // The server is the `oq` beside the tests.
        let server = Server::start_with(Kind::Dev, &binary()).await.unwrap();
        let all = Oq::at(&server.direct("jobs"));
        World { server, all }
    }

    async fn member(&self, role: &str) -> Member {
        let printed = self.all.run(&["iam", "--role", role]).await.fine();
        let policy: Value = serde_json::from_str(&printed.out).unwrap();
        let policy = Arc::new(Policy::new(&policy));
        let relay = Relay::guarded(&self.server.host, policy.clone())
            .await
            .unwrap();
        // The store can delete conditionally; of a server that is not Amazon's that must be said.
        let url = format!(
            "{}&delete_if=true",
            self.server.url("jobs", &relay.endpoint())
        );
        let oq = Oq::at(&url);
        Member { oq, policy }
    }

    /// Something of everything: done, failed, waiting, keyed, large.
    async fn populate(&self) -> String {
        let all = &self.all;
        let large = format!("\"{}\"", "x".repeat(200_000));
        std::fs::write(all.path().join("large"), &large).unwrap();
        all.run(&["submit", "echo", "@large"]).await.fine();
        all.run(&["submit", "fail", "@large", "--attempts", "1"])
            .await
            .fine();
        work(all).await;
        all.run(&["submit", "echo", "@large", "--key", "k", "--delay", "1h"])
            .await
            .fine();
        all.run(&["submit", "echo", "2", "--delay", "1h"])
            .await
            .fine()
            .id()
    }
}

/// Echoes, fails, and fails for "a" while everything else comes again in an hour.
const TASKS: [&str; 6] = [
    "--task",
    "echo=cat",
    "--task",
    "fail=false",
    "--task",
    "half=sh -c 'read x; case $x in *a*) exit 65;; *) echo 1h; exit 75;; esac'",
];

/// Runs what is due.
async fn work(oq: &Oq) {
    oq.run(&[&["worker", "--drain"][..], &TASKS].concat())
        .await
        .fine();
}

/// A worker that is there, and has nothing to do; it ends when it is dropped.
async fn present(oq: &Oq) -> Child {
    let mut command = oq.command(&["worker", "--task", "other=cat"]);
    let worker = command.stdin(Stdio::null()).kill_on_drop(true).spawn();
    for _ in 0..200 {
        let listed = oq.run(&["worker", "list", "-o", "id"]).await.fine();
        if !listed.out.trim().is_empty() {
            return worker.unwrap();
        }
        Env::system().sleep(Duration::from_millis(100)).await;
    }
    panic!("the worker is not listed");
}

impl Member {
    /// Nothing was refused; what was granted and never used.
    #[track_caller]
    fn unused(&self) -> BTreeSet<Grant> {
        assert_eq!(
            self.policy.refused(),
            Vec::<String>::new(),
            "needed and not granted"
        );
        self.policy
            .grants()
            .difference(&self.policy.used())
            .cloned()
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_needs_what_it_is_granted() {
    let world = World::new().await;
    world.all.run(&["init", "--yes"]).await;
    let member = world.member("producer").await;
    let oq = &member.oq;
    std::fs::write(
        oq.path().join("large"),
        format!("\"{}\"", "x".repeat(200_000)),
    )
    .unwrap();
    let large = oq.run(&["submit", "echo", "@large"]).await.fine().id();
    let keyed = oq
        .run(&["submit", "echo", "1", "--key", "k"])
        .await
        .fine()
        .id();
    assert_eq!(
        oq.run(&["submit", "echo", "1", "--key", "k"])
            .await
            .fine()
            .id(),
        keyed
    );
    oq.piped(
        &["submit", "echo", "--jsonl", "-", "--pack", "10"],
        "1\n2\n3\n",
    )
    .await
    .fine();
    work(&world.all).await;
    for id in [&large, &keyed] {
        oq.run(&["wait", id]).await.fine();
        oq.run(&["result", id]).await.fine();
        oq.run(&["get", id]).await.fine();
    }
    assert_eq!(member.unused(), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_needs_what_it_is_granted() {
    let world = World::new().await;
    world.all.run(&["init", "--yes"]).await;
    let waits = world.populate().await;
    let _there = present(&world.all).await;
    let member = world.member("viewer").await;
    let oq = &member.oq;
    for args in [
        &["list", "--all"][..],
        &["list", "--state", "failed"],
        &["get", &waits],
        &["explain"],
        &["history", &waits],
        &["dead", "list"],
        &["queue", "list"],
        &["queue", "show", "default"],
        &["worker", "list"],
        &["tail"],
        &["top", "--once"],
    ] {
        let ran = oq.run(args).await;
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
    }
    let done = oq
        .run(&["list", "--state", "completed", "-o", "id"])
        .await
        .fine()
        .id();
    oq.run(&["result", &done]).await.fine();
    assert_eq!(member.unused(), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_needs_what_it_is_granted() {
    let world = World::new().await;
    let member = world.member("operator").await;
    let oq = &member.oq;
    oq.run(&["init", "--yes"]).await.fine();
    let waits = world.populate().await;
    let there = present(&world.all).await;
    for args in [
        &["list", "--all"][..],
        &["queue", "list"],
        &["queue", "pause", "default"],
        &["queue", "resume", "default"],
        &["worker", "list"],
        &["top", "--once"],
        &["cancel", &waits, "--yes"],
    ] {
        let ran = oq.run(args).await;
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
    }
    drop(there);
    // Who tries a failed task again gives the new one its key.
    let keyed = ["submit", "fail", "1", "--key", "lost", "--attempts", "1"];
    world.all.run(&keyed).await.fine();
    // Who cancels the other half of a pack records the failed one as well.
    let halves = ["submit", "half", "--jsonl", "-", "--pack", "2", "-o", "id"];
    let halves = world.all.piped(&halves, "\"a\"\n\"b\"\n").await.fine().out;
    work(&world.all).await;
    let other = halves.lines().nth(1).unwrap();
    oq.run(&["cancel", other, "--yes"]).await.fine();
    let failed = oq
        .run(&["list", "--state", "failed", "--type", "fail", "-o", "id"])
        .await
        .fine()
        .id();
    oq.run(&["dead", "list"]).await.fine();
    for id in failed.lines() {
        oq.run(&["retry", id]).await.fine();
    }
    let done = oq
        .run(&["list", "--state", "completed", "-o", "id"])
        .await
        .fine()
        .id();
    oq.run(&["result", done.lines().next().unwrap_or_default()])
        .await
        .fine();
    oq.run(&["doctor", "--quick"]).await.fine();
    // What is as young as dates are coarse is left by a purge.
    Env::system().sleep(Duration::from_secs(5)).await;
    oq.run(&["queue", "purge", "default", "--yes"]).await.fine();
    // Asked of Amazon only, where a bucket has a region.
    let mut unused = member.unused();
    unused.retain(|(action, _)| action != "s3:GetBucketLocation");
    assert_eq!(unused, BTreeSet::new());
}

/// A worker needs hours until it has swept everything, a crowd until it rings for help, and one that
/// died at the right moment until it reads a dead letter: `oq-core/tests/roles.rs` has all three, in
/// virtual time. All else it asks for within seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_needs_what_it_is_granted() {
    let world = World::new().await;
    world.all.run(&["init", "--yes"]).await;
    world.populate().await;
    for kind in ["echo", "fail"] {
        let args = ["submit", kind, "@large", "--attempts", "1"];
        world.all.run(&args).await.fine();
    }
    let member = world.member("worker").await;
    let args = [&["worker"][..], &TASKS].concat();
    let mut worker = member
        .oq
        .command(&args)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    // It is present, sweeps, works, and says goodbye.
    let ids = world
        .all
        .run(&["list", "--all", "-o", "id"])
        .await
        .fine()
        .out;
    for id in ids.lines().take(4) {
        world.all.run(&["wait", id, "--timeout", "20s"]).await;
    }
    Env::system().sleep(Duration::from_secs(8)).await;
    let id = Pid::from_raw(worker.id().unwrap() as i32).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    assert!(worker.wait().await.unwrap().success());
    let later = |(action, on): &Grant| {
        let swept = action == "s3:DeleteObject" || action == "s3:ListBucket";
        let swept = swept
            && ["dead", "done", "payload", "key"]
                .iter()
                .any(|k| on.contains(k));
        let letter = action == "s3:GetObject" && on.contains("/dead/");
        swept
            || letter
            || on.contains("/key/")
            || (action == "s3:PutObject" && on.ends_with("/bell"))
    };
    let mut unused = member.unused();
    unused.retain(|grant| !later(grant));
    assert_eq!(unused, BTreeSet::new());
}
