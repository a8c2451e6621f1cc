//! Rows of data, in the format that was asked for, written as they come.

use serde::Serialize;

use super::{Format, Printer};
use crate::failed::Failed;

/// So many rows are looked at before the widths of a table's columns are fixed.
const LOOK: usize = 50;

/// One thing of many that a command lists.
pub trait Row: Serialize {
    /// The heads of a table's columns and of a CSV's fields.
    const HEADS: &'static [&'static str];

    /// What stands in them, for people.
    fn cells(&self) -> Vec<String>;

    /// What `-o id` prints.
    fn id(&self) -> String;
}

/// Writes rows; [`Rows::end`] must be called when there are no more.
pub struct Rows<'a, R> {
    printer: &'a Printer,
    format: Format,
    /// Cells of a table that wait until the widths are known.
    waiting: Vec<Vec<String>>,
    widths: Option<Vec<usize>>,
    count: u64,
    of: std::marker::PhantomData<R>,
}

impl Printer {
    /// Begins to write rows.
    pub fn rows<R: Row>(&self) -> Rows<'_, R> {
        Rows {
            printer: self,
            format: self.format(),
            waiting: Vec::new(),
            widths: None,
            count: 0,
            of: std::marker::PhantomData,
        }
    }
}

impl<R: Row> Rows<'_, R> {
    /// Writes one row.
    pub fn push(&mut self, row: &R) -> Result<(), Failed> {
        self.count += 1;
        match self.format {
            Format::Id => self.printer.line(&row.id()),
            Format::Jsonl => self.printer.line(&json(row)?),
            Format::Json => {
                let before = if self.count == 1 { "[" } else { "," };
                self.printer.data(format_args!("{before}\n{}", json(row)?))
            }
            Format::Csv => {
                if self.count == 1 {
                    self.csv(R::HEADS.iter().map(|h| h.to_string()))?;
                }
                self.csv(row.cells())
            }
            Format::Table => {
                self.waiting.push(row.cells());
                if self.widths.is_some() || self.waiting.len() >= LOOK {
                    self.table()?;
                }
                Ok(())
            }
        }
    }

    /// Writes what is left; returns how many rows there were.
    pub fn end(mut self) -> Result<u64, Failed> {
        match self.format {
            Format::Table if !self.waiting.is_empty() => self.table()?,
            Format::Json if self.count == 0 => self.printer.line("[]")?,
            Format::Json => self.printer.data(format_args!("\n]\n"))?,
            Format::Csv if self.count == 0 => self.csv(R::HEADS.iter().map(|h| h.to_string()))?,
            _ => {}
        }
        Ok(self.count)
    }

    fn table(&mut self) -> Result<(), Failed> {
        let rows = std::mem::take(&mut self.waiting);
        if self.widths.is_none() {
            let heads: Vec<String> = R::HEADS.iter().map(|h| h.to_uppercase()).collect();
            let mut widths: Vec<usize> = heads.iter().map(|h| h.chars().count()).collect();
            for row in &rows {
                for (width, cell) in widths.iter_mut().zip(row) {
                    *width = (*width).max(shown(cell).chars().count());
                }
            }
            self.widths = Some(widths);
            self.printer.line(&self.columns(&heads))?;
        }
        for row in rows {
            self.printer.line(&self.columns(&row))?;
        }
        Ok(())
    }

    fn columns(&self, cells: &[String]) -> String {
        let widths = self.widths.as_deref().unwrap_or_default();
        let mut line = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let width = widths.get(at).copied().unwrap_or_default();
            let gap = if at == 0 { "" } else { "  " };
            line.push_str(gap);
            line.push_str(&format!("{:width$}", shown(cell)));
        }
        line.truncate(line.trim_end().len());
        line
    }

    fn csv(&self, cells: impl IntoIterator<Item = String>) -> Result<(), Failed> {
        let quoted = |cell: String| match cell.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell,
        };
        let cells: Vec<String> = cells.into_iter().map(quoted).collect();
        self.printer.line(&cells.join(","))
    }
}

/// A cell as a terminal may see it: what others put into a bucket must not steer it.
pub(super) fn shown(cell: &str) -> String {
    cell.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn json(row: &impl Serialize) -> Result<String, Failed> {
    serde_json::to_string(row)
        .map_err(|e| Failed::unusable(format!("it cannot be shown as JSON: {e}"), ""))
}
