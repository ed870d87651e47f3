//! A way to the other side, with the time of each part: a stream, or datagrams.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use hark_model::time::{Clock, Micros};
use hark_net::{Connected, Tls, TlsError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::client::TlsStream;

use crate::tls::TlsSeen;

/// The time that each part took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Phases {
    /// To find the address.
    pub(crate) resolve: Duration,
    /// To connect; datagrams have none.
    pub(crate) connect: Option<Duration>,
    /// To agree on TLS.
    pub(crate) tls: Option<Duration>,
    /// From then to the first byte of the other side; of datagrams, from the first one sent.
    pub(crate) first_byte: Option<Duration>,
    /// Everything.
    pub(crate) total: Duration,
}

/// What is known about a connection, whatever was said over it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// To where.
    pub(crate) address: SocketAddr,
    /// The time of each part.
    pub(crate) phases: Phases,
    /// What was agreed on, if TLS was.
    pub(crate) tls: Option<TlsSeen>,
}

/// A connection, in the clear or in TLS, whose every step ends with the time of the check.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
    address: SocketAddr,
    /// Received and not yet read.
    pending: Vec<u8>,
    phases: Phases,
    tls: Option<TlsSeen>,
    began: Micros,
    /// Since when the other side could talk.
    ready: Micros,
    /// The time for everything, counted from `began`.
    limit: Duration,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
    /// Given away to TLS that was not agreed on.
    Gone,
}

/// How much is read at once.
const CHUNK: usize = 4096;

impl Link {
    pub(crate) fn new(connected: Connected, began: Micros, limit: Duration) -> Self {
        let phases = Phases {
            resolve: connected.resolve,
            connect: Some(connected.connect),
            ..Phases::default()
        };
        Self {
            stream: Stream::Plain(connected.stream),
            address: connected.address,
            pending: Vec::new(),
            phases,
            tls: None,
            began,
            ready: Clock.micros(),
            limit,
        }
    }

    /// Returns where it leads to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what is known about it; the total time is that until now.
    pub(crate) fn seen(&self) -> Seen {
        let total = Duration::from_micros(Clock.micros().since(self.began));
        let phases = Phases { total, ..self.phases };
        Seen { address: self.address, phases, tls: self.tls.clone() }
    }

    /// Returns the time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(Duration::from_micros(Clock.micros().since(self.began)))
    }

    /// Agrees on TLS with the holder of a certificate for `name`.
    ///
    /// # Errors
    /// If the other side went on talking before (what it said in the clear must not be taken for
    /// protected words), is not who it must be, or takes too long.
    pub(crate) async fn upgrade(&mut self, tls: &Tls, name: &str) -> Result<(), TlsError> {
        let broken = |kind, what| TlsError::Handshake(io::Error::new(kind, what));
        if !self.pending.is_empty() {
            let what = "the server went on talking before TLS began";
            return Err(broken(io::ErrorKind::InvalidData, what));
        }
        let Stream::Plain(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(broken(io::ErrorKind::InvalidInput, "TLS is spoken already"));
        };
        let began = Clock.micros();
        let secured = tokio::time::timeout(self.left(), tls.secure(stream, name)).await;
        let stream = secured.map_err(|_elapsed| broken(io::ErrorKind::TimedOut, "timed out"))??;
        self.ready = Clock.micros();
        self.phases.tls = Some(Duration::from_micros(self.ready.since(began)));
        self.tls = Some(TlsSeen::of(&stream, Clock.now().unix));
        self.stream = Stream::Secured(Box::new(stream));
        Ok(())
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// If that fails or takes too long.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let left = self.left();
        let send = async {
            self.write_all(bytes).await?;
            self.flush().await
        };
        in_time(left, send).await
    }

    /// Returns the next line, without what ends it; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// If `room` bytes have come without the end of the line, or the stream ends, fails or takes too
    /// long.
    pub(crate) async fn line(&mut self, room: usize) -> io::Result<String> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line)
                    .trim_end_matches(['\r', '\n'])
                    .to_owned());
            }
            if self.pending.len() >= room {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"));
            }
            if self.more().await? == 0 {
                return Err(hung_up());
            }
        }
    }

    /// Returns exactly `n` bytes.
    ///
    /// # Errors
    /// If the stream ends before, fails or takes too long. The caller bounds `n`.
    pub(crate) async fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.pending.len() < n {
            if self.more().await? == 0 {
                return Err(hung_up());
            }
        }
        Ok(self.pending.drain(..n).collect())
    }

    /// Reads once more from the other side, into what [`Link::pending`] shows. Returns how many bytes
    /// came; none means that the other side has ended.
    ///
    /// # Errors
    /// If reading fails or takes too long.
    pub(crate) async fn more(&mut self) -> io::Result<usize> {
        let mut chunk = [0; CHUNK];
        let left = self.left();
        // What is pending stays there: the stream itself is read.
        let kept = std::mem::take(&mut self.pending);
        let read = in_time(left, self.read(&mut chunk)).await;
        self.pending = kept;
        let n = read?;
        self.pending.extend_from_slice(chunk.get(..n).unwrap_or_default());
        Ok(n)
    }

    /// Returns what was received and not yet taken.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.pending
    }
}

