//! Secrets are never said: each is planted where a program finds secrets, and looked for in everything
//! that every command and a worker say, whether they succeed or fail.

use std::time::Duration;

use oq_chaos::server::{Kind, Server};
use oq_core::env::Env;

use crate::world::{Oq, binary};

/// A secret key, a session token, and what people put into URLs by mistake.
const SECRET: &str = "canary-secret-kJ8s0f3LqZ";
const TOKEN: &str = "canary-token-Wq71mm0aPz";
const PASSWORD: &str = "canary-password-9xT2";

const ID: &str = "01HF7YAT0000000000000G0000";

/// Every command, good or bad.
const COMMANDS: &[&[&str]] = &[
    &["submit", "echo", "1"],
    &["submit", "echo", "1", "--key", "k"],
    &["get", ID],
    &["explain", ID],
    &["history", ID],
    &["result", ID],
    &["wait", ID, "--timeout", "1s"],
    &["cancel", ID, "--yes"],
    &["retry", ID],
    &["list", "--all"],
    &["dead", "list"],
    &["queue", "list"],
    &["queue", "show", "default"],
    &["queue", "stats", "default"],
    &["worker", "list"],
    &["worker", "--drain", "--task", "echo=cat", "--log", "jsonl"],
    &["worker", "--drain", "--task", "echo=cat", "--show-stderr"],
    &["tail"],
    &["top", "--once"],
    &["doctor", "--quick"],
    &["doctor", "--quick", "-o", "json"],
    &["init", "--yes"],
    &["iam", "--role", "worker"],
    &["iam", "--bucket-policy"],
    &["config"],
    &["config", "show"],
    &["bench", "-n", "5", "--yes"],
    &["frobnicate"],
];

fn planted(url: &str, secret: &str) -> Oq {
    let mut oq = Oq::at(url);
    let planted = [
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_SESSION_TOKEN", TOKEN),
        ("OQ_LOG", "trace"),
    ];
    for (name, value) in planted {
        oq.env.retain(|(n, _)| n != name);
        oq.env.push((name.into(), value.into()));
    }
    oq
}

async fn looked_at(oq: &Oq, what: &str) -> usize {
    let mut said = 0;
    for args in COMMANDS {
        let ran = oq.run(args).await;
        for secret in [SECRET, TOKEN, PASSWORD] {
            let both = [&ran.out, &ran.err];
            assert!(
                both.iter().all(|text| !text.contains(secret)),
                "{what}: oq {args:?} says {secret}:\n{ran:?}"
            );
        }
        said += ran.out.len() + ran.err.len();
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_says_a_secret_whether_it_succeeds_or_not() {
    let server = Server::start_with(Kind::Dev, &binary()).await.unwrap();
    // Wrong ones: every request is refused, and every error is said.
    let url = server.direct("p");
    assert!(looked_at(&planted(&url, SECRET), "refused").await > 1000);
    // Nobody listens.
    let nobody = "s3://bucket/p?endpoint=http://127.0.0.1:9&region=us-east-1";
    for args in [
        &["get", ID][..],
        &["doctor", "--quick"],
        &["submit", "echo", "1"],
    ] {
        let ran = planted(nobody, SECRET).run(args).await;
        assert!(
            ran.code != 0 && !ran.err.contains(SECRET) && !ran.err.contains(TOKEN),
            "{ran:?}"
        );
    }
    // In the URL itself: it is refused, and what is refused is not repeated.
    for url in [
        format!("s3://user:{PASSWORD}@bucket/p"),
        format!("s3://bucket/p?endpoint=http://user:{PASSWORD}@127.0.0.1:9"),
        format!("s3://bucket/p?secret={PASSWORD}"),
        format!("postgres://user:{PASSWORD}@host/db"),
    ] {
        assert!(looked_at(&planted(&url, SECRET), &url).await > 1000);
    }
}

/// The endpoint knows the secret, as its clients do: neither says it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_development_server_and_its_clients_keep_a_secret_of_ones_own() {
    let folder = Oq::at("memory:");
    let log = folder.path().join("dev");
    let mut dev = folder.command(&[
        "dev",
        "--listen",
        "127.0.0.1:0",
        "--until-eof",
        "-o",
        "jsonl",
        "--url",
        "memory:",
    ]);
    dev.env("OQ_DEV_ACCESS_KEY_ID", "canary")
        .env("OQ_DEV_SECRET_ACCESS_KEY", SECRET)
        .env("OQ_LOG", "trace");
    let file = |name: &str| std::fs::File::create(log.with_extension(name)).unwrap();
    let mut dev = dev
        .stdin(std::process::Stdio::piped())
        .stdout(file("out"))
        .stderr(file("err"))
        .spawn()
        .unwrap();
    let read = |name: &str| std::fs::read_to_string(log.with_extension(name)).unwrap_or_default();
    let ready = loop {
        if let Some(line) = read("out")
            .lines()
            .next()
            .filter(|line| line.ends_with('}'))
        {
            break serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        Env::system().sleep(Duration::from_millis(20)).await;
    };
    let mut oq = Oq::at(ready["url"].as_str().unwrap());
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "canary"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("OQ_LOG", "trace"),
    ] {
        oq.env.retain(|(n, _)| n != name);
        oq.env.push((name.into(), value.into()));
    }
    oq.run(&["submit", "echo", "1"]).await.fine();
    assert!(looked_at(&oq, "accepted").await > 1000);
    drop(dev.stdin.take());
    dev.wait().await.unwrap();
    for name in ["out", "err"] {
        assert!(!read(name).contains(SECRET), "{}", read(name));
    }
}
