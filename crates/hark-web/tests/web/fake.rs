//! A server in memory: two hosts, an incident on each, and everything that is stored.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Barrier, Mutex, MutexGuard};

use hark_api::actions::{Actions, Order, OrderState};
use hark_api::agents::{Agent, AgentMode, AgentsQuery, Joined};
use hark_api::alerts::{Alert, Alerts, PluginHistory, PluginLatest, PluginSample, Plugins};
use hark_api::audit::{AuditChain, AuditLine, AuditQuery};
use hark_api::checks::{CheckRow, CheckSummary, ChecksQuery};
use hark_api::deliveries::{
    DeliveriesQuery, Delivery, DeliveryDetail, DeliveryState, Exchange, ExchangeHeader, Retried,
    Try, TryOutcome,
};
use hark_api::dns::{Dns, DnsOrdered};
use hark_api::events::{Activity, EventsBrought, EventsTaken, Happened, HappenedQuery};
use hark_api::fleet::Fleet;
use hark_api::handling::Handled;
use hark_api::hosts::{Check, DroppedHost, Host, HostRow, HostsQuery, Limits, Looking};
use hark_api::incidents::{
    Ack, Decision, Earlier, ExplainLine, Explanation, Incident, IncidentRow, IncidentsQuery,
    LastNotification, Symptom, Told,
};
use hark_api::list::{Page, PageQuery, limit};
use hark_api::live::{HostChange, Rows};
use hark_api::overview::{Counts, Kpis, Overview, Problem, Quiet, Soft, Verdict};
use hark_api::pushes::Push;
use hark_api::receivers::{Receiver, Route, TestSent};
use hark_api::reports::{AgentNews, GivenConfiguration, GivenOrder, ReportStored};
use hark_api::route_test::{Rota, RouteTestLine};
use hark_api::series::{
    IncidentSpan, Lane, LaneSpan, Lanes, Metric, MetricHostsQuery, MetricKind, MetricOnHost,
    MetricSummary, Metrics, Series,
};
use hark_api::server::{HistoryReport, HistoryState, ServerReport};
use hark_api::silences::{self, CoveredIncident, Held, Matches, Preview, Silence};
use hark_api::sought::Sought;
use hark_api::summaries::{MadeReport, ReportRow};
use hark_api::updates::Rollout;
use hark_api::words::{Fresh, Kind, Letter, State, Status};
use hark_api::{Cursor, Timestamp};
use hark_model::record::{Matcher, Repeats, RepeatsWhen};
use hark_model::{
    CheckName, DeliveryId, HostId, HostName, IncidentId, ReceiverName, RotaName, SilenceId, Unix,
    UserName,
};
use hark_web::{
    Account, AckOrder, ActionOrder, AgentClaim, AgentProof, Answer, ApiTokenRecord, Backend, Batch,
    DnsAction, EnrolmentRecord, Factors, JobPing, JoinOrder, NewestFilter, Offer, Origin, Refused,
    ReportPeriod, RouteQuestion, SeriesOrder, ServiceAnswer, ServiceCall, SessionRecord, Sight,
    SilenceOrder, TokenHash, TokenOrder,
};

mod agents;
mod browsers;
mod configuration;
mod dashboards;
mod factors;
mod hosts;
mod incidents;
mod inlets;
mod keeping;
mod prometheus;
pub(crate) mod provider;
mod quiet;
mod status_pages;
mod telling;

pub(crate) use status_pages::PAGE_TOKEN;

