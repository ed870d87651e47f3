//! A web address: status, content, certificate, and the time of each part.
//!
//! HTTP/1.1 over a connection of its own for each run, so that every part is measured every time. No
//! connection outlives the run, and no task is spawned.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::sample::Unit;
use hark_model::time::Clock;
use hark_model::{HostName, Status};
use hark_net::{
    Answer as HttpAnswer, BoxFuture, Dial, End, Family, HttpError, Limits, Origin, Stopwatch,
    TlsError, Unreached, Version, connect, exchange, read_headers,
};
use http::header::{HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use regex::Regex;

use crate::endpoint::FACTS as CONNECTION_FACTS;
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::keys::join;
use crate::net::{FAMILY_KEY, TIMEOUT_KEY, TimeLimits, chain, judge_unreached, read_timeout};
use crate::pattern::read_regex;
use crate::tls::{
    CA_FILE_KEY, CERTIFICATE_CRITICAL_KEY, CERTIFICATE_WARNING_KEY, INSECURE_KEY, TlsSettings,
    days_left,
};
use crate::{Check, CheckType, Context, Given};

/// The check type `http`.
#[derive(Debug)]
pub(crate) struct Http;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Text, "Address to ask for: `https://example.net/health`.").required(),
    Key::new(
        "address",
        Kind::Text,
        "Name or address to connect to instead of the one in `url`: for one server of several, or a virtual host.",
    ),
    FAMILY_KEY,
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
    Key::new("redirects", Kind::Integer, "How many redirects are followed.").default("0"),
    CA_FILE_KEY,
    INSECURE_KEY,
    CERTIFICATE_WARNING_KEY,
    CERTIFICATE_CRITICAL_KEY,
    Key::new("warning", Kind::Duration, "Warning from this time on, everything together."),
    Key::new("critical", Kind::Duration, "Critical from this time on."),
    TIMEOUT_KEY,
];

/// Bound on what is read of an answer, in bytes; what is looked for must stand within it.
const MAX_BODY: usize = 1024 * 1024;

/// Most redirects that may be followed: browsers give up at 20.
const MAX_REDIRECTS: u64 = 20;

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("status", "status of the answer: 200"),
    FactKey::new("redirects", "how many redirects were followed"),
    FactKey::new("body", "content of the answer, its first MiB"),
    FactKey::new("size_bytes", "size of the content"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + CONNECTION_FACTS.len() }>(OWN_FACTS, CONNECTION_FACTS);

const AGENT: &str = concat!("hark/", env!("CARGO_PKG_VERSION"));

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
        let url = section.parse("url", Place::parse);
        let mut statuses: Vec<StatusRange> =
            section.parse_many("status", StatusRange::parse).into_iter().map(|s| s.value).collect();
        if statuses.is_empty() {
            statuses.push(StatusRange(200, 399));
        }
        let redirects = section.u64("redirects", 0, 0..=MAX_REDIRECTS);
        let page = Page {
            address: section.parse("address", HostName::new).map(|name| name.to_string()),
            family: given.family,
            method: section.parse("method", read_method).unwrap_or(Method::GET),
            headers: read_headers(section, OWN_HEADERS),
            body: Bytes::from(section.str("body", "").to_owned()),
            statuses,
            contains: section.opt_str("contains").map(str::to_owned),
            matches: section.parse("matches", read_regex),
            redirects: usize::try_from(redirects).unwrap_or(0),
            tls: TlsSettings::read(section, &[b"http/1.1"]),
            limits: TimeLimits::read(section),
            timeout: read_timeout(section),
            place: url?,
        };
        Some(Box::new(page))
    }
}

fn read_method(text: &str) -> Result<Method, String> {
    let method = Method::from_bytes(text.as_bytes());
    method.map_err(|_| format!("`{text}` cannot be a method"))
}

/// Headers that the request itself decides.
const OWN_HEADERS: &[&str] = &["content-length", "transfer-encoding", "connection"];

/// Statuses from one number to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StatusRange(u16, u16);

