//! Graphite's lines, over TCP and UDP: nobody proves who he is, so addresses decide who may.
//!
//! A line is not answered, so nobody knows whether it arrived. What has come is gathered for half a second
//! and kept as one batch; while history is stopped it is held, and behind it the senders over TCP are, who
//! wait until there is room. What comes by UDP meanwhile is lost and counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hark_metrics::{Batch, Refused, Unreadable, Why, graphite};
use hark_model::time::Clock;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::NotNow;
use crate::config::Graphite;
use crate::server::links::Links;

/// Connections at the same time; those beyond wait to be taken.
const MAX_CONNECTIONS: usize = 256;

/// Who says nothing for so long is gone.
const SILENCE: Duration = Duration::from_mins(15);

/// The longest line: a path, its tags and a number.
const MAX_LINE: usize = 4096;

/// How much is read at once.
const READ: usize = 64 * 1024;

/// The longest datagram.
const MAX_DATAGRAM: usize = 65_535;

/// Pieces that wait to be gathered.
const QUEUE: usize = 64;

/// For how long, and how much, is gathered: 10,000 lines or so.
const GATHER: (Duration, usize) = (Duration::from_millis(500), 1024 * 1024);

/// How long to wait before what could not be kept is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Where lines come in.
pub(crate) struct Doors {
    tcp: TcpListener,
    udp: UdpSocket,
}

impl Doors {
    /// Listens on one port, over TCP and UDP.
    ///
    /// # Errors
    /// If that is not possible.
    pub(crate) fn open(address: SocketAddr) -> std::io::Result<Self> {
        let tcp = std::net::TcpListener::bind(address)?;
        let udp = std::net::UdpSocket::bind(tcp.local_addr()?)?;
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        Ok(Self { tcp: TcpListener::from_std(tcp)?, udp: UdpSocket::from_std(udp)? })
    }
}

/// Takes lines until the server ends.
pub(crate) async fn run(doors: Doors, links: Arc<Links>, stop: CancellationToken) {
    let (to, pieces) = mpsc::channel(QUEUE);
    let tasks = TaskTracker::new();
    tasks.spawn(keep(pieces, Arc::clone(&links), stop.clone()));
    tasks.spawn(datagrams(doors.udp, to.clone(), Arc::clone(&links), stop.clone()));
    connections(&doors.tcp, &to, &links, &stop, &tasks).await;
    drop(to);
    tasks.close();
    tasks.wait().await;
}

async fn connections(
    listener: &TcpListener,
    to: &mpsc::Sender<Vec<u8>>,
    links: &Arc<Links>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = async { Some((place.await.ok()?, listener.accept().await)) };
        let accepted = tokio::select! {
            accepted = accepted => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Some((place, Ok((stream, from)))) if may(links, from) => {
                let (to, stop) = (to.clone(), stop.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        () = lines(stream, &to) => {}
                        () = stop.cancelled() => {}
                    }
                    drop(place);
                });
            }
            Some((_, Ok((_, from)))) => tracing::debug!(%from, "not of a network that may send"),
            Some((_, Err(error))) => {
                tracing::warn!(%error, "cannot take a connection for Graphite's lines");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            None => return,
        }
    }
}

fn may(links: &Links, from: SocketAddr) -> bool {
    let settings = links.inlets.settings.load();
    settings.graphite().is_some_and(|graphite| graphite.takes(from.ip()))
}

/// Hands on whole lines until the sender ends.
async fn lines(mut stream: TcpStream, to: &mpsc::Sender<Vec<u8>>) {
    let mut rest: Vec<u8> = Vec::new();
    let mut buffer = vec![0; READ];
    loop {
        let read = tokio::time::timeout(SILENCE, stream.read(&mut buffer)).await;
        let Ok(Ok(length)) = read else { return };
        rest.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let whole = match rest.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            // The last line may have no end.
            None if length == 0 => rest.len(),
            None => 0,
        };
        let kept = rest.split_off(whole);
        let piece = std::mem::replace(&mut rest, kept);
        if !piece.is_empty() && to.send(piece).await.is_err() {
            return;
        }
        if length == 0 || rest.len() > MAX_LINE {
            return;
        }
    }
}

async fn datagrams(
    socket: UdpSocket,
    to: mpsc::Sender<Vec<u8>>,
    links: Arc<Links>,
    stop: CancellationToken,
) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = stop.cancelled() => return,
        };
        match received {
            Ok((length, from)) if may(&links, from) => {
                let piece = [buffer.get(..length).unwrap_or_default(), b"\n"].concat();
                if to.try_send(piece).is_err() {
                    links.inlets.figures.lost_datagram();
                }
            }
            Ok((_, from)) => tracing::debug!(%from, "not of a network that may send"),
            Err(error) => tracing::debug!(%error, "cannot receive lines"),
        }
    }
}

/// Keeps what has come, a batch at a time, until everybody who sends has ended.
async fn keep(mut pieces: mpsc::Receiver<Vec<u8>>, links: Arc<Links>, stop: CancellationToken) {
    while let Some(first) = pieces.recv().await {
        let text = gather(first, &mut pieces).await;
        let text = Arc::new(text);
        loop {
            let (of, lines) = (Arc::clone(&links), Arc::clone(&text));
            let kept = tokio::task::spawn_blocking(move || bring(&of, &lines)).await;
            match kept {
                Ok(Err(NotNow::Stopped)) if !stop.is_cancelled() => tokio::time::sleep(AGAIN).await,
                Ok(Ok(()) | Err(_)) => break,
                Err(error) => {
                    tracing::error!(%error, "lines were lost by a fault of hark");
                    break;
                }
            }
        }
    }
}

/// Waits for what comes with the first piece.
async fn gather(first: Vec<u8>, pieces: &mut mpsc::Receiver<Vec<u8>>) -> Vec<u8> {
    let (time, size) = GATHER;
    let mut text = first;
    let end = tokio::time::sleep(time);
    tokio::pin!(end);
    while text.len() < size {
        let more = tokio::select! {
            more = pieces.recv() => more,
            () = &mut end => None,
        };
        let Some(more) = more else { break };
        // A line that a sender did not end must not become one with the next of another.
        if !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(&more);
    }
    text
}

fn bring(links: &Links, text: &[u8]) -> Result<(), NotNow> {
    let settings = links.inlets.settings.load();
    let Some(graphite) = settings.graphite() else { return Ok(()) };
    let batch = read(text, graphite);
    links.inlets.bring(links, graphite.source(), &batch).map(|_| ())
}

/// Reads lines. A gathered megabyte has less than a request may have, unless lines are a few bytes.
fn read(text: &[u8], of: &Graphite) -> Batch {
    let read: Result<Batch, Unreadable> = graphite::read(text, of.templates(), &of.source().naming);
    read.unwrap_or_else(|error| {
        let mut refused = Refused::default();
        refused.add(Why::Line, text.split(|byte| *byte == b'\n').count(), &error.to_string());
        tracing::warn!(%error, at = Clock.now().unix.0, "lines are refused");
        Batch { refused, ..Batch::default() }
    })
}