use incidents::{incident_row, problem};
use telling::{a_try, delivery};

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
    pub(crate) dashboards: BTreeMap<u64, (hark_web::DashboardRecord, bool)>,
    pub(crate) published: Vec<hark_web::PublicIncidentRecord>,
    /// Who asked to be told what is published.
    pub(crate) readers: Vec<String>,
    /// How often something of a status page was made.
    pub(crate) made_pages: u32,
    pub(crate) causes: BTreeMap<u64, u64>,
    pub(crate) comments: Vec<(u64, String)>,
    pub(crate) audit: Vec<AuditLine>,
    pub(crate) factors: BTreeMap<UserName, Factors>,
    pub(crate) browsers: Vec<(UserName, hark_api::browsers::Browser)>,
    pub(crate) joined: Vec<(HostName, [u8; 32])>,
    /// What was to be erased, and the orders of it that were taken back.
    pub(crate) erased: Vec<hark_web::EraseOrder>,
    pub(crate) taken_back: Vec<u64>,
    pub(crate) number: u64,
    pub(crate) claims: Vec<AgentClaim>,
    pub(crate) looks: u32,
    pub(crate) batches: Vec<Batch>,
    pub(crate) pings: Vec<(JobPing, String)>,
    pub(crate) broken: bool,
    /// Where who acknowledges is met, and let go.
    pub(crate) hold: Option<Arc<Barrier>>,
    pub(crate) panics: bool,
    pub(crate) cpu: f64,
    /// Hosts that were made in the page.
    pub(crate) made: BTreeMap<String, serde_json::Value>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let state = Stored {
            hosts: vec!["db1".to_owned(), "web1".to_owned()],
            cpu: 12.5,
            made: BTreeMap::from([("web9".to_owned(), serde_json::json!({"address": "a"}))]),
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

/// Adds the roles that are stored with a user to those of the configuration.
fn with_granted(mut account: Account) -> Account {
    account.roles.extend(account.granted.clone());
    account
}

fn found<T>(item: Option<T>) -> Answer<T> {
    item.ok_or(Refused::Absent)
}

/// An event of a host.
pub(crate) fn happened(host: &str, kind: &str) -> Happened {
    Happened {
        uid: "0123456789abcdef0123456789abcdef".to_owned(),
        host: host.to_owned(),
        at_unix_s: 1.5,
        kind: kind.to_owned(),
        severity: "warning".to_owned(),
        text: "took 5 hours".to_owned(),
        tags: vec!["nightly".to_owned()],
        data: Some(serde_json::json!({"hours": 5})),
        count: 1,
        hops: vec!["berlin".to_owned()],
    }
}

impl Backend for Fake {
    fn overview(&self, sight: &Sight) -> Answer<Overview> {
        self.overview_shown(sight)
    }

    fn fleet(&self, sight: &Sight) -> Answer<Fleet> {
        self.fleet_shown(sight)
    }

    fn hosts(&self, sight: &Sight, query: &HostsQuery) -> Answer<Page<HostRow>> {
        self.hosts_shown(sight, query)
    }

    fn host(&self, _: &Sight, host: &HostName) -> Answer<Host> {
        self.host_shown(host)
    }

    fn metrics(&self, host: &HostName) -> Answer<Metrics> {
        self.metrics_shown(host)
    }

    fn series(&self, host: &HostName, order: &SeriesOrder) -> Answer<Series> {
        self.series_shown(host, order)
    }

    fn lanes(&self, host: &HostName, from: Unix, to: Unix) -> Answer<Lanes> {
        self.lanes_shown(host, from, to)
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

    fn checks(&self, sight: &Sight, query: &ChecksQuery) -> Answer<Page<CheckRow>> {
        self.checks_shown(sight, query)
    }

    fn metric_names(&self, sight: &Sight) -> Answer<Vec<MetricSummary>> {
        self.metric_names_shown(sight)
    }

    fn metric_on_hosts(
        &self,
        sight: &Sight,
        metric: &str,
        query: &MetricHostsQuery,
    ) -> Answer<Page<MetricOnHost>> {
        self.metric_on_hosts_shown(sight, metric, query)
    }

    fn check_summaries(&self, sight: &Sight) -> Answer<Vec<CheckSummary>> {
        self.check_summaries_shown(sight)
    }

    fn alerts(&self, sight: &Sight, host: Option<&HostName>) -> Answer<Alerts> {
        self.alerts_shown(sight, host)
    }

    fn happened(&self, sight: &Sight, _: &HappenedQuery) -> Answer<Page<Happened>> {
        let items = self.seen(sight).iter().map(|name| happened(name, "backup")).collect();
        Ok(Page { items, next: None })
    }

    fn events(
        &self,
        sight: &Sight,
        host: Option<&HostName>,
        _: Option<&str>,
        _: &PageQuery,
    ) -> Answer<Page<Activity>> {
        self.events_shown(sight, host)
    }

    fn incidents(&self, sight: &Sight, query: &IncidentsQuery) -> Answer<Page<IncidentRow>> {
        if query.cursor.is_some() {
            return Ok(Page::whole(Vec::new()));
        }
        Ok(Page { items: self.rows_of(sight), next: Some(Cursor::of_number(2)) })
    }

    fn incident(&self, sight: &Sight, incident: IncidentId) -> Answer<Incident> {
        self.incident_shown(sight, incident)
    }

    fn incident_of(&self, incident: IncidentId) -> Answer<(HostName, CheckName)> {
        let rows = self.rows_of(&Sight::Everything);
        let row = found(rows.iter().find(|row| row.id == incident.0))?;
        Ok((HostName::new(&row.host).unwrap(), CheckName::new(&row.check).unwrap()))
    }

    fn explain(&self, incident: IncidentId) -> Answer<Explanation> {
        self.explain_shown(incident)
    }

    fn bring_events(&self, brought: EventsBrought) -> Answer<EventsTaken> {
        let refused = brought.events.iter().filter(|event| event.uid.len() != 32).count();
        let takes = vec!["data".to_owned()];
        Ok(EventsTaken { node: "fake".to_owned(), refused: refused as u64, takes })
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
        Ok(Retried { under_way: false, next: false })
    }

    fn silences(&self, sight: &Sight) -> Answer<Vec<Silence>> {
        self.silences_shown(sight)
    }

    fn preview(&self, sight: &Sight, _: &Matcher) -> Answer<Preview> {
        self.preview_shown(sight)
    }

    fn receivers(&self) -> Answer<Vec<Receiver>> {
        self.receivers_shown()
    }

    fn openmetrics(&self) -> Answer<String> {
        Ok("# EOF\n".to_owned())
    }

    fn newest(
        &self,
        sight: &Sight,
        filter: &NewestFilter,
        piece: &mut dyn FnMut(String) -> bool,
    ) -> Answer<()> {
        self.newest_shown(sight, filter, piece)
    }

    fn routes(&self) -> Answer<Vec<Route>> {
        self.routes_shown()
    }

    fn route_test(&self, question: &RouteQuestion) -> Answer<Vec<RouteTestLine>> {
        self.route_test_shown(question)
    }

    fn rotas(&self) -> Answer<Vec<Rota>> {
        self.rotas_shown()
    }

    fn rota_calendar(&self, rota: &RotaName) -> Answer<String> {
        let known = rota.as_str() == "web";
        known.then(|| "BEGIN:VCALENDAR\r\n".to_owned()).ok_or(Refused::Absent)
    }

    fn agents(&self, sight: &Sight, query: &AgentsQuery) -> Answer<Page<Agent>> {
        self.agents_shown(sight, query)
    }

    fn server(&self) -> Answer<ServerReport> {
        self.server_shown()
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
        self.rows_shown(sight, hosts)
    }

    fn host_change(&self, host: &HostName) -> Answer<HostChange> {
        self.host_change_shown(host)
    }

    fn ack(&self, incident: IncidentId, order: &AckOrder) -> Answer<()> {
        self.acknowledged(incident, order)
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
        self.related(incident, cause)
    }

    fn silence(&self, order: &SilenceOrder) -> Answer<Silence> {
        self.silenced(order)
    }

    fn change_silence(&self, silence: SilenceId, order: &SilenceOrder) -> Answer<Silence> {
        self.silence_changed(silence, order)
    }

    fn times_of(&self, repeats: &Repeats, n: usize) -> Result<Vec<Held>, String> {
        self.held(repeats, n)
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
        self.looked_at(host, check)
    }

    fn drop_host(&self, host: &HostName, _: &UserName) -> Answer<()> {
        self.check(host)?;
        self.stored().hosts.retain(|name| name != host.as_str());
        Ok(())
    }

    /// Every host was dropped once and has come back.
    fn restore_host(&self, host: &HostName, _: &UserName) -> Answer<()> {
        self.check(host)
    }

    fn dropped_hosts(&self) -> Answer<Vec<DroppedHost>> {
        self.dropped_shown()
    }

    fn test_receiver(&self, receiver: &ReceiverName, _: &UserName) -> Answer<TestSent> {
        let sent = TestSent { delivery: 7, failing: None, next: false };
        if receiver.as_str() == "ops-mail" { Ok(sent) } else { Err(Refused::Absent) }
    }

    fn offered(&self, token: &str) -> Answer<Offer> {
        self.offer_of(token)
    }

    fn handle(&self, token: &str, order: &TokenOrder) -> Answer<Handled> {
        self.handle_token(token, order)
    }

    fn called(&self, receiver: &ReceiverName, call: &ServiceCall) -> Answer<ServiceAnswer> {
        self.called_by_service(receiver, call)
    }

    fn account(&self, user: &UserName) -> Answer<Account> {
        found(self.stored().accounts.get(user).cloned().map(with_granted))
    }

    fn account_of(&self, origin: &Origin) -> Answer<Account> {
        let stored = self.stored();
        let mut all = stored.accounts.values();
        found(all.find(|account| account.origin.as_ref() == Some(origin)).cloned())
    }

    fn accounts(&self) -> Answer<Vec<Account>> {
        Ok(self.stored().accounts.values().cloned().map(with_granted).collect())
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
        stored.factors.remove(user);
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

    fn audit_lines(&self, query: &AuditQuery) -> Answer<Page<AuditLine>> {
        let stored = self.stored();
        let q = query.q.as_deref().map(Sought::new);
        let wanted = stored.audit.iter().rev();
        let wanted = wanted.filter(|line| q.as_ref().is_none_or(|q| line.mentions(q)));
        Ok(Page::whole(wanted.take(limit(query.limit)).cloned().collect()))
    }

    fn audit_chain(&self) -> Answer<AuditChain> {
        let lines = self.stored().audit.len() as u64;
        Ok(AuditChain { lines, broken_at: None, newest: String::new() })
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
        self.joined(order)
    }

    fn rollout(&self, _: &Sight) -> Answer<Rollout> {
        self.rollout_shown()
    }

    fn release(&self, name: &str, host: &HostName) -> Answer<Option<PathBuf>> {
        self.release_shown(name, host)
    }

    fn prove_agent(&self, claim: &AgentClaim) -> Answer<AgentProof> {
        self.proof_of(claim)
    }

    fn take_batch(&self, place: usize, _: IpAddr, batch: Batch) -> Answer<ReportStored> {
        self.stored_batch(place, batch)
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
        self.reports_shown()
    }

    fn report(&self, name: &str, period: ReportPeriod, _send: bool) -> Answer<MadeReport> {
        self.report_shown(name, period)
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
        self.pushes_shown()
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
