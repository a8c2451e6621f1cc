//! The real binary on a store in a file: exit codes, stdout, stderr.

// Its helpers are not in test functions themselves.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

struct Oq {
    folder: tempfile::TempDir,
}

impl Oq {
    fn new() -> Oq {
        Oq {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oq"));
        command
            .args(args)
            .env_clear()
            .current_dir(self.path())
            .stdin(Stdio::null());
        command.env("OQ_URL", "sqlite:oq.db");
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    fn submit(&self, args: &[&str]) -> String {
        let ran = self.run(&[&["submit"], args].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out.trim_end().to_owned()
    }
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn refused(&self, code: i32, says: &str) {
        assert_eq!(self.code, code, "{}", self.err);
        assert!(self.err.contains(says), "{}", self.err);
        assert_eq!(self.out, "");
    }
}

#[test]
fn what_is_submitted_can_be_shown() {
    let oq = Oq::new();
    let args = [
        "mail.welcome",
        r#"{"to":"a"}"#,
        "--delay",
        "10m",
        "--priority",
        "high",
    ];
    let id = oq.submit(&[&args[..], &["--tag", "customer=c1", "--queue", "mail"]].concat());
    assert_eq!(id.len(), 26);
    let ran = oq.run(&["get", &id, "--queue", "mail"]);
    let shown: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(shown["state"], "waiting");
    assert_eq!(shown["input"]["to"], "a");
    assert_eq!(shown["tags"]["customer"], "c1");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    oq.run(&["get", &id]).refused(3, "OQ-NOT-FOUND");
}

#[test]
fn inputs_come_from_files_and_from_stdin() {
    let oq = Oq::new();
    std::fs::write(oq.path().join("in.json"), "[1, 2]").unwrap();
    let id = oq.submit(&["sum", "@in.json"]);
    assert!(oq.run(&["get", &id]).out.contains(r#""input":[1,2]"#));

    let mut child = oq
        .command(&["submit", "sum", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"[3]").unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert!(
        oq.run(&["get", ran.out.trim_end()])
            .out
            .contains(r#""input":[3]"#)
    );
}

#[test]
fn bad_inputs_are_refused_and_nothing_is_submitted() {
    let oq = Oq::new();
    std::fs::write(oq.path().join("binary"), [0xff, 0xfe]).unwrap();
    oq.run(&["submit", "a", "{"]).refused(2, "not valid JSON");
    oq.run(&["submit", "a", "text"])
        .refused(2, "with its quotes");
    oq.run(&["submit", "a", "@binary"]).refused(2, "UTF-8");
    oq.run(&["submit", "a", "@."])
        .refused(2, "not a regular file");
    oq.run(&["submit", "a", "@/dev/zero"])
        .refused(2, "not a regular file");
    oq.run(&["submit", "a", "@none"]).refused(2, "none:");
    oq.run(&["submit", "a", "-"]).refused(2, "not valid JSON");
    oq.run(&["submit", "a b"]).refused(2, "task type");
    oq.run(&["submit", "a", "--queue", "../x"])
        .refused(2, "queue name");
    oq.run(&["submit", "a", "--delay", "-5s"])
        .refused(2, "--delay");
    oq.run(&["submit", "a", "--delay", "9000d"])
        .refused(2, "OQ-INVALID");
    oq.run(&["submit", "a", "--tag", "x"])
        .refused(2, "NAME=VALUE");
    oq.run(&["get", "nonsense"]).refused(2, "id");
    oq.run(&["frobnicate"]).refused(2, "frobnicate");
}

#[test]
fn waiting_ends_with_the_code_for_why() {
    let oq = Oq::new();
    let id = oq.submit(&["a"]);
    oq.run(&["wait", &id, "--timeout", "60ms"])
        .refused(6, "OQ-TIMED-OUT");
    oq.run(&["wait", "01HF7YAT0000000000000G0000"])
        .refused(3, "OQ-NOT-FOUND");
}

#[test]
fn stores_that_cannot_be_used_are_told_apart() {
    let oq = Oq::new();
    oq.run(&["get", "01HF7YAT0000000000000G0000", "--url", "redis://x"])
        .refused(7, "OQ-UNUSABLE");
    oq.run(&["submit", "a", "--url", "memory:"])
        .refused(2, "sqlite:PATH");
    let ran = Ran::of(
        oq.command(&["submit", "a"])
            .env_remove("OQ_URL")
            .output()
            .unwrap(),
    );
    ran.refused(2, "OQ_URL");
    assert!(ran.err.contains("\nnext: "), "{}", ran.err);
}

#[test]
fn a_key_stands_for_one_task_and_the_cost_is_shown() {
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
