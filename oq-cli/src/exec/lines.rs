//! The lines of a stream, for whoever watches.

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
    fn lines_are_put_together_from_pieces() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for piece in ["a", "b\nc", "\n\nd"] {
            lines.push(piece.as_bytes(), |line| seen.push(line));
        }
        lines.end(|line| seen.push(line));
        assert_eq!(seen, ["ab", "c", "", "d"]);
    }
}
