//! What stands between a function and its S3: it counts the requests, and lets connections die as
//! they do while a sandbox is frozen, without a word.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Requests that went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    pub get: u64,
    pub put: u64,
    pub delete: u64,
    pub list: u64,
    pub connections: u64,
}

impl Seen {
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
    let answers = async {
        let _hung_up = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _hung_up = to_client.shutdown().await;
    };
    let requests = async {
        let (mut buffer, mut line) = (vec![0; 64 << 10], Vec::new());
        while let Ok(n @ 1..) = from_client.read(&mut buffer).await {
            if number < shared.lock().unwrap().alive_from {
                // Taken, and never answered.
                std::future::pending::<()>().await;
            }
            for byte in &buffer[..n] {
                line.push(*byte);
                if *byte == b'\n' {
                    count(&mut shared.lock().unwrap().seen, &line);
                    line.clear();
                }
            }
            if to_server.write_all(&buffer[..n]).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(answers, requests);
}

/// A request's first line tells it; a body of JSON has none that ends so.
fn count(seen: &mut Seen, line: &[u8]) {
    let line = String::from_utf8_lossy(line);
    let Some(said) = line.trim_end().strip_suffix(" HTTP/1.1") else {
        return;
    };
    // A body without a line's end stands before the next request.
    let word = |method: &str| said.rfind(&format!("{method} /"));
    let last = ["GET", "PUT", "DELETE", "POST"].map(|m| (word(m), m));
    match last.into_iter().max() {
        Some((Some(_), "GET")) if said.contains("list-type=2") => seen.list += 1,
        Some((Some(_), "GET")) => seen.get += 1,
        Some((Some(_), "PUT")) => seen.put += 1,
        // Deletions of many keys are POSTs.
        Some((Some(_), _)) => seen.delete += 1,
        _ => {}
    }
}
