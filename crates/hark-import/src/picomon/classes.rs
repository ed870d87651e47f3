//! The check classes of Picomon and the check types that do the same.

use super::{Host, duration, why};
use crate::python::Call;
use crate::yaml::Map;

/// A class of the seed.
#[derive(Debug)]
pub(super) struct Class {
    /// Its name in the seed.
    pub(super) name: &'static str,
    what: What,
    family: Option<Family>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Ipv4,
    Ipv6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Ping,
    Zone,
    Resolver,
    Http,
    Https,
    Smtp,
    OpenVpn,
    Jabber,
}

const CLASSES: &[Class] = &[
    of("CheckPing4", What::Ping, Some(Family::Ipv4)),
    of("CheckPing6", What::Ping, Some(Family::Ipv6)),
    of("CheckDNSZone", What::Zone, None),
    of("CheckDNSRec4", What::Resolver, Some(Family::Ipv4)),
    of("CheckDNSRec6", What::Resolver, Some(Family::Ipv6)),
    of("CheckHTTP4", What::Http, Some(Family::Ipv4)),
    of("CheckHTTP6", What::Http, Some(Family::Ipv6)),
    of("CheckHTTPS4", What::Https, Some(Family::Ipv4)),
    of("CheckHTTPS6", What::Https, Some(Family::Ipv6)),
    of("CheckSMTP4", What::Smtp, Some(Family::Ipv4)),
    of("CheckSMTP6", What::Smtp, Some(Family::Ipv6)),
    of("CheckOpenVPN4", What::OpenVpn, Some(Family::Ipv4)),
    of("CheckOpenVPN6", What::OpenVpn, Some(Family::Ipv6)),
    of("CheckJabber4", What::Jabber, Some(Family::Ipv4)),
    of("CheckJabber6", What::Jabber, Some(Family::Ipv6)),
];

const fn of(name: &'static str, what: What, family: Option<Family>) -> Class {
    Class { name, what, family }
}

/// Returns the class of this name.
pub(super) fn find(name: &str) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.name == name)
}

/// The time limit of the seed where none is given, in seconds.
const TIMEOUT: f64 = 2.0;

/// Options that every check has, which are read elsewhere.
const COMMON: &[&str] = &["every", "error_every", "retry", "timeout", "target_name"];

impl Class {
    /// Returns whether its target is a zone instead of a host.
    pub(super) fn is_of_zone(&self) -> bool {
        self.what == What::Zone
    }

    /// Returns the beginning of a check's name: `ping4`.
    pub(super) fn short_name(&self) -> String {
        self.name.trim_start_matches("Check").to_lowercase()
    }

    /// Returns the check type and its settings for a host.
    pub(super) fn settings(
        &self,
        host: &Host,
        call: &Call,
        notes: &mut Vec<String>,
    ) -> Option<(&'static str, Map)> {
        let address = match self.family {
            Some(Family::Ipv4) => host.ipv4.as_deref(),
            Some(Family::Ipv6) => host.ipv6.as_deref(),
            None => Some(""),
        };
        let Some(address) = address else {
            notes.push(format!(
                "left out: {} on {}, which has no address of that family (Picomon asked one of the \
                 documentation)",
                self.name, host.name
            ));
            return None;
        };
        let mut options = Options { call, notes, used: Vec::new() };
        let (word, mut map) = match self.what {
            What::Ping => ("ping", ping(address)),
            What::Zone => ("dns_zone", zone(host, &mut options)),
            What::Resolver => ("dns", resolver(address)),
            What::Http => ("http", http("http", address, &mut options)),
            What::Https => ("http", http("https", address, &mut options)),
            What::Smtp => ("smtp", smtp(address, &mut options)),
            What::OpenVpn => ("openvpn", at(address)),
            What::Jabber => ("xmpp", at(address)),
        };
        let timeout = options.number("timeout").unwrap_or(TIMEOUT);
        options.finish(self.name);
        match self.family {
            Some(Family::Ipv4) => map.put("family", "ipv4"),
            Some(Family::Ipv6) => map.put("family", "ipv6"),
            None => &mut map,
        };
        map.put("timeout", duration(timeout.max(0.1)));
        Some((word, map))
    }
}

