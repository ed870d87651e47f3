//! The section `agent` of the configuration.

mod update;

use std::path::PathBuf;
use std::time::Duration;

use hark_config::{Bare, Document, Key, Kind, NoSecrets, Section, Style};
use hark_model::{HostName, Secret};
use hark_proto::Identity;

use crate::collectors::{self, Configured, Root};
use crate::endpoint::{Names, Server};
use crate::jobs::{self, Actions, Allowed, JobsConfig, Rights};
use crate::logs::{self, LogsConfig};
use crate::marks::{MARKS, Marks};
use crate::site::{self, Probes, SiteSettings};
use crate::spool::Limits;
use crate::way_back::Returning;

pub use update::{UpdateSettings, UpdateSource};

/// What an agent needs to run.
#[derive(Debug)]
pub struct AgentConfig {
    /// The agent's own folder: identity, session, spool, the socket for `hark send`.
    pub folder: PathBuf,
    /// The servers, tried in turn. With a token or a stored identity it may be empty: they know.
    pub servers: Vec<Server>,
    /// How their names are looked up.
    pub names: Names,
    /// How soon it goes back to the first of them.
    pub returning: Returning,
    /// How the agent shows who it is.
    pub access: Access,
    /// The host's name; none is the system's own.
    pub host: Option<HostName>,
    /// Time between two heartbeats; none is what the server said at enrolment, else
    /// [`AgentConfig::DEFAULT_INTERVAL`].
    pub interval: Option<Duration>,
    /// The collectors that run.
    pub collectors: Vec<Configured>,
    /// What it does besides: plugins, commands.
    pub jobs: JobsConfig,
    /// The logs that it watches.
    pub logs: LogsConfig,
    /// What of what the server names it runs.
    pub allowed: Allowed,
    /// What operators may have run on this host.
    pub actions: Actions,
    /// Whether it looks at things for the server.
    pub site: SiteSettings,
    /// How much is kept while the server is away.
    pub spool: Limits,
    /// Whether and how this machine's hark replaces itself by a newer one.
    pub update: UpdateSettings,
    /// Where `/proc`, `/sys` and `/etc` are.
    pub root: Root,
    /// What of [`GIVEN_KEYS`] the host's own file says, as JSON: it lies on top of what the server gives.
    pub own: String,
}

/// How an agent shows who it is.
#[derive(Clone, Debug)]
pub enum Access {
    /// By the secret that all share.
    Secret(Secret),
    /// By a token, once; then by what it was given for it.
    Token(Secret),
    /// By what it was given for a token earlier.
    Stored,
    /// By an identity that the caller made: `hark up` is both sides.
    Known(Identity),
}

impl AgentConfig {
    /// The seeds' default.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);

    /// The shortest interval: sampling takes a millisecond, and the server has others.
    pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

    /// The longest: an hour without a sign of life is no monitoring.
    pub const LONGEST_INTERVAL: Duration = Duration::from_hours(1);

    /// Returns the settings of an agent in `folder` where nothing is configured.
    pub fn new(folder: PathBuf, access: Access) -> Self {
        Self {
            folder,
            servers: Vec::new(),
            names: Names::default(),
            returning: Returning::default(),
            access,
            host: None,
            interval: None,
            collectors: collectors::read(None),
            jobs: JobsConfig::default(),
            logs: LogsConfig::default(),
            allowed: Allowed::default(),
            actions: Actions::default(),
            site: SiteSettings::default(),
            spool: Limits::default(),
            update: UpdateSettings::default(),
            root: Root::system(),
            own: "{}".to_owned(),
        }
    }

    /// Reads the settings of an agent from YAML, as they stand below `agent`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn from_text(text: &str, folder: PathBuf) -> Result<Self, String> {
        let document = Document::single(text);
        let config = Self::read(&document.root(&NoSecrets), folder);
        if document.has_errors() {
            return Err(document.diagnostics().render(Style::Plain));
        }
        Ok(config)
    }

    /// Reads the section; diagnostics are in it.
    pub fn read(section: &Section<'_>, folder: PathBuf) -> Self {
        let servers = section.parse_many("server", Server::parse);
        let asked = section.parse_many("resolver", Names::parse);
        let (secret, token) = (section.opt_secret("secret"), section.opt_secret("token"));
        if secret.is_some() && token.is_some() {
            let report = section.error("token", "an agent has a secret or a token, not both");
            drop(report.hint("a token is for one host and safer: remove the secret"));
        }
        let access = match (token, secret) {
            (Some(token), _) => Access::Token(token),
            (None, Some(secret)) => Access::Secret(secret),
            (None, None) => Access::Stored,
        };
        let mut config = Self {
            folder,
            servers: servers.into_iter().map(|server| server.value).collect(),
            names: Names::asking(asked.into_iter().map(|server| server.value).collect()),
            returning: Returning::default(),
            access,
            host: section.parse("name", HostName::new),
            interval: interval(section),
            collectors: collectors::read(section.child("collectors").as_ref()),
            jobs: JobsConfig::read(section),
            logs: LogsConfig::read(section),
            allowed: Allowed::read(section),
            actions: Actions::read(section),
            site: SiteSettings::read(section),
            spool: spool(section),
            update: section.child("update").map(|s| UpdateSettings::read(&s)).unwrap_or_default(),
            root: Root::system(),
            own: own(section),
        };
        config.update.host.clone_from(&config.host);
        section.finish(KEYS);
        config
    }
}

