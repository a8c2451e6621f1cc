//! What is missing where a program is that the system does not find.

use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

/// How much of a program's first line the system reads.
const FIRST_LINE: u64 = 256;

/// What it is; `None` where the program itself is not there, or was found.
pub fn of(program: &Path, e: &Error) -> Option<String> {
    if e.kind() != ErrorKind::NotFound {
        return None;
    }
    let mut start = Vec::new();
    let mut file = File::open(program).ok()?.take(FIRST_LINE);
    file.read_to_end(&mut start).ok()?;
    Some(named(&start))
}

fn named(start: &[u8]) -> String {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or(start);
    let line = String::from_utf8_lossy(line);
    let Some(named) = line.strip_prefix("#!") else {
        return "the loader or C library that it needs is not here: build it for this system"
            .to_owned();
    };
    if named.ends_with('\r') {
        return "its lines end with CR and LF, as on Windows, and the CR is taken for a part of its \
                interpreter's name: save it with LF alone"
            .to_owned();
    }
    let interpreter = named.split_whitespace().next().unwrap_or_default();
    format!("its first line names {interpreter}, which is not here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_says_what_is_missing() {
        for (start, says) in [
            (
                b"#! /no/such/shell -e\nexit\n".as_slice(),
                "names /no/such/shell, which",
            ),
            (b"#!/bin/sh\r\nexit\r\n", "CR and LF"),
            (b"\x7fELF\x02\xff\n", "loader or C library"),
        ] {
            assert!(named(start).contains(says), "{}", named(start));
        }
    }
}
