//! What Windows has.

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::windows::fs::FileExt as _;
use std::os::windows::io::AsRawSocket as _;
use std::path::Path;
use std::time::Duration;

use hark_plugin::{Bell, Waited};
use socket2::{Domain, Socket, Type};
use windows_sys::Win32::Networking::WinSock::{
    INVALID_SOCKET, POLLIN, SO_EXCLUSIVEADDRUSE, SOCKET, SOL_SOCKET, WSAEWOULDBLOCK, WSAPOLLFD,
    WSAPoll, setsockopt,
};
use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;

use super::Space;

/// Only sockets can be waited for, so the ends of a pipe are those of a connection.
pub(crate) type PipeReader = Bell;
/// See [`PipeReader`].
pub(crate) type PipeWriter = Bell;

/// Returns both ends.
pub(crate) fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    hark_plugin::bells()
}

/// The error of a connection that is being made.
pub(crate) const CONNECTING: i32 = WSAEWOULDBLOCK;

/// Returns a path as [`space`] wants it.
pub(crate) fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.to_str().ok_or(io::ErrorKind::InvalidInput)?)?)
}

/// Makes a folder, and those above it, that only the system, its administrators and our user can enter.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    hark_plugin::trust::make_private(path)
}

/// Returns how files are made that only their owner can read: they inherit that from their folder.
pub(crate) fn private_file() -> OpenOptions {
    OpenOptions::new()
}

/// Names are in the journal of the file system; a folder cannot be asked to bring them to the disk.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere the system may fail")]
pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Reads once, from `offset` on. The file's own position moves with it, which nobody here uses.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(bytes, offset)
}

/// Writes all, from `offset` on.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match file.seek_write(rest, offset + done as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => done += written,
        }
    }
    Ok(())
}

/// Asks for the room on the file system that holds `path`. There are no inodes.
pub(crate) fn space(path: &CStr) -> io::Result<Space> {
    let path = path.to_str().map_err(io::Error::other)?;
    let path: Vec<u16> = path.encode_utf16().chain([0]).collect();
    let (mut available, mut total, mut free) = (0, 0, 0);
    let places = [&raw mut available, &raw mut total, &raw mut free];
    // SAFETY: the path ends with a zero and lives over the call; the three places can be written to.
    if unsafe { GetDiskFreeSpaceExW(path.as_ptr(), places[0], places[1], places[2]) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Space { total, free, available, inodes: 0, inodes_free: 0 })
}

/// Waits until one of `descriptors` can be read or `timeout` is over, and says which can.
pub(crate) fn readable<const N: usize>(
    descriptors: [Option<Waited<'_>>; N],
    timeout: Duration,
) -> io::Result<[bool; N]> {
    let entry = |socket: Waited<'_>| WSAPOLLFD {
        fd: SOCKET::try_from(socket.as_raw_socket()).unwrap_or(INVALID_SOCKET),
        events: POLLIN,
        revents: 0,
    };
    let mut polled: Vec<WSAPOLLFD> = descriptors.into_iter().flatten().map(entry).collect();
    // Rounded up: waking a fraction early would only spin.
    let millis = i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
    if polled.is_empty() {
        // The call below refuses to wait for nothing.
        std::thread::park_timeout(timeout);
        return Ok([false; N]);
    }
    let count = u32::try_from(polled.len()).unwrap_or(0);
    // SAFETY: `polled` holds `count` initialised entries and lives over the call; the sockets are
    // borrowed, so they stay open.
    if unsafe { WSAPoll(polled.as_mut_ptr(), count, millis) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut ready = polled.iter().map(|polled| polled.revents != 0);
    Ok(descriptors.map(|one| one.is_some() && ready.next().unwrap_or(false)))
}

/// Returns a socket of the loopback interface whose number nobody else can use as well: there that is so only
/// if it is asked for.
pub(crate) fn loopback() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let fd = SOCKET::try_from(socket.as_raw_socket()).unwrap_or(INVALID_SOCKET);
    let yes = 1i32.to_ne_bytes();
    let length = i32::try_from(yes.len()).unwrap_or(0);
    // SAFETY: the socket is open, and `yes` has `length` bytes and lives over the call.
    if unsafe { setsockopt(fd, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, yes.as_ptr(), length) } != 0 {
        return Err(io::Error::last_os_error());
    }
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    Ok(socket.into())
}

/// Returns the bytes of a page of memory: what is counted in pages comes from ourselves.
pub(crate) fn page_size() -> u64 {
    4096
}

/// Returns how many ticks of processor time are in a second: they come from ourselves.
pub(crate) fn ticks_per_second() -> u64 {
    100
}
