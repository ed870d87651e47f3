//! Whether a certificate was revoked: who is asked, and what it means that nobody tells.
//!
//! Where to ask stands in the certificate, which is why nothing is asked before the chain is trusted: an
//! authority has written it then. The guard against private addresses holds there too. What is good stays
//! so for an hour at most: authorities would not thank anybody who asks every few seconds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hark_config::{Key, Kind, Section};
use hark_model::time::{Clock, Micros};
use hark_model::{Status, Unix};
use hark_net::{Dial, End, Limits, Listed, Tls, Version, connect, exchange};
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use ring::digest::{SHA256, digest};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};

use super::ocsp::{Answer, Subject, Told};
use super::signature::{PublicKey, parse};
use crate::Context;
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::net::chain as reasons;
use crate::web::{AGENT, Place};

pub(super) const OCSP_KEY: Key = Key::new(
    "ocsp",
    Kind::Either(&[Kind::Bool, Kind::OneOf(&["stapled"])]),
    "Whether the certificate was revoked: `true` asks the responder it names, unless the server has stapled an answer; with `stapled` the server must.",
)
.default("false");

pub(super) const CRL_KEY: Key = Key::new(
    "crl",
    Kind::Bool,
    "Whether the certificate was revoked: fetches the list that it names.",
)
.default("false");

pub(super) const FACTS: [FactKey; 4] = [
    FactKey::new("revoked", "whether the certificate was revoked; absent if nobody tells"),
    FactKey::new(
        "ocsp",
        "answer of OCSP: `good`, `revoked`, `unknown`; absent if there is no usable one",
    ),
    FactKey::new("ocsp_stapled", "whether the server has stapled an answer of OCSP"),
    FactKey::new("revocation_seconds", "time to ask; absent if nobody had to be asked"),
];

/// How long what is good is not asked again, if it does not end before.
const KEPT_MS: i64 = 3600 * 1000;

/// Largest answer of a responder that is read: they have some 2 KiB, with certificates 6.
const MAX_ANSWER: usize = 64 * 1024;

/// Largest list that is read, as of a file of them.
const MAX_LIST: usize = 16 * 1024 * 1024;

/// Most places of one kind that a certificate names and that are asked.
const MAX_PLACES: usize = 3;

/// `id-ad-ocsp`.
const RESPONDER: &str = "1.3.6.1.5.5.7.48.1";

/// Who answers by OCSP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ocsp {
    #[default]
    Nobody,
    /// The server, with what it has from the responder.
    Server,
    /// The server if it can, and the responder if not.
    Anybody,
}

/// What is to be found out, and what is known from before.
#[derive(Debug, Default)]
pub(super) struct Revocation {
    pub(super) ocsp: Ocsp,
    pub(super) crl: bool,
    good: Mutex<Good>,
}

/// What was found good, by digest of the certificate and until when.
#[derive(Clone, Copy, Debug, Default)]
struct Good {
    ocsp: Option<([u8; 32], Unix)>,
    crl: Option<([u8; 32], Unix)>,
}

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) ocsp: Option<Result<Answer, String>>,
    pub(super) crl: Option<Result<Listed, String>>,
    pub(super) stapled: Option<bool>,
    /// The time that asking took, if anybody was asked.
    pub(super) time: Option<Duration>,
}

/// A chain that is trusted for a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trusted<'a> {
    pub(super) tls: &'a Tls,
    pub(super) chain: &'a [CertificateDer<'static>],
    pub(super) name: &'a str,
}

