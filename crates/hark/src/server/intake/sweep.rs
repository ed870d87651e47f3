//! After a reload the engine is asked anew what it wants of every host's series: of some hosts at a time, so that
//! heartbeats that come meanwhile do not wait behind all of them.

use std::time::Duration;

use hark_engine::input::Input;
use hark_model::time::Mono;

use super::Intake;

/// Hosts that the engine is asked about and has not answered for: some ten milliseconds of its work, which is what
/// a heartbeat waits longer.
const WINDOW: usize = 512;

/// After this, what is not answered will not be: a host was dropped meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long the thread rests at most while answers are due.
pub(super) const STEP: Duration = Duration::from_millis(2);

/// How far it is.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The place that comes next; none: there is nothing to do.
    next: Option<usize>,
    unanswered: usize,
    asked_at: Mono,
}

impl Sweep {
    /// Begins, or begins anew: what was asked before was answered by an earlier configuration.
    pub(super) fn begin(&mut self) {
        self.next = Some(0);
    }

    /// Returns whether hosts are left.
    pub(super) fn is_busy(&self) -> bool {
        self.next.is_some()
    }

    /// The engine has answered for a host.
    pub(super) fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// Returns how many hosts may be asked about now.
    fn room(&mut self, now: Mono) -> usize {
        if self.unanswered >= WINDOW && now.since(self.asked_at) >= PATIENCE {
            self.unanswered = 0;
        }
        WINDOW.saturating_sub(self.unanswered)
    }
}

impl Intake {
    /// Asks about the next hosts, as far as the engine has answered for those before.
    pub(super) fn ask_again(&mut self, now: Mono) {
        let Some(from) = self.sweep.next else { return };
        let room = self.sweep.room(now);
        if room == 0 {
            return;
        }
        let agents = &self.setup.agents;
        let mut asked = 0;
        let mut place = from;
        while asked < room && place < agents.len() {
            if let Some(host) = agents.peek(place).host
                && !agents.peek(place).sets.is_empty()
            {
                self.inputs.push(Input::SeriesSeen { host, series: agents.series_of(place) });
                asked += 1;
            }
            place += 1;
        }
        self.sweep.next = (place < agents.len()).then_some(place);
        self.sweep.unanswered += asked;
        self.sweep.asked_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_hosts_are_asked_about_than_the_engine_has_answered_for() {
        let mut sweep = Sweep::default();
        assert!(!sweep.is_busy());
        sweep.begin();
        sweep.unanswered = WINDOW;
        assert_eq!(sweep.room(Mono(0)), 0);
        sweep.answered();
        assert_eq!(sweep.room(Mono(0)), 1);
        sweep.unanswered = WINDOW;
        assert_eq!(sweep.room(Mono(0) + PATIENCE), WINDOW, "those who are gone hold nobody up");
        (0..3).for_each(|_| sweep.answered());
        assert_eq!(sweep.room(Mono(0)), WINDOW);
    }
}
