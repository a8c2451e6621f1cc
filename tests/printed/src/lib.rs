//! The sections of documents that commands print: what stands between two marks is replaced, and
//! nothing else.

#![allow(
    missing_docs,
    reason = "for test harnesses; what is not plain is said where it stands"
)]

fn marks(name: &str) -> (String, String) {
    (
        format!("<!-- printed: {name} -->\n"),
        format!("<!-- end: {name} -->"),
    )
}

/// A printed section of a document.
pub fn section<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (begin, end) = marks(name);
    let from = document.find(&begin)? + begin.len();
    let to = from + document[from..].find(&end)?;
    Some(&document[from..to])
}

/// The document with another text in a printed section.
pub fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let old = section(document, name)?;
    let (begin, end) = marks(name);
    let from = format!("{begin}{old}{end}");
    Some(document.replace(&from, &format!("{begin}{text}{end}")))
}

/// The names of the columns of a table.
pub fn head(table: &str) -> Vec<&str> {
    let cells = table.lines().next().unwrap_or_default().split('|');
    let cells: Vec<&str> = cells.map(str::trim).collect();
    cells.get(1..cells.len() - 1).unwrap_or_default().to_vec()
}

/// Fails if the table that a document has under this name is not of this program: `new` is one that
/// it prints now, with or without rows, and `first` what stands in the first column.
pub fn check(document: &str, name: &str, new: &str, first: &[&str]) {
    let old = section(document, name).unwrap_or_default();
    assert_eq!(head(old), head(new), "print {name} again: other columns");
    let rows = first_column(document, name);
    assert_eq!(rows, first, "print {name} again: other rows");
}

/// The first column of the table in a printed section, without its head.
pub fn first_column<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    names(section(document, name).unwrap_or_default())
}

/// The first column of a table, without its head.
pub fn names(table: &str) -> Vec<&str> {
    let lines = table.lines().skip(2);
    lines
        .filter_map(|line| Some(line.split('|').nth(1)?.trim()))
        .collect()
}

/// The table with this row in place of the one that begins alike, or at its end.
pub fn with_row(table: &str, row: &str) -> String {
    let name = |line: &str| line.split('|').nth(1).map(|cell| cell.trim().to_owned());
    let mut lines: Vec<&str> = table.lines().collect();
    let mut rows = lines.iter().skip(2);
    let same = rows.position(|line| name(line) == name(row));
    match same {
        Some(n) => lines[n + 2] = row,
        None => lines.push(row),
    }
    lines.join("\n") + "\n"
}

/// Prints texts into the sections of a document that have these names.
pub fn write(file: &str, sections: &[(&str, String)]) -> Result<(), String> {
    let mut text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    for (name, new) in sections {
        text = replaced(&text, name, new).ok_or(format!("{file}: it has no section {name}"))?;
    }
    std::fs::write(file, text).map_err(|e| format!("{file}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "a\n<!-- printed: x -->\n| h |\n|---|\n| one | 1 |\n<!-- end: x -->\nb";

    #[test]
    fn a_section_is_read_and_replaced_and_nothing_else() {
        assert_eq!(first_column(DOCUMENT, "x"), ["one"]);
        let new = replaced(DOCUMENT, "x", "new\n").unwrap();
        assert_eq!(section(&new, "x"), Some("new\n"));
        assert!(new.starts_with("a\n") && new.ends_with("\nb"));
        assert_eq!(replaced(DOCUMENT, "y", ""), None);
    }

    #[test]
    fn a_table_of_an_older_program_is_noticed() {
        check(DOCUMENT, "x", "| h |\n|---|\n", &["one"]);
        let noticed = |new: &'static str, first: &'static [&'static str]| {
            std::panic::catch_unwind(|| check(DOCUMENT, "x", new, first)).is_err()
        };
        assert!(noticed("| h | more |\n|---|---|\n", &["one"]));
        assert!(noticed("| other |\n|---|\n", &["one"]));
        assert!(noticed("| h |\n|---|\n", &["one", "two"]));
    }

    #[test]
    fn a_row_is_replaced_or_added() {
        let table = "| h | n |\n|---|---|\n| one | 1 |\n| two | 2 |\n";
        let again = with_row(table, "| one | 3 |");
        assert_eq!(again, "| h | n |\n|---|---|\n| one | 3 |\n| two | 2 |\n");
        assert!(with_row(table, "| three | 3 |").ends_with("| two | 2 |\n| three | 3 |\n"));
    }
}
