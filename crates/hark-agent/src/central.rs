//! Settings that the server gives, under those of the host's own file.
//!
//! The server's text is kept in the agent's folder: what was given last holds also when the agent is
//! started while the server is away. Where both say something the host's own file wins. A text that is
//! wrong is refused with its mistakes, the one before goes on, and the check `agent configuration` tells
//! the server.

use std::io;
use std::path::Path;

use hark_config::{Document, NoSecrets, Style};
use hark_model::{Now, Status, Unix};
use hark_proto::ReportItem;
use serde_json::{Map, Value as Json};

use crate::collectors;
use crate::home::Home;
use crate::jobs::{Allowed, Rights};
use crate::marks::MARKS;
use crate::own_check;
use crate::settings::{Given, check_keys};
use crate::slots::Slots;

/// The text that was given last and was right.
const FILE: &str = "given";

/// The newest text if that is wrong: it is judged anew at each start, since what it was refused for may be the host's
/// own file or this version.
const REFUSED: &str = "given-refused";

/// Is there once [`CHECK`] was told: from then on it has to be kept true.
const TOLD: &str = "given-told";

/// The check that says whether the agent takes what it is given.
const CHECK: &str = "agent configuration";

/// How many lines of mistakes are told: the rest is found once these are mended.
const MAX_LINES: usize = 12;

/// How far this host's clock may be ahead of the server's before orders are too late for it: the
/// server does not hand out what has expired by its own.
const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;

/// How many names of what is not allowed are told.
const MAX_NAMES: usize = 12;

/// What is given, and what the host itself says.
#[derive(Debug)]
pub(crate) struct Central {
    /// As text: read when something is given, which is seldom, and a tree of it is ten times larger.
    own: Box<str>,
    allowed: Allowed,
    /// Whether the server may have this host look at others.
    site: bool,
    /// The revision taken last plus one (0: none ever), and the newest order taken.
    numbers: Slots<2>,
    taken: [u64; 2],
}

