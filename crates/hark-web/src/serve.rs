//! The accept loop: plain HTTP and TLS on one port, with bounds on everything a stranger can hold.
//!
//! The first byte of a connection tells TLS (22, a handshake record) from plain HTTP (a letter), so
//! that one port serves both: `http://host:50004`, which is what people type, is led to https instead
//! of ending in noise. Plain requests are answered on loopback only, unless the configuration says
//! otherwise; from elsewhere they are redirected ([`crate::guard`]).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hark_model::Secret;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::app::App;
use crate::auth::limit;
use crate::backend::Backend;
use crate::live::Live;
use crate::login::LoginSettings;
use crate::outside::Outside;
use crate::peer::Peer;
use crate::routes;
use crate::stall::Stall;

/// Connections at the same time: a browser holds one or two, a page of the API one.
const MAX_CONNECTIONS: usize = 1024;

/// Connections of one address that is not loopback: an office behind one address has a few dozen.
const MAX_PER_ADDRESS: usize = 128;

/// The longest until the first byte, and until the TLS handshake is done.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest until the head of a request is whole, also the longest that an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// The most bytes of a request's head.
const MAX_HEAD: usize = 32 * 1024;

/// The most streams of one HTTP/2 connection.
const MAX_STREAMS: u32 = 64;

/// How long requests may finish at the end.
const DRAIN: Duration = Duration::from_secs(3);

/// How long to wait after the system could not accept: out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The first byte of a TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// TLS as the binary made it.
#[derive(Clone)]
pub struct Tls {
    /// Certificate and key; the protocols (`h2`, `http/1.1`) are set here.
    pub config: Arc<rustls::ServerConfig>,
    /// SHA-256 of the certificate's DER: agents pin it through their token.
    pub fingerprint: [u8; 32],
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// What happens to plain HTTP from other machines, where there is TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plain {
    /// It is led to https.
    #[default]
    Redirect,
    /// It is answered: something in front speaks TLS, or nobody else can reach the port.
    Everywhere,
}

/// What the web needs to know.
#[derive(Clone, Debug)]
pub struct WebConfig {
    /// TLS; none serves plain HTTP to everybody.
    pub tls: Option<Tls>,
    /// What happens to plain HTTP from other machines.
    pub plain: Plain,
    /// Where other machines reach this server's https, each `host:port`: put into tokens for agents
    /// after the name that the administrator's browser uses. May be empty.
    pub addresses: Vec<String>,
    /// Where people reach this server, without a slash at its end; empty if nobody has said.
    pub public_url: String,
    /// What this server is called, for titles; empty if nobody has said.
    pub site_name: String,
    /// Reaches those who vouch for users.
    pub outside: Arc<dyn Outside>,
    /// The version shown to users.
    pub version: String,
    /// The one-time code for the first administrator; see [`crate::new_setup_code`].
    pub setup_code: Option<Secret>,
    /// How people log in, at present.
    pub login: Arc<ArcSwap<LoginSettings>>,
}

/// Serves on `listeners` until `shutdown` is cancelled, then lets requests finish for 3 s.
///
/// Cancelling it cuts every connection.
pub async fn serve(
    listeners: Vec<TcpListener>,
    backend: Arc<dyn Backend>,
    live: Live,
    config: WebConfig,
    shutdown: CancellationToken,
) {
    let tls = config.tls.clone();
    let app = App::new(backend, live.clone(), config, shutdown.clone());
    let served = serve_router(listeners, routes::router(&app), tls.as_ref(), shutdown.clone());
    tokio::join!(served, live.run(shutdown));
    let deeds = &app.deeds.tasks;
    deeds.close();
    if tokio::time::timeout(DRAIN, deeds.wait()).await.is_err() {
        tracing::warn!(open = deeds.len(), "writes are cut");
    }
}

/// Serves what `router` answers, as [`serve`] does.
pub(crate) async fn serve_router(
    listeners: Vec<TcpListener>,
    router: axum::Router,
    tls: Option<&Tls>,
    shutdown: CancellationToken,
) {
    let acceptor = tls.map(|tls| {
        let mut config = (*tls.config).clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    });
    let server = Arc::new(Server {
        router,
        acceptor,
        places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        per_address: Arc::default(),
        shutdown: shutdown.clone(),
        cut: CancellationToken::new(),
        tasks: TaskTracker::new(),
    });
    for listener in listeners {
        server.tasks.spawn(Arc::clone(&server).accept(listener));
    }
    shutdown.cancelled().await;
    server.tasks.close();
    if tokio::time::timeout(DRAIN, server.tasks.wait()).await.is_err() {
        tracing::warn!(open = server.tasks.len(), "connections are cut");
        server.cut.cancel();
        server.tasks.wait().await;
    }
}

