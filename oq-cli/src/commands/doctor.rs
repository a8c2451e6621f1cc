//! `oq doctor`.

use oq_core::bucket::examine;
use oq_core::env::Env;
use oq_core::health;
use oq_core::record::{Options, Settings};
use oq_core::store::probe::{Finding, Pace, Plan, Report, Verdict, probe};
use oq_core::store::s3::S3Store;
use oq_core::store::{Prices, machine_time};
use serde::Serialize;
use serde_json::json;

use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{Format, Row};
use crate::session::Session;

/// Check a store, the bucket around it and a queue in it; every fault comes with its cure.
///
/// Writes below .probe/ only, and deletes that again. Exit code 9 when something is wrong. A store
/// that ignores the conditions of writes is refused: tasks would be lost or run twice.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Fewer races and samples: a few seconds on S3, a tenth of a cent.
    #[arg(long)]
    quick: bool,

    /// The same as -o json: everything that was found, as one object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Found(Finding);

impl Row for Found {
    const HEADS: &'static [&'static str] = &["verdict", "check", "what", "cure"];

    fn cells(&self) -> Vec<String> {
        let Finding {
            check,
            verdict,
            what,
            cure,
        } = &self.0;
        let cure = cure.clone().unwrap_or_default();
        vec![verdict.to_string(), check.to_string(), what.clone(), cure]
    }

    fn id(&self) -> String {
        self.0.check.to_owned()
    }
}

impl Doctor {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        // Clap does not see a conflict with what is said before the command.
        let said = oq.global.said.output;
        if self.json && said.is_some_and(|format| format != Format::Json) {
            return Err(Failed::usage(
                "--json and another --output",
                "say one of them: --json is the same as -o json",
            ));
        }
        let plan = if self.quick { Plan::QUICK } else { Plan::FULL };
        let (put, get, list) = plan.at_most();
        oq.print.note(&format!(
            "this asks for up to {put} PUT, {get} GET and {list} LIST, ${:.4} at the prices of S3 Standard, and a few reads of the queue",
            plan.cost(&Prices::S3_STANDARD)
        ));
        let root = oq.root().await?;
        let probing = probe(root.store().clone(), Env::system(), plan, machine_time());
        let report = oq.watched(Some(put + get + list), probing).await;
        let mut findings = report.findings.clone();
        // Of a store that does not answer there is nothing more to learn.
        if findings.first().is_some_and(|f| f.verdict == Verdict::Ok) {
            findings.extend(self.around(oq, &root).await?);
        }
        self.show(oq, &report, findings)
    }

    /// The bucket and the queue.
    async fn around(
        &self,
        oq: &Session<'_>,
        root: &oq_core::protocol::Root,
    ) -> Result<Vec<Finding>, Failed> {
        let queue = &oq.global.queue;
        let mut findings = Vec::new();
        let url = oq.url()?;
        if url.starts_with("s3:") {
            let store = S3Store::connect(url).await.map_err(oq_core::Error::from)?;
            let retention = retention(root, queue).await;
            findings.extend(examine::examine(&store.bucket(), queue, retention).await);
        }
        match health::examine(root, queue).await {
            Ok(found) => findings.extend(found),
            Err(e) => findings.push(Finding::fault(
                "queue",
                format!("it could not be read: {e}"),
                "check the credentials and what they may do in this bucket",
            )),
        }
        Ok(findings)
    }

    fn show(
        &self,
        oq: &Session<'_>,
        report: &Report,
        findings: Vec<Finding>,
    ) -> Result<Exit, Failed> {
        let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
        let (refusals, faults) = (count(Verdict::Refusal), count(Verdict::Fault));
        let healthy = refusals + faults == 0;
        match self.format(oq) {
            Format::Json => {
                let all = json!({
                    "healthy": healthy,
                    "refused": refusals > 0,
                    "findings": findings,
                    "latency": report.paces,
                    "requests": {
                        "put": report.requests.put(),
                        "get": report.requests.get(),
                        "list": report.requests.list(),
                        "delete": report.requests.delete(),
                    },
                });
                oq.print.line(&format!("{all:#}"))?;
            }
            Format::Table => self.table(oq, &findings, &report.paces)?,
            _ => {
                let mut rows = oq.print.rows();
                for finding in &findings {
                    rows.push(&Found(finding.clone()))?;
                }
                rows.end()?;
            }
        }
        let said = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let warnings = said(count(Verdict::Warning), "warning");
        oq.print.note(&match (refusals, faults) {
            (0, 0) => format!("nothing is wrong; {warnings}"),
            (0, faults) => format!("{}, {warnings}", said(faults, "fault")),
            (refusals, _) => format!(
                "refused: do not use this store. It breaks what oq needs in {}",
                said(refusals, "check")
            ),
        });
        Ok(if healthy { Exit::Ok } else { Exit::Faulty })
    }

    fn format(&self, oq: &Session<'_>) -> Format {
        match self.json {
            true => Format::Json,
            false => oq.print.format(),
        }
    }

    fn table(&self, oq: &Session<'_>, findings: &[Finding], paces: &[Pace]) -> Result<(), Failed> {
        for found in findings {
            let line = format!("{:<8} {:<17} {}", found.verdict, found.check, found.what);
            oq.print.line(&plain(&line))?;
            if let Some(cure) = &found.cure {
                oq.print.line(&plain(&format!("{:26} cure: {cure}", "")))?;
            }
        }
        if !paces.is_empty() {
            oq.print.line("")?;
            oq.print
                .line(&format!("{:<15} {:>9} {:>9}", "ms", "p50", "p99"))?;
        }
        for pace in paces {
            let ms = |us: u64| us as f64 / 1000.0;
            let (p50, p99) = (ms(pace.p50_us), ms(pace.p99_us));
            oq.print
                .line(&format!("{:<15} {p50:>9.2} {p99:>9.2}", pace.verb))?;
        }
        Ok(())
    }
}

/// How long outcomes are kept; the default where the settings cannot be read, which is a finding of
/// its own.
async fn retention(
    root: &oq_core::protocol::Root,
    queue: &oq_core::record::QueueName,
) -> std::time::Duration {
    let key = oq_core::record::Key::Settings(queue.clone());
    let settings = oq_core::protocol::write::read::<Settings>(root, &key).await;
    let settings = settings.ok().flatten();
    settings.map_or(Options::default().retention, |s| {
        s.record.defaults.retention
    })
}

/// What others put into a bucket must not steer a terminal.
fn plain(line: &str) -> String {
    let shown = line.chars();
    shown
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
