//! What receiving heartbeats costs at the least on this machine, and a flood of datagrams that change nothing.
//!
//! ```text
//! ingest floor HOSTS [answer]             the barest receiver of sealed heartbeats of 33 values
//! ingest read                             the socket alone: datagrams read and forgotten, by who sent them
//! ingest take                             the same of a flood that comes from elsewhere, until it ends
//! ingest flood ADDRESS SECRET KIND COUNT  to a server: unknown, forged or replayed datagrams; any to whomever
//! ```
//!
//! The floor does what cannot be left out: it reads batches of datagrams, opens each with its host's key, looks
//! whether its number is newer, reads 33 values, notes when the host is due next, and keeps the values as
//! differences; after 120 of them a host's block is put aside uncompressed. One thread, nothing on a disk, no
//! thresholds. What sends is on the same thread and not counted.

#![expect(unsafe_code, reason = "the system calls that the product uses as well")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "sizes of C's structures, and values folded into bytes on purpose"
)]
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, bail};
use hark_model::name::HostName;
use hark_model::time::{Clock, Micros, Unix};
use hark_proto::{BeatBuilder, ClientSession, Hello, Identity};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const VALUES: usize = 33;
const BATCH: usize = 64;
/// Datagrams sent before they are read: fewer than the kernel's buffer holds.
const ROUND: usize = 512;
const ROOM: usize = 2048;
const HEADER: usize = 16;
/// Values of a host before they are put aside.
const BLOCK: u16 = 120;
const FOR: Duration = Duration::from_secs(6);

/// Returns the processor time of this thread in nanoseconds.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local structure of the right kind.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or_default()
}

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 127 {
        out.push((value & 127) as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads values into `out`; returns how many.
fn read_values(bytes: &[u8], out: &mut [u64; VALUES]) -> usize {
    let (mut n, mut value, mut shift) = (0, 0_u64, 0);
    for byte in bytes {
        value |= u64::from(byte & 127) << shift;
        shift += 7;
        if byte & 128 == 0 {
            let Some(place) = out.get_mut(n) else { return n };
            *place = value;
            (n, value, shift) = (n + 1, 0, 0);
        }
    }
    n
}

/// Room for batches of datagrams, and where they came from.
struct Batches {
    room: Vec<[u8; ROOM]>,
    headers: [libc::mmsghdr; BATCH],
    iov: [libc::iovec; BATCH],
    from: [libc::sockaddr_in; BATCH],
}

impl Batches {
    fn new() -> Self {
        // SAFETY: plain C structures, for which zeros are a valid value.
        let (headers, iov, from) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Self { room: vec![[0; ROOM]; BATCH], headers, iov, from }
    }

    fn receive(&mut self, socket: &UdpSocket) -> usize {
        for n in 0..BATCH {
            self.iov[n] = libc::iovec { iov_base: self.room[n].as_mut_ptr().cast(), iov_len: ROOM };
            let header = &mut self.headers[n].msg_hdr;
            header.msg_iov = &raw mut self.iov[n];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut self.from[n]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        }
        // SAFETY: each header points to one iovec and one address in `self`, alive and as long as said.
        let n = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(n).unwrap_or(0)
    }

    /// Sends the first `length` bytes of each of `n` rooms back to where the datagrams came from.
    fn answer(&mut self, socket: &UdpSocket, n: usize, length: usize) {
        for iov in &mut self.iov[..n] {
            iov.iov_len = length;
        }
        // SAFETY: as for receiving; the lengths are below those of the rooms.
        unsafe { libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), n as u32, 0) };
    }
}

/// What the floor keeps of a host.
struct Kept {
    key: LessSafeKey,
    number: u64,
    last: [u64; VALUES],
    open: Vec<u8>,
    n_open: u16,
}

/// The sending side of a host.
struct Source {
    number: u64,
    values: [u64; VALUES],
}

fn nonce(number: u64, answer: bool) -> Nonce {
    let mut bytes = [u8::from(answer); 12];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn sockets() -> io::Result<(UdpSocket, UdpSocket)> {
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    sender.connect(receiver.local_addr()?)?;
    for socket in [&receiver, &sender] {
        let bytes: libc::c_int = 4 << 20;
        // SAFETY: the pointer is to an integer of the size that is given.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUFFORCE,
                (&raw const bytes).cast(),
                size_of::<libc::c_int>() as u32,
            );
        }
    }
    Ok((receiver, sender))
}

struct Floor {
    kept: Vec<Kept>,
    due: Vec<u32>,
    aside: Vec<u8>,
    batches: Batches,
    values: [u64; VALUES],
}

impl Floor {
    /// Takes all that waits; returns how many heartbeats that were.
    fn take(&mut self, receiver: &UdpSocket, answer: bool) -> u64 {
        let mut taken = 0;
        loop {
            let n = self.batches.receive(receiver);
            if n == 0 {
                return taken;
            }
            let now = (cpu_ns() / 1_000_000_000) as u32;
            for i in 0..n {
                taken += u64::from(self.one(i, now, answer));
            }
            if answer {
                self.batches.answer(receiver, n, 24);
            }
        }
    }

