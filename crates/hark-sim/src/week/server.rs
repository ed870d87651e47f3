//! The server of the week: the real engine and the real state, with the shortest driver that keeps the
//! promises of the real one. Messages are [`super::deliver`]'s.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hark_engine::effect::{Effect, Effects};
use hark_engine::input::{Action, Heard, Input};
use hark_engine::{Engine, Plan};
use hark_model::record::{DeliveryRecord, HostId, IncidentId, Matcher, Record, SilenceTerms};
use hark_model::{
    CheckName, CheckResult, DeliveryId, Next, Now, SeriesName, Status, Unix, UserName,
};
use hark_notify::outbox::Outbox;
use hark_store::state::{Change, DeliveryView, State};

use super::deliver::{Receivers, machine};
use super::life::Deed;
use super::plan::{self, METRIC, WEB, everything};
use super::{Form, WeekError};

/// How long resolved incidents are loaded for at a start: the reopen window and room.
const RESOLVED_SINCE: Duration = Duration::from_hours(1);

/// Messages of one incident that are read at a start: more than any has.
const MAX_ROWS: u32 = 10_000;

/// The running server.
#[derive(Debug)]
pub(super) struct Server {
    engine: Engine,
    state: State,
    pub(super) outbox: Outbox,
    hosts: BTreeMap<HostId, usize>,
    ids: Vec<HostId>,
    /// Under which number the metric of each host is watched.
    watches: Vec<u32>,
    /// To be written with the next commit.
    pub(super) records: Vec<Record>,
    pub(super) changes: Vec<Change>,
    effects: Effects,
    heard: Heard,
    /// The names of services, which are made once.
    services: BTreeMap<usize, CheckName>,
    request: u64,
}

/// What is not over at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) incidents: usize,
    pub(super) messages: usize,
}

impl Server {
    /// Starts on what is in `dir`. What the start itself brings is written with the first commit.
    pub(super) fn start(form: Form, dir: &Path, now: Now) -> Result<Self, WeekError> {
        let mut state = State::open(dir)?;
        state.release_leases(now.unix)?;
        let loaded = state.load(now.unix - RESOLVED_SINCE)?;
        let rows = rows(&state, &loaded.snapshot.outbox, now)?;
        let ids = loaded.snapshot.hosts.iter().map(|host| (host.id, host.name.clone()));
        let known: Vec<(HostId, hark_model::HostName)> = ids.collect();
        let plan: std::sync::Arc<Plan> = plan::plan(form);
        let (engine, effects) = Engine::new(plan, loaded.snapshot, now);
        let n_hosts = everything(form);
        let services = (0..form.hosts).filter(|host| plan::has_service(*host)).map(|host| {
            let name = format!("{WEB}{}", plan::name(form, host));
            (host, CheckName::new(&name).expect("letters, digits and a hyphen"))
        });
        let mut server = Self {
            engine,
            state,
            outbox: machine(),
            hosts: BTreeMap::new(),
            ids: vec![HostId(0); n_hosts],
            watches: vec![0; n_hosts],
            records: Vec::new(),
            changes: Vec::new(),
            effects: Effects::default(),
            heard: Heard {
                host: HostId(0),
                interval_ms: 30_000,
                moved_to: None,
                rtt_us: None,
                taken_at: now.unix,
                skew_ms: 0,
                values: Vec::with_capacity(1),
            },
            services: services.collect(),
            request: 0,
        };
        let numbers: BTreeMap<hark_model::HostName, usize> =
            (0..n_hosts).map(|host| (plan::name(form, host), host)).collect();
        for (id, name) in known {
            server.know(id, numbers.get(&name).copied());
        }
        server.effects = effects;
        for effect in &server.effects.effects {
            if let Effect::HostLearned { host, name } = effect
                && let Some(number) = numbers.get(name)
            {
                server.hosts.insert(*host, *number);
                server.ids[*number] = *host;
            }
        }
        server.take();
        let series = series();
        for id in server.ids.clone() {
            server.step(Input::SeriesSeen { host: id, series: vec![series.clone()] }, now);
        }
        server.step(Input::IngestHealthy, now);
        let mut orders = Vec::new();
        for row in rows {
            server.outbox.add(row, &mut orders, now.unix);
        }
        Ok(server)
    }

    fn know(&mut self, id: HostId, number: Option<usize>) {
        if let Some(number) = number {
            self.hosts.insert(id, number);
            self.ids[number] = id;
        }
    }

    /// Feeds the engine.
    pub(super) fn step(&mut self, input: Input, now: Now) {
        self.engine.step(input, now, &mut self.effects);
        self.take();
    }

    pub(super) fn tick(&mut self, now: Now) {
        self.step(Input::Tick, now);
    }

