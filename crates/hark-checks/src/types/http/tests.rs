use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use hark_config::{Document, NoSecrets, Style};
use hark_net::Resolver;
use http::header::LOCATION;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;

const MAX_BODY: usize = 1024 * 1024;

type Calls = Arc<Mutex<Vec<(String, BTreeMap<String, String>)>>>;

struct Server {
    port: u16,
    calls: Calls,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Calls::default();
        let log = Arc::clone(&calls);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut dialogues = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, log) = (tls.clone(), Arc::clone(&log));
                dialogues.spawn(async move {
                    match tls {
                        None => serve(stream, port, log).await,
                        Some(tls) => {
                            if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                                serve(stream, port, log).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, calls, _tasks: tasks }
    }

    fn calls(&self) -> Vec<(String, BTreeMap<String, String>)> {
        self.calls.lock().unwrap().clone()
    }
}

async fn serve<S>(stream: S, port: u16, calls: Calls)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let calls = Arc::clone(&calls);
        async move { Ok::<_, Infallible>(answer(request, port, &calls).await) }
    });
    // Clients that hang up are part of some tests.
    let builder =
        hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
    let _ended = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// Answers by path: a number is a status, `/to/...` redirects there.
async fn answer(request: Request<Incoming>, port: u16, calls: &Calls) -> Response<Full<Bytes>> {
    let headers = request.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let line = format!("{} {}", request.method(), request.uri());
    calls.lock().unwrap().push((line, headers.collect()));
    let path = request.uri().path().to_owned();
    let is_connect = request.method() == Method::CONNECT;
    let body = match path.as_str() {
        "/hang" => std::future::pending().await,
        "/huge" => Bytes::from("x".repeat(5 * MAX_BODY)),
        "/json" => Bytes::from_static(br#"{"queue": [1, 2]}"#),
        "/health" => Bytes::from_static("all is well: 42 users, é\n".as_bytes()),
        _ => Bytes::new(),
    };
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert("x-served-by", "a".parse().unwrap());
    if let Ok(code) = path.trim_start_matches('/').parse() {
        *response.status_mut() = code;
    }
    if is_connect {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    let target = match path.as_str() {
        "/to/health" => "/health".to_owned(),
        "/to/other" => format!("http://localhost:{port}/health"),
        "/to/twice" => "health".to_owned(),
        "/to/circle" => "circle".to_owned(),
        "/to/file" => "file:///etc/passwd".to_owned(),
        _ => return response,
    };
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, target.parse().unwrap());
    response
}

async fn look_at(settings: &str) -> Finding {
    let document = Document::single(settings);
    let check = Http.read(&document.root(&NoSecrets), Given::default());
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    let context = Context::new(Arc::new(Resolver::default()));
    crate::run(&*check.unwrap(), &context).await.0
}

async fn look(server: &Server, path: &str, more: &str) -> Finding {
    look_at(&format!("url: 'http://127.0.0.1:{}{path}'\n{more}", server.port)).await
}

#[tokio::test]
async fn a_page_that_is_served_is_ok_and_measured() {
    let server = Server::start(None).await;
    let finding = look(&server, "/health?a=1", "").await;
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);
    let expected = format!("200 OK from 127.0.0.1:{}, 26 bytes in ", server.port);
    assert!(finding.text.starts_with(&expected), "{}", finding.text);
    let measures: BTreeMap<_, _> = finding.measures.iter().map(|m| (&*m.name, m.value)).collect();
    assert!((measures["size_bytes"] - 26.0).abs() < f64::EPSILON);
    assert!(
        measures["total_seconds"] >= measures["connect_seconds"] + measures["first_byte_seconds"]
    );
    let (line, headers) = server.calls().remove(0);
    assert_eq!(line, "GET /health?a=1");
    assert_eq!(headers["host"], format!("127.0.0.1:{}", server.port));
    assert!(headers["user-agent"].starts_with("hark/"));
}

#[tokio::test]
async fn the_status_is_judged_by_the_ranges() {
    let server = Server::start(None).await;
    for (path, more, status) in [
        ("/200", "", Status::Ok),
        ("/302", "", Status::Ok),
        ("/404", "", Status::Critical),
        ("/500", "", Status::Critical),
        ("/404", "status: 404\n", Status::Ok),
        ("/200", "status: [404, 500-599]\n", Status::Critical),
        ("/503", "status: [404, 500-599]\n", Status::Ok),
    ] {
        let finding = look(&server, path, more).await;
        assert_eq!(finding.status, status, "{path} {more} {}", finding.text);
    }
    let finding = look(&server, "/200", "status: [404, 500-599]\n").await;
    assert!(finding.text.contains("200 OK from 127.0.0.1"), "{}", finding.text);
    assert!(finding.text.contains(", expected 404 or 500-599, "), "{}", finding.text);
}

