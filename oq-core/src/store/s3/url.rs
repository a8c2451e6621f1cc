//! `s3://bucket/prefix?…`, read strictly: a typing error must not become another bucket or prefix.
//!
//! No message repeats a part that may hold a secret.

use crate::store::StoreError;

/// The query keys that an `s3:` URL may have.
const KEYS: [&str; 4] = ["endpoint", "region", "path_style", "delete_if"];

/// A parsed `s3:` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct S3Url {
    pub bucket: String,
    /// Empty, or segments joined by `/` without one at the end.
    pub prefix: String,
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub path_style: Option<bool>,
    pub delete_if: Option<bool>,
}

/// What an `s3:` URL names, without a connection to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The bucket.
    pub bucket: String,
    /// Empty, or the prefix with a `/` at its end.
    pub root: String,
}

impl Named {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`StoreError::Misconfigured`] when it is no `s3:` URL that oq takes.
    pub fn by(url: &str) -> Result<Named, StoreError> {
        let url = S3Url::parse(url)?;
        let root = match url.prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Ok(Named {
            bucket: url.bucket,
            root,
        })
    }
}

impl S3Url {
    pub fn parse(url: &str) -> Result<S3Url, StoreError> {
        let rest = url
            .strip_prefix("s3://")
            .ok_or_else(|| wrong("the URL must begin with s3://"))?;
        if rest.contains('#') {
            return Err(wrong("the URL may not have a fragment (#)"));
        }
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        check_bucket(bucket)?;
        // One slash at the end is how people write folders; it names the same place.
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        check_prefix(prefix)?;
        let mut parsed = S3Url {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: None,
            region: None,
            path_style: None,
            delete_if: None,
        };
        for pair in query.into_iter().flat_map(|q| q.split('&')) {
            parsed.set(pair)?;
        }
        Ok(parsed)
    }

    fn set(&mut self, pair: &str) -> Result<(), StoreError> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !KEYS.contains(&key) {
            return Err(unknown_key(key));
        }
        let value = percent_decoded(value)
            .filter(|v| !v.is_empty())
            .ok_or_else(|| wrong(format!("the URL's {key} is empty or badly encoded")))?;
        let repeated = match key {
            "endpoint" => {
                check_endpoint(&value)?;
                let value = value.trim_end_matches('/').to_owned();
                self.endpoint.replace(value).is_some()
            }
            "region" => {
                check_region(&value)?;
                self.region.replace(value).is_some()
            }
            "path_style" => self.path_style.replace(truth(key, &value)?).is_some(),
            _ => self.delete_if.replace(truth(key, &value)?).is_some(),
        };
        if repeated {
            return Err(wrong(format!("the URL gives {key} twice")));
        }
        Ok(())
    }
}

fn wrong(why: impl Into<String>) -> StoreError {
    StoreError::Misconfigured(why.into())
}

fn unknown_key(key: &str) -> StoreError {
    // Only the name is repeated, and only if it looks like one: a value may be a secret.
    let name_like = !key.is_empty()
        && key.len() <= 40
        && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let secret = ["key", "secret", "token", "password", "credential"]
        .iter()
        .any(|word| key.to_ascii_lowercase().contains(word));
    if secret {
        return wrong(
            "credentials do not belong in the URL: set them where the AWS tools look for them",
        );
    }
    let nearest = KEYS.iter().min_by_key(|right| distance(key, right));
    match nearest {
        Some(nearest) if name_like => wrong(format!(
            "the URL has no setting {key:?}; did you mean {nearest:?}?"
        )),
        _ => wrong(format!(
            "the URL has an unknown setting; these are known: {}",
            KEYS.join(", ")
        )),
    }
}

