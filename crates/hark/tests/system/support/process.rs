//! A process of the test: its output goes to files, and it does not outlive its value.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::HARK;
use super::wait::{Deadline, until};

/// How long a command of `hark` may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A process that runs, or ran.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    out: PathBuf,
    err: PathBuf,
}

/// Returns a command whose surroundings are the test's alone: no configuration of this machine's users.
pub(crate) fn clean(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("HOME", folder).stdin(Stdio::null());
    for name in ["HARK_CONFIG", "HARK_DATA", "HARK_URL", "HARK_TOKEN", "HARK_FINGERPRINT"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
///
/// # Panics
/// If it takes more than `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let id = child.id();
    let (to, done) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || drop(to.send(child.wait_with_output())));
    let Ok(output) = done.recv_timeout(limit) else {
        send_signal(id, "KILL");
        panic!("{command:?} did not end within {limit:?}");
    };
    output.unwrap()
}

/// Runs `hark` in `folder` with words that hold no spaces.
pub(crate) fn hark(folder: &Path, line: &str) -> Output {
    run(clean(HARK, folder).args(line.split_whitespace()), PATIENCE)
}

/// As [`hark`], but it must succeed.
pub(crate) fn hark_does(folder: &Path, line: &str) -> Output {
    let done = hark(folder, line);
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    done
}

/// Returns what a command has printed as JSON.
pub(crate) fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Runs a command that must succeed and returns what it printed.
pub(crate) fn succeed(command: &mut Command, limit: Duration) -> String {
    let output = run(command, limit);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {:?}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Sends a signal to one process.
pub(crate) fn send_signal(id: u32, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, &id.to_string()]).output();
    assert!(sent.is_ok(), "cannot run kill: {sent:?}");
}

impl Process {
    /// Starts `command`; what it prints goes to files in `folder` that are named after `name`.
    pub(crate) fn start(command: &mut Command, folder: &Path, name: &str) -> Self {
        let (out, err) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        let append = |path: &Path| File::options().create(true).append(true).open(path).unwrap();
        // The output of an earlier process of this name stays only in the errors: a log of all.
        drop(std::fs::remove_file(&out));
        command.stdin(Stdio::null()).stdout(append(&out)).stderr(append(&err));
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { child, name: name.to_owned(), out, err }
    }

    /// Returns its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it has printed so far.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// Returns what it has complained of so far.
    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// Returns whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        self.child.wait().unwrap();
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        send_signal(self.id(), signal);
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let name = self.name.clone();
        until(&format!("the end of {name}"), limit, || self.child.try_wait().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // In order first: a mail server has children that it ends itself.
        if matches!(self.child.try_wait(), Ok(None)) {
            send_signal(self.child.id(), "TERM");
            let patience = Deadline::after(Duration::from_secs(2));
            while matches!(self.child.try_wait(), Ok(None)) && !patience.is_over() {
                super::wait::pause(Duration::from_millis(20));
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let errors = self.errors();
            let lines: Vec<&str> = errors.lines().collect();
            let last = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("--- {} printed:\n{}\n{last}\n---", self.name, self.output());
        }
    }
}
