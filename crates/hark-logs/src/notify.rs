//! Being told of changes: inotify, or looking now and then where it cannot work or is not there.
//!
//! Files are watched for what is written to them (which follows a file through a renaming), folders
//! for names that come and go. Where the kernel refuses (no watches left) or cannot know (a network
//! file system), a file is looked at every [`POLL`].

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod inotify;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
mod looking;

use std::time::Duration;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use self::inotify::Notifier;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub(crate) use self::looking::Notifier;

/// How often is looked where nobody tells.
pub(crate) const POLL: Duration = Duration::from_secs(2);

/// What has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Numbers of the files that were written to.
    pub(crate) files: Vec<i32>,
    /// Names have come or gone.
    pub(crate) names: bool,
    /// More than can be told.
    pub(crate) all: bool,
}
