//! `oq-chaos`: plays scenarios with real processes, and prints what came of them.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use oq_chaos::recovery::{self, Recovery};
use oq_chaos::report;
use oq_chaos::scenario::{Ended, Scenario, Trouble, play};
use oq_chaos::server::{CREDENTIALS, Kind};
use oq_chaos::worker::Program;

/// Real workers against real S3 servers, killed and stopped, on a network that fails.
///
/// Unless said otherwise: six scenarios of ten seconds each, side by side.
#[derive(Debug, Parser)]
struct Args {
    /// All twenty-four scenarios, a minute each, six side by side.
    #[arg(long)]
    all: bool,
    /// One long scenario with a kill every ten seconds, for so many minutes.
    #[arg(long, value_name = "MINUTES", conflicts_with = "all")]
    soak: Option<u64>,
    /// How long tasks wait whose worker was killed.
    #[arg(long, conflicts_with_all = ["all", "soak"])]
    recovery: bool,
    /// Only this server.
    #[arg(long, value_name = "SERVER")]
    only: Option<Kind>,
    /// How long the trouble of each scenario lasts, in seconds.
    #[arg(long)]
    seconds: Option<u64>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A Python that has oq's package; without it all workers are Rust's.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Print what came of it into the sections `chaos` or `killed` of this file.
    #[arg(long, value_name = "FILE")]
    write: Option<String>,
    /// Leave logs in this folder.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // The client in this process takes its credentials from the environment, like any.
    if std::env::var(CREDENTIALS[0].0).as_deref() != Ok(CREDENTIALS[0].1) {
        let here = std::env::current_exe().expect("this program has a path");
        let again = Command::new(here)
            .args(std::env::args_os().skip(1))
            .envs(CREDENTIALS)
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_ENDPOINT_URL")
            .status();
        let code = again.ok().and_then(|status| status.code());
        return ExitCode::from(code.map_or(1, |code| code as u8));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads to run on");
    match runtime.block_on(run(&args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<bool, String> {
    let held = tempfile::tempdir().map_err(|e| e.to_string())?;
    let folder = match &args.keep {
        Some(folder) => folder.clone(),
        None => held.path().to_owned(),
    };
    if args.recovery {
        let measured = recovery::measure(12, args.seed, &folder).await?;
        return tell_recovery(args, &measured);
    }
    let mut ended = Vec::new();
    for some in scenarios(args).chunks(6) {
        let plays = some.iter().map(|scenario| {
            let folder = folder.join(format!("scenario-{}", scenario.number));
            let scenario = scenario.clone();
            async move {
                std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
                play(scenario, &folder).await
            }
        });
        for play in futures::future::join_all(plays).await {
            ended.push(play?);
        }
    }
    tell(args, &ended)
}

fn scenarios(args: &Args) -> Vec<Scenario> {
    let mut programs = vec![Program::Rust];
    programs.extend(args.python.clone().map(Program::Python));
    let servers = args.only.map_or(Kind::ALL.to_vec(), |only| vec![only]);
    let (length, every) = match (args.all, args.soak) {
        (_, Some(minutes)) => (Duration::from_secs(60 * minutes), Duration::from_secs(10)),
        (true, None) => (Duration::from_secs(60), Duration::from_secs(4)),
        (false, None) => (Duration::from_secs(10), Duration::from_secs(2)),
    };
    let length = args.seconds.map_or(length, Duration::from_secs);
    let of = |number: usize, server, program: &Program, trouble| Scenario {
        number,
        seed: args.seed * 1000 + number as u64,
        server,
        program: program.clone(),
        trouble,
        length,
        every,
    };
    if args.soak.is_some() {
        return vec![of(0, servers[0], &Program::Rust, Trouble::Mixed)];
    }
    let mut all = Vec::new();
    for trouble in Trouble::ALL {
        for program in &programs {
            for server in &servers {
                all.push(of(all.len(), *server, program, trouble));
            }
        }
    }
    if !args.all {
        // Of each server and each program one; every trouble among them.
        let per_trouble = programs.len() * servers.len();
        let picked = (0..per_trouble).map(|n| (n % Trouble::ALL.len()) * per_trouble + n);
        all = picked.map(|n| all[n].clone()).collect();
    }
    all
}

fn tell(args: &Args, ended: &[Ended]) -> Result<bool, String> {
    let table = report::scenarios(ended);
    print!("{table}");
    println!("faults of the network: {}", report::faults(ended));
    let mut fine = !ended.is_empty();
    for ended in ended {
        if args.soak.is_some() {
            fine &= tell_growth(ended);
        }
        for wrong in ended.wrong() {
            println!("scenario {}: {wrong}", ended.scenario.number);
            fine = false;
        }
    }
    let good = ended.iter().filter(|e| e.wrong().is_empty()).count();
    println!("scenarios: {good} passed, {} failed", ended.len() - good);
    if let Some(file) = &args.write {
        oq_printed::write(file, &[("chaos", table)])?;
    }
    Ok(fine)
}

fn tell_growth(ended: &Ended) -> bool {
    let growth = report::growth(ended);
    match growth {
        Some(growth) => println!("memory grew by {growth:.1} %"),
        None => println!("memory was not measured: the worker has to run, and there to be a /proc"),
    }
    growth.is_some_and(|growth| growth < 5.0)
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
