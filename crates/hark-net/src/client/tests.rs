use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::resolve::Resolver;
use crate::tls::Trust;

const TIME: Duration = Duration::from_secs(5);

fn client(address: &str) -> Client {
    Client::at(address, Tls::new(Trust::System)).unwrap()
}

/// Serves one connection of loopback: hears a request, answers with `answer`, and gives what it heard.
async fn serve(answer: String) -> (String, impl Future<Output = String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; 8192];
        let read = stream.read(&mut heard).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        heard.truncate(read);
        String::from_utf8(heard).unwrap()
    };
    (address, heard)
}

async fn ask(client: &Client, call: Call) -> Result<Reply, CallError> {
    client.call(&Resolver::default(), call, TIME).await
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}content-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn what_is_called_is_below_the_address_with_both_queries() {
    for (address, below, target) in [
        ("https://a.example", "", "/"),
        ("https://a.example", "/c", "/c"),
        ("https://a.example/b/", "/c?d=e", "/b/c?d=e"),
        ("https://a.example/b/", "", "/b/"),
        ("https://a.example/b?key=1&token=2#x", "", "/b?key=1&token=2"),
        ("https://a.example/b?key=1", "?d=e", "/b?key=1&d=e"),
        ("https://hc.example/u?create=1", "/fail", "/u/fail?create=1"),
    ] {
        assert_eq!(client(address).target(below), target, "{address} {below}");
    }
}

#[test]
fn nothing_that_follows_the_host_is_shown() {
    let client = client("https://hc.example/secret-path?k=v");
    assert!(!format!("{client:?}").contains("secret-path"));
    assert_eq!(client.origin().to_string(), "https://hc.example");
    for wrong in ["https://a.example/b c", "hc.example", "https://a.example/{{ host }}"] {
        assert!(Client::at(wrong, Tls::new(Trust::System)).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_call_says_who_asks_and_has_the_credentials_of_the_service() {
    let (address, heard) = serve(answer("202 Accepted\r\n", "ok")).await;
    let mut headers = HeaderMap::new();
    headers.insert("x-key", HeaderValue::from_static("of-the-service"));
    let client = client(&format!("{address}/api")).bearing(headers);
    let call = Call::post_json("/send", &serde_json::json!({"a": 1}));
    let call = call.header("x-key", "of-the-call").unwrap();
    let (heard, reply) = tokio::join!(heard, ask(&client, call));
    assert_eq!(
        (reply.unwrap().status, heard.starts_with("POST /api/send ")),
        (StatusCode::ACCEPTED, true)
    );
    for line in [format!("user-agent: {AGENT}"), "x-key: of-the-service".to_owned()] {
        assert!(heard.contains(&line), "{heard}");
    }
    assert!(heard.ends_with("{\"a\":1}") && !heard.contains("of-the-call"), "{heard}");
}

#[tokio::test]
async fn no_text_that_comes_back_repeats_a_secret_of_the_service_or_of_the_call() {
    let body = "no /bot123456:ABCDEF/x, /hooks/T0KEN9876, Bearer s3cret-1, hunter22!";
    let (address, heard) = serve(answer("404 X\r\n", body)).await;
    let client =
        client(&format!("{address}/hooks/T0KEN9876")).with_secret_address().hiding("hunter22");
    let call = Call::new(Method::GET, "/bot123456:ABCDEF/x").secret();
    let call = call.authorized("Bearer", &Secret::new("s3cret-1")).unwrap();
    let (_, reply) = tokio::join!(heard, ask(&client, call));
    let reply = reply.unwrap();
    assert_eq!(reply.text, "no …, …, …, …!");
    assert_eq!(reply.content(), body, "what is read of it is whole");
}

#[tokio::test]
async fn an_answer_is_read_up_to_the_bound_and_shown_in_one_short_line() {
    let (address, heard) = serve(answer("200 OK\r\n", &"word \n".repeat(200))).await;
    let client = client(&address).reading(900);
    let (_, reply) = tokio::join!(heard, ask(&client, Call::new(Method::GET, "")));
    let reply = reply.unwrap();
    assert_eq!((reply.body.len(), reply.is_whole), (900, false));
    assert!(reply.text.starts_with("word word") && reply.text.len() <= MAX_SHOWN, "{}", reply.text);
}

#[tokio::test]
async fn only_what_was_sent_may_have_been_heard() {
    let (address, heard) = serve(String::new()).await;
    let calling = client(&address);
    let (_, lost) = tokio::join!(heard, ask(&calling, Call::new(Method::GET, "/")));
    assert!(lost.unwrap_err().may_be_heard());
    // Nobody listens there any more.
    let refused = ask(&calling, Call::new(Method::GET, "/")).await.unwrap_err();
    assert!(matches!(refused, CallError::Unreached(_)) && !refused.may_be_heard());
    let composed = ask(&calling, Call::new(Method::GET, "/a b")).await.unwrap_err();
    assert!(matches!(composed, CallError::Compose(_)), "{composed}");
}

#[tokio::test]
async fn all_steps_share_one_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (scheme, is_sent) in [("http", true), ("https", false)] {
        let client = client(&format!("{scheme}://{address}"));
        let short = Duration::from_millis(50);
        let late = client.call(&Resolver::default(), Call::new(Method::GET, "/"), short).await;
        let late = late.unwrap_err();
        assert_eq!(late.may_be_heard(), is_sent, "{late}");
        let (CallError::Unanswered(HttpError::Late(after)) | CallError::NotSecured { after, .. }) =
            late
        else {
            panic!("{late}");
        };
        assert_eq!(after, short);
    }
}

#[tokio::test]
async fn an_address_that_is_kept_out_is_not_called() {
    let client = client("http://127.0.0.1:9").guarded(Guard::PublicOnly);
    let resolver = Arc::new(Resolver::default());
    let kept = client.call(&*resolver, Call::new(Method::GET, "/"), TIME).await.unwrap_err();
    assert!(matches!(kept, CallError::Unreached(Unreached::Forbidden { .. })), "{kept}");
}

fn reply(name: HeaderName, text: &str) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert(name, text.parse().unwrap());
    Reply { status: StatusCode::OK, headers, text: String::new(), body: Vec::new(), is_whole: true }
}

#[test]
fn retry_after_is_read_as_seconds_and_as_a_date() {
    let now = Unix(1_798_761_600_000);
    let read = |text: &str| reply(RETRY_AFTER, text).retry_after(now);
    assert_eq!(read("120"), Some(Duration::from_mins(2)));
    assert_eq!(read("0.25"), Some(Duration::from_millis(250)));
    assert_eq!(read("Fri, 01 Jan 2027 00:00:30 GMT"), Some(Duration::from_secs(30)));
    assert_eq!(read("Thu, 31 Dec 2026 00:00:00 GMT"), Some(Duration::ZERO), "already over");
    assert_eq!(read("soon"), None);
    assert_eq!(read("-1"), None);
}

#[test]
fn how_far_the_other_clock_is_ahead_is_read_of_the_date() {
    let now = Unix(1_798_761_600_000);
    assert_eq!(reply(DATE, "Fri, 01 Jan 2027 00:00:30 GMT").ahead(now), 30_000);
    assert_eq!(reply(DATE, "today").ahead(now), 0);
}
