//! One attempt of a task by a program: start, feed, read, end, answer.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use oq_core::program::{MAX_ERROR, MAX_OUTPUT, Tail, environment, verdict};
use oq_core::record::Json;
use oq_core::{Context, TaskError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio_util::sync::CancellationToken;

use super::group::Group;
use super::lines::Lines;
use super::notes::{LOOK, Notes};
use super::{Program, Setting};

/// After the program's end its pipes are read this long: something that it left behind may hold
/// them open for ever.
const READ_ON: Duration = Duration::from_secs(1);

/// How much longer than the program the core has to wait before it ends the attempt itself.
const MARGIN: Duration = Duration::from_secs(2);

/// Why a program was stopped.
#[derive(Debug, Clone, Copy)]
enum Why {
    TimedOut,
    Cancelled,
    WorkerEnds,
    TooMuch,
}

/// What a program did.
struct Ran {
    stopped: Option<Why>,
    status: std::io::Result<ExitStatus>,
    stdout: Vec<u8>,
    stderr: Tail,
}

/// Runs the program for this task.
pub async fn run(
    setting: Arc<Setting>,
    program: Arc<Program>,
    task: Context,
    input: Json,
) -> Result<Json, TaskError> {
    let not_started = |e: &std::io::Error| verdict::not_started(&program.file, e);
    // What this machine lacks is no fault of the task: it comes again, here or elsewhere.
    let notes = Notes::new(&task).map_err(|why| {
        tracing::warn!(id = %task.id(), "{why}; the task comes again later");
        TaskError::later(setting.later)
    })?;
    let mut command = Command::new(&program.file);
    command
        .args(&program.args)
        .envs(environment::of(&task))
        .env("OQ_URL", &setting.url)
        .env("OQ_SAVE", notes.save_file())
        .env("OQ_PROGRESS", notes.progress_file())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let group = setting
        .groups
        .spawn(&mut command, &setting.env, setting.kill_after)
        .map_err(|e| not_started(&e))?;
    let ran = watch(&setting, group, notes, &task, input).await;
    match ran.stopped {
        Some(Why::TimedOut) => Err(verdict::timed_out(&ran.stderr)),
        Some(Why::Cancelled) => Err(TaskError::cancelled()),
        Some(Why::TooMuch) => Err(verdict::too_much()),
        // The core gives the task back, which is not charged.
        Some(Why::WorkerEnds) => std::future::pending().await,
        None => match ran.status {
            Ok(status) => verdict::of(status, ran.stdout, &ran.stderr, setting.later),
            Err(e) => Err(not_started(&e)),
        },
    }
}

async fn watch(
    setting: &Setting,
    mut group: Group,
    mut notes: Notes,
    task: &Context,
    input: Json,
) -> Ran {
    let env = &setting.env;
    let deadline = env.now() + task.left();
    // The timeout is kept here, so that the program has ended before the next attempt begins.
    task.extend(task.left() + setting.kill_after + MARGIN);

    let (stdin, stdout, stderr) = group.pipes();
    let (mut out, mut err) = (Vec::new(), Tail::new(MAX_ERROR));
    let too_much = CancellationToken::new();
    let mut stopped = None;
    let status = {
        let pipes = async {
            tokio::join!(
                feed(stdin, &input),
                keep(stdout, &mut out, &too_much),
                follow(stderr, &mut err, setting, task),
            )
        };
        tokio::pin!(pipes);
        let mut piped = false;
        let mut kill_at = None;
        let status = loop {
            let now = env.now();
            let patience = kill_at.map_or(Duration::MAX, |at: oq_core::env::Mono| at.since(now));
            let why = tokio::select! {
                biased;
                status = group.wait() => break status,
                _ = &mut pipes, if !piped => {
                    piped = true;
                    continue;
                }
                () = too_much.cancelled(), if stopped.is_none() => Why::TooMuch,
                () = task.cancelled(), if stopped.is_none() => Why::Cancelled,
                () = setting.stopping.cancelled(), if stopped.is_none() => Why::WorkerEnds,
                () = env.sleep(deadline.since(now)), if stopped.is_none() => Why::TimedOut,
                () = env.sleep(patience.min(LOOK)) => {
                    if patience <= LOOK {
                        group.kill();
                        kill_at = None;
                    }
                    notes.look(task);
                    continue;
                }
            };
            group.end();
            kill_at = Some(env.now() + setting.kill_after);
            stopped = Some(why);
        };
        if !piped {
            let _cut = env.within(READ_ON, pipes).await;
        }
        status
    };
    if too_much.is_cancelled() {
        stopped = stopped.or(Some(Why::TooMuch));
    }
    notes.look(task);
    Ran {
        stopped,
        status,
        stdout: out,
        stderr: err,
    }
}

/// Writes the input; a program need not read it.
async fn feed(stdin: Option<ChildStdin>, input: &Json) {
    let Some(mut stdin) = stdin else { return };
    let _not_read = stdin.write_all(input.as_str().as_bytes()).await;
    let _not_read = stdin.write_all(b"\n").await;
    // Dropped here, which ends the program's stdin.
}

/// Reads all of stdout, up to the limit.
async fn keep(
    stdout: Option<impl AsyncRead + Unpin>,
    into: &mut Vec<u8>,
    too_much: &CancellationToken,
) {
    let Some(stdout) = stdout else { return };
    let _broken = stdout.take(MAX_OUTPUT as u64 + 1).read_to_end(into).await;
    if into.len() > MAX_OUTPUT {
        too_much.cancel();
    }
}

/// Reads stderr to its end, keeps the last of it, and shows it to whoever watches.
async fn follow(
    stderr: Option<impl AsyncRead + Unpin>,
    into: &mut Tail,
    setting: &Setting,
    task: &Context,
) {
    let Some(mut stderr) = stderr else { return };
    let mut lines = Lines::default();
    let show = |line: String| {
        if let Some(shown) = &setting.lines {
            // A reader that is too slow misses lines; the program does not wait for it.
            let _full = shown.try_send((task.id().to_string(), line));
        }
    };
    let mut buffer = vec![0; 8 << 10];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        into.push(&buffer[..read]);
        if setting.lines.is_some() {
            lines.push(&buffer[..read], show);
        }
    }
    lines.end(show);
}