impl Revocation {
    /// Reads the settings; what is wrong is reported.
    pub(super) fn read(section: &Section<'_>) -> Self {
        let ocsp = section.parse("ocsp", |text| match text {
            "true" => Ok(Ocsp::Anybody),
            "false" => Ok(Ocsp::Nobody),
            "stapled" => Ok(Ocsp::Server),
            _ => Err("true, false or stapled is expected"),
        });
        let read = Self {
            ocsp: ocsp.unwrap_or_default(),
            crl: section.bool("crl", false),
            good: Mutex::default(),
        };
        if read.is_wanted() && section.bool("insecure", false) {
            let key = if read.crl { "crl" } else { "ocsp" };
            section.error(key, "whom to ask stands in the certificate, which must be trusted for that: without `insecure`");
        }
        read
    }

    /// Returns true if anything is to be found out.
    pub(super) fn is_wanted(&self) -> bool {
        self.crl || self.ocsp != Ocsp::Nobody
    }

    /// Finds out what is wanted, within that time.
    pub(super) async fn find(
        &self,
        context: &Context,
        trusted: Trusted<'_>,
        stapled: Option<&[u8]>,
        limit: Duration,
    ) -> Found {
        let Some(own) = trusted.chain.first() else { return Found::default() };
        let Some(read) = parse(own) else { return Found::default() };
        let now = Clock.now().unix;
        let has_asked = AtomicBool::new(false);
        let asking = Asking { context, began: Clock.micros(), limit, has_asked };
        let before = *self.good.lock().unwrap_or_else(PoisonError::into_inner);
        let of = digest(&SHA256, own).as_ref().try_into().unwrap_or([0; 32]);
        let is_kept = |kept: Option<([u8; 32], Unix)>| {
            kept.is_some_and(|(whose, until)| whose == of && now < until)
        };
        let ocsp = async {
            if self.ocsp == Ocsp::Nobody {
                return None;
            }
            if stapled.is_none() && self.ocsp == Ocsp::Anybody && is_kept(before.ocsp) {
                let until = before.ocsp.map_or(now, |(_, until)| until);
                return Some(Ok(Told { answer: Answer::Good, until }));
            }
            Some(self.by_ocsp(&asking, trusted, &read, stapled, now).await)
        };
        let crl = async {
            if !self.crl {
                return None;
            }
            if is_kept(before.crl) {
                return Some(Ok(Listed::No));
            }
            Some(by_list(&asking, trusted, &read, now).await)
        };
        let (ocsp, crl) = tokio::join!(ocsp, crl);
        let end = Unix(now.0.saturating_add(KEPT_MS));
        let kept = Good {
            ocsp: match &ocsp {
                Some(Ok(Told { answer: Answer::Good, until })) => Some((of, end.min(*until))),
                _ => None,
            },
            crl: match &crl {
                Some(Ok(Listed::No)) if is_kept(before.crl) => before.crl,
                Some(Ok(Listed::No)) => Some((of, end)),
                _ => None,
            },
        };
        *self.good.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Found {
            ocsp: ocsp.map(|told| told.map(|told| told.answer)),
            crl,
            stapled: (self.ocsp != Ocsp::Nobody).then_some(stapled.is_some()),
            time: asking
                .has_asked
                .load(Ordering::Relaxed)
                .then(|| Duration::from_micros(Clock.micros().since(asking.began))),
        }
    }

    async fn by_ocsp(
        &self,
        asking: &Asking<'_>,
        trusted: Trusted<'_>,
        read: &X509Certificate<'_>,
        stapled: Option<&[u8]>,
        now: Unix,
    ) -> Result<Told, String> {
        let key = issuer(trusted, read).ok_or("who has signed the certificate is not known")?;
        let subject = Subject::new(read, key);
        // What is stapled and no good is told, not passed over: browsers see it first as well.
        match (self.ocsp, stapled) {
            (_, Some(answer)) => {
                return subject.read(answer, now).map_err(|why| format!("stapled: {why}"));
            }
            (Ocsp::Server, None) => return Err("the server staples no answer".to_owned()),
            (Ocsp::Anybody | Ocsp::Nobody, None) => {}
        }
        let question = subject.question().map(Bytes::from).ok_or("there is no way to ask")?;
        let mut why = "the certificate names no responder".to_owned();
        for place in responders(read) {
            let heard = asking.fetch(&place, Some(question.clone()), MAX_ANSWER).await;
            match heard.and_then(|answer| subject.read(&answer, now)) {
                Ok(told) => return Ok(told),
                Err(error) => why = format!("{place}: {error}"),
            }
        }
        Err(why)
    }
}

