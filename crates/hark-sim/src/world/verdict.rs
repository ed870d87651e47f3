//! What must be true at the end of what agents measured and made.

use std::collections::BTreeMap;

use hark_model::Unix;
use hark_model::record::{JournalKind, JournalLine};

use super::{World, WorldError};

impl World {
    /// What was promised to agents is in history, wherever it lies by now.
    pub(super) fn all_kept(&mut self) -> Result<(), WorldError> {
        let now = self.server_now();
        let is_settled = self.random.chance(0.5);
        let Some(server) = &mut self.server else { return Ok(()) };
        self.counts.stops += server.samples.n_stops();
        if is_settled {
            server.samples.settle(now)?;
        }
        let nothing = BTreeMap::new();
        for agent in &self.agents {
            let promised = self.promised.frames.get(&agent.name).unwrap_or(&nothing);
            let Some(id) = server.host_id(&agent.name) else { continue };
            let wrong = server.samples.compare(id, agent.series(), &agent.measured, promised);
            if let Some(first) = wrong.first() {
                let text =
                    format!("{}: {} wrong in history, first {first}", agent.name, wrong.len());
                self.oracle.violate(self.now, 0, text);
            }
        }
        Ok(())
    }

    /// What agents measured and made is stored, as it was and once.
    pub(super) fn all_arrived(&mut self, journal: &[JournalLine]) {
        let now = self.now;
        let mut wrong = Vec::new();
        for agent in &self.agents {
            let nothing = BTreeMap::new();
            let stored = self.promised.frames.get(&agent.name).unwrap_or(&nothing);
            let is_there = |taken_at: &Unix| {
                agent
                    .measured
                    .get(taken_at)
                    .is_some_and(|frame| stored.get(&(frame.set, *taken_at)) == Some(&frame.values))
            };
            let lost = agent.acked_frames.iter().filter(|taken_at| !is_there(taken_at)).count();
            if lost > 0 {
                wrong.push(format!("{}: {lost} acknowledged frames are lost", agent.name));
            }
            let left = agent.measured.keys().filter(|taken_at| !is_there(taken_at)).count();
            // The last heartbeat may still be on its way.
            if left > 2 {
                wrong.push(format!("{}: {left} frames never arrived", agent.name));
            }
            for number in &agent.made {
                let text = format!("{} item {number}", agent.name);
                let is_it = |line: &&JournalLine| {
                    line.kind == JournalKind::Event && line.text.ends_with(&text)
                };
                let times = journal.iter().filter(is_it).count();
                let item = format!("{}: item {number}", agent.name);
                if times > 1 {
                    wrong.push(format!("{item} was applied {times} times"));
                } else if times == 0 && agent.acked_items.contains(number) {
                    wrong.push(format!("{item} was acknowledged and is lost"));
                } else if times == 0 {
                    wrong.push(format!("{item} never arrived; {} wait", agent.n_waiting()));
                }
            }
        }
        if self.promised.different > 0 {
            wrong.push(format!("{} frames came with two contents", self.promised.different));
        }
        if let Some(server) = self.server.as_ref().filter(|server| server.duplicates() > 0) {
            wrong.push(format!("{} clones were seen where there are none", server.duplicates()));
        }
        for text in wrong {
            self.oracle.violate(now, 0, text);
        }
    }
}
