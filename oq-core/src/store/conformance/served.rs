//! What a store that is served to others does besides.

use super::*;
use crate::store::Served;

/// An unconditional put replaces whatever is there, under an ETag that was never given before, and
/// takes its turn among conditional writes.
pub async fn put_writes_whatever_is_there(store: Arc<dyn Served>) {
    let ground = Ground::new(store.clone());
    let key = ground.key("a");
    let put = async |body: &'static str| won(ground.settle(|| store.put(&key, body.into())).await);
    let (first, _) = put("first").await;
    assert_eq!(ground.try_create("a", "created").await, Write::Lost);
    let (second, date) = put("second").await;
    assert_ne!(first, second);
    assert_eq!(ground.try_update("a", "late", &first).await, Write::Lost);
    let object = ground.get("a").await.expect("it was put");
    assert_eq!((&object.body[..], &object.etag), (&b"second"[..], &second));
    assert!(object.last_modified <= date);
    ground.update("a", "third", &second).await;
    ground.clear().await;
}
