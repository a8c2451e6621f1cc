//! Handlers that are programs: each file of a folder runs the tasks of the type that it is named
//! after. What they are told and what their end means is [`oq_core::program`], as for `oq worker`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use oq_core::program::{LATER, MAX_ERROR, MAX_OUTPUT, Tail, environment, verdict};
use oq_core::record::{Json, TaskType};
use oq_core::worker::WorkerBuilder;
use oq_core::{Context, Error, Result, TaskError};
use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

/// Adds the programs of a folder to a worker, one for each type. What cannot be executed is passed
/// over, with a warning in the log, and so is a link to nothing; folders and names that begin with a dot
/// without one. A program that is to stop (timeout,
/// cancellation, deadline) is killed at once, and so is what it left in its process group when it
/// ends by itself.
///
/// # Errors
///
/// [`Error::Unusable`] when the folder cannot be read or has no program, and [`Error::Invalid`] for a
/// program whose name is no task type.
pub fn programs(mut builder: WorkerBuilder, folder: &Path) -> Result<WorkerBuilder> {
    let unusable = |e| Error::Unusable(format!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(unusable)?;
    files.sort();
    let mut found = 0;
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if path.is_symlink() && !path.exists() {
            let file = path.display();
            tracing::warn!(%file, "no program: it is a link to what is not there, so no task of its name is run");
            continue;
        }
        if !path.is_file() {
            continue;
        }
        if access(&path, Access::EXEC_OK).is_err() {
            let file = path.display();
            tracing::warn!(%file, "no program: it cannot be executed, so no task of its name is run (chmod +x)");
            continue;
        }
        if let Err(e) = TaskType::new(&name) {
            return Err(Error::Invalid {
                what: format!("the program {}", path.display()),
                why: format!("its name is to be the type of the tasks that it runs: {e}"),
            });
        }
        let program = path.clone();
        builder = builder.json_handler(&name, move |context, input| {
            run(program.clone(), context, input)
        });
        found += 1;
    }
    if found == 0 {
        return Err(Error::Unusable(format!(
            "there is no program in {}: put an executable file there for each type of tasks, named \
             after it",
            folder.display()
        )));
    }
    Ok(builder)
}

async fn run(program: PathBuf, task: Context, input: Json) -> Result<Json, TaskError> {
    let not_started = |e: &std::io::Error| verdict::not_started(&program, e);
    let mut child = Command::new(&program)
        .envs(environment::of(&task))
        // Its name before it was the same as elsewhere.
        .env("OQ_ID", task.id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| not_started(&e))?;
    let group = Group::of(&child);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Vec::new(), Tail::new(MAX_ERROR));
    let end = async {
        let status = child.wait().await;
        // What it left behind would hold its pipes open, and nobody holds a lease for it.
        drop(group);
        status
    };
    let (status, (), (), ()) = tokio::join!(
        end,
        feed(stdin, &input),
        keep(stdout, &mut out),
        follow(stderr, &mut err)
    );
    if out.len() > MAX_OUTPUT {
        return Err(verdict::too_much());
    }
    match status {
        Ok(status) => verdict::of(status, out, &err, LATER),
        Err(e) => Err(not_started(&e)),
    }
}

/// A program and what it started; killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(leader: &Child) -> Group {
        Group(leader.id().and_then(|id| Pid::from_raw(id as i32)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may be gone, which is what is wanted.
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Writes the input; a program need not read it.
async fn feed(stdin: Option<ChildStdin>, input: &Json) {
    let Some(mut stdin) = stdin else { return };
    let _not_read = stdin.write_all(input.as_str().as_bytes()).await;
    let _not_read = stdin.write_all(b"\n").await;
    // Dropped here, which ends the program's stdin.
}

/// Reads stdout. One that is too long is closed, which ends most programs.
async fn keep(stdout: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) {
    let Some(stdout) = stdout else { return };
    let _broken = stdout.take(MAX_OUTPUT as u64 + 1).read_to_end(into).await;
}

/// Reads stderr to its end, and keeps the last of it.
async fn follow(stderr: Option<impl AsyncRead + Unpin>, into: &mut Tail) {
    let Some(mut stderr) = stderr else { return };
    let mut buffer = vec![0; 8 << 10];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        into.push(&buffer[..read]);
    }
}
