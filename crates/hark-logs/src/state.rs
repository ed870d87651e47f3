//! What watching must know after a restart: one JSON document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::family::Done;
use crate::place::Place;
use crate::watch::WatchState;

/// The version written; a reader of a later one begins anew.
const VERSION: u32 = 1;

/// Where everything stands: places in files, cursors in the journal, counts of the watches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// Names of files that were followed: a file that is new below one of them is read from its
    /// beginning.
    pub(crate) globs: Vec<String>,
    pub(crate) files: Vec<FileState>,
    /// By name.
    pub(crate) watches: BTreeMap<String, KnownWatch>,
    /// By filter.
    pub(crate) journals: BTreeMap<String, JournalState>,
}

/// A log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileState {
    pub(crate) path: String,
    /// Empty for lines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) framing: String,
    pub(crate) place: Place,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) done: Vec<Done>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tails: Vec<Place>,
}

/// A watch and what kind it was: another kind counts anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownWatch {
    pub(crate) kind: String,
    pub(crate) state: WatchState,
}

/// The journal as one filter shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JournalState {
    pub(crate) cursor: Option<String>,
    /// When watching began, in seconds since 1970: what is older is no news.
    pub(crate) since: i64,
}

/// Why a text is no state.
#[derive(Debug, Error)]
pub enum StateError {
    /// It cannot be read.
    #[error("damaged")]
    Damaged(#[from] serde_json::Error),
    /// It is of a later program.
    #[error("of version {0}, which this program does not know")]
    Version(u32),
}

impl State {
    pub(crate) fn empty() -> Self {
        Self { version: VERSION, ..Self::default() }
    }

    /// Reads what [`State::to_text`] wrote.
    ///
    /// # Errors
    /// See [`StateError`]: watching begins anew then, at the ends of the files.
    pub fn from_text(text: &str) -> Result<Self, StateError> {
        let state: Self = serde_json::from_str(text)?;
        if state.version != VERSION {
            return Err(StateError::Version(state.version));
        }
        Ok(state)
    }

    /// Returns it as text.
    ///
    /// # Panics
    /// Never: everything in it has a form in JSON.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("names are texts, and no number here is without a value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_a_later_one_is_not_believed() {
        let mut state = State::empty();
        state.globs.push("/l/*.log".to_owned());
        state.files.push(FileState { path: "/l/a.log".to_owned(), ..FileState::default() });
        state.watches.insert("w".to_owned(), KnownWatch::default());
        let text = state.to_text();
        assert_eq!(State::from_text(&text).unwrap(), state);
        let later = text.replace("\"version\":1", "\"version\":2");
        assert!(matches!(State::from_text(&later), Err(StateError::Version(2))));
        assert!(matches!(State::from_text("{"), Err(StateError::Damaged(_))));
    }

    #[test]
    fn files_that_an_earlier_version_was_done_with_are_known_by_their_beginning() {
        let file = r#"{"path":"/l/a.log","place":{"dev":1,"ino":2,"offset":0,"print":{"len":0,"sum":0}},
            "done":[{"len":3,"sum":7}]}"#;
        let file: FileState = serde_json::from_str(file).unwrap();
        let text = serde_json::to_string(&file.done).unwrap();
        assert_eq!(text, r#"[{"len":3,"sum":7,"dev":0,"ino":0}]"#);
    }
}
