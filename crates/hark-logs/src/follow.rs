//! All logs of an agent: which files there are, who reads them, and when.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hark_model::{Mono, Now, Severity};

use crate::budget::{Budget, News};
use crate::family::was_rotated;
use crate::frame::Cutter;
use crate::glob::{Glob, MAX_FILES};
use crate::journal::{Journal, Said};
use crate::notify::{Changes, Notifier, POLL};
use crate::place::Place;
use crate::reader::{BUFFER, Desk, Reader, Step, UNFINISHED};
use crate::scan::TooLarge;
use crate::settings::{Framing, Source, Watch};
use crate::state::{FileState, KnownWatch, State};
use crate::sys::{self, Waited};
use crate::team::{Crew, Team, Work};
use crate::watch::{Item, Out};

/// The kind of events about watching itself.
pub const ABOUT: &str = "log_watch";

/// What is written within this time after something was read is read together: a busy log must not wake
/// the agent for each line. What comes after a rest is read at once.
const GATHER: Duration = Duration::from_secs(1);

/// Folders are read again at most so often.
const RESCAN: Duration = Duration::from_secs(1);

/// Folders that cannot be watched are read so often.
const LOOK_FOR_FILES: Duration = Duration::from_secs(5);

/// Files that may not be read are tried again so often: nobody tells of a right that was given.
const UNREADABLE: Duration = Duration::from_mins(1);

/// How often the places are handed over where nothing was found: what is read again after a kill. Each
/// time is a file and two waits for the disk.
const STORE: Duration = Duration::from_mins(5);

/// Bound on items of one batch, besides those of the last buffer.
const MAX_ITEMS: usize = 256;

/// Bound on buffers read in one go: time is looked at in between.
const MAX_STEPS: usize = 64;

/// What is to be watched, and how much that may cost.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The watches.
    pub watches: Vec<Watch>,
    /// Percent of a core that may go into reading.
    pub cpu_percent: f64,
    /// How often checks say how they are.
    pub repeat: Duration,
    /// The program that shows the journal.
    pub journalctl: PathBuf,
}

impl Settings {
    /// The settings where nothing else is said.
    pub fn new(watches: Vec<Watch>) -> Self {
        let (repeat, journalctl) = (Duration::from_secs(30), PathBuf::from("journalctl"));
        Self { watches, cpu_percent: 20.0, repeat, journalctl }
    }
}

/// What was found, and how far that is: to be stored together.
#[derive(Debug)]
pub struct Batch {
    /// What was found.
    pub items: Vec<Item>,
    /// Where everything stands after it; none if nothing of it need survive a restart.
    pub state: Option<State>,
    /// Whether somebody waits for it: an event, or a check that has turned. Counts, places and checks
    /// that are as they were can wait for company.
    pub urgent: bool,
}

/// Logs being watched.
#[derive(Debug)]
pub struct Logs {
    crew: Crew,
    framings: Vec<Framed>,
    followed: Vec<Followed>,
    teams: BTreeMap<(usize, Vec<usize>), Team>,
    readers: Vec<Reader>,
    journals: Vec<Journal>,
    notifier: Notifier,
    buffer: Vec<u8>,
    budget: Budget,
    /// When folders are read.
    rescan: Option<Mono>,
    /// When files are looked at that nobody tells of.
    poll: Option<Mono>,
    /// The reader that is next.
    turn: usize,
    all_read: bool,
    /// Whether anything has moved since the state was handed over.
    moved: bool,
    /// When something was read last.
    read: Option<Mono>,
    store: Mono,
    /// Whether there are places that were never handed over.
    placed: bool,
}

#[derive(Debug)]
struct Framed {
    framing: Framing,
    /// Its name in the state.
    key: String,
    cutter: Cutter,
    wait: Duration,
}

/// A name of files, for one watch.
#[derive(Debug)]
struct Followed {
    glob: Glob,
    framing: usize,
    member: usize,
    /// It was not followed before: what is in its files now is no news.
    fresh: bool,
}

impl Logs {
    /// Begins where `state` says; without it at the ends of the files.
    ///
    /// # Errors
    /// If patterns are too large, which the settings have been asked for.
    pub fn new(settings: Settings, state: Option<State>, now: Now) -> Result<Self, TooLarge> {
        Self::with_notifier(settings, state, now, Notifier::new())
    }