/// How many letters must be changed, added or removed to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// S3's own rules for bucket names.
pub(super) fn check_bucket(bucket: &str) -> Result<(), StoreError> {
    if bucket.contains(['@', ':']) {
        return Err(wrong(
            "s3:// is followed by a bucket name; credentials and ports do not belong there",
        ));
    }
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = bucket.as_bytes();
    let fits = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|&b| alnum(b) || matches!(b, b'.' | b'-'))
        && bytes.first().is_some_and(|&b| alnum(b))
        && bytes.last().is_some_and(|&b| alnum(b))
        && !bucket.contains("..");
    if !fits || bucket.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err(wrong(format!(
            "{bucket:?} is not a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens"
        )));
    }
    if bucket.ends_with("--x-s3") {
        // Everything that oq finds, it finds by ordered listings.
        return Err(StoreError::Unsupported(
            "directory buckets (S3 Express) list keys in no order".into(),
        ));
    }
    Ok(())
}

pub(super) fn check_prefix(prefix: &str) -> Result<(), StoreError> {
    if prefix.is_empty() {
        return Ok(());
    }
    if prefix.len() > 512 {
        return Err(wrong("the prefix is longer than 512 bytes"));
    }
    for segment in prefix.split('/') {
        if segment.is_empty() {
            return Err(wrong(format!("the prefix {prefix:?} has an empty segment")));
        }
        if segment == "." || segment == ".." {
            return Err(wrong(format!(
                "the prefix {prefix:?} has a segment {segment:?}"
            )));
        }
        // What S3 calls safe, and what survives every proxy's idea of a URL.
        let safe = |b: u8| b.is_ascii_alphanumeric() || b"!-_.*'()=@+:,~".contains(&b);
        if !segment.bytes().all(safe) {
            return Err(wrong(format!(
                "the prefix {prefix:?} may have letters, digits, / and !-_.*'()=@+:,~ only"
            )));
        }
    }
    Ok(())
}

pub(super) fn check_endpoint(endpoint: &str) -> Result<(), StoreError> {
    let rest = endpoint
        .strip_prefix("http://")
        .or_else(|| endpoint.strip_prefix("https://"))
        .ok_or_else(|| wrong("the endpoint must begin with http:// or https://"))?;
    if rest.contains('@') {
        return Err(wrong("the endpoint may not have a user name or password"));
    }
    let clean = |b: u8| b.is_ascii_graphic() && !b"?#\\\"<>{}|^`".contains(&b);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    // In `[::1]:4566` the colons inside the brackets are not a port.
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let port_ok = port.is_none_or(|p| p.parse::<u16>().is_ok_and(|p| p > 0));
    let traversal = path.split('/').any(|s| s == "." || s == "..");
    if name.is_empty() || !rest.bytes().all(clean) || !port_ok || traversal {
        return Err(wrong(
            "the endpoint must be a host with an optional port and path, such as \
             http://127.0.0.1:4566",
        ));
    }
    Ok(())
}

fn check_region(region: &str) -> Result<(), StoreError> {
    let ok = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if region.len() > 64 || !region.bytes().all(ok) {
        return Err(wrong(
            "the region has letters, digits and hyphens only, such as eu-central-1",
        ));
    }
    Ok(())
}

fn truth(key: &str, value: &str) -> Result<bool, StoreError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong(format!("the URL's {key} must be true or false"))),
    }
}

