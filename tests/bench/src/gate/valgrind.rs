//! This program once more, under valgrind.

use std::process::Command;

/// What `measure` grows by with each task: of two runs, one with twice the tasks, so that what is
/// done once does not count.
pub fn each(tasks: u64, measure: impl Fn(u64) -> Option<u64>) -> Option<f64> {
    let (once, twice) = (measure(tasks)?, measure(2 * tasks)?);
    Some(twice.saturating_sub(once) as f64 / tasks as f64)
}

pub fn instructions(args: &[String]) -> Option<u64> {
    let said = under(
        &["--tool=callgrind", "--callgrind-out-file=/dev/null"],
        args,
    )?;
    Some(numbers_behind(&said, "Collected :")[0])
}

/// How many allocations, and of how many bytes.
pub fn allocations(args: &[String]) -> Option<(u64, u64)> {
    let said = under(
        &[
            "--tool=memcheck",
            "--leak-check=no",
            "--undef-value-errors=no",
        ],
        args,
    )?;
    let numbers = numbers_behind(&said, "total heap usage:");
    Some((numbers[0], numbers[2]))
}

/// What valgrind says; nothing if there is none.
fn under(tool: &[&str], args: &[String]) -> Option<String> {
    let me = std::env::current_exe().expect("this program has a path");
    let run = Command::new("valgrind")
        .args(tool)
        .arg(me)
        .args(args)
        .output();
    let output = match run {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
        other => other.expect("valgrind starts"),
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "valgrind {tool:?} {args:?}: {said}"
    );
    Some(said)
}

fn numbers_behind(said: &str, what: &str) -> Vec<u64> {
    let at = said
        .find(what)
        .unwrap_or_else(|| panic!("valgrind says no '{what}': {said}"));
    let line = said[at + what.len()..].lines().next().unwrap_or_default();
    let digits = line.replace(',', "");
    let numbers = digits
        .split_whitespace()
        .filter_map(|word| word.parse().ok());
    numbers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_valgrind_says() {
        let heap = "==7==   total heap usage: 1,234 allocs, 1,200 frees, 567,890 bytes allocated\n";
        assert_eq!(
            numbers_behind(heap, "total heap usage:"),
            [1234, 1200, 567_890]
        );
        assert_eq!(
            numbers_behind("==7== Collected : 42\n", "Collected :"),
            [42]
        );
    }
}
