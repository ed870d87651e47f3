//! The section `agent.update`: whether this machine's hark replaces itself by a newer one.
//!
//! It is read here because the section belongs to the agent's; what it asks for is done by the program
//! that the agent is part of, since a server is the same file.

use std::path::PathBuf;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::HostName;

/// Where newer versions come from, who has signed them, and how they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateSettings {
    /// Whether it is looked for newer versions without being asked.
    pub automatic: bool,
    /// Where they lie; none if nothing is configured.
    pub from: Option<UpdateSource>,
    /// The host's name, by which a server knows whether a version is for it; none: the system's.
    pub host: Option<HostName>,
    /// Keys of minisign, any of which may have signed.
    pub keys: Vec<String>,
    /// Time between two looks.
    pub every: Duration,
    /// How long a new version may take until it works.
    pub confirm_within: Duration,
}

/// Where newer versions lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateSource {
    /// Below this address, `http` or `https`.
    Url(String),
    /// In a folder of this machine.
    Folder(PathBuf),
}

/// Time between two looks.
const EVERY: Duration = Duration::from_hours(24);

/// Looking more often than this is for tests; less often than monthly is no updating.
const EVERY_RANGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(31 * 24));

/// How long a new version may take until it works: the first acknowledgement comes within seconds.
const CONFIRM: Duration = Duration::from_mins(5);

/// Shorter than this a slow machine has no chance, longer is too long without monitoring.
const CONFIRM_RANGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));

/// A public key of minisign is 42 bytes: two of the algorithm, eight of its number, 32 of the key.
const KEY_BYTES: usize = 42;

impl Default for UpdateSettings {
    fn default() -> Self {
        let (from, host, keys) = (None, None, Vec::new());
        Self { automatic: false, from, host, keys, every: EVERY, confirm_within: CONFIRM }
    }
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    Key::new("automatic", Kind::Bool, "Look for newer versions without being asked.")
        .default("false"),
    Key::new("from", Kind::Text, "Address (http, https) or folder where newer versions lie."),
    Key::new(
        "public_key",
        Kind::OneOrMany(&Kind::Text),
        "The public key of minisign that newer versions are signed with.",
    ),
    Key::new("every", Kind::Duration, "Time between two looks, 1s to 31d.").default("1d"),
    Key::new(
        "confirm_within",
        Kind::Duration,
        "A new version that does not work within this time is given up, 1s to 1h.",
    )
    .default("5m"),
];

impl UpdateSettings {
    /// Reads the section; diagnostics are in it.
    pub(super) fn read(section: &Section<'_>) -> Self {
        let keys = section.parse_many("public_key", public_key);
        let settings = Self {
            automatic: section.bool("automatic", false),
            from: section.parse("from", source),
            host: None,
            keys: keys.into_iter().map(|key| key.value).collect(),
            every: within(section, "every", Bare::Hours, EVERY, EVERY_RANGE),
            confirm_within: within(
                section,
                "confirm_within",
                Bare::Seconds,
                CONFIRM,
                CONFIRM_RANGE,
            ),
        };
        if settings.automatic && settings.from.is_none() {
            section.error("automatic", "`from` does not say where newer versions lie");
        }
        if settings.from.is_some() && settings.keys.is_empty() && !section.has("public_key") {
            let report = section.error("from", "`public_key` is missing");
            drop(report.hint("nothing is ever started that is not signed by a key named here"));
        }
        section.finish(KEYS);
        settings
    }
}

fn within(
    section: &Section<'_>,
    key: &'static str,
    bare: Bare,
    default: Duration,
    (shortest, longest): (Duration, Duration),
) -> Duration {
    let time = section.duration(key, bare, default);
    if (shortest..=longest).contains(&time) {
        return time;
    }
    section.error(key, "this time is outside of what is allowed");
    default
}

fn source(text: &str) -> Result<UpdateSource, String> {
    if text.contains("://") {
        hark_net::Origin::split(text)?;
        return Ok(UpdateSource::Url(text.trim_end_matches('/').to_owned()));
    }
    let folder = PathBuf::from(text);
    if folder.is_absolute() {
        Ok(UpdateSource::Folder(folder))
    } else {
        Err("this is neither a web address nor the whole path of a folder".to_owned())
    }
}

fn public_key(text: &str) -> Result<String, &'static str> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim());
    match bytes {
        Ok(bytes) if bytes.len() == KEY_BYTES && bytes.starts_with(b"Ed") => Ok(text.trim().into()),
        _ => Err("this is no public key of minisign: it is the second line of minisign.pub"),
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    fn read(text: &str) -> (UpdateSettings, String) {
        let document = Document::single(text);
        let settings = UpdateSettings::read(&document.root(&NoSecrets));
        (settings, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn nothing_is_updated_unless_somebody_says_from_where_and_by_whom() {
        assert_eq!(read("{}\n"), (UpdateSettings::default(), String::new()));
        let (settings, said) = read(&format!(
            "automatic: true\nfrom: 'https://example.net/hark/'\npublic_key: {KEY}\nevery: 6h\n"
        ));
        assert_eq!(said, "");
        assert!(settings.automatic);
        assert_eq!(settings.from, Some(UpdateSource::Url("https://example.net/hark".to_owned())));
        assert_eq!((settings.every, settings.keys.len()), (Duration::from_hours(6), 1));
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (text, expected) in [
            ("automatic: true\n", "does not say where"),
            ("from: /srv/hark\n", "`public_key` is missing"),
            ("from: srv/hark\n", "whole path"),
            ("from: 'ftp://example.net/'\n", "not http or https"),
            ("public_key: abc\n", "no public key of minisign"),
            ("every: 90d\n", "outside"),
            ("confirm_within: 2h\n", "outside"),
            ("form: /srv\n", "`from`"),
        ] {
            let said = read(text).1;
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