impl Central {
    /// Opens what was given last. `own` are the settings of the host's file as JSON, `allowed` what it lets
    /// the server have run.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub(crate) fn open(home: &Home, own: &str, allowed: Allowed) -> io::Result<Self> {
        let own = own.into();
        let (numbers, taken) = Slots::<2>::open(&home.path().join("papers"))?;
        Ok(Self { own, allowed, site: false, numbers, taken: taken.unwrap_or_default() })
    }

    /// Lets the server have this host look at others, or not.
    #[must_use]
    pub(crate) fn with_site(self, site: bool) -> Self {
        Self { site, ..self }
    }

    /// Returns the revision taken last, if one ever was, and the newest order.
    pub(crate) fn taken(&self) -> (Option<u32>, u32) {
        let [revision, order] = self.taken;
        let number = |n: u64| u32::try_from(n).ok();
        (revision.checked_sub(1).and_then(number), number(order).unwrap_or(0))
    }

    /// Returns the settings to start with, those given last, and what is to be told of them: the
    /// host's own file may be another one since.
    pub(crate) fn at_start(&self, home: &Home, now: Now) -> (Option<Given>, Option<ReportItem>) {
        let revision = self.taken().0.unwrap_or(0);
        let newest = home.read(REFUSED).ok().flatten();
        let kept = home.read(FILE).ok().flatten();
        let Some(text) = newest.as_ref().or(kept.as_ref()) else { return (None, None) };
        match self.under_own(text) {
            Ok(given) => {
                if newest.is_some() {
                    keep(home, text);
                }
                let told = taken(&given, revision, now);
                (Some(given), told_of(home, text, told))
            }
            // One that was kept was right then: this is another version, or another file of the host.
            Err(mistakes) => {
                tracing::warn!(mistakes, "what the server gave is not used");
                note_told(home);
                let before = newest.and(kept).and_then(|text| self.under_own(&text).ok());
                (before, Some(refused(revision, &mistakes, now)))
            }
        }
    }

    /// Takes what arrived. Returns the settings that hold from now on, and what is to be told, if anything.
    ///
    /// # Errors
    /// What to tell of a text that is wrong: the one before goes on.
    pub(crate) fn take(
        &mut self,
        home: &Home,
        revision: u32,
        bytes: &[u8],
        now: Now,
    ) -> Result<(Given, Option<ReportItem>), ReportItem> {
        let text = String::from_utf8_lossy(bytes);
        let text = if revision == 0 { "{}\n" } else { &*text };
        let taken = self.under_own(text);
        if taken.is_ok() {
            keep(home, text);
        } else if let Err(error) = home.write(REFUSED, text) {
            tracing::warn!(%error, "what was refused is not kept: the next start knows nothing of it");
        }
        self.note(revision);
        match taken {
            Ok(given) => {
                tracing::info!(configuration = name(revision), "settings changed");
                let told = self::taken(&given, revision, now);
                Ok((given, told_of(home, text, told)))
            }
            Err(mistakes) => {
                tracing::warn!(revision, mistakes, "what the server gave is refused");
                note_told(home);
                Err(refused(revision, &mistakes, now))
            }
        }
    }

    /// Takes an order that arrived, and returns the action that is to be run: none if this one was
    /// taken before. It is on the disk before this returns, so that nothing is run twice.
    ///
    /// # Errors
    /// Why it is not carried out, for people.
    pub(crate) fn take_order(
        &mut self,
        order: u32,
        bytes: &[u8],
        now: Unix,
    ) -> Result<Option<String>, String> {
        // Numbers grow: one at or below the newest was carried out, or its outcome is on its way.
        if u64::from(order) <= self.taken[1] {
            return Ok(None);
        }
        self.taken[1] = u64::from(order);
        if let Err(error) = self.numbers.store(self.taken, true) {
            return Err(format!("it cannot be noted on the disk, and might be run twice: {error}"));
        }
        let order: Json = serde_json::from_slice(bytes).map_err(|_| "it cannot be read")?;
        let action = order.get("action").and_then(Json::as_str);
        let expires = order.get("expires").and_then(Json::as_i64).map(Unix);
        let (Some(action), Some(expires)) = (action, expires) else {
            return Err("it is of a kind that this agent does not know".to_owned());
        };
        if now.0 > expires.0.saturating_add(MAX_AHEAD_MS) {
            return Err("it came too late".to_owned());
        }
        Ok(Some(action.to_owned()))
    }

    fn note(&mut self, revision: u32) {
        self.taken[0] = u64::from(revision) + 1;
        if let Err(error) = self.numbers.store(self.taken, true) {
            tracing::warn!(%error, "cannot note which settings were taken: they are fetched again");
        }
    }

    fn under_own(&self, text: &str) -> Result<Given, String> {
        let mut settings = under_own(text, &self.own, &self.allowed)?;
        if !self.site {
            settings.probes.refuse();
        }
        Ok(settings)
    }
}

/// Keeps a text that is right, in place of what was refused before it.
fn keep(home: &Home, text: &str) {
    if let Err(error) = home.write(FILE, text).and_then(|()| home.remove(REFUSED)) {
        tracing::warn!(%error, "what the server gave is not kept: it is fetched again");
    }
}

