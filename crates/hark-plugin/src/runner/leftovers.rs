//! Processes that left the group of the program that started them.
//!
//! A process can leave its group, its session and its parent, but not what stood in its environment when
//! it was started: each program gets a mark there, and what it starts inherits it. Looking through all
//! processes takes milliseconds, so it is done only after something had to be killed, and when a
//! runner begins, for what an earlier one left that was itself killed.

use std::fs::{self, File};
use std::io::Read;

use crate::sys;

/// The variable that has the mark.
pub const MARK: &str = "HARK_RUN";

/// Bound on what is read of an environment.
const MAX_ENVIRONMENT: u64 = 256 * 1024;

/// Rounds of looking: a process that is being started while we look is seen the next time.
const ROUNDS: usize = 5;

/// Kills every process whose mark begins with `mark`, but this one. Returns how many.
pub(super) fn kill(mark: &str) -> usize {
    if cfg!(windows) {
        // There they are held together by what they cannot leave: `Family`.
        return 0;
    }
    let wanted = format!("{MARK}={mark}");
    let mut killed = 0;
    for _ in 0..ROUNDS {
        let found = round(wanted.as_bytes());
        if found == 0 {
            break;
        }
        killed += found;
    }
    killed
}

fn round(wanted: &[u8]) -> usize {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let own = std::process::id();
    let numbers = processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own);
    numbers.filter(|pid| kill_if_marked(*pid, wanted)).count()
}

fn kill_if_marked(pid: u32, wanted: &[u8]) -> bool {
    is_marked(pid, wanted) && sys::kill_if(pid, || is_marked(pid, wanted))
}

/// A process that has ended has no environment any more, so the dead are not found again.
fn is_marked(pid: u32, wanted: &[u8]) -> bool {
    let Ok(file) = File::open(format!("/proc/{pid}/environ")) else { return false };
    let mut environment = Vec::new();
    if file.take(MAX_ENVIRONMENT).read_to_end(&mut environment).is_err() {
        return false;
    }
    environment.split(|b| *b == 0).any(|variable| variable.starts_with(wanted))
}
