//! Runs one program to its end, as an agent would.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hark_model::Clock;
use hark_plugin::{
    Finished, Happened, Invocation, Output, Permit, Poller, Program, Runner, StartError,
};

/// What is to be run.
pub(crate) fn invocation(line: &str, limit: Duration) -> Invocation {
    Invocation {
        program: Arc::new(Program::parse(line).unwrap()),
        permit: Permit::host_file("test"),
        limit: Some(limit),
        output: Output::Whole,
        memory: None,
    }
}

/// Waits for what happens next.
pub(crate) fn turn(runner: &mut Runner, poller: &mut Poller) -> Vec<Happened> {
    poller.clear();
    runner.wait_for(poller);
    let now = Clock.now().mono;
    poller.wait(runner.deadline().map(|deadline| deadline.since(now))).unwrap();
    let mut happened = Vec::new();
    runner.advance(poller, Clock.now(), &mut happened);
    happened
}

/// Runs `invocation` to its end.
pub(crate) fn run(runner: &mut Runner, invocation: &Invocation) -> Result<Finished, StartError> {
    let id = runner.start(invocation, Clock.now())?;
    let mut poller = Poller::default();
    loop {
        for happened in turn(runner, &mut poller) {
            if let Happened::Ended(ended, finished) = happened
                && ended == id
            {
                return Ok(finished);
            }
        }
    }
}

/// A word that no other runner has.
pub(crate) fn mark(test: &str) -> String {
    format!("test-{}-{test}", std::process::id())
}

/// Writes a script that can be run.
pub(crate) fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The processes that run with `mark` in their environment.
pub(crate) fn marked(mark: &str) -> Vec<u32> {
    let wanted = format!("HARK_RUN={mark}-");
    let pids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|b| *b == 0).any(|word| word.starts_with(wanted.as_bytes()))
    })
    .collect()
}

/// Whether all of them have gone within some seconds: a killed process takes a moment to die.
pub(crate) fn all_gone(mark: &str) -> bool {
    let begin = Clock.now().mono;
    loop {
        if marked(mark).is_empty() {
            return true;
        }
        if Clock.now().mono.since(begin) > Duration::from_secs(10) {
            return false;
        }
        std::thread::yield_now();
    }
}
