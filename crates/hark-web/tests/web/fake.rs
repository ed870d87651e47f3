//! A server in memory: two hosts, an incident on each, and everything that is stored.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use hark_api::actions::{Actions, Order, OrderState};
use hark_api::agents::{Agent, AgentMode, Joined};
use hark_api::alerts::{Alert, Alerts, PluginHistory, PluginLatest, PluginSample, Plugins};
use hark_api::audit::AuditLine;
use hark_api::deliveries::{
    DeliveriesQuery, Delivery, DeliveryDetail, DeliveryState, Exchange, ExchangeHeader, Retried,
    Try, TryOutcome,
};
use hark_api::dns::{Dns, DnsOrdered};
use hark_api::events::{Activity, EventsBrought, EventsTaken};
use hark_api::fleet::Fleet;
use hark_api::handling::Handled;
use hark_api::hosts::{Check, Host, HostRow, HostsQuery, Limits, Looking};
use hark_api::incidents::{
    Ack, Decision, Earlier, ExplainLine, Explanation, Incident, IncidentRow, IncidentsQuery,
    LastNotification, Symptom, Told,
};
use hark_api::list::{Page, PageQuery, limit};
use hark_api::live::{HostChange, Rows};
use hark_api::overview::{Counts, Kpis, Overview, Problem, Quiet, Soft, Verdict};
use hark_api::pushes::Push;
use hark_api::receivers::{Receiver, Route};
use hark_api::reports::{AgentNews, GivenConfiguration, GivenOrder, ReportStored};
use hark_api::route_test::{Rota, RouteTestLine};
use hark_api::series::{IncidentSpan, Lane, LaneSpan, Lanes, Metric, MetricKind, Metrics, Series};
use hark_api::server::{HistoryReport, HistoryState, ServerReport};
use hark_api::silences::{self, CoveredIncident, Matches, Preview, Silence};
use hark_api::summaries::{MadeReport, ReportRow};
use hark_api::updates::Rollout;
use hark_api::words::{Fresh, Kind, Letter, State, Status};
use hark_api::{Cursor, Timestamp};
use hark_model::record::Matcher;
use hark_model::{
    CheckName, DeliveryId, HostId, HostName, IncidentId, ReceiverName, RotaName, SilenceId, Unix,
    UserName,
};
use hark_web::{
    Account, AckOrder, ActionOrder, AgentClaim, AgentProof, Answer, ApiTokenRecord, Backend, Batch,
    DnsAction, EnrolmentRecord, JobPing, JoinOrder, Offer, Refused, ReportPeriod, RouteQuestion,
    SeriesOrder, ServiceAnswer, ServiceCall, SessionRecord, Sight, SilenceOrder, TokenHash,
    TokenOrder,
};

/// The one agent whose proof is taken, and the tag that is.
pub(crate) const AGENT: u64 = 0xff;
pub(crate) const AGENT_TAG: [u8; 32] = [0xab; 32];

/// A fixed moment: 2026-11-20 12:00 UTC.
const THEN: Unix = Unix(1_795_176_000_000);

#[derive(Debug)]
pub(crate) struct Fake {
    state: Mutex<Stored>,
}

#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) hosts: Vec<String>,
    pub(crate) accounts: BTreeMap<UserName, Account>,
    pub(crate) sessions: BTreeMap<TokenHash, SessionRecord>,
    pub(crate) api_tokens: BTreeMap<TokenHash, ApiTokenRecord>,
    pub(crate) enrolments: BTreeMap<TokenHash, EnrolmentRecord>,
    pub(crate) silences: BTreeMap<u64, Silence>,
    pub(crate) acks: BTreeMap<u64, Ack>,
    pub(crate) causes: BTreeMap<u64, u64>,
    pub(crate) comments: Vec<(u64, String)>,
    pub(crate) audit: Vec<AuditLine>,
    pub(crate) joined: Vec<(HostName, [u8; 32])>,
    pub(crate) number: u64,
    pub(crate) claims: Vec<AgentClaim>,
    pub(crate) looks: u32,
    pub(crate) batches: Vec<Batch>,
    pub(crate) pings: Vec<(JobPing, String)>,
    pub(crate) broken: bool,
    pub(crate) panics: bool,
    pub(crate) cpu: f64,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let state = Stored {
            hosts: vec!["db1".to_owned(), "web1".to_owned()],
            cpu: 12.5,
            ..Stored::default()
        };
        Self { state: Mutex::new(state) }
    }

    pub(crate) fn stored(&self) -> MutexGuard<'_, Stored> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn check(&self, host: &HostName) -> Answer<()> {
        let known = self.stored().hosts.iter().any(|name| name == host.as_str());
        if known { Ok(()) } else { Err(Refused::Absent) }
    }

    fn seen(&self, sight: &Sight) -> Vec<String> {
        let stored = self.stored();
        stored.hosts.iter().filter(|host| sight.covers(host)).cloned().collect()
    }

    fn rows_of(&self, sight: &Sight) -> Vec<IncidentRow> {
        let stored = self.stored();
        let rows = stored.hosts.iter().zip(1..).filter(|(host, _)| sight.covers(host));
        rows.map(|(host, id)| {
            let cause = stored.causes.get(&id).copied();
            let row = incident_row(host, id, stored.acks.get(&id).cloned());
            IncidentRow { cause, caused_by_hand: cause.is_some(), ..row }
        })
        .collect()
    }
}

