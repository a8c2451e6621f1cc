//! The AWS SDK as the client.

use aws_sdk_s3::primitives::ByteStream;

use super::process::Dev;
use super::{BODY, Rate, Verb, key, measure};

/// One run. Its first requests open the connections.
pub async fn run(dev: &Dev, verb: Verb, run: usize) -> Rate {
    measure(dev.id(), |_, numbers| {
        let (client, bucket) = (dev.client.clone(), dev.bucket.clone());
        async move {
            for n in numbers {
                let key = key(verb, run, n);
                if verb == Verb::Get {
                    let got = client.get_object().bucket(&bucket).key(key).send().await;
                    let body = got.expect("it is there").body.collect().await;
                    assert_eq!(body.expect("it comes").into_bytes(), BODY);
                    continue;
                }
                let put = client
                    .put_object()
                    .bucket(&bucket)
                    .key(key)
                    .body(ByteStream::from_static(BODY));
                let put = match verb {
                    Verb::Create => put.if_none_match("*"),
                    _ => put,
                };
                put.send().await.expect("it is written");
            }
        }
    })
    .await
}
