//! A request by HTTP: from a function URL or an HTTP API (payload 2.0), a REST API (1.0) or a load
//! balancer, which says it as 1.0 does.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// A request.
#[derive(Debug, Clone, Deserialize)]
pub struct Request {
    #[serde(rename = "requestContext", default)]
    context: Option<Context>,
    #[serde(rename = "httpMethod", default)]
    method: Option<String>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(rename = "multiValueHeaders", default)]
    multi: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(rename = "isBase64Encoded", default)]
    encoded: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Context {
    #[serde(default)]
    http: Option<Http>,
}

#[derive(Debug, Clone, Deserialize)]
struct Http {
    #[serde(default)]
    method: Option<String>,
}

impl Request {
    /// `GET`, `POST` and so on; empty if it does not say.
    pub fn method(&self) -> &str {
        let newer = self.context.as_ref().and_then(|c| c.http.as_ref());
        let newer = newer.and_then(|http| http.method.as_deref());
        newer.or(self.method.as_deref()).unwrap_or_default()
    }

    /// A header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let same = |other: &String| other.eq_ignore_ascii_case(name);
        let one = self.headers.iter().flatten().find(|(n, _)| same(n));
        if let Some((_, value)) = one {
            return Some(value);
        }
        let many = self.multi.iter().flatten().find(|(n, _)| same(n));
        many.and_then(|(_, values)| values.first().map(String::as_str))
    }

    /// How many bytes its body has, at least.
    pub fn length(&self) -> usize {
        let given = self.body.as_ref().map_or(0, String::len);
        if self.encoded { given / 4 * 3 } else { given }
    }

    /// Its body as text; `None` if it is not UTF-8, or not Base64 although it says so.
    pub fn text(&self) -> Option<String> {
        let body = self.body.as_deref().unwrap_or_default();
        if !self.encoded {
            return Some(body.to_owned());
        }
        String::from_utf8(STANDARD.decode(body).ok()?).ok()
    }
}