    pub(crate) fn with_notifier(
        settings: Settings,
        state: Option<State>,
        now: Now,
        notifier: Notifier,
    ) -> Result<Self, TooLarge> {
        let state = state.unwrap_or_else(State::empty);
        let mut logs = Self {
            crew: Crew { works: Vec::new(), out: Out::default() },
            framings: Vec::new(),
            followed: Vec::new(),
            teams: BTreeMap::new(),
            readers: Vec::new(),
            journals: Vec::new(),
            notifier,
            buffer: Vec::new(),
            budget: Budget::new(settings.cpu_percent, sys::thread_cpu(), now),
            rescan: Some(now.mono),
            poll: None,
            turn: 0,
            all_read: false,
            moved: true,
            read: None,
            store: now.mono,
            placed: false,
        };
        for watch in settings.watches {
            logs.add(watch, &state, (settings.repeat, &settings.journalctl), now)?;
        }
        logs.take_back(state.files, now);
        Ok(logs)
    }

    fn add(
        &mut self,
        watch: Watch,
        state: &State,
        (repeat, journalctl): (Duration, &Path),
        now: Now,
    ) -> Result<(), TooLarge> {
        let member = self.crew.works.len();
        let framing = self.framing(&watch.framing)?;
        match &watch.source {
            Source::Files(globs) => {
                for glob in globs {
                    let fresh = !state.globs.iter().any(|known| known == glob.as_str());
                    self.followed.push(Followed { glob: glob.clone(), framing, member, fresh });
                }
            }
            Source::Journal(filter) => {
                let known = self.journals.iter().position(|journal| journal.filter == *filter);
                let at = known.unwrap_or_else(|| {
                    let stood = state.journals.get(&format!("{filter:?}")).cloned();
                    self.journals.push(Journal::new(journalctl, filter.clone(), stood, now));
                    self.journals.len() - 1
                });
                self.journals.get_mut(at).into_iter().for_each(|j| j.members.push(member));
            }
        }
        let known = state.watches.get(&watch.name);
        let stood = known.filter(|known| known.kind == kind_of(&watch)).map(|known| &known.state);
        self.crew.works.push(Work::new(Arc::new(watch), stood, repeat, now)?);
        Ok(())
    }

    fn framing(&mut self, framing: &Framing) -> Result<usize, TooLarge> {
        if let Some(known) = self.framings.iter().position(|known| known.framing == *framing) {
            return Ok(known);
        }
        let (key, wait) = match framing {
            Framing::Lines => (String::new(), UNFINISHED),
            Framing::Multiline(multiline) => (format!("{:?}", multiline.border), multiline.wait),
        };
        let cutter = Cutter::new(framing)?;
        self.framings.push(Framed { framing: framing.clone(), key, cutter, wait });
        Ok(self.framings.len() - 1)
    }

    /// Makes the readers of before again; what no watch names any more is forgotten.
    fn take_back(&mut self, files: Vec<FileState>, now: Now) {
        for file in files.into_iter().take(MAX_FILES) {
            let framing = self.framings.iter().position(|framed| framed.key == file.framing);
            let Some(framing) = framing else { continue };
            let wanted =
                self.followed.iter().any(|f| f.framing == framing && f.glob.matches(&file.path));
            if wanted {
                let path = PathBuf::from(&file.path);
                let mut reader = Reader::new(path, file.path, framing, file.place, now);
                reader.remember(file.done, file.tails);
                reader.members = self.members(framing, &reader.name);
                self.readers.push(reader);
            }
        }
    }

    fn members(&self, framing: usize, path: &str) -> Vec<usize> {
        let fits = |f: &&Followed| f.framing == framing && f.glob.matches(path);
        let mut members: Vec<usize> =
            self.followed.iter().filter(fits).map(|followed| followed.member).collect();
        members.dedup();
        members
    }

