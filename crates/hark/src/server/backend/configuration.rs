//! The configuration as the page edits it.
//!
//! A change is tried first: the whole configuration is read as if it had been made. Only what is right then
//! is kept, as a version and as the page's file, and every part of the server works by it before the
//! answer: a mistake in the page can neither stop the server nor keep it from starting again.

mod candidate;
mod limits;
mod shown;
mod trial;

use std::cmp::Ordering;
use std::sync::Arc;

use hark_api::configuration::{
    ConfigCandidate, ConfigKept, ConfigMistake, ConfigObject, ConfigObjectRow, ConfigObjectsQuery,
    ConfigSection, ConfigShape, ConfigSort, ConfigTested, ConfigVerdict, ConfigVersion,
    ConfigVersionDetail,
};
use hark_api::list::{Cursor, Page, limit};
use hark_api::sought::Sought;
use hark_config::NoSecrets;
use hark_model::time::{Clock, Unix};
use hark_model::{HostName, UserName};
use hark_net::Resolver;
use hark_web::{Answer, ConfigChange, Configuring, Refused};

use super::ServerBackend;
use crate::config::page::{
    Editable, Made, Note, Outlined, Shape, Version, Versions, diff, outline,
};
use crate::config::{LoadError, PageText, load_with, open};
use crate::server::reload::{Editing, Reloader};
use candidate::Candidate;
use shown::{lines, object, unreadable};

/// What the configuration is edited with.
#[derive(Debug)]
pub(crate) struct Editor {
    /// Has the server work by what was changed.
    pub(crate) reloader: Arc<Reloader>,
    /// What was made in the page.
    pub(crate) versions: Versions,
    /// Turns names into addresses, for trials.
    pub(crate) resolver: Arc<Resolver>,
    /// What receivers need, for trials.
    pub(crate) context: hark_notify::Context,
}

impl Editor {
    /// Begins a change, or a look at all that is declared.
    fn begin(&self) -> Answer<Editing<'_>> {
        let no_files = || {
            let why = "this server's configuration is in no file: nothing is kept here";
            Refused::Conflict(why.to_owned())
        };
        self.reloader.edit().ok_or_else(no_files)
    }

    /// Returns what was made in the page.
    fn made(&self) -> Answer<Made> {
        let Some(text) = self.versions.text().map_err(|error| broken(&error))? else {
            return Ok(Made::default());
        };
        Made::read(&text).map_err(|why| {
            let way = "mend it by hand, or go back to a version of the history";
            Refused::Conflict(format!("the file of what was made in the page: {why}; {way}"))
        })
    }

    /// Keeps what was found to be right, and works by it.
    fn keep(&self, editing: &mut Editing<'_>, new: New<'_>) -> Answer<u32> {
        let New { text, loaded, by, what } = new;
        let note = Note { at: Clock.now().unix.0, by: Some(by.to_string()), what };
        let number = self.versions.keep(text, &note).map_err(|error| broken(&error))?;
        editing.take_on(loaded);
        Ok(number)
    }
}

/// What is kept.
struct New<'a> {
    text: &'a str,
    loaded: crate::config::Loaded,
    by: &'a UserName,
    what: String,
}

/// The answer where the disk does not do what it should.
fn broken(error: &std::io::Error) -> Refused {
    Refused::Unavailable(format!("what was made in the page: {error}"))
}

/// The answer where files cannot be read.
fn unread(error: &anyhow::Error) -> Refused {
    Refused::Unavailable(format!("the configuration: {error:#}"))
}

fn order(sort: ConfigSort, a: &Outlined<'_>, b: &Outlined<'_>) -> Ordering {
    match sort {
        ConfigSort::Name => a.name.cmp(&b.name),
        ConfigSort::NameBackwards => b.name.cmp(&a.name),
        ConfigSort::Section => a.section.name.cmp(b.section.name),
        ConfigSort::SectionBackwards => b.section.name.cmp(a.section.name),
    }
}

