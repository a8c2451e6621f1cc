//! A disk that is full: who waits for it is told so once, and it goes on when there is room.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use oq_core::queue::Task;
use oq_core::{Queue, Result};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::oq::Oq;

/// No file may become longer than so many KiB.
const ROOM: usize = 64;

/// Files of the store that are longer than that, for as long as this is held.
async fn filled(oq: &Oq) -> Result<Queue> {
    let url = format!("sqlite:{}", oq.path().join("oq.db").display());
    let queue = Queue::connect(&url).await?;
    for _ in 0..4 {
        queue
            .submit(Task::new("echo", &"x".repeat(ROOM << 8))?)
            .await?;
    }
    Ok(queue)
}

/// Runs a command without room; makes room when it tells of an outage. What it says then.
fn told(oq: &Oq, args: &[&str]) -> (Option<i32>, String, String) {
    let limited = format!("trap '' XFSZ; ulimit -S -f {ROOM}; exec \"$0\" \"$@\"");
    let mut child = Command::new("bash")
        .args(["-c", &limited, env!("CARGO_BIN_EXE_oq")])
        .args(args)
        .current_dir(oq.path())
        .env("OQ_URL", "sqlite:oq.db")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(child.id().cast_signed());
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if is_outage(&line) {
            let unlimited = Rlimit {
                current: None,
                maximum: None,
            };
            prlimit(pid, Resource::Fsize, unlimited).unwrap();
        }
        said.push_str(&line);
        said.push('\n');
    }
    let mut out = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut out).unwrap();
    (child.wait().unwrap().code(), out, said)
}

fn is_outage(line: &str) -> bool {
    line.trim_start_matches("oq: ").starts_with("outage ")
}

fn tells_once(args: &[&str], does: &str) {
    let oq = Oq::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let held = runtime.block_on(filled(&oq)).unwrap();
    let (code, out, said) = told(&oq, args);
    assert_eq!(code, Some(0), "{said}");
    let outages: Vec<&str> = said.lines().filter(|line| is_outage(line)).collect();
    assert!(
        matches!(&outages[..], [one] if one.contains("sqlite:oq.db")),
        "{said}"
    );
    assert!(out.contains(does), "{out}");
    drop(held);
}

#[test]
fn a_purge_waits_for_room_and_says_so() {
    tells_once(&["queue", "purge", "--yes"], "\"live\":4");
}

#[test]
fn a_drain_waits_for_room_and_says_so() {
    tells_once(
        &["worker", "--drain", "--task", "echo=cat"],
        "\"completed\":4",
    );
}
