//! What is sent.

use std::collections::BTreeMap;

use oq_core::store::{Store, StoreKey};

use super::*;

/// The last request that a server read.
struct Asked {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Asked {
    fn last(read: &[String]) -> Asked {
        let last = read.last().expect("a request");
        let (head, body) = last.split_once("\r\n\r\n").expect("a whole head");
        let (line, headers) = head.split_once("\r\n").expect("a request line");
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_lowercase(), value.to_owned()))
        };
        // The SDK names the operation in the query as well.
        let line = line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
        Asked {
            line,
            headers: headers.lines().filter_map(header).collect(),
            body: body.to_owned(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// What S3 looks at, but for the time and what follows from it.
    fn compared(&self) -> Vec<&str> {
        let names = [
            "if-match",
            "if-none-match",
            "x-amz-content-sha256",
            "x-amz-security-token",
            "x-amzn-trace-id",
            "content-length",
            "content-type",
        ];
        let mut all = vec![self.line.as_str(), self.body.as_str()];
        all.extend(names.map(|name| self.header(name)));
        all
    }

    /// Who signs, for which region and service, and whether the token is signed as well.
    fn signed(&self) -> (String, String, bool) {
        let authorization = self.header("authorization");
        let (scope, rest) = authorization.split_once(", ").expect("a whole signature");
        let words: Vec<&str> = scope.split('/').collect();
        let token = rest.contains(";x-amz-security-token");
        (words[0].to_owned(), words[2..].join("/"), token)
    }
}

/// What the two ways send is the same where S3 looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways_ask_the_same() {
    // All that a prefix and a key may have, and what a key in the bucket may have besides.
    let odd = StoreKey::listed("live/5/a!-_.*'()=@+:,~Z09//ä b");
    for what in ["update", "create", "read", "look", "delete"] {
        let mut asked = Vec::new();
        for way in WAYS {
            let (store, server) = answering(way, http("200 OK", DATE, "")).await;
            match what {
                "update" => drop(store.update(&odd, "body".into(), &seen()).await),
                "create" => drop(store.create(&odd, "".into()).await),
                "read" => drop(store.get(&odd).await),
                "look" => drop(store.get_if_changed(&odd, &seen()).await),
                _ => drop(store.delete(&odd).await),
            }
            asked.push(Asked::last(
                &server.join().expect("the server does not panic"),
            ));
        }
        assert_eq!(asked[0].compared(), asked[1].compared(), "{what}");
        assert_eq!(asked[0].signed(), asked[1].signed(), "{what}");
        let credential = "AWS4-HMAC-SHA256 Credential=test".to_owned();
        let scope = "us-east-1/s3/aws4_request".to_owned();
        assert_eq!(asked[1].signed(), (credential, scope, true), "{what}");
        // The lesson came with the store's time, which is another than this machine's.
        let at = asked[1].header("x-amz-date");
        assert!(at.starts_with("19941106T0849"), "{at}");
    }
}

/// Run by the test below, as a function.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the environment of a function"]
async fn in_a_function() {
    for way in WAYS {
        let (store, server) = answering(way, http("200 OK", DATE, "")).await;
        drop(store.create(&key(), "body".into()).await);
        let asked = Asked::last(&server.join().expect("the server does not panic"));
        assert_eq!(
            asked.header("x-amzn-trace-id"),
            "Root=1-5;Lineage=a%0A1",
            "{way:?}"
        );
    }
}

/// Lambda recognises by it that a function starts itself again and again.
#[test]
fn a_function_names_its_invocation() {
    let me = std::env::current_exe().expect("this program has a path");
    let run = std::process::Command::new(me)
        .args(["--exact", "asked::in_a_function", "--ignored"])
        .env("AWS_LAMBDA_FUNCTION_NAME", "f")
        .env("_X_AMZN_TRACE_ID", "Root=1-5;Lineage=a\n1")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}
