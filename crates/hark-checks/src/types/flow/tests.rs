use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use hark_conditions::Fact;
use hark_config::{Document, NoSecrets, Style};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

type Calls = Arc<Mutex<Vec<String>>>;

/// A shop: `/login` gives a token and a cookie, `/orders` wants both.
async fn answer(request: Request<Incoming>, calls: &Calls) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header =
        |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let line = format!(
        "{} {} [{}] [{}] {}",
        head.method,
        head.uri.path(),
        header("authorization"),
        header("cookie"),
        String::from_utf8_lossy(&body)
    );
    calls.lock().unwrap().push(line);
    let is_known = header("authorization") == "Bearer t-17" && header("cookie") == "sid=abc";
    let (status, body) = match head.uri.path() {
        "/login" => (200, r#"{"access": {"token": "t-17"}, "page": "/orders"}"#),
        "/orders" if is_known => (200, "<a>last_order</a> for t-17"),
        "/orders" => (403, "who are you"),
        _ => (404, ""),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("set-cookie", "sid=abc; Path=/".parse().unwrap());
    response
}

async fn shop() -> (u16, Calls, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let calls = Calls::default();
    let log = Arc::clone(&calls);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut dialogues = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let log = Arc::clone(&log);
            dialogues.spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let log = Arc::clone(&log);
                    async move { Ok::<_, Infallible>(answer(request, &log).await) }
                });
                let _ended = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (port, calls, tasks)
}

async fn walk(settings: &str) -> Finding {
    let document = Document::single(settings);
    let root = document.root(&NoSecrets);
    let check = Flow.read(&root, Given::default());
    root.finish(KEYS);
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    let context = Context::new(Arc::new(hark_net::Resolver::default()));
    crate::run(&*check.unwrap(), &context).await.0
}

fn flow(port: u16) -> String {
    format!(
        "steps:\n- name: login\n  url: http://127.0.0.1:{port}/login\n  method: POST\n  \
         body: 'pw={{{{ password }}}}'\n  \
         extract: {{token: {{json: access.token}}, page: {{matches: '\"page\": \"([^\"]*)\"'}}}}\n\
         - name: orders\n  url: 'http://127.0.0.1:{port}{{{{ page }}}}'\n  \
         headers: {{authorization: 'Bearer {{{{ token }}}}'}}\n  contains: 'for {{{{ token }}}}'\n\
         vars: {{password: s3cret}}\n"
    )
}

#[tokio::test]
async fn values_and_cookies_of_one_step_are_used_by_the_next() {
    let (port, calls, _tasks) = shop().await;
    let finding = walk(&flow(port)).await;
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);
    assert!(finding.text.starts_with("2 steps in "), "{}", finding.text);
    assert_eq!(
        *calls.lock().unwrap(),
        ["POST /login [] [] pw=s3cret", "GET /orders [Bearer t-17] [sid=abc] "]
    );
    let facts = finding.all_facts();
    assert_eq!(facts.get("value.token"), &Fact::Text("t-17".to_owned()));
    assert_eq!(facts.get("orders_status"), &Fact::Number(200.0));
    assert_eq!(facts.get("value.password"), &Fact::Absent, "a secret is no fact");
    assert!(finding.measures.iter().any(|m| m.name == "login_seconds"));
}

#[tokio::test]
async fn the_step_that_fails_is_named_and_ends_the_flow() {
    let (port, calls, _tasks) = shop().await;
    let finding = walk(&flow(port).replace("access.token", "access.nothing")).await;
    assert_eq!(finding.status, Status::Critical);
    assert_eq!(finding.text, "login: the path `access.nothing` for `token` is not in the answer");
    assert_eq!(calls.lock().unwrap().len(), 1);
    let finding = walk(&flow(port).replace("Bearer", "Basic")).await;
    assert!(finding.text.starts_with("orders: 403 Forbidden from 127.0.0.1:"), "{}", finding.text);
    let finding = walk(&flow(port).replace("for {{ token }}", "{{ token }} nowhere")).await;
    assert_eq!(finding.text, "orders: the answer does not contain `{{ token }} nowhere`");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_critical() {
    let finding = walk("steps: [{url: 'http://127.0.0.1:1/'}]\n").await;
    assert_eq!(finding.status, Status::Critical);
    assert!(finding.text.starts_with("step1: "), "{}", finding.text);
}

#[test]
fn wrong_settings_are_refused_at_their_place() {
    for (settings, word) in [
        ("steps: []", "needs a step"),
        ("steps: [{url: 'http://a/{{ b }}'}]", "gives `b`"),
        ("steps: [{url: 'nowhere'}]", "begins with https://"),
        ("steps: [{url: 'http://a/', extract: {x: {json: a, header: b}}}]", "json"),
        ("steps: [{url: 'http://a/', name: 'a b'}]", "a name is letters"),
        ("steps: [{url: 'http://a/', hello: 1}]", "hello"),
    ] {
        let document = Document::single(settings);
        let root = document.root(&NoSecrets);
        drop(Flow.read(&root, Given::default()));
        let said = document.diagnostics().render(Style::Plain);
        assert!(said.contains(word), "{settings}: {said}");
    }
}
