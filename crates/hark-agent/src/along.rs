//! What an agent does along with its heartbeats without a thread, a program or a socket: checks of processes
//! and watched logs.
//!
//! [`crate::Agent`] reads logs on a thread of their own, with the same parts. This is for whoever drives a
//! [`Heart`] without either: a simulation, for days within seconds. Plugins and commands are not here: a
//! foreign program takes the time that it takes.

use std::path::Path;

use hark_logs::Logs;
use hark_model::{Mono, Now};
use thiserror::Error;

use crate::heart::Heart;
use crate::home::{Home, HomeError};
use crate::inlet::Found;
use crate::jobs::Looks;
use crate::logs::{Desk, Handover};
use crate::sender::{Moment, Out, Wire};
use crate::settings::AgentConfig;

/// Why it cannot begin.
#[derive(Debug, Error)]
pub enum AlongError {
    /// The agent's folder cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Where logs were read to cannot be read or stored.
    #[error("cannot begin to watch logs")]
    Place(#[source] std::io::Error),
    /// The patterns are too large together.
    #[error(transparent)]
    Patterns(#[from] hark_logs::scan::TooLarge),
}

/// See the module's text.
#[derive(Debug)]
pub struct Along {
    home: Home,
    looks: Looks,
    logs: Logs,
    handover: Handover,
}

/// Lends a way for datagrams to what wants to own one.
struct Borrowed<'a, 'w>(&'a mut (dyn FnMut(&[u8]) + 'w));

impl Out for Borrowed<'_, '_> {
    fn send(&mut self, datagram: &[u8]) {
        (self.0)(datagram);
    }
}

impl Along {
    /// Begins where an earlier life has ended: `folder` is that of the agent. Of `config` the checks of
    /// processes, the watched logs and the root are taken.
    ///
    /// # Errors
    /// See [`AlongError`].
    pub fn begin(
        folder: &Path,
        config: &AgentConfig,
        heart: &mut Heart,
        moment: Moment,
        wire: Wire<'_>,
    ) -> Result<Self, AlongError> {
        let home = Home::take(folder)?;
        let interval = heart.schedule.interval();
        let mut looks = Looks::new(interval, moment.now);
        looks.change(&config.jobs.parted().1, &config.root, moment.now);
        let settings = hark_logs::Settings {
            cpu_percent: config.logs.cpu_percent,
            repeat: interval,
            ..hark_logs::Settings::new(config.logs.watches.clone())
        };
        let (sender, sampler) = (&mut heart.sender, &mut heart.sampler);
        let out = &mut Borrowed(wire);
        let mut desk = Desk { home: &home, sender, sampler, out, moment };
        let (handover, state) = Handover::begin(&mut desk).map_err(AlongError::Place)?;
        let logs = Logs::new(settings, state, moment.now)?;
        Ok(Self { home, looks, logs, handover })
    }

    /// Does what is due now; to be called before [`Heart::live`], with the same moment.
    pub fn live(&mut self, heart: &mut Heart, moment: Moment, wire: Wire<'_>) {
        let batch = if self.handover.is_held() { None } else { self.logs.work(moment.now) };
        let out = &mut Borrowed(wire);
        let (sender, sampler) = (&mut heart.sender, &mut heart.sampler);
        let mut desk = Desk { home: &self.home, sender, sampler, out, moment };
        self.handover.try_again(&mut desk);
        if let Some(batch) = batch {
            self.handover.take(batch, &mut desk);
        }
        let is_due = heart.schedule.next() <= moment.now.mono;
        let found =
            if is_due { self.looks.along(moment.now) } else { self.looks.between(moment.now) };
        for found in found {
            match found {
                Found::Report(item) => heart.report(&item, moment.now),
                Found::Batch(batch) => heart.sampler.take(&batch),
            }
        }
    }

    /// Returns when [`Along::live`] has something to do, if nothing is written and no heartbeat is due.
    pub fn next(&self, now: Now) -> Option<Mono> {
        let others = [self.looks.next(), self.handover.next_deadline()];
        others.into_iter().flatten().chain(self.logs.next_deadline(now)).min()
    }
}
