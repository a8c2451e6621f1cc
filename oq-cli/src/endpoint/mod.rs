//! An S3 endpoint in front of a store of this machine: what `oq dev` serves.
//!
//! Anything that speaks S3 can read and write the store through it. The `s3s` crate reads requests
//! and checks signatures; the store keeps every promise about conditions; here is what lies between.
//!
//! | file | owns |
//! |---|---|
//! | `server` | the listener, its limits, the end |
//! | `auth` | credentials, who may listen where, which hosts are answered |
//! | `hardship` | answers as slow as a distant store's, and faults on purpose |
//! | `s3` | the table from S3's operations to the files below |
//! | `objects`, `listing`, `multipart`, `buckets` | S3's operations |
//! | `patience` | clients that do not read their answers |
//! | `unread` | what is left of a body that nobody needed |
//! | `body` | a request's body: limits and checksums |
//! | `conditions` | `If-Match` and its like; no I/O |
//! | `about` | content type and metadata, which the store does not keep |
//! | `keys` | where all of it lies in the store |
//! | `clock` | `Date` and `LastModified`, both the store's |
//! | `errors` | the store's answers in S3's words |

mod about;
mod auth;
mod body;
mod buckets;
mod clock;
mod conditions;
mod errors;
#[cfg(test)]
mod fuzz;
mod hardship;
mod keys;
mod listing;
mod multipart;
mod objects;
mod patience;
mod s3;
mod server;
mod unread;

use std::sync::Arc;

use oq_core::env::Env;
use oq_core::store::{Dated, Object, Served, StoreError, StoreKey};
use s3s::S3Result;
use tokio::sync::Semaphore;

use self::clock::StoreClock;
use self::errors::said;
use self::keys::Bucket;

pub use self::auth::{Credentials, SECRET, check_listener};
pub use self::hardship::{Hardship, HttpFaults};
pub use self::server::Server;

/// The account that owns everything here, as LocalStack and moto have it.
const OWNER: &str = "000000000000";

/// The region that is shown. Requests may be signed for any.
pub const REGION: &str = "us-east-1";

/// A store, seen as S3.
#[derive(Debug, Clone)]
pub struct Endpoint(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Served>,
    env: Env,
    clock: StoreClock,
    main: Bucket,
    /// Bytes of bodies that may be in memory at once, in KiB.
    room: Arc<Semaphore>,
}

impl Endpoint {
    /// Shows `store` as the bucket `main`; other buckets can be made beside it.
    pub fn new(store: Arc<dyn Served>, main: &str, env: Env) -> Endpoint {
        Endpoint(Arc::new(Inner {
            store,
            clock: StoreClock::new(env.clone()),
            env,
            main: Bucket::main(main),
            room: Arc::new(Semaphore::new(body::ROOM_KIB)),
        }))
    }

    /// Reads the store once, so that its clock is known before the first answer.
    pub async fn look(&self) -> Result<(), StoreError> {
        let key = self.0.main.settings();
        let Dated { date, .. } = self.0.store.get(&key).await?;
        self.0.clock.saw(date);
        Ok(())
    }

    fn store(&self) -> &dyn Served {
        &*self.0.store
    }

    /// An answer of the store, its date noted.
    fn dated<T>(&self, answer: Result<Dated<T>, StoreError>) -> S3Result<T> {
        let Dated { date, value } = answer.map_err(said)?;
        self.0.clock.saw(date);
        Ok(value)
    }

    async fn get(&self, key: &StoreKey) -> S3Result<Option<Object>> {
        self.dated(self.store().get(key).await)
    }
}
