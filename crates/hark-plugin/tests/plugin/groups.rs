//! Programs in control groups, where this machine lets the test make some.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_model::Clock;
use hark_plugin::{Exit, Runner};

use crate::support::{all_gone, invocation, mark, run, script};

const LONG: Duration = Duration::from_mins(1);

/// A group below which everything is ours.
struct Subtree(PathBuf);

impl Subtree {
    fn new(test: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let point = mounts.lines().find(|line| line.contains(" - cgroup2 "))?.split(' ').nth(4)?;
        let path = Path::new(point).join(mark(test));
        match fs::create_dir(&path) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                #[expect(clippy::print_stderr, reason = "who reads the output is to know")]
                {
                    eprintln!("SKIPPED: {}: {error}", path.display());
                }
                None
            }
        }
    }
}

impl Drop for Subtree {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.0));
    }
}

/// Whether the folder has no groups any more within some seconds.
fn empty(folder: &Path) -> bool {
    let begin = Clock.now().mono;
    let groups = || {
        let entries = fs::read_dir(folder).unwrap().filter_map(Result::ok);
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).count()
    };
    while groups() > 0 {
        if Clock.now().mono.since(begin) > Duration::from_secs(5) {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

#[test]
fn what_hides_from_its_process_group_and_its_mark_dies_with_its_control_group() {
    let Some(subtree) = Subtree::new("groups") else { return };
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("pid");
    let path = script(
        folder.path(),
        "hidden",
        &format!(
            "sleep 0.2\ncat /proc/self/cgroup\n\
             env -i /usr/bin/setsid /bin/sleep 1000 >/dev/null 2>&1 &\necho $! > {}",
            told.display()
        ),
    );
    let mark = mark("groups");
    let mut runner = Runner::within(&mark, 2, Some(&subtree.0));
    for _ in 0..2 {
        let finished = run(&mut runner, &invocation(&path.display().to_string(), LONG)).unwrap();
        let text = String::from_utf8(finished.output).unwrap();
        assert_eq!(finished.exit, Exit::Code(0));
        assert!(text.lines().any(|line| line.ends_with(&format!("/hark-{mark}/0"))), "{text}");
        let pid = fs::read_to_string(&told).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        let begin = Clock.now().mono;
        // Dead, or a zombie that nobody waits for.
        while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(Clock.now().mono.since(begin) < Duration::from_secs(10), "it lives on");
            std::thread::yield_now();
        }
    }
    assert!(all_gone(&mark));
    drop(runner);
    assert!(empty(&subtree.0), "groups are left");
}
