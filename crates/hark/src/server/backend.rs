//! What the page and the API show and do, over the engine, the store and history.
//!
//! The live state is asked of the engine between two of its inputs; what is past comes from the store by
//! a connection that can only read; samples are planned on the history thread and read on the asker's.
//! Nothing here decides who may see what: each method keeps to the sight it is given.

mod access;
pub(super) mod actions;
mod agent_list;
mod agents;
mod brought;
mod browsers;
mod by_mail;
mod check_list;
mod configuration;
mod dashboards;
mod deliveries;
mod dyndns;
mod events;
mod explain;
mod factors;
mod handling;
mod host_list;
mod hosts;
mod incident_list;
mod incidents;
mod inlets;
mod keeping;
mod metric_list;
mod newest;
mod openmetrics;
mod operate;
mod overview;
mod paging;
mod prometheus;
mod pushes;
mod reports;
mod routes;
mod series;
mod server_figures;
mod silences;
mod status_desk;
mod status_pages;
mod summaries;
mod updates;
mod words;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use hark_api::actions::{Actions, Order};
use hark_api::agents::{Agent, AgentsQuery, Joined};
use hark_api::alerts::{Alerts, PluginHistory, Plugins};
use hark_api::audit::{AuditChain, AuditLine, AuditQuery};
use hark_api::checks::{CheckRow, CheckSummary, ChecksQuery};
use hark_api::deliveries::{DeliveriesQuery, Delivery, DeliveryDetail, Retried};
use hark_api::dns::{Dns, DnsOrdered};
use hark_api::events::{Activity, EventsBrought, EventsTaken, Happened, HappenedQuery};
use hark_api::fleet::Fleet;
use hark_api::handling::Handled;
use hark_api::hosts::{DroppedHost, Host, HostRow, HostsQuery, Looking};
use hark_api::incidents::{Explanation, Incident, IncidentRow, IncidentsQuery};
use hark_api::list::{Page, PageQuery};
use hark_api::live::{HostChange, Rows};
use hark_api::overview::{Counts, Overview, Problem};
use hark_api::pushes::Push;
use hark_api::receivers::{Receiver, Route, TestSent};
use hark_api::reports::{AgentNews, GivenConfiguration, GivenOrder, ReportStored};
use hark_api::route_test::{Rota, RouteTestLine};
use hark_api::series::{Lanes, MetricHostsQuery, MetricOnHost, MetricSummary, Metrics, Series};
use hark_api::server::ServerReport;
use hark_api::silences::{Held, Preview, Silence};
use hark_api::summaries::{MadeReport, ReportRow};
use hark_api::updates::Rollout;
use hark_engine::Engine;
use hark_model::record::{Matcher, Repeats};
use hark_model::time::{Clock, Mono, Unix};
use hark_model::{
    CheckName, DeliveryId, HostId, HostName, IncidentId, ReceiverName, RotaName, SilenceId,
    UserName,
};
use hark_notify::Receivers;
use hark_notify::handling::Tokens;
use hark_store::state::{OpenError, StateReader};
use hark_web::{
    Account, AckOrder, ActionOrder, AgentClaim, AgentProof, Answer, ApiTokenRecord, Backend, Batch,
    DnsAction, EnrolmentRecord, JobPing, JoinOrder, NewestFilter, Offer, Origin, Refused,
    ReportPeriod, RouteQuestion, SeriesOrder, ServiceAnswer, ServiceCall, SessionRecord, Sight,
    SilenceOrder, TokenHash, TokenOrder,
};

pub(crate) use access::{Access, Declared};
pub(crate) use by_mail::ByMail;
pub(crate) use configuration::Editor;
pub(crate) use events::shown as event_of_host;
pub(crate) use status_desk::{StatusDesk, published};
pub(crate) use words::activity;

use super::links::Links;
use super::recorder::Recorder;
use super::series_index::SeriesIndex;
use super::store_loop::chain;

/// Small curves beside incidents, each with when it was read.
type Sparks = HashMap<IncidentId, (Mono, Vec<Option<f64>>)>;

