//! Bent requests: each is answered, none with an internal error, and the endpoint goes on.

use std::cell::RefCell;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt;
use oq_core::env::Env;
use oq_core::store::MemoryStore;
use oq_fuzz::{Target, check};
use s3s::Body;
use s3s::service::{S3Service, S3ServiceBuilder};

use super::Endpoint;

/// So many at least; an unoptimised build does them in some seconds.
const EXECUTIONS: u64 = 200_000;

/// So many requests meet what those before them left.
const TOGETHER: u32 = 500;

struct World {
    runtime: tokio::runtime::Runtime,
    /// Without credentials: a bent request has no good signature, and would be refused for that.
    s3: S3Service,
    requests: u32,
}

fn world() -> World {
    let endpoint = Endpoint::new(Arc::new(MemoryStore::new()), "oq-dev", Env::system());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    World {
        runtime,
        s3: S3ServiceBuilder::new(endpoint).build(),
        requests: 0,
    }
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// A request as it stands on the wire: a line with method and path, headers, an empty line, a body.
fn request(bytes: &[u8]) -> Option<Request<Body>> {
    let end = bytes.windows(2).position(|two| two == b"\n\n")?;
    let (head, body) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 2..]);
    let mut lines = head.lines();
    let (method, uri) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).ok()?)
        .uri(uri.parse::<Uri>().ok()?);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        request = request.header(name, HeaderValue::from_str(value.trim()).ok()?);
    }
    request.body(Body::from(body.to_vec())).ok()
}

fn answered(bytes: &[u8]) -> String {
    let Some(request) = request(bytes) else {
        return "no request".into();
    };
    let asked = request.method().to_string();
    WORLD.with_borrow_mut(|slot| {
        let world = slot.get_or_insert_with(world);
        let answer = world.runtime.block_on(world.s3.call(request));
        let answer = answer.unwrap_or_else(|e| panic!("no answer: {e:?}"));
        let status = answer.status().as_u16();
        let body = world.runtime.block_on(answer.into_body().collect());
        let body = body.map(|b| b.to_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        assert!(status != 500, "an internal error: {text}");
        world.requests += 1;
        if world.requests == TOGETHER {
            *slot = None;
        }
        let code = text
            .split("<Code>")
            .nth(1)
            .and_then(|rest| rest.split('<').next());
        // Numbers are taken out of the kind of an answer, so the status is told in words.
        let class = ["informed", "done", "elsewhere", "refused", "failed"];
        let class = class
            .get(usize::from(status / 100).saturating_sub(1))
            .unwrap_or(&"?");
        format!("{asked} {class} {}", code.unwrap_or_default())
    })
}

#[test]
fn bent_requests_are_answered() {
    let target = Target {
        name: "requests",
        corpus: "corpus/requests",
        run: answered,
    };
    check(&target, EXECUTIONS);
}
