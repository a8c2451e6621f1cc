//! `oq dev`, and the program that uses it.

use std::path::Path;
use std::process::Stdio;

use oq_chaos::server::{CREDENTIALS, oq};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A folder and a URL.
pub struct Oq {
    pub folder: TempDir,
    pub url: String,
    pub env: Vec<(String, String)>,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn fine(self) -> Ran {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    pub fn id(&self) -> String {
        self.out.trim().to_owned()
    }
}

impl Oq {
    pub fn at(url: &str) -> Oq {
        let own = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
        Oq {
            folder: tempfile::tempdir().unwrap(),
            url: url.to_owned(),
            env: CREDENTIALS.map(own).to_vec(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let binary = binary();
        let mut command = Command::new(&binary);
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("OQ_URL", &self.url)
            .envs(self.env.iter().cloned())
            .current_dir(self.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub async fn run(&self, args: &[&str]) -> Ran {
        self.piped(args, "").await
    }

    pub async fn piped(&self, args: &[&str], stdin: &str) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // A program need not read it.
        let _unread = pipe.write_all(stdin.as_bytes()).await;
        drop(pipe);
        let output = child.wait_with_output().await.unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The real program: tests lie one folder deeper than it.
pub fn binary() -> std::path::PathBuf {
    if std::env::var_os("OQ_BIN").is_some() {
        return oq();
    }
    let here = std::env::current_exe().unwrap();
    let binary = here.ancestors().nth(2).unwrap().join("oq");
    assert!(
        binary.exists(),
        "{}: run cargo build -p oq-cli",
        binary.display()
    );
    binary
}
