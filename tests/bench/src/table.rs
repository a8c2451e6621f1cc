//! Rows of figures, each with the bound it is held to.

use std::fmt;

/// One measured figure.
pub struct Figure {
    pub what: String,
    pub measured: f64,
    pub bound: Bound,
    pub unit: &'static str,
}

/// What is expected of a figure.
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Figure {
    pub fn holds(&self) -> bool {
        match self.bound {
            Bound::AtMost(max) => self.measured <= max,
            Bound::AtLeast(min) => self.measured >= min,
            Bound::None => true,
        }
    }
}

/// A table of figures under a heading.
#[derive(Default)]
pub struct Table {
    pub title: String,
    pub note: String,
    pub figures: Vec<Figure>,
}

impl Table {
    pub fn new(title: &str, note: &str) -> Table {
        Table {
            title: title.into(),
            note: note.into(),
            figures: Vec::new(),
        }
    }

    pub fn add(
        &mut self,
        what: impl Into<String>,
        measured: f64,
        unit: &'static str,
        bound: Bound,
    ) {
        self.figures.push(Figure {
            what: what.into(),
            measured,
            bound,
            unit,
        });
    }

    pub fn holds(&self) -> bool {
        self.figures.iter().all(Figure::holds)
    }
}

fn number(n: f64) -> String {
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
        _ => format!("{n:.5}"),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n\n{}\n", self.title, self.note)?;
        writeln!(f, "| figure | measured | bound | |")?;
        writeln!(f, "|---|---:|---:|---|")?;
        for x in &self.figures {
            let bound = match x.bound {
                Bound::AtMost(b) => format!("≤ {}", number(b)),
                Bound::AtLeast(b) => format!("≥ {}", number(b)),
                Bound::None => String::new(),
            };
            let mark = match (x.holds(), &x.bound) {
                (_, Bound::None) => "",
                (true, _) => "holds",
                (false, _) => "**missed**",
            };
            writeln!(
                f,
                "| {} | {} {} | {bound} | {mark} |",
                x.what,
                number(x.measured),
                x.unit
            )?;
        }
        writeln!(f)
    }
}