fn found<T>(item: Option<T>) -> Answer<T> {
    item.ok_or(Refused::Absent)
}

fn activity(host: Option<&str>) -> Activity {
    Activity {
        at_unix_s: THEN.seconds(),
        kind: if host.is_some() { Kind::Transition } else { Kind::Server },
        host: host.map(ToOwned::to_owned),
        check: host.map(|_| "cpu_monitor.cpu_percent".to_owned()),
        incident: host.map(|_| 1),
        state: host.map(|_| State::Crit),
        text: "cpu is at 97".to_owned(),
    }
}

fn a_try() -> Try {
    let header = ExchangeHeader { name: "authorization".to_owned(), value: "…".to_owned() };
    Try {
        number: 1,
        at: Timestamp(THEN),
        took_ms: 120,
        outcome: TryOutcome::Retry,
        next_try_at: Some(Timestamp(THEN)),
        failure: "put_off".to_owned(),
        said: "answered 503: later".to_owned(),
        exchanges: vec![Exchange {
            asked: "POST https://hooks.example.net/…".to_owned(),
            headers: vec![header],
            body: "{}".to_owned(),
            body_bytes: 2,
            status: "503".to_owned(),
            answer: "later".to_owned(),
            took_ms: 118,
        }],
        omitted: 0,
    }
}

fn delivery(host: &str, id: u64) -> Delivery {
    Delivery {
        id,
        at: Timestamp(THEN),
        sent_at: Some(Timestamp(THEN)),
        incident: Some(1),
        host: host.to_owned(),
        check: Some("cpu_monitor.cpu_percent".to_owned()),
        receiver: "ops-mail".to_owned(),
        kind: "email".to_owned(),
        reason: "problem".to_owned(),
        summary: "CRITICAL: db1 - cpu_monitor.cpu_percent = 97.0".to_owned(),
        state: DeliveryState::Sent,
        attempts: 1,
        next_try_at: None,
        error: String::new(),
        took_ms: 12,
    }
}

fn incident_row(host: &str, id: u64, ack: Option<Ack>) -> IncidentRow {
    IncidentRow {
        id,
        host: host.to_owned(),
        check: "cpu_monitor.cpu_percent".to_owned(),
        state: State::Crit,
        peak: State::Crit,
        status: Status::Critical,
        text: "cpu is at 97".to_owned(),
        since_at: Timestamp(THEN),
        since_unix_s: THEN.seconds(),
        resolved_at: None,
        ack,
        silenced_until_at: None,
        cause: None,
        caused_by_hand: false,
        symptoms: 1,
        last_notification: Some(LastNotification {
            receiver: "ops-mail".to_owned(),
            result: Told::Sent,
            at: Timestamp(THEN),
            text: "sent".to_owned(),
        }),
    }
}

fn problem(host: &str, incident: u64, ack: Option<Ack>) -> Problem {
    Problem {
        incident,
        host: host.to_owned(),
        check: "cpu_monitor.cpu_percent".to_owned(),
        state: State::Crit,
        text: "cpu is at 97".to_owned(),
        since_unix_s: THEN.seconds(),
        ack,
        silenced_until_unix_s: None,
        symptoms: 0,
        soft: Some(Soft { attempt: 2, of: 3 }),
        strip: "o46c2".to_owned(),
        spark: vec![Some(1.0), None, Some(97.0)],
        limit: Some(90.0),
        flapping: false,
    }
}

impl Backend for Fake {
    fn overview(&self, sight: &Sight) -> Answer<Overview> {
        if self.stored().broken {
            return Err(Refused::Unavailable("disk on fire".to_owned()));
        }
        assert!(!self.stored().panics, "the fake was told to panic");
        let silences = self.silences(sight)?;
        let (maintenance, silences) = silences.into_iter().partition(|s| s.maintenance);
        Ok(Overview {
            at_unix_s: THEN.seconds(),
            verdict: Verdict { text: "2 hosts need attention".to_owned(), sub: String::new() },
            counts: self.counts(sight)?,
            kpis: Kpis { availability_24h: Some(0.999), ..Kpis::default() },
            problems: self.problems(sight)?,
            more: 0,
            quiet: Quiet { silences, maintenance },
            events: self.events(sight, None, None, &PageQuery::default())?.items,
        })
    }

