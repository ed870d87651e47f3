//! Echo requests and their replies, over sockets that all looks share.
//!
//! A socket for each look costs more than all the rest of a ping. So [`Echoes`] keeps a few, unconnected,
//! as many as their receive buffers need: the replies of all requests that are under way through one
//! always fit into its buffer ([`Lane::takes`]), so that none is lost here, however late they are read.
//!
//! No task reads them (nothing here spawns any): one of those who wait does it for all of its lane, in
//! batches, and hands that on when it leaves. A reply is known by its sequence number, which is its
//! lane's alone, and counts only if it comes from the address that was asked and brings the request's
//! mark, which nobody can know who has not seen the request.
//!
//! An unprivileged datagram socket is used where the system allows it (`net.ipv4.ping_group_range`), else a
//! raw one, which needs `CAP_NET_RAW`. What routers say of requests (unreachable) is told too.

mod packet;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
#[path = "echo/portable.rs"]
mod sys;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod sys;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Poller, Poll, Waker};

use hark_model::time::{Clock, Micros};
use socket2::Socket;
use tokio::io::unix::AsyncFd;

use self::packet::Packet;
use self::sys::Batch;

pub(crate) use packet::SMALLEST;

/// What one waiting reply takes of a receive buffer beside its own bytes, at most: drivers put each packet
/// into half a page.
const OVERHEAD: usize = 2304;

/// Receive buffer that is asked for. The system's own bound (`net.core.rmem_max`) may be less: then there
/// are more sockets.
const BUFFER: usize = 1 << 20;

/// Sockets of one family: beyond it the newest is shared by more than fit into its buffer.
const MOST_LANES: usize = 256;

/// The sockets that all looks of one program (or thread) share. Clones share them too.
#[derive(Clone, Default)]
pub struct Echoes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// Numbers the looks.
    next: AtomicU64,
    /// Keys the marks: not to be guessed.
    secret: RandomState,
}

impl fmt::Debug for Echoes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Echoes").field("sockets", &lock(&self.0.lanes).len()).finish()
    }
}

impl Echoes {
    /// Begins to ask `address`, at most `count` times with `size` bytes each. Must be called in a runtime.
    ///
    /// # Errors
    /// If this machine may not or cannot send echo requests.
    pub(crate) fn begin(&self, address: IpAddr, size: usize, count: u16) -> io::Result<Asking> {
        let address = reachable(address);
        let size = size.max(SMALLEST);
        let weight = (size + OVERHEAD) * usize::from(count);
        let lane = self.lane(address.is_ipv4(), weight)?;
        Ok(self.begin_in(lane, address, size, weight))
    }

    fn begin_in(&self, lane: Arc<Lane>, address: IpAddr, size: usize, weight: usize) -> Asking {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mark = self.0.secret.hash_one(id);
        lane.load.fetch_add(weight, Ordering::Relaxed);
        lock(&lane.state).waiting.insert(id, Waiting::default());
        let (echoes, packet) = (Arc::clone(&self.0), Vec::new());
        Asking { echoes, lane, id, mark, address, size, weight, sequences: Vec::new(), packet }
    }

    /// Returns a socket with room for the replies, a new one if there is none.
    fn lane(&self, is_ipv4: bool, weight: usize) -> io::Result<Arc<Lane>> {
        let mut lanes = lock(&self.0.lanes);
        let of_family = || lanes.iter().filter(|lane| lane.is_ipv4 == is_ipv4);
        if let Some(lane) = of_family().find(|lane| lane.takes(weight)) {
            return Ok(Arc::clone(lane));
        }
        if of_family().count() >= MOST_LANES
            && let Some(least) = of_family().min_by_key(|lane| lane.load.load(Ordering::Relaxed))
        {
            return Ok(Arc::clone(least));
        }
        let lane = Arc::new(Lane::open(is_ipv4)?);
        lanes.push(Arc::clone(&lane));
        Ok(lane)
    }
}

impl Shared {
    /// Closes a socket that nobody uses any more, but for the last of its family.
    fn close_idle(&self, idle: &Arc<Lane>) {
        let mut lanes = lock(&self.lanes);
        let n = lanes.iter().filter(|lane| lane.is_ipv4 == idle.is_ipv4).count();
        if n > 1 && idle.load.load(Ordering::Relaxed) == 0 {
            lanes.retain(|lane| !Arc::ptr_eq(lane, idle));
        }
    }
}

/// "This host" can be asked, and answers from its own address.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) if v4.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

/// One socket with those who wait for what comes over it.
struct Lane {
    socket: AsyncFd<Socket>,
    is_ipv4: bool,
    /// Of a raw socket, whose packets carry the number that is written into them: that number.
    identifier: Option<u16>,
    /// Where packets go to beside the address: echo requests have no port, what stands in for them in
    /// tests has one.
    port: u16,
    /// Bytes of its receive buffer.
    room: usize,
    /// Bytes that the replies of all requests under way may take.
    load: AtomicUsize,
    state: Mutex<State>,
}

