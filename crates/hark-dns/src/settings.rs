//! The section `dyndns`, and the keys `dyndomains` and `nsupdate_bin` of the older tool.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::{HostName, Secret};
use hark_plugin::Program;
use ring::digest::{Context, SHA256};

use crate::name::DnsName;
use crate::server::Server;
use crate::way::Way;
use crate::ways;
use crate::zone::{Source, Verify, Zone};

/// The keys of the root.
pub const KEYS: &[Key] = &[
    Key::new("dyndns", Kind::Section(SECTION), "Names in DNS that follow the addresses of hosts."),
    Key::new(
        "dyndomains",
        Kind::OneOrMany(&Kind::Text),
        "Domains in which every host has a name; one that is in no zone of `dyndns` is updated by `nsupdate`.",
    ),
    Key::new("nsupdate_bin", Kind::Text, "The program for `dyndomains`.").default("nsupdate"),
];

const SECTION: &[Key] = &[Key::new(
    "zones",
    Kind::Named(&Kind::Section(ZONE_KEYS)),
    "Zones by name, each with one way to publish and what is published.",
)];

const ZONE_KEYS: &[Key] = &[
    ways::RFC2136,
    ways::NSUPDATE,
    ways::CLOUDFLARE,
    ways::DESEC,
    ways::HETZNER,
    ways::ROUTE53,
    ways::DYNDNS2,
    ways::URL,
    Key::new(
        "domains",
        Kind::OneOrMany(&Kind::Text),
        "Domains of the zone in which each host has a name; the zone itself, if neither these nor `names` are there.",
    ),
    Key::new(
        "hosts",
        Kind::OneOrMany(&Kind::Text),
        "Names or tags of the hosts that have one; all if absent.",
    ),
    Key::new("except", Kind::OneOrMany(&Kind::Text), "Names or tags of hosts that have none."),
    Key::new("names", Kind::Named(&Kind::Text), "Further names, each with its host."),
    Key::new("ipv4", Kind::OneOf(SOURCES), "Where A records come from.").default("heartbeat"),
    Key::new("ipv6", Kind::OneOf(SOURCES), "Where AAAA records come from.").default("heartbeat"),
    Key::new("interface", Kind::Text, "The interface of `lan`; any if absent."),
    Key::new("private", Kind::Bool, "Publish private addresses as well.").default("false"),
    Key::new("ttl", Kind::Duration, "How long others may keep a record.").default("60s"),
    Key::new("hold", Kind::Duration, "How long an address must have been the same.").default("30s"),
    Key::new("per_hour", Kind::Integer, "How often a name is published within an hour, at most.")
        .default("12"),
    Key::new(
        "remove_after",
        Kind::Duration,
        "When a host that is down loses its records; never if absent.",
    ),
    Key::new("verify", Kind::Bool, "Ask the authoritative servers whether it is there.")
        .default("true"),
    Key::new(
        "verify_servers",
        Kind::OneOrMany(&Kind::Text),
        "The servers that are asked, if not those that the way speaks to or the zone names.",
    ),
    Key::new("recheck", Kind::Duration, "How often they are asked again; 0s for never.")
        .default("1h"),
];

const SOURCES: &[&str] = &["heartbeat", "wan", "lan", "none"];

const TTL: Duration = Duration::from_mins(1);
const HOLD: Duration = Duration::from_secs(30);
const RECHECK: Duration = Duration::from_hours(1);
const PER_HOUR: u64 = 12;

/// Bound on zones: each has a request under way.
const MAX_ZONES: usize = 64;

/// Bound on servers that are asked.
const MAX_SERVERS: usize = 8;

/// What is to be published, and how.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The zones, by name.
    pub zones: Vec<Arc<Zone>>,
}

impl Settings {
    /// Reads the keys of the root; what is wrong is reported there.
    pub fn read(root: &Section<'_>) -> Self {
        let mut zones: BTreeMap<DnsName, Zone> = BTreeMap::new();
        if let Some(section) = root.child("dyndns") {
            for (key, part) in section.children("zones") {
                let name = match DnsName::new(key.value) {
                    Ok(name) => name,
                    Err(error) => {
                        drop(root.diagnostics().error(key.span, error.to_string()));
                        continue;
                    }
                };
                if zones.len() >= MAX_ZONES {
                    let text = format!("there can be {MAX_ZONES} zones");
                    drop(root.diagnostics().error(key.span, text));
                    break;
                }
                let zone = read_zone(&part, &name);
                part.finish(ZONE_KEYS);
                zones.extend(zone.map(|zone| (name, zone)));
            }
            section.finish(SECTION);
        }
        read_seed(root, &mut zones);
        Self { zones: zones.into_values().map(Arc::new).collect() }
    }

