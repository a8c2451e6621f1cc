//! A function's program with handlers of its own, on a store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use oq_core::{Queue, Task};
use oq_lambda::emulator::{Invoked, Local};
use serde_json::{Value, json};

/// The program that is tested: that of this crate, unless `OQ_TEST_FUNCTION` names another, such as a
/// script that runs the one for another processor in an emulator.
pub fn program() -> PathBuf {
    let named = std::env::var_os("OQ_TEST_FUNCTION");
    named.map_or_else(|| env!("CARGO_BIN_EXE_bootstrap").into(), PathBuf::from)
}

pub struct Folder(tempfile::TempDir);

impl Folder {
    /// Handlers: `shout` answers in capitals, `swallow` answers nothing, `fail` fails, `hopeless` fails for good,
    /// `busy` wants to come again in an hour, `leaves` ends before what it started, `slow` takes the
    /// seconds of its input, `alone` says how many of it run, `stuck` does not end the first time and
    /// tells its process in a file `stuck`.
    pub fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.handlers()).unwrap();
        folder.program("shout", "tr a-z A-Z");
        folder.program("swallow", "exec cat >/dev/null");
        folder.program("fail", "echo 'the disk is full' >&2; exit 3");
        folder.program("hopeless", "echo 'no such customer' >&2; exit 65");
        folder.program("busy", "echo 1h; exit 75");
        folder.program("leaves", "sleep 1000 & echo $!");
        let most = "here=$(dirname \"$0\")/../running.$$; : >\"$here\"; sleep 0.2; \
            ls \"$(dirname \"$0\")\"/.. | grep -c '^running'; rm \"$here\"";
        folder.program("alone", most);
        folder.program("slow", "read -r n; sleep \"$n\"; echo '\"done\"'");
        let once = "told=$(dirname \"$0\")/../stuck; [ -e \"$told\" ] && echo '\"done\"' && exit; \
            echo $$ >\"$told.new\"; mv \"$told.new\" \"$told\"; exec sleep 600";
        folder.program("stuck", once);
        folder.program(
            "whoami",
            "printf '[\"%s\",\"%s\",\"%s\",%s]' \"$OQ_ID\" \"$OQ_TASK_ID\" \"${OQ_TOKEN:+held}\" \"$OQ_ATTEMPT\"",
        );
        folder
    }

    fn program(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.handlers().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn handlers(&self) -> PathBuf {
        self.0.path().join("handlers")
    }

    /// The process of the first `stuck`, when it runs.
    pub fn stuck(&self) -> Option<String> {
        let told = std::fs::read_to_string(self.0.path().join("stuck")).ok()?;
        Some(told.trim().to_owned())
    }

    pub fn url(&self) -> String {
        format!("sqlite:{}", self.0.path().join("oq.db").display())
    }

    /// The program of this crate, as a function.
    pub async fn function(&self, url: &str, timeout: u64) -> Local {
        self.start(url, &self.handlers(), timeout).await
    }

    /// The same with more in its environment.
    pub async fn with(&self, more: &[(&str, &str)]) -> Local {
        let (url, handlers) = (self.url(), self.handlers());
        let own = [
            ("OQ_URL", url.as_str()),
            ("OQ_HANDLERS", handlers.to_str().unwrap()),
        ];
        let environment = own.into_iter().chain(more.iter().copied());
        Local::start(&program(), environment, Duration::from_secs(60))
            .await
            .unwrap()
    }

    pub async fn start(&self, url: &str, handlers: &Path, timeout: u64) -> Local {
        let environment = [("OQ_URL", url), ("OQ_HANDLERS", handlers.to_str().unwrap())];
        Local::start(&program(), environment, Duration::from_secs(timeout))
            .await
            .unwrap()
    }
}

/// The event of an object of a file: it has no bucket, so any does.
pub fn event(queue: &Queue, id: oq_core::record::TaskId, prefix: &str) -> String {
    let key = oq_core::record::Key::Live(queue.name().clone(), id.object());
    json!({ "Records": [{ "eventName": "ObjectCreated:Put", "s3": {
        "bucket": { "name": "oq-test" }, "object": { "key": format!("{prefix}{key}") } } }] })
    .to_string()
}

pub fn answer(invoked: Invoked) -> Value {
    match invoked {
        Invoked::Answer(text) => serde_json::from_str(&text).unwrap(),
        Invoked::Error { code, message } => panic!("{code}: {message}"),
    }
}

pub fn task(name: &str, input: &Value) -> Task {
    Task::new(name, input).unwrap()
}
