//! The section `checks` of the configuration, and checks made of a command line.

use std::sync::Arc;
use std::time::Duration;

use hark_calendar::ActiveWindow;
use hark_config::{Bare, Document, Key, Kind, NoSecrets, Section, Span};
use hark_model::{CheckName, HostName, Unix};
use hark_net::Guard;

use crate::conditions::{self, Conditions};
use crate::keys::join;
use crate::sites::{self, Sites};
use crate::{Check, CheckType, TYPES, families, types};

/// The settings of one check beside those of its type.
pub const CHECK_KEYS: &[Key] =
    &join::<_, { OWN_KEYS.len() + MORE_KEYS.len() }>(OWN_KEYS, MORE_KEYS);

const MORE_KEYS: &[Key] =
    &join::<_, { sites::KEYS.len() + conditions::KEYS.len() }>(sites::KEYS, conditions::KEYS);

/// The settings of a check that a site is given.
pub(crate) const PROBE_KEYS: &[Key] =
    &join::<_, { CHECK_KEYS.len() + GIVEN_KEYS.len() }>(CHECK_KEYS, GIVEN_KEYS);

const GIVEN_KEYS: &[Key] = &[
    Key::new("check", Kind::Text, "Its name."),
    Key::new("address", Kind::OneOrMany(&Kind::Text), "Where its host is."),
    Key::new("private_targets", Kind::Bool, "As in `check_defaults`.").default("true"),
];

const OWN_KEYS: &[Key] = &[
    Key::new("ping", Kind::Section(types::icmp::KEYS), "Echo requests."),
    Key::new("tcp", Kind::Section(types::tcp::KEYS), "A TCP port."),
    Key::new(
        "plugin",
        Kind::Section(types::plugin::KEYS),
        "A plugin of Nagios, run on the server.",
    ),
    Key::new("exec", Kind::Section(types::exec::KEYS), "Any program, run on the server."),
    Key::new("flow", Kind::Section(types::flow::KEYS), "Several web requests in a row."),
    Key::new("domain", Kind::Section(types::domain::KEYS), "A domain's registration."),
    Key::new("http", Kind::Section(types::http::KEYS), "A web address."),
    Key::new("ftp", Kind::Section(types::ftp::KEYS), "A file server."),
    Key::new("imap", Kind::Section(types::imap::KEYS), "A mailbox server, IMAP."),
    Key::new("openvpn", Kind::Section(types::openvpn::KEYS), "A server of virtual networks."),
    Key::new("sip", Kind::Section(types::sip::KEYS), "A server of telephony."),
    Key::new("pop3", Kind::Section(types::pop3::KEYS), "A mailbox server, POP3."),
    Key::new("smtp", Kind::Section(types::smtp::KEYS), "A mail server."),
    Key::new("ssh", Kind::Section(types::ssh::KEYS), "A server of remote logins."),
    Key::new("tls", Kind::Section(types::tls::KEYS), "Certificates and versions of TLS."),
    Key::new("xmpp", Kind::Section(types::xmpp::KEYS), "A server of instant messages."),
    Key::new("amqp", Kind::Section(types::amqp::KEYS), "A message broker that speaks AMQP 0-9-1."),
    Key::new("dns", Kind::Section(types::dns::KEYS), "A question to a name server."),
    Key::new("dns_zone", Kind::Section(types::dns_zone::KEYS), "Every name server of a zone."),
    Key::new("ldap", Kind::Section(types::ldap::KEYS), "A directory."),
    Key::new("memcached", Kind::Section(types::memcached::KEYS), "Memcached."),
    Key::new("mqtt", Kind::Section(types::mqtt::KEYS), "A message broker that speaks MQTT."),
    Key::new("mysql", Kind::Section(types::mysql::KEYS), "MySQL and MariaDB."),
    Key::new("ntp", Kind::Section(types::ntp::KEYS), "A time server."),
    Key::new("postgres", Kind::Section(types::postgres::KEYS), "PostgreSQL."),
    Key::new("redis", Kind::Section(types::redis::KEYS), "Redis and its kin."),
    Key::new("snmp", Kind::Section(types::snmp::KEYS), "A device that speaks SNMP."),
    Key::new("udp", Kind::Section(types::udp::KEYS), "A UDP port that answers."),
    Key::new("push", Kind::Section(PUSH_KEYS), "A job that reports itself: docs/push.md."),
    Key::new(
        "host",
        Kind::OneOrMany(&Kind::Text),
        "Host that the check belongs to; of several, each has its own.",
    )
    .required(),
    Key::new("every", Kind::Duration, "Time between two runs.").default("60s"),
    Key::new(
        "retry_every",
        Kind::Duration,
        "Time between two runs while a bad result is not yet confirmed; by default a quarter of `every`.",
    ),
    Key::new(
        "error_every",
        Kind::Duration,
        "Time between two runs while it is confirmed bad; by default `every`.",
    ),
    Key::new("attempts", Kind::Integer, "Bad results in a row that confirm it.").default("3"),
    Key::new(
        "retry",
        Kind::Integer,
        "The same as `attempts`, as picomon calls it: 0 and 1 mean that the first bad result confirms it.",
    ),
    Key::new("clear_attempts", Kind::Integer, "Good results in a row that end it.").default("1"),
    Key::new("for", Kind::Duration, "How long it must be bad before it is confirmed.")
        .default("0s"),
    Key::new(
        "keep_firing_for",
        Kind::Duration,
        "How long it must be good before its incident ends.",
    )
    .default("0s"),
    Key::new(
        "on_stale",
        Kind::OneOf(&["unknown", "critical", "probe"]),
        "What it is when results stop coming.",
    )
    .default("unknown"),
    Key::new("description", Kind::Text, "What it is about, for people: shown with its name."),
    Key::new("hidden", Kind::Bool, "Not shown on the page of its host while it is well.")
        .default("false"),
    Key::new("volatile", Kind::Bool, "Each bad result is told.").default("false"),
    Key::new("flapping", Kind::Bool, "Whether flapping is looked for."),
    Key::new(
        "repair",
        Kind::Section(REPAIR_KEYS),
        "An action of the host that is ordered when it is confirmed bad: docs/actions.md.",
    ),
    Key::new("timeout", Kind::Duration, "Time for one run, where the type's settings name none."),
    hark_calendar::ACTIVE,
];

