//! The journal of received messages: one JSON object a line, for people with `tail`, `grep` and `jq`.
//!
//! The keys are those of seed 001: `timestamp` (Unix seconds with a fraction), `datetime` (UTC, ISO
//! 8601 without a zone), `source_ip`, `source_port`, `message` (the object as it was received). When
//! the file has reached its size it becomes `.1`, what was `.1` becomes `.2`, and so on; the oldest
//! above the number kept is removed.
//!
//! A writer belongs to one thread with a bounded queue before it, so that a slow disk never holds up
//! a receiver. A line that cannot be written is lost and counted; nothing of hark depends on this
//! file.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use hark_model::Unix;
use hark_model::time::civil;
use serde_json::Value;

use crate::disk::Disk;

/// Bytes gathered before they are written; [`Journal::flush`] writes them sooner.
const BUFFER: usize = 64 * 1024;

/// The longest line that is read back: far above the largest datagram, so that a file that is no
/// journal does not fill the memory.
const MAX_LINE: u64 = 1024 * 1024;

/// Where the journal lies and how large it may grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// Size in bytes at which the file is put aside.
    pub max_size: u64,
    /// How many files that were put aside are kept.
    pub max_backups: u32,
}

impl Settings {
    /// Returns the seed's settings for a file: 100 MiB, ten old ones.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_size: 104_857_600, max_backups: 10 }
    }

    /// Returns where the file put aside as number `n` lies; 0 is the present one.
    fn backup(&self, n: u32) -> PathBuf {
        if n == 0 {
            return self.path.clone();
        }
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        name.into()
    }
}

/// The journal, open for writing.
#[derive(Debug)]
pub struct Journal {
    settings: Settings,
    disk: Disk,
    file: File,
    len: u64,
    buffer: Vec<u8>,
    n_buffered: u64,
    lost: u64,
}

