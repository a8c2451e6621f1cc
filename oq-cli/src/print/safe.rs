//! Text of others as a terminal may see it: what somebody put into a bucket must not steer it.

/// The text with every character that a terminal obeys, or that changes the direction of what
/// follows, as an escape that is also JSON's: `\u001b`.
pub fn safe(text: &str) -> String {
    escaped(text, |_| false)
}

/// The same, but line ends and tabs stay.
pub fn safe_lines(text: &str) -> String {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

/// More than this of one thing is too much to read on a terminal.
const MUCH: usize = 1 << 10;

/// The beginning of a text that is too long to be read on a terminal, and how much there is of it.
pub fn shortened(text: &str) -> String {
    if text.len() <= MUCH {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MUCH);
    format!("{} … ({} bytes in all)", &text[..end], text.len())
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) && !keep(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Controls of the terminal, bidirectional marks, and what is not seen at all.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(safe("a\u{1b}[31mb"), "a\\u001b[31mb");
        assert_eq!(
            safe("\u{9b}2J\r\n\t\u{7f}"),
            "\\u009b2J\\u000d\\u000a\\u0009\\u007f"
        );
        assert_eq!(safe("abc\u{202e}fdp.exe"), "abc\\u202efdp.exe");
        assert_eq!(safe("zero\u{200b}width"), "zero\\u200bwidth");
        assert_eq!(safe("größe 日本 ok"), "größe 日本 ok");
        assert_eq!(safe_lines("a\n\tb\u{7}"), "a\n\tb\\u0007");
    }

    #[test]
    fn what_is_long_is_shown_by_its_beginning() {
        assert_eq!(shortened("short"), "short");
        let long = shortened(&"ä".repeat(5000));
        assert!(long.starts_with("ää") && long.len() < 1100, "{long}");
        assert!(long.ends_with("… (10000 bytes in all)"), "{long}");
    }

    #[test]
    fn what_was_made_safe_is_the_same_json() {
        let json = "\"a\u{7f}\u{202e}\"";
        let before: String = serde_json::from_str(json).unwrap();
        let after: String = serde_json::from_str(&safe(json)).unwrap();
        assert_eq!(before, after);
    }
}
