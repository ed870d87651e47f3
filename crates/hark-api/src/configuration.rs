//! The configuration as the page edits it: objects of a few sections, versions, and what is wrong with one.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::hosts::Declared;
use crate::list::Cursor;
use crate::time::Timestamp;
use crate::words::State;

/// The longest name of an object.
pub const MAX_NAME: usize = 200;

/// How the objects of a section are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfigShape {
    /// By their names; their order says nothing.
    Named,
    /// They stand in a list, each with its `name`, and the order counts.
    Ordered,
}

/// A section that the page edits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigSection {
    /// Its key.
    pub name: String,
    /// How its objects are kept apart.
    pub shape: ConfigShape,
    /// One line on what it is.
    pub help: String,
    /// Whether an object can be tried before it is saved.
    pub can_test: bool,
    /// The keys of one object as JSON Schema, with `x-value` (what it is, in words), `x-order` (the place in
    /// the form) and `x-kind` (`duration`, `size` or `secret`); null where only the names of the sections
    /// are asked for.
    #[schema(required = true)]
    pub schema: Option<serde_json::Value>,
}

/// Which sections are described.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConfigSchemaQuery {
    /// Only this one, with the keys of its objects.
    #[serde(default)]
    pub section: Option<String>,
}

/// Which objects are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConfigObjectsQuery {
    /// Only those of this section.
    #[serde(default)]
    pub section: Option<String>,
    /// Only those whose name holds this.
    #[serde(default)]
    pub q: Option<String>,
    /// In which order; section by section as they stand in the files if not given.
    #[serde(default)]
    pub sort: Option<ConfigSort>,
    /// The `next` of the page before.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
    /// How many: 1 to 1000.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// The order of a list of objects. What is alike stands as in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ConfigSort {
    /// By name.
    #[serde(rename = "name")]
    Name,
    /// By name, backwards.
    #[serde(rename = "-name")]
    NameBackwards,
    /// By section.
    #[serde(rename = "section")]
    Section,
    /// By section, backwards.
    #[serde(rename = "-section")]
    SectionBackwards,
}

/// An object of the configuration, in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigObjectRow {
    /// The section.
    pub section: String,
    /// Its name.
    pub name: String,
    /// Where a file declares it; null if it was made in the page.
    #[schema(required = true)]
    pub declared: Option<Declared>,
    /// Changes whenever the object does; null if a file declares it.
    #[schema(required = true)]
    pub version: Option<String>,
    /// Its most telling settings in a few words.
    pub summary: String,
}

/// An object of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigObject {
    /// What a list shows of it.
    #[serde(flatten)]
    pub row: ConfigObjectRow,
    /// Its settings. A secret is `{"kept": n}`: sent back like that, it stays as it is.
    pub value: serde_json::Value,
    /// It as it stands in the file, secrets as stars.
    pub yaml: String,
}

/// What an object is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigOrder {
    /// Its settings.
    pub value: serde_json::Value,
    /// In a section whose order counts: the object of the page that it stands before. Without, a new one is
    /// the last, and one that is there stays where it is; `""` makes it the last.
    #[serde(default)]
    #[schema(nullable = false)]
    pub before: Option<String>,
}

/// What would be saved: for a look beforehand, and for a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigCandidate {
    /// The section.
    pub section: String,
    /// The name.
    pub name: String,
    /// Its settings; null takes the object away.
    #[serde(default)]
    pub value: Option<serde_json::Value>,
    /// As in [`ConfigOrder`].
    #[serde(default)]
    #[schema(nullable = false)]
    pub before: Option<String>,
}

/// Something that is wrong or doubtful.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigMistake {
    /// Whether it can be saved all the same.
    pub is_warning: bool,
    /// The keys that lead to it within the object, items of lists by their number from 0. Empty: the object
    /// as a whole, or it stands somewhere else.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// The way out.
    #[schema(required = true)]
    pub hint: Option<String>,
    /// The word that was probably meant.
    #[schema(required = true)]
    pub suggestion: Option<String>,
    /// Where it stands, if that is not the object.
    #[schema(required = true)]
    pub elsewhere: Option<Declared>,
}

