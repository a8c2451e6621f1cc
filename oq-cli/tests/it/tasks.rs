//! Submit, get, wait, result, list, cancel, retry, history.

use expect_test::expect;

use crate::oq::Oq;

#[test]
fn what_is_submitted_can_be_shown() {
    let oq = Oq::new();
    let id = oq.submit(&[
        "mail.welcome",
        r#"{"to":"a"}"#,
        "--delay",
        "10m",
        "--priority",
        "high",
        "--tag",
        "customer=c1",
        "--queue",
        "mail",
    ]);
    assert_eq!(id.len(), 26);
    let shown = oq.run(&["get", &id, "--queue", "mail"]).json();
    assert_eq!(shown["state"], "waiting");
    assert_eq!(shown["input"]["to"], "a");
    assert_eq!(shown["tags"]["customer"], "c1");
    expect![[r#"
        exit 3
        --- stderr
        oq: OQ-NOT-FOUND: ID1 is not known: it was never accepted, or its outcome is past its retention
        next: check --url and --queue (an id is known in its queue only): oq queue list
    "#]].assert_eq(&oq.run(&["get", &id]).shown());
    let card = oq.run(&["get", &id, "-q", "mail", "-o", "table"]).out;
    assert!(card.contains("why it waits  delayed: due in 9m"), "{card}");
}

#[test]
fn people_see_why_a_task_waits_and_why_it_failed() {
    let oq = Oq::new();
    let id = oq.submit(&["fail", "\"boom\\n  at line 3\"", "--tag", "a=b"]);
    let card = oq.run(&["get", &id, "-o", "table"]).out;
    assert!(
        card.contains("why it waits  no worker is present at its queue"),
        "{card}"
    );
    oq.run(&["queue", "pause"]);
    let card = oq.run(&["get", &id, "-o", "table"]).out;
    assert!(card.contains("why it waits  its queue is paused"), "{card}");
    oq.run(&["queue", "resume"]);
    oq.work(&[&id]);
    let card = oq.run(&["get", &id, "-o", "table"]).shown();
    for line in [
        "state      failed",
        "attempts   1 of 5",
        "error      fatal (not to be tried again)",
        "message\n  boom\n    at line 3\n",
        "history\n  TIME  claimed",
    ] {
        assert!(card.contains(line), "{line}: {card}");
    }
}

#[test]
fn people_see_when_a_failed_attempt_is_tried_again() {
    let oq = Oq::new();
    let id = oq.submit(&[
        "flaky",
        "--retry-base",
        "1h",
        "--retry-cap",
        "1h",
        "--jitter",
        "0",
        "--attempts",
        "3",
    ]);
    oq.work_until(&[&id], |view| {
        view.attempts == 1 && view.available_at.is_some()
    });
    let card = oq.run(&["get", &id, "-o", "table"]).out;
    assert!(
        card.contains("why it waits  attempt 1 of 3 failed: the next is due in 59m"),
        "{card}"
    );
    assert!(card.contains("message\n  come again"), "{card}");
}

#[test]
fn an_input_is_shown_as_it_was_written() {
    let oq = Oq::new();
    let id = oq.submit(&[
        "echo",
        "{\"n\": 123456789012345678901234567890,\n \"a\": 1, \"a\": 2}",
    ]);
    let line = oq.run(&["get", &id]).out;
    assert_eq!(line.lines().count(), 1);
    assert!(
        line.contains(r#""input":{"n":123456789012345678901234567890,"a":1,"a":2}"#),
        "{line}"
    );
}

#[test]
fn waiting_ends_with_the_code_for_why() {
    let oq = Oq::new();
    let (good, bad) = (
        oq.submit(&["echo", "[1]"]),
        oq.submit(&["fail", "\"boom\""]),
    );
    expect![[r#"
        exit 6
        --- stderr
        oq: OQ-TIMED-OUT: still not finished after 60ms
        next: the task goes on; see where it stands: oq get ID1
    "#]]
    .assert_eq(&oq.run(&["wait", &good, "--timeout", "60ms"]).shown());
    expect![[r#"
        exit 5
        --- stderr
        oq: OQ-CONFLICT: ID1 has no result yet: it is pending
        next: oq wait ID1
    "#]]
    .assert_eq(&oq.run(&["result", &good]).shown());
    oq.work(&[&good, &bad]);
    expect![[r#"
        exit 0
        --- stdout
        [1]
    "#]]
    .assert_eq(&oq.run(&["wait", &good]).shown());
    expect![[r#"
        exit 1
        --- stderr
        oq: OQ-NOT-COMPLETED: ID1 is failed: fatal: boom
        next: oq get ID1
    "#]]
    .assert_eq(&oq.run(&["wait", &bad]).shown());
    expect![[r#"
        exit 1
        --- stdout
        [1]
        --- stderr
        oq: OQ-NOT-COMPLETED: ID1 is failed: fatal: boom
        next: oq get ID1
    "#]]
    .assert_eq(&oq.run(&["result", &good, &bad]).shown());
    let both = oq.piped(&["wait", "-", "-o", "id"], format!("{good}\n{bad}\n"));
    assert_eq!(both.code, Some(1));
    assert_eq!(both.out.lines().count(), 2);
    oq.run(&["wait", "01HF7YAT0000000000000G0000"])
        .refused(3, "OQ-NOT-FOUND");
}

#[test]
fn a_submission_is_told_in_the_form_that_is_asked_for() {
    let oq = Oq::new();
    let told = |format: &str| {
        let ran = oq.run(&["submit", "echo", "1", "--key", "k", "-o", format]);
        ran.shown().split("--- stderr").next().unwrap().to_owned()
    };
    let bare = "exit 0\n--- stdout\nID1\n";
    assert_eq!(told("id"), bare);
    assert_eq!(told("table"), bare);
    let object = "exit 0\n--- stdout\n{\"id\":\"ID1\",\"existing\":true}\n";
    assert_eq!(told("json"), object);
    assert_eq!(told("jsonl"), object);
    assert_eq!(told("csv"), "exit 0\n--- stdout\nid,existing\nID1,true\n");
}

#[test]
fn daily_verbs_have_their_noun_too() {
    let oq = Oq::new();
    let ran = oq.run(&["task", "submit", "echo", "1"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let id = ran.out.trim();
    assert_eq!(oq.run(&["task", "list", "-o", "id"]).out.trim(), id);
    assert_eq!(
        oq.run(&["task", "get", id]).json(),
        oq.run(&["get", id]).json()
    );
    let many = oq.piped(&["task", "submit", "echo", "--jsonl", "-"], "1\n2\n");
    assert_eq!(many.out.lines().count(), 2, "{}", many.err);
    oq.run(&["task", "get", "x"]).refused(2, "OQ-INVALID");
    oq.run(&["task", "submit", "a", "--dely", "5s"])
        .refused(2, "next: oq task submit --help");
}

#[test]
fn submit_can_wait() {
    let oq = Oq::new();
    let ran = oq.run(&["submit", "echo", "1", "--wait", "--wait-timeout", "50ms"]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(
        ran.err.contains("submitted 0") && ran.err.contains("next: oq get 0"),
        "{ran:?}"
    );
}

#[test]
fn ids_may_be_cut_and_come_from_a_list() {
    let oq = Oq::new();
    let first = oq.submit(&["echo", "1", "--at", "tomorrow"]);
    let second = oq.submit(&["echo", "2", "--delay", "200d"]);
    assert_eq!(
        oq.run(&["get", &first[..10], "-o", "id"]).out.trim_end(),
        first
    );
    oq.run(&["get", &first[..5]])
        .refused(2, "at least its first 6 characters");
    oq.run(&["get", "01ZZZZZZZZ"])
        .refused(3, "whose id begins with 01ZZZZZZZZ");
    let third = oq.submit(&["echo", "3", "--at", "tomorrow"]);
    assert_eq!(first[..10], third[..10]);
    oq.run(&["get", &first[..10]])
        .refused(5, "several ids begin with");
    oq.run(&["get", &format!("{first}.0")])
        .refused(2, "has no number");
    let listed = oq.run(&["list"]).out;
    let cancelled = oq.piped(&["cancel", "-"], &listed);
    assert_eq!(cancelled.code, Some(0), "{cancelled:?}");
    assert_eq!(cancelled.out.matches("\"what\":\"cancelled\"").count(), 3);
    expect![[r#"
        exit 0
        --- stdout
        {"id":"ID1","what":"already cancelled"}
    "#]]
    .assert_eq(&oq.run(&["cancel", &second]).shown());
}

#[test]
fn a_task_of_a_pack_has_a_number() {
    let oq = Oq::new();
    let ran = oq.piped(&["submit", "echo", "--jsonl", "-", "-o", "id"], "1\n2\n");
    let id = ran.out.lines().next().unwrap().to_owned();
    let (object, index) = id.split_once('.').unwrap();
    assert_eq!(index, "0");
    oq.run(&["get", object])
        .refused(2, "it is a pack of 2: name one with .0 to .1");
    let cut = oq.run(&["get", &format!("{object}.")]);
    cut.refused(2, &format!("next: name one task of it, as in {object}.0"));
    assert_eq!(
        oq.run(&["get", &format!("{}.1", &object[..20])]).json()["input"],
        2
    );
}

#[test]
fn listings_filter_and_stop_exactly() {
    let oq = Oq::new();
    for n in 0..5 {
        oq.submit(&["echo", &n.to_string(), "--tag", "half=1"]);
        oq.submit(&["other", "--priority", "low", "--at", "tomorrow"]);
    }
    let count = |args: &[&str]| {
        oq.run(&[&["list", "-o", "id"], args].concat())
            .out
            .lines()
            .count()
    };
    assert_eq!(count(&[]), 10);
    assert_eq!(count(&["--type", "echo"]), 5);
    assert_eq!(count(&["--tag", "half=1", "--type", "other"]), 0);
    assert_eq!(count(&["--state", "waiting"]), 5);
    assert_eq!(count(&["--priority", "low", "--limit", "3"]), 3);
    assert_eq!(count(&["--until", "now"]), 5);
    assert_eq!(count(&["--since", "yesterday", "--until", "now"]), 5);
    assert_eq!(count(&["--limit", "0"]), 0);

    // Page by page is the same as all at once.
    let mut paged = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut args = vec!["list", "-o", "id", "--limit", "3"];
        if let Some(cursor) = &after {
            args.extend(["--after", cursor]);
        }
        let ran = oq.run(&args);
        paged.extend(ran.out.lines().map(str::to_owned));
        let next = ran
            .err
            .split("--after '")
            .nth(1)
            .and_then(|t| t.split('\'').next());
        after = next.map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    let all = oq.run(&["list", "-o", "id", "--all"]).out;
    assert_eq!(paged, all.lines().collect::<Vec<_>>());
    oq.run(&["list", "--since", "now", "--until", "yesterday"])
        .refused(2, "nothing is since");
    oq.run(&["list", "--after", "nonsense"])
        .refused(2, "cursor");
}

#[test]
fn rows_come_in_every_format() {
    let oq = Oq::new();
    oq.submit(&["echo", "1", "--tag", "a=b", "--at", "tomorrow"]);
    let list = |format: &str| oq.run(&["list", "-o", format]).shown();
    expect![[r#"
        exit 0
        --- stdout
        id,type,state,attempts,submitted,what
        ID1,echo,waiting,0,TIME,due TIME
    "#]]
    .assert_eq(&list("csv"));
    expect![[r#"
        exit 0
        --- stdout
        ID1
    "#]]
    .assert_eq(&list("id"));
    expect![[r#"
        exit 0
        --- stdout
        [
        {"id":"ID1","type":"echo","state":"waiting","priority":16,"submitted":TIME,"available_at":TIME,"ended":null,"attempts":0,"starts":0,"delivery":0,"worker":null,"progress":null,"cancel_requested":false,"failure":null,"tags":{"a":"b"},"trace":null,"options":{"timeout_ms":300000,"lease_ms":30000,"retry":{"attempts":5,"growth":"exponential","base_ms":1000,"cap_ms":600000,"jitter":0.5},"retention_ms":259200000},"retry_of":null,"history":[]}
        ]
    "#]].assert_eq(&list("json"));
    let table = list("table");
    assert!(
        table.contains("ID                          TYPE  STATE"),
        "{table}"
    );
}

#[test]
fn keys_stand_for_one_task_and_costs_are_shown() {
    let oq = Oq::new();
    let first = oq.submit(&["a", "--key", "k"]);
    let again = oq.run(&["submit", "a", "--key", "k", "--cost"]);
    assert_eq!(again.out.trim_end(), first);
    assert!(
        again.err.contains("stands for this task already"),
        "{}",
        again.err
    );
    assert!(again.err.contains(" requests (PUT "), "{}", again.err);
}

#[test]
fn what_is_cancelled_has_a_history_and_can_be_tried_again() {
    let oq = Oq::new();
    let id = oq.submit(&["echo", "1"]);
    oq.run(&["cancel", &id, "--reason", "no longer needed"]);
    let history = oq.run(&["history", &id, "-o", "csv"]).shown();
    assert!(
        history.contains("cancel_requested,0,,no longer needed"),
        "{history}"
    );
    oq.run(&["retry", &id, "--reason", ""])
        .refused(2, "it is empty");
    oq.run(&["cancel", &id, "--reason", &"x".repeat(501)])
        .refused(2, "may have 500");
    let again = oq.run(&["retry", &id, "--reason", "wanted after all"]);
    let new = again.json()["new"].as_str().unwrap().to_owned();
    assert_eq!(oq.run(&["get", &new]).json()["retry_of"], id.as_str());
    let history = oq.run(&["history", &new, "-o", "csv"]).shown();
    assert!(history.contains("retried,0,,wanted after all"), "{history}");
    assert!(
        oq.run(&["retry", &id])
            .out
            .contains("was tried again before")
    );
    oq.work(&[&new]);
    oq.run(&["retry", &new]).refused(5, "completed");
}

#[test]
fn nobody_is_left_waiting_by_a_closed_pipe() {
    let oq = Oq::new();
    let lines: String = (0..3000).map(|n| format!("{n}\n")).collect();
    assert_eq!(
        oq.piped(&["submit", "echo", "--jsonl", "-"], lines).code,
        Some(0)
    );
    let mut child = oq
        .command(&["list", "--all"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = oq.end(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}
