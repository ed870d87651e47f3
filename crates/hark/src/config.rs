//! The configuration: found, read, checked as a whole.
//!
//! Each domain reads its own sections; here they are brought together, the server's own keys are read,
//! and the result is one value, [`Loaded`]. Nothing is opened or started: reading a configuration can
//! always be tried.

mod backup;
mod files;
mod given;
pub(crate) mod grants;
mod inlets;
mod known_as;
pub(crate) mod page;
mod remote_write;
pub(crate) mod retention;
mod settings;
mod show;
mod templates;
mod updates;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use hark_agent::{Access, AgentConfig};
use hark_checks::{Check, Configured};
use hark_config::{Document, Key, Kind, Level, SecretSource, Section, SourceFile, Style};
use hark_engine::{Plan, plan};
use hark_model::UserName;
use hark_model::labels::Foreign;
use hark_net::Guard;
use hark_notify::Receivers;
use hark_notify::mailbox::MAILBOX_KEYS;
use hark_web::WebSettings;
use jiff::tz::TimeZone;

pub(crate) use backup::BackupSettings;
pub(crate) use files::{Opened, PageText, Paths, SYSTEM_DATA_DIR, default_data_dir, open};
pub(crate) use given::{AgentConfigs, Given};
pub(crate) use inlets::{Graphite, InletSettings, Source, check_of as inlet_check};
pub(crate) use known_as::{KnownAs, MAIL};
pub(crate) use remote_write::{RemoteWriteSettings, Target};
pub(crate) use retention::{HistorySettings, Override};
pub(crate) use settings::{LogSettings, Settings, UserEntry};
pub(crate) use show::show;
pub(crate) use templates::StatusPlan;
pub(crate) use updates::Offer;
pub(crate) use watch::{EventSettings, WatchSettings};

/// Everything the configuration says.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The server's own keys.
    pub(crate) settings: Settings,
    /// What the engine works by.
    pub(crate) plan: Arc<Plan>,
    /// Where messages go.
    pub(crate) receivers: Arc<Receivers>,
    /// What is looked at from here.
    pub(crate) checks: Vec<Configured>,
    /// Which addresses checks may go to.
    pub(crate) guard: Guard,
    /// What tells whether this server is cut off.
    pub(crate) uplink: Vec<Arc<dyn Check>>,
    /// The page's settings.
    pub(crate) web: WebSettings,
    /// The agent's settings; its folder is set by whoever runs it.
    pub(crate) agent: Option<AgentConfig>,
    /// What agents are given.
    pub(crate) agent_configs: Arc<AgentConfigs>,
    /// What is reported to people regularly.
    pub(crate) reports: Arc<Vec<hark_report::Plan>>,
    /// What strangers are told.
    pub(crate) status: Arc<StatusPlan>,
    /// Names in DNS that follow hosts.
    pub(crate) dns: hark_dns::Settings,
    /// To whom releases are offered, if to anybody.
    pub(crate) offer: Option<Offer>,
    /// What watches the server itself.
    pub(crate) watch: WatchSettings,
    /// Who may bring samples.
    pub(crate) inlets: Arc<InletSettings>,
    /// Whom samples are brought to.
    pub(crate) remote_write: Arc<RemoteWriteSettings>,
    /// The files that were read, for messages and for watching.
    pub(crate) files: Vec<PathBuf>,
    /// Number of this configuration: changes when any file does.
    pub(crate) revision: u32,
    /// What is doubtful but not wrong, as shown to people; empty if nothing is.
    pub(crate) warnings: String,
    /// The same, each with the keys that lead to it.
    pub(crate) doubts: Vec<page::Mistake>,
}

