//! Samples brought to others by Prometheus' remote write: each at least once, in the order in which they came.
//!
//! ```text
//! history's log -> gather (requests of so many samples) -> state: what is on its way -> receiver -> the next
//! ```
//!
//! The queue is history's own log, in which every sample is before it is acknowledged. For each receiver there is
//! a task that reads it, and a row of the state that says which stretch of it is on its way. A second queue
//! would have to be written and synced as often as the log is, for the same bytes.
//!
//! The row is written before the request is sent. After a crash exactly that stretch is made into the same
//! request again, which a receiver that has it refuses whole; what comes after it was never sent. Prometheus
//! refuses a request whole for the sake of one sample, so one that is refused is sent again in halves, until it
//! is known which series it is about.
//!
//! Of the log as much is kept as the configuration says; what goes before it was taken is counted and told. A
//! request that a receiver never takes and never refuses holds up what is behind it for as long: it is given up
//! when the log that it was made of goes.

mod figures;
mod gather;
mod sending;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hark_metrics::remote_write::Version;
use hark_model::time::{Clock, Mono, Now};
use hark_model::{HostId, HostName, SeriesDef};
use hark_net::Resolver;
use hark_notify::delivery::{Backoff, MAX_RETRY_AFTER};
use hark_store::history::{History, LogPlace};
use hark_store::state::StateReader;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::links::Links;
use super::outbox::chance;
use super::self_report::SelfReport;
use super::store_loop::chain;
use super::targets::{self, Target as _, Tasks, end_former, write_down};
use crate::config::Target;
pub(crate) use figures::{Figures, OfTarget};
use gather::{Gatherer, Known, Mark};
use sending::{Outcome, Sending, n_samples};

/// How often it is looked whether the log is longer.
const LOOK: Duration = Duration::from_secs(1);

/// How often a place is written down that was reached without sending anything.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// Waits between the tries of one request.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_mins(1) };

/// So many tries in a row must fail until that is a problem.
const FAILURES: u32 = 3;

/// How long it is a problem that samples were refused or given up: until somebody was told.
const LOST: Duration = Duration::from_mins(10);

/// Brings samples to everybody whom the configuration names at present, until the token is cancelled.
pub(super) async fn run_all(
    links: Arc<Links>,
    data_dir: PathBuf,
    resolver: Arc<Resolver>,
    stop: CancellationToken,
) {
    let mut tasks = Tasks::none();
    let kept = Arc::new(Kept::default());
    while !stop.is_cancelled() {
        let settings = links.remote_write.load_full();
        let names = || settings.to.iter().map(|target| target.name.as_str());
        tasks.keep(&settings.to).await;
        let keep = settings.to.iter().map(|target| target.keep).max().unwrap_or(0);
        kept.is_for(names(), keep);
        links.remote_writing.only(names());
        end_former(&links, &data_dir, &settings.to).await;
        tasks.begin(&settings.to, |target, stop| {
            let way = Way {
                target: Arc::clone(target),
                links: Arc::clone(&links),
                kept: Arc::clone(&kept),
                data_dir: data_dir.clone(),
                resolver: Arc::clone(&resolver),
            };
            Sender::new(way).run(stop)
        });
        // Also a notice of before these were read may lie there still, and says nothing new.
        while !stop.is_cancelled() && Arc::ptr_eq(&settings, &links.remote_write.load()) {
            tokio::select! {
                () = stop.cancelled() => {}
                () = links.remote_write_changed.notified() => {}
                () = keep_nothing(&links, &kept), if kept.is_of_nobody() => {}
            }
        }
    }
    tasks.end().await;
}

impl targets::Target for Target {
    const PART: &'static str = "remote_write ";
    const PLACES: &'static str = "remote_write/";

    fn name(&self) -> &str {
        &self.name
    }

    fn is_as(&self, other: &Self) -> bool {
        Self::is_as(self, other)
    }
}

/// Gives up what of the log was kept for receivers of before.
async fn keep_nothing(links: &Arc<Links>, kept: &Kept) {
    while kept.look(links).await.is_none() {
        tokio::time::sleep(LOOK * 10).await;
    }
}

