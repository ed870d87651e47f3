//! Requests: who sends them, what is in them, and what they are answered.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hark_metrics::influx::Precision;
use hark_metrics::remote_write::Version;
use hark_metrics::unpack::{Packing, unpack};
use hark_metrics::{Batch, Unreadable, influx, otlp, remote_write};
use hark_web::{Credentials, Door, Parcel, Receipt};

use super::answers::{Fault, Form, answer};
use super::{Inlets, Kept};
use crate::config::Source;
use crate::server::links::Links;

/// A name that a database may have, as it becomes a job.
const MAX_DATABASE: usize = 64;

impl Inlets {
    /// Returns the name of the source that proves itself with `credentials`.
    pub(crate) fn source_of(&self, credentials: &Credentials) -> Option<String> {
        self.find(credentials).map(|source| source.name.clone())
    }

    fn find(&self, credentials: &Credentials) -> Option<Arc<Source>> {
        let token = token(credentials)?;
        self.settings.load().find(&token).cloned()
    }

    /// Takes a parcel of who has proven itself before. For threads that may block.
    pub(crate) fn take(&self, links: &Links, parcel: &Parcel) -> Receipt {
        let form = form(parcel);
        let Some(source) = self.find(&parcel.credentials) else {
            return answer(form, &Err(Fault::Source));
        };
        let taken = read(&source, parcel)
            .and_then(|batch| self.bring(links, &source, &batch).map_err(Fault::NotNow))
            .inspect_err(|fault| {
                tracing::debug!(source = source.name, ?fault, "a request was refused");
            });
        answer(form, &taken)
    }
}

impl From<Unreadable> for Fault {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

/// What is kept, or why nothing is.
pub(super) type Taken = Result<Kept, Fault>;

fn form(parcel: &Parcel) -> Form {
    match parcel.door {
        Door::RemoteWrite => {
            Form::RemoteWrite(Version::of_content_type(&parcel.content_type).unwrap_or_default())
        }
        Door::Otlp if is(parcel, "application/json") => Form::OtlpJson,
        Door::Otlp => Form::Otlp,
        Door::Influx => Form::Influx,
    }
}

fn is(parcel: &Parcel, content_type: &str) -> bool {
    let essence = parcel.content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(content_type)
}

/// Returns what somebody proves himself with: the schemes differ by what the senders can.
fn token(credentials: &Credentials) -> Option<String> {
    if let Some(header) = &credentials.authorization {
        let (scheme, rest) = header.expose().split_once(' ')?;
        let rest = rest.trim();
        return match scheme.to_ascii_lowercase().as_str() {
            "bearer" | "token" => Some(rest.to_owned()),
            "basic" => {
                let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
                decoded.split_once(':').map(|(_, password)| password.to_owned())
            }
            _ => None,
        };
    }
    credentials.password.as_ref().map(|password| password.expose().to_owned())
}

fn read(source: &Source, parcel: &Parcel) -> Result<Batch, Fault> {
    let packing = Packing::of_word(&parcel.encoding);
    match parcel.door {
        Door::RemoteWrite => {
            let version = Version::of_content_type(&parcel.content_type).ok_or(Fault::MediaType)?;
            // Without a word it is what it always is.
            let packing = match packing {
                Some(Packing::None) if parcel.encoding.is_empty() => Packing::Snappy,
                Some(Packing::Snappy) => Packing::Snappy,
                Some(Packing::None | Packing::Gzip) | None => return Err(Fault::Encoding),
            };
            let body = unpack(&parcel.body, packing)?;
            Ok(remote_write::read(&body, version, &source.naming)?)
        }
        Door::Otlp => {
            let body = unpacked(parcel, packing)?;
            if is(parcel, "application/json") {
                Ok(otlp::read_json(&body, &source.naming)?)
            } else if is(parcel, "application/x-protobuf") {
                Ok(otlp::read(&body, &source.naming)?)
            } else {
                Err(Fault::MediaType)
            }
        }
        Door::Influx => {
            let precision = Precision::of_word(&parcel.precision).ok_or(Fault::Precision)?;
            let body = unpacked(parcel, packing)?;
            let mut naming = source.naming.clone();
            if is_database(&parcel.database) {
                naming.job.clone_from(&parcel.database);
            }
            Ok(influx::read(&body, precision, &naming)?)
        }
    }
}

fn unpacked(
    parcel: &Parcel,
    packing: Option<Packing>,
) -> Result<std::borrow::Cow<'_, [u8]>, Fault> {
    match packing {
        Some(packing @ (Packing::None | Packing::Gzip)) => Ok(unpack(&parcel.body, packing)?),
        Some(Packing::Snappy) | None => Err(Fault::Encoding),
    }
}

fn is_database(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_DATABASE
}

#[cfg(test)]
mod tests {
    use hark_model::Secret;

    use super::*;

    #[test]
    fn a_token_comes_as_the_sender_can() {
        let header =
            |text: &str| Credentials { authorization: Some(Secret::new(text)), password: None };
        let query = Credentials { authorization: None, password: Some(Secret::new("abc")) };
        for (credentials, expected) in [
            (header("Bearer abc"), Some("abc")),
            (header("Token abc"), Some("abc")),
            (header("Basic YW55Ym9keTphYmM="), Some("abc")),
            (header("basic YW55Ym9keTphOmI="), Some("a:b")),
            (header("Basic !"), None),
            (header("Digest abc"), None),
            (header("abc"), None),
            (query, Some("abc")),
            (Credentials::default(), None),
        ] {
            assert_eq!(token(&credentials).as_deref(), expected, "{credentials:?}");
        }
    }
}