/// Strips of checks beside incidents, each with when it was made.
type Strips = HashMap<IncidentId, (Mono, String)>;

/// The server as the web sees it.
pub(crate) struct ServerBackend {
    links: Arc<Links>,
    reader: Mutex<StateReader>,
    status: StatusDesk,
    access: Access,
    receivers: Arc<arc_swap::ArcSwap<Receivers>>,
    recorder: Arc<Recorder>,
    tokens: Option<Tokens>,
    editor: Editor,
    sparks: Mutex<Sparks>,
    strips: Mutex<Strips>,
    /// Followed by whoever asks for series.
    series_index: Mutex<SeriesIndex>,
    /// Held while an order gets its number, and while a dashboard or something published is changed.
    ordering: Mutex<()>,
    started: Unix,
}

impl std::fmt::Debug for ServerBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBackend").finish_non_exhaustive()
    }
}

impl ServerBackend {
    /// Puts it together.
    pub(crate) fn new(
        links: Arc<Links>,
        (reader, status): (StateReader, StatusDesk),
        access: Access,
        receivers: Arc<arc_swap::ArcSwap<Receivers>>,
        recorder: Arc<Recorder>,
        tokens: Option<Tokens>,
        editor: Editor,
    ) -> Self {
        Self {
            links,
            reader: Mutex::new(reader),
            status,
            access,
            receivers,
            recorder,
            tokens,
            editor,
            sparks: Mutex::default(),
            strips: Mutex::default(),
            series_index: Mutex::default(),
            ordering: Mutex::default(),
            started: Clock.now().unix,
        }
    }

    /// Asks the engine.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Answer<T> {
        self.links.ask(question).ok_or_else(ending)
    }

    /// Reads the store.
    fn read<T>(&self, question: impl FnOnce(&StateReader) -> Result<T, OpenError>) -> Answer<T> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        question(&reader).map_err(|error| Refused::Unavailable(chain(&error)))
    }

    /// Reads the store if nobody else does; `None` if somebody does, or if it cannot be read. For what is shown beside
    /// something that must not wait.
    fn read_unless_busy<T>(
        &self,
        question: impl FnOnce(&StateReader) -> Result<T, OpenError>,
    ) -> Option<T> {
        let reader = match self.reader.try_lock() {
            Ok(reader) => reader,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let answer = question(&reader);
        answer.inspect_err(|error| tracing::debug!(error = chain(error), "not read")).ok()
    }

    /// Returns the number of a host within the sight.
    fn visible(&self, sight: &Sight, host: &HostName) -> Answer<HostId> {
        if !sight.covers(host.as_str()) {
            return Err(Refused::Absent);
        }
        self.links.hosts.number(host).ok_or(Refused::Absent)
    }
}

/// The answer while the server ends.
fn ending() -> Refused {
    Refused::Unavailable("the server is ending".to_owned())
}

impl Backend for ServerBackend {
    fn overview(&self, sight: &Sight) -> Answer<Overview> {
        self.first_screen(sight)
    }

    fn fleet(&self, sight: &Sight) -> Answer<Fleet> {
        self.all_hosts(sight)
    }

    fn hosts(&self, sight: &Sight, query: &HostsQuery) -> Answer<Page<HostRow>> {
        self.host_rows(sight, query)
    }

    fn host(&self, sight: &Sight, host: &HostName) -> Answer<Host> {
        self.one_host(sight, host)
    }

    fn metrics(&self, host: &HostName) -> Answer<Metrics> {
        self.metrics_of(host)
    }

    fn series(&self, host: &HostName, order: &SeriesOrder) -> Answer<Series> {
        self.series_of(host, order)
    }

    fn lanes(&self, host: &HostName, from: Unix, to: Unix) -> Answer<Lanes> {
        self.lanes_of(host, from, to)
    }

    fn plugins(&self, host: &HostName) -> Answer<Plugins> {
        self.plugins_of(host)
    }