/// The settings of a job that reports itself; the engine reads them.
pub const PUSH_KEYS: &[Key] = &[
    Key::new("every", Kind::Duration, "It is due this long after its last success, 10s to 400d."),
    Key::new("cron", Kind::Text, "Instead: when it is due, as in cron: `0 3 * * mon-fri`."),
    Key::new("timezone", Kind::Text, "Time zone of `cron`, such as `Europe/Berlin`.")
        .default("the server's"),
    Key::new("grace", Kind::Duration, "How late it may be.").default("5m"),
    Key::new(
        "max_run",
        Kind::Duration,
        "How long it may run after it has said that it began; it is not called late meanwhile.",
    ),
    Key::new(
        "first_by",
        Kind::Text,
        "When it must have reported for the first time, such as `2026-12-01T06:00:00Z`.",
    ),
    Key::new("paused", Kind::Bool, "Nothing is expected of it for now.").default("false"),
    Key::new(
        "rotation",
        Kind::Integer,
        "Another number makes another address; the one before is void.",
    )
    .default("0"),
];

/// The settings of a repair; the engine reads them.
const REPAIR_KEYS: &[Key] = &[
    Key::new("action", Kind::Text, "Name of the action in the host's own list.").required(),
    Key::new("tries", Kind::Integer, "How often it is ordered for one incident, at most 10.")
        .default("3"),
    Key::new("wait", Kind::Duration, "Time from one try to the next, 10s to 1d.").default("1m"),
];

/// The settings of the section `check_defaults`: what holds for checks that say nothing else.
pub const DEFAULT_KEYS: &[Key] = &[
    Key::new(
        "base_tick",
        Kind::Duration,
        "If set, a bare number at `every`, `retry_every` and `error_every` counts these instead of seconds; fractions too.",
    ),
    Key::new("every", Kind::Duration, "Time between two runs.").default("60s"),
    Key::new(
        "retry_every",
        Kind::Duration,
        "Time between two runs while a bad result is not yet confirmed.",
    ),
    Key::new("error_every", Kind::Duration, "Time between two runs while it is confirmed bad."),
    Key::new(
        "uplink",
        Kind::OneOrMany(&Kind::Text),
        "Addresses (ping) or ADDRESS:PORT (TCP) far from each other: while none answers, this server is the one that is cut off, and bad results say nothing.",
    ),
    Key::new(
        "private_targets",
        Kind::Bool,
        "Whether checks may go to addresses of private networks, of links and of this machine.",
    )
    .default("true"),
];

