//! Every command that shows something: in every format, and whatever its streams are.

use std::process::{Command, Stdio};

use crate::oq::{Oq, Ran};

/// A store with a task in every place, and commands that show it.
fn stage() -> (Oq, Vec<Vec<String>>) {
    let oq = Oq::new();
    let (live, failed) = (
        oq.submit(&["echo", "1"]),
        oq.submit(&["fail", "\"a, \\\"b\\\"\""]),
    );
    oq.work(&[&failed]);
    let waiting = oq.submit(&["echo", "\"two\\nlines\"", "--delay", "1h", "--tag", "a=b"]);
    let dead = oq.run(&["dead", "list", "-o", "id"]).out;
    let lines = [
        "list",
        "task list --state waiting",
        "list --type none",
        &format!("get {live} {failed}"),
        &format!("get {waiting}"),
        &format!("history {failed}"),
        &format!("wait {failed} {live}"),
        &format!("cancel {waiting} --dry-run"),
        &format!("cancel {failed}"),
        "cancel --tag a=b --dry-run",
        "retry --state failed --dry-run",
        "dead list",
        &format!("dead show {}", dead.trim()),
        &format!("dead purge {} --dry-run", dead.trim()),
        "queue list",
        "queue list --names",
        "queue show",
        "queue stats",
        "queue set --attempts 3",
        "queue purge --dry-run",
        "worker list",
        "tail",
        "top --once",
        "doctor --quick",
        "init --dry-run",
        "config show --origin",
        "config list",
        "explain",
        "submit echo 1",
    ];
    let words = |line: &&str| line.split(' ').map(str::to_owned).collect();
    (oq, lines.iter().map(words).collect())
}

fn run(oq: &Oq, words: &[String], format: &str) -> Ran {
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.extend(["-o", format]);
    oq.run(&words)
}

#[test]
fn what_programs_read_can_be_read() {
    let (oq, commands) = stage();
    for words in &commands {
        for format in ["json", "jsonl", "csv", "id"] {
            let ran = run(&oq, words, format);
            let out = ran.out.trim_end();
            // A failed task was waited for, or what was shown is at fault.
            assert!(
                matches!(ran.code, Some(0 | 1 | 6 | 9)),
                "{words:?}: {ran:?}"
            );
            match format {
                "json" if !out.is_empty() => {
                    serde_json::from_str::<serde_json::Value>(out)
                        .unwrap_or_else(|e| panic!("{words:?}: {e}: {out}"));
                }
                "jsonl" => {
                    for line in out.lines() {
                        let value: serde_json::Value = serde_json::from_str(line)
                            .unwrap_or_else(|e| panic!("{words:?}: {e}: {line}"));
                        assert!(value.is_object(), "{words:?}: {line}");
                    }
                }
                "id" => assert!(!out.contains(['{', ',']), "{words:?}: {out}"),
                _ => {}
            }
            assert!(!ran.err.contains("panicked"), "{words:?}: {}", ran.err);
        }
    }
}

/// The command in a shell, with its streams as `how` says.
fn streamed(oq: &Oq, words: &[String], format: &str, how: &str) -> Ran {
    let line = format!(
        "exec '{}' \"$@\" -o {format} {how}",
        env!("CARGO_BIN_EXE_oq")
    );
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &line, "oq"])
        .args(words)
        .current_dir(oq.path())
        .env_clear()
        .env("OQ_URL", "sqlite:oq.db")
        .stdin(Stdio::null());
    oq.end(shell.output().unwrap())
}

#[cfg(unix)]
#[test]
fn streams_that_are_closed_or_full_are_no_panic() {
    let (oq, commands) = stage();
    for words in &commands {
        for format in ["table", "jsonl"] {
            for how in [">&-", "2>&-", "<&- >&- 2>&-"] {
                let ran = streamed(&oq, words, format, how);
                assert!(
                    matches!(ran.code, Some(0..=9)) && !ran.err.contains("panicked"),
                    "{words:?} {how}: {ran:?}"
                );
            }
            if cfg!(target_os = "linux") {
                let whole = streamed(&oq, words, format, "");
                let full = streamed(&oq, words, format, ">/dev/full");
                // What could not be shown is not as good as shown.
                match whole.out.is_empty() {
                    true => assert_eq!(full.code, whole.code, "{words:?}: {full:?}"),
                    false => full.refused(7, "stdout: "),
                }
                let mute = streamed(&oq, words, format, "2>/dev/full");
                assert_eq!(mute.code, whole.code, "{words:?}: {mute:?}");
            }
        }
    }
}
