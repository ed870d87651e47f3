//! TLS for checks: the certificate is verified as a browser would, and looked at for the days it has
//! left.

use std::net::IpAddr;

use hark_config::{Key, Kind, Section};
use hark_model::check::Range;
use hark_model::sample::Unit;
use hark_model::{Status, Unix};
use hark_net::{Tls, Trust, certificate_of};
use rustls_pki_types::CertificateDer;
use tokio_rustls::client::TlsStream;
use x509_parser::extensions::GeneralName;

use crate::finding::{Finding, Measure};

pub(crate) const CA_FILE_KEY: Key = Key::new(
    "ca_file",
    Kind::Text,
    "PEM file of the authorities to trust instead of the system's.",
);
pub(crate) const INSECURE_KEY: Key =
    Key::new("insecure", Kind::Bool, "Accept any certificate.").default("false");
pub(crate) const CERTIFICATE_WARNING_KEY: Key = Key::new(
    "certificate_warning",
    Kind::Number,
    "Warning if the certificate ends within so many days.",
)
.unit("days")
.default("14");
pub(crate) const CERTIFICATE_CRITICAL_KEY: Key = Key::new(
    "certificate_critical",
    Kind::Number,
    "Critical if the certificate ends within so many days.",
)
.unit("days")
.default("3");

/// Longest time a limit may name: no authority gives certificates for ten years.
const MAX_DAYS: f64 = 3650.0;

/// The settings of TLS of one check: whom it trusts, and how long the certificate must be good.
#[derive(Debug)]
pub(crate) struct TlsSettings {
    pub(crate) tls: Tls,
    warning_days: f64,
    critical_days: f64,
}

impl TlsSettings {
    pub(crate) fn read(section: &Section<'_>, alpn: &'static [&'static [u8]]) -> Self {
        let warning_days = section.f64("certificate_warning", 14.0, 0.0..=MAX_DAYS);
        let critical_days = section.f64("certificate_critical", 3.0, 0.0..=MAX_DAYS);
        if critical_days > warning_days {
            section.error("certificate_critical", "the critical limit is above the warning one");
        }
        let trust = Trust::of_settings(section.opt_str("ca_file"), section.bool("insecure", false));
        Self { tls: Tls::new(trust).offering(alpn), warning_days, critical_days }
    }

    /// Judges how long the certificate is still good.
    pub(crate) fn judge_days(&self, days: f64) -> (Status, Measure) {
        let below = |days| Range { low: days, high: f64::INFINITY, inside: false };
        let measure = Measure::new("certificate_days", days, Unit::None)
            .ranges(Some(below(self.warning_days)), Some(below(self.critical_days)));
        let status = if days < self.critical_days {
            Status::Critical
        } else if days < self.warning_days {
            Status::Warning
        } else {
            Status::Ok
        };
        (status, measure)
    }
}

/// What was agreed on, and what the other side has shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSeen {
    /// `TLSv1.3`.
    pub(crate) version: String,
    /// `TLS13_AES_256_GCM_SHA384`.
    pub(crate) cipher: String,
    /// The protocol that was agreed on (ALPN).
    pub(crate) alpn: Option<String>,
    /// Every certificate that was shown, its own first, as DER.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// What stands in the first one, if it can be read.
    pub(crate) certificate: Option<CertificateFacts>,
}

impl TlsSeen {
    pub(crate) fn of<S>(stream: &TlsStream<S>, now: Unix) -> Self {
        let connection = stream.get_ref().1;
        let words = |word: Option<String>| word.unwrap_or_default();
        let version = connection.protocol_version().map(|version| format!("{version:?}"));
        let cipher = connection.negotiated_cipher_suite().map(|c| format!("{:?}", c.suite()));
        let alpn = connection.alpn_protocol();
        Self {
            version: words(version).replace('_', "."),
            cipher: words(cipher),
            alpn: alpn.map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
            chain: connection.peer_certificates().unwrap_or_default().to_vec(),
            certificate: certificate_of(stream)
                .and_then(|certificate| CertificateFacts::read(certificate, now)),
        }
    }

