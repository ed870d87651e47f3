//! Checks that are looked at from several places: which, how many of them must agree, and what a site is
//! told of its part.
//!
//! The server gives a site one entry for each check ([`Sites::given`]), in the words of the section
//! `checks`, with everything filled in that the site cannot know: the host's address and the times. The site
//! reads it with [`Probe::read`] and reports its results under [`Probe::report`].

use std::sync::Arc;

use hark_config::{Diagnostic, Document, Key, Kind, NoSecrets, Section, duration};
use hark_model::{CheckName, HostName};
use hark_net::Guard;
use serde_json::{Map, Value as Json, json};

use crate::configured::{self, Configured, Timing};
use crate::{Check, conditions};

/// The settings of a check that say from where it is looked at.
pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "sites",
        Kind::OneOrMany(&Kind::Text),
        "From where it is looked at: hosts or tags of hosts whose agents are sites, and `server`.",
    ),
    Key::new(
        "quorum",
        Kind::Integer,
        "How many sites must see it bad; by default more than half of them.",
    ),
];

/// The word for the server itself.
const SERVER: &str = "server";

/// Most sites of one check: each is another look at the same thing.
const MAX_SITES: usize = 64;

/// Types that run programs: a server does not choose what runs on another host.
const PROGRAMS: [&str; 2] = ["exec", "plugin"];

/// What stands before host and check in the name of a site's result. A host's name has no `/`.
const REPORTS: &str = "probe ";

/// From where a check is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Sites {
    /// Whether the server itself is one of them.
    pub server: bool,
    /// The hosts whose agents are.
    pub hosts: Vec<HostName>,
    /// How many of them must see it bad.
    pub quorum: usize,
    /// What the agents are given of it.
    pub given: Json,
}

impl Sites {
    /// Reads them; `None`: there are none, the server looks. `hosts_of` returns the hosts that a word
    /// names. What is wrong is reported.
    pub(crate) fn read(
        section: &Section<'_>,
        hosts_of: &impl Fn(&str) -> Vec<HostName>,
    ) -> Option<Self> {
        let words = section.one_or_many("sites");
        let quorum = section.opt_u64("quorum", 1..=MAX_SITES as u64);
        if !section.has("sites") {
            if quorum.is_some() {
                section.error("quorum", "there are no `sites` of which so many could agree");
            }
            return None;
        }
        let (mut server, mut hosts) = (false, Vec::new());
        for word in words {
            let Some(text) = word.str() else { continue };
            if text == SERVER {
                server = true;
                continue;
            }
            let named = hosts_of(text);
            if named.is_empty() {
                word.error(format!("no host has this name or tag: `{text}`"))
                    .hint("name it under `hosts`, or write `server` for the server itself");
            }
            for host in named {
                if !hosts.contains(&host) {
                    hosts.push(host);
                }
            }
        }
        let n = hosts.len() + usize::from(server);
        if n == 0 {
            if !section.diagnostics().has_errors() {
                section.error("sites", "nobody looks: name at least one site");
            }
            return None;
        }
        if n > MAX_SITES {
            section.error("sites", format!("these are {n} sites, {MAX_SITES} are the most"));
        }
        let quorum = quorum.and_then(|n| usize::try_from(n).ok()).unwrap_or(n / 2 + 1);
        if quorum > n {
            section.error("quorum", format!("{quorum} cannot agree: there are {n} sites"));
        }
        Some(Self { server, hosts, quorum, given: Json::Null })
    }

    /// Returns the names of all, as they are shown.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let server = self.server.then(|| SERVER.to_owned());
        server.into_iter().chain(self.hosts.iter().map(HostName::to_string))
    }

    /// Returns how the server itself is called among them.
    pub fn server_name() -> &'static str {
        SERVER
    }

    /// Fills in what agents are given of a check, and looks whether they can read it.
    pub(crate) fn give(
        &mut self,
        section: &Section<'_>,
        word: &str,
        check: &Configured,
        addresses: &[String],
        guard: Guard,
    ) {
        if self.hosts.is_empty() {
            return;
        }
        if PROGRAMS.contains(&word) {
            section.error("sites", format!("`{word}` runs a program, which sites do not do"));
            return;
        }
        if CheckName::new(&report_text(&check.host, &check.name)).is_err() {
            section.error("sites", "the names of host and check are together too long for sites");
            return;
        }
        let mut given = Map::new();
        if let Json::Object(members) = section.to_json() {
            given = members;
        }
        let is_kept = |key: &str| {
            key == word || key == "timeout" || conditions::KEYS.iter().any(|k| k.name == key)
        };
        given.retain(|key, _| is_kept(key));
        let Timing { every, retry_every, error_every, active } = &check.timing;
        given.extend([
            ("host".to_owned(), json!(check.host.as_str())),
            ("check".to_owned(), json!(check.name.as_str())),
            (
                "address".to_owned(),
                match addresses {
                    [one] => json!(one),
                    several => json!(several),
                },
            ),
            ("every".to_owned(), json!(duration::format(*every))),
            ("retry_every".to_owned(), json!(duration::format(*retry_every))),
            ("error_every".to_owned(), json!(duration::format(*error_every))),
            ("attempts".to_owned(), json!(check.attempts)),
            ("clear_attempts".to_owned(), json!(check.clear_attempts)),
        ]);
        if let Some(active) = active {
            if !active.is_the_same_everywhere() {
                section
                    .error("active", "the time zone of this machine has no name")
                    .hint("name one at the end, such as `Europe/Berlin`: sites may be in others");
                return;
            }
            given.insert("active".to_owned(), json!(active.to_string()));
        }
        if guard != Guard::Open {
            given.insert("private_targets".to_owned(), json!(false));
        }
        let given = Json::Object(given);
        let document = Document::single(&format!("{given:#}\n"));
        drop(Probe::read(&document.root(&NoSecrets)));
        if let Some(wrong) = document.diagnostics().list().into_iter().find(Diagnostic::is_error) {
            section
                .error("sites", format!("a site cannot read this check: {}", wrong.message))
                .hint("what is read from files or the environment is known to the server alone");
        }
        self.given = given;
    }
}

