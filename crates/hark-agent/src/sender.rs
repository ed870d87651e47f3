//! What is sent when: the state before the past, and nothing lost.
//!
//! Everything goes through the spool, so that "under way" and "waiting" are properties of its
//! entries; this machine only remembers which entries a datagram carries. What is acknowledged is
//! done with; what is overdue waits again:
//!
//! - a **heartbeat** with the fresh samples is sent at each interval, whatever else happens; its
//!   samples, if lost, come later as backlog, since the next heartbeat is fresher;
//! - a **hello** opens a session and is repeated, with ever more time between, until the server has
//!   answered; and again when the server was silent (it may have forgotten this host);
//! - **reports** go next, oldest first and only some at a time;
//! - the **backlog** goes last, oldest first, at most [`past::BACKLOG`] datagrams a second, and after a
//!   time of silence only after some chance delay: a thousand agents return at once.
//!
//! There is no socket here: datagrams are handed to a function, time is an argument.

mod greeting;
mod heard;
mod papers;
mod past;
mod probe;
mod sparing;
mod steady;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::time::Duration;

use hark_model::time::{Micros, millis};
use hark_model::{Event, EventKind, HostName, Mono, Now, Severity, Unix};
use hark_proto::bucket::Bucket;
use hark_proto::client::MAX_WAITING;
use hark_proto::{
    BacklogBuilder, BeatBuilder, ClientSession, Content, Identity, Kind, ReportBuilder, ReportItem,
    SealError,
};

use self::greeting::Greeting;
pub(crate) use self::papers::Arrived;
use self::papers::Papers;
use self::past::BACKLOG;
use self::probe::{Probes, next_number};
use self::sparing::Sparing;
use self::steady::Steady;
use crate::sampler::{Round, Set};
use crate::schedule::Chance;
use crate::slots::Slots;
use crate::spool::{Damage, Gap, Spool};

/// Bound on reports kept in memory because the disk refuses them.
const MAX_HOMELESS: usize = 64;

/// Bound on reports that are kept to be sent with others soon; what is more is read from the spool.
const MAX_FRESH: usize = 64;

/// Bound on sets that nobody knows any more.
const MAX_ORPHANS: usize = 1024;

/// Bound on datagrams that are remembered, besides those under way, in case the first copy is
/// acknowledged after all.
const MAX_LATE: usize = 64;

/// The wall clock going ahead of the other by more than this means that the machine was suspended,
/// or resumed as a copy of one that may still run: the session's counters are not ours alone.
const SUSPENDED: Duration = Duration::from_secs(30);

/// One moment, as fine as round trips need it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Both clocks.
    pub now: Now,
    /// The monotonic one in microseconds.
    pub at: Micros,
}

/// Where datagrams go.
pub type Wire<'a> = &'a mut dyn FnMut(&[u8]);

/// Where datagrams go, kept.
pub(crate) trait Out {
    /// Sends one; what cannot be sent is lost, as on the network.
    fn send(&mut self, datagram: &[u8]);
}

