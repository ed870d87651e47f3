//! Who is logged in.
//!
//! Debian 12 and before keep `/run/utmp`; later ones have none, and systemd's own list of sessions
//! remains. Where both are, utmp is taken: it is what `who` shows. Its entries whose process has ended
//! were never removed, and do not count.

use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, gauge};
use crate::rate::number;
use crate::source::{Source, names};

/// The kind of collector.
#[derive(Debug)]
pub struct Logins;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// People stay longer.
const EVERY: Duration = Duration::from_mins(1);

/// Bound on sessions that are looked at one by one.
const MAX_SESSIONS: usize = 1024;

/// Bytes of a `struct utmp` of glibc, the same on all its 64-bit and most 32-bit targets.
const RECORD: usize = 384;

/// `USER_PROCESS`
const USER: i16 = 7;

impl CollectorType for Logins {
    fn name(&self) -> &'static str {
        "logins"
    }

    fn manual(&self) -> &'static str {
        "Who is logged in, each minute, as `login_monitor`:\n\n\
         - `sessions`: logins on terminals, screens and over the network; `users`: how many \
         different people these are\n\n\
         From `/run/utmp` (utmp(5)); where that is not kept any more, from systemd's list in \
         `/run/systemd/sessions`."
    }

    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn example(&self) -> &'static str {
        "interval: 5m\n"
    }

    fn read(&self, _section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings)
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        let (run, var) = (Source::new(root, "run/utmp"), Source::new(root, "var/run/utmp"));
        Box::new(LoginCollector { root: root.clone(), utmp: [run, var], first: true })
    }
}

#[derive(Debug)]
struct LoginCollector {
    root: Root,
    utmp: [Source; 2],
    first: bool,
}

impl Collector for LoginCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let mut users = match self.by_utmp() {
            Some(users) => users,
            None => by_systemd(&self.root)?,
        };
        let sessions = users.len();
        users.sort_unstable();
        users.dedup();
        values.extend([sessions, users.len()].map(|count| number(count as u64)));
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        ["sessions", "users"]
            .map(|metric| gauge(SeriesName::plain("login_monitor", metric), Unit::None, 0))
            .to_vec()
    }
}

impl LoginCollector {
    /// Returns the user of each session; none without the file.
    fn by_utmp(&mut self) -> Option<Vec<String>> {
        let root = &self.root;
        let bytes = self.utmp.iter_mut().find_map(|source| source.read().ok())?;
        let lives = |pid: u32| root.join("proc").join(pid.to_string()).exists();
        Some(parse(bytes).filter(|(pid, _)| lives(*pid)).map(|(_, user)| user).collect())
    }
}

/// Returns process and user of each login.
fn parse(bytes: &[u8]) -> impl Iterator<Item = (u32, String)> {
    bytes.chunks_exact(RECORD).take(MAX_SESSIONS).filter_map(|record| {
        let kind = i16::from_ne_bytes(record.get(..2)?.try_into().ok()?);
        let pid = i32::from_ne_bytes(record.get(4..8)?.try_into().ok()?);
        let user = record.get(44..76)?;
        let end = user.iter().position(|b| *b == 0).unwrap_or(user.len());
        let user = String::from_utf8_lossy(user.get(..end)?).into_owned();
        (kind == USER && !user.is_empty()).then_some((u32::try_from(pid).ok()?, user))
    })
}

fn by_systemd(root: &Root) -> Result<Vec<String>, Absent> {
    const FOLDER: &str = "run/systemd/sessions";
    let folder = root.join(FOLDER);
    if !folder.is_dir() {
        return Err(Absent::nothing_at(folder));
    }
    // A session has a file with its settings and a `.ref`, which is a pipe: opening that would wait.
    let files = names(&folder, MAX_SESSIONS * 2).into_iter().filter(|name| !name.contains('.'));
    let read = |name: String| root.text(&format!("{FOLDER}/{name}"));
    Ok(files.filter_map(read).filter_map(|text| session(&text)).collect())
}

/// Returns the user of a session that is one of a person.
fn session(text: &str) -> Option<String> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    // Others are login screens, lock screens, and managers that run in the background.
    let is_user = value("CLASS").is_none_or(|class| matches!(class, "user" | "user-early"));
    let is_open = value("STATE") != Some("closing");
    let user = value("USER").or_else(|| value("UID"))?;
    (is_user && is_open).then(|| user.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: i16, pid: i32, user: &str) -> Vec<u8> {
        let mut record = vec![0; RECORD];
        record[..2].copy_from_slice(&kind.to_ne_bytes());
        record[4..8].copy_from_slice(&pid.to_ne_bytes());
        record[8..13].copy_from_slice(b"pts/0");
        record[44..44 + user.len()].copy_from_slice(user.as_bytes());
        record
    }

    fn look(root: &std::path::Path) -> Result<Vec<f64>, Absent> {
        let mut values = Vec::new();
        Settings.make(&Root::at(root)).collect(Mono(0), &mut values)?;
        Ok(values)
    }

    #[test]
    fn logins_of_living_processes_count_and_a_person_is_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        for pid in ["10", "11", "12"] {
            std::fs::create_dir_all(folder.path().join("proc").join(pid)).unwrap();
        }
        let long = "u".repeat(32);
        let records = [
            record(2, 0, "reboot"),
            record(USER, 10, "alice"),
            record(USER, 11, "alice"),
            record(USER, 12, &long),
            record(USER, 99, "gone"),
            record(8, 10, ""),
            vec![7; 100],
        ];
        std::fs::write(folder.path().join("run/utmp"), records.concat()).unwrap();
        assert_eq!(look(folder.path()).unwrap(), [3.0, 2.0]);
        std::fs::write(folder.path().join("run/utmp"), "").unwrap();
        assert_eq!(look(folder.path()).unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn without_utmp_the_sessions_of_systemd_count() {
        let folder = tempfile::tempdir().unwrap();
        assert!(look(folder.path()).unwrap_err().is_missing());
        let sessions = folder.path().join("run/systemd/sessions");
        std::fs::create_dir_all(&sessions).unwrap();
        let write = |name: &str, text: &str| std::fs::write(sessions.join(name), text).unwrap();
        write("4", "# This is private data\nUID=1000\nUSER=bob\nSTATE=active\nCLASS=user\n");
        write("7", "UID=1000\nUSER=bob\nSTATE=online\nCLASS=user\n");
        write("8", "UID=0\nUSER=root\nSTATE=closing\nCLASS=user\n");
        write("c1", "UID=105\nUSER=gdm\nSTATE=active\nCLASS=greeter\n");
        write("9", "UID=1000\nUSER=bob\nSTATE=active\nCLASS=manager\n");
        write("4.ref", "USER=pipe\n");
        assert_eq!(look(folder.path()).unwrap(), [2.0, 1.0]);
    }
}
