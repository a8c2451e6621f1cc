//! Asking before something that cannot be taken back.

use std::io::{BufRead, Write};

use super::{Printer, safe_lines};
use crate::failed::Failed;

impl Printer {
    /// Asks on the terminal; yes with `yes`. Where nobody can answer, it is refused.
    pub fn agreed(&self, question: &str, yes: bool) -> Result<bool, Failed> {
        if yes {
            return Ok(true);
        }
        if !self.can_ask() {
            return Err(Failed::usage(
                format!("{question} Nobody is here to answer"),
                "add --yes to do it, or --dry-run to see what it would do",
            ));
        }
        self.clear();
        let mut err = std::io::stderr().lock();
        let _closed = write!(err, "{} [y/N] ", safe_lines(question));
        let _closed = err.flush();
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        let agreed = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
        Ok(read.is_ok() && agreed)
    }
}
