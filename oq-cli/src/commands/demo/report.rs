//! What happened, what it would have cost, and what to try next.

use oq_core::queue::TaskView;
use oq_core::store::{Prices, Requests};
use serde::Serialize;
use serde_json::json;

use crate::failed::Failed;
use crate::print::{Format, Printer, Row, count};

/// Tasks of one kind.
#[derive(Debug)]
pub struct Act {
    pub what: &'static str,
    pub tasks: u64,
    pub seconds: f64,
    pub requests: Requests,
}

/// One task, and what became of it.
#[derive(Debug)]
pub struct Fate {
    pub what: &'static str,
    pub view: TaskView,
}

/// All of it.
#[derive(Debug)]
pub struct Report {
    pub lone: Act,
    pub packed: Act,
    pub fates: Vec<Fate>,
    pub requests: Requests,
    pub seconds: f64,
}

/// A line of the table.
#[derive(Debug, Serialize)]
struct Line {
    what: &'static str,
    tasks: u64,
    became: String,
    attempts: u32,
    seconds: f64,
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
}

impl Row for Line {
    const HEADS: &'static [&'static str] = &["what", "tasks", "became", "attempts", "took", "why"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.what.to_owned(),
            count(self.tasks),
            self.became.clone(),
            self.attempts.to_string(),
            format!("{:.1}s", self.seconds),
            self.why.clone(),
        ]
    }

    fn id(&self) -> String {
        self.what.to_owned()
    }
}

impl Act {
    fn line(&self) -> Line {
        Line {
            what: self.what,
            tasks: self.tasks,
            became: "completed".to_owned(),
            attempts: 1,
            seconds: self.seconds,
            why: String::new(),
        }
    }

    fn per_task(&self) -> f64 {
        self.requests.total() as f64 / self.tasks.max(1) as f64
    }

    fn million(&self) -> f64 {
        dollars(&self.requests) * 1e6 / self.tasks.max(1) as f64
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "tasks": self.tasks,
            "seconds": self.seconds,
            "requests_per_task": self.per_task(),
            "dollars_per_million": self.million(),
        })
    }
}

impl Fate {
    fn line(&self) -> Line {
        let view = &self.view;
        let ended = view.ended.unwrap_or(view.submitted);
        Line {
            what: self.what,
            tasks: 1,
            became: view.state.to_string(),
            attempts: view.attempts,
            seconds: ended.since(view.submitted).as_secs_f64(),
            why: view
                .failure
                .as_ref()
                .map_or_else(String::new, |f| f.message.clone()),
        }
    }
}

fn dollars(requests: &Requests) -> f64 {
    requests.cost(&Prices::S3_STANDARD)
}

impl Report {
    /// A table for people, one object for programs.
    pub fn print(&self, print: &Printer) -> Result<(), Failed> {
        let acts = [&self.lone, &self.packed];
        let lines: Vec<Line> = acts.iter().map(|act| act.line()).collect();
        let lines = lines.into_iter().chain(self.fates.iter().map(Fate::line));
        if matches!(print.format(), Format::Json | Format::Jsonl) {
            let all = json!({
                "tasks": lines.collect::<Vec<_>>(),
                "seconds": self.seconds,
                "requests": {
                    "put": self.requests.put(),
                    "get": self.requests.get(),
                    "list": self.requests.list(),
                    "delete": self.requests.delete(),
                },
                "dollars": dollars(&self.requests),
                "lone": self.lone.json(),
                "packed": self.packed.json(),
            });
            return print.line(&all.to_string());
        }
        let mut rows = print.rows();
        for line in lines {
            rows.push(&line)?;
        }
        rows.end()?;
        if print.format() != Format::Table {
            return Ok(());
        }
        let made = &self.requests;
        print.line("")?;
        print.line(&format!(
            "{:.1} s and {} requests in all (PUT {}, GET {}, LIST {}, DELETE {}).",
            self.seconds,
            count(made.total()),
            count(made.put()),
            count(made.get()),
            count(made.list()),
            count(made.delete()),
        ))?;
        print.line(&format!(
            "On S3 Standard that is ${:.5}. A million tasks, as measured here:",
            dollars(made)
        ))?;
        for act in acts {
            print.line(&format!(
                "  {:<28}{:>6.2} requests a task  ${:.2}",
                act.what,
                act.per_task(),
                act.million()
            ))?;
        }
        print.line("\nNext:")?;
        let oq = invocation();
        for command in [
            format!("{oq} --url sqlite:oq.db submit upper '\"hello\"'"),
            format!("{oq} --url sqlite:oq.db worker --drain --task upper='tr a-z A-Z'"),
            format!("{oq} dev        # the same store as S3, for your own programs"),
        ] {
            print.line(&format!("  {command}"))?;
        }
        Ok(())
    }
}

/// How this program was called, so that what is shown works when it is copied.
fn invocation() -> &'static str {
    // Set by `cargo run`.
    match std::env::var_os("CARGO") {
        Some(_) => "cargo run -q -p oq-cli --",
        None => "oq",
    }
}
