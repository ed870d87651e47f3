//! What is a record: lines, or several lines together, cut from what was read so far.
//!
//! Nothing is kept between two readings: what is no whole record yet is not consumed, and read again
//! when there is more. So a restart in the middle of a record loses nothing of it.

use hark_model::Now;

use crate::place::Place;
use crate::scan::{Scanner, TooLarge, Unit};
use crate::settings::{Border, Framing, Multiline};
use crate::team::{Crew, Record, Team};

/// What was read, and what is known of its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'a> {
    pub(crate) data: &'a [u8],
    /// There may be more behind it.
    pub(crate) more: bool,
    /// Nothing will ever follow.
    pub(crate) last: bool,
    /// Nothing has followed for the time that a record is waited for.
    pub(crate) quiet: bool,
}

/// How records are cut.
#[derive(Debug)]
pub(crate) enum Cutter {
    Lines,
    Records(Box<Records>),
}

#[derive(Debug)]
pub(crate) struct Records {
    border: Scanner,
    /// Whether a line with the border's pattern begins a record, or goes on with it.
    begins: bool,
    max: Multiline,
}

impl Cutter {
    pub(crate) fn new(framing: &Framing) -> Result<Self, TooLarge> {
        let Framing::Multiline(max) = framing else { return Ok(Self::Lines) };
        let (pattern, begins) = match &max.border {
            Border::Start(pattern) => (pattern, true),
            Border::Continue(pattern) => (pattern, false),
        };
        let border = Scanner::new([pattern], Unit::Records)?;
        Ok(Self::Records(Box::new(Records { border, begins, max: max.clone() })))
    }

    /// Returns what the automata of this framing look at.
    pub(crate) fn unit(&self) -> Unit {
        match self {
            Self::Lines => Unit::Lines,
            Self::Records(_) => Unit::Records,
        }
    }

    /// Gives the records in `read` to `team`, and moves `place` behind them. Returns how many bytes
    /// were consumed.
    pub(crate) fn cut(
        &mut self,
        read: Read<'_>,
        place: &mut Place,
        file: &str,
        (team, crew): (&mut Team, &mut Crew),
        now: Now,
    ) -> usize {
        let skipped = skip_long(read.data, place);
        place.advance(skipped);
        let data = read.data.get(skipped..).unwrap_or_default();
        if data.is_empty() {
            return skipped;
        }
        let whole = memchr::memrchr(b'\n', data).map_or(0, |at| at + 1);
        // A line that fills the buffer: its beginning is looked at, its rest skipped.
        let long = whole == 0 && read.more && skipped == 0;
        let consumed = if long || (whole == 0 && read.last) {
            let record = Record { file, text: data, told: &place.seen };
            match self {
                Self::Lines => team.lines(crew, data, file, &place.seen, now),
                Self::Records(_) => team.record(crew, &record, now),
            }
            data.len()
        } else {
            let read = Read { data, ..read };
            match self {
                Self::Lines => {
                    let end = if read.last { data.len() } else { whole };
                    let lines = data.get(..end).unwrap_or_default();
                    team.lines(crew, lines, file, &place.seen, now);
                    end
                }
                Self::Records(records) => records.cut(read, whole, file, (team, crew), now),
            }
        };
        place.advance(consumed);
        place.within_long |= long;
        skipped + consumed
    }
}

/// Returns how much of `data` is the rest of a line that was too long.
fn skip_long(data: &[u8], place: &mut Place) -> usize {
    if !place.within_long {
        return 0;
    }
    match memchr::memchr(b'\n', data) {
        Some(at) => {
            place.within_long = false;
            at + 1
        }
        None => data.len(),
    }
}

impl Records {
    /// Cuts records from the whole lines `..whole`; returns how many bytes are done with.
    fn cut(
        &mut self,
        read: Read<'_>,
        whole: usize,
        file: &str,
        (team, crew): (&mut Team, &mut Crew),
        now: Now,
    ) -> usize {
        let mut tell = |text: &[u8]| {
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            team.record(crew, &Record { file, text, told: &[] }, now);
        };
        let (mut begin, mut lines, mut at) = (0, 0, 0);
        let end = if read.last { read.data.len() } else { whole };
        let all = read.data.get(..end).unwrap_or_default();
        for line in all.split_inclusive(|byte| *byte == b'\n') {
            let too_much = lines >= self.max.lines || at + line.len() - begin > self.max.bytes;
            if at > begin && (too_much || self.begins(line)) {
                tell(all.get(begin..at).unwrap_or_default());
                (begin, lines) = (at, 0);
            }
            at += line.len();
            lines += 1;
        }
        // The last one may go on, unless there is no room to wait for it.
        let stuck = begin == 0 && read.more;
        if end > begin && (read.last || read.quiet || stuck) {
            tell(all.get(begin..end).unwrap_or_default());
            return end;
        }
        begin
    }

    fn begins(&mut self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        self.border.record(line).is_some() == self.begins
    }
}