    fn plugin(&self, host: &HostName, plugin: &str, limit: usize) -> Answer<PluginHistory> {
        self.plugin_history(host, plugin, limit)
    }

    fn alerts(&self, sight: &Sight, host: Option<&HostName>) -> Answer<Alerts> {
        self.alert_states(sight, host)
    }

    fn checks(&self, sight: &Sight, query: &ChecksQuery) -> Answer<Page<CheckRow>> {
        self.check_rows(sight, query)
    }

    fn metric_names(&self, sight: &Sight) -> Answer<Vec<MetricSummary>> {
        Ok(self.metrics_by_name(sight))
    }

    fn metric_on_hosts(
        &self,
        sight: &Sight,
        metric: &str,
        query: &MetricHostsQuery,
    ) -> Answer<Page<MetricOnHost>> {
        self.metric_by_host(sight, metric, query)
    }

    fn check_summaries(&self, sight: &Sight) -> Answer<Vec<CheckSummary>> {
        self.checks_by_name(sight)
    }

    fn events(
        &self,
        sight: &Sight,
        host: Option<&HostName>,
        q: Option<&str>,
        page: &PageQuery,
    ) -> Answer<Page<Activity>> {
        self.activities(sight, host, q, page)
    }

    fn happened(&self, sight: &Sight, query: &HappenedQuery) -> Answer<Page<Happened>> {
        self.events_of_hosts(sight, query)
    }

    fn incidents(&self, sight: &Sight, query: &IncidentsQuery) -> Answer<Page<IncidentRow>> {
        self.incident_rows(sight, query)
    }

    fn incident(&self, sight: &Sight, incident: IncidentId) -> Answer<Incident> {
        self.one_incident(sight, incident)
    }

    fn incident_of(&self, incident: IncidentId) -> Answer<(HostName, CheckName)> {
        self.about(incident)
    }

    fn explain(&self, incident: IncidentId) -> Answer<Explanation> {
        self.explanation(incident)
    }

    fn deliveries(&self, sight: &Sight, query: &DeliveriesQuery) -> Answer<Page<Delivery>> {
        self.messages(sight, query)
    }

    fn delivery(&self, sight: &Sight, delivery: DeliveryId) -> Answer<Delivery> {
        self.message(sight, delivery).map(|row| self.shown(&row))
    }

    fn delivery_detail(&self, sight: &Sight, delivery: DeliveryId) -> Answer<DeliveryDetail> {
        self.message_detail(sight, delivery)
    }

    fn retry_delivery(&self, delivery: DeliveryId) -> Answer<Retried> {
        self.hurry_message(delivery)
    }

    fn silences(&self, sight: &Sight) -> Answer<Vec<Silence>> {
        self.all_silences(sight)
    }

    fn preview(&self, sight: &Sight, matcher: &Matcher) -> Answer<Preview> {
        self.preview_of(sight, matcher)
    }

    fn receivers(&self) -> Answer<Vec<Receiver>> {
        self.all_receivers()
    }

    fn openmetrics(&self) -> Answer<String> {
        self.metrics_text()
    }

    fn newest(
        &self,
        sight: &Sight,
        filter: &NewestFilter,
        piece: &mut dyn FnMut(String) -> bool,
    ) -> Answer<()> {
        self.newest_values(sight, filter, piece)
    }

    fn routes(&self) -> Answer<Vec<Route>> {
        self.all_routes()
    }

    fn route_test(&self, question: &RouteQuestion) -> Answer<Vec<RouteTestLine>> {
        self.foretell(question)
    }

    fn rotas(&self) -> Answer<Vec<Rota>> {
        self.all_rotas()
    }

    fn rota_calendar(&self, rota: &RotaName) -> Answer<String> {
        self.calendar_of(rota)
    }

    fn agents(&self, sight: &Sight, query: &AgentsQuery) -> Answer<Page<Agent>> {
        self.agent_rows(sight, query)
    }

    fn server(&self) -> Answer<ServerReport> {
        self.report()
    }

