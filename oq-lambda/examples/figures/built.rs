//! What `oq-lambda/deploy/build` made, of one processor or several: how large it is, and which C library
//! it needs.

use std::io;
use std::path::{Path, PathBuf};

const ZIP_MB: f64 = 12.0;

/// The C library of Lambda's `provided.al2023`.
const GLIBC: Version = Version(2, 34);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

/// A program and its zip.
pub struct Built {
    pub program: PathBuf,
    /// As templates name it.
    pub architecture: &'static str,
    program_mb: f64,
    zip_mb: f64,
    glibc: Version,
}

impl Built {
    /// What is in a folder that the script wrote into.
    pub fn read(out: &Path) -> io::Result<Built> {
        let program = out.join("function/bootstrap");
        let image = std::fs::read(&program)?;
        let what = |what| io::Error::other(format!("{}: {what}", program.display()));
        Ok(Built {
            architecture: architecture(&image)
                .ok_or_else(|| what("no program for a processor of Lambda's"))?,
            program_mb: image.len() as f64 / 1e6,
            zip_mb: std::fs::metadata(out.join("function.zip"))?.len() as f64 / 1e6,
            glibc: glibc(&image).ok_or_else(|| what("it does not say which glibc it needs"))?,
            program,
        })
    }

    /// Whether this machine runs it without an emulator.
    pub fn runs_here(&self) -> bool {
        let here = std::env::consts::ARCH.replace("aarch64", "arm64");
        cfg!(target_os = "linux") && self.architecture == here
    }

    pub fn holds(&self) -> bool {
        self.zip_mb <= ZIP_MB && self.glibc <= GLIBC
    }
}

/// The table of the document.
pub fn markdown(built: &[Built]) -> String {
    let row = |what: &str, figure: &dyn Fn(&Built) -> String, most: &str| {
        let figures: Vec<String> = built.iter().map(figure).collect();
        format!("| {what} | {} | {most} |\n", figures.join(" | "))
    };
    let mb = |mb: f64| format!("{mb:.1} MB");
    let version = |Version(major, minor): Version| format!("{major}.{minor}");
    let missed = |missed: bool| if missed { ", **missed**" } else { "" };
    let zip = missed(built.iter().any(|b| b.zip_mb > ZIP_MB));
    let glibc = missed(built.iter().any(|b| b.glibc > GLIBC));
    row("figure", &|b| b.architecture.into(), "at most")
        + &format!("|{}\n", "---|".repeat(built.len() + 2))
        + &row("size of the program", &|b| mb(b.program_mb), "")
        + &row(
            "size of the zip",
            &|b| mb(b.zip_mb),
            &format!("{ZIP_MB} MB{zip}"),
        )
        + &row(
            "glibc that it needs",
            &|b| version(b.glibc),
            &format!("{}{glibc}", version(GLIBC)),
        )
}

/// By the head of an ELF file.
fn architecture(image: &[u8]) -> Option<&'static str> {
    match (image.get(..4)?, image.get(18..20)?) {
        (b"\x7fELF", [0x3e, 0]) => Some("x86_64"),
        (b"\x7fELF", [0xb7, 0]) => Some("arm64"),
        _ => None,
    }
}

/// The newest version of which it names a symbol.
fn glibc(image: &[u8]) -> Option<Version> {
    let mark = b"GLIBC_";
    let named = image.windows(mark.len()).enumerate();
    named
        .filter(|(_, window)| window == mark)
        .filter_map(|(at, _)| {
            let rest = &image[at + mark.len()..];
            let end = rest.iter().position(|byte| *byte == 0)?;
            let mut numbers = std::str::from_utf8(&rest[..end]).ok()?.split('.');
            let mut number = || numbers.next()?.parse().ok();
            Some(Version(number()?, number()?))
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_these_rows_for_both_processors() {
        let built = ["x86_64", "arm64"].map(|architecture| Built {
            program: PathBuf::new(),
            architecture,
            program_mb: 1.0,
            zip_mb: ZIP_MB,
            glibc: GLIBC,
        });
        assert!(built.iter().all(Built::holds));
        let new = markdown(&built);
        let document = include_str!("../../../docs/lambda.md");
        oq_printed::check(document, "size", &new, &oq_printed::names(&new));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_says_its_processor_and_its_c_library() {
        let out = tempfile::tempdir().expect("a folder");
        let function = out.path().join("function");
        std::fs::create_dir(&function).expect("a folder");
        let this = std::env::current_exe().expect("this program");
        std::os::unix::fs::symlink(this, function.join("bootstrap")).expect("a link");
        std::fs::write(out.path().join("function.zip"), "").expect("a file");
        let built = Built::read(out.path()).expect("it is read");
        assert!(built.runs_here());
        assert!(built.glibc >= Version(2, 17), "{:?}", built.glibc);
        std::fs::remove_file(function.join("bootstrap")).expect("it was there");
        std::fs::write(function.join("bootstrap"), "#!/bin/sh\n").expect("a file");
        assert!(Built::read(out.path()).is_err());
    }
}
