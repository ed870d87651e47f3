//! Samples that programs bring which are no agents: remote write, OTLP, Influx and Graphite.
//!
//! ```text
//! request -> source by its token -> hark_metrics (bytes to samples by host) -> Inlets::bring
//!   -> hosts (by name; made if the source may) -> places in sets of history -> frames  -> history, synced
//!                                              -> values that thresholds look at       -> engine, committed
//! answered when both have kept their part
//! ```
//!
//! It all runs on the thread of whoever asks; a host is worked on by one of them at a time. Nothing of it
//! is on the way of agents: ingest does not know of it, and history and the engine take it in as one
//! message of many. The bound on who asks at the same time is the web's.

mod answers;
mod figures;
pub(crate) mod graphite;
mod host;
mod parcels;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hark_engine::input::{HostSeen, Input};
use hark_engine::view::HostView;
use hark_engine::{Engine, MADE_BY_FACT};
use hark_metrics::{Batch, OfHost, Refused, Why};
use hark_model::time::{Clock, Mono, Now};
use hark_model::{HostId, HostName, SeriesName, Unix};
use hark_store::history::DeclareError;
use tokio::sync::oneshot;

use super::history_loop::ToHistory;
use super::links::Links;
use super::messages::{FrameBatch, FramesKept, ToEngine};
use crate::config::{InletSettings, Source};
use figures::Figures;
pub(super) use figures::watch;
use host::{HostDesk, Keys, Shipment, definitions};

/// For how long a host that may not be made is not asked for again, and history not for room for series of
/// a host that is full.
const REFUSED_FOR: Duration = Duration::from_mins(1);

/// Bound on hosts that may not be made: beyond it all are forgotten, and asked for again.
const MAX_REFUSED: usize = 10_000;

/// What is known of a host that nobody brings anything of is forgotten after this time.
const IDLE: Duration = Duration::from_hours(1);

/// Series of which the engine is asked at once whether a threshold looks at them: a short question.
const ASKED_AT_ONCE: usize = 500;

/// Why nothing was taken, and it may be brought again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNow {
    /// History is stopped.
    Stopped,
    /// The server is ending.
    Ending,
}

/// What was taken of a batch.
#[derive(Debug)]
pub(super) struct Kept {
    /// Samples that are on the disk, and those that say that a series has ended.
    pub(super) samples: usize,
    /// What was not taken.
    pub(super) refused: Refused,
}

/// A host's part of it: whoever works on the host holds it.
type Desk = Arc<Mutex<HostDesk>>;

/// How often a batch is shipped again because history was opened anew meanwhile.
const TRIES: u32 = 3;

/// The desk that takes them.
#[derive(Debug, Default)]
pub(crate) struct Inlets {
    settings: ArcSwap<InletSettings>,
    /// Changes with each plan: other thresholds may look at other series.
    plan: AtomicU64,
    hosts: Mutex<HashMap<HostName, (HostId, Desk)>>,
    refused: Mutex<HashMap<HostName, Mono>>,
    keys: Keys,
    pub(crate) figures: Figures,
}

impl Inlets {
    /// Works by these settings, and by another plan.
    pub(crate) fn plan(&self, settings: Arc<InletSettings>) {
        self.settings.store(settings);
        lock(&self.refused).clear();
        self.planned();
    }

