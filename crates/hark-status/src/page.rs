//! The section `status_pages` of the configuration.

use std::collections::{BTreeMap, BTreeSet};

use hark_config::{Key, Kind, Section, Span, Spanned, Value};
use hark_model::record::Matcher;
use hark_model::{ReceiverName, Secret, Tag, TeamName, UserName};
use jiff::tz::TimeZone;

use crate::words::Language;

/// The most pages: each of them keeps what it says in memory.
const MAX_PAGES: usize = 100;

/// The most components of a page: more are a page that nobody reads, and each is a badge.
const MAX_COMPONENTS: usize = 100;

/// The most days of history: a bar for each of them must be told from the next.
const MAX_DAYS: u64 = 365;

/// The longest word of an address: the name of a page or a component.
const MAX_WORD: usize = 64;

/// The longest text in bytes: names and descriptions are lines.
const MAX_TEXT: usize = 1000;

/// The shortest token in bytes: it is all that keeps a stranger out.
const MIN_TOKEN: usize = 16;

/// The keys of a status page.
pub const STATUS_PAGE_KEYS: &[Key] = &[
    Key::new("title", Kind::Text, "Its name, as strangers read it.").required(),
    Key::new("description", Kind::Text, "A sentence below the headline."),
    Key::new(
        "components",
        Kind::Named(&Kind::Section(COMPONENT_KEYS)),
        "What it tells about, by the words that stand in addresses of badges, in their order.",
    )
    .required(),
    Key::new(
        "visible_to",
        Kind::OneOf(&["everyone", "users"]),
        "Who may see it: everybody, or who can log in to hark. With a password or a token, whoever has that as well.",
    )
    .default("everyone"),
    Key::new(
        "password",
        Kind::Secret,
        "A hash made by `hark passwd`: who knows the password may see the page, and it is not for everybody.",
    ),
    Key::new(
        "token",
        Kind::Secret,
        "As `password`, for links and programs: `?token=`. At least 16 characters.",
    ),
    Key::new(
        "domains",
        Kind::OneOrMany(&Kind::Text),
        "Names of hosts under which the page is at `/`, and nothing else of hark is.",
    ),
    Key::new("days", Kind::Integer, "How many days of history it shows, up to 365.").default("90"),
    Key::new("timezone", Kind::Text, "Time zone of its days and times.").default("UTC"),
    Key::new("language", Kind::OneOf(&["en", "de"]), "The language of its words.").default("en"),
    Key::new("home", Kind::Text, "Where its title leads: an address with https:// or http://."),
    Key::new("logo", Kind::Text, "A picture in `templates_dir` that stands before its title."),
    Key::new("style", Kind::Text, "A style sheet in `templates_dir` that lies over the built-in one."),
    Key::new("indexed", Kind::Bool, "Whether search engines may list it.").default("true"),
    Key::new(
        "editors",
        Kind::OneOrMany(&Kind::Text),
        "Users or `team:NAME` who may publish on it, beside administrators.",
    ),
    Key::new(
        "mail_by",
        Kind::Text,
        "A receiver of the type `email`: readers may have what is published sent by mail, over its server and from its sender.",
    ),
    Key::new(
        "webhooks",
        Kind::OneOf(&["none", "public", "anywhere"]),
        "Whether readers may have web addresses called: public ones, or also those of private networks.",
    )
    .default("none"),
];

const COMPONENT_KEYS: &[Key] = &[
    Key::new("name", Kind::Text, "Its name, as strangers read it.").required(),
    Key::new("description", Kind::Text, "A line below its name."),
    Key::new("group", Kind::Text, "The heading that it stands under."),
    Key::new(
        "hosts",
        Kind::OneOrMany(&Kind::Text),
        "Hosts that it looks at; `*` and `?` stand for letters.",
    ),
    Key::new("tags", Kind::OneOrMany(&Kind::Text), "Tags of which a host must have one."),
    Key::new(
        "checks",
        Kind::OneOrMany(&Kind::Text),
        "Checks of these hosts that count, `*` for all; by default only whether the hosts are up.",
    ),
];

/// A status page as configured.
#[derive(Clone, Debug)]
pub struct Page {
    /// The word that its address ends in.
    pub slug: String,
    /// Its name.
    pub title: String,
    /// A sentence; may be empty.
    pub description: String,
    /// What it tells about.
    pub components: Vec<Component>,
    /// Who may see it.
    pub access: Access,
    /// Names of hosts that are its own, in small letters.
    pub domains: Vec<String>,
    /// How many days it shows.
    pub days: u32,
    /// The time zone of its days and times.
    pub zone: TimeZone,
    /// The language of its words.
    pub language: Language,
    /// Where its title leads.
    pub home: Option<String>,
    /// The name of its picture.
    pub logo: Option<String>,
    /// The name of its own style sheet.
    pub style: Option<String>,
    /// Whether search engines may list it.
    pub is_indexed: bool,
    /// Who may publish on it beside administrators.
    pub editors: BTreeSet<UserName>,
    /// The receiver that sends its mails to readers.
    pub mail_by: Option<ReceiverName>,
    /// Which addresses of readers are called.
    pub webhooks: Webhooks,
    /// Where it stands in the configuration.
    pub span: Span,
}

