//! What the server committed, as a reader of its records understands it.

use std::collections::BTreeMap;

use hark_model::record::{
    DeliveryState, FlapsTold, HostId, IncidentId, JournalKind, JournalLine, Record, ToldRecord,
};
use hark_model::{HostName, Reason, ReceiverName, Unix};

use crate::week::Form;
use crate::week::counts::Counts;
use crate::week::model::{CPU, HOST, Level, THINGS, WEB, WORDS};
use crate::week::plan::{self, METRIC, RECEIVERS};

/// Words for what keeps something back that are not among [`WORDS`], since time alone ends it or since
/// they must not come at all.
const OTHERS: [&str; 7] = ["held", "release", "group", "storm", "switch", "told", "reminder"];

/// How somebody was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// In a message of its own.
    One(Reason),
    /// With others.
    Many {
        /// In a summary, not in a group.
        summary: bool,
        /// And that it flaps.
        flaps: bool,
        /// And who took it, which was not known yet. A group of the very second may be told before.
        taken: bool,
    },
}

impl How {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::One(reason) => reason.word(),
            Self::Many { summary: true, .. } => "in a summary",
            Self::Many { summary: false, .. } => "in a group",
        }
    }
}

/// What somebody was told last, as it was committed.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    level: Level,
    flaps: bool,
    /// And that it is critical most of the time.
    pages: bool,
    /// When the problem was taken, as far as was told.
    taken_at: Option<Unix>,
    /// That was told last.
    news: bool,
}

/// Somebody was told something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) key: usize,
    pub(super) receiver: usize,
    pub(super) level: Level,
    pub(super) how: How,
    /// By now it knows as well that what flaps is critical most of the time (P6).
    pub(super) pages: bool,
}

/// What the judge looks at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Told(Told),
    Withheld {
        key: usize,
        receiver: usize,
        word: &'static str,
        /// What is kept back is that it flaps, or no more, which says how bad it is as well.
        flaps: bool,
    },
    Step {
        key: usize,
        step: usize,
    },
}

#[derive(Debug)]
pub(super) struct Committed {
    form: Form,
    by_name: BTreeMap<HostName, usize>,
    hosts: BTreeMap<HostId, usize>,
    /// The thing of each incident that is or was.
    things: BTreeMap<IncidentId, usize>,
    /// The open incident of each thing.
    pub(super) open: BTreeMap<usize, IncidentId>,
    /// The latest messages, and told-states with whether it flaps, for the lines of the journal behind them.
    rows: BTreeMap<(IncidentId, ReceiverName), Reason>,
    states: BTreeMap<(IncidentId, ReceiverName), State>,
    /// Messages that have not arrived, and since when.
    pub(super) on_the_way: BTreeMap<String, u64>,
    /// Messages of which the server does not know yet what became of them, and how many of an incident.
    unsettled: BTreeMap<String, (IncidentId, usize)>,
    n_unsettled: BTreeMap<(IncidentId, usize), usize>,
    counts: BTreeMap<(&'static str, &'static str), u64>,
}

impl Committed {
    pub(super) fn new(form: Form) -> Self {
        let hosts = 0..plan::everything(form);
        Self {
            by_name: hosts.map(|host| (plan::name(form, host), host)).collect(),
            hosts: BTreeMap::new(),
            things: BTreeMap::new(),
            open: BTreeMap::new(),
            rows: BTreeMap::new(),
            states: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            n_unsettled: BTreeMap::new(),
            counts: BTreeMap::new(),
            form,
        }
    }

    pub(super) fn count(&self, counts: &mut Counts) {
        for ((part, name), count) in &self.counts {
            counts.add(part, name, *count);
        }
    }

    fn note(&mut self, part: &'static str, name: &'static str) {
        *self.counts.entry((part, name)).or_default() += 1;
    }

    /// Returns the thing of an incident.
    pub(super) fn thing_of(&self, incident: IncidentId) -> Option<usize> {
        self.things.get(&incident).copied()
    }

    /// The server knows what became of a message.
    pub(super) fn settled(&mut self, key: &str) {
        if let Some(about) = self.unsettled.remove(key)
            && let Some(many) = self.n_unsettled.get_mut(&about)
        {
            *many -= 1;
            if *many == 0 {
                self.n_unsettled.remove(&about);
            }
        }
    }

    /// Returns whether the server waits for what becomes of a message to a receiver about a thing.
    pub(super) fn waits_for(&self, key: usize, receiver: usize) -> bool {
        let about = self.open.get(&key).map(|incident| (*incident, receiver));
        about.is_some_and(|about| self.n_unsettled.contains_key(&about))
    }

