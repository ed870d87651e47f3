//! The addresses that jobs call: for everybody who knows one, and nothing else.

use bytes::Bytes;
use hark_web::JobPing;
use http::Method;
use http_body_util::Full;

use crate::server::{Caller, Reply, start_tls};

/// Calls an address as `curl --data-binary` does.
async fn call(caller: &Caller, method: Method, path: &str, body: Vec<u8>) -> Reply {
    let request = caller.request(&method, path).body(Full::new(Bytes::from(body)));
    caller.send(request.unwrap()).await
}

#[tokio::test]
async fn a_job_says_by_its_address_how_it_went() {
    let running = start_tls().await;
    let nobody = running.nobody();
    for (method, path, body) in [
        (Method::GET, "/push/a-token/start", ""),
        (Method::POST, "/push/a-token", "12 files"),
        (Method::POST, "/push/a-token/3", "disk full"),
        (Method::GET, "/push/a-token/fail", ""),
    ] {
        let reply = call(&nobody, method, path, body.as_bytes().to_vec()).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok\n"), "{path}");
    }
    let pings = running.fake.stored().pings.clone();
    let text = |log: &str| log.to_owned();
    assert_eq!(
        pings,
        [
            (JobPing::Start, text("")),
            (JobPing::Success, text("12 files")),
            (JobPing::Failure(Some(3)), text("disk full")),
            (JobPing::Failure(None), text("")),
        ]
    );
}

#[tokio::test]
async fn what_is_no_address_or_too_long_says_nothing() {
    let running = start_tls().await;
    let nobody = running.nobody();
    for path in ["/push/another", "/push/a-token/log", "/push/a-token/256"] {
        let reply = call(&nobody, Method::POST, path, Vec::new()).await;
        assert_eq!(reply.status, 404, "{path}");
    }
    let reply = call(&nobody, Method::POST, "/push/a-token", vec![b'x'; (1 << 20) + 1]).await;
    assert_eq!(reply.status, 413);
    assert!(running.fake.stored().pings.is_empty());
}
