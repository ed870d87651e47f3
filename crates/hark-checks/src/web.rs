//! How web addresses are asked for: the way there (a fixed address, a proxy, TLS), the version of HTTP,
//! redirects, and the bounds.
//!
//! A connection of its own for each request, so that every part is measured every time. None outlives the
//! run, and no task is spawned.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::time::{Clock, Micros};
use hark_model::{HostName, Status};
use hark_net::{
    Answer, Dial, End, Family, HttpError, Limits, TlsError, Unreached, Version, connect, exchange,
};
use http::header::{AUTHORIZATION, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;

pub(crate) use self::place::Place;
use self::proxy::Proxy;
use crate::finding::Finding;
use crate::link::Link;
use crate::net::{FAMILY_KEY, TIMEOUT_KEY, chain, judge_unreached, read_timeout};
use crate::tls::{
    CA_FILE_KEY, CERTIFICATE_CRITICAL_KEY, CERTIFICATE_WARNING_KEY, INSECURE_KEY, TlsSeen,
    TlsSettings,
};
use crate::{Context, Given};

mod place;
mod proxy;

/// The settings of the way there, for every type that asks for web addresses.
pub(crate) const WEB_KEYS: &[Key] = &[
    Key::new(
        "address",
        Kind::Text,
        "Name or address to connect to instead of the one in `url`: for one server of several, or a virtual host.",
    ),
    FAMILY_KEY,
    Key::new(
        "version",
        Kind::OneOf(&["1.1", "2", "best"]),
        "Version of HTTP; `best` is what TLS agrees on.",
    )
    .default("1.1"),
    Key::new(
        "proxy",
        Kind::Secret,
        "Proxy to go through: `http://proxy.example.net:3128`; a name and password may stand before `@`.",
    ),
    Key::new("user", Kind::Text, "Name to log in with (Basic)."),
    Key::new("password", Kind::Secret, "Password to log in with."),
    Key::new("redirects", Kind::Integer, "How many redirects are followed.").default("0"),
    Key::new("max_size", Kind::Size, "How much of an answer is read, at most 16 MiB.")
        .default("1MiB"),
    CA_FILE_KEY,
    INSECURE_KEY,
    CERTIFICATE_WARNING_KEY,
    CERTIFICATE_CRITICAL_KEY,
    TIMEOUT_KEY,
];

/// Settings of the time that a type may call slow.
pub(crate) const WARNING_KEY: Key =
    Key::new("warning", Kind::Duration, "Warning from this time on, everything together.");
pub(crate) const CRITICAL_KEY: Key =
    Key::new("critical", Kind::Duration, "Critical from this time on.");

/// How much is read of an answer where nothing is set; what is looked for must stand within it.
pub(crate) const MAX_BODY: u64 = 1024 * 1024;

/// The most that may be set: 256 checks at once hold 4 GiB then.
const MOST_BODY: u64 = 16 * 1024 * 1024;

/// Most redirects that may be followed: browsers give up at 20.
const MAX_REDIRECTS: u64 = 20;

/// Headers that the request itself decides.
pub(crate) const OWN_HEADERS: &[&str] = &["content-length", "transfer-encoding", "connection"];

/// How we introduce ourselves.
pub(crate) const AGENT: &str = concat!("hark/", env!("CARGO_PKG_VERSION"));

/// How much of the time limit stays free for the judgement.
const RESERVE: Duration = Duration::from_millis(50);

/// The way to web addresses.
#[derive(Debug)]
pub(crate) struct Web {
    address: Option<String>,
    family: Family,
    wanted: Wanted,
    proxy: Option<Proxy>,
    login: Option<HeaderValue>,
    redirects: usize,
    max_body: usize,
    pub(crate) tls: TlsSettings,
    pub(crate) timeout: Duration,
}

/// Which version of HTTP is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Http1,
    Http2,
    Best,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) place: Place,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The time that each part took, of all redirects together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Times {
    pub(crate) resolve: Duration,
    pub(crate) connect: Duration,
    pub(crate) tls: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) total: Duration,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Visited {
    pub(crate) address: SocketAddr,
    pub(crate) version: Version,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) times: Times,
    /// How many redirects were followed.
    pub(crate) followed: usize,
    /// What was agreed on, if TLS was.
    pub(crate) tls: Option<TlsSeen>,
}

