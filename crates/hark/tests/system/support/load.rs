//! Many simulated agents that remember what was acknowledged to each of them.
//!
//! They speak the real protocol from one thread and one socket. Unlike a real agent they keep no spool:
//! what was not acknowledged is forgotten, so that everything in their books was acknowledged as it was
//! sent, once.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hark_model::frame::encode_values;
use hark_model::time::{Clock, Micros, Now};
use hark_model::{HostName, SeriesDef, SeriesName, Unix};
use hark_proto::{
    BeatBuilder, ClientSession, Content, Hello, Identity, MAX_DATAGRAM, Reply, next_session,
    set_number, split_set,
};
use hark_sim::machine::{Machine, Trouble, series};
use hark_sim::random::Random;

/// Token of a hello.
const HELLO: u64 = 1;

/// First token of the parts of the set.
const SETS: u64 = 2;

/// First token of heartbeats.
const FIRST_BEAT: u64 = 1_000;

/// How long one look at the socket takes at most: bounds how late a heartbeat goes out.
const LOOK: Duration = Duration::from_millis(5);

/// Shortest and longest trouble of a host, in milliseconds: over before the run is, and longer than a
/// restart of the server.
const TROUBLE_MS: (u64, u64) = (6_000, 20_000);

/// What the tests look at: collector, instance, metric, and its place among the values of a machine.
const WATCHED: [(&str, &str, &str, usize); 3] = [
    ("cpu_monitor", "", "cpu_percent", 0),
    ("memory_monitor", "", "percent", 11),
    ("disk_monitor", "/", "percent", 19),
];

/// Returns the series that the tests look at, in the order of [`Acknowledged::values`].
pub(crate) fn watched() -> [SeriesName; 3] {
    WATCHED.map(|(collector, instance, metric, _)| SeriesName::of(collector, instance, metric))
}

/// What to play.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The server.
    pub(crate) server: SocketAddr,
    /// Its shared secret.
    pub(crate) secret: String,
    /// How many hosts.
    pub(crate) hosts: usize,
    /// How often each sends.
    pub(crate) interval: Duration,
    /// How many heartbeats lie between two troubles of one host on average.
    pub(crate) beats_between_troubles: f64,
    /// The same number gives the same machines.
    pub(crate) seed: u64,
}

/// A heartbeat that the server has acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    /// When its values were taken.
    pub(crate) at: Unix,
    /// The values of [`watched`].
    pub(crate) values: [f64; 3],
}

/// Between two measurements of one machine at least; what reads history looks in steps of 5 ms.
const APART: Duration = Duration::from_millis(20);

/// The load while it runs.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<BTreeMap<String, Vec<Acknowledged>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    calm: AtomicBool,
    acknowledged: AtomicU64,
}

impl Load {
    /// Starts it.
    pub(crate) fn start(plan: Plan) -> Self {
        let shared = Arc::new(Shared::default());
        let inside = Arc::clone(&shared);
        let thread = std::thread::spawn(move || Players::new(plan).play(&inside));
        Self { shared, thread }
    }

    /// Begins no trouble any more; those there are end by themselves.
    pub(crate) fn calm(&self) {
        self.shared.calm.store(true, Ordering::SeqCst);
    }

