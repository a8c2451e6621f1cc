//! The commands. What they mean is decided in `oq-core`.

use std::io::Write;
use std::sync::Arc;

use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::queue::{Queue, Task, TaskState, TaskView};
use oq_core::store::{Meter, Metered, Prices, open};
use serde_json::Value;

use crate::args::{Args, Command, Submit};
use crate::exit::{Failed, NOT_COMPLETED};
use crate::input;

/// Runs one command; returns its exit code.
pub async fn run(args: Args) -> Result<u8, Failed> {
    let Some(url) = &args.url else {
        return Err(Failed::usage(
            "no store was named",
            "add --url s3://BUCKET/PREFIX or --url sqlite:PATH, or set OQ_URL",
        ));
    };
    if url.starts_with("memory:") {
        return Err(Failed::usage(
            "a store in memory ends with this command",
            "use sqlite:PATH for one on this machine",
        ));
    }
    let store = Metered::new(open(url).await.map_err(oq_core::Error::from)?);
    let meter = store.meter();
    let answer = command(&args, store).await;
    if args.cost {
        footer(&meter);
    }
    answer
}

async fn command(args: &Args, store: Metered) -> Result<u8, Failed> {
    let root = Root::new(Arc::new(store), Env::system());
    let queue = Queue::open(root, args.queue.clone()).await?;
    match &args.command {
        Command::Submit(submit) => {
            let submitted = queue.submit(task(submit)?).await?;
            // What is accepted is said before the bell: the id must not be lost with the ring.
            say(&submitted.id.to_string())?;
            if submitted.existing {
                eprintln!("oq: its key stands for this task already");
            }
            queue.flush().await;
            Ok(0)
        }
        Command::Get { id } => {
            let view = queue.get(*id).await?;
            say(&shown(&queue, &view).await?.to_string())?;
            Ok(0)
        }
        Command::Wait { id, timeout } => {
            let view = queue.wait(*id, *timeout).await?;
            if view.state == TaskState::Completed {
                let output = queue.output(&view).await?;
                say(output.as_ref().map_or("null", |o| o.as_str()))?;
                return Ok(0);
            }
            let why = view.failure.as_ref();
            let why = why.map_or(String::new(), |f| format!(": {}: {}", f.kind, f.message));
            eprintln!("oq: {id} is {}{why}\nnext: oq get {id}", view.state);
            Ok(NOT_COMPLETED)
        }
    }
}

fn task(submit: &Submit) -> Result<Task, Failed> {
    let input = input::text(&submit.input)?;
    let mut task = Task::json(submit.task_type.as_str(), input).map_err(|e| {
        let next = r#"the input is JSON; a text is written with its quotes: '"text"'"#;
        Failed::usage(e.to_string(), next)
    })?;
    if let Some(delay) = submit.delay {
        task = task.delay(delay);
    }
    if let Some(priority) = submit.priority {
        task = task.priority(priority);
    }
    if let Some(timeout) = submit.timeout {
        task = task.timeout(timeout);
    }
    if let Some(after) = submit.expires_in {
        task = task.expires_in(after);
    }
    if let Some(retention) = submit.retention {
        task = task.retention(retention);
    }
    if let Some(key) = &submit.key {
        task = task.key(key);
    }
    for (name, value) in &submit.tags {
        task = task.tag(name, value);
    }
    Ok(task)
}

/// A task with its input and output, where they are known.
async fn shown(queue: &Queue, view: &TaskView) -> Result<Value, Failed> {
    let unshown = |e: serde_json::Error| Failed::other(format!("it cannot be shown: {e}"));
    let mut value = serde_json::to_value(view).map_err(unshown)?;
    let parts = [
        ("input", queue.input(view).await?),
        ("output", queue.output(view).await?),
    ];
    for (name, part) in parts {
        if let Some(json) = part {
            value[name] = json.to().map_err(unshown)?;
        }
    }
    Ok(value)
}

/// A line of data. A reader that went away (`| head`) is no failure of ours.
fn say(line: &str) -> Result<(), Failed> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failed::other(format!("stdout: {e}")))
        }
        _ => Ok(()),
    }
}

fn footer(meter: &Meter) {
    let made = meter.snapshot();
    eprintln!(
        "oq: {} requests (PUT {}, GET {}, LIST {}, DELETE {}), ${:.7} at the prices of S3 Standard",
        made.total(),
        made.put(),
        made.get(),
        made.list(),
        made.delete(),
        made.cost(&Prices::S3_STANDARD),
    );
}