    /// Adds what conditions can be about.
    pub(crate) fn tell(&self, finding: Finding) -> Finding {
        let finding = finding
            .saw("tls_version", self.version.as_str())
            .saw("tls_cipher", self.cipher.as_str());
        let Some(certificate) = &self.certificate else { return finding };
        finding
            .saw("certificate_subject", certificate.subject.as_str())
            .saw("certificate_issuer", certificate.issuer.as_str())
            .saw("certificate_names", certificate.names.clone())
            .saw("certificate_serial", certificate.serial.as_str())
    }
}

/// What stands in a certificate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CertificateFacts {
    /// Whom it is for, as written: `CN=www.example.net`.
    pub(crate) subject: String,
    /// Who vouches for it.
    pub(crate) issuer: String,
    /// The names and addresses it is good for.
    pub(crate) names: Vec<String>,
    /// Its serial number in hexadecimal digits.
    pub(crate) serial: String,
    /// Since when it is good.
    pub(crate) not_before: Unix,
    /// Until when it is good.
    pub(crate) not_after: Unix,
    /// The days until then, negative if it has ended.
    pub(crate) days_left: f64,
}

/// Most names of a certificate that are kept: authorities give at most a hundred.
const MAX_NAMES: usize = 200;

impl CertificateFacts {
    /// Reads a certificate; `None` if it is none.
    pub(crate) fn read(certificate: &CertificateDer<'_>, now: Unix) -> Option<Self> {
        let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let seconds = read.validity().not_after.timestamp();
        let left = seconds.saturating_sub(now.seconds());
        let left = i32::try_from(left / 60).ok().map(f64::from)? * 60.0;
        let alternatives = read.subject_alternative_name().ok().flatten();
        let names = alternatives.map_or_else(Vec::new, |alternatives| {
            let names = alternatives.value.general_names.iter().filter_map(name);
            names.take(MAX_NAMES).collect()
        });
        let digits: Vec<String> =
            read.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect();
        let at = |seconds: i64| Unix(seconds.saturating_mul(1000));
        Some(Self {
            subject: read.subject().to_string(),
            issuer: read.issuer().to_string(),
            names,
            serial: digits.concat(),
            not_before: at(read.validity().not_before.timestamp()),
            not_after: at(seconds),
            days_left: left / 86_400.0,
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let v4: Result<[u8; 4], _> = (*bytes).try_into();
            let v6: Result<[u8; 16], _> = (*bytes).try_into();
            v4.map(IpAddr::from).or_else(|_| v6.map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets};

    use super::*;

    #[test]
    fn certificates_near_their_end_are_judged_by_days() {
        let document = Document::single("certificate_warning: 30\n");
        let tls = TlsSettings::read(&document.root(&NoSecrets), &[]);
        assert_eq!(tls.judge_days(30.0).0, Status::Ok);
        assert_eq!(tls.judge_days(29.9).0, Status::Warning);
        assert_eq!(tls.judge_days(2.9).0, Status::Critical);
        assert_eq!(tls.judge_days(-1.0).0, Status::Critical);
    }

    #[test]
    fn days_are_counted_to_the_end_of_the_certificate() {
        let names = vec!["a.example".to_owned(), "192.0.2.7".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(2027, 1, 11);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let new_year_2027 = Unix(1_798_761_600_000);
        let facts = CertificateFacts::read(certificate.der(), new_year_2027).unwrap();
        assert!((facts.days_left - 10.0).abs() < 1e-9, "{facts:?}");
        assert_eq!(facts.names, ["a.example", "192.0.2.7"]);
        assert_eq!(facts.not_after, Unix(new_year_2027.0 + 10 * 86_400_000));
        assert!(!facts.serial.is_empty());
        assert_eq!(facts.subject, facts.issuer);
    }
}