    fn fleet(&self, sight: &Sight) -> Answer<Fleet> {
        let name = self.seen(sight);
        let n = name.len();
        Ok(Fleet {
            etag: format!("r{n}"),
            at_unix_s: THEN.seconds(),
            id: (1..).take(n).collect(),
            state: "c".repeat(n),
            site: vec![0; n],
            sites: vec![String::new()],
            tags: vec![vec!["role:db".to_owned()]; n],
            text: vec!["cpu is at 97".to_owned(); n],
            since_unix_s: vec![THEN.seconds(); n],
            last_heard_unix_s: vec![None; n],
            cpu: vec![Some(97.0); n],
            mem: vec![None; n],
            disk: vec![None; n],
            strip: vec!["o48".to_owned(); n],
            address: vec![None; n],
            os: vec![String::new(); n],
            uptime_s: vec![None; n],
            name,
        })
    }

    fn hosts(&self, sight: &Sight, query: &HostsQuery) -> Answer<Page<HostRow>> {
        let after = query.cursor.as_ref().and_then(Cursor::name).unwrap_or_default().to_owned();
        let mut rest = self.seen(sight);
        rest.retain(|name| name.as_str() > after.as_str());
        let more = rest.len() > limit(query.limit);
        rest.truncate(limit(query.limit));
        let next = rest.last().filter(|_| more).and_then(|name| Cursor::of_name(name));
        let items = rest.into_iter().zip(1..).map(|(name, id)| HostRow {
            id,
            name,
            state: Letter::Critical,
            text: "cpu is at 97".to_owned(),
            last_heard_at: Some(Timestamp(THEN)),
            interval_seconds: 30.0,
            address: Some("192.0.2.7".to_owned()),
            tags: Vec::new(),
        });
        Ok(Page { items: items.collect(), next })
    }

    fn host(&self, _: &Sight, host: &HostName) -> Answer<Host> {
        self.check(host)?;
        Ok(Host {
            id: 1,
            name: host.to_string(),
            state: Letter::Critical,
            word: "Critical".to_owned(),
            text: "cpu is at 97".to_owned(),
            since_at: Some(Timestamp(THEN)),
            address: None,
            tags: vec!["role:db".to_owned()],
            facts: BTreeMap::from([("os".to_owned(), "Debian 12".to_owned())]),
            interval_seconds: 30.0,
            last_heard_at: None,
            rtt_seconds: Some(0.001),
            agent_version: "0.1.0".to_owned(),
            loss_ratio: None,
            checks: vec![Check {
                name: "cpu_monitor.cpu_percent".to_owned(),
                status: Status::Critical,
                hard: Status::Pending,
                soft: None,
                value: Some(97.0),
                unit: "percent".to_owned(),
                text: "97".to_owned(),
                rule: "above 90, clears at 81".to_owned(),
                is_looked_at: false,
                active: None,
                sites: Vec::new(),
                changed_at: None,
                seen_at: None,
                fresh: Fresh::Late,
                flapping: false,
                incident: Some(1),
                limits: Limits { warning: None, critical: Some(90.0) },
            }],
            incidents: vec![1],
            parents: Vec::new(),
            children: Vec::new(),
            profile: Vec::new(),
            unreachable_because: None,
            not_reproven: false,
            declared: None,
        })
    }

    fn metrics(&self, host: &HostName) -> Answer<Metrics> {
        self.check(host)?;
        Ok(Metrics {
            items: vec![Metric {
                path: "cpu_monitor.cpu_percent".to_owned(),
                collector: "cpu_monitor".to_owned(),
                instance: String::new(),
                metric: "cpu_percent".to_owned(),
                unit: "percent".to_owned(),
                kind: MetricKind::Gauge,
                last: Some(97.0),
                at_unix_s: Some(THEN.seconds()),
            }],
        })
    }

    fn series(&self, host: &HostName, order: &SeriesOrder) -> Answer<Series> {
        self.check(host)?;
        let column = vec![vec![Some(1.0), None]; order.names.len()];
        Ok(Series {
            from_unix_s: order.from.seconds(),
            to_unix_s: order.to.seconds(),
            step_s: 60.0,
            at_unix_s: vec![order.from.seconds(), order.from.seconds() + 60],
            names: order.names.clone(),
            units: vec!["percent".to_owned(); order.names.len()],
            min: column.clone(),
            avg: column.clone(),
            max: column,
            incidents: vec![IncidentSpan {
                from_unix_s: order.from.seconds(),
                to_unix_s: None,
                id: 1,
                state: State::Warn,
            }],
            limits: BTreeMap::from([("a".to_owned(), Limits::default())]),
        })
    }

    fn lanes(&self, host: &HostName, from: Unix, to: Unix) -> Answer<Lanes> {
        self.check(host)?;
        let (from_unix_s, to_unix_s) = (from.seconds(), to.seconds());
        let spans = vec![LaneSpan { from_unix_s, to_unix_s, state: Letter::None }];
        Ok(Lanes { lanes: vec![Lane { check: "host".to_owned(), spans }] })
    }

