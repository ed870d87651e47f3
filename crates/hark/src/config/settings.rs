//! The server's own keys: addresses, folders, the shared secret, log, journal, history, users.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::{Secret, UserName};
use hark_notify::mailbox::Mailbox;

use super::backup::{self, BackupSettings};
use super::grants::{self, Grant};
use super::known_as::{self, KnownAs};
use super::retention::{self, HistorySettings};
use crate::log::Target;

/// The keys of the root that belong to the server itself.
pub(crate) const KEYS: &[Key] = &[
    Key::new("hb_port", Kind::Integer, "UDP port where agents send to.").default("50003"),
    Key::new(
        "hb_host",
        Kind::Text,
        "Address that agents send to, if not every one of the machine.",
    )
    .default("::"),
    Key::new(
        "discovery",
        Kind::Bool,
        "Answer agents that call for their server on the local network.",
    )
    .default("false"),
    Key::new("data_dir", Kind::Text, "Folder of state and history."),
    Key::new(
        "secret",
        Kind::Secret,
        "Shared secret: hosts whose agents hold it are learned by themselves.",
    ),
    Key::new("public_url", Kind::Text, "Address of the page as people reach it, for links."),
    Key::new("site_name", Kind::Text, "What this server is called, in the titles of the page."),
    Key::new("log", Kind::Section(LOG_KEYS), "Where the program's own log goes."),
    Key::new("logfile", Kind::Text, "The program's own log as a file; short for log.target."),
    Key::new("journal_enabled", Kind::Bool, "Write received messages as JSON lines.")
        .default("true"),
    Key::new("journal_heartbeats", Kind::Bool, "Write heartbeats, too: some 300 bytes each.")
        .default("false"),
    Key::new("journal_dir", Kind::Text, "Folder of the message journal; journal in data_dir."),
    Key::new("journal_file", Kind::Text, "File of the message journal.")
        .default("messages.journal"),
    Key::new("journal_max_size", Kind::Size, "Size at which it is rotated.").default("104857600"),
    Key::new("journal_max_backups", Kind::Integer, "Old files kept.").default("10"),
    Key::new("history", Kind::Section(retention::KEYS), "How long samples are kept."),
    Key::new(
        "shed_after",
        Kind::Duration,
        "How late samples may be kept before the server sheds load; 0: however late.",
    )
    .default("1s"),
    Key::new("backup", Kind::Section(backup::KEYS), "Copies that the server makes by itself."),
    Key::new("users", Kind::Named(&Kind::Section(USER_KEYS)), "People who may log in."),
    grants::KEY,
];

const LOG_KEYS: &[Key] = &[
    Key::new("target", Kind::Text, "stderr, syslog, journald, or a file's path.").default("stderr"),
    Key::new("level", Kind::Text, "error, warn, info, debug, or a filter by part.").default("info"),
    Key::new("max_size", Kind::Size, "Size at which a file is rotated.").default("10MiB"),
    Key::new("keep", Kind::Integer, "Old files kept.").default("5"),
];

const USER_KEYS: &[Key] = &[
    Key::new("full_name", Kind::Text, "The name shown on the page."),
    Key::new("password", Kind::Secret, "A hash made by `hark passwd`; needed to log in."),
    Key::new("admin", Kind::Bool, "May do everything.").default("false"),
    Key::new(
        "known_as",
        Kind::Section(known_as::KEYS),
        "Who it is elsewhere, for answers to messages.",
    ),
    Key::new(
        "avatar",
        Kind::Text,
        "Taken of older files, without effect: the page shows initials.",
    ),
    Key::new("notification_channels", Kind::Any, "The older word for `channels`: not read."),
    hark_engine::plan::PERSON_KEYS[0],
    hark_engine::plan::PERSON_KEYS[1],
    hark_engine::plan::PERSON_KEYS[2],
    hark_engine::plan::PERSON_KEYS[3],
    Key::new(
        "timezone",
        Kind::Text,
        "Time zone of the times in the user's reports; by default the report's.",
    ),
];

