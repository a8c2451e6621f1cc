//! What came of it, as tables of the document.

use std::fmt::Write as _;
use std::time::Duration;

use crate::recovery::Recovery;
use crate::relay::Fault;
use crate::scenario::Ended;

pub fn scenarios(all: &[Ended]) -> String {
    let mut table = String::from(
        "| server | workers | they are | accepted | in doubt | starts | kills | stops | faults | lost | after outcome | wrong result | run twice | stale effects | over after |\n|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for ended in all {
        let (scenario, counts) = (&ended.scenario, &ended.counts);
        let over = ended
            .recovered
            .map_or("never".into(), |d| format!("{:.0} s", d.as_secs_f64()));
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {over} |",
            scenario.server.name(),
            scenario.program.name(),
            scenario.trouble.name(),
            ended.accepted,
            ended.doubtful,
            ended.starts,
            ended.kills,
            ended.stops,
            ended.faults.iter().sum::<u64>(),
            counts.lost,
            counts.after_outcome,
            counts.wrong_result + counts.shared_delivery + counts.unasked,
            counts.again,
            counts.stale,
        );
    }
    table
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

/// How much the memory of the worker that nothing was done to grew, in hundredths.
pub fn growth(ended: &Ended) -> Option<f64> {
    let (early, late) = ended.memory?;
    Some(100.0 * (late as f64 - early as f64) / early as f64)
}
