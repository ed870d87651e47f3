//! Answers as each kind of sender understands them.
//!
//! What will never be taken is a 4xx: senders give it up, and go on with the next. What may be taken later
//! is a 503 with a time to wait. A request of which a part was refused is taken: remote write and Influx
//! hear of the refused part as a 400, which they log and do not repeat, OTLP as its partial success.

use hark_metrics::remote_write::Version;
use hark_metrics::wire::Writer;
use hark_metrics::{Refused, Unreadable};
use hark_web::Receipt;
use serde_json::json;

use super::NotNow;
use super::parcels::Taken;

/// How long a sender waits before it tries again: history tries a failed disk every ten seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Why nothing of a request was taken.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nobody of this name any more.
    Source,
    /// Of a type that is not read here.
    MediaType,
    /// Packed in a way that is not known here.
    Encoding,
    /// A precision that is none.
    Precision,
    /// Not what it is said to be.
    Unreadable(Unreadable),
    /// It may be brought again.
    NotNow(NotNow),
}

impl Fault {
    fn status(&self) -> u16 {
        match self {
            Self::Source => 401,
            Self::MediaType | Self::Encoding => 415,
            Self::Unreadable(Unreadable::Long) => 413,
            Self::Precision | Self::Unreadable(_) => 400,
            Self::NotNow(_) => 503,
        }
    }

    /// Returns its number among those of `google.rpc.Status`.
    fn code(&self) -> u64 {
        match self {
            Self::Source => 16,
            Self::NotNow(_) => 14,
            Self::MediaType | Self::Encoding | Self::Precision | Self::Unreadable(_) => 3,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Source => "the token is not one of a source".to_owned(),
            Self::MediaType => "this content type is not taken here".to_owned(),
            Self::Encoding => "this content encoding is not taken here".to_owned(),
            Self::Precision => "the precision is one of ns, us, ms, s, m, h".to_owned(),
            Self::Unreadable(unreadable) => unreadable.to_string(),
            Self::NotNow(NotNow::Stopped) => {
                "samples cannot be kept at present: send them again".to_owned()
            }
            Self::NotNow(NotNow::Ending) => "the server is ending: send them again".to_owned(),
        }
    }
}

/// In which form an answer is to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    RemoteWrite(Version),
    Otlp,
    OtlpJson,
    Influx,
}

/// Makes the answer to a request.
pub(super) fn answer(form: Form, taken: &Taken) -> Receipt {
    let mut receipt = match form {
        Form::RemoteWrite(version) => remote_write(version, taken),
        Form::Otlp => otlp(taken),
        Form::OtlpJson => otlp_json(taken),
        Form::Influx => influx(taken),
    };
    if let Err(Fault::NotNow(_)) = taken {
        receipt.retry_after = Some(RETRY_AFTER_SECONDS);
    }
    receipt
}

fn text(status: u16, text: String) -> Receipt {
    Receipt {
        status,
        content_type: "text/plain; charset=utf-8",
        body: text.into_bytes(),
        ..Receipt::default()
    }
}

fn remote_write(version: Version, taken: &Taken) -> Receipt {
    let mut receipt = match taken {
        Ok(kept) if kept.refused.is_empty() => Receipt { status: 204, ..Receipt::default() },
        Ok(kept) => text(400, partial(&kept.refused)),
        Err(fault) => text(fault.status(), fault.words()),
    };
    if version == Version::Two {
        let samples = taken.as_ref().map_or(0, |kept| kept.samples);
        receipt.headers = vec![
            ("x-prometheus-remote-write-samples-written", samples.to_string()),
            ("x-prometheus-remote-write-histograms-written", "0".to_owned()),
            ("x-prometheus-remote-write-exemplars-written", "0".to_owned()),
        ];
    }
    receipt
}

fn partial(refused: &Refused) -> String {
    format!("the rest was taken, but not {}", refused.sentence())
}

/// OTLP answers with a message of its own; an empty one says that all was taken.
fn otlp(taken: &Taken) -> Receipt {
    let mut writer = Writer::default();
    match taken {
        Ok(kept) if kept.refused.is_empty() => {}
        Ok(kept) => writer.message(1, |writer| {
            writer.varint(1, kept.refused.total());
            writer.bytes(2, kept.refused.sentence().as_bytes());
        }),
        Err(fault) => {
            writer.varint(1, fault.code());
            writer.bytes(2, fault.words().as_bytes());
        }
    }
    Receipt {
        status: taken.as_ref().map_or_else(Fault::status, |_| 200),
        content_type: "application/x-protobuf",
        body: writer.finish(),
        ..Receipt::default()
    }
}

fn otlp_json(taken: &Taken) -> Receipt {
    let body = match taken {
        Ok(kept) if kept.refused.is_empty() => json!({}),
        Ok(kept) => {
            let (n, text) = (kept.refused.total().to_string(), kept.refused.sentence());
            json!({"partialSuccess": {"rejectedDataPoints": n, "errorMessage": text}})
        }
        Err(fault) => json!({"code": fault.code(), "message": fault.words()}),
    };
    Receipt {
        status: taken.as_ref().map_or_else(Fault::status, |_| 200),
        content_type: "application/json",
        body: body.to_string().into_bytes(),
        ..Receipt::default()
    }
}

fn influx(taken: &Taken) -> Receipt {
    let (status, code, message) = match taken {
        Ok(kept) if kept.refused.is_empty() => {
            return Receipt { status: 204, ..Receipt::default() };
        }
        Ok(kept) => (400, "invalid", format!("partial write: {}", partial(&kept.refused))),
        Err(fault) => {
            let code = match fault.status() {
                401 => "unauthorized",
                413 => "request too large",
                503 => "unavailable",
                _ => "invalid",
            };
            (fault.status(), code, fault.words())
        }
    };
    // Version 1 reads `error`, version 2 the others.
    let body = json!({"code": code, "message": message, "error": message});
    Receipt {
        status,
        content_type: "application/json",
        body: body.to_string().into_bytes(),
        ..Receipt::default()
    }
}
