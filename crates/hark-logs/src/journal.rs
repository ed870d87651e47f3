//! The journal of systemd, through its own program: `journalctl --follow --output=json`.
//!
//! The program knows every version of the journal's files, and its cursor is exact after a restart.
//! It is started without a shell, with fixed arguments and the words of the settings; whatever it
//! says that is no entry is skipped. When it ends it is started again.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use hark_model::{Mono, Now};
use serde_json::Value;

use crate::settings::JournalFilter;
use crate::state::JournalState;
use crate::sys::{self, Waited};
use crate::team::{Crew, Record, Team};

/// How long to wait before it is started again.
const AGAIN: Duration = Duration::from_secs(10);

/// Bound on one entry: longer ones (dumps of a core) are skipped.
const MAX_ENTRY: usize = 256 * 1024;

/// What hits in the journal name as their file.
const NAME: &str = "journal";

/// The fields that are asked for; cursor and time come with them.
const FIELDS: &str = "--output-fields=MESSAGE";

/// The journal as one filter shows it.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) filter: JournalFilter,
    pub(crate) members: Vec<usize>,
    pub(crate) state: JournalState,
    program: PathBuf,
    running: Option<Running>,
    /// When it is started next.
    start: Mono,
    held: Vec<u8>,
    /// Whether the rest of a line that is too long is being skipped.
    skips: bool,
    /// Whether it is known to fail, which was said.
    failed: bool,
}

#[derive(Debug)]
struct Running {
    child: Child,
    out: ChildStdout,
}

/// What a reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Something was read, there may be more.
    More,
    /// Nothing is there now.
    Idle,
    /// It has ended, which is news.
    Failed,
}

impl Journal {
    pub(crate) fn new(
        program: &Path,
        filter: JournalFilter,
        state: Option<JournalState>,
        now: Now,
    ) -> Self {
        let fresh = || JournalState { cursor: None, since: now.unix.seconds() };
        Self {
            filter,
            members: Vec::new(),
            state: state.unwrap_or_else(fresh),
            program: program.to_owned(),
            running: None,
            start: now.mono,
            held: Vec::new(),
            skips: false,
            failed: false,
        }
    }

    /// Returns what can be waited on, while it runs.
    pub(crate) fn descriptor(&self) -> Option<Waited<'_>> {
        self.running.as_ref().and_then(|running| sys::output(&running.out))
    }

    /// Returns when it must be started.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.running.is_none().then_some(self.start)
    }

    /// Returns what the program is started with.
    fn arguments(&self) -> Vec<String> {
        let fixed = ["--follow", "--no-tail", "--output=json", FIELDS, "--quiet", "--no-pager"];
        let mut arguments: Vec<String> = fixed.map(str::to_owned).into();
        arguments.push(match &self.state.cursor {
            Some(cursor) => format!("--after-cursor={cursor}"),
            None => format!("--since=@{}", self.state.since),
        });
        arguments.extend(self.filter.units.iter().map(|unit| format!("--unit={unit}")));
        let identifiers = self.filter.identifiers.iter();
        arguments.extend(identifiers.map(|identifier| format!("--identifier={identifier}")));
        arguments.extend(self.filter.priority.map(|priority| format!("--priority={priority}")));
        arguments
    }

    /// Reads what is there, at most some buffers.
    pub(crate) fn step(
        &mut self,
        buffer: &mut [u8],
        team: &mut Team,
        crew: &mut Crew,
        now: Now,
    ) -> Said {
        if self.running.is_none() && now.mono < self.start {
            return Said::Idle;
        }
        let outcome = self.read(buffer, team, crew, now);
        match outcome {
            Ok(true) => {
                self.failed = false;
                Said::More
            }
            Ok(false) => Said::Idle,
            Err(error) => {
                self.end();
                self.start = now.mono + AGAIN;
                tracing::debug!(%error, "journalctl is started again");
                if std::mem::replace(&mut self.failed, true) { Said::Idle } else { Said::Failed }
            }
        }
    }

    fn read(
        &mut self,
        buffer: &mut [u8],
        team: &mut Team,
        crew: &mut Crew,
        now: Now,
    ) -> io::Result<bool> {
        if self.running.is_none() {
            self.running = Some(self.begin()?);
        }
        let Some(running) = &mut self.running else { return Ok(false) };
        let Some(out) = sys::output(&running.out) else { return Ok(false) };
        if !sys::readable(&[out], Duration::ZERO)?.contains(&true) {
            return Ok(false);
        }
        let len = running.out.read(buffer)?;
        if len == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let data = buffer.get(..len).unwrap_or_default();
        for line in data.split_inclusive(|byte| *byte == b'\n') {
            self.line(line, team, crew, now);
        }
        Ok(true)
    }

    fn begin(&self) -> io::Result<Running> {
        if cfg!(windows) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut child = Command::new(&self.program)
            .args(self.arguments())
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let out = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Running { child, out })
    }

    /// Takes a piece of output that ends with a line feed, or does not yet.
    fn line(&mut self, piece: &[u8], team: &mut Team, crew: &mut Crew, now: Now) {
        let ends = piece.last() == Some(&b'\n');
        if self.skips {
            self.skips = !ends;
            return;
        }
        if self.held.len() + piece.len() > MAX_ENTRY {
            self.held = Vec::new();
            self.skips = !ends;
            return;
        }
        if !ends {
            self.held.extend_from_slice(piece);
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(piece);
        let Some(entry) = entry(&held) else { return };
        let record = Record { file: NAME, text: &entry.message, told: &[] };
        team.record(crew, &record, now);
        self.state.cursor = Some(entry.cursor);
    }

    /// Ends the program.
    fn end(&mut self) {
        self.held = Vec::new();
        self.skips = false;
        let Some(mut running) = self.running.take() else { return };
        // It may have ended by itself.
        drop(running.child.kill());
        drop(running.child.wait());
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.end();
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    cursor: String,
    message: Vec<u8>,
}

/// Reads one entry; none if the line is none. A message that is no text stands as a list of bytes,
/// several messages as a list of them, one that is too long for the program as null.
fn entry(line: &[u8]) -> Option<Entry> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let cursor = value.get("__CURSOR")?.as_str()?.to_owned();
    let message = message(value.get("MESSAGE").unwrap_or(&Value::Null));
    Some(Entry { cursor, message })
}

fn message(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Array(items) if items.iter().all(Value::is_number) => {
            let byte = |item: &Value| item.as_u64().and_then(|byte| u8::try_from(byte).ok());
            items.iter().filter_map(byte).collect()
        }
        Value::Array(items) => items.iter().map(message).collect::<Vec<_>>().join(&b'\n'),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