/// How far each receiver has come: so far the log is needed no more.
#[derive(Debug, Default)]
struct Kept {
    whose: Mutex<Whose>,
    /// Whether the last try to let go what is needed no more has failed.
    has_failed: AtomicBool,
}

#[derive(Debug, Default)]
struct Whose {
    /// The segment that each receiver has come to, once that is known.
    places: BTreeMap<String, Option<u64>>,
    /// How much is kept at most.
    keep: u64,
    /// Whether history has been told that nothing is needed.
    is_let_go: bool,
}

impl Kept {
    /// Keeps the log for these from now on. Who was among them before is where he was.
    fn is_for<'n>(&self, names: impl Iterator<Item = &'n str>, keep: u64) {
        let mut whose = lock(&self.whose);
        let mut former = std::mem::take(&mut whose.places);
        let place = |name: &str| (name.to_owned(), former.remove(name).flatten());
        let places = names.map(place).collect();
        *whose = Whose { places, keep, is_let_go: false };
    }

    /// Notes how far somebody has come.
    fn reaches(&self, name: &str, segment: u64) {
        if let Some(place) = lock(&self.whose).places.get_mut(name) {
            *place = Some(segment);
        }
    }

    /// Returns true if there is nobody to keep it for, and history has not been told so.
    fn is_of_nobody(&self) -> bool {
        let whose = lock(&self.whose);
        whose.places.is_empty() && !whose.is_let_go
    }

    /// Says to history what is needed of its log, and returns with which segment that begins and where it ends;
    /// `None` if it cannot say so now.
    async fn look(&self, links: &Arc<Links>) -> Option<(u64, LogPlace)> {
        let (from, keep) = (self.from(), lock(&self.whose).keep);
        let links = Arc::clone(links);
        let look = move |history: &mut History| {
            (history.keep_log(from, keep), history.log_begin(), history.log_end())
        };
        let (kept, begin, end) =
            spawn_blocking(move || links.ask_history(look)).await.ok().flatten()?;
        let had_failed = self.has_failed.swap(kept.is_err(), Ordering::Relaxed);
        if let Err(error) = kept
            && !had_failed
        {
            tracing::warn!(%error, "what need not be kept of the log is");
        }
        lock(&self.whose).is_let_go = from.is_none();
        Some((begin, end))
    }

    /// Returns the first segment that is needed; `None` if nothing is. One more is kept than is to be read: a
    /// start reads there what was brought last of each series.
    fn from(&self) -> Option<u64> {
        let whose = lock(&self.whose);
        // As long as somebody's place is not known everything is needed.
        let first = whose.places.values().map(|place| place.unwrap_or(0)).min()?;
        Some(first.saturating_sub(1))
    }
}

/// What the way to one receiver is made of.
struct Way {
    target: Arc<Target>,
    links: Arc<Links>,
    kept: Arc<Kept>,
    data_dir: PathBuf,
    resolver: Arc<Resolver>,
}

impl Way {
    /// Reads which stretch was on its way last; `None` if there never was one.
    async fn saved(&self) -> Result<Option<Stretch>, String> {
        let (data_dir, name) = (self.data_dir.clone(), self.target.place());
        let read = spawn_blocking(move || {
            let reader = StateReader::open(&data_dir).map_err(|error| chain(&error))?;
            reader.setting(&name).map_err(|error| chain(&error))
        });
        let text = read.await.map_err(|_| "reading has failed".to_owned())??;
        Ok(text.as_deref().and_then(Stretch::parse))
    }

    /// Writes down which stretch is on its way; returns once it is on the disk.
    async fn save(&self, stretch: Stretch) -> Result<(), String> {
        write_down(&self.links, self.target.place(), stretch.text()).await?;
        self.kept.reaches(&self.target.name, stretch.from.place.segment);
        Ok(())
    }
}

/// A stretch of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    from: Mark,
    to: Mark,
}