/// Who waits for what.
#[derive(Default)]
struct State {
    requests: HashMap<u16, Request>,
    next_sequence: u16,
    waiting: BTreeMap<u64, Waiting>,
    /// Those of them who have heard nothing and are to be woken when they do. The newest is the last.
    idle: BTreeSet<u64>,
    /// Who reads for all, or was woken to.
    reader: Option<u64>,
}

#[derive(Clone, Copy)]
struct Request {
    /// Whose.
    id: u64,
    /// Which of its requests.
    n: u16,
    address: IpAddr,
    mark: u64,
}

#[derive(Default)]
struct Waiting {
    heard: VecDeque<Heard>,
    waker: Option<Waker>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The reply to this one came, at this time.
    Reply(u16, Micros),
    /// Somebody on the way says that this one cannot be delivered, with this error of the system.
    Undelivered(u16, i32),
}

impl Lane {
    fn open(is_ipv4: bool) -> io::Result<Self> {
        let (socket, identifier) = sys::open(is_ipv4)?;
        Self::over(socket, is_ipv4, identifier)
    }

    fn over(socket: Socket, is_ipv4: bool, identifier: Option<u16>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        if socket.recv_buffer_size()? < BUFFER {
            socket.set_recv_buffer_size(BUFFER)?;
        }
        let room = socket.recv_buffer_size()?;
        let socket = sys::watch(socket)?;
        let (load, state) = (AtomicUsize::new(0), Mutex::default());
        Ok(Self { socket, is_ipv4, identifier, port: 0, room, load, state })
    }

    /// Returns true if so many bytes more fit into the receive buffer; one look always does.
    fn takes(&self, weight: usize) -> bool {
        let load = self.load.load(Ordering::Relaxed);
        load == 0 || load + weight <= self.room
    }

    /// Reads all that has come and tells whom it concerns. Leaves the reader's waker for what comes later.
    fn read(&self, state: &mut State, cx: &mut Poller<'_>) -> io::Result<()> {
        while let Poll::Ready(ready) = self.socket.poll_read_ready(cx) {
            let mut ready = ready?;
            // Of the batch: what comes while it is read is hardly later.
            let now = Clock.micros();
            let batch = sys::receive(self.socket.get_ref(), |from, packet| {
                state.reply(self.identifier, from, packet, now);
            })?;
            match batch {
                Batch::Full => {}
                Batch::Last => ready.clear_ready(),
                // Nothing came that it was woken for, or an error that is no failure of the socket.
                Batch::None | Batch::Word => self.read_words(state),
            }
            if batch == Batch::None {
                ready.clear_ready();
            }
        }
        Ok(())
    }
}

impl Lane {
    /// Reads what routers say and tells whom it concerns.
    fn read_words(&self, state: &mut State) {
        sys::undelivered(self.socket.get_ref(), |to, packet, errno| {
            state.undelivered(self.identifier, to, packet, errno);
        });
    }
}

impl State {
    /// Takes note of a request; returns its sequence number, which no other one under way has.
    fn add(&mut self, request: Request) -> io::Result<u16> {
        for _ in 0..=u16::MAX {
            let sequence = self.next_sequence;
            self.next_sequence = sequence.wrapping_add(1);
            if let std::collections::hash_map::Entry::Vacant(free) = self.requests.entry(sequence) {
                free.insert(request);
                return Ok(sequence);
            }
        }
        Err(io::Error::other("too many echo requests are under way"))
    }

    fn reply(&mut self, identifier: Option<u16>, from: IpAddr, packet: &[u8], now: Micros) {
        let Some(packet) = Packet::reply(packet, from.is_ipv4()) else { return };
        let Some(request) = self.requests.get(&packet.sequence) else { return };
        let is_ours = identifier.is_none_or(|identifier| identifier == packet.identifier)
            && request.address == from
            && packet.mark == Some(request.mark);
        if is_ours {
            self.tell(packet.sequence, |n| Heard::Reply(n, now));
        }
    }

    fn undelivered(&mut self, identifier: Option<u16>, to: IpAddr, packet: &[u8], errno: i32) {
        let Some(packet) = Packet::request(packet, to.is_ipv4()) else { return };
        let Some(request) = self.requests.get(&packet.sequence) else { return };
        // Routers need not quote more than the head.
        let is_ours = identifier.is_none_or(|identifier| identifier == packet.identifier)
            && request.address == to
            && packet.mark.is_none_or(|mark| mark == request.mark);
        if is_ours {
            self.tell(packet.sequence, |n| Heard::Undelivered(n, errno));
        }
    }

