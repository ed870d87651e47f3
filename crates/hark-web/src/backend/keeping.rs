//! What keeps what the server has: backups, and the quarantine of a server that was restored from one.

use hark_api::keeping::Backup;

use super::Answer;

/// Told how many steps of long work are done, of how many. The work ends between two steps if it returns
/// false.
pub type Told<'t> = &'t mut dyn FnMut(u64, u64) -> bool;

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
}
