//! A running server on port 0, and callers that speak to it over real connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use hark_api::auth::Role;
use hark_api::tokens::Scope;
use hark_model::{Clock, HostName, Secret, Unix, UserName};
use hark_web::{
    Account, ApiTokenRecord, Demand, Live, LoginSettings, Plain, SessionRecord, Tls, TokenHash,
    WebConfig,
};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fake::Fake;
use crate::fake::provider::FakeProvider;

pub(crate) const SETUP_CODE: &str = "1234-5678";

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) fake: Arc<Fake>,
    pub(crate) live: Live,
    pub(crate) login: Arc<ArcSwap<LoginSettings>>,
    pub(crate) outside: Arc<FakeProvider>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) certificate: Option<rustls::pki_types::CertificateDer<'static>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Starts a server without TLS that is set up: `root` is an administrator.
pub(crate) async fn start() -> Running {
    let running = start_with(None).await;
    running.user("root", true, &[]);
    running
}

/// Starts a server with TLS that is set up.
pub(crate) async fn start_tls() -> Running {
    let running = start_with(Some(())).await;
    running.user("root", true, &[]);
    running
}

/// Starts a server that is not set up.
pub(crate) async fn start_with(tls: Option<()>) -> Running {
    start_as(tls, LoginSettings::default()).await
}

/// Starts a server that is set up, with a `login` section.
pub(crate) async fn start_demanding(second_factor: Demand) -> Running {
    let running = start_as(None, LoginSettings { second_factor, ..LoginSettings::default() }).await;
    running.user("root", true, &[]);
    running
}

/// Starts a server that is not set up, with a `login` section.
pub(crate) async fn start_as(tls: Option<()>, login: LoginSettings) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (fake, live) = (Arc::new(Fake::new()), Live::new());
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    let made = tls.map(|()| make_tls());
    let login = Arc::new(ArcSwap::from_pointee(login));
    let outside = Arc::new(FakeProvider::new());
    let config = WebConfig {
        tls: made.as_ref().map(|(tls, _)| tls.clone()),
        plain: Plain::Redirect,
        addresses: vec!["mon.example.net:50004".to_owned()],
        public_url: String::new(),
        site_name: "Nordlys".to_owned(),
        outside: Arc::clone(&outside) as _,
        version: "0.1.0".to_owned(),
        setup_code: Some(Secret::new(SETUP_CODE)),
        login: Arc::clone(&login),
    };
    tasks.spawn(hark_web::serve(
        vec![listener],
        Arc::clone(&fake) as _,
        live.clone(),
        config,
        shutdown.clone(),
    ));
    let certificate = made.map(|(_, der)| der);
    Running { address, fake, live, login, outside, shutdown, tasks, certificate }
}

fn make_tls() -> (Tls, rustls::pki_types::CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let der = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![der.clone()], key)
    .unwrap();
    (Tls { config: Arc::new(config), fingerprint: sha256(&der) }, der)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().try_into().unwrap()
}

/// Returns `bytes` in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Returns the number under which people see what is stored under `hash`.
pub(crate) fn id(hash: &[u8; 32]) -> String {
    hex(&hash[..8])
}

impl Running {
    /// Stores a user with the password `correct horse`, in the seeds' form.
    pub(crate) fn user(&self, name: &str, admin: bool, roles: &[(&str, Role)]) -> UserName {
        let name = UserName::new(name).unwrap();
        let roles: BTreeMap<HostName, Role> =
            roles.iter().map(|(host, role)| (HostName::new(host).unwrap(), *role)).collect();
        let mut digest = [0; 32];
        ring::pbkdf2::derive(
            ring::pbkdf2::PBKDF2_HMAC_SHA256,
            10.try_into().unwrap(),
            b"salt",
            b"correct horse",
            &mut digest,
        );
        let hex = hex(&digest);
        let account = Account {
            full_name: "A. Person".to_owned(),
            password: Some(Secret::new(format!("pbkdf2:sha256:10$salt${hex}"))),
            admin,
            roles,
            ..Account::named(name.clone())
        };
        self.fake.stored().accounts.insert(name.clone(), account);
        name
    }