    /// Tells whoever sent it: once, whatever comes later.
    fn tell(&mut self, sequence: u16, heard: impl FnOnce(u16) -> Heard) {
        let Some(request) = self.requests.remove(&sequence) else { return };
        let Some(waiting) = self.waiting.get_mut(&request.id) else { return };
        waiting.heard.push_back(heard(request.n));
        self.idle.remove(&request.id);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    /// Lets somebody else read, if it was this one: the newest of those who have heard nothing, who will
    /// wait the longest.
    fn hand_on(&mut self, id: u64) {
        if self.reader != Some(id) {
            return;
        }
        self.reader = self.idle.pop_last();
        let next = self.reader.and_then(|next| self.waiting.get_mut(&next));
        if let Some(waker) = next.and_then(|next| next.waker.take()) {
            waker.wake();
        }
    }

    /// Takes note that it waits for what comes.
    fn wait(&mut self, id: u64, waker: &Waker) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.waker = Some(waker.clone());
            self.idle.insert(id);
        }
    }

    /// Takes note that it does not wait for now.
    fn leave(&mut self, id: u64) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.waker = None;
        }
        self.idle.remove(&id);
        self.hand_on(id);
    }

    /// Forgets it.
    fn remove(&mut self, id: u64, sequences: &[u16]) {
        self.waiting.remove(&id);
        for sequence in sequences {
            if self.requests.get(sequence).is_some_and(|request| request.id == id) {
                self.requests.remove(sequence);
            }
        }
        self.leave(id);
    }

    fn has_heard(&self, id: u64) -> bool {
        self.waiting.get(&id).is_some_and(|waiting| !waiting.heard.is_empty())
    }
}

/// One look's requests. Dropping it forgets them.
pub(crate) struct Asking {
    echoes: Arc<Shared>,
    lane: Arc<Lane>,
    id: u64,
    mark: u64,
    address: IpAddr,
    size: usize,
    weight: usize,
    /// Those of its requests.
    sequences: Vec<u16>,
    packet: Vec<u8>,
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Asking {
    /// Sends request `n`.
    ///
    /// # Errors
    /// What the system says; an answer to it will not come.
    pub(crate) async fn send(&mut self, n: u16) -> io::Result<()> {
        let (id, mark, address) = (self.id, self.mark, self.address);
        let sequence = lock(&self.lane.state).add(Request { id, n, address, mark })?;
        self.sequences.push(sequence);
        let identifier = self.lane.identifier.unwrap_or_default();
        let packet = Packet { identifier, sequence, mark: Some(mark) };
        packet.write(self.address.is_ipv4(), self.size, &mut self.packet);
        let to = SocketAddr::new(self.address, self.lane.port).into();
        loop {
            match self.lane.socket.get_ref().send_to(&self.packet, &to) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Others are not to wait for their replies until this one is sent.
                    lock(&self.lane.state).leave(self.id);
                    self.lane.socket.writable().await?.clear_ready();
                }
                // Word of a router about an earlier request, maybe of somebody else.
                Err(error) if error.raw_os_error().is_some_and(sys::is_word_of_router) => {
                    self.lane.read_words(&mut lock(&self.lane.state));
                    let again = self.lane.socket.get_ref().send_to(&self.packet, &to);
                    return again.map(drop);
                }
                sent => return sent.map(drop),
            }
        }
    }

    /// Waits until something is heard of one of the requests. Cancelling loses nothing.
    ///
    /// # Errors
    /// If the socket fails.
    pub(crate) async fn heard(&mut self) -> io::Result<Heard> {
        std::future::poll_fn(|cx| self.poll_heard(cx)).await
    }

    fn poll_heard(&self, cx: &mut Poller<'_>) -> Poll<io::Result<Heard>> {
        let mut state = lock(&self.lane.state);
        if state.reader.is_none_or(|reader| reader == self.id) && !state.has_heard(self.id) {
            state.reader = Some(self.id);
            if let Err(error) = self.lane.read(&mut state, cx) {
                state.leave(self.id);
                return Poll::Ready(Err(error));
            }
        }
        let Some(waiting) = state.waiting.get_mut(&self.id) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let Some(heard) = waiting.heard.pop_front() else {
            state.wait(self.id, cx.waker());
            return Poll::Pending;
        };
        state.hand_on(self.id);
        Poll::Ready(Ok(heard))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        lock(&self.lane.state).remove(self.id, &self.sequences);
        if self.lane.load.fetch_sub(self.weight, Ordering::Relaxed) == self.weight {
            self.echoes.close_idle(&self.lane);
        }
    }
}

/// A panic of another look leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod line;
#[cfg(test)]
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod tests;
