//! What the web needs of the server to edit its configuration.

use hark_api::configuration::{
    ConfigCandidate, ConfigKept, ConfigObject, ConfigObjectRow, ConfigObjectsQuery, ConfigSection,
    ConfigTested, ConfigVerdict, ConfigVersion, ConfigVersionDetail,
};
use hark_api::list::Page;
use hark_model::UserName;

use super::Answer;

/// A change of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigChange {
    /// Who.
    pub by: UserName,
    /// What it is to be.
    pub candidate: ConfigCandidate,
    /// The version that the user has seen; without, there must be no such object yet.
    pub seen: Option<String>,
}

/// Editing the configuration, for administrators. What files declare is never changed: such an object is
/// [`super::Refused::Declared`]. Where nothing can be kept (a demonstration), it is
/// [`super::Refused::Conflict`].
#[expect(clippy::missing_errors_doc, reason = "said once, at the type that all of them return")]
pub trait Configuring {
    /// Returns the sections that can be edited; of one, with the keys of its objects.
    fn config_schema(&self, section: Option<&str>) -> Answer<Vec<ConfigSection>>;
    /// Returns objects in the order of sections, lists and names.
    fn config_objects(&self, query: &ConfigObjectsQuery) -> Answer<Page<ConfigObjectRow>>;
    /// Returns an object.
    fn config_object(&self, section: &str, name: &str) -> Answer<ConfigObject>;
    /// Says what would become of a candidate, without keeping it.
    fn config_verdict(&self, candidate: &ConfigCandidate) -> Answer<ConfigVerdict>;
    /// Tries a candidate: looks once, sends one message, matches. Nothing is kept.
    fn config_test(&self, candidate: &ConfigCandidate, by: &UserName) -> Answer<ConfigTested>;
    /// Keeps a change; it is on the disk and in effect when this returns. [`super::Refused::Changed`] if
    /// the object is not as it was seen.
    fn change_config(&self, change: &ConfigChange) -> Answer<ConfigKept>;
    /// Returns the versions, the newest first.
    fn config_history(&self) -> Answer<Vec<ConfigVersion>>;
    /// Returns a version with what it changed.
    fn config_version(&self, number: u32) -> Answer<ConfigVersionDetail>;
    /// Goes back to a version; that is a version of its own.
    fn restore_config(&self, number: u32, by: &UserName) -> Answer<ConfigKept>;
    /// Returns all that was made in the page as a file, with names of the environment for secrets.
    fn config_export(&self) -> Answer<String>;
}