/// What an agent says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Introduction {
    pub(crate) host: HostName,
    pub(crate) version: String,
    pub(crate) interval: Duration,
    pub(crate) booted_at: Option<Unix>,
    pub(crate) started_at: Unix,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Sender {
    client: ClientSession,
    /// The sessions in which other servers are asked whether they live.
    probes: Probes,
    sessions: Slots<1>,
    introduction: Introduction,
    facts: BTreeMap<String, String>,
    pub(crate) spool: Spool,
    /// Which entries a datagram carries, by token.
    under_way: BTreeMap<u64, Load>,
    /// As `under_way`, of datagrams that were overdue.
    late: VecDeque<(u64, Load)>,
    next_token: u64,
    greeting: Greeting,
    /// Sets the server wants to know.
    wanted: BTreeSet<u32>,
    /// Sets that it wants and nobody knows: frames of them can never be read.
    orphans: BTreeSet<u32>,
    /// Entries that the disk has refused lately.
    unsaved: u64,
    /// Reports that the disk refused.
    homeless: VecDeque<(u64, Content)>,
    /// Reports that are on the disk and were not sent yet, so that nothing is read back to send them.
    fresh: VecDeque<(u64, Content)>,
    next_report: NextReport,
    bulk: Bucket,
    /// Nothing but heartbeats before this.
    quiet_until: Mono,
    /// When the server last answered, or we began to wait for it.
    heard: Mono,
    /// Whether that is long ago.
    silent: bool,
    /// Datagrams since then that look like copies of earlier ones.
    copies: u32,
    history_stopped: bool,
    sparing: Sparing,
    papers: Papers,
    last_rtt: Option<u32>,
    skewed: bool,
    /// How far the server's clock is ahead, by the last acknowledgement; taken by who wants to know.
    pub(crate) server_ahead_ms: Option<i64>,
    clocks: Now,
    steady: Steady,
    chance: Chance,
    out: Vec<u8>,
    pub(crate) counts: Counts,
}

/// What happened so far; for the log and the tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams sent.
    pub sent: u64,
    /// Contents acknowledged.
    pub stored: u64,
    /// Datagrams that were not acknowledged in time.
    pub overdue: u64,
    /// Datagrams received that changed nothing: forged, old, twice.
    pub refused: u64,
    /// Sessions begun.
    pub sessions: u64,
}

/// Whether the next report may go, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextReport {
    MayGo,
    /// It is too far ahead of one that is under way: nothing to do before that has arrived or is lost.
    TooFarAhead,
}

/// What a datagram carries.
#[derive(Clone, Debug)]
enum Load {
    Hello,
    /// Nothing that must arrive: an empty heartbeat, a set (the server asks again).
    Nothing,
    Samples(Vec<u64>),
    /// Their numbers, and themselves where the disk does not have them.
    Reports(Vec<(u64, Option<Content>)>),
    /// For a piece of a paper that begins here: asked again if it is lost.
    Question(u32),
}

impl Sender {
    /// Begins a session. `folder` holds the number of the last one.
    ///
    /// # Errors
    /// If the session's number cannot be made sure of: a number must never be used twice.
    pub(crate) fn begin(
        folder: &Path,
        identity: Identity,
        introduction: Introduction,
        spool: Spool,
        moment: Moment,
    ) -> std::io::Result<Self> {
        let (mut sessions, last) = Slots::<1>::open(&folder.join("session"))?;
        let session = next_number(moment, last.map_or(0, |[last]| last), 0);
        sessions.store([session], true)?;
        Ok(Self {
            probes: Probes::new(identity.clone()),
            client: ClientSession::begin(identity, session, moment.at),
            sessions,
            facts: BTreeMap::new(),
            under_way: BTreeMap::new(),
            late: VecDeque::new(),
            next_token: 1,
            greeting: Greeting::Due { at: moment.now.mono, tries: 0 },
            wanted: BTreeSet::new(),
            orphans: BTreeSet::new(),
            unsaved: 0,
            homeless: VecDeque::new(),
            fresh: VecDeque::new(),
            next_report: NextReport::MayGo,
            bulk: Bucket::full(BACKLOG),
            quiet_until: moment.now.mono,
            heard: moment.now.mono,
            silent: false,
            copies: 0,
            history_stopped: false,
            sparing: Sparing::new(),
            papers: Papers::default(),
            last_rtt: None,
            skewed: false,
            server_ahead_ms: None,
            clocks: moment.now,
            steady: Steady::new(moment.now, spool.next_samples()),
            spool,
            // Different for each agent and start: enough to spread them.
            chance: Chance(session ^ introduction.host.as_str().len() as u64),
            introduction,
            out: Vec::new(),
            counts: Counts { sessions: 1, ..Counts::default() },
        })
    }

