//! Asking whether another server than the present one lives, without harm to the present session.
//!
//! Two servers must never answer in the same session: each counts its answers from 1, and both would
//! use the same nonces with the same key. So whoever goes on to another server begins a session, and a
//! question to another server has a session of its own, which only that one is asked in. Its number
//! was set aside when the present session began, below that one: servers that tell each other of
//! sessions do not take it for a newer one, they answer that it is over, and that is an answer too.
//!
//! What is asked is a hello: it says the same each time, and is answered also by a server that has
//! never met this host. It makes the host heard there, where the agent goes as soon as it is answered.

use std::net::SocketAddr;

use hark_proto::{ClientSession, Identity, Reply, next_session};

use super::{Moment, Sender, Wire};

/// How many numbers are set aside below each session, and so how many addresses can be asked during
/// it: those of two servers with both families twice.
const SET_ASIDE: u64 = 8;

/// The sessions of questions.
#[derive(Debug)]
pub(super) struct Probes {
    identity: Identity,
    sessions: Vec<(SocketAddr, ClientSession)>,
    /// Another server is spoken to since, and has not answered yet.
    changed: bool,
}

impl Probes {
    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, sessions: Vec::new(), changed: false }
    }

    /// Another session has begun, with other numbers below it.
    pub(super) fn clear(&mut self) {
        self.sessions = Vec::new();
    }

    /// Returns the session in which `to` is asked; none if no number is left.
    fn session(
        &mut self,
        to: SocketAddr,
        present: u64,
        moment: Moment,
    ) -> Option<&mut ClientSession> {
        let known = self.sessions.iter().position(|(address, _)| *address == to);
        let place = known.unwrap_or(self.sessions.len());
        if known.is_none() {
            let below = u64::try_from(place).ok().filter(|place| *place < SET_ASIDE)? + 1;
            let number = present.checked_sub(below)?;
            let session = ClientSession::begin(self.identity.clone(), number, moment.at);
            self.sessions.push((to, session));
        }
        self.sessions.get_mut(place).map(|(_, session)| session)
    }
}

/// Returns a number for a session above `last` and `highest`, with [`SET_ASIDE`] numbers below it that
/// were never used either.
pub(super) fn next_number(moment: Moment, last: u64, highest: u64) -> u64 {
    let (last, highest) = (last.saturating_add(SET_ASIDE), highest.saturating_add(SET_ASIDE));
    next_session(moment.now.unix, last, highest)
}

impl Sender {
    /// Asks the server at `to` whether it lives. Nothing else changes.
    pub(crate) fn probe(
        &mut self,
        to: SocketAddr,
        sets: impl Iterator<Item = u32>,
        moment: Moment,
        wire: Wire<'_>,
    ) {
        let hello = self.hello(sets);
        let mut out = std::mem::take(&mut self.out);
        if let Some(session) = self.probes.session(to, self.client.session(), moment) {
            // Those before are over: they take no room.
            drop(session.overdue(moment.at));
            if session.seal(&hello, 0, moment.now, moment.at, &mut out).is_ok() {
                self.counts.sent += 1;
                wire(&out);
            }
        }
        self.out = out;
    }

    /// Takes in a datagram from `from`, which was asked. If it lives and wants agents, returns the
    /// highest session that it told, 0 if none: see [`Sender::change_server`].
    pub(crate) fn probed(
        &mut self,
        from: SocketAddr,
        datagram: &mut [u8],
        moment: Moment,
    ) -> Option<u64> {
        let (_, session) = self.probes.sessions.iter_mut().find(|(address, _)| *address == from)?;
        match session.open(datagram, moment.now, moment.at) {
            // It has too much to do already.
            Ok(Reply::Acked(acked)) if acked.retry_after.is_some() => None,
            Ok(Reply::Wait(_)) => None,
            Ok(Reply::Reset { highest }) => Some(highest),
            Ok(Reply::Acked(_) | Reply::WantSets(_) | Reply::Piece(_)) => Some(0),
            Err(refused) => {
                self.refused(refused);
                None
            }
        }
    }

    /// From now on another server is spoken to: begins a session above `highest`, and what was under
    /// way waits again.
    pub(crate) fn change_server(&mut self, highest: u64, moment: Moment) {
        self.begin_again(highest, moment);
        self.wanted.clear();
        self.probes.changed = true;
    }

