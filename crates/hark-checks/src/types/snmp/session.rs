//! A dialogue with one device: version 2c asks at once, version 3 has to learn first which device it
//! is and what time it has.

use std::io;

use super::Security;
use super::user::{Complaint, Engine, Received, User, id_of};
use super::wire::{self, Answer, Ask, MAX_DATAGRAM, Oid, Value};
use crate::frames::foreign;
use crate::link::Datagrams;

/// Most times that one question is asked: once, once more with the device's time, once more if its
/// clock was set between.
const MAX_TRIES: usize = 3;

/// A dialogue.
#[derive(Debug)]
pub(super) struct Session<'a> {
    link: &'a mut Datagrams,
    security: &'a Security,
    /// Who the device is, once it has said so (version 3).
    engine: Option<Engine>,
    /// The number of the next question.
    next: i32,
    /// Makes what hides messages different each time.
    salt: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(link: &'a mut Datagrams, security: &'a Security, random: u64) -> Self {
        let [a, b, c, d, ..] = random.to_be_bytes();
        // Without sign, and with room to count up.
        let next = i32::from_be_bytes([a & 0x3f, b, c, d]);
        Self { link, security, engine: None, next, salt: random }
    }

    /// Asks for values.
    pub(super) async fn get(&mut self, oids: &[Oid]) -> io::Result<Vec<(Oid, Value)>> {
        self.ask(Ask::Get, oids).await
    }

    /// Asks for what follows behind each of `oids`, `n` values each.
    pub(super) async fn bulk(&mut self, oids: &[Oid], n: u8) -> io::Result<Vec<(Oid, Value)>> {
        self.ask(Ask::Bulk(n), oids).await
    }

    async fn ask(&mut self, ask: Ask, oids: &[Oid]) -> io::Result<Vec<(Oid, Value)>> {
        let answer = match self.security {
            Security::Community(community) => {
                let id = self.id();
                let community = community.expose();
                let packet = wire::with_community(community, wire::question(ask, id, oids));
                let is_ours = |bytes: &[u8]| {
                    let answer = wire::of_community(bytes, community);
                    answer.is_some_and(|answer| answer.id == i64::from(id))
                };
                let bytes = self.link.ask(&packet, MAX_DATAGRAM, is_ours).await?;
                wire::of_community(&bytes, community)
                    .ok_or_else(|| foreign("the device's message is broken"))?
            }
            Security::User(user) => self.ask_as(user, ask, oids).await?,
        };
        answer.into_values().map_err(foreign)
    }

    async fn ask_as(&mut self, user: &User, ask: Ask, oids: &[Oid]) -> io::Result<Answer> {
        for _try in 0..MAX_TRIES {
            let Some(engine) = self.engine.clone() else {
                self.discover(user).await?;
                continue;
            };
            let id = self.id();
            self.salt = self.salt.wrapping_add(1);
            let packet = user.wrap(id, &engine, self.salt, wire::question(ask, id, oids));
            let received = self.exchange(user, id, &packet).await?;
            if !received.answer.is_report {
                if received.answer.id != i64::from(id) {
                    return Err(foreign("an answer to another question"));
                }
                return Ok(received.answer);
            }
            let complaint = Complaint::of(&received.answer);
            // What the device says of its time counts only if it is shown to be from it.
            if complaint != Complaint::NotInTime || !received.is_authentic {
                return Err(foreign(complaint.words()));
            }
            self.engine = Some(received.engine);
        }
        Err(foreign(Complaint::NotInTime.words()))
    }

    /// Learns who the device is.
    async fn discover(&mut self, user: &User) -> io::Result<()> {
        let id = self.id();
        let packet = User::discovery(id, wire::question(Ask::Get, id, &[]));
        let received = self.exchange(user, id, &packet).await?;
        let complaint = Complaint::of(&received.answer);
        if complaint != Complaint::UnknownEngine {
            return Err(foreign(complaint.words()));
        }
        self.engine = Some(received.engine);
        Ok(())
    }

    async fn exchange(&mut self, user: &User, id: i32, packet: &[u8]) -> io::Result<Received> {
        let is_ours = |bytes: &[u8]| id_of(bytes) == Some(i64::from(id));
        let bytes = self.link.ask(packet, MAX_DATAGRAM, is_ours).await?;
        user.unwrap(&bytes).map_err(foreign)
    }

    fn id(&mut self) -> i32 {
        self.next = self.next.wrapping_add(1) & i32::MAX;
        self.next
    }
}