    /// Sends a heartbeat with what was measured. What does not fit one datagram goes into more, and what the server is
    /// to be spared waits in the spool.
    pub(crate) fn beat<'s>(
        &mut self,
        round: &Round,
        sets: &(impl Iterator<Item = &'s Set> + Clone),
        moment: Moment,
        wire: Wire<'_>,
    ) {
        self.begin_again_if_needed(moment);
        if self.client.n_waiting() + 1 >= MAX_WAITING {
            // Nothing was acknowledged for long. There is no room for another heartbeat, and these
            // must go on: in a new session there is.
            self.begin_again(0, moment);
        }
        let mut frames = round.frames().peekable();
        let is_bare = self.sparing.leaves_out_values();
        if is_bare {
            let beat = self.new_beat().finish();
            self.send(&beat, Load::Nothing, moment, wire);
        }
        loop {
            let (mut beat, mut kept) = (self.new_beat(), BacklogBuilder::new());
            let mut used = BTreeSet::new();
            while let Some((set, taken_at, bytes)) = frames.peek() {
                let taken_at = self.steady.time(*taken_at);
                // A heartbeat has less room than a datagram of old frames: what fits it fits both.
                if !(beat.push(*set, taken_at, bytes) && kept.push(*set, taken_at, bytes)) {
                    break;
                }
                used.insert(*set);
                frames.next();
            }
            let load = if kept.is_empty() {
                // A single frame that fits nothing cannot be: the set's size forbids it.
                frames.next();
                Load::Nothing
            } else {
                let defs = sets.clone().filter(|set| used.contains(&set.number));
                let defs = defs.map(|set| (set.number, &set.parts[..]));
                let payload = kept.finish();
                let taken_at = self.steady.time(round.taken_at);
                let number = self.spool.append_samples(taken_at, payload.bytes(), defs);
                Load::Samples(vec![number])
            };
            if is_bare {
                self.lost(&load, moment.now.mono);
            } else {
                self.send(&beat.finish(), load, moment, wire);
            }
            if frames.peek().is_none() {
                return;
            }
        }
    }

