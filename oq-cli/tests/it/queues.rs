//! Queues and workers.

use std::process::{Command, Stdio};
use std::time::Duration;

use expect_test::expect;

use crate::oq::Oq;

#[test]
fn queues_are_listed_with_their_depth() {
    let oq = Oq::new();
    oq.run(&["queue", "list"]).refused(7, "there is no");
    oq.submit(&["a", "--queue", "mail"]);
    oq.submit(&["a", "--queue", "mail", "--delay", "1h"]);
    oq.submit(&["a", "--queue", "images"]);
    oq.run(&["queue", "pause", "images"]);
    let csv = oq.run(&["queue", "list", "-o", "csv"]).out;
    let without_age: Vec<&str> = csv.lines().map(|l| l.rsplit_once(',').unwrap().0).collect();
    expect![[r#"
        queue,state,runnable,waiting,running,done,dead
        images,paused,1,0,0,0,0
        mail,open,1,1,0,0,0"#]]
    .assert_eq(&without_age.join("\n"));
    assert_eq!(
        oq.run(&["queue", "list", "--names", "-o", "id"]).out,
        "images\nmail\n"
    );
    assert_eq!(oq.run(&["queue", "stats", "mail"]).json()["waiting"], 1);
}

#[test]
fn settings_are_shown_and_changed() {
    let oq = Oq::new();
    oq.submit(&["a"]);
    expect![[r#"
        exit 0
        --- stdout
        queue        default
        state        open
        shards       4 (workers look at 16)
        timeout      5m
        lease        30s
        retention    366d
        attempts     2
        retry delay  1s to 10m
    "#]]
    .assert_eq(
        &oq.run(&[
            "queue",
            "set",
            "--retention",
            "366d",
            "--shards",
            "4",
            "--attempts",
            "2",
            "-o",
            "table",
        ])
        .shown(),
    );
    oq.run(&["queue", "set", "--retention", "367d"])
        .refused(2, "use 1h to 366d");
    oq.run(&["queue", "set", "--lease", "1s"])
        .refused(2, "use 15s to 10m");
    oq.run(&["queue", "set", "--shards", "0"])
        .refused(2, "--shards");
    assert_eq!(oq.run(&["queue", "show"]).json()["shards"], 4);
}

#[test]
fn draining_pauses_and_says_when_nothing_runs() {
    let oq = Oq::new();
    let id = oq.submit(&["echo"]);
    expect![[r#"
        exit 0
        --- stderr
        oq: default is paused; what runs goes on
        oq: nothing of default runs
        next: oq queue resume default
    "#]]
    .assert_eq(&oq.run(&["queue", "drain"]).shown());
    oq.run(&["queue", "drain", "--empty", "--timeout", "10ms"])
        .refused(6, "1 may be started");
    oq.run(&["queue", "resume"]);
    oq.work(&[&id]);
    let ran = oq.run(&["queue", "drain", "--empty"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (Some(0), "oq: default is empty\n")
    );
}

#[test]
fn purging_asks_and_deletes() {
    let oq = Oq::new();
    let id = oq.submit(&["echo"]);
    oq.run(&["queue", "purge"])
        .refused(2, "Delete 1 live tasks, 0 outcomes and 0 dead letters");
    oq.run(&["queue", "purge", "--dry-run"]);
    assert_eq!(oq.run(&["get", &id]).code, Some(0));
    assert_eq!(oq.run(&["queue", "purge", "--yes"]).json()["live"], 1);
    oq.run(&["get", &id]).refused(3, "OQ-NOT-FOUND");
}

/// Ctrl-C once the purge is written down: it holds, and that is said.
#[tokio::test]
async fn an_interrupted_purge_says_that_the_tasks_are_purged() {
    let oq = Oq::new();
    let tasks = (0..100).map(|n| format!("{n}\n")).collect::<String>();
    oq.piped(&["submit", "echo", "--jsonl", "-"], tasks);
    let purge = oq
        .command(&["queue", "purge", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let url = format!("sqlite:{}", oq.path().join("oq.db").display());
    let queue = oq_core::Queue::connect(&url).await.unwrap();
    while queue.settings().await.unwrap().purged_before.is_none() {
        let env = queue.root().env();
        env.sleep(Duration::from_millis(5)).await;
    }
    let pid = purge.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status();
    assert!(killed.unwrap().success());
    let ran = oq.end(purge.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(
        ran.err
            .contains("interrupted: the tasks are purged all the same"),
        "{ran:?}"
    );
    let ran = oq
        .run(&["worker", "--drain", "--task", "echo=/bin/cat"])
        .json();
    assert_eq!((&ran["completed"], &ran["failed"]), (&0.into(), &0.into()));
    assert_eq!(queue.stats().await.unwrap().runnable, 0);
}

#[test]
fn workers_present_are_listed() {
    let oq = Oq::new();
    oq.submit(&["echo"]);
    let none = oq.run(&["worker", "list"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), ""));
    assert!(none.err.contains("no worker is present"), "{}", none.err);
}

#[test]
fn a_mistyped_queue_or_store_is_told_and_made_of_nothing() {
    let oq = Oq::new();
    oq.submit(&["echo", "--queue", "mail"]);
    for args in [
        &["queue", "pause", "mial"][..],
        &["queue", "drain", "mial"],
        &["queue", "stats", "mial"],
        &["queue", "show", "mial"],
        &["queue", "purge", "mial", "--yes"],
        &["list", "--queue", "mial"],
        &["dead", "list", "--queue", "mial"],
    ] {
        oq.run(args).refused(3, "did you mean mail?");
    }
    let names = || oq.run(&["queue", "list", "--names", "-o", "id"]).out;
    assert_eq!(names(), "mail\n");
    // The queue that nobody names is there before its first task.
    assert_eq!(oq.run(&["list"]).code, Some(0));
    // What is refused makes none.
    let ran = oq.run(&["queue", "set", "images", "--lease", "1s"]);
    ran.refused(2, "15s");
    assert!(!ran.err.contains("is new"), "{}", ran.err);
    assert_eq!(names(), "mail\n");
    // Who sets something means a queue that may be new, and is told that it is.
    let ran = oq.run(&["queue", "set", "images", "--shards", "4"]);
    assert!(ran.err.contains("the queue images is new"), "{}", ran.err);
    assert_eq!(oq.run(&["queue", "pause", "images"]).code, Some(0));
    assert_eq!(names(), "images\nmail\n");

    for args in [
        &["list"][..],
        &["get", "01M8D2HN97"],
        &["tail"],
        &["queue", "list"],
        &["queue", "pause"],
        &["queue", "set"],
        &["top", "--once"],
    ] {
        let ran = oq.run(&[args, &["--url", "sqlite:typo.db"]].concat());
        ran.refused(7, "there is no");
    }
    assert!(!oq.path().join("typo.db").exists());
}

#[test]
fn what_is_shown_of_a_queue_is_shown_in_every_format() {
    let oq = Oq::new();
    oq.submit(&["echo"]);
    expect![[r#"
        exit 0
        --- stdout
        queue,state,shards,shards_high,timeout,lease,retention,attempts,retry_base,retry_cap,purged_before
        default,open,16,16,5m,30s,3d,5,1s,10m,
    "#]]
    .assert_eq(&oq.run(&["queue", "show", "-o", "csv"]).shown());
    let csv = oq.run(&["explain", "OQ-CONFLICT", "-o", "csv"]).out;
    assert!(csv.starts_with("code,what\nOQ-CONFLICT,"), "{csv}");
    assert_eq!(
        oq.run(&["explain", "OQ-CONFLICT", "-o", "id"]).out,
        "OQ-CONFLICT\n"
    );
    let stats = oq.run(&["queue", "stats"]).json();
    assert!(
        stats["oldest_ms"].is_u64() && stats["purged"] == 0,
        "{stats}"
    );
}
