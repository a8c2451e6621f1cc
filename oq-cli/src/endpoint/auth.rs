//! Who may ask, and from where.
//!
//! On the loopback interface the credentials are the same on every machine, so that examples can be
//! copied and a restart changes nothing: whoever can run a program on this machine may use the
//! endpoint. Anywhere else a secret of one's own is demanded, from the environment only.
//!
//! Pages in a browser of this machine can send requests here too. Without a signature they get
//! nothing; since the signature may be known, a request that names a foreign page as its origin, or
//! a host that is not this one (a name that somebody points at 127.0.0.1), is refused as well.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use oq_core::words::said;
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::{S3Host, VirtualHost};
use s3s::{S3Error, S3Result, s3_error};

/// The environment variables for credentials of one's own.
const KEY_ID: &str = "OQ_DEV_ACCESS_KEY_ID";
pub const SECRET: &str = "OQ_DEV_SECRET_ACCESS_KEY";

/// The credentials on the loopback interface, on every machine.
const DEV_KEY_ID: &str = "oqdev";
const DEV_SECRET: &str = "oqdevsecret";

/// The shortest secret for an address that others can reach.
const MIN_SECRET: usize = 16;

/// What requests must be signed with.
#[derive(Clone)]
pub struct Credentials {
    pub key_id: String,
    secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, ***)", self.key_id)
    }
}

impl Credentials {
    /// Those of the environment, else the well-known ones.
    pub fn of_environment() -> Credentials {
        Credentials::new(said(KEY_ID), said(SECRET))
    }

    /// The ones that are the same on every machine.
    pub fn well_known() -> Credentials {
        Credentials::new(None, None)
    }

    fn new(key_id: Option<String>, secret: Option<String>) -> Credentials {
        Credentials {
            key_id: key_id.unwrap_or_else(|| DEV_KEY_ID.to_owned()),
            secret: secret.unwrap_or_else(|| DEV_SECRET.to_owned()),
        }
    }

    /// The secret, if everybody knows it anyway. One of the user's own is never shown.
    pub fn shown_secret(&self) -> Option<&str> {
        (self.secret == DEV_SECRET).then_some(DEV_SECRET)
    }
}

/// Refuses to listen where strangers could reach a store with a known secret.
pub fn check_listener(address: &SocketAddr, credentials: &Credentials) -> Result<(), String> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    if credentials.shown_secret().is_some() || credentials.secret.len() < MIN_SECRET {
        return Err(format!(
            "{address} can be reached from other machines, and there is no secret of your own"
        ));
    }
    Ok(())
}

#[async_trait::async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.key_id {
            return Ok(SecretKey::from(self.secret.as_str()));
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records."
        ))
    }
}

/// Which names this endpoint answers to.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// Bound to the loopback interface: only this machine's names are right.
    pub loopback: bool,
}

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if name == "localhost" || bare.parse::<IpAddr>().is_ok() {
            return Ok(VirtualHost::new(name));
        }
        // Browsers and most resolvers keep *.localhost on this machine.
        if let Some(bucket) = name.strip_suffix(".localhost") {
            return Ok(VirtualHost::new("localhost").with_bucket(bucket));
        }
        if self.loopback {
            return Err(foreign(host));
        }
        Ok(VirtualHost::new(name))
    }
}

fn foreign(host: &str) -> S3Error {
    s3_error!(
        AccessDenied,
        "this endpoint is 127.0.0.1, localhost or BUCKET.localhost, and not '{host}'"
    )
}

/// Whether a page in a browser sent this.
pub fn from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(http::header::ORIGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_needs_a_secret_of_ones_own() {
        let known = Credentials::new(None, None);
        let short = Credentials::new(None, Some("short".into()));
        let own = Credentials::new(None, Some("a secret of my own".into()));
        for (address, credentials, allowed) in [
            ("127.0.0.1:9000", &known, true),
            ("[::1]:9000", &known, true),
            ("0.0.0.0:9000", &known, false),
            ("192.168.0.7:9000", &short, false),
            ("0.0.0.0:9000", &own, true),
        ] {
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(
                check_listener(&address, credentials).is_ok(),
                allowed,
                "{address}"
            );
        }
        assert!(!format!("{own:?}").contains("secret of"));
        assert_eq!(own.shown_secret(), None);
    }

    #[test]
    fn names_of_others_are_refused_on_loopback() {
        let hosts = Hosts { loopback: true };
        let bucket = |host| {
            hosts
                .parse_host_header(host)
                .map(|vh| vh.bucket().map(str::to_owned))
        };
        assert_eq!(bucket("localhost:9000").unwrap(), None);
        assert_eq!(bucket("127.0.0.1:9000").unwrap(), None);
        assert_eq!(bucket("[::1]:9000").unwrap(), None);
        assert_eq!(
            bucket("jobs.localhost:9000").unwrap().as_deref(),
            Some("jobs")
        );
        assert!(bucket("evil.example:9000").is_err());
        let public = Hosts { loopback: false };
        assert!(public.parse_host_header("build-7.internal:9000").is_ok());
    }
}
