//! What the server says, and what follows from hearing nothing of it.

use std::time::Duration;

use hark_model::Mono;
use hark_proto::{AckFlags, Acked, Refused, Reply};

use super::greeting::Greeting;
use super::{Load, Moment, NextReport, Sender};

/// The shortest time without an answer that counts as silence.
const SHORTEST_SILENCE: Duration = Duration::from_secs(10);

/// The longest delay before the backlog is sent after a silence.
const LONGEST_RETURN: Duration = Duration::from_secs(10);

/// A clock that differs from the server's by more than this is worth a line in the log.
const SKEW_MS: i64 = 60_000;

impl Sender {
    /// Takes in a datagram from the server. `known` are the sets in use.
    pub(crate) fn receive(&mut self, datagram: &mut [u8], moment: Moment) {
        match self.client.open(datagram, moment.now, moment.at) {
            Ok(Reply::Acked(acked)) => self.acked(acked, moment),
            Ok(Reply::Reset { highest }) => {
                tracing::info!("server was restarted: beginning a new session");
                self.answered(moment.now.mono);
                self.begin_again(highest, moment);
            }
            Ok(Reply::WantSets(sets)) => {
                self.answered(moment.now.mono);
                self.wanted.extend(sets);
            }
            Ok(Reply::Piece(piece)) => {
                self.answered(moment.now.mono);
                self.take_piece(&piece);
            }
            Ok(Reply::Wait(pause)) => self.come_later(pause, moment.now.mono),
            Err(refused) => self.refused(refused),
        }
    }

    /// Too many hosts introduce themselves: this one does so again after a while, and not together with others.
    fn come_later(&mut self, pause: Duration, mono: Mono) {
        self.answered(mono);
        // A copy of what was said before it was let in.
        if matches!(self.greeting, Greeting::Done) {
            return;
        }
        tracing::info!(?pause, "the server lets in no more hosts now: introducing ourselves later");
        let at = mono + pause + self.chance.below(pause / 4 + Duration::from_secs(1));
        self.greeting = Greeting::Due { at, tries: 0 };
        self.quiet_until = self.quiet_until.max(at);
    }

    pub(super) fn refused(&mut self, refused: Refused) {
        self.counts.refused += 1;
        if matches!(refused, Refused::Replayed | Refused::Old) {
            self.copies += 1;
        }
        tracing::debug!(%refused, "datagram refused");
    }

    fn acked(&mut self, acked: Acked, moment: Moment) {
        let mono = moment.now.mono;
        self.answered(mono);
        self.tell_facts_if_changed(moment);
        self.last_rtt = Some(acked.rtt_us);
        self.counts.stored += acked.stored.len() as u64;
        self.papers.told(&acked);
        for token in acked.stored {
            let load = self.under_way.remove(&token).or_else(|| self.take_late(token));
            self.stored(load);
        }
        let stopped = acked.flags.has(AckFlags::HISTORY_STOPPED);
        if stopped != self.history_stopped {
            tracing::info!(stopped, "server's history");
            self.history_stopped = stopped;
        }
        self.sparing.told(acked.flags, mono, &mut self.chance);
        if let Some(pause) = acked.retry_after {
            // Not all at once after it, either.
            self.quiet_until = mono + pause + self.chance.below(pause / 4 + Duration::from_secs(1));
        }
        self.server_ahead_ms = Some(acked.clock_offset_ms);
        self.steady.look(moment.now, self.spool.next_samples());
        self.steady.learn(acked.clock_offset_ms, self.spool.next_samples());
        let skewed = acked.clock_offset_ms.abs() > SKEW_MS;
        if skewed != self.skewed {
            self.skewed = skewed;
            let ahead_ms = acked.clock_offset_ms;
            tracing::warn!(skewed, ahead_ms, "server's clock differs from this machine's");
        }
    }

    fn take_late(&mut self, token: u64) -> Option<Load> {
        let place = self.late.iter().position(|(late, _)| *late == token)?;
        self.late.remove(place).map(|(_, load)| load)
    }

    fn stored(&mut self, load: Option<Load>) {
        match load {
            Some(Load::Hello) => self.greeting = Greeting::Done,
            Some(Load::Samples(numbers)) => {
                for number in numbers {
                    self.spool.samples_done(number);
                }
            }
            Some(Load::Reports(reports)) => {
                self.next_report = NextReport::MayGo;
                for (number, _) in reports {
                    self.spool.report_done(number);
                    self.homeless.retain(|(other, _)| *other != number);
                }
            }
            // Its answer is on the way, or was lost.
            Some(Load::Question(offset)) => self.papers.unasked(offset),
            Some(Load::Nothing) | None => {}
        }
    }

    /// The server has answered.
    fn answered(&mut self, mono: Mono) {
        self.heard = mono;
        self.copies = 0;
        if std::mem::take(&mut self.silent) {
            tracing::info!("server answers again");
            let longest = self.introduction.interval.min(LONGEST_RETURN);
            self.quiet_until = self.quiet_until.max(mono + self.chance.below(longest));
            if !matches!(self.greeting, Greeting::Done) {
                let at = mono + self.chance.below(Duration::from_secs(1));
                self.greeting = Greeting::Due { at, tries: 0 };
            }
        }
    }

    /// Returns true, once for each such time, when the server has not answered for so long that
    /// another way to it should be tried.
    ///
    /// A server that lost its disk counts its replies anew, and they look like copies of those
    /// before: it is heard again only in a new session, which is begun here.
    pub(crate) fn is_silent(&mut self, moment: Moment) -> bool {
        let mono = moment.now.mono;
        if mono.since(self.heard) < self.silence() {
            return false;
        }
        if std::mem::take(&mut self.copies) > 0 {
            self.begin_again(0, moment);
        }
        if !self.silent {
            tracing::warn!("server does not answer: samples and events wait in the spool");
            self.silent = true;
        }
        self.heard = mono;
        // It may have forgotten us, and only a hello tells it who we are.
        if matches!(self.greeting, Greeting::Done) {
            self.greeting = Greeting::Due { at: mono, tries: 1 };
        }
        true
    }

    pub(super) fn silence(&self) -> Duration {
        (self.introduction.interval * 3).max(SHORTEST_SILENCE)
    }
}
