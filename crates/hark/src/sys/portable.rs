//! What takes the place of what only Linux has.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};
use std::process::Command;

/// A descriptor that one thread waits on and others ring: a pipe.
#[derive(Debug)]
pub(crate) struct Bell {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Bell {
    /// Makes a silent bell.
    ///
    /// # Errors
    /// If the system has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        for end in [reader.as_raw_fd(), writer.as_raw_fd()] {
            let yes: libc::c_int = 1;
            // SAFETY: `yes` lives over the call, which reads it; the pipe is open.
            if unsafe { libc::ioctl(end, libc::FIONBIO, &raw const yes) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(Self { reader, writer })
    }

    /// Wakes the waiting thread. Cheap, and harmless if it already rings: a full pipe does.
    pub(crate) fn ring(&self) {
        drop((&self.writer).write(&[1]));
    }

    /// Returns what can be read while it rings.
    pub(super) fn descriptor(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    /// Silences it.
    pub(super) fn silence(&self) {
        let mut room = [0; 512];
        while (&self.reader).read(&mut room).is_ok_and(|length| length == room.len()) {}
    }
}

/// Asks the system to say when each datagram arrived: not here.
pub(crate) fn stamp_arrivals(_socket: &UdpSocket) {}

/// Asks the system for `bytes` of receive buffer. Returns what it gave.
pub(crate) fn receive_buffer(socket: &UdpSocket, bytes: usize) -> usize {
    let socket = socket2::SockRef::from(socket);
    // More than the system allows is refused in places: then as it was.
    drop(socket.set_recv_buffer_size(bytes));
    socket.recv_buffer_size().unwrap_or(0)
}

/// Would return how many datagrams the system has dropped because this socket's buffer was full: only Linux
/// tells.
pub(crate) fn dropped(_socket: &UdpSocket) -> u64 {
    0
}

/// Would make the process of `command` end with its parent. A version on trial whose parent is killed
/// goes on here until the service's manager ends its group.
pub(crate) fn die_with_parent(_command: &mut Command) {}

/// Tells the allocator nothing: the calls are those of glibc.
pub(crate) fn give_memory_back() {}

/// Tells the allocator nothing: the calls are those of glibc.
pub(crate) fn allocate_from_one_place() {}

/// Gives nothing back: what a process has mapped is only told by `/proc`.
pub(crate) fn give_unused_back() {}

/// Returns what this machine calls itself.
pub(crate) fn host_name() -> Option<String> {
    /// POSIX allows 255 bytes.
    const LONGEST: usize = 256;
    let mut name = [0_u8; LONGEST];
    // SAFETY: the array lives over the call, which is told that it is one byte shorter: the last stays zero.
    if unsafe { libc::gethostname(name.as_mut_ptr().cast(), LONGEST - 1) } != 0 {
        return None;
    }
    let name = std::ffi::CStr::from_bytes_until_nul(&name).ok()?.to_str().ok()?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Keeps no process on a core.
pub(crate) fn start_on_core(_command: &mut Command, _core: usize) {}

/// Keeps no thread on a core.
pub(crate) fn pin_to_core(_core: usize) {}
