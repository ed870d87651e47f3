//! The thread that notes that this version works, and looks for newer ones.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_agent::UpdateSettings;
use hark_model::Clock;

use super::order::{Found, Wish, look};
use super::start::{confirm, is_on_trial, own_slot};
use crate::stop::Stop;

/// How often it is looked whether this version works by now.
const LOOK: Duration = Duration::from_millis(250);

/// A version that has proved itself before works if it has run for this long: its server may be away.
const RUNS: Duration = Duration::from_mins(1);

/// The longest time before the first look, by chance, so that a thousand machines that were started
/// together do not come together.
const FIRST_LOOK: Duration = Duration::from_hours(1);

/// Says how far the work has come: more than 0 is that it works, and it grows while it does.
pub(crate) type Progress = Box<dyn Fn() -> u64 + Send>;

/// Called once a newer version waits for the next start.
pub(crate) type Staged = Box<dyn FnOnce() + Send>;

/// The thread, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Watcher {
    stop: Stop,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Not waited for: it may be getting a file, and what it does may end at any moment.
        self.stop.raise();
    }
}

impl Watcher {
    /// Starts it, if there is something to do. `patience` is the time in which work that goes on makes
    /// progress.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(crate) fn start(
        data_dir: &Path,
        settings: &UpdateSettings,
        patience: Duration,
        progress: Progress,
        staged: Staged,
    ) -> std::io::Result<Option<Self>> {
        if own_slot().is_none() && !settings.automatic {
            return Ok(None);
        }
        let stop = Stop::default();
        let work = Work {
            data_dir: data_dir.to_owned(),
            settings: settings.clone(),
            patience,
            progress,
            stop: stop.clone(),
        };
        let thread = std::thread::Builder::new().name("hark-update".to_owned());
        thread.spawn(move || work.run(staged))?;
        Ok(Some(Self { stop }))
    }
}

struct Work {
    data_dir: PathBuf,
    settings: UpdateSettings,
    patience: Duration,
    progress: Progress,
    stop: Stop,
}

impl Work {
    fn run(self, staged: Staged) {
        self.until_works();
        if !self.settings.automatic {
            return;
        }
        let mut wait = by_chance(self.settings.every.min(FIRST_LOOK));
        while !self.stop.wait(wait) {
            if self.makes_progress() && self.look_once() {
                staged();
                return;
            }
            wait = self.settings.every;
        }
    }

    fn until_works(&self) {
        if own_slot().is_none() {
            return;
        }
        let begun = Clock.now().mono;
        let works = || {
            let long = !is_on_trial() && Clock.now().mono.since(begun) >= RUNS;
            (self.progress)() > 0 || long
        };
        while !works() {
            if self.stop.wait(LOOK) {
                return;
            }
        }
        match confirm(&self.data_dir) {
            Ok(true) => tracing::info!("this version works, and is noted"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "cannot note that this version works"),
        }
    }

    /// Returns true if the work goes on just now: only then it can be told of a new version whether it
    /// does any worse.
    fn makes_progress(&self) -> bool {
        let before = (self.progress)();
        !self.stop.wait(self.patience) && (self.progress)() > before
    }

    fn look_once(&self) -> bool {
        match look(&self.data_dir, &self.settings, Wish { take: true, again: false }) {
            Ok(Found::Staged(version)) => {
                tracing::info!(%version, "a newer version is there; going over to it");
                true
            }
            Ok(Found::Newest(version) | Found::Newer(version)) => {
                tracing::debug!(%version, "no newer version");
                false
            }
            Ok(Found::Failed(version, why)) => {
                tracing::debug!(%version, why, "the newer version did not work here");
                false
            }
            Err(error) => {
                tracing::warn!("cannot look for a newer version: {error:#}");
                false
            }
        }
    }
}

/// Returns a time up to `most`, by chance.
fn by_chance(most: Duration) -> Duration {
    let mut bytes = [0; 2];
    let random = ring::rand::SystemRandom::new();
    // Without chance all come in the middle, which is as good for one machine.
    if ring::rand::SecureRandom::fill(&random, &mut bytes).is_err() {
        bytes = [128, 0];
    }
    most.mul_f64(f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_stays_below_its_bound() {
        for _ in 0..1000 {
            assert!(by_chance(Duration::from_secs(3)) <= Duration::from_secs(3));
        }
    }
}
