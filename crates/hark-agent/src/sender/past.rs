//! What goes behind the present: reports, and the samples of the past.

use hark_proto::bucket::Rate;
use hark_proto::client::MAX_WAITING_BULK;
use hark_proto::{BacklogBuilder, Body, Content, Kind, decode};

use super::greeting::Greeting;
use super::{Load, Moment, Sender, Wire};

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

impl Sender {
    /// Sends reports, oldest first.
    pub(super) fn send_reports(&mut self, moment: Moment, wire: Wire<'_>) {
        while self.may_send_reports() {
            let Some((content, load)) = self.next_report() else { return };
            if !self.send(&content, load, moment, wire) {
                return;
            }
        }
    }

    fn n_reports_under_way(&self) -> usize {
        self.under_way.values().filter(|load| matches!(load, Load::Report(..))).count()
    }

    /// Returns the oldest report that is not acknowledged.
    fn oldest_report(&self) -> u64 {
        let in_memory = self.homeless.iter().map(|(number, _)| *number);
        let under_way = self.under_way.values().filter_map(|load| match load {
            Load::Report(number, _) => Some(*number),
            Load::Hello | Load::Nothing | Load::Samples(_) | Load::Question(_) => None,
        });
        let oldest = in_memory.chain(under_way).min().unwrap_or(u64::MAX);
        oldest.min(self.spool.oldest_report())
    }

    fn next_report(&mut self) -> Option<(Content, Load)> {
        if let Some((number, content)) = self.homeless.pop_front() {
            return Some((content.clone(), Load::Report(number, Some(content))));
        }
        let oldest = self.oldest_report();
        loop {
            let (number, bytes) = self.spool.read_report()?;
            if number >= oldest + REPORTS_AHEAD {
                self.spool.report_lost(number);
                return None;
            }
            match Content::from_parts(Kind::Report, bytes) {
                Ok(content) => return Some((content, Load::Report(number, None))),
                // The check sum held, so this was written by a version with another form.
                Err(error) => {
                    tracing::warn!(number, %error, "a report in the spool cannot be read");
                    self.spool.report_done(number);
                }
            }
        }
    }

    /// Sends old frames, several entries a datagram.
    pub(super) fn send_backlog(&mut self, moment: Moment, wire: Wire<'_>) {
        while self.may_send_samples() && self.bulk.take(BACKLOG, moment.now.mono) {
            let (mut builder, mut numbers) = (BacklogBuilder::new(), Vec::new());
            while let Some((number, bytes)) = self.spool.read_samples() {
                match self.pack(&bytes, &mut builder) {
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
    fn pack(&self, bytes: &[u8], builder: &mut BacklogBuilder) -> Packed {
        let Ok(Body::Backlog(backlog)) = decode(Kind::Backlog, bytes) else { return Packed::None };
        let mut with = builder.clone();
        let mut packed = Packed::None;
        for frame in backlog.frames.filter(|frame| !self.orphans.contains(&frame.set)) {
            if !with.push(frame.set, frame.taken_at, frame.values) {
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
            && matches!(self.greeting, Greeting::Done)
    }

    /// Returns true if reports could be sent now, should some wait.
    fn may_send_reports(&self) -> bool {
        // To a server that does not answer only heartbeats and hellos are sent.
        !self.silent && self.n_reports_under_way() < REPORTS_UNDER_WAY
    }

    /// Returns true if something waits that could be sent now, but for the pace.
    pub(super) fn has_bulk(&self) -> bool {
        let reports = self.spool.reports_waiting() > 0 || !self.homeless.is_empty();
        (reports && self.may_send_reports()) || self.may_send_samples()
    }
}