fn section_of(name: &str) -> Answer<Editable> {
    Editable::find(name).ok_or(Refused::Absent)
}

impl Configuring for ServerBackend {
    fn config_schema(&self, section: Option<&str>) -> Answer<Vec<ConfigSection>> {
        let sections = match section {
            Some(name) => vec![section_of(name)?],
            None => Editable::all(),
        };
        let shown = sections.iter().map(|found| ConfigSection {
            name: found.name.to_owned(),
            shape: match found.shape {
                Shape::Named => ConfigShape::Named,
                Shape::Ordered => ConfigShape::Ordered,
            },
            help: found.help.to_owned(),
            can_test: found.can_test(),
            schema: section.is_some().then(|| found.schema()),
        });
        Ok(shown.collect())
    }

    fn config_objects(&self, query: &ConfigObjectsQuery) -> Answer<Page<ConfigObjectRow>> {
        if let Some(section) = &query.section {
            section_of(section)?;
        }
        let editing = self.editor.begin()?;
        let opened = open(editing.paths, PageText::Kept).map_err(|error| unread(&error))?;
        drop(editing);
        let root = opened.document.root(&NoSecrets);
        let all = outline(&root, query.section.as_deref());
        let q = Sought::new(query.q.as_deref().unwrap_or_default());
        let mut wanted: Vec<&Outlined<'_>> =
            all.iter().filter(|found| q.is_in(&found.name)).collect();
        if let Some(sort) = query.sort {
            wanted.sort_by(|a, b| order(sort, a, b));
        }
        let (from, most) = (query.cursor.as_ref().and_then(Cursor::number), limit(query.limit));
        let mut wanted = (0_u64..).zip(wanted).skip_while(|(n, _)| Some(*n) < from);
        let items = wanted.by_ref().take(most).map(|(_, found)| shown::row(found, &opened.page));
        let items = items.collect();
        Ok(Page { items, next: wanted.next().map(|(n, _)| Cursor::of_number(n)) })
    }

    fn config_object(&self, section: &str, name: &str) -> Answer<ConfigObject> {
        let editing = self.editor.begin()?;
        let section = section_of(section)?;
        let opened = open(editing.paths, PageText::Kept).map_err(|error| unread(&error))?;
        drop(editing);
        let root = opened.document.root(&NoSecrets);
        let found = outline(&root, Some(section.name)).into_iter().find(|o| o.name == name);
        Ok(object(&found.ok_or(Refused::Absent)?, &opened.page))
    }

    fn config_verdict(&self, candidate: &ConfigCandidate) -> Answer<ConfigVerdict> {
        let editing = self.editor.begin()?;
        let before = self.editor.made()?;
        let tried = Candidate::make(editing.paths, &before, candidate)?;
        let (loaded, mistakes) = tried.load(editing.paths)?;
        drop(editing);
        Ok(ConfigVerdict {
            ok: loaded.is_some(),
            mistakes: self.without_known_hosts(&tried, mistakes),
            diff: diff(&lines(&before), &lines(&tried.made)),
            yaml: tried.yaml(),
        })
    }

    fn config_test(&self, candidate: &ConfigCandidate, by: &UserName) -> Answer<ConfigTested> {
        let editing = self.editor.begin()?;
        let before = self.editor.made()?;
        let tried = Candidate::make(editing.paths, &before, candidate)?;
        let (loaded, mistakes) = tried.load(editing.paths)?;
        // A look may take a minute: nobody else is to wait for it.
        drop(editing);
        let Some(loaded) = loaded else { return Err(candidate::wrong(mistakes)) };
        self.try_out(&tried, loaded, by)
    }

