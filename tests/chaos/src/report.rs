//! What came of it, as tables of the document.

use std::fmt::Write as _;
use std::time::Duration;

use crate::play::Ended;
use crate::recovery::Recovery;
use crate::relay::Fault;
use crate::soak::Soaked;

pub fn scenarios(all: &[Ended]) -> String {
    let mut table = String::from(
        "| scenario | accepted | in doubt | starts | kills | stops | cancels | stopped so | faults | lost | after outcome | stale | otherwise wrong | run twice | late effects | over after |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for ended in all {
        let counts = &ended.counts;
        let stale = counts.stale_start + counts.stale_result;
        let wrong: usize = counts.wrong().iter().map(|(_, n)| n).sum();
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {stale} | {} | {} | {} | {} |",
            ended.scenario.what,
            ended.accepted,
            ended.doubtful,
            ended.starts,
            ended.kills,
            ended.stops,
            ended.cancels,
            ended.stopped,
            ended.faults.iter().sum::<u64>(),
            counts.lost,
            counts.after_outcome,
            wrong - counts.lost - counts.after_outcome - stale,
            counts.again,
            counts.late,
            over(ended),
        );
    }
    table
}

/// How long after the trouble everything was over.
pub fn over(ended: &Ended) -> String {
    let seconds = |d: Duration| format!("{:.0} s", d.as_secs_f64());
    ended.recovered.map_or("never".into(), seconds)
}

/// How often each fault of the network happened in all.
pub fn faults(all: &[Ended]) -> String {
    let mut line = String::new();
    for (n, fault) in Fault::ALL.iter().enumerate() {
        let times: u64 = all.iter().map(|ended| ended.faults[n]).sum();
        let _ = write!(
            line,
            "{}{} {times}",
            if n == 0 { "" } else { ", " },
            fault.name()
        );
    }
    line
}

/// What a soak came to.
pub fn soak(soaked: &Soaked) -> String {
    let all = || soaked.ended.iter();
    let sum = |figure: fn(&Ended) -> usize| all().map(figure).sum::<usize>().to_string();
    let faults: u64 = all().flat_map(|ended| ended.faults).sum();
    let stale = |e: &Ended| e.counts.stale_start + e.counts.stale_result;
    let growth = soaked.growth().map_or("-".into(), |g| format!("{g:.1}"));
    let rows = [
        ("minutes", (soaked.took.as_secs() / 60).to_string()),
        ("scenarios", soaked.ended.len().to_string()),
        ("combinations among them", soaked.combinations().to_string()),
        ("tasks accepted", sum(|e| e.accepted)),
        ("starts", sum(|e| e.starts)),
        ("kills", sum(|e| e.kills)),
        ("stops", sum(|e| e.stops)),
        ("cancels", sum(|e| e.cancels)),
        ("faults of the network", faults.to_string()),
        ("tasks lost", sum(|e| e.counts.lost)),
        ("starts after an outcome", sum(|e| e.counts.after_outcome)),
        ("stale tokens", sum(stale)),
        (
            "scenarios with anything wrong",
            sum(|e| usize::from(!e.wrong().is_empty())),
        ),
        ("memory of the worker that stayed grew by, %", growth),
    ];
    let mut table = String::from("| figure | measured |\n|---|---:|\n");
    for (name, figure) in rows {
        let _ = writeln!(table, "| {name} | {figure} |");
    }
    table
}

/// How long tasks waited whose worker got SIGKILL.
pub fn recovery(recovery: &Recovery) -> String {
    let seconds = |d: Option<Duration>| d.map_or("-".into(), |d| format!("{:.1}", d.as_secs_f64()));
    format!(
        "| from SIGKILL to the next start | measured |\n|---|---:|\n| tasks | {} |\n| their lease, seconds | {} |\n| p50, seconds | {} |\n| p99, seconds | {} |\n| longest, seconds | {} |\n",
        recovery.waits.len(),
        recovery.lease.as_secs(),
        seconds(recovery.percentile(50)),
        seconds(recovery.percentile(99)),
        seconds(recovery.percentile(100)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That it has every scenario is asked where they are numbered.
    #[test]
    fn the_document_has_the_columns_and_figures_of_this_program() {
        let page = include_str!("../../../docs/assurance.md");
        let printed = oq_printed::section(page, "chaos").expect("it is printed");
        let columns = oq_printed::head(printed);
        assert_eq!(columns, oq_printed::head(&scenarios(&[])), "print it again");
        let soaked = soak(&Soaked {
            took: Duration::ZERO,
            ended: Vec::new(),
        });
        oq_printed::check(page, "soak", &soaked, &oq_printed::names(&soaked));
        let recovered = recovery(&Recovery {
            lease: Duration::ZERO,
            waits: Vec::new(),
        });
        oq_printed::check(page, "killed", &recovered, &oq_printed::names(&recovered));
    }
}
