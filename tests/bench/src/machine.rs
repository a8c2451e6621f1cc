//! What was measured on.

use std::process::Command;

/// The machine and the versions on it, as a line of the document.
pub fn described() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name"));
    let model = model.map_or("a processor unknown", |l| {
        l.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = memory().map_or_else(String::new, |gib| format!(" and {gib:.1} GiB of memory"));
    let kernel = first_line("uname", &["-sr"]).unwrap_or_else(|| std::env::consts::OS.into());
    let rust = first_line("rustc", &["--version"]).unwrap_or_else(|| "rustc unknown".into());
    let profile = match cfg!(debug_assertions) {
        true => "with debug assertions",
        false => "release",
    };
    let commit = first_line("git", &["rev-parse", "--short", "HEAD"]);
    let commit = commit.map_or_else(String::new, |c| format!(", oq at {c}"));
    format!(
        "Measured on {cores} cores of {model}{memory}, {kernel} {}, {rust}, {profile}{commit}.",
        std::env::consts::ARCH
    )
}

/// In GiB, as Linux tells it.
fn memory() -> Option<f64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / f64::from(1 << 20))
}

/// The first line that a program prints; nothing if it is not there.
pub fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}
