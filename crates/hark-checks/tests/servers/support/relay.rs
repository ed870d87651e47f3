//! A way to a server that is slow, of another family, or over TLS; and servers that are no good at all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Something that listens until its value goes.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    _tasks: JoinSet<()>,
}

/// What happens to a connection.
#[derive(Clone)]
enum Manner {
    /// It goes on to this port of 127.0.0.1; what comes back waits so long.
    To(u16, Duration),
    /// The same, over TLS.
    Secured(u16, TlsAcceptor),
    /// This is said and nothing else.
    Says(&'static str),
    /// This is said at the end.
    Leaves(&'static str),
}

impl Relay {
    /// Listens on `address` and hands on to `port`; each piece that comes back is `late`.
    pub(crate) async fn start(address: &str, port: u16, late: Duration) -> Self {
        Self::listen(address, Manner::To(port, late)).await
    }

    /// Speaks TLS and hands on to `port`.
    pub(crate) async fn secured(port: u16, acceptor: TlsAcceptor) -> Self {
        Self::listen("127.0.0.1", Manner::Secured(port, acceptor)).await
    }

    /// Says one thing to everybody, and then nothing more.
    pub(crate) async fn says(text: &'static str) -> Self {
        Self::listen("127.0.0.1", Manner::Says(text)).await
    }

    /// Says one thing to everybody and hangs up.
    pub(crate) async fn says_and_leaves(text: &'static str) -> Self {
        Self::listen("127.0.0.1", Manner::Leaves(text)).await
    }

    /// Returns its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    async fn listen(address: &str, manner: Manner) -> Self {
        let address: IpAddr = address.parse().unwrap();
        let listener = TcpListener::bind(SocketAddr::new(address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, manner.clone()));
            }
        });
        Self { port, _tasks: tasks }
    }
}

async fn serve(mut stream: TcpStream, manner: Manner) {
    // Clients that hang up in the midst of it are part of most tests.
    match manner {
        Manner::To(port, late) => hand_on(stream, port, late).await,
        Manner::Secured(port, acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                hand_on(stream, port, Duration::ZERO).await;
            }
        }
        Manner::Says(text) => {
            drop(stream.write_all(text.as_bytes()).await);
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
        Manner::Leaves(text) => drop(stream.write_all(text.as_bytes()).await),
    }
}

async fn hand_on(stream: impl AsyncRead + AsyncWrite, port: u16, late: Duration) {
    let Ok(other) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
    let (mut from_client, mut to_client) = tokio::io::split(stream);
    let (mut from_server, mut to_server) = other.into_split();
    let back = async {
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = from_server.read(&mut chunk).await {
            tokio::time::sleep(late).await;
            if to_client.write_all(&chunk[..n]).await.is_err() || to_client.flush().await.is_err() {
                return;
            }
        }
        drop(to_client.shutdown().await);
    };
    let there = tokio::io::copy(&mut from_client, &mut to_server);
    tokio::select! {
        () = back => {}
        _ = there => {}
    }
}
