//! Reading the configuration again while running (SIGHUP, or a file changed).

use std::sync::Arc;

use hark_engine::input::Input;

use super::dyndns::ToDns;
use super::links::Links;
use super::messages::ToEngine;
use super::outbox::ToOutbox;
use super::probes::{Plan, ToProbes};
use super::pushes::ToPush;
use super::reports::ToReports;
use crate::config::{self, LoadError, Paths};

/// Carries over what changed. A wrong configuration changes nothing and becomes a problem of the server
/// itself until a right one is read. What is bound at start (addresses, folders, certificate) stays as
/// it is.
///
/// Returns the number of the configuration that was read last, right or wrong, so that a wrong file is
/// reported once and not each time it is looked at. Where `admits_others` is false, a shared secret lets
/// nobody in.
pub(super) async fn reload(
    links: &Arc<Links>,
    paths: &Paths,
    revision: u32,
    admits_others: bool,
) -> u32 {
    let read = {
        let paths = paths.clone();
        tokio::task::spawn_blocking(move || config::load(&paths)).await
    };
    let mut loaded = match read {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(error)) => {
            report(links, &error).await;
            return config::revision(paths).unwrap_or(revision);
        }
        Err(_) => {
            tracing::error!("reading the configuration failed in a way that is a fault of hark");
            return revision;
        }
    };
    if !admits_others {
        loaded.settings.secret = None;
    }
    let revision = loaded.revision;
    let links = Arc::clone(links);
    let carried = tokio::task::spawn_blocking(move || carry_over(&links, loaded)).await;
    if carried.is_err() {
        tracing::error!("carrying over the configuration failed in a way that is a fault of hark");
    }
    revision
}

fn carry_over(links: &Links, mut loaded: config::Loaded) {
    let ended = |_| tracing::debug!("the server is ending: nothing is carried over");
    let plan = Arc::clone(&loaded.plan);
    let probing = Plan::of(&mut loaded);
    // Before the plan: a receiver that is new with it must not hear of a mistake that is mended, and the
    // outbox must know it before its first message comes.
    links.is("config", None);
    links.receivers.store(Arc::clone(&loaded.receivers));
    let outbox = links.outbox.blocking_send(ToOutbox::Receivers(loaded.receivers));
    links.engine.send(ToEngine::Input(Input::Planned(loaded.plan))).unwrap_or_else(ended);
    let pushes = links.pushes.blocking_send(ToPush::Planned(plan));
    let reports = links.reports.blocking_send(ToReports::Planned(loaded.reports));
    let dns = links.dns.blocking_send(ToDns::Planned(loaded.dns));
    // After the plan: every host's series are shown to the engine again.
    links.reloaded(loaded.settings.secret, loaded.agent_configs);
    let probes = links.probes.blocking_send(ToProbes::Plan(Arc::new(probing)));
    links.releases.change(loaded.offer);
    links.plan_events(loaded.watch.events);
    links.plan_answers(loaded.settings.mailbox, loaded.settings.known_as);
    links.deadman.store(loaded.watch.deadman);
    links.deadman_changed.notify_one();
    if probes.is_err() || outbox.is_err() || pushes.is_err() || reports.is_err() || dns.is_err() {
        tracing::debug!("the server is ending: nothing is carried over");
    }
    tracing::info!(revision = loaded.revision, "the configuration was read again");
}

async fn report(links: &Arc<Links>, error: &LoadError) {
    tracing::error!(%error, "the new configuration is not used; the old one goes on");
    if let LoadError::Wrong { text, .. } = error {
        for line in text.trim_end().lines() {
            tracing::error!("{line}");
        }
    }
    let problem = format!("{error}; the one before goes on");
    let links = Arc::clone(links);
    let told = tokio::task::spawn_blocking(move || links.is("config", Some(problem))).await;
    if told.is_err() {
        tracing::error!("telling the engine failed in a way that is a fault of hark");
    }
}
