//! What happened: lines of the journal for people.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::list::Cursor;
use crate::words::{Kind, State};

/// Which part of what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Part of the text.
    pub q: Option<String>,
    /// The `next` of the page before.
    pub cursor: Option<Cursor>,
    /// How many items at most.
    pub limit: Option<u32>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Activity {
    /// When.
    pub at_unix_s: i64,
    /// What kind of line.
    pub kind: Kind,
    /// The host, if it is about one.
    #[schema(required = true)]
    pub host: Option<String>,
    /// The check, if it is about one.
    #[schema(required = true)]
    pub check: Option<String>,
    /// The incident, if it is about one.
    #[schema(required = true)]
    pub incident: Option<u64>,
    /// What the check says since then.
    #[schema(required = true)]
    pub state: Option<State>,
    /// In words.
    pub text: String,
}
