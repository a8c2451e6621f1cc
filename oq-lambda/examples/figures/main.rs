//! What functions on Lambda cost: the tables of `docs/lambda.md`. On virtual time, the same on every
//! machine: the requests of each kind of event, and a month's bill. With what `oq-lambda/deploy/build`
//! wrote (`--out OUT`): how large it is for each processor, and how it begins for this machine's, which
//! is left out with `--sizes`. `--write` puts them into the document. Ends with 1 when a bound is missed.
//!
//! ```text
//! cargo run -p oq-lambda --example figures -- [--write] [--sizes] [OUT …]
//! ```

#![allow(missing_docs, clippy::expect_used)]

mod begin;
mod built;
mod counts;
mod month;
mod region;
mod table;

use std::path::Path;

use oq_core::{Error, Result};

use self::built::Built;
use self::table::Table;

/// A section of the document, and what is printed into it.
type Section = (&'static str, String);

fn main() -> Result<()> {
    let (flags, folders): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|word| word.starts_with("--"));
    if let Some(unknown) = flags
        .iter()
        .find(|f| !["--write", "--sizes"].contains(&&***f))
    {
        return Err(Error::Unusable(format!("{unknown} is no option here")));
    }
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    let unusable = |e: std::io::Error| Error::Unusable(e.to_string());
    let built = folders.iter().map(|out| Built::read(Path::new(out)));
    let built: Vec<Built> = built.collect::<std::io::Result<_>>().map_err(unusable)?;

    let (mut sections, bounds) = documented()?;
    let mut holds = bounds.holds();
    if !built.is_empty() {
        sections.push(("size", built::markdown(&built)));
        holds &= built.iter().all(Built::holds);
    }
    let here = built.iter().find(|built| built.runs_here());
    if let (Some(built), false) = (here, flag("--sizes")) {
        let oq = std::env::current_exe().map_err(unusable)?;
        let oq = oq.with_file_name("../oq");
        let table = begin::table(&built.program, &oq);
        sections.push(("begin", table.to_string()));
        holds &= table.holds();
    }
    for (_, text) in &sections {
        println!("{text}");
    }
    println!("{bounds}");
    if flag("--write") {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lambda.md");
        oq_printed::write(&page.display().to_string(), &sections).map_err(Error::Unusable)?;
    }
    if !holds {
        eprintln!("at least one bound is missed");
        std::process::exit(1);
    }
    Ok(())
}

/// The tables of the document that are the same everywhere, and what is held to a bound.
fn documented() -> Result<(Vec<Section>, Table)> {
    let cold = virtually(counts::cold())?;
    let lone = virtually(counts::lone())?;
    let stale = virtually(counts::stale())?;
    let packed = virtually(counts::packed())?;
    let thousand = virtually(counts::thousand())?;
    let tick = virtually(counts::tick())?;
    let requests = counts::markdown(&[
        &lone.event,
        &stale,
        &lone.own,
        &lone.at_once,
        &lone.later,
        &thousand,
        &tick,
        &cold,
    ]);
    let cost = month::markdown(&lone.whole, &packed, &tick);
    let asked = month::asked(&lone.whole, &packed);
    let sections = vec![("requests", requests), ("cost", cost), ("asked", asked)];
    Ok((sections, counts::bounds(&lone, &stale, &thousand)))
}

/// Runs `work` on virtual time.
fn virtually<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_what_is_counted_and_every_bound_holds() {
        let (sections, bounds) = documented().expect("it can be counted");
        let document = include_str!("../../../docs/lambda.md");
        for (name, text) in &sections {
            let there = oq_printed::section(document, name);
            assert_eq!(there, Some(text.as_str()), "{name}: run it with --write");
        }
        assert!(bounds.holds(), "{bounds}");
    }
}