struct Server {
    router: axum::Router,
    acceptor: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
    per_address: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
    /// No more is accepted; requests finish.
    shutdown: CancellationToken,
    /// Requests are cut.
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Some((stream, address, place)) = self.next(&listener).await else { return };
            let Some(share) = Share::take(&self.per_address, address) else {
                tracing::debug!(%address, "a connection too many from one address");
                continue;
            };
            let server = Arc::clone(&self);
            self.tasks.spawn(async move {
                let cut = server.cut.clone();
                tokio::select! {
                    () = server.connection(stream, address) => {}
                    () = cut.cancelled() => {}
                }
                drop((place, share));
            });
        }
    }

    /// Waits for a place and for a connection to take it; `None` at the end.
    async fn next(
        &self,
        listener: &TcpListener,
    ) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
        loop {
            let place = tokio::select! {
                place = Arc::clone(&self.places).acquire_owned() => place.ok()?,
                () = self.shutdown.cancelled() => return None,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.shutdown.cancelled() => return None,
            };
            match accepted {
                Ok((stream, address)) => return Some((stream, address.ip().to_canonical(), place)),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection(&self, stream: TcpStream, address: IpAddr) {
        // Answers are written whole: waiting to fill a segment only costs time.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let mut first = [0];
        let peeked = tokio::time::timeout(HANDSHAKE_TIMEOUT, stream.peek(&mut first)).await;
        let Ok(Ok(1)) = peeked else { return };
        match &self.acceptor {
            Some(acceptor) if first == [TLS_HANDSHAKE] => {
                let accepted =
                    tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
                match accepted {
                    Ok(Ok(stream)) => {
                        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        self.requests(stream, Peer { address, secure: true }, h2).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%address, %error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
                }
            }
            _ => self.requests(stream, Peer { address, secure: false }, false).await,
        }
    }

    async fn requests<S>(&self, stream: S, peer: Peer, h2: bool)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let router = self.router.clone();
        let service = hyper::service::service_fn(move |mut request: http::Request<_>| {
            request.extensions_mut().insert(peer);
            router.clone().oneshot(request.map(axum::body::Body::new))
        });
        let builder = auto::Builder::new(TokioExecutor::new());
        // The version is known from TLS; reading ahead to find it would be a wait without a limit.
        let mut builder = if h2 { builder.http2_only() } else { builder.http1_only() };
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .max_concurrent_streams(MAX_STREAMS)
            .keep_alive_interval(HEAD_TIMEOUT)
            .keep_alive_timeout(HEAD_TIMEOUT);
        let connection =
            builder.serve_connection_with_upgrades(TokioIo::new(Stall::new(stream)), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::trace!(address = %peer.address, error, "a connection ended early");
        }
    }
}

/// One of the connections that an address may have.
struct Share {
    address: IpAddr,
    taken: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Share {
    fn take(taken: &Arc<Mutex<BTreeMap<IpAddr, usize>>>, address: IpAddr) -> Option<Self> {
        let address = limit::prefix(address);
        let mut counts = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= MAX_PER_ADDRESS && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Self { address, taken: Arc::clone(taken) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_connections() {
        let taken = Arc::default();
        let far: IpAddr = [192, 0, 2, 1].into();
        let held: Vec<_> = (0..200).filter_map(|_| Share::take(&taken, far)).collect();
        assert_eq!(held.len(), MAX_PER_ADDRESS);
        assert!(Share::take(&taken, [192, 0, 2, 2].into()).is_some());
        drop(held);
        assert!(Share::take(&taken, far).is_some());
        assert!(taken.lock().unwrap().is_empty());
    }

    #[test]
    fn loopback_is_held_by_the_common_bound_only() {
        let taken = Arc::default();
        let near: IpAddr = [127, 0, 0, 1].into();
        let held: Vec<_> = (0..200).filter_map(|_| Share::take(&taken, near)).collect();
        assert_eq!(held.len(), 200);
    }
}