    fn plugins(&self, host: &HostName) -> Answer<Plugins> {
        self.check(host)?;
        let values = BTreeMap::from([("cpu_percent".to_owned(), Some(97.0))]);
        let latest = PluginLatest { at: Some(Timestamp(THEN)), values };
        let plugins = BTreeMap::from([("cpu_monitor".to_owned(), latest)]);
        Ok(Plugins { host: host.to_string(), plugins })
    }

    fn plugin(&self, host: &HostName, plugin: &str, limit: usize) -> Answer<PluginHistory> {
        self.check(host)?;
        let values = BTreeMap::from([("cpu_percent".to_owned(), None)]);
        let samples = vec![PluginSample { at: Timestamp(THEN), values }; limit];
        Ok(PluginHistory { host: host.to_string(), plugin: plugin.to_owned(), samples })
    }

    fn alerts(&self, sight: &Sight, host: Option<&HostName>) -> Answer<Alerts> {
        if let Some(host) = host {
            self.check(host)?;
        }
        let mut seen = self.seen(sight);
        seen.retain(|name| host.is_none_or(|host| host.as_str() == name));
        let alerts = seen.into_iter().map(|host| Alert {
            host,
            check: "cpu_monitor.cpu_percent".to_owned(),
            status: Status::Critical,
            value: Some(97.0),
            text: String::new(),
            since_at: None,
            acknowledged: false,
        });
        Ok(Alerts { alerts: alerts.collect() })
    }

    fn events(
        &self,
        sight: &Sight,
        host: Option<&HostName>,
        _: Option<&str>,
        _: &PageQuery,
    ) -> Answer<Page<Activity>> {
        if let Some(host) = host {
            self.check(host)?;
        }
        let hosts = self.seen(sight);
        let mut all: Vec<Activity> = hosts.iter().map(|name| activity(Some(name))).collect();
        all.push(activity(None));
        all.retain(|line| {
            sight.covers_activity(line)
                && host.is_none_or(|host| line.host.as_deref() == Some(host.as_str()))
        });
        Ok(Page::whole(all))
    }

    fn incidents(&self, sight: &Sight, _: &IncidentsQuery) -> Answer<Page<IncidentRow>> {
        Ok(Page { items: self.rows_of(sight), next: Some(Cursor::of_number(2)) })
    }

    fn incident(&self, sight: &Sight, incident: IncidentId) -> Answer<Incident> {
        let row = found(self.rows_of(sight).into_iter().find(|row| row.id == incident.0))?;
        let check = row.check.clone();
        Ok(Incident {
            notifications: vec![delivery(&row.host, 1)],
            timeline: vec![activity(Some(&row.host))],
            symptoms_list: vec![Symptom { id: 9, host: row.host.clone(), check }],
            resolvable: false,
            row,
            rule: "above 90".to_owned(),
            value: Some(97.0),
            unit: "percent".to_owned(),
            limits: Limits::default(),
            comments: Vec::new(),
            seen_before: vec![Earlier {
                id: 0,
                since_at: Timestamp(THEN),
                duration_seconds: Some(60.0),
                resolution: "recovered".to_owned(),
            }],
        })
    }

    fn incident_of(&self, incident: IncidentId) -> Answer<(HostName, CheckName)> {
        let rows = self.rows_of(&Sight::Everything);
        let row = found(rows.iter().find(|row| row.id == incident.0))?;
        Ok((HostName::new(&row.host).unwrap(), CheckName::new(&row.check).unwrap()))
    }

    fn explain(&self, incident: IncidentId) -> Answer<Explanation> {
        self.incident_of(incident)?;
        let line = ExplainLine {
            present: true,
            at: Timestamp(THEN),
            receiver: Some("ops-mail".to_owned()),
            decision: Decision::Withheld,
            block: Some("silence".to_owned()),
            text: "silenced by mira".to_owned(),
        };
        Ok(Explanation { lines: vec![line], repair: None })
    }

    fn bring_events(&self, brought: EventsBrought) -> Answer<EventsTaken> {
        let refused = brought.events.iter().filter(|event| event.uid.len() != 32).count();
        Ok(EventsTaken { node: "fake".to_owned(), refused: refused as u64 })
    }

    fn deliveries(&self, sight: &Sight, _: &DeliveriesQuery) -> Answer<Page<Delivery>> {
        let seen = self.seen(sight);
        Ok(Page::whole(seen.iter().zip(1..).map(|(host, id)| delivery(host, id)).collect()))
    }

    fn delivery(&self, sight: &Sight, id: DeliveryId) -> Answer<Delivery> {
        let all = self.deliveries(sight, &DeliveriesQuery::default())?.items;
        found(all.into_iter().find(|delivery| delivery.id == id.0))
    }

    fn delivery_detail(&self, sight: &Sight, id: DeliveryId) -> Answer<DeliveryDetail> {
        let row = self.delivery(sight, id)?;
        Ok(DeliveryDetail { row, tries: vec![a_try()], waits: true, exchanges_hidden: false })
    }

    fn retry_delivery(&self, _: DeliveryId) -> Answer<Retried> {
        Ok(Retried { under_way: false })
    }

