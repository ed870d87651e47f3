//! The engine: one value that holds all monitoring state, and the loop of its deadlines.

use std::collections::BTreeMap;
use std::sync::Arc;

use hark_model::record::{JournalKind, JournalLine, Record, Snapshot};
use hark_model::{CheckName, DeliveryId, HostId, IncidentId, Mono, Now, ReceiverName, SilenceId};

use crate::check::{Check, Rules};
use crate::dropped::Bin;
use crate::effect::Effects;
use crate::gate::Gate;
use crate::host::{Host, HostState, Hosts};
use crate::hosts::Words;
use crate::incident::Incident;
use crate::input::Input;
use crate::moment::Moment;
use crate::outbox::Outbox;
use crate::overlay::Silence;
use crate::own_clock::OwnClock;
use crate::plan::{Plan, TaggedPlans};
use crate::reach::Links;
use crate::timers::{Timer, Timers};
use crate::times::Times;

/// Numbers that are given once and never again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) host: u32,
    pub(crate) incident: u64,
    pub(crate) silence: u64,
    pub(crate) delivery: u64,
}

/// How many hosts are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    by_state: [usize; HostState::ALL.len()],
}

impl Counts {
    /// Returns how many hosts are in `state`.
    pub fn of(&self, state: HostState) -> usize {
        self.by_state[state as usize]
    }

    pub(crate) fn add(&mut self, state: HostState) {
        self.by_state[state as usize] += 1;
    }

    pub(crate) fn take(&mut self, state: HostState) {
        self.by_state[state as usize] -= 1;
    }
}

/// The pure engine. See the crate's first page for what it knows and what it does not.
#[derive(Debug)]
pub struct Engine {
    pub(crate) plan: Arc<Plan>,
    /// Of hosts that joined with tags, made from `plan`.
    pub(crate) tagged: TaggedPlans,
    pub(crate) hosts: Hosts,
    pub(crate) bin: Bin,
    pub(crate) rules: Rules,
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    pub(crate) silences: BTreeMap<SilenceId, Silence>,
    pub(crate) outbox: Outbox,
    pub(crate) links: Links,
    pub(crate) gate: Gate,
    pub(crate) timers: Timers,
    pub(crate) calendar_armed: Moment,
    pub(crate) times: Times,
    pub(crate) numbers: Numbers,
    pub(crate) counts: Counts,
    pub(crate) words: Words,
    pub(crate) started: Moment,
    /// The newest moment that was lived through: time does not go back.
    pub(crate) lived: Moment,
    pub(crate) own_clock: OwnClock,
}

impl Engine {
    /// Starts with what was stored, under `plan`; the effects are what start-up itself changes
    /// (declared hosts that are new, checks that are gone).
    pub fn new(plan: Arc<Plan>, snapshot: Snapshot, now: Now) -> (Self, Effects) {
        let mut effects = Effects::default();
        let mut engine = Self {
            plan,
            tagged: TaggedPlans::default(),
            hosts: Hosts::default(),
            bin: Bin::default(),
            rules: Rules::default(),
            incidents: BTreeMap::new(),
            silences: BTreeMap::new(),
            outbox: Outbox::default(),
            links: Links::default(),
            gate: Gate::default(),
            timers: Timers::default(),
            calendar_armed: Moment::NEVER,
            times: Times::default(),
            numbers: Numbers {
                host: snapshot.last_host,
                incident: snapshot.last_incident,
                silence: snapshot.last_silence,
                delivery: snapshot.last_delivery,
            },
            counts: Counts::default(),
            words: Words::default(),
            started: Moment::of(now),
            lived: Moment::of(now),
            own_clock: OwnClock::new(now),
        };
        engine.restore(snapshot, now, &mut effects);
        (engine, effects)
    }

    /// Applies `input`, which arrived at `now`, and pushes what must be done to `effects`.
    ///
    /// Deadlines that have passed by `now` are lived through first, each at its own moment and in
    /// order: however often ticks come, the same things happen at the same times.
    pub fn step(&mut self, input: Input, now: Now, effects: &mut Effects) {
        let now = self.forward(now);
        // Rule F5: a pause must be known before the deadlines that passed in it are looked at.
        if let Input::IngestDegraded { reason, gap } = &input
            && !gap.is_zero()
        {
            self.degrade(reason, *gap, now, effects);
            self.live_through(now, effects);
            return;
        }
        self.live_through(now, effects);
        match input {
            Input::Tick => {}
            Input::IngestDegraded { reason, gap } => self.degrade(&reason, gap, now, effects),
            Input::HostSeen(seen) => self.host_seen(&seen, now, effects),
            Input::SeriesSeen { host, series } => self.series_seen(host, &series, now, effects),
            Input::Heard(heard) => self.heard_after(&heard, now, effects),
            Input::Sampled(sampled) => self.sampled(&sampled, now, effects),
            Input::Result { host, result } => self.result(host, &result, now, effects),
            Input::Event { host, event } => self.event(host, &event, now, effects),
            Input::Facts { host, facts } => self.facts(host, facts, effects),
            Input::Delivery { delivery, incident, receiver, outcome } => {
                self.delivered(delivery, incident, &receiver, outcome, now, effects);
            }
            Input::Operator { request, by, action } => {
                self.operate(request, &by, action, now, effects);
            }
            Input::Planned(plan) => self.planned(&plan, now, effects),
            Input::IngestHealthy => self.ingest_healthy(now, effects),
            Input::ValuesSpared(spared) => self.gate.spare(spared, Moment::of(now)),
            Input::Recalled { host, check, past } => self.recalled(host, &check, past, now),
            Input::SelfCheck { part, problem } => {
                self.self_check(&part, problem.as_deref(), now, effects);
            }
        }
        // What the input made due at once is done at once.
        self.live_through(now, effects);
    }