    fn host_id(&self, host: &HostName) -> Answer<HostId> {
        self.links.hosts.number(host).ok_or(Refused::Absent)
    }

    fn counts(&self, sight: &Sight) -> Answer<Counts> {
        self.host_counts(sight)
    }

    fn problems(&self, sight: &Sight) -> Answer<Vec<Problem>> {
        self.open_problems(sight).map(|(problems, _)| problems)
    }

    fn rows(&self, sight: &Sight, hosts: &[HostId]) -> Answer<Rows> {
        self.live_rows(sight, hosts)
    }

    fn host_change(&self, host: &HostName) -> Answer<HostChange> {
        self.live_host(host)
    }

    fn resolve(&self, incident: IncidentId, by: &UserName, comment: &str) -> Answer<()> {
        self.resolve_by_hand(incident, by, comment)
    }

    fn relate(&self, incident: IncidentId, by: &UserName, cause: Option<IncidentId>) -> Answer<()> {
        self.relate_by_hand(incident, by, cause)
    }

    fn ack(&self, incident: IncidentId, order: &AckOrder) -> Answer<()> {
        self.acknowledge(incident, order)
    }

    fn unack(&self, incident: IncidentId, by: &UserName) -> Answer<()> {
        self.unacknowledge(incident, by)
    }

    fn comment(&self, incident: IncidentId, by: &UserName, text: &str) -> Answer<()> {
        self.remark(incident, by, text)
    }

    fn silence(&self, order: &SilenceOrder) -> Answer<Silence> {
        self.make_silence(order)
    }

    fn change_silence(&self, silence: SilenceId, order: &SilenceOrder) -> Answer<Silence> {
        self.change(silence, order)
    }

    fn times_of(&self, repeats: &Repeats, n: usize) -> Result<Vec<Held>, String> {
        let times = hark_engine::plan::times(repeats, Clock.now().unix, n)?;
        let held = times.into_iter();
        Ok(held
            .map(|(from, until)| Held { from_at: from.into(), until_at: until.into() })
            .collect())
    }

    fn end_silence(&self, silence: SilenceId, by: &UserName) -> Answer<()> {
        self.stop_silence(silence, by)
    }

    fn actions(&self, host: &HostName) -> Answer<Actions> {
        self.actions_of(host)
    }

    fn order(&self, order: &ActionOrder) -> Answer<Order> {
        self.give_order(order)
    }

    fn look_now(&self, host: &HostName, check: Option<&CheckName>) -> Answer<Looking> {
        self.hurry_checks(host, check)
    }

    fn drop_host(&self, host: &HostName, by: &UserName) -> Answer<()> {
        self.forget_host(host, by)
    }

    fn restore_host(&self, host: &HostName, by: &UserName) -> Answer<()> {
        self.give_back(host, by)
    }

    fn dropped_hosts(&self) -> Answer<Vec<DroppedHost>> {
        self.all_dropped()
    }

    fn test_receiver(&self, receiver: &ReceiverName, by: &UserName) -> Answer<TestSent> {
        self.send_test(receiver, by)
    }

    fn account(&self, user: &UserName) -> Answer<Account> {
        self.find_account(user)
    }

    fn account_of(&self, origin: &Origin) -> Answer<Account> {
        self.find_account_of(origin)
    }

    fn accounts(&self) -> Answer<Vec<Account>> {
        self.all_accounts()
    }

    fn put_account(&self, account: &Account) -> Answer<()> {
        self.store_account(account)
    }

    fn drop_account(&self, user: &UserName) -> Answer<()> {
        self.remove_account(user)
    }

    fn session(&self, hash: &TokenHash) -> Answer<SessionRecord> {
        self.find_session(hash)
    }

    fn sessions(&self, user: &UserName) -> Answer<Vec<SessionRecord>> {
        self.sessions_of(user)
    }

    fn put_session(&self, session: &SessionRecord) -> Answer<()> {
        self.store_session(session)
    }

