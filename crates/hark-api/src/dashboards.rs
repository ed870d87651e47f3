//! Dashboards that people make for themselves and show to others.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::time::Timestamp;

/// The most dashboards of one user: more are a list that nobody finds anything in.
pub const MAX_OWN: usize = 50;

/// The most dashboards of all users: the list of them is read whole.
pub const MAX_ALL: usize = 1000;

/// The most panels: each asks the server for its data.
pub const MAX_PANELS: usize = 40;

/// The longest title in bytes.
pub const MAX_TITLE: usize = 120;

/// The longest text of a panel or a description in bytes.
pub const MAX_TEXT: usize = 4000;

/// The most hosts that a panel names: as many as one question for series takes.
pub const MAX_HOSTS: usize = crate::series::MAX_HOSTS;

/// The most metrics of a panel: with ten hosts of a tag more than three are too many series for one answer.
pub const MAX_METRICS: usize = 3;

/// The most users or teams that one is shown to by name.
pub const MAX_SHARED: usize = 50;

/// The most bytes of what a dashboard says, as JSON: below the longest body that a request may have.
pub const MAX_BYTES: usize = 48 * 1024;

/// Columns of the grid.
pub const COLUMNS: u8 = 12;

/// The fewest columns of a panel: a figure with its unit.
pub const MIN_WIDTH: u8 = 2;

/// The most rows of a panel.
pub const MAX_HEIGHT: u8 = 6;

/// Times that a dashboard can open with.
pub const RANGES: &[&str] = &["1h", "6h", "24h", "7d", "30d", "1y"];

/// Earlier times that a chart can be compared with.
pub const SHIFTS: &[&str] = &["1d", "7d", "28d", "1y"];

/// What a panel's hosts name instead of the one that the reader chooses.
pub const HOST_VARIABLE: &str = "$host";

/// As [`HOST_VARIABLE`], of a tag.
pub const TAG_VARIABLE: &str = "$tag";

/// What a dashboard shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// What it is called.
    pub title: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Who else may see it.
    #[serde(default)]
    pub shared: Shared,
    /// The time that it opens with: `1h`, `6h`, `24h`, `7d`, `30d` or `1y`; `6h` if empty.
    #[serde(default)]
    pub range: String,
    /// What a reader chooses.
    #[serde(default)]
    pub variables: Variables,
    /// The panels, from the first line to the last.
    #[serde(default)]
    pub panels: Vec<Panel>,
}

/// Who else may see a dashboard. Whoever sees it sees in it what he may see elsewhere, and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shared {
    /// Everybody who can sign in.
    #[serde(default)]
    pub everyone: bool,
    /// These users.
    #[serde(default)]
    pub users: Vec<String>,
    /// The members of these teams.
    #[serde(default)]
    pub teams: Vec<String>,
}

/// What a reader chooses; it stands in the address. One that is null is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Variables {
    /// A host, with the one that is chosen at first; it stands for `$host`.
    #[serde(default)]
    #[schema(required = true)]
    pub host: Option<String>,
    /// A tag, with the one that is chosen at first; it stands for `$tag`.
    #[serde(default)]
    #[schema(required = true)]
    pub tag: Option<String>,
}

/// What kind of panel it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PanelKind {
    /// Series over time.
    Chart,
    /// The newest value of a series, large.
    Value,
    /// Hosts with their states.
    States,
    /// Open incidents.
    Incidents,
    /// A text.
    Text,
}

/// A panel of a dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// What kind.
    pub kind: PanelKind,
    /// What stands above it; `$host` and `$tag` in it are what the reader has chosen.
    #[serde(default)]
    pub title: String,
    /// How many of the 12 columns it takes: 2 to 12.
    #[serde(default = "usual_width")]
    pub width: u8,
    /// How many rows: 1 to 6.
    #[serde(default = "usual_height")]
    pub height: u8,
    /// Of which hosts; `$host` is the one that the reader has chosen.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Instead of hosts: of those with this tag; `$tag` is the one that the reader has chosen. Without
    /// both, lists are about every host.
    #[serde(default)]
    #[schema(required = true)]
    pub tag: Option<String>,
    /// Paths of the series of a chart or a value.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// A chart also shows an earlier time: `1d`, `7d`, `28d` or `1y`.
    #[serde(default)]
    #[schema(required = true)]
    pub compare: Option<String>,
    /// The text of a panel of texts; lines that are empty part paragraphs.
    #[serde(default)]
    pub text: String,
}

fn usual_width() -> u8 {
    COLUMNS / 2
}

fn usual_height() -> u8 {
    2
}

impl Panel {
    /// Makes an empty panel of the usual size.
    pub fn new(kind: PanelKind) -> Self {
        Self {
            kind,
            title: String::new(),
            width: usual_width(),
            height: usual_height(),
            hosts: Vec::new(),
            tag: None,
            metrics: Vec::new(),
            compare: None,
            text: String::new(),
        }
    }
}

/// A dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Dashboard {
    /// Its number.
    pub id: u64,
    /// Counts its changes, from 1; also its entity tag.
    pub version: u64,
    /// Who made it.
    pub owner: String,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Whether the reader may change and remove it.
    pub may_change: bool,
    /// What it shows. For who may not change it, without hosts that he may not see.
    pub content: Content,
}

/// A dashboard in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DashboardRow {
    /// Its number.
    pub id: u64,
    /// Counts its changes.
    pub version: u64,
    /// What it is called.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Who made it.
    pub owner: String,
    /// Who else may see it.
    pub shared: Shared,
    /// How many panels it has.
    pub panels: u64,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Whether the reader may change and remove it.
    pub may_change: bool,
}

/// Changes a dashboard: it is from now on what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DashboardChange {
    /// The version that was changed; with another one nothing is done. Without, whatever is there is replaced.
    #[serde(default)]
    #[schema(required = true)]
    pub version: Option<u64>,
    /// What it is to show.
    pub content: Content,
}

/// Has a dashboard of another program read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DashboardImport {
    /// What Grafana exports: the dashboard's JSON.
    pub grafana: Value,
}

/// What became of a dashboard of another program. Nothing is stored: it is made by a second request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DashboardImported {
    /// As hark can show it.
    pub content: Content,
    /// What hark cannot show, or shows otherwise, in sentences.
    pub left_out: Vec<String>,
}