/// What [`AgentConfig`] is read from.
pub const KEYS: &[Key] = &[
    Key::new(
        "server",
        Kind::OneOrMany(&Kind::Text),
        "Servers, tried in turn: name or address, `:port`; `srv:example.net`; `discover`.",
    ),
    Key::new(
        "resolver",
        Kind::OneOrMany(&Kind::Text),
        "Name servers to ask for them, addresses; else as the system does.",
    ),
    Key::new("secret", Kind::Secret, "The secret that all agents share (simple mode)."),
    Key::new("token", Kind::Secret, "A token made on the server, to join once."),
    Key::new("name", Kind::Text, "The host's name.").default("the system's host name"),
    INTERVAL,
    COLLECTORS,
    jobs::PROCESSES,
    jobs::COMMANDS,
    jobs::PLUGINS,
    jobs::NAGIOS_RUNNER,
    jobs::CUSTOM,
    jobs::EXPORTERS,
    jobs::STATSD,
    jobs::LINES,
    logs::LOGS,
    logs::LOGS_CPU,
    jobs::PERMIT,
    jobs::ACTIONS,
    site::SITE,
    site::UPLINK,
    Key::new("spool", Kind::Section(SPOOL_KEYS), "What is kept while the server is away."),
    Key::new("update", Kind::Section(update::KEYS), "How this machine's hark is updated."),
];

const INTERVAL: Key =
    Key::new("interval", Kind::Duration, "Time between two heartbeats, 1s to 1h.").default("30s");

const COLLECTORS: Key = Key::new(
    "collectors",
    Kind::Named(&Kind::Any),
    "Settings of the collectors: docs/collectors.md.",
);

/// What of the section the server may give: how and what is looked at, not who the agent is and
/// whom it believes, what the server may have run and what operators may order.
///
/// Not what makes sockets or asks addresses (`exporters`, `statsd`, `lines`): a server that was taken over
/// could put a socket in the place of another, or have pages fetched that only this host can reach.
pub const GIVEN_KEYS: &[Key] = &[
    INTERVAL,
    COLLECTORS,
    jobs::PROCESSES,
    jobs::COMMANDS,
    jobs::PLUGINS,
    jobs::NAGIOS_RUNNER,
    jobs::CUSTOM,
    logs::LOGS,
    logs::LOGS_CPU,
];

/// What beside them stays the host's own when settings are given.
const HOST_KEYS: &[Key] = &[jobs::EXPORTERS, jobs::STATSD, jobs::LINES];

/// What the server gives beside [`GIVEN_KEYS`]: it makes these itself, nobody writes them.
const MADE_KEYS: &[Key] = &[site::PROBES, MARKS];

/// Returns what of [`GIVEN_KEYS`] and [`HOST_KEYS`] is there.
fn own(section: &Section<'_>) -> String {
    let mut all = section.to_json();
    if let Some(members) = all.as_object_mut() {
        members.retain(|name, _| GIVEN_KEYS.iter().chain(HOST_KEYS).any(|key| key.name == name));
    }
    all.to_string()
}

/// Looks whether a server's text has only what a server may give; diagnostics are in the section.
pub(crate) fn check_keys(section: &Section<'_>) {
    section.finish(&[GIVEN_KEYS, MADE_KEYS].concat());
}

/// Looks whether an agent would take this as given by its server; diagnostics are in the section.
pub fn check_given(section: &Section<'_>) {
    drop(Given::read(section, Rights::HostFile));
}

/// What the server gives.
#[derive(Debug)]
pub(crate) struct Given {
    /// Time between two heartbeats, if it says.
    pub(crate) interval: Option<Duration>,
    /// The collectors that run.
    pub(crate) collectors: Vec<Configured>,
    /// What it does besides, without what the host's file does not allow.
    pub(crate) jobs: JobsConfig,
    /// The logs that it watches.
    pub(crate) logs: LogsConfig,
    /// What it looks at for the server.
    pub(crate) probes: Probes,
    /// The server's limits on what processors and memory are measured by.
    pub(crate) marks: Marks,
}