    fn drop_session(&self, hash: &TokenHash) -> Answer<()> {
        self.remove_session(hash)
    }

    fn api_token(&self, hash: &TokenHash) -> Answer<ApiTokenRecord> {
        self.find_token(hash)
    }

    fn api_tokens(&self, user: &UserName) -> Answer<Vec<ApiTokenRecord>> {
        self.tokens_of(user)
    }

    fn put_api_token(&self, token: &ApiTokenRecord) -> Answer<()> {
        self.store_token(token)
    }

    fn drop_api_token(&self, hash: &TokenHash) -> Answer<()> {
        self.remove_token(hash)
    }

    fn audit(&self, line: &AuditLine) -> Answer<()> {
        self.note(line)
    }

    fn audit_lines(&self, query: &AuditQuery) -> Answer<Page<AuditLine>> {
        self.notes(query)
    }

    fn audit_chain(&self) -> Answer<AuditChain> {
        self.chain_of_notes()
    }

    fn enrolment(&self, hash: &TokenHash) -> Answer<EnrolmentRecord> {
        self.find_enrolment(hash)
    }

    fn enrolments(&self) -> Answer<Vec<EnrolmentRecord>> {
        self.all_enrolments()
    }

    fn put_enrolment(&self, enrolment: &EnrolmentRecord) -> Answer<()> {
        self.store_enrolment(enrolment)
    }

    fn drop_enrolment(&self, hash: &TokenHash) -> Answer<()> {
        self.remove_enrolment(hash)
    }

    fn join(&self, order: &JoinOrder) -> Answer<Joined> {
        self.join_agent(order)
    }

    fn rollout(&self, sight: &Sight) -> Answer<Rollout> {
        self.rollout_now(sight)
    }

    fn release(&self, name: &str, host: &HostName) -> Answer<Option<PathBuf>> {
        self.release_for(name, host)
    }

    fn prove_agent(&self, claim: &AgentClaim) -> Answer<AgentProof> {
        self.check_claim(claim)
    }

    fn take_batch(&self, place: usize, address: IpAddr, batch: Batch) -> Answer<ReportStored> {
        self.bring(place, address, batch)
    }

    fn given_configuration(&self, place: usize) -> Answer<GivenConfiguration> {
        self.configuration_of(place)
    }

    fn offered(&self, token: &str) -> Answer<Offer> {
        self.offer_of(token)
    }

    fn handle(&self, token: &str, order: &TokenOrder) -> Answer<Handled> {
        self.handle_by_token(token, order)
    }

    fn called(&self, receiver: &ReceiverName, call: &ServiceCall) -> Answer<ServiceAnswer> {
        self.service_called(receiver, call)
    }

    fn push(&self, token: &str, ping: JobPing, log: &str) -> Answer<()> {
        self.call(token, ping, log)
    }

    fn pushes(&self) -> Answer<Vec<Push>> {
        self.all_pushes()
    }

    fn reports(&self) -> Answer<Vec<ReportRow>> {
        self.all_summaries()
    }

    fn report(&self, name: &str, period: ReportPeriod, send: bool) -> Answer<MadeReport> {
        self.summary_of(name, period, send)
    }

    fn dns(&self, sight: &Sight) -> Answer<Dns> {
        self.all_names(sight)
    }

    fn dns_host(&self, name: &str) -> Answer<HostName> {
        self.host_of_name(name)
    }

    fn order_dns(&self, name: &str, action: DnsAction) -> Answer<DnsOrdered> {
        self.order_names(name, action)
    }

    fn agent_news(&self, place: usize) -> Answer<AgentNews> {
        self.news_of(place)
    }

    fn bring_events(&self, brought: EventsBrought) -> Answer<EventsTaken> {
        self.take_events(brought)
    }

    fn stuck(&self) -> Option<String> {
        let stuck = self.links.progress.stuck(Clock.now().mono)?;
        Some(stuck.to_string())
    }

    fn given_order(&self, place: usize, number: u32) -> Answer<GivenOrder> {
        self.order_of(place, number)
    }
}