    /// Reads what is there, within the budget. Returns what came of it.
    pub fn work(&mut self, now: Now) -> Option<Batch> {
        self.budget.spend(sys::thread_cpu(), now);
        self.take_changes(now);
        if self.rescan.is_some_and(|at| at <= now.mono) {
            self.find_files(now);
        }
        for work in &mut self.crew.works {
            work.look_at_hours(now);
        }
        if !self.journals.is_empty() || self.readers.iter().any(Reader::is_dirty) {
            // Zeros of the system's making: only what is read into is touched.
            self.buffer = vec![0; BUFFER];
        }
        self.all_read = false;
        for _ in 0..MAX_STEPS {
            if !self.budget.allows() || self.crew.out.items.len() >= MAX_ITEMS {
                break;
            }
            let read = self.read_some(now);
            self.budget.spend(sys::thread_cpu(), now);
            if !read {
                self.all_read = true;
                break;
            }
            self.moved = true;
            self.read = Some(now.mono);
        }
        if let Some(news) = self.budget.note(self.all_read, now) {
            self.tell_late(news, now);
        }
        if self.all_read {
            // Between changes the buffer is worth more to others.
            self.buffer = Vec::new();
            for work in &mut self.crew.works {
                work.tick(now, &mut self.crew.out);
            }
        }
        self.batch(now)
    }

    /// Returns what is left to be stored at the end.
    pub fn end(&mut self) -> Batch {
        let (items, urgent) = self.crew.out.take();
        Batch { items, state: Some(self.state()), urgent }
    }

    /// Waits until there is something to do, or `other` can be read; returns true in that case. `clock`
    /// tells the time, before and after.
    ///
    /// # Errors
    /// If the system refuses to wait.
    pub fn wait(&self, other: Waited<'_>, clock: impl Fn() -> Now) -> io::Result<bool> {
        let now = clock();
        let until = self.next_deadline(now);
        let mut descriptors = vec![other];
        if self.all_read {
            descriptors.extend(self.notifier.descriptor());
            descriptors.extend(self.journals.iter().filter_map(Journal::descriptor));
        }
        let timeout = until.map_or(STORE, |until| until.since(now.mono));
        let ready = sys::readable(&descriptors, timeout)?;
        let (asked, told) = ready.split_first().unwrap_or((&false, &[]));
        if *asked || !told.contains(&true) {
            return Ok(*asked);
        }
        let early = self.read.map_or(Duration::ZERO, |read| (read + GATHER).since(clock().mono));
        if early.is_zero() {
            return Ok(false);
        }
        Ok(sys::readable(&[other], early)?.contains(&true))
    }

    /// Returns when there is something to do even if nothing is written.
    pub fn next_deadline(&self, now: Now) -> Option<Mono> {
        if !self.all_read {
            let pause = if self.budget.allows() { Duration::ZERO } else { self.budget.pause() };
            return Some(now.mono + pause);
        }
        let machines = self.crew.works.iter().filter_map(|work| work.next_deadline(now));
        let readers = self.readers.iter().filter_map(|reader| {
            let framed = self.framings.get(reader.framing)?;
            reader.next_deadline(framed.wait)
        });
        let journals = self.journals.iter().filter_map(Journal::next_deadline);
        let store = self.moved.then_some(self.store + STORE);
        let own = [self.rescan, self.poll, store].into_iter().flatten();
        machines.chain(readers).chain(journals).chain(own).min()
    }

    /// Returns the bytes that the automata hold now.
    pub fn memory(&self) -> usize {
        self.teams.values().map(Team::memory).sum()
    }

    fn take_changes(&mut self, now: Now) {
        let Changes { files, names, all } = self.notifier.take();
        if names || all {
            let soon = now.mono + if self.rescan.is_some() { RESCAN } else { Duration::ZERO };
            self.rescan = Some(self.rescan.map_or(soon, |at| at.min(soon)));
        }
        let poll = self.poll.is_some_and(|at| at <= now.mono);
        for reader in &mut self.readers {
            let written = reader.notices.iter().any(|number| files.contains(number));
            let polled = poll && reader.notices.is_empty();
            let waits = self.framings.get(reader.framing).is_some_and(|framed| {
                reader.next_deadline(framed.wait).is_some_and(|at| at <= now.mono)
            });
            if all || written || polled || waits {
                reader.wake();
            }
        }
        if poll {
            self.poll = None;
        }
        self.plan_poll(now);
    }

