//! A server that was restored from a backup, until somebody says that the one it is a copy of does not run.
//!
//! It receives, looks, judges and shows; it tells nobody and changes nothing outside: no message, no call of
//! a dead man's switch, no name in DNS, no event to another server, no repair, no letter of the mailbox read.
//! Messages wait in the outbox as they do for a receiver that is away, and go out, merged, once it is over.
//! The mark is a file: it must hold before the state is read, and somebody without a page can take it away.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hark_model::Unix;
use hark_store::backup::MARK;
use tokio_util::sync::CancellationToken;

/// The part of the server that says that it is in quarantine.
pub(crate) const PART: &str = "quarantine";

/// Whether this server tells anybody.
#[derive(Debug)]
pub(crate) struct Quarantine {
    path: PathBuf,
    /// When it was restored, and of when the backup is, if it is in quarantine.
    copy: Option<Copy>,
    over: CancellationToken,
}

/// What a server in quarantine is a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    /// When it was restored; the epoch if the mark does not say.
    pub(crate) restored: Unix,
    /// Of when the backup is.
    pub(crate) taken: Unix,
}

impl Quarantine {
    /// Looks for the mark in a data folder. One that cannot be read holds as well.
    pub(super) fn of(data_dir: &Path) -> Arc<Self> {
        let path = data_dir.join(MARK);
        let copy = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(Copy::read(&read.unwrap_or_default())),
        };
        let over = CancellationToken::new();
        if copy.is_none() {
            over.cancel();
        }
        Arc::new(Self { path, copy, over })
    }

    /// Returns whether nobody is told anything.
    pub(crate) fn is_on(&self) -> bool {
        !self.over.is_cancelled()
    }

    /// Returns what this is a copy of, as long as nobody is told anything.
    pub(crate) fn copy(&self) -> Option<Copy> {
        self.copy.filter(|_| self.is_on())
    }

    /// Returns once it is over, at once where there is none. Cancelling it changes nothing.
    pub(crate) async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Ends it: from here on people are told.
    ///
    /// # Errors
    /// If the mark cannot be taken away; it goes on then.
    pub(crate) fn end(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(folder) = self.path.parent() {
            hark_store::disk::Disk::real().sync_dir(folder)?;
        }
        self.over.cancel();
        Ok(())
    }

    /// Does `work` once it is over; not at all if the token is cancelled before.
    pub(super) fn then(
        self: &Arc<Self>,
        stop: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let quarantine = Arc::clone(self);
        async move {
            tokio::select! {
                () = quarantine.over() => work.await,
                () = stop.cancelled() => {}
            }
        }
    }
}

impl Copy {
    fn read(text: &[u8]) -> Self {
        let said: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
        let at = |key: &str| Unix(said[key].as_i64().unwrap_or(0));
        Self { restored: at("restored_at_ms"), taken: at("taken_at_ms") }
    }
}

/// Returns what the problem of a server in quarantine says.
pub(super) fn problem(copy: Copy) -> String {
    let taken = hark_api::Timestamp(copy.taken).to_string();
    format!(
        "this server was restored from a backup of {} and tells nobody: when the one that it is a copy of \
         does not run any more, end it with `hark quarantine end` or on the page",
        crate::out::moment(&taken)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_in_quarantine_until_somebody_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!Quarantine::of(folder.path()).is_on());
        let mark = folder.path().join(MARK);
        std::fs::write(&mark, r#"{"restored_at_ms": 5, "taken_at_ms": 3}"#).unwrap();
        let quarantine = Quarantine::of(folder.path());
        assert_eq!(quarantine.copy(), Some(Copy { restored: Unix(5), taken: Unix(3) }));
        quarantine.end().unwrap();
        assert!(!quarantine.is_on() && quarantine.copy().is_none() && !mark.exists());
        assert!(!Quarantine::of(folder.path()).is_on());
    }

    #[test]
    fn a_mark_that_cannot_be_read_holds() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(MARK), "{").unwrap();
        assert!(Quarantine::of(folder.path()).is_on());
        std::fs::remove_file(folder.path().join(MARK)).unwrap();
        std::fs::create_dir(folder.path().join(MARK)).unwrap();
        let quarantine = Quarantine::of(folder.path());
        assert!(quarantine.is_on());
        quarantine.end().unwrap_err();
        assert!(quarantine.is_on(), "it would be on again after a restart");
    }

    #[test]
    fn what_tells_others_waits_for_its_end_and_not_beyond_that_of_the_server() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = AtomicU32::new(0);
        let told: &'static AtomicU32 = Box::leak(Box::new(told));
        let tell = || async {
            told.fetch_add(1, Ordering::SeqCst);
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(MARK), "{}").unwrap();
        let quarantine = Quarantine::of(folder.path());
        let stop = CancellationToken::new();
        stop.cancel();
        runtime.block_on(quarantine.then(stop, tell()));
        assert_eq!(told.load(Ordering::SeqCst), 0);
        let waiting = quarantine.then(CancellationToken::new(), tell());
        quarantine.end().unwrap();
        runtime.block_on(waiting);
        assert_eq!(told.load(Ordering::SeqCst), 1);
    }
}