    fn change_config(&self, change: &ConfigChange) -> Answer<ConfigKept> {
        let mut editing = self.editor.begin()?;
        let before = self.editor.made()?;
        let tried = Candidate::make(editing.paths, &before, &change.candidate)?;
        tried.check_seen(change.seen.as_deref())?;
        let (loaded, mistakes) = tried.load(editing.paths)?;
        let Some(loaded) = loaded else { return Err(candidate::wrong(mistakes)) };
        let text = tried.made.text();
        let what = tried.what();
        let number =
            self.editor.keep(&mut editing, New { text: &text, loaded, by: &change.by, what })?;
        drop(editing);
        let warnings = self.without_known_hosts(&tried, mistakes);
        let object = match &change.candidate.value {
            Some(_) => Some(self.config_object(tried.section.name, &tried.name)?),
            None => None,
        };
        Ok(ConfigKept { number, warnings, object })
    }

    fn config_history(&self) -> Answer<Vec<ConfigVersion>> {
        let _editing = self.editor.begin()?;
        let versions = &self.editor.versions;
        versions.note_what_is(Clock.now().unix).map_err(|error| broken(&error))?;
        let all = versions.all().map_err(|error| broken(&error))?;
        let newest = all.last().map(|version| version.number);
        Ok(all.into_iter().rev().map(|version| shown_version(version, newest)).collect())
    }

    fn config_version(&self, number: u32) -> Answer<ConfigVersionDetail> {
        let _editing = self.editor.begin()?;
        let versions = &self.editor.versions;
        versions.note_what_is(Clock.now().unix).map_err(|error| broken(&error))?;
        let all = versions.all().map_err(|error| broken(&error))?;
        let at = all.iter().position(|version| version.number == number).ok_or(Refused::Absent)?;
        let text_of = |version: &Version| {
            let found = versions.get(version.number).map_err(|error| broken(&error))?;
            Ok(Made::read(&found.1).map_or_else(|_| unreadable(), |made| lines(&made)))
        };
        let version = &all[at];
        let this = text_of(version)?;
        // Of the oldest that is still there it is not known what was before it.
        let former = match at.checked_sub(1) {
            Some(before) => text_of(&all[before])?,
            None => Vec::new(),
        };
        let now = all.last().map(text_of).transpose()?.unwrap_or_default();
        let newest = all.last().map(|version| version.number);
        Ok(ConfigVersionDetail {
            version: shown_version(version.clone(), newest),
            diff: diff(&former, &this),
            back: diff(&now, &this),
        })
    }

    fn restore_config(&self, number: u32, by: &UserName) -> Answer<ConfigKept> {
        let mut editing = self.editor.begin()?;
        let (_, text) = self.editor.versions.get(number).map_err(|error| {
            let is_gone = error.kind() == std::io::ErrorKind::NotFound;
            if is_gone { Refused::Absent } else { broken(&error) }
        })?;
        let loaded = load_with(editing.paths, &text).map_err(|error| match error {
            LoadError::File(error) => unread(&error),
            wrong @ LoadError::Wrong { .. } => {
                Refused::Conflict(format!("that version does not fit any more: {wrong}"))
            }
        })?;
        let what = format!("back to version {number}");
        let number = self.editor.keep(&mut editing, New { text: &text, loaded, by, what })?;
        Ok(ConfigKept { number, warnings: Vec::new(), object: None })
    }

    fn config_export(&self) -> Answer<String> {
        let _editing = self.editor.begin()?;
        Ok(shown::export(self.editor.made()?))
    }
}

impl ServerBackend {
    /// Leaves out the doubts about hosts of checks that no file declares, but that this server knows: the files alone cannot
    /// tell.
    fn without_known_hosts(
        &self,
        tried: &Candidate,
        mut mistakes: Vec<ConfigMistake>,
    ) -> Vec<ConfigMistake> {
        mistakes.retain(|mistake| {
            let host = mistake.is_warning.then(|| tried.host_at(&mistake.path)).flatten();
            let host = host.and_then(|host| HostName::new(host).ok());
            host.is_none_or(|host| self.links.hosts.number(&host).is_none())
        });
        mistakes
    }
}

fn shown_version(version: Version, newest: Option<u32>) -> ConfigVersion {
    ConfigVersion {
        number: version.number,
        at: Unix(version.note.at).into(),
        by: version.note.by,
        what: version.note.what,
        is_current: newest == Some(version.number),
    }
}
