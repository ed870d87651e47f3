//! Backups that the server makes by itself: when they are due, or when somebody asks for one.
//!
//! Each is a folder `hark-TIME` within the folder of backups; what is the same as in the one before takes no
//! room again. The oldest go only after a new one is whole. One that cannot be made, or for which state and
//! history would not have the room left that they want, is a problem of the server, told like any other.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hark_api::Timestamp;
use hark_api::keeping::Backup;
use hark_model::{Clock, Unix};
use hark_store::backup::{self, BackupError, Manifest, Order};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::links::Links;
use super::self_report::SelfReport;
use super::store_loop::chain;
use crate::config::BackupSettings;
use crate::exchange::room::{ELSEWHERE, Room};

/// The part of the server that says that none can be made.
const PART: &str = "backup";

/// How names begin; what else lies there is nobody's business.
const NAME: &str = "hark-";

/// The longest sleep: what a jump of the wall clock could delay.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_mins(15);

/// What makes backups.
#[derive(Debug)]
pub(crate) struct Backups {
    data_dir: PathBuf,
    settings: ArcSwap<BackupSettings>,
    changed: Notify,
    /// Held while one is made: two at once would read everything twice.
    one: Mutex<()>,
}

impl Backups {
    /// Makes those of the server with this data folder.
    pub(super) fn of(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            settings: ArcSwap::default(),
            changed: Notify::new(),
            one: Mutex::new(()),
        }
    }

    /// Takes on what the configuration says.
    pub(super) fn plan(&self, settings: BackupSettings) {
        self.settings.store(Arc::new(settings));
        self.changed.notify_one();
    }

    fn folder(&self) -> PathBuf {
        self.settings.load().dir.clone().unwrap_or_else(|| self.data_dir.join("backups"))
    }

    /// Returns those that there are, the newest first.
    pub(crate) fn list(&self) -> Vec<Backup> {
        let mut found = Vec::new();
        let listed = std::fs::read_dir(self.folder());
        for entry in listed.into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = name.starts_with(NAME) && !name.contains('.');
            if let Some(manifest) =
                is_ours.then(|| backup::manifest_of(&entry.path()).ok()).flatten()
            {
                found.push(shown(name, &entry.path(), manifest));
            }
        }
        found.sort_by_key(|backup| std::cmp::Reverse(backup.taken_at.0));
        found
    }

    /// Makes one now; `go_on` is told how many steps are done, of about how many, and may end it.
    ///
    /// # Errors
    /// If it cannot be made, or was ended.
    pub(crate) fn make(
        &self,
        go_on: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Backup, BackupError> {
        let held = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = self.settings.load_full();
        let folder = self.folder();
        let now = Clock.now().unix;
        let failed = |source| BackupError::Io { path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let before = self.list();
        let previous = before.first().map(|newest| folder.join(&newest.name));
        let name = name_of(now);
        let room = Room::beside(&self.data_dir, &folder, ELSEWHERE);
        let order = Order {
            data_dir: &self.data_dir,
            with_history: settings.history,
            program: env!("CARGO_PKG_VERSION"),
            now,
            room: &room,
        };
        // Each file is copied, looked at and summed up.
        let total = 3 * n_files(&self.data_dir.join("history")) + 10;
        let mut done = 0;
        let mut watch = |_: &str| {
            done += 1;
            if go_on(done, total) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let to = folder.join(&name);
        let made = backup::create(&order, &to, previous.as_deref(), &mut watch)?;
        go_on(total, total);
        self.drop_oldest(&folder, settings.keep);
        drop(held);
        Ok(shown(name, &to, made))
    }

    /// Removes those that are more than are kept. What cannot be removed is there the next time.
    fn drop_oldest(&self, folder: &Path, keep: usize) {
        for old in self.list().into_iter().skip(keep) {
            let path = folder.join(&old.name);
            match std::fs::remove_dir_all(&path) {
                Ok(()) => tracing::info!(backup = old.name, "an old backup was removed"),
                Err(error) => tracing::warn!(backup = old.name, %error, "cannot be removed"),
            }
        }
    }

    /// Returns when the next one is due.
    fn due(&self, begun: Unix) -> Option<Unix> {
        let settings = self.settings.load_full();
        let last = self.list().first().map(|newest| newest.taken_at.0);
        // A clock that was ahead when one was made must not keep the next from being made.
        let last = last.unwrap_or(begun).min(Clock.now().unix);
        settings.when.as_ref()?.next_after(last)
    }
}

/// Returns the name of one that is made at `at`: in the order of time, and without colons.
fn name_of(at: Unix) -> String {
    let text = Timestamp(Unix(at.seconds() * 1000)).to_string();
    format!("{NAME}{}", text.replace(['-', ':'], ""))
}

fn shown(name: String, path: &Path, manifest: Manifest) -> Backup {
    Backup {
        name,
        path: path.display().to_string(),
        taken_at: Timestamp(Unix(manifest.taken_at_ms)),
        bytes: manifest.bytes(),
        with_history: manifest.with_history,
        damage: manifest.damage,
        version: manifest.hark,
    }
}

/// Returns how many files are in the folders of a history.
fn n_files(dir: &Path) -> u64 {
    let count = |folder: &str| {
        let listed = std::fs::read_dir(dir.join(folder));
        listed.into_iter().flatten().count() as u64
    };
    ["wal", "level0", "raw", "minutes", "hours"].into_iter().map(count).sum()
}

/// Makes those that are due until the token is cancelled; one that is being made then is not there.
pub(super) async fn run(links: Arc<Links>, stop: CancellationToken) {
    let begun = Clock.now().unix;
    let mut report = SelfReport::new(PART, links.engine.clone());
    // Said once also if all is well: before the restart it may have been otherwise.
    report.say(None);
    let (mut failed, mut again) = (None, None);
    loop {
        report.tell();
        let (due, newest) = {
            let links = Arc::clone(&links);
            let look = move || (links.backups.due(begun), links.backups.list().into_iter().next());
            tokio::task::spawn_blocking(look).await.unwrap_or((None, None))
        };
        // Somebody has made one since: what kept it from being made is over.
        if let Some(newest) = newest.filter(|one| failed.is_some_and(|at| one.taken_at.0 >= at)) {
            (failed, again) = (None, None);
            report.say(damage_of(&newest));
        }
        let now = Clock.now().unix;
        let next = due.map(|due| again.map_or(due, |again: Unix| again.max(due)));
        let wait = next.map_or(LONGEST_SLEEP, |next| next.since(now)).min(LONGEST_SLEEP);
        if next.is_some_and(|next| next <= now) {
            let made = make(&links, &stop).await;
            if stop.is_cancelled() {
                return;
            }
            // Names and times of backups are of whole seconds.
            failed = made.is_err().then(|| Unix(Clock.now().unix.seconds() * 1000));
            again = failed.map(|at| at + AGAIN);
            report.say(made.unwrap_or_else(Some));
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = links.backups.changed.notified() => again = None,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Makes one; returns in words what is wrong with it, or why there is none.
async fn make(links: &Arc<Links>, stop: &CancellationToken) -> Result<Option<String>, String> {
    let (links, ending) = (Arc::clone(links), stop.clone());
    let made = tokio::task::spawn_blocking(move || {
        let made = links.backups.make(&mut |_, _| !ending.is_cancelled());
        made.map_err(|error| chain(&error))
    });
    let made = made.await.unwrap_or_else(|error| Err(error.to_string()));
    match &made {
        Ok(made) => tracing::info!(backup = made.name, bytes = made.bytes, "a backup was made"),
        Err(error) => tracing::error!(error, "no backup was made"),
    }
    made.map(|made| damage_of(&made)).map_err(|error| format!("no backup was made: {error}"))
}

/// Returns what is wrong with one that is there, in words.
fn damage_of(made: &Backup) -> Option<String> {
    let Backup { name, damage, .. } = made;
    let words = || format!("the backup {name} is whole, but {damage}: hark history repair");
    (!damage.is_empty()).then(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_state() -> (tempfile::TempDir, Backups) {
        let folder = tempfile::tempdir().unwrap();
        drop(hark_store::state::State::open(folder.path()).unwrap());
        let backups = Backups::of(folder.path());
        (folder, backups)
    }

    #[test]
    fn names_are_in_the_order_of_time() {
        assert_eq!(name_of(Unix(1_795_132_800_000)), "hark-20261120T000000Z");
    }

    #[test]
    fn so_many_are_kept_and_the_rest_is_nobodys_business() {
        let (folder, backups) = with_state();
        backups.plan(BackupSettings { keep: 2, ..BackupSettings::default() });
        std::fs::create_dir_all(folder.path().join("backups/mine")).unwrap();
        let dir = folder.path().join("backups");
        let room = Room::beside(folder.path(), &dir, ELSEWHERE);
        for second in 1..=3 {
            let order = Order {
                data_dir: folder.path(),
                with_history: true,
                program: "0.1.0",
                now: Unix(second * 1000),
                room: &room,
            };
            let to = dir.join(name_of(order.now));
            backup::create(&order, &to, None, &mut |_| ControlFlow::Continue(())).unwrap();
        }
        let made = backups.make(&mut |_, _| true).unwrap();
        let left: Vec<String> = backups.list().into_iter().map(|backup| backup.name).collect();
        assert_eq!(left, [made.name, name_of(Unix(3000))]);
        assert!(dir.join("mine").is_dir());
    }

    #[test]
    fn one_is_due_after_the_one_before_and_one_from_the_future_keeps_none_away() {
        let (folder, backups) = with_state();
        let hour = Duration::from_hours(1);
        let when = Some(hark_calendar::Recurrence::after(hour));
        let begun = Clock.now().unix;
        assert_eq!(backups.due(begun), None, "nobody wants any");
        backups.plan(BackupSettings { when, ..BackupSettings::default() });
        assert_eq!(backups.due(begun), Some(begun + hour));
        let order = Order {
            data_dir: folder.path(),
            with_history: false,
            program: "0.1.0",
            now: begun + hour * 1000,
            room: &Room::beside(folder.path(), folder.path(), ELSEWHERE),
        };
        let to = folder.path().join("backups").join(name_of(order.now));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        backup::create(&order, &to, None, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(backups.due(begun).unwrap() <= Clock.now().unix + hour);
    }

    #[test]
    fn one_that_is_ended_is_none() {
        let (folder, backups) = with_state();
        let ended = backups.make(&mut |_, _| false).unwrap_err();
        assert!(matches!(ended, BackupError::Ended));
        assert_eq!(std::fs::read_dir(folder.path().join("backups")).unwrap().count(), 0);
    }
}
