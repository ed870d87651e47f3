//! TLS itself: the whole chain of certificates, its names, days and keys, and the versions that are
//! spoken; from the start, or after STARTTLS in one of the protocols that have it.
//!
//! The chain is taken whatever it is, and judged afterwards: so what is wrong with it does not hide what
//! else there is to say. Revocation is looked up only where the settings ask for it: asking tells
//! authorities who looks at what, and many give up OCSP for lists and certificates of a few days.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::sample::Unit;
use hark_model::time::{Clock, Micros};
use hark_model::{Status, Unix};
use hark_net::{BoxFuture, Tls, TlsError, Trust};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateRevocationListDer, UnixTime};

use crate::endpoint::{self, Defaults, Endpoint, TlsMode, stream_keys};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::keys::join;
use crate::link::{Link, Seen};
use crate::net::chain;
use crate::tls::CertificateFacts;
use crate::{Check, CheckType, Context, Given};

mod certificate;
mod hello;
mod ocsp;
mod revocation;
mod signature;
mod starttls;

use certificate::{Signed, covers};
use hello::{SHORTEST, TELLING, Version, client_hello, speaks};
use revocation::{CRL_KEY, Found, OCSP_KEY, Ocsp, Revocation, Trusted};
use starttls::StartTls;

/// The check type `tls`.
#[derive(Debug)]
pub(crate) struct TlsOfServer;

const OWN_KEYS: &[Key] = &[
    Key::new(
        "protocol",
        Kind::OneOf(&["smtp", "imap", "pop3", "ftp", "xmpp"]),
        "Protocol in which TLS is asked for, with `tls: starttls`.",
    ),
    Key::new(
        "names",
        Kind::OneOrMany(&Kind::Text),
        "Further names that the certificate must be for.",
    ),
    Key::new(
        "refuse",
        Kind::OneOrMany(&Kind::OneOf(&["TLSv1.0", "TLSv1.1", "TLSv1.2"])),
        "Versions that the server must not speak; each takes a connection of its own.",
    ),
    Key::new(
        "crl_file",
        Kind::Text,
        "PEM file of lists of revoked certificates, read anew for each run.",
    ),
    OCSP_KEY,
    CRL_KEY,
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys("443"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("trusted", "whether the chain is trusted for the name"),
    FactKey::new("chain_length", "how many certificates were shown"),
    FactKey::new("chain_days", "days until the first certificate of the chain ends"),
    FactKey::new("key_type", "kind of the certificate's key: `RSA`, `EC`, `Ed25519`"),
    FactKey::new("key_bits", "length of the key"),
    FactKey::new("signature", "how the certificate is signed: `sha256WithRSA`"),
    FactKey::new("fingerprint", "SHA-256 of the certificate, as hexadecimal digits"),
    FactKey::new("self_signed", "whether the certificate vouches for itself"),
    FactKey::new("spoken", "versions of `refuse` that the server speaks"),
];

const CERTIFICATE_FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + revocation::FACTS.len() }>(OWN_FACTS, &revocation::FACTS);

const FACTS: &[FactKey] = &join::<_, { CERTIFICATE_FACTS.len() + endpoint::FACTS.len() }>(
    CERTIFICATE_FACTS,
    endpoint::FACTS,
);

const DEFAULTS: Defaults =
    Defaults { tls: Some(TlsMode::Direct), starttls: true, ..Defaults::stream(Some(443)) };

/// Largest file of revoked certificates that is read.
const MAX_LISTS: u64 = 16 * 1024 * 1024;

