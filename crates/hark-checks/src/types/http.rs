//! A web address: status, content, certificate, and the time of each part.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_model::sample::Unit;
use hark_model::time::Clock;
use hark_net::{BoxFuture, Version, read_headers};
use http::{Method, StatusCode};
use regex::Regex;

use crate::endpoint::FACTS as CONNECTION_FACTS;
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::keys::join;
use crate::net::TimeLimits;
use crate::pattern::read_regex;
use crate::web::{
    Ask, CRITICAL_KEY, OWN_HEADERS, Place, Visited, WARNING_KEY, WEB_KEYS, Web, read_method,
};
use crate::{Check, CheckType, Context, Given};

mod json;

/// The check type `http`.
#[derive(Debug)]
pub(crate) struct Http;

const OWN_KEYS: &[Key] = &[
    Key::new("url", Kind::Text, "Address to ask for: `https://example.net/health`.").required(),
    Key::new("method", Kind::Text, "Method of the request.").default("GET"),
    Key::new(
        "headers",
        Kind::Named(&Kind::Secret),
        "Further headers; values may stand in files or the environment.",
    ),
    Key::new("body", Kind::Text, "Body of the request."),
    Key::new("status", Kind::OneOrMany(&Kind::Text), "Statuses that are ok: `200`, `200-299`.")
        .default("200-399"),
    Key::new("contains", Kind::Text, "Text that the answer must contain."),
    Key::new("matches", Kind::Text, "Regular expression that must be found in the answer."),
    WARNING_KEY,
    CRITICAL_KEY,
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + WEB_KEYS.len() }>(OWN_KEYS, WEB_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("status", "status of the answer: 200"),
    FactKey::new("http_version", "version of HTTP: `1.1` or `2`"),
    FactKey::new("redirects", "how many redirects were followed"),
    FactKey::new("body", "content of the answer, as much as `max_size` says"),
    FactKey::new("size_bytes", "size of the content"),
    FactKey::new("header.*", "a header of the answer, in small letters: `header.server`"),
    FactKey::new("json.*", "a value of a JSON answer by its path: `json.queue.0.length`"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + CONNECTION_FACTS.len() }>(OWN_FACTS, CONNECTION_FACTS);

impl CheckType for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn manual(&self) -> &'static str {
        "Asks for a web address. Critical if there is no connection or no trusted TLS, if the status \
         is not among those in `status` (by default below 400), or if the answer's first MiB lacks \
         what `contains` or `matches` demand. Warning or critical by the limits of the time, and of \
         the days that the certificate is still good. Unknown if the name has no address. Measures \
         the time of name, connection, TLS, first byte and total."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn facts(&self) -> &'static [FactKey] {
        FACTS
    }

    fn target_key(&self) -> &'static str {
        "url"
    }

    fn example(&self) -> &'static str {
        "url: https://www.example.net/health\n\
         status: [200, 300-399]\n\
         contains: all is well\n\
         redirects: 3\n\
         warning: 500ms\n\
         critical: 3s\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        section.required("url");
        let place = section.parse("url", Place::parse);
        let page = Page {
            statuses: read_statuses(section),
            contains: section.opt_str("contains").map(str::to_owned),
            matches: section.parse("matches", read_regex),
            limits: TimeLimits::read(section),
            web: Web::read(section, given),
            ask: Ask {
                method: section.parse("method", read_method).unwrap_or(Method::GET),
                headers: read_headers(section, OWN_HEADERS),
                body: Bytes::from(section.str("body", "").to_owned()),
                place: place?,
            },
        };
        Some(Box::new(page))
    }
}

/// Statuses from one number to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusRange(u16, u16);

