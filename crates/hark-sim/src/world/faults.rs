//! What goes wrong, and how it ends.

use std::time::Duration;

use hark_engine::input::{Action, Input};
use hark_model::record::{Matcher, SilenceTerms};
use hark_model::{CheckName, UserName};
use hark_store::disk::Break;

use super::config::Faults;
use super::plan::{below, self_host, signed};
use super::receiver::Away;
use super::{Happening, World};
use crate::machine::Trouble;

/// The kinds of faults, in the order of [`Faults`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    ServerKilled,
    ServerDiesWriting,
    ServerPaused,
    DiskFull,
    HistoryFull,
    HistoryFails,
    AgentKilled,
    HostCut,
    ServerClock,
    AgentClock,
    Trouble,
    ReceiverAway,
    Silence,
}

impl Kind {
    pub(super) const ALL: [Self; 13] = [
        Self::ServerKilled,
        Self::ServerDiesWriting,
        Self::ServerPaused,
        Self::DiskFull,
        Self::HistoryFull,
        Self::HistoryFails,
        Self::AgentKilled,
        Self::HostCut,
        Self::ServerClock,
        Self::AgentClock,
        Self::Trouble,
        Self::ReceiverAway,
        Self::Silence,
    ];

    fn mean(self, faults: &Faults) -> u64 {
        match self {
            Self::ServerKilled => faults.server_killed,
            Self::ServerDiesWriting => faults.server_dies_writing,
            Self::ServerPaused => faults.server_paused,
            Self::DiskFull => faults.disk_full,
            Self::HistoryFull => faults.history_full,
            Self::HistoryFails => faults.history_fails,
            Self::AgentKilled => faults.agent_killed,
            Self::HostCut => faults.host_cut,
            Self::ServerClock => faults.server_clock,
            Self::AgentClock => faults.agent_clock,
            Self::Trouble => faults.trouble,
            Self::ReceiverAway => faults.receiver_away,
            Self::Silence => faults.silence,
        }
    }
}

impl World {
    pub(super) fn next_fault(&mut self, kind: Kind) {
        let mean = kind.mean(&self.config.faults);
        if mean == 0 {
            return;
        }
        let wait = 1 + self.random.below(2 * mean);
        if self.now + wait < self.config.calm_from_ms {
            self.after(wait, Happening::Fault(kind));
        }
    }

    pub(super) fn fault(&mut self, kind: Kind) {
        let host = below(&mut self.random, self.agents.len());
        let minutes = 1 + self.random.below(5);
        let until = (self.now + minutes * 60_000).min(self.config.calm_from_ms);
        match kind {
            Kind::ServerKilled => {
                if self.server.is_some() {
                    self.server_dies();
                }
            }
            Kind::ServerDiesWriting => self.die_writing(),
            Kind::ServerPaused => {
                if self.server.is_some() && self.paused_since.is_none() {
                    self.paused_since = Some(self.now);
                    self.after(until - self.now, Happening::ServerResumes(self.life));
                }
            }
            Kind::DiskFull => {
                if let Some(server) = &self.server {
                    server.disk.fill(true);
                    server.samples.disk.fill(true);
                    let full = 30_000 + self.random.below(90_000);
                    self.after(full, Happening::DiskFree);
                }
            }
            Kind::HistoryFull => {
                if let Some(server) = &self.server {
                    server.samples.disk.fill(true);
                    let full = 30_000 + self.random.below(90_000);
                    self.after(full, Happening::DiskFree);
                }
            }
            Kind::HistoryFails => {
                let ahead = self.random.below(20);
                if let Some(server) = &self.server {
                    let disk = &server.samples.disk;
                    disk.break_at(disk.points() + ahead, Break::Io);
                }
            }
            Kind::AgentKilled => {
                if let Some(agent) = self.agents.get_mut(host) {
                    agent.kill();
                }
                let away = self.random.below(120_000);
                self.after(away, Happening::AgentStarts(host));
            }
            Kind::HostCut => self.network.cut(host, until),
            Kind::ServerClock => {
                self.oracle.clock_jumped(self.now);
                // Small steps are an NTP daemon's and are slewed; what jumps, jumps by minutes.
                let by = 120_000 + signed(self.random.below(1_080_000));
                self.server_clock += if self.random.chance(0.5) { by } else { -by };
            }
            Kind::AgentClock => {
                let by = signed(self.random.below(7_200_000)) - 3_600_000;
                if let Some(agent) = self.agents.get_mut(host) {
                    agent.clock_ms += by;
                }
            }
            Kind::Trouble => self.trouble(host, until),
            Kind::ReceiverAway => {
                let place = below(&mut self.random, self.receivers.len());
                let ways = [Away::Refuses, Away::Hangs, Away::Overrun];
                let way = ways.get(below(&mut self.random, ways.len())).copied();
                if let (Some((_, receiver)), Some(way)) = (self.receivers.get_mut(place), way) {
                    receiver.away_until = until;
                    receiver.away = way;
                }
            }
            Kind::Silence => self.silence(host, until),
        }
    }

