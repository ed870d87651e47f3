//! A host with its agent: measures, keeps on its disk what is not acknowledged, speaks the protocol.
//!
//! A small agent of the simulator's own around the real [`ClientSession`]. What it promises is what the
//! oracle checks: each frame measured and each item made arrives, once.

use std::collections::{BTreeMap, BTreeSet};

use hark_model::frame::encode_values;
use hark_model::time::Micros;
use hark_model::{Event, EventKind, HostName, Now, SeriesDef, Severity, Unix};
use hark_proto::{
    BacklogBuilder, BeatBuilder, ClientSession, Content, Hello, Identity, Reply, ReportBuilder,
    ReportItem, next_session, set_number, split_set,
};

use crate::machine::{Machine, series};

/// How many frames wait on the disk at most: more than any run makes.
const MAX_FRAMES: usize = 10_000;

/// A frame on the agent's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptFrame {
    pub(super) set: u32,
    pub(super) values: Vec<u8>,
}

/// What survives the agent.
#[derive(Debug)]
struct Disk {
    last_session: u64,
    epoch: u64,
    last_item: u64,
    items: BTreeMap<u64, ReportItem>,
    frames: BTreeMap<Unix, KeptFrame>,
}

/// What a datagram on the way carries.
#[derive(Clone, Debug)]
enum Cargo {
    /// Says the same each time: sealed again.
    Again(Content),
    /// Items: sealed again as they are.
    Items(Content, Vec<u64>),
    /// Frames: if the datagram is lost they go with another.
    Frames(Vec<Unix>),
}

/// The running agent.
#[derive(Debug)]
struct Process {
    client: ClientSession,
    cargo: BTreeMap<u64, Cargo>,
    next_token: u64,
}

/// One host.
#[derive(Debug)]
pub(super) struct SimAgent {
    pub(super) name: HostName,
    pub(super) machine: Machine,
    pub(super) interval_ms: u64,
    /// How far its wall clock is off.
    pub(super) clock_ms: i64,
    identity: Identity,
    series: Vec<SeriesDef>,
    set: u32,
    disk: Disk,
    process: Option<Process>,
    /// All that was ever measured or made, for the oracle.
    pub(super) measured: BTreeMap<Unix, KeptFrame>,
    pub(super) made: BTreeSet<u64>,
    pub(super) acked_frames: BTreeSet<Unix>,
    pub(super) acked_items: BTreeSet<u64>,
    pub(super) resets: u64,
}

impl SimAgent {
    pub(super) fn new(
        name: HostName,
        secret: &[u8],
        seed: u64,
        interval_ms: u64,
        now: Now,
    ) -> Self {
        let series = series();
        Self {
            identity: Identity::simple(secret, name.clone()),
            name,
            machine: Machine::new(seed, now.unix),
            interval_ms,
            clock_ms: 0,
            set: set_number(&series),
            series,
            disk: Disk {
                last_session: 0,
                epoch: now.unix.0.cast_unsigned(),
                last_item: 0,
                items: BTreeMap::new(),
                frames: BTreeMap::new(),
            },
            process: None,
            measured: BTreeMap::new(),
            made: BTreeSet::new(),
            acked_frames: BTreeSet::new(),
            acked_items: BTreeSet::new(),
            resets: 0,
        }
    }

    /// Returns what it measures.
    pub(super) fn series(&self) -> &[SeriesDef] {
        &self.series
    }

    pub(super) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Ends at once: what is in memory is gone.
    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts; says hello, and that the host booted.
    pub(super) fn start(&mut self, now: Now, at: Micros, out: &mut Vec<Vec<u8>>) {
        let session = self.new_session(now, 0);
        let client = ClientSession::begin(self.identity.clone(), session, at);
        self.process = Some(Process { client, cargo: BTreeMap::new(), next_token: 1 });
        self.make(EventKind::Boot, now);
        self.hello(now, at, out);
    }

