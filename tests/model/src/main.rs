//! `oq-model`: explores, and prints what came of it.

use std::process::ExitCode;

use oq_core::testing::mutant::Mutant;
use oq_model::explore::{Explored, all, broken, explore};
use oq_model::report;
use oq_model::rules::Rules;

const HELP: &str = "\
oq-model: everything that two workers and two tasks can do on a store that loses answers

  (nothing)            explore the rules as they are, and each broken rule
  --rules              explore the rules as they are
  --broken NAME        explore with one rule broken, and show the way to what must not be
  --write FILE         print what came of all of it into FILE
";

fn main() -> ExitCode {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let fine = match words[..] {
        [] => rules(threads) & each_broken(),
        ["--rules"] => rules(threads),
        ["--broken", name] => match broken().into_iter().find(|(m, _)| m.name() == name) {
            Some((_, rules)) => one(rules),
            None => return refuse(&format!("{name}: no such rule\n\n{HELP}")),
        },
        ["--write", file] => write(file, threads),
        _ => return refuse(HELP),
    };
    if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(2)
}

fn explored(threads: usize) -> Vec<Explored> {
    all()
        .into_iter()
        .map(|rules| explore(rules, threads))
        .collect()
}

fn rules(threads: usize) -> bool {
    let runs = explored(threads);
    print!("{}", report::explorations(&runs));
    for run in &runs {
        for (name, way) in &run.broken {
            println!("{}: broken: {name}", run.rules.name);
            way.iter().for_each(|action| println!("  {action:?}"));
        }
    }
    for name in report::missed(&runs) {
        println!("never, in none of them: {name}");
    }
    report::missed(&runs).is_empty() && runs.iter().all(|run| run.broken.is_empty())
}

/// On one thread: then the way that is found is the same each time, and the shortest.
fn all_broken() -> Vec<(Mutant, Explored)> {
    let all = broken().into_iter();
    all.map(|(mutant, rules)| (mutant, explore(rules, 1)))
        .collect()
}

fn noticed(rows: &[(Mutant, Explored)]) -> bool {
    rows.iter().all(|(_, run)| !run.broken.is_empty())
}

fn each_broken() -> bool {
    let rows = all_broken();
    print!("{}", report::broken(&rows));
    noticed(&rows)
}

fn one(rules: Rules) -> bool {
    let run = explore(rules, 1);
    for (name, way) in &run.broken {
        println!("{name}");
        for line in report::told(&run.rules, way) {
            println!("  {line}");
        }
    }
    println!("{} states", run.states);
    !run.broken.is_empty()
}

fn write(file: &str, threads: usize) -> bool {
    let runs = explored(threads);
    let rows = all_broken();
    let sections = [
        ("model", report::explorations(&runs)),
        ("broken", report::broken(&rows)),
    ];
    let written = oq_printed::write(file, &sections);
    if let Err(why) = &written {
        eprintln!("{why}");
    }
    let fine = runs.iter().all(|run| run.broken.is_empty()) && report::missed(&runs).is_empty();
    written.is_ok() && fine && noticed(&rows)
}
