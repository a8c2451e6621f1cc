//! Bad input: a clear message, the right exit code, nothing written.

use std::process::Stdio;

use crate::oq::Oq;

/// Nothing at all was written: not even the store was made, or it holds no task.
fn nothing_written(oq: &Oq) {
    if oq.path().join("oq.db").exists() {
        let names = oq.run(&["queue", "list", "--names", "-o", "id"]);
        assert_eq!(names.out, "", "a queue came into being");
    }
}

#[test]
fn arguments() {
    let oq = Oq::new();
    let long = "a".repeat(10_000);
    let spans = "1".repeat(10_000);
    let table: &[(&[&str], &str)] = &[
        // names
        (&["submit", "a b"], "task type"),
        (&["submit", ""], "task type"),
        (&["submit", "\u{1b}[31mred"], "task type"),
        (&["submit", "a\nb"], "task type"),
        (&["submit", "\u{202e}abc"], "task type"),
        (&["submit", &long], "task type"),
        (&["submit", "a", "--queue", "../x"], "queue name"),
        (&["submit", "a", "--queue", ""], "queue name"),
        (&["submit", "a", "--queue", "%2F"], "queue name"),
        (&["submit", "a", "--queue", "\u{1b}]0;x\u{7}"], "queue name"),
        // times
        (&["submit", "a", "--delay", "-5s"], "cannot be negative"),
        (&["submit", "a", "--delay", "5"], "write 5s"),
        (&["submit", "a", "--delay", "1e309"], "write it as"),
        (&["submit", "a", "--delay", "1 month"], "write it as"),
        (&["submit", "a", "--delay", &spans], "write "),
        (&["submit", "a", "--delay", "9000d"], "use 0s to 366d"),
        (&["submit", "a", "--retention", "1m"], "use 1h to 366d"),
        (
            &["submit", "a", "--at", "2030-02-31"],
            "write 2h, yesterday",
        ),
        (&["submit", "a", "--at", "-2h"], "negative"),
        (
            &["submit", "a", "--at", "9999-01-01"],
            "use at most 366d from now",
        ),
        (
            &["submit", "a", "--at", "now", "--delay", "1s"],
            "cannot be used with",
        ),
        (&["list", "--since", "Feb 31"], "write 2h, yesterday"),
        // numbers
        (&["submit", "a", "--priority", "32"], "0 "),
        (
            &["submit", "a", "--priority", "urgent"],
            "high, normal or low",
        ),
        (&["submit", "a", "--attempts", "0"], "use 1 to 1000"),
        (&["submit", "a", "--jitter", "NaN"], "0.0 to 1.0"),
        (&["submit", "--jsonl", "-", "--pack", "1025"], "--pack"),
        (&["list", "--limit", "-1"], "--limit"),
        (&["list", "--limit", "1000000000000000000000"], "--limit"),
        // tags
        (&["submit", "a", "--tag", "x"], "NAME=VALUE"),
        (&["submit", "a", "--tag", "a b=1"], "tag name"),
        (&["submit", "a", "--tag", "a=\u{7}"], "control characters"),
        (
            &["submit", "a", "--tag", "a=1", "--tag", "a=2"],
            "given twice",
        ),
        (&["list", "--tag", "a=1", "--tag", "a=2"], "given twice"),
        // ids
        (&["get", "nonsense"], "id \"nonsense\""),
        (&["get", "01HF7YAT0000000000000G000U"], "26 characters"),
        (&["get", "\u{1b}[2J"], "26 characters"),
        (&["get", ""], "first 6 characters"),
        (&["get", "../../etc/passwd"], "26 characters"),
        // words
        (&["frobnicate"], "frobnicate"),
        (&["submit"], "required"),
        (&["list", "-o", "xml"], "possible values: table, json"),
        (&["list", "--limit", "1", "--all"], "cannot be used with"),
    ];
    for (args, says) in table {
        let ran = oq.run(args);
        ran.refused(2, says);
        assert!(ran.err.contains("OQ-INVALID: "), "{args:?}: {}", ran.err);
        assert!(ran.err.contains("\nnext: "), "{args:?}: {}", ran.err);
        assert!(ran.err.len() < 25_000, "{}", ran.err.len());
        let harmful = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
        assert!(!ran.err.contains(harmful), "{args:?}: {:?}", ran.err);
    }
    nothing_written(&oq);
}