    /// Notes a thing that happened, to be told exactly once.
    pub(super) fn make(&mut self, kind: EventKind, now: Now) {
        self.disk.last_item += 1;
        let number = self.disk.last_item;
        self.made.insert(number);
        let event = Event {
            at: now.unix,
            kind,
            severity: Severity::Info,
            text: format!("{} item {number}", self.name),
            tags: Vec::new(),
            data: None,
        };
        self.disk.items.insert(number, ReportItem::Event(event));
    }

    /// One interval has passed: measure, send a heartbeat, then some of what waits.
    pub(super) fn beat(&mut self, now: Now, at: Micros, out: &mut Vec<Vec<u8>>) {
        if self.process.is_none() {
            return;
        }
        let mut values = Vec::new();
        let interval_s = std::time::Duration::from_millis(self.interval_ms).as_secs_f64();
        self.machine.measure(now.unix, interval_s, &mut values);
        let mut bytes = Vec::new();
        encode_values(&self.series, &values, &mut bytes);
        let interval = u32::try_from(self.interval_ms).unwrap_or(u32::MAX);
        let rtt = self.process.as_ref().and_then(|p| p.client.rtt_us());
        let mut beat = BeatBuilder::new(interval, rtt);
        let mut carried = Vec::new();
        // A clock that went back may meet a time that is taken: this frame is then not measured.
        if !self.measured.contains_key(&now.unix) && beat.push(self.set, now.unix, &bytes) {
            let frame = KeptFrame { set: self.set, values: bytes };
            self.measured.insert(now.unix, frame.clone());
            self.disk.frames.insert(now.unix, frame);
            carried.push(now.unix);
            while self.disk.frames.len() > MAX_FRAMES {
                self.disk.frames.pop_first();
            }
        }
        self.send(&beat.finish(), Cargo::Frames(carried), now, at, out);
        self.send_items(now, at, out);
        self.send_backlog(now, at, out);
    }

    /// Sends again what was not acknowledged in time.
    pub(super) fn look(&mut self, now: Now, at: Micros, out: &mut Vec<Vec<u8>>) {
        let Some(process) = &mut self.process else { return };
        let tokens = process.client.overdue(at);
        self.again(&tokens, now, at, out);
    }

    /// Returns when [`SimAgent::look`] is wanted, on the agent's own clock.
    pub(super) fn next_look(&self) -> Option<Micros> {
        self.process.as_ref().and_then(|process| process.client.next_timeout())
    }

    /// A datagram from the server. What is refused is a copy, or of a session that is over.
    pub(super) fn receive(
        &mut self,
        datagram: &mut [u8],
        now: Now,
        at: Micros,
        out: &mut Vec<Vec<u8>>,
    ) {
        let Some(process) = &mut self.process else { return };
        let Ok(reply) = process.client.open(datagram, now, at) else { return };
        match reply {
            Reply::Acked(acked) => {
                for token in acked.stored {
                    let cargo = process.cargo.remove(&token);
                    settle(cargo, &mut self.disk, &mut self.acked_frames, &mut self.acked_items);
                }
            }
            Reply::Reset { highest } => {
                self.resets += 1;
                let session = self.new_session(now, highest);
                let Some(process) = &mut self.process else { return };
                let tokens = process.client.renew(session, at);
                self.hello(now, at, out);
                self.again(&tokens, now, at, out);
            }
            Reply::Piece(_) | Reply::Wait(_) => {}
            Reply::WantSets(sets) => {
                if sets.contains(&self.set) {
                    let contents = split_set(self.set, &self.series).unwrap_or_default();
                    for content in contents {
                        self.send(&content.clone(), Cargo::Again(content), now, at, out);
                    }
                }
            }
        }
    }

    /// Returns how much waits on the disk.
    pub(super) fn n_waiting(&self) -> usize {
        self.disk.frames.len() + self.disk.items.len()
    }

    fn new_session(&mut self, now: Now, highest: u64) -> u64 {
        self.disk.last_session = next_session(now.unix, self.disk.last_session, highest);
        self.disk.last_session
    }