/// Returns what the agent with this folder was given last, for somebody beside it; none if it never was.
/// The settings are those of it under the host's `own`, or the mistakes that keep them from being used.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn kept(
    folder: &Path,
    own: &str,
    allowed: &Allowed,
) -> io::Result<Option<Result<Given, String>>> {
    match std::fs::read_to_string(folder.join(FILE)) {
        Ok(text) => Ok(Some(under_own(&text, own, allowed))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a text with the host's own settings on top.
fn under_own(text: &str, own: &str, allowed: &Allowed) -> Result<Given, String> {
    let given = Document::single(text);
    check_keys(&given.root(&NoSecrets));
    if let Some(section) = given.root(&NoSecrets).child("collectors") {
        collectors::refuse_from_server(&section);
    }
    if given.has_errors() {
        return Err(given.diagnostics().render(Style::Plain));
    }
    let mut all = given.root(&NoSecrets).to_json();
    let own: Json = serde_json::from_str(own).map_err(|error| error.to_string())?;
    lay(&mut all, &own);
    let all = Document::single(&format!("{all:#}\n"));
    let settings = Given::read(&all.root(&NoSecrets), Rights::Given { own: &own, allowed });
    if all.has_errors() { Err(all.diagnostics().render(Style::Plain)) } else { Ok(settings) }
}

/// Returns `told` if it is to be told. The server's own limits come without anybody having written settings
/// for agents: a check of every host that says so would be noise.
fn told_of(home: &Home, text: &str, told: ReportItem) -> Option<ReportItem> {
    let is_written = serde_json::from_str::<Map<String, Json>>(text)
        .map_or(true, |given| given.keys().any(|key| key != MARKS.name));
    if !is_written && matches!(home.read(TOLD), Ok(None)) {
        return None;
    }
    note_told(home);
    Some(told)
}

fn note_told(home: &Home) {
    if matches!(home.read(TOLD), Ok(Some(_))) {
        return;
    }
    if let Err(error) = home.write(TOLD, "") {
        tracing::debug!(%error, "cannot note that the settings were told of");
    }
}

fn name(revision: u32) -> String {
    match revision {
        0 => "the host's own alone".to_owned(),
        revision => format!("configuration {revision:08x}"),
    }
}

/// Says what holds, and what of it the host does not allow.
fn taken(given: &Given, revision: u32, now: Now) -> ReportItem {
    let probes = given.probes.refused();
    if let Some(first) = probes.first() {
        let more = if probes.len() > 1 {
            format!(" and {} more", probes.len() - 1)
        } else {
            String::new()
        };
        let text = format!(
            "{}: not looked at from here, as the host's own file does not make it a site: {first}{more}; \
             to allow it, write there under `agent`: site: true",
            name(revision)
        );
        return result(Status::Warning, text, now);
    }
    let names = given.jobs.refused();
    if names.is_empty() {
        return result(Status::Ok, name(revision), now);
    }
    let shown = names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if names.len() > MAX_NAMES { ", …" } else { "" };
    let text = format!(
        "{}: not run, as the host's own file does not allow it: {shown}{more}; to allow it, write \
         there under `agent`: permit: [{shown}]",
        name(revision)
    );
    result(Status::Warning, text, now)
}

/// Says what is wrong.
fn refused(revision: u32, mistakes: &str, now: Now) -> ReportItem {
    // Lists show the first line alone: it has the first mistake.
    let first = mistakes.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let mut text = format!("{} is refused, the one before goes on: {first}", name(revision));
    for line in mistakes.lines().take(MAX_LINES) {
        text.push('\n');
        text.push_str(line);
    }
    result(Status::Warning, text, now)
}

fn result(status: Status, text: String, now: Now) -> ReportItem {
    own_check::result(CHECK, status, text, now)
}

fn lay(onto: &mut Json, own: &Json) {
    match (onto, own) {
        (Json::Object(onto), Json::Object(own)) => {
            for (key, value) in own {
                lay(onto.entry(key.as_str()).or_insert(Json::Null), value);
            }
        }
        (onto, own) => *onto = own.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hark_model::{Mono, SeriesName};
    use serde_json::json;

    use super::*;

    const NOW: Now = Now { mono: Mono(0), unix: Unix(0) };

    fn open(own: &Json) -> (tempfile::TempDir, Home, Central) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::take(&folder.path().join("agent")).unwrap();
        let central = Central::open(&home, &own.to_string(), Allowed::Nothing).unwrap();
        (folder, home, central)
    }

    fn status<'a>(item: impl Into<Option<&'a ReportItem>>) -> (Status, &'a str) {
        let Some(ReportItem::Result(result)) = item.into() else { panic!("not a result") };
        (result.status, &result.text)
    }

    #[test]
    fn a_server_cannot_name_programs_that_the_host_does_not_allow() {
        let (_folder, home, mut central) = open(&json!({}));
        for key in ["plugins", "commands", "custom"] {
            let text = format!("{key}: {{x: {{command: id}}}}\n");
            let (given, told) = central.take(&home, 7, text.as_bytes(), NOW).unwrap();
            assert!(given.jobs.is_empty(), "{key}: {given:?}");
            assert!(status(&told).1.contains("does not allow it: x"), "{told:?}");
        }
    }

    #[test]
    fn only_a_site_looks_at_what_the_server_names() {
        let probe =
            br#"{"probes": {"door": {"host": "web1", "check": "door", "address": "192.0.2.7",
            "tcp": {"port": 22}, "every": "30s"}}}"#;
        let (_folder, home, mut central) = open(&json!({}));
        let (given, told) = central.take(&home, 7, probe, NOW).unwrap();
        assert!(given.probes.is_empty());
        let (status_of, text) = status(&told);
        assert_eq!(status_of, Status::Warning);
        assert!(text.contains("a site: web1/door") && text.contains("site: true"), "{text}");
        let (_folder, home, central) = open(&json!({}));
        let mut central = central.with_site(true);
        let (given, told) = central.take(&home, 7, probe, NOW).unwrap();
        assert!(!given.probes.is_empty());
        assert_eq!(status(&told).0, Status::Ok);
        let program = br#"{"probes": {"x": {"host": "web1", "check": "x", "exec": {"command": ["/bin/true"]}}}}"#;
        let told = central.take(&home, 8, program, NOW).unwrap_err();
        assert!(status(&told).1.contains("runs a program"), "{told:?}");
    }

    #[test]
    fn a_server_cannot_make_sockets_or_ask_addresses() {
        let (_folder, home, mut central) = open(&json!({}));
        for text in [
            "lines: {socket: /run/other.sock}\n",
            "statsd: {socket: /run/other.sock}\n",
            "exporters: {x: 'http://192.0.2.1/'}\n",
        ] {
            let told = central.take(&home, 7, text.as_bytes(), NOW).unwrap_err();
            assert!(status(&told).1.contains("unknown key"), "{told:?}");
        }
    }

    #[test]
    fn sockets_and_exporters_of_the_host_stay_whatever_is_given() {
        let own = json!({
            "exporters": { "node": "http://localhost:9100/metrics" },
            "statsd": { "listen": "127.0.0.1:8125" },
            "lines": { "socket": "/run/lines.sock" },
        });
        let (_folder, home, mut central) = open(&own);
        let alone = central.take(&home, 0, b"", NOW).unwrap().0.jobs;
        assert_eq!(alone.identities().len(), 3);
        for text in ["marks: {}\n", "processes: {sshd: {name: sshd}}\n"] {
            let (given, _) = central.take(&home, 7, text.as_bytes(), NOW).unwrap();
            let jobs = given.jobs.identities();
            assert!(alone.identities().iter().all(|job| jobs.contains(job)), "{text}: {jobs:?}");
        }
    }

    #[test]
    fn what_is_given_holds_where_the_host_says_nothing() {
        let (_folder, home, mut central) =
            open(&json!({ "collectors": { "cpu": { "enabled": false } } }));
        let text = br#"{"interval": "20s", "collectors": {"cpu": {"enabled": true}, "load": {"enabled": false}}}"#;
        let (given, told) = central.take(&home, 7, text, NOW).unwrap();
        assert_eq!(given.interval, Some(Duration::from_secs(20)));
        let names: Vec<_> = given.collectors.iter().map(|c| c.name).collect();
        assert!(!names.contains(&"cpu") && !names.contains(&"load") && names.contains(&"memory"));
        assert_eq!(status(&told).0, Status::Ok);
    }

    #[test]
    fn a_server_starts_no_program_and_sends_the_agent_nowhere() {
        let (_folder, home, mut central) =
            open(&json!({ "collectors": { "systemd": { "units": ["nginx"] } } }));
        for text in [
            "collectors: {smart: {drives: [/dev/sda]}}\n",
            "collectors: {systemd: {units: [sshd]}}\n",
            "collectors: {systemd: {interval: 5m}}\n",
            "collectors: {containers: {}}\n",
            "collectors: {wan: {url: 'http://192.0.2.1/'}}\n",
            "collectors: {ntp: {chrony: true}}\n",
            "collectors: {ups: {server: '192.0.2.1:25'}}\n",
        ] {
            let told = central.take(&home, 7, text.as_bytes(), NOW).unwrap_err();
            assert!(status(&told).1.contains("by the host's own file alone"), "{text}: {told:?}");
        }
        let harmless =
            b"collectors: {certificates: {paths: [/etc/a.pem]}, ups: {enabled: false}}\n";
        let (given, _) = central.take(&home, 8, harmless, NOW).unwrap();
        let names: Vec<_> = given.collectors.iter().map(|c| c.name).collect();
        assert!(names.contains(&"certificates") && names.contains(&"systemd"));
        assert!(!names.contains(&"ups") && !names.contains(&"smart"));
    }

    #[test]
    fn a_wrong_one_is_refused_with_its_mistakes_and_the_one_before_stays() {
        let (_folder, home, mut central) = open(&json!({}));
        assert!(central.take(&home, 7, b"interval: 20s\n", NOW).is_ok());
        for text in [&b"intervall: 5s\n"[..], b"interval: [\n", b"\xff\xfe", b"interval: 0.1s\n"] {
            let told = central.take(&home, 8, text, NOW).unwrap_err();
            let (status, text) = status(&told);
            assert_eq!(status, Status::Warning);
            assert!(text.starts_with("configuration 00000008 is refused") && text.contains('\n'));
        }
        assert_eq!(central.taken().0, Some(8), "it is not fetched again");
        let mut again = Central::open(&home, "{}", Allowed::Nothing).unwrap();
        let (given, told) = again.at_start(&home, NOW);
        assert_eq!(given.unwrap().interval, Some(Duration::from_secs(20)));
        let (word, text) = status(&told);
        assert!(word == Status::Warning && text.starts_with("configuration 00000008 is refused"));
        assert_eq!(again.taken(), (Some(8), 0));
        assert!(again.take(&home, 9, b"interval: 40s\n", NOW).is_ok());
        let (given, told) = again.at_start(&home, NOW);
        assert_eq!(given.unwrap().interval, Some(Duration::from_secs(40)));
        assert_eq!(status(&told), (Status::Ok, "configuration 00000009"));
    }

    #[test]
    fn what_was_refused_for_the_hosts_own_file_is_taken_once_that_is_mended() {
        let own = json!({ "collectors": { "cpu": { "interval": "soon" } } });
        let (_folder, home, mut central) = open(&own);
        assert!(central.take(&home, 7, b"interval: 20s\n", NOW).is_err());
        let (given, told) = central.at_start(&home, NOW);
        assert!(given.is_none() && status(&told).0 == Status::Warning);
        let mended = Central::open(&home, "{}", Allowed::Nothing).unwrap();
        for _ in 0..2 {
            let (given, told) = mended.at_start(&home, NOW);
            assert_eq!(given.unwrap().interval, Some(Duration::from_secs(20)));
            assert_eq!(status(&told), (Status::Ok, "configuration 00000007"));
        }
    }

    #[test]
    fn limits_of_the_server_alone_are_taken_without_a_word_until_there_was_one() {
        let (_folder, home, mut central) = open(&json!({}));
        let marks = br#"{"marks": {"cpu_monitor.load_1min": ["> 8 7.2"]}}"#;
        let load = SeriesName::plain("cpu_monitor", "load_1min");
        let (given, told) = central.take(&home, 7, marks, NOW).unwrap();
        assert!(given.marks.of(&load).unwrap().1[0].is_crossed(8.5));
        assert_eq!(told, None);
        let (given, told) = central.at_start(&home, NOW);
        assert_eq!((given.unwrap().marks.of(&load).map(|(_, m)| m.len()), told), (Some(1), None));
        let refused = central.take(&home, 8, b"intervall: 5s\n", NOW).unwrap_err();
        assert_eq!(status(&refused).0, Status::Warning);
        let (_, told) = central.take(&home, 9, marks, NOW).unwrap();
        assert_eq!(status(&told).0, Status::Ok, "what was wrong is over");
        let newer = br#"{"marks": {"cpu_monitor.load_1min": {"from": "a newer server"}}}"#;
        let (given, told) = central.take(&home, 10, newer, NOW).unwrap();
        assert!(given.marks.is_empty() && told.is_none_or(|told| status(&told).0 == Status::Ok));
    }

    #[test]
    fn a_program_that_the_server_names_is_run_only_if_the_host_allows_its_name() {
        let given = br#"{"plugins": {"disk": "/bin/true", "mail": {"command": "/bin/false"}},
            "commands": {"queue": {"command": "/bin/echo"}, "own": {"command": "/bin/evil"}},
            "custom": {"lines": {"command": "/bin/cat"}},
            "nagios_runner": {"commands": [{"name": "swap", "command": "/bin/true"}]}}"#;
        let own = json!({ "commands": { "own": { "command": "/bin/date" } } });
        let took = |allowed| {
            let (_folder, home, _) = open(&json!({}));
            let mut central = Central::open(&home, &own.to_string(), allowed).unwrap();
            let (given, told) = central.take(&home, 7, given, NOW).unwrap();
            let jobs = format!("{:?}", given.jobs);
            assert!(jobs.contains("/bin/date") && !jobs.contains("/bin/evil"), "{jobs}");
            let (status, text) = status(&told);
            (status, text.to_owned(), given.jobs.refused().join(" "), jobs)
        };
        let (status, text, refused, jobs) = took(Allowed::Nothing);
        assert_eq!((status, &*refused), (Status::Warning, "queue disk mail swap lines"));
        assert!(text.contains("permit: [queue, disk, mail, swap, lines]"), "{text}");
        for program in ["/bin/true", "/bin/false", "/bin/echo", "/bin/cat"] {
            assert!(!jobs.contains(program), "{program}: {jobs}");
        }
        let names = Allowed::Names(vec!["disk".to_owned(), "swap".to_owned()]);
        let (_, _, refused, jobs) = took(names);
        assert_eq!(refused, "queue mail lines");
        assert!(jobs.contains("/bin/true") && jobs.contains("origin: Server"), "{jobs}");
        let (status, _, refused, jobs) = took(Allowed::All);
        assert_eq!((status, &*refused), (Status::Ok, ""));
        assert!(jobs.contains("/bin/cat"), "{jobs}");
    }

    #[test]
    fn the_server_gives_neither_permits_nor_actions_nor_identity() {
        let (_folder, home, mut central) = open(&json!({}));
        for text in [
            "{\"permit\": \"all\"}",
            "{\"actions\": {\"x\": {\"run\": \"/bin/true\"}}}",
            "{\"secret\": \"x\"}",
        ] {
            let told = central.take(&home, 7, text.as_bytes(), NOW).unwrap_err();
            assert!(status(&told).1.contains("is refused"), "{told:?}");
        }
    }

    #[test]
    fn an_order_is_taken_once_whatever_happens() {
        let (_folder, home, mut central) = open(&json!({}));
        let order = br#"{"action": "restart", "expires": 1000}"#;
        assert_eq!(central.take_order(5, order, Unix(0)), Ok(Some("restart".to_owned())));
        assert_eq!(central.take_order(5, order, Unix(0)), Ok(None));
        drop(central);
        let mut again = Central::open(&home, "{}", Allowed::Nothing).unwrap();
        assert_eq!(again.taken().1, 5);
        assert_eq!(again.take_order(5, order, Unix(0)), Ok(None), "not after a restart either");
        assert_eq!(again.take_order(4, order, Unix(0)), Ok(None));
        let late = Unix(1001 + MAX_AHEAD_MS);
        assert_eq!(again.take_order(6, order, late), Err("it came too late".to_owned()));
        for wrong in [&b"restart"[..], b"{}", b"{\"action\": 1, \"expires\": 1}"] {
            let number = again.taken().1 + 1;
            assert!(again.take_order(number, wrong, Unix(0)).is_err());
        }
    }

    #[test]
    fn when_nothing_is_given_any_more_the_hosts_own_holds() {
        let (_folder, home, mut central) = open(&json!({ "interval": "9s" }));
        assert_eq!(central.taken(), (None, 0));
        assert!(
            central
                .take(&home, 7, b"{\"collectors\": {\"cpu\": {\"enabled\": false}}}", NOW)
                .is_ok()
        );
        let (given, _) = central.take(&home, 0, b"", NOW).unwrap();
        assert_eq!(given.interval, Some(Duration::from_secs(9)));
        assert!(given.collectors.iter().any(|c| c.name == "cpu"));
        assert_eq!(Central::open(&home, "{}", Allowed::Nothing).unwrap().taken().0, Some(0));
    }
}
