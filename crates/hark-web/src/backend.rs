//! What the web needs from the server, as one narrow trait.
//!
//! The binary implements [`Backend`] over the engine's snapshot and the store; tests implement it in
//! memory. It stores and looks up; it decides nothing about who may do what: that is [`crate::policy`]
//! and [`crate::auth`]. What it must do itself is keep to the [`Sight`] it is given: lists, counts and
//! texts hold nothing of hosts outside it, and an object outside it is [`Refused::Absent`], exactly as
//! one that does not exist.
//!
//! Every method may wait for a disk: the web calls them on threads made for blocking, a bounded number
//! at a time. A method that changes something returns after the change is stored.

mod accounts;
mod browsers;
mod configuration;
mod dashboards;
mod factors;
mod inlets;
mod keeping;
mod orders;
mod prometheus;
mod status_pages;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

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
use hark_api::hosts::{Declared, DroppedHost, Host, HostRow, HostsQuery, Looking};
use hark_api::incidents::{Explanation, Incident, IncidentRow, IncidentsQuery};
use hark_api::list::{Page, PageQuery};
use hark_api::live::{HostChange, Rows};
use hark_api::overview::{Counts, Overview, Problem};
use hark_api::problem::FieldError;
use hark_api::pushes::Push;
use hark_api::receivers::{Receiver, Route, TestSent};
use hark_api::reports::{AgentNews, GivenConfiguration, GivenOrder, ReportStored};
use hark_api::route_test::{Rota, RouteTestLine};
use hark_api::series::{Lanes, MetricHostsQuery, MetricOnHost, MetricSummary, Metrics, Series};
use hark_api::server::ServerReport;
use hark_api::silences::{Held, Preview, Silence};
use hark_api::summaries::{MadeReport, ReportRow};
use hark_api::updates::Rollout;
use hark_model::record::{Matcher, Repeats};
use hark_model::{CheckName, DeliveryId, HostId, HostName, IncidentId, ReceiverName};
use hark_model::{RotaName, SilenceId, Unix, UserName};

pub use accounts::{
    Account, ApiTokenRecord, EnrolmentRecord, JoinOrder, Origin, SessionRecord, TokenHash,
};
pub use browsers::BrowserStore;
pub use configuration::{ConfigChange, Configuring};
pub use dashboards::{DashboardRecord, Dashboards};
pub use factors::{FactorStore, Factors, PasskeyRecord, Totp};
pub use inlets::{Credentials, Door, Inlet, Parcel, Receipt};
pub use keeping::{EraseOrder, Keeping, Told};
pub use orders::{
    AckOrder, ActionOrder, DnsAction, JobPing, NewestFilter, Offer, ReportPeriod, RouteQuestion,
    SeriesOrder, ServiceAnswer, ServiceCall, SilenceOrder, TokenOrder,
};
pub use prometheus::{PromChoice, PromError, PromPatience, PromQuestion, PromSource};
pub use status_pages::{
    PublicIncidentRecord, ReaderWay, ReadersStep, StatusAccess, StatusDocument, StatusPages,
    StatusPart, StatusSite, StatusSites, StatusSummary,
};

use crate::agent::{AgentClaim, AgentProof, Batch};

/// What a user may see. Everything a [`Backend`] answers is within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// Every host, and what concerns no host.
    Everything,
    /// These hosts only.
    Hosts(BTreeSet<HostName>),
}

impl Sight {
    /// Returns true if `host` is within it.
    pub fn covers(&self, host: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Hosts(hosts) => hosts.contains(host),
        }
    }

    /// Returns true if `activity` is within it: lines of no host are for those who see everything.
    pub fn covers_activity(&self, activity: &Activity) -> bool {
        match &activity.host {
            Some(host) => self.covers(host),
            None => *self == Self::Everything,
        }
    }
}

/// Why the server did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such thing, or it is not within the sight.
    Absent,
    /// The thing is in a state that does not allow it; in words for the user.
    Conflict(String),
    /// Fields of the request are wrong in a way that only the server knows.
    Wrong(Vec<FieldError>),
    /// The configuration declares the thing: it is changed there.
    Declared(Declared),
    /// The thing is not as the user has seen it.
    Changed,
    /// The server cannot do it now (store broken, shutting down); in words for the log.
    Unavailable(String),
}

/// What the server answers.
pub type Answer<T> = Result<T, Refused>;

