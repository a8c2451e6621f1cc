//! What the program says when it cannot begin, and what its environment may say.

use std::path::Path;
use std::process::{Command, Output};

use crate::world::{Folder, program};

/// An environment, and what is said of it.
type Wrong<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

/// The program with this environment and no other of oq's; it is to end by itself.
fn begin(environment: &[(&str, &str)]) -> Output {
    let mut program = Command::new(program());
    program.env_clear().envs(environment.iter().copied());
    program.output().unwrap()
}

#[test]
fn what_is_wrong_at_the_start_is_said_with_its_code_and_what_to_do() {
    let folder = Folder::new();
    let url = folder.url();
    let there = folder.handlers();
    let there = there.to_str().unwrap();
    let (nowhere, file) = (format!("{there}/none"), format!("{there}/shout"));
    let empty = tempfile::tempdir().unwrap();
    let none_inside = empty.path().to_str().unwrap();
    let table: [Wrong<'_>; 10] = [
        (&[], &["OQ-INVALID: OQ_URL: it is not set"]),
        (
            &[("OQ_URL", &url), ("OQ_HANDLERS", "none")],
            &[
                "OQ-UNUSABLE",
                "AWS_LAMBDA_RUNTIME_API",
                "oq lambda invoke --local",
            ],
        ),
        (&[("OQ_URL", "redis://host")], &["OQ-UNUSABLE", "redis:"]),
        (
            &[("OQ_URL", &url), ("OQ_HANDLERS", &nowhere)],
            &["OQ-INVALID", &nowhere, "OQ_HANDLERS names it", "write none"],
        ),
        (
            &[("OQ_URL", &url), ("OQ_HANDLERS", &file)],
            &["OQ-INVALID", &file, "no folder"],
        ),
        (
            &[("OQ_URL", &url), ("OQ_HANDLERS", none_inside)],
            &["OQ-UNUSABLE: there is no program in", none_inside],
        ),
        (
            &[("OQ_URL", &url), ("OQ_HANDLERS", there), ("OQ_HTTP", "ja")],
            &["OQ-INVALID: OQ_HTTP=ja: write on or off"],
        ),
        (
            &[("OQ_URL", &url), ("OQ_HANDLERS", there), ("OQ_BELL", "2")],
            &["OQ-INVALID: OQ_BELL=2: write on or off"],
        ),
        (
            &[
                ("OQ_URL", &url),
                ("OQ_HANDLERS", there),
                ("OQ_CONCURRENCY", "0"),
            ],
            &["OQ-INVALID: OQ_CONCURRENCY=0", "1 to 1000"],
        ),
        (
            &[("OQ_URL", &url), ("OQ_LOG", "loud")],
            &[
                "OQ-INVALID: OQ_LOG=loud",
                "error, warn, info, debug or trace",
            ],
        ),
    ];
    for (environment, says) in table {
        let ended = begin(environment);
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success(), "{environment:?}");
        for part in says {
            assert!(said.contains(part), "{environment:?}: {said}");
        }
        assert!(said.contains("\nnext: "), "{environment:?}: {said}");
        assert!(!said.contains(" { "), "a print for programmers: {said}");
    }
}

#[test]
fn a_program_whose_name_is_no_type_is_named() {
    let folder = Folder::new();
    std::fs::rename(
        folder.handlers().join("fail"),
        folder.handlers().join("fail (copy)"),
    )
    .unwrap();
    let handlers = folder.handlers();
    let environment = [
        ("OQ_URL", folder.url()),
        ("OQ_HANDLERS", handlers.to_str().unwrap().to_owned()),
    ];
    let environment: Vec<_> = environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let said = String::from_utf8(begin(&environment).stderr).unwrap();
    assert!(
        said.contains("fail (copy): its name is to be the type"),
        "{said}"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_executed_and_hidden_ones_are_no_handlers() {
    let folder = Folder::new();
    for name in ["READ ME.md", ".hidden (copy)"] {
        std::fs::write(folder.handlers().join(name), "not a program").unwrap();
    }
    std::os::unix::fs::symlink("nowhere", folder.handlers().join("broken link")).unwrap();
    let mut function = folder.function(&folder.url(), 60).await;
    function.ready().await.unwrap();
}

#[tokio::test]
async fn programs_run_so_many_at_once_as_is_said() {
    use oq_core::Queue;
    use serde_json::json;

    let folder = Folder::new();
    let queue = Queue::connect(&folder.url()).await.unwrap();
    for (slots, most) in [("1", 1), ("3", 3)] {
        let mut ids = Vec::new();
        for _ in 0..4 {
            let task = crate::world::task("alone", &json!(null));
            ids.push(queue.submit(task).await.unwrap().id);
        }
        let set = [("OQ_CONCURRENCY", slots)];
        let mut function = folder.with(&set).await;
        let drain = function.invoke(r#"{ "drain": true }"#).await.unwrap();
        assert_eq!(crate::world::answer(drain)["completed"], 4);
        let mut seen = 0;
        for id in ids {
            seen = seen.max(queue.result::<usize>(id).await.unwrap());
        }
        let least = most.min(2);
        assert!(
            (least..=most).contains(&seen),
            "{seen} at once, {slots} allowed"
        );
    }
}

#[test]
fn handlers_are_looked_for_beside_the_program() {
    // A copy of the program in a folder of its own, started from elsewhere.
    let folder = Folder::new();
    let home = folder.handlers().parent().unwrap().to_path_buf();
    let copy = home.join("bootstrap");
    std::fs::hard_link(env!("CARGO_BIN_EXE_bootstrap"), &copy)
        .or_else(|_| std::fs::copy(env!("CARGO_BIN_EXE_bootstrap"), &copy).map(drop))
        .unwrap();
    std::fs::write(folder.handlers().join("wrong name"), "").unwrap();
    let chmod = Command::new("chmod")
        .args(["+x", "--"])
        .arg(folder.handlers().join("wrong name"))
        .status();
    assert!(chmod.unwrap().success());
    let said = Command::new(&copy)
        .env_clear()
        .env("OQ_URL", folder.url())
        .current_dir(Path::new("/"))
        .output()
        .unwrap();
    // That it complains of this one shows that it looked there.
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("handlers/wrong name"), "{said}");
}
