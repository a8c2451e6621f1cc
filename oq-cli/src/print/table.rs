//! The layout of tables: columns that are aligned and fit the terminal.

use unicode_width::UnicodeWidthStr;

use super::safe;

/// No column is made narrower than this to fit.
const NARROWEST: usize = 8;

/// Between two columns.
const GAP: &str = "  ";

/// How a piece of text is meant, for those who see colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Bad,
    Busy,
    Faint,
}

impl Tone {
    /// The text in its colour.
    pub fn paint(self, text: &str) -> String {
        let code = match self {
            Tone::Plain => return text.to_owned(),
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Busy => 33,
            Tone::Faint => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// How a state of a task is meant.
    pub fn of_state(state: oq_core::queue::TaskState) -> Tone {
        use oq_core::queue::TaskState as S;
        match state {
            S::Completed => Tone::Good,
            S::Failed | S::Expired => Tone::Bad,
            S::Running | S::Finishing => Tone::Busy,
            S::Cancelled => Tone::Faint,
            S::Pending | S::Waiting => Tone::Plain,
        }
    }
}

/// The columns of a table: their widths, and which of them are numbers.
#[derive(Debug)]
pub struct Columns {
    widths: Vec<usize>,
    numbers: Vec<bool>,
    /// How much wider a line may become than its columns are; any width where there is no terminal.
    spare: Option<usize>,
}

impl Columns {
    /// Columns for these heads and the first rows, no wider together than `most`: the widest give
    /// way, and where that is not enough the last are left out. The first column is never cut: it is
    /// what people copy.
    ///
    /// `least` says how wide columns have to be for rows that come later. A cell that turns out to be
    /// wider than its column is cut only where its line has no room for it.
    pub fn of(
        heads: &[String],
        rows: &[Vec<String>],
        least: &[usize],
        most: Option<usize>,
    ) -> Columns {
        let cells = |at: usize| rows.iter().filter_map(move |row| row.get(at));
        let mut widths: Vec<usize> = heads.iter().map(|h| h.width()).collect();
        for (at, width) in widths.iter_mut().enumerate() {
            let least = least.get(at).copied().unwrap_or_default();
            *width = cells(at)
                .map(|c| safe(c).width())
                .fold(least.max(*width), usize::max);
        }
        let numbers = (0..heads.len())
            .map(|at| {
                let mut filled = cells(at).filter(|c| !c.is_empty()).peekable();
                filled.peek().is_some() && filled.all(|c| is_number(c))
            })
            .collect();
        if let Some(most) = most {
            shrink(&mut widths, most);
        }
        let spare = most.map(|most| most.saturating_sub(whole(&widths)));
        Columns {
            widths,
            numbers,
            spare,
        }
    }

    /// One line of the table.
    pub fn line(&self, cells: &[String], tones: impl Fn(usize) -> Tone) -> String {
        let mut line = String::new();
        let last = cells.len().min(self.widths.len()).saturating_sub(1);
        let mut spare = self.spare;
        for (at, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
            let width = *width;
            let shown = match spare {
                Some(spare) if at > 0 => cut(&safe(cell), width + spare),
                _ => safe(cell),
            };
            spare = spare.map(|s| s.saturating_sub(shown.width().saturating_sub(width)));
            let pad = " ".repeat(width.saturating_sub(shown.width()));
            let right = self.numbers.get(at).copied().unwrap_or_default();
            let painted = tones(at).paint(&shown);
            if at > 0 {
                line.push_str(GAP);
            }
            match (right, at == last) {
                (true, _) => line.push_str(&format!("{pad}{painted}")),
                (false, true) => line.push_str(&painted),
                (false, false) => line.push_str(&format!("{painted}{pad}")),
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

fn is_number(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'$' | b'+'))
}

/// How wide a line of such columns is.
fn whole(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// Takes from the widest column until all fit, then from the last.
fn shrink(widths: &mut Vec<usize>, most: usize) {
    while whole(widths) > most && widths.len() > 1 {
        let widest = widths.iter_mut().skip(1).max();
        match widest.filter(|width| **width > NARROWEST) {
            Some(width) => *width -= 1,
            None => drop(widths.pop()),
        }
    }
}

/// The beginning of a text that is too wide, with a mark that something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        let next = out.width() + unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if next + 1 > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(most: Option<usize>, rows: &[[&str; 3]]) -> Vec<String> {
        let own = |row: &[&str; 3]| row.iter().map(|c| c.to_string()).collect::<Vec<_>>();
        let heads = own(&["ID", "N", "WHAT"]);
        let rows: Vec<_> = rows.iter().map(own).collect();
        let columns = Columns::of(&heads, &rows, &[], most);
        let lines = std::iter::once(&heads).chain(&rows);
        lines.map(|l| columns.line(l, |_| Tone::Plain)).collect()
    }

    #[test]
    fn columns_are_aligned_and_numbers_stand_right() {
        let lines = table(None, &[["a", "7", "日本"], ["bcd", "1200", "x"]]);
        assert_eq!(
            lines,
            ["ID      N  WHAT", "a       7  日本", "bcd  1200  x"]
        );
    }

    #[test]
    fn the_widest_column_gives_way_but_not_the_first() {
        let long = "x".repeat(50);
        let lines = table(Some(40), &[["0123456789012345678901", "1", &long]]);
        assert_eq!(
            lines[1],
            format!("0123456789012345678901  1  {}…", "x".repeat(12))
        );
        // Lines that do not fit would break, and no column would stand below its head.
        let narrow = |most| table(Some(most), &[["0123456789", "1", &long]]);
        assert_eq!(narrow(22), ["        ID  N", "0123456789  1"]);
        assert_eq!(narrow(3), ["        ID", "0123456789"]);
    }

    #[test]
    fn a_later_cell_is_cut_only_where_its_line_has_no_room() {
        let own = |row: [&str; 3]| row.map(str::to_owned).to_vec();
        let (heads, first) = (own(["ID", "N", "WHAT"]), own(["a", "1", "b"]));
        let long = own(["a", "1", &"x".repeat(30)]);
        let line = |least: &[usize], most| {
            let columns = Columns::of(&heads, std::slice::from_ref(&first), least, most);
            columns.line(&long, |_| Tone::Plain)
        };
        assert_eq!(line(&[], None), format!("a   1  {}", "x".repeat(30)));
        assert_eq!(line(&[], Some(60)), format!("a   1  {}", "x".repeat(30)));
        assert_eq!(line(&[], Some(20)), format!("a   1  {}…", "x".repeat(12)));
        assert_eq!(
            line(&[4, 3], None),
            format!("a       1  {}", "x".repeat(30))
        );
    }

    #[test]
    fn cells_cannot_break_out_of_their_line() {
        let lines = table(None, &[["a\nb", "\u{1b}[2J", "\u{202e}x"]]);
        assert_eq!(lines[1], "a\\u000ab  \\u001b[2J  \\u202ex");
    }
}