/// A check that a site looks at for the server.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The host that it belongs to: not the site itself.
    pub host: HostName,
    /// Its name there.
    pub name: CheckName,
    /// Under which name the site reports it.
    pub report: CheckName,
    /// What looks.
    pub check: Arc<dyn Check>,
    /// When.
    pub timing: Timing,
    /// How many bad results in a row confirm it.
    pub attempts: u32,
    /// How many good results in a row end it.
    pub clear_attempts: u32,
    /// Where it may look.
    pub guard: Guard,
}

impl Probe {
    /// The settings of one; the types' own are read by them.
    pub const KEYS: &'static [Key] = configured::PROBE_KEYS;

    /// Reads one; what is wrong is reported.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let addresses = section.one_or_many("address");
        let addresses = addresses.iter().filter_map(|one| one.str().map(str::to_owned));
        let addresses: Vec<String> = addresses.collect();
        let name = section.parse("check", CheckName::new);
        let private = section.bool("private_targets", true);
        let configured = configured::read_probe(section, name.as_ref(), &addresses)?;
        let Configured { name, host, check, timing, attempts, clear_attempts, .. } = configured;
        if PROGRAMS.contains(&check.kind()) {
            section.error(check.kind(), "runs a program, which sites do not do");
            return None;
        }
        let report = CheckName::new(&report_text(&host, &name));
        let Ok(report) = report else {
            section.error("check", "the names of host and check are together too long");
            return None;
        };
        let guard = if private { Guard::Open } else { Guard::PublicOnly };
        Some(Self { host, name, report, check, timing, attempts, clear_attempts, guard })
    }
}

fn report_text(host: &HostName, check: &CheckName) -> String {
    format!("{REPORTS}{host}/{check}")
}

/// Returns host and check if this is the name under which a site reports.
pub fn reported(name: &CheckName) -> Option<(HostName, CheckName)> {
    let (host, check) = name.as_str().strip_prefix(REPORTS)?.split_once('/')?;
    Some((HostName::new(host).ok()?, CheckName::new(check).ok()?))
}

/// Begins an order to look at once: no action of a host can have a space in its name.
const LOOK: &str = "look ";

/// What a site is to look at now, as an order to it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Of which host.
    pub host: HostName,
    /// Which check; all of the host's if none is named.
    pub check: Option<CheckName>,
}

impl Looked {
    /// Returns true if this order is one to look.
    pub fn is_one(order: &str) -> bool {
        order.starts_with(LOOK)
    }

    /// Reads an order.
    pub fn parse(order: &str) -> Option<Self> {
        let (host, check) = order.strip_prefix(LOOK)?.split_once('/')?;
        let check = if check.is_empty() { None } else { Some(CheckName::new(check).ok()?) };
        Some(Self { host: HostName::new(host).ok()?, check })
    }

    /// Returns it as an order.
    pub fn order(&self) -> String {
        let check = self.check.as_ref().map_or("", CheckName::as_str);
        format!("{LOOK}{}/{check}", self.host)
    }
}

#[cfg(test)]
mod tests {
    use hark_config::Style;

    use super::*;

