//! A name server: it answers a question as expected.

use std::io;
use std::time::Duration;

use domain::base::iana::{OptRcode, Rtype};
use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_model::sample::Unit;
use hark_net::{BoxFuture, End, Limits, Stopwatch, Version, exchange};
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use crate::dns::{
    Answer, MAX_ANSWER, Question, comparable, over_stream, over_udp, read, read_name,
};
use crate::endpoint::{self, Defaults, Endpoint, TlsMode, stream_keys};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::frames::foreign;
use crate::keys::join;
use crate::link::Seen;
use crate::net::host_port;
use crate::session::unanswered;
use crate::{Check, CheckType, Context, Given};

/// The check type `dns`.
#[derive(Debug)]
pub(crate) struct Dns;

const OWN_KEYS: &[Key] = &[
    Key::new("name", Kind::Text, "Name to ask for; an address with type `PTR` is turned into one.")
        .required(),
    Key::new("type", Kind::Text, "Type of record: `A`, `AAAA`, `MX`, `TXT`, `TYPE65` and so on.")
        .default("A"),
    Key::new(
        "transport",
        Kind::OneOf(&["udp", "tcp", "tls", "https"]),
        "How to ask; over UDP an answer that does not fit is asked for again over TCP.",
    )
    .default("udp"),
    Key::new("path", Kind::Text, "Path to ask at over HTTPS.").default("/dns-query"),
    Key::new("code", Kind::Text, "The code the answer must have, such as `NXDOMAIN`.")
        .default("NOERROR"),
    Key::new(
        "expect",
        Kind::OneOrMany(&Kind::Text),
        "Records that are expected, as in a zone file: `10 mail.example.net`.",
    ),
    Key::new(
        "match",
        Kind::OneOf(&["all", "any", "exactly"]),
        "Whether all expected records must be there, any of them, or these and no others.",
    )
    .default("all"),
    Key::new("recursion", Kind::Bool, "Let the server ask others.").default("true"),
    Key::new("authoritative", Kind::Bool, "The answer must be from the zone's own server.")
        .default("false"),
    Key::new("dnssec", Kind::Bool, "The server must say that it validated the answer (AD).")
        .default("false"),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys("53"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("code", "the answer's code, such as `NOERROR`"),
    FactKey::new("answers", "the records of the asked type, as in a zone file"),
    FactKey::new("records", "their number"),
    FactKey::new("ttl_seconds", "shortest time that one of them may be kept"),
    FactKey::new("authoritative", "whether the server says that the name is its own"),
    FactKey::new("validated", "whether the server says that it validated the answer (AD)"),
    FactKey::new("serial", "serial of a SOA record"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults = Defaults::stream(Some(53));
const TLS_DEFAULTS: Defaults =
    Defaults { tls: Some(TlsMode::Direct), alpn: &[b"dot"], ..Defaults::stream(Some(853)) };
const HTTPS_DEFAULTS: Defaults = Defaults {
    tls: Some(TlsMode::Direct),
    alpn: &[b"h2", b"http/1.1"],
    ..Defaults::stream(Some(443))
};

/// The type of what is asked and answered over HTTPS.
const TYPE: HeaderValue = HeaderValue::from_static("application/dns-message");

/// How many records are shown.
const MAX_SHOWN: usize = 4;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Transport {
    #[default]
    Udp,
    Tcp,
    Tls,
    Https,
}

const TRANSPORTS: &[(&str, Transport)] = &[
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
    ("https", Transport::Https),
];

/// How what came is compared with what is expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Match {
    #[default]
    All,
    Any,
    Exactly,
}

const MATCHES: &[(&str, Match)] =
    &[("all", Match::All), ("any", Match::Any), ("exactly", Match::Exactly)];

impl CheckType for Dns {
    fn name(&self) -> &'static str {
        "dns"
    }

    fn manual(&self) -> &'static str {
        "Asks the name server at `address` for a name. Critical if it does not answer, if the \
         answer has another code than `code`, no record of the type, not those in `expect`, or if \
         it is not authoritative or not validated where that is demanded. Over TLS and HTTPS also \
         if the certificate is not to be trusted. Warning or critical by the limits of the time."
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
        "address: 9.9.9.9\nname: www.example.net\ntype: A\nexpect: [192.0.2.7]\ntransport: tls\n\
         dnssec: true\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        section.required("name");
        let rtype = section.parse("type", read_type).unwrap_or(Rtype::A);
        let name = section.parse("name", |text| read_name(text, rtype));
        let transport = section.word("transport", TRANSPORTS).unwrap_or_default();
        let path = section.parse("path", read_path);
        let code = section.parse("code", read_code).unwrap_or(OptRcode::NOERROR);
        let expect = section.parse_many("expect", |text| Ok::<_, String>(comparable(rtype, text)));
        let matching = section.word("match", MATCHES).unwrap_or_default();
        let recursion = section.bool("recursion", true);
        let authoritative = section.bool("authoritative", false);
        let dnssec = section.bool("dnssec", false);
        let defaults = match transport {
            Transport::Udp | Transport::Tcp => &DEFAULTS,
            Transport::Tls => &TLS_DEFAULTS,
            Transport::Https => &HTTPS_DEFAULTS,
        };
        let mut endpoint = Endpoint::read(section, given, defaults)?;
        // The transport says whether TLS is spoken, whatever `tls` says.
        endpoint.mode = defaults.tls.unwrap_or_default();
        if section.has("tls") && section.opt_str("tls") != Some(word_of(endpoint.mode)) {
            section.error("tls", "the transport says whether TLS is spoken");
        }
        Some(Box::new(NameServer {
            question: Question { name: name?, rtype, recursion, dnssec },
            expected: Expected {
                code,
                records: expect.into_iter().map(|record| record.value).collect(),
                matching,
                authoritative,
                validated: dnssec,
            },
            transport,
            path: path.unwrap_or(Uri::from_static("/dns-query")),
            endpoint,
        }))
    }
}