/// `%XX` decoded; `None` if an escape is incomplete or the result is not UTF-8.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(b);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls() {
        let plain = |bucket: &str, prefix: &str| S3Url {
            bucket: bucket.into(),
            prefix: prefix.into(),
            endpoint: None,
            region: None,
            path_style: None,
            delete_if: None,
        };
        let table = [
            ("s3://jobs", plain("jobs", "")),
            ("s3://jobs/", plain("jobs", "")),
            (
                "s3://my.jobs-2/a/b.c/env=prod",
                plain("my.jobs-2", "a/b.c/env=prod"),
            ),
            ("s3://jobs/a/", plain("jobs", "a")),
            (
                "s3://jobs/a?endpoint=http://127.0.0.1:4566&region=us-east-1&path_style=true",
                S3Url {
                    endpoint: Some("http://127.0.0.1:4566".into()),
                    region: Some("us-east-1".into()),
                    path_style: Some(true),
                    ..plain("jobs", "a")
                },
            ),
            (
                "s3://jobs?endpoint=https%3A%2F%2Fx.example%2Fstorage%2Fs3%2F&delete_if=false",
                S3Url {
                    endpoint: Some("https://x.example/storage/s3".into()),
                    delete_if: Some(false),
                    ..plain("jobs", "")
                },
            ),
            (
                "s3://jobs?endpoint=http://[::1]:9000",
                S3Url {
                    endpoint: Some("http://[::1]:9000".into()),
                    ..plain("jobs", "")
                },
            ),
        ];
        for (url, want) in table {
            assert_eq!(S3Url::parse(url), Ok(want), "{url}");
        }
    }

    #[test]
    fn bad_urls_are_refused_with_a_reason() {
        let long = format!("s3://jobs/{}", "a".repeat(513));
        let table = [
            ("", "s3://"),
            ("jobs", "s3://"),
            ("S3://jobs", "s3://"),
            ("s3:/jobs", "s3://"),
            ("http://jobs", "s3://"),
            ("s3://", "bucket name"),
            ("s3:///a", "bucket name"),
            ("s3://ab", "bucket name"),
            ("s3://Jobs", "bucket name"),
            ("s3://-jobs", "bucket name"),
            ("s3://jobs-", "bucket name"),
            ("s3://jo..bs", "bucket name"),
            ("s3://jo_bs", "bucket name"),
            ("s3://10.0.0.1", "bucket name"),
            ("s3://jobs--use1-az4--x-s3", "S3 Express"),
            ("s3://AKIA:hunter2@jobs", "credentials"),
            ("s3://jobs:9000/a", "ports"),
            ("s3://jobs//a", "empty segment"),
            ("s3://jobs/a//b", "empty segment"),
            ("s3://jobs/a//", "empty segment"),
            ("s3://jobs/../a", "segment \"..\""),
            ("s3://jobs/a/./b", "segment \".\""),
            ("s3://jobs/a\nb", "letters"),
            ("s3://jobs/a%2e%2e", "letters"),
            ("s3://jobs/ä", "letters"),
            (&long, "512"),
            ("s3://jobs#a", "fragment"),
            ("s3://jobs?", "unknown setting"),
            ("s3://jobs?regoin=x", "\"region\""),
            ("s3://jobs?endpoit=x", "\"endpoint\""),
            ("s3://jobs?path-style=true", "path_style"),
            ("s3://jobs?pathstyle=true", "\"path_style\""),
            ("s3://jobs?secret_access_key=hunter2", "credentials"),
            ("s3://jobs?Hunter2!=x", "unknown setting"),
            ("s3://jobs?region=", "region is empty"),
            ("s3://jobs?region", "region is empty"),
            ("s3://jobs?region=a%2", "badly encoded"),
            ("s3://jobs?region=a%ff", "badly encoded"),
            ("s3://jobs?region=a/b", "eu-central-1"),
            ("s3://jobs?region=a&region=b", "twice"),
            ("s3://jobs?region=a&&", "unknown setting"),
            ("s3://jobs?path_style=yes", "true or false"),
            ("s3://jobs?delete_if=1", "true or false"),
            ("s3://jobs?endpoint=127.0.0.1:4566", "http://"),
            ("s3://jobs?endpoint=ftp://x", "http://"),
            ("s3://jobs?endpoint=http://", "host"),
            ("s3://jobs?endpoint=http://:80", "host"),
            ("s3://jobs?endpoint=http://x:99999", "host"),
            ("s3://jobs?endpoint=http://x:0", "host"),
            ("s3://jobs?endpoint=http://x/../y", "host"),
            ("s3://jobs?endpoint=http://x%3Fa", "host"),
            ("s3://jobs?endpoint=http://x%0Ay", "host"),
            ("s3://jobs?endpoint=http://user:hunter2@x", "password"),
        ];
        for (url, want) in table {
            let error = S3Url::parse(url).expect_err(url).to_string();
            assert!(error.contains(want), "{url}: {error}");
            assert!(!error.to_lowercase().contains("hunter2"), "{url}: {error}");
        }
    }
}
