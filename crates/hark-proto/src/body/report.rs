//! Reports: check results, events and facts, numbered so that each is applied once.

mod wire;

use hark_model::check::CheckResult;
use hark_model::event::{Event, EventKind};
use hark_model::status::Severity;
use hark_model::time::Unix;

use self::wire::{Wire, from_wire, shortened, to_wire};
use super::{Content, MAX_CONTENT, cbor, from_cbor};
use crate::header::Kind;
use crate::refused::Refused;

/// How many bytes the texts and lists of one item take at most; the rest is for keys and numbers.
/// A text is cut to what its item's other fields leave.
pub const MAX_ITEM_TEXT: usize = 1060;

/// Bytes for the map, the epoch and the array's head.
const HEAD: usize = 20;

/// Something that is to be applied once.
#[derive(Clone, Debug, PartialEq)]
pub enum ReportItem {
    /// A check's result.
    Result(CheckResult),
    /// A thing that happened.
    Event(Event),
    /// Facts about the host; an empty value removes one.
    Facts(Vec<(String, String)>),
    /// What became of an order.
    Outcome(Outcome),
}

/// What became of an order that the server gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its number.
    pub order: u32,
    /// The exit status of what it ran; none if nothing ran (refused, expired) or a signal ended it.
    pub exit: Option<u8>,
    /// What it printed, or why it was refused; cut to what a datagram holds.
    pub text: String,
}

/// Items of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What their numbers count in.
    pub epoch: u64,
    /// Number and item. `None` is an item of a kind this version does not know: to be marked as
    /// applied and otherwise ignored.
    pub items: Vec<(u64, Option<ReportItem>)>,
}

impl Outcome {
    /// Returns it as a thing that happened at `at`, for people.
    pub fn event(&self, at: Unix) -> Event {
        let (severity, text) = match self.exit {
            Some(0) => (Severity::Info, format!("order {} is done: {}", self.order, self.text)),
            Some(exit) => (
                Severity::Warning,
                format!("order {} ended with {exit}: {}", self.order, self.text),
            ),
            None => {
                (Severity::Warning, format!("order {} was not done: {}", self.order, self.text))
            }
        };
        let text = shortened(&text, Event::MAX_TEXT).to_owned();
        let kind = EventKind::Other("order".to_owned());
        Event { at, kind, severity, text, tags: Vec::new(), data: None }
    }
}

impl Report {
    pub(super) fn decode(content: &[u8]) -> Result<Self, Refused> {
        let wire: Wire<'_> = from_cbor(content)?;
        let items = wire.items.into_iter().map(|item| Ok((item.number, from_wire(item)?)));
        Ok(Self { epoch: wire.epoch, items: items.collect::<Result<_, Refused>>()? })
    }
}

/// Collects items until the datagram is full.
#[derive(Clone, Debug)]
pub struct ReportBuilder {
    epoch: u64,
    count: usize,
    items: Vec<u8>,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// It is in.
    Whole,
    /// It is in, but cut: its text or one of its lists was too long.
    Cut,
    /// It does not fit any more: finish this report and begin another.
    Full,
}

impl ReportBuilder {
    /// Begins without items.
    pub fn new(epoch: u64) -> Self {
        Self { epoch, count: 0, items: Vec::new() }
    }

    /// Adds an item. The first one always fits, cut if need be.
    pub fn push(&mut self, number: u64, item: &ReportItem) -> Pushed {
        let (wire, cut) = to_wire(number, item);
        let bytes = cbor(&wire);
        if self.items.len() + bytes.len() + HEAD > MAX_CONTENT {
            return Pushed::Full;
        }
        self.items.extend_from_slice(&bytes);
        self.count += 1;
        if cut { Pushed::Cut } else { Pushed::Whole }
    }

    /// Adds the items of a whole report as [`ReportBuilder::finish`] made it. Returns false, and adds
    /// nothing, if they do not fit any more, or are numbered in another epoch.
    pub fn append(&mut self, report: &Content) -> bool {
        let Some((epoch, count, items)) = parts(report) else { return false };
        if epoch != self.epoch || self.items.len() + items.len() + HEAD > MAX_CONTENT {
            return false;
        }
        self.items.extend_from_slice(items);
        self.count += count;
        true
    }

    /// Returns true if no item was added.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the content.
    pub fn finish(self) -> Content {
        let mut bytes = Vec::with_capacity(HEAD + self.items.len());
        head(self.epoch, self.count, &mut bytes);
        bytes.extend_from_slice(&self.items);
        Content::new(Kind::Report, bytes)
    }
}

/// Writes what stands before the items: the same bytes as [`Wire`] would give.
fn head(epoch: u64, n_items: usize, bytes: &mut Vec<u8>) {
    let mut encoder = minicbor::Encoder::new(bytes);
    let written = encoder.map(2).and_then(|e| e.u8(0)?.u64(epoch)?.u8(1)?.array(n_items as u64));
    written.expect("writing to memory does not fail");
}

/// Reads what [`head`] wrote: epoch, how many items there are, and the items as they are.
fn parts(report: &Content) -> Option<(u64, usize, &[u8])> {
    let bytes = (report.kind() == Kind::Report).then(|| report.bytes())?;
    let mut decoder = minicbor::Decoder::new(bytes);
    let is_whole = decoder.map().ok()? == Some(2) && decoder.u8().ok()? == 0;
    let epoch = decoder.u64().ok()?;
    let count = (decoder.u8().ok()? == 1).then_some(decoder.array().ok()??)?;
    let items = bytes.get(decoder.position()..)?;
    is_whole.then_some((epoch, usize::try_from(count).ok()?, items))
}

#[cfg(test)]
mod tests;
