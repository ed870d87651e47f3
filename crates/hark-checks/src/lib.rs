//! Checks that look at something from here: a host that answers, a port that opens, a page that is
//! served.
//!
//! - [`TYPES`] lists the kinds; each is one file under `types/`. Looking (IO) and judging (pure) are
//!   two functions of it.
//! - [`run`] runs one check once and always ends within its time limit; what it returns becomes a
//!   `CheckResult`, or the output of a plugin ([`Finding::plugin_output`]) for `hark check`.
//! - [`Configured::read_all`] reads the section `checks` of the configuration, [`from_target`] makes
//!   a check of a command line.
//! - [`schedule::Schedule`] says when each is due. It is pure: the driver gives it the time.
//! - [`directory`] asks a directory whether somebody is who he says he is, in the words of the check `ldap`.
//! - [`sites`] has checks looked at from several places, [`quorum::Quorum`] makes one result of what they see.
//!
//! This crate does not know what a bad result means for anybody (the engine's incidents), nor where
//! results go.
#![expect(dead_code, reason = "not every part of a link has its type yet")]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::time::Clock;
use hark_net::{BoxFuture, Family, Guard, Resolver};

mod ber;
mod call;
mod command;
mod conditions;
mod configured;
mod dialogue;
pub mod directory;
mod dns;
#[cfg_attr(windows, path = "echo/absent.rs")]
mod echo;
mod endpoint;
mod facts;
mod families;
mod finding;
mod frames;
mod keys;
mod link;
mod login;
mod manual;
mod net;
mod octets;
mod pattern;
mod programs;
pub mod quorum;
pub mod schedule;
mod session;
pub mod sites;
mod streak;
mod stream;
mod tls;
mod types;
pub mod uplink;
mod web;

pub use call::{call, call_with};
pub use configured::{
    CHECK_KEYS, Configured, DEFAULT_KEYS, PUSH_KEYS, Timing, from_target, read_guard, read_uplink,
    read_ways_out,
};
pub use echo::Echoes;
pub use facts::FactKey;
pub use finding::{Finding, Measure};
pub use manual::{by_name, first_sentence, manual};
pub use programs::Programs;
pub use streak::Streak;

/// What a check needs from the program around it.
#[derive(Clone, Debug)]
pub struct Context {
    /// Turns names into addresses.
    pub resolver: Arc<Resolver>,
    /// Which addresses may be gone to.
    pub guard: Guard,
    /// Runs programs, if checks may run any.
    pub programs: Programs,
    /// The sockets of all echo requests.
    pub echoes: Echoes,
}

impl Context {
    /// Goes to any address, and runs no program.
    pub fn new(resolver: Arc<Resolver>) -> Self {
        Self { resolver, guard: Guard::Open, programs: Programs::none(), echoes: Echoes::default() }
    }
}

/// What a check is told beside its own settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// The address to look at where the settings name none: that of the check's host.
    pub host: Option<&'a str>,
    /// Which addresses to use. The setting `family` is read for every type that has its key; with
    /// `both` a check is read once for each family.
    pub family: Family,
    /// The names of the values that the check's conditions are about: a type that can see countless
    /// ones (headers, places in JSON) looks for these.
    pub wanted: &'a [String],
}

/// One configured check.
pub trait Check: Send + Sync + fmt::Debug {
    /// Returns the word of its type.
    fn kind(&self) -> &'static str;

    /// Returns what it looks at, for people.
    fn target(&self) -> String;

    /// Returns the time one run may take.
    fn timeout(&self) -> Duration;

    /// Looks once and judges what it saw. Cancelling closes what it opened and leaves nothing behind.
    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding>;
}

/// A kind of check: the word in the configuration and how its settings are read.
pub trait CheckType: Sync {
    /// Returns the word in the configuration, the manual and the metrics.
    fn name(&self) -> &'static str;

    /// Returns what it looks at and when it is ok, warning, critical or unknown, in markdown.
    fn manual(&self) -> &'static str;

    /// Returns its settings.
    fn keys(&self) -> &'static [Key];

    /// Returns the key that `hark check TYPE TARGET` fills with the target.
    fn target_key(&self) -> &'static str;

    /// Returns settings that must be accepted, as YAML.
    fn example(&self) -> &'static str;

    /// Returns every value that it may see, measures too: what conditions can be about.
    fn facts(&self) -> &'static [FactKey];

    /// Reads the settings. `None`: what is wrong was reported to the section's document.
    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>>;
}

/// Every kind of check.
pub const TYPES: &[&dyn CheckType] = &[
    // By file, one a line.
    &types::amqp::Amqp,
    &types::dns::Dns,
    &types::dns_zone::DnsZone,
    &types::domain::Domain,
    &types::exec::Exec,
    &types::flow::Flow,
    &types::ftp::Ftp,
    &types::http::Http,
    &types::icmp::Icmp,
    &types::imap::Imap,
    &types::ldap::Ldap,
    &types::memcached::Memcached,
    &types::mqtt::Mqtt,
    &types::mysql::Mysql,
    &types::ntp::Ntp,
    &types::openvpn::OpenVpn,
    &types::plugin::Plugin,
    &types::pop3::Pop3,
    &types::postgres::Postgres,
    &types::redis::Redis,
    &types::sip::Sip,
    &types::smtp::Smtp,
    &types::snmp::Snmp,
    &types::ssh::Ssh,
    &types::tcp::Tcp,
    &types::tls::TlsOfServer,
    &types::udp::Udp,
    &types::xmpp::Xmpp,
];

/// Runs `check` once. Returns what it found and how long it took. It ends within the check's time
/// limit: a check that does not is critical, since nothing else is known of what it looks at.
pub async fn run(check: &dyn Check, context: &Context) -> (Finding, Duration) {
    let began = Clock.micros();
    let finding = tokio::time::timeout(check.timeout(), check.look(context)).await;
    let took = Duration::from_micros(Clock.micros().since(began));
    let finding = finding.unwrap_or_else(|_elapsed| Finding::timed_out(check.timeout()));
    debug_assert!(facts_are_listed(check.kind(), &finding), "{finding:?}");
    (finding.bounded(), took)
}

/// Returns true if the type's table has every value that was seen: the manual says what conditions
/// can be about.
fn facts_are_listed(kind: &str, finding: &Finding) -> bool {
    let Some(kind) = TYPES.iter().find(|known| known.name() == kind) else { return true };
    let bare = |name: &str| {
        let name =
            name.strip_prefix("ipv4_").or_else(|| name.strip_prefix("ipv6_")).unwrap_or(name);
        kind.facts().iter().any(|fact| fact.takes(name))
    };
    finding.all_facts().iter().all(|(name, _)| bare(name))
}