    /// Tells a server that answers for the first time the facts that its hello had no room for.
    pub(super) fn tell_facts_if_changed(&mut self, moment: Moment) {
        if std::mem::take(&mut self.probes.changed) {
            let facts = std::mem::take(&mut self.facts);
            self.set_facts(facts, moment.now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use hark_model::time::Micros;
    use hark_model::{HostName, Mono, Now, Unix};
    use hark_proto::{AckFacts, Refused, ServerSession, peek};
    use tempfile::TempDir;

    use super::*;
    use crate::sender::Introduction;
    use crate::spool::{Limits, Spool};

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn identity() -> Identity {
        Identity::simple(b"secret", HostName::new("web").unwrap())
    }

    fn moment(ms: u64) -> Moment {
        let unix = Unix(1_700_000_000_000 + i64::try_from(ms).unwrap());
        Moment { now: Now { mono: Mono(ms), unix }, at: Micros(ms * 1000) }
    }

    fn sender() -> (TempDir, Sender) {
        let folder = tempfile::tempdir().unwrap();
        let moment = moment(0);
        let introduction = Introduction {
            host: HostName::new("web").unwrap(),
            version: "1".to_owned(),
            interval: Duration::from_secs(10),
            booted_at: None,
            started_at: moment.now.unix,
        };
        let path = folder.path().join("spool");
        let spool = Spool::open(&path, Limits::default(), moment.now.unix).unwrap();
        let sender = Sender::begin(folder.path(), identity(), introduction, spool, moment).unwrap();
        (folder, sender)
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::new(FROM, port)
    }

    fn asked(sender: &mut Sender, port: u16, ms: u64) -> Option<Vec<u8>> {
        let mut sent = None;
        let wire = &mut |datagram: &[u8]| sent = Some(datagram.to_vec());
        sender.probe(address(port), std::iter::empty(), moment(ms), wire);
        sent
    }

    #[test]
    fn each_server_is_asked_in_a_session_of_its_own_below_the_present_one() {
        let (_folder, mut sender) = sender();
        let header = |sender: &mut Sender, port: u16, ms: u64| {
            let datagram = asked(sender, port, ms)?;
            let header = peek(&datagram).unwrap().header;
            Some((header.session, header.counter))
        };
        let present = sender.client.session();
        assert_eq!(header(&mut sender, 1, 0), Some((present - 1, 1)));
        assert_eq!(header(&mut sender, 1, 9000), Some((present - 1, 2)));
        assert_eq!(header(&mut sender, 2, 9000), Some((present - 2, 1)));
        for port in 3..=8 {
            assert!(header(&mut sender, port, 9000).is_some());
        }
        assert_eq!(header(&mut sender, 9, 9000), None, "no number is left");
        sender.change_server(0, moment(9001));
        let (session, counter) = header(&mut sender, 1, 9001).unwrap();
        assert!(session > present && session < sender.client.session() && counter == 1);
    }

    #[test]
    fn a_server_that_knows_of_the_present_session_says_so_and_keeps_it() {
        let (_folder, mut sender) = sender();
        let present = sender.client.session();
        let mut server = ServerSession::new(present, None);
        let mut datagram = asked(&mut sender, 1, 0).unwrap();
        let header = peek(&datagram).unwrap().header;
        let opened = server.open(&identity().key, &mut datagram, FROM, Micros(0));
        assert_eq!(opened.err(), Some(Refused::Stale));
        let mut answer = Vec::new();
        assert!(server.reset(&identity().key, &header, [7; 16], Micros(0), &mut answer));
        let mut forged = answer.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(sender.probed(address(1), &mut forged, moment(1)), None);
        assert_eq!(sender.probed(address(2), &mut answer.clone(), moment(1)), None);
        assert_eq!(sender.probed(address(1), &mut answer, moment(1)), Some(present));
        assert_eq!(sender.client.session(), present, "only asking changes nothing");
    }

    #[test]
    fn a_server_that_sheds_load_is_not_gone_back_to() {
        for (retry_after_s, back) in [(30, None), (0, Some(0))] {
            let (_folder, mut sender) = sender();
            let mut server = ServerSession::new(0, None);
            let mut datagram = asked(&mut sender, 1, 0).unwrap();
            let header = peek(&datagram).unwrap().header;
            server.open(&identity().key, &mut datagram, FROM, Micros(0)).unwrap();
            server.persisted(server.to_persist().unwrap());
            server.stored(header.session, header.counter);
            let facts = AckFacts { now: moment(0).now, retry_after_s, ..AckFacts::default() };
            let mut answer = Vec::new();
            assert!(server.ack(identity().agent, &facts, Micros(0), &mut answer));
            assert_eq!(sender.probed(address(1), &mut answer, moment(1)), back);
        }
    }
}
