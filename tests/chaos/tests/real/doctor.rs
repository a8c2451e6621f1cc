//! `oq doctor` on stores that keep every rule and on stores that break one, over HTTP.

use serde_json::Value;

use crate::broken::{Breaks, start};
use crate::world::Oq;

async fn report(breaks: Breaks) -> (i32, Value) {
    let endpoint = start(breaks).await;
    let url = format!("s3://bucket/p?endpoint={endpoint}&region=us-east-1&path_style=true");
    let ran = Oq::at(&url).run(&["doctor", "--quick", "-o", "json"]).await;
    let report = serde_json::from_str(&ran.out);
    let report = report.unwrap_or_else(|e| panic!("{breaks:?}: {e}: {}{}", ran.out, ran.err));
    (ran.code, report)
}

fn verdict(report: &Value, check: &str) -> String {
    let all = report["findings"].as_array().unwrap();
    let found = all.iter().find(|f| f["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no {check} in {report:#}"));
    assert!(
        found["verdict"] == "ok" || found["cure"].is_string(),
        "{found}"
    );
    found["verdict"].as_str().unwrap().to_owned()
}

/// The server is right in all that it does not break on purpose, or the others would prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_keeps_every_rule_is_not_refused() {
    let (code, report) = report(Breaks::Nothing).await;
    assert_eq!(report["refused"], false, "{report:#}");
    assert_eq!(code, 0, "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_store_that_breaks_a_rule_is_refused_for_it() {
    for (breaks, checks) in [
        (
            Breaks::Conditions,
            &["create if absent", "update if match"][..],
        ),
        (
            Breaks::CheckThenAct,
            &["race of creates", "race of updates"],
        ),
        (Breaks::MissingKey, &["missing keys"]),
        (Breaks::Order, &["listings"]),
        (Breaks::StartAfter, &["listings"]),
    ] {
        let (code, report) = report(breaks).await;
        assert_eq!(
            (code, &report["refused"]),
            (9, &true.into()),
            "{breaks:?}: {report:#}"
        );
        for check in checks {
            assert_eq!(verdict(&report, check), "refusal", "{breaks:?}: {report:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_say_what_is_missing_is_a_fault() {
    let (code, report) = report(Breaks::Forbids).await;
    assert_eq!(code, 9, "{report:#}");
    let all = report["findings"].as_array().unwrap().iter();
    let faults = all.filter(|f| f["verdict"] == "fault" || f["verdict"] == "refusal");
    assert!(faults.count() > 0, "{report:#}");
}
