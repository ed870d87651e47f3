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

/// Makes the process of `command` another user, with no rights but that user's. Only root can.
pub(crate) fn become_user(command: &mut Command, user: u32, group: u32, groups: Vec<u32>) {
    // No system takes as many as would not fit.
    let count = Count::try_from(groups.len()).unwrap_or(0);
    // SAFETY: `setgroups`, `setgid` and `setuid` are system calls that touch no memory but the list,
    // which the closure owns; after `fork` there is only this thread.
    unsafe {
        command.pre_exec(move || {
            let done = libc::setgroups(count, groups.as_ptr()) == 0
                && libc::setgid(group) == 0
                && libc::setuid(user) == 0;
            if done { Ok(()) } else { Err(io::Error::last_os_error()) }
        });
    }
}
