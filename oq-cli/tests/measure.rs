//! `oq demo`, `oq bench` and `oq top --once` as programs.

// Its helpers are not in test functions themselves.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

use oq_core::Queue;
use oq_core::queue::Task;
use serde_json::Value;

fn oq(url: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oq"));
    let command = command.args(args).env_remove("OQ_URL").env_remove("CARGO");
    if !url.is_empty() {
        command.env("OQ_URL", url);
    }
    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn file(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("oq.db").display())
}

#[test]
fn the_demo_shows_every_fate_and_what_it_costs() {
    // What the environment says of a store is not for the demo.
    let shown = json(&oq("s3://nobody", &["demo", "--latency", "none"]));
    let became: Vec<(&str, u64)> = shown["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["became"].as_str().unwrap(),
                line["attempts"].as_u64().unwrap(),
            )
        })
        .collect();
    let all = [
        ("completed", 1),
        ("completed", 1),
        ("completed", 1),
        ("completed", 3),
        ("completed", 1),
        ("failed", 2),
        ("cancelled", 0),
    ];
    assert_eq!(became, all);
    assert_eq!(fates(&shown), fates_of_readme());
    let dollars = |of: &str| shown[of]["dollars_per_million"].as_f64().unwrap();
    // Three PUT a lone task are 15 dollars a million; a hundred in an object share theirs.
    assert!(dollars("lone") >= 15.0, "{shown}");
    assert!(dollars("packed") < dollars("lone") / 10.0, "{shown}");
    let lone = shown["lone"]["tasks"].as_u64().unwrap();
    let put = shown["requests"]["put"].as_u64().unwrap();
    assert!(put >= 3 * lone, "{shown}");
}

/// What, how many, what became of them, after how many attempts.
fn fates(shown: &Value) -> Vec<[String; 4]> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let line = |line: &Value| ["what", "tasks", "became", "attempts"].map(|name| text(&line[name]));
    shown["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

/// The same as the README shows it.
fn fates_of_readme() -> Vec<[String; 4]> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let lines = readme.lines().skip_while(|line| !line.starts_with("WHAT "));
    let lines = lines.skip(1).take_while(|line| !line.is_empty());
    let cells = lines.map(|line| {
        let cells = line.split("  ").map(str::trim).filter(|c| !c.is_empty());
        let cells: Vec<String> = cells.map(|c| c.replace(',', "")).collect();
        let what = line.split("  ").next().unwrap().to_owned();
        [what, cells[1].clone(), cells[2].clone(), cells[3].clone()]
    });
    cells.collect()
}

#[test]
fn the_demo_says_three_commands_that_work() {
    let shown = oq(
        "",
        &["demo", "--latency", "none", "--packed", "10", "-o", "table"],
    );
    let text = String::from_utf8(shown.stdout).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let commands: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("  oq "))
        .collect();
    assert_eq!(commands.len(), 3, "{text}");
    for command in &commands[..2] {
        let binary = Path::new(env!("CARGO_BIN_EXE_oq")).parent().unwrap();
        let ran = Command::new("sh")
            .args(["-c", command])
            .current_dir(folder.path())
            .env("PATH", format!("{}:{}", binary.display(), env!("PATH")))
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{command}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
        if command.contains("worker") {
            assert!(
                String::from_utf8_lossy(&ran.stdout).contains("completed"),
                "{ran:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_bench_measures_compares_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = file(folder.path());
    let run = folder.path().join("run.json");
    let args = [
        "bench", "-n", "60", "--pack", "20", "--pace", "1ms", "-o", "json",
    ];
    let first = oq(&url, &args);
    let measured = json(&first);
    for (load, objects) in [("lone", 60.0), ("packed", 3.0), ("paced", 50.0)] {
        let load = &measured["loads"][load];
        let tasks = load["tasks"].as_f64().unwrap();
        assert!(load["tasks_per_second"].as_f64().unwrap() > 0.0);
        let requests = load["requests"].as_array().unwrap();
        let creates = requests.iter().find(|r| r[0] == "create").unwrap();
        // A task's object and its outcome, at least.
        assert!(creates[1].as_f64().unwrap() >= 2.0 * objects, "{load}");
        assert!(tasks >= objects && load["dollars_per_million"].as_f64().unwrap() > 0.0);
    }
    std::fs::write(&run, &first.stdout).unwrap();
    let again = [&args[..], &["--compare", run.to_str().unwrap()]].concat();
    let compared = json(&oq(&url, &again));
    assert!(
        compared["ratios"]["lone"]["tasks_per_second"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    let root = Queue::connect(&url).await.unwrap().root().clone();
    assert_eq!(oq_core::queue::names(&root).await.unwrap(), []);
}

#[test]
fn a_bench_of_a_bucket_asks_and_says_what_it_costs() {
    let bucket = "s3://bucket?endpoint=http://127.0.0.1:1";
    let refused = oq(bucket, &["bench", "-n", "10000"]);
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("about $0.") && stderr.contains("--yes"),
        "{stderr}"
    );
}

#[tokio::test]
async fn top_prints_a_snapshot_for_pipes() {
    let folder = tempfile::tempdir().unwrap();
    let url = file(folder.path());
    let mail = Queue::connect(&url)
        .await
        .unwrap()
        .named("mail")
        .await
        .unwrap();
    mail.submit(Task::new("welcome", "a@x.io").unwrap())
        .await
        .unwrap();
    let text = String::from_utf8(oq(&url, &["top", "--once"]).stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("mail")).unwrap();
    assert_eq!(line.split_whitespace().nth(1), Some("1"), "{text}");
    assert!(text.contains("requests a look"), "{text}");
    let seen = json(&oq(&url, &["top", "--once", "-o", "json"]));
    assert_eq!(seen["queues"][0]["runnable"], 1);
    let refused = oq(&url, &["top"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--once"));
}
