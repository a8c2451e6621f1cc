//! `oq-sim`: runs seeds of the simulation.

use std::process::ExitCode;

use oq_core::testing::mutant::Mutant;
use oq_core::testing::sim_store::Fault;
use oq_sim::play::How;
use oq_sim::story;
use oq_sim::sweep::{Plan, Summary, cores, judge, sweep};

const HELP: &str = "\
oq-sim: real workers and producers on virtual time, against a store and machines that fail

  --seeds N [--from M]       run N seeds (500), beginning with M (0)
  --seed N [--trace]         run one seed; with --trace every request is shown
  --mutant NAME              break one rule of the protocol in any of the above
  --mutants [--seeds N]      for each mutant the first seed that catches it
  --threads N                as many as there are cores, unless set
";

#[derive(Default)]
struct Args {
    seeds: Option<u64>,
    from: u64,
    seed: Option<u64>,
    trace: bool,
    mutant: Option<Mutant>,
    mutants: bool,
    threads: Option<usize>,
}

fn args() -> Result<Args, String> {
    let mut args = Args::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().ok_or(format!("{word} needs a number"))?;
            text.parse::<u64>()
                .map_err(|_| format!("{word} {text}: not a number"))
        };
        match word.as_str() {
            "--seeds" => args.seeds = Some(number()?),
            "--from" => args.from = number()?,
            "--seed" => args.seed = Some(number()?),
            "--threads" => args.threads = Some(number()? as usize),
            "--trace" => args.trace = true,
            "--mutants" => args.mutants = true,
            "--mutant" => {
                let name = words.next().unwrap_or_default();
                let found = Mutant::ALL.iter().find(|m| m.name() == name);
                args.mutant = Some(*found.ok_or(format!("no mutant is called {name:?}"))?);
            }
            "--help" | "-h" => return Err(HELP.into()),
            other => return Err(format!("{other}: not an option\n\n{HELP}")),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let fine = if let Some(seed) = args.seed {
        one(seed, &args)
    } else if args.mutants {
        mutants(&args)
    } else {
        many(&args)
    };
    if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn plan(args: &Args, mutant: Option<Mutant>, first_only: bool) -> Plan {
    Plan {
        from: args.from,
        count: args.seeds.unwrap_or(500),
        mutant,
        threads: args.threads.unwrap_or_else(cores),
        first_only,
    }
}

fn one(seed: u64, args: &Args) -> bool {
    let judged = judge(
        seed,
        How {
            mutant: args.mutant,
            story: args.trace,
        },
    );
    for line in &judged.played.story {
        println!("{line}");
    }
    println!("{}", story::tell(&judged.played, &judged.violations));
    println!("trace {:016x}", judged.played.trace);
    judged.violations.is_empty()
}

fn many(args: &Args) -> bool {
    let plan = plan(args, args.mutant, false);
    let summary = sweep(plan, |judged| {
        println!("{}", story::tell(&judged.played, &judged.violations));
    });
    print(&summary);
    let never = summary.never_fired();
    if !never.is_empty() && plan.count >= 100 {
        println!(
            "never happened, so the simulation does not do what it says: {}",
            never.join(", ")
        );
        return false;
    }
    summary.failed.is_empty()
}

fn print(summary: &Summary) {
    println!(
        "{} seeds, {} failed: {:?}",
        summary.seeds,
        summary.failed.len(),
        summary.failed.keys().collect::<Vec<_>>()
    );
    println!(
        "{} handler starts, {} writes, {} requests, {:.1} h of virtual time, slowest recovery {:?}",
        summary.starts,
        summary.writes,
        summary.requests,
        summary.virtual_time.as_secs_f64() / 3600.0,
        summary.slowest_recovery,
    );
    println!(
        "{} faults, median {} a seed:",
        summary.fired.total(),
        summary.median_faults()
    );
    for fault in Fault::ALL {
        println!("  {:<24}{:>9}", fault.name(), summary.fired.of(*fault));
    }
    for (name, count) in &summary.troubles {
        println!("  {name:<24}{count:>9}");
    }
}

fn mutants(args: &Args) -> bool {
    let mut all = true;
    println!("{:<30}{:>8}  caught by", "mutant", "seed");
    for mutant in Mutant::ALL {
        let summary = sweep(plan(args, Some(*mutant), true), |_| {});
        match summary.failed.first_key_value() {
            Some((seed, what)) => {
                let what: String = what
                    .first()
                    .map_or("", String::as_str)
                    .chars()
                    .take(100)
                    .collect();
                println!("{:<30}{seed:>8}  {what}", mutant.name());
            }
            None => {
                all = false;
                println!(
                    "{:<30}{:>8}  not in {} seeds",
                    mutant.name(),
                    "-",
                    summary.seeds
                );
            }
        }
    }
    all
}
