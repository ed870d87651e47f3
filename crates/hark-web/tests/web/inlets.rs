//! Where programs bring samples.

use bytes::Bytes;
use http::Method;
use http_body_util::Full;

use crate::server::{Caller, Reply, start_tls};

const TOKEN: &str = "Bearer 0123456789abcdef";

async fn bring(caller: &Caller, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
    let mut request = caller.request(&Method::POST, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    caller.send(request.body(Full::new(Bytes::from(body))).unwrap()).await
}

#[tokio::test]
async fn a_source_brings_samples_by_its_token_and_gets_the_answer_of_its_format() {
    let running = start_tls().await;
    let nobody = running.nobody();
    let proof = ("authorization", TOKEN);
    let snappy = ("content-encoding", "snappy");
    for (path, headers, expected) in [
        ("/api/v1/write", &[proof, snappy][..], "RemoteWrite  snappy   body"),
        (
            "/v1/metrics",
            &[proof, ("content-type", "application/json")],
            "Otlp application/json    body",
        ),
        ("/write?db=telegraf&precision=s", &[proof], "Influx   s telegraf body"),
        ("/write?p=0123456789abcdef&u=any", &[], "Influx     body"),
        ("/api/v2/write?bucket=b&org=o", &[proof], "Influx    b body"),
    ] {
        let reply = bring(&nobody, path, headers, b"body".to_vec()).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, expected), "{path}");
        assert_eq!(reply.headers["retry-after"], "7");
        assert_eq!(reply.headers["x-prometheus-remote-write-samples-written"], "3");
    }
}

#[tokio::test]
async fn who_guesses_is_slowed_down_and_nobody_who_shares_his_address() {
    let running = start_tls().await;
    let nobody = running.nobody();
    let mut answers = Vec::new();
    for _ in 0..20 {
        let wrong = [("authorization", "Bearer another")];
        answers.push(bring(&nobody, "/api/v1/write", &wrong, b"body".to_vec()).await.status);
    }
    assert_eq!((answers[0], answers[19]), (401, 429));
    let right = [("authorization", TOKEN)];
    let reply = bring(&nobody, "/api/v1/write", &right, b"body".to_vec()).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn without_the_token_of_a_source_nothing_is_read() {
    let running = start_tls().await;
    let nobody = running.nobody();
    for (path, headers) in [
        ("/api/v1/write", &[][..]),
        ("/api/v1/write", &[("authorization", "Bearer another")]),
        // Only where the format has its password there.
        ("/v1/metrics?p=0123456789abcdef", &[]),
    ] {
        let reply = bring(&nobody, path, headers, b"body".to_vec()).await;
        assert_eq!(reply.status, 401, "{path}");
        assert!(reply.text().contains("no-source"), "{}", reply.text());
    }
    let reply = nobody.get("/api/v1/write").await;
    assert_eq!(reply.status, 405);
    let headers = [("authorization", TOKEN)];
    let reply = bring(&nobody, "/api/v1/write", &headers, vec![0; (8 << 20) + 1]).await;
    assert_eq!(reply.status, 413);
}
