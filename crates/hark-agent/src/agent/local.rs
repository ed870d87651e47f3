//! What comes from the host itself: what jobs find, and what local programs hand in.

use hark_proto::ReportItem;

use super::{Agent, MAX_AT_ONCE};
use crate::home::Home;
use crate::inject::{Injected, Injection};
use crate::inlet::{Found, inlet};
use crate::jobs::Jobs;

impl Agent {
    /// Lets what is to be done be done: looks by ourselves, the rest by the thread of jobs, which is
    /// there only if something is left for it. Without it the agent does all the rest.
    pub(super) fn change_jobs(&mut self) {
        let (jobs, looks) = self.jobs.parted();
        self.looks.change(&looks, &self.root, self.clock.now());
        if jobs.is_empty() && self.actions.is_empty() {
            self.working = None;
            return;
        }
        if let Some(working) = &mut self.working {
            working.change(jobs, self.root.clone());
            return;
        }
        let folder = self.home.path().as_os_str().as_encoded_bytes();
        let mark = format!("agent-{:08x}", crc32fast::hash(folder));
        let started = inlet().and_then(|(inlet, outlet)| {
            Ok((Jobs::start(jobs.make(&self.root), inlet, &mark)?, outlet))
        });
        match started {
            Ok((jobs, outlet)) => (self.working, self.outlet) = (Some(jobs), Some(outlet)),
            Err(error) => tracing::error!(%error, "plugins, commands and exporters do not work"),
        }
    }

    /// Takes in what other threads have found.
    pub(super) fn take_found(&mut self) {
        let Some(outlet) = &mut self.outlet else { return };
        let mut taken = Vec::new();
        outlet.take(MAX_AT_ONCE, &mut taken);
        let lost = outlet.take_lost();
        if lost > 0 {
            tracing::warn!(lost, "results of jobs are lost: more came than can be taken in");
        }
        self.take_in(taken);
    }

    /// Takes in what was found: values wait for the next heartbeat.
    pub(super) fn take_in(&mut self, found: Vec<Found>) {
        let now = self.clock.now();
        let mut events = false;
        for found in found {
            match found {
                Found::Report(item) => {
                    events |= matches!(item, ReportItem::Event(_) | ReportItem::Outcome(_));
                    self.heart.sender.report(&item, now);
                }
                Found::Batch(batch) => self.heart.sampler.take(&batch),
            }
        }
        // A result comes again, an event or an outcome does not: it is on the disk before anything else happens.
        if events {
            drop(self.heart.sync_reports());
        }
    }

    pub(super) fn take_injected(&mut self) {
        let Some(mut injection) = self.injection.take() else { return };
        let now = self.clock.now();
        let mut taken: Vec<Injected> = Vec::new();
        while let Some(injected) = injection.receive(now.mono, now.unix) {
            self.heart.sender.report(&ReportItem::Event(injected.event.clone()), now);
            taken.push(injected);
            if taken.len() == MAX_AT_ONCE {
                break;
            }
        }
        // One for all: whoever waits for an answer knows that the event is on the disk.
        let synced = self.heart.sync_reports();
        for injected in &taken {
            injection.settle(injected, &synced);
        }
        self.injection = Some(injection);
    }
}

pub(super) fn listen(home: &Home) -> Option<Injection> {
    match Injection::listen(home.path()) {
        Ok(injection) => Some(injection),
        Err(error) => {
            tracing::warn!(%error, "local programs cannot hand in events");
            None
        }
    }
}
