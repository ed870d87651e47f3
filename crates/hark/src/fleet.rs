//! Simulated hosts that speak the real protocol to a real server: for `hark demo`, `hark bench` and the
//! tests that load a server.
//!
//! One thread drives all of them: each host has its own identity, session and machine; a few sockets
//! are shared, since replies carry the agent's number.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use hark_model::time::{Clock, Micros, Now};
use hark_model::{HostName, Secret, SeriesDef, Unix};
use hark_proto::{
    BeatBuilder, ClientSession, Content, Hello, Identity, Reply, next_session, set_number,
    split_set,
};
use hark_sim::machine::{Machine, Trouble, series};
use hark_sim::random::Random;

use crate::sys::{Bell, ReceiveBatch, SendBatch, receive_buffer, wait};

/// Token of a hello; heartbeats use the microsecond at which they were sent, which is far above.
const HELLO: u64 = 1;

/// First token of the parts of the set.
const SETS: u64 = 2;

/// Tokens below this are not heartbeats.
const FIRST_BEAT: u64 = 1_000;

/// Hosts that speak from one address: fewer than a server lets one address introduce at once.
const HOSTS_AN_ADDRESS: usize = 4_000;

/// Receive buffer of each socket: acknowledgements of a whole burst.
const BUFFER: usize = 8 << 20;

/// What to simulate.
#[derive(Clone, Debug)]
pub(crate) struct FleetPlan {
    /// How many hosts.
    pub(crate) hosts: u32,
    /// Names are this, a dash and a number.
    pub(crate) prefix: String,
    /// The server's shared secret.
    pub(crate) secret: Secret,
    /// The server.
    pub(crate) server: SocketAddr,
    /// How often each host sends.
    pub(crate) interval: Duration,
    /// The same seed gives the same hosts.
    pub(crate) seed: u64,
    /// Mean hours between two troubles of one host; `None`: all stay healthy.
    pub(crate) trouble_hours: Option<f64>,
    /// When in its interval each host sends.
    pub(crate) pace: Pace,
}

/// When in its interval each host sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// One after the other.
    Spread,
    /// All in the same moment, once the server knows every host.
    AtOnce,
}

/// What happened so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Heartbeats sent.
    pub(crate) sent: u64,
    /// Heartbeats acknowledged.
    pub(crate) acknowledged: u64,
    /// Answers that acknowledged any: one can speak of several.
    pub(crate) answers: u64,
    /// Heartbeats whose acknowledgement did not come in time.
    pub(crate) overdue: u64,
    /// Microseconds from send to acknowledgement, of each heartbeat since [`Fleet::forget_latencies`].
    pub(crate) latencies: Vec<u32>,
    /// Sessions begun anew because the server asked for it.
    pub(crate) resets: u64,
}

/// The hosts.
pub(crate) struct Fleet {
    plan: FleetPlan,
    sockets: Vec<UdpSocket>,
    hosts: Vec<Simulated>,
    by_id: HashMap<u64, usize>,
    set: Vec<Content>,
    set_series: Vec<SeriesDef>,
    set_number: u32,
    out: SendBatch,
    room: ReceiveBatch,
    sealed: Vec<u8>,
    values: Vec<f64>,
    report: Report,
    pending: u64,
    settled: usize,
}