impl Stretch {
    fn text(self) -> String {
        let mark = |mark: Mark| {
            let LogPlace { segment, offset } = mark.place;
            format!("{segment}:{offset}:{}", mark.frames)
        };
        format!("{} {}", mark(self.from), mark(self.to))
    }

    fn parse(text: &str) -> Option<Self> {
        let mark = |text: &str| {
            let mut numbers = text.split(':');
            let mut next = || numbers.next()?.parse::<u64>().ok();
            let place = LogPlace { segment: next()?, offset: next()? };
            Some(Mark { place, frames: usize::try_from(next()?).ok()? })
        };
        let (from, to) = text.split_once(' ')?;
        Some(Self { from: mark(from)?, to: mark(to)? })
    }
}

/// Whom hosts and sets are asked of: the running server.
struct Server<'l>(&'l Links);

impl Known for Server<'_> {
    fn host(&self, host: HostId) -> Option<HostName> {
        self.0.hosts.name(host)
    }

    fn set(&self, set: u32) -> io::Result<Option<Arc<[SeriesDef]>>> {
        let found = self.0.ask_history(move |history| history.series_of_set(set));
        found.ok_or_else(|| io::Error::other("history is stopped"))
    }
}

/// Brings samples to one receiver.
struct Sender {
    way: Way,
    /// `None` while it is at work elsewhere.
    gatherer: Option<Gatherer>,
    /// Whether it goes on where the last run has ended.
    is_begun: bool,
    sending: Option<Sending>,
    version: Version,
    /// Up to where everything was brought or given up.
    done: Mark,
    /// What was written down last, and when.
    saved: Option<(Stretch, Mono)>,
    /// Since when samples wait for others.
    waiting: Option<Mono>,
    n_missing: u64,
    failures: u32,
    report: SelfReport,
    /// What was given up, and when.
    lost: Option<(Mono, String)>,
}

impl Sender {
    fn new(way: Way) -> Self {
        let report = SelfReport::new(way.target.part(), way.links.engine.clone());
        Self {
            version: way.target.version,
            way,
            gatherer: None,
            is_begun: false,
            sending: None,
            done: Mark::default(),
            saved: None,
            waiting: None,
            n_missing: 0,
            failures: 0,
            report,
            lost: None,
        }
    }

    /// Brings samples until the token is cancelled. What is on its way then is brought again by the next run.
    async fn run(mut self, stop: CancellationToken) {
        let mut wait = Duration::ZERO;
        loop {
            self.report.tell();
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
            let turned = tokio::select! {
                () = stop.cancelled() => break,
                turned = self.turn() => turned,
            };
            wait = turned.unwrap_or_else(|error| self.failed(&error, None));
        }
        if self.sending.is_none() && self.is_begun {
            drop(self.save(Stretch { from: self.done, to: self.done }).await);
        }
    }

    /// Does what there is to do; returns how long to wait for more.
    async fn turn(&mut self) -> Result<Duration, String> {
        let now = Clock.now();
        let Some((begin, end)) = self.way.kept.look(&self.way.links).await else { return Ok(LOOK) };
        self.is_begun &= self.gatherer.is_some();
        if !self.is_begun {
            self.begin(end, now).await?;
            self.is_begun = true;
        }
        self.give_up_before(begin);
        if self.sending.is_none() {
            let is_full = self.gather(end, None, now).await?;
            let Some(gatherer) = &mut self.gatherer else { return Ok(LOOK) };
            if gatherer.n_waiting() == 0 {
                self.done = gatherer.mark();
                drop(gatherer.finish());
                self.waiting = None;
                self.save_at_times(now.mono).await?;
                self.works(now.mono);
                return Ok(LOOK);
            }
            let waits = now.mono.since(*self.waiting.get_or_insert(now.mono));
            if !is_full && waits < self.way.target.age {
                return Ok(LOOK.min(self.way.target.age.saturating_sub(waits)));
            }
            self.sending = Some(Sending::new(gatherer.finish(), false));
            self.waiting = None;
        }
        if let Some(wait) = self.bring().await? {
            return Ok(wait);
        }
        self.works(now.mono);
        Ok(Duration::ZERO)
    }

