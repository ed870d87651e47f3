//! What the engine and the store tell the other parts: where their effects and records go.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use hark_model::Clock;
use hark_model::record::JournalLine;
use hark_store::history::{Erasure, History};
use hark_store::state::EventRecord;
use tokio::sync::mpsc;

use crate::server::backend;
use crate::server::dropped;
use crate::server::engine_loop::{OnForgotten, Outlets, ProbeNow};
use crate::server::happened::Happened;
use crate::server::history_loop::ToHistory;
use crate::server::links::Links;
use crate::server::message_journal::{self, MessageJournal};
use crate::server::recall::Wanted;
use crate::server::repairs::Repair;
use crate::server::store_loop::ToStore;

/// Shows each journal line on the live page, and puts transitions into the message journal.
pub(super) fn line_listener(
    links: &Arc<Links>,
    journal: Option<MessageJournal>,
) -> Box<dyn Fn(&JournalLine) + Send> {
    let live = links.live.clone();
    let (hosts, files) = (Arc::clone(&links.hosts), Arc::clone(&links.event_files));
    Box::new(move |line| {
        let host = line.host.and_then(|h| hosts.name(h));
        live.event(backend::activity(line, host.as_ref()));
        if line.kind == hark_model::record::JournalKind::Transition
            && let (Some(journal), Some(host), Some(check)) = (&journal, &host, &line.check)
        {
            let entry = message_journal::Line::threshold(host, check, &line.text);
            journal.write(line.at, None, entry);
        }
        if line.kind == hark_model::record::JournalKind::Transition
            && let (Some(host), Some(check)) = (&host, &line.check)
            && let Some(files) = &*files.load()
        {
            files.changed(line, host, check);
        }
    })
}

/// Puts each event into the event files, and rings for those who bring them to other servers.
pub(super) fn event_listener(links: &Arc<Links>) -> Box<dyn Fn(&EventRecord) + Send> {
    let (files, happened) = (Arc::clone(&links.event_files), links.happened.clone());
    let live = links.live.clone();
    Box::new(move |record| {
        live.happened(backend::event_of_host(record));
        if let Some(files) = &*files.load() {
            files.event(record);
        }
        happened.send_modify(|n| *n = n.wrapping_add(1));
    })
}

/// Returns where the engine's effects go.
pub(super) fn outlets(
    links: &Arc<Links>,
    events: Happened,
    (probes, repairs, recall): (
        mpsc::Sender<ProbeNow>,
        mpsc::Sender<Repair>,
        SyncSender<Box<Wanted>>,
    ),
) -> Outlets {
    let live = links.live.clone();
    let hosts = Arc::clone(&links.hosts);
    Outlets {
        store: links.store.clone(),
        intake: links.intake.clone(),
        bell: Arc::clone(&links.bell),
        progress: Arc::clone(&links.progress),
        events,
        probes,
        repairs,
        recall,
        changed: Box::new(move |changed| {
            for change in changed {
                match change {
                    hark_engine::Changed::Host(host) => live.host(*host),
                    hark_engine::Changed::Incident(_) | hark_engine::Changed::Silence(_) => {
                        live.incident();
                    }
                }
            }
        }),
        hosts: Box::new(move |host, name| match name {
            Some(name) => hosts.learned(host, name),
            None => hosts.dropped(host),
        }),
        forgotten: forgetting(links),
    }
}

/// Has history forget hosts, and the state once that is ordered. Where history is stopped or busy, the state still
/// knows of the host, and it is done at the next start: a full queue is not waited for.
fn forgetting(links: &Links) -> OnForgotten {
    let (history, store) = (links.history.clone(), links.store.clone());
    Box::new(move |host| {
        let store = store.clone();
        let forget = move |history: Option<&mut History>| match history
            .map(|history| history.erase(&Erasure::Host(host), Clock.now()))
        {
            Some(Ok(_)) => {
                let changes = vec![dropped::forget(host)];
                if store.try_send(ToStore::Write { changes, reply: None }).is_err() {
                    tracing::debug!(host = host.0, "ordered again at the next start");
                }
            }
            Some(Err(error)) => {
                tracing::warn!(
                    %error,
                    host = host.0,
                    "the samples of a dropped host stay until the next start"
                );
            }
            None => tracing::warn!(
                host = host.0,
                "history is stopped: the samples of a dropped host stay until the next start"
            ),
        };
        if history.try_send(ToHistory::Ask(Box::new(forget))).is_err() {
            tracing::warn!(
                host = host.0,
                "history is busy: the samples of a dropped host stay until the next start"
            );
        }
    })
}