/// What holds for checks that say nothing else.
#[derive(Debug)]
struct Defaults<'d> {
    section: Option<Section<'d>>,
    tick: Option<Duration>,
}

impl<'d> Defaults<'d> {
    fn read(root: &Section<'d>) -> Self {
        let section = root.child("check_defaults");
        let mut tick = None;
        if let Some(section) = &section {
            section.finish(DEFAULT_KEYS);
            tick = section.opt_duration("base_tick", Bare::Seconds);
            if tick.is_some_and(|tick| tick < MIN_TICK || tick > MAX_EVERY) {
                section.error("base_tick", "must be from 100ms to 31d");
            }
        }
        Self { section, tick }
    }
}

/// Returns which addresses checks may go to.
pub fn read_guard(root: &Section<'_>) -> Guard {
    let defaults = root.child("check_defaults");
    let all = defaults.is_none_or(|defaults| defaults.bool("private_targets", true));
    if all { Guard::Open } else { Guard::PublicOnly }
}

/// Most targets of the uplink: more than a few only cost time.
const MAX_UPLINK: usize = 8;

/// Time in which a target of the uplink must answer: bad results wait for it.
const UPLINK_TIMEOUT: &str = "2s";

/// Returns what is looked at to know whether this server is cut off; what is wrong is reported.
pub fn read_uplink(root: &Section<'_>) -> Vec<Arc<dyn Check>> {
    root.child("check_defaults").map_or_else(Vec::new, |defaults| read_ways_out(&defaults))
}

/// As [`read_uplink`], of the section in which `uplink` stands.
pub fn read_ways_out(section: &Section<'_>) -> Vec<Arc<dyn Check>> {
    let targets = section.parse_many("uplink", |target| {
        let timeout = ("timeout".to_owned(), UPLINK_TIMEOUT.to_owned());
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let has_port = target.rsplit_once(':').is_some_and(|(host, port)| {
            is_port(port) && (!host.contains(':') || host.ends_with(']'))
        });
        if has_port {
            from_target("tcp", target, &[timeout])
        } else {
            from_target("ping", target, &[timeout, ("count".to_owned(), "1".to_owned())])
        }
    });
    if targets.len() > MAX_UPLINK {
        section.error("uplink", format!("there are at most {MAX_UPLINK} targets"));
    }
    targets.into_iter().take(MAX_UPLINK).map(|target| Arc::from(target.value)).collect()
}

/// Shortest tick: a check is never run more often than each second, but fractions of ticks add up.
const MIN_TICK: Duration = Duration::from_millis(100);

/// When a check runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between two runs.
    pub every: Duration,
    /// Time between two runs while a bad result is not yet confirmed.
    pub retry_every: Duration,
    /// Time between two runs while it is confirmed bad.
    pub error_every: Duration,
    /// Days and hours in which it runs; `None`: always.
    pub active: Option<Arc<ActiveWindow>>,
}

impl Timing {
    /// Returns true if it runs at `at`, as far as days and hours decide that.
    pub fn is_active(&self, at: Unix) -> bool {
        self.active.as_ref().is_none_or(|window| window.contains(at))
    }
}

/// Shortest time between two runs of one check.
const MIN_EVERY: Duration = Duration::from_secs(1);

/// Longest time between two runs: a month.
const MAX_EVERY: Duration = Duration::from_hours(24 * 31);

/// A check of the configuration.
#[derive(Debug)]
pub struct Configured {
    /// Its name within the host.
    pub name: CheckName,
    /// The host it belongs to.
    pub host: HostName,
    /// What looks.
    pub check: Arc<dyn Check>,
    /// When it runs.
    pub timing: Timing,
    /// How many bad results in a row confirm it: for the engine.
    pub attempts: u32,
    /// How many good results in a row end it: for the engine.
    pub clear_attempts: u32,
    /// From where it is looked at; `None`: from the server alone.
    pub sites: Option<Sites>,
    /// Where it stands in the configuration.
    pub span: Span,
}

