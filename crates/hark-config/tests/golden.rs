//! Each file (or folder of files) in `good/` is read without a word; each in `bad/` shows exactly
//! the text beside it. The values read, or the text shown, are in the `.snap` of the same name.
//! After a wanted change: `INSTA_UPDATE=always cargo test -p hark-config --test golden`.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

use hark_config::{Bare, Document, Key, Kind, SecretSource, Section, SourceFile, Style, Value};
use hark_model::{HostName, ReceiverName, Severity, Tag};

const HOST: &[Key] = &[
    Key::new("address", Kind::Text, "Where it is."),
    Key::new("parents", Kind::OneOrMany(&Kind::Text), "What it is behind."),
    Key::new("tags", Kind::OneOrMany(&Kind::Text), "What it is."),
];
const EMAIL: &[Key] = &[
    Key::new("to", Kind::OneOrMany(&Kind::Text), "Who.").required(),
    Key::new("password", Kind::Secret, "Of the account."),
];
const WEBHOOK: &[Key] =
    &[Key::new("url", Kind::Text, "Where.").required(), Key::new("template", Kind::Text, "What.")];
const RECEIVER: &[Key] = &[
    Key::new("email", Kind::Section(EMAIL), "By mail."),
    Key::new("webhook", Kind::Section(WEBHOOK), "By HTTP."),
];
const ROUTE: &[Key] = &[
    Key::new("to", Kind::OneOrMany(&Kind::Text), "Receivers.").required(),
    Key::new("severity", Kind::OneOf(&["warning", "critical"]), "From when on."),
    Key::new("delay", Kind::Duration, "How long to wait."),
];
const ROOT: &[Key] = &[
    Key::new("hbd_port", Kind::Integer, "Port of the page."),
    Key::new("interval", Kind::Duration, "Between heartbeats."),
    Key::new("grace", Kind::Duration, "After a missed one."),
    Key::new("default_owner", Kind::Text, "Who is told."),
    Key::new("journal_enabled", Kind::Bool, "Whether."),
    Key::new("journal_max_size", Kind::Size, "Before rotation."),
    Key::new("secret", Kind::Secret, "Of all agents."),
    Key::new("thresholds", Kind::Any, "Limits."),
    Key::new("hosts", Kind::Named(&Kind::Section(HOST)), "Hosts."),
    Key::new("receivers", Kind::Named(&Kind::Section(RECEIVER)), "Receivers."),
    Key::new("routes", Kind::List(&Kind::Section(ROUTE)), "Routes."),
];

struct FewSecrets;

impl SecretSource for FewSecrets {
    fn file(&self, path: &str) -> Result<String, String> {
        Err(format!("{path}: no such file"))
    }

    fn env(&self, name: &str) -> Result<String, String> {
        match name {
            "MAIL_PASSWORD" => Ok("hunter2\n".into()),
            "EMPTY" => Ok(String::new()),
            _ => Err(format!("{name} is not set")),
        }
    }
}

/// Reads a document as domain crates do, and says what it read.
fn read(document: &Document) -> String {
    let root = document.root(&FewSecrets);
    let mut lines = vec![
        format!("port {}", root.u64("hbd_port", 50004, 1..=65535)),
        format!("interval {:?}", root.opt_duration("interval", Bare::Seconds)),
        format!("grace {:?}", root.opt_duration("grace", Bare::Seconds)),
        format!("owner {:?}", root.opt_str("default_owner")),
        format!("journal {:?}", root.opt_bool("journal_enabled")),
        format!("journal size {:?}", root.opt_size("journal_max_size")),
        format!("secret {:?}", root.opt_secret("secret")),
    ];
    if let Some(thresholds) = root.value("thresholds") {
        lines.push(format!("thresholds {}", tree(thresholds)));
    }
    for (name, host) in root.children("hosts") {
        if let Err(error) = HostName::new(name.value) {
            document.diagnostics().error(name.span, error.to_string());
        }
        let parents = host.parse_many("parents", HostName::new);
        let tags = host.parse_many("tags", Tag::new);
        let at = host.position_of("address");
        lines.push(format!(
            "host {} {:?} behind {:?} tags {:?} at {at}",
            name.value,
            host.opt_str("address"),
            parents.iter().map(|p| &p.value).collect::<Vec<_>>(),
            tags.iter().map(|t| &t.value).collect::<Vec<_>>(),
        ));
        host.finish(HOST);
    }
    for (name, receiver) in root.children("receivers") {
        lines.push(format!("receiver {} {:?}", name.value, read_receiver(&receiver)));
        receiver.finish(RECEIVER);
    }
    for route in root.list("routes").into_iter().filter_map(|value| value.section()) {
        lines.push(format!(
            "route to {:?} {:?} after {:?}",
            route
                .parse_many("to", ReceiverName::new)
                .into_iter()
                .map(|r| r.value)
                .collect::<Vec<_>>(),
            route.word(
                "severity",
                &[("warning", Severity::Warning), ("critical", Severity::Critical)]
            ),
            route.opt_duration("delay", Bare::Seconds),
        ));
        route.finish(ROUTE);
    }
    root.finish(ROOT);
    lines.join("\n")
}

