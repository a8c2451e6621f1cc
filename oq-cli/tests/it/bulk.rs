//! Many tasks at once.

use std::process::Stdio;

use crate::oq::Oq;

#[test]
fn lines_become_tasks_packed() {
    let oq = Oq::new();
    let lines: String = (0..1000).map(|n| format!("{n}\n")).collect();
    let ran = oq.piped(
        &["submit", "echo", "--jsonl", "-", "--cost", "--tag", "a=b"],
        lines,
    );
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.out.lines().count(), 1000);
    assert!(ran.err.contains("oq: submitted 1,000 in "), "{}", ran.err);
    let puts: u64 = ran
        .err
        .split("(PUT ")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(puts < 40, "{puts} PUT for 1000 tasks");
    // Each line is told with the id that its task has.
    let last = ran
        .out
        .lines()
        .find(|l| l.contains("\"line\":1000,"))
        .unwrap();
    let id = last
        .split("\"id\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert_eq!(oq.run(&["get", id]).json()["input"], 999);
}

#[test]
fn lines_say_their_own_options() {
    let oq = Oq::new();
    oq.file(
        "tasks.jsonl",
        "{\"type\":\"echo\",\"input\":{\"n\":1},\"delay\":\"10m\",\"priority\":\"high\"}\n\n\
         {\"type\":\"other\",\"tags\":{\"a\":\"b\"},\"retry\":{\"attempts\":2}}\n",
    );
    let ran = oq.run(&["submit", "--jsonl", "tasks.jsonl", "-o", "id"]);
    assert_eq!(
        (ran.code, ran.out.lines().count()),
        (Some(0), 2),
        "{}",
        ran.err
    );
    assert_eq!(
        oq.run(&["list", "--state", "waiting", "-o", "id"])
            .out
            .lines()
            .count(),
        1
    );
    let other = oq.run(&["list", "--type", "other"]).json();
    assert_eq!(other["options"]["retry"]["attempts"], 2);
    oq.run(&["submit", "--jsonl", "tasks.jsonl", "--delay", "5s"])
        .refused(2, "write the options into the lines");
}