    fn silences(&self, sight: &Sight) -> Answer<Vec<Silence>> {
        let stored = self.stored();
        let seen = |silence: &&Silence| {
            *sight == Sight::Everything
                || silence.matcher.hosts.iter().any(|host| sight.covers(host))
        };
        Ok(stored.silences.values().filter(seen).cloned().collect())
    }

    fn preview(&self, sight: &Sight, _: &Matcher) -> Answer<Preview> {
        let names = self.seen(sight);
        let incidents = self.rows_of(sight);
        let incidents_list = incidents
            .iter()
            .map(|row| CoveredIncident {
                id: row.id,
                host: row.host.clone(),
                check: row.check.clone(),
                state: row.state,
            })
            .collect();
        Ok(Preview {
            hosts: names.len() as u64,
            incidents: incidents.len() as u64,
            names,
            incidents_list,
        })
    }

    fn receivers(&self) -> Answer<Vec<Receiver>> {
        Ok(vec![Receiver {
            name: "ops-mail".to_owned(),
            kind: "email".to_owned(),
            target: "ops@example.net".to_owned(),
            fallback: None,
            last: Some(delivery("db1", 1)),
            failing: false,
            waiting: 2,
            oldest_at: Some(Timestamp(THEN)),
        }])
    }

    fn openmetrics(&self) -> Answer<String> {
        Ok("# EOF\n".to_owned())
    }

    fn routes(&self) -> Answer<Vec<Route>> {
        Ok(vec![Route {
            name: "all".to_owned(),
            matches: "everything".to_owned(),
            to: vec!["ops-mail".to_owned()],
            sentence: "everything → ops-mail".to_owned(),
        }])
    }

    fn route_test(&self, question: &RouteQuestion) -> Answer<Vec<RouteTestLine>> {
        Ok(vec![RouteTestLine {
            at: Timestamp(question.at.unwrap_or_default()),
            receiver: Some("ops-mail".to_owned()),
            user: None,
            route: Some("all".to_owned()),
            step: None,
            reason: Some("problem".to_owned()),
            block: None,
            text: format!("{} {:?}", question.severity, question.check),
        }])
    }

    fn rotas(&self) -> Answer<Vec<Rota>> {
        Ok(vec![Rota {
            name: "web".to_owned(),
            now: Some("anna".to_owned()),
            until: Some(Timestamp(Unix(1000))),
            next: None,
        }])
    }

    fn rota_calendar(&self, rota: &RotaName) -> Answer<String> {
        let known = rota.as_str() == "web";
        known.then(|| "BEGIN:VCALENDAR\r\n".to_owned()).ok_or(Refused::Absent)
    }

    fn agents(&self, sight: &Sight) -> Answer<Vec<Agent>> {
        let agent = |host| Agent {
            host,
            mode: AgentMode::Enrolled,
            version: "0.1.0".to_owned(),
            last_seen_at: None,
            address: None,
            loss_ratio: Some(0.0),
            rtt_seconds: None,
            clock_skew_seconds: None,
            duplicates: 0,
        };
        Ok(self.seen(sight).into_iter().map(agent).collect())
    }

    fn server(&self) -> Answer<ServerReport> {
        Ok(ServerReport {
            version: "0.1.0".to_owned(),
            started_at: Timestamp(THEN),
            uptime_seconds: 1.0,
            hosts: 2,
            series: 68,
            datagrams: BTreeMap::from([("received".to_owned(), 7)]),
            history: HistoryReport { state: HistoryState::Ok, reason: String::new(), bytes: 1 },
            store: BTreeMap::from([("commits".to_owned(), 3.0)]),
            queues: BTreeMap::new(),
            receivers_failing: Vec::new(),
        })
    }

    fn host_id(&self, host: &HostName) -> Answer<HostId> {
        let stored = self.stored();
        let place = stored.hosts.iter().zip(1..).find(|(name, _)| *name == host.as_str());
        found(place.map(|(_, id)| HostId(id)))
    }

    fn counts(&self, sight: &Sight) -> Answer<Counts> {
        Ok(Counts { crit: self.seen(sight).len() as u64, ..Counts::default() })
    }

    fn problems(&self, sight: &Sight) -> Answer<Vec<Problem>> {
        let rows = self.rows_of(sight);
        Ok(rows.into_iter().map(|row| problem(&row.host, row.id, row.ack)).collect())
    }

    fn rows(&self, sight: &Sight, hosts: &[HostId]) -> Answer<Rows> {
        let stored = self.stored();
        let mut rows = Rows::default();
        for (name, id) in stored.hosts.iter().zip(1..) {
            if hosts.contains(&HostId(id)) && sight.covers(name) {
                rows.id.push(id);
                rows.state.push('c');
                rows.cpu.push(Some(stored.cpu));
                rows.mem.push(None);
                rows.disk.push(None);
                rows.last_heard_unix_s.push(None);
                rows.text.push(String::new());
            }
        }
        Ok(rows)
    }