impl Journal {
    /// Opens the journal, making its folder and file if they are not there.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn open(settings: Settings) -> io::Result<Self> {
        Self::open_on(settings, Disk::real())
    }

    /// Opens the journal on a given disk: for tests.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn open_on(settings: Settings, disk: Disk) -> io::Result<Self> {
        if let Some(dir) = settings.path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let (file, len) = open_end(&settings.path)?;
        let buffer = Vec::with_capacity(BUFFER);
        Ok(Self { settings, disk, file, len, buffer, n_buffered: 0, lost: 0 })
    }

    /// Adds a message received at `at`; events of the server itself have no source.
    pub fn write(&mut self, at: Unix, source: Option<SocketAddr>, message: &Value) {
        let (seconds, millis) = (at.0.div_euclid(1000), at.0.rem_euclid(1000));
        let ip = source.map(|s| s.ip().to_canonical().to_string());
        let port = source.map(|s| s.port());
        let line = format!(
            "{{\"timestamp\":{seconds}.{millis:03},\"datetime\":\"{}\",\"source_ip\":{},\
             \"source_port\":{},\"message\":{message}}}\n",
            datetime(at),
            ip.map_or_else(|| "null".to_owned(), |ip| format!("\"{ip}\"")),
            port.map_or_else(|| "null".to_owned(), |port| port.to_string()),
        );
        self.add(&line);
    }

    /// Adds a line of another form; it has no line feed in it.
    pub fn write_line(&mut self, line: &str) {
        self.add(&format!("{line}\n"));
    }

    /// Puts the file aside now, whatever its size, unless it is empty.
    pub fn put_aside_now(&mut self) {
        self.flush();
        if self.len > 0 {
            self.rotate();
        }
    }

    fn add(&mut self, line: &str) {
        let size = self.len + self.buffer.len() as u64;
        if size > 0 && size + line.len() as u64 > self.settings.max_size {
            self.flush();
            self.rotate();
        }
        self.buffer.extend_from_slice(line.as_bytes());
        self.n_buffered += 1;
        if self.buffer.len() >= BUFFER {
            self.flush();
        }
    }

    /// Writes what has gathered. Call it when the queue is empty and every second or so.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        match self.disk.append(&mut self.file, &self.buffer) {
            Ok(()) => self.len += self.buffer.len() as u64,
            Err(error) => {
                self.lost += self.n_buffered;
                tracing::warn!(%error, lost = self.lost, "journal not written");
                // Half a line would spoil the next one.
                let cut = self
                    .file
                    .set_len(self.len)
                    .and_then(|()| self.file.seek(SeekFrom::Start(self.len)).map(|_| ()));
                if let Err(error) = cut {
                    tracing::warn!(%error, "journal may hold half a line");
                }
            }
        }
        self.buffer.clear();
        self.n_buffered = 0;
    }

    fn rotate(&mut self) {
        let result = self.put_aside().and_then(|()| open_end(&self.settings.path));
        match result {
            Ok((file, len)) => (self.file, self.len) = (file, len),
            // The old file goes on growing: better too large than lost.
            Err(error) => tracing::warn!(%error, "journal not rotated"),
        }
    }

    fn put_aside(&self) -> io::Result<()> {
        let keep = self.settings.max_backups;
        self.disk.remove(&self.settings.backup(keep))?;
        for n in (0..keep).rev() {
            let (from, to) = (self.settings.backup(n), self.settings.backup(n + 1));
            match self.disk.rename(&from, &to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Returns how many lines were lost since the start.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Tells whether another file has the name of an open one by now.
#[cfg(unix)]
fn was_rotated(open: &File, path: &Path) -> io::Result<bool> {
    let open = open.metadata()?.ino();
    Ok(std::fs::metadata(path).is_ok_and(|present| present.ino() != open))
}

/// As above: what was begun later was made later.
#[cfg(windows)]
fn was_rotated(open: &File, path: &Path) -> io::Result<bool> {
    let open = open.metadata()?.created()?;
    Ok(std::fs::metadata(path)?.created().is_ok_and(|present| present != open))
}

/// Opens a file at its end; a last line that is not whole (the machine died) is ended.
fn open_end(path: &Path) -> io::Result<(File, u64)> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut len = file.seek(SeekFrom::End(0))?;
    if len > 0 {
        let mut last = [0];
        crate::disk::read_exact_at(&file, &mut last, len - 1)?;
        file.seek(SeekFrom::End(0))?;
        if last != *b"\n" {
            io::Write::write_all(&mut file, b"\n")?;
            len += 1;
        }
    }
    Ok((file, len))
}

/// Returns `at` in UTC as `2026-11-20T22:03:01.250`.
fn datetime(at: Unix) -> String {
    let (days, ms) = (at.0.div_euclid(86_400_000), at.0.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let ms = ms % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}")
}

/// A line of the journal, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it was received.
    pub at: Unix,
    /// From where.
    pub source_ip: Option<IpAddr>,
    /// From which port.
    pub source_port: Option<u16>,
    /// The message.
    pub message: Value,
    /// The line as it stands in the file.
    pub line: String,
}

impl Entry {
    /// Reads a line; `None` if it is none of a journal.
    fn read(line: &str) -> Option<Self> {
        let mut value: Value = serde_json::from_str(line).ok()?;
        let seconds = value.get("timestamp")?.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "far out of range becomes the last moment"
        )]
        let at = Unix((seconds * 1000.0).round() as i64);
        let source_ip = value.get("source_ip").and_then(Value::as_str).and_then(|s| s.parse().ok());
        let port = value.get("source_port").and_then(Value::as_u64);
        let message = value.get_mut("message")?.take();
        let source_port = port.and_then(|p| u16::try_from(p).ok());
        Some(Self { at, source_ip, source_port, message, line: line.to_owned() })
    }

    fn word(&self, key: &str) -> Option<&str> {
        self.message.get(key)?.as_str()
    }
}

/// Which lines; all given parts must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Only with this `message.ID`, in any case.
    pub id: Option<String>,
    /// Only with this `message.name`.
    pub name: Option<String>,
    /// Only from this address.
    pub source_ip: Option<IpAddr>,
    /// Only from then on.
    pub from: Option<Unix>,
    /// Only before then.
    pub before: Option<Unix>,
    /// Only with this text somewhere in the line.
    pub contains: Option<String>,
}

impl Filter {
    /// Returns true if `entry` is one of these.
    pub fn matches(&self, entry: &Entry) -> bool {
        self.id
            .as_ref()
            .is_none_or(|id| entry.word("ID").is_some_and(|word| word.eq_ignore_ascii_case(id)))
            && self.name.as_ref().is_none_or(|name| entry.word("name") == Some(name))
            && self.source_ip.is_none_or(|ip| entry.source_ip == Some(ip))
            && self.from.is_none_or(|from| entry.at >= from)
            && self.before.is_none_or(|before| entry.at < before)
            && self.contains.as_ref().is_none_or(|text| entry.line.contains(text))
    }
}

/// Reads a journal from its oldest line to its newest, and on as it grows.
#[derive(Debug)]
pub struct JournalReader {
    path: PathBuf,
    filter: Filter,
    /// Files still to be opened, oldest first.
    files: VecDeque<PathBuf>,
    file: Option<BufReader<File>>,
    /// The beginning of a line whose end is not written yet.
    partial: Vec<u8>,
    skipped: u64,
}

