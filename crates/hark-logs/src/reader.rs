//! One log through all its lives: written, renamed, copied and emptied, packed, gone, made anew.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use hark_model::{Mono, Now};

use crate::family::{Done, Relative, holder, next_after, relatives};
use crate::frame::{Cutter, Read};
use crate::place::{Fingerprint, Place, read_at};
use crate::sys::{self, Facts};
use crate::team::{Crew, Team};

/// How much is read at once: the bound on a line, and most of what watching costs in memory.
pub(crate) const BUFFER: usize = 256 * 1024;

/// A line without an end is looked at as it is when nothing followed for so long: the last words of
/// a program that died. If its end comes, what was told is not told again.
pub(crate) const UNFINISHED: Duration = Duration::from_secs(5);

/// How long an old file is still looked at after rotation: programs go on writing to it until they
/// are told.
const TAIL: Duration = Duration::from_mins(1);

/// Bound on old files that are still looked at: two rotations within a minute are rare.
const MAX_TAILS: usize = 4;

/// Bound on remembered files that are done with.
const MAX_DONE: usize = 16;

/// A log.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) path: PathBuf,
    /// The path as text.
    pub(crate) name: String,
    /// Which framing.
    pub(crate) framing: usize,
    /// The watches that look at it.
    pub(crate) members: Vec<usize>,
    pub(crate) place: Place,
    source: Source,
    /// Old files that may still be written to.
    tails: Vec<Tail>,
    /// Places of old files as of before a restart.
    former_tails: Vec<Place>,
    /// Files that are done with, so that neither one nor its copy is read again.
    done: VecDeque<Done>,
    /// Its place is in another file now, or has got a beginning by which it is known again: worth
    /// storing at once.
    pub(crate) learned: bool,
    /// It could not be read lately, which was said.
    pub(crate) failed: bool,
    attention: Attention,
    /// When it grew last.
    grown: Mono,
    size: u64,
    /// Numbers under which it is told of changes; the newest last. Empty: it must be looked at.
    pub(crate) notices: Vec<i32>,
    /// Bytes that are no whole record yet, as of the last reading; and whether they were looked at.
    rest: usize,
    rest_told: usize,
}

/// Whether a log is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attention {
    /// Everything was read.
    Sleeps,
    /// Something may have happened: what became of the file is looked at first.
    Woken,
    /// It is read.
    Reads,
}

#[derive(Debug)]
enum Source {
    None,
    /// Live: what the path names, as far as is known.
    Live(File),
    /// An old file on the way to the live one.
    Old(File),
    Packed(Box<Packed>),
}

#[derive(Debug)]
struct Packed {
    decoder: MultiGzDecoder<File>,
    /// How far it was unpacked.
    at: u64,
    /// What was unpacked and not consumed.
    held: Vec<u8>,
    file: Facts,
}

#[derive(Debug)]
struct Tail {
    file: File,
    place: Place,
    until: Mono,
}

/// What a reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something was read, there may be more.
    More,
    /// Everything there is was read.
    Idle,
}

/// What reading needs.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) buffer: &'a mut [u8],
    pub(crate) cutter: &'a mut Cutter,
    pub(crate) team: &'a mut Team,
    pub(crate) crew: &'a mut Crew,
    /// How long a record is waited for.
    pub(crate) wait: Duration,
    pub(crate) now: Now,
}

impl Reader {
    pub(crate) fn new(path: PathBuf, name: String, framing: usize, place: Place, now: Now) -> Self {
        Self {
            path,
            name,
            framing,
            members: Vec::new(),
            place,
            source: Source::None,
            tails: Vec::new(),
            former_tails: Vec::new(),
            done: VecDeque::new(),
            learned: false,
            failed: false,
            attention: Attention::Woken,
            grown: now.mono,
            size: 0,
            notices: Vec::new(),
            rest: 0,
            rest_told: 0,
        }
    }

