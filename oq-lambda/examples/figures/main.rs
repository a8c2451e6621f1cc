//! What functions on Lambda cost: the tables of `docs/lambda.md`. On virtual time, the same on every
//! machine: the requests of each kind of event, and a month's bill. With a program, on this machine:
//! how it begins, and its size. Ends with 1 when a bound is missed.
//!
//! ```text
//! cargo run -p oq-lambda --example figures -- [PROGRAM [ZIP [OQ]]]
//! ```

#![allow(missing_docs, clippy::expect_used)]

mod begin;
mod counts;
mod month;
mod region;
mod table;

use std::path::PathBuf;

use oq_core::Result;

use self::table::Table;

fn main() -> Result<()> {
    let (tables, bounds) = documented()?;
    println!("{}\n{bounds}", tables.join("\n"));
    let mut holds = bounds.holds();
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    if let Some(program) = args.next() {
        let zip = args.next();
        let oq = args.next().unwrap_or_else(|| "target/debug/oq".into());
        let table = begin::table(&program, zip.as_deref(), &oq);
        println!("{table}");
        holds &= table.holds();
    }
    if !holds {
        eprintln!("at least one bound is missed");
        std::process::exit(1);
    }
    Ok(())
}

/// The tables of the document that are the same everywhere, and what is held to a bound.
fn documented() -> Result<([String; 3], Table)> {
    let cold = virtually(counts::cold())?;
    let lone = virtually(counts::lone())?;
    let packed = virtually(counts::packed())?;
    let thousand = virtually(counts::thousand())?;
    let tick = virtually(counts::tick())?;
    let requests = counts::markdown(&[
        &lone.event,
        &lone.own,
        &lone.at_once,
        &lone.later,
        &thousand,
        &tick,
        &cold,
    ]);
    let cost = month::markdown(&lone.whole, &packed, &tick);
    let asked = month::asked(&lone.whole, &packed);
    Ok(([requests, asked, cost], counts::bounds(&lone, &thousand)))
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
        let (tables, bounds) = documented().expect("it can be counted");
        let document = include_str!("../../../docs/lambda.md");
        for table in &tables {
            assert!(
                document.contains(table.as_str()),
                "not there:\n{}",
                tables.join("\n")
            );
        }
        assert!(bounds.holds(), "{bounds}");
    }
}