    fn host_change(&self, host: &HostName) -> Answer<HostChange> {
        self.check(host)?;
        let sample = (1.5, Some(self.stored().cpu));
        Ok(HostChange {
            state: "c".to_owned(),
            samples: BTreeMap::from([("cpu_monitor.cpu_percent".to_owned(), sample)]),
            ..HostChange::default()
        })
    }

    fn ack(&self, incident: IncidentId, order: &AckOrder) -> Answer<()> {
        let ack = Ack {
            by: order.by.to_string(),
            comment: order.comment.clone(),
            until_unix_s: order.until.map(Unix::seconds),
            sticky: order.sticky,
        };
        self.stored().acks.insert(incident.0, ack);
        Ok(())
    }

    fn unack(&self, incident: IncidentId, _: &UserName) -> Answer<()> {
        let removed = self.stored().acks.remove(&incident.0);
        removed.map(drop).ok_or_else(|| Refused::Conflict("nobody has acknowledged it".to_owned()))
    }

    fn comment(&self, incident: IncidentId, _: &UserName, text: &str) -> Answer<()> {
        self.stored().comments.push((incident.0, text.to_owned()));
        Ok(())
    }

    fn resolve(&self, incident: IncidentId, _: &UserName, comment: &str) -> Answer<()> {
        self.stored().comments.push((incident.0, comment.to_owned()));
        Ok(())
    }

    fn relate(&self, incident: IncidentId, _: &UserName, cause: Option<IncidentId>) -> Answer<()> {
        let mut stored = self.stored();
        match cause {
            Some(cause) => stored.causes.insert(incident.0, cause.0),
            None => stored.causes.remove(&incident.0),
        };
        Ok(())
    }

    fn silence(&self, order: &SilenceOrder) -> Answer<Silence> {
        let mut stored = self.stored();
        let id = stored.silences.len() as u64 + 1;
        let silence = Silence {
            id,
            matcher: silences::Matcher {
                hosts: order.matcher.hosts.clone(),
                checks: order.matcher.checks.clone(),
                tags: order.matcher.tags.iter().map(ToString::to_string).collect(),
                severity: order.matcher.severity.map(Into::into),
            },
            by: order.by.to_string(),
            reason: order.reason.clone(),
            from_at: Timestamp(order.from),
            until_at: Timestamp(order.until),
            maintenance: order.maintenance,
            flexible_seconds: order.flexible.map(|lasts| lasts.as_secs_f64()),
            begun_at: None,
            repeats: None,
            withheld: 0,
            matches: Matches::default(),
            declared: None,
        };
        stored.silences.insert(id, silence.clone());
        Ok(silence)
    }

    fn end_silence(&self, silence: SilenceId, _: &UserName) -> Answer<()> {
        found(self.stored().silences.remove(&silence.0)).map(drop)
    }

    fn actions(&self, host: &HostName) -> Answer<Actions> {
        self.check(host)?;
        Ok(Actions { offered: vec!["restart".to_owned()], orders: vec![ordered("restart")] })
    }

    fn order(&self, order: &ActionOrder) -> Answer<Order> {
        self.check(&order.host)?;
        assert_eq!(order.reason, "it hangs");
        Ok(ordered(&order.action))
    }

    fn look_now(&self, host: &HostName, check: Option<&CheckName>) -> Answer<Looking> {
        self.check(host)?;
        match check.map(CheckName::as_str) {
            None => Ok(Looking { checks: 2 }),
            Some("web") => Ok(Looking { checks: 1 }),
            Some(_) => Err(Refused::Absent),
        }
    }

    fn drop_host(&self, host: &HostName, _: &UserName) -> Answer<()> {
        self.check(host)?;
        self.stored().hosts.retain(|name| name != host.as_str());
        Ok(())
    }

    fn test_receiver(&self, receiver: &ReceiverName, _: &UserName) -> Answer<DeliveryId> {
        if receiver.as_str() == "ops-mail" { Ok(DeliveryId(7)) } else { Err(Refused::Absent) }
    }

    fn offered(&self, token: &str) -> Answer<Offer> {
        match token {
            "a-token" => {
                let ack = self.stored().acks.get(&1).cloned();
                Ok(Offer {
                    receiver: ReceiverName::new("chat").unwrap(),
                    until: THEN + std::time::Duration::from_hours(24),
                    incident: incident_row("db1<b>", 1, ack),
                })
            }
            "an-old-token" => Err(Refused::Conflict("the token is no longer good".to_owned())),
            _ => Err(Refused::Absent),
        }
    }

    fn handle(&self, token: &str, order: &TokenOrder) -> Answer<Handled> {
        let offer = self.offered(token)?;
        let by = UserName::via(&offer.receiver);
        let done = offer.incident.ack.is_none();
        if done {
            let ack = Ack {
                by: by.to_string(),
                comment: order.comment.clone(),
                until_unix_s: order.until.map(Unix::seconds),
                sticky: order.sticky,
            };
            self.stored().acks.insert(1, ack);
        }
        Ok(Handled {
            incident: 1,
            host: "db1".to_owned(),
            check: "cpu_monitor.cpu_percent".to_owned(),
            by: by.to_string(),
            done,
            refused: false,
            text: if done { "acknowledged" } else { "somebody has it already" }.to_owned(),
        })
    }