#[test]
fn wrong_lines_are_named_and_the_others_submitted() {
    let oq = Oq::new();
    let lines = "{\"type\":\"a\"}\n{\"type\":\"a\",\"dely\":1}\nnonsense\n{\"type\":\"b\"}\n";
    let ran = oq.piped(&["submit", "--jsonl", "-"], lines);
    assert_eq!(ran.code, Some(8), "{ran:?}");
    assert_eq!(ran.out.lines().count(), 2);
    assert!(
        ran.err.contains("line 2: task: unknown field `dely`"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("line 3: task: not valid JSON"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("OQ-PARTLY-FAILED: 2 submitted, 2 not"),
        "{}",
        ran.err
    );

    let none = oq.piped(&["submit", "--jsonl", "-"], "nonsense\n");
    assert_eq!((none.code, none.out.as_str()), (Some(2), ""));
    assert!(none.err.contains("nothing was submitted"), "{}", none.err);
    let empty = oq.piped(&["submit", "--jsonl", "-"], "");
    assert_eq!((empty.code, empty.out.as_str()), (Some(0), ""));
}

#[test]
fn reading_that_breaks_off_keeps_what_was_submitted() {
    let oq = Oq::new();
    let mut lines = b"1\n2\n".to_vec();
    lines.resize(lines.len() + oq_core::store::MAX_BODY + 2, b'1');
    let ran = oq.piped(&["submit", "echo", "--jsonl", "-"], lines);
    assert_eq!(
        (ran.code, ran.out.lines().count()),
        (Some(8), 2),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("stdin, line 3: longer than"),
        "{}",
        ran.err
    );
}

#[test]
fn bulk_verbs_ask_and_show_what_they_would_do() {
    let oq = Oq::new();
    for _ in 0..3 {
        oq.submit(&["echo", "1"]);
    }
    let kept = oq.submit(&["other"]);
    let state = || {
        oq.run(&["list", "--state", "pending", "-o", "id"])
            .out
            .lines()
            .count()
    };
    oq.run(&["cancel", "--type", "echo"]).refused(
        2,
        "Cancel 3 tasks of the queue default? Nobody is here to answer",
    );
    let dry = oq.run(&["cancel", "--type", "echo", "--dry-run", "-o", "id"]);
    assert_eq!((dry.code, dry.out.lines().count()), (Some(0), 3));
    assert_eq!(state(), 4);
    let done = oq
        .run(&["cancel", "--type", "echo", "--yes", "--reason", "test"])
        .json();
    assert_eq!(done["cancelled"], 3);
    assert_eq!(oq.run(&["get", &kept]).json()["state"], "pending");
    let again = oq.run(&["retry", "--state", "cancelled", "--yes"]);
    assert_eq!(
        (again.code, again.out.lines().count()),
        (Some(0), 3),
        "{}",
        again.err
    );
    assert_eq!(state(), 4);
    oq.run(&["cancel"]).refused(2, "neither ids nor a filter");
    oq.run(&["cancel", &kept, "--type", "x"])
        .refused(2, "both ids and a filter");
    oq.run(&["retry", "--yes"])
        .refused(2, "neither ids nor a filter");
}

#[test]
fn of_many_ids_those_that_cannot_be_are_told() {
    let oq = Oq::new();
    let id = oq.submit(&["echo"]);
    let ran = oq.run(&["cancel", &id, "01HF7YAT0000000000000G0000"]);
    assert_eq!(ran.code, Some(8), "{ran:?}");
    assert!(ran.out.contains("\"what\":\"cancelled\""), "{ran:?}");
    assert!(
        ran.err.contains("OQ-NOT-FOUND: 01HF7YAT0000000000000G0000"),
        "{ran:?}"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_submission_cleanly() {
    use std::io::{BufRead, BufReader, Write};
    let oq = Oq::new();
    let mut child = oq
        .command(&["submit", "echo", "--jsonl", "-", "-o", "id"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"1\n2\n").unwrap();
    // Its ids are there although stdin is still open.
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut ids = String::new();
    out.read_line(&mut ids).unwrap();
    out.read_line(&mut ids).unwrap();
    let pid = child.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .unwrap();
    assert!(killed.success());
    stdin.write_all(b"3\n").unwrap();
    let ran = oq.end(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(ran.err.contains("OQ-INTERRUPTED"), "{ran:?}");
    assert_eq!(ids.lines().count(), 2);
    for id in ids.lines() {
        assert_eq!(oq.run(&["get", id]).code, Some(0));
    }
}

#[test]
fn a_line_that_is_not_utf_8_is_told_and_the_others_go_on() {
    let oq = Oq::new();
    let ran = oq.piped(&["submit", "echo", "--jsonl", "-"], b"1\n\"\xff\"\n3\n");
    assert_eq!(ran.code, Some(8), "{}", ran.err);
    assert!(
        ran.err.contains("line 2: not UTF-8 from byte 2 on"),
        "{}",
        ran.err
    );
    assert_eq!(ran.out.lines().count(), 2, "{}", ran.out);
}

#[cfg(target_os = "linux")]
#[test]
fn ids_that_cannot_be_written_are_told_on_stderr() {
    let full = || {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        Stdio::from(full.unwrap())
    };
    ids_are_on_stderr(full);
}

#[test]
fn ids_that_nobody_reads_are_told_on_stderr() {
    ids_are_on_stderr(|| std::io::pipe().unwrap().1.into());
}

/// Of a lone task and of many, if they are to be written there.
fn ids_are_on_stderr(there: impl Fn() -> Stdio) {
    let oq = Oq::new();
    oq.file("inputs", "1\n2\n3\n");
    let listed = || oq.run(&["list", "--all", "-o", "id"]).out;
    let submit = |args: &[&str]| {
        let mut command = oq.command(&[&["submit", "echo", "--quiet"], args].concat());
        oq.end(command.stdout(there()).output().unwrap())
    };
    let lone = submit(&[]);
    assert_eq!(lone.code, Some(7), "{}", lone.err);
    let id = listed().trim().to_owned();
    let says = format!("the task was accepted as {id}, which could not be written");
    assert!(lone.err.contains(&says), "{}", lone.err);

    let many = submit(&["--jsonl", "inputs"]);
    assert_eq!(many.code, Some(7), "{}", many.err);
    assert!(many.err.contains("3 tasks were accepted"), "{}", many.err);
    for id in listed().lines().filter(|other| *other != id) {
        assert!(many.err.contains(id), "{id}: {}", many.err);
    }
}

#[test]
fn ids_are_whole_in_tables() {
    let oq = Oq::new();
    let inputs: String = (0..300).map(|n| format!("{n}\n")).collect();
    let args = ["submit", "echo", "--jsonl", "-", "-o", "table"];
    let table = oq.piped(&args, inputs).out;
    assert_eq!(table.lines().count(), 301);
    assert!(!table.contains('…'), "{table}");
    let listed = oq.run(&["list", "--all", "-o", "id"]).out;
    assert!(listed.lines().all(|id| table.contains(id)), "{table}");
}