    /// Reads what was committed, in order.
    pub(super) fn read(&mut self, records: &[Record], second: u64, events: &mut Vec<Event>) {
        for record in records {
            match record {
                Record::Host(host) => {
                    if let Some(number) = self.by_name.get(&host.name) {
                        self.hosts.insert(host.id, *number);
                    }
                }
                Record::Incident(incident) => {
                    let Some(key) = self.key(incident.host, incident.check.as_str()) else {
                        continue;
                    };
                    if self.things.insert(incident.id, key).is_none() {
                        self.note("incidents", self.kind(key));
                    }
                    if incident.resolved_at.is_none() {
                        self.open.insert(key, incident.id);
                    } else if self.open.get(&key) == Some(&incident.id) {
                        self.open.remove(&key);
                    }
                }
                Record::Told(told) => self.told(told),
                Record::Outbox(row) => {
                    let key = row.notification.key.clone();
                    match row.state {
                        DeliveryState::Queued => {
                            if let Some(incident) = row.notification.incident {
                                let to = (incident, row.notification.receiver.clone());
                                self.begin(&key, incident, &to.1);
                                self.rows.insert(to, row.notification.reason);
                            }
                            self.on_the_way.insert(key, second);
                            self.note("deliveries", "messages");
                        }
                        DeliveryState::Superseded { .. } => {
                            self.on_the_way.remove(&key);
                            self.settled(&key);
                            self.note("deliveries", "replaced by a newer one before they left");
                        }
                        DeliveryState::Leased { .. }
                        | DeliveryState::Retry { .. }
                        | DeliveryState::Sent { .. }
                        | DeliveryState::Dead { .. } => {}
                    }
                }
                Record::Journal(line) => events.extend(self.line(line)),
                Record::HostRemoved(_)
                | Record::Check(_)
                | Record::CheckRemoved(..)
                | Record::Silence(_)
                | Record::SilenceRemoved(_) => {}
            }
        }
    }

    fn begin(&mut self, key: &str, incident: IncidentId, to: &ReceiverName) {
        if let Some(receiver) = RECEIVERS.iter().position(|known| *known == to.as_str()) {
            let about = (incident, receiver);
            if self.unsettled.insert(key.to_owned(), about).is_none() {
                *self.n_unsettled.entry(about).or_default() += 1;
            }
        }
    }

    fn told(&mut self, told: &ToldRecord) {
        let to = (told.incident, told.receiver.clone());
        let before = self.states.get(&to).and_then(|state| state.taken_at);
        let news = told.acknowledged.is_some() && told.acknowledged != before;
        let state = State {
            level: told.status.rank(),
            flaps: told.flaps != FlapsTold::No,
            pages: told.flaps == FlapsTold::MostlyCritical,
            taken_at: told.acknowledged,
            news,
        };
        self.states.insert(to, state);
    }

    fn line(&mut self, line: &JournalLine) -> Option<Event> {
        let incident = line.incident?;
        let key = self.thing_of(incident)?;
        if line.kind == JournalKind::Server {
            let step = line.text.strip_prefix("escalation: step ")?;
            return Some(Event::Step { key, step: usize::from(!step.starts_with('1')) });
        }
        let name = line.receiver.as_ref()?;
        let receiver = RECEIVERS.iter().position(|known| *known == name.as_str())?;
        let to = (incident, name.clone());
        if line.kind == JournalKind::Told {
            let State { level, flaps, pages, news: taken, .. } =
                self.states.get(&to).copied().unwrap_or_default();
            let how = if line.text.ends_with(": in a summary") {
                How::Many { summary: true, flaps, taken }
            } else if line.text.ends_with(": in a group") {
                How::Many { summary: false, flaps, taken }
            } else {
                How::One(self.rows.get(&to).copied()?)
            };
            return Some(Event::Told(Told { key, receiver, level, how, pages }));
        }
        if line.kind == JournalKind::Withheld {
            let (text, rest) = line.text.split_once(": ")?;
            let words = WORDS.iter().map(|(word, _)| *word).chain(OTHERS);
            let word = words.into_iter().find(|word| *word == text)?;
            let flaps = [Reason::FlapStart, Reason::FlapEnd]
                .iter()
                .any(|reason| rest.starts_with(reason.word()));
            return Some(Event::Withheld { key, receiver, word, flaps });
        }
        None
    }

    /// Returns the thing that a check of a host is.
    fn key(&self, host: HostId, check: &str) -> Option<usize> {
        let Some(host) = self.hosts.get(&host) else {
            let receiver = check.strip_prefix("receiver ")?;
            let place = RECEIVERS.iter().position(|name| *name == receiver)?;
            return Some(plan::everything(self.form) * THINGS + place);
        };
        let place = match check {
            "host" => HOST,
            METRIC => CPU,
            check if check.starts_with(plan::WEB) => WEB,
            _ => return None,
        };
        Some(host * THINGS + place)
    }

    fn kind(&self, key: usize) -> &'static str {
        if key >= plan::everything(self.form) * THINGS {
            return "receiver that fails";
        }
        ["host that is silent", "metric above a limit", "service that does not answer"]
            [key % THINGS]
    }
}
