//! Reads the policies that `oq iam` prints as AWS does, and asks of each request whether one allows
//! it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::relay::{Guard, Parts};

/// One thing that a policy allows: an action on a pattern of resources, or of prefixes.
pub type Grant = (String, String);

/// A policy at work.
#[derive(Debug)]
pub struct Policy {
    statements: Vec<Value>,
    used: Mutex<BTreeSet<Grant>>,
    refused: Mutex<Vec<String>>,
}

/// What a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Need {
    action: &'static str,
    resource: String,
    prefix: Option<String>,
}

impl Policy {
    pub fn new(policy: &Value) -> Policy {
        Policy {
            statements: policy["Statement"].as_array().cloned().unwrap_or_default(),
            used: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Everything it allows.
    pub fn grants(&self) -> BTreeSet<Grant> {
        let statements = self.statements.iter();
        statements
            .flat_map(|s| {
                actions(s)
                    .into_iter()
                    .flat_map(|a| patterns(s).into_iter().map(move |p| (a.clone(), p)))
            })
            .collect()
    }

    /// What was needed of it so far.
    pub fn used(&self) -> BTreeSet<Grant> {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What it did not allow.
    pub fn refused(&self) -> Vec<String> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn allows(&self, need: &Need) -> bool {
        let mut allowed = false;
        for statement in &self.statements {
            if !actions(statement).iter().any(|a| a == need.action) {
                continue;
            }
            for pattern in patterns(statement) {
                let holds = match (&statement["Condition"], &need.prefix) {
                    (Value::Null, _) => matches(&pattern, &need.resource),
                    (condition, prefix) => {
                        let bucket = statement["Resource"].as_str().unwrap_or_default();
                        let right = match prefix {
                            Some(prefix) => {
                                condition["StringLike"].is_object() && matches(&pattern, prefix)
                            }
                            None => condition["Null"].is_object(),
                        };
                        bucket == need.resource && right
                    }
                };
                if holds {
                    allowed = true;
                    let grant = (need.action.to_owned(), pattern);
                    self.used
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(grant);
                }
            }
        }
        if !allowed {
            let refused = format!("{} {} {:?}", need.action, need.resource, need.prefix);
            self.refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(refused);
        }
        allowed
    }
}

fn texts(value: &Value) -> Vec<String> {
    let one = value.as_str().map(str::to_owned);
    let many = value.as_array().into_iter().flatten();
    let many = many.filter_map(|v| v.as_str().map(str::to_owned));
    one.into_iter().chain(many).collect()
}

fn actions(statement: &Value) -> Vec<String> {
    texts(&statement["Action"])
}

/// The prefixes of a condition, else the resources.
fn patterns(statement: &Value) -> Vec<String> {
    let condition = &statement["Condition"];
    if condition["Null"].is_object() {
        return vec!["without a prefix".into()];
    }
    match &condition["StringLike"]["s3:prefix"] {
        Value::Null => texts(&statement["Resource"]),
        prefixes => texts(prefixes),
    }
}

/// `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

fn queried(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query().unwrap_or_default().split('&');
    let mut pairs = query.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .find(|(n, _)| *n == name)
        .map(|(_, value)| decoded(value))
}

/// What AWS asks for before it does what a request says.
fn needs(head: &Request<Full<Bytes>>, body: &Bytes) -> Vec<Need> {
    let path = head.uri().path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let arn = format!("arn:aws:s3:::{bucket}");
    let of_bucket = |action, prefix| {
        vec![Need {
            action,
            resource: arn.clone(),
            prefix,
        }]
    };
    let of_key = |action, key: &str| Need {
        action,
        resource: format!("{arn}/{key}"),
        prefix: None,
    };
    let has = |name| queried(head.uri(), name).is_some();
    let method = head.method();
    if key.is_empty() {
        return match *method {
            _ if has("lifecycle") && *method == Method::PUT => {
                of_bucket("s3:PutLifecycleConfiguration", None)
            }
            _ if has("lifecycle") => of_bucket("s3:GetLifecycleConfiguration", None),
            _ if has("versioning") => of_bucket("s3:GetBucketVersioning", None),
            _ if has("location") => of_bucket("s3:GetBucketLocation", None),
            Method::POST if has("delete") => {
                let text = String::from_utf8_lossy(body);
                let keys = text
                    .split("<Key>")
                    .skip(1)
                    .filter_map(|rest| rest.split("</Key>").next());
                keys.map(|key| of_key("s3:DeleteObject", key)).collect()
            }
            _ => {
                // Signed clients send a prefix even where it is empty.
                let prefix = queried(head.uri(), "prefix");
                of_bucket("s3:ListBucket", prefix.filter(|_| *method == Method::GET))
            }
        };
    }
    let key = decoded(key);
    // S3 asks for a read as well where a request has If-Match.
    let reads = head.headers().contains_key(http::header::IF_MATCH);
    let read = reads.then(|| of_key("s3:GetObject", &key));
    let action = match *method {
        Method::PUT => "s3:PutObject",
        Method::DELETE => "s3:DeleteObject",
        _ => return vec![of_key("s3:GetObject", &key)],
    };
    [of_key(action, &key)].into_iter().chain(read).collect()
}

impl Guard for Policy {
    fn lets_pass(&self, request: &Request<Full<Bytes>>, body: &Bytes) -> bool {
        let needs = needs(request, body);
        !needs.is_empty() && needs.iter().filter(|need| !self.allows(need)).count() == 0
    }

    fn answered(&self, request: &Parts, status: StatusCode) {
        let path = request.uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if status == StatusCode::NOT_FOUND && !key.is_empty() {
            // Only who may list is told so; others are told 403.
            let resource = format!("arn:aws:s3:::{bucket}");
            self.allows(&Need {
                action: "s3:ListBucket",
                resource,
                prefix: None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns_are_read_as_aws_does() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("jobs/*/live/*", "jobs/mail/live/00/G/x", true),
            ("jobs/*/live/*", "jobs/mail/done/00/x", false),
            ("*/bell", "jobs/mail/bell", true),
            ("*/bell", "jobs/mail/bells", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_refused_and_what_is_used_is_known() {
        let policy = Policy::new(&json!({ "Statement": [
            { "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::b/p/*", "arn:aws:s3:::b/q"] },
            { "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b",
              "Condition": { "StringLike": { "s3:prefix": ["p/live/*"] } } },
        ]}));
        let ask = |method: Method, uri: &str| {
            let request = Request::builder().method(method).uri(uri);
            let request = request.body(Full::new(Bytes::new())).unwrap();
            policy.lets_pass(&request, &Bytes::new())
        };
        assert!(ask(Method::GET, "/b/p/x"));
        assert!(!ask(Method::PUT, "/b/p/x"));
        assert!(!ask(Method::GET, "/b/other"));
        assert!(!ask(Method::GET, "/other/p/x"));
        assert!(ask(Method::GET, "/b?list-type=2&prefix=p%2Flive%2F00%2F"));
        assert!(!ask(Method::GET, "/b?list-type=2"));
        assert!(!ask(Method::GET, "/b?list-type=2&prefix=p%2Fdone%2F"));
        assert_eq!(policy.refused().len(), 5);
        let unused: Vec<_> = policy
            .grants()
            .difference(&policy.used())
            .cloned()
            .collect();
        assert_eq!(
            unused,
            [("s3:GetObject".to_owned(), "arn:aws:s3:::b/q".to_owned())]
        );
    }
}
