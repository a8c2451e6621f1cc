//! A bare HTTP client: one connection each, requests signed beforehand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::process::Dev;
use super::{BODY, CONNECTIONS, REQUESTS, Rate, Verb, key, measure};

type Connection = http1::SendRequest<Full<Bytes>>;

/// One run.
pub async fn run(dev: &Dev, verb: Verb, run: usize) -> Rate {
    let mut places = Vec::new();
    for place in 0..CONNECTIONS {
        let share = REQUESTS / CONNECTIONS;
        let mut requests = Vec::with_capacity(share);
        for n in place * share..(place + 1) * share {
            requests.push(prepared(dev, &signed(dev, verb, run, n).await, verb));
        }
        places.push(Some((connect(dev).await, requests)));
    }
    let places = Arc::new(Mutex::new(places));
    measure(dev.id(), |place, _| {
        let taken = places.lock().expect("nobody panics")[place].take();
        async move {
            let (mut connection, requests) = taken.expect("each place is taken once");
            for request in requests {
                connection.ready().await.expect("the connection stays");
                let answer = connection.send_request(request).await.expect("an answer");
                assert_eq!(answer.status(), 200);
                answer.into_body().collect().await.expect("it comes whole");
            }
        }
    })
    .await
}

async fn connect(dev: &Dev) -> Connection {
    let stream = TcpStream::connect(&dev.address).await.expect("it listens");
    stream.set_nodelay(true).expect("TCP");
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    sender
}

async fn signed(dev: &Dev, verb: Verb, run: usize, n: usize) -> PresignedRequest {
    let hour = PresigningConfig::expires_in(Duration::from_secs(3600)).expect("an hour");
    let key = key(verb, run, n);
    let put = || dev.client.put_object().bucket(&dev.bucket).key(&key);
    let signed = match verb {
        Verb::Create => put().if_none_match("*").presigned(hour).await,
        Verb::Put => put().presigned(hour).await,
        Verb::Get => {
            let get = dev.client.get_object().bucket(&dev.bucket).key(&key);
            return get.presigned(hour).await.expect("it can be signed");
        }
    };
    signed.expect("it can be signed")
}

fn prepared(dev: &Dev, signed: &PresignedRequest, verb: Verb) -> http::Request<Full<Bytes>> {
    let uri: http::Uri = signed.uri().parse().expect("a URL");
    let path = uri.path_and_query().expect("a path").as_str();
    let mut request = http::Request::builder()
        .method(signed.method())
        .uri(path)
        .header("host", &dev.address);
    for (name, value) in signed.headers() {
        request = request.header(name, value);
    }
    let body = match verb {
        Verb::Get => Bytes::new(),
        _ => Bytes::from_static(BODY),
    };
    request.body(Full::new(body)).expect("a request")
}
