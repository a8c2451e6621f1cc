//! Rows of data, in the format that was asked for, written as they come.

use serde::Serialize;

use super::json::json;
use super::table::{Columns, Tone};
use super::{Format, Printer, safe};
use crate::failed::Failed;

/// So many rows are looked at before the widths of a table's columns are fixed.
const LOOK: usize = 50;

/// One thing of many that a command lists.
pub trait Row: Serialize {
    /// The heads of a table's columns and of a CSV's fields.
    const HEADS: &'static [&'static str];

    /// How wide columns are at least, where rows may come one by one and later ones be wider.
    const LEAST: &'static [usize] = &[];

    /// What stands in them, for people.
    fn cells(&self) -> Vec<String>;

    /// The same for programs, as CSV: exact where people want it short.
    fn fields(&self) -> Vec<String> {
        self.cells()
    }

    /// What `-o id` prints.
    fn id(&self) -> String;

    /// How the cell of this column is meant.
    fn tone(&self, _column: usize) -> Tone {
        Tone::Plain
    }
}

/// Writes rows; [`Rows::end`] must be called when there are no more.
pub struct Rows<'a, R> {
    printer: &'a Printer,
    format: Format,
    look: usize,
    /// Cells of a table that wait until the widths are known.
    waiting: Vec<(Vec<String>, Vec<Tone>)>,
    columns: Option<Columns>,
    count: u64,
    of: std::marker::PhantomData<R>,
}

impl Printer {
    /// Begins to write rows.
    pub fn rows<R: Row>(&self) -> Rows<'_, R> {
        Rows {
            printer: self,
            format: self.format(),
            look: LOOK,
            waiting: Vec::new(),
            columns: None,
            count: 0,
            of: std::marker::PhantomData,
        }
    }
}

impl<R: Row> Rows<'_, R> {
    /// Shows each row of a table as soon as it is there, for rows that come slowly.
    pub fn at_once(mut self) -> Self {
        self.look = 1;
        self
    }

    /// Writes one row.
    pub fn push(&mut self, row: &R) -> Result<(), Failed> {
        self.count += 1;
        match self.format {
            Format::Id => self.printer.line(&row.id()),
            Format::Jsonl => self.printer.line(&json(row)?),
            Format::Json => {
                let before = if self.count == 1 { "[\n" } else { ",\n" };
                let row = json(row)?;
                match self.printer.out.terminal {
                    true => self.printer.data(format_args!("{before}{}", safe(&row))),
                    false => self.printer.data(format_args!("{before}{row}")),
                }
            }
            Format::Csv => {
                if self.count == 1 {
                    self.csv(R::HEADS.iter().map(|h| h.to_string()))?;
                }
                self.csv(row.fields())
            }
            Format::Table => {
                let cells = row.cells();
                let tones = (0..cells.len()).map(|at| row.tone(at)).collect();
                self.waiting.push((cells, tones));
                if self.columns.is_some() || self.waiting.len() >= self.look {
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
        let colour = self.printer.out.colour;
        let columns = match self.columns.take() {
            Some(columns) => columns,
            None => {
                let heads: Vec<String> = R::HEADS.iter().map(|h| h.to_uppercase()).collect();
                let cells: Vec<Vec<String>> = rows.iter().map(|(cells, _)| cells.clone()).collect();
                // Where many rows are seen first, they tell.
                let least = if self.look == 1 { R::LEAST } else { &[] };
                let columns = Columns::of(&heads, &cells, least, self.printer.width());
                let tone = if colour { Tone::Faint } else { Tone::Plain };
                let line = columns.line(&heads, |_| tone);
                self.printer.data(format_args!("{line}\n"))?;
                columns
            }
        };
        for (cells, tones) in &rows {
            let tone = |at: usize| match colour {
                true => tones.get(at).copied().unwrap_or(Tone::Plain),
                false => Tone::Plain,
            };
            let line = columns.line(cells, tone);
            self.printer.data(format_args!("{line}\n"))?;
        }
        self.columns = Some(columns);
        Ok(())
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
