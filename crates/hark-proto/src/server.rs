//! The server's side of one agent: which session is open, what was received, what is stored.

use std::mem::offset_of;
use std::net::IpAddr;
use std::time::Duration;

use hark_model::time::{Micros, Mono, Now, Unix};

use crate::body::{Ack, AckFlags, Piece, Preamble, Reset, Wait, WantSets};
use crate::bucket::{Bucket, Rate};
use crate::header::{AgentId, HEADER, Header, Kind, SALT, peek};
use crate::key::{AgentKey, SealingKey, SessionKeys};
use crate::refused::Refused;
use crate::window::{Seen, Window};

/// Keys of unknown sessions are derived this often per agent for addresses other than the agent's
/// own: a forger cannot buy a derivation with each datagram.
const ATTEMPTS: Rate = Rate { burst: 8, per_second: 4 };

/// The same for the address the agent last spoke from: after a restart of the server all that the
/// agent has on the way comes in an unknown session. Also bounded, as a forger can write any address.
const ATTEMPTS_AT_HOME: Rate = Rate { burst: 64, per_second: 16 };

/// Resets per agent. An agent needs one for each server start; copies of a capture need none.
const RESETS: Rate = Rate { burst: 4, per_second: 1 };

/// How long after a session was replaced its datagrams can still be on the way.
const ON_THE_WAY: Duration = Duration::from_secs(5);

/// Two changes of address within this time, there and back, are counted as a flap.
const FLAP_WITHIN: Duration = Duration::from_mins(10);

/// The server's side of one agent, all in one place: what a heartbeat needs of it is then fetched from memory
/// at one go.
///
/// **Which session is accepted.** A session opens with the first datagram of any kind that
/// authenticates under a number higher than every one accepted before; the driver keeps that number on disk
/// ([`ServerSession::to_persist`], [`ServerSession::persisted`]) and nothing is answered within
/// the session before it is synced. So after a restart every older datagram is known to be of the
/// past, though the windows are gone, and no nonce of the server's is used twice.
/// In the order of memory: what each datagram needs comes first, up to [`ServerSession::NEEDED`].
#[derive(Clone, Debug)]
#[repr(C)]
pub struct ServerSession {
    persisted: u64,
    address: Option<IpAddr>,
    open: Option<Open>,
    former: Former,
    address_before: Option<IpAddr>,
    moved_at: Mono,
    attempts: Bucket,
    attempts_at_home: Bucket,
    resets: Bucket,
    duplicates: u32,
    flaps: u32,
}

/// A session that is going on.
#[derive(Clone, Debug)]
struct Open {
    session: u64,
    opened_at: Mono,
    keys: SessionKeys,
    received: Window,
    /// How many of its datagrams were accepted.
    accepted: u64,
    stored: Stored,
    /// The counter of the next reply.
    next: u64,
    echo: Micros,
    echo_received: Micros,
    ack_due: bool,
}

/// The session before, to notice that somebody still speaks in it.
#[derive(Clone, Copy, Debug, Default)]
struct Former {
    session: u64,
    newest: u64,
}

/// Which counters are stored, as an acknowledgement tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stored {
    newest: u64,
    before: u64,
}

/// A datagram that authenticated and was not received before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Its header.
    pub header: Header,
    /// It opened a new session: what was open before is over.
    pub opened: bool,
    /// It came from another address than the one before it.
    pub moved: bool,
    /// The agent's wall clock when it was sealed. Informational.
    pub sent_at: Unix,
    /// To be read with [`crate::decode`].
    pub content: &'a [u8],
}

/// What an acknowledgement says beside what is stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct AckFacts {
    /// This moment.
    pub now: Now,
    /// The revision of the agent's configuration.
    pub revision: u32,
    /// What the agent should know.
    pub flags: AckFlags,
    /// If not 0: the agent shall send nothing but heartbeats for so many seconds.
    pub retry_after_s: u16,
    /// The oldest order that waits for the agent; 0 if there is none.
    pub order: u32,
}