#[tokio::test]
async fn the_answer_must_contain_what_is_demanded() {
    let server = Server::start(None).await;
    for (more, status) in [
        ("contains: all is well\n", Status::Ok),
        ("contains: all is lost\n", Status::Critical),
        ("matches: '\\b\\d+ users'\n", Status::Ok),
        ("matches: '^\\d+ users'\n", Status::Critical),
        ("contains: é\nmatches: '(?m)é$'\n", Status::Ok),
    ] {
        let finding = look(&server, "/health", more).await;
        assert_eq!(finding.status, status, "{more} {}", finding.text);
    }
    let missing = look(&server, "/health", "contains: lost\n").await;
    assert!(missing.text.contains(r#"does not contain "lost""#), "{}", missing.text);
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_allowed() {
    let server = Server::start(None).await;
    let none = look(&server, "/to/health", "").await;
    assert_eq!(none.status, Status::Ok);
    assert!(none.text.starts_with("302 Found"), "{}", none.text);
    let one = look(&server, "/to/health", "redirects: 1\ncontains: well\n").await;
    assert_eq!(one.status, Status::Ok, "{}", one.text);
    assert!(one.text.contains("after 1 redirects"), "{}", one.text);
    let relative = look(&server, "/to/twice", "redirects: 5\ncontains: well\n").await;
    assert_eq!(relative.status, Status::Ok, "{}", relative.text);
    let circle = look(&server, "/to/circle", "redirects: 5\n").await;
    assert_eq!((circle.status, circle.text.as_str()), (Status::Critical, "more than 5 redirects"));
    let file = look(&server, "/to/file", "redirects: 5\n").await;
    assert_eq!(
        (file.status, file.text.as_str()),
        (Status::Critical, "`file` is not http or https")
    );
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let server = Server::start(None).await;
    let more = "redirects: 2\nheaders: {Authorization: Bearer abc}\n";
    look(&server, "/to/other", more).await;
    let calls = server.calls();
    assert_eq!(calls[0].1["authorization"], "Bearer abc");
    assert_eq!(calls[1].1["host"], format!("localhost:{}", server.port));
    assert!(!calls[1].1.contains_key("authorization"));
}

#[tokio::test]
async fn a_virtual_host_is_asked_for_at_a_fixed_address() {
    let server = Server::start(None).await;
    let settings = format!(
        "url: 'http://www.customer.test:{}/health'\naddress: 127.0.0.1\nmethod: HEAD\n",
        server.port
    );
    let finding = look_at(&settings).await;
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);
    let (line, headers) = server.calls().remove(0);
    assert_eq!(line, "HEAD /health");
    assert_eq!(headers["host"], format!("www.customer.test:{}", server.port));
}

#[tokio::test]
async fn a_huge_answer_is_read_up_to_its_bound() {
    let server = Server::start(None).await;
    let finding = look(&server, "/huge", "contains: xxx\ntimeout: 10s\n").await;
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);
    assert!(finding.text.contains(&format!("{MAX_BODY} bytes")), "{}", finding.text);
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_timeout() {
    let server = Server::start(None).await;
    let finding = look(&server, "/hang", "timeout: 200ms\n").await;
    assert_eq!(finding.status, Status::Critical);
    assert!(finding.text.starts_with("no answer from 127.0.0.1"), "{}", finding.text);
    assert!(finding.text.ends_with("no answer within 0.2 s"), "{}", finding.text);
}

#[tokio::test]
async fn no_server_no_name_and_no_http_are_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let closed = look_at(&format!("url: 'http://127.0.0.1:{port}/'\n")).await;
    assert_eq!(closed.status, Status::Critical);
    assert!(closed.text.starts_with("no connection to 127.0.0.1"), "{}", closed.text);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-x\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let other = look_at(&format!("url: 'http://127.0.0.1:{port}/'\n")).await;
    assert_eq!(other.status, Status::Critical);
    assert!(other.text.starts_with("no answer from 127.0.0.1"), "{}", other.text);
}

fn certificate(days: i64) -> (Arc<ServerConfig>, String) {
    let mut params = rcgen::CertificateParams::new(vec!["www.test".to_owned()]).unwrap();
    let seconds = Clock.now().unix.seconds() + days * 86_400;
    let end = x509_parser::time::ASN1Time::from_timestamp(seconds).unwrap();
    params.not_after = end.to_datetime();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (Arc::new(config), certificate.pem())
}

#[tokio::test]
async fn certificates_are_verified_and_their_end_is_seen_coming() {
    for (days, status) in [(100, Status::Ok), (10, Status::Warning), (2, Status::Critical)] {
        let (config, pem) = certificate(days);
        let server = Server::start(Some(config)).await;
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, pem).unwrap();
        let url = format!("url: 'https://www.test:{}/health'\naddress: 127.0.0.1\n", server.port);
        let finding = look_at(&format!("{url}ca_file: {}\n", ca_file.display())).await;
        assert_eq!(finding.status, status, "{}", finding.text);
        assert!(finding.measures.iter().any(|m| &*m.name == "certificate_days"));
        let untrusted = look_at(&url).await;
        assert_eq!(untrusted.status, Status::Critical);
        assert!(untrusted.text.contains("no TLS with www.test"), "{}", untrusted.text);
    }
    let (config, _) = certificate(-1);
    let server = Server::start(Some(config)).await;
    let url = format!("url: 'https://127.0.0.1:{}/health'\ninsecure: true\n", server.port);
    let expired = look_at(&url).await;
    assert_eq!(expired.status, Status::Critical, "an end is an end, trusted or not");
    assert!(expired.text.contains("certificate good for -1 days"), "{}", expired.text);
}