    fn called(&self, receiver: &ReceiverName, call: &ServiceCall) -> Answer<ServiceAnswer> {
        if receiver.as_str() != "chat" {
            return Err(Refused::Absent);
        }
        let signature = call.headers.get("x-signature").map_or(&b""[..], |value| value.as_bytes());
        if signature == b"none needed" && !call.is_held {
            // As a service that signs nothing: the token in the call is none of ours.
            let (content_type, body) = ("text/plain", "none of this server's".to_owned());
            return Ok(ServiceAnswer::Signed { is_proven: false, content_type, body, deed: None });
        }
        if signature != b"good" {
            return Ok(ServiceAnswer::Unsigned);
        }
        if call.body.is_empty() {
            return Ok(ServiceAnswer::Malformed("it is empty".to_owned()));
        }
        Ok(ServiceAnswer::Signed {
            is_proven: true,
            content_type: "application/json",
            body: format!("{{\"bytes\":{}}}", call.body.len()),
            deed: Some((UserName::via(receiver), "1: on it".to_owned())),
        })
    }

    fn account(&self, user: &UserName) -> Answer<Account> {
        found(self.stored().accounts.get(user).cloned())
    }

    fn accounts(&self) -> Answer<Vec<Account>> {
        Ok(self.stored().accounts.values().cloned().collect())
    }

    fn put_account(&self, account: &Account) -> Answer<()> {
        assert_eq!(account.declared, None, "a declared user is never written back");
        self.stored().accounts.insert(account.name.clone(), account.clone());
        Ok(())
    }

    fn drop_account(&self, user: &UserName) -> Answer<()> {
        let mut stored = self.stored();
        stored.sessions.retain(|_, session| session.user != *user);
        stored.api_tokens.retain(|_, token| token.user != *user);
        found(stored.accounts.remove(user)).map(drop)
    }

    fn session(&self, hash: &TokenHash) -> Answer<SessionRecord> {
        found(self.stored().sessions.get(hash).cloned())
    }

    fn sessions(&self, user: &UserName) -> Answer<Vec<SessionRecord>> {
        let stored = self.stored();
        Ok(stored.sessions.values().filter(|session| session.user == *user).cloned().collect())
    }

    fn put_session(&self, session: &SessionRecord) -> Answer<()> {
        self.stored().sessions.insert(session.hash, session.clone());
        Ok(())
    }

    fn drop_session(&self, hash: &TokenHash) -> Answer<()> {
        self.stored().sessions.remove(hash);
        Ok(())
    }

    fn api_token(&self, hash: &TokenHash) -> Answer<ApiTokenRecord> {
        found(self.stored().api_tokens.get(hash).cloned())
    }

    fn api_tokens(&self, user: &UserName) -> Answer<Vec<ApiTokenRecord>> {
        let stored = self.stored();
        Ok(stored.api_tokens.values().filter(|token| token.user == *user).cloned().collect())
    }

    fn put_api_token(&self, token: &ApiTokenRecord) -> Answer<()> {
        self.stored().api_tokens.insert(token.hash, token.clone());
        Ok(())
    }

    fn drop_api_token(&self, hash: &TokenHash) -> Answer<()> {
        self.stored().api_tokens.remove(hash);
        Ok(())
    }

    fn audit(&self, line: &AuditLine) -> Answer<()> {
        self.stored().audit.push(line.clone());
        Ok(())
    }

    fn audit_lines(&self, page: &PageQuery) -> Answer<Page<AuditLine>> {
        let lines = self.stored().audit.iter().rev().take(limit(page.limit)).cloned().collect();
        Ok(Page::whole(lines))
    }

    fn enrolment(&self, hash: &TokenHash) -> Answer<EnrolmentRecord> {
        found(self.stored().enrolments.get(hash).cloned())
    }

    fn enrolments(&self) -> Answer<Vec<EnrolmentRecord>> {
        Ok(self.stored().enrolments.values().cloned().collect())
    }

    fn put_enrolment(&self, enrolment: &EnrolmentRecord) -> Answer<()> {
        self.stored().enrolments.insert(enrolment.hash, enrolment.clone());
        Ok(())
    }

    fn drop_enrolment(&self, hash: &TokenHash) -> Answer<()> {
        self.stored().enrolments.remove(hash);
        Ok(())
    }

    fn join(&self, order: &JoinOrder) -> Answer<Joined> {
        let mut stored = self.stored();
        let record = found(stored.enrolments.get_mut(&order.token))?;
        record.uses_left = found(record.uses_left.checked_sub(1))?;
        stored.joined.push((order.name.clone(), order.key));
        Ok(Joined {
            agent_id: "00112233445566ff".to_owned(),
            server_udp_port: 50003,
            interval_seconds: 30.0,
            config_revision: 1,
        })
    }