impl StatusRange {
    fn parse(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first @ 100..=599), Ok(last @ 100..=599)) if first <= last => Ok(Self(first, last)),
            _ => Err(format!("`{text}` is not a status such as 200, nor a range such as 200-299")),
        }
    }

    pub(crate) fn takes(self, status: StatusCode) -> bool {
        (self.0..=self.1).contains(&status.as_u16())
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(first, last) = self;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

/// Returns what is expected: `200 or 300-399`.
pub(crate) fn in_words(statuses: &[StatusRange]) -> String {
    statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// Reads the setting `status`.
pub(crate) fn read_statuses(section: &Section<'_>) -> Vec<StatusRange> {
    let read = section.parse_many("status", StatusRange::parse);
    let mut statuses: Vec<StatusRange> = read.into_iter().map(|status| status.value).collect();
    if statuses.is_empty() {
        statuses.push(StatusRange(200, 399));
    }
    statuses
}

#[derive(Debug)]
struct Page {
    ask: Ask,
    web: Web,
    statuses: Vec<StatusRange>,
    contains: Option<String>,
    matches: Option<Regex>,
    limits: TimeLimits,
}

impl Check for Page {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn target(&self) -> String {
        self.ask.place.url()
    }

    fn timeout(&self) -> Duration {
        self.web.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            match self.web.ask(context, &self.ask, Clock.micros()).await {
                Ok(visited) => self.judge(&visited),
                Err(missed) => missed.finding(),
            }
        })
    }
}

impl Page {
    fn judge(&self, answer: &Visited) -> Finding {
        let Visited { status: code, times, body, .. } = answer;
        let mut status = self.limits.judge(times.total);
        let mut text = format!("{code} from {}", answer.address);
        if answer.followed > 0 {
            text = format!("{text} after {} redirects", answer.followed);
        }
        if !self.statuses.iter().any(|range| range.takes(*code)) {
            status = Status::Critical;
            text = format!("{text}, expected {}", in_words(&self.statuses));
        } else if let Some(missing) = self.missing(body) {
            status = Status::Critical;
            text = format!("{text}, {missing}");
        }
        let (warning, critical) = self.limits.seconds();
        let mut measures = vec![
            Measure::seconds("total_seconds", times.total).limits(warning, critical),
            Measure::seconds("resolve_seconds", times.resolve),
            Measure::seconds("connect_seconds", times.connect),
            Measure::seconds("tls_seconds", times.tls),
            Measure::seconds("first_byte_seconds", times.first_byte),
            Measure::new("size_bytes", size(body), Unit::Bytes),
        ];
        let certificate = answer.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
        if let Some(days) = certificate.map(|certificate| certificate.days_left) {
            let (by_days, measure) = self.web.tls.judge_days(days);
            status = status.worse(by_days);
            measures.push(measure);
            text = format!("{text}, certificate good for {days:.0} days");
        }
        let ms = times.total.as_secs_f64() * 1000.0;
        let text = format!("{text}, {} bytes in {ms:.1} ms", body.len());
        let mut finding = Finding::new(status, text);
        finding.measures = measures;
        facts(answer, finding)
    }

    /// Returns what the body lacks, in words.
    fn missing(&self, body: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(body);
        if let Some(wanted) = self.contains.as_ref().filter(|wanted| !text.contains(*wanted)) {
            return Some(format!("the answer does not contain {wanted:?}"));
        }
        let pattern = self.matches.as_ref().filter(|pattern| !pattern.is_match(&text))?;
        Some(format!("the answer does not match /{pattern}/"))
    }
}

/// Adds what conditions can be about.
fn facts(answer: &Visited, finding: Finding) -> Finding {
    let version = match answer.version {
        Version::Http1 => "1.1",
        Version::Http2 => "2",
    };
    let mut finding = finding
        .saw("address", answer.address.ip().to_string())
        .saw("status", answer.status.as_u16())
        .saw("http_version", version)
        .saw("redirects", size_of_count(answer.followed))
        .saw("body", String::from_utf8_lossy(&answer.body).into_owned());
    for (name, value) in answer.headers.iter().take(MAX_HEADERS) {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        finding.facts.put(format!("header.{name}"), value);
    }
    if let Some(tls) = &answer.tls {
        finding = tls.tell(finding);
    }
    json::put(&answer.body, &mut finding.facts);
    finding
}

/// Most headers that are kept: servers send some twenty.
const MAX_HEADERS: usize = 100;

fn size(body: &[u8]) -> f64 {
    size_of_count(body.len())
}

fn size_of_count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests;