/// The server's own keys, read.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where agents send to, over UDP.
    pub(crate) udp_host: IpAddr,
    pub(crate) udp_port: u16,
    /// Whether agents that call on the local network are answered.
    pub(crate) discovery: bool,
    /// The data folder, if one is named.
    pub(crate) data_dir: Option<PathBuf>,
    /// The shared secret.
    pub(crate) secret: Option<Secret>,
    /// The page's address for links.
    pub(crate) public_url: String,
    /// What the server is called, for titles.
    pub(crate) site_name: String,
    /// The program's own log.
    pub(crate) log: LogSettings,
    /// The message journal.
    pub(crate) journal: Option<JournalSettings>,
    /// How long samples are kept.
    pub(crate) history: HistorySettings,
    /// How late samples may be kept before load is shed; zero: however late.
    pub(crate) shed_after: Duration,
    /// Copies that the server makes by itself.
    pub(crate) backup: BackupSettings,
    /// People of the file.
    pub(crate) users: Vec<UserEntry>,
    /// Who may do what with hosts that do not name him.
    pub(crate) grants: Vec<Grant>,
    /// Where people answer to mails.
    pub(crate) mailbox: Option<Arc<Mailbox>>,
    /// Who people are elsewhere.
    pub(crate) known_as: Arc<KnownAs>,
}

/// The program's own log.
#[derive(Clone, Debug)]
pub(crate) struct LogSettings {
    /// Where it goes.
    pub(crate) target: Target,
    /// A filter such as `info`.
    pub(crate) level: String,
    /// Size at which a file is rotated, in bytes.
    pub(crate) max_bytes: u64,
    /// Old files kept.
    pub(crate) keep: u32,
}

/// The message journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalSettings {
    /// Its folder; `None`: beside the state.
    pub(crate) dir: Option<PathBuf>,
    /// Its file.
    pub(crate) file: String,
    /// Size at which it is rotated, in bytes.
    pub(crate) max_bytes: u64,
    /// Old files kept.
    pub(crate) keep: u32,
    /// Whether heartbeats are written, too.
    pub(crate) heartbeats: bool,
}

/// A user of the file.
#[derive(Clone, Debug)]
pub(crate) struct UserEntry {
    /// Logs in with it.
    pub(crate) name: UserName,
    /// Shown on the page.
    pub(crate) full_name: String,
    /// Hash of the password.
    pub(crate) password: Secret,
    /// May do everything.
    pub(crate) admin: bool,
    /// Where the file declares it.
    pub(crate) declared: hark_api::hosts::Declared,
}

impl Settings {
    /// Reads the server's keys; what is wrong is reported to the document of `root`.
    pub(crate) fn read(root: &Section<'_>) -> Self {
        let (users, known_as) = read_users(root);
        Self {
            udp_host: hark_web::address(root, "hb_host"),
            udp_port: port(root, "hb_port", 50_003),
            discovery: root.bool("discovery", false),
            data_dir: root.opt_str("data_dir").map(PathBuf::from),
            secret: root.opt_secret("secret"),
            public_url: root.str("public_url", "").trim_end_matches('/').to_owned(),
            site_name: read_site_name(root),
            log: read_log(root),
            journal: read_journal(root),
            history: HistorySettings::read(root),
            shed_after: root.duration("shed_after", Bare::Seconds, Duration::from_secs(1)),
            backup: BackupSettings::read(root),
            users,
            grants: grants::read(root),
            mailbox: Mailbox::read(root).map(Arc::new),
            known_as: Arc::new(known_as),
        }
    }
}

fn port(root: &Section<'_>, key: &'static str, default: u16) -> u16 {
    let port = root.u64(key, u64::from(default), 0..=65_535);
    u16::try_from(port).unwrap_or(default)
}

/// Longest name of a server: more would push what a tab is about out of its title.
const MAX_SITE_NAME: usize = 60;

fn read_site_name(root: &Section<'_>) -> String {
    let name = root.str("site_name", "").trim().to_owned();
    if name.chars().count() > MAX_SITE_NAME || name.chars().any(char::is_control) {
        root.error("site_name", format!("at most {MAX_SITE_NAME} letters on one line"));
    }
    name
}

