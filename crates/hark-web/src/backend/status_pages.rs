//! Public status pages, as the server makes them: who may see which is decided before.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use hark_api::hosts::Declared;
use hark_api::status_pages::{ComponentState, PublicContent};
use hark_model::{Secret, Unix, UserName};

use super::Answer;

/// The pages as they are configured, and what all of them load.
#[derive(Debug, Default)]
pub struct StatusSites {
    /// Each page.
    pub sites: Vec<StatusSite>,
    /// How they look.
    pub style: &'static str,
    /// What has an open page follow what is said.
    pub script: &'static str,
}

/// A status page as it is configured.
#[derive(Clone, Debug)]
pub struct StatusSite {
    /// The word that its address ends in.
    pub slug: String,
    /// Its name.
    pub title: String,
    /// Names of hosts that are its own, in small letters.
    pub domains: Vec<String>,
    /// Who may see it.
    pub access: StatusAccess,
    /// Who may publish on it beside administrators.
    pub editors: BTreeSet<UserName>,
    /// The words of its components.
    pub components: Vec<String>,
    /// How readers may be told what is published.
    pub readers: BTreeSet<ReaderWay>,
    /// Where the configuration declares it.
    pub declared: Declared,
}

/// Who may see a page.
#[derive(Clone, Debug)]
pub enum StatusAccess {
    /// Everybody.
    Everyone,
    /// Users, and who has one of the keys.
    Closed {
        /// Whether users may.
        users: bool,
        /// The hash of a password that opens it.
        password: Option<Secret>,
        /// A token that opens it.
        token: Option<Secret>,
    },
}

/// What of a page is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusPart {
    /// The page.
    Page,
    /// What was published on it.
    History,
    /// The same for programs.
    Json,
    /// What was published, as Atom.
    Atom,
    /// What was published, as RSS.
    Rss,
    /// A small picture of the state of the page.
    Badge,
    /// A small picture of the state of a component.
    ComponentBadge(String),
    /// A small picture of how much of its time a component worked.
    UptimeBadge(String),
    /// Its picture.
    Logo,
    /// Its own style sheet.
    Style,
    /// What those see who want to be told.
    Readers(ReadersStep),
}

/// How a reader is told what is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReaderWay {
    /// By mail.
    Mail,
    /// By a call of a web address.
    Webhook,
}

impl ReaderWay {
    /// Returns the word used in forms and on disk.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }

    /// Returns the way of a word made by [`ReaderWay::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Mail, Self::Webhook].into_iter().find(|way| way.word() == word)
    }
}

/// A step of becoming a reader who is told, or of ending that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReadersStep {
    /// The form.
    Ask,
    /// It was sent.
    Asked,
    /// The button of an invitation.
    Join,
    /// It was pressed.
    Joined,
    /// The button that ends it.
    Leave,
    /// It was pressed.
    Left,
    /// A link that is good for nothing.
    Gone,
}

impl ReadersStep {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Asked => "asked",
            Self::Join => "join",
            Self::Joined => "joined",
            Self::Leave => "leave",
            Self::Left => "left",
            Self::Gone => "gone",
        }
    }
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusDocument {
    /// What it is.
    pub content_type: &'static str,
    /// It.
    pub bytes: Bytes,
}

/// How a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSummary {
    /// The word that its address ends in.
    pub slug: String,
    /// The worst of what it tells about.
    pub state: ComponentState,
    /// The same as a sentence.
    pub headline: String,
    /// Word, name, heading and state of each component.
    pub components: Vec<(String, String, String, ComponentState)>,
    /// How much of what was published on it is not over.
    pub open: u64,
}

/// Something that was published, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicIncidentRecord {
    /// Its number: never given to another one.
    pub id: u64,
    /// The word of the page.
    pub page: String,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was last changed.
    pub updated: Unix,
    /// What it says.
    pub content: PublicContent,
}

/// What makes status pages and keeps what is published on them. A method that changes something returns
/// after the change is stored, and what is asked for after that shows it.
#[expect(clippy::missing_errors_doc, reason = "said once, at the type that all of them return")]
pub trait StatusPages {
    /// Returns the pages as they are configured. It waits for nothing: every request asks it.
    fn status_sites(&self) -> Arc<StatusSites>;

    /// Returns what is sent of a page. It is made anew a bounded number of times, however often it is asked
    /// for.
    fn status_document(&self, page: &str, part: &StatusPart) -> Answer<StatusDocument>;

    /// Returns how every page is.
    fn status_summaries(&self) -> Answer<Vec<StatusSummary>>;

    /// Returns what was published on a page, the newest first.
    fn public_incidents(&self, page: &str) -> Answer<Vec<PublicIncidentRecord>>;

    /// Publishes something. [`Refused::Conflict`](super::Refused::Conflict) if too much is not over.
    fn publish(&self, page: &str, content: &PublicContent) -> Answer<PublicIncidentRecord>;

    /// Has something that was published say something else.
    /// [`Refused::Conflict`](super::Refused::Conflict) if it is not of this version any more.
    fn change_public_incident(
        &self,
        page: &str,
        id: u64,
        version: u64,
        content: &PublicContent,
    ) -> Answer<PublicIncidentRecord>;

    /// Has an address be asked whether it wants to be told what is published on a page. Whoever asks learns
    /// nothing about the address.
    fn reader_asks(&self, page: &str, way: ReaderWay, address: &str) -> Answer<()>;

    /// Has whoever holds the token of an invitation be told from now on. False if it is good for nothing.
    fn reader_joins(&self, page: &str, token: &str) -> Answer<bool>;

    /// Has a reader be told nothing any more. False if the token is good for nothing; one who was forgotten
    /// already is told the same as one who was not.
    fn reader_leaves(&self, page: &str, token: &str) -> Answer<bool>;

    /// Takes back what was published.
    fn remove_public_incident(&self, page: &str, id: u64) -> Answer<()>;
}