struct Simulated {
    name: HostName,
    client: ClientSession,
    machine: Machine,
    last_session: u64,
    greeted: bool,
    settled: bool,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Fleet {
    /// Makes the hosts; nothing is sent yet.
    ///
    /// # Errors
    /// If a socket cannot be opened or the series cannot be sent.
    pub(crate) fn new(plan: FleetPlan) -> anyhow::Result<Self> {
        let now = Clock.now();
        let at = Clock.micros();
        let sockets = sockets(plan.server.ip(), plan.hosts as usize)?;
        let set_series = series();
        let set_number = set_number(&set_series);
        let set = split_set(set_number, &set_series)?;
        let mut random = Random::new(plan.seed);
        let mut hosts = Vec::with_capacity(plan.hosts as usize);
        let mut by_id = HashMap::new();
        for i in 0..plan.hosts {
            let name = HostName::new(&format!("{}-{i:05}", plan.prefix))?;
            let identity = Identity::simple(plan.secret.expose().as_bytes(), name.clone());
            by_id.insert(identity.agent.0, hosts.len());
            let session = next_session(now.unix, 0, 0);
            hosts.push(Simulated {
                name,
                client: ClientSession::begin(identity, session, at),
                machine: Machine::new(random.next_u64(), now.unix),
                last_session: session,
                greeted: false,
                settled: false,
            });
        }
        Ok(Self {
            plan,
            sockets,
            hosts,
            by_id,
            set,
            set_series,
            set_number,
            out: SendBatch::new(),
            room: ReceiveBatch::new(),
            sealed: Vec::with_capacity(hark_proto::MAX_DATAGRAM),
            values: Vec::new(),
            report: Report::default(),
            pending: 0,
            settled: 0,
        })
    }

    /// Lets one host have each kind of trouble from the beginning, spread over the fleet, for `length`;
    /// a small fleet has as many as it has hosts.
    pub(crate) fn begin_in_trouble(&mut self, length: Duration) {
        let until = Clock.now().unix + length;
        let step = (self.hosts.len() / Trouble::ALL.len()).max(1);
        for (host, trouble) in self.hosts.iter_mut().step_by(step).zip(Trouble::ALL) {
            host.machine.suffer(trouble, until);
        }
    }

    /// Returns what happened so far.
    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// Begins to gather latencies anew.
    pub(crate) fn forget_latencies(&mut self) {
        self.report.latencies.clear();
    }

    /// Returns how many heartbeats are on their way.
    pub(crate) fn on_the_way(&self) -> u64 {
        self.pending
    }

    /// Returns how many hosts have ever been acknowledged.
    pub(crate) fn settled(&self) -> usize {
        self.settled
    }

    /// Returns whether host `i` has ever been acknowledged.
    pub(crate) fn is_settled(&self, i: usize) -> bool {
        self.hosts.get(i).is_some_and(|h| h.settled)
    }

    /// Returns how many hosts there are.
    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Sends one heartbeat of host `i`, with a hello before it if it is the first. A host that is
    /// silent in its present trouble sends nothing.
    pub(crate) fn beat(&mut self, i: usize) {
        let now = Clock.now();
        let interval_s = self.plan.interval.as_secs_f64();
        let Some(host) = self.hosts.get_mut(i) else { return };
        if let Some(hours) = self.plan.trouble_hours {
            host.machine.live(now.unix, interval_s, hours);
            // One that was never heard would not be missed.
            if host.machine.trouble() == Trouble::Silent && host.greeted {
                return;
            }
        }
        if !host.greeted {
            host.greeted = true;
            self.hello(i, now);
        }
        let Some(host) = self.hosts.get_mut(i) else { return };
        host.machine.measure(now.unix, interval_s, &mut self.values);
        let mut bytes = Vec::with_capacity(256);
        hark_model::frame::encode_values(&self.set_series, &self.values, &mut bytes);
        let interval_ms = u32::try_from(self.plan.interval.as_millis()).unwrap_or(u32::MAX);
        let mut beat = BeatBuilder::new(interval_ms, host.client.rtt_us());
        if !beat.push(self.set_number, now.unix, &bytes) {
            tracing::error!("a simulated frame does not fit a datagram");
        }
        let content = beat.finish();
        let at = Clock.micros();
        if self.seal(i, &content, at.0.max(FIRST_BEAT), now, at) {
            self.report.sent += 1;
            self.pending += 1;
        }
    }

    fn hello(&mut self, i: usize, now: Now) {
        let Some(host) = self.hosts.get(i) else { return };
        let hello = Hello {
            host: host.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            interval_ms: u32::try_from(self.plan.interval.as_millis()).unwrap_or(u32::MAX),
            epoch: host.last_session,
            booted_at: None,
            started_at: now.unix,
            sets: vec![self.set_number],
            facts: [("os".to_owned(), "Simulated 1.0".to_owned())].into(),
        };
        if let Ok(content) = hello.encode() {
            self.seal(i, &content, HELLO, now, Clock.micros());
        }
    }

    fn send_sets(&mut self, i: usize, now: Now) {
        for part in 0..self.set.len() {
            let content = self.set[part].clone();
            self.seal(i, &content, SETS + part as u64, now, Clock.micros());
        }
    }

    fn seal(&mut self, i: usize, content: &Content, token: u64, now: Now, at: Micros) -> bool {
        let Some(host) = self.hosts.get_mut(i) else { return false };
        if host.client.seal(content, token, now, at, &mut self.sealed).is_err() {
            return false;
        }
        let socket = (i / HOSTS_AN_ADDRESS).min(self.sockets.len().saturating_sub(1));
        if self.out.push(&self.sealed, self.plan.server, socket) {
            self.flush();
        }
        true
    }

    /// Sends what is sealed.
    pub(crate) fn flush(&mut self) {
        self.out.send(&self.sockets);
    }

    /// Takes what the server has said, waiting at most `limit` for the first word.
    pub(crate) fn listen(&mut self, limit: Duration, bell: &Bell) {
        if !limit.is_zero() {
            wait(&self.sockets, bell, limit);
        }
        for socket in 0..self.sockets.len() {
            while let Ok(n) = self.room.receive(&self.sockets[socket]) {
                for k in 0..n {
                    self.reply(k);
                }
                if n < crate::sys::BATCH {
                    break;
                }
            }
        }
        self.flush();
    }

    fn reply(&mut self, k: usize) {
        let now = Clock.now();
        let at = Clock.micros();
        let Some((datagram, _)) = self.room.get(k) else { return };
        let Ok(envelope) = hark_proto::header::peek_reply(datagram) else { return };
        let Some(&i) = self.by_id.get(&envelope.header.agent.0) else { return };
        let Ok(reply) = self.hosts[i].client.open(datagram, now, at) else { return };
        match reply {
            Reply::Acked(acked) => {
                self.report.answers += u64::from(!acked.stored.is_empty());
                for token in acked.stored {
                    if token >= FIRST_BEAT {
                        self.report.acknowledged += 1;
                        if !std::mem::replace(&mut self.hosts[i].settled, true) {
                            self.settled += 1;
                        }
                        self.pending = self.pending.saturating_sub(1);
                        let took = at.0.saturating_sub(token);
                        self.report.latencies.push(u32::try_from(took).unwrap_or(u32::MAX));
                    }
                }
            }
            Reply::Reset { highest } => {
                self.report.resets += 1;
                let host = &mut self.hosts[i];
                host.last_session = next_session(now.unix, host.last_session, highest);
                let lost = host.client.renew(host.last_session, at);
                self.count_overdue(&lost);
                self.hello(i, now);
            }
            Reply::WantSets(_) => self.send_sets(i, now),
            // A simulated agent asks for no paper, and says hello again when its hello is overdue.
            Reply::Piece(_) | Reply::Wait(_) => {}
        }
    }

    /// Looks for what was not acknowledged in time: hellos and sets go out again, heartbeats are
    /// counted (a real agent takes their samples from its spool).
    pub(crate) fn chase(&mut self) {
        let now = Clock.now();
        let at = Clock.micros();
        for i in 0..self.hosts.len() {
            if self.hosts[i].client.next_timeout().is_none_or(|due| due > at) {
                continue;
            }
            let tokens = self.hosts[i].client.overdue(at);
            self.count_overdue(&tokens);
            if tokens.contains(&HELLO) {
                self.hello(i, now);
            }
            if tokens.iter().any(|t| (SETS..FIRST_BEAT).contains(t)) {
                self.send_sets(i, now);
            }
        }
        self.flush();
    }

    fn count_overdue(&mut self, tokens: &[u64]) {
        let beats = tokens.iter().filter(|t| **t >= FIRST_BEAT).count() as u64;
        self.report.overdue += beats;
        self.pending = self.pending.saturating_sub(beats);
    }

    /// Makes the processor of host `i` busier than any sensible limit allows, from now on, and sends the
    /// heartbeat that says so. Returns its name and when it left; nothing if the server does not know the
    /// host yet.
    pub(crate) fn cross(&mut self, i: usize) -> Option<(HostName, Unix)> {
        let host = self.hosts.get_mut(i).filter(|host| host.settled)?;
        host.machine.suffer(Trouble::BusyCpu, Unix(i64::MAX));
        let name = host.name.clone();
        self.beat(i);
        let left = Clock.now().unix;
        self.flush();
        Some((name, left))
    }

    /// Sends at the plan's interval, until `stop` says true. `stop` is asked about every 20 ms, and may
    /// do something with the hosts.
    pub(crate) fn run(&mut self, bell: &Bell, mut stop: impl FnMut(&mut Self) -> bool) {
        let mut began = Clock.micros();
        let interval = u64::try_from(self.plan.interval.as_micros()).unwrap_or(u64::MAX).max(1);
        let hosts = self.hosts.len() as u64;
        let mut sent = 0u64;
        let mut chased = began;
        let mut at_once = false;
        while !stop(self) {
            let at = Clock.micros();
            if !at_once && self.plan.pace == Pace::AtOnce && self.settled == self.hosts.len() {
                (at_once, began, sent) = (true, at, 0);
            }
            let passed = at.since(began);
            let due = if at_once { passed / interval * hosts } else { passed * hosts / interval };
            // After a pause of our own, hosts do not send what they have missed.
            sent = sent.max(due.saturating_sub(self.hosts.len() as u64));
            while sent < due {
                let i = usize::try_from(sent % self.hosts.len() as u64).unwrap_or(0);
                self.beat(i);
                sent += 1;
            }
            self.flush();
            self.listen(Duration::from_millis(20), bell);
            if at.since(chased) > 500_000 {
                chased = at;
                self.chase();
            }
        }
    }
}

/// Opens what `hosts` hosts speak to `server` from. On one machine many hosts have many addresses, as they
/// have in a network; elsewhere they have the one of this machine, and its share of introductions.
fn sockets(server: IpAddr, hosts: usize) -> std::io::Result<Vec<UdpSocket>> {
    let many = hosts.div_ceil(HOSTS_AN_ADDRESS).max(1);
    let addresses: Vec<IpAddr> = match server {
        IpAddr::V4(ip) if ip.is_loopback() => (1..)
            .take(many)
            .map(|n| IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 0, 0)) + n)))
            .collect(),
        IpAddr::V4(_) => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
        IpAddr::V6(_) => vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
    };
    let open = |ip| {
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        receive_buffer(&socket, BUFFER);
        Ok(socket)
    };
    addresses.into_iter().map(open).collect()
}

/// Returns the value below which the share `p` of `latencies` lies, in microseconds.
pub(crate) fn percentile(latencies: &mut [u32], p: f64) -> u32 {
    if latencies.is_empty() {
        return 0;
    }
    latencies.sort_unstable();
    let last = latencies.len() - 1;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list of at most some million"
    )]
    let place = (last as f64 * p).round() as usize;
    latencies[place.min(last)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_hosts_of_one_machine_have_many_addresses() {
        let addresses = |server: &str, hosts| -> Vec<String> {
            let sockets = sockets(server.parse().unwrap(), hosts).unwrap();
            sockets.iter().map(|s| s.local_addr().unwrap().ip().to_string()).collect()
        };
        assert_eq!(addresses("127.0.0.1", 4_000), ["127.0.0.1"]);
        assert_eq!(addresses("127.0.0.1", 8_001), ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
        assert_eq!(addresses("192.0.2.7", 100_000), ["0.0.0.0"], "another machine's server");
    }
}
