//! A function's program on this machine, against an emulated Lambda: how soon it asks for its first
//! event, how long it takes for one when warm, and its memory.

use std::path::Path;
use std::time::{Duration, Instant};

use oq_dev_server::DevServer;
use oq_lambda::emulator::{Invoked, Local};

use crate::table::Table;

const STARTS: usize = 30;
const WARM: usize = 50;
const TIMEOUT: Duration = Duration::from_secs(60);
const DRAIN: &str = r#"{ "drain": true }"#;

/// What its own code may take until it asks for its first event.
const INIT_MS: f64 = 30.0;

type Environment = Vec<(&'static str, String)>;

struct Begun {
    init_ms: f64,
    warm_ms: f64,
    memory_mib: f64,
}

/// The figures of a program.
pub fn table(program: &Path, oq: &Path) -> Table {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut table = Table::new(format!(
        "Medians of {STARTS} starts, each from the start of the process to its question for the first \
         event, and of {WARM} drains with nothing to do in each of them, on {processors} processors \
         ({}). S3 is `oq dev` on the same ones.",
        std::env::consts::ARCH
    ));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let handlers = folder.path().join("handlers");
    std::fs::create_dir(&handlers).expect("a folder of handlers");
    // One that is there on every machine: nothing is run.
    std::os::unix::fs::symlink("/bin/cat", handlers.join("cat")).expect("a handler");
    let handlers = ("OQ_HANDLERS", handlers.display().to_string());
    let file = format!("sqlite:{}", folder.path().join("oq.db").display());
    runtime.block_on(async {
        let (_dev, mut s3) = dev(oq);
        s3.push(handlers.clone());
        let stores = [("S3", s3), ("SQLite", vec![("OQ_URL", file), handlers])];
        for (store, environment) in stores {
            let mut begun = Vec::new();
            for _ in 0..STARTS {
                begun.push(begin(program, &environment).await);
            }
            let median = |figure: fn(&Begun) -> f64| median(begun.iter().map(figure).collect());
            let what = |figure: &str| format!("{figure}, {store}");
            table.bound(what("init"), median(|b| b.init_ms), "ms", INIT_MS);
            table.add(
                what("a warm drain with nothing to do"),
                median(|b| b.warm_ms),
                "ms",
            );
            table.add(what("peak memory"), median(|b| b.memory_mib), "MiB");
        }
    });
    table
}

/// A running `oq dev`, and what a program needs to use it.
fn dev(oq: &Path) -> (DevServer, Environment) {
    let dev = DevServer::start(oq, "memory:").unwrap_or_else(|e| panic!("{e}"));
    let mut environment = vec![("OQ_URL", dev.url.clone())];
    environment.extend(dev.credentials());
    (dev, environment)
}

/// One process from its start on.
#[allow(clippy::disallowed_methods)] // what is measured is the machine's time
async fn begin(program: &Path, environment: &Environment) -> Begun {
    // Its log lines are not what is looked at.
    let quiet = ("AWS_LAMBDA_LOG_LEVEL", "ERROR".to_owned());
    let environment = environment.iter().cloned().chain([quiet]);
    let began = Instant::now();
    let mut local = Local::start(program, environment, TIMEOUT)
        .await
        .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    local.ready().await.expect("it begins");
    let ms = |began: Instant| began.elapsed().as_secs_f64() * 1e3;
    let init_ms = ms(began);
    let mut warm = Vec::new();
    for _ in 0..WARM {
        let began = Instant::now();
        let answer = local.invoke(DRAIN).await.expect("it answers");
        assert!(matches!(answer, Invoked::Answer(_)), "{answer:?}");
        warm.push(ms(began));
    }
    Begun {
        init_ms,
        warm_ms: median(warm),
        memory_mib: peak(local.pid().expect("it runs")),
    }
}

/// The most memory that a process had, from Linux's `/proc`; not known elsewhere.
fn peak(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
