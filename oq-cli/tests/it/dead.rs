//! Dead letters.

use crate::oq::Oq;

#[test]
fn failures_are_grouped_by_fault_and_dealt_with() {
    let oq = Oq::new();
    let ids: Vec<String> = [
        "\"no user 17\"",
        "\"no user 4711\"",
        "\"disk full\"",
        "\"\\u001b[2J\\u202e evil\"",
    ]
    .iter()
    .map(|message| oq.submit(&["fail", message]))
    .collect();
    oq.work(&ids.iter().map(String::as_str).collect::<Vec<_>>());

    let groups = oq.run(&["dead", "list", "-o", "json"]).json();
    let groups = groups.as_array().unwrap();
    assert_eq!(groups.len(), 3);
    assert_eq!(groups[0]["count"], 2);
    let users = groups[0]["fingerprint"].as_str().unwrap();
    let table = oq.run(&["dead", "list", "-o", "table"]).out;
    assert!(
        !table.contains('\u{1b}') && !table.contains('\u{202e}'),
        "{table:?}"
    );

    let shown = oq.run(&["dead", "show", users, "-o", "id"]).out;
    assert_eq!(shown.lines().count(), 2);
    assert!(shown.contains(&ids[0]) && shown.contains(&ids[1]));
    oq.run(&["dead", "show", "00000000"])
        .refused(3, "next: oq dead list");
    oq.run(&["dead", "show", "xyz"]).refused(2, "hexadecimal");

    oq.run(&["dead", "retry"])
        .refused(2, "it is not said which");
    oq.run(&["dead", "retry", users])
        .refused(2, "Try 2 tasks of the queue default again?");
    let again = oq.run(&["dead", "retry", users, "--yes", "-o", "id"]);
    assert_eq!(
        (again.code, again.out.lines().count()),
        (Some(0), 2),
        "{}",
        again.err
    );
    let left = || oq.run(&["dead", "list", "-o", "id"]).out.lines().count();
    assert_eq!(left(), 2);

    let dry = oq.run(&["dead", "purge", "--all", "--dry-run"]);
    assert_eq!((dry.code, left()), (Some(0), 2));
    oq.run(&["dead", "purge", "--all", "--yes"]);
    assert_eq!(left(), 0);
    assert_eq!(
        oq.run(&["get", &ids[2]]).json()["state"],
        "failed",
        "its outcome stays"
    );
}

#[test]
fn a_fault_that_is_not_there_and_a_state_are_refused() {
    let oq = Oq::new();
    let id = oq.submit(&["fail", "\"disk full\""]);
    oq.work(&[&id]);
    for verb in ["retry", "purge"] {
        oq.run(&["dead", verb, "deadbeef", "-y"])
            .refused(3, "shows the fault deadbeef");
        oq.run(&["dead", verb, "--state", "completed", "--all", "-y"])
            .refused(2, "--state");
        let ran = oq.run(&["dead", verb, "--type", "other", "-y"]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.err.contains("no such"), "{}", ran.err);
    }
    oq.run(&["dead", "list", "--state", "completed"])
        .refused(2, "--state");
    assert_eq!(oq.run(&["dead", "list", "-o", "id"]).out.lines().count(), 1);
}