    fn one(&mut self, i: usize, now: u32, answer: bool) -> bool {
        let length = self.batches.headers[i].msg_len as usize;
        let (header, body) = self.batches.room[i][..length].split_at_mut(HEADER);
        let host = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let mut number = [0; 8];
        number.copy_from_slice(&header[4..12]);
        let number = u64::from_le_bytes(number);
        let Some(kept) = self.kept.get_mut(host).filter(|kept| number > kept.number) else {
            return false;
        };
        let Ok(plain) = kept.key.open_in_place(nonce(number, false), Aad::from(&*header), body)
        else {
            return false;
        };
        if read_values(plain, &mut self.values) != VALUES {
            return false;
        }
        kept.number = number;
        self.due[host] = now + 90;
        for (value, last) in self.values.iter().zip(&mut kept.last) {
            let by = value.wrapping_sub(*last) as i64;
            varint(&mut kept.open, ((by << 1) ^ (by >> 63)) as u64);
            *last = *value;
        }
        kept.n_open += 1;
        if kept.n_open == BLOCK {
            kept.n_open = 0;
            self.aside.clear();
            self.aside.extend_from_slice(&kept.open);
            kept.open.clear();
        }
        if answer {
            let mut text = number.to_le_bytes();
            let sealed =
                kept.key.seal_in_place_separate_tag(nonce(number, true), Aad::empty(), &mut text);
            let Ok(tag) = sealed else { return false };
            self.batches.room[i][..8].copy_from_slice(&text);
            self.batches.room[i][8..24].copy_from_slice(tag.as_ref());
        }
        true
    }
}

fn key(chance: &mut Chance) -> anyhow::Result<LessSafeKey> {
    let mut bytes = [0; 32];
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&chance.next().to_le_bytes());
    }
    let key = UnboundKey::new(&AES_256_GCM, &bytes).ok().context("a key of 32 bytes")?;
    Ok(LessSafeKey::new(key))
}

/// Seals the next heartbeat of a host, whose values move.
fn sealed(host: usize, source: &mut Source, key: &LessSafeKey, chance: &mut Chance) -> Vec<u8> {
    let mut body = Vec::with_capacity(256);
    for (n, value) in source.values.iter_mut().enumerate() {
        if n % 4 != 3 {
            *value = value.wrapping_add(chance.next() % (1 << (1 + n % 14)));
        }
        varint(&mut body, *value);
    }
    source.number += 1;
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&(host as u32).to_le_bytes());
    header[4..12].copy_from_slice(&source.number.to_le_bytes());
    let done =
        key.seal_in_place_append_tag(nonce(source.number, false), Aad::from(&header), &mut body);
    debug_assert!(done.is_ok(), "it is short enough");
    let mut datagram = header.to_vec();
    datagram.extend_from_slice(&body);
    datagram
}

fn floor(hosts: usize, answer: bool) -> anyhow::Result<()> {
    let (receiver, sender) = sockets()?;
    let mut chance = Chance(42);
    let mut floor = Floor {
        kept: Vec::new(),
        due: vec![0; hosts],
        aside: Vec::new(),
        batches: Batches::new(),
        values: [0; VALUES],
    };
    let mut sources = Vec::new();
    for _ in 0..hosts {
        let open = Vec::with_capacity(VALUES * usize::from(BLOCK) * 2);
        let kept = Kept { key: key(&mut chance)?, number: 0, last: [0; VALUES], open, n_open: 0 };
        floor.kept.push(kept);
        let values = std::array::from_fn(|n| chance.next() >> (24 + n % 5 * 8));
        sources.push(Source { number: 0, values });
    }
    let begun = Clock.now().mono;
    let (mut host, mut cpu, mut taken, mut bytes) = (0, 0, 0, 0);
    while Clock.now().mono.since(begun) < FOR {
        for _ in 0..ROUND {
            // In an order that helps no cache.
            host = (host + 7919) % hosts;
            let datagram = sealed(host, &mut sources[host], &floor.kept[host].key, &mut chance);
            bytes = datagram.len();
            sender.send(&datagram)?;
        }
        let before = cpu_ns();
        taken += floor.take(&receiver, answer);
        cpu += cpu_ns() - before;
        if answer {
            sender.set_nonblocking(true)?;
            let mut room = [0; 64];
            while sender.recv(&mut room).is_ok() {}
            sender.set_nonblocking(false)?;
        }
    }
    black_box((&floor.due, &floor.aside));
    println!(
        "floor {hosts} hosts, {bytes} bytes, answer {answer}: {} ns, {} heartbeats a CPU-second",
        cpu / taken.max(1),
        taken * 1_000_000_000 / cpu.max(1)
    );
    Ok(())
}

