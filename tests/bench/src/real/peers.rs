//! oq beside queues that need a Redis, in one run on this machine.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::place::Kind;
use super::run::{POLL, SLOTS};
use super::throughput;
use crate::machine::first_line;
use crate::table::{Cell, Table, at_least, plain, text};

const RUNS: usize = 5;
const BULK: u64 = 100_000;
const LONE: u64 = 20_000;

/// Tasks a second.
#[derive(Clone, Debug)]
struct Peer {
    name: String,
    /// How its worker is set up.
    how: String,
    tasks: u64,
    submit: f64,
    drain: f64,
    both: f64,
}

/// The table of `oq-bench print peers`.
pub fn tables() -> Vec<Table> {
    let mut peers = vec![
        ours("oq, Rust, 100 to an object", 300_000, 100),
        ours("oq, Rust, lone", 10_000, 1),
    ];
    let mut missing = Vec::new();
    match bullmq() {
        Ok(both) => peers.extend(both),
        Err(why) => missing.push(why),
    }
    match python() {
        Ok(rows) => peers.extend(rows),
        Err(why) => missing.push(why),
    }
    vec![rates(&peers, &missing), ratios(&peers)]
}

fn rates(peers: &[Peer], missing: &[String]) -> Table {
    let note = format!(
        "No-op tasks with inputs of 100 bytes of JSON; medians of {RUNS} runs. Submitted by one process \
         with nobody at work; worked off by a worker that starts then; and end to end, with the \
         worker there before. oq on `oq dev`, a store in memory behind a real S3 endpoint, over HTTP; \
         the others on a Redis that keeps nothing on disk. The clock of a worker starts when it \
         starts (oq), says that it is ready (BullMQ), or is seen to have ended its first tasks \
         (Celery, RQ, Dramatiq: their processes take a second to start). It stops when the last \
         outcome is recorded (oq in Rust), the worker has recorded all and ended (oq in Python), the \
         last job is told as completed (BullMQ), or Redis is seen to have nothing left (the others). \
         {} {}",
        versions(),
        missing.join(" "),
    );
    let head = [
        "who",
        "worker",
        "tasks",
        "submitted/s",
        "worked off/s",
        "end to end/s",
    ];
    let mut table = Table::grid("Beside queues that need a Redis", note.trim(), &head);
    for peer in peers {
        let row = vec![
            text(peer.how.as_str()),
            plain(peer.tasks as f64, ""),
            plain(peer.submit, ""),
            plain(peer.drain, ""),
            plain(peer.both, ""),
        ];
        table.row(peer.name.as_str(), row);
    }
    table
}

/// Of all that is measured beside oq.
fn versions() -> String {
    let lock = std::fs::read_to_string(home().join("package-lock.json")).unwrap_or_default();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap_or_default();
    let bullmq = lock["packages"]["node_modules/bullmq"]["version"].as_str();
    let node = first_line("node", &["--version"]);
    let python = venv_python().and_then(|python| first_line(&python, &["--version"]));
    let redis = first_line("redis-server", &["--version"]);
    let redis = redis.and_then(|line| Some(line.split_once("v=")?.1.split(' ').next()?.to_owned()));
    let shown = |version: Option<String>| version.unwrap_or_else(|| "(not there)".into());
    let pinned = ["celery", "rq", "dramatiq"].map(|name| shown(pinned(name)));
    let [celery, rq, dramatiq] = pinned;
    format!(
        "Redis {}; BullMQ {} on Node {}; Celery {celery}, RQ {rq} and Dramatiq {dramatiq} on {}.",
        shown(redis),
        bullmq.unwrap_or("(not there)"),
        shown(node),
        shown(python),
    )
}

/// The version of a package in what the Python side installs.
fn pinned(name: &str) -> Option<String> {
    let file = root().join("oq-py/bench/requirements.txt");
    let text = std::fs::read_to_string(file).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once("=="));
    lines.find(|(n, _)| *n == name).map(|(_, v)| v.to_owned())
}