impl Configured {
    /// Reads the section `checks` of the root of the configuration. `addresses_of` gives the addresses
    /// of a host that is declared with some; a host's name is meant otherwise. `hosts_of` gives the hosts
    /// that a name or a tag stands for. What is wrong is reported; checks that could be read are
    /// returned, in the order of the file.
    pub fn read_all(
        root: &Section<'_>,
        addresses_of: impl Fn(&HostName) -> Vec<String>,
        hosts_of: impl Fn(&str) -> Vec<HostName>,
    ) -> Vec<Self> {
        let mut checks = Vec::new();
        let guard = read_guard(root);
        let defaults = Defaults::read(root);
        for (key, section) in root.children("checks") {
            let name = match CheckName::new(key.value) {
                Ok(name) => Some(name),
                Err(error) => {
                    root.diagnostics().error(key.span, error.to_string());
                    None
                }
            };
            section.finish(CHECK_KEYS);
            let sites = Sites::read(&section, &hosts_of);
            let hosts = read_hosts(&section);
            let before = root.diagnostics().n_errors();
            for host in hosts.iter().map(Some).chain(hosts.is_empty().then_some(None)) {
                let one = read_one(&section, &defaults, name.as_ref(), host, &addresses_of);
                if let Some((word, mut check)) = one {
                    check.sites = sites.clone().map(|mut sites| {
                        let addresses = places(&check.host, &addresses_of);
                        sites.give(&section, word, &check, &addresses, guard);
                        sites
                    });
                    checks.push(check);
                }
                // Every host has the same mistakes: they are told once.
                if root.diagnostics().n_errors() > before {
                    break;
                }
            }
        }
        checks
    }
}

/// Most hosts of one check: more are a matter of a file that a program writes.
const MAX_HOSTS: usize = 10_000;

/// Reads which hosts a check belongs to.
fn read_hosts(section: &Section<'_>) -> Vec<HostName> {
    section.required("host");
    let hosts = section.parse_many("host", HostName::new);
    if hosts.len() > MAX_HOSTS {
        section.error("host", format!("a check belongs to at most {MAX_HOSTS} hosts"));
    }
    hosts.into_iter().map(|host| host.value).collect()
}

/// Reads what a site is given; what is wrong is reported.
pub(crate) fn read_probe(
    section: &Section<'_>,
    name: Option<&CheckName>,
    addresses: &[String],
) -> Option<Configured> {
    section.finish(PROBE_KEYS);
    let defaults = Defaults { section: None, tick: None };
    let host = section.parse("host", HostName::new);
    let addresses_of = |_: &HostName| addresses.to_vec();
    read_one(section, &defaults, name, host.as_ref(), &addresses_of).map(|(_, check)| check)
}

/// Returns where a host is: its addresses, or its name.
fn places(host: &HostName, addresses_of: &impl Fn(&HostName) -> Vec<String>) -> Vec<String> {
    let addresses = addresses_of(host);
    if addresses.is_empty() { vec![host.to_string()] } else { addresses }
}

fn read_one(
    section: &Section<'_>,
    defaults: &Defaults<'_>,
    name: Option<&CheckName>,
    host: Option<&HostName>,
    addresses_of: &impl Fn(&HostName) -> Vec<String>,
) -> Option<(&'static str, Configured)> {
    if let Some(repair) = section.child("repair") {
        repair.finish(REPAIR_KEYS);
    }
    let timing = read_timing(section, defaults);
    let retry = section.opt_u64("retry", 0..=100).map(|retry| retry.max(1));
    if retry.is_some() && section.has("attempts") {
        section.error("retry", "`attempts` says the same already");
    }
    let attempts = retry.unwrap_or_else(|| section.u64("attempts", 3, 1..=100));
    let clear_attempts = section.u64("clear_attempts", 1, 1..=100);
    let mut words: Vec<&'static str> = TYPES.iter().map(|kind| kind.name()).collect();
    if section.has("push") {
        // Nobody looks at a job that reports itself; what is expected of it the engine reads.
        words.push("push");
        section.exactly_one_of(&words);
        return None;
    }
    let (word, value) = section.exactly_one_of(&words)?;
    let kind = TYPES.iter().find(|kind| kind.name() == word)?;
    let addresses = host.map_or_else(Vec::new, |host| places(host, addresses_of));
    let settings = value.section()?.lending("timeout", section);
    settings.finish(kind.keys());
    let check = families::read(*kind, &settings, &addresses, Conditions::read(section, *kind))?;
    if check.timeout() > timing.every {
        section
            .error("every", "the check may take longer than the time between two runs")
            .hint("raise `every` or lower `timeout`");
    }
    let check = Configured {
        name: name?.clone(),
        host: host?.clone(),
        check: Arc::from(check),
        timing,
        attempts: u32::try_from(attempts).unwrap_or(3),
        clear_attempts: u32::try_from(clear_attempts).unwrap_or(1),
        sites: None,
        span: section.span(),
    };
    Some((word, check))
}

