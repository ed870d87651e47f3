//! The server's threads, each with a name.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The threads that run.
#[derive(Debug, Default)]
pub(super) struct Threads(Mutex<Vec<Part>>);

#[derive(Debug)]
struct Part {
    name: &'static str,
    thread: JoinHandle<()>,
}

impl Threads {
    /// Starts one.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(super) fn spawn(
        &self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<()> {
        let thread = std::thread::Builder::new().name(format!("hark-{name}")).spawn(work)?;
        self.parts().push(Part { name, thread });
        Ok(())
    }

    /// Returns the name of one that has ended and was not waited for.
    pub(super) fn ended(&self) -> Option<&'static str> {
        self.parts().iter().find(|p| p.thread.is_finished()).map(|p| p.name)
    }

    /// Waits for the end of one; of one that was never started, not at all. If this is cancelled the
    /// thread is waited for by nobody.
    pub(super) async fn join(&self, name: &str) {
        let part = {
            let mut parts = self.parts();
            parts.iter().position(|p| p.name == name).map(|i| parts.swap_remove(i))
        };
        let Some(part) = part else { return };
        let joined = tokio::task::spawn_blocking(move || part.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!(part = name, "ended with a panic");
        }
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test]
    async fn one_that_ended_is_found_until_it_is_waited_for() {
        let threads = Threads::default();
        let (hold, held) = sync_channel::<()>(0);
        threads.spawn("long", move || held.iter().for_each(drop)).unwrap();
        threads.spawn("short", || {}).unwrap();
        while threads.ended().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(threads.ended(), Some("short"));
        threads.join("short").await;
        threads.join("never started").await;
        assert_eq!(threads.ended(), None);
        drop(hold);
        threads.join("long").await;
        assert!(threads.parts().is_empty());
    }
}