async fn by_list(
    asking: &Asking<'_>,
    trusted: Trusted<'_>,
    read: &X509Certificate<'_>,
    now: Unix,
) -> Result<Listed, String> {
    let at = UnixTime::since_unix_epoch(Duration::from_secs(
        u64::try_from(now.seconds()).unwrap_or_default(),
    ));
    let mut why = "the certificate names no list".to_owned();
    for place in lists(read) {
        let told = asking.fetch(&place, None, MAX_LIST).await.and_then(|list| {
            let list = CertificateRevocationListDer::from(list);
            let listed = trusted.tls.listed(trusted.chain, trusted.name, at, list);
            listed.map_err(|error| reasons(&error))
        });
        match told {
            Ok(listed) => return Ok(listed),
            Err(error) => why = format!("{place}: {error}"),
        }
    }
    Err(why)
}

/// Returns the key that a certificate is signed with: of the next one of the chain, or of an authority
/// that servers need not show.
fn issuer(trusted: Trusted<'_>, read: &X509Certificate<'_>) -> Option<PublicKey> {
    let shown = trusted.chain.iter().skip(1).filter_map(|above| PublicKey::of(&parse(above)?));
    let name = read.issuer().as_raw();
    let name = crate::ber::Elements::new(name).take(crate::ber::SEQUENCE)?;
    let known = trusted.tls.keys_of_authority(name).unwrap_or_default();
    let own = trusted.chain.first()?;
    shown.chain(known.into_iter().map(PublicKey::new)).find(|key| key.has_certified(own))
}

/// Returns the responders that a certificate names.
fn responders(read: &X509Certificate<'_>) -> Vec<String> {
    let access = read.extensions().iter().filter_map(|extension| {
        let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else {
            return None;
        };
        Some(&access.accessdescs)
    });
    let named = access.flatten().filter(|one| one.access_method.to_id_string() == RESPONDER);
    places(named.map(|one| &one.access_location))
}

/// Returns the lists that a certificate names.
fn lists(read: &X509Certificate<'_>) -> Vec<String> {
    let points = read.extensions().iter().filter_map(|extension| {
        let ParsedExtension::CRLDistributionPoints(points) = extension.parsed_extension() else {
            return None;
        };
        Some(&points.points)
    });
    let names = points.flatten().filter_map(|point| match point.distribution_point.as_ref()? {
        DistributionPointName::FullName(names) => Some(names),
        DistributionPointName::NameRelativeToCRLIssuer(_) => None,
    });
    places(names.flatten())
}

/// Returns the web addresses among names. Without TLS, as it is meant to be: what is fetched is signed,
/// and to ask for another certificate in order to judge this one would have no end.
fn places<'a>(names: impl Iterator<Item = &'a GeneralName<'a>>) -> Vec<String> {
    let uris = names.filter_map(|name| {
        let GeneralName::URI(uri) = name else { return None };
        uri.starts_with("http://").then(|| (*uri).to_owned())
    });
    uris.take(MAX_PLACES).collect()
}

/// How others are asked.
#[derive(Debug)]
struct Asking<'a> {
    context: &'a Context,
    began: Micros,
    limit: Duration,
    has_asked: AtomicBool,
}