    fn hello(&mut self, now: Now, at: Micros, out: &mut Vec<Vec<u8>>) {
        let hello = Hello {
            host: self.name.clone(),
            version: "simulated".to_owned(),
            interval_ms: u32::try_from(self.interval_ms).unwrap_or(u32::MAX),
            epoch: self.disk.epoch,
            booted_at: None,
            started_at: now.unix,
            sets: vec![self.set],
            facts: BTreeMap::new(),
        };
        if let Ok(content) = hello.encode() {
            self.send(&content.clone(), Cargo::Again(content), now, at, out);
        }
    }

    fn send_items(&mut self, now: Now, at: Micros, out: &mut Vec<Vec<u8>>) {
        let Some(process) = &self.process else { return };
        // One report on the way at a time keeps within the receiver's window of items.
        if self.disk.items.is_empty()
            || process.cargo.values().any(|c| matches!(c, Cargo::Items(..)))
        {
            return;
        }
        let mut report = ReportBuilder::new(self.disk.epoch);
        let mut numbers = Vec::new();
        for (number, item) in &self.disk.items {
            if report.push(*number, item) == hark_proto::body::Pushed::Full {
                break;
            }
            numbers.push(*number);
        }
        let content = report.finish();
        self.send(&content.clone(), Cargo::Items(content, numbers), now, at, out);
    }

    /// Sends one datagram of old frames that are not on the way, newest first.
    fn send_backlog(&mut self, now: Now, at: Micros, out: &mut Vec<Vec<u8>>) {
        let Some(process) = &self.process else { return };
        let mut on_the_way = BTreeSet::new();
        for cargo in process.cargo.values() {
            if let Cargo::Frames(times) = cargo {
                on_the_way.extend(times.iter().copied());
            }
        }
        let mut backlog = BacklogBuilder::new();
        let mut carried = Vec::new();
        for (taken_at, frame) in self.disk.frames.iter().rev() {
            if on_the_way.contains(taken_at) {
                continue;
            }
            if !backlog.push(frame.set, *taken_at, &frame.values) {
                break;
            }
            carried.push(*taken_at);
        }
        if !carried.is_empty() {
            self.send(&backlog.finish(), Cargo::Frames(carried), now, at, out);
        }
    }

    fn again(&mut self, tokens: &[u64], now: Now, at: Micros, out: &mut Vec<Vec<u8>>) {
        for token in tokens {
            let Some(process) = &mut self.process else { return };
            match process.cargo.remove(token) {
                Some(Cargo::Again(content)) => {
                    self.send(&content.clone(), Cargo::Again(content), now, at, out);
                }
                Some(Cargo::Items(content, numbers)) => {
                    self.send(&content.clone(), Cargo::Items(content, numbers), now, at, out);
                }
                // They are on the disk and go with the backlog.
                Some(Cargo::Frames(_)) | None => {}
            }
        }
    }

    fn send(
        &mut self,
        content: &Content,
        cargo: Cargo,
        now: Now,
        at: Micros,
        out: &mut Vec<Vec<u8>>,
    ) {
        let Some(process) = &mut self.process else { return };
        let token = process.next_token;
        process.next_token += 1;
        let mut datagram = Vec::new();
        if process.client.seal(content, token, now, at, &mut datagram).is_ok() {
            process.cargo.insert(token, cargo);
            out.push(datagram);
        }
    }
}

fn settle(
    cargo: Option<Cargo>,
    disk: &mut Disk,
    acked_frames: &mut BTreeSet<Unix>,
    acked_items: &mut BTreeSet<u64>,
) {
    match cargo {
        Some(Cargo::Frames(times)) => {
            for taken_at in times {
                disk.frames.remove(&taken_at);
                acked_frames.insert(taken_at);
            }
        }
        Some(Cargo::Items(_, numbers)) => {
            for number in numbers {
                disk.items.remove(&number);
                acked_items.insert(number);
            }
        }
        Some(Cargo::Again(_)) | None => {}
    }
}