    /// Returns how many heartbeats were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::SeqCst)
    }

    /// Stops it and returns what was acknowledged, by host, oldest first.
    pub(crate) fn end(self) -> BTreeMap<String, Vec<Acknowledged>> {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

struct Player {
    name: HostName,
    client: ClientSession,
    machine: Machine,
    trouble_until: Unix,
    session: u64,
    greeted: bool,
    next_token: u64,
    /// When it measured last: no agent measures twice within [`APART`], also when told to begin again.
    measured_at: Unix,
    sent: HashMap<u64, Acknowledged>,
    acknowledged: Vec<Acknowledged>,
}

struct Players {
    plan: Plan,
    random: Random,
    socket: UdpSocket,
    all: Vec<Player>,
    by_agent: HashMap<u64, usize>,
    defs: Vec<SeriesDef>,
    number: u32,
    set: Vec<Content>,
    sealed: Vec<u8>,
}

impl Players {
    fn new(plan: Plan) -> Self {
        let (now, at) = (Clock.now(), Clock.micros());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(LOOK)).unwrap();
        let defs = series();
        let number = set_number(&defs);
        let mut random = Random::new(plan.seed);
        let mut by_agent = HashMap::new();
        let mut all = Vec::new();
        for i in 0..plan.hosts {
            let name = HostName::new(&format!("load-{i:04}")).unwrap();
            let identity = Identity::simple(plan.secret.as_bytes(), name.clone());
            by_agent.insert(identity.agent.0, i);
            let session = next_session(now.unix, 0, 0);
            all.push(Player {
                name,
                client: ClientSession::begin(identity, session, at),
                machine: Machine::new(random.next_u64(), now.unix),
                trouble_until: now.unix,
                session,
                greeted: false,
                next_token: FIRST_BEAT,
                measured_at: Unix(0),
                sent: HashMap::new(),
                acknowledged: Vec::new(),
            });
        }
        let set = split_set(number, &defs).unwrap();
        Self { plan, random, socket, all, by_agent, defs, number, set, sealed: Vec::new() }
    }

    fn play(mut self, shared: &Shared) -> BTreeMap<String, Vec<Acknowledged>> {
        let began = Clock.micros();
        let interval_us = u64::try_from(self.plan.interval.as_micros()).unwrap();
        let n = self.all.len() as u64;
        let mut sent = 0;
        while !shared.stop.load(Ordering::SeqCst) {
            // Each host has its place within the interval; what this thread missed stays missed.
            let due = Clock.micros().since(began) * n / interval_us;
            sent = u64::max(sent, due.saturating_sub(n));
            while sent < due {
                let i = usize::try_from(sent % n).unwrap();
                self.live(i, shared.calm.load(Ordering::SeqCst));
                self.beat(i);
                sent += 1;
            }
            self.listen(shared);
        }
        let book = |p: Player| (p.name.to_string(), p.acknowledged);
        self.all.into_iter().map(book).collect()
    }

    /// Lets a host fall into trouble by chance, and out of it when its time is over.
    fn live(&mut self, i: usize, calm: bool) {
        let now = Clock.now().unix;
        let player = &mut self.all[i];
        if player.machine.trouble() != Trouble::None {
            if now >= player.trouble_until {
                player.machine.suffer(Trouble::None, now);
            }
        } else if !calm && self.random.chance(1.0 / self.plan.beats_between_troubles) {
            let kinds = [Trouble::BusyCpu, Trouble::FullMemory, Trouble::FullDisk];
            let kind = kinds[usize::try_from(self.random.below(3)).unwrap()];
            let length = TROUBLE_MS.0 + self.random.below(TROUBLE_MS.1 - TROUBLE_MS.0);
            player.trouble_until = now + Duration::from_millis(length);
            player.machine.suffer(kind, player.trouble_until);
        }
    }

    fn beat(&mut self, i: usize) {
        if !self.all[i].greeted {
            self.all[i].greeted = true;
            self.hello(i);
        }
        let (now, at) = (Clock.now(), Clock.micros());
        let player = &mut self.all[i];
        let taken_at = now.unix.max(player.measured_at + APART);
        player.measured_at = taken_at;
        let mut values = Vec::new();
        player.machine.measure(taken_at, self.plan.interval.as_secs_f64(), &mut values);
        let mut bytes = Vec::new();
        encode_values(&self.defs, &values, &mut bytes);
        let interval_ms = u32::try_from(self.plan.interval.as_millis()).unwrap();
        let mut beat = BeatBuilder::new(interval_ms, player.client.rtt_us());
        assert!(beat.push(self.number, taken_at, &bytes));
        let token = player.next_token;
        player.next_token += 1;
        let watched = WATCHED.map(|(.., place)| values[place]);
        player.sent.insert(token, Acknowledged { at: taken_at, values: watched });
        self.seal(i, &beat.finish(), token, now, at);
    }

    fn hello(&mut self, i: usize) {
        let now = Clock.now();
        let player = &self.all[i];
        let interval_ms = u32::try_from(self.plan.interval.as_millis()).unwrap();
        let hello = Hello {
            host: player.name.clone(),
            version: "0.0.0".to_owned(),
            interval_ms,
            epoch: player.session,
            booted_at: None,
            started_at: now.unix,
            sets: vec![self.number],
            facts: BTreeMap::new(),
        };
        self.seal(i, &hello.encode().unwrap(), HELLO, now, Clock.micros());
    }

    fn seal(&mut self, i: usize, content: &Content, token: u64, now: Now, at: Micros) {
        let client = &mut self.all[i].client;
        if client.seal(content, token, now, at, &mut self.sealed).is_ok() {
            // The server may be away: then this one is lost, as on any network.
            drop(self.socket.send_to(&self.sealed, self.plan.server));
        }
    }

    fn listen(&mut self, shared: &Shared) {
        let mut room = [0; MAX_DATAGRAM];
        // While a server is away, the socket says so with an error instead of a datagram.
        while let Ok((n, _)) = self.socket.recv_from(&mut room) {
            self.reply(&mut room[..n], shared);
        }
        let at = Clock.micros();
        for i in 0..self.all.len() {
            if self.all[i].client.next_timeout().is_none_or(|due| due > at) {
                continue;
            }
            let overdue = self.all[i].client.overdue(at);
            self.lost(i, &overdue);
        }
    }

    fn reply(&mut self, datagram: &mut [u8], shared: &Shared) {
        let (now, at) = (Clock.now(), Clock.micros());
        let Ok(envelope) = hark_proto::header::peek_reply(datagram) else { return };
        let Some(&i) = self.by_agent.get(&envelope.header.agent.0) else { return };
        let player = &mut self.all[i];
        match player.client.open(datagram, now, at) {
            Ok(Reply::Acked(acked)) => {
                // What came before the set was known was not kept: begin now, not an interval later.
                let has_set = acked.stored.iter().any(|t| (SETS..FIRST_BEAT).contains(t));
                for beat in acked.stored.iter().filter_map(|token| player.sent.remove(token)) {
                    player.acknowledged.push(beat);
                    shared.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                if has_set {
                    self.beat(i);
                }
            }
            Ok(Reply::Reset { highest }) => {
                player.session = next_session(now.unix, player.session, highest);
                let lost = player.client.renew(player.session, at);
                self.hello(i);
                self.lost(i, &lost);
                self.beat(i);
            }
            Ok(Reply::WantSets(_)) => self.send_set(i),
            // A player asks for no piece, and there is room for all of them.
            Ok(Reply::Piece(_) | Reply::Wait(_)) | Err(_) => {}
        }
    }

    /// Forgets heartbeats whose acknowledgement did not come; the rest goes out again.
    fn lost(&mut self, i: usize, tokens: &[u64]) {
        for token in tokens {
            self.all[i].sent.remove(token);
        }
        if tokens.contains(&HELLO) {
            self.hello(i);
        }
        if tokens.iter().any(|token| (SETS..FIRST_BEAT).contains(token)) {
            self.send_set(i);
        }
    }

    fn send_set(&mut self, i: usize) {
        for part in 0..self.set.len() {
            let content = self.set[part].clone();
            self.seal(i, &content, SETS + part as u64, Clock.now(), Clock.micros());
        }
    }
}
