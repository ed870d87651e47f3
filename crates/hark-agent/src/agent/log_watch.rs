//! The thread that watches logs, seen from the loop.

use hark_model::{Event, EventKind, Severity};
use hark_proto::ReportItem;

use super::{Agent, event, moment};
use crate::logs::{Desk, Handover, LogThread, Taken};

impl Agent {
    /// Starts the thread that watches logs if there are some. Without it the agent does all the rest.
    pub(super) fn start_logs(&mut self) {
        if self.logs.watches.is_empty() {
            return;
        }
        let settings = hark_logs::Settings {
            cpu_percent: self.logs.cpu_percent,
            repeat: self.heart.schedule.interval(),
            ..hark_logs::Settings::new(self.logs.watches.clone())
        };
        let started = Handover::begin(&mut self.desk())
            .and_then(|(handover, state)| Ok((LogThread::start(settings, state)?, handover)));
        match started {
            Ok(started) => self.log_watch = Some(started),
            Err(error) => {
                tracing::error!(%error, "logs are not watched");
                self.tell_logs_failed(&error.to_string());
            }
        }
    }

    pub(super) fn take_from_logs(&mut self) {
        let Some((thread, _)) = &mut self.log_watch else { return };
        let taken = thread.take();
        self.took_from_logs(taken);
    }

    /// Takes what waits for a heartbeat.
    pub(super) fn take_along_from_logs(&mut self) {
        let free = |(_, handover): &&mut (LogThread, Handover)| !handover.is_held();
        let Some((thread, _)) = self.log_watch.as_mut().filter(free) else { return };
        let taken = thread.take_along();
        self.took_from_logs(taken);
    }

    fn took_from_logs(&mut self, taken: Taken) {
        match taken {
            Taken::Batch(batch) => self.with_logs(|handover, desk| handover.take(batch, desk)),
            Taken::Nothing => {}
            Taken::Ended => {
                tracing::error!("watching logs has failed: they are read on after a restart");
                self.log_watch = None;
                self.tell_logs_failed("the thread has ended");
            }
        }
    }

    /// What watches must not be silent about itself.
    pub(super) fn tell_logs_failed(&mut self, why: &str) {
        let kind = EventKind::Other(hark_logs::ABOUT.to_owned());
        let text = format!("logs are not watched until the agent is started again: {why}");
        let severity = Severity::Critical;
        let now = self.clock.now();
        let event = Event { severity, ..event(now.unix, kind, &text) };
        self.heart.sender.report(&ReportItem::Event(event), now);
    }

    /// Lets the thread end, and takes what it still has.
    pub(super) fn end_logs(&mut self) {
        if let Some((thread, _)) = &self.log_watch {
            thread.stop();
        }
        while let Some(batch) = self
            .log_watch
            .as_ref()
            .filter(|(_, handover)| !handover.is_held())
            .and_then(|(thread, _)| thread.rest())
        {
            self.with_logs(|handover, desk| handover.take(batch, desk));
        }
        self.log_watch = None;
    }

    pub(super) fn with_logs(&mut self, act: impl FnOnce(&mut Handover, &mut Desk<'_>)) {
        let Some((thread, mut handover)) = self.log_watch.take() else { return };
        act(&mut handover, &mut self.desk());
        self.log_watch = Some((thread, handover));
    }

    fn desk(&mut self) -> Desk<'_> {
        let (moment, out) = (moment(self.clock), &mut self.endpoint);
        let (home, sender, sampler) = (&self.home, &mut self.heart.sender, &mut self.heart.sampler);
        Desk { home, sender, sampler, out, moment }
    }
}