impl Given {
    /// Reads it; diagnostics are in the section.
    pub(crate) fn read(section: &Section<'_>, rights: Rights<'_>) -> Self {
        let given = Self {
            interval: interval(section),
            collectors: collectors::read(section.child("collectors").as_ref()),
            jobs: JobsConfig::read_with(section, rights),
            logs: LogsConfig::read(section),
            probes: match rights {
                // The server makes them of its checks; nobody writes them.
                Rights::HostFile => Probes::default(),
                Rights::Given { .. } => Probes::read(section),
            },
            marks: match rights {
                Rights::HostFile => Marks::default(),
                Rights::Given { .. } => Marks::read(section),
            },
        };
        match rights {
            Rights::HostFile => section.finish(GIVEN_KEYS),
            Rights::Given { .. } => section.finish(&[GIVEN_KEYS, MADE_KEYS, HOST_KEYS].concat()),
        }
        given
    }
}

const SPOOL_KEYS: &[Key] = &[
    Key::new("size", Kind::Size, "Bytes on disk, 256KiB to 64GiB.").default("64MiB"),
    Key::new(
        "age",
        Kind::Duration,
        "Samples that have waited longer than this while the agent ran are given up.",
    )
    .default("7d"),
];

fn interval(section: &Section<'_>) -> Option<Duration> {
    let interval = section.opt_duration("interval", Bare::Seconds)?;
    let allowed = AgentConfig::SHORTEST_INTERVAL..=AgentConfig::LONGEST_INTERVAL;
    if !allowed.contains(&interval) {
        section.error("interval", "an agent's interval is between 1s and 1h");
        return None;
    }
    Some(interval)
}

fn spool(section: &Section<'_>) -> Limits {
    const LARGEST: u64 = 64 << 30;
    let Some(section) = section.child("spool") else { return Limits::default() };
    let defaults = Limits::default();
    let bytes = section.size("size", defaults.bytes);
    if !(Limits::MIN_BYTES..=LARGEST).contains(&bytes) {
        section.error("size", "a spool's size is between 256KiB and 64GiB");
    }
    let age = section.duration("age", Bare::Days, defaults.age);
    if age < Duration::from_mins(1) {
        section.error("age", "a spool's age is at least 1m");
    }
    section.finish(SPOOL_KEYS);
    Limits { bytes: bytes.clamp(Limits::MIN_BYTES, LARGEST), age }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (AgentConfig, String) {
        let document = Document::single(text);
        let config = AgentConfig::read(&document.root(&NoSecrets), PathBuf::from("/x"));
        let said = document.diagnostics().render(Style::Plain);
        (config, said)
    }

    #[test]
    fn everything_has_a_default() {
        let (config, said) = read("{}\n");
        assert_eq!(said, "");
        assert!(matches!(config.access, Access::Stored));
        assert_eq!(config.spool, Limits::default());
        let on = collectors::COLLECTORS.iter().filter(|kind| kind.is_on_by_default());
        assert_eq!(config.collectors.len(), on.count());
    }

    #[test]
    fn reads_all_keys() {
        let (config, said) = read(
            "server: [hark.example.net, '192.0.2.7:1234']\nsecret: s\nname: web1\ninterval: 10s\n\
             collectors:\n  cpu: {per_core: true}\n  diskio: {enabled: false}\n\
             spool: {size: 1MiB, age: 2d}\n",
        );
        assert_eq!(said, "");
        assert_eq!(format!("{:?}", config.servers), "[hark.example.net:50003, 192.0.2.7:1234]");
        assert!(matches!(&config.access, Access::Secret(s) if s.expose() == "s"));
        assert_eq!(config.host.unwrap().as_str(), "web1");
        assert_eq!(config.interval, Some(Duration::from_secs(10)));
        assert!(!config.collectors.iter().any(|c| c.name == "diskio"));
        let spool = Limits { bytes: 1 << 20, age: Duration::from_hours(48) };
        assert_eq!(config.spool, spool);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, said) in [
            ("server: ['a b']\n", "a server is a name or an address"),
            ("server: 'srv:a..b'\n", "after srv: comes a domain"),
            ("resolver: ns.example.net\n", "a name server is an address"),
            ("interval: 0.5s\n", "interval"),
            ("interval: 2h\n", "between 1s and 1h"),
            ("secret: a\ntoken: b\n", "a secret or a token, not both"),
            ("spool: {size: 1KiB}\n", "between 256KiB and 64GiB"),
            ("spool: {age: 1s}\n", "at least 1m"),
            ("spool: {sise: 1MiB}\n", "`size`"),
            ("collectors: {cpuu: {}}\n", "`cpu`"),
            ("intervall: 5s\n", "`interval`"),
            ("name: 'a b'\n", "host name"),
        ] {
            let found = read(text).1;
            assert!(found.contains(said), "{text}: {found}");
            assert!(found.contains("hark.yaml:"), "{text}: {found}");
        }
    }

    #[test]
    fn keys_in_the_table_are_the_keys_read() {
        let document = Document::single("{}\n");
        let section = document.root(&NoSecrets);
        AgentConfig::read(&section, PathBuf::from("/x"));
        let mut asked = section.asked();
        asked.sort_unstable();
        asked.dedup();
        let mut told: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        told.sort_unstable();
        assert_eq!(asked, told);
    }
}
