//! Ending in order: one flag that every part watches, and the signals that raise it.

#[cfg_attr(unix, path = "stop/unix.rs")]
#[cfg_attr(windows, path = "stop/windows.rs")]
mod signals;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub(crate) use signals::Signals;

/// How long the parts have to end before the process ends without them (SIGTERM must take effect
/// within 5 s; the rest is for the system).
pub(crate) const GRACE: Duration = Duration::from_millis(4_500);

/// A flag that is raised once; seen by threads and by tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    shared: Arc<Shared>,
    token: CancellationToken,
}

#[derive(Debug, Default)]
struct Shared {
    raised: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Stop {
    /// Returns one that SIGINT and SIGTERM raise, for a command that has no runtime of its own. Its
    /// thread ends with the process.
    ///
    /// # Errors
    /// If the system refuses a thread or a handler.
    pub(crate) fn at_signal() -> std::io::Result<Self> {
        let stop = Self::default();
        let flag = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::listen()?
        };
        let watch = async move { while signals.next().await != Asked::Stop {} };
        std::thread::Builder::new().name("hark-signals".to_owned()).spawn(move || {
            runtime.block_on(watch);
            flag.raise();
        })?;
        Ok(stop)
    }

    /// Raises the flag; more than once is harmless.
    pub(crate) fn raise(&self) {
        let _guard = self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.raised.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        self.token.cancel();
    }

    /// Returns true once the flag was raised.
    pub(crate) fn is_raised(&self) -> bool {
        self.shared.raised.load(Ordering::SeqCst)
    }

    /// Blocks this thread until the flag is raised or `limit` is over; returns true if it is raised.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let guard = self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let raised = &self.shared.raised;
        let outcome = self
            .shared
            .changed
            .wait_timeout_while(guard, limit, |()| !raised.load(Ordering::SeqCst));
        drop(outcome.unwrap_or_else(PoisonError::into_inner));
        self.is_raised()
    }

    /// Returns the token that tasks of the asynchronous runtime watch.
    pub(crate) fn token(&self) -> CancellationToken {
        self.token.clone()
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(windows, expect(dead_code, reason = "nobody asks for all of it there"))]
pub(crate) enum Asked {
    /// SIGINT or SIGTERM.
    Stop,
    /// SIGHUP.
    Reload,
    /// SIGUSR1.
    Show,
}