impl Asking<'_> {
    fn left(&self) -> Duration {
        self.limit.saturating_sub(Duration::from_micros(Clock.micros().since(self.began)))
    }

    /// Fetches what is at a web address, or what a responder there says to `question`.
    async fn fetch(
        &self,
        place: &str,
        question: Option<Bytes>,
        max_body: usize,
    ) -> Result<Vec<u8>, String> {
        self.has_asked.store(true, Ordering::Relaxed);
        let place = Place::parse(place)?;
        let origin = &place.origin;
        let dial = Dial::new(&origin.host, origin.port, self.left());
        let dial = Dial { guard: self.context.guard, ..dial };
        let connected = connect(&*self.context.resolver, dial).await;
        let connected = connected.map_err(|unreached| reasons(&unreached))?;
        let mut request = Request::new(Full::new(Bytes::new()));
        let host = HeaderValue::from_str(&origin.authority).map_err(|error| error.to_string())?;
        request.headers_mut().insert(HOST, host);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(question) = question {
            *request.method_mut() = Method::POST;
            *request.body_mut() = Full::new(question);
            let kind = HeaderValue::from_static("application/ocsp-request");
            request.headers_mut().insert(CONTENT_TYPE, kind);
        }
        *request.uri_mut() = place.path.clone();
        let limits = Limits { max_body, time: self.left() };
        let answer = exchange(connected.stream, Version::Http1, request, limits).await;
        let answer = answer.map_err(|error| reasons(&error))?;
        match (answer.status, answer.end) {
            (StatusCode::OK, End::Whole) => Ok(answer.body),
            (StatusCode::OK, End::Cut) => Err("the answer is too long".to_owned()),
            (StatusCode::OK, End::Late) => Err("the answer did not come in time".to_owned()),
            (StatusCode::OK, End::Broken(error)) => Err(reasons(&error)),
            (status, _) => Err(format!("answers {status}")),
        }
    }
}

impl Found {
    /// Returns whether the certificate was revoked, if anybody tells.
    fn revoked(&self) -> Option<bool> {
        let by_ocsp = match &self.ocsp {
            Some(Ok(Answer::Good)) => Some(false),
            Some(Ok(Answer::Revoked)) => Some(true),
            Some(Ok(Answer::Unknown) | Err(_)) | None => None,
        };
        let by_list = match &self.crl {
            Some(Ok(listed)) => Some(*listed == Listed::Revoked),
            Some(Err(_)) | None => None,
        };
        match (by_ocsp, by_list) {
            (Some(one), Some(other)) => Some(one || other),
            (one, other) => one.or(other),
        }
    }

    /// Adds what was found out to a finding. Revoked is critical; that nobody tells is a warning: the
    /// server does its work, and what is worth more than that is said by a condition.
    pub(super) fn judge(&self, mut finding: Finding) -> Finding {
        let revoked = self.revoked();
        let mut untold = Vec::new();
        match &self.ocsp {
            Some(Ok(Answer::Unknown)) => {
                untold.push("the responder does not know the certificate (OCSP)".to_owned());
            }
            Some(Err(why)) => untold.push(format!("OCSP does not tell: {why}")),
            Some(Ok(Answer::Good | Answer::Revoked)) | None => {}
        }
        if let Some(Err(why)) = &self.crl {
            untold.push(format!("the list does not tell: {why}"));
        }
        if revoked == Some(true) {
            finding.status = Status::Critical;
            finding = finding.and(", the certificate was revoked");
        } else if !untold.is_empty() {
            finding.status = finding.status.worse(Status::Warning);
        } else if revoked == Some(false) {
            finding = finding.and(", not revoked");
        }
        for why in untold {
            finding = finding.and(&format!(", {why}"));
        }
        if let Some(revoked) = revoked {
            finding = finding.saw("revoked", revoked);
        }
        if let Some(Ok(answer)) = &self.ocsp {
            finding = finding.saw("ocsp", answer.word());
        }
        if let Some(stapled) = self.stapled {
            finding = finding.saw("ocsp_stapled", stapled);
        }
        finding.measures.extend(self.time.map(|time| Measure::seconds("revocation_seconds", time)));
        finding
    }
}

#[cfg(test)]
mod tests;
