//! What operators ask: `oq doctor`, `oq init`, `oq iam`, `oq tail`; the real binary on a file.

// A test that cannot go on says where.
#![allow(clippy::unwrap_used)]
#![allow(dead_code)]

mod real;

use real::Oq;
use serde_json::Value;

fn finding<'a>(report: &'a Value, check: &str) -> &'a Value {
    let all = report["findings"].as_array().unwrap();
    let found = all.iter().find(|f| f["check"] == check);
    found.unwrap_or_else(|| panic!("no {check} in {report}"))
}

#[test]
fn doctor_finds_a_file_healthy_and_leaves_nothing_in_it() {
    let oq = Oq::with_file();
    let ran = oq.run(&["doctor", "--quick", "-o", "json"]).fine();
    let report = ran.json();
    assert_eq!(
        (&report["healthy"], &report["refused"]),
        (&true.into(), &false.into())
    );
    assert_eq!(finding(&report, "race of creates")["verdict"], "ok");
    assert_eq!(finding(&report, "format")["verdict"], "note");
    assert_eq!(report["latency"].as_array().unwrap().len(), 6);
    assert!(ran.err.contains("up to 104 PUT"), "{}", ran.err);
    // Not even the mark was written.
    let again = oq.run(&["doctor", "--quick", "-o", "json"]).fine().json();
    assert_eq!(finding(&again, "format")["verdict"], "note");
}

/// Somebody writes over a task by hand.
fn write_over(oq: &Oq, id: &str) {
    let path = oq.path().join("oq.db");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let store = oq_core::store::open(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
        let all = store
            .list(&oq_core::store::List::prefix("default/live/"))
            .await
            .unwrap();
        let entry = all
            .value
            .entries
            .into_iter()
            .find(|e| e.key.as_str().ends_with(id))
            .unwrap();
        store
            .update(&entry.key, "rubbish".into(), &entry.etag)
            .await
            .unwrap();
    });
}

#[test]
fn doctor_tells_what_is_wrong_with_its_cure_and_ends_with_9() {
    let oq = Oq::with_file();
    let id = oq.run(&["submit", "echo", "1"]).fine().out;
    let id = id.trim();
    write_over(&oq, id);
    let ran = oq.run(&["doctor", "--quick"]);
    assert_eq!(ran.code, 9, "{}", ran.err);
    let bad = ran
        .rows()
        .into_iter()
        .find(|f| f["check"] == "objects")
        .unwrap();
    assert_eq!(bad["verdict"], "fault");
    assert!(bad["what"].as_str().unwrap().contains(id), "{bad}");
    assert!(
        bad["cure"].as_str().unwrap().contains("restore or delete"),
        "{bad}"
    );
    let same = oq.run(&["doctor", "--quick", "--json"]);
    assert_eq!((same.code, &same.json()["healthy"]), (9, &false.into()));
    for two in [
        ["doctor", "--json", "-o", "csv"],
        ["-o", "csv", "doctor", "--json"],
    ] {
        assert_eq!(oq.run(&two).code, 2, "{two:?}");
    }
    let table = oq.run(&["doctor", "--quick", "-o", "table"]);
    assert!(table.out.contains("cure: "), "{}", table.out);
    assert!(table.err.contains("1 fault,"), "{}", table.err);
}

#[test]
fn init_lays_out_a_file_once() {
    let oq = Oq::with_file();
    let args = ["init", "--shards", "4", "--retention", "7d"];
    let dry = oq.run(&[&args[..], &["--dry-run"]].concat()).fine();
    assert!(dry.err.contains("nothing was changed"), "{}", dry.err);
    let first = oq.run(&args).fine();
    assert_eq!(first.out, dry.out, "it did something else than it said");
    let what: Vec<Value> = first
        .rows()
        .into_iter()
        .map(|row| row["what"].clone())
        .collect();
    assert_eq!(what, ["oq.json", "default/queue.json"]);
    let again = oq.run(&args).fine();
    assert_eq!(again.out, "");
    assert!(again.err.contains("as it should be"), "{}", again.err);
    let more = oq.run(&["init", "--shards", "8"]).fine();
    assert_eq!(
        more.rows()[0]["then"],
        "8 shards instead of 4, outcomes kept for 7 d"
    );
    let wrong = oq.run(&["init", "--shards", "4096"]);
    assert_eq!(wrong.code, 2);
}