    /// Takes back what [`Reader::done`] and [`Reader::tail_places`] gave.
    pub(crate) fn remember(&mut self, done: Vec<Done>, tails: Vec<Place>) {
        self.done = done.into();
        self.former_tails = tails;
    }

    pub(crate) fn done(&self) -> Vec<Done> {
        self.done.iter().copied().collect()
    }

    pub(crate) fn tail_places(&self) -> Vec<Place> {
        let open = self.tails.iter().map(|tail| tail.place.clone());
        // One without a beginning would be known by its number alone, which others get after it.
        let known = |place: &Place| !place.print.is_empty();
        open.chain(self.former_tails.iter().cloned()).filter(known).collect()
    }

    /// Returns true if there may be something to read.
    pub(crate) fn is_dirty(&self) -> bool {
        self.attention != Attention::Sleeps
    }

    /// There is nothing to read until it is woken.
    pub(crate) fn sleep(&mut self) {
        self.attention = Attention::Sleeps;
    }

    /// Says that there may be something new.
    pub(crate) fn wake(&mut self) {
        self.attention = Attention::Woken;
    }

    /// Returns true if nothing is left of the log: its name is gone, and its file too or read to
    /// its end.
    pub(crate) fn is_gone(&self) -> bool {
        if self.is_dirty() || self.path.exists() {
            return false;
        }
        match &self.source {
            Source::None => true,
            Source::Live(file) | Source::Old(file) => {
                sys::facts(file).is_ok_and(|found| found.links == 0)
            }
            Source::Packed(_) => false,
        }
    }

    /// Returns when it wants to look again, though nothing was written.
    pub(crate) fn next_deadline(&self, wait: Duration) -> Option<Mono> {
        let rest = (self.rest > self.rest_told).then(|| self.grown + wait);
        let tails = self.tails.iter().map(|tail| tail.until);
        tails.chain(rest).min()
    }

    /// Reads up to a buffer.
    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> io::Result<Step> {
        if self.attention != Attention::Reads {
            self.attention = Attention::Reads;
            self.open_former_tails(desk.now);
            self.read_tails(desk)?;
            self.check_live()?;
        }
        if matches!(self.source, Source::None) {
            self.find()?;
        }
        let consumed = match &mut self.source {
            Source::None => {
                self.sleep();
                return Ok(Step::Idle);
            }
            Source::Live(_) | Source::Old(_) => self.read_plain(desk)?,
            Source::Packed(_) => self.read_packed(desk),
        };
        if let Some(consumed) = consumed
            && consumed > 0
        {
            return Ok(Step::More);
        }
        if self.go_on(desk)? {
            return Ok(Step::More);
        }
        self.sleep();
        Ok(Step::Idle)
    }

    /// Looks whether the live file was emptied, and learns more of its beginning.
    fn check_live(&mut self) -> io::Result<()> {
        let Source::Live(file) = &self.source else { return Ok(()) };
        let found = sys::facts(file)?;
        if found.len < self.place.offset || !self.place.print.fits(file)? {
            tracing::debug!(file = self.name, "log was emptied");
            self.source = Source::None;
        } else if !self.place.print.is_full() && found.len > 0 {
            self.learned |= self.place.print.is_empty();
            self.place.print = Fingerprint::of_file(file)?;
        }
        Ok(())
    }