fn read() -> anyhow::Result<()> {
    let (receiver, sender) = sockets()?;
    let mut batches = Batches::new();
    let begun = Clock.now().mono;
    let (mut cpu, mut taken) = (0, 0);
    while Clock.now().mono.since(begun) < FOR {
        for _ in 0..ROUND {
            sender.send(&[0x5a; 174])?;
        }
        let before = cpu_ns();
        loop {
            match batches.receive(&receiver) {
                0 => break,
                n => taken += n as u64,
            }
        }
        cpu += cpu_ns() - before;
    }
    println!(
        "read: {} ns, {} datagrams a CPU-second",
        cpu / taken.max(1),
        taken * 1_000_000_000 / cpu.max(1)
    );
    Ok(())
}

/// How long datagrams gather before they are taken, and for how long none comes after a flood.
const GATHER: Duration = Duration::from_millis(50);
const OVER: Duration = Duration::from_secs(1);

/// Reads what others send and forgets it: what no server can do without.
fn take() -> anyhow::Result<()> {
    let (receiver, _) = sockets()?;
    println!("udp port {}", receiver.local_addr()?.port());
    let mut batches = Batches::new();
    let (mut taken, mut last) = (0, Clock.now().mono);
    let before = cpu_ns();
    while taken == 0 || Clock.now().mono.since(last) < OVER {
        std::thread::park_timeout(GATHER);
        loop {
            match batches.receive(&receiver) {
                0 => break,
                n => (taken, last) = (taken + n as u64, Clock.now().mono),
            }
        }
    }
    let cpu = cpu_ns() - before;
    println!("take: {} ns, {} datagrams a CPU-second", cpu / taken, taken * 1_000_000_000 / cpu);
    Ok(())
}

/// Says hello as a host, so that its session is open, and returns a datagram of the kind wanted.
fn unwelcome(socket: &UdpSocket, secret: &str, kind: &str) -> anyhow::Result<Vec<u8>> {
    let name = |text: &str| HostName::new(text).context("a good name");
    let host = name("flood-1")?;
    let identity = Identity::simple(secret.trim_end().as_bytes(), host.clone());
    let started = Clock.now().unix;
    let mut session =
        ClientSession::begin(identity, hark_proto::next_session(started, 0, 0), micros());
    let hello = Hello {
        host,
        version: String::new(),
        interval_ms: 15_000,
        epoch: 1,
        booted_at: None,
        started_at: started,
        sets: Vec::new(),
        facts: BTreeMap::new(),
    };
    let mut datagram = Vec::new();
    let mut room = [0; ROOM];
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    for _ in 0..3 {
        let content = hello.encode()?;
        session.seal(&content, 1, Clock.now(), micros(), &mut datagram)?;
        socket.send(&datagram)?;
        let n =
            socket.recv(&mut room).context("the server does not answer: is the secret right?")?;
        black_box(session.open(&mut room[..n], Clock.now(), micros())).ok();
    }
    let mut values = Vec::new();
    for n in 0..VALUES as u64 {
        varint(&mut values, n);
    }
    let mut beat = BeatBuilder::new(15_000, None);
    anyhow::ensure!(beat.push(1, Unix(started.0), &values), "a frame of 33 values fits");
    let beat = beat.finish();
    session.seal(&beat, 2, Clock.now(), micros(), &mut datagram)?;
    match kind {
        "replayed" => {
            socket.send(&datagram)?;
        }
        "forged" => {
            if let Some(last) = datagram.last_mut() {
                *last ^= 1;
            }
        }
        "unknown" => {
            let other = Identity::simple(b"another secret", name("flood-2")?);
            let mut session = ClientSession::begin(other, 7, micros());
            session.seal(&beat, 1, Clock.now(), micros(), &mut datagram)?;
        }
        _ => bail!("a kind is unknown, forged, replayed or any"),
    }
    Ok(datagram)
}

fn micros() -> Micros {
    Micros(Clock.now().mono.0 * 1000)
}

fn flood(to: SocketAddr, secret: &str, kind: &str, count: u64) -> anyhow::Result<()> {
    let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?;
    socket.connect(to)?;
    let datagram = match kind {
        "any" => vec![0x5a; 114],
        _ => unwelcome(&socket, secret, kind)?,
    };
    let begun = Clock.now().mono;
    let mut sent = 0;
    for n in 0..count {
        sent += u64::from(socket.send(&datagram).is_ok());
        // Not faster than the server reads: what the kernel drops costs it nothing.
        if n % 2000 == 1999 {
            std::thread::park_timeout(Duration::from_millis(25));
        }
    }
    println!(
        "{kind}: {sent} datagrams of {} bytes in {:?}",
        datagram.len(),
        Clock.now().mono.since(begun)
    );
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["floor", hosts] => floor(hosts.parse()?, false),
        ["floor", hosts, "answer"] => floor(hosts.parse()?, true),
        ["read"] => read(),
        ["take"] => take(),
        ["flood", to, secret, kind, count] => {
            flood(to.parse()?, &std::fs::read_to_string(secret)?, kind, count.parse()?)
        }
        _ => {
            bail!(
                "usage: ingest floor HOSTS [answer] | read | take | flood ADDRESS SECRETFILE KIND COUNT"
            )
        }
    }
}
