//! Help, explanations, completion.

use expect_test::expect;

use crate::oq::Oq;

#[test]
fn a_code_is_explained_however_it_is_written() {
    let oq = Oq::new();
    let explained = oq.run(&["explain", "OQ-CONFLICT"]).shown();
    expect![[r#"
        exit 0
        --- stdout
        code  OQ-CONFLICT
        what  Something else changed first, or the state does not allow this.
        why   Another program wrote the same object, the task is over or not over yet, or the beginning of an id fits several tasks. Nothing was changed by this call.
        next  Look at it again with `oq get ID`, then decide. Only repeat what still makes sense.
    "#]].assert_eq(&explained);
    for code in ["conflict", "oq_conflict"] {
        assert_eq!(oq.run(&["explain", code]).shown(), explained);
    }
    oq.run(&["explain", "conflct"])
        .refused(2, "did you mean OQ-CONFLICT?");
    let all = oq.run(&["explain"]);
    assert_eq!(all.out.lines().count(), oq_core::explain::CODES.len());
}

#[test]
fn a_wrong_word_is_answered_with_the_right_one() {
    let oq = Oq::new();
    expect![[r#"
        exit 2
        --- stderr
        oq: OQ-INVALID: unrecognized subcommand 'lst'
          tip: a similar subcommand exists: 'list'
        next: oq --help
    "#]]
    .assert_eq(&oq.run(&["lst"]).shown());
    expect![[r#"
        exit 2
        --- stderr
        oq: OQ-INVALID: unexpected argument '--dely' found
          tip: a similar argument exists: '--delay'
        next: oq submit --help
    "#]]
    .assert_eq(&oq.run(&["submit", "a", "--dely", "5s"]).shown());
    expect![[r#"
        exit 2
        --- stderr
        oq: OQ-INVALID: invalid value 'runing' for '--state <STATE>': did you mean running?
        next: oq list --help
    "#]]
    .assert_eq(&oq.run(&["list", "--state", "runing"]).shown());
}

#[test]
fn no_command_shows_help_and_is_wrong() {
    let ran = Oq::new().run(&[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("Usage: oq"), "{ran:?}");
    let ran = Oq::new().run(&["--help"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

#[test]
fn a_shell_is_offered_what_the_store_has() {
    let oq = Oq::new();
    let id = oq.submit(&["echo", "--queue", "mail"]);
    let complete = |words: &[&str]| {
        let output = oq.command(words).env("OQ_COMPLETE", "1").output().unwrap();
        let ran = oq.end(output);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        ran.out.trim_end().to_owned()
    };
    assert_eq!(complete(&["list", "--queue", ""]), "mail");
    assert_eq!(complete(&["get", "-q", "mail", &id[..8]]), id);
    assert_eq!(complete(&["queue", "stats", "m"]), "mail");
    assert_eq!(complete(&["get", "--url", "sqlite:none.db", "0"]), "");
    assert!(!oq.path().join("none.db").exists(), "asking made a file");
    assert_eq!(complete(&["get", "--url", "s3://u:hunter2@x", "0"]), "");
    for shell in ["bash", "zsh", "fish"] {
        let script = oq.run(&["completion", shell]);
        assert!(script.out.contains("OQ_COMPLETE=1"), "{shell}");
    }
}

#[test]
fn every_code_that_is_said_is_explained() {
    fn codes(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                codes(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for part in text.split("\"OQ-").skip(1) {
                    let code = part.split('"').next().unwrap();
                    if !code.is_empty() {
                        found.push(format!("OQ-{code}"));
                    }
                }
            }
        }
    }
    let mut found = Vec::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    codes(&root.join("src"), &mut found);
    codes(&root.join("../oq-core/src"), &mut found);
    assert!(found.len() > 20);
    for code in found
        .iter()
        .filter(|c| c.bytes().all(|b| b.is_ascii_uppercase() || b == b'-'))
    {
        assert!(
            oq_core::explain::find(code).is_some(),
            "{code} is not explained"
        );
    }
}
