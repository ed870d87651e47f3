//! The records as they lie on the disk: one serde type per kind of record and version.
//!
//! A type of these files is a promise. A new version gets a new type (`StoredCheckV2`) and an arm in
//! the `decode` of its kind; the old type and its golden file stay for ever. Fields that usually have
//! their default are left out of the JSON, because 300,000 checks are read before the first beat of
//! a big server is accepted.

mod attempt;
mod check;
mod host;
mod incident;
mod message;
mod silence;

use hark_model::name::{NameError, Tag};
use hark_model::{Severity, Status};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use attempt::{decode_attempt, encode_attempt};
pub(crate) use check::{decode_check, encode_check};
pub(crate) use host::{decode_host, encode_host};
pub(crate) use incident::{decode_incident, encode_incident};
pub(crate) use message::{
    decode_notification, delivery_state, delivery_state_of, encode_notification,
};
pub(crate) use silence::{decode_silence, encode_silence};

/// The version that new rows get.
pub(crate) const VERSION: u32 = 1;

/// Why a row cannot be read.
#[derive(Debug, Error)]
pub enum StoredError {
    /// A version that this program does not know.
    #[error("version {0} of a stored record is not known")]
    Version(u32),
    /// The JSON is not that of the version.
    #[error("a stored record is not readable")]
    Json(#[from] serde_json::Error),
    /// A name in it is none.
    #[error("a stored name is wrong")]
    Name(#[from] NameError),
    /// A word in it is none that is known.
    #[error("the stored word {0:?} is not known")]
    Word(String),
}

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredStatusV1 {
    Ok,
    Warning,
    Critical,
    Unknown,
}

impl From<Status> for StoredStatusV1 {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => Self::Ok,
            Status::Warning => Self::Warning,
            Status::Critical => Self::Critical,
            Status::Unknown => Self::Unknown,
        }
    }
}

impl From<StoredStatusV1> for Status {
    fn from(status: StoredStatusV1) -> Self {
        match status {
            StoredStatusV1::Ok => Self::Ok,
            StoredStatusV1::Warning => Self::Warning,
            StoredStatusV1::Critical => Self::Critical,
            StoredStatusV1::Unknown => Self::Unknown,
        }
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredSeverityV1 {
    Info,
    Unknown,
    Warning,
    Critical,
}

impl From<Severity> for StoredSeverityV1 {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Unknown => Self::Unknown,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}

impl From<StoredSeverityV1> for Severity {
    fn from(severity: StoredSeverityV1) -> Self {
        match severity {
            StoredSeverityV1::Info => Self::Info,
            StoredSeverityV1::Unknown => Self::Unknown,
            StoredSeverityV1::Warning => Self::Warning,
            StoredSeverityV1::Critical => Self::Critical,
        }
    }
}

fn known(version: u32) -> Result<(), StoredError> {
    if version == VERSION { Ok(()) } else { Err(StoredError::Version(version)) }
}

fn tags(words: &[String]) -> Result<Vec<Tag>, StoredError> {
    words.iter().map(|w| Tag::new(w).map_err(StoredError::Name)).collect()
}

#[cfg(test)]
mod tests;