fn read_timing(section: &Section<'_>, defaults: &Defaults<'_>) -> Timing {
    let within = |of: &Section<'_>, key: &'static str| {
        let duration = of.opt_ticks(key, defaults.tick)?;
        if duration < MIN_EVERY || duration > MAX_EVERY {
            of.error(key, "must be from 1s to 31d");
            return None;
        }
        Some(duration)
    };
    let read = |key: &'static str| {
        let own = within(section, key);
        own.or_else(|| defaults.section.as_ref().and_then(|section| within(section, key)))
    };
    let every = read("every").unwrap_or(Duration::from_mins(1));
    let own_retry = within(section, "retry_every");
    // What holds for all may be too long for one that runs often; only its own word is a mistake.
    let retry_every = read("retry_every").map(|retry| retry.min(every));
    if own_retry.is_some_and(|retry| retry > every) {
        section.error("retry_every", "is longer than `every`");
    }
    Timing {
        every,
        retry_every: retry_every.unwrap_or((every / 4).max(MIN_EVERY)),
        error_every: read("error_every").unwrap_or(every),
        active: section.value("active").and_then(|value| ActiveWindow::read(&value)).map(Arc::new),
    }
}

/// Makes a check of what stands on a command line: the word of its type, its target and further
/// `key=value` settings.
///
/// # Errors
/// What is wrong with them, as it is to be shown.
pub fn from_target(
    kind: &str,
    target: &str,
    options: &[(String, String)],
) -> Result<Box<dyn Check>, String> {
    let Some(kind) = TYPES.iter().find(|known| known.name() == kind) else {
        let words: Vec<_> = TYPES.iter().map(|known| known.name()).collect();
        return Err(format!("there is no check type `{kind}`; known are {}", words.join(", ")));
    };
    let mut settings = target_settings(*kind, target);
    settings.extend_from_slice(options);
    let document = Document::of_pairs(&settings);
    let root = document.root(&NoSecrets);
    root.finish(&[kind.keys(), conditions::KEYS].concat());
    match families::read(*kind, &root, &[], Conditions::read(&root, *kind)) {
        Some(check) if !document.has_errors() => Ok(check),
        _ => Err(mistakes(&document, &settings)),
    }
}

/// Writes what is wrong one a line, each with its setting: there is no file to point into.
fn mistakes(document: &Document, settings: &[(String, String)]) -> String {
    let mut lines = Vec::new();
    for mistake in document.diagnostics().list() {
        let line = usize::try_from(document.position(mistake.span).line).unwrap_or(usize::MAX);
        let setting = settings.get(line.wrapping_sub(1));
        let mut text = match setting {
            // A message that quotes a word says itself what it is about.
            Some((key, _)) if !mistake.message.contains('`') => {
                format!("{key}: {}", mistake.message)
            }
            _ => mistake.message,
        };
        if let Some(word) = mistake.suggestion {
            text = format!("{text}; did you mean `{word}`?");
        } else if let Some(hint) = mistake.hint {
            text = format!("{text}; {hint}");
        }
        lines.push(text);
    }
    lines.join("\n")
}

/// Puts the target where the type wants it. `HOST:PORT` is taken apart for types that have a port.
fn target_settings(kind: &dyn CheckType, target: &str) -> Vec<(String, String)> {
    let key = kind.target_key();
    let has_port = kind.keys().iter().any(|key| key.name == "port");
    if has_port
        && let Some((host, port)) = target.rsplit_once(':')
        && port.parse::<u16>().is_ok()
        && (!host.contains(':') || host.starts_with('['))
    {
        let host = host.trim_matches(['[', ']']);
        return vec![(key.to_owned(), host.to_owned()), ("port".to_owned(), port.to_owned())];
    }
    vec![(key.to_owned(), target.to_owned())]
}

#[cfg(test)]
mod tests;