fn at(address: &str) -> Map {
    let mut map = Map::new();
    map.put("address", address);
    map
}

/// One echo, answered within the limit.
fn ping(address: &str) -> Map {
    let mut map = at(address);
    map.put("count", 1_u32);
    map
}

fn zone(host: &Host, options: &mut Options<'_>) -> Map {
    let mut map = Map::new();
    map.put("zone", host.name.as_str());
    match options.number("ip_version") {
        Some(4.0) => {
            map.put("family", "ipv4");
        }
        Some(6.0) => {
            map.put("family", "ipv6");
        }
        _ => {}
    }
    map
}

/// The seed asks for this name; it is outside of what a resolver answers by itself.
fn resolver(address: &str) -> Map {
    let mut map = Map::new();
    map.put("name", "www.google.com").put("address", address);
    map
}

fn http(scheme: &str, address: &str, options: &mut Options<'_>) -> Map {
    let vhost = options.text("vhost");
    let url = options.text("url").unwrap_or_else(|| "/".to_owned());
    let host = vhost.unwrap_or_else(|| bracketed(address));
    let slash = if url.starts_with('/') { "" } else { "/" };
    let mut map = Map::new();
    map.put("url", format!("{scheme}://{host}{slash}{url}")).put("address", address);
    if let Some(status) = options.text("status") {
        let words: Vec<String> = status.split(',').filter_map(status_code).collect();
        if words.is_empty() {
            options.notes.push(format!("left out: the status `{status}` is no number"));
        } else {
            map.put("status", words);
        }
    }
    if let Some(text) = options.text("string") {
        map.put("contains", text);
    }
    if scheme == "https" {
        options.notes.push(
            "Picomon accepted any certificate, so `insecure: true` is set; take it out to have certificates \
             judged"
                .to_owned(),
        );
        map.put("insecure", true);
    }
    map
}

fn status_code(text: &str) -> Option<String> {
    let code = text.split_whitespace().find_map(|word| word.parse::<u16>().ok())?;
    (100..=599).contains(&code).then(|| code.to_string())
}

fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

fn smtp(address: &str, options: &mut Options<'_>) -> Map {
    let mut map = at(address);
    let from = options.text("from_addr").unwrap_or_else(|| "picomon@localhost.local".to_owned());
    map.put("from", from);
    let (command, response) = (options.text("command"), options.text("response"));
    if let Some(command) = command {
        let mut one = Map::new();
        one.put("send", command);
        if let Some(response) = response {
            one.put("expect", response);
        }
        map.put("commands", vec![one]);
    }
    map
}

/// The named arguments of a call, as they are used.
struct Options<'a> {
    call: &'a Call,
    notes: &'a mut Vec<String>,
    used: Vec<&'static str>,
}

impl Options<'_> {
    fn text(&mut self, key: &'static str) -> Option<String> {
        self.used.push(key);
        let value = self.call.named(key)?;
        let text = value.text().map(str::to_owned).or(value.number().map(|n| n.to_string()));
        if text.is_none() {
            self.notes.push(format!("left out: `{key}` is not known{}", why(value)));
        }
        text
    }

    fn number(&mut self, key: &'static str) -> Option<f64> {
        self.used.push(key);
        let value = self.call.named(key)?;
        if value.number().is_none() {
            self.notes.push(format!("left out: `{key}` is not known{}", why(value)));
        }
        value.number()
    }

    /// Tells of arguments that nobody asked for.
    fn finish(&mut self, class: &str) {
        for (key, _) in &self.call.named {
            if !self.used.contains(&key.as_str()) && !COMMON.contains(&key.as_str()) {
                self.notes.push(format!("left out: the option `{key}` of {class}"));
            }
        }
    }
}