impl StatusRange {
    fn parse(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first @ 100..=599), Ok(last @ 100..=599)) if first <= last => Ok(Self(first, last)),
            _ => Err(format!("`{text}` is not a status such as 200, nor a range such as 200-299")),
        }
    }

    fn takes(self, status: StatusCode) -> bool {
        (self.0..=self.1).contains(&status.as_u16())
    }
}

/// A web address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    origin: Origin,
    /// Path and query.
    path: Uri,
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        let (origin, path) = Origin::split(text)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{path}").parse();
        Ok(Self { origin, path: path.map_err(|error| format!("not a web address: {error}"))? })
    }

    fn url(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }

    /// Returns where `location` leads from here (RFC 3986, without the dots in paths, which servers
    /// resolve themselves).
    fn follow(&self, location: &str) -> Result<Self, String> {
        let location = location.split('#').next().unwrap_or_default();
        if location.contains("://") {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.origin.scheme()));
        }
        let path = self.path.path();
        let folder = path.rfind('/').map_or("/", |at| path.split_at(at + 1).0);
        let absolute = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            Some(_) => format!("{folder}{location}"),
            None => return Err("the redirect leads nowhere".to_owned()),
        };
        Self::parse(&format!("{}{absolute}", self.origin))
    }
}

#[derive(Debug)]
struct Page {
    place: Place,
    address: Option<String>,
    family: Family,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    statuses: Vec<StatusRange>,
    contains: Option<String>,
    matches: Option<Regex>,
    redirects: usize,
    tls: TlsSettings,
    limits: TimeLimits,
    timeout: Duration,
}

/// The time that each part took, of all redirects together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Times {
    resolve: Duration,
    connect: Duration,
    tls: Duration,
    first_byte: Duration,
    total: Duration,
}

/// What one run saw.
#[derive(Debug)]
enum Observation {
    Unreached(Unreached),
    /// No trusted TLS.
    Untrusted {
        place: String,
        error: TlsError,
    },
    /// The connection was there, an answer was not.
    Unanswered {
        address: SocketAddr,
        error: HttpError,
    },
    /// A redirect that leads nowhere, or one too many.
    Lost {
        why: String,
    },
    Answered(Answer),
}

#[derive(Debug)]
struct Answer {
    address: SocketAddr,
    status: StatusCode,
    times: Times,
    /// How many redirects were followed.
    followed: usize,
    body: Vec<u8>,
    /// Days that the certificate has left.
    certificate_days: Option<f64>,
}

/// How much of the time limit stays free for the judgement.
const RESERVE: Duration = Duration::from_millis(50);

impl Check for Page {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn target(&self) -> String {
        self.place.url()
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async { self.judge(&self.observe(context).await) })
    }
}

impl Page {
    async fn observe(&self, context: &Context) -> Observation {
        let mut total = Stopwatch::start();
        let mut times = Times::default();
        let mut place = self.place.clone();
        for followed in 0..=self.redirects {
            let hop = match self.hop(context, &place, &mut times).await {
                Ok(hop) => hop,
                Err(observation) => return observation,
            };
            let leads_on = hop.location.filter(|_| hop.status.is_redirection());
            match leads_on {
                Some(location) if self.redirects > 0 => {
                    if followed == self.redirects {
                        let why = format!("more than {} redirects", self.redirects);
                        return Observation::Lost { why };
                    }
                    place = match place.follow(&location) {
                        Ok(next) => next,
                        Err(why) => return Observation::Lost { why },
                    };
                }
                _ => {
                    times.total = total.lap();
                    return Observation::Answered(Answer {
                        address: hop.address,
                        status: hop.status,
                        times,
                        followed,
                        body: hop.body,
                        certificate_days: hop.certificate_days,
                    });
                }
            }
        }
        Observation::Lost { why: "no answer was final".to_owned() }
    }