/// Against each other.
fn ratios(peers: &[Peer]) -> Table {
    let head = ["oq", "against", "submitted", "worked off", "end to end"];
    let mut table = Table::grid("As ratios", "Of the same run.", &head);
    let named = |name: &str| peers.iter().find(|p| p.name == name);
    for (us, them, least) in [
        ("oq, Rust, 100 to an object", "BullMQ, in bulk", Some(3.0)),
        ("oq, Rust, lone", "BullMQ, lone", None),
        ("oq, Rust, lone", "Celery", Some(1.5)),
        ("oq, Rust, lone", "Dramatiq", None),
        ("oq, Rust, lone", "RQ", None),
        ("oq, Python, packed", "Celery", Some(12.0)),
        ("oq, Python, packed", "Dramatiq", Some(4.0)),
        ("oq, Python, packed", "RQ", None),
        ("oq, Python, lone", "Celery", None),
        ("oq, Python, lone", "Dramatiq", None),
        ("oq, Python, lone", "RQ", None),
    ] {
        let cells: Vec<Cell> = match (named(us), named(them)) {
            (Some(us), Some(them)) => {
                let both = us.both / them.both;
                vec![
                    plain(us.submit / them.submit, "×"),
                    plain(us.drain / them.drain, "×"),
                    least.map_or(plain(both, "×"), |least| at_least(both, "×", least)),
                ]
            }
            _ => vec![text("not measured"); 3],
        };
        let mut row = vec![text(them)];
        row.extend(cells);
        table.row(us, row);
    }
    table
}

fn ours(name: &str, tasks: u64, pack: usize) -> Peer {
    let rates = throughput::rates(Kind::Dev, tasks, pack);
    Peer {
        name: name.into(),
        how: format!("{SLOTS} slots, {POLL} ms poll"),
        tasks,
        submit: rates.submit,
        drain: rates.drain,
        both: rates.both,
    }
}

