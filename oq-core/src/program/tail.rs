//! The last bytes of a stream.

use std::collections::VecDeque;

/// Keeps the last bytes that were pushed.
#[derive(Debug)]
pub struct Tail {
    bytes: VecDeque<u8>,
    most: usize,
    cut: bool,
}

impl Tail {
    /// With so many bytes at most.
    pub fn new(most: usize) -> Tail {
        Tail {
            bytes: VecDeque::new(),
            most,
            cut: false,
        }
    }

    /// Adds what came next.
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
}
