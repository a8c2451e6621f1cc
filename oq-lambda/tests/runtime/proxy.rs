//! What stands between a function and its S3: it counts the requests, and lets connections die as
//! they do while a sandbox is frozen, without a word.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Requests that went through and were answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub get: u64,
    pub put: u64,
    pub delete: u64,
    pub list: u64,
    pub connections: u64,
    /// What was asked and answered, a line each, failures of the server's too.
    pub asked: Vec<String>,
}

impl Seen {
    /// GET, PUT, DELETE and LIST.
    pub fn by_verb(&self) -> (u64, u64, u64, u64) {
        (self.get, self.put, self.delete, self.list)
    }

    pub fn requests(&self) -> u64 {
        self.get + self.put + self.delete + self.list
    }
}

#[derive(Default)]
struct Shared {
    seen: Seen,
    /// Connections before this one are dead.
    alive_from: u64,
}

pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub async fn start(server: String) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Mutex<Shared>>::default();
        let state = shared.clone();
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let number = {
                    let mut shared = state.lock().unwrap();
                    shared.seen.connections += 1;
                    shared.seen.connections
                };
                tokio::spawn(pass(client, server, number, state.clone()));
            }
        });
        Proxy {
            address,
            shared,
            serving,
        }
    }

    /// What went through since the last call.
    pub fn seen(&self) -> Seen {
        let mut shared = self.shared.lock().unwrap();
        let connections = shared.seen.connections;
        std::mem::replace(
            &mut shared.seen,
            Seen {
                connections,
                ..Seen::default()
            },
        )
    }

    /// From now on nothing comes through the connections that are open.
    pub fn kill_connections(&self) {
        let mut shared = self.shared.lock().unwrap();
        shared.alive_from = shared.seen.connections + 1;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(client: TcpStream, server: TcpStream, number: u64, shared: Arc<Mutex<Shared>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // One request at a time goes through a connection.
    let asked = Mutex::new(None::<String>);
    let answers = async {
        let (mut buffer, mut line) = (vec![0; 64 << 10], Vec::new());
        while let Ok(n @ 1..) = from_server.read(&mut buffer).await {
            for_each_line(&buffer[..n], &mut line, |line| {
                if let Some(status) = status(line)
                    && let Some(asked) = asked.lock().unwrap().take()
                {
                    count(&mut shared.lock().unwrap().seen, asked, status);
                }
            });
            if to_client.write_all(&buffer[..n]).await.is_err() {
                break;
            }
        }
        let _hung_up = to_client.shutdown().await;
    };
    let requests = async {
        let (mut buffer, mut line) = (vec![0; 64 << 10], Vec::new());
        while let Ok(n @ 1..) = from_client.read(&mut buffer).await {
            if number < shared.lock().unwrap().alive_from {
                // Taken, and never answered.
                std::future::pending::<()>().await;
            }
            for_each_line(&buffer[..n], &mut line, |line| {
                if let Some(request) = request(line) {
                    *asked.lock().unwrap() = Some(request);
                }
            });
            if to_server.write_all(&buffer[..n]).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(answers, requests);
}

/// Whole lines, however they arrive.
fn for_each_line(bytes: &[u8], line: &mut Vec<u8>, mut with: impl FnMut(&str)) {
    for byte in bytes {
        line.push(*byte);
        if *byte == b'\n' {
            with(String::from_utf8_lossy(line).trim_end());
            line.clear();
        }
    }
}

/// A request's first line tells it; a body of JSON has none that ends so.
fn request(line: &str) -> Option<String> {
    let said = line.strip_suffix(" HTTP/1.1")?;
    // A body without a line's end stands before the next request.
    let word = |method: &&str| said.rfind(&format!("{method} /"));
    let from = ["GET", "PUT", "DELETE", "POST"]
        .iter()
        .filter_map(word)
        .max()?;
    Some(said[from..].to_owned())
}

/// A whole answer's status. A body without a line's end stands before the next answer.
fn status(line: &str) -> Option<u16> {
    let from = line.rfind("HTTP/1.")?;
    let status = line[from..].split(' ').nth(1)?.parse().ok()?;
    (status >= 200).then_some(status)
}

/// What a server failed to answer, a client has to ask again: that is not of the program's making.
fn count(seen: &mut Seen, asked: String, status: u16) {
    let list = asked.contains("list-type=2");
    match asked.split(' ').next() {
        _ if status >= 500 => {}
        Some("GET") if list => seen.list += 1,
        Some("GET") => seen.get += 1,
        Some("PUT") => seen.put += 1,
        // Deletions of many keys are POSTs.
        _ => seen.delete += 1,
    }
    seen.asked.push(format!("{asked} {status}"));
}
