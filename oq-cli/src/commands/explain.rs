//! `oq explain`.

use oq_core::explain::{CODES, Explained, find};
use serde::Serialize;

use crate::config::nearest;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{Card, Format, Row, json};
use crate::session::Session;

/// Explain an error code, or list them all. Asks nobody.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The code, as in OQ-NOT-FOUND
    #[arg(value_parser = known)]
    code: Option<&'static Explained>,
}

fn known(code: &str) -> Result<&'static Explained, String> {
    let upper = code.to_ascii_uppercase();
    find(code).ok_or_else(|| match nearest(&upper, CODES.iter().map(|e| e.code)) {
        Some(near) => format!("did you mean {near}?"),
        None => "oq explain lists all codes".to_owned(),
    })
}

#[derive(Debug, Serialize)]
struct CodeRow {
    code: &'static str,
    what: &'static str,
    why: &'static str,
    next: &'static str,
}

impl From<&Explained> for CodeRow {
    fn from(e: &Explained) -> CodeRow {
        CodeRow {
            code: e.code,
            what: e.what,
            why: e.why,
            next: e.next,
        }
    }
}

impl Row for CodeRow {
    const HEADS: &'static [&'static str] = &["code", "what"];

    fn cells(&self) -> Vec<String> {
        vec![self.code.to_owned(), self.what.to_owned()]
    }

    fn id(&self) -> String {
        self.code.to_owned()
    }
}

impl Explain {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let Some(code) = self.code else {
            let mut rows = oq.print.rows();
            for code in CODES {
                rows.push(&CodeRow::from(code))?;
            }
            rows.end()?;
            return Ok(Exit::Ok);
        };
        match oq.print.asked() {
            Some(Format::Json | Format::Jsonl) => oq.print.line(&json(&CodeRow::from(code))?)?,
            Some(Format::Csv | Format::Id) => {
                let mut rows = oq.print.rows();
                rows.push(&CodeRow::from(code))?;
                rows.end()?;
            }
            // A text is for people, in a pipe too.
            Some(Format::Table) | None => Card::new()
                .field("code", code.code.to_owned())
                .field("what", code.what.to_owned())
                .field("why", code.why.to_owned())
                .field("next", code.next.to_owned())
                .print(oq.print)?,
        }
        Ok(Exit::Ok)
    }
}
