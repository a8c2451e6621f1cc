//! oq's own store as the client, as workers use it.

use std::sync::Arc;

use bytes::Bytes;
use oq_core::store::s3::{S3Options, S3Store};
use oq_core::store::{Store, StoreKey, Write};

use super::process::Dev;
use super::{BODY, Rate, Verb, key, measure};

/// One run, of a verb that oq has. Its first requests open the connections.
pub async fn run(dev: &Dev, verb: Verb, run: usize) -> Rate {
    let mut options = S3Options::default();
    options.lean = Some(true);
    let store = S3Store::from_config(dev.client.config(), &dev.bucket, "", &options);
    let store = Arc::new(store.expect("all is right"));
    measure(dev.id(), |_, numbers| {
        let store = store.clone();
        async move {
            for n in numbers {
                let key = StoreKey::listed(key(verb, run, n));
                if verb == Verb::Get {
                    let got = store.get(&key).await.expect("an answer");
                    assert_eq!(got.value.expect("it is there").body, BODY);
                    continue;
                }
                let written = store.create(&key, Bytes::from_static(BODY)).await;
                assert!(matches!(written, Ok(Write::Won { .. })), "{written:?}");
            }
        }
    })
    .await
}
