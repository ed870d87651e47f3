//! Those whom the configuration has events or samples brought to: a task for each.
//!
//! A reload leaves those alone whom it does not change: what is on its way to them arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hark_engine::plan::SELF;
use hark_model::Status;
use hark_store::state::{Change, StateReader};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::links::Links;
use super::store_loop::{ToStore, chain};

/// Whom something is brought to.
pub(super) trait Target: fmt::Debug + Send + Sync + 'static {
    /// How the parts of the server begin that bring it.
    const PART: &'static str;

    /// How the names of the settings begin in which it stands how far each has come.
    const PLACES: &'static str;

    /// Returns what it is called.
    fn name(&self) -> &str;

    /// Returns true if it is brought in the same way as to `other`.
    fn is_as(&self, other: &Self) -> bool;

    /// Returns what the part of the server is called that brings it to this one.
    fn part(&self) -> String {
        format!("{}{}", Self::PART, self.name())
    }

    /// Returns the name of the setting in which it stands how far this one has come.
    fn place(&self) -> String {
        format!("{}{}", Self::PLACES, self.name())
    }
}

/// The tasks, by the name of whom each is for.
#[derive(Debug)]
pub(super) struct Tasks<T> {
    running: BTreeMap<String, Running<T>>,
}

#[derive(Debug)]
struct Running<T> {
    target: Arc<T>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl<T: Target> Tasks<T> {
    /// There are none yet.
    pub(super) fn none() -> Self {
        Self { running: BTreeMap::new() }
    }

    /// Ends the tasks of those who are not among `targets` as they were, and waits for it: nobody has two.
    pub(super) async fn keep(&mut self, targets: &[Arc<T>]) {
        let goes_on = |one: &mut Running<T>| {
            let is_wanted =
                targets.iter().any(|new| new.name() == one.target.name() && new.is_as(&one.target));
            // One that has ended by a fault begins anew.
            is_wanted && one.task.try_join_next().is_none()
        };
        let all = std::mem::take(&mut self.running).into_iter();
        let (mut kept, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (name, mut one) in all {
            let place = if goes_on(&mut one) { &mut kept } else { &mut others };
            place.insert(name, one);
        }
        self.running = kept;
        end(others).await;
    }

    /// Begins the tasks of those who have none.
    pub(super) fn begin<F>(
        &mut self,
        targets: &[Arc<T>],
        task: impl Fn(&Arc<T>, CancellationToken) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        for target in targets {
            self.running.entry(target.name().to_owned()).or_insert_with(|| {
                let stop = CancellationToken::new();
                let mut set = JoinSet::new();
                set.spawn(task(target, stop.clone()));
                Running { target: Arc::clone(target), stop, task: set }
            });
        }
    }

    /// Ends all of them, and waits for it.
    pub(super) async fn end(self) {
        end(self.running).await;
    }
}

/// Ends tasks side by side.
async fn end<T>(running: BTreeMap<String, Running<T>>) {
    for one in running.values() {
        one.stop.cancel();
    }
    for (name, mut one) in running {
        while let Some(ended) = one.task.join_next().await {
            // The others go on.
            if let Err(error) = ended {
                tracing::error!(name, %error, "ended by a fault of this program");
            }
        }
    }
}

/// Ends what there is of those who are not among `targets` any more, as nobody else would: problems with them, and
/// how far they had come. One of the same name later is a new one.
pub(super) async fn end_former<T: Target>(links: &Arc<Links>, data_dir: &Path, targets: &[Arc<T>]) {
    let parts: BTreeSet<String> = targets.iter().map(|target| target.part()).collect();
    let names: BTreeSet<String> = targets.iter().map(|target| target.name().to_owned()).collect();
    let (links, data_dir) = (Arc::clone(links), data_dir.to_owned());
    let work = move || {
        let bad = links.ask(|engine| {
            let own = engine.host_named(SELF)?;
            let bad = own.checks().filter(|check| check.status().is_some_and(Status::is_problem));
            Some(bad.map(|check| check.name().to_string()).collect::<Vec<_>>())
        });
        for name in bad.flatten().into_iter().flatten() {
            if name.starts_with(T::PART) && !parts.contains(&name) {
                links.is(&name, None);
            }
        }
        forget_places(&links, &data_dir, T::PLACES, &names)
    };
    if let Ok(Err(error)) = spawn_blocking(work).await {
        tracing::warn!(error, part = T::PART, "those who are no more are remembered still");
    }
}

/// Forgets how far everybody has come who is not called one of `names`.
fn forget_places(
    links: &Links,
    data_dir: &Path,
    prefix: &str,
    names: &BTreeSet<String>,
) -> Result<(), String> {
    let reader = StateReader::open(data_dir).map_err(|error| chain(&error))?;
    let places = reader.settings_of(prefix).map_err(|error| chain(&error))?;
    let former = places.into_iter().filter(|(name, _)| !names.contains(name));
    let forget = |(name, _)| Change::Setting { name: format!("{prefix}{name}"), value: None };
    let changes: Vec<Change> = former.map(forget).collect();
    if changes.is_empty() { Ok(()) } else { links.write(changes) }
}

/// Writes down how far something has come; returns once it is on the disk.
pub(super) async fn write_down(links: &Links, name: String, place: String) -> Result<(), String> {
    let (reply, written) = oneshot::channel();
    let change = Change::Setting { name, value: Some(place) };
    let write = ToStore::Write { changes: vec![change], reply: Some(reply) };
    links.store.try_send(write).map_err(|_| "the store is busy".to_owned())?;
    written.await.map_err(|_| "the server is ending".to_owned())?
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug)]
    struct One(&'static str, u32);

    impl Target for One {
        const PART: &'static str = "test ";
        const PLACES: &'static str = "test/";

        fn name(&self) -> &str {
            self.0
        }

        fn is_as(&self, other: &Self) -> bool {
            self.1 == other.1
        }
    }

    #[tokio::test]
    async fn who_is_not_changed_goes_on_and_nobody_is_brought_anything_twice() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Tasks::none();
        let mut turn = async |targets: &[(&'static str, u32)]| {
            let targets: Vec<_> =
                targets.iter().map(|(name, how)| Arc::new(One(name, *how))).collect();
            tasks.keep(&targets).await;
            tasks.begin(&targets, |target, stop| {
                let (said, what) = (Arc::clone(&said), format!("{}{}", target.0, target.1));
                said.lock().unwrap().push(format!("+{what}"));
                async move {
                    stop.cancelled().await;
                    said.lock().unwrap().push(format!("-{what}"));
                }
            });
            let mut said = std::mem::take(&mut *said.lock().unwrap());
            said.sort();
            said
        };
        assert_eq!(turn(&[("a", 1), ("b", 1)]).await, ["+a1", "+b1"]);
        assert_eq!(turn(&[("a", 1), ("b", 1)]).await, Vec::<String>::new());
        assert_eq!(turn(&[("a", 1), ("b", 2), ("c", 1)]).await, ["+b2", "+c1", "-b1"]);
        assert_eq!(turn(&[("c", 1)]).await, ["-a1", "-b2"]);
        tasks.end().await;
        assert_eq!(*said.lock().unwrap(), ["-c1"]);
    }

    #[tokio::test]
    async fn a_fault_ends_its_own_task_alone_and_the_next_reload_begins_it_anew() {
        let mut tasks = Tasks::none();
        let one = [Arc::new(One("a", 1))];
        tasks.begin(&one, |_, _| async { panic!("on purpose") });
        while !tasks.running.values().all(|one| one.task.is_empty()) {
            tokio::task::yield_now().await;
            let begun = std::cell::Cell::new(false);
            tasks.keep(&one).await;
            tasks.begin(&one, |_, stop| {
                begun.set(true);
                async move { stop.cancelled().await }
            });
            if begun.get() {
                break;
            }
        }
        tasks.keep(&[Arc::new(One("a", 2))]).await;
        assert!(tasks.running.is_empty());
    }
}