fn word_of(mode: TlsMode) -> &'static str {
    match mode {
        TlsMode::Direct => "true",
        TlsMode::Off | TlsMode::StartTls => "false",
    }
}

fn read_type(text: &str) -> Result<Rtype, String> {
    text.parse().map_err(|_| format!("`{text}` is not a type of record"))
}

fn read_code(text: &str) -> Result<OptRcode, String> {
    let code = text.to_ascii_uppercase().parse();
    code.map_err(|()| format!("`{text}` is not a code such as NOERROR, NXDOMAIN or REFUSED"))
}

fn read_path(text: &str) -> Result<Uri, String> {
    let path = text.parse::<Uri>().ok().filter(|_| text.starts_with('/'));
    path.ok_or_else(|| format!("`{text}` is not a path: it begins with `/`"))
}

#[derive(Debug)]
struct NameServer {
    endpoint: Endpoint,
    transport: Transport,
    path: Uri,
    question: Question,
    expected: Expected,
}

/// What the answer must be.
#[derive(Debug)]
struct Expected {
    code: OptRcode,
    records: Vec<String>,
    matching: Match,
    authoritative: bool,
    validated: bool,
}

impl Check for NameServer {
    fn kind(&self) -> &'static str {
        "dns"
    }

    fn target(&self) -> String {
        format!("{} at {}", self.question.name, self.endpoint.target())
    }

    fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let Self { endpoint, question, .. } = self;
            let asked = match self.transport {
                Transport::Udp => over_udp(endpoint, context, question).await,
                Transport::Tcp | Transport::Tls => over_stream(endpoint, context, question).await,
                Transport::Https => self.over_https(context).await,
            };
            let (seen, answer) = match asked {
                Ok(asked) => asked,
                Err(finding) => return finding,
            };
            match answer {
                Ok(answer) => self.endpoint.judge(&seen, self.judge(&answer)),
                Err(error) => {
                    let why = unanswered(&error);
                    let text = format!("no answer from {}: {why}", seen.address);
                    self.endpoint.judge(&seen, Finding::new(Status::Critical, text))
                }
            }
        })
    }
}

impl NameServer {
    /// Asks over HTTPS (RFC 8484).
    async fn over_https(&self, context: &Context) -> Result<(Seen, io::Result<Answer>), Finding> {
        let asked = self.question.message();
        let link = self.endpoint.open(context).await?;
        let mut seen = link.seen();
        let limits = Limits { max_body: MAX_ANSWER, time: link.left() };
        let mut watch = Stopwatch::start();
        // Some servers speak HTTP/2 alone here, others HTTP/1.1.
        let alpn = seen.tls.as_ref().and_then(|tls| tls.alpn.as_deref());
        let version = if alpn == Some("h2") { Version::Http2 } else { Version::Http1 };
        let request = self.request(&asked, version);
        let answer = exchange(link, version, request, limits).await;
        seen.phases.total += watch.lap();
        let answer = answer.map_err(|error| foreign(crate::net::chain(&error)));
        let answer = answer.and_then(|answer| {
            seen.phases.first_byte = Some(answer.first_byte);
            match (answer.status.as_u16(), &answer.end) {
                (200, End::Whole) => read(&answer.body, &self.question, &asked),
                (200, _) => Err(foreign("the answer did not come whole")),
                (other, _) => Err(foreign(format!("HTTP status {other}"))),
            }
        });
        Ok((seen, answer))
    }

