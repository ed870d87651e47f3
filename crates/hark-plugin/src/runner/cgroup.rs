//! A control group for each program that runs, where this process may make some.
//!
//! What a program starts stays in its group of version 2 whatever it does, and `cgroup.kill` ends all of it
//! at once: only who may write to other groups can leave it, while everybody can leave a process group
//! and wipe the mark out of the environment. Groups are made once and used again: making one costs as much as starting a program.
//!
//! This process stays where it is, so no limits of memory or processes are set by group: a group with
//! such limits below it may have no processes of its own. The limits of [`crate::Invocation`] hold each process.
//! A program is moved right after its start; what it has started before that is found by the mark.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Kills all processes of a group and of those below it; since Linux 5.14.
const KILL: &str = "cgroup.kill";

/// The processes of a group; who is written there is moved.
const PROCESSES: &str = "cgroup.procs";

/// Where the groups of this runner's programs are.
#[derive(Debug)]
pub(super) struct Groups {
    folder: PathBuf,
    made: usize,
    free: Vec<Group>,
}

/// A group for one program. Its files stay open: finding them would cost as much as using them.
#[derive(Debug)]
pub(super) struct Group {
    processes: File,
    kill: File,
}

impl Groups {
    /// Makes a place for groups below `own`, the group of this process. None if that is not allowed.
    /// Programs of an earlier life of this runner are killed.
    pub(super) fn below(own: &Path, mark: &str) -> Option<Self> {
        let folder = own.join(format!("hark-{mark}"));
        match fs::create_dir(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                tracing::debug!(%error, "no control groups of our own");
                return None;
            }
        }
        let groups = Self { folder, made: 0, free: Vec::new() };
        // Fails before Linux 5.14, and in a folder that is none of the kernel's.
        kill(&groups.folder).ok()?;
        Some(groups)
    }

    /// Moves process `pid` to a group of its own. None if it is gone or the kernel refuses.
    pub(super) fn take_in(&mut self, pid: u32) -> Option<Group> {
        let group = self.free.pop().or_else(|| self.make())?;
        if let Err(error) = (&group.processes).write_all(pid.to_string().as_bytes()) {
            tracing::debug!(%error, "a program runs without a control group of its own");
            self.free.push(group);
            return None;
        }
        Some(group)
    }

    fn make(&mut self) -> Option<Group> {
        let path = self.folder.join(self.made.to_string());
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
            Ok(()) | Err(_) => self.made += 1,
        }
        Some(Group { processes: open(&path, PROCESSES).ok()?, kill: open(&path, KILL).ok()? })
    }

    /// Takes the group of a program that has ended.
    pub(super) fn give_back(&mut self, group: Group) {
        self.free.push(group);
    }
}

impl Group {
    /// Kills whatever is in it.
    pub(super) fn kill(&self) {
        if let Err(error) = (&self.kill).write_all(b"1") {
            tracing::debug!(%error, "cannot kill a control group");
        }
    }
}

impl Drop for Groups {
    /// What is still dying keeps its group, which the next life of this runner uses again.
    fn drop(&mut self) {
        drop(kill(&self.folder));
        for number in 0..self.made {
            drop(fs::remove_dir(self.folder.join(number.to_string())));
        }
        drop(fs::remove_dir(&self.folder));
    }
}

fn kill(group: &Path) -> io::Result<()> {
    open(group, KILL)?.write_all(b"1")
}

/// Opens a file of the kernel's; it is never made.
fn open(group: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new().write(true).open(group.join(name))
}

/// Returns the folder of the group that this process is in, if it is one of version 2 and not the
/// whole system's.
pub(super) fn own() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    folder(&groups, &mounts)
}

fn folder(groups: &str, mounts: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    if path.is_empty() || path.split('/').any(|part| part == "..") {
        return None;
    }
    mounts.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        kind.strip_prefix("cgroup2 ")?;
        let mut fields = fields.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Path::new("/").join(path);
        Some(Path::new(point).join(below.strip_prefix(root).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &str = "24 1 0:22 / /proc rw - proc proc rw\n\
        30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_own_group_is_found_where_it_is_mounted() {
        let found = |groups, mounts| folder(groups, mounts).map(|path| path.display().to_string());
        let service = "0::/system.slice/hark-agent.service\n";
        assert_eq!(
            found(service, UNIFIED).unwrap(),
            "/sys/fs/cgroup/system.slice/hark-agent.service"
        );
        let hybrid = "9:name=systemd:/x\n0::/a.service\n";
        let mounts = "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            32 23 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(found(hybrid, mounts).unwrap(), "/sys/fs/cgroup/unified/a.service");
        let part = "33 1 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(found("0::/docker/abc/x\n", part).unwrap(), "/sys/fs/cgroup/x");
        for (groups, mounts) in [
            ("0::/\n", UNIFIED),
            ("0::/../x\n", UNIFIED),
            ("9:memory:/x\n", UNIFIED),
            (service, "24 1 0:22 / /proc rw - proc proc rw\n"),
            ("0::/elsewhere\n", part),
        ] {
            assert_eq!(found(groups, mounts), None, "{groups}{mounts}");
        }
    }

    #[test]
    fn a_folder_that_is_no_group_is_not_used_and_nothing_is_written_there() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Groups::below(folder.path(), "x").is_none());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(Groups::below(Path::new("/no/such"), "x").is_none());
    }

    #[test]
    fn groups_are_made_once_used_again_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("hark-x");
        // As the kernel would: the file is there as soon as the folder is.
        for made in [&place, &place.join("0"), &place.join("1")] {
            fs::create_dir(made).unwrap();
            fs::write(made.join(KILL), "").unwrap();
            fs::write(made.join(PROCESSES), "").unwrap();
        }
        let moved = |group: &str| fs::read_to_string(place.join(group).join(PROCESSES)).unwrap();
        let mut groups = Groups::below(folder.path(), "x").unwrap();
        assert_eq!(fs::read_to_string(place.join(KILL)).unwrap(), "1", "of an earlier life");
        let first = groups.take_in(7).unwrap();
        let second = groups.take_in(8).unwrap();
        assert_eq!((moved("0"), moved("1")), ("7".into(), "8".into()));
        second.kill();
        assert_eq!(fs::read_to_string(place.join("1").join(KILL)).unwrap(), "1");
        groups.give_back(first);
        let again = groups.take_in(9).unwrap();
        assert_eq!((moved("0"), moved("1")), ("79".into(), "8".into()));
        groups.give_back(again);
        groups.give_back(second);
        assert_eq!(groups.made, 2);
    }
}
