//! A server for the tests of receivers: it keeps each call that it got and answers as the test says.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hark_config::{Document, NoSecrets, Style};
use hark_model::Notification;
use hark_net::BoxFuture;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::handling::{KEY_BYTES, Tokens};
use crate::{Context, Delivered, Receiver, ReceiverType, SendError, samples};

/// What the server got.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) uri: String,
    /// By their names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    /// What is no text is replaced here.
    pub(crate) body: String,
    pub(crate) bytes: Bytes,
}

impl Call {
    /// Returns method and path: `POST /x?y=z`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.uri)
    }

    /// Returns the body as JSON, which its type must say.
    pub(crate) fn json(&self) -> Value {
        assert!(self.headers["content-type"].starts_with("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// Returns the fields of the form, which its type must say.
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        assert_eq!(self.headers["content-type"], "application/x-www-form-urlencoded");
        let decoded = |text: &str| {
            let mut bytes = Vec::new();
            let mut rest = text.bytes();
            while let Some(byte) = rest.next() {
                match byte {
                    b'+' => bytes.push(b' '),
                    b'%' => {
                        let digits = [rest.next().unwrap(), rest.next().unwrap()];
                        let digits = std::str::from_utf8(&digits).unwrap();
                        bytes.push(u8::from_str_radix(digits, 16).unwrap());
                    }
                    byte => bytes.push(byte),
                }
            }
            String::from_utf8(bytes).unwrap()
        };
        let pairs = self.body.split('&').map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
    }
}

/// What the server answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    is_never: bool,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), is_never: false }
    }

    /// An answer that never comes.
    pub(crate) fn never() -> Self {
        Self { is_never: true, ..Self::new(200, "") }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// "Too many requests, come back in 17 seconds", as HTTP says it.
    pub(crate) fn slow_down() -> Self {
        Self::new(429, "slow down").with("retry-after", "17")
    }
}

type Script = dyn Fn(&Call) -> Answer + Send + Sync;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts a server that answers each call with what `script` returns.
    pub(crate) async fn start(script: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(None, script).await
    }

    /// Starts a server that always says the same.
    pub(crate) async fn saying(status: u16, body: &'static str) -> Self {
        Self::start(move |_| Answer::new(status, body)).await
    }

    /// As [`Server::start`], behind TLS if there is a configuration for it.
    pub(crate) async fn start_with(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, tls, Arc::clone(&calls), Arc::new(script)));
        Self { address, calls, _tasks: tasks }
    }

    /// Returns the address of `path` at this server, by a name that [`context`] knows.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://hook.test:{}{path}", self.address.port())
    }

    /// Returns every call so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Returns the one call that came.
    pub(crate) fn only_call(&self) -> Call {
        let [call] = self.calls().try_into().unwrap();
        call
    }

    /// Returns the last call that came.
    pub(crate) fn last_call(&self) -> Call {
        self.calls().pop().unwrap()
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    calls: Arc<Mutex<Vec<Call>>>,
    script: Arc<Script>,
) {
    let mut tasks = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, calls, script) = (tls.clone(), Arc::clone(&calls), Arc::clone(&script));
        tasks.spawn(async move {
            match tls {
                None => serve(stream, calls, script).await,
                Some(tls) => {
                    if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                        serve(stream, calls, script).await;
                    }
                }
            }
        });
    }
}

