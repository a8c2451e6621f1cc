//! Every document that oq knows, and what is read from it.

use std::fmt::Write;

use super::*;

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// What was read, in a line.
fn read(document: &str) -> String {
    let mut line = String::new();
    match Event::read(document) {
        Ok(Event::Tick) => line.push_str("tick"),
        Ok(Event::Drain(drain)) => write!(line, "drain {drain:?}").unwrap(),
        Ok(Event::Submit(task)) => write!(line, "submit {}", task.task.task_type).unwrap(),
        Ok(Event::Http(request)) => {
            let key = request.header("Idempotency-Key");
            let text = request.text().ok().map(|t| t.len());
            write!(line, "{} {key:?} {text:?}", request.method()).unwrap();
        }
        Ok(Event::Objects(source, messages)) => {
            write!(line, "{source:?}").unwrap();
            for message in messages {
                match message.notices {
                    Ok(notices) if notices.is_empty() => line.push_str(" nothing"),
                    Ok(notices) => notices.iter().for_each(|n| {
                        let id = &n.key[n.key.len() - 5..];
                        write!(line, " {:?}:{}:{id}:{:?}", n.wrote, n.bucket, n.size).unwrap();
                    }),
                    Err(_) => line.push_str(" unknown"),
                }
            }
        }
        Err(unknown) => write!(line, "unknown: {unknown}").unwrap(),
    }
    line
}

#[test]
fn every_document_is_read() {
    let put = "Created:acme-jobs:BG0007:Some(1024)";
    let put = put.replace("BG0007", "G0007");
    let other = "Created:acme-jobs:G0003:Some(1024)";
    let whole = |rest: &str| format!("Whole {rest}");
    let table = [
        ("s3-put", whole(&put)),
        ("s3-put-versioned", whole(&put)),
        ("s3-put-encoded", whole(&put)),
        ("s3-put-twice", whole(&format!("{put} {put}"))),
        (
            "s3-put-then-claim-out-of-order",
            whole(&format!("{} {put}", put.replace("1024", "1089"))),
        ),
        ("s3-complete-multipart", whole(&put)),
        ("s3-removed", whole(&put.replace("Created", "Other"))),
        (
            "s3-foreign-bucket",
            whole(&put.replace("acme-jobs", "other-bucket")),
        ),
        ("s3-foreign-prefix", whole(&put)),
        ("s3-outcome", whole(&put)),
        ("s3-test", whole("nothing")),
        ("s3-empty", "Whole".into()),
        ("s3-by-hand", whole(&put.replace("Some(1024)", "None"))),
        ("eventbridge-created", whole(&put)),
        ("eventbridge-created-unencoded", whole(&put)),
        (
            "eventbridge-deleted",
            whole(&put.replace("Created", "Other")),
        ),
        ("eventbridge-schedule", "tick".into()),
        ("scheduler", "tick".into()),
        ("sqs-s3", format!("Sqs {put} {other}")),
        ("sqs-poisoned", format!("Sqs {put} unknown")),
        ("sqs-test", "Sqs nothing".into()),
        ("sqs-sns-s3", format!("Sqs {put}")),
        ("sqs-eventbridge", format!("Sqs {put}")),
        ("sns-s3", whole(&put)),
        ("url-post", r#"POST Some("resize:cat.png") Some(76)"#.into()),
        (
            "url-post-base64",
            r#"POST Some("resize:cat.png") Some(76)"#.into(),
        ),
        ("url-get", r#"GET Some("resize:cat.png") Some(0)"#.into()),
        (
            "api-v1-post",
            r#"POST Some("resize:cat.png") Some(76)"#.into(),
        ),
        ("alb-post", r#"POST Some("resize:cat.png") Some(76)"#.into()),
        ("direct-submit", "submit resize".into()),
        ("direct-scheduled", "submit sleep".into()),
    ];
    for (name, expected) in table {
        assert_eq!(read(&fixture(name)), expected, "{name}");
    }
}

#[test]
fn a_request_to_drain_says_what_from_where_and_how_much() {
    let of = |document: &str| match Event::read(document) {
        Ok(Event::Drain(request)) => request,
        other => panic!("{document}: {other:?}"),
    };
    let request = of(&fixture("direct-drain"));
    assert_eq!((request.drain, request.max_tasks), (What::All, Some(10)));
    assert_eq!(request.queues.unwrap()[0].as_str(), "default");
    let request = of(r#"{"drain":"all","linger_s":5}"#);
    assert_eq!(
        (request.drain.clone(), request.linger().as_secs()),
        (What::All, 5)
    );
    let id = "01M7YRRT800013XRZP16BG0007";
    let request = of(&format!(r#"{{"drain":["{id}"]}}"#));
    assert_eq!(request.drain, What::These(vec![id.parse().unwrap()]));
}

#[test]
fn what_is_no_event_of_ours_is_said() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let ec2 = fixture("eventbridge-ec2");
    let dynamodb = fixture("dynamodb");
    let table = [
        ("", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("\"s3\"", "not a JSON object"),
        ("{}", "not an event that oq knows"),
        ("{\"a\":1}", "not an event that oq knows"),
        (deep.as_str(), "not an event that oq knows"),
        ("{\"Records\":5}", "Records cannot be read"),
        ("{\"Records\":[5]}", "a record is not a JSON object"),
        ("{\"Records\":[{}]}", "no source that it names"),
        ("{\"Records\":[{\"s3\":{}}]}", "missing field `bucket`"),
        ("{\"Event\":\"other\"}", "not a notification"),
        (dynamodb.as_str(), "aws:dynamodb"),
        (ec2.as_str(), "of aws.ec2"),
        ("{\"drain\":false}", "\"drain\" is true"),
        ("{\"drain\":[]}", "\"drain\" is true"),
        ("{\"drain\":[\"x\"]}", "x"),
        ("{\"drain\":true,\"queus\":[]}", "unknown field `queus`"),
        ("{\"drain\":true,\"queues\":[\"../x\"]}", "../x"),
        ("{\"type\":\"a b\"}", "a b"),
        ("{\"type\":\"a\",\"dealy\":5}", "unknown field `dealy`"),
        (
            "{\"Records\":[{\"messageId\":\"a\"},{}]}",
            "no source that it names",
        ),
    ];
    for (document, expected) in table {
        let why = Event::read(document).unwrap_err().to_string();
        assert!(why.contains(expected), "{document:.60}: {why}");
        assert!(why.len() < 500, "{why}");
    }
}

#[test]
fn an_event_of_six_megabytes_is_read() {
    let record = serde_json::from_str::<serde_json::Value>(&fixture("s3-put")).unwrap();
    let record = record["Records"][0].to_string();
    let n = 6_000_000 / record.len();
    let document = format!("{{\"Records\":[{}]}}", vec![record; n].join(","));
    let Ok(Event::Objects(Source::Whole, messages)) = Event::read(&document) else {
        panic!("not read")
    };
    assert_eq!(messages.len(), n);
}

#[test]
fn the_later_of_two_writes_has_the_larger_sequencer_whatever_its_length() {
    let notice = |sequencer: &str| Notice {
        wrote: Wrote::Created,
        bucket: "b".into(),
        key: "k".into(),
        size: None,
        at: None,
        sequencer: sequencer.into(),
    };
    let order = ["", "0A", "00B1", "0C12", "FFFF", "10000"];
    for pair in order.windows(2) {
        assert!(
            notice(pair[0]).order() < notice(pair[1]).order(),
            "{pair:?}"
        );
    }
}