    /// Begins where the last run has ended; the first one at the end of the log.
    async fn begin(&mut self, end: LogPlace, now: Now) -> Result<(), String> {
        let saved = self.way.saved().await?;
        let at = |place: LogPlace| Stretch { from: Mark::at(place), to: Mark::at(place) };
        let stretch = match saved {
            None => at(end),
            // A history that was begun anew: everything in it is news.
            Some(saved) if saved.from.place.segment > end.segment => at(LogPlace::default()),
            Some(saved) => saved,
        };
        self.save(stretch).await?;
        self.done = stretch.from;
        // What was brought of each series shortly before, so that nothing older is brought after it.
        let segment = stretch.from.place.segment.saturating_sub(1);
        let before = Mark::at(LogPlace { segment, offset: 0 });
        let dir = self.way.data_dir.join("history");
        self.gatherer = Some(Gatherer::new(Arc::clone(&self.way.target), &dir, before));
        while self.gather(end, Some(stretch.from), now).await?
            && self.gatherer.as_ref().is_some_and(|gatherer| gatherer.mark() < stretch.from)
        {
            self.forget();
        }
        let reached = self.gatherer.as_ref().map_or(stretch.from, Gatherer::mark);
        self.lose(reached.place.segment.saturating_sub(stretch.from.place.segment), now.mono);
        self.forget();
        if stretch.from < stretch.to {
            self.gather(end, Some(stretch.to), now).await?;
            let request = self.gatherer.as_mut().map(Gatherer::finish).unwrap_or_default();
            self.sending = Some(Sending::new(request, true));
        }
        Ok(())
    }

    /// Drops what was gathered: it was brought before.
    fn forget(&mut self) {
        if let Some(gatherer) = &mut self.gatherer {
            drop(gatherer.finish());
        }
    }

    /// Gathers up to `end` of the log, or `until`; returns whether the request is full.
    async fn gather(
        &mut self,
        end: LogPlace,
        until: Option<Mark>,
        now: Now,
    ) -> Result<bool, String> {
        let Some(mut gatherer) = self.gatherer.take() else { return Ok(false) };
        let links = Arc::clone(&self.way.links);
        let work = spawn_blocking(move || {
            let gathered = gatherer.gather(&Server(&links), end, until, now.unix);
            (gatherer, gathered)
        });
        let (mut gatherer, gathered) = work.await.map_err(|_| "reading has failed".to_owned())?;
        let n_missing = gatherer.missing();
        let left_out = gatherer.left_out();
        self.gatherer = Some(gatherer);
        if until.is_none() {
            self.way.links.remote_writing.of(&self.way.target.name, |figures| {
                figures.late += left_out.late;
                figures.ahead += left_out.ahead;
            });
            self.lose(n_missing - self.n_missing, now.mono);
        }
        self.n_missing = n_missing;
        gathered.map_err(|error| chain(&error))
    }

    /// Counts and tells that so many segments of the log were gone before they were read.
    fn lose(&mut self, n_segments: u64, now: Mono) {
        if n_segments == 0 {
            return;
        }
        let whom = &self.way.target.name;
        self.way.links.remote_writing.of(whom, |figures| figures.lost_segments += n_segments);
        let text = format!(
            "{n_segments} segments of the log were given up before {whom} took them: `keep` is too small"
        );
        tracing::error!("{text}");
        self.lost = Some((now, text));
    }

    /// Sends what is to be sent; returns how long to wait if it has to be sent again.
    async fn bring(&mut self) -> Result<Option<Duration>, String> {
        let Some(sending) = &self.sending else { return Ok(None) };
        if !sending.is_saved {
            let stretch = Stretch { from: sending.request.from, to: sending.request.to };
            self.save(stretch).await?;
        }
        while let Some(sending) = &mut self.sending {
            sending.is_saved = true;
            let Some(piece) = sending.pieces.last().cloned() else { break };
            let request = Arc::clone(&sending.request);
            let outcome = self.way.post(request, piece, self.version).await;
            if let Some(wait) = self.settle(outcome) {
                return Ok(Some(wait));
            }
        }
        if let Some(sending) = self.sending.take() {
            self.done = sending.request.to;
            let newest = sending.request.newest;
            self.way.links.remote_writing.of(&self.way.target.name, |figures| {
                figures.newest = figures.newest.max(newest);
            });
        }
        Ok(None)
    }

