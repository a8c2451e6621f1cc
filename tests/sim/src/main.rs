//! `oq-sim`: runs seeds of the simulation.

use std::process::ExitCode;

use oq_core::testing::mutant::Mutant;
use oq_core::testing::sim_store::Fault;
use oq_sim::linear::checked::{BENT, CLEAN, measure as check_the_checker};
use oq_sim::pairs;
use oq_sim::play::How;
use oq_sim::points;
use oq_sim::recovery::measure;
use oq_sim::report;
use oq_sim::scenario::Cut;
use oq_sim::shrink::shrink;
use oq_sim::story;
use oq_sim::sweep::{Judged, Plan, Summary, cores, judge, judge_scenario, sweep};

const HELP: &str = "\
oq-sim: real workers and producers on virtual time, against a store and machines that fail

  --seeds N [--from M]       run N seeds (500), beginning with M (0)
  --seed N [--trace]         run one seed; with --trace every request is shown
  --cut WHAT                 leave something out of that seed, as shrinking prints it
  --shrink                   leave out of that seed whatever it can fail without
  --points                   let a process die at every point of every operation
  --pairs                    for each two kinds of faults a run in which both happen
  --pairs --seed N [--trace] one of those runs
  --recovery                 how long tasks wait whose worker was killed
  --mutant NAME              break one rule of the protocol in any of the above
  --mutants [--seeds N]      for each mutant the first seed that catches it
  --write FILE [--seeds N]   run seeds (2000) and mutants, and print what came of it into FILE
  --threads N                as many as there are cores, unless set
";

/// How many deaths are measured.
const RECOVERIES: u64 = 200;

#[derive(Default)]
struct Args {
    seeds: Option<u64>,
    from: u64,
    seed: Option<u64>,
    trace: bool,
    cut: Cut,
    shrink: bool,
    points: bool,
    pairs: bool,
    recovery: bool,
    mutant: Option<Mutant>,
    mutants: bool,
    write: Option<String>,
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
            "--shrink" => args.shrink = true,
            "--points" => args.points = true,
            "--pairs" => args.pairs = true,
            "--recovery" => args.recovery = true,
            "--cut" => args.cut = words.next().ok_or("--cut needs a text")?.parse()?,
            "--mutants" => args.mutants = true,
            "--write" => args.write = Some(words.next().ok_or("--write needs a file")?),
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
    } else if args.points {
        every_point(&args)
    } else if args.pairs {
        each_pair(&args).is_some()
    } else if args.recovery {
        print!("{}", report::recovery_table(&measure(RECOVERIES)));
        true
    } else if let Some(file) = &args.write {
        write(file, &args)
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
        twice_every: if mutant.is_some() { 0 } else { 10 },
    }
}

fn one(seed: u64, args: &Args) -> bool {
    let how = How {
        mutant: args.mutant,
        story: args.trace,
    };
    if args.pairs {
        let Some(scenario) = pairs::scenario_of(seed) else {
            println!("no pair has the seed {seed}");
            return false;
        };
        return told(&judge_scenario(scenario.without(&args.cut), how));
    }
    let mut cut = args.cut.clone();
    if args.shrink {
        let quiet = How {
            story: false,
            ..how
        };
        match shrink(seed, quiet, &cut) {
            Some((smaller, _)) => cut = smaller,
            None => println!("seed {seed} does not fail"),
        }
        let mutant = args
            .mutant
            .map_or(String::new(), |m| format!(" --mutant {}", m.name()));
        println!(
            "replay: {} --seed {seed}{mutant} --cut '{cut}' --trace",
            report::BINARY
        );
    }
    told(&judge(seed, &cut, how))
}

fn told(judged: &Judged) -> bool {
    for line in &judged.played.story {
        println!("{line}");
    }
    println!("{}", story::tell(&judged.played, &judged.violations));
    println!("trace {:016x}", judged.played.trace);
    judged.violations.is_empty()
}

fn every_point(args: &Args) -> bool {
    let tried = points::all(args.threads.unwrap_or_else(cores));
    print!("{}", report::point_table(&tried));
    for one in &tried {
        for (point, judged) in &one.failed {
            println!("{}, at point {point}:", one.operation.name);
            println!("{}", story::tell(&judged.played, &judged.violations));
        }
    }
    tried.iter().all(|one| one.failed.is_empty())
}

/// How many pairs there are, if nothing broke.
fn each_pair(args: &Args) -> Option<usize> {
    let all = pairs::all(args.threads.unwrap_or_else(cores));
    for pair in &all {
        if let Some(judged) = &pair.failed {
            let (a, b) = (pair.faults.0.name(), pair.faults.1.name());
            println!("{a} and {b}, with --pairs:");
            println!("{}", story::tell(&judged.played, &judged.violations));
        } else if pair.met.is_none() {
            let (a, b) = (pair.faults.0.name(), pair.faults.1.name());
            println!("{a} and {b} did not meet in {} seeds", pairs::SEEDS);
        }
    }
    let met = all.iter().filter(|pair| pair.met.is_some()).count();
    let tried: u64 = all.iter().map(|pair| pair.tried).sum();
    println!("{met} of {} pairs met, {tried} seeds tried", all.len());
    all.iter().all(pairs::Pair::is_fine).then_some(met)
}

fn many(args: &Args) -> bool {
    let plan = plan(args, args.mutant, false);
    let summary = sweep(plan, |judged| {
        println!("{}", story::tell(&judged.played, &judged.violations));
    });
    print(&summary);
    let never = summary.never_fired();
    if !never.is_empty() && plan.count >= 1000 {
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
    let rows = report::mutants(|mutant| plan(args, Some(mutant), true));
    print!("{}", report::mutant_table(&rows));
    for row in &rows {
        let what = row.caught.as_ref().map_or("nothing", |c| c.what.as_str());
        println!("{}: {what}", row.mutant.name());
    }
    rows.iter().all(|row| row.caught.is_some())
}

/// Prints into a document what is measured here and now.
#[allow(clippy::disallowed_methods)] // how long it takes is a matter of this machine's clock
fn write(file: &str, args: &Args) -> bool {
    let args = Args {
        seeds: args.seeds.or(Some(2000)),
        threads: args.threads,
        from: args.from,
        ..Args::default()
    };
    let began = std::time::Instant::now();
    let summary = sweep(plan(&args, None, false), |judged| {
        println!("{}", story::tell(&judged.played, &judged.violations));
    });
    let seconds = began.elapsed().as_secs_f64();
    let rows = report::mutants(|mutant| plan(&args, Some(mutant), true));
    let points = points::all(args.threads.unwrap_or_else(cores));
    let pairs = each_pair(&args);
    let checked = match check_the_checker(CLEAN, BENT) {
        Ok(checked) => checked,
        Err(why) => {
            eprintln!("{why}");
            return false;
        }
    };
    let sections = [
        ("points", report::point_table(&points)),
        ("recovery", report::recovery_table(&measure(RECOVERIES))),
        (
            "figures",
            report::figures(&summary, seconds, pairs.unwrap_or_default(), &checked),
        ),
        ("faults", report::fault_table(&summary)),
        ("mutants", report::mutant_table(&rows)),
    ];
    if let Err(why) = oq_printed::write(file, &sections) {
        eprintln!("{why}");
        return false;
    }
    let survived = points.iter().all(|one| one.failed.is_empty());
    survived
        && pairs.is_some()
        && summary.failed.is_empty()
        && rows.iter().all(|row| row.caught.is_some())
}