    /// Asks one place.
    async fn hop(
        &self,
        context: &Context,
        place: &Place,
        times: &mut Times,
    ) -> Result<Hop, Observation> {
        // A fixed address holds for the host of the settings, not for where it sends us.
        let origin = &place.origin;
        let fixed = self.address.as_ref().filter(|_| origin.host == self.place.origin.host);
        let limit = self.timeout.saturating_sub(RESERVE);
        let host = fixed.unwrap_or(&origin.host);
        let dial = Dial::new(host, origin.port, limit);
        let dial = Dial { family: self.family, guard: context.guard, ..dial };
        let connected = connect(&*context.resolver, dial).await.map_err(Observation::Unreached)?;
        let (stream, address) = (connected.stream, connected.address);
        times.resolve += connected.resolve;
        times.connect += connected.connect;
        let request = self.request(place);
        let limits = Limits { max_body: MAX_BODY, time: self.timeout };
        let (answer, certificate_days) = if origin.secure {
            let mut watch = Stopwatch::start();
            let secured = self.tls.tls.secure(stream, &origin.host).await;
            let stream = secured.map_err(|error| Observation::Untrusted {
                place: format!("{} at {address}", origin.host),
                error,
            })?;
            times.tls += watch.lap();
            let days = days_left(&stream, Clock.now().unix);
            (exchange(stream, Version::Http1, request, limits).await, days)
        } else {
            (exchange(stream, Version::Http1, request, limits).await, None)
        };
        let answer = answer.and_then(|answer| whole(answer, self.timeout));
        let answer = answer.map_err(|error| Observation::Unanswered { address, error })?;
        times.first_byte += answer.first_byte;
        Ok(Hop {
            address,
            status: answer.status,
            location: location(&answer.headers),
            body: answer.body,
            certificate_days,
        })
    }

    fn request(&self, place: &Place) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = place.path.clone();
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(&place.origin.authority);
        headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("")));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        // Headers may hold credentials, which are for the host of the settings alone.
        let (here, ours) = (&place.origin, &self.place.origin);
        if here.host == ours.host && (here.secure || !ours.secure) {
            headers.extend(self.headers.clone());
        }
        request
    }

    fn judge(&self, observation: &Observation) -> Finding {
        match observation {
            Observation::Unreached(unreached) => judge_unreached(unreached),
            Observation::Untrusted { place, error } => {
                Finding::new(Status::Critical, format!("no TLS with {place}: {}", chain(error)))
            }
            Observation::Unanswered { address, error } => Finding::new(
                Status::Critical,
                format!("no answer from {address}: {}", chain(error)),
            ),
            Observation::Lost { why } => Finding::new(Status::Critical, why.clone()),
            Observation::Answered(answer) => self.judge_answer(answer),
        }
    }

    fn judge_answer(&self, answer: &Answer) -> Finding {
        let Answer { status: code, times, body, .. } = answer;
        let mut status = self.limits.judge(times.total);
        let mut text = format!("{code} from {}", answer.address);
        if answer.followed > 0 {
            text = format!("{text} after {} redirects", answer.followed);
        }
        if !self.statuses.iter().any(|range| range.takes(*code)) {
            status = Status::Critical;
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
        if let Some(days) = answer.certificate_days {
            let (by_days, measure) = self.tls.judge_days(days);
            status = status.worse(by_days);
            measures.push(measure);
            text = format!("{text}, certificate good for {days:.0} days");
        }
        let ms = times.total.as_secs_f64() * 1000.0;
        let text = format!("{text}, {} bytes in {ms:.1} ms", body.len());
        let mut finding = Finding::new(status, text)
            .saw("address", answer.address.ip().to_string())
            .saw("status", code.as_u16())
            .saw("redirects", size_of_count(answer.followed))
            .saw("body", String::from_utf8_lossy(body).into_owned());
        finding.measures = measures;
        finding
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

fn size(body: &[u8]) -> f64 {
    size_of_count(body.len())
}

fn size_of_count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::MAX, f64::from)
}

/// The answer of one place.
struct Hop {
    address: SocketAddr,
    status: StatusCode,
    location: Option<String>,
    body: Vec<u8>,
    certificate_days: Option<f64>,
}

/// Refuses an answer whose content did not come: what it must contain is not known then.
fn whole(answer: HttpAnswer, limit: Duration) -> Result<HttpAnswer, HttpError> {
    match answer.end {
        End::Whole | End::Cut => Ok(answer),
        End::Late => Err(HttpError::Late(limit)),
        End::Broken(error) => Err(HttpError::Failed(error)),
    }
}

fn location(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(LOCATION)?.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests;