/// Why nothing came back.
#[derive(Debug)]
pub(crate) enum Missed {
    Unreached(Unreached),
    /// No trusted TLS.
    Untrusted {
        place: String,
        error: TlsError,
    },
    /// The proxy does not let us through.
    Barred {
        why: String,
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
}

impl Missed {
    /// Says what it means.
    pub(crate) fn finding(&self) -> Finding {
        let critical = |text| Finding::new(Status::Critical, text);
        match self {
            Self::Unreached(unreached) => judge_unreached(unreached),
            Self::Untrusted { place, error } => {
                critical(format!("no TLS with {place}: {}", chain(error)))
            }
            Self::Unanswered { address, error } => {
                critical(format!("no answer from {address}: {}", chain(error)))
            }
            // The proxy stands between here and there: nothing is known of the other side.
            Self::Barred { why } => Finding::new(Status::Unknown, why.clone()),
            Self::Lost { why } => critical(why.clone()),
        }
    }
}

impl Web {
    /// Reads the settings; what is wrong is reported.
    pub(crate) fn read(section: &Section<'_>, given: Given<'_>) -> Self {
        let versions = [("1.1", Wanted::Http1), ("2", Wanted::Http2), ("best", Wanted::Best)];
        let wanted = section.word("version", &versions).unwrap_or(Wanted::Http1);
        let alpn: &'static [&'static [u8]] = match wanted {
            Wanted::Http1 => &[b"http/1.1"],
            Wanted::Http2 => &[b"h2"],
            Wanted::Best => &[b"h2", b"http/1.1"],
        };
        let max_body = section.size("max_size", MAX_BODY);
        if max_body == 0 || max_body > MOST_BODY {
            section.error("max_size", "must be from 1 to 16MiB");
        }
        let redirects = section.u64("redirects", 0, 0..=MAX_REDIRECTS);
        Self {
            address: section.parse("address", HostName::new).map(|name| name.to_string()),
            family: given.family,
            wanted,
            proxy: Proxy::read(section),
            login: read_login(section),
            redirects: usize::try_from(redirects).unwrap_or(0),
            max_body: usize::try_from(max_body.min(MOST_BODY)).unwrap_or(0),
            tls: TlsSettings::read(section, alpn),
            timeout: read_timeout(section),
        }
    }

    /// Asks for a web address, and follows where it leads. `began` is when the check began: its time
    /// limit holds for everything.
    pub(crate) async fn ask(
        &self,
        context: &Context,
        ask: &Ask,
        began: Micros,
    ) -> Result<Visited, Missed> {
        let start = Clock.micros();
        let mut times = Times::default();
        let mut place = ask.place.clone();
        for followed in 0..=self.redirects {
            let mut hop = self.hop(context, ask, &place, began, &mut times).await?;
            let location = location(&hop.headers).filter(|_| hop.status.is_redirection());
            match location {
                Some(location) if self.redirects > 0 => {
                    if followed == self.redirects {
                        let why = format!("more than {} redirects", self.redirects);
                        return Err(Missed::Lost { why });
                    }
                    place = place.follow(&location).map_err(|why| Missed::Lost { why })?;
                }
                _ => {
                    times.total = Duration::from_micros(Clock.micros().since(start));
                    (hop.times, hop.followed) = (times, followed);
                    return Ok(hop);
                }
            }
        }
        Err(Missed::Lost { why: "no answer was final".to_owned() })
    }

    fn left(&self, began: Micros) -> Duration {
        let gone = Duration::from_micros(Clock.micros().since(began));
        self.timeout.saturating_sub(RESERVE).saturating_sub(gone)
    }

    /// Asks one place.
    async fn hop(
        &self,
        context: &Context,
        ask: &Ask,
        place: &Place,
        began: Micros,
        times: &mut Times,
    ) -> Result<Visited, Missed> {
        let mut link = self.open(context, ask, place, began).await?;
        let (address, origin) = (link.address(), &place.origin);
        if origin.secure {
            if let Some(proxy) = &self.proxy {
                proxy.tunnel(&mut link, origin).await?;
            }
            let place = || format!("{} at {address}", origin.host);
            let secured = link.upgrade(&self.tls.tls, &origin.host).await;
            secured.map_err(|error| Missed::Untrusted { place: place(), error })?;
        }
        let seen = link.seen();
        times.resolve += seen.phases.resolve;
        times.connect += seen.phases.connect.unwrap_or_default();
        times.tls += seen.phases.tls.unwrap_or_default();
        let agreed = seen.tls.as_ref().and_then(|tls| tls.alpn.as_deref());
        let version = match (self.wanted, agreed) {
            (Wanted::Http2, _) | (Wanted::Best, Some("h2")) => Version::Http2,
            (Wanted::Http1 | Wanted::Best, _) => Version::Http1,
        };
        let request = self.request(ask, place, version);
        let limits = Limits { max_body: self.max_body, time: self.left(began) };
        let answer = exchange(link, version, request, limits).await;
        let answer = answer.and_then(|answer| whole(answer, self.timeout));
        let answer = answer.map_err(|error| {
            // Told as it was set, whatever was left of it.
            let late = matches!(error, HttpError::Late(_));
            let error = if late { HttpError::Late(self.timeout) } else { error };
            Missed::Unanswered { address, error }
        })?;
        times.first_byte += answer.first_byte;
        Ok(Visited {
            address,
            version,
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
            times: Times::default(),
            followed: 0,
            tls: seen.tls,
        })
    }

