//! The lifecycle rules that a bucket should have, and those that it must not have.
//!
//! Workers delete outcomes when their retention is over. A rule is the backstop for when no worker
//! runs any more. It must never reach what is live: a task may wait for a year, and it is only as
//! old as its last change says.

use std::time::Duration;

use crate::record::QueueName;
use crate::store::Rule;
use crate::store::probe::Finding;

/// So many days longer than needed: workers come first, and clocks and rounding do not matter.
const SPARE: u32 = 7;

/// What is kept how long, in whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Outcomes.
    pub outcomes: u32,
    /// Payloads: they are there from the submission on, so the time until the outcome counts too.
    pub payloads: u32,
}

impl Keep {
    /// For a retention of outcomes and the longest time that a task may take from its submission to
    /// its outcome.
    pub fn of(retention: Duration, longest: Duration) -> Keep {
        let outcomes = days(retention) + SPARE;
        Keep {
            outcomes,
            payloads: outcomes + days(longest),
        }
    }
}

fn days(span: Duration) -> u32 {
    u32::try_from(span.as_secs().div_ceil(86_400)).unwrap_or(u32::MAX / 4)
}

/// The rules that the bucket should have for this queue. `root` is empty or ends in `/`.
pub fn wanted(root: &str, queue: &QueueName, keep: Keep, versioned: bool) -> Vec<Rule> {
    let mut rules = vec![
        Rule {
            expires: Some(keep.outcomes),
            ..Rule::new(
                format!("oq {root}{queue}/done/"),
                format!("{root}{queue}/done/"),
            )
        },
        Rule {
            expires: Some(keep.payloads),
            ..Rule::new(
                format!("oq {root}{queue}/payload/"),
                format!("{root}{queue}/payload/"),
            )
        },
        Rule {
            expires: Some(1),
            ..Rule::new(format!("oq {root}.probe/"), format!("{root}.probe/"))
        },
        Rule {
            aborts: Some(SPARE),
            ..Rule::new(format!("oq {root} uploads"), root)
        },
    ];
    if versioned {
        rules.push(Rule {
            old_versions: Some(1),
            ..Rule::new(format!("oq {root} old versions"), root)
        });
    }
    rules
}

/// Those of the rules wanted that the bucket does not have as they should be.
pub fn missing(wanted: &[Rule], there: &[Rule]) -> Vec<Rule> {
    let missing = wanted.iter().filter(|rule| !there.contains(rule));
    missing.cloned().collect()
}

const CHECK: &str = "lifecycle rules";

/// What is wrong with the rules of a bucket, for this queue.
pub fn judge(rules: &[Rule], root: &str, queue: &QueueName, keep: Keep) -> Vec<Finding> {
    let mut found = Vec::new();
    let cure = |rule: &Rule| format!("delete or narrow the rule '{}' of the bucket", rule.id);
    let below = |folder: &str| format!("{root}{queue}/{folder}");
    // What must never go by itself. The mark and the settings are as old as the queue.
    let kept = [
        (format!("{root}oq.json"), "the mark of the format"),
        (below("queue.json"), "the queue's settings"),
        (below("live/"), "tasks that are not over"),
        (below("key/"), "idempotency keys"),
        (below("dead/"), "dead letters"),
    ];
    let over = [
        (below("done/"), keep.outcomes - SPARE, "outcomes"),
        (
            below("payload/"),
            keep.payloads - SPARE,
            "inputs and outputs",
        ),
    ];
    for rule in rules {
        let hits = |(prefix, what): &(String, &'static str)| rule.touches(prefix).then_some(*what);
        if rule.expires.is_some()
            && let Some(what) = kept.iter().find_map(hits)
        {
            let said = format!("the rule '{}' ({rule}) deletes {what}", rule.id);
            found.push(Finding::fault(CHECK, said, cure(rule)));
        }
        for (prefix, least, what) in &over {
            if let Some(days) = rule
                .expires
                .filter(|days| days < least && rule.touches(prefix))
            {
                let said = format!(
                    "the rule '{}' ({rule}) deletes {what} after {days} d; they are needed for {least} d",
                    rule.id
                );
                found.push(Finding::fault(CHECK, said, cure(rule)));
            }
        }
        let all = kept.iter().map(|(prefix, _)| prefix);
        let all = all.chain(over.iter().map(|(prefix, ..)| prefix));
        if rule.archives.is_some() && all.into_iter().any(|prefix| rule.touches(prefix)) {
            let said = format!(
                "the rule '{}' ({rule}) moves objects to where they cannot be read",
                rule.id
            );
            found.push(Finding::fault(CHECK, said, cure(rule)));
        }
    }
    let backed = |prefix: &str| {
        rules
            .iter()
            .any(|r| r.expires.is_some() && r.covers(prefix))
    };
    if !over.iter().all(|(prefix, ..)| backed(prefix)) {
        found.push(Finding::warning(
            CHECK,
            "no rule deletes old outcomes and payloads when no worker runs",
            "`oq init` sets one; without it storage is paid for until a worker runs again",
        ));
    }
    if found.is_empty() {
        found.push(Finding::ok(
            CHECK,
            "none reaches what is needed, and a backstop is there",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::probe::Verdict;

    fn queue() -> QueueName {
        QueueName::new("mail").unwrap()
    }

    fn keep() -> Keep {
        Keep::of(
            Duration::from_secs(3 * 86_400),
            Duration::from_secs(30 * 86_400),
        )
    }

    fn verdicts(rules: &[Rule]) -> Vec<Verdict> {
        let found = judge(rules, "jobs/", &queue(), keep());
        found.into_iter().map(|f| f.verdict).collect()
    }

    #[test]
    fn the_rules_wanted_are_fine_and_never_reach_what_is_live() {
        assert_eq!((keep().outcomes, keep().payloads), (10, 40));
        let rules = wanted("jobs/", &queue(), keep(), true);
        assert_eq!(verdicts(&rules), [Verdict::Ok]);
        assert!(missing(&rules, &rules).is_empty());
        assert_eq!(missing(&rules, &rules[1..]), rules[..1]);
        let live = |rule: &&Rule| rule.expires.is_some() && rule.touches("jobs/mail/live/");
        assert_eq!(rules.iter().find(live), None);
    }

    #[test]
    fn rules_that_delete_too_early_are_faults() {
        let rule = |prefix: &str, days| Rule {
            expires: Some(days),
            ..Rule::new("theirs", prefix)
        };
        let mut good = wanted("jobs/", &queue(), keep(), false);
        for bad in [
            rule("", 365),
            rule("jobs/", 365),
            rule("jobs/mail/live/", 365),
            rule("jobs/mail/live/0G/", 365),
            rule("jobs/mail/done/", 2),
            rule("jobs/mail/payload/", 10),
            Rule {
                archives: Some(30),
                ..Rule::new("theirs", "jobs/")
            },
        ] {
            good.push(bad.clone());
            assert!(verdicts(&good).contains(&Verdict::Fault), "{bad}");
            good.pop();
        }
        for fine in [
            rule("logs/", 1),
            Rule {
                enabled: false,
                ..rule("", 1)
            },
            Rule {
                filter: crate::store::Filter {
                    tagged: true,
                    ..Default::default()
                },
                ..rule("", 1)
            },
        ] {
            good.push(fine.clone());
            assert_eq!(verdicts(&good), [Verdict::Ok], "{fine}");
            good.pop();
        }
        assert_eq!(verdicts(&[]), [Verdict::Warning]);
    }
}