/// What the routes need from the server. Every method fails as [`Refused`] says.
#[expect(clippy::missing_errors_doc, reason = "said once, at the type that all of them return")]
pub trait Backend:
    BrowserStore
    + Configuring
    + Dashboards
    + FactorStore
    + Inlet
    + PromSource
    + Keeping
    + StatusPages
    + Send
    + Sync
    + fmt::Debug
    + 'static
{
    // What is.

    /// Returns the first screen.
    fn overview(&self, sight: &Sight) -> Answer<Overview>;
    /// Returns all hosts by columns.
    fn fleet(&self, sight: &Sight) -> Answer<Fleet>;
    /// Returns hosts by name.
    fn hosts(&self, sight: &Sight, query: &HostsQuery) -> Answer<Page<HostRow>>;
    /// Returns a host; names of others in it (parents, children) only within the sight.
    fn host(&self, sight: &Sight, host: &HostName) -> Answer<Host>;
    /// Returns what a host offers, and its newest orders.
    fn actions(&self, host: &HostName) -> Answer<Actions>;
    /// Returns the metrics of a host.
    fn metrics(&self, host: &HostName) -> Answer<Metrics>;
    /// Returns series of a host; a name that it does not have is a column of gaps.
    fn series(&self, host: &HostName, order: &SeriesOrder) -> Answer<Series>;
    /// Returns the states of the checks of a host over time.
    fn lanes(&self, host: &HostName, from: Unix, to: Unix) -> Answer<Lanes>;
    /// Returns the newest data of every collector of a host.
    fn plugins(&self, host: &HostName) -> Answer<Plugins>;
    /// Returns the newest `limit` samples of a collector of a host.
    fn plugin(&self, host: &HostName, plugin: &str, limit: usize) -> Answer<PluginHistory>;
    /// Returns every check of `host`, or what is wrong on all hosts.
    fn alerts(&self, sight: &Sight, host: Option<&HostName>) -> Answer<Alerts>;
    /// Returns the checks of all hosts that `sight` covers.
    fn checks(&self, sight: &Sight, query: &ChecksQuery) -> Answer<Page<CheckRow>>;
    /// Returns what these come to by name, the worst first.
    fn check_summaries(&self, sight: &Sight) -> Answer<Vec<CheckSummary>>;
    /// Returns the metrics of all hosts, by name.
    fn metric_names(&self, sight: &Sight) -> Answer<Vec<MetricSummary>>;
    /// Returns one page of the series of a metric, by host.
    fn metric_on_hosts(
        &self,
        sight: &Sight,
        metric: &str,
        query: &MetricHostsQuery,
    ) -> Answer<Page<MetricOnHost>>;
    /// Returns what happened, newest first, of one host or of all, with `q` in its text.
    fn events(
        &self,
        sight: &Sight,
        host: Option<&HostName>,
        q: Option<&str>,
        page: &PageQuery,
    ) -> Answer<Page<Activity>>;
    /// Returns events of hosts, newest first.
    fn happened(&self, sight: &Sight, query: &HappenedQuery) -> Answer<Page<Happened>>;
    /// Returns incidents.
    fn incidents(&self, sight: &Sight, query: &IncidentsQuery) -> Answer<Page<IncidentRow>>;
    /// Returns an incident.
    fn incident(&self, sight: &Sight, incident: IncidentId) -> Answer<Incident>;
    /// Returns which host and check an incident is about: for deciding who may see it.
    fn incident_of(&self, incident: IncidentId) -> Answer<(HostName, CheckName)>;
    /// Returns why each receiver was told of an incident or not.
    fn explain(&self, incident: IncidentId) -> Answer<Explanation>;
    /// Returns messages, newest first.
    fn deliveries(&self, sight: &Sight, query: &DeliveriesQuery) -> Answer<Page<Delivery>>;
    /// Returns a message.
    fn delivery(&self, sight: &Sight, delivery: DeliveryId) -> Answer<Delivery>;
    /// Returns a message with its tries.
    fn delivery_detail(&self, sight: &Sight, delivery: DeliveryId) -> Answer<DeliveryDetail>;
    /// Tries a message that waits at once; who may is decided before.
    fn retry_delivery(&self, delivery: DeliveryId) -> Answer<Retried>;
    /// Returns silences and maintenance that have not ended and cover a host within the sight.
    fn silences(&self, sight: &Sight) -> Answer<Vec<Silence>>;
    /// Returns what a matcher covers.
    fn preview(&self, sight: &Sight, matcher: &Matcher) -> Answer<Preview>;
    /// Returns receivers.
    fn receivers(&self) -> Answer<Vec<Receiver>>;
    /// Returns the figures of the server as `OpenMetrics`.
    fn openmetrics(&self) -> Answer<String>;
    /// Gives the newest values of the hosts within `sight` as `OpenMetrics`, piece by piece, for as long as
    /// `piece` says that they are wanted.
    fn newest(
        &self,
        sight: &Sight,
        filter: &NewestFilter,
        piece: &mut dyn FnMut(String) -> bool,
    ) -> Answer<()>;
    /// Returns routes in their order.
    fn routes(&self) -> Answer<Vec<Route>>;
    /// Returns who would be told of something that has not happened.
    fn route_test(&self, question: &RouteQuestion) -> Answer<Vec<RouteTestLine>>;
    /// Returns who is on call.
    fn rotas(&self) -> Answer<Vec<Rota>>;
    /// Returns the shifts of a rota as iCalendar.
    fn rota_calendar(&self, rota: &RotaName) -> Answer<String>;
    /// Returns agents; all of them if `query` has no limit.
    fn agents(&self, sight: &Sight, query: &AgentsQuery) -> Answer<Page<Agent>>;
    /// Returns how the server is.
    fn server(&self) -> Answer<ServerReport>;

    // What live frames are made of. Cheap: asked once a second.

    /// Returns the number of a host.
    fn host_id(&self, host: &HostName) -> Answer<HostId>;
    /// Returns hosts by their worst state.
    fn counts(&self, sight: &Sight) -> Answer<Counts>;
    /// Returns what needs somebody, as in the overview.
    fn problems(&self, sight: &Sight) -> Answer<Vec<Problem>>;
    /// Returns rows of those of `hosts` that are within the sight.
    fn rows(&self, sight: &Sight, hosts: &[HostId]) -> Answer<Rows>;
    /// Returns a host as its open page shows it; `checks_changed` is set by the web.
    fn host_change(&self, host: &HostName) -> Answer<HostChange>;

    // What people do.

    /// Takes an incident.
    fn ack(&self, incident: IncidentId, order: &AckOrder) -> Answer<()>;
    /// Gives it back.
    fn unack(&self, incident: IncidentId, by: &UserName) -> Answer<()>;
    /// Adds a remark.
    fn comment(&self, incident: IncidentId, by: &UserName, text: &str) -> Answer<()>;
    /// Ends an incident that does not end by itself.
    fn resolve(&self, incident: IncidentId, by: &UserName, comment: &str) -> Answer<()>;
    /// Says from which incident it follows; `None` for none.
    fn relate(&self, incident: IncidentId, by: &UserName, cause: Option<IncidentId>) -> Answer<()>;
    /// Makes a silence or maintenance.
    fn silence(&self, order: &SilenceOrder) -> Answer<Silence>;
    /// Has a silence or maintenance be from now on what is ordered.
    fn change_silence(&self, silence: SilenceId, order: &SilenceOrder) -> Answer<Silence>;
    /// Returns the next times, at most `n`, at which a maintenance that comes again would hold, or what
    /// cannot be read of it.
    fn times_of(&self, repeats: &Repeats, n: usize) -> Result<Vec<Held>, String>;
    /// Ends one.
    fn end_silence(&self, silence: SilenceId, by: &UserName) -> Answer<()>;
    /// Drops a host with all that is known about it, for good after a while.
    fn drop_host(&self, host: &HostName, by: &UserName) -> Answer<()>;
    /// Gives back a host that was dropped; [`Refused::Absent`] if it was not, or too long ago.
    fn restore_host(&self, host: &HostName, by: &UserName) -> Answer<()>;
    /// Returns every host that was dropped and can come back, by name.
    fn dropped_hosts(&self) -> Answer<Vec<DroppedHost>>;
    /// Orders an action; it is stored when this returns.
    fn order(&self, order: &ActionOrder) -> Answer<Order>;
    /// Looks at a check of a host as soon as there is room, or at all that the server runs for it.
    fn look_now(&self, host: &HostName, check: Option<&CheckName>) -> Answer<Looking>;
    /// Puts a test message into the outbox.
    fn test_receiver(&self, receiver: &ReceiverName, by: &UserName) -> Answer<TestSent>;

    // People who handle incidents from outside the page.

    /// Returns what the token of a message is for. A foreign one is [`Refused::Absent`], one whose time
    /// is over [`Refused::Conflict`].
    fn offered(&self, token: &str) -> Answer<Offer>;
    /// Acknowledges with the token of a message; refused as [`Backend::offered`] does.
    fn handle(&self, token: &str, order: &TokenOrder) -> Answer<Handled>;
    /// Takes a call of the service behind a receiver; [`Refused::Absent`] if that makes none.
    fn called(&self, receiver: &ReceiverName, call: &ServiceCall) -> Answer<ServiceAnswer>;

    // Users, sessions, tokens: storage only.

    /// Returns a user.
    fn account(&self, user: &UserName) -> Answer<Account>;
    /// Returns the user for whom `origin` vouches.
    fn account_of(&self, origin: &Origin) -> Answer<Account>;
    /// Returns all users by name.
    fn accounts(&self) -> Answer<Vec<Account>>;
    /// Stores a user in place of the one of the same name.
    fn put_account(&self, account: &Account) -> Answer<()>;
    /// Drops a user with all sessions and API tokens.
    fn drop_account(&self, user: &UserName) -> Answer<()>;
    /// Returns a session.
    fn session(&self, hash: &TokenHash) -> Answer<SessionRecord>;
    /// Returns the sessions of a user.
    fn sessions(&self, user: &UserName) -> Answer<Vec<SessionRecord>>;
    /// Stores a session in place of the one of the same hash.
    fn put_session(&self, session: &SessionRecord) -> Answer<()>;
    /// Drops a session; not an error if there is none.
    fn drop_session(&self, hash: &TokenHash) -> Answer<()>;
    /// Returns an API token.
    fn api_token(&self, hash: &TokenHash) -> Answer<ApiTokenRecord>;
    /// Returns the API tokens of a user.
    fn api_tokens(&self, user: &UserName) -> Answer<Vec<ApiTokenRecord>>;
    /// Stores an API token in place of the one of the same hash.
    fn put_api_token(&self, token: &ApiTokenRecord) -> Answer<()>;
    /// Drops an API token; not an error if there is none.
    fn drop_api_token(&self, hash: &TokenHash) -> Answer<()>;
    /// Appends a line to the audit.
    fn audit(&self, line: &AuditLine) -> Answer<()>;
    /// Returns the audit, newest first.
    fn audit_lines(&self, query: &AuditQuery) -> Answer<Page<AuditLine>>;
    /// Follows the audit's chain from its first line to its last.
    fn audit_chain(&self) -> Answer<AuditChain>;

    // Agents that join.

    /// Returns a one-time token.
    fn enrolment(&self, hash: &TokenHash) -> Answer<EnrolmentRecord>;
    /// Returns the one-time tokens that have not ended.
    fn enrolments(&self) -> Answer<Vec<EnrolmentRecord>>;
    /// Stores a one-time token.
    fn put_enrolment(&self, enrolment: &EnrolmentRecord) -> Answer<()>;
    /// Drops a one-time token; not an error if there is none.
    fn drop_enrolment(&self, hash: &TokenHash) -> Answer<()>;
    /// Stores the agent and counts the use of its token, both or neither. A name that is enrolled
    /// already is [`Refused::Conflict`] unless the token is bound to that very name.
    fn join(&self, order: &JoinOrder) -> Answer<Joined>;

    /// Returns which releases are offered, and how far they have come among the hosts within the sight.
    fn rollout(&self, sight: &Sight) -> Answer<Rollout>;

    /// Returns where the file `name` of a release lies, for `host`; none if it is not for this host now.
    fn release(&self, name: &str, host: &HostName) -> Answer<Option<PathBuf>>;

    // Agents over HTTPS. What they bring may wait for the disk for some seconds.

    /// Checks who sends a request, and uses its number up.
    fn prove_agent(&self, claim: &AgentClaim) -> Answer<AgentProof>;

    /// Takes what the agent at `place` brings from `address`; returns once it is on the disk.
    fn take_batch(&self, place: usize, address: IpAddr, batch: Batch) -> Answer<ReportStored>;

    /// Returns what the agent at `place` is given as settings.
    fn given_configuration(&self, place: usize) -> Answer<GivenConfiguration>;

    // Jobs that report themselves.

    /// Takes what the job whose address has this token says, with what it printed; returns once it is
    /// on the disk.
    fn push(&self, token: &str, ping: JobPing, log: &str) -> Answer<()>;

    /// Returns every job that reports itself, with its address.
    fn pushes(&self) -> Answer<Vec<Push>>;

    /// Returns the reports that are made regularly.
    fn reports(&self) -> Answer<Vec<ReportRow>>;

    /// Makes a report over a period, and sends it to its receivers if `send`.
    fn report(&self, name: &str, period: ReportPeriod, send: bool) -> Answer<MadeReport>;
    /// Returns the names in DNS of hosts that are seen.
    fn dns(&self, sight: &Sight) -> Answer<Dns>;

    /// Returns whose name in DNS it is; a host that has names is its own.
    fn dns_host(&self, name: &str) -> Answer<HostName>;

    /// Publishes a name or all of a host, or takes them out. On the disk when this returns.
    fn order_dns(&self, name: &str, action: DnsAction) -> Answer<DnsOrdered>;

    /// Returns what there is for the agent at `place`.
    fn agent_news(&self, place: usize) -> Answer<AgentNews>;

    /// Returns the order of this number for the agent at `place`, which takes it with that.
    fn given_order(&self, place: usize, number: u32) -> Answer<GivenOrder>;

    /// Takes events that another server brings; they are on the disk when it is answered.
    fn bring_events(&self, brought: EventsBrought) -> Answer<EventsTaken>;

    /// Says which part of the server hangs, if one does, from memory and without waiting. By default
    /// none does.
    fn stuck(&self) -> Option<String> {
        None
    }
}
