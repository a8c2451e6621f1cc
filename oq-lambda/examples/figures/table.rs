//! Figures, each with the bound it is held to, as Markdown.

use std::fmt;

/// One figure.
struct Figure {
    what: String,
    measured: f64,
    unit: &'static str,
    most: Option<f64>,
}

/// Figures of one kind.
pub struct Table {
    note: String,
    figures: Vec<Figure>,
}

impl Table {
    pub fn new(note: String) -> Table {
        Table {
            note,
            figures: Vec::new(),
        }
    }

    pub fn add(&mut self, what: impl Into<String>, measured: f64, unit: &'static str) {
        self.figures.push(Figure {
            what: what.into(),
            measured,
            unit,
            most: None,
        });
    }

    /// The same; it may be no more than `most`.
    pub fn bound(&mut self, what: impl Into<String>, measured: f64, unit: &'static str, most: f64) {
        self.add(what, measured, unit);
        if let Some(last) = self.figures.last_mut() {
            last.most = Some(most);
        }
    }

    /// Whether every bound holds; what could not be measured holds none.
    pub fn holds(&self) -> bool {
        let holds = |f: &Figure| f.most.is_none_or(|most| f.measured <= most);
        self.figures.iter().all(holds)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}\n\n| figure | measured | at most |\n|---|---|---|",
            self.note
        )?;
        for one in &self.figures {
            let unit = one.unit;
            let most = one.most.map(|most| match one.measured <= most {
                true => format!("{most} {unit}"),
                false => format!("{most} {unit}, **missed**"),
            });
            let (what, most) = (&one.what, most.unwrap_or_default());
            writeln!(f, "| {what} | {:.1} {unit} | {most} |", one.measured)?;
        }
        Ok(())
    }
}
