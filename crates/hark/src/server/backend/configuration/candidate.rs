//! What might be saved: put into its place, and read as a part of the whole.

use hark_api::configuration::{ConfigCandidate, ConfigMistake};
use hark_api::hosts::Declared;
use hark_api::problem::FieldError;
use hark_config::NoSecrets;
use hark_web::{Answer, Refused};
use serde_json::Value as Json;

use super::shown::{version_of, yaml_of};
use super::{section_of, unread};
use crate::config::page::{Editable, Hidden, Made, Mistake, Shape, outline, parse_embedded};
use crate::config::{LoadError, Loaded, PageText, Paths, load_with, open};

/// A candidate in its place.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its section.
    pub(super) section: Editable,
    /// Its name.
    pub(super) name: String,
    /// What was made in the page, with it.
    pub(super) made: Made,
    /// What was there before.
    former: Option<Json>,
    /// What it is to be, secrets included.
    value: Option<Json>,
    /// What is wrong with it before it is read.
    wrong: Vec<ConfigMistake>,
    /// How many items of its list stand in files, which come before those of the page.
    declared_items: usize,
    page: String,
}

impl Candidate {
    /// Puts a candidate in its place among what was made in the page.
    ///
    /// # Errors
    /// If there is no such section, a file declares the object, or it cannot stand where it should.
    pub(super) fn make(paths: &Paths, before: &Made, asked: &ConfigCandidate) -> Answer<Self> {
        let section = section_of(&asked.section)?;
        let name = asked.name.clone();
        let mut made = before.clone();
        let (declared_items, page) = declared(paths, &section, &name, &mut made)?;
        let former = before.get(&section, &name);
        let mut wrong = Vec::new();
        let value = asked.value.clone().map(|value| {
            let (value, mistakes) = completed(&section, value, former.as_ref());
            wrong = mistakes;
            value
        });
        match &value {
            None if former.is_none() => return Err(Refused::Absent),
            None => made.remove(&section, &name),
            Some(value) => made
                .put(&section, &name, value.clone(), asked.before.as_deref())
                .map_err(|why| Refused::Wrong(vec![FieldError::new("before", why)]))?,
        }
        Ok(Self { section, name, made, former, value, wrong, declared_items, page })
    }

    /// Fails unless the object is as the user has seen it; without a version he has seen none.
    ///
    /// # Errors
    /// If it is not.
    pub(super) fn check_seen(&self, seen: Option<&str>) -> Answer<()> {
        let now = self.former.as_ref().map(version_of);
        if now.as_deref() == seen { Ok(()) } else { Err(Refused::Changed) }
    }

    /// Reads the whole configuration with the candidate. Without what it amounts to, it cannot be used.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn load(&self, paths: &Paths) -> Answer<(Option<Loaded>, Vec<ConfigMistake>)> {
        if !self.wrong.is_empty() {
            // What must not be here is not even read: a secret of a file would be opened.
            return Ok((None, self.wrong.clone()));
        }
        let text = self.made.text();
        let (loaded, found) = match load_with(paths, &text) {
            Ok(loaded) => {
                let doubts = loaded.doubts.clone();
                (Some(loaded), doubts)
            }
            Err(LoadError::Wrong { mistakes, .. }) => (None, mistakes),
            Err(LoadError::File(error)) => return Err(unread(&error)),
        };
        let is_kept_whole = Made::read(&text).is_ok_and(|read| read == self.made);
        let loaded = loaded.filter(|_| is_kept_whole);
        // What is doubtful elsewhere was so before, and is not this user's matter now.
        let shown = found.into_iter().map(|mistake| self.shown(mistake));
        let mut mistakes: Vec<ConfigMistake> =
            shown.filter(|m| !m.is_warning || m.elsewhere.is_none()).collect();
        if loaded.is_none() && mistakes.iter().all(|mistake| mistake.is_warning) {
            mistakes.push(mistake(Vec::new(), "it would not be read as it was written".to_owned()));
        }
        Ok((loaded, mistakes))
    }

    /// Returns what is done, for the history.
    pub(super) fn what(&self) -> String {
        let done = match (&self.former, &self.value) {
            (None, _) => "made",
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "taken away",
        };
        format!("{}/{} {done}", self.section.name, self.name)
    }

    /// Returns what it is to be, secrets included.
    pub(super) fn value(&self) -> Option<&Json> {
        self.value.as_ref()
    }

    /// Returns the host of a check that `path` leads to: the one, or one of a list. `None` if it leads to something else.
    pub(super) fn host_at(&self, path: &[String]) -> Option<&str> {
        let [key, item @ ..] = path else { return None };
        if self.section.name != "checks" || key != "host" {
            return None;
        }
        let host = self.value.as_ref()?.get("host")?;
        match item {
            [] => host.as_str(),
            [n] => host.get(n.parse::<usize>().ok()?)?.as_str(),
            _ => None,
        }
    }

    /// Returns it as it would stand in a file, for people.
    pub(super) fn yaml(&self) -> String {
        let value = self.value.clone();
        value.map(|value| yaml_of(&self.section, &self.name, value)).unwrap_or_default()
    }

    /// Says where a mistake is within the object, or where else.
    fn shown(&self, found: Mistake) -> ConfigMistake {
        let Mistake { is_warning, message, hint, suggestion, file, line, path } = found;
        let within = (file == self.page).then(|| self.within(&path)).flatten();
        let elsewhere = within.is_none().then_some(Declared { file, line });
        ConfigMistake {
            is_warning,
            path: within.map(<[String]>::to_vec).unwrap_or_default(),
            message,
            hint,
            suggestion,
            elsewhere,
        }
    }

    /// Returns the rest of a way that leads into the object.
    fn within<'p>(&self, path: &'p [String]) -> Option<&'p [String]> {
        let [section, object, rest @ ..] = path else { return None };
        let is_it = match self.section.shape {
            Shape::Named => *object == self.name,
            Shape::Ordered => {
                let place = self.made.place(&self.section, &self.name)?;
                *object == (self.declared_items + place).to_string()
            }
        };
        (section == self.section.name && is_it).then_some(rest)
    }
}

