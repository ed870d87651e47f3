//! What this process may do, and what becomes of its children.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Tells a child of ours what we were asked for. One that has ended hears nothing, which is harmless
/// while it has not been waited for.
pub(crate) fn pass_on(child: u32, asked: crate::stop::Asked) {
    use crate::stop::Asked;
    let signal = match asked {
        Asked::Stop => libc::SIGTERM,
        Asked::Reload => libc::SIGHUP,
        Asked::Show => libc::SIGUSR1,
    };
    let Ok(child) = libc::pid_t::try_from(child) else { return };
    // SAFETY: takes no pointers.
    unsafe { libc::kill(child, signal) };
}

/// Returns the groups that this process is in, the most that the kernel allows.
pub(crate) fn groups() -> Vec<u32> {
    // SAFETY: takes nothing, cannot fail.
    let own = unsafe { libc::getegid() };
    // SAFETY: with a length of 0 nothing is written; the number of groups is returned.
    let n = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    let mut all = vec![0; usize::try_from(n).unwrap_or(0)];
    // SAFETY: the list has room for `n` groups and lives until the call returns.
    let n = unsafe { libc::getgroups(n.max(0), all.as_mut_ptr()) };
    all.truncate(usize::try_from(n).unwrap_or(0));
    all.push(own);
    all
}

/// Returns true if this process may make files in `folder`, whatever gives it the right.
pub(crate) fn may_write(folder: &std::path::Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = std::ffi::CString::new(folder.as_os_str().as_bytes()) else { return false };
    let (flags, wanted) = (libc::AT_EACCESS, libc::W_OK | libc::X_OK);
    // SAFETY: the path ends in NUL and lives until the call returns.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), wanted, flags) == 0 }
}

/// Returns true if this process may make the sockets that ping needs where the system does not let
/// everybody.
pub(crate) fn may_open_raw_socket() -> bool {
    let (domain, kind) = (socket2::Domain::IPV4, socket2::Type::RAW);
    socket2::Socket::new(domain, kind, Some(socket2::Protocol::ICMPV4)).is_ok()
}

/// How the C library of each system counts groups.
#[cfg(target_os = "linux")]
type Count = libc::size_t;
#[cfg(not(target_os = "linux"))]
type Count = libc::c_int;

/// Makes the process of `command` another user, with no rights but that user's and, on Linux, those of
/// `capabilities` (numbers of the kernel) that this process has. Only root can.
pub(crate) fn become_user(
    command: &mut Command,
    user: u32,
    group: u32,
    groups: Vec<u32>,
    capabilities: Vec<u8>,
) {
    // No system takes as many as would not fit.
    let count = Count::try_from(groups.len()).unwrap_or(0);
    // SAFETY: `setgroups`, `setgid` and `setuid` are system calls that touch no memory but the list,
    // which the closure owns, as do those of `capabilities`; after `fork` there is only this thread.
    unsafe {
        command.pre_exec(move || {
            let kept = privileges::keep(&capabilities);
            let done = libc::setgroups(count, groups.as_ptr()) == 0
                && libc::setgid(group) == 0
                && libc::setuid(user) == 0;
            if !done {
                return Err(io::Error::last_os_error());
            }
            privileges::hand_on(kept);
            Ok(())
        });
    }
}

/// Single privileges of root that outlive becoming another user. What the kernel refuses is not there: whoever
/// tries something finds that out. Nothing here allocates.
#[cfg(target_os = "linux")]
mod privileges {
    /// Of linux/capability.h, `_LINUX_CAPABILITY_VERSION_3`: two words of 32 each.
    const VERSION: u32 = 0x2008_0522;

    /// What stands where a call has no argument.
    const NONE: libc::c_ulong = 0;

    #[repr(C)]
    struct Head {
        version: u32,
        pid: libc::c_int,
    }

    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Words {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }

    /// Has those of `wanted` that this process has outlive `setuid`; returns them as bits.
    pub(super) fn keep(wanted: &[u8]) -> u32 {
        let wanted =
            wanted.iter().fold(0, |bits, number| bits | 1_u32.unbounded_shl((*number).into()));
        if wanted == 0 {
            return 0;
        }
        let mut head = Head { version: VERSION, pid: 0 };
        let mut words = [Words::default(); 2];
        // SAFETY: both live until the call returns and have the kernel's layout for this version.
        let asked = unsafe { libc::syscall(libc::SYS_capget, &raw mut head, &raw mut words) } == 0;
        // SAFETY: takes no pointers.
        let keeps = unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, NONE + 1, NONE, NONE, NONE) } == 0;
        if asked && keeps { wanted & words[0].permitted } else { 0 }
    }

    /// Hands them on to the program that is started next.
    pub(super) fn hand_on(kept: u32) {
        if kept == 0 {
            return;
        }
        let mut head = Head { version: VERSION, pid: 0 };
        let first = Words { effective: kept, permitted: kept, inheritable: kept };
        let words = [first, Words::default()];
        // SAFETY: as above.
        let _set = unsafe { libc::syscall(libc::SYS_capset, &raw mut head, &raw const words) };
        for number in (0..u32::BITS).filter(|number| kept & (1 << number) != 0) {
            let (what, which) = (libc::PR_CAP_AMBIENT_RAISE, libc::c_ulong::from(number));
            // SAFETY: takes no pointers.
            let _raised = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, what, which, NONE, NONE) };
        }
    }
}

/// No other system has them.
#[cfg(not(target_os = "linux"))]
mod privileges {
    pub(super) fn keep(_wanted: &[u8]) -> u32 {
        0
    }

    pub(super) fn hand_on(_kept: u32) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn line(status: &str, key: &str) -> String {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.expect("the kernel tells it").trim().to_owned()
    }

    #[test]
    fn who_becomes_another_user_keeps_the_privileges_that_were_asked_for_alone() {
        let mut command = Command::new("/bin/cat");
        become_user(command.arg("/proc/self/status"), 65534, 65534, vec![4], vec![2, 17]);
        let Ok(output) = command.output() else {
            assert!(!crate::sys::is_root(), "root can");
            return;
        };
        let bits = |status: &str, key| u64::from_str_radix(&line(status, key), 16).unwrap();
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        let expected = bits(&own, "CapPrm:") & (1 << 2 | 1 << 17);
        let status = String::from_utf8(output.stdout).unwrap();
        for key in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(bits(&status, key), expected, "{key} {status}");
        }
        assert_eq!(line(&status, "Uid:"), "65534\t65534\t65534\t65534");
        assert_eq!(line(&status, "Groups:"), "4");
    }
}