impl CheckType for TlsOfServer {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn manual(&self) -> &'static str {
        "Agrees on TLS with a server and looks at what it shows: from the start, or with `tls: starttls` \
         after asking for it in `protocol`, on the port of which it goes then. Critical if there is no \
         TLS, if the chain is not trusted for the name (`tls_name`, or `address`), if the certificate is \
         not for each of `names`, is on a list in `crl_file`, or if a version in `refuse` is spoken. \
         Warning or critical by the days until the first certificate of the chain ends, and by the limits \
         of the time. With `insecure` any chain is taken, and its names and days are judged. With `ocsp` or \
         `crl` critical if the certificate was revoked, and a warning if nobody tells: a responder that is \
         away, does not know the certificate, or whose answer is too old or wrongly signed. Nothing is asked \
         before the chain is trusted, and what is good is asked again after an hour. \
         Unknown if the name has no address. What is demanded of version, cipher, issuer or key is \
         written as conditions: `tls_version is TLSv1.3`, `key_bits >= 2048`, `certificate_issuer contains \
         \"Let's Encrypt\"`."
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
        "address: www.example.net\n\
         names: [example.net, shop.example.net]\n\
         refuse: [TLSv1.0, TLSv1.1]\n\
         certificate_warning: 21\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let names = section.parse_many("names", read_name);
        let refuse = section.one_or_many("refuse");
        let refuse = refuse.iter().filter_map(|value| value.word(Version::WORDS)).collect();
        let crl_file = section.opt_str("crl_file").map(PathBuf::from);
        let revocation = Revocation::read(section);
        let protocol = section.word("protocol", StartTls::WORDS);
        let mut endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        let protocol = match (endpoint.mode, protocol) {
            (TlsMode::Direct, None) => None,
            (TlsMode::StartTls, Some(protocol)) => Some(protocol),
            (TlsMode::StartTls, None) => {
                section.required("protocol");
                return None;
            }
            (TlsMode::Direct, Some(_)) => {
                section.error("protocol", "TLS from the start is the same in every protocol");
                return None;
            }
            (TlsMode::Off, _) => {
                section.error("tls", "there is nothing to look at without TLS");
                return None;
            }
        };
        if let Some(protocol) = protocol.filter(|_| !section.has("port")) {
            endpoint.port = protocol.port();
        }
        // The chain is taken whatever it is: it is judged when the connection is there.
        let settings = endpoint.tls.as_mut()?;
        let trust = std::mem::replace(&mut settings.tls, Tls::new(Trust::Anybody));
        endpoint.mode = TlsMode::Off;
        let names = names.into_iter().map(|one| one.value).collect();
        Some(Box::new(Server { endpoint, trust, protocol, names, refuse, crl_file, revocation }))
    }
}

fn read_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.contains('*') || name.contains(char::is_whitespace) {
        return Err(format!("`{text}` is not a name such as `www.example.net`"));
    }
    Ok(name.to_owned())
}

#[derive(Debug)]
struct Server {
    endpoint: Endpoint,
    /// Whom the chain must lead to.
    trust: Tls,
    /// The protocol in which TLS is asked for.
    protocol: Option<StartTls>,
    names: Vec<String>,
    refuse: Vec<Version>,
    crl_file: Option<PathBuf>,
    revocation: Revocation,
}

/// What was agreed on, and what was stapled to the certificate.
#[derive(Debug)]
struct Agreed {
    seen: Seen,
    stapled: Option<Vec<u8>>,
}

/// Whether a version is spoken.
type Spoken = (Version, Result<bool, String>);

impl Check for Server {
    fn kind(&self) -> &'static str {
        "tls"
    }

    fn target(&self) -> String {
        self.endpoint.target()
    }

    fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let began = Clock.micros();
            let of = |version| self.version(context, version);
            let (agreed, v1_0, v1_1, v1_2) = tokio::join!(
                self.agree(context),
                of(Version::V1_0),
                of(Version::V1_1),
                of(Version::V1_2),
            );
            let agreed = match agreed {
                Ok(agreed) => agreed,
                Err(finding) => return finding,
            };
            let revoked = match self.revoked().await {
                Ok(revoked) => revoked,
                Err(why) => return Finding::new(Status::Unknown, why),
            };
            let spoken: Vec<Spoken> = [v1_0, v1_1, v1_2].into_iter().flatten().collect();
            let now = Clock.now().unix;
            let verdict = self.verdict(&agreed.seen, revoked, now);
            let found = match &verdict {
                Ok(()) if self.revocation.is_wanted() => {
                    self.find_revoked(context, &agreed, began).await
                }
                _ => Found::default(),
            };
            self.judge(&agreed.seen, &spoken, &verdict, &found, now)
        })
    }
}

