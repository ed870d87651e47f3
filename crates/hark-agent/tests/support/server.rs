//! A small server of one agent over real UDP: the protocol's own machine, and memory for a disk.

#![expect(clippy::unwrap_used, reason = "part of tests; a failure here is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hark_model::frame::{ValueReader, check_values, scale};
use hark_model::{Clock, SeriesDef};
use hark_proto::{
    AckFacts, Body, Hello, Identity, ItemWindow, Paper, Piece, Refused, ReportItem, ServerSession,
    SetAssembler, decode, peek,
};

/// What survives a restart of the server.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) highest: u64,
    /// All sessions that it has answered in.
    pub(crate) sessions: BTreeSet<u64>,
    pub(crate) hello: Option<Hello>,
    pub(crate) sets: BTreeMap<u32, Vec<SeriesDef>>,
    /// When each set's frames were taken.
    pub(crate) frames: BTreeSet<(u32, i64)>,
    /// The newest value of each series, by path.
    pub(crate) values: BTreeMap<String, f64>,
    pub(crate) items: ItemWindow,
    pub(crate) applied: Vec<ReportItem>,
    pub(crate) beats: u64,
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    /// What the agent is given: revision and text.
    pub(crate) given: Option<(u32, String)>,
    pieces: Vec<Piece>,
}

/// A server at work; ends when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) disk: Arc<(Mutex<Disk>, Condvar)>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves the agent with `identity` at `address`, with what `disk` holds.
    pub(crate) fn start(
        identity: Identity,
        address: SocketAddr,
        disk: Arc<(Mutex<Disk>, Condvar)>,
    ) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        let address = socket.local_addr().unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let (inside, stop) = (Arc::clone(&disk), Arc::clone(&ended));
        let thread = std::thread::spawn(move || serve(&socket, &identity, &inside, &stop));
        Self { address, disk, ended, thread: Some(thread) }
    }

    /// Waits until `wanted` holds; false if it does not within half a minute.
    pub(crate) fn wait(&self, mut wanted: impl FnMut(&Disk) -> bool) -> bool {
        let (disk, changed) = &*self.disk;
        let patience = Duration::from_secs(30);
        let guard = disk.lock().unwrap();
        let waited = changed.wait_timeout_while(guard, patience, |d| !wanted(d)).unwrap();
        !waited.1.timed_out()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn serve(
    socket: &UdpSocket,
    identity: &Identity,
    disk: &(Mutex<Disk>, Condvar),
    ended: &AtomicBool,
) {
    let mut session = ServerSession::new(disk.0.lock().unwrap().highest, None);
    let mut assembler = SetAssembler::default();
    let mut buffer = [0; 2048];
    let mut out = Vec::new();
    let mut salt = [0; 16];
    while !ended.load(Ordering::Relaxed) {
        let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
        let at = Clock.micros();
        let datagram = &mut buffer[..len];
        let header = peek(datagram).unwrap().header;
        let mut disk_now = disk.0.lock().unwrap();
        disk_now.datagrams += 1;
        disk_now.bytes += len as u64;
        let received = match session.open(&identity.key, datagram, from.ip(), at) {
            Ok(received) => received,
            Err(Refused::Stale) => {
                salt[0] += 1;
                if session.reset(&identity.key, &header, salt, at, &mut out) {
                    socket.send_to(&out, from).unwrap();
                }
                continue;
            }
            Err(_) => continue,
        };
        let mut wanted = Vec::new();
        let body = decode(received.header.kind, received.content).unwrap();
        if disk_now.take(body, &mut assembler, &mut wanted) {
            session.stored(header.session, header.counter);
        }
        if let Some(number) = session.to_persist() {
            disk_now.highest = number;
            disk_now.sessions.insert(number);
            session.persisted(number);
        }
        let pieces = std::mem::take(&mut disk_now.pieces);
        let revision = disk_now.given.as_ref().map_or(0, |(revision, _)| *revision);
        drop(disk_now);
        disk.1.notify_all();
        if session.want_sets(identity.agent, &wanted, &mut out) {
            socket.send_to(&out, from).unwrap();
        }
        for piece in pieces {
            if session.piece(identity.agent, &piece, &mut out) {
                socket.send_to(&out, from).unwrap();
            }
        }
        let facts = AckFacts { now: Clock.now(), revision, ..AckFacts::default() };
        if session.ack(identity.agent, &facts, Clock.micros(), &mut out) {
            socket.send_to(&out, from).unwrap();
        }
    }
}

impl Disk {
    fn take(
        &mut self,
        body: Body<'_>,
        assembler: &mut SetAssembler,
        wanted: &mut Vec<u32>,
    ) -> bool {
        let (frames, live) = match body {
            Body::Hello(hello) => {
                wanted.extend(hello.sets.iter().filter(|set| !self.sets.contains_key(set)));
                self.hello = Some(hello);
                return true;
            }
            Body::Sets(part) => {
                self.sets.extend(assembler.add(part));
                return true;
            }
            Body::Fetch(fetch) => {
                let given = self.given.as_ref();
                let whole = given.filter(|(r, _)| fetch.paper == Paper::Configuration(*r));
                let whole = whole.map_or(&b""[..], |(_, text)| text.as_bytes());
                self.pieces.push(Piece::cut(fetch, whole));
                return true;
            }
            Body::Report(report) => {
                for (number, item) in report.items {
                    if self.items.take(report.epoch, number) {
                        self.applied.extend(item);
                    }
                }
                return true;
            }
            Body::Beat(beat) => {
                self.beats += 1;
                (beat.frames, true)
            }
            Body::Backlog(backlog) => (backlog.frames, false),
        };
        let unknown = frames.clone().map(|f| f.set).filter(|set| !self.sets.contains_key(set));
        wanted.extend(unknown);
        if !wanted.is_empty() {
            return false;
        }
        for frame in frames {
            let defs = &self.sets[&frame.set];
            check_values(frame.values, defs.len()).unwrap();
            self.frames.insert((frame.set, frame.taken_at.0));
            if live {
                for (def, item) in defs.iter().zip(ValueReader::new(frame.values)) {
                    self.values.insert(def.name.path(), scale(item.unwrap(), def.decimals));
                }
            }
        }
        true
    }
}