/// Says that fields are wrong.
pub(super) fn wrong(mistakes: Vec<ConfigMistake>) -> Refused {
    let errors = mistakes.into_iter().filter(|mistake| !mistake.is_warning);
    let errors = errors.map(|mistake| {
        let mut detail = mistake.message;
        if let Some(at) = mistake.elsewhere {
            detail = format!("{} line {}: {detail}", at.file, at.line);
        }
        for (before, more) in [(" (did you mean ", mistake.suggestion), (" (", mistake.hint)] {
            detail.extend(more.map(|more| format!("{before}{more})")));
        }
        FieldError::new(&mistake.path.join("."), detail)
    });
    Refused::Wrong(errors.collect())
}

fn mistake(path: Vec<String>, message: String) -> ConfigMistake {
    let (hint, suggestion, elsewhere) = Default::default();
    ConfigMistake { is_warning: false, path, message, hint, suggestion, elsewhere }
}

/// Fails if a file declares the object; else returns how many items of its section files declare, and what
/// the page's file is called. What files have come to declare goes out of `made`: it does not hold any more.
fn declared(
    paths: &Paths,
    section: &Editable,
    name: &str,
    made: &mut Made,
) -> Answer<(usize, String)> {
    let opened = open(paths, PageText::Kept).map_err(|error| unread(&error))?;
    let root = opened.document.root(&NoSecrets);
    let all = outline(&root, None);
    let mut n = 0;
    for found in all.iter().filter(|found| *found.position.file != *opened.page) {
        made.remove(&found.section, &found.name);
        if found.section.name != section.name {
            continue;
        }
        if found.name == name {
            return Err(Refused::Declared(Declared {
                file: found.position.file.to_string(),
                line: found.position.line,
            }));
        }
        n += 1;
    }
    drop(all);
    Ok((n, opened.page))
}

/// Reads what is written as YAML, puts secrets back, and finds what the page does not take.
fn completed(
    section: &Editable,
    mut value: Json,
    former: Option<&Json>,
) -> (Json, Vec<ConfigMistake>) {
    let mut mistakes = Vec::new();
    let mut note = |found: Result<(), Vec<(Vec<String>, String)>>| {
        let wrong = found.err().unwrap_or_default();
        mistakes.extend(wrong.into_iter().map(|(path, message)| mistake(path, message)));
    };
    note(parse_embedded(&mut value));
    let mut shown = former.cloned().unwrap_or_default();
    let hidden = Hidden::take(section, &mut shown);
    note(hidden.put_back(section, &mut value, former));
    if let Some(key) = section.runs_program(&value) {
        let why = format!(
            "`{key}` runs a program on the server: declare it in a file, so that nobody can run what \
             he likes through the page"
        );
        mistakes.push(mistake(vec![key.to_owned()], why));
    }
    (value, mistakes)
}
