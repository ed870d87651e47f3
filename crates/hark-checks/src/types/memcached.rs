//! Memcached: it says its version and its figures.

use std::io;
use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::Status;
use hark_model::sample::Unit;
use hark_net::BoxFuture;

use crate::endpoint::{self, Defaults, Endpoint, stream_keys};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::frames::{During as _, Stop, foreign};
use crate::keys::join;
use crate::link::Link;
use crate::{Check, CheckType, Context, Given, octets};

/// The check type `memcached`.
#[derive(Debug)]
pub(crate) struct Memcached;

pub(crate) const KEYS: &[Key] = &stream_keys("11211");

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("version", "version of the server"),
    FactKey::new("uptime_seconds", "time since the server was started"),
    FactKey::new("connections", "connections that are open"),
    FactKey::new("items", "things it keeps"),
    FactKey::new("memory_bytes", "memory that they take"),
    FactKey::new("memory_limit_bytes", "memory that they may take"),
    FactKey::new("hits", "questions answered, since the start"),
    FactKey::new("misses", "questions for what was not there, since the start"),
    FactKey::new("evictions", "things dropped for want of memory, since the start"),
    FactKey::new("stat_*", "every other figure of `stats`"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults = Defaults::stream(Some(11_211));

/// Figures of `stats` that become measures.
const FIGURES: &[(&str, &str, Unit)] = &[
    ("uptime", "uptime_seconds", Unit::Seconds),
    ("curr_connections", "connections", Unit::None),
    ("curr_items", "items", Unit::None),
    ("bytes", "memory_bytes", Unit::Bytes),
    ("limit_maxbytes", "memory_limit_bytes", Unit::Bytes),
    ("get_hits", "hits", Unit::None),
    ("get_misses", "misses", Unit::None),
    ("evictions", "evictions", Unit::None),
];

/// Longest line of an answer.
const MAX_LINE: usize = 1024;

/// Most lines of `stats` that are read: there are some ninety.
const MAX_LINES: usize = 500;

impl CheckType for Memcached {
    fn name(&self) -> &'static str {
        "memcached"
    }

    fn manual(&self) -> &'static str {
        "Asks for `version` and `stats`. Critical if there is no connection or the answer is not \
         one of memcached. A server that wants a login over SASL is a warning: it works, and says \
         no more. Figures such as `evictions` are for conditions."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn facts(&self) -> &'static [FactKey] {
        FACTS
    }

    fn target_key(&self) -> &'static str {
        "address"
    }

    fn example(&self) -> &'static str {
        "address: cache.example.net\nport: 11211\nwarning: 100ms\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        Some(Box::new(Cache { endpoint: Endpoint::read(section, given, &DEFAULTS)? }))
    }
}

#[derive(Debug)]
struct Cache {
    endpoint: Endpoint,
}

/// What it said.
#[derive(Debug, PartialEq)]
struct Said {
    version: String,
    stats: Vec<(String, String)>,
}

impl Check for Cache {
    fn kind(&self) -> &'static str {
        "memcached"
    }

    fn target(&self) -> String {
        self.endpoint.target()
    }

    fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let mut link = match self.endpoint.open(context).await {
                Ok(link) => link,
                Err(finding) => return finding,
            };
            match talk(&mut link).await {
                Ok(said) => self.endpoint.judge(&link.seen(), judge(&said)),
                Err(stop) => stop.finding(&self.endpoint, &link),
            }
        })
    }
}

async fn talk(link: &mut Link) -> Result<Said, Stop> {
    let version = ask_version(link).await.during("no version")?;
    let version = match read_version(&version) {
        Ok(version) => version,
        Err(finding) => return Err(Stop::Judged(finding)),
    };
    let stats = read_stats(link).await.during("no figures")?;
    Ok(Said { version, stats })
}

async fn ask_version(link: &mut Link) -> io::Result<String> {
    link.send(b"version\r\n").await?;
    link.line(MAX_LINE).await
}

fn read_version(line: &str) -> Result<String, Finding> {
    let line = octets::text(line.as_bytes());
    if let Some(version) = line.strip_prefix("VERSION ") {
        return Ok(version.to_owned());
    }
    if line.contains("unauthenticated") {
        return Err(Finding::new(Status::Warning, format!("it wants a login: {line}")));
    }
    Err(Finding::new(Status::Critical, format!("it does not speak as memcached: {line:?}")))
}

async fn read_stats(link: &mut Link) -> io::Result<Vec<(String, String)>> {
    link.send(b"stats\r\n").await?;
    let mut stats = Vec::new();
    for _line in 0..MAX_LINES {
        let line = link.line(MAX_LINE).await?;
        if line == "END" {
            return Ok(stats);
        }
        let pair = line.strip_prefix("STAT ").and_then(|pair| pair.split_once(' '));
        let (name, value) = pair.ok_or_else(|| foreign(format!("a line {line:?}")))?;
        stats.push((name.to_owned(), octets::text(value.as_bytes())));
    }
    Err(foreign("its figures have no end"))
}

fn judge(said: &Said) -> Finding {
    let mut finding = Finding::new(Status::Ok, format!("memcached {}", said.version));
    finding = finding.saw("version", said.version.as_str());
    for (name, value) in &said.stats {
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
        let fact = format!("stat_{name}");
        finding = match number {
            Some(number) => finding.saw(fact, number),
            None => finding.saw(fact, value.as_str()),
        };
        let figure = FIGURES.iter().find(|(known, _, _)| known == name);
        if let (Some((_, measure, unit)), Some(number)) = (figure, number) {
            finding = finding.measured(Measure::new(*measure, number, *unit));
        }
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_measures_and_facts() {
        let stats = vec![
            ("curr_items".to_owned(), "7".to_owned()),
            ("libevent".to_owned(), "2.1.12".to_owned()),
        ];
        let finding = judge(&Said { version: "1.6.18".to_owned(), stats });
        assert_eq!((finding.status, &*finding.text), (Status::Ok, "memcached 1.6.18"));
        assert_eq!(finding.measures, [Measure::new("items", 7.0, Unit::None)]);
        assert_eq!(finding.facts.get("stat_libevent"), &"2.1.12".into());
    }

    #[test]
    fn what_is_no_version_is_judged_by_what_it_is() {
        assert_eq!(read_version("VERSION 1.6.18").unwrap(), "1.6.18");
        let login = read_version("CLIENT_ERROR unauthenticated").unwrap_err();
        assert_eq!(login.status, Status::Warning);
        let other = read_version("HTTP/1.1 400 Bad\u{1b}[2J").unwrap_err();
        assert_eq!(other.status, Status::Critical);
        assert!(!other.text.contains('\u{1b}'));
    }
}
