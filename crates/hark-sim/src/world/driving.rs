//! The server in the world: it starts, dies, is fed, commits, and is looked after.

use std::sync::Arc;

use hark_engine::input::Input;
use hark_model::{CheckName, CheckResult, ReceiverName, Status, Unix};

use super::plan::{ping, self_host, standby};
use super::server::{Committed, Failed, SimServer, Wish};
use super::{AGAIN, GATHER, HEAD, Happening, SECRET, SOCKET, UPKEEP, World, WorldError};
use crate::machine::Trouble;

impl World {
    pub(super) fn server_starts(&mut self) -> Result<(), WorldError> {
        if self.server.is_some() {
            return Ok(());
        }
        self.life += 1;
        self.counts.server_starts += 1;
        let (now, mut wishes) = (self.server_now(), Vec::new());
        let plan = Arc::clone(&self.plan);
        let salt = self.life << 32;
        let receivers = self.fallbacks();
        let mut server =
            SimServer::start(&self.dir, plan, receivers, SECRET, now, salt, &mut wishes)?;
        server.lies = self.lies;
        let snapshot = server.state.load(Unix(0))?.snapshot;
        let rows = server.rows(now)?;
        let maybe = std::mem::take(&mut self.maybe);
        self.oracle.reloaded(self.now, &snapshot, &maybe);
        self.server = Some(server);
        self.commit_due = false;
        self.deliver_at = None;
        self.fulfil(wishes);
        // Whatever the server before said of its history: this one's is open.
        self.say("history", None);
        self.after(30_000, Happening::Healthy);
        self.hand_rows(rows)
    }

    /// Returns the receivers with their fallbacks: the first has one, which nothing else goes to.
    pub(super) fn fallbacks(&self) -> Vec<(ReceiverName, Option<ReceiverName>)> {
        let names = self.receivers.iter().map(|(name, _)| name.clone());
        names.enumerate().map(|(n, name)| (name, (n == 0).then(standby))).collect()
    }

    pub(super) fn server_dies(&mut self) {
        if let Some(server) = self.server.take() {
            self.counts.stops += server.samples.n_stops();
            for key in server.unwritten_keys() {
                self.oracle.unsure(&key);
            }
        }
        self.paused_since = None;
        self.in_socket.clear();
        let away = 500 + self.random.below(60_000);
        self.after(away, Happening::ServerStarts);
    }

    /// Does history's upkeep, and says when it stops and goes on.
    pub(super) fn upkeep(&mut self) {
        self.after(UPKEEP, Happening::Upkeep);
        let now = self.server_now();
        if self.paused_since.is_some() {
            return;
        }
        let Some(server) = &mut self.server else { return };
        let changed = server.samples.maintain(now);
        if server.samples.disk.is_dead() {
            self.maybe = server.staged_records();
            self.server_dies();
        } else if let Some(changed) = changed {
            self.say("history", changed.problem());
        }
    }

    pub(super) fn feed(&mut self, input: Input) {
        if self.paused_since.is_some() {
            return;
        }
        let now = self.server_now();
        let Some(server) = &mut self.server else { return };
        let mut wishes = Vec::new();
        server.step(input, now, &mut wishes);
        self.fulfil(wishes);
    }

    pub(super) fn arrives_at_server(&mut self, agent: usize, datagram: Vec<u8>) {
        if self.paused_since.is_some() {
            if self.in_socket.len() < SOCKET {
                self.in_socket.push((agent, datagram));
            }
            return;
        }
        let (now, at) = (self.server_now(), self.at());
        let Some(server) = &mut self.server else { return };
        let mut wishes = Vec::new();
        let reset = server.receive(datagram, now, at, &mut wishes);
        if let Some(reset) = reset {
            self.sends_to_agent(agent, &reset);
        }
        if self.lies.acks_before_commit {
            self.lie();
        }
        self.fulfil(wishes);
    }

    pub(super) fn lie(&mut self) {
        let (now, at) = (self.server_now(), self.at());
        let Some(server) = &mut self.server else { return };
        for (agent, datagram) in server.lie(now, at) {
            if let Some(number) = self.by_id.get(&agent).copied() {
                self.sends_to_agent(number, &datagram);
            }
        }
    }

    pub(super) fn sends_to_agent(&mut self, agent: usize, datagram: &[u8]) {
        for arrival in self.network.arrivals(agent, self.now, &mut self.random) {
            self.after(arrival - self.now, Happening::ToAgent(agent, datagram.to_vec()));
        }
    }