    /// Returns it as it is in effect, for people.
    pub fn show(&self) -> serde_json::Value {
        let zones: serde_json::Map<String, serde_json::Value> =
            self.zones.iter().map(|zone| (zone.name.to_string(), show(zone))).collect();
        serde_json::json!({ "zones": zones })
    }
}

/// Reads the older tool's keys: a domain within a zone is one of its domains, any other is a zone of its own.
fn read_seed(root: &Section<'_>, zones: &mut BTreeMap<DnsName, Zone>) {
    let program = match root.value("nsupdate_bin") {
        Some(value) => Program::read(&value),
        None => Program::parse("nsupdate").ok(),
    };
    let Some(program) = program else { return };
    for domain in root.parse_many("dyndomains", DnsName::new) {
        let domain = domain.value;
        let has_room = zones.len() < MAX_ZONES;
        let of = zones.values_mut().filter(|zone| domain.is_within(&zone.name));
        match of.max_by_key(|zone| zone.name.as_str().len()) {
            Some(zone) if zone.domains.contains(&domain) => {}
            Some(zone) => zone.domains.push(domain),
            None if has_room => {
                let way = ways::of_seed(program.clone());
                zones.insert(domain.clone(), plain(domain, "nsupdate", way));
            }
            None => drop(root.error("dyndomains", format!("there can be {MAX_ZONES} zones"))),
        }
    }
}

fn plain(name: DnsName, kind: &'static str, way: Arc<dyn Way>) -> Zone {
    let fingerprint = fingerprint(&way, kind);
    Zone {
        domains: vec![name.clone()],
        name,
        kind,
        way,
        hosts: Vec::new(),
        except: Vec::new(),
        names: BTreeMap::new(),
        v4: Source::Heartbeat,
        v6: Source::Heartbeat,
        interface: None,
        private: false,
        ttl: TTL,
        hold: HOLD,
        per_hour: usize::try_from(PER_HOUR).unwrap_or(usize::MAX),
        remove_after: None,
        verify: Verify::ByName,
        recheck: RECHECK,
        fingerprint,
    }
}

/// Returns another number for another way or secret. It is a part of a hash: no secret can be read from it.
fn fingerprint(way: &Arc<dyn Way>, kind: &str) -> u64 {
    let mut context = Context::new(&SHA256);
    context.update(format!("{kind} {way:?} {}", way.target()).as_bytes());
    for secret in way.secrets() {
        context.update(&[0]);
        context.update(Secret::expose(secret).as_bytes());
    }
    context.finish().as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn read_zone(section: &Section<'_>, name: &DnsName) -> Option<Zone> {
    let found = section.exactly_one_of(ways::WORDS);
    let kind = found
        .as_ref()
        .and_then(|(word, _)| ways::TYPES.iter().find(|kind| kind.name() == *word).copied());
    let way = found.as_ref().zip(kind).and_then(|((_, value), kind)| {
        let part = value.section()?;
        let way = kind.read(&part, name);
        part.finish(kind.keys());
        way
    });
    let names = read_names(section, name);
    let outside = format!("it is not within the zone {name}");
    let within = |text: &str| match DnsName::new(text) {
        Ok(domain) if domain.is_within(name) => Ok(domain),
        Ok(_) => Err(outside.clone()),
        Err(error) => Err(error.to_string()),
    };
    let domains: Vec<DnsName> =
        section.parse_many("domains", within).into_iter().map(|domain| domain.value).collect();
    let words = |key: &'static str| -> Vec<String> {
        section.one_or_many(key).iter().filter_map(|v| v.str().map(str::to_owned)).collect()
    };
    let (hosts, except) = (words("hosts"), words("except"));
    let source = |key| section.word(key, Source::WORDS).unwrap_or(Source::Heartbeat);
    let (v4, v6) = (source("ipv4"), source("ipv6"));
    if section.has("interface") && v4 != Source::Lan && v6 != Source::Lan {
        section.error("interface", "only `lan` comes from an interface");
    }
    let ttl = section.duration("ttl", Bare::Seconds, TTL);
    let hold = section.duration("hold", Bare::Seconds, HOLD);
    let per_hour = section.u64("per_hour", PER_HOUR, 1..=3600);
    let remove_after = section.opt_duration("remove_after", Bare::Seconds);
    let recheck = section.duration("recheck", Bare::Seconds, RECHECK);
    let interface = section.opt_str("interface").map(str::to_owned);
    let private = section.bool("private", false);
    if !recheck.is_zero() && recheck < Duration::from_mins(1) {
        section.error("recheck", "at most once a minute: `1m`, or `0s` for never");
    }
    let verify = read_verify(section);
    let mut zone = plain(name.clone(), kind?.name(), way?);
    if section.has("domains") || section.has("names") {
        zone.domains = domains;
    }
    zone.verify = match verify {
        Verify::ByName if !zone.way.servers().is_empty() => {
            Verify::Servers(zone.way.servers().to_vec())
        }
        other @ (Verify::Off | Verify::ByName | Verify::Servers(_)) => other,
    };
    Some(Zone {
        hosts,
        except,
        names,
        v4,
        v6,
        interface,
        private,
        ttl,
        hold,
        per_hour: usize::try_from(per_hour).unwrap_or(usize::MAX),
        remove_after,
        recheck,
        ..zone
    })
}