impl JournalReader {
    /// Opens the journal at `path` with the files that were put aside.
    pub fn open(path: &Path, filter: Filter) -> Self {
        let settings = Settings::new(path);
        let mut files = VecDeque::from([path.to_owned()]);
        for n in 1.. {
            let backup = settings.backup(n);
            if !backup.exists() {
                break;
            }
            files.push_front(backup);
        }
        let (path, partial) = (path.to_owned(), Vec::new());
        Self { path, filter, files, file: None, partial, skipped: 0 }
    }

    /// Returns the next line that matches; `None` at the end for now. Ask again later for what was
    /// written since: a rotation in between is followed.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        loop {
            if self.file.is_none() {
                let Some(path) = self.files.pop_front() else { return Ok(None) };
                match File::open(path) {
                    Ok(file) => self.file = Some(BufReader::new(file)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
                continue;
            }
            if self.read_line()? {
                let line = std::mem::take(&mut self.partial);
                let line = String::from_utf8_lossy(&line);
                let line = line.trim_end();
                match Entry::read(line) {
                    Some(entry) if self.filter.matches(&entry) => return Ok(Some(entry)),
                    Some(_) => {}
                    None => self.skipped += u64::from(!line.is_empty()),
                }
            } else if !self.next_file()? {
                return Ok(None);
            }
        }
    }