impl Server {
    /// Goes to where TLS can begin.
    async fn open(&self, context: &Context) -> Result<Link, Finding> {
        match self.protocol {
            None => self.endpoint.open(context).await,
            Some(protocol) => protocol.open(&self.endpoint, context).await,
        }
    }

    /// Agrees on TLS with whoever it is.
    async fn agree(&self, context: &Context) -> Result<Agreed, Finding> {
        let mut link = self.open(context).await?;
        if self.revocation.ocsp == Ocsp::Nobody {
            self.endpoint.secure(&mut link).await?;
            return Ok(Agreed { seen: link.seen(), stapled: None });
        }
        // One of its own for each run: what is stapled is that of its first connection.
        let tls = Tls::new(Trust::Anybody);
        self.endpoint.secure_with(&mut link, &tls).await?;
        Ok(Agreed { seen: link.seen(), stapled: tls.stapled().map(<[u8]>::to_vec) })
    }

    /// Finds out whether the certificate of a chain that is trusted was revoked.
    async fn find_revoked(&self, context: &Context, agreed: &Agreed, began: Micros) -> Found {
        let Some(tls) = &agreed.seen.tls else { return Found::default() };
        let spent = Duration::from_micros(Clock.micros().since(began));
        let left = self.endpoint.limit().saturating_sub(spent);
        let (chain, name) = (tls.chain.as_slice(), self.endpoint.tls_name.as_str());
        let trusted = Trusted { tls: &self.trust, chain, name };
        self.revocation.find(context, trusted, agreed.stapled.as_deref(), left).await
    }