/// What a line of a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiffKind {
    /// In both.
    Same,
    /// Only in the new one.
    Added,
    /// Only in the old one.
    Removed,
}

/// A line of a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiffLine {
    /// What it is.
    pub kind: DiffKind,
    /// The line, secrets as stars.
    pub text: String,
}

/// What would become of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigVerdict {
    /// Whether it can be saved.
    pub ok: bool,
    /// What is wrong or doubtful.
    pub mistakes: Vec<ConfigMistake>,
    /// What would change in the file.
    pub diff: Vec<DiffLine>,
    /// The object as it would stand in a file, secrets as stars.
    pub yaml: String,
}

/// What a test of a candidate came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigTested {
    /// Whether it is as one wants it.
    pub ok: bool,
    /// What was found, in words: one line for each thing that was tried.
    pub lines: Vec<String>,
    /// How long it took.
    pub took_seconds: f64,
    /// Of limits: what they would make of what was measured; null for everything else.
    #[schema(required = true)]
    pub limits: Option<LimitsTried>,
}

/// What limits would make of what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LimitsTried {
    /// How many series they look at.
    pub series: u64,
    /// Of how many hosts these are.
    pub hosts: u64,
    /// Series that would be in warning now.
    pub warning_now: u64,
    /// Series that would be critical now.
    pub critical_now: u64,
    /// Of how many series the past was looked at: those that would be bad now first, then the others by name, until the
    /// time for it was up.
    pub with_past: u64,
    /// Problems that would have begun within the last 24 hours, as far as the past was looked at.
    pub problems_day: u64,
    /// Problems that would have begun within the last 7 days, as far as the past was looked at.
    pub problems_week: u64,
    /// The series for which there would be something, the worst first; the others are only counted.
    pub items: Vec<LimitTried>,
}

/// What limits would make of one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LimitTried {
    /// The host.
    pub host: String,
    /// The check that the series is, or would be.
    pub check: String,
    /// What it would be now; null if no value is known.
    #[schema(required = true)]
    pub state: Option<State>,
    /// What it is now; null if there is no such check yet.
    #[schema(required = true)]
    pub is: Option<State>,
    /// The newest value beside the limit that counts: `98.5 % > 95.0 %`; empty if no value is known.
    pub text: String,
    /// The last 24 hours; null if the past was not looked at.
    #[schema(required = true)]
    pub day: Option<PastTried>,
    /// The last 7 days; null if the past was not looked at.
    #[schema(required = true)]
    pub week: Option<PastTried>,
}

/// What limits would have made of a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastTried {
    /// Problems that would have begun.
    pub problems: u32,
    /// How long it would have been in warning.
    pub warning_seconds: u64,
    /// How long it would have been critical.
    pub critical_seconds: u64,
}

/// What was saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigKept {
    /// The number of the version in the history.
    pub number: u32,
    /// What is doubtful about the configuration, but not wrong.
    pub warnings: Vec<ConfigMistake>,
    /// The object as it is now; null if it was taken away.
    #[schema(required = true)]
    pub object: Option<ConfigObject>,
}

/// A version of what was made in the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigVersion {
    /// Its number, from 1.
    pub number: u32,
    /// Since when.
    pub at: Timestamp,
    /// Who; null for a change of the file by hand.
    #[schema(required = true)]
    pub by: Option<String>,
    /// What was changed.
    pub what: String,
    /// Whether it is the one that holds.
    pub is_current: bool,
}

/// A version and what it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigVersionDetail {
    /// The version.
    #[serde(flatten)]
    pub version: ConfigVersion,
    /// What it changed against the one before.
    pub diff: Vec<DiffLine>,
    /// What going back to it would change now.
    pub back: Vec<DiffLine>,
}
