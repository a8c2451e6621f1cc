//! What the environment of a function says, beside its store: the names of the variables,
//! the words they take, and what holds unless they are set. It owns no store and no handler.

use std::num::NonZero;
use std::path::PathBuf;

use oq_core::words::{self, said};
use oq_core::{Error, Result};

/// A folder of programs, or [`NONE`].
pub const HANDLERS: &str = "OQ_HANDLERS";

/// What [`HANDLERS`] says of a function that only submits.
pub const NONE: &str = "none";

/// Whether tasks are taken by HTTP.
pub const HTTP: &str = "OQ_HTTP";

/// Whether submissions ring the bell of workers that stay.
pub const BELL: &str = "OQ_BELL";

/// How many tasks run at once.
pub const CONCURRENCY: &str = "OQ_CONCURRENCY";

/// How much memory Lambda gives, in MB.
const MEMORY: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

/// What Lambda sets for a function, and its runtime needs.
#[cfg(any(feature = "runtime", feature = "emulator"))]
pub(crate) const LAMBDA: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    MEMORY,
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// A program at once for each so many MB, unless set.
const MB_A_PROGRAM: usize = 128;

/// A variable that turns something on or off.
///
/// # Errors
///
/// [`Error::Invalid`] for any other word.
pub fn switch(name: &str) -> Result<Option<bool>> {
    said(name).map(|text| truth(name, &text)).transpose()
}

fn truth(name: &str, text: &str) -> Result<bool> {
    words::switch(text).ok_or_else(|| wrong(name, text, "write on or off"))
}

/// How many tasks run at once, if that is set.
///
/// # Errors
///
/// [`Error::Invalid`] for what is no number from 1 to 1000.
pub fn concurrency() -> Result<Option<usize>> {
    said(CONCURRENCY).map(|text| slots(&text)).transpose()
}

fn slots(text: &str) -> Result<usize> {
    let slots = text.parse().ok().filter(|slots| (1..=1000).contains(slots));
    slots.ok_or_else(|| {
        wrong(
            CONCURRENCY,
            text,
            "write how many tasks run at once, 1 to 1000",
        )
    })
}

/// How many programs run at once: as set, or one for each 128 MB of the function, or outside of
/// Lambda one for each processor.
///
/// # Errors
///
/// Those of [`concurrency`].
pub fn programs_at_once() -> Result<usize> {
    if let Some(slots) = concurrency()? {
        return Ok(slots);
    }
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    Ok(unless_set(said(MEMORY).as_deref(), processors))
}

fn unless_set(memory: Option<&str>, processors: usize) -> usize {
    match memory.and_then(|mb| mb.parse::<usize>().ok()) {
        Some(mb) => (mb / MB_A_PROGRAM).max(1),
        None => processors,
    }
}

/// The folder of programs: what [`HANDLERS`] names, or `handlers` beside the function's program if
/// there is one. `None`: the function only submits.
///
/// # Errors
///
/// [`Error::Invalid`] for a name that is no folder: its tasks would never run.
pub fn handlers() -> Result<Option<PathBuf>> {
    let no_folder = |path: &PathBuf, why: &str| {
        let what = format!("the folder of programs {}", path.display());
        Err(Error::Invalid {
            what,
            why: why.to_owned(),
        })
    };
    match said(HANDLERS) {
        Some(name) if name == NONE => Ok(None),
        Some(name) => {
            let path = PathBuf::from(name);
            match path.is_dir() {
                true => Ok(Some(path)),
                false => no_folder(
                    &path,
                    "OQ_HANDLERS names it and it is no folder: correct it, or write none for a \
                     function that only submits",
                ),
            }
        }
        None => {
            let path = home().join("handlers");
            match path.is_dir() {
                true => Ok(Some(path)),
                false if path.exists() => no_folder(&path, "it is a file: put it into a folder"),
                false => Ok(None),
            }
        }
    }
}

/// Where the function's files are.
fn home() -> PathBuf {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.to_path_buf());
    said("LAMBDA_TASK_ROOT")
        .map(PathBuf::from)
        .or_else(beside)
        .unwrap_or_default()
}

fn wrong(name: &str, text: &str, why: &str) -> Error {
    Error::Invalid {
        what: format!("{name}={text}"),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_on_or_off_and_nothing_else() {
        for (text, expected) in [("on", true), ("True", true), ("0", false), ("off", false)] {
            assert_eq!(truth(HTTP, text).unwrap(), expected, "{text}");
        }
        let error = truth(HTTP, "ja").unwrap_err().to_string();
        assert_eq!(error, "OQ_HTTP=ja: write on or off");
    }

    #[test]
    fn programs_share_the_memory_unless_somebody_says_how_many() {
        let table = [("128", 1), ("256", 2), ("1769", 13), ("64", 1), ("much", 4)];
        for (memory, slots) in table {
            assert_eq!(unless_set(Some(memory), 4), slots, "{memory}");
        }
        assert_eq!(unless_set(None, 4), 4);
        assert_eq!(slots("5").unwrap(), 5);
        for wrong in ["0", "-1", "many", "1001", "1.5"] {
            let error = slots(wrong).unwrap_err().to_string();
            assert!(error.contains("1 to 1000"), "{error}");
        }
    }
}
