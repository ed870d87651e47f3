//! What is on the disk about versions, and what follows from it: a function of both.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::release::Version;
use super::slots::{self, Slot};

/// The file in the data folder.
const FILE: &str = "update.json";

/// Version of the file's form.
const FORM: u64 = 1;

/// Longest file read: it has some 300 bytes.
const MAX_FILE: u64 = 64 << 10;

/// How often a version on trial is started: a crash at the first start may have been the machine's.
pub(super) const MAX_TRIES: u64 = 2;

/// How often a version that has proved itself may be started in a row without coming to work before
/// the one before is taken: more than init needs for a machine that boots in disorder.
pub(super) const MAX_STARTS: u64 = 5;

/// A version and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) slot: Slot,
    pub(super) version: Version,
    /// How often it was started since it last worked.
    pub(super) starts: u64,
}

/// A version that did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) version: Version,
    pub(super) why: String,
}

/// What is known. Nothing is the base alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The one in use; none is the base.
    pub(super) current: Option<Placed>,
    /// The one in use before, while its slot is whole.
    pub(super) previous: Option<Placed>,
    /// The one that has to prove itself.
    pub(super) trial: Option<Placed>,
    /// The last one that did not.
    pub(super) failed: Option<Failed>,
}

/// Which program to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The one that asks.
    Base,
    /// One that has proved itself.
    Proven(Placed),
    /// One that has to.
    Trial(Placed),
}

impl State {
    /// Returns true if there ever was something to know.
    pub(super) fn exists(data_dir: &Path) -> bool {
        data_dir.join(FILE).exists()
    }

