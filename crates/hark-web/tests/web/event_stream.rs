//! A reader of server-sent events over TLS.

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::server::{Caller, connect};

/// Longer than any event takes: the test fails instead of waiting for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stream and all that was read of it.
pub(crate) struct EventStream {
    stream: TlsStream<TcpStream>,
    pub(crate) read: String,
}

impl EventStream {
    /// Asks for `path` as `caller`.
    pub(crate) async fn open(caller: &Caller, path: &str) -> Self {
        let request = caller.request(&Method::GET, path).body(()).unwrap();
        let mut text = format!("GET {path} HTTP/1.1\r\n");
        for (name, value) in request.headers() {
            write!(text, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
        }
        let stream = TcpStream::connect(caller.address).await.unwrap();
        let mut stream = connect(stream, caller.tls.as_ref().unwrap()).await;
        stream.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
        Self { stream, read: String::new() }
    }

    /// Reads until `enough` is true of all that was read.
    pub(crate) async fn until(&mut self, enough: impl Fn(&str) -> bool) {
        while !enough(&self.read) {
            let mut buffer = [0; 4096];
            let n = tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await;
            let n = n.expect("nothing came").unwrap();
            assert_ne!(n, 0, "the stream ended: {}", self.read);
            self.read.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        }
    }

    /// Returns the data of the events read so far.
    pub(crate) fn data(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.read.lines().filter_map(|line| line.strip_prefix("data: "))
    }
}