/// Which web addresses of readers are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Webhooks {
    /// None.
    #[default]
    None,
    /// Those that are reachable from everywhere.
    Public,
    /// Also those of private networks.
    Anywhere,
}

impl Webhooks {
    const WORDS: [(&'static str, Self); 3] =
        [("none", Self::None), ("public", Self::Public), ("anywhere", Self::Anywhere)];

    /// Returns the word in the configuration.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, webhooks)| *webhooks == self).map_or("", |(word, _)| word)
    }
}

/// What a page tells about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// The word that stands in addresses.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A line; may be empty.
    pub description: String,
    /// The heading that it stands under; may be empty.
    pub group: String,
    /// What it looks at: the hosts themselves if it names no check.
    pub matcher: Matcher,
}

/// Who may see a page.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody.
    Everyone,
    /// Users, and who has one of the keys.
    Closed {
        /// Whether users may.
        users: bool,
        /// What else opens it.
        keys: Keys,
    },
}

/// What opens a page that is not for everybody.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The hash of a password.
    pub password: Option<Secret>,
    /// A token.
    pub token: Option<Secret>,
}

/// Who may be named on a page: as editor, and to send mail.
#[derive(Clone, Debug, Default)]
pub struct EditorsOf {
    /// The members of each team.
    pub teams: BTreeMap<TeamName, Vec<UserName>>,
    /// Receivers that send mail.
    pub mailers: BTreeSet<ReceiverName>,
}

impl Page {
    /// Reads the section `status_pages` of the root of the configuration. What is wrong is reported there;
    /// the others are returned. `public_host` is the name under which people reach hark itself.
    pub fn read_all(root: &Section<'_>, known: &EditorsOf, public_host: &str) -> Vec<Self> {
        let children = root.children("status_pages");
        if children.len() > MAX_PAGES {
            root.error("status_pages", format!("there are more than {MAX_PAGES} pages"));
        }
        let mut taken: BTreeMap<String, Span> = BTreeMap::new();
        let mut pages = Vec::new();
        for (key, section) in children {
            let page = read_one(&key, &section, known);
            for value in section.one_or_many("domains") {
                let Some(domain) = value.parse(|text| domain(text, public_host)) else { continue };
                if let Some(first) = taken.insert(domain, value.span()) {
                    let twice =
                        section.diagnostics().error(value.span(), "two pages have this name");
                    drop(twice.also(first, "here is the other"));
                }
            }
            section.finish(STATUS_PAGE_KEYS);
            pages.extend(page);
        }
        pages
    }

    /// Returns the component of this word.
    pub fn component(&self, id: &str) -> Option<&Component> {
        self.components.iter().find(|component| component.id == id)
    }

    /// Returns whether readers can be told what is published on it.
    pub fn has_readers(&self) -> bool {
        self.mail_by.is_some() || self.webhooks != Webhooks::None
    }

    /// Returns whether it is for everybody.
    pub fn is_public(&self) -> bool {
        matches!(self.access, Access::Everyone)
    }
}

fn read_one(key: &Spanned<&str>, section: &Section<'_>, known: &EditorsOf) -> Option<Page> {
    let slug = word(section, key)?;
    let title = text(section, "title")?;
    let description = optional(section, "description");
    let components = components(section);
    let zone = match section.opt_str("timezone").map(TimeZone::get) {
        None => TimeZone::UTC,
        Some(Ok(zone)) => zone,
        Some(Err(_)) => {
            section.error("timezone", "is no time zone: write one as `Europe/Berlin` or `UTC`");
            return None;
        }
    };
    let languages = [("en", Language::English), ("de", Language::German)];
    let domains = section.one_or_many("domains");
    let domains = domains.iter().filter_map(Value::str).map(str::to_ascii_lowercase).collect();
    let days = section.u64("days", 90, 1..=MAX_DAYS);
    Some(Page {
        slug: slug.to_owned(),
        title,
        description,
        components,
        access: access(section),
        domains,
        days: u32::try_from(days).unwrap_or(90),
        zone,
        language: section.word("language", &languages).unwrap_or(Language::English),
        home: section.value("home").and_then(|value| value.parse(address)),
        logo: file(section, "logo", &["svg", "png", "webp", "jpg", "jpeg"]),
        style: file(section, "style", &["css"]),
        is_indexed: section.bool("indexed", true),
        editors: editors(section, known),
        mail_by: mail_by(section, known),
        webhooks: section.word("webhooks", &Webhooks::WORDS).unwrap_or_default(),
        span: section.span(),
    })
}

fn mail_by(section: &Section<'_>, known: &EditorsOf) -> Option<ReceiverName> {
    let name = section.parse("mail_by", ReceiverName::new)?;
    if !known.mailers.contains(&name) {
        section.error("mail_by", format!("there is no receiver `{name}` of the type `email`"));
        return None;
    }
    Some(name)
}

