//! `oq-chaos`: plays scenarios with real processes, and prints what came of them.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use oq_chaos::play::{Ended, play};
use oq_chaos::recovery::{self, Recovery};
use oq_chaos::scenario::{Combination, IN_CI, NUMBERED, Scenario};
use oq_chaos::server::{CREDENTIALS, Kind, Servers};
use oq_chaos::soak::{ROUND, Soak, Soaked};
use oq_chaos::{program, report};
use tokio::signal::unix::{SignalKind, signal};

/// Real workers against real S3 servers, killed and stopped, on a network that fails.
///
/// Unless said otherwise: six scenarios of ten seconds each, side by side.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Tell the twenty-four scenarios, and play none.
    #[arg(long, group = "what")]
    list: bool,
    /// All twenty-four scenarios, a minute each, six side by side.
    #[arg(long, group = "what")]
    all: bool,
    /// One scenario: its number, or any combination, such as dev/shell/kill/slow/lone.
    #[arg(long, value_name = "SCENARIO", group = "what")]
    run: Option<String>,
    /// Scenarios drawn from the seed for so long, such as 1h; ends at the first fault.
    #[arg(long, value_name = "DURATION", group = "what", value_parser = oq_core::span::parse)]
    soak: Option<Duration>,
    /// How long tasks wait whose worker was killed.
    #[arg(long, group = "what")]
    recovery: bool,
    /// How long the trouble of each scenario lasts at least, in seconds.
    #[arg(long, conflicts_with = "soak")]
    seconds: Option<u64>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A Python that has oq's package.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Print what came of it into the section `chaos`, `soak` or `killed` of this file.
    #[arg(long, value_name = "FILE")]
    write: Option<String>,
    /// Leave logs in this folder.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Works: the workers in Rust are this program.
    #[command(hide = true)]
    Work,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // The client in this process takes its credentials from the environment, like any.
    if std::env::var(CREDENTIALS[0].0).as_deref() != Ok(CREDENTIALS[0].1) {
        let here = std::env::current_exe().expect("this program has a path");
        let failed = Command::new(here)
            .args(std::env::args_os().skip(1))
            .envs(CREDENTIALS)
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_ENDPOINT_URL")
            .exec();
        eprintln!("{failed}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads to run on");
    let ran = match args.verb {
        Some(Verb::Work) => runtime.block_on(program::work()).map(|()| true),
        None => runtime.block_on(async {
            tokio::select! {
                ran = run(&args) => ran,
                // What was started ends with what started it.
                told = told_to_end() => Err(told),
            }
        }),
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn told_to_end() -> String {
    let on = |kind| signal(kind).expect("signals can be heard");
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate()), on(SignalKind::interrupt()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    "ended before it was done".into()
}

async fn run(args: &Args) -> Result<bool, String> {
    let held = tempfile::tempdir().map_err(|e| e.to_string())?;
    let folder = match &args.keep {
        Some(folder) => folder.clone(),
        None => held.path().to_owned(),
    };
    if args.list {
        for (n, what) in NUMBERED.iter().enumerate() {
            let ci = if IN_CI.contains(&(n + 1)) {
                "  in CI"
            } else {
                ""
            };
            println!("{:2}  {what}{ci}", n + 1);
        }
        return Ok(true);
    }
    if args.recovery {
        let measured = recovery::measure(12, args.seed, &folder).await?;
        return tell_recovery(args, &measured);
    }
    if let Some(length) = args.soak {
        return soak(args, length, &folder).await;
    }
    let scenarios = scenarios(args)?;
    let kinds = scenarios.iter().map(|scenario| scenario.what.server);
    let servers = Servers::start(kinds.collect()).await?;
    let ended = play_all(args, &scenarios, &servers, &folder).await;
    servers.end().await;
    tell(args, &ended?)
}

async fn play_all(
    args: &Args,
    scenarios: &[Scenario],
    servers: &Servers,
    folder: &Path,
) -> Result<Vec<Ended>, String> {
    let mut ended = Vec::new();
    for some in scenarios.chunks(6) {
        let plays = some.iter().map(|scenario| async {
            let folder = folder.join(format!("scenario-{}", scenario.number));
            let server = servers.get(scenario.what.server)?;
            play(scenario, server, args.python.clone(), &folder).await
        });
        for play in futures::future::join_all(plays).await {
            ended.push(play?);
        }
    }
    Ok(ended)
}

fn scenarios(args: &Args) -> Result<Vec<Scenario>, String> {
    let (length, every) = match (args.all, &args.run) {
        (true, _) => (60, 4),
        (_, Some(_)) => (ROUND.as_secs(), 3),
        (false, None) => (10, 2),
    };
    let of = |number: usize, what| Scenario {
        number,
        what,
        seed: args.seed + number as u64,
        length: Duration::from_secs(args.seconds.unwrap_or(length)),
        every: Duration::from_secs(every),
    };
    let numbered = |number: usize| {
        let what = number.checked_sub(1).and_then(|n| NUMBERED.get(n));
        let what = what.ok_or_else(|| format!("{number}: use 1 to {}", NUMBERED.len()))?;
        Ok(of(number, *what))
    };
    match &args.run {
        Some(named) => match named.parse() {
            Ok(number) => Ok(vec![numbered(number)?]),
            Err(_) => Ok(vec![of(0, named.parse::<Combination>()?)]),
        },
        None if args.all => (1..=NUMBERED.len()).map(numbered).collect(),
        None => IN_CI.into_iter().map(numbered).collect(),
    }
}

async fn soak(args: &Args, length: Duration, folder: &Path) -> Result<bool, String> {
    let kinds: BTreeSet<Kind> = Kind::value_variants().iter().copied().collect();
    let servers = Servers::start(kinds).await?;
    let soak = Soak {
        length,
        seed: args.seed,
        servers: &servers,
        python: args.python.clone(),
        folder,
    };
    let soaked = soak.run().await;
    servers.end().await;
    tell_soak(args, &soaked?)
}

fn tell(args: &Args, ended: &[Ended]) -> Result<bool, String> {
    let table = report::scenarios(ended);
    print!("{table}");
    println!("faults of the network: {}", report::faults(ended));
    for ended in ended {
        tell_wrong(ended);
    }
    let good = ended.iter().filter(|e| e.wrong().is_empty()).count();
    println!("scenarios: {good} passed, {} failed", ended.len() - good);
    if let Some(file) = &args.write {
        oq_printed::write(file, &[("chaos", table)])?;
    }
    Ok(!ended.is_empty() && good == ended.len())
}

/// What is wrong, and how to see it again: real processes do not do the same twice, but what is done
/// to them follows from the seed.
fn tell_wrong(ended: &Ended) {
    let (scenario, wrong) = (&ended.scenario, ended.wrong());
    for wrong in &wrong {
        println!("scenario {}: {wrong}", scenario.what);
    }
    if !wrong.is_empty() {
        println!(
            "again: oq-chaos --run {} --seed {} --seconds {} --keep FOLDER",
            scenario.what,
            scenario.seed,
            scenario.length.as_secs()
        );
    }
}

fn tell_soak(args: &Args, soaked: &Soaked) -> Result<bool, String> {
    let table = report::soak(soaked);
    print!("{table}");
    soaked.ended.iter().for_each(tell_wrong);
    let fine = soaked.ended.iter().all(|ended| ended.wrong().is_empty());
    let grew = soaked.grew();
    match grew {
        Some(true) => println!("the worker that stayed grew too much"),
        Some(false) => {}
        None => println!("memory was not judged: that takes half an hour, and a /proc"),
    }
    if let Some(file) = &args.write {
        oq_printed::write(file, &[("soak", table)])?;
    }
    Ok(fine && grew != Some(true))
}

fn tell_recovery(args: &Args, measured: &Recovery) -> Result<bool, String> {
    let table = report::recovery(measured);
    print!("{table}");
    if let Some(file) = &args.write {
        oq_printed::write(file, &[("killed", table)])?;
    }
    let most = measured.lease + Duration::from_secs(15);
    Ok(measured.percentile(99).is_some_and(|p99| p99 <= most))
}