    /// Reads on until a line is whole. Returns false at the end of the file.
    fn read_line(&mut self) -> io::Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        loop {
            let room = MAX_LINE.saturating_sub(self.partial.len() as u64).max(1);
            io::Read::take(&mut *file, room).read_until(b'\n', &mut self.partial)?;
            if self.partial.last() == Some(&b'\n') {
                return Ok(true);
            }
            if (self.partial.len() as u64) < MAX_LINE {
                return Ok(false);
            }
            // Too long: what follows up to the line feed is skipped as a line that is none.
            self.partial.clear();
            self.skipped += 1;
        }
    }

    /// Goes on with the next file: one that waits, or the one that was begun by a rotation.
    fn next_file(&mut self) -> io::Result<bool> {
        if self.files.is_empty() {
            let Some(file) = &self.file else { return Ok(false) };
            if !was_rotated(file.get_ref(), &self.path)? {
                return Ok(false);
            }
            self.files.push_back(self.path.clone());
        }
        self.skipped += u64::from(!self.partial.is_empty());
        self.partial.clear();
        self.file = None;
        Ok(true)
    }

    /// Returns the last `n` lines that match.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn last(&mut self, n: usize) -> io::Result<Vec<Entry>> {
        let mut last = VecDeque::new();
        while let Some(entry) = self.next_entry()? {
            last.push_back(entry);
            if last.len() > n {
                last.pop_front();
            }
        }
        Ok(last.into())
    }

    /// Returns how many lines were none of a journal.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::disk::{Break, FaultPlan};

    const AT: Unix = Unix(1_795_212_181_250);

    fn source() -> SocketAddr {
        "192.0.2.7:50003".parse().unwrap()
    }

    fn lines(path: &Path) -> Vec<String> {
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    fn names(reader: &mut JournalReader) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            names.push(entry.word("name").unwrap().to_owned());
        }
        names
    }

    #[test]
    fn a_line_has_the_seeds_keys() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/journal.jsonl");
        let mut journal = Journal::open(Settings::new(&path)).unwrap();
        journal.write(AT, Some(source()), &json!({"ID": "HTB", "name": "db1\nx", "interval": 30}));
        journal.write(Unix(5), None, &json!({"ID": "THR"}));
        drop(journal);
        let lines = lines(&path);
        assert_eq!(
            lines[0],
            r#"{"timestamp":1795212181.250,"datetime":"2026-11-20T22:03:01.250","source_ip":"192.0.2.7","source_port":50003,"message":{"ID":"HTB","interval":30,"name":"db1\nx"}}"#
        );
        assert_eq!(
            lines[1],
            r#"{"timestamp":0.005,"datetime":"1970-01-01T00:00:00.005","source_ip":null,"source_port":null,"message":{"ID":"THR"}}"#
        );
        let entry = JournalReader::open(&path, Filter::default()).next_entry().unwrap().unwrap();
        assert_eq!((entry.at, entry.source_port), (AT, Some(50003)));
        assert_eq!(entry.line, lines[0]);
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (24_855, (2038, 1, 19)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil(days), expected);
        }
    }

    #[test]
    fn full_files_are_put_aside_newest_first_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let settings = Settings { max_size: 300, max_backups: 2, path: path.clone() };
        let mut journal = Journal::open(settings).unwrap();
        for n in 0..10 {
            journal.write(AT, Some(source()), &json!({"ID": "HTB", "name": format!("host{n}")}));
        }
        journal.flush();
        for n in 0..=2 {
            let file = Settings::new(&path).backup(n);
            assert!(std::fs::metadata(file).unwrap().len() <= 300);
        }
        assert!(!dir.path().join("journal.3").exists());
        let mut reader = JournalReader::open(&path, Filter::default());
        assert_eq!(names(&mut reader), ["host4", "host5", "host6", "host7", "host8", "host9"]);
    }

    #[test]
    fn without_old_files_a_full_one_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let settings = Settings { max_size: 300, max_backups: 0, path: path.clone() };
        let mut journal = Journal::open(settings).unwrap();
        for _ in 0..5 {
            journal.write(AT, Some(source()), &json!({"ID": "HTB", "name": "a"}));
        }
        journal.flush();
        assert_eq!(lines(&path).len(), 1);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_reader_follows_growth_and_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let settings = Settings { max_size: 300, max_backups: 5, path: path.clone() };
        let mut journal = Journal::open(settings).unwrap();
        let mut reader = JournalReader::open(&path, Filter::default());
        let mut seen = Vec::new();
        for n in 0..7 {
            journal.write(AT, Some(source()), &json!({"ID": "HTB", "name": n.to_string()}));
            journal.flush();
            seen.extend(names(&mut reader));
        }
        assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
    }

    #[test]
    fn lines_are_filtered_and_foreign_ones_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(Settings::new(&path)).unwrap();
        for n in 0..6 {
            let id = if n % 2 == 0 { "HTB" } else { "BOOT" };
            let at = Unix(AT.0 + n * 1000);
            journal.write(at, Some(source()), &json!({"ID": id, "name": format!("host{n}")}));
        }
        journal.flush();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.splice(0..0, *b"no json\n{\"timestamp\":1}\n\xff\xfe\n\n");
        bytes.extend_from_slice(b"{\"timestamp\":9,\"mess");
        std::fs::write(&path, bytes).unwrap();
        let all = Filter::default();
        let boots = Filter { id: Some("boot".to_owned()), ..all.clone() };
        let late = Filter { from: Some(Unix(AT.0 + 2000)), ..all.clone() };
        let early = Filter { before: Some(Unix(AT.0 + 2000)), ..boots.clone() };
        let name = Filter { name: Some("host3".to_owned()), ..all.clone() };
        let other = Filter { source_ip: Some("192.0.2.8".parse().unwrap()), ..all.clone() };
        let text = Filter { contains: Some("host5".to_owned()), ..all.clone() };
        for (filter, n) in
            [(&all, 6), (&boots, 3), (&late, 4), (&early, 1), (&name, 1), (&other, 0), (&text, 1)]
        {
            let mut reader = JournalReader::open(&path, filter.clone());
            assert_eq!(names(&mut reader).len(), n, "{filter:?}");
            assert_eq!(reader.skipped(), 3);
        }
        let last = JournalReader::open(&path, boots).last(2).unwrap();
        assert_eq!(last.len(), 2);
        assert_eq!(last[1].word("name"), Some("host5"));
        // The writer ends the half line, so that the next one is whole.
        let mut journal = Journal::open(Settings::new(&path)).unwrap();
        journal.write(AT, Some(source()), &json!({"name": "after"}));
        journal.flush();
        let mut reader = JournalReader::open(&path, all);
        assert_eq!(names(&mut reader).last().unwrap(), "after");
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        std::fs::write(&path, vec![b'x'; 3 * 1024 * 1024 + 5]).unwrap();
        let mut journal = Journal::open(Settings::new(&path)).unwrap();
        journal.write(AT, Some(source()), &json!({"name": "after"}));
        drop(journal);
        let mut reader = JournalReader::open(&path, Filter::default());
        assert_eq!(names(&mut reader), ["after"]);
        assert!(reader.partial.capacity() < 3 * 1024 * 1024);
    }

    #[test]
    fn a_full_disk_loses_lines_but_spoils_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        for what in [Break::Full, Break::Io] {
            let disk = Disk::breaking(FaultPlan::at(1, what));
            let mut journal = Journal::open_on(Settings::new(&path), disk).unwrap();
            for name in ["a", "b", "c"] {
                journal.write(AT, Some(source()), &json!({"name": name}));
                journal.flush();
            }
            assert_eq!(journal.lost(), 1);
        }
        let mut reader = JournalReader::open(&path, Filter::default());
        assert_eq!(names(&mut reader), ["a", "c", "a", "c"]);
        assert_eq!(reader.skipped(), 0);
    }
}
