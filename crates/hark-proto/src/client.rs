//! The agent's side: counters, what is on the way, what is stored, how long a round trip takes.

use std::collections::VecDeque;
use std::time::Duration;

use hark_model::name::HostName;
use hark_model::time::{Micros, Now, Unix};
use thiserror::Error;

use crate::body::{Ack, AckFlags, Content, Piece, Preamble, Reset, Wait, WantSets};
use crate::bucket::{Bucket, Rate};
use crate::header::{AgentId, Envelope, HEADER, Header, Kind, MAX_SESSION, SALT, peek_reply};
use crate::key::{AgentKey, SealingKey, SessionKeys, simple_identity};
use crate::refused::Refused;
use crate::window::{Seen, Window};
use crate::{MAX_DATAGRAM, MIN_REQUEST, TAG};

/// How many datagrams may wait for their acknowledgement: fewer than the 65 that one
/// acknowledgement tells about.
pub const MAX_WAITING: usize = 48;

/// How many of those may be other than heartbeats and hellos, so that these always find room.
pub const MAX_WAITING_BULK: usize = 32;

/// How many are remembered after they were sent again, in case the first copy is acknowledged after
/// all.
const MAX_REMEMBERED: usize = 2 * MAX_WAITING;

/// The shortest and longest time until a datagram counts as lost. The server acknowledges after a
/// group commit, which with its gathering takes at most 350 ms.
const SHORTEST_TIMEOUT: u64 = 1_000_000;
const LONGEST_TIMEOUT: u64 = 60_000_000;

/// What is added to four round trips: the server's group commit and a busy scheduler.
const SLACK: u64 = 500_000;

/// A session is renewed after a day or so many datagrams, long before a limit of the cipher.
const RENEW_AFTER: Duration = Duration::from_hours(24);
const MAX_COUNTER: u64 = 1 << 32;

/// A reset or a wait costs a key derivation, forged or not.
const RESETS: Rate = Rate { burst: 5, per_second: 2 };

/// Who an agent is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its number.
    pub agent: AgentId,
    /// Its key.
    pub key: AgentKey,
    /// In simple mode its host's name, which its hellos carry in clear; none for an enrolled one.
    pub name: Option<HostName>,
}

impl Identity {
    /// Makes the identity of a host among those who share `secret`.
    pub fn simple(secret: &[u8], name: HostName) -> Self {
        let (agent, key) = simple_identity(secret, name.as_str());
        Self { agent, key, name: Some(name) }
    }
}

/// Returns the number for a new session: it must be on the agent's disk before it is used.
///
/// `last` is the one used last, 0 if the disk knows none; `highest` is what a reset told, else 0.
pub fn next_session(now: Unix, last: u64, highest: u64) -> u64 {
    let clock = u64::try_from(now.0).unwrap_or(0).min(MAX_SESSION);
    clock.max(last.saturating_add(1)).max(highest.saturating_add(1)).min(MAX_SESSION)
}

/// The agent's side of its session.
#[derive(Clone, Debug)]
pub struct ClientSession {
    identity: Identity,
    session: u64,
    began_at: Micros,
    keys: SessionKeys,
    /// The counter of the next datagram.
    next: u64,
    sent: VecDeque<Sent>,
    received: Window,
    /// Smoothed round trip in microseconds.
    rtt: Option<u64>,
    /// How many times in a row something was lost without anything arriving.
    losses: u32,
    resets: Bucket,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    counter: u64,
    token: u64,
    due: Micros,
    bulk: bool,
    /// Not yet given back by [`ClientSession::overdue`].
    waiting: bool,
}

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// [`MAX_WAITING`] datagrams wait for acknowledgement: try again when some are, or are overdue.
    #[error("too many datagrams wait for their acknowledgement")]
    Full,
    /// The session has used its counters: renew it.
    #[error("the session has used its counters")]
    Used,
}

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What is stored.
    Acked(Acked),
    /// The session is over: persist a new number, see [`next_session`], and
    /// [`ClientSession::renew`].
    Reset {
        /// The next session must be higher.
        highest: u64,
    },
    /// Tell these sets.
    WantSets(Vec<u32>),
    /// A piece of a paper that was asked for.
    Piece(Piece),
    /// Too many introduce themselves: say hello again after this time.
    Wait(Duration),
}

/// An acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acked {
    /// The tokens of contents that are stored now and were not known to be before.
    pub stored: Vec<u64>,
    /// The round trip in microseconds, without the time the server held the datagram.
    pub rtt_us: u32,
    /// How far the server's wall clock is ahead of ours, in milliseconds.
    pub clock_offset_ms: i64,
    /// The revision of our configuration.
    pub revision: u32,
    /// What the server wants us to know.
    pub flags: AckFlags,
    /// Send nothing but heartbeats for this long.
    pub retry_after: Option<Duration>,
    /// The oldest order that waits for us; 0 if there is none.
    pub order: u32,
}

