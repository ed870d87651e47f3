//! The result of looking once.

use crate::name::CheckName;
use crate::sample::SeriesName;
use crate::status::Status;
use crate::time::Unix;

/// What one run of a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckResult {
    /// Which check of the host.
    pub check: CheckName,
    /// What it says.
    pub status: Status,
    /// One line for people; plugins' further lines follow after a line feed. At most
    /// [`CheckResult::MAX_TEXT`] bytes.
    pub text: String,
    /// When the run began, by the clock of the one who ran it.
    pub began_at: Unix,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
    /// What it measured.
    pub values: Vec<(SeriesName, f64)>,
}

impl CheckResult {
    /// Bound on the text: what fits one datagram beside the rest is less; this is for the server's
    /// own checks, whose output is shown on the page.
    pub const MAX_TEXT: usize = 8 * 1024;
}
