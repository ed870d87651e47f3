//! What goes behind the present: reports, and the samples of the past.

use hark_model::{Mono, Unix};
use hark_proto::bucket::Rate;
use hark_proto::client::MAX_WAITING_BULK;
use hark_proto::{BacklogBuilder, Body, Content, Kind, ReportBuilder, decode};

use super::greeting::Greeting;
use super::{Load, Moment, NextReport, Sender, Wire};

/// How fast the past is sent: a day at 10 s and 33 values takes some minutes, and a thousand agents
/// that return at once give the server 20,000 datagrams a second at most.
pub(super) const BACKLOG: Rate = Rate { burst: 4, per_second: 20 };

/// Bound on reports under way: heartbeats and samples need room as well.
const REPORTS_UNDER_WAY: usize = 16;

/// How far a report may be ahead of the oldest that is not acknowledged: the server tells a second
/// copy from a first one within 64, and an item further behind would be taken for a copy.
const REPORTS_AHEAD: u64 = 60;

/// Bound on datagrams under way at which the past waits: half of what may be, so that reports and
/// sets find room.
const CROWDED: usize = MAX_WAITING_BULK / 2;

/// What became of an entry.
enum Packed {
    All,
    /// There is nothing in it that the server could read.
    None,
    Full,
}

/// A report that is next.
struct Next {
    number: u64,
    content: Content,
    place: Place,
}

/// Where a report was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In memory alone: the disk refused it.
    Memory,
    /// In memory, and on the disk as well.
    Fresh,
    /// On the disk.
    Disk,
}

impl Sender {
    /// Sends reports, oldest first, as many in a datagram as fit.
    pub(super) fn send_reports(&mut self, moment: Moment, wire: Wire<'_>) {
        while self.may_send_reports() {
            let Some((content, load)) = self.next_reports() else { return };
            if !self.send(&content, load, moment, wire) {
                return;
            }
        }
    }

    fn n_reports_under_way(&self) -> usize {
        self.under_way.values().filter(|load| matches!(load, Load::Reports(_))).count()
    }

    /// Returns the oldest report that is not acknowledged.
    fn oldest_report(&self) -> u64 {
        let in_memory = self.homeless.iter().map(|(number, _)| *number);
        let under_way = self.under_way.values().filter_map(|load| match load {
            Load::Reports(reports) => reports.iter().map(|(number, _)| *number).min(),
            Load::Hello | Load::Nothing | Load::Samples(_) | Load::Question(_) => None,
        });
        let oldest = in_memory.chain(under_way).min().unwrap_or(u64::MAX);
        oldest.min(self.spool.oldest_report())
    }

    /// Returns as many reports as fit a datagram.
    fn next_reports(&mut self) -> Option<(Content, Load)> {
        let oldest = self.oldest_report();
        let mut together = ReportBuilder::new(self.spool.epoch());
        let mut reports = Vec::new();
        while let Some(Next { number, content, place }) = self.next_report(oldest) {
            let kept = (place == Place::Memory).then(|| content.clone());
            if together.append(&content) {
                reports.push((number, kept));
            } else if together.is_empty() {
                // Of a spool before this one, or of a version with another form: alone, as it is.
                return Some((content, Load::Reports(vec![(number, kept)])));
            } else {
                self.put_back(number, content, place);
                break;
            }
        }
        (!together.is_empty()).then(|| (together.finish(), Load::Reports(reports)))
    }