impl ClientSession {
    /// Begins session number `session`, which must be on disk already. The first datagram should be
    /// a hello; the server accepts others that overtake it.
    pub fn begin(identity: Identity, session: u64, at: Micros) -> Self {
        let keys = SessionKeys::derive(&identity.key, session);
        Self {
            identity,
            session,
            began_at: at,
            keys,
            next: 1,
            sent: VecDeque::new(),
            received: Window::new(),
            rtt: None,
            losses: 0,
            resets: Bucket::full(RESETS),
        }
    }

    /// Begins a higher session in place of this one. Returns the tokens of all contents that were on
    /// the way: seal them again.
    pub fn renew(&mut self, session: u64, at: Micros) -> Vec<u64> {
        let tokens = self.sent.iter().filter(|sent| sent.waiting).map(|sent| sent.token).collect();
        let (rtt, resets) = (self.rtt, self.resets);
        *self = Self { rtt, resets, ..Self::begin(self.identity.clone(), session, at) };
        tokens
    }

    /// Returns true if the session is old enough to be renewed. Renew as well after the machine was
    /// suspended or resumed from a snapshot: a copy of it may be using the same counters.
    pub fn wants_renewal(&self, at: Micros) -> bool {
        Duration::from_micros(at.since(self.began_at)) >= RENEW_AFTER || self.next > MAX_COUNTER / 2
    }

    /// Seals `content` as the next datagram into `out`, which is cleared before. `token` comes back
    /// when it is stored or overdue. Returns its counter.
    ///
    /// # Errors
    /// [`SealError::Full`] if too much is on the way, [`SealError::Used`] if the session must be
    /// renewed.
    pub fn seal(
        &mut self,
        content: &Content,
        token: u64,
        now: Now,
        at: Micros,
        out: &mut Vec<u8>,
    ) -> Result<u64, SealError> {
        let bulk = !matches!(content.kind(), Kind::Hello | Kind::Beat);
        self.room(bulk)?;
        if self.next >= MAX_COUNTER {
            return Err(SealError::Used);
        }
        let counter = self.next;
        self.next += 1;
        self.write(content, counter, now, at, out);
        if self.sent.len() >= MAX_REMEMBERED {
            self.forget_one();
        }
        let due = Micros(at.0.saturating_add(self.timeout(counter)));
        self.sent.push_back(Sent { counter, token, due, bulk, waiting: true });
        Ok(counter)
    }

    /// Reads a datagram from the server.
    ///
    /// # Errors
    /// Why it changes nothing; to be counted.
    pub fn open(&mut self, datagram: &mut [u8], now: Now, at: Micros) -> Result<Reply, Refused> {
        let envelope = peek_reply(datagram)?;
        let header = envelope.header;
        if header.agent != self.identity.agent {
            return Err(Refused::Agent);
        }
        if header.session != self.session {
            return Err(Refused::Stale);
        }
        let Envelope { clear, .. } = envelope;
        if header.kind == Kind::Reset {
            let plain = self.open_once(header, clear, datagram, at, SealingKey::for_reset)?;
            return Ok(Reply::Reset { highest: Reset::read(plain)?.highest });
        }
        if header.kind == Kind::Wait {
            let plain = self.open_once(header, clear, datagram, at, SealingKey::for_wait)?;
            return Ok(Reply::Wait(Duration::from_secs(Wait::read(plain)?.seconds.into())));
        }
        match self.received.seen(header.counter) {
            Seen::No => {}
            Seen::Yes => return Err(Refused::Replayed),
            Seen::TooOld => return Err(Refused::Old),
        }
        let plain = self.keys.to_agent.open(header.counter, clear, datagram)?;
        self.received.mark(header.counter);
        if header.kind == Kind::Ack {
            let ack = Ack::read(plain)?;
            return Ok(Reply::Acked(self.acked(&ack, now, at)));
        }
        if header.kind == Kind::Piece {
            return Ok(Reply::Piece(Piece::read(plain)?));
        }
        Ok(Reply::WantSets(WantSets::read(plain)?.sets))
    }

    /// Returns the tokens of contents whose acknowledgement did not come in time: seal them again,
    /// or (heartbeats) put their frames into the spool. Each is returned once a copy sent.
    pub fn overdue(&mut self, at: Micros) -> Vec<u64> {
        let mut tokens = Vec::new();
        for sent in self.sent.iter_mut().filter(|sent| sent.waiting && sent.due <= at) {
            sent.waiting = false;
            tokens.push(sent.token);
        }
        if !tokens.is_empty() {
            self.losses = self.losses.saturating_add(1);
        }
        tokens
    }

    /// Returns when [`ClientSession::overdue`] has something to return at the earliest.
    pub fn next_timeout(&self) -> Option<Micros> {
        self.sent.iter().filter(|sent| sent.waiting).map(|sent| sent.due).min()
    }

    /// Returns the session's number.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// Returns how many datagrams wait for their acknowledgement.
    pub fn n_waiting(&self) -> usize {
        self.sent.iter().filter(|sent| sent.waiting).count()
    }

