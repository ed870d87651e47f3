//! What the agent does at its own time: it looks, reports, and sends what is due.
//!
//! No thread and no socket is here; the time and the way for datagrams are arguments. [`crate::Agent`] drives it
//! with the machine's clock and sockets, a simulation with neither, for days within seconds.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use hark_model::{HostName, Mono, Now, Unix};
use hark_proto::{Identity, ReportItem};

use crate::agent::AgentError;
use crate::collectors::{Configured, Root};
use crate::levels::Levels;
use crate::sampler::{Round, Sampler};
use crate::schedule::Schedule;
use crate::sender::{Introduction, Moment, Sender, Wire};
use crate::spool::{Limits, Pending, Spool};

/// How often cursors are stored and losses told.
const HOUSEKEEPING: Duration = Duration::from_secs(30);

/// The fact that names the actions that this host offers.
const ACTIONS: &str = "actions";

/// What a heart is made of, besides the time.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Where the spool and the session's number are kept.
    pub folder: &'a Path,
    /// The host's name.
    pub host: HostName,
    /// Its number and key.
    pub identity: Identity,
    /// The time between two heartbeats.
    pub interval: Duration,
    /// How much is kept for a server that is away.
    pub spool: Limits,
    /// What looks at the machine.
    pub collectors: &'a [Configured],
    /// Where the machine is.
    pub root: &'a Root,
    /// When it booted.
    pub booted_at: Option<Unix>,
    /// The names of the actions that it offers.
    pub actions: String,
}

/// What beats.
#[derive(Debug)]
pub struct Heart {
    host: HostName,
    actions: String,
    round: Round,
    levels: Levels,
    housekeeping: Mono,
    pub(crate) sampler: Sampler,
    pub(crate) schedule: Schedule,
    pub(crate) sender: Sender,
}

impl Heart {
    /// Opens the spool, looks at the machine for the first time, begins a session.
    ///
    /// # Errors
    /// If the spool or the session's number cannot be used.
    pub fn begin(setup: Setup<'_>, moment: Moment) -> Result<Self, AgentError> {
        let mut sampler = Sampler::new(setup.collectors, setup.root);
        sampler.begin(moment.now);
        Self::with(setup, sampler, moment)
    }

    /// As [`Heart::begin`], with collectors that have looked once.
    pub(crate) fn with(
        setup: Setup<'_>,
        mut sampler: Sampler,
        moment: Moment,
    ) -> Result<Self, AgentError> {
        let Setup { folder, host, identity, interval, spool, root, booted_at, actions, .. } = setup;
        let spool = Spool::open(&folder.join("spool"), spool, moment.now.unix)?;
        let introduction = Introduction {
            host: host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            interval,
            booted_at,
            started_at: moment.now.unix,
        };
        let mut sender = Sender::begin(folder, identity, introduction, spool, moment)
            .map_err(AgentError::Session)?;
        if let Some(facts) = sampler.changed_facts() {
            sender.set_facts(with_actions(facts, &actions), moment.now);
        }
        Ok(Self {
            host,
            actions,
            round: Round::default(),
            levels: root.levels(),
            housekeeping: Mono(0),
            sampler,
            schedule: Schedule::begin(moment.now, interval),
            sender,
        })
    }

    /// Does all that is due now. To be called at [`Heart::next`], and after whatever else.
    pub fn live(&mut self, moment: Moment, wire: Wire<'_>) {
        self.keep_house_if_due(moment.now);
        if self.is_due(moment.now) {
            self.beat(moment, wire);
        }
        self.sender.is_silent(moment);
        self.sender.pump(&self.sampler.sets(), moment, wire);
    }

    /// Takes in a datagram from the server.
    pub fn receive(&mut self, datagram: &mut [u8], moment: Moment) {
        self.sender.receive(datagram, moment);
    }

    /// Takes a result, an event or facts, to be told once.
    pub fn report(&mut self, item: &ReportItem, now: Now) {
        self.sender.report(item, now);
    }

    /// Returns when [`Heart::live`] has something to do, if nothing arrives before.
    pub fn next(&self) -> Mono {
        let heartbeat = self.schedule.next().min(self.sender.next_deadline());
        wake(self.housekeeping, heartbeat)
    }

    /// Returns what was found with the last heartbeat: set, time by the wall clock, values.
    pub fn found(&self) -> impl Iterator<Item = (u32, Unix, &[u8])> {
        self.round.frames()
    }

    /// Returns what the server does not have yet.
    pub fn pending(&self) -> Pending {
        self.sender.spool.pending()
    }

    /// Brings reports onto the disk.
    ///
    /// # Errors
    /// If the disk refuses: they are sent all the same.
    pub fn sync_reports(&mut self) -> io::Result<()> {
        let synced = self.sender.spool.sync_reports();
        if let Err(error) = &synced {
            tracing::warn!(%error, "reports are not on the disk");
        }
        synced
    }

    /// Returns true if a heartbeat is due, and then sets the next one.
    pub(crate) fn is_due(&mut self, now: Now) -> bool {
        self.schedule.is_due(now, self.host.as_str())
    }

    /// Sends a heartbeat with what the machine is like.
    pub(crate) fn beat(&mut self, moment: Moment, wire: Wire<'_>) {
        if let Some(ahead) = self.sender.server_ahead_ms.take() {
            let behind = Duration::from_millis(ahead.unsigned_abs()).as_secs_f64();
            self.levels.set_ahead_of_server(if ahead > 0 { -behind } else { behind });
        }
        self.sampler.look(moment.now, &mut self.round);
        if let Some(facts) = self.sampler.changed_facts() {
            self.sender.set_facts(with_actions(facts, &self.actions), moment.now);
        }
        for event in self.sampler.events() {
            self.sender.report(&ReportItem::Event(event), moment.now);
        }
        self.sender.beat(&self.round, &self.sampler.sets(), moment, wire);
        tracing::trace!(counts = ?self.sender.counts, "heartbeat sent");
    }

    /// Stores how far the server has everything, and tells what was lost, now and then.
    pub(crate) fn keep_house_if_due(&mut self, now: Now) {
        if now.mono < self.housekeeping {
            return;
        }
        self.housekeeping = now.mono + HOUSEKEEPING;
        self.sender.report_losses(now);
        if let Err(error) = self.sender.spool.store_cursor() {
            tracing::debug!(%error, "cannot store how far the server has everything");
        }
    }

    /// Returns when to wake, given when something else is due.
    pub(crate) fn wake(&self, due: Mono) -> Mono {
        wake(self.housekeeping, due)
    }
}

/// Returns when to wake next: for the heartbeat, and for the housekeeping only if no heartbeat comes soon
/// enough to do it along with.
fn wake(housekeeping: Mono, heartbeat: Mono) -> Mono {
    if heartbeat < housekeeping + HOUSEKEEPING { heartbeat } else { housekeeping }
}

/// Adds the names of what can be ordered.
fn with_actions(mut facts: BTreeMap<String, String>, actions: &str) -> BTreeMap<String, String> {
    if !actions.is_empty() {
        facts.insert(ACTIONS.to_owned(), actions.to_owned());
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn housekeeping_wakes_nobody_when_a_heartbeat_comes_soon() {
        let at = |seconds: u64| Mono(seconds * 1000);
        assert_eq!(wake(at(30), at(10)), at(10));
        assert_eq!(wake(at(30), at(40)), at(40), "it is done with that heartbeat");
        assert_eq!(wake(at(30), at(3600)), at(30));
    }
}
