//! Where programs that are named without a folder were found.
//!
//! Looking through all folders before every run would take a tenth of what a run costs us. That only
//! trusted hands could have changed what is there is looked at before every run all the same.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hark_model::Mono;

use crate::program::{Program, is_place};

/// How long a place is remembered: a program that is put into an earlier folder is run instead after
/// that at the latest.
const REMEMBERED: Duration = Duration::from_mins(10);

/// Bound on names: far more than a configuration has.
const MOST: usize = 256;

/// What was found, by name, and until when that holds.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, (PathBuf, Mono)>);

impl Places {
    /// Returns where `program` is.
    pub(super) fn of(&mut self, program: &Program, now: Mono) -> Option<PathBuf> {
        let name = program.arguments().first().filter(|name| !is_place(name));
        let Some(name) = name else { return program.path() };
        if let Some((path, until)) = self.0.get(name)
            && now < *until
        {
            return Some(path.clone());
        }
        let path = program.path()?;
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(name.clone(), (path.clone(), now + REMEMBERED));
        Some(path)
    }

    /// Forgets where `program` is: it could not be run from there.
    pub(super) fn forget(&mut self, program: &Program) {
        program.arguments().first().map(|name| self.0.remove(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_for_a_while_or_until_it_is_of_no_use() {
        let mut places = Places::default();
        let env = Program::parse("env").unwrap();
        let other = PathBuf::from("/nowhere/env");
        let found = places.of(&env, Mono(0)).unwrap();
        places.0.insert("env".into(), (other.clone(), Mono(1000)));
        assert_eq!(places.of(&env, Mono(999)), Some(other.clone()));
        assert_eq!(places.of(&env, Mono(1000)), Some(found.clone()));
        places.0.insert("env".into(), (other, Mono(5000)));
        places.forget(&env);
        assert_eq!(places.of(&env, Mono(1000)), Some(found));
        let named = Program::parse("/bin/true").unwrap();
        assert_eq!(places.of(&named, Mono(0)), Some(PathBuf::from("/bin/true")));
        assert_eq!(places.0.len(), 1);
    }
}
