//! A process of the test: its output goes to a file, and it does not outlive its value.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hark_model::Clock;

/// How long between two looks.
const STEP: Duration = Duration::from_millis(20);

/// The user that servers run as which do not like to be root.
const NOBODY: u32 = 65534;

/// Looks again and again until `look` says yes.
pub(crate) async fn until(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> bool) {
    let began = Clock.now().mono;
    while !look().await {
        assert!(Clock.now().mono.since(began) < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(STEP).await;
    }
}

/// A process that runs.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in a process group of its own; what it prints goes to a file in `folder`.
    pub(crate) fn start(command: &mut Command, folder: &Path) -> Self {
        let log = folder.join("printed");
        let file = || File::options().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file()).stderr(file()).process_group(0);
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { child, log }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).output();
        assert!(sent.is_ok(), "cannot run kill: {sent:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // In order first: many have children that they end themselves.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
            let began = Clock.now().mono;
            while matches!(self.child.try_wait(), Ok(None))
                && Clock.now().mono.since(began) < Duration::from_secs(3)
            {
                std::thread::park_timeout(STEP);
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- {}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

/// Lets `command` run as nobody if the test is root.
pub(crate) fn as_nobody(command: &mut Command, folder: &Path) {
    // The owner of a folder that this test has made says who it is.
    if std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder).unwrap()) == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// Makes a folder that everybody may enter, and `name` in it, which belongs to nobody.
pub(crate) fn folder_of_nobody(folder: &Path, name: &str) -> PathBuf {
    open_to_all(folder);
    let path = folder.join(name);
    std::fs::create_dir_all(&path).unwrap();
    // Only root can give it away, and must.
    drop(chown(&path, Some(NOBODY), Some(NOBODY)));
    path
}

/// Lets everybody enter and read.
pub(crate) fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}