    fn rollout(&self, _: &Sight) -> Answer<Rollout> {
        Ok(Rollout {
            enabled: true,
            percent: 25,
            hosts: Vec::new(),
            tags: vec!["canary".to_owned()],
            releases: Vec::new(),
            versions: [("0.1.0".to_owned(), 2)].into(),
        })
    }

    fn release(&self, name: &str, host: &HostName) -> Answer<Option<PathBuf>> {
        match (name, host.as_str()) {
            ("hark-x86_64-linux", "web1") => {
                Ok(Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web/fake.rs"))))
            }
            ("hark-x86_64-linux", _) => Ok(None),
            _ => Err(Refused::Absent),
        }
    }

    fn prove_agent(&self, claim: &AgentClaim) -> Answer<AgentProof> {
        let mut stored = self.stored();
        let good = claim.agent == AGENT && claim.tag == AGENT_TAG;
        Ok(if !good {
            AgentProof::Wrong
        } else if claim.number <= stored.number {
            AgentProof::Stale(stored.number)
        } else {
            stored.number = claim.number;
            stored.claims.push(claim.clone());
            AgentProof::Proven(3)
        })
    }

    fn take_batch(&self, place: usize, _: IpAddr, batch: Batch) -> Answer<ReportStored> {
        assert_eq!(place, 3, "what the proof gave");
        self.stored().batches.push(batch);
        Ok(ReportStored {
            samples_stored: true,
            held_seconds: 0.0,
            now_unix_s: 1_795_176_000.5,
            config_revision: 7,
            order: 0,
        })
    }

    fn agent_news(&self, place: usize) -> Answer<AgentNews> {
        assert_eq!(place, 3, "what the proof gave");
        let mut stored = self.stored();
        stored.looks += 1;
        // The second look finds an order.
        Ok(AgentNews { config_revision: 7, order: if stored.looks > 1 { 5 } else { 0 } })
    }

    fn given_order(&self, place: usize, number: u32) -> Answer<GivenOrder> {
        assert_eq!(place, 3, "what the proof gave");
        let text = if number == 5 { "{\"action\":\"restart\"}" } else { "" };
        Ok(GivenOrder { number, text: text.to_owned() })
    }

    fn given_configuration(&self, place: usize) -> Answer<GivenConfiguration> {
        assert_eq!(place, 3, "what the proof gave");
        Ok(GivenConfiguration { revision: 7, text: "{\"interval\": \"10s\"}".to_owned() })
    }

    fn push(&self, token: &str, ping: JobPing, log: &str) -> Answer<()> {
        if token != "a-token" {
            return Err(Refused::Absent);
        }
        self.stored().pings.push((ping, log.to_owned()));
        Ok(())
    }

    fn reports(&self) -> Answer<Vec<ReportRow>> {
        Ok(vec![ReportRow {
            name: "weekly".to_owned(),
            kind: "summary".to_owned(),
            to: vec!["mail".to_owned()],
            schedule: "0 8 * * mon Europe/Berlin".to_owned(),
            last_at: Timestamp(Unix(1000)),
            next_at: Some(Timestamp(Unix(604_801_000))),
        }])
    }

    fn report(&self, name: &str, period: ReportPeriod, _send: bool) -> Answer<MadeReport> {
        if name != "weekly" {
            return Err(Refused::Absent);
        }
        Ok(MadeReport {
            title: format!("Report weekly {period:?}"),
            report: serde_json::json!({"kind": "summary"}),
            text: "all is well".to_owned(),
            html: "<!doctype html>".to_owned(),
        })
    }

    fn dns(&self, _sight: &Sight) -> Answer<Dns> {
        Ok(Dns::default())
    }

    fn dns_host(&self, name: &str) -> Answer<HostName> {
        let host = name.split('.').next().unwrap_or_default();
        HostName::new(host).map_err(|_| Refused::Absent)
    }

    fn order_dns(&self, name: &str, _action: DnsAction) -> Answer<DnsOrdered> {
        Ok(DnsOrdered { names: vec![name.to_owned()] })
    }

    fn pushes(&self) -> Answer<Vec<Push>> {
        Ok(vec![Push {
            host: "db1".to_owned(),
            check: "backup".to_owned(),
            state: "up".to_owned(),
            text: "done in 3m".to_owned(),
            schedule: "every 1d".to_owned(),
            done_at: Some(Timestamp(Unix(1000))),
            due_at: Some(Timestamp(Unix(86_401_000))),
            path: "/push/a-token".to_owned(),
        }])
    }
}

fn ordered(action: &str) -> Order {
    Order {
        id: 7,
        host: "db1".to_owned(),
        action: action.to_owned(),
        by: "root".to_owned(),
        reason: "it hangs".to_owned(),
        at: Timestamp(Unix(1000)),
        expires_at: Timestamp(Unix(301_000)),
        state: OrderState::Waiting,
        exit: None,
        text: String::new(),
        ended_at: None,
    }
}
