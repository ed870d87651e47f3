//! Dashboards, as they are stored: who may do what with which is decided before.

use hark_api::dashboards::Content;
use hark_model::{Unix, UserName};

use super::Answer;

/// A dashboard as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DashboardRecord {
    /// Its number: never given to another one.
    pub id: u64,
    /// Who made it.
    pub owner: UserName,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was last changed.
    pub updated: Unix,
    /// What it shows.
    pub content: Content,
}

/// Where dashboards are kept. A method that changes something returns after the change is stored.
#[expect(clippy::missing_errors_doc, reason = "said once, at the type that all of them return")]
pub trait Dashboards {
    /// Returns all that there are, by their numbers.
    fn dashboards(&self) -> Answer<Vec<DashboardRecord>>;

    /// Returns one that there is, or one that was removed and can still be restored.
    fn dashboard(&self, id: u64, removed: bool) -> Answer<DashboardRecord>;

    /// Makes one. [`Refused::Conflict`](super::Refused::Conflict) if the user, or the server, has too many.
    fn make_dashboard(&self, owner: &UserName, content: &Content) -> Answer<DashboardRecord>;

    /// Has one show something else. [`Refused::Conflict`](super::Refused::Conflict) if it is not of this
    /// version any more.
    fn change_dashboard(
        &self,
        id: u64,
        version: Option<u64>,
        content: &Content,
    ) -> Answer<DashboardRecord>;

    /// Removes one; for a week it can be restored.
    fn remove_dashboard(&self, id: u64) -> Answer<()>;

    /// Has one that was removed be there again, as it was.
    fn restore_dashboard(&self, id: u64) -> Answer<DashboardRecord>;
}