    fn read(text: &str) -> (Vec<Configured>, String) {
        let document = Document::single(text);
        let hosts_of = |word: &str| {
            let hosts = match word {
                "site:ams" => vec!["a1", "a2"],
                "a1" | "b1" => vec![word],
                _ => vec![],
            };
            hosts.into_iter().map(|name| HostName::new(name).unwrap()).collect()
        };
        let addresses_of = |_: &HostName| vec!["192.0.2.7".to_owned()];
        let checks = Configured::read_all(&document.root(&NoSecrets), addresses_of, hosts_of);
        (checks, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn sites_are_hosts_and_tags_and_the_server_and_more_than_half_must_agree() {
        let (checks, said) = read(
            "checks:\n  door: {host: web1, tcp: {port: 22}, sites: [server, 'site:ams', a1, b1]}\n  \
             gate: {host: web1, tcp: {port: 22}, sites: a1, quorum: 1}\n  \
             here: {host: web1, tcp: {port: 22}}\n",
        );
        assert_eq!(said, "");
        let sites = checks[0].sites.as_ref().unwrap();
        assert_eq!(sites.names().collect::<Vec<_>>(), ["server", "a1", "a2", "b1"]);
        assert_eq!(sites.quorum, 3);
        assert_eq!(checks[1].sites.as_ref().unwrap().quorum, 1);
        assert!(checks[2].sites.is_none());
    }

    #[test]
    fn a_site_reads_what_it_is_given_as_the_server_does() {
        let (checks, said) = read(
            "check_defaults: {private_targets: false}\nchecks:\n  \
             'my door': {host: web1, tcp: {port: 22, timeout: 2s}, every: 90s, attempts: 5, sites: a1, \
             conditions: connect_seconds < 5}\n",
        );
        assert_eq!(said, "");
        let given = &checks[0].sites.as_ref().unwrap().given;
        let document = Document::single(&given.to_string());
        let probe = Probe::read(&document.root(&NoSecrets));
        assert_eq!(document.diagnostics().render(Style::Plain), "");
        let probe = probe.unwrap();
        assert_eq!(probe.check.target(), "192.0.2.7:22");
        assert_eq!((probe.timing, probe.attempts), (checks[0].timing.clone(), 5));
        assert_eq!(probe.guard, Guard::PublicOnly);
        assert_eq!(probe.report.as_str(), "probe web1/my door");
        let (host, check) = reported(&probe.report).unwrap();
        assert_eq!((host.as_str(), check.as_str()), ("web1", "my door"));
        assert_eq!(reported(&CheckName::new("probe").unwrap()), None);
    }

    #[test]
    fn a_site_looks_in_the_days_and_hours_of_the_servers_time_zone() {
        let (checks, said) = read(
            "checks: {x: {host: web1, tcp: {port: 1}, sites: a1, active: {when: sat 22:00-06:00, \
             zone: Asia/Tokyo}}}\n",
        );
        assert_eq!(said, "");
        let given = &checks[0].sites.as_ref().unwrap().given;
        assert_eq!(given["active"], "sat 22:00-06:00 Asia/Tokyo");
        let document = Document::single(&given.to_string());
        let probe = Probe::read(&document.root(&NoSecrets)).unwrap();
        assert_eq!(probe.timing, checks[0].timing);
    }

    #[test]
    fn an_order_to_look_comes_back_whole_and_is_no_action() {
        let host = HostName::new("web1").unwrap();
        for check in [None, Some(CheckName::new("my door").unwrap())] {
            let looked = Looked { host: host.clone(), check };
            assert!(Looked::is_one(&looked.order()));
            assert_eq!(Looked::parse(&looked.order()), Some(looked));
        }
        for other in ["look", "look web1", "restart", "look /", ""] {
            assert_eq!(Looked::parse(other), None, "{other}");
        }
        assert!(!Looked::is_one("look") && !Looked::is_one("lookup"));
    }

    #[test]
    fn each_host_of_a_check_has_its_own_share_of_the_sites() {
        let (checks, said) =
            read("checks: {x: {host: [web1, web2], tcp: {port: 1}, sites: 'site:ams'}}\n");
        assert_eq!(said, "");
        let hosts = checks.iter().map(|c| c.sites.as_ref().unwrap().given["host"].clone());
        assert_eq!(hosts.collect::<Vec<_>>(), ["web1", "web2"]);
    }

    #[test]
    fn says_what_is_wrong_with_sites() {
        for (more, said) in [
            ("tcp: {port: 1}, sites: nobody", "no host has this name or tag: `nobody`"),
            ("tcp: {port: 1}, sites: []", "name at least one site"),
            ("tcp: {port: 1}, sites: [a1, server], quorum: 3", "3 cannot agree: there are 2 sites"),
            ("tcp: {port: 1}, quorum: 2", "there are no `sites`"),
            ("exec: {command: [/bin/true]}, sites: a1", "runs a program"),
            ("plugin: {command: /bin/true}, sites: a1", "runs a program"),
        ] {
            let found = read(&format!("checks: {{x: {{host: web1, {more}}}}}\n")).1;
            assert!(found.contains(said), "{more}: {found}");
        }
    }

    #[test]
    fn a_site_runs_no_program_whatever_it_is_given() {
        let document = Document::single(
            "host: web1\ncheck: x\naddress: 192.0.2.7\nplugin: {command: /bin/true}\n",
        );
        assert!(Probe::read(&document.root(&NoSecrets)).is_none());
        assert!(document.diagnostics().render(Style::Plain).contains("which sites do not do"));
    }
}