#[test]
fn locations_lead_where_rfc_3986_says() {
    let place = Place::parse("https://a.test:8443/b/c?d=e").unwrap();
    for (location, expected) in [
        ("/x", "https://a.test:8443/x"),
        ("x?y", "https://a.test:8443/b/x?y"),
        ("?y", "https://a.test:8443/b/c?y"),
        ("//b.test/x", "https://b.test/x"),
        ("http://b.test", "http://b.test/"),
        ("/x#part", "https://a.test:8443/x"),
    ] {
        assert_eq!(place.follow(location).unwrap().url(), expected, "{location}");
    }
    for bad in ["", "ftp://b.test/", "https://", "http://u:p@b.test/"] {
        assert!(place.follow(bad).is_err(), "{bad}");
    }
}

#[test]
fn statuses_are_numbers_or_ranges() {
    assert_eq!(StatusRange::parse("200"), Ok(StatusRange(200, 200)));
    assert_eq!(StatusRange::parse("200-299"), Ok(StatusRange(200, 299)));
    for bad in ["", "2xx", "299-200", "99", "600", "200-"] {
        assert!(StatusRange::parse(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_json_answer_can_be_asked_for_its_values() {
    let server = Server::start(None).await;
    let finding = look(&server, "/json", "user: me\npassword: secret\n").await;
    let facts = finding.all_facts();
    assert_eq!(facts.get("json.queue.length"), &hark_conditions::Fact::Number(2.0));
    assert_eq!(facts.get("header.x-served-by"), &hark_conditions::Fact::Text("a".to_owned()));
    let (_, headers) = server.calls().remove(0);
    assert_eq!(headers["authorization"], "Basic bWU6c2VjcmV0");
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_bound() {
    let server = Server::start(None).await;
    let finding = look(&server, "/health", "max_size: 5\ncontains: all i\n").await;
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);
    let finding = look(&server, "/health", "max_size: 5\ncontains: well\n").await;
    assert_eq!(finding.status, Status::Critical, "{}", finding.text);
}

#[tokio::test]
async fn a_proxy_is_gone_through() {
    let server = Server::start(None).await;
    let settings = format!(
        "url: 'http://shop.example/health'\nproxy: 'http://me:secret@127.0.0.1:{}'\ncontains: well\n",
        server.port
    );
    let finding = look_at(&settings).await;
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);
    let (line, headers) = server.calls().remove(0);
    assert_eq!(line, "GET http://shop.example/health");
    assert_eq!(headers["proxy-authorization"], "Basic bWU6c2VjcmV0");
    // This proxy forbids TLS: nothing is known of the other side then.
    let settings = settings.replace("http://shop", "https://shop");
    let finding = look_at(&settings).await;
    assert_eq!(finding.status, Status::Unknown, "{}", finding.text);
    assert!(
        finding.text.contains("the proxy refuses shop.example:443: HTTP/1.1 403"),
        "{}",
        finding.text
    );
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let server = Server::start(None).await;
    for (version, seen) in [("1.1", "1.1"), ("2", "2"), ("best", "1.1")] {
        let finding = look(&server, "/health", &format!("version: {version:?}\n")).await;
        assert_eq!(finding.status, Status::Ok, "{version}: {}", finding.text);
        let fact = finding.all_facts().get("http_version").clone();
        assert_eq!(fact, hark_conditions::Fact::Text(seen.to_owned()));
    }
}
