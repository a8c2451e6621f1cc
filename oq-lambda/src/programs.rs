//! Handlers that are programs: each file of a folder runs the tasks of the type that it is named
//! after. Its input comes by stdin, its output goes to stdout, both as JSON.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use oq_core::record::Json;
use oq_core::worker::WorkerBuilder;
use oq_core::{Context, Error, Result, TaskError};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How much of what a program says on stderr becomes the error's message.
const SAID: usize = 4096;

/// Adds the programs of a folder to a worker, one for each type. Exit code 0 is success; empty output
/// is `null`. With any other code the task failed, and the end of stderr says why. A program that is
/// to stop (timeout, cancellation, deadline) is killed. `OQ_ID`, `OQ_TYPE`, `OQ_ATTEMPT` and
/// `OQ_DELIVERY` say what runs.
///
/// # Errors
///
/// [`Error::Unusable`] when the folder cannot be read.
pub fn programs(mut builder: WorkerBuilder, folder: &Path) -> Result<WorkerBuilder> {
    let unusable = |e| Error::Unusable(format!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(unusable)?;
    files.sort();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || !path.is_file() {
            continue;
        }
        let program = path.clone();
        builder = builder.json_handler(&name, move |context, input| {
            run(program.clone(), context, input)
        });
    }
    Ok(builder)
}

async fn run(program: PathBuf, context: Context, input: Json) -> Result<Json, TaskError> {
    let failed = |what: &str, e: std::io::Error| {
        TaskError::new(format!("{}: {what}: {e}", program.display()))
    };
    let mut child = Command::new(&program)
        .env("OQ_ID", context.id().to_string())
        .env("OQ_TYPE", context.task_type().as_str())
        .env("OQ_ATTEMPT", context.attempt().to_string())
        .env("OQ_DELIVERY", context.delivery().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed("it does not start", e))?;
    let stdin = child.stdin.take();
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A program need not read its input.
            let _closed = stdin.write_all(input.as_str().as_bytes()).await;
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feed);
    let output = output.map_err(|e| failed("its output is lost", e))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim_end();
        let from = said.len().saturating_sub(SAID);
        let from = (from..=said.len()).find(|n| said.is_char_boundary(*n));
        let said = &said[from.unwrap_or(0)..];
        return Err(TaskError::new(format!("{}: {said}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim() {
        "" => Ok(Json::null()),
        json => Json::parse(json).map_err(|e| TaskError::fatal(format!("its output: {e}"))),
    }
}
