//! Processes as the crate `sysinfo` tells them, where the system is not Linux.

use std::path::{Path, PathBuf};

use sysinfo::{
    Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, ThreadKind, UpdateKind,
};

use super::{MAX_PROCESSES, Process};
use crate::source::Absent;
use crate::sys;

/// Who lists them.
pub(super) struct Lister {
    folder: PathBuf,
    system: Option<System>,
}

impl std::fmt::Debug for Lister {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lister").finish_non_exhaustive()
    }
}

impl Lister {
    /// Makes one; nothing is asked yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, system: None }
    }

    /// Adds the processes, at most [`MAX_PROCESSES`], and returns how many there are.
    ///
    /// # Errors
    /// If the system does not tell.
    pub(super) fn list(
        &mut self,
        before: &[Process],
        processes: &mut Vec<Process>,
    ) -> Result<usize, Absent> {
        let wanted = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .with_user(UpdateKind::OnlyIfNotSet);
        let system = self.asked(wanted)?;
        // Threads are listed as well where the system counts them as processes.
        let whole = || system.processes().values().filter(|one| one.thread_kind().is_none());
        let from = processes.len();
        for one in whole().take(MAX_PROCESSES) {
            let mut process = process(one);
            process.compare(before);
            process.uid = one.user_id().map_or(0, number_of);
            processes.push(process);
        }
        processes.get_mut(from..).unwrap_or_default().sort_unstable_by_key(|one| one.pid);
        Ok(whole().count())
    }

    /// Returns how many there are.
    ///
    /// # Errors
    /// If the system does not tell.
    pub(super) fn count(&mut self) -> Result<usize, Absent> {
        let system = self.asked(ProcessRefreshKind::nothing())?;
        Ok(system.processes().values().filter(|one| one.thread_kind().is_none()).count())
    }

    fn asked(&mut self, wanted: ProcessRefreshKind) -> Result<&System, Absent> {
        let absent = || Absent::nothing_at(self.folder.clone());
        let system = match &mut self.system {
            Some(system) => system,
            none @ None => none.insert(System::new().map_err(|_| absent())?),
        };
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted);
        Ok(system)
    }
}

#[cfg(unix)]
fn number_of(user: &sysinfo::Uid) -> u32 {
    **user
}

/// Users have long numbers there, which are named as they are: `S-1-5-18`.
#[cfg(windows)]
fn number_of(user: &sysinfo::Uid) -> u32 {
    super::number_of_user(&user.to_string())
}

fn process(one: &sysinfo::Process) -> Process {
    let mut comm = [0; 16];
    // As Linux has it: at most 15 bytes.
    for (to, from) in comm.iter_mut().zip(one.name().as_encoded_bytes().iter().take(15)) {
        *to = if from.is_ascii_control() { b'?' } else { *from };
    }
    let (ticks, page) = (sys::ticks_per_second(), sys::page_size());
    Process {
        pid: one.pid().as_u32(),
        ppid: one.parent().map_or(0, Pid::as_u32),
        comm,
        flags: if one.thread_kind() == Some(ThreadKind::Kernel) { super::PF_KTHREAD } else { 0 },
        state: state(one.status()),
        threads: one.tasks().map_or(1, |tasks| u32::try_from(tasks.len() + 1).unwrap_or(u32::MAX)),
        ticks: one.accumulated_cpu_time().saturating_mul(ticks) / 1000,
        recent_ticks: 0,
        rss_pages: one.memory() / page,
        started: one.start_time().saturating_mul(ticks),
        uid: 0,
        looks: 0,
        unread: 0,
    }
}

/// Returns the letter that Linux has for it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "each system has others; asleep is the usual one"
)]
fn state(status: ProcessStatus) -> u8 {
    match status {
        ProcessStatus::Run => b'R',
        ProcessStatus::Stop => b'T',
        ProcessStatus::Zombie => b'Z',
        ProcessStatus::Dead => b'X',
        ProcessStatus::UninterruptibleDiskSleep => b'D',
        ProcessStatus::Idle => b'I',
        _ => b'S',
    }
}

/// Returns the arguments of a process, with a zero behind each; nothing if it has none.
pub(super) fn command_line(_folder: &Path, pid: u32) -> Vec<u8> {
    let pid = Pid::from_u32(pid);
    let Ok(mut system) = System::new() else { return Vec::new() };
    let wanted = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, wanted);
    let arguments = system.process(pid).map(sysinfo::Process::cmd).unwrap_or_default();
    arguments.iter().flat_map(|one| one.as_encoded_bytes().iter().copied().chain([0])).collect()
}

/// Control groups are Linux's.
pub(super) fn cgroup(_folder: &Path, _pid: u32) -> Vec<u8> {
    Vec::new()
}