#[test]
fn iam_prints_policies_without_asking_anybody() {
    let oq = Oq::at("s3://acme/jobs?region=eu-central-1", &[]);
    let policy = oq
        .run(&["iam", "--role", "producer", "--only", "mail"])
        .fine()
        .json();
    let statements = policy["Statement"].as_array().unwrap();
    let sids: Vec<_> = statements
        .iter()
        .map(|s| s["Sid"].as_str().unwrap())
        .collect();
    assert_eq!(sids, ["Read", "Write", "TellThatAKeyIsMissing"]);
    let write = &statements[1]["Resource"];
    assert!(
        write
            .as_array()
            .unwrap()
            .contains(&"arn:aws:s3:::acme/jobs/mail/live/*".into())
    );
    let policy = oq.run(&["iam", "--bucket-policy"]).fine().json();
    let refuse = &policy["Statement"][0];
    assert_eq!(refuse["Effect"], "Deny");
    assert_eq!(refuse["Condition"]["Null"]["s3:if-match"], "true");

    assert_eq!(oq.run(&["iam"]).code, 2);
    assert_eq!(oq.run(&["iam", "--role", "root"]).code, 2);
    let file = Oq::with_file().run(&["iam", "--role", "worker"]);
    assert_eq!(file.code, 2);
    assert!(
        file.err.contains("policies are for buckets"),
        "{}",
        file.err
    );
}

#[test]
fn tail_tells_what_happened_and_goes_on_from_a_cursor() {
    let oq = Oq::with_file();
    let first = oq
        .run(&["submit", "echo", "\"secret\"", "--tag", "a=b"])
        .fine()
        .out;
    let second = oq.run(&["submit", "other", "2"]).fine().out;
    let told = oq.run(&["tail"]).fine();
    let events = told.rows();
    let ids: Vec<_> = events.iter().map(|e| e["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [first.trim(), second.trim()]);
    assert!(events.iter().all(|e| e["event"] == "submitted"));
    assert!(!told.out.contains("secret"));
    let cursor = events[1]["cursor"].as_str().unwrap();
    let again = oq.run(&["tail", "--since", cursor]).fine();
    assert_eq!(again.rows().len(), 2, "{}", again.out);
    for (args, wanted) in [
        (vec!["--type", "echo"], first.trim()),
        (vec!["--tag", "a=b"], first.trim()),
        (vec!["--type", "other", "--since", "1h"], second.trim()),
        (
            vec!["--type", "other", "--since", "yesterday"],
            second.trim(),
        ),
        (vec!["--type", "echo", "--since", "2h ago"], first.trim()),
    ] {
        let told = oq.run(&[&["tail", "-o", "id"][..], &args].concat()).fine();
        assert_eq!(told.out.trim(), wanted, "{args:?}");
    }
    assert_eq!(oq.run(&["tail", "--event", "failed"]).fine().out, "");
    assert_eq!(oq.run(&["tail", "--event", "done"]).code, 2);
    assert_eq!(oq.run(&["tail", "--since", "soon"]).code, 2);
    assert_eq!(oq.run(&["tail", "--since", "-2h"]).code, 2);
    let table = oq.run(&["tail", "-o", "table"]).fine();
    assert!(
        table.out.lines().next().unwrap().contains("submitted"),
        "{}",
        table.out
    );
}

#[test]
fn tail_follows_until_it_is_stopped() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let oq = Oq::with_file();
    oq.run(&["submit", "echo", "1"]).fine();
    let mut follow = oq.command(&["tail", "-f", "--since", "1h", "--interval", "100ms"]);
    let mut child = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["type"], "echo");
    let id = oq.run(&["submit", "other", "2"]).fine().out;
    let event = next();
    assert_eq!(
        (event["event"].as_str(), event["id"].as_str()),
        (Some("submitted"), Some(id.trim()))
    );
    child.kill().unwrap();
    child.wait().unwrap();
}