    /// Applies a heartbeat like [`Engine::step`] with [`Input::Heard`], without taking it: the
    /// caller keeps the room of its list of values.
    pub fn heard(&mut self, heard: &crate::input::Heard, now: Now, effects: &mut Effects) {
        let now = self.forward(now);
        self.live_through(now, effects);
        self.heard_after(heard, now, effects);
        self.live_through(now, effects);
    }

    /// Reads what heartbeats of these hosts will need. Where many are handed in at once, what the processor has
    /// forgotten since the last ones comes back for several side by side, and not for one after the other: first the
    /// hosts, then what they say where to find.
    pub fn prefetch(&self, hosts: impl Iterator<Item = HostId> + Clone) {
        let hosts = hosts.filter_map(|id| self.hosts.get(id));
        // Values from all over the host, wherever the compiler has put them.
        let of_host = |sum, host: &Host| {
            let numbers = u64::from(host.interval_ms ^ host.watch_base ^ host.rtt_us);
            let lists = host.checks.len() ^ host.siblings.len() ^ host.incidents.len();
            let others = usize::from(host.flags.silent) ^ lists;
            sum ^ host.heard_unix.0.cast_unsigned() ^ numbers ^ others as u64
        };
        let of_check =
            |sum, check: &Check| sum ^ check.value.to_bits() ^ u64::from(check.spacing_ms);
        let read = hosts.clone().fold(0, of_host);
        let read = hosts.fold(read, |sum, host| host.checks.iter().fold(sum, of_check));
        std::hint::black_box(read);
    }

    /// Returns when [`Input::Tick`] is wanted at the latest; `None` if nothing is pending.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.timers.next().and_then(Moment::mono)
    }

    /// Returns the plan that is in force.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Returns a number for a message that is not the engine's own: one that stands in for another at
    /// a fallback receiver. All numbers come from one place, so that none is given twice.
    pub fn delivery_number(&mut self) -> DeliveryId {
        self.next_delivery()
    }

    /// Keeps time from going back when several sources stamp their inputs.
    fn forward(&mut self, now: Now) -> Now {
        self.own_clock.look(now);
        let mono = self.lived.mono().map_or(now.mono, |lived| lived.max(now.mono));
        Now { mono, unix: now.unix }
    }

    fn live_through(&mut self, now: Now, effects: &mut Effects) {
        while let Some((due, timer)) = self.timers.pop(Moment::of(now)) {
            self.lived = self.lived.max(due);
            let then = self.lived.now(now);
            match timer {
                Timer::Calendar => self.calendar(due, then, effects),
                Timer::Gate => self.gate_opens(then),
                Timer::Host(host) => self.look_at_host(host, due, then, effects),
                Timer::Incident(incident) => self.look_at_incident(incident, due, then, effects),
                Timer::Outbox => self.look_at_outbox(due, then, effects),
                Timer::Dropped => self.look_at_dropped(due, then, effects),
            }
        }
        self.lived = self.lived.max(Moment::of(now));
    }

    pub(crate) fn arm_host(&mut self, id: HostId, due: Moment) {
        if let Some(host) = self.hosts.get_mut(id) {
            self.timers.arm(&mut host.armed, due, Timer::Host(id));
        }
    }
}

/// What a journal line is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) host: Option<HostId>,
    pub(crate) check: Option<CheckName>,
    pub(crate) incident: Option<IncidentId>,
    pub(crate) receiver: Option<ReceiverName>,
}

impl About {
    pub(crate) fn host(host: HostId) -> Self {
        Self { host: Some(host), ..Self::default() }
    }

    pub(crate) fn check(host: HostId, check: &CheckName, incident: Option<IncidentId>) -> Self {
        Self { host: Some(host), check: Some(check.clone()), incident, receiver: None }
    }

    pub(crate) fn incident(incident: &Incident) -> Self {
        let record = &incident.record;
        Self::check(record.host, &record.check, Some(record.id))
    }

    pub(crate) fn receiver(self, receiver: &ReceiverName) -> Self {
        Self { receiver: Some(receiver.clone()), ..self }
    }
}

impl Effects {
    /// Writes a line to the history.
    pub(crate) fn journal(&mut self, now: Now, about: About, kind: JournalKind, text: String) {
        let About { host, check, incident, receiver } = about;
        let line = JournalLine { at: now.unix, host, check, incident, receiver, kind, text };
        self.records.push(Record::Journal(line));
    }
}