/// A Redis that ends with this.
struct Redis {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Redis {
    fn start() -> Result<Redis, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
        let port = free.expect("a free port").port();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| format!("Not measured: Redis ({e}; Debian's package redis-server)."))?;
        let redis = Redis {
            child,
            port,
            _folder: folder,
        };
        redis.until_it_listens();
        Ok(redis)
    }

    #[allow(clippy::disallowed_methods)] // a benchmark waits on the machine's time
    fn until_it_listens(&self) {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "Redis does not listen"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

fn target() -> PathBuf {
    let me = std::env::current_exe().expect("this program has a path");
    let target = me.ancestors().nth(2).expect("it stands in target/PROFILE");
    target.to_owned()
}

/// Where the programs of the peers are installed.
fn installed() -> Result<PathBuf, String> {
    let folder = target().join("peers");
    std::fs::create_dir_all(&folder).expect("a folder below target");
    for file in ["package.json", "package-lock.json", "bullmq.mjs"] {
        std::fs::copy(home().join(file), folder.join(file)).expect("a file of the peers");
    }
    let npm = Command::new("npm")
        .args(["ci", "--silent", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .status();
    match npm {
        Ok(status) if status.success() => Ok(folder),
        Ok(status) => Err(format!("Not measured: BullMQ (npm ci: {status}).")),
        Err(e) => Err(format!("Not measured: BullMQ (npm: {e}).")),
    }
}

fn bullmq() -> Result<Vec<Peer>, String> {
    let folder = installed()?;
    let mut peers = Vec::new();
    for (name, role, tasks) in [
        ("BullMQ, in bulk", "bulk", BULK),
        ("BullMQ, lone", "lone", LONE),
    ] {
        let runs: Result<Vec<[f64; 3]>, String> = (0..RUNS)
            .map(|_| bullmq_once(&folder, role, tasks))
            .collect();
        let runs = runs?;
        let median = |n: usize| {
            let mut rates: Vec<f64> = runs.iter().map(|run| run[n]).collect();
            rates.sort_by(f64::total_cmp);
            rates[RUNS / 2]
        };
        peers.push(Peer {
            name: name.into(),
            how: "500 slots".into(),
            tasks,
            submit: median(0),
            drain: median(1),
            both: median(2),
        });
    }
    Ok(peers)
}

/// Submitted, worked off, and both at once, in tasks a second.
fn bullmq_once(folder: &Path, role: &str, tasks: u64) -> Result<[f64; 3], String> {
    let redis = Redis::start()?;
    let node = |role: &str| {
        Command::new("node")
            .args(["bullmq.mjs", role, &redis.url(), &tasks.to_string()])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts")
    };
    let add = || {
        let output = node(role).wait_with_output().expect("node ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (moment(&text, "began"), moment(&text, "ended"))
    };
    let rate = |from: f64, to: f64| tasks as f64 * 1e9 / (to - from);
    let (began, ended) = add();
    let submit = rate(began, ended);
    let (mut worker, mut said) = working(node("work"));
    let ready = moment(&line(&mut said), "began");
    let drain = rate(ready, moment(&line(&mut said), "ended"));
    worker.wait().expect("node ends");
    let (mut worker, mut said) = working(node("work"));
    line(&mut said);
    let (began, _) = add();
    let both = rate(began, moment(&line(&mut said), "ended"));
    worker.wait().expect("node ends");
    Ok([submit, drain, both])
}

fn working(mut child: Child) -> (Child, BufReader<ChildStdout>) {
    let stdout = child.stdout.take().expect("stdout is a pipe");
    (child, BufReader::new(stdout))
}

fn line(from: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("a line");
    line
}

/// Nanoseconds of a clock that all processes of the machine share.
fn moment(said: &str, name: &str) -> f64 {
    let said: serde_json::Value = serde_json::from_str(said.trim()).expect("JSON from node");
    said[name].as_f64().expect(name)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// That of the environment of `tests/run python`.
fn venv_python() -> Option<String> {
    let python = target().join("venv-python/bin/python");
    python.exists().then(|| python.display().to_string())
}

/// What `python oq-py/bench` prints: rows of who, how, tasks, and three rates.
fn python() -> Result<Vec<Peer>, String> {
    const BUILD: &str = "build it with `maturin develop --release` in `oq-py`, in the \
                         environment of `tests/run python`";
    let python = venv_python().ok_or_else(|| format!("Not measured: Python ({BUILD})."))?;
    // It refuses an oq that is not optimised.
    let output = Command::new(python)
        .args(["oq-py/bench", "--runs", &RUNS.to_string()])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .expect("Python starts");
    let text = String::from_utf8_lossy(&output.stdout);
    // It ends with 1 when one of its own bounds is missed; what it measured counts all the same.
    let rows: Vec<Peer> = text.lines().filter_map(python_row).collect();
    if rows.is_empty() {
        return Err(format!(
            "Not measured: Python ({}; {BUILD}).",
            output.status
        ));
    }
    Ok(rows)
}

fn python_row(line: &str) -> Option<Peer> {
    let fields: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [name, how, tasks, submit, drain, both] = fields[..] else {
        return None;
    };
    let number = |text: &str| text.replace(',', "").parse::<f64>().ok();
    // Its table of stores has as many columns.
    let on_loopback = how.contains(" on loopback; ");
    on_loopback.then_some(Peer {
        // Here oq is in Rust as well.
        name: name.replace("oq, ", "oq, Python, "),
        how: how.split_once("; ")?.1.to_owned(),
        tasks: number(tasks)? as u64,
        submit: number(submit)?,
        drain: number(drain)?,
        both: number(both)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_rows_of_the_python_side() {
        let row = "| oq, packed | `oq dev`, HTTP on loopback; 100 slots | 50,000 | 41,000 | 30,100 | 20,500 |";
        let row = python_row(row).unwrap();
        assert_eq!(
            (row.name.as_str(), row.how.as_str(), row.tasks),
            ("oq, Python, packed", "100 slots", 50_000)
        );
        assert_eq!(
            (row.submit, row.drain, row.both),
            (41_000.0, 30_100.0, 20_500.0)
        );
        assert!(python_row("| who | how | tasks | enqueued/s | worked off/s | run/s |").is_none());
        assert!(python_row("| `memory:`, packed | 5,000 | 1 | 2 | 3 | 4 |").is_none());
        assert!(python_row("| packed | 1 | 2 | holds |").is_none());
    }

    #[test]
    fn what_is_beside_has_its_versions() {
        for name in ["celery", "rq", "dramatiq"] {
            assert!(pinned(name).is_some(), "{name}");
        }
    }
}
