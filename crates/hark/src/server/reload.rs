//! Reading the configuration again while running: SIGHUP, a file that changed, a change in the page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use hark_engine::input::Input;

use super::backend::Declared;
use super::dyndns::ToDns;
use super::leavers;
use super::links::Links;
use super::messages::ToEngine;
use super::outbox::ToOutbox;
use super::probes::{Plan, ToProbes};
use super::pushes::ToPush;
use super::reports::ToReports;
use crate::config::{self, LoadError, Loaded, Paths};

/// Reads the configuration again, one reader at a time.
#[derive(Debug)]
pub(crate) struct Reloader {
    links: Arc<Links>,
    /// Where it lies; `None` where it is in no file.
    paths: Option<Paths>,
    /// Where it is false, a shared secret lets nobody in.
    admits_others: bool,
    /// Number of the configuration that was read last, right or wrong, so that a wrong file is reported once
    /// and not each time it is looked at.
    last: Mutex<u32>,
}

impl Reloader {
    /// Makes one for a server that runs with the configuration of this number.
    pub(super) fn new(
        links: Arc<Links>,
        paths: Option<Paths>,
        admits_others: bool,
        revision: u32,
    ) -> Self {
        let last = Mutex::new(with_templates(&links, revision));
        Self { links, paths, admits_others, last }
    }

    /// Returns whether a file has changed since the configuration was read last.
    pub(super) fn is_changed(&self) -> bool {
        let last = match self.last.try_lock() {
            Ok(last) => *last,
            Err(TryLockError::Poisoned(poisoned)) => *poisoned.into_inner(),
            // It is being read.
            Err(TryLockError::WouldBlock) => return false,
        };
        let now = self.paths.as_ref().and_then(config::revision);
        now.is_some_and(|now| with_templates(&self.links, now) != last)
    }

    /// Carries over what changed. A wrong configuration changes nothing and becomes a problem of the server
    /// itself until a right one is read. What is bound at start (addresses, folders, certificate) stays as
    /// it is. For threads that may block.
    pub(super) fn reload(&self) {
        let Some(mut editing) = self.edit() else { return };
        match config::load(editing.paths) {
            Ok(loaded) => editing.take_on(loaded),
            Err(error) => {
                report(&self.links, &error);
                if let Some(revision) = config::revision(editing.paths) {
                    *editing.last = with_templates(&self.links, revision);
                }
            }
        }
    }

    /// Begins a change: until it is dropped nobody else reads or changes the configuration. `None` where it
    /// is in no file. For threads that may block.
    pub(crate) fn edit(&self) -> Option<Editing<'_>> {
        let paths = self.paths.as_ref()?;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Editing { reloader: self, paths, last })
    }
}

/// A change of the configuration under way.
#[derive(Debug)]
pub(crate) struct Editing<'a> {
    reloader: &'a Reloader,
    /// Where it lies, with the data folder.
    pub(crate) paths: &'a Paths,
    last: MutexGuard<'a, u32>,
}

impl Editing<'_> {
    /// Has every part work by this from now on.
    pub(crate) fn take_on(&mut self, mut loaded: Loaded) {
        if !self.reloader.admits_others {
            loaded.settings.secret = None;
        }
        let revision = loaded.revision;
        carry_over(&self.reloader.links, loaded);
        *self.last = with_templates(&self.reloader.links, revision);
    }
}

/// Returns a number that changes when a file of the configuration does, whose number is `revision`, or one of
/// the folder of templates.
fn with_templates(links: &Links, revision: u32) -> u32 {
    revision.wrapping_add(links.status.load().stamp())
}

fn carry_over(links: &Links, mut loaded: Loaded) {
    let ended = |_| tracing::debug!("the server is ending: nothing is carried over");
    let plan = Arc::clone(&loaded.plan);
    let probing = Plan::of(&mut loaded);
    // Before the plan: a receiver that is new with it must not hear of a mistake that is mended, and the
    // outbox must know it before its first message comes.
    links.is("config", None);
    links.receivers.store(Arc::clone(&loaded.receivers));
    let outbox = links.outbox.blocking_send(ToOutbox::Receivers(loaded.receivers));
    links.login.store(Arc::new(loaded.web.login));
    links.users.store(Arc::new(Declared::of(&loaded.settings)));
    leavers::settle(links, &loaded.settings.users);
    links.plan_status(loaded.status);
    links.inlets.plan(loaded.inlets);
    links.plan_remote_write(loaded.remote_write);
    links.engine.send(ToEngine::Input(Input::Planned(loaded.plan))).unwrap_or_else(ended);
    let pushes = links.pushes.blocking_send(ToPush::Planned(plan));
    let reports = links.reports.blocking_send(ToReports::Planned(loaded.reports));
    let dns = links.dns.blocking_send(ToDns::Planned(loaded.dns));
    // After the plan: every host's series are shown to the engine again.
    links.reloaded(&loaded.settings, loaded.agent_configs);
    let probes = links.probes.blocking_send(ToProbes::Plan(Arc::new(probing)));
    links.releases.change(loaded.offer);
    links.plan_events(loaded.watch.events);
    links.plan_answers(loaded.settings.mailbox, loaded.settings.known_as);
    links.backups.plan(loaded.settings.backup);
    links.retention.plan(loaded.settings.history);
    links.deadman.store(loaded.watch.deadman);
    links.deadman_changed.notify_one();
    // Users and roles may be others now. Who is looked up asks the engine, which gets the plan first.
    links.live.rights();
    if probes.is_err() || outbox.is_err() || pushes.is_err() || reports.is_err() || dns.is_err() {
        tracing::debug!("the server is ending: nothing is carried over");
    }
    tracing::info!(revision = loaded.revision, "the configuration was read again");
}

fn report(links: &Links, error: &LoadError) {
    tracing::error!(%error, "the new configuration is not used; the old one goes on");
    if let LoadError::Wrong { text, .. } = error {
        for line in text.trim_end().lines() {
            tracing::error!("{line}");
        }
    }
    links.is("config", Some(format!("{error}; the one before goes on")));
}