    /// Reads it. What is damaged counts as nothing: then the base runs.
    pub(super) fn load(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE);
        match slots::read_bounded(&path, MAX_FILE) {
            Ok(bytes) => Self::from_json(&bytes).unwrap_or_else(|| {
                tracing::error!(path = %path.display(), "cannot be read and is not believed");
                Self::default()
            }),
            Err(_) => Self::default(),
        }
    }

    /// Writes it, whole or not at all; it is on the disk when this returns.
    pub(super) fn store(&self, data_dir: &Path) -> io::Result<()> {
        let text = format!("{:#}\n", self.to_json());
        slots::write_whole(data_dir, FILE, text.as_bytes(), 0o600)
    }

    /// Returns the version that is in use.
    pub(super) fn version(&self, base: Version) -> Version {
        self.current.map_or(base, |current| current.version.max(base))
    }

    /// Returns which program to start, having noted that it is. Must be stored before it is done.
    pub(super) fn choose(&mut self, base: Version) -> Choice {
        // A newer base was installed: what was above the old one is history.
        let is_above = |placed: &Placed| placed.version > base;
        self.current = self.current.filter(is_above);
        self.previous = self.previous.filter(is_above);
        self.trial = self.trial.filter(is_above);
        if let Some(trial) = &mut self.trial {
            if trial.starts < MAX_TRIES {
                trial.starts += 1;
                return Choice::Trial(*trial);
            }
            self.fail_trial("it ended before it worked");
        }
        while let Some(current) = &mut self.current {
            if current.starts < MAX_STARTS {
                current.starts += 1;
                return Choice::Proven(*current);
            }
            self.fail_current("it worked once, but was started too often without coming to work");
        }
        Choice::Base
    }

    /// Gives up the one on trial.
    pub(super) fn fail_trial(&mut self, why: &str) {
        if let Some(trial) = self.trial.take() {
            self.failed = Some(Failed { version: trial.version, why: why.to_owned() });
        }
    }

    /// Gives up the one in use; the one before is in use again.
    pub(super) fn fail_current(&mut self, why: &str) {
        if let Some(current) = self.current.take() {
            self.failed = Some(Failed { version: current.version, why: why.to_owned() });
        }
        self.current = self.previous.take().map(|previous| Placed { starts: 0, ..previous });
    }

    /// Notes that the program in `slot` works. Returns true if that is news.
    pub(super) fn confirm(&mut self, slot: Slot) -> bool {
        if let Some(trial) = self.trial.filter(|trial| trial.slot == slot) {
            self.previous = self.current.map(|current| Placed { starts: 0, ..current });
            self.current = Some(Placed { starts: 0, ..trial });
            self.trial = None;
            return true;
        }
        match &mut self.current {
            Some(current) if current.slot == slot && current.starts > 0 => {
                current.starts = 0;
                true
            }
            _ => false,
        }
    }

    /// Notes that the one on trial was ended by somebody who wanted it to end: no fault of its own.
    pub(super) fn forgive(&mut self) {
        if let Some(trial) = &mut self.trial {
            trial.starts = trial.starts.saturating_sub(1);
        }
    }

    /// Returns the slot for the next version, which nothing that counts lies in afterwards.
    pub(super) fn make_room(&mut self) -> Slot {
        self.trial = None;
        let slot = self.current.map_or(Slot::A, |current| current.slot.other());
        self.previous = self.previous.filter(|previous| previous.slot != slot);
        slot
    }

    fn to_json(&self) -> Value {
        let placed = |placed: &Option<Placed>| {
            placed.map(|p| {
                json!({"slot": p.slot.name(), "version": p.version.to_string(), "starts": p.starts})
            })
        };
        let failed = self.failed.as_ref();
        json!({
            "form": FORM,
            "current": placed(&self.current),
            "previous": placed(&self.previous),
            "trial": placed(&self.trial),
            "failed": failed.map(|f| json!({"version": f.version.to_string(), "why": f.why})),
        })
    }

    fn from_json(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        if value["form"].as_u64() != Some(FORM) {
            return None;
        }
        let version = |value: &Value| Version::parse(value["version"].as_str()?);
        let placed = |key: &str| {
            let there = &value[key];
            if there.is_null() {
                return Some(None);
            }
            Some(Some(Placed {
                slot: Slot::parse(there["slot"].as_str()?)?,
                version: version(there)?,
                starts: there["starts"].as_u64()?,
            }))
        };
        let there = &value["failed"];
        let failed = if there.is_null() {
            None
        } else {
            Some(Failed { version: version(there)?, why: there["why"].as_str()?.to_owned() })
        };
        let (current, previous) = (placed("current")?, placed("previous")?);
        Some(Self { current, previous, trial: placed("trial")?, failed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    fn placed(slot: Slot, text: &str) -> Placed {
        Placed { slot, version: version(text), starts: 0 }
    }

    fn on_trial() -> State {
        let current = Some(placed(Slot::A, "0.2.0"));
        State { current, trial: Some(placed(Slot::B, "0.3.0")), ..State::default() }
    }

    #[test]
    fn a_version_that_never_works_is_given_up_for_the_one_before() {
        let (mut state, base) = (on_trial(), version("0.1.0"));
        for n in 1..=MAX_TRIES {
            let Choice::Trial(trial) = state.choose(base) else { panic!("{n}: {state:?}") };
            assert_eq!((trial.slot, trial.starts), (Slot::B, n));
        }
        let Choice::Proven(old) = state.choose(base) else { panic!("{state:?}") };
        assert_eq!(old.version, version("0.2.0"));
        assert_eq!(state.failed.as_ref().unwrap().version, version("0.3.0"));
        for _ in 1..MAX_STARTS {
            assert!(matches!(state.choose(base), Choice::Proven(_)));
        }
        assert_eq!(state.choose(base), Choice::Base, "not even that one comes to work");
        assert_eq!(state.choose(base), Choice::Base);
    }

    #[test]
    fn a_version_that_works_takes_the_place_and_may_be_started_for_ever() {
        let (mut state, base) = (on_trial(), version("0.1.0"));
        state.choose(base);
        assert!(state.confirm(Slot::B));
        assert_eq!(state.version(base), version("0.3.0"));
        assert_eq!(state.previous, Some(placed(Slot::A, "0.2.0")));
        for _ in 0..20 {
            assert!(matches!(state.choose(base), Choice::Proven(p) if p.slot == Slot::B));
            assert!(state.confirm(Slot::B));
            assert!(!state.confirm(Slot::B), "told once");
        }
        for _ in 0..MAX_STARTS {
            state.choose(base);
        }
        let back = state.choose(base);
        assert!(matches!(back, Choice::Proven(p) if p.slot == Slot::A), "{back:?}");
    }

    #[test]
    fn being_ended_on_purpose_is_no_failed_try() {
        let (mut state, base) = (on_trial(), version("0.1.0"));
        for _ in 0..10 {
            assert!(matches!(state.choose(base), Choice::Trial(_)));
            state.forgive();
        }
    }

    #[test]
    fn a_newer_base_is_taken_before_all() {
        let mut state = on_trial();
        assert_eq!(state.choose(version("0.3.0")), Choice::Base);
        assert_eq!((state.current, state.trial), (None, None));
    }

    #[test]
    fn the_next_version_never_lies_where_the_one_in_use_does() {
        let mut state = on_trial();
        assert_eq!(state.make_room(), Slot::B);
        assert_eq!(state.trial, None);
        state.trial = Some(placed(Slot::B, "0.3.0"));
        state.confirm(Slot::B);
        assert_eq!(state.make_room(), Slot::A);
        assert_eq!(state.previous, None, "its slot is written over");
        assert_eq!(State::default().make_room(), Slot::A);
    }

    #[test]
    fn it_comes_back_whole_and_damage_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(State::load(folder.path()), State::default());
        let mut state = on_trial();
        state.previous = Some(placed(Slot::B, "0.1.5"));
        state.failed = Some(Failed { version: version("0.2.9"), why: "it \"crashed\"".to_owned() });
        state.store(folder.path()).unwrap();
        assert_eq!(State::load(folder.path()), state);
        for bad in ["", "{}", "{\"form\": 2}", "{\"form\": 1, \"current\": {\"slot\": \"c\"}}"] {
            std::fs::write(folder.path().join(FILE), bad).unwrap();
            assert_eq!(State::load(folder.path()), State::default(), "{bad}");
        }
    }
}