    /// Does what a step wants.
    pub(super) fn fulfil(&mut self, wishes: Vec<Wish>) {
        for wish in wishes {
            match wish {
                Wish::Log(text) => self.log(&text),
                Wish::Fed(host) => {
                    self.oracle.fed(&host, self.now);
                    // Each agent shows whether the server's own clock is right.
                    self.oracle.fed(&self_host(), self.now);
                }
                Wish::Records(records) => self.oracle.decided(self.now, &records),
                Wish::Probe(host, check) => {
                    if let Some(number) = self.agents.iter().position(|agent| agent.name == host) {
                        self.start_probe(number, check);
                    }
                }
            }
        }
        self.plan_commit();
    }

    pub(super) fn plan_commit(&mut self) {
        if !self.commit_due && self.server.as_ref().is_some_and(SimServer::is_dirty) {
            self.commit_due = true;
            self.after(GATHER, Happening::Commit);
        }
    }

    pub(super) fn log(&mut self, text: &str) {
        for byte in self.now.to_le_bytes().into_iter().chain(text.bytes()) {
            self.fingerprint ^= u64::from(byte);
            self.fingerprint = self.fingerprint.wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Has the engine woken at its next deadline.
    pub(super) fn plan_tick(&mut self) {
        let Some(server) = &self.server else { return };
        if self.paused_since.is_some() {
            return;
        }
        let Some(due) = server.engine.next_deadline() else { return };
        let due = due.0.saturating_sub(HEAD).max(self.now + 1);
        let planned = self.happenings.range((self.now, 0)..=(due, u64::MAX));
        let planned = planned.into_iter().any(|(_, h)| matches!(h, Happening::ServerTicks));
        if !planned {
            self.after(due - self.now, Happening::ServerTicks);
        }
    }

    pub(super) fn commit(&mut self) -> Result<(), WorldError> {
        self.commit_due = false;
        if self.paused_since.is_some() {
            self.commit_due = true;
            self.after(GATHER, Happening::Commit);
            return Ok(());
        }
        let (now, at) = (self.server_now(), self.at());
        let Some(server) = &mut self.server else { return Ok(()) };
        match server.commit(&mut self.promised, now, at) {
            Ok(Committed { records, replies }) => {
                self.oracle.committed(self.now, &records);
                let rows = server.new_rows(records)?;
                for (agent, datagram) in replies {
                    if let Some(number) = self.by_id.get(&agent).copied() {
                        self.sends_to_agent(number, &datagram);
                    }
                }
                self.hand_rows(rows)
            }
            Err(Failed::Later) => {
                self.commit_due = true;
                self.after(AGAIN, Happening::Commit);
                Ok(())
            }
            Err(failed) => {
                self.maybe = server.staged_records();
                self.failed(failed)
            }
        }
    }

    pub(super) fn probe(&mut self, host: usize, check: CheckName) {
        self.after(30_000, Happening::Probe(host, check.clone()));
        self.start_probe(host, check);
    }

    pub(super) fn start_probe(&mut self, host: usize, check: CheckName) {
        if check != ping() || self.server.is_none() || self.paused_since.is_some() {
            return;
        }
        let silent = self.agents.get(host).is_none_or(|a| a.machine.trouble() == Trouble::Silent);
        let good = !silent && !self.network.is_cut(host, self.now);
        let took = if good { 5 } else { 2_000 };
        let began_at = self.server_now().unix;
        self.after(took, Happening::Probed(host, check, began_at, good));
    }

    pub(super) fn probed(&mut self, host: usize, check: CheckName, began_at: Unix, good: bool) {
        let Some(name) = self.agents.get(host).map(|agent| agent.name.clone()) else { return };
        let Some(host) = self.server.as_ref().and_then(|server| server.host_id(&name)) else {
            return;
        };
        let status = if good { Status::Ok } else { Status::Critical };
        let text = if good { "answers" } else { "does not answer" }.to_owned();
        let (values, limits) = (Vec::new(), Vec::new());
        let next = hark_model::Next::AsBefore;
        let result =
            CheckResult { check, status, text, began_at, took_ms: 5, values, limits, next };
        if self.paused_since.is_none() {
            self.oracle.fed(&name, self.now);
        }
        self.feed(Input::Result { host, result });
    }
}
