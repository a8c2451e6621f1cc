//! Tables of figures, each figure with the bound it is held to.

use std::fmt;

/// What is expected of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    None,
}

/// One field of a table.
#[derive(Debug, Clone)]
pub enum Cell {
    Figure {
        measured: f64,
        unit: &'static str,
        bound: Bound,
    },
    Text(String),
}

impl Cell {
    pub fn holds(&self) -> bool {
        match self {
            Cell::Figure {
                measured, bound, ..
            } => match bound {
                Bound::AtMost(max) => measured <= max,
                Bound::AtLeast(min) => measured >= min,
                Bound::None => true,
            },
            Cell::Text(_) => true,
        }
    }
}

/// A figure without a bound.
pub fn plain(measured: f64, unit: &'static str) -> Cell {
    bounded(measured, unit, Bound::None)
}

/// A figure that must not be larger.
pub fn at_most(measured: f64, unit: &'static str, most: f64) -> Cell {
    bounded(measured, unit, Bound::AtMost(most))
}

/// A figure that must not be smaller.
pub fn at_least(measured: f64, unit: &'static str, least: f64) -> Cell {
    bounded(measured, unit, Bound::AtLeast(least))
}

pub fn bounded(measured: f64, unit: &'static str, bound: Bound) -> Cell {
    Cell::Figure {
        measured,
        unit,
        bound,
    }
}

pub fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

/// A table under a heading.
#[derive(Debug, Default)]
pub struct Table {
    title: String,
    note: String,
    head: Vec<String>,
    rows: Vec<(String, Vec<Cell>)>,
    /// What stands below it, such as a picture.
    below: String,
}

impl Table {
    /// A table of single figures, filled by [`Table::add`].
    pub fn new(title: &str, note: &str) -> Table {
        Table::grid(title, note, &["figure", "measured"])
    }

    /// A table with several figures to a row; the first column names the row.
    pub fn grid(title: &str, note: &str, head: &[&str]) -> Table {
        Table {
            title: title.into(),
            note: note.into(),
            head: head.iter().map(|h| (*h).to_owned()).collect(),
            ..Table::default()
        }
    }

    pub fn row(&mut self, what: impl Into<String>, cells: Vec<Cell>) {
        self.rows.push((what.into(), cells));
    }

    pub fn add(
        &mut self,
        what: impl Into<String>,
        measured: f64,
        unit: &'static str,
        bound: Bound,
    ) {
        self.row(what, vec![bounded(measured, unit, bound)]);
    }

    pub fn below(mut self, markdown: &str) -> Table {
        self.below = markdown.into();
        self
    }

    /// The rows with a figure out of its bound.
    pub fn missed(&self) -> impl Iterator<Item = String> {
        let out = |(what, cells): &(String, Vec<Cell>)| {
            let cell = cells.iter().find(|cell| !cell.holds())?;
            Some(format!("{}: {what}: {cell}", self.title))
        };
        self.rows.iter().filter_map(out)
    }
}

pub fn number(n: f64) -> String {
    match n.abs() {
        0.0 => "0".into(),
        a if a >= 1000.0 => {
            let digits = format!("{n:.0}");
            let mut out = String::new();
            for (i, c) in digits.chars().enumerate() {
                if i > 0 && (digits.len() - i) % 3 == 0 {
                    out.push(',');
                }
                out.push(c);
            }
            out
        }
        a if a >= 10.0 => format!("{n:.1}"),
        a if a >= 0.1 => format!("{n:.3}"),
        a if a >= 0.001 => format!("{n:.4}"),
        _ => format!("{n:.6}"),
    }
}

fn with_unit(n: f64, unit: &str) -> String {
    match unit {
        "" => number(n),
        "$" => format!("${}", number(n)),
        "×" | "%" => format!("{}{unit}", number(n)),
        unit => format!("{} {unit}", number(n)),
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cell::Figure {
            measured,
            unit,
            bound,
        } = self
        else {
            let Cell::Text(text) = self else {
                return Ok(());
            };
            return f.write_str(text);
        };
        let measured = with_unit(*measured, unit);
        let bound = match bound {
            Bound::None => return f.write_str(&measured),
            Bound::AtMost(most) => format!("≤ {}", number(*most)),
            Bound::AtLeast(least) => format!("≥ {}", number(*least)),
        };
        if self.holds() {
            write!(f, "{measured} ({bound})")
        } else {
            write!(f, "**{measured} ({bound}, missed)**")
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n\n{}\n", self.title, self.note)?;
        writeln!(f, "| {} |", self.head.join(" | "))?;
        writeln!(f, "|---{}|", "|---:".repeat(self.head.len() - 1))?;
        for (what, cells) in &self.rows {
            let cells: Vec<String> = cells.iter().map(Cell::to_string).collect();
            writeln!(f, "| {what} | {} |", cells.join(" | "))?;
        }
        writeln!(f)?;
        if !self.below.is_empty() {
            writeln!(f, "{}\n", self.below)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_bound_shows() {
        let mut table = Table::grid("T", "N", &["what", "a", "b"]);
        table.row(
            "good",
            vec![at_most(1.0, "$", 1.0), at_least(2000.0, "", 1.0)],
        );
        assert_eq!(table.missed().count(), 0);
        assert!(
            table
                .to_string()
                .contains("| good | $1.000 (≤ 1.000) | 2,000 (≥ 1.000) |")
        );
        table.row("bad", vec![plain(0.0, ""), at_least(0.5, "×", 0.6)]);
        assert_eq!(
            table.missed().collect::<Vec<_>>(),
            ["T: bad: **0.500× (≥ 0.600, missed)**"]
        );
    }
}
