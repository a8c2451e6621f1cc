//! What people are told: how a task ended, what is wrong with a value, what came of part of it.

use crate::oq::Oq;

#[test]
fn a_history_ends_with_how_the_task_ended() {
    let oq = Oq::new();
    let good = oq.submit(&["echo", "1"]);
    let bad = oq.submit(&["fail", "\"no disk\""]);
    oq.work(&[&good, &bad]);
    let last = |id: &str| {
        let rows = oq.run(&["history", id]).out;
        let last = rows.lines().last().unwrap();
        serde_json::from_str::<serde_json::Value>(last).unwrap()
    };
    assert_eq!(last(&good)["what"], "completed");
    assert_eq!(last(&bad)["what"], "failed");
    assert_eq!(last(&bad)["reason"], "fatal: no disk");
}

#[test]
fn of_several_tasks_some_missing_is_the_same_for_all_commands() {
    let oq = Oq::new();
    let id = oq.submit(&["echo"]);
    let missing = "01M8D2HN97ZGPRPAFP3WEG0000";
    for verb in ["get", "cancel"] {
        let ran = oq.run(&[verb, &id, missing]);
        assert_eq!(ran.code, Some(8), "{verb}: {}", ran.err);
        let ran = oq.run(&[verb, missing]);
        assert_eq!(ran.code, Some(3), "{verb}: {}", ran.err);
    }
}

#[test]
fn wrong_values_say_which_are_right() {
    let oq = Oq::new();
    oq.submit(&["echo"]);
    for (args, says) in [
        (&["list", "--limit", "-1"][..], "0 or more"),
        (&["list", "--state", "runnable"], "--state pending"),
        (&["list", "--since", "2026-02-30"], "no such day"),
        (&["submit", "x", "--priority", "-1"], "use 0 to 31"),
        (
            &["submit", "x", "--attempts", "99999999999"],
            "use 1 to 1000",
        ),
        (
            &["submit", "x", "--delay", "99999999999999999999d"],
            "longer than any",
        ),
        (&["submit", "x", "1", "--pack", "5"], "--jsonl"),
        (&["submit", "x", "--never", ""], "without a kind"),
        (
            &["submit", "x", "--retry-base", "10s", "--retry-cap", "1s"],
            "larger",
        ),
        (&["worker", "jobs:app"], "Python package"),
        (
            &["worker", "--task", "x=true", "--drain", "--within", "15s"],
            "20s or more",
        ),
        (&["top", "-o", "json"], "--once"),
        (&["demo", "--url", "sqlite:x.db"], "a store of its own"),
    ] {
        oq.run(args).refused(2, says);
    }
    let done = oq.submit(&["echo"]);
    oq.work(&[&done]);
    oq.run(&["retry", &done]).refused(5, "submit it again");
    let large = oq.submit(&["echo", &format!("\"{}\"", "x".repeat(5000))]);
    let card = oq.run(&["get", &large, "-o", "table"]).out;
    assert!(
        card.contains("… (5002 bytes in all): all of it with -o json"),
        "{card}"
    );
}