async fn serve<S>(stream: S, calls: Arc<Mutex<Vec<Call>>>, script: Arc<Script>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (calls, script) = (Arc::clone(&calls), Arc::clone(&script));
        async move {
            let call = read_call(request).await;
            calls.lock().unwrap().push(call.clone());
            let answer = script(&call);
            if answer.is_never {
                std::future::pending::<()>().await;
            }
            let mut response = Response::new(Full::new(Bytes::from(answer.body)));
            *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
            for (name, value) in answer.headers {
                let name = HeaderName::from_static(name);
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            Ok::<_, Infallible>(response)
        }
    });
    // Clients that hang up are part of some tests.
    let _ended = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn read_call(request: Request<Incoming>) -> Call {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    Call {
        method: head.method.to_string(),
        uri: head.uri.to_string(),
        headers: head.headers.iter().map(|(n, v)| (n.to_string(), text(v))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
        bytes: body,
    }
}

pub(crate) fn context() -> Context {
    let resolve = |host: String| -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            match host.as_str() {
                "hook.test" => Ok(vec![IpAddr::from(Ipv4Addr::LOCALHOST)]),
                _ => Err(io::Error::other("no such name")),
            }
        })
    };
    Context {
        resolve: Arc::new(resolve),
        page: "https://hark.example.net".to_owned(),
        own_name: "mon.example.net".to_owned(),
        tokens: Some(Tokens::new(&[7; KEY_BYTES])),
        mail: crate::MailStyle::default(),
        browsers: None,
        trace: crate::Trace::default(),
    }
}

pub(crate) fn certificate() -> (Arc<ServerConfig>, String) {
    let issued = rcgen::generate_simple_self_signed(vec!["hook.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    (Arc::new(config), issued.cert.pem())
}

/// Reads a receiver of `kind`, whose settings must be without fault.
pub(crate) fn read(kind: &dyn ReceiverType, text: &str) -> Box<dyn Receiver> {
    let document = Document::single(text);
    let root = document.root(&NoSecrets);
    root.finish(kind.keys());
    let receiver = kind.read(&root);
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    receiver.unwrap()
}

/// Returns what is wrong with the settings `text` of `kind`.
pub(crate) fn mistakes(kind: &dyn ReceiverType, text: &str) -> String {
    let document = Document::single(text);
    let root = document.root(&NoSecrets);
    root.finish(kind.keys());
    drop(kind.read(&root));
    document.diagnostics().render(Style::Plain)
}

/// Sends `notification` once.
pub(crate) async fn send(
    receiver: &dyn Receiver,
    notification: &Notification,
) -> Result<Delivered, SendError> {
    receiver.send(notification, &context()).await
}

/// Returns the first message about a problem.
pub(crate) fn problem() -> Notification {
    samples().swap_remove(0)
}

/// Returns the end of the problem of [`problem`], where the service called that `reference`.
pub(crate) fn recovery(reference: Option<&str>) -> Notification {
    let mut recovery = samples().swap_remove(1);
    recovery.reference = reference.map(str::to_owned);
    recovery
}

/// Returns a message that repeats the problem of [`problem`].
pub(crate) fn reminder(reference: Option<&str>) -> Notification {
    let mut reminder = problem();
    reminder.reason = hark_model::Reason::Reminder;
    reminder.key = "1/reminder/1".to_owned();
    reminder.sequence = 1;
    reminder.reference = reference.map(str::to_owned);
    reminder
}

/// Returns what is told without an incident: that the server itself is down, and that it works again.
pub(crate) fn down_and_over() -> [Notification; 2] {
    let mut down = problem();
    down.key = "blind/7/down/sample".to_owned();
    down.incident = None;
    down.summary = "CRITICAL: monitoring is down".to_owned();
    let mut over = down.clone();
    over.key = "blind/7/over/sample".to_owned();
    over.reason = hark_model::Reason::Recovery;
    over.severity = hark_model::Severity::Info;
    over.status = hark_model::Status::Ok;
    over.was = Some(hark_model::Status::Critical);
    over.summary = "RECOVERED: monitoring works again".to_owned();
    over.sequence = 1;
    [down, over]
}

/// Returns the message that somebody took the problem of [`problem`].
pub(crate) fn taken(reference: Option<&str>) -> Notification {
    let mut taken = reminder(reference);
    taken.reason = hark_model::Reason::Acknowledged;
    taken.key = "1/acknowledged/2".to_owned();
    taken.severity = hark_model::Severity::Info;
    taken.was = Some(taken.status);
    taken.summary =
        "ACKNOWLEDGED (CRITICAL): db1 - cpu_monitor.cpu_percent = 95.0 (by mira)".to_owned();
    taken.detail = "Since 08:00:00 UTC (30s).\nmira took it: looking".to_owned();
    taken.taken_by = Some(hark_model::UserName::new("mira").unwrap());
    taken
}
