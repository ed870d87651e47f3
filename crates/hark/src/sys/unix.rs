//! What POSIX has.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use super::Bell;

/// Waits until `socket` can be read, `bell` rings, or `limit` is over; silences the bell.
pub(crate) fn wait(sockets: &[UdpSocket], bell: &Bell, limit: Duration) {
    let read = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut fds: Vec<libc::pollfd> = sockets.iter().map(|s| read(s.as_raw_fd())).collect();
    fds.push(read(bell.descriptor()));
    let ms = libc::c_int::try_from(limit.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the array lives until the call returns; its length is given.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, ms) };
    bell.silence();
}

/// Makes `command` the leader of a new session without a terminal (the `-d` option).
pub(crate) fn detach(command: &mut Command) {
    // SAFETY: `setsid` is async-signal-safe and touches no memory of ours.
    unsafe {
        command
            .pre_exec(|| if libc::setsid() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) });
    }
}

/// Lets go of whatever standard input, output and errors were: they become `/dev/null`, so that nobody
/// waits for their end.
///
/// # Errors
/// If that cannot be opened.
pub(crate) fn let_go_of_terminal() -> io::Result<()> {
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for standard in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: takes no pointers; `nothing` is open. The standard descriptors are never closed.
        if unsafe { libc::dup2(nothing.as_raw_fd(), standard) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Makes every file and folder that this process creates readable for its owner alone: keys, tokens
/// and the state of monitoring are nobody else's.
pub(crate) fn keep_files_private() {
    // SAFETY: takes an integer, cannot fail.
    unsafe { libc::umask(0o077) };
}

/// Reads one line from the terminal without showing what is typed.
///
/// # Errors
/// If there is no terminal or it ends.
pub(crate) fn read_hidden(prompt: &str) -> io::Result<String> {
    use std::io::{BufRead, Write};
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(prompt.as_bytes())?;
    let fd = terminal.as_raw_fd();
    // SAFETY: a plain C structure, filled by the call before it is used.
    let shown = unsafe {
        let mut shown = MaybeUninit::<libc::termios>::zeroed().assume_init();
        if libc::tcgetattr(fd, &raw mut shown) != 0 {
            return Err(io::Error::last_os_error());
        }
        shown
    };
    let mut hidden = shown;
    hidden.c_lflag &= !libc::ECHO;
    hidden.c_lflag |= libc::ECHONL;
    // SAFETY: both structures live until the calls return.
    unsafe { libc::tcsetattr(fd, libc::TCSAFLUSH, &raw const hidden) };
    let mut line = String::new();
    let outcome = io::BufReader::new(&terminal).read_line(&mut line);
    // SAFETY: as above; the terminal is given back whatever came of the reading.
    unsafe { libc::tcsetattr(fd, libc::TCSAFLUSH, &raw const shown) };
    outcome?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Returns true if standard output is a file on the disk that holds `folder`.
pub(crate) fn output_is_on_disk_of(folder: &Path) -> bool {
    let output = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let output = output.and_then(|output| output.metadata());
    let (Ok(output), Ok(folder)) = (output, folder.metadata()) else { return false };
    output.is_file() && output.dev() == folder.dev()
}

/// Returns true if the same disk holds both folders.
pub(crate) fn is_one_disk(one: &Path, other: &Path) -> bool {
    let device = |folder: &Path| folder.metadata().map(|folder| folder.dev());
    matches!((device(one), device(other)), (Ok(one), Ok(other)) if one == other)
}

/// Returns true if this process belongs to root.
pub(crate) fn is_root() -> bool {
    user() == 0
}

/// Returns the number of the user by whose rights this process does things.
pub(crate) fn user() -> u32 {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() }
}

/// Asks a process to end in order.
pub(crate) fn terminate(process: u32) {
    let Ok(process) = libc::pid_t::try_from(process) else { return };
    // SAFETY: takes two numbers; a process that is gone makes the call fail, which changes nothing.
    unsafe {
        libc::kill(process, libc::SIGTERM);
    }
}

/// Puts the process of `command` into a group of its own: what is typed at the terminal is not for it.
pub(crate) fn apart(command: &mut Command) {
    command.process_group(0);
}

/// Becomes another program; comes back only with the reason why not.
pub(crate) fn become_program(command: &mut Command) -> io::Error {
    command.exec()
}

/// Returns the signal that ended a process.
pub(crate) fn ended_by(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// Makes a folder, and those above it.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Returns how folders are made that only their owner can enter.
pub(crate) fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Returns how files are made that only their owner can read, or what `mode` says.
pub(crate) fn private_file(mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(mode);
    options
}

/// Brings the names in a folder to the disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Returns the permissions of what `others` may use who are neither the owner nor, with 0o7, of the group.
pub(crate) fn is_open_to_others(found: &Metadata, others: u32) -> Option<u32> {
    let mode = found.permissions().mode() & 0o7777;
    (mode & others != 0).then_some(mode)
}

/// Returns the number of whom a file belongs to.
pub(crate) fn owner(found: &Metadata) -> u32 {
    found.uid()
}

/// Returns the addresses of this machine's interfaces that are up, in the order of the system; none if it does
/// not say.
pub(crate) fn interface_addresses() -> Vec<IpAddr> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: the call writes the pointer, which lives until then; it is looked at if that succeeded.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: the list is whole until it is freed below; its last entry points to nothing.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        if entry.ifa_flags & libc::IFF_UP.cast_unsigned() != 0 {
            // SAFETY: it is null, or an address of the family that it says, in the same list.
            found.extend(unsafe { address_at(entry.ifa_addr) });
        }
    }
    // SAFETY: the list is the one that was made above, and nothing of it is kept.
    unsafe { libc::freeifaddrs(list) };
    found
}

/// Reads an address of the Internet; `None` if it is of another family.
///
/// # Safety
/// `at` is null or points to an address as long as its family says.
unsafe fn address_at(at: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: as the caller promises.
    let family = libc::c_int::from(unsafe { at.as_ref() }?.sa_family);
    match family {
        libc::AF_INET => {
            // SAFETY: as the caller promises; the place need not fit the longer type's alignment.
            let address = unsafe { at.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let address = unsafe { at.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(IpAddr::from(address.sin6_addr.s6_addr))
        }
        _ => None,
    }
}
