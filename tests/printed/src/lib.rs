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

/// The first column of the table in a printed section, without its head.
pub fn first_column<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let lines = section(document, name).unwrap_or_default().lines().skip(2);
    lines
        .filter_map(|line| Some(line.split('|').nth(1)?.trim()))
        .collect()
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
}
