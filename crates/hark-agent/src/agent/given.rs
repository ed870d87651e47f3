//! What the server gives: the agent's configuration and orders.

use hark_checks::sites::Looked;
use hark_model::Now;
use hark_proto::{Outcome, Paper, ReportItem};

use super::Agent;
use crate::schedule::Schedule;
use crate::sender::Arrived;
use crate::settings::Given;
use crate::site::ToSite;

impl Agent {
    /// Takes what the server gave.
    pub(super) fn take_papers(&mut self) {
        while let Some(Arrived { paper, bytes }) = self.heart.sender.arrived() {
            let now = self.clock.now();
            match paper {
                Paper::Configuration(revision) => {
                    let told = match self.central.take(&self.home, revision, &bytes, now) {
                        Ok((given, told)) => {
                            self.apply(&given, now);
                            told
                        }
                        Err(told) => Some(told),
                    };
                    if let Some(told) = told {
                        self.heart.sender.report(&told, now);
                    }
                }
                Paper::Order(order) => self.obey(order, &bytes, now),
            }
        }
    }

    /// Has run what is ordered, once: it is noted on the disk before it begins.
    pub(super) fn obey(&mut self, order: u32, bytes: &[u8], now: Now) {
        let refused = match self.central.take_order(order, bytes, now.unix) {
            Ok(None) => return,
            Ok(Some(name)) if Looked::is_one(&name) => {
                let (exit, text) = match self.look_for_server(&name) {
                    Ok(()) => (Some(0), "it looks".to_owned()),
                    Err(why) => (None, why),
                };
                let outcome = ReportItem::Outcome(Outcome { order, exit, text });
                self.heart.sender.report(&outcome, now);
                return;
            }
            Ok(Some(name)) => match (self.actions.run(order, &name), &mut self.working) {
                (None, _) => format!("this host offers no action `{name}`"),
                (Some(_), None) => "this agent cannot run programs now".to_owned(),
                (Some(run), Some(working)) => {
                    if working.order(run).is_none() {
                        return;
                    }
                    "this agent runs as many programs as it can".to_owned()
                }
            },
            Err(why) => why,
        };
        tracing::warn!(order, refused, "an order is not carried out");
        self.heart
            .sender
            .report(&ReportItem::Outcome(Outcome { order, exit: None, text: refused }), now);
    }

    /// Has the site look at once.
    fn look_for_server(&self, order: &str) -> Result<(), String> {
        let Some(Looked { host, check }) = Looked::parse(order) else {
            return Err("it does not say at what to look".to_owned());
        };
        match &self.site_at_work {
            None => Err("this host looks at nothing for the server".to_owned()),
            Some((thread, _)) if thread.tell(ToSite::Now { host, check }) => Ok(()),
            Some(_) => Err("it has too much to look at now".to_owned()),
        }
    }

    /// Goes over to other settings; what has not changed goes on as it is.
    pub(super) fn apply(&mut self, given: &Given, now: Now) {
        self.root.levels().set_marks(given.marks.clone());
        self.heart.sampler.change(&given.collectors, &self.root, now);
        let interval = self.intervals.with(given.interval);
        if interval != self.heart.schedule.interval() {
            self.heart.schedule = Schedule::begin(now, interval);
            self.heart.sender.set_interval(interval);
            self.looks.set_interval(interval);
        }
        if given.logs.is_other_than(&self.logs) {
            // What it found last and its places are on the disk before it begins again.
            self.end_logs();
            self.logs = given.logs.clone();
            self.start_logs();
        }
        if given.probes.is_other_than(&self.probes) {
            self.probes = given.probes.clone();
            self.change_probes();
        }
        if given.jobs.is_other_than(&self.jobs) {
            self.jobs = given.jobs.clone();
            self.change_jobs();
        }
    }
}
