//! TLS for checks: the certificate is verified as a browser would, and looked at for the days it has
//! left.

use hark_config::{Key, Kind, Section};
use hark_model::sample::Unit;
use hark_model::{Status, Unix};
use hark_net::{Tls, Trust, certificate_of};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::finding::Measure;

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
        let measure = Measure::new("certificate_days", days, Unit::None)
            .limits(Some(self.warning_days), Some(self.critical_days));
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

/// Returns the days until the certificate of the other side ends, negative if it has; `None` if it
/// cannot be read.
pub(crate) fn days_left(stream: &TlsStream<TcpStream>, now: Unix) -> Option<f64> {
    days_until_end(certificate_of(stream)?, now)
}

fn days_until_end(certificate: &CertificateDer<'_>, now: Unix) -> Option<f64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let seconds = certificate.validity().not_after.timestamp().saturating_sub(now.seconds());
    let seconds = i32::try_from(seconds / 60).ok().map(f64::from)? * 60.0;
    Some(seconds / 86_400.0)
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
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2027, 1, 11);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let new_year_2027 = Unix(1_798_761_600_000);
        assert_eq!(days_until_end(certificate.der(), new_year_2027), Some(10.0));
    }
}