    /// Asks again which series thresholds look at.
    fn planned(&self) {
        self.plan.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes what `source` brings; returns when it is on the disk. For threads that may block.
    pub(super) fn bring(
        &self,
        links: &Links,
        source: &Source,
        batch: &Batch,
    ) -> Result<Kept, NotNow> {
        let now = Clock.now();
        for _ in 0..TRIES {
            let mut refused = batch.refused.clone();
            let shipment = self.ship(links, source, batch, now, &mut refused)?;
            let Some(late) = send(links, shipment)? else {
                // History was opened anew since the places were made.
                lock(&self.hosts).clear();
                continue;
            };
            for (host, n) in late {
                refused.add(Why::Time, n, host.as_str());
            }
            let lost = refused.total().saturating_sub(batch.refused.total());
            let samples = batch.samples.saturating_sub(usize::try_from(lost).unwrap_or(usize::MAX));
            self.figures.took(&source.name, samples, &refused, now);
            return Ok(Kept { samples, refused });
        }
        Err(NotNow::Stopped)
    }

    fn ship(
        &self,
        links: &Links,
        source: &Source,
        batch: &Batch,
        now: Now,
        refused: &mut Refused,
    ) -> Result<Shipment, NotNow> {
        let mut shipment = Shipment::default();
        for of in &batch.hosts {
            if !source.may_write(&of.host) {
                refused.add(Why::Host, of.points.len(), of.host.as_str());
                continue;
            }
            let Some(desk) = self.desk(links, source, &of.host, now)? else {
                refused.add(Why::NewHost, of.points.len(), of.host.as_str());
                continue;
            };
            let mut desk = lock(&desk);
            desk.used = now.mono;
            let found: Vec<u128> =
                of.series.iter().map(|series| self.keys.of(&series.name)).collect();
            self.place(links, source, of, &found, &mut desk, now)?;
            self.ask_what_is_watched(links, of, &found, &mut desk)?;
            let before = shipment.inputs.len();
            let lost = desk.pack(of, &found, now.unix, &mut shipment);
            refused.add(Why::Cardinality, lost, of.host.as_str());
            shipment.hosts.push((of.host.clone(), shipment.frames.len()));
            let newest = of.points.iter().map(|point| point.at.unwrap_or(now.unix)).max();
            alive(source, desk.id, newest, now.unix, &mut shipment.inputs, before);
        }
        Ok(shipment)
    }

    /// Returns the desk of a host, made if need be; `None` if the host is not known and may not be made.
    fn desk(
        &self,
        links: &Links,
        source: &Source,
        host: &HostName,
        now: Now,
    ) -> Result<Option<Desk>, NotNow> {
        let id = match links.hosts.number(host) {
            Some(id) => id,
            None => match self.make(links, source, host, now)? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        let mut hosts = lock(&self.hosts);
        let new = || (id, Arc::new(Mutex::new(HostDesk::new(id, now.mono))));
        let desk = hosts.entry(host.clone()).or_insert_with(new);
        // One that was dropped and made again is another.
        if desk.0 != id {
            *desk = new();
        }
        Ok(Some(Arc::clone(&desk.1)))
    }

    /// Makes a host, if the source may make one more.
    fn make(
        &self,
        links: &Links,
        source: &Source,
        host: &HostName,
        now: Now,
    ) -> Result<Option<HostId>, NotNow> {
        if source.new_hosts == 0 || self.is_refused(host, now.mono) {
            return Ok(None);
        }
        let (name, made_by, most) = (host.clone(), source.name.clone(), source.new_hosts);
        let full = move |engine: &Engine| {
            let of_source = |host: &HostView<'_>| host.fact(MADE_BY_FACT) == Some(&made_by);
            engine.host_named(name.as_str()).is_none()
                && engine.hosts().filter(of_source).count() >= most
        };
        if links.ask(full).ok_or(NotNow::Ending)? {
            let mut refused = lock(&self.refused);
            if refused.len() >= MAX_REFUSED {
                refused.clear();
            }
            refused.insert(host.clone(), now.mono + REFUSED_FOR);
            return Ok(None);
        }
        let seen = HostSeen { name: host.clone(), interval: Duration::ZERO, address: None };
        engine(links, Input::HostSeen(seen))?;
        let name = host.clone();
        let id = links.ask(move |engine| engine.host_named(name.as_str()).map(HostView::id));
        let Some(id) = id.ok_or(NotNow::Ending)? else { return Ok(None) };
        let facts = vec![(MADE_BY_FACT.to_owned(), source.name.clone())];
        engine(links, Input::Facts { host: id, facts })?;
        Ok(Some(id))
    }

    fn is_refused(&self, host: &HostName, now: Mono) -> bool {
        lock(&self.refused).get(host).is_some_and(|until| now < *until)
    }

    /// Gives every series of `of` a place, as far as there is room.
    fn place(
        &self,
        links: &Links,
        source: &Source,
        of: &OfHost,
        found: &[u128],
        desk: &mut HostDesk,
        now: Now,
    ) -> Result<(), NotNow> {
        let host = desk.id;
        if !desk.is_known {
            let sets = links.ask_history(move |history| history.sets_of(host, now));
            for (id, defs) in sets.ok_or(NotNow::Stopped)? {
                desk.know(id, &defs, &self.keys);
            }
            desk.is_known = true;
        }
        for set in desk.missing(of, found) {
            let room = source.series.saturating_sub(desk.n_series());
            let set = set.get(..room.min(set.len())).unwrap_or_default();
            if set.is_empty() || now.mono < desk.full_until {
                return Ok(());
            }
            let defs = definitions(of, set);
            let declared = Arc::clone(&defs);
            let answer = links.ask_history(move |history| history.declare(host, &declared, now));
            match answer.ok_or(NotNow::Stopped)? {
                Ok(id) => desk.know(id, &defs, &self.keys),
                Err(DeclareError::Stopped(_)) => return Err(NotNow::Stopped),
                Err(error) => {
                    tracing::debug!(host = host.0, %error, "series are refused");
                    desk.full_until = now.mono + REFUSED_FOR;
                }
            }
        }
        Ok(())
    }

    fn ask_what_is_watched(
        &self,
        links: &Links,
        of: &OfHost,
        found: &[u128],
        desk: &mut HostDesk,
    ) -> Result<(), NotNow> {
        let unasked = desk.unasked(found, self.plan.load(Ordering::Relaxed));
        for some in unasked.chunks(ASKED_AT_ONCE) {
            let name = |at: &usize| of.series.get(*at).map(|series| series.name.clone());
            let names: Vec<SeriesName> = some.iter().filter_map(name).collect();
            let id = desk.id;
            let watched = links.ask(move |engine: &Engine| {
                let host = engine.host(id);
                names
                    .iter()
                    .map(|name| host.is_some_and(|host| host.watches(name)))
                    .collect::<Vec<_>>()
            });
            for (at, is_watched) in some.iter().zip(watched.ok_or(NotNow::Ending)?) {
                if let Some(key) = found.get(*at) {
                    desk.watch(*key, is_watched);
                }
            }
        }
        Ok(())
    }

    /// Forgets what nobody has brought anything of for long.
    fn tidy(&self, now: Mono) {
        // One that is held is in use.
        let is_used =
            |desk: &Desk| desk.try_lock().map_or(true, |desk| now.since(desk.used) < IDLE);
        lock(&self.hosts).retain(|_, (_, desk)| is_used(desk));
        lock(&self.refused).retain(|_, until| now < *until);
    }
}

/// Makes the newest samples of a host a sign of life, if they are to be one. What belongs to the past is
/// none.
fn alive(
    source: &Source,
    host: HostId,
    newest: Option<Unix>,
    now: Unix,
    inputs: &mut Vec<Input>,
    before: usize,
) {
    let Some(every) = source.interval else { return };
    if newest.is_none_or(|newest| now.since(newest) > every) {
        return;
    }
    match inputs.get_mut(before) {
        Some(Input::Sampled(sampled)) => sampled.alive = Some(every),
        _ => inputs.push(Input::Sampled(hark_engine::Sampled {
            host,
            alive: Some(every),
            values: Vec::new(),
        })),
    }
}

/// Samples that were out of the time that is kept, by host.
type Late = BTreeMap<HostName, usize>;

/// Sends a shipment and waits until it is kept. Returns what is not, or `None` if history does not know its
/// sets any more.
fn send(links: &Links, shipment: Shipment) -> Result<Option<Late>, NotNow> {
    let Shipment { frames, bytes, samples, hosts, inputs } = shipment;
    let mut late = Late::new();
    if !frames.is_empty() {
        let (reply, kept) = oneshot::channel();
        let frames = FrameBatch { frames, bytes, reply };
        links.history.send(ToHistory::Frames(frames)).map_err(|_| NotNow::Ending)?;
        match kept.blocking_recv().map_err(|_| NotNow::Ending)? {
            FramesKept::Kept(places) => {
                for place in places {
                    let of = hosts.partition_point(|(_, end)| *end <= place);
                    let (Some((host, _)), Some(n)) = (hosts.get(of), samples.get(place)) else {
                        continue;
                    };
                    *late.entry(host.clone()).or_default() += n;
                }
            }
            FramesKept::Undeclared => return Ok(None),
            FramesKept::Stopped => return Err(NotNow::Stopped),
        }
    }
    if !inputs.is_empty() {
        let (reply, committed) = oneshot::channel();
        let sampled = ToEngine::Sampled { inputs, reply };
        links.engine.send(sampled).map_err(|_| NotNow::Ending)?;
        committed.blocking_recv().map_err(|_| NotNow::Ending)?.map_err(|_| NotNow::Stopped)?;
    }
    Ok(Some(late))
}

fn engine(links: &Links, input: Input) -> Result<(), NotNow> {
    links.engine.send(ToEngine::Input(input)).map_err(|_| NotNow::Ending)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