    /// Takes another interval: heartbeats tell it.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.introduction.interval = interval;
    }

    fn new_beat(&mut self) -> BeatBuilder {
        let interval = u32::try_from(millis(self.introduction.interval)).unwrap_or(u32::MAX);
        BeatBuilder::new(interval, self.last_rtt.take())
    }

    /// Spools a report; [`Sender::pump`] sends it. Not on the disk before [`Spool::sync_reports`].
    pub(crate) fn report(&mut self, item: &ReportItem, now: Now) {
        self.steady.look(now, self.spool.next_samples());
        let number = self.spool.next_report();
        let mut builder = ReportBuilder::new(self.spool.epoch());
        let item = self.at_even_times(item);
        if builder.push(number, &item) == hark_proto::body::Pushed::Cut {
            tracing::debug!(number, "report was cut to fit a datagram");
        }
        let content = builder.finish();
        let at = self.steady.time(now.unix);
        let (number, saved) = self.spool.append_report(at, content.bytes());
        if !saved {
            self.keep_in_memory(number, content);
        } else if self.fresh.len() < MAX_FRESH && self.spool.reports_waiting() == 0 {
            self.fresh.push_back((number, content));
        } else {
            self.spool.report_lost(number);
        }
    }

    /// Returns `item` with times that no setting of the clock has moved.
    fn at_even_times<'i>(&self, item: &'i ReportItem) -> Cow<'i, ReportItem> {
        let mut item = Cow::Borrowed(item);
        let time = match &*item {
            ReportItem::Result(result) => result.began_at,
            ReportItem::Event(event) => event.at,
            ReportItem::Facts(_) | ReportItem::Outcome(_) => return item,
        };
        let even = self.steady.time(time);
        if even != time {
            match item.to_mut() {
                ReportItem::Result(result) => result.began_at = even,
                ReportItem::Event(event) => event.at = even,
                ReportItem::Facts(_) | ReportItem::Outcome(_) => {}
            }
        }
        item
    }

    fn keep_in_memory(&mut self, number: u64, content: Content) {
        if self.homeless.len() >= MAX_HOMELESS {
            self.homeless.pop_front();
            tracing::warn!("a report is lost: the disk refuses it and memory has no room for more");
        }
        self.homeless.push_back((number, content));
    }

    /// Tells what the spool lost, as events of their own.
    pub(crate) fn report_losses(&mut self, now: Now) {
        self.spool.give_up_old(now.mono);
        self.report_gap(now);
        if let Some(Damage { bytes, entries }) = self.spool.take_damage() {
            let text =
                format!("the spool was damaged: {entries} datagrams ({bytes} bytes) were skipped");
            self.report(&loss(now, "spool_damage", text), now);
        }
        let unsaved = self.spool.take_unsaved();
        self.unsaved += unsaved;
        // Told once the disk takes things again: before, telling would only be refused as well.
        if unsaved == 0 && self.unsaved > 0 {
            let count = std::mem::take(&mut self.unsaved);
            let text = format!(
                "the disk refused {count} datagrams: those that were not acknowledged at once are lost"
            );
            self.report(&loss(now, "spool_unsaved", text), now);
        }
    }

    /// Tells once what was given up, when the server is there again: while it is away more may follow,
    /// and telling takes room of its own.
    fn report_gap(&mut self, now: Now) {
        if self.silent || !matches!(self.greeting, Greeting::Done) {
            return;
        }
        let Some(Gap { entries, from, until }) = self.spool.gap() else { return };
        let text = format!(
            "the spool was full: {entries} datagrams of samples or events from {} to {} were given up",
            Unix(from).rfc3339(),
            Unix(until).rfc3339()
        );
        self.report(&loss(now, "spool_gap", text), now);
        self.spool.gap_told();
    }

    /// There is a way to the server now (its name was resolved at last): what was sent into nowhere
    /// is sent again soon.
    pub(crate) fn reachable(&mut self, mono: Mono) {
        self.greet(mono);
    }

    fn greet(&mut self, mono: Mono) {
        self.greeting = Greeting::Due { at: mono, tries: 0 };
    }

    /// Sends what is due. To be called after every other call and at [`Sender::next_deadline`].
    pub(crate) fn pump<'s>(
        &mut self,
        sets: &(impl Iterator<Item = &'s Set> + Clone),
        moment: Moment,
        wire: Wire<'_>,
    ) {
        self.begin_again_if_needed(moment);
        self.take_overdue(moment);
        self.greet_if_due(sets.clone().map(|set| set.number), moment, wire);
        self.send_wanted(sets, moment, wire);
        self.fetch(moment, wire);
        if moment.now.mono < self.quiet_until {
            return;
        }
        self.send_reports(moment, wire);
        self.send_backlog(moment, wire);
    }

    fn take_overdue(&mut self, moment: Moment) {
        for token in self.client.overdue(moment.at) {
            self.counts.overdue += 1;
            let Some(load) = self.under_way.remove(&token) else { continue };
            self.lost(&load, moment.now.mono);
            if self.late.len() >= MAX_LATE {
                self.late.pop_front();
            }
            self.late.push_back((token, load));
        }
    }

    /// What `load` is waits again.
    fn lost(&mut self, load: &Load, mono: Mono) {
        match load {
            Load::Hello => self.greet_later(mono),
            Load::Nothing => {}
            Load::Question(offset) => self.papers.unasked(*offset),
            Load::Samples(numbers) => numbers.iter().for_each(|n| self.spool.samples_lost(*n)),
            Load::Reports(reports) => {
                self.next_report = NextReport::MayGo;
                for (number, content) in reports {
                    match content {
                        None => self.spool.report_lost(*number),
                        Some(content) => self.keep_in_memory(*number, content.clone()),
                    }
                }
            }
        }
    }

    fn send_wanted<'s>(
        &mut self,
        sets: &(impl Iterator<Item = &'s Set> + Clone),
        moment: Moment,
        wire: Wire<'_>,
    ) {
        while let Some(set) = self.wanted.pop_first() {
            let current = sets.clone().find(|s| s.number == set).map(|s| s.parts.clone());
            let parts = current.unwrap_or_else(|| self.spool.set(set));
            if parts.is_empty() && self.orphans.len() < MAX_ORPHANS && self.orphans.insert(set) {
                tracing::warn!(set, "the definition of a set is lost, and with it its samples");
            }
            for bytes in parts {
                let Ok(content) = Content::from_parts(Kind::Sets, bytes) else { continue };
                // With too much under way the server asks again.
                self.send(&content, Load::Nothing, moment, wire);
            }
        }
    }

    /// Seals and sends; false if there is too much under way already, then what it carries waits
    /// again.
    fn send(&mut self, content: &Content, load: Load, moment: Moment, wire: Wire<'_>) -> bool {
        let token = self.next_token;
        self.next_token += 1;
        let mut out = std::mem::take(&mut self.out);
        let sealed = self.client.seal(content, token, moment.now, moment.at, &mut out);
        match sealed {
            Ok(_) => {
                wire(&out);
                self.counts.sent += 1;
                self.under_way.insert(token, load);
            }
            Err(SealError::Full | SealError::Used) => self.lost(&load, moment.now.mono),
        }
        self.out = out;
        sealed.is_ok()
    }

    fn begin_again_if_needed(&mut self, moment: Moment) {
        let unix = moment.now.unix.since(self.clocks.unix);
        let mono = moment.now.mono.since(self.clocks.mono);
        let suspended = unix.saturating_sub(mono) > SUSPENDED;
        self.clocks = moment.now;
        self.steady.look(moment.now, self.spool.next_samples());
        if suspended {
            tracing::info!("machine was suspended or its clock set: beginning a new session");
        }
        if suspended || self.client.wants_renewal(moment.at) {
            self.begin_again(0, moment);
        }
    }

    /// Begins a session above `highest`; everything under way waits again.
    fn begin_again(&mut self, highest: u64, moment: Moment) {
        let session = next_number(moment, self.client.session(), highest);
        if let Err(error) = self.sessions.store([session], true) {
            // The number is above every one used, also if this agent ends now: the clock has gone
            // on by then. Only a clock that goes back could meet it again, which the server refuses.
            tracing::warn!(%error, "cannot store the session's number");
        }
        drop(self.client.renew(session, moment.at));
        self.probes.clear();
        self.counts.sessions += 1;
        self.late.clear();
        for load in std::mem::take(&mut self.under_way).into_values() {
            self.lost(&load, moment.now.mono);
        }
        self.greet(moment.now.mono);
    }

    /// Returns when [`Sender::pump`] or [`Sender::is_silent`] has something to do, if nothing arrives
    /// before.
    pub(crate) fn next_deadline(&self) -> Mono {
        let mut next = self.heard + self.silence();
        if let Some(at) = self.client.next_timeout() {
            // Rounded up: asked a fraction early it would have nothing to say.
            next = next.min(at.mono() + Duration::from_millis(1));
        }
        if let Greeting::Due { at, .. } = self.greeting {
            next = next.min(at);
        }
        if let Some(from) = self.bulk_from() {
            let rate = self.sparing.rate(self.clocks.mono);
            let pace = Duration::from_millis(1000 / u64::from(rate.per_second));
            next = next.min(self.quiet_until.max(from).max(self.clocks.mono + pace));
        }
        next
    }

    /// Returns true if the server has everything.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.values().all(|load| matches!(load, Load::Nothing | Load::Question(_)))
            && !self.has_reports()
    }
}

fn loss(now: Now, kind: &str, text: String) -> ReportItem {
    ReportItem::Event(Event {
        at: now.unix,
        kind: EventKind::Other(kind.to_owned()),
        severity: Severity::Warning,
        text,
        tags: Vec::new(),
        data: None,
    })
}

#[cfg(test)]
mod tests;