fn read_log(root: &Section<'_>) -> LogSettings {
    let mut log = LogSettings {
        target: Target::Stderr,
        level: "info".to_owned(),
        max_bytes: 10 << 20,
        keep: 5,
    };
    let mut target = root.opt_str("logfile");
    if let Some(section) = root.child("log") {
        target = section.opt_str("target").or(target);
        section.str("level", "info").clone_into(&mut log.level);
        log.max_bytes = section.size("max_size", log.max_bytes).max(1024);
        log.keep = u32::try_from(section.u64("keep", 5, 0..=1000)).unwrap_or(5);
        section.finish(LOG_KEYS);
    }
    log.target = match target {
        None | Some("stderr") => Target::Stderr,
        Some("syslog") => Target::Syslog,
        Some("journald") => Target::Journald,
        Some(path) => Target::File { path: path.into(), max_bytes: log.max_bytes, keep: log.keep },
    };
    log
}

fn read_journal(root: &Section<'_>) -> Option<JournalSettings> {
    let settings = JournalSettings {
        dir: root.opt_str("journal_dir").map(PathBuf::from),
        file: root.str("journal_file", "messages.journal").to_owned(),
        max_bytes: root.size("journal_max_size", 104_857_600).max(4096),
        keep: u32::try_from(root.u64("journal_max_backups", 10, 0..=10_000)).unwrap_or(10),
        heartbeats: root.bool("journal_heartbeats", false),
    };
    root.bool("journal_enabled", true).then_some(settings)
}

fn read_users(root: &Section<'_>) -> (Vec<UserEntry>, KnownAs) {
    let mut users = Vec::new();
    let mut known = KnownAs::default();
    for (key, section) in root.children("users") {
        let name = match UserName::new(key.value) {
            Ok(name) => Some(name),
            Err(error) => {
                drop(root.diagnostics().error(key.span, error.to_string()));
                None
            }
        };
        // One that only says how to be told is somebody who logs in by an account made on the page.
        let told_only = ["channels", "hours", "severity", "known_as", "timezone"]
            .iter()
            .any(|key| section.has(key));
        let password = if told_only && !section.has("password") {
            None
        } else {
            section.required("password").and_then(|v| v.secret())
        };
        if let Some(password) = &password
            && !is_known_hash(password.expose())
        {
            let wrong = section.error("password", "this is not a hash that hark can check");
            drop(wrong.hint("make one with `hark passwd NAME`"));
        }
        let full_name = section.str("full_name", "").to_owned();
        let admin = section.bool("admin", false);
        known.read(&section, name.as_ref());
        section.finish(USER_KEYS);
        if let (Some(name), Some(password)) = (name, password) {
            let position = section.diagnostics().position(key.span);
            let declared =
                hark_api::hosts::Declared { file: position.file.to_string(), line: position.line };
            users.push(UserEntry { name, full_name, password, admin, declared });
        }
    }
    (users, known)
}

/// Returns whether `text` has the form of a hash that log-in can check.
fn is_known_hash(text: &str) -> bool {
    ["$argon2", "pbkdf2:sha256:"].iter().any(|form| text.starts_with(form))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_config::{Document, NoSecrets};

    fn read(text: &str) -> (Settings, String) {
        let document = Document::single(text);
        let settings = Settings::read(&document.root(&NoSecrets));
        (settings, document.diagnostics().render(hark_config::Style::Plain))
    }

    #[test]
    fn an_empty_file_is_a_whole_configuration() {
        let (settings, wrong) = read("");
        assert_eq!(wrong, "");
        assert_eq!((settings.udp_host.to_string(), settings.udp_port), ("::".to_owned(), 50_003));
        assert_eq!(settings.log.target, Target::Stderr);
        assert_eq!(settings.history, HistorySettings::default());
        assert!(settings.journal.is_some());
    }

    #[test]
    fn a_password_in_clear_is_refused_with_the_way_out() {
        let (_, wrong) = read("users:\n  mira: {password: hunter2}\n");
        assert!(wrong.contains("hark passwd"), "{wrong}");
        assert!(!wrong.contains("is not a hash that hark can check: hunter2"));
    }
}