    /// Has the server die at one of its next writes, of state or in the middle of one of history.
    fn die_writing(&mut self) {
        let ahead = self.random.below(60);
        let torn = usize::try_from(self.random.below(4_096)).unwrap_or(0);
        let in_history = self.random.chance(0.5);
        let Some(server) = &self.server else { return };
        let (disk, how) = if in_history {
            (&server.samples.disk, Break::Tear(torn))
        } else {
            (&server.disk, Break::Crash)
        };
        disk.break_at(disk.points() + ahead, how);
    }

    fn trouble(&mut self, host: usize, until: u64) {
        let troubles = [
            Trouble::Silent,
            Trouble::BusyCpu,
            Trouble::FullMemory,
            Trouble::FullDisk,
            Trouble::Flapping,
        ];
        let trouble = troubles.get(below(&mut self.random, troubles.len())).copied();
        // The machine's own clock decides when it is over; a jump ends it early or late, and the calm
        // ends all.
        let until = self.agent_now(host).unix + Duration::from_millis(until - self.now);
        if let (Some(agent), Some(trouble)) = (self.agents.get_mut(host), trouble) {
            agent.machine.suffer(trouble, until);
        }
    }

    fn silence(&mut self, host: usize, until: u64) {
        let Some(name) = self.agents.get(host).map(|agent| agent.name.clone()) else { return };
        if self.server.is_none() || self.paused_since.is_some() {
            return;
        }
        let now = self.server_now();
        let ends = now.unix + Duration::from_millis(until.saturating_sub(self.now) + 1);
        let action = Action::Silence(SilenceTerms {
            matcher: Matcher { hosts: vec![name.as_str().to_owned()], ..Matcher::default() },
            reason: "work".to_owned(),
            from: now.unix,
            until: ends,
            maintenance: self.random.chance(0.5),
            flexible: None,
            repeats: None,
        });
        let by = UserName::new("operator").expect("the word is a name");
        self.feed(Input::Operator { request: 1, by, action });
    }

    pub(super) fn server_resumes(&mut self, life: u64) {
        let Some(since) = self.paused_since else { return };
        if self.life != life {
            return;
        }
        self.paused_since = None;
        let gap = Duration::from_millis(self.now - since);
        self.feed(Input::IngestDegraded { reason: "paused".to_owned(), gap });
        for (agent, datagram) in std::mem::take(&mut self.in_socket) {
            self.arrives_at_server(agent, datagram);
        }
        self.after(30_000, Happening::Healthy);
        self.after(0, Happening::Deliver);
    }

    /// Says that reception is well: also after a start, as the one before may have died behind.
    pub(super) fn healthy(&mut self) {
        self.oracle.fed(&self_host(), self.now);
        self.feed(Input::IngestHealthy);
        let part = CheckName::new("ingest").expect("the word is a name");
        self.feed(Input::SelfCheck { part, problem: None });
    }

    /// Ends all faults.
    pub(super) fn calm(&mut self) {
        self.network.heal();
        self.server_clock = 0;
        self.oracle.clock_jumped(self.now);
        let begin = self.server_now().unix;
        for number in 0..self.agents.len() {
            if let Some(agent) = self.agents.get_mut(number) {
                agent.machine.suffer(Trouble::None, begin);
                agent.clock_ms = 0;
            }
            self.agent_starts(number);
        }
        for (_, receiver) in &mut self.receivers {
            receiver.away_until = 0;
            receiver.unsure = 0.0;
        }
        if let Some(server) = &self.server {
            server.disk.mend();
            server.samples.disk.mend();
        }
        if self.paused_since.is_some() {
            self.server_resumes(self.life);
        }
    }
}
