//! Secrets are never said: each is planted where a function finds secrets, and looked for in its log at
//! the lowest level, in its answers, and in what it says when it cannot begin.

use std::path::{Path, PathBuf};
use std::time::Duration;

use oq_dev_server::DevServer;
use oq_lambda::emulator::{Died, Invoked, Local};

use crate::world::{Folder, program};

/// A secret key, a session token, and what people put into URLs by mistake.
const SECRET: &str = "canary-secret-kJ8s0f3LqZ";
const TOKEN: &str = "canary-token-Wq71mm0aPz";
const PASSWORD: &str = "canary-password-9xT2";

/// A function whose log goes into a file.
struct Logged {
    folder: Folder,
    place: tempfile::TempDir,
}

impl Logged {
    fn new() -> Logged {
        Logged {
            folder: Folder::new(),
            place: tempfile::tempdir().unwrap(),
        }
    }

    fn log(&self) -> PathBuf {
        self.place.path().join("log")
    }

    async fn start(&self, url: &str, secret: &str, more: &[(&str, &str)]) -> Local {
        use std::os::unix::fs::PermissionsExt;
        let function = self.place.path().join("function");
        let script = format!(
            "#!/bin/sh\nexec '{}' >>'{}' 2>&1\n",
            program().display(),
            self.log().display()
        );
        std::fs::write(&function, script).unwrap();
        std::fs::set_permissions(&function, std::fs::Permissions::from_mode(0o755)).unwrap();
        let handlers = self.folder.handlers();
        let environment = [
            ("OQ_URL", url),
            ("OQ_HANDLERS", handlers.to_str().unwrap()),
            ("OQ_HTTP", "on"),
            ("OQ_LOG", "trace"),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ];
        let environment = environment.into_iter().chain(more.iter().copied());
        Local::start(&function, environment, Duration::from_secs(60))
            .await
            .unwrap()
    }

    fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }
}

fn event(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// Everything that it says to these events and to one that is none.
async fn asked(function: &mut Local) -> Result<Vec<String>, Died> {
    let mut said = Vec::new();
    for name in [
        "direct-submit.json",
        "url-post.json",
        "url-get.json",
        "sqs-poisoned.json",
        "s3-put.json",
        "dynamodb.json",
        "direct-drain.json",
    ] {
        match function.invoke(&event(name)).await? {
            Invoked::Answer(text) => said.push(text),
            Invoked::Error { code, message } => said.push(format!("{code}: {message}")),
        }
    }
    Ok(said)
}

#[track_caller]
fn keeps(secrets: &[&str], what: &str, said: &str) {
    for secret in secrets {
        assert!(!said.contains(secret), "{what} says {secret}: {said}");
    }
}

#[tokio::test]
async fn a_function_says_no_secret_whether_it_is_let_in_or_not() {
    let oq = Path::new(env!("CARGO_BIN_EXE_bootstrap")).with_file_name("oq");
    let dev = DevServer::start(&oq, "memory:").unwrap();
    let id = [("AWS_ACCESS_KEY_ID", dev.access_key_id.as_str())];

    let own = dev.secret_access_key.as_str();
    let function = Logged::new();
    let mut running = function.start(&dev.url, own, &id).await;
    let said = asked(&mut running).await.unwrap().concat();
    assert!(
        said.contains("\\\"existing\\\":false") || said.contains("\"existing\":false"),
        "{said}"
    );
    keeps(&[own], "its answers", &said);
    let logged = function.logged();
    assert!(logged.contains("answered"), "{logged}");
    keeps(&[own], "its log", &logged);

    let function = Logged::new();
    let more = [id[0], ("AWS_SESSION_TOKEN", TOKEN)];
    let mut running = function.start(&dev.url, SECRET, &more).await;
    let said = match asked(&mut running).await {
        Ok(said) => said.concat(),
        Err(died) => died.to_string(),
    };
    let both = said + &function.logged();
    assert!(both.contains("OQ-DENIED"), "{both}");
    keeps(&[SECRET, TOKEN], "one that is refused", &both);
}

#[tokio::test]
async fn a_function_with_a_bad_url_does_not_repeat_what_is_in_it() {
    for url in [
        format!("s3://user:{PASSWORD}@bucket/p"),
        format!("s3://bucket/p?endpoint=http://user:{PASSWORD}@127.0.0.1:9"),
        format!("s3://bucket/p?secret={PASSWORD}"),
        format!("postgres://user:{PASSWORD}@host/db"),
    ] {
        let function = Logged::new();
        let more = [
            ("AWS_ACCESS_KEY_ID", "canary"),
            ("AWS_SESSION_TOKEN", TOKEN),
        ];
        let mut running = function.start(&url, SECRET, &more).await;
        let said = running.ready().await.unwrap_err().to_string() + &function.logged();
        assert!(said.contains("OQ-"), "{url}: {said}");
        keeps(&[SECRET, TOKEN, PASSWORD], &url, &said);
    }
}