fn read_receiver(receiver: &Section<'_>) -> Option<String> {
    let (kind, value) = receiver.exactly_one_of(&["email", "webhook"])?;
    let section = value.section()?;
    if kind == "email" {
        let to = section.one_or_many("to").into_iter().filter_map(|value| value.str());
        let read = format!("{:?} {:?}", to.collect::<Vec<_>>(), section.opt_secret("password"));
        section.finish(EMAIL);
        Some(read)
    } else {
        let read = format!("{:?} {:?}", section.opt_str("url"), section.opt_str("template"));
        section.finish(WEBHOOK);
        Some(read)
    }
}

fn tree(value: Value<'_>) -> String {
    if !value.is_map() {
        return value.scalar().unwrap_or("?").to_owned();
    }
    let entries = value.section().map_or_else(Vec::new, |section| section.entries());
    let entries = entries.into_iter().map(|(key, value)| format!("{}={}", key.value, tree(value)));
    format!("({})", entries.collect::<Vec<_>>().join(" "))
}

/// Every case of a folder: its name and its files, in the order of their names.
fn cases(folder: &str) -> Vec<(String, Vec<SourceFile>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let source = |path: &PathBuf| SourceFile {
        name: path.file_name().unwrap().to_str().unwrap().to_owned(),
        text: fs::read_to_string(path).unwrap(),
    };
    let mut cases: Vec<(String, Vec<SourceFile>)> = entries(&folder)
        .iter()
        .filter(|path| path.extension().is_none_or(|ending| ending == "yaml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let files = if path.is_dir() { entries(path) } else { vec![path.clone()] };
            (name, files.iter().map(source).collect())
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn compare(folder: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn good_ones_are_read_without_a_word() {
    let cases = cases("good");
    assert!(cases.len() >= 5);
    for (name, files) in cases {
        let document = Document::parse(files);
        let read = read(&document);
        assert_eq!(document.diagnostics().render(Style::Plain), "", "{name}");
        compare("good", &name, &read);
    }
}

#[test]
fn bad_ones_show_all_that_is_wrong_and_nothing_secret() {
    let cases = cases("bad");
    assert!(cases.len() >= 15);
    for (name, files) in cases {
        let document = Document::parse(files);
        if !document.has_errors() {
            read(&document);
        }
        let shown = document.diagnostics().render(Style::Plain);
        assert!(document.has_errors(), "{name} is taken");
        assert!(!shown.contains("hunter") && !shown.contains("s3cret"), "{name}: {shown}");
        compare("bad", &name, &shown);
    }
}

#[test]
fn json_has_every_place() {
    let document = Document::single("interval: soon\nhosts:\n  db1: {adress: x}\n");
    read(&document);
    let json = document.diagnostics().to_json();
    assert_eq!(json[0]["place"]["line"], 1);
    assert_eq!(json[0]["place"]["column"], 11);
    assert_eq!(json[0]["place"]["end_column"], 15);
    assert_eq!(json[1]["suggestion"], "address");
    assert_eq!(json[1]["place"]["file"], "hark.yaml");
    assert_eq!(json.as_array().unwrap().len(), 2);
}

#[test]
fn colours_are_only_for_terminals() {
    let document = Document::single("interval: soon\n");
    read(&document);
    assert!(document.diagnostics().render(Style::Colour).contains("\u{1b}["));
    assert!(!document.diagnostics().render(Style::Plain).contains('\u{1b}'));
}