    /// Returns the smoothed round trip in microseconds, once there was one.
    pub fn rtt_us(&self) -> Option<u32> {
        self.rtt.map(|rtt| u32::try_from(rtt).unwrap_or(u32::MAX - 1))
    }

    fn room(&self, bulk: bool) -> Result<(), SealError> {
        let full = if bulk {
            let n_bulk = self.sent.iter().filter(|sent| sent.waiting && sent.bulk).count();
            n_bulk >= MAX_WAITING_BULK || self.n_waiting() >= MAX_WAITING
        } else {
            self.n_waiting() >= MAX_WAITING
        };
        if full { Err(SealError::Full) } else { Ok(()) }
    }

    fn write(&self, content: &Content, counter: u64, now: Now, at: Micros, out: &mut Vec<u8>) {
        out.clear();
        let (agent, session) = (self.identity.agent, self.session);
        Header { kind: content.kind(), agent, session, counter }.write(out);
        if content.kind() == Kind::Hello {
            let name = self.identity.name.as_ref().map_or("", HostName::as_str);
            out.push(u8::try_from(name.len()).unwrap_or(0));
            out.extend_from_slice(name.as_bytes());
        }
        let clear = out.len();
        Preamble { stamp: at, sent_at: now.unix }.write(out);
        out.extend_from_slice(content.bytes());
        out.resize(out.len().max(MIN_REQUEST - TAG), 0);
        self.keys.to_server.seal(counter, clear, out);
        debug_assert!(out.len() <= MAX_DATAGRAM, "contents keep their bound");
    }

    /// Forgets the oldest that is not waiting; there is one, as less than half may wait.
    fn forget_one(&mut self) {
        if let Some(place) = self.sent.iter().position(|sent| !sent.waiting) {
            self.sent.remove(place);
        }
    }

    /// Four round trips and the server's commit, doubled with each loss, and a quarter of chance so that
    /// agents that lost the same server do not come back in step.
    fn timeout(&self, counter: u64) -> u64 {
        let round_trips = self.rtt.unwrap_or(0).saturating_mul(4).saturating_add(SLACK);
        let doubled = round_trips.max(SHORTEST_TIMEOUT) << self.losses.min(6);
        let base = doubled.min(LONGEST_TIMEOUT);
        base + base / 4 * (scattered(self.identity.agent.0 ^ self.session ^ counter) >> 56) / 256
    }

    /// Opens what is sealed with a key that is used once.
    fn open_once<'d>(
        &mut self,
        header: Header,
        clear: usize,
        datagram: &'d mut [u8],
        at: Micros,
        key: fn(&AgentKey, u64, &[u8; SALT]) -> SealingKey,
    ) -> Result<&'d [u8], Refused> {
        if header.counter >= self.next {
            return Err(Refused::Header);
        }
        if !self.resets.take(RESETS, at.mono()) {
            return Err(Refused::Limited);
        }
        let salt = datagram.get(HEADER..).and_then(|rest| rest.first_chunk::<SALT>());
        let salt = *salt.ok_or(Refused::Short)?;
        let key = key(&self.identity.key, header.session, &salt);
        key.open(header.counter, clear, datagram)
    }

    fn acked(&mut self, ack: &Ack, now: Now, at: Micros) -> Acked {
        let mut stored: Vec<u64> =
            self.sent.iter().filter(|sent| ack.has(sent.counter)).map(|sent| sent.token).collect();
        stored.sort_unstable();
        stored.dedup();
        // Other copies of the same content need no acknowledgement any more.
        self.sent.retain(|sent| stored.binary_search(&sent.token).is_err());
        self.losses = 0;
        let away = at.since(ack.echo);
        let rtt = away.saturating_sub(u64::from(ack.held_us));
        self.rtt = Some(self.rtt.map_or(rtt, |smoothed| (smoothed * 7 + rtt) / 8));
        let sent_at = now.unix - Duration::from_micros(away);
        let there = sent_at + Duration::from_micros(rtt / 2);
        Acked {
            stored,
            rtt_us: u32::try_from(rtt).unwrap_or(u32::MAX - 1),
            clock_offset_ms: ack.received_at.0.saturating_sub(there.0),
            revision: ack.revision,
            flags: ack.flags,
            retry_after: (ack.retry_after_s > 0)
                .then(|| Duration::from_secs(u64::from(ack.retry_after_s))),
            order: ack.order,
        }
    }
}

/// Spreads a number over 64 bits (the finaliser of `SplitMix64`).
fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_only_grow() {
        for (now, last, highest, next) in [
            (1000, 0, 0, 1000),
            (1000, 2000, 0, 2001),
            (1000, 5, 3000, 3001),
            (-5, 0, 0, 1),
            (i64::MAX, 0, 0, MAX_SESSION),
        ] {
            assert_eq!(next_session(Unix(now), last, highest), next);
        }
    }
}