fn hung_up() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up")
}

async fn in_time<T>(left: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let done = tokio::time::timeout(left, step).await;
    done.unwrap_or_else(|_elapsed| Err(io::Error::new(io::ErrorKind::TimedOut, "timed out")))
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let link = self.get_mut();
        if !link.pending.is_empty() {
            let n = link.pending.len().min(buffer.remaining());
            let taken: Vec<u8> = link.pending.drain(..n).collect();
            buffer.put_slice(&taken);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = match &mut link.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(task, buffer),
            Stream::Secured(stream) => Pin::new(&mut **stream).poll_read(task, buffer),
            Stream::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        };
        if buffer.filled().len() > before && link.phases.first_byte.is_none() {
            let since = Clock.micros().since(link.ready);
            link.phases.first_byte = Some(Duration::from_micros(since));
        }
        polled
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(task, bytes),
            Stream::Secured(stream) => Pin::new(&mut **stream).poll_write(task, bytes),
            Stream::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(task),
            Stream::Secured(stream) => Pin::new(&mut **stream).poll_flush(task),
            Stream::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(task),
            Stream::Secured(stream) => Pin::new(&mut **stream).poll_shutdown(task),
            Stream::Gone => Poll::Ready(Ok(())),
        }
    }
}

/// A socket for datagrams to and from one address, whose every step ends with the time of the check.
#[derive(Debug)]
pub(crate) struct Datagrams {
    socket: UdpSocket,
    address: SocketAddr,
    phases: Phases,
    began: Micros,
    /// When the first datagram was sent.
    sent: Option<Micros>,
    limit: Duration,
}

/// How often a question is sent at most: the second and third time in case one was lost.
const MAX_SENT: u32 = 3;

impl Datagrams {
    pub(crate) fn new(
        socket: UdpSocket,
        address: SocketAddr,
        resolve: Duration,
        began: Micros,
        limit: Duration,
    ) -> Self {
        let phases = Phases { resolve, ..Phases::default() };
        Self { socket, address, phases, began, sent: None, limit }
    }

    /// Returns where it leads to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns this machine's address on the way there.
    pub(crate) fn local(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Returns what is known about it; the total time is that until now.
    pub(crate) fn seen(&self) -> Seen {
        let total = Duration::from_micros(Clock.micros().since(self.began));
        Seen { address: self.address, phases: Phases { total, ..self.phases }, tls: None }
    }

    /// Returns the time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(Duration::from_micros(Clock.micros().since(self.began)))
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        self.sent.get_or_insert_with(|| Clock.micros());
        self.socket.send(packet).await.map(drop)
    }

    /// Returns the next datagram, of at most `room` bytes; a longer one is cut.
    ///
    /// # Errors
    /// If the other side refuses, or nothing comes in time.
    pub(crate) async fn receive(&mut self, room: usize) -> io::Result<Vec<u8>> {
        let left = self.left();
        self.receive_within(room, left).await
    }

    async fn receive_within(&mut self, room: usize, wait: Duration) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; room];
        let n = in_time(wait, self.socket.recv(&mut buffer)).await?;
        buffer.truncate(n);
        if let (None, Some(sent)) = (self.phases.first_byte, self.sent) {
            let since = Clock.micros().since(sent);
            self.phases.first_byte = Some(Duration::from_micros(since));
        }
        Ok(buffer)
    }

    /// Sends `packet` and returns the first datagram that `answers` takes; others are passed over.
    /// Without one it is sent again, at a third and two thirds of the time.
    ///
    /// # Errors
    /// If the other side refuses, or no answer comes in time.
    pub(crate) async fn ask(
        &mut self,
        packet: &[u8],
        room: usize,
        answers: impl Fn(&[u8]) -> bool,
    ) -> io::Result<Vec<u8>> {
        let share = self.left() / MAX_SENT;
        for _sent in 0..MAX_SENT {
            self.send(packet).await?;
            let until = Clock.micros();
            loop {
                let spent = Duration::from_micros(Clock.micros().since(until));
                let wait = share.saturating_sub(spent);
                match self.receive_within(room, wait).await {
                    Ok(answer) if answers(&answer) => return Ok(answer),
                    Ok(_other) => {}
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came back in time"))
    }
}

#[cfg(test)]
mod tests;