impl ServerSession {
    /// So many of its bytes, from the first on, are what a datagram of a session that goes on needs.
    pub const NEEDED: usize = offset_of!(Self, former);

    /// Takes up an agent whose highest session on disk is `persisted` (0 for a new one) and that was
    /// last heard from `address`.
    pub fn new(persisted: u64, address: Option<IpAddr>) -> Self {
        Self {
            persisted,
            open: None,
            former: Former::default(),
            address,
            address_before: None,
            moved_at: Mono(0),
            attempts: Bucket::full(ATTEMPTS),
            attempts_at_home: Bucket::full(ATTEMPTS_AT_HOME),
            resets: Bucket::full(RESETS),
            duplicates: 0,
            flaps: 0,
        }
    }

    /// Checks, opens and marks a datagram: window before decryption, mark after authentication.
    ///
    /// # Errors
    /// Why it changes nothing. For [`Refused::Stale`] a [`ServerSession::reset`] is owed. A content
    /// that cannot be read is noticed later, by [`crate::decode`]; its counter stays marked.
    pub fn open<'a>(
        &mut self,
        key: &AgentKey,
        datagram: &'a mut [u8],
        from: IpAddr,
        at: Micros,
    ) -> Result<Received<'a>, Refused> {
        let envelope = peek(datagram)?;
        let (header, clear) = (envelope.header, envelope.clear);
        if let Some(open) = self.open.as_mut().filter(|o| o.session == header.session) {
            match open.received.seen(header.counter) {
                Seen::No => {}
                Seen::Yes => return Err(Refused::Replayed),
                Seen::TooOld => return Err(Refused::Old),
            }
            let plain = open.keys.to_server.open(header.counter, clear, datagram)?;
            return self.accept(header, plain, false, from, at);
        }
        // Unknown session: its key must be derived before anything can be told.
        if !self.may_derive(from, at.mono()) {
            return Err(Refused::Limited);
        }
        let keys = SessionKeys::derive(key, header.session);
        let plain = keys.to_server.open(header.counter, clear, datagram)?;
        if header.session <= self.highest() {
            self.notice_speaker(header, at.mono());
            return Err(Refused::Stale);
        }
        // A datagram without a preamble opens nothing.
        Preamble::read(plain)?;
        self.begin(header.session, keys, at.mono());
        self.accept(header, plain, true, from, at)
    }

    /// Returns the session number that must be synced before anything is answered.
    pub fn to_persist(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.session).filter(|session| *session > self.persisted)
    }

    /// Notes that `session` is synced as the highest.
    pub fn persisted(&mut self, session: u64) {
        self.persisted = self.persisted.max(session);
    }

    /// Notes that everything in datagram `counter` of `session` is stored. Of a session that is over
    /// it is ignored: the agent sends again what it was not told of.
    pub fn stored(&mut self, session: u64, counter: u64) {
        if let Some(open) = self.open.as_mut().filter(|open| open.session == session) {
            open.stored.add(counter);
            open.ack_due = true;
        }
    }

    /// Notes that datagrams of `session` were received but could not be stored (history is stopped):
    /// the agent is answered all the same, so that it knows that the server is there.
    pub fn received(&mut self, session: u64) {
        if let Some(open) = self.open.as_mut().filter(|open| open.session == session) {
            open.ack_due = true;
        }
    }

    /// Makes an acknowledgement due although nothing came: its agent shall learn of a new revision or
    /// order at once. False if no session is open: the next one is told anyway.
    pub fn nudge(&mut self) -> bool {
        let open = self.open.as_mut();
        open.is_some_and(|open| {
            open.ack_due = true;
            true
        })
    }

    /// Returns the share of the open session's datagrams that never arrived, 0 to 1; `None` before
    /// the first. Datagrams still on the way count as lost until they arrive.
    pub fn loss(&self) -> Option<f64> {
        let open = self.open.as_ref()?;
        let sent = open.received.newest();
        #[expect(clippy::cast_precision_loss, reason = "a share needs few digits")]
        let arrived = open.accepted as f64 / sent.max(1) as f64;
        (sent > 0).then_some((1.0 - arrived).max(0.0))
    }

    /// Returns true if [`ServerSession::ack`] has something to say and may.
    pub fn ack_due(&self) -> bool {
        self.to_persist().is_none() && self.open.as_ref().is_some_and(|open| open.ack_due)
    }

    /// Writes a sealed acknowledgement to `out`, which is cleared before; false if none is due or
    /// the session is not synced yet.
    pub fn ack(&mut self, agent: AgentId, facts: &AckFacts, at: Micros, out: &mut Vec<u8>) -> bool {
        if !self.ack_due() {
            return false;
        }
        let Some(open) = self.open.as_mut() else { return false };
        let held = at.since(open.echo_received);
        let ack = Ack {
            newest: open.stored.newest,
            before: open.stored.before,
            echo: open.echo,
            held_us: u32::try_from(held).unwrap_or(u32::MAX),
            received_at: facts.now.unix - Duration::from_micros(held),
            revision: facts.revision,
            flags: facts.flags,
            retry_after_s: facts.retry_after_s,
            order: facts.order,
        };
        open.ack_due = false;
        open.seal(agent, Kind::Ack, out, |plain| ack.write(plain));
        true
    }

    /// Writes a sealed request for `sets` to `out`, which is cleared before; false if there is no
    /// session or it is not synced yet. At most [`crate::body::MAX_WANTED`] are named.
    pub fn want_sets(&mut self, agent: AgentId, sets: &[u32], out: &mut Vec<u8>) -> bool {
        if self.to_persist().is_some() || sets.is_empty() {
            return false;
        }
        let Some(open) = self.open.as_mut() else { return false };
        open.seal(agent, Kind::WantSets, out, |plain| WantSets::write(sets, plain));
        true
    }

    /// Writes the sealed answer to a [`crate::Fetch`] to `out`, which is cleared before; false if there
    /// is no session or it is not synced yet.
    pub fn piece(&mut self, agent: AgentId, piece: &Piece, out: &mut Vec<u8>) -> bool {
        if self.to_persist().is_some() {
            return false;
        }
        let Some(open) = self.open.as_mut() else { return false };
        open.seal(agent, Kind::Piece, out, |plain| piece.write(plain));
        true
    }

    /// Writes the sealed answer to a datagram that was refused as [`Refused::Stale`] to `out`, which
    /// is cleared before; false if this agent had enough of them. `salt` must be random.
    pub fn reset(
        &mut self,
        key: &AgentKey,
        stale: &Header,
        salt: [u8; SALT],
        at: Micros,
        out: &mut Vec<u8>,
    ) -> bool {
        if !self.resets.take(RESETS, at.mono()) {
            return false;
        }
        out.clear();
        Header { kind: Kind::Reset, ..*stale }.write(out);
        out.extend_from_slice(&salt);
        Reset { highest: self.highest() }.write(out);
        let sealing = SealingKey::for_reset(key, stale.session, &salt);
        sealing.seal(stale.counter, HEADER + SALT, out);
        true
    }

    /// Writes the sealed answer to a hello that authenticates, of an agent that is not let in now, to `out`, which is
    /// cleared before: it comes again in so many seconds. Nothing of the session is used but its number: it can be
    /// opened later. `salt` must be random.
    pub fn wait(key: &AgentKey, hello: &Header, salt: [u8; SALT], seconds: u16, out: &mut Vec<u8>) {
        out.clear();
        Header { kind: Kind::Wait, ..*hello }.write(out);
        out.extend_from_slice(&salt);
        Wait { seconds }.write(out);
        SealingKey::for_wait(key, hello.session, &salt).seal(hello.counter, HEADER + SALT, out);
    }

    /// Returns the highest session accepted.
    pub fn highest(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.session).max(self.persisted)
    }

    /// Returns the session that is open, if one is.
    pub fn session(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.session)
    }

    /// Returns where the newest accepted datagram came from.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Returns how often somebody went on speaking in a session after it was replaced: two agents
    /// have the same key (a cloned machine). One agent alone never causes it.
    pub fn duplicates(&self) -> u32 {
        self.duplicates
    }

    /// Returns how often the address went to another one and back within ten minutes: a hint at a
    /// clone, or at a host with two ways out.
    pub fn flaps(&self) -> u32 {
        self.flaps
    }

    fn may_derive(&mut self, from: IpAddr, at: Mono) -> bool {
        if self.address == Some(from) {
            self.attempts_at_home.take(ATTEMPTS_AT_HOME, at)
        } else {
            self.attempts.take(ATTEMPTS, at)
        }
    }

    fn begin(&mut self, session: u64, keys: SessionKeys, at: Mono) {
        if let Some(open) = &self.open {
            self.former = Former { session: open.session, newest: open.received.newest() };
        }
        self.open = Some(Open {
            session,
            opened_at: at,
            keys,
            received: Window::new(),
            accepted: 0,
            stored: Stored::default(),
            next: 1,
            echo: Micros(0),
            echo_received: Micros(0),
            ack_due: false,
        });
    }

    fn accept<'a>(
        &mut self,
        header: Header,
        plain: &'a [u8],
        opened: bool,
        from: IpAddr,
        at: Micros,
    ) -> Result<Received<'a>, Refused> {
        if let Some(open) = self.open.as_mut() {
            let newest = header.counter > open.received.newest();
            open.received.mark(header.counter);
            open.accepted += 1;
            let (preamble, content) = Preamble::read(plain)?;
            if newest {
                open.echo = preamble.stamp;
                open.echo_received = at;
            }
            let moved = self.moved(from, at.mono());
            return Ok(Received { header, opened, moved, sent_at: preamble.sent_at, content });
        }
        Err(Refused::Stale)
    }

    fn moved(&mut self, from: IpAddr, at: Mono) -> bool {
        if self.address == Some(from) {
            return false;
        }
        let back = self.address_before == Some(from);
        if back && at.since(self.moved_at) < FLAP_WITHIN {
            self.flaps = self.flaps.saturating_add(1);
        }
        self.address_before = self.address.replace(from);
        self.moved_at = at;
        true
    }

    /// A datagram of the session before that is newer than all that were received of it, and cannot be
    /// one that was only slow: whoever had that session is still there.
    fn notice_speaker(&mut self, header: Header, at: Mono) {
        let opened_at = self.open.as_ref().map(|open| open.opened_at);
        let late = opened_at.is_some_and(|opened| at.since(opened) >= ON_THE_WAY);
        let former = &mut self.former;
        if late && former.session == header.session && header.counter > former.newest {
            former.newest = header.counter;
            self.duplicates = self.duplicates.saturating_add(1);
        }
    }
}

impl Open {
    fn seal(
        &mut self,
        agent: AgentId,
        kind: Kind,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let counter = self.next;
        self.next += 1;
        out.clear();
        Header { kind, agent, session: self.session, counter }.write(out);
        write(out);
        self.keys.to_agent.seal(counter, HEADER, out);
    }
}

impl Stored {
    fn add(&mut self, counter: u64) {
        if counter > self.newest {
            let ahead = counter - self.newest;
            let shifted = u32::try_from(ahead).ok().and_then(|by| self.before.checked_shl(by));
            self.before = shifted.unwrap_or(0);
            if self.newest > 0 && ahead <= 64 {
                self.before |= 1 << (ahead - 1);
            }
            self.newest = counter;
        } else if let behind @ 1..=64 = self.newest - counter {
            self.before |= 1 << (behind - 1);
        }
    }
}

#[cfg(test)]
mod tests;