#[test]
fn inputs() {
    let oq = Oq::new();
    oq.file("binary", [0xff, 0xfe, 0x00]);
    oq.file("empty", "");
    oq.file("bom", "\u{feff}1");
    oq.file(
        "deep",
        format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
    );
    oq.file("nested", format!("{}{}", "[".repeat(128), "]".repeat(128)));
    for (input, says) in [
        ("{", "not valid JSON"),
        ("NaN", "not valid JSON"),
        ("Infinity", "not valid JSON"),
        ("'a'", "not valid JSON"),
        ("\"\\ud800\"", "not valid JSON"),
        ("1e309", "not valid JSON"),
        (
            "cat.png",
            "a text has quotes in JSON: oq submit a '\"cat.png\"'",
        ),
        ("{a: 1}", "quote it for the shell"),
        ("@binary", "UTF-8"),
        ("@empty", "not valid JSON"),
        ("@bom", "not valid JSON"),
        ("@deep", "recursion limit"),
        ("@nested", "recursion limit"),
        ("@.", "not a regular file"),
        ("@/dev/zero", "not a regular file"),
        ("@none", "none: "),
        ("@", ": "),
        ("-", "not valid JSON"),
    ] {
        oq.run(&["submit", "a", input]).refused(2, says);
    }
    for (stdin, says) in [
        (&b"\xff\xfe"[..], "UTF-8"),
        (b"", "not valid JSON"),
        (b"1 2", "not valid JSON"),
    ] {
        oq.piped(&["submit", "a", "-"], stdin).refused(2, says);
    }
    for file in ["/dev/zero", ".", "none", "binary"] {
        let ran = oq.run(&["submit", "a", "--jsonl", file]);
        ran.refused(2, "OQ-INVALID");
    }
    nothing_written(&oq);
}

#[cfg(unix)]
#[test]
fn pipes_closed_streams_and_bytes_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let oq = Oq::new();
    let fifo = std::process::Command::new("mkfifo")
        .arg(oq.path().join("fifo"))
        .status()
        .unwrap();
    assert!(fifo.success());
    // Opening it would wait for ever.
    oq.run(&["submit", "a", "@fifo"])
        .refused(2, "not a regular file");

    let bytes = std::ffi::OsStr::from_bytes(b"a\xff");
    let ran = oq.end(oq.command(&["submit"]).arg(bytes).output().unwrap());
    ran.refused(2, "UTF-8");

    let closed = format!("exec '{}' submit a - <&-", env!("CARGO_BIN_EXE_oq"));
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", &closed])
        .current_dir(oq.path())
        .env_clear();
    let ran = oq.end(
        shell
            .env("OQ_URL", "sqlite:oq.db")
            .stdin(Stdio::null())
            .output()
            .unwrap(),
    );
    ran.refused(2, "OQ-INVALID");
    nothing_written(&oq);
}

#[test]
fn what_is_unusual_but_good_is_kept() {
    let oq = Oq::new();
    for input in [
        "{\"a\":1,\"a\":2}",
        "9007199254740993",
        "-0.0",
        "\"\\u202e\\u0000\"",
    ] {
        let id = oq.submit(&["a", input]);
        let shown = oq.run(&["get", &id]).out;
        assert!(
            shown.contains(&format!("\"input\":{input}")),
            "{input}: {shown}"
        );
    }
}

#[test]
fn stores_that_cannot_be_used_are_told_apart() {
    let oq = Oq::new();
    let id = "01HF7YAT0000000000000G0000";
    oq.run(&["get", id, "--url", "redis://x"])
        .refused(7, "OQ-UNUSABLE");
    oq.run(&["get", id, "--url", "bucket"])
        .refused(7, "OQ-UNUSABLE");
    oq.run(&["get", id, "--url", ""]).refused(2, "it is empty");
    oq.run(&["submit", "a", "--url", "memory:"])
        .refused(2, "sqlite:PATH");
    oq.file(
        "text.db",
        "this is no database, and it is long enough to look at".repeat(40),
    );
    oq.run(&["submit", "a", "--url", "sqlite:text.db"])
        .refused(7, "OQ-UNUSABLE");
}