    /// Opens what `place` is in, wherever that is now; else the file of that name.
    fn find(&mut self) -> io::Result<()> {
        self.rest = 0;
        let live = match File::open(&self.path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(file) = &live {
            let found = sys::facts(file)?;
            let same = self.place.is_in(&found)
                && found.len >= self.place.offset
                && self.place.print.fits(file)?;
            if same {
                self.source = live.map_or(Source::None, Source::Live);
                return Ok(());
            }
        }
        if self.place != Place::default() {
            let relatives = relatives(&self.path);
            if let Some(relative) = holder(&self.place, &relatives) {
                return self.open_old(&relative.path, relative.packed);
            }
            tracing::info!(file = self.name, "what the log held before is gone");
        }
        let Some(file) = live else { return Ok(()) };
        self.finish_print();
        self.learned = true;
        self.place = Place::beginning(&file, &sys::facts(&file)?)?;
        self.source = Source::Live(file);
        Ok(())
    }

    fn open_old(&mut self, path: &std::path::Path, packed: bool) -> io::Result<()> {
        let file = File::open(path)?;
        let found = sys::facts(&file)?;
        if packed {
            let decoder = MultiGzDecoder::new(file);
            let packed = Packed { decoder, at: 0, held: Vec::new(), file: found };
            self.source = Source::Packed(Box::new(packed));
        } else {
            (self.place.dev, self.place.ino) = (found.dev, found.ino);
            self.source = Source::Old(file);
        }
        Ok(())
    }

    /// Reads from the place on. None: that was the end, and there is nothing to consume.
    fn read_plain(&mut self, desk: &mut Desk<'_>) -> io::Result<Option<usize>> {
        let (Source::Live(file) | Source::Old(file)) = &self.source else { return Ok(None) };
        let len = read_at(file, desk.buffer, self.place.offset)?;
        let end = self.place.offset + len as u64;
        if end != self.size {
            (self.size, self.grown) = (end, desk.now.mono);
            self.rest_told = 0;
        }
        // A place within a file whose beginning is unknown could not be found again.
        if len > 0 && !self.place.print.is_full() {
            self.learned |= self.place.print.is_empty();
            self.place.print = Fingerprint::of_file(file)?;
        }
        let more = len == desk.buffer.len();
        let quiet = desk.now.mono >= self.grown + desk.wait;
        let data = desk.buffer.get(..len).unwrap_or_default();
        let read = Read { data, more, last: false, quiet };
        let sinks = (&mut *desk.team, &mut *desk.crew);
        let consumed = desk.cutter.cut(read, &mut self.place, &self.name, sinks, desk.now);
        self.rest = len - consumed;
        let rest = data.get(consumed..).unwrap_or_default();
        // Only a lonely rest is looked at; what is before it was consumed in this turn.
        if consumed == 0 && !rest.is_empty() && quiet && self.rest_told < rest.len() {
            self.rest_told = rest.len();
            if !rest.contains(&b'\n') {
                let told = &mut self.place.seen;
                desk.team.unfinished(desk.crew, rest, &self.name, told, desk.now);
            }
        }
        Ok(Some(consumed))
    }

    fn read_packed(&mut self, desk: &mut Desk<'_>) -> Option<usize> {
        let Source::Packed(packed) = &mut self.source else { return None };
        let mut last = false;
        // A damaged end is the end: what came before it was read.
        while packed.at < self.place.offset {
            let rest = usize::try_from(self.place.offset - packed.at).unwrap_or(usize::MAX);
            let len = desk.buffer.len().min(rest);
            let read = packed.decoder.read(desk.buffer.get_mut(..len).unwrap_or_default());
            let read = read.unwrap_or(0);
            if read == 0 {
                return None;
            }
            packed.at += read as u64;
        }
        let held = packed.held.len();
        desk.buffer.get_mut(..held).unwrap_or_default().copy_from_slice(&packed.held);
        let mut len = held;
        while len < desk.buffer.len() && !last {
            let read = packed.decoder.read(desk.buffer.get_mut(len..).unwrap_or_default());
            let read = read.unwrap_or(0);
            last = read == 0;
            packed.at += read as u64;
            len += read;
        }
        let data = desk.buffer.get(..len).unwrap_or_default();
        let read = Read { data, more: !last, last, quiet: true };
        let sinks = (&mut *desk.team, &mut *desk.crew);
        let consumed = desk.cutter.cut(read, &mut self.place, &self.name, sinks, desk.now);
        packed.held = data.get(consumed..).unwrap_or_default().to_vec();
        Some(consumed)
    }

    /// At the end of a file: goes on to the one that followed it. Returns true if there is one.
    fn go_on(&mut self, desk: &mut Desk<'_>) -> io::Result<bool> {
        let live = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // It was renamed, and nothing has its name yet.
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let found = sys::facts(&live)?;
        let written = match &self.source {
            Source::Live(_) if self.place.is_in(&found) => return Ok(false),
            Source::Live(file) | Source::Old(file) => sys::facts(file)?.written,
            Source::Packed(packed) => packed.file.written,
            Source::None => return Ok(false),
        };
        self.finish_print();
        self.learned = true;
        let source = std::mem::replace(&mut self.source, Source::None);
        if let Source::Live(file) | Source::Old(file) = source {
            self.keep_tail(file, desk)?;
        }
        self.rest = 0;
        let done = self.done();
        let relatives = relatives(&self.path);
        let next = next_after(written, &done, &relatives);
        if let Some(Relative { path, packed, found, .. }) = next {
            let file = File::open(path)?;
            self.place = if *packed {
                let print = Fingerprint::of_packed(file).unwrap_or_default();
                Place { dev: found.dev, ino: found.ino, print, ..Place::default() }
            } else {
                Place::beginning(&file, found)?
            };
            self.open_old(path, *packed)?;
        } else {
            self.place = Place::beginning(&live, &found)?;
            self.source = Source::Live(live);
        }
        Ok(true)
    }

    /// Notes that what is read now is done with.
    fn finish_print(&mut self) {
        // It may have been empty when it was looked at last.
        if let Source::Live(file) | Source::Old(file) = &self.source
            && !self.place.print.is_full()
            && let Ok(print) = Fingerprint::of_file(file)
        {
            self.place.print = print;
        }
        if self.place.print.is_empty() {
            return;
        }
        if self.done.len() >= MAX_DONE {
            self.done.pop_front();
        }
        self.done.push_back(Done::of(&self.place));
    }

    fn keep_tail(&mut self, file: File, desk: &mut Desk<'_>) -> io::Result<()> {
        if self.tails.len() >= MAX_TAILS {
            let mut oldest = self.tails.remove(0);
            oldest.read(desk, &self.name, true)?;
        }
        let until = desk.now.mono + TAIL;
        self.tails.push(Tail { file, place: self.place.clone(), until });
        Ok(())
    }

    /// Finds the old files of before a restart, which may have grown since.
    fn open_former_tails(&mut self, now: Now) {
        if self.former_tails.is_empty() {
            return;
        }
        let relatives = relatives(&self.path);
        for place in std::mem::take(&mut self.former_tails) {
            let found = holder(&place, &relatives).filter(|r| !r.packed);
            if let Some(file) = found.and_then(|relative| File::open(&relative.path).ok()) {
                self.tails.push(Tail { file, place, until: now.mono + TAIL });
            }
        }
    }

    fn read_tails(&mut self, desk: &mut Desk<'_>) -> io::Result<()> {
        for tail in &mut self.tails {
            let last = desk.now.mono >= tail.until;
            tail.read(desk, &self.name, last)?;
        }
        self.tails.retain(|tail| desk.now.mono < tail.until);
        Ok(())
    }
}

impl Tail {
    /// Reads what was written since.
    fn read(&mut self, desk: &mut Desk<'_>, name: &str, last: bool) -> io::Result<()> {
        loop {
            let len = read_at(&self.file, desk.buffer, self.place.offset)?;
            let more = len == desk.buffer.len();
            let data = desk.buffer.get(..len).unwrap_or_default();
            let read = Read { data, more, last: last && !more, quiet: true };
            let sinks = (&mut *desk.team, &mut *desk.crew);
            let consumed = desk.cutter.cut(read, &mut self.place, name, sinks, desk.now);

            if consumed == 0 || !more {
                return Ok(());
            }
        }
    }
}
