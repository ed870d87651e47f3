//! The server's threads, each with a name.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::Notify;

/// The threads that run.
#[derive(Debug, Default)]
pub(super) struct Threads {
    parts: Mutex<Vec<Part>>,
    /// Told when one ends: nobody looks in between.
    end: Arc<Notify>,
}

#[derive(Debug)]
struct Part {
    name: &'static str,
    thread: JoinHandle<()>,
    has_ended: Arc<AtomicBool>,
}

/// Says so when its thread ends, by a panic as well.
struct Last {
    has_ended: Arc<AtomicBool>,
    end: Arc<Notify>,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::SeqCst);
        self.end.notify_one();
    }
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
        let has_ended = Arc::new(AtomicBool::new(false));
        let last = Last { has_ended: Arc::clone(&has_ended), end: Arc::clone(&self.end) };
        let run = move || {
            let _last = last;
            work();
        };
        let thread = std::thread::Builder::new().name(format!("hark-{name}")).spawn(run)?;
        self.parts().push(Part { name, thread, has_ended });
        Ok(())
    }

    /// Waits until one has ended that nobody waits for, and returns its name. Cancelling it changes nothing.
    pub(super) async fn ended(&self) -> &'static str {
        loop {
            // It may end before it is in the list: then whoever put it there has not come here yet.
            let has_ended = |part: &&Part| part.has_ended.load(Ordering::SeqCst);
            let found = self.parts().iter().find(has_ended).map(|part| part.name);
            if let Some(name) = found {
                return name;
            }
            self.end.notified().await;
        }
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
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert_eq!(threads.ended().await, "short");
        assert_eq!(threads.ended().await, "short", "who asks again is told again");
        threads.join("short").await;
        threads.join("never started").await;
        drop(hold);
        assert_eq!(threads.ended().await, "long");
        threads.join("long").await;
        threads.spawn("broken", || panic!("on purpose")).unwrap();
        assert_eq!(threads.ended().await, "broken");
        threads.join("broken").await;
        assert!(threads.parts().is_empty());
    }
}
