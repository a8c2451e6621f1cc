//! Runs the binary, and a worker beside it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use oq_core::queue::TaskView;
use oq_core::{Context, Queue, TaskError, Worker};

/// A folder with a store in it.
pub struct Oq {
    folder: tempfile::TempDir,
}

impl Oq {
    pub fn new() -> Oq {
        Oq {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the folder.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The binary with these arguments, nothing in its environment but the store.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oq"));
        command
            .args(args)
            .env_clear()
            .current_dir(self.path())
            .stdin(Stdio::null());
        command.env("OQ_URL", "sqlite:oq.db");
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.end(self.command(args).output().unwrap())
    }

    /// The same, with something on stdin.
    pub fn piped(&self, args: &[&str], input: impl AsRef<[u8]>) -> Ran {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // The command may end before it has read everything.
        let _closed = stdin.write_all(input.as_ref());
        drop(stdin);
        self.end(child.wait_with_output().unwrap())
    }

    pub fn end(&self, output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            folder: self.path().display().to_string(),
        }
    }

    /// Submits a task; its id.
    pub fn submit(&self, args: &[&str]) -> String {
        let ran = self.run(&[&["submit"], args].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran.out.trim_end().to_owned()
    }

    /// Runs a worker until these tasks are over.
    pub fn work(&self, ids: &[&str]) {
        self.work_until(ids, |view| view.state.is_over());
    }

    /// Runs a worker until this holds of these tasks. It knows `echo`, `fail` (with the input as the
    /// message), and `flaky`, which may be tried again.
    pub fn work_until(&self, ids: &[&str], there: impl Fn(&TaskView) -> bool + Send + 'static) {
        let url = format!("sqlite:{}", self.path().join("oq.db").display());
        let ids: Vec<String> = ids.iter().map(|id| id.to_string()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let queue = Queue::connect(&url).await.unwrap();
            let worker = Worker::builder()
                .queue(&queue)
                .poll(Duration::from_millis(50))
                .handler("echo", |_: Context, input: serde_json::Value| async move {
                    Ok::<_, TaskError>(input)
                })
                .handler("fail", |_: Context, message: String| async move {
                    Err::<(), _>(TaskError::fatal(message))
                })
                .handler("flaky", |_: Context, (): ()| async move {
                    Err::<(), _>(TaskError::new("come again"))
                })
                .build()
                .unwrap();
            let others = queue.clone();
            let over = async move {
                for id in ids {
                    let id = id.parse().unwrap();
                    while !there(&others.get(id).await.unwrap()) {
                        others.root().env().sleep(Duration::from_millis(20)).await;
                    }
                }
            };
            worker.run(over).await.unwrap();
        });
    }
}

/// What a command said.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    folder: String,
}

impl Ran {
    /// All of it, with ids, times and folders replaced by names.
    pub fn shown(&self) -> String {
        let mut text = format!(
            "exit {}\n",
            self.code.map_or("none".into(), |c| c.to_string())
        );
        for (name, stream) in [("stdout", &self.out), ("stderr", &self.err)] {
            if !stream.is_empty() {
                text.push_str(&format!("--- {name}\n{stream}"));
            }
        }
        named(&text.replace(&self.folder, "FOLDER"))
    }

    pub fn refused(&self, code: i32, says: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.contains(says), "{says:?}: {}", self.err);
        assert!(self.err.starts_with("oq: "), "{}", self.err);
        assert_eq!(self.out, "");
        assert!(
            !self.err.contains('\u{1b}') && !self.err.contains("panicked"),
            "{self:?}"
        );
    }

    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, Some(0), "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Ids become ID1, ID2 … in the order in which they come; moments become TIME, spans SPAN.
fn named(text: &str) -> String {
    let mut ids: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let word = &rest[..end];
        if let Some(length) = moment(rest) {
            out.push_str("TIME");
            rest = &rest[length..];
        } else if end == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else if is_id(word) {
            let at = ids.iter().position(|id| id == word).unwrap_or_else(|| {
                ids.push(word.to_owned());
                ids.len() - 1
            });
            out.push_str(&format!("ID{}", at + 1));
            rest = &rest[end..];
        } else if word.len() == 13 && word.bytes().all(|b| b.is_ascii_digit()) {
            out.push_str("TIME");
            rest = &rest[end..];
        } else {
            out.push_str(word);
            rest = &rest[end..];
        }
    }
    spans(&out)
}

fn is_id(word: &str) -> bool {
    let crockford = |b: u8| b.is_ascii_digit() || (b.is_ascii_uppercase() && !b"ILOU".contains(&b));
    word.len() == 26 && word.bytes().all(crockford)
}

/// How long a moment in RFC 3339 is that the text begins with.
fn moment(text: &str) -> Option<usize> {
    let form = "0000-00-00T00:00:00.000Z";
    let fits = text.len() >= form.len()
        && form.bytes().zip(text.bytes()).all(|(f, t)| match f {
            b'0' => t.is_ascii_digit(),
            f => f == t,
        });
    fits.then_some(form.len())
}

/// `1.2s ago` is another span the next time.
fn spans(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let is_span = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with(['s', 'm', 'h', 'd'])
    };
    let named = words.iter().enumerate().map(|(at, word)| {
        let ago = words
            .get(at + 1)
            .is_some_and(|next| next.starts_with("ago"));
        let bare = word.trim_start_matches('(');
        match ago && is_span(bare) {
            true => word.replace(bare, "SPAN"),
            false => (*word).to_owned(),
        }
    });
    named.collect::<Vec<_>>().join(" ")
}
