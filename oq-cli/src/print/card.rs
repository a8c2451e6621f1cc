//! One thing shown to people: names on the left, what they are on the right.

use super::table::Tone;
use super::{Printer, safe, safe_lines};
use crate::failed::Failed;

/// What is shown of one thing.
#[derive(Debug, Default)]
pub struct Card {
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Field(&'static str, String, Tone),
    /// A text of several lines below a head.
    Text(&'static str, String),
}

impl Card {
    /// An empty card.
    pub fn new() -> Card {
        Card::default()
    }

    /// A field; one without a value is left out.
    pub fn field(mut self, name: &'static str, value: impl Into<Option<String>>) -> Card {
        if let Some(value) = value.into() {
            self.lines.push(Line::Field(name, value, Tone::Plain));
        }
        self
    }

    /// A field in its colour.
    pub fn toned(mut self, name: &'static str, value: impl Into<String>, tone: Tone) -> Card {
        self.lines.push(Line::Field(name, value.into(), tone));
        self
    }

    /// A text of several lines; an empty one is left out.
    pub fn text(mut self, head: &'static str, text: impl Into<String>) -> Card {
        let text = text.into();
        if !text.is_empty() {
            self.lines.push(Line::Text(head, text));
        }
        self
    }

    /// Writes it.
    pub fn print(&self, printer: &Printer) -> Result<(), Failed> {
        let names = self.lines.iter().filter_map(|line| match line {
            Line::Field(name, ..) => Some(name.len()),
            Line::Text(..) => None,
        });
        let width = names.max().unwrap_or_default();
        let paint = |tone: Tone, text: &str| match printer.out.colour {
            true => tone.paint(text),
            false => text.to_owned(),
        };
        for line in &self.lines {
            let text = match line {
                Line::Field(name, value, tone) => {
                    let name = paint(Tone::Faint, &format!("{name:width$}"));
                    format!("{name}  {}", paint(*tone, &safe(value)))
                }
                Line::Text(head, text) => {
                    let text = safe_lines(text);
                    let lines: Vec<String> = text.lines().map(|l| format!("  {l}")).collect();
                    format!("{}\n{}", paint(Tone::Faint, head), lines.join("\n"))
                }
            };
            printer.data(format_args!("{text}\n"))?;
        }
        Ok(())
    }
}