    /// Says whether the chain is trusted for the name, and by lists of the settings not revoked.
    fn verdict(
        &self,
        seen: &Seen,
        revoked: Vec<CertificateRevocationListDer<'static>>,
        now: Unix,
    ) -> Result<(), TlsError> {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(
            u64::try_from(now.seconds()).unwrap_or_default(),
        ));
        let chain = seen.tls.as_ref().map_or(&[][..], |tls| &tls.chain);
        self.trust.verify(chain, &self.endpoint.tls_name, at, revoked)
    }

    /// Asks whether a version is spoken, if that is to be known.
    async fn version(&self, context: &Context, version: Version) -> Option<Spoken> {
        if !self.refuse.contains(&version) {
            return None;
        }
        Some((version, self.ask(context, version).await))
    }

    async fn ask(&self, context: &Context, version: Version) -> Result<bool, String> {
        let mut random = [0; 32];
        let filled = SystemRandom::new().fill(&mut random);
        filled.map_err(|_| "this machine has no random numbers".to_owned())?;
        let mut link = self.open(context).await.map_err(|finding| finding.text)?;
        let hello = client_hello(version, random, &self.endpoint.tls_name);
        match answer(&mut link, version, &hello).await {
            Ok(spoken) => spoken,
            // Some servers hang up where others send an alert.
            Err(error) if hung_up(&error) => Ok(false),
            Err(error) => Err(chain(&error)),
        }
    }

    /// Reads the lists of revoked certificates.
    async fn revoked(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
        let Some(path) = &self.crl_file else { return Ok(Vec::new()) };
        let unusable = |why: &dyn std::fmt::Display| {
            format!("cannot use the lists of revoked certificates in {}: {why}", path.display())
        };
        let size = tokio::fs::metadata(path).await.map_err(|error| unusable(&error))?.len();
        if size > MAX_LISTS {
            return Err(unusable(&"the file is larger than 16 MiB"));
        }
        let pem = tokio::fs::read(path).await.map_err(|error| unusable(&error))?;
        let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&pem).collect();
        match lists {
            Ok(lists) if lists.is_empty() => Err(unusable(&"there is none in it")),
            Ok(lists) => Ok(lists),
            Err(error) => Err(unusable(&error)),
        }
    }

    fn judge(
        &self,
        seen: &Seen,
        spoken: &[Spoken],
        verdict: &Result<(), TlsError>,
        found: &Found,
        now: Unix,
    ) -> Finding {
        let Some(tls) = &seen.tls else {
            return Finding::new(Status::Critical, format!("no TLS with {}", seen.address));
        };
        let mut wrong: Vec<String> = Vec::new();
        wrong.extend(verdict.as_ref().err().map(distrust));
        let names = tls.certificate.as_ref().map_or(&[][..], |certificate| &certificate.names);
        let missing = self.names.iter().filter(|name| !covers(names, name));
        wrong.extend(missing.map(|name| format!("the certificate is not for {name}")));
        let too_old = spoken.iter().filter(|(_, spoken)| *spoken == Ok(true));
        let too_old: Vec<String> = too_old.map(|(v, _)| v.word().to_owned()).collect();
        wrong.extend(too_old.iter().map(|version| format!("{version} is spoken")));
        let untold = spoken.iter().find_map(|(version, spoken)| {
            let why = spoken.as_ref().err()?;
            Some(format!("whether {} is spoken cannot be told: {why}", version.word()))
        });
        let (status, text) = match (wrong.is_empty(), untold) {
            (false, _) => (Status::Critical, wrong.join("; ")),
            (true, Some(why)) => (Status::Unknown, why),
            (true, None) => (Status::Ok, format!("{} with {}", tls.version, tls.cipher)),
        };
        let finding = Finding::new(status, format!("{}: {text}", seen.address))
            .saw("trusted", verdict.is_ok())
            .saw("spoken", too_old);
        let finding = found.judge(finding);
        let finding = self.judge_chain(seen, finding, now);
        self.endpoint.judge(seen, finding)
    }

    /// Adds what stands in the certificates, and judges the days of those above the server's own.
    fn judge_chain(&self, seen: &Seen, mut finding: Finding, now: Unix) -> Finding {
        let chain = seen.tls.as_ref().map_or(&[][..], |tls| &tls.chain);
        let read = chain.iter().filter_map(|one| CertificateFacts::read(one, now));
        let first = read.min_by(|a, b| a.days_left.total_cmp(&b.days_left));
        if let (Some(first), Some(settings)) = (first, &self.endpoint.tls) {
            let own = seen.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
            let (status, _) = settings.judge_days(first.days_left);
            if own.is_some_and(|own| own.serial != first.serial) && status != Status::Ok {
                finding.status = finding.status.worse(status);
                let days = first.days_left;
                finding = finding
                    .and(&format!(", {} of the chain ends in {days:.0} days", first.subject));
            }
            finding = finding.measured(Measure::new("chain_days", first.days_left, Unit::None));
        }
        let signed = chain.first().and_then(Signed::read).unwrap_or_default();
        finding
            .saw("chain_length", u32::try_from(chain.len()).unwrap_or(u32::MAX))
            .saw("key_type", signed.key_type)
            .saw("key_bits", signed.key_bits)
            .saw("signature", signed.signature)
            .saw("fingerprint", signed.fingerprint)
            .saw("self_signed", signed.by_itself)
    }
}

fn distrust(error: &TlsError) -> String {
    format!("the certificate is not trusted: {}", chain(error))
}

fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Says the first message and reads what tells.
async fn answer(
    link: &mut Link,
    version: Version,
    hello: &[u8],
) -> io::Result<Result<bool, String>> {
    link.send(hello).await?;
    let mut heard = link.exactly(SHORTEST).await?;
    loop {
        match speaks(version, &heard) {
            Ok(Some(spoken)) => return Ok(Ok(spoken)),
            Ok(None) => {
                let more = TELLING.saturating_sub(heard.len()).max(1);
                heard.extend(link.exactly(more).await?);
            }
            Err(why) => return Ok(Err(why)),
        }
    }
}

#[cfg(test)]
mod tests;
