//! Functions on this machine.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::oq::Oq;

/// It never asks for an event, and starts a program in a group of its own, as the function of this
/// repository does for each task.
const FUNCTION: &str = "#!/usr/bin/env bash
set -m
sh -c 'echo began; sleep 20; echo survived' >&2 &
wait
";

#[test]
fn a_local_function_and_what_it_started_end_with_the_command() {
    for signal in [Signal::TERM, Signal::INT] {
        let oq = Oq::new();
        oq.file("event", "{}");
        oq.file("function", FUNCTION);
        let program = oq.path().join("function");
        std::fs::set_permissions(program, PermissionsExt::from_mode(0o755)).unwrap();
        let mut invoked = oq
            .command(&[
                "lambda",
                "invoke",
                "--local",
                "--function",
                "./function",
                "event",
            ])
            .env("PATH", "/usr/bin:/bin")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut err = BufReader::new(invoked.stderr.take().unwrap());
        let mut began = String::new();
        err.read_line(&mut began).unwrap();
        assert_eq!(began, "began\n");
        kill_process(Pid::from_raw(invoked.id() as i32).unwrap(), signal).unwrap();
        // Ends when nobody holds stderr any more, the program included.
        let mut rest = String::new();
        err.read_to_string(&mut rest).unwrap();
        assert_eq!(invoked.wait().unwrap().code(), Some(130), "{rest}");
        assert!(!rest.contains("survived"), "{rest}");
    }
}
