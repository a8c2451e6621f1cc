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

    /// Its body as text.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn text(&self) -> Result<String, &'static str> {
        let body = self.body.as_deref().unwrap_or_default();
        if !self.encoded {
            return Ok(body.to_owned());
        }
        let bytes = STANDARD.decode(body);
        let bytes =
            bytes.map_err(|_| "the body is not Base64, and isBase64Encoded says that it is")?;
        String::from_utf8(bytes).map_err(|_| "the body is not UTF-8")
    }
}
