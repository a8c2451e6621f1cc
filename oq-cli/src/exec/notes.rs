//! What a program notes for its next attempt and for those who watch: two files in a folder of the
//! attempt's own, named in `OQ_SAVE` and `OQ_PROGRESS`.
//!
//! They are looked at every second and at the end. Both are small texts; a program that is read
//! while it writes is read again a second later.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use oq_core::Context;
use serde_json::Value;
use tempfile::TempDir;

/// How often the files are looked at.
pub const LOOK: Duration = Duration::from_secs(1);

/// More than this is not read. The core's limit is lower where tasks share an object.
const MOST: u64 = 1 << 20;

/// The notes of one attempt; the folder goes with it.
#[derive(Debug)]
pub struct Notes {
    folder: TempDir,
    saved: String,
    progress: String,
}

/// A folder of an attempt's own.
fn folder() -> Result<TempDir, String> {
    let folder = tempfile::Builder::new().prefix("oq-").tempdir();
    folder.map_err(|e| no_folder(&e))
}

fn no_folder(e: &io::Error) -> String {
    // The maker of folders says the path it tried; what helps is where it was to be.
    let why = e.get_ref().and_then(|inner| inner.source());
    let why = why.map_or_else(|| e.to_string(), ToString::to_string);
    format!(
        "{}, the folder for temporary files, cannot be used: {why}",
        std::env::temp_dir().display()
    )
}

/// Fails where attempts could not have their folders.
pub fn check() -> Result<(), String> {
    folder().map(drop)
}

impl Notes {
    /// A folder with what the last attempt saved.
    pub fn new(task: &Context) -> Result<Notes, String> {
        let folder = folder()?;
        let saved = match task.saved::<Value>() {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        };
        let notes = Notes {
            folder,
            saved,
            progress: String::new(),
        };
        if !notes.saved.is_empty() {
            std::fs::write(notes.save_file(), &notes.saved).map_err(|e| no_folder(&e))?;
        }
        Ok(notes)
    }

    pub fn save_file(&self) -> PathBuf {
        self.folder.path().join("save")
    }

    pub fn progress_file(&self) -> PathBuf {
        self.folder.path().join("progress")
    }

    /// Tells the task what is new; the next renewal of the lease writes it.
    pub fn look(&mut self, task: &Context) {
        if let Some(saved) = read(self.save_file()).filter(|s| *s != self.saved) {
            match task.save(&saved) {
                Ok(()) => self.saved = saved,
                Err(error) => {
                    tracing::warn!(id = %task.id(), %error, "what it saved is not kept");
                }
            }
        }
        if let Some(text) = read(self.progress_file()).filter(|p| *p != self.progress) {
            if let Some((done, total)) = progress(&text) {
                task.progress(done, total);
            }
            self.progress = text;
        }
    }
}

fn read(path: PathBuf) -> Option<String> {
    // A FIFO in its place would be waited for.
    if !std::fs::metadata(&path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(MOST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// `3/10`, or `3 10`.
fn progress(text: &str) -> Option<(u64, u64)> {
    let (done, total) = text.trim().split_once(['/', ' '])?;
    Some((done.trim().parse().ok()?, total.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_two_numbers() {
        assert_eq!(progress("3/10\n"), Some((3, 10)));
        assert_eq!(progress("3 10"), Some((3, 10)));
        for wrong in ["", "3", "3/", "-1/2", "half/whole"] {
            assert_eq!(progress(wrong), None, "{wrong:?}");
        }
    }
}