    /// Gives up what is on its way if the log that it was made of is gone, all of it before segment `begin`.
    fn give_up_before(&mut self, begin: u64) {
        let Some(sending) = self.sending.take_if(|sending| sending.is_gone(begin)) else { return };
        self.done = sending.request.to;
        self.refused(
            sending.n_left(),
            "it neither took nor refused them for as long as the log was kept",
        );
    }

    /// Takes what came of the next piece; returns how long to wait if it has to be sent again.
    fn settle(&mut self, outcome: Outcome) -> Option<Duration> {
        let sending = self.sending.as_mut()?;
        let (figures, name) = (&self.way.links.remote_writing, &self.way.target.name);
        match outcome {
            Outcome::Taken { refused, why } => {
                let n = sending.pieces.pop().map_or(0, |piece| n_samples(&sending.request, &piece));
                figures.of(name, |figures| {
                    figures.requests += 1;
                    figures.samples += n.saturating_sub(refused) as u64;
                });
                if refused > 0 {
                    self.refused(refused, &why);
                }
                self.failures = 0;
                None
            }
            Outcome::Again { after, may_be_there, why } => {
                sending.may_be_there |= may_be_there;
                figures.of(name, |figures| figures.retries += 1);
                Some(self.failed(&why, after))
            }
            Outcome::OlderVersion => {
                tracing::warn!(remote_write = name, "the receiver understands version 1.0 alone");
                self.version = Version::One;
                None
            }
            Outcome::Refused { may_be_cut, why } => {
                let n = if may_be_cut { sending.cut() } else { sending.give_up() }?;
                if sending.may_be_there {
                    // Most likely it has them since it was first sent them.
                    figures.of(name, |figures| figures.repeated += n as u64);
                } else {
                    self.refused(n, &why);
                }
                None
            }
        }
    }

    fn refused(&mut self, n: usize, why: &str) {
        let whom = &self.way.target.name;
        self.way.links.remote_writing.of(whom, |figures| figures.refused += n as u64);
        let text = format!("{whom} refuses samples: {why}");
        if self.lost.is_none() {
            tracing::error!(samples = n, "{text}");
        }
        self.lost = Some((Clock.now().mono, text));
    }

    async fn save(&mut self, stretch: Stretch) -> Result<(), String> {
        self.way.save(stretch).await?;
        self.saved = Some((stretch, Clock.now().mono));
        Ok(())
    }

    /// Writes down now and then how far it has come without sending anything.
    async fn save_at_times(&mut self, now: Mono) -> Result<(), String> {
        let stretch = Stretch { from: self.done, to: self.done };
        let is_due =
            self.saved.is_none_or(|(saved, at)| saved != stretch && now.since(at) >= SAVE_EVERY);
        if is_due { self.save(stretch).await } else { Ok(()) }
    }

    /// Notes a failure, and returns how long to wait.
    fn failed(&mut self, why: &str, after: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let whom = &self.way.target.name;
        // Once when it begins, and once when it is a problem.
        if self.failures == 1 || self.failures == FAILURES {
            tracing::warn!(remote_write = whom, failures = self.failures, why, "samples wait");
        }
        if self.failures >= FAILURES {
            let waits = format!("samples wait for {whom}: {why}");
            self.report.say_if_new(Some(waits));
        }
        let asked = after.unwrap_or_default().min(MAX_RETRY_AFTER);
        BACKOFF.wait(self.failures, chance()).max(asked)
    }

    /// Notes that a turn was made whole.
    fn works(&mut self, now: Mono) {
        self.failures = 0;
        self.lost.take_if(|(at, _)| now.since(*at) >= LOST);
        self.report.say_if_new(self.lost.as_ref().map(|(_, text)| text.clone()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