    /// Returns a caller with a stored session of `user` as a browser has it.
    pub(crate) fn browser(&self, user: &str) -> Caller {
        let token = format!("session-of-{user}");
        self.session(user, &token, Clock.now().unix);
        let mut caller = self.nobody();
        caller.cookie = Some(token);
        caller.csrf = true;
        caller.origin = Some(match self.certificate {
            Some(_) => format!("https://localhost:{}", self.address.port()),
            None => format!("http://{}", self.address),
        });
        caller
    }

    pub(crate) fn session(&self, user: &str, token: &str, seen: Unix) -> TokenHash {
        let hash = sha256(token.as_bytes());
        let record = SessionRecord {
            hash,
            user: UserName::new(user).unwrap(),
            created: seen,
            last_seen: seen,
            address: [127, 0, 0, 1].into(),
            agent: "test".to_owned(),
        };
        self.fake.stored().sessions.insert(hash, record);
        hash
    }

    /// Returns a caller with a stored API token of `user`.
    pub(crate) fn program(&self, user: &str) -> Caller {
        self.program_for(user, &[])
    }

    /// Returns a caller with a stored API token of `user` that is good for `scopes`.
    pub(crate) fn program_for(&self, user: &str, scopes: &[Scope]) -> Caller {
        let token = format!("hark_token-of-{user}");
        let hash = sha256(token.as_bytes());
        let record = ApiTokenRecord {
            hash,
            user: UserName::new(user).unwrap(),
            name: "test".to_owned(),
            scopes: scopes.to_vec(),
            created: Clock.now().unix,
            expires: None,
            last_used: None,
        };
        self.fake.stored().api_tokens.insert(hash, record);
        Caller { bearer: Some(token), ..self.nobody() }
    }

    /// Returns a caller that proves nothing.
    pub(crate) fn nobody(&self) -> Caller {
        Caller {
            address: self.address,
            tls: self.certificate.clone(),
            cookie: None,
            bearer: None,
            origin: None,
            csrf: false,
            headers: HeaderMap::new(),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<rustls::pki_types::CertificateDer<'static>>,
    pub(crate) cookie: Option<String>,
    pub(crate) bearer: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) csrf: bool,
    pub(crate) headers: HeaderMap,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the last part of the problem document's type.
    pub(crate) fn problem(&self) -> String {
        let document = self.json();
        assert_eq!(self.headers["content-type"], "application/problem+json", "{document}");
        assert_eq!(document["status"], self.status);
        document["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Caller {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn request(&self, method: &Method, path: &str) -> http::request::Builder {
        let host = if self.tls.is_some() { "localhost" } else { "127.0.0.1" };
        let mut builder = Request::builder()
            .method(method)
            .uri(path)
            .header("host", format!("{host}:{}", self.address.port()));
        if let Some(cookie) = &self.cookie {
            let name = if self.tls.is_some() { "__Host-hark" } else { "hark" };
            builder = builder.header("cookie", format!("{name}={cookie}"));
        }
        if let Some(bearer) = &self.bearer {
            builder = builder.header("authorization", format!("Bearer {bearer}"));
        }
        if let Some(origin) = &self.origin {
            builder = builder.header("origin", origin);
        }
        if self.csrf {
            builder = builder.header("x-hark-csrf", "1");
        }
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        builder
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let builder = self.request(&method, path);
        let request = match body {
            Some(body) => builder
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from(body.to_string()))),
            None => builder.body(Full::default()),
        };
        self.send(request.unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Reply {
        let stream = TcpStream::connect(self.address).await.unwrap();
        match &self.tls {
            None => exchange(stream, request).await,
            Some(certificate) => exchange(connect(stream, certificate).await, request).await,
        }
    }
}

pub(crate) async fn connect(
    stream: TcpStream,
    certificate: &rustls::pki_types::CertificateDer<'static>,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots)
    .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Reply
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    let talk = async {
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    };
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        reply = &mut talk => reply,
        // The server may close the connection right after its answer.
        _ = connection => talk.await,
    }
}