/// Reads who is asked; by name also means those that the way speaks to itself.
fn read_verify(section: &Section<'_>) -> Verify {
    let servers = section.parse_many("verify_servers", str::parse);
    let servers: Vec<Server> =
        servers.into_iter().take(MAX_SERVERS).map(|server| server.value).collect();
    if !section.bool("verify", true) {
        if section.has("verify_servers") {
            section.error("verify_servers", "nobody is asked: `verify` is false");
        }
        return Verify::Off;
    }
    if servers.is_empty() { Verify::ByName } else { Verify::Servers(servers) }
}

fn read_names(section: &Section<'_>, zone: &DnsName) -> BTreeMap<DnsName, HostName> {
    let mut names = BTreeMap::new();
    let Some(part) = section.child("names") else { return names };
    for (key, value) in part.entries() {
        let name = match DnsName::new(key.value) {
            Ok(name) if name.is_within(zone) => Some(name),
            Ok(_) => {
                let report = section
                    .diagnostics()
                    .error(key.span, format!("it is not within the zone {zone}"));
                drop(report.hint(format!("write `{}.{zone}`", key.value)));
                None
            }
            Err(error) => {
                drop(section.diagnostics().error(key.span, error.to_string()));
                None
            }
        };
        names.extend(name.zip(value.parse(HostName::new)));
    }
    names
}

