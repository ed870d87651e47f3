//! What POSIX has.

use std::ffi::{CStr, CString};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use hark_plugin::Waited;

use super::Space;

pub(crate) use std::io::{PipeReader, PipeWriter, pipe};

/// The error of a connection that is being made.
pub(crate) const CONNECTING: i32 = libc::EINPROGRESS;

/// Returns a path as the system's calls want it.
pub(crate) fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// Makes a folder, and those above it, that only its owner can enter.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Returns how files are made that only their owner can read.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Brings the names in a folder to the disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Reads once, from `offset` on.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(bytes, offset)
}

/// Writes all, from `offset` on.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Asks for the room on the file system that holds `path`. Blocks as long as that file system does.
#[expect(clippy::useless_conversion, reason = "the widths of these fields differ between targets")]
pub(crate) fn space(path: &CStr) -> io::Result<Space> {
    // SAFETY: an all-zero `statvfs` is a valid value of a plain C struct.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` ends in NUL and lives over the call, `found` is a valid place to write to.
    if unsafe { libc::statvfs(path.as_ptr(), &raw mut found) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let unit = u64::from(if found.f_frsize == 0 { found.f_bsize } else { found.f_frsize });
    let bytes = |blocks: u64| blocks.saturating_mul(unit);
    Ok(Space {
        total: bytes(u64::from(found.f_blocks)),
        free: bytes(u64::from(found.f_bfree)),
        available: bytes(u64::from(found.f_bavail)),
        inodes: u64::from(found.f_files),
        inodes_free: u64::from(found.f_ffree),
    })
}

/// Waits until one of `descriptors` can be read or `timeout` is over, and says which can.
/// Interruption by a signal counts as "none".
pub(crate) fn readable<const N: usize>(
    descriptors: [Option<Waited<'_>>; N],
    timeout: Duration,
) -> io::Result<[bool; N]> {
    let mut polled = descriptors.map(|fd| libc::pollfd {
        // A negative number is skipped by the kernel.
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    // Rounded up: waking a fraction early would only spin.
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    let millis = i32::try_from(millis).unwrap_or(i32::MAX);
    let count = libc::nfds_t::try_from(N).unwrap_or(0);
    // SAFETY: `polled` holds `N` initialised entries and lives over the call; the descriptors are
    // borrowed, so they stay open.
    if unsafe { libc::poll(polled.as_mut_ptr(), count, millis) } < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        return Ok([false; N]);
    }
    Ok(polled.map(|p| p.revents != 0))
}

/// Returns the bytes of a page of memory.
pub(crate) fn page_size() -> u64 {
    // SAFETY: a question without arguments in memory.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

/// Returns how many ticks of processor time `/proc` counts in a second.
pub(crate) fn ticks_per_second() -> u64 {
    // SAFETY: a question without arguments in memory.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|ticks| *ticks > 0).unwrap_or(100)
}

/// Returns a socket of the loopback interface, as Windows has to use one.
#[cfg(test)]
pub(crate) fn loopback() -> io::Result<std::net::UdpSocket> {
    std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))
}
