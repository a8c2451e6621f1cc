//! What a store that lives on this machine can do besides, for an endpoint that serves it to others.

use async_trait::async_trait;
use bytes::Bytes;

use super::{Store, StoreError, StoreKey, Write};

/// A store that *is* the server: an S3 endpoint in front of it has to answer the unconditional PUT
/// of its clients.
///
/// oq itself never writes without a condition, so this is kept apart from [`Store`], and nothing
/// but an endpoint should ask for it.
#[async_trait]
pub trait Served: Store {
    /// Writes an object whether it exists or not; never [`Write::Lost`].
    async fn put(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError>;
}
