//! Asking before something that cannot be taken back.

use std::io::{BufRead, Write};

use tokio::sync::oneshot;

use super::{Printer, safe_lines};
use crate::failed::Failed;

/// A question that stands on the terminal. Whatever comes next begins a line of its own, also when
/// nobody pressed Enter.
struct Asked {
    answered: bool,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.answered {
            let _closed = writeln!(std::io::stderr().lock());
        }
    }
}

impl Printer {
    /// Asks on the terminal; yes with `yes`. Where nobody can answer, it is refused. Whoever waits
    /// for the answer may stop waiting: Ctrl-C is an answer, too.
    pub async fn agreed(&self, question: &str, yes: bool) -> Result<bool, Failed> {
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
        {
            let mut err = std::io::stderr().lock();
            let _closed = write!(err, "{} [y/N] ", safe_lines(question));
            let _closed = err.flush();
        }
        let mut asked = Asked { answered: false };
        let (said, heard) = oneshot::channel();
        std::thread::spawn(move || {
            let mut answer = String::new();
            let _unreadable = std::io::stdin().lock().read_line(&mut answer);
            let _left = said.send(answer);
        });
        let answer = heard.await.unwrap_or_default();
        asked.answered = answer.ends_with('\n');
        let answer = answer.trim().to_ascii_lowercase();
        Ok(matches!(answer.as_str(), "y" | "yes"))
    }
}
