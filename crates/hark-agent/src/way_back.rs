//! When the agent goes back to the server that is named first.
//!
//! After silence the agent goes on to the next server, and there it would stay. So while it is away,
//! the first one is asked now and then whether it lives, over a socket of its own: the present server
//! notices nothing of it. At the first answer the agent goes back; a first server that falls silent
//! again soon after is given ever more time, so that no host is passed to and fro.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use hark_model::Mono;
use hark_plugin::{Waited, waited};

/// A return after which the first server is silent again within this has not lasted.
const LASTING: Duration = Duration::from_mins(10);

/// How soon an agent goes back to its first server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returning {
    /// It stays at least this long at another one.
    pub stay: Duration,
    /// The first time between two questions; it doubles with each that is not answered.
    pub shortest: Duration,
    /// The longest time between two questions.
    pub longest: Duration,
}

impl Default for Returning {
    fn default() -> Self {
        Self {
            stay: Duration::from_mins(1),
            shortest: Duration::from_secs(30),
            longest: Duration::from_mins(5),
        }
    }
}

/// Whether the agent is away, and what it has asked.
#[derive(Debug)]
pub(crate) struct WayBack {
    times: Returning,
    /// How long it stays away the next time.
    stay: Duration,
    returned_at: Option<Mono>,
    away: Option<Away>,
}

#[derive(Debug)]
struct Away {
    /// When it is asked next.
    next: Mono,
    /// The time to the question after that.
    gap: Duration,
    /// How many were asked: the first server's addresses take turns.
    n_asked: usize,
    asked: Option<(SocketAddr, UdpSocket)>,
}

impl WayBack {
    pub(crate) fn new(times: Returning) -> Self {
        Self { times, stay: times.stay, returned_at: None, away: None }
    }

    /// The agent is at the first server.
    pub(crate) fn is_home(&mut self) {
        self.away = None;
    }

    /// The agent is at another one.
    pub(crate) fn is_away(&mut self, now: Mono) {
        if self.away.is_some() {
            return;
        }
        self.stay = match self.returned_at.take() {
            Some(at) if now.since(at) < LASTING => (self.stay * 2).min(self.times.longest),
            _ => self.times.stay,
        };
        let (next, gap) = (now + self.stay, self.times.shortest);
        self.away = Some(Away { next, gap, n_asked: 0, asked: None });
    }

    /// Another server is spoken to than before: answers to what was asked are not waited for.
    pub(crate) fn forget_question(&mut self) {
        if let Some(away) = &mut self.away {
            away.asked = None;
        }
    }

    /// The agent goes back now.
    pub(crate) fn returns(&mut self, now: Mono) {
        self.away = None;
        self.returned_at = Some(now);
    }

    /// Returns, if it is time to ask, how many times this was so before.
    pub(crate) fn due(&mut self, now: Mono) -> Option<usize> {
        let away = self.away.as_mut().filter(|away| now >= away.next)?;
        away.next = now + away.gap;
        away.gap = (away.gap * 2).min(self.times.longest);
        away.asked = None;
        away.n_asked += 1;
        Some(away.n_asked - 1)
    }

    /// The answer of `address` will come to `socket`.
    pub(crate) fn asked(&mut self, address: SocketAddr, socket: UdpSocket) {
        if let Some(away) = &mut self.away {
            away.asked = Some((address, socket));
        }
    }

    /// Returns when [`WayBack::due`] has something to say.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.away.as_ref().map(|away| away.next)
    }

    /// Returns what can be waited on.
    pub(crate) fn descriptor(&self) -> Option<Waited<'_>> {
        self.away.as_ref()?.asked.as_ref().map(|(_, socket)| waited(socket))
    }

    /// Receives one datagram and says from where; none if there is none.
    pub(crate) fn receive<'b>(&self, buffer: &'b mut [u8]) -> Option<(SocketAddr, &'b mut [u8])> {
        let (address, socket) = self.away.as_ref()?.asked.as_ref()?;
        let len = socket.recv(buffer).ok()?;
        buffer.get_mut(..len).map(|datagram| (*address, datagram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1000)
    }

    /// Returns when it asks between `from` and `until`.
    fn asks(way: &mut WayBack, from: u64, until: u64) -> Vec<u64> {
        (from..until).filter(|second| way.due(at(*second)).is_some()).collect()
    }

    #[test]
    fn the_first_server_is_asked_after_a_minute_and_ever_less_often() {
        let mut way = WayBack::new(Returning::default());
        assert!(asks(&mut way, 0, 1000).is_empty() && way.next_deadline().is_none());
        way.is_away(at(1000));
        way.is_away(at(1030));
        assert_eq!(way.next_deadline(), Some(at(1060)));
        assert_eq!(asks(&mut way, 1000, 2200), [1060, 1090, 1150, 1270, 1510, 1810, 2110]);
        way.is_home();
        assert!(asks(&mut way, 2200, 4000).is_empty());
    }

    #[test]
    fn who_returned_too_early_stays_away_longer_the_next_time() {
        let mut way = WayBack::new(Returning::default());
        let mut now = 0;
        for stay in [60, 120, 240, 300, 300] {
            way.is_away(at(now));
            assert_eq!(asks(&mut way, now, now + stay + 1), [now + stay]);
            way.returns(at(now + stay));
            now += stay + 90;
        }
        way.is_away(at(now + 3600));
        assert_eq!(way.next_deadline(), Some(at(now + 3660)), "it had lasted");
    }
}