    /// Connects to a place, or to the proxy.
    async fn open(
        &self,
        context: &Context,
        ask: &Ask,
        place: &Place,
        began: Micros,
    ) -> Result<Link, Missed> {
        let limit = self.left(began);
        let dial = if let Some(proxy) = &self.proxy {
            // Where a name leads is the proxy's affair, which must be one that may be gone to itself. An
            // address is what it is.
            let host = place.origin.host.trim_matches(['[', ']']);
            if let Ok(address) = host.parse()
                && !context.guard.allows(address)
            {
                let host = host.to_owned();
                return Err(Missed::Unreached(Unreached::Forbidden { host, address }));
            }
            let dial = Dial::new(&proxy.origin.host, proxy.origin.port, limit);
            Dial { guard: context.guard, ..dial }
        } else {
            // A fixed address holds for the host of the settings, not for where it sends us.
            let origin = &place.origin;
            let fixed = self.address.as_ref().filter(|_| origin.host == ask.place.origin.host);
            let dial = Dial::new(fixed.unwrap_or(&origin.host), origin.port, limit);
            Dial { family: self.family, guard: context.guard, ..dial }
        };
        let start = Clock.micros();
        let connected = connect(&*context.resolver, dial).await.map_err(Missed::Unreached)?;
        Ok(Link::new(connected, start, limit))
    }

    fn request(&self, ask: &Ask, place: &Place, version: Version) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        let (here, ours) = (&place.origin, &ask.place.origin);
        let is_proxied = self.proxy.is_some() && !here.secure;
        let whole = format!("{here}{}", place.path).parse::<Uri>();
        *request.uri_mut() = match (version, whole) {
            // HTTP/2 and proxies want the whole address.
            (Version::Http2, Ok(whole)) => whole,
            (Version::Http1, Ok(whole)) if is_proxied => whole,
            _ => place.path.clone(),
        };
        let headers = request.headers_mut();
        if version == Version::Http1 {
            let host = HeaderValue::from_str(&here.authority);
            headers.insert(HOST, host.unwrap_or(HeaderValue::from_static("")));
        }
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        // Headers may hold credentials, which are for the host of the settings alone.
        if here.host == ours.host && (here.secure || !ours.secure) {
            headers.extend(self.login.clone().map(|login| (AUTHORIZATION, login)));
            headers.extend(ask.headers.clone());
        }
        if let Some(proxy) = self.proxy.as_ref().filter(|_| is_proxied) {
            proxy.introduce(headers);
        }
        request
    }
}

/// Reads `user` and `password`.
fn read_login(section: &Section<'_>) -> Option<HeaderValue> {
    let (user, password) = (section.opt_str("user"), section.opt_secret("password"));
    if password.is_some() && user.is_none() {
        section.error("password", "a password needs a `user`");
    }
    let user = user?;
    if user.contains(':') {
        section.error("user", "the name cannot contain a colon");
    }
    let password = password.as_ref().map_or("", |secret| secret.expose());
    Some(basic(user, password))
}

/// Returns the value of a header that logs in (RFC 7617).
fn basic(user: &str, password: &str) -> HeaderValue {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let mut value =
        HeaderValue::from_str(&format!("Basic {encoded}")).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// Reads a method.
pub(crate) fn read_method(text: &str) -> Result<Method, String> {
    let method = Method::from_bytes(text.as_bytes());
    method.map_err(|_| format!("`{text}` cannot be a method"))
}

/// Refuses an answer whose content did not come: what it must contain is not known then.
fn whole(answer: Answer, limit: Duration) -> Result<Answer, HttpError> {
    match answer.end {
        End::Whole | End::Cut => Ok(answer),
        End::Late => Err(HttpError::Late(limit)),
        End::Broken(error) => Err(HttpError::Failed(error)),
    }
}

fn location(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(LOCATION)?.to_str().ok()?.to_owned())
}