    fn plan_poll(&mut self, now: Now) {
        let blind = self.readers.iter().any(|reader| reader.notices.is_empty());
        self.poll = blind.then(|| self.poll.unwrap_or(now.mono + POLL));
    }

    /// Reads one buffer of whoever is next. Returns false if there is nothing to read.
    fn read_some(&mut self, now: Now) -> bool {
        let mut any = self.read_journals(now);
        let count = self.readers.len();
        for nth in 0..count {
            let at = (self.turn + nth) % count;
            if self.readers.get(at).is_some_and(Reader::is_dirty) {
                self.turn = at + 1;
                self.read_file(at, now);
                any = true;
                break;
            }
        }
        any
    }

    fn read_file(&mut self, at: usize, now: Now) {
        let Some(reader) = self.readers.get_mut(at) else { return };
        let key = (reader.framing, reader.members.clone());
        let Some(framed) = self.framings.get_mut(reader.framing) else { return };
        let team = match self.teams.entry(key) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                match Team::new(&reader.members, &self.crew, framed.cutter.unit()) {
                    Ok(team) => entry.insert(team),
                    Err(error) => {
                        tracing::error!(%error, file = reader.name, "log is not watched");
                        reader.sleep();
                        return;
                    }
                }
            }
        };
        let mut desk = Desk {
            buffer: &mut self.buffer,
            cutter: &mut framed.cutter,
            team,
            crew: &mut self.crew,
            wait: framed.wait,
            now,
        };
        let step = reader.step(&mut desk);
        self.placed |= std::mem::take(&mut reader.learned);
        match step {
            Ok(Step::More | Step::Idle) => reader.failed = false,
            Err(error) => {
                if !std::mem::replace(&mut reader.failed, true) {
                    tracing::warn!(%error, file = reader.name, "cannot read a log: trying again");
                }
                reader.sleep();
                // It is looked at again as one that nobody tells of.
                for number in std::mem::take(&mut reader.notices) {
                    self.notifier.forget_file(number);
                }
            }
        }
    }

    fn read_journals(&mut self, now: Now) -> bool {
        let mut any = false;
        for journal in &mut self.journals {
            let key = (usize::MAX, journal.members.clone());
            let team = match self.teams.entry(key) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    match Team::new(&journal.members, &self.crew, crate::scan::Unit::Records) {
                        Ok(team) => entry.insert(team),
                        Err(error) => {
                            tracing::error!(%error, "the journal is not watched");
                            continue;
                        }
                    }
                }
            };
            match journal.step(&mut self.buffer, team, &mut self.crew, now) {
                Said::More => any = true,
                Said::Idle => {}
                Said::Failed => {
                    let text = "the journal cannot be read: journalctl does not run or has ended";
                    self.crew.out.event(ABOUT, Severity::Warning, text.to_owned(), Vec::new(), now);
                }
            }
        }
        any
    }

    /// Looks which files there are.
    fn find_files(&mut self, now: Now) {
        self.rescan = None;
        let mut folders: Vec<PathBuf> =
            self.followed.iter().flat_map(|followed| followed.glob.folders()).collect();
        folders.sort();
        folders.dedup();
        if !self.notifier.watch_folders(&folders) {
            self.rescan = Some(now.mono + LOOK_FOR_FILES);
        }
        let before = self.readers.len();
        self.add_readers(now);
        // Where reading begins must not be found out again after a kill.
        self.placed |= before != self.readers.len() || self.followed.iter().any(|f| f.fresh);
        for followed in &mut self.followed {
            followed.fresh = false;
        }
        let notifier = &mut self.notifier;
        self.readers.retain(|reader| {
            let gone = reader.is_gone();
            if gone {
                reader.notices.iter().for_each(|number| notifier.forget_file(*number));
            }
            !gone
        });
        for reader in &mut self.readers {
            reader.wake();
            let Some(number) = notifier.watch_file(&reader.path) else { continue };
            if reader.notices.last() == Some(&number) {
                continue;
            }
            reader.notices.retain(|known| *known != number);
            reader.notices.push(number);
            if reader.notices.len() > MAX_NOTICES {
                notifier.forget_file(reader.notices.remove(0));
            }
        }
        self.moved = true;
        self.plan_poll(now);
    }

    fn add_readers(&mut self, now: Now) {
        let mut wanted: BTreeMap<(usize, PathBuf), bool> = BTreeMap::new();
        for followed in &self.followed {
            for path in followed.glob.files() {
                let fresh = wanted.entry((followed.framing, path)).or_insert(true);
                // A file that any watch has followed before is not skipped.
                *fresh &= followed.fresh;
            }
        }
        let paths: Vec<PathBuf> = wanted.keys().map(|(_, path)| path.clone()).collect();
        for ((framing, path), fresh) in wanted {
            let known = self.readers.iter().any(|r| r.framing == framing && r.path == path);
            let known_paths = paths.iter().chain(self.readers.iter().map(|r| &r.path));
            if known || self.readers.len() >= MAX_FILES || is_old_one(&path, known_paths) {
                continue;
            }
            let Some(name) = path.to_str().map(str::to_owned) else { continue };
            match place(&path, fresh) {
                Ok(place) => {
                    let mut reader = Reader::new(path, name, framing, place, now);
                    reader.members = self.members(framing, &reader.name);
                    self.readers.push(reader);
                }
                Err(error) => {
                    tracing::warn!(%error, file = name, "cannot read a log: trying again");
                    self.rescan.get_or_insert(now.mono + UNREADABLE);
                }
            }
        }
    }

    fn tell_late(&mut self, news: News, now: Now) {
        let (severity, text) = match news {
            News::Behind => (
                Severity::Warning,
                "logs are written faster than they are read within their share of a processor: \
                 nothing is lost, hits are told late (`logs_cpu` sets the share)",
            ),
            News::CaughtUp => (Severity::Info, "all logs are read again"),
        };
        self.crew.out.event(ABOUT, severity, text.to_owned(), Vec::new(), now);
    }

    fn batch(&mut self, now: Now) -> Option<Batch> {
        let lasting = !self.crew.out.only_repeats && !self.crew.out.items.is_empty();
        let due = self.placed || (self.moved && now.mono >= self.store + STORE);
        if self.crew.out.items.is_empty() && !due {
            return None;
        }
        let state = (lasting || due).then(|| {
            (self.moved, self.placed) = (false, false);
            self.store = now.mono;
            self.state()
        });
        let (items, urgent) = self.crew.out.take();
        Some(Batch { items, state, urgent })
    }

    /// Returns where everything stands.
    fn state(&self) -> State {
        let mut state = State::empty();
        state.globs = self.followed.iter().map(|f| f.glob.as_str().to_owned()).collect();
        state.globs.sort();
        state.globs.dedup();
        state.files = self
            .readers
            .iter()
            .map(|reader| FileState {
                path: reader.name.clone(),
                framing: self
                    .framings
                    .get(reader.framing)
                    .map_or_else(String::new, |f| f.key.clone()),
                place: reader.place.clone(),
                done: reader.done(),
                tails: reader.tail_places(),
            })
            .collect();
        for work in &self.crew.works {
            let watch = &work.machine.watch;
            let known = KnownWatch { kind: kind_of(watch), state: work.machine.state() };
            state.watches.insert(watch.name.clone(), known);
        }
        for journal in &self.journals {
            state.journals.insert(format!("{:?}", journal.filter), journal.state.clone());
        }
        state
    }
}

/// Bound on files of one log that are watched for what is written to them: itself, and old ones.
const MAX_NOTICES: usize = 5;

fn kind_of(watch: &Watch) -> String {
    format!("{:?}", watch.kind)
}

/// Where to begin in a file that was not read before.
fn place(path: &Path, fresh: bool) -> io::Result<Place> {
    let file = std::fs::File::open(path)?;
    let found = sys::facts(&file)?;
    if fresh { Place::end(&file, &found) } else { Place::beginning(&file, &found) }
}

/// Tells whether `path` is the rotated form of another one: its reader takes care of it.
fn is_old_one<'p>(path: &Path, mut others: impl Iterator<Item = &'p PathBuf>) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    others.any(|other| {
        let other_name = other.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        other != path && other.parent() == path.parent() && was_rotated(other_name, name)
    })
}

#[cfg(test)]
mod tests;