/// Returns a word that can stand in an address.
fn word<'a>(section: &Section<'_>, key: &Spanned<&'a str>) -> Option<&'a str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let word = key.value;
    if !word.is_empty() && word.len() <= MAX_WORD && word.chars().all(plain) {
        return Some(word);
    }
    let wrong = "stands in addresses: use small letters, digits and `-`";
    drop(section.diagnostics().error(key.span, wrong));
    None
}

fn text(section: &Section<'_>, key: &'static str) -> Option<String> {
    let value = section.required(key)?;
    value.parse(line)
}

fn optional(section: &Section<'_>, key: &'static str) -> String {
    section.value(key).and_then(|value| value.parse(line)).unwrap_or_default()
}

fn line(text: &str) -> Result<String, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("is longer than {MAX_TEXT} bytes"));
    }
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn address(text: &str) -> Result<String, &'static str> {
    let host = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\'');
    match host {
        Some(host) if !host.is_empty() && host.chars().all(plain) => Ok(text.to_owned()),
        _ => Err("is no address: it begins with https:// or http://"),
    }
}

fn domain(text: &str, public_host: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if text.is_empty() || text.len() > 253 || !text.chars().all(plain) {
        return Err("is the name of no host: write it without `https://` and port".to_owned());
    }
    if text.eq_ignore_ascii_case(public_host) {
        return Err(format!("{text} is where hark itself is (public_url): nobody could log in"));
    }
    Ok(text.to_ascii_lowercase())
}

/// Reads the name of a file within a folder: nothing of it may lead elsewhere.
fn file(section: &Section<'_>, key: &'static str, endings: &[&str]) -> Option<String> {
    section.value(key)?.parse(|text| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let ending = text.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let known = ending.is_some_and(|ending| endings.contains(&ending.as_str()));
        if text.starts_with('.') || text.len() > MAX_WORD || !text.chars().all(plain) || !known {
            return Err(format!("is no name of a file ending in .{}", endings.join(", .")));
        }
        Ok(text.to_owned())
    })
}

fn components(section: &Section<'_>) -> Vec<Component> {
    let children = section.children("components");
    if children.is_empty() && section.required("components").is_some() {
        section.error("components", "a page tells about at least one component");
    }
    if children.len() > MAX_COMPONENTS {
        section.error("components", format!("there are more than {MAX_COMPONENTS} components"));
    }
    children.iter().filter_map(|(key, section)| component(key, section)).collect()
}

fn component(key: &Spanned<&str>, section: &Section<'_>) -> Option<Component> {
    let texts = |key: &'static str| -> Vec<String> {
        section.one_or_many(key).iter().filter_map(Value::str).map(str::to_owned).collect()
    };
    let matcher = Matcher {
        hosts: texts("hosts"),
        checks: texts("checks"),
        tags: section.parse_many("tags", Tag::new).into_iter().map(|tag| tag.value).collect(),
        severity: None,
    };
    if matcher.hosts.is_empty() && matcher.tags.is_empty() {
        let none = "one of `hosts`, `tags` is expected: what does it look at?";
        drop(section.diagnostics().error(section.span(), none));
    }
    let component = Component {
        id: word(section, key)?.to_owned(),
        name: text(section, "name")?,
        description: optional(section, "description"),
        group: optional(section, "group"),
        matcher,
    };
    section.finish(COMPONENT_KEYS);
    Some(component)
}

fn access(section: &Section<'_>) -> Access {
    let keys =
        Keys { password: section.opt_secret("password"), token: section.opt_secret("token") };
    if let Some(password) = &keys.password
        && !["$argon2", "pbkdf2:sha256:"].iter().any(|form| password.expose().starts_with(form))
    {
        let wrong = section.error("password", "this is not a hash that hark can check");
        drop(wrong.hint("make one with `hark passwd NAME`"));
    }
    if keys.token.as_ref().is_some_and(|token| token.expose().len() < MIN_TOKEN) {
        section
            .error("token", format!("is shorter than {MIN_TOKEN} characters: it could be guessed"));
    }
    let has_keys = keys.password.is_some() || keys.token.is_some();
    let said = section.word("visible_to", &[("everyone", true), ("users", false)]);
    if has_keys && said == Some(true) {
        section.error("visible_to", "a page with a password or a token is not for everyone");
    }
    match (said, has_keys) {
        (Some(true) | None, false) => Access::Everyone,
        (said, _) => Access::Closed { users: said == Some(false), keys },
    }
}

fn editors(section: &Section<'_>, known: &EditorsOf) -> BTreeSet<UserName> {
    let mut editors = BTreeSet::new();
    for value in section.one_or_many("editors") {
        let Some(text) = value.str() else { continue };
        let Some(team) = text.strip_prefix("team:") else {
            editors.extend(value.parse(UserName::new));
            continue;
        };
        let found = known.teams.iter().find(|(name, _)| name.as_str() == team);
        if found.is_none() {
            let unknown = section.diagnostics().error(value.span(), "there is no such team");
            drop(unknown.nearest(team, known.teams.keys().map(TeamName::as_str)));
        }
        editors.extend(found.into_iter().flat_map(|(_, members)| members.iter().cloned()));
    }
    editors
}

#[cfg(test)]
mod tests;
