//! What a command reads: the input of one task, or many lines.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use tokio::sync::mpsc;

use crate::failed::Failed;

/// No more than this is read: what is longer is refused by the core, which has the same limit.
const MOST: u64 = oq_core::store::MAX_BODY as u64 + 1;

/// How many lines are read ahead.
const AHEAD: usize = 1024;

/// The JSON text that an argument stands for.
pub fn text(argument: &str) -> Result<String, Failed> {
    match argument.strip_prefix('@') {
        _ if argument == "-" => read("stdin", std::io::stdin().lock()),
        Some(path) => read(path, open(path)?),
        None => Ok(argument.to_owned()),
    }
}

fn open(path: &str) -> Result<File, Failed> {
    let wrong = |why: String| Failed::usage(format!("{path}: {why}"), "name a readable file");
    // Looked at before it is opened: opening a FIFO would wait for its writer.
    let kind = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?;
    if !kind.is_file() {
        return Err(Failed::usage(
            format!("{path}: not a regular file"),
            "pipe it in, with - as the input",
        ));
    }
    File::open(path).map_err(|e| wrong(e.to_string()))
}

fn read(name: &str, from: impl Read) -> Result<String, Failed> {
    let mut text = String::new();
    let length = from
        .take(MOST)
        .read_to_string(&mut text)
        .map_err(|e| Failed::usage(format!("{name}: {e}"), "the input must be JSON in UTF-8"))?;
    if length as u64 == MOST {
        return Err(Failed::usage(
            format!("{name}: longer than {} bytes", MOST - 1),
            "put it into an object of your own and submit its name",
        ));
    }
    Ok(text)
}

/// A line, or why it is none; the next ones can be read all the same.
pub type Line = Result<String, String>;

/// Lines that are read in a thread of their own, so that a slow pipe holds nothing up.
pub struct Lines {
    lines: mpsc::Receiver<Result<(u64, Line), Failed>>,
    /// How many bytes there are, where that can be known.
    pub bytes: Option<u64>,
}

impl Lines {
    /// The lines of a file, or of stdin with `-`.
    pub fn open(path: &str) -> Result<Lines, Failed> {
        if path == "-" {
            return Ok(Lines::of("stdin".to_owned(), None, || {
                Box::new(BufReader::new(std::io::stdin()))
            }));
        }
        let file = open(path)?;
        let bytes = file.metadata().ok().map(|about| about.len());
        Ok(Lines::of(path.to_owned(), bytes, || {
            Box::new(BufReader::new(file))
        }))
    }

    fn of(
        name: String,
        bytes: Option<u64>,
        from: impl FnOnce() -> Box<dyn BufRead> + Send + 'static,
    ) -> Lines {
        let (send, lines) = mpsc::channel(AHEAD);
        std::thread::spawn(move || {
            let mut from = from();
            for number in 1.. {
                let line = match line(&mut from) {
                    Ok(None) => return,
                    Ok(Some(line)) => Ok((number, line)),
                    Err(why) => Err(Failed::usage(
                        format!("{name}, line {number}: {why}"),
                        "each line must be a JSON text in UTF-8",
                    )),
                };
                let wrong = line.is_err();
                if send.blocking_send(line).is_err() || wrong {
                    return;
                }
            }
        });
        Lines { lines, bytes }
    }

    /// The next line and its number, from 1; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<(u64, Line)>, Failed> {
        self.lines.recv().await.transpose()
    }
}

fn line(from: &mut dyn BufRead) -> Result<Option<Line>, String> {
    let mut bytes = Vec::new();
    let read = from.take(MOST).read_until(b'\n', &mut bytes);
    match read.map_err(|e| e.to_string())? {
        0 => return Ok(None),
        n if n as u64 == MOST => return Err(format!("longer than {} bytes", MOST - 1)),
        _ => {}
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(Some(String::from_utf8(bytes).map_err(|wrong| {
        format!(
            "not UTF-8 from byte {} on",
            wrong.utf8_error().valid_up_to() + 1
        )
    })))
}