    fn request(&self, asked: &[u8], version: Version) -> Request<Full<bytes::Bytes>> {
        let mut request = Request::new(Full::new(bytes::Bytes::copy_from_slice(asked)));
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(CONTENT_TYPE, TYPE);
        request.headers_mut().insert(ACCEPT, TYPE);
        let authority = host_port(&self.endpoint.tls_name, self.endpoint.port);
        match version {
            Version::Http1 => {
                *request.uri_mut() = self.path.clone();
                let host = HeaderValue::from_str(&authority);
                request.headers_mut().insert(HOST, host.unwrap_or(HeaderValue::from_static("")));
            }
            Version::Http2 => {
                // The whole address stands in what takes the place of the first line.
                let whole = format!("https://{authority}{}", self.path).parse();
                *request.uri_mut() = whole.unwrap_or_else(|_| self.path.clone());
            }
        }
        request
    }

    fn judge(&self, answer: &Answer) -> Finding {
        let Question { name, rtype, .. } = &self.question;
        self.expected.judge(answer, &name.to_string(), *rtype)
    }
}

impl Expected {
    fn judge(&self, answer: &Answer, name: &str, rtype: Rtype) -> Finding {
        let came: Vec<String> =
            answer.records.iter().map(|record| comparable(rtype, &record.data)).collect();
        let finding = match self.complaint(answer, name, rtype, &came) {
            Some(complaint) => Finding::new(Status::Critical, complaint),
            None if answer.records.is_empty() => {
                Finding::new(Status::Ok, format!("{} for {name}", answer.code))
            }
            None => Finding::new(Status::Ok, format!("{name} {rtype} {}", list(answer))),
        };
        let texts: Vec<String> = answer.records.iter().map(|record| record.data.clone()).collect();
        let n = u32::try_from(texts.len()).unwrap_or(u32::MAX);
        let ttl = answer.records.iter().map(|record| record.ttl).min();
        let mut finding = finding
            .measured(Measure::new("records", n.into(), Unit::None))
            .saw("code", answer.code.to_string())
            .saw("answers", texts)
            .saw("authoritative", answer.authoritative)
            .saw("validated", answer.authentic)
            .saw("serial", answer.serial);
        finding.measures.extend(ttl.map(|ttl| Measure::seconds("ttl_seconds", ttl)));
        finding
    }

    /// Says what is wrong.
    fn complaint(
        &self,
        answer: &Answer,
        name: &str,
        rtype: Rtype,
        came: &[String],
    ) -> Option<String> {
        if answer.code != self.code {
            let expected = if self.code == OptRcode::NOERROR {
                String::new()
            } else {
                format!(", not {}", self.code)
            };
            return Some(format!("the answer is {}{expected}, for {name} {rtype}", answer.code));
        }
        let wants_records = self.code == OptRcode::NOERROR || !self.records.is_empty();
        if answer.records.is_empty() && wants_records {
            return Some(format!("{name} has no record of type {rtype}"));
        }
        let missing: Vec<&str> =
            self.records.iter().filter(|r| !came.contains(r)).map(String::as_str).collect();
        let is_missed = match self.matching {
            Match::All | Match::Exactly => !missing.is_empty(),
            Match::Any => !missing.is_empty() && missing.len() == self.records.len(),
        };
        if is_missed {
            let missing = missing.join(", ");
            return Some(format!("{name} {rtype} {}, not {missing}", list(answer)));
        }
        let unknown = came.iter().find(|record| !self.records.contains(record));
        if let (Match::Exactly, Some(unknown)) = (self.matching, unknown) {
            return Some(format!("{name} {rtype} has {unknown} too, which is not expected"));
        }
        if self.authoritative && !answer.authoritative {
            return Some(format!("{name} {rtype} {}, but not authoritative", list(answer)));
        }
        (self.validated && !answer.authentic)
            .then(|| format!("{name} {rtype} {}, but not validated (DNSSEC)", list(answer)))
    }
}

fn list(answer: &Answer) -> String {
    let shown: Vec<&str> =
        answer.records.iter().take(MAX_SHOWN).map(|record| record.data.as_str()).collect();
    let more = answer.records.len().saturating_sub(MAX_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("is {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests;
