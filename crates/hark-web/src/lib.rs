//! The page, the API and the live connections.
//!
//! [`serve`] answers HTTP and live connections on the listeners it is given, with what a [`Backend`] knows.
//! All logic of log-in, sessions, tokens and rights is here (`auth`, `policy`); the backend stores and
//! looks up. What changed while the server runs comes in through [`Live`].
//!
//! The way of a request: `serve` (bounds, TLS or not) -> `envelope` (number, time limit, headers,
//! failures as documents) -> `site` (names of hosts that are a status page's own) -> `guard` (https, set-up,
//! user, origin) -> `pace` (how fast) -> `deed` (what is begun is done to its end) -> `repeat` (writes that are
//! sent again) -> `condition` (versions) -> `lists` (pages, CSV) -> one handler in `routes/` -> `policy::may` -> [`Backend`].
//!
//! Deliberately absent: this crate opens no file and no outgoing connection, knows no engine and no
//! store, makes no certificate, and reads no clock but `hark_model::Clock`.

mod agent;
mod app;
mod auth;
mod backend;
mod blind;
mod condition;
mod config;
mod deed;
mod envelope;
mod extract;
mod failure;
mod guard;
mod jobs;
mod lists;
mod live;
mod login;
mod oidc;
mod outside;
mod pace;
mod packed;
mod page;
mod peer;
mod policy;
mod proxy;
mod ready;
mod repeat;
mod routes;
mod serve;
mod site;
mod stall;
mod vouched;
mod who;

pub use agent::{AgentClaim, AgentProof, Batch, Item, Outcome, Sample};
pub use auth::password::{hash as hash_password, weakness as password_weakness};
pub use auth::setup::new_setup_code;
pub use auth::token::NoRandom;
pub use backend::{
    Account, AckOrder, ActionOrder, Answer, ApiTokenRecord, Backend, BrowserStore, ConfigChange,
    Configuring, Credentials, DashboardRecord, Dashboards, DnsAction, Door, EnrolmentRecord,
    EraseOrder, FactorStore, Factors, Inlet, JobPing, JoinOrder, Keeping, NewestFilter, Offer,
    Origin, Parcel, PasskeyRecord, PromChoice, PromError, PromPatience, PromQuestion, PromSource,
    PublicIncidentRecord, ReaderWay, ReadersStep, Receipt, Refused, ReportPeriod, RouteQuestion,
    SeriesOrder, ServiceAnswer, ServiceCall, SessionRecord, Sight, SilenceOrder, StatusAccess,
    StatusDocument, StatusPages, StatusPart, StatusSite, StatusSites, StatusSummary, TokenHash,
    TokenOrder, Told, Totp,
};
pub use blind::serve_blind;
pub use config::{DEFAULT_PORT, KEYS, TLS_KEYS, TlsSettings, WebSettings, address};
pub use live::Live;
pub use login::{
    Demand, LOGIN_KEYS, LdapGroups, LdapSettings, LdapWay, LoginSettings, Membership, NewUsers,
    OidcSettings, Open, Rights,
};
pub use outside::{Fetch, Fetched, Nowhere, Outside, Person};
pub use policy::may_operate;
pub use proxy::{Network, Proxies};
pub use serve::{Plain, Tls, WebConfig, serve};