fn show(zone: &Zone) -> serde_json::Value {
    let word =
        |source: Source| Source::WORDS.iter().find(|(_, s)| *s == source).map(|(word, _)| *word);
    let verify = match &zone.verify {
        Verify::Off => serde_json::json!(false),
        Verify::ByName => serde_json::json!(true),
        Verify::Servers(servers) => {
            serde_json::json!(servers.iter().map(ToString::to_string).collect::<Vec<_>>())
        }
    };
    let names: BTreeMap<&str, &str> =
        zone.names.iter().map(|(name, host)| (name.as_str(), host.as_str())).collect();
    serde_json::json!({
        "way": zone.kind,
        "target": zone.way.target(),
        "domains": zone.domains.iter().map(DnsName::as_str).collect::<Vec<_>>(),
        "hosts": zone.hosts,
        "except": zone.except,
        "names": names,
        "ipv4": word(zone.v4),
        "ipv6": word(zone.v6),
        "interface": zone.interface,
        "private": zone.private,
        "ttl_seconds": zone.ttl.as_secs(),
        "hold_seconds": zone.hold.as_secs(),
        "per_hour": zone.per_hour,
        "remove_after_seconds": zone.remove_after.map(|after| after.as_secs()),
        "verify": verify,
        "recheck_seconds": zone.recheck.as_secs(),
    })
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (Settings, String) {
        let document = Document::single(text);
        let root = document.root(&NoSecrets);
        let settings = Settings::read(&root);
        root.finish(KEYS);
        (settings, document.diagnostics().render(Style::Plain))
    }

    const WAY: &str = "rfc2136: {servers: 192.0.2.53, key: k, secret: aGFyaw==}";

    fn zone(more: &str) -> (Option<Arc<Zone>>, String) {
        let text = format!("dyndns:\n  zones:\n    example.net: {{{WAY}, {more}}}\n");
        let (mut settings, wrong) = read(&text);
        (settings.zones.pop(), wrong)
    }

    #[test]
    fn a_zone_needs_its_way_and_nothing_else() {
        let (zone, wrong) = zone("");
        assert_eq!(wrong, "");
        let zone = zone.unwrap();
        assert_eq!(zone.domains, [DnsName::new("example.net").unwrap()]);
        assert_eq!(zone.verify, Verify::Servers(vec!["192.0.2.53".parse().unwrap()]));
        assert_eq!((zone.ttl, zone.hold, zone.per_hour), (TTL, HOLD, 12));
        assert_eq!(format!("{zone:?}").matches("aGFyaw").count(), 0, "no secret");
    }

    #[test]
    fn what_lies_outside_the_zone_is_refused_at_its_place() {
        for (more, expected) in [
            ("domains: dyn.example.org", "not within the zone example.net"),
            ("names: {www: web1}", "write `www.example.net`"),
            ("names: {www.example.net: 'a b'}", "host name"),
            ("verify: false, verify_servers: ns1", "nobody is asked"),
            ("interface: eth0", "only `lan`"),
            ("hosst: a", "hosts"),
            ("ipv4: dhcp", "heartbeat"),
            ("recheck: 1s", "once a minute"),
            ("url: {url: 'https://a.example/'}", "only one of"),
        ] {
            let (_, wrong) = zone(more);
            assert!(wrong.contains(expected), "{more}: {wrong}");
        }
        let (_, wrong) = read("dyndns: {zones: {example.net: {ttl: 5s}}}\n");
        assert!(wrong.contains("one of"), "{wrong}");
    }

    #[test]
    fn a_secret_that_changed_makes_another_way() {
        let one = zone("").0.unwrap();
        let text = format!(
            "dyndns:\n  zones:\n    example.net: {{{}}}\n",
            WAY.replace("aGFyaw", "aGFyaz")
        );
        let other = read(&text).0.zones.remove(0);
        assert_ne!(one.fingerprint, other.fingerprint);
        assert_eq!(one.fingerprint, zone("ttl: 5m").0.unwrap().fingerprint);
    }

    #[test]
    fn the_older_tools_keys_work_as_they_are() {
        let (settings, wrong) =
            read("dyndomains: [dyn.example.net, other.example]\nnsupdate_bin: /usr/bin/nsupdate\n");
        assert_eq!(wrong, "");
        let zones: Vec<_> = settings.zones.iter().map(|z| (z.name.as_str(), z.kind)).collect();
        assert_eq!(zones, [("dyn.example.net", "nsupdate"), ("other.example", "nsupdate")]);
        let (settings, wrong) = read(&format!(
            "dyndomains: dyn.example.net\ndyndns: {{zones: {{example.net: {{{WAY}, names: {{www.example.net: w}}}}}}}}\n"
        ));
        assert_eq!(wrong, "");
        let domains: Vec<_> = settings.zones[0].domains.iter().map(DnsName::as_str).collect();
        assert_eq!((settings.zones.len(), &domains[..]), (1, &["dyn.example.net"][..]));
    }

    #[test]
    fn every_way_is_named_once_and_its_example_is_accepted() {
        let kinds: Vec<_> = ways::TYPES.iter().map(|kind| kind.name()).collect();
        assert_eq!(kinds, ways::WORDS);
        for kind in ways::TYPES {
            let example = kind.example().replace("{file: ", "'").replace("}\n", "'\n");
            let example = if kind.name() == "url" { kind.example().to_owned() } else { example };
            let indented: Vec<String> =
                example.lines().map(|line| format!("        {line}\n")).collect();
            let indented = indented.concat();
            let text =
                format!("dyndns:\n  zones:\n    example.net:\n      {}:\n{indented}", kind.name());
            let (settings, wrong) = read(&text);
            assert_eq!((wrong.as_str(), settings.zones.len()), ("", 1), "{text}");
            assert!(!kind.manual().is_empty());
            let key = ZONE_KEYS.iter().find(|key| key.name == kind.name()).unwrap();
            let Kind::Section(keys) = key.kind else { panic!("{key:?}") };
            assert_eq!(keys.len(), kind.keys().len(), "{}", kind.name());
            let document = Document::single("unknown_key: 1\n");
            let section = document.root(&NoSecrets);
            drop(kind.read(&section, &DnsName::new("example.net").unwrap()));
            let mut asked = section.asked();
            asked.sort_unstable();
            asked.dedup();
            let mut known: Vec<_> = kind.keys().iter().map(|key| key.name).collect();
            known.sort_unstable();
            assert_eq!(asked, known, "{}", kind.name());
        }
    }
}
