//! The last bytes of a stream, and its lines for whoever watches.

use std::collections::VecDeque;

/// Keeps the last bytes that were pushed.
#[derive(Debug)]
pub struct Tail {
    bytes: VecDeque<u8>,
    most: usize,
    cut: bool,
}

impl Tail {
    pub fn new(most: usize) -> Tail {
        Tail {
            bytes: VecDeque::new(),
            most,
            cut: false,
        }
    }

    pub fn push(&mut self, more: &[u8]) {
        self.bytes.extend(more);
        let over = self.bytes.len().saturating_sub(self.most);
        self.cut |= over > 0;
        self.bytes.drain(..over);
    }

    /// What was kept as text, without blanks around it; what was cut off is marked.
    pub fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        // A character that the cut went through shows as a replacement: it goes.
        let text = String::from_utf8_lossy(&bytes);
        match self.cut {
            true => format!("… {}", text.trim_start_matches('\u{fffd}').trim()),
            false => text.trim().to_owned(),
        }
    }
}

/// Makes lines of bytes that come in pieces. Longer lines than this are cut into several.
#[derive(Debug, Default)]
pub struct Lines {
    begun: Vec<u8>,
}

const LONGEST_LINE: usize = 8 << 10;

impl Lines {
    /// Adds a piece; `line` gets each line that it completes.
    pub fn push(&mut self, piece: &[u8], mut line: impl FnMut(String)) {
        for part in piece.split_inclusive(|b| *b == b'\n') {
            self.begun.extend(part);
            if part.ends_with(b"\n") || self.begun.len() >= LONGEST_LINE {
                self.end(&mut line);
            }
        }
    }

    /// Hands out what has no line end yet.
    pub fn end(&mut self, mut line: impl FnMut(String)) {
        let begun = std::mem::take(&mut self.begun);
        if !begun.is_empty() {
            line(String::from_utf8_lossy(&begun).trim_end().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_the_cut_is_marked() {
        let mut tail = Tail::new(8);
        tail.push(b"  all\n");
        assert_eq!(tail.text(), "all");
        tail.push("äääää!".as_bytes());
        assert_eq!(tail.text(), "… äää!");
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for piece in ["a", "b\nc", "\n\nd"] {
            lines.push(piece.as_bytes(), |line| seen.push(line));
        }
        lines.end(|line| seen.push(line));
        assert_eq!(seen, ["ab", "c", "", "d"]);
    }
}
