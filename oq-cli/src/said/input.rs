//! The input of a task: said directly, read from a file or from stdin.

use std::fs::File;
use std::io::Read;

use crate::failed::Failed;

/// No more than this is read: what is longer is refused by the core, which has the same limit.
const MOST: u64 = oq_core::store::MAX_BODY as u64 + 1;

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
