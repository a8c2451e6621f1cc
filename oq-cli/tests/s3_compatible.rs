//! `oq doctor` and `oq init` on buckets: on `oq dev` always, and on the servers that `OQ_TEST_S3`
//! names (`localstack/start --run` sets it).

// A test that cannot go on says where.
#![allow(clippy::unwrap_used)]
#![allow(dead_code)]

#[path = "operate/real.rs"]
mod real;

use std::path::Path;

use oq_dev_server::DevServer;
use real::Oq;
use serde_json::Value;

fn dev() -> DevServer {
    DevServer::start(Path::new(env!("CARGO_BIN_EXE_oq")), "memory:").unwrap()
}

/// A folder whose commands use it.
fn in_front_of(dev: &DevServer) -> Oq {
    let credentials = dev.credentials();
    let env: Vec<_> = credentials.iter().map(|(k, v)| (*k, v.as_str())).collect();
    Oq::at(&dev.url, &env)
}

/// The servers to be tried, with a prefix of the test's own in each.
fn servers(name: &str) -> Vec<Oq> {
    let key = |name: &str| {
        (
            name.to_owned(),
            std::env::var(name).unwrap_or_else(|_| "test".into()),
        )
    };
    let env = [
        key("AWS_ACCESS_KEY_ID"),
        key("AWS_SECRET_ACCESS_KEY"),
        ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
    ];
    let env: Vec<_> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let urls = std::env::var("OQ_TEST_S3").unwrap_or_default();
    let urls = urls.split_whitespace().map(|url| {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let folder = format!("{name}-{}", std::process::id());
        format!("{}/{folder}?{query}", place.trim_end_matches('/'))
    });
    urls.map(|url| Oq::at(&url, &env)).collect()
}

fn check<'a>(report: &'a Value, check: &str) -> &'a Value {
    let all = report["findings"].as_array().unwrap();
    let found = all.iter().find(|f| f["check"] == check);
    found.unwrap_or_else(|| panic!("no {check} in {report:#}"))
}

fn lays_out_and_finds_healthy(oq: &Oq) {
    // Before: no backstop, which is a warning and no fault.
    let before = oq
        .run(&["doctor", "--quick", "-o", "json", "-q", "mail"])
        .fine()
        .json();
    assert_eq!(before["refused"], false);
    assert_eq!(check(&before, "lifecycle rules")["verdict"], "warning");
    // moto's answer cannot be read.
    let versioning = check(&before, "versioning")["verdict"].as_str();
    assert!(matches!(versioning, Some("ok" | "note")), "{versioning:?}");

    let args = ["init", "-q", "mail", "--retention", "5d"];
    let dry = oq.run(&[&args[..], &["--dry-run"]].concat()).fine();
    // Policies alone are data then, for `jq .worker`.
    let policies = oq.run(&[&args[..], &["--dry-run", "--policies"]].concat());
    let all = policies.fine().json();
    for role in ["producer", "worker", "operator", "viewer"] {
        let alone = oq.run(&["iam", "--role", role, "--only", "mail"]).fine();
        assert_eq!(all[role], alone.json(), "{role}");
    }
    assert_eq!(
        all["bucket"],
        oq.run(&["iam", "--bucket-policy"]).fine().json()
    );
    let china = ["--dry-run", "--policies", "--partition", "aws-cn"];
    let china = oq.run(&[&args[..], &china].concat()).fine();
    assert!(china.out.contains("arn:aws-cn:s3") && !china.out.contains("arn:aws:s3"));
    let asked = oq.run(&args);
    assert_eq!(asked.code, 2, "{}", asked.err);
    assert!(asked.err.contains("--yes"), "{}", asked.err);
    let done = oq.run(&[&args[..], &["--yes"]].concat()).fine();
    assert_eq!(done.out, dry.out);
    assert_eq!(done.rows().len(), 6, "{}", done.out);
    assert_eq!(oq.run(&args).fine().out, "", "a second run changes nothing");
    // Another queue's rules are added to those that are there.
    oq.run(&["init", "-q", "other", "--yes"]).fine();
    assert_eq!(oq.run(&args).fine().out, "");

    let after = oq
        .run(&["doctor", "-o", "json", "-q", "mail"])
        .fine()
        .json();
    let worst = after["findings"].as_array().unwrap().iter();
    let wrong: Vec<_> = worst.filter(|f| f["cure"].is_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        check(&after, "race of updates")["what"],
        "one of 32 wins, in 10 of 10 rounds"
    );
}

#[test]
fn the_development_server_can_be_laid_out_and_is_healthy() {
    let dev = dev();
    lays_out_and_finds_healthy(&in_front_of(&dev));
}

#[test]
fn other_servers_can_be_laid_out_and_are_healthy() {
    for oq in servers("init") {
        lays_out_and_finds_healthy(&oq);
    }
}

/// Reading the certificates of a machine takes longer than a submission to a store on it.
#[cfg(unix)]
#[test]
fn without_tls_no_certificate_is_read() {
    let dev = dev();
    let oq = in_front_of(&dev);
    let fifo = oq.path().join("certificates");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    // Whoever opened it would wait for ever.
    let ran = oq
        .command(&["submit", "echo", "1"])
        .env("SSL_CERT_FILE", &fifo)
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn a_bucket_that_is_not_there_and_wrong_credentials_are_faults() {
    let dev = dev();
    let url = dev.url.replacen("oq-dev", "no-such-bucket", 1);
    let credentials = dev.credentials();
    let env: Vec<_> = credentials.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let ran = Oq::at(&url, &env).run(&["doctor", "--quick", "-o", "json"]);
    assert_eq!(ran.code, 9, "{}", ran.err);
    let access = check(&ran.json(), "access").clone();
    assert_eq!(access["verdict"], "fault");
    assert!(
        access["cure"].as_str().unwrap().contains("bucket's name"),
        "{access}"
    );

    let env = env.into_iter().map(|(k, v)| match k {
        "AWS_SECRET_ACCESS_KEY" => (k, "wrong"),
        _ => (k, v),
    });
    let env: Vec<_> = env.collect();
    let ran = Oq::at(&dev.url, &env).run(&["doctor", "--quick", "-o", "json"]);
    assert_eq!(ran.code, 9, "{}", ran.err);
    let access = check(&ran.json(), "access").clone();
    assert!(
        access["cure"].as_str().unwrap().contains("credentials"),
        "{access}"
    );
    assert!(!ran.out.contains("wrong"), "{}", ran.out);
}