impl Loaded {
    /// Returns whether an agent with this configuration, if it has joined no server before, decides
    /// itself whom to tell: it names no server and has receivers.
    pub(crate) fn tells_itself(&self) -> bool {
        let is_sent_on = self.agent.as_ref().is_some_and(|agent| {
            !agent.servers.is_empty() || matches!(agent.access, Access::Token(_))
        });
        !is_sent_on && self.receivers.iter().next().is_some()
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// A file cannot be read.
    File(anyhow::Error),
    /// The configuration is wrong: everything that is, as shown to people and as JSON.
    Wrong {
        /// As a compiler would show it.
        text: String,
        /// For programs.
        json: serde_json::Value,
        /// How many errors.
        errors: usize,
        /// The first of them in one line: file, line, and what is wrong.
        first: String,
        /// The first ones, each with the keys that lead to it.
        mistakes: Vec<page::Mistake>,
    },
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(error) => write!(f, "{error:#}"),
            Self::Wrong { errors: 1, first, .. } => {
                write!(f, "the configuration has an error: {first}")
            }
            Self::Wrong { errors, first, .. } => {
                write!(f, "the configuration has {errors} errors, the first: {first}")
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// The keys of the root that bring in a domain's section.
const SECTIONS: &[Key] = &[
    Key::new(
        "receivers",
        Kind::Named(&Kind::Section(hark_notify::RECEIVER_KEYS)),
        "Where messages go, by name.",
    ),
    Key::new(
        "mailbox",
        Kind::Section(MAILBOX_KEYS),
        "The mailbox that people answer mails of hark to (docs/handling.md).",
    ),
    Key::new(
        "checks",
        Kind::Named(&Kind::Section(hark_checks::CHECK_KEYS)),
        "What is looked at from the server, by name.",
    ),
    Key::new(
        "check_defaults",
        Kind::Section(hark_checks::DEFAULT_KEYS),
        "What holds for checks that say nothing else.",
    ),
    Key::new(
        "reports",
        Kind::Named(&Kind::Section(hark_report::REPORT_KEYS)),
        "What is reported to people regularly, by name.",
    ),
    Key::new("agent", Kind::Section(hark_agent::settings::KEYS), "The agent of this machine."),
];

/// Returns every top-level key, of all domains, each once.
pub(crate) fn keys() -> Vec<Key> {
    let mut all = [
        settings::KEYS,
        hark_web::KEYS,
        SECTIONS,
        given::KEYS,
        templates::KEYS,
        updates::KEYS,
        hark_dns::KEYS,
        watch::KEYS,
        inlets::KEYS,
        remote_write::KEYS,
        plan::KEYS,
    ]
    .concat();
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|key| seen.insert(key.name));
    all
}

/// Reads what `paths` name.
///
/// # Errors
/// If a file cannot be read, or with everything that is wrong.
pub(crate) fn load(paths: &Paths) -> Result<Loaded, LoadError> {
    read(open(paths, PageText::Kept).map_err(LoadError::File)?, &files::Secrets)
}

/// Reads what `paths` name with another text in the place of each secret that cannot be read, and returns why
/// those cannot: for a look at the rest. None if something else is wrong as well.
pub(crate) fn load_without_secrets(paths: &Paths) -> Option<(Loaded, Vec<String>)> {
    let secrets = files::Unread::default();
    let loaded = read(open(paths, PageText::Kept).ok()?, &secrets).ok()?;
    Some((loaded, secrets.why()))
}

/// Reads what `paths` name as if the page's file said this.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_with(paths: &Paths, page: &str) -> Result<Loaded, LoadError> {
    read(open(paths, PageText::Instead(page)).map_err(LoadError::File)?, &files::Secrets)
}

/// Reads a configuration that is not in a file.
///
/// # Errors
/// With everything that is wrong.
pub(crate) fn load_text(name: &str, text: String) -> Result<Loaded, LoadError> {
    let document = Document::parse(vec![SourceFile { name: name.to_owned(), text }]);
    let opened = Opened { document, files: Vec::new(), revision: 0, page: String::new() };
    read(opened, &files::Secrets)
}

/// Returns how mistakes are shown: in colour where somebody looks.
fn style() -> Style {
    if crate::out::error_is_terminal() { Style::Colour } else { Style::Plain }
}

/// Says everything that is wrong.
fn wrong(document: &Document) -> LoadError {
    let diagnostics = document.diagnostics();
    let list = diagnostics.list();
    let errors: Vec<_> = list.iter().filter(|d| d.level == Level::Error).collect();
    let first = errors.first();
    let first = first.map(|d| format!("{}: {}", diagnostics.position(d.span), d.message));
    LoadError::Wrong {
        text: diagnostics.render(style()),
        json: diagnostics.to_json(),
        errors: errors.len(),
        first: first.unwrap_or_default(),
        mistakes: page::Mistake::of(document),
    }
}

fn read_plan(root: &Section<'_>) -> Option<Plan> {
    // What checks measure are series under the name of their type, what others bring under the way.
    let of_checks = hark_checks::TYPES.iter().map(|check| (check.name(), &[][..]));
    let of_others = Foreign::ALL.map(|way| (way.word(), &[][..]));
    let known = hark_agent::METRICS.iter().copied().chain(of_checks).chain(of_others);
    plan::read_with(root, &known.collect::<Vec<_>>())
}

fn read(opened: Opened, secrets: &dyn SecretSource) -> Result<Loaded, LoadError> {
    let Opened { document, files: names, revision, .. } = opened;
    if document.has_errors() {
        return Err(wrong(&document));
    }
    let root = document.root(secrets);
    let settings = Settings::read(&root);
    let web = WebSettings::read(&root);
    let receivers = Receivers::read(&root);
    let plan = read_plan(&root);
    let addresses = |host: &hark_model::HostName| -> Vec<String> {
        let Some(plan) = plan.as_ref() else { return Vec::new() };
        let host = plan.host(host.as_str());
        host.address.iter().chain(&host.other_address).map(ToString::to_string).collect()
    };
    let hosts_of = |word: &str| -> Vec<hark_model::HostName> {
        let Some(plan) = plan.as_ref() else { return Vec::new() };
        let is_meant = |name: &hark_model::HostName, host: &plan::HostPlan| {
            name.as_str() == word || host.tags.iter().any(|tag| tag.as_str() == word)
        };
        plan.hosts().filter(|(name, host)| is_meant(name, host)).map(|(n, _)| n.clone()).collect()
    };
    let checks = Configured::read_all(&root, addresses, hosts_of);
    let (guard, uplink) = (hark_checks::read_guard(&root), hark_checks::read_uplink(&root));
    let agent_configs = AgentConfigs::read(&root);
    let offer = Offer::read(&root);
    let watch = WatchSettings::read(&root, &receivers);
    let inlets = Arc::new(InletSettings::read(&root));
    let remote_write = Arc::new(RemoteWriteSettings::read(&root));
    let readers = readers(&root, plan.as_ref(), &settings, &receivers);
    let reports = hark_report::Plan::read_all(&root, plan::read_host_match, &readers);
    let mailers = receivers.iter().filter(|(_, configured)| configured.kind == "email");
    let editors = hark_status::EditorsOf {
        teams: readers.teams.clone(),
        mailers: mailers.map(|(name, _)| name.clone()).collect(),
    };
    let status = StatusPlan::read(&root, &editors, &settings.public_url);
    let dns = hark_dns::Settings::read(&root);
    let agent = root.child("agent").map(|s| AgentConfig::read(&s, PathBuf::new()));
    root.finish(&keys());
    match plan {
        Some(plan) if !document.diagnostics().has_errors() => {
            let plan = Arc::new(plan);
            Ok(Loaded {
                settings,
                web,
                agent_configs: Arc::new(
                    agent_configs.with_plan(Arc::clone(&plan)).with_probes(&checks),
                ),
                plan,
                offer,
                reports: Arc::new(reports),
                status: Arc::new(status),
                dns,
                receivers: Arc::new(receivers),
                checks,
                guard,
                uplink,
                agent,
                watch,
                inlets,
                remote_write,
                files: names,
                revision,
                warnings: document.diagnostics().render(style()),
                doubts: page::Mistake::of(&document),
            })
        }
        _ => Err(wrong(&document)),
    }
}

/// Returns the number of what `paths`, which name the data folder, name now; `None` if it cannot be read.
pub(crate) fn revision(paths: &Paths) -> Option<u32> {
    files::revision_now(paths).ok()
}

/// Returns whom and what reports can go to.
fn readers(
    root: &Section<'_>,
    plan: Option<&Plan>,
    settings: &Settings,
    receivers: &Receivers,
) -> hark_report::Known {
    let zones: BTreeMap<&str, TimeZone> = root
        .children("users")
        .into_iter()
        .filter_map(|(name, section)| {
            let zone = TimeZone::get(section.opt_str("timezone")?);
            let Ok(zone) = zone else {
                section.error("timezone", "is no time zone: write one as `Europe/Berlin` or `UTC`");
                return None;
            };
            Some((name.value, zone))
        })
        .collect();
    let person = |(user, person): (&UserName, &plan::PersonPlan)| hark_report::Person {
        user: user.clone(),
        channels: person.channels.clone(),
        admin: settings.users.iter().any(|known| known.name == *user && known.admin),
        zone: zones.get(user.as_str()).cloned(),
    };
    let people = plan.map(|plan| &plan.people);
    hark_report::Known {
        receivers: receivers.iter().map(|(name, _)| name.clone()).collect(),
        people: people.map(|p| p.persons.iter().map(person).collect()).unwrap_or_default(),
        teams: people.map(|people| people.teams.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the engine says what is read, that of the checks what is shown of it.
    #[test]
    fn the_keys_of_a_job_that_reports_itself_are_those_that_are_read() {
        let words = |keys: &[Key]| -> Vec<(String, String)> {
            keys.iter().map(|key| (key.name.to_owned(), key.help.to_owned())).collect()
        };
        assert_eq!(words(hark_checks::PUSH_KEYS), words(plan::PUSH_KEYS));
    }

    /// What somebody pastes first must not be the first thing that fails.
    #[test]
    fn every_configuration_of_the_readme_is_in_order_as_it_stands() {
        let readme = include_str!("../../../README.md");
        let mut found = 0;
        for block in readme.split("```yaml\n").skip(1) {
            let text = block.split("```").next().unwrap_or_default();
            let loaded = load_text("README.md", text.to_owned());
            let loaded = loaded.unwrap_or_else(|error| match error {
                LoadError::Wrong { text, .. } => panic!("{text}"),
                LoadError::File(error) => panic!("{error:#}"),
            });
            assert_eq!(loaded.warnings, "");
            assert!(!loaded.plan.routes.is_empty(), "it tells nobody:\n{text}");
            found += 1;
        }
        assert_eq!(found, 2, "the README has two configurations");
    }
}
