//! One-time tokens with which agents join.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// Makes a one-time token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// The only name that may join with it; any if not given.
    #[serde(default)]
    pub host: Option<String>,
    /// Tags that the host gets.
    #[serde(default)]
    pub tags: Vec<String>,
    /// How long it is valid; an hour if not given, at most 30 days.
    #[serde(default)]
    pub valid_seconds: Option<u64>,
    /// How many hosts may join with it; 1 if not given.
    #[serde(default)]
    pub uses: Option<u32>,
}

/// A new one-time token: the only time that its text is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewEnrolment {
    /// Its number, to withdraw it by.
    pub id: String,
    /// Its text: carries the fingerprint of the server's certificate.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The line to run on the new host.
    pub command: String,
}

impl std::fmt::Debug for NewEnrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewEnrolment").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A one-time token, without its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Enrolment {
    /// Its number.
    pub id: String,
    /// The only name that may join with it.
    #[schema(required = true)]
    pub host: Option<String>,
    /// Tags that the host gets.
    pub tags: Vec<String>,
    /// Who made it.
    pub by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// How many hosts may still join with it.
    pub uses_left: u32,
}