    /// Returns the next report, if it is not too far ahead of `oldest`, which is not acknowledged.
    fn next_report(&mut self, oldest: u64) -> Option<Next> {
        if let Some((number, content)) = self.homeless.pop_front() {
            return Some(Next { number, content, place: Place::Memory });
        }
        let is_near = |number: u64| number < oldest.saturating_add(REPORTS_AHEAD);
        if self.fresh.front().is_some_and(|(number, _)| is_near(*number))
            && let Some((number, content)) = self.fresh.pop_front()
        {
            return Some(Next { number, content, place: Place::Fresh });
        }
        if !self.fresh.is_empty() && self.spool.reports_waiting() == 0 {
            self.next_report = NextReport::TooFarAhead;
            return None;
        }
        loop {
            let (number, bytes) = self.spool.read_report()?;
            if !is_near(number) {
                self.spool.report_lost(number);
                self.next_report = NextReport::TooFarAhead;
                return None;
            }
            match Content::from_parts(Kind::Report, bytes) {
                Ok(content) => return Some(Next { number, content, place: Place::Disk }),
                // The check sum held, so this was written by a version with another form.
                Err(error) => {
                    tracing::warn!(number, %error, "a report in the spool cannot be read");
                    self.spool.report_done(number);
                }
            }
        }
    }

    fn put_back(&mut self, number: u64, content: Content, place: Place) {
        match place {
            Place::Memory => self.homeless.push_front((number, content)),
            Place::Fresh => self.fresh.push_front((number, content)),
            Place::Disk => self.spool.report_lost(number),
        }
    }

    /// Sends old frames, several entries a datagram.
    pub(super) fn send_backlog(&mut self, moment: Moment, wire: Wire<'_>) {
        let mono = moment.now.mono;
        if mono < self.sparing.past_from() {
            return;
        }
        let rate = self.sparing.rate(mono);
        while self.may_send_samples() && self.bulk.take(rate, mono) {
            let (mut builder, mut numbers) = (BacklogBuilder::new(), Vec::new());
            while let Some((number, bytes)) = self.spool.read_samples() {
                match self.pack(number, &bytes, &mut builder) {
                    Packed::All => numbers.push(number),
                    Packed::None => self.spool.samples_done(number),
                    Packed::Full => {
                        self.spool.samples_lost(number);
                        break;
                    }
                }
            }
            if numbers.is_empty()
                || !self.send(&builder.finish(), Load::Samples(numbers), moment, wire)
            {
                return;
            }
        }
    }

    /// Adds all frames of an entry to a datagram, or none.
    fn pack(&self, number: u64, bytes: &[u8], builder: &mut BacklogBuilder) -> Packed {
        let Ok(Body::Backlog(backlog)) = decode(Kind::Backlog, bytes) else { return Packed::None };
        let mut with = builder.clone();
        let mut packed = Packed::None;
        let correction = self.steady.correction(number);
        for frame in backlog.frames.filter(|frame| !self.orphans.contains(&frame.set)) {
            let taken_at = Unix(frame.taken_at.0.saturating_add(correction));
            if !with.push(frame.set, taken_at, frame.values) {
                return Packed::Full;
            }
            packed = Packed::All;
        }
        *builder = with;
        packed
    }

    /// Returns true if old samples wait that could be sent now.
    fn may_send_samples(&self) -> bool {
        // While history is stopped the server stores no sample: heartbeats find out when that ends.
        self.spool.samples_waiting() > 0
            && self.client.n_waiting() < CROWDED
            && !self.history_stopped
            && self.sparing.takes_the_past()
            && matches!(self.greeting, Greeting::Done)
    }

    /// Returns true if reports could be sent now, should some wait.
    fn may_send_reports(&self) -> bool {
        // To a server that does not answer only heartbeats and hellos are sent.
        !self.silent
            && self.next_report == NextReport::MayGo
            && self.n_reports_under_way() < REPORTS_UNDER_WAY
    }

    /// Returns from when on something that waits may be sent, but for the pace; none if nothing is.
    pub(super) fn bulk_from(&self) -> Option<Mono> {
        if self.has_reports() && self.may_send_reports() {
            return Some(Mono(0));
        }
        self.may_send_samples().then(|| self.sparing.past_from())
    }

    /// Returns true if reports wait.
    pub(super) fn has_reports(&self) -> bool {
        let in_memory = self.homeless.len() + self.fresh.len();
        in_memory > 0 || self.spool.reports_waiting() > 0
    }
}
