//! What keeps what the server has, and takes it away: backups, the quarantine of a server that was restored
//! from one, samples that are erased.

use std::path::PathBuf;

use hark_api::keeping::{Backup, ErasePlan, Export, ExportRequest, ImportRequest};
use hark_model::{HostName, Unix};

use super::Answer;

/// Told how many steps of long work are done, of how many. The work ends between two steps if it returns
/// false.
pub type Told<'t> = &'t mut dyn FnMut(u64, u64) -> bool;

/// What is to be erased of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraseOrder {
    /// The host.
    pub host: HostName,
    /// Which series, as a pattern; all if there is none.
    pub metric: Option<String>,
    /// What is from before.
    pub before: Unix,
}

/// What keeps it.
#[expect(clippy::missing_errors_doc, reason = "said once, at the type that all of them return")]
pub trait Keeping {
    /// Returns the backups that the server has made by itself, the newest first.
    fn backups(&self) -> Answer<Vec<Backup>>;

    /// Makes one now. [`Refused::Conflict`](super::Refused::Conflict) if it was ended, or cannot be made; why.
    fn back_up(&self, told: Told<'_>) -> Answer<Backup>;

    /// Has people be told again by a server that was restored.
    /// [`Refused::Conflict`](super::Refused::Conflict) if they are.
    fn end_quarantine(&self) -> Answer<()>;

    /// Returns how much an erasure would take.
    fn weigh(&self, order: &EraseOrder) -> Answer<ErasePlan>;

    /// Orders it; returns the number of the order. It is done also if the server ends before.
    /// [`Refused::Conflict`](super::Refused::Conflict) if no series is meant.
    fn erase(&self, order: &EraseOrder) -> Answer<u64>;

    /// Says how far an order has come until nothing is left to erase.
    /// [`Refused::Conflict`](super::Refused::Conflict) if nobody wants to hear it any more: it goes on.
    fn follow_erasing(&self, number: u64, told: Told<'_>) -> Answer<()>;

    /// Takes an order back: what is gone is gone, the rest stays.
    fn keep_the_rest(&self, number: u64) -> Answer<()>;

    /// Writes samples into a file; returns in words what it has come to. [`Refused::Conflict`](super::Refused::Conflict)
    /// if no host fits, or it was ended: then there is no file.
    fn export(&self, order: &ExportRequest, told: Told<'_>) -> Answer<String>;

    /// Returns the files that there are, the newest first.
    fn exports(&self) -> Answer<Vec<Export>>;

    /// Returns where one of them lies.
    fn exported(&self, name: &str) -> Answer<PathBuf>;

    /// Removes one of them.
    fn remove_export(&self, name: &str) -> Answer<()>;

    /// Adds samples of the past; returns in words what became of them.
    /// [`Refused::Conflict`](super::Refused::Conflict) if none could be taken, or it was ended: what was added stays.
    fn import(&self, brought: &ImportRequest, told: Told<'_>) -> Answer<String>;
}