    pub(super) fn heard(&mut self, host: usize, value: f64, now: Now) {
        self.heard.host = self.ids[host];
        self.heard.taken_at = now.unix;
        self.heard.values.clear();
        self.heard.values.push((self.watches[host], value));
        self.engine.heard(&self.heard, now, &mut self.effects);
        self.take();
    }

    pub(super) fn looked(&mut self, host: usize, status: Status, now: Now) {
        let Some(check) = self.services.get(&host).cloned() else { return };
        let result = CheckResult {
            check,
            status,
            text: if status == Status::Ok { "open" } else { "refused" }.to_owned(),
            began_at: now.unix,
            took_ms: 5,
            values: Vec::new(),
            limits: Vec::new(),
            next: Next::AsBefore,
        };
        self.step(Input::Result { host: self.ids[host], result }, now);
    }

    /// Does what somebody wants; `incident` is the one that is meant.
    pub(super) fn act(&mut self, deed: &Deed, incident: Option<IncidentId>, now: Now) {
        let action = match deed {
            Deed::Cover { hosts, until, planned } => {
                let tens = hosts.clone().step_by(10);
                let patterns = tens.map(|first| format!("h{:04}*", first / 10)).collect();
                let until = super::at(*until).unix;
                Action::Silence(SilenceTerms {
                    matcher: Matcher { hosts: patterns, ..Matcher::default() },
                    reason: "work".to_owned(),
                    from: now.unix,
                    until,
                    maintenance: *planned,
                    flexible: None,
                    repeats: None,
                })
            }
            Deed::Take { sticky, .. } => {
                let Some(incident) = incident else { return };
                let comment = "on it".to_owned();
                Action::Acknowledge { incident, comment, until: None, sticky: *sticky }
            }
        };
        self.request += 1;
        let by = UserName::new("mira").expect("letters");
        self.step(Input::Operator { request: self.request, by, action }, now);
    }

    /// Returns a number for a message that stands in for another.
    pub(super) fn delivery_number(&mut self) -> DeliveryId {
        self.engine.delivery_number()
    }

    fn take(&mut self) {
        for effect in self.effects.effects.drain(..) {
            if let Effect::Watch { host, watches } = effect
                && let (Some(number), Some(watch)) = (self.hosts.get(&host), watches.first())
            {
                self.watches[*number] = watch.number;
            }
        }
        self.records.append(&mut self.effects.records);
    }

    /// Writes what this second has brought, and then has messages sent. Returns what the engine wanted
    /// written.
    pub(super) fn commit(
        &mut self,
        receivers: &mut Receivers,
        second: u64,
        now: Now,
    ) -> Result<Vec<Record>, WeekError> {
        let mut committed = Vec::new();
        // That a message is on its way is written before the second is over, and so is what that brings.
        while !(self.records.is_empty() && self.changes.is_empty()) {
            let records = std::mem::take(&mut self.records);
            let changes = std::mem::take(&mut self.changes);
            self.state.commit(&records, &changes)?;
            let mut rows = Vec::new();
            for record in records {
                if let Record::Outbox(row) = &record {
                    // One whose key was there before is not in the outbox.
                    if !self.state.has_delivery(row.notification.id)? {
                        continue;
                    }
                    rows.push(row.clone());
                }
                committed.push(record);
            }
            if !rows.is_empty() {
                receivers.send(rows, self, second, now);
            }
        }
        Ok(committed)
    }

    /// Returns what is not over.
    pub(super) fn left(&self) -> Result<Left, WeekError> {
        let snapshot = self.state.load(Unix(i64::MAX))?.snapshot;
        let open = snapshot.incidents.iter().filter(|incident| incident.resolved_at.is_none());
        Ok(Left { incidents: open.count(), messages: snapshot.outbox.len() })
    }
}

/// Returns the messages of before a start that the outbox must know: all that are open, and those of
/// incidents that may go on.
fn rows(
    state: &State,
    open: &[DeliveryRecord],
    now: Now,
) -> Result<Vec<DeliveryRecord>, WeekError> {
    let snapshot = state.load(now.unix - RESOLVED_SINCE)?.snapshot;
    let reader = state.reader()?;
    let mut rows = open.to_vec();
    for incident in &snapshot.incidents {
        rows.extend(reader.deliveries(DeliveryView::Of(incident.id), None, MAX_ROWS)?);
    }
    rows.sort_by_key(|row| row.notification.id);
    rows.dedup_by_key(|row| row.notification.id);
    Ok(rows)
}

fn series() -> SeriesName {
    let (collector, metric) = METRIC.split_once('.').expect("the metric's name has a dot");
    SeriesName::plain(collector, metric)
}
