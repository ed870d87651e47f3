//! Public status pages: which there are, and what people publish on them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::hosts::Declared;
use crate::time::Timestamp;

/// The longest title in bytes: a line.
pub const MAX_TITLE: usize = 200;

/// The longest text of an update in bytes.
pub const MAX_TEXT: usize = 4000;

/// The most that is not over on one page: more is a list that nobody reads.
pub const MAX_OPEN: usize = 50;

/// The most updates of one incident: each is told to every reader of a feed.
pub const MAX_UPDATES: usize = 100;

/// How much of what is over is kept of each page.
pub const MAX_OVER: usize = 500;

/// How long ahead work can be announced, and how long it can last, in days.
pub const MAX_AHEAD_DAYS: u64 = 366;

/// How a component, or a page as a whole, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComponentState {
    /// All of it works.
    Operational,
    /// Nothing is known of it.
    NoData,
    /// Somebody works on it, as planned.
    Maintenance,
    /// It works, but not as it should.
    Degraded,
    /// Some of it does not work.
    PartialOutage,
    /// None of it works.
    MajorOutage,
}

/// What kind of thing is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublicKind {
    /// Something is wrong.
    #[default]
    Incident,
    /// Work that is announced.
    Maintenance,
}

/// How far people are with it: the first four with an incident, the others with announced work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublicStage {
    /// The cause is looked for.
    Investigating,
    /// The cause is known.
    Identified,
    /// It is mended, and watched.
    Monitoring,
    /// It is over.
    Resolved,
    /// The work will be done.
    Scheduled,
    /// The work is being done.
    InProgress,
    /// The work is done.
    Completed,
}

impl PublicStage {
    /// Returns what kind of thing can be at this stage.
    pub fn kind(self) -> PublicKind {
        match self {
            Self::Investigating | Self::Identified | Self::Monitoring | Self::Resolved => {
                PublicKind::Incident
            }
            Self::Scheduled | Self::InProgress | Self::Completed => PublicKind::Maintenance,
        }
    }

    /// Returns true if nothing comes after it.
    pub fn is_last(self) -> bool {
        matches!(self, Self::Resolved | Self::Completed)
    }

    /// Returns the first stage of a kind.
    pub fn first(kind: PublicKind) -> Self {
        match kind {
            PublicKind::Incident => Self::Investigating,
            PublicKind::Maintenance => Self::Scheduled,
        }
    }
}

/// How bad an incident makes what it is about, at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublicImpact {
    /// Not at all: only words.
    None,
    /// It works, but not as it should.
    #[default]
    Degraded,
    /// Some of it does not work.
    PartialOutage,
    /// None of it works.
    MajorOutage,
}

/// A status page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusPageRow {
    /// The word that its address ends in.
    pub page: String,
    /// Its name.
    pub title: String,
    /// Where it is on this server.
    pub path: String,
    /// Names of hosts that are its own.
    pub domains: Vec<String>,
    /// Whether everybody may see it.
    pub public: bool,
    /// The worst of what it tells about.
    pub state: ComponentState,
    /// The same as a sentence.
    pub headline: String,
    /// What it tells about.
    pub components: Vec<StatusComponent>,
    /// How much of what was published on it is not over.
    pub open: u64,
    /// Whether the reader may publish on it.
    pub may_publish: bool,
    /// Where the configuration declares it.
    pub declared: Declared,
}

/// A component of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusComponent {
    /// The word that stands in addresses.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The heading that it stands under; may be empty.
    pub group: String,
    /// How it is.
    pub state: ComponentState,
}

/// What was said about something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicUpdate {
    /// When.
    pub at: Timestamp,
    /// How far people were.
    pub stage: PublicStage,
    /// In words.
    pub text: String,
    /// Who said it. Not shown on the page.
    pub by: String,
}

/// What an incident or announced work says: the form in which it is also kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicContent {
    /// What kind.
    pub kind: PublicKind,
    /// What it is called.
    pub title: String,
    /// The components that it is about; none is the page as a whole.
    pub components: Vec<String>,
    /// How bad it makes these at least.
    pub impact: PublicImpact,
    /// When it began, or when the work is to begin.
    pub from_at: Timestamp,
    /// When the work is to be done.
    #[schema(required = true)]
    pub until_at: Option<Timestamp>,
    /// When it was over.
    #[schema(required = true)]
    pub closed_at: Option<Timestamp>,
    /// What was said about it, oldest first.
    pub updates: Vec<PublicUpdate>,
}

impl PublicContent {
    /// Returns how far people are.
    pub fn stage(&self) -> PublicStage {
        self.updates.last().map_or(PublicStage::first(self.kind), |update| update.stage)
    }
}

/// Something that was published on a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicIncident {
    /// Its number.
    pub id: u64,
    /// The word of the page.
    pub page: String,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// How far people are with it.
    pub stage: PublicStage,
    /// What it says.
    #[serde(flatten)]
    pub content: PublicContent,
}

/// Which of what was published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PublicIncidentsQuery {
    /// Only what is not over, or only what is.
    pub open: Option<bool>,
}

/// Publishes something on a page: strangers read all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// What kind.
    #[serde(default)]
    pub kind: PublicKind,
    /// What it is called.
    pub title: String,
    /// What there is to say about it.
    pub text: String,
    /// How far people are; by default the first stage of its kind.
    #[serde(default)]
    #[schema(required = true)]
    pub stage: Option<PublicStage>,
    /// How bad an incident makes its components at least.
    #[serde(default)]
    pub impact: PublicImpact,
    /// The components that it is about; none is the page as a whole.
    #[serde(default)]
    pub components: Vec<String>,
    /// When it began, or when the work is to begin: now, if nothing is said.
    #[serde(default)]
    #[schema(required = true)]
    pub from_at: Option<Timestamp>,
    /// When the work is to be done; needed for work.
    #[serde(default)]
    #[schema(required = true)]
    pub until_at: Option<Timestamp>,
}

/// Says more about something that was published. What is null stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicUpdateRequest {
    /// The version that the writer has seen; with another one nothing is done.
    #[serde(default)]
    #[schema(required = true)]
    pub version: Option<u64>,
    /// What there is to say.
    pub text: String,
    /// How far people are: `resolved` and `completed` end it.
    #[serde(default)]
    #[schema(required = true)]
    pub stage: Option<PublicStage>,
    /// What it is called.
    #[serde(default)]
    #[schema(required = true)]
    pub title: Option<String>,
    /// How bad it makes its components at least.
    #[serde(default)]
    #[schema(required = true)]
    pub impact: Option<PublicImpact>,
    /// The components that it is about.
    #[serde(default)]
    #[schema(required = true)]
    pub components: Option<Vec<String>>,
    /// When the work is to be done.
    #[serde(default)]
    #[schema(required = true)]
    pub until_at: Option<Timestamp>,
}
