//! What only Linux has.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::ClockState;

/// A folder kept open, to see its numeric entries (the processes under `/proc`) without allocating
/// for each, and without the 32 KiB that the C library keeps for an open folder.
#[derive(Debug)]
pub(crate) struct NumberedEntries(File);

/// Room for a hundred entries at once.
const ENTRIES: usize = 4096;

impl NumberedEntries {
    /// Opens `folder`.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        Ok(Self(options.read(true).custom_flags(libc::O_DIRECTORY).open(folder)?))
    }

    /// Calls `see` with each entry whose name is a number, as of now.
    ///
    /// # Errors
    /// If the folder cannot be read; some may have been seen by then.
    pub(crate) fn each(&mut self, mut see: impl FnMut(Numbered<'_>)) -> io::Result<()> {
        self.0.rewind()?;
        let mut room = [0_u8; ENTRIES];
        loop {
            let mut rest = entries(self.0.as_fd(), &mut room)?;
            if rest.is_empty() {
                return Ok(());
            }
            // `struct linux_dirent64`: inode and offset, eight bytes each, length, kind, name, NUL.
            while let Some(&[a, b]) = rest.get(16..18) {
                let length = usize::from(u16::from_ne_bytes([a, b]));
                let name = rest.get(19..length).and_then(|name| name.split(|b| *b == 0).next());
                let name = name.and_then(|name| std::str::from_utf8(name).ok());
                if let Some(number) = name.and_then(|name| name.parse().ok()) {
                    see(Numbered { folder: self.0.as_fd(), number });
                }
                rest = rest.get(length.max(1)..).unwrap_or_default();
            }
        }
    }
}

/// Reads the next entries of an open folder, as the kernel writes them.
fn entries<'r>(folder: BorrowedFd<'_>, room: &'r mut [u8]) -> io::Result<&'r [u8]> {
    let (fd, length) = (folder.as_raw_fd(), room.len());
    // SAFETY: the kernel writes at most `length` bytes to `room`, which lives over the call.
    let filled = unsafe { libc::syscall(libc::SYS_getdents64, fd, room.as_mut_ptr(), length) };
    match usize::try_from(filled) {
        Ok(filled) => Ok(room.get(..filled).unwrap_or_default()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// An entry whose name is a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbered<'f> {
    folder: BorrowedFd<'f>,
    /// Its name.
    pub(crate) number: u32,
}

impl Numbered<'_> {
    /// Opens the file `name` in it, to read. The way to it is the open folder: half the price of a whole
    /// path.
    pub(crate) fn open(&self, name: &str) -> io::Result<File> {
        /// Ten digits, and the longest of the names below `/proc/PID`.
        const MOST: usize = 32;
        let mut path = [0_u8; MOST];
        write!(&mut path[..MOST - 1], "{}/{name}", self.number)?;
        let path = CStr::from_bytes_until_nul(&path).map_err(io::Error::other)?;
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        // SAFETY: `path` ends in NUL and lives over the call; the folder is borrowed, so it is open.
        let fd = unsafe { libc::openat(self.folder.as_raw_fd(), path.as_ptr(), flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor, and nobody else knows its number.
        Ok(unsafe { File::from_raw_fd(fd) })
    }
}

/// Asks how well the kernel's clock is kept; changes nothing.
pub(crate) fn clock_state() -> io::Result<ClockState> {
    // SAFETY: an all-zero `timex` is a valid value of a plain C struct, and asks for no change.
    let mut found: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `found` is a valid place to read from and write to.
    let state = unsafe { libc::adjtimex(&raw mut found) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    let micros = |value: libc::c_long| Duration::from_micros(u64::try_from(value).unwrap_or(0));
    Ok(ClockState {
        // The kernel itself sets the bit when nobody has told the time for long enough.
        synchronized: found.status & libc::STA_UNSYNC == 0,
        max_error: micros(found.maxerror),
        estimated_error: micros(found.esterror),
    })
}

/// Asks the kernel to take this process late when memory runs out: a monitor that dies first says
/// nothing about why. Needs a privilege; without it nothing changes.
pub(crate) fn survive_memory_pressure() -> io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", "-500")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_only_numbers_and_new_ones_as_well() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["1", "23", "self", "net"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut entries = NumberedEntries::open(folder.path()).unwrap();
        let mut seen = || {
            let mut numbers = Vec::new();
            let seen = entries.each(|entry| {
                numbers.push(entry.number);
                assert!(entry.open("none").is_err() && entry.open(&"x".repeat(99)).is_err());
            });
            seen.unwrap();
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(seen(), [1, 23]);
        std::fs::create_dir(folder.path().join("456")).unwrap();
        assert_eq!(seen(), [1, 23, 456]);
        for number in 1000..2000 {
            std::fs::create_dir(folder.path().join(number.to_string())).unwrap();
        }
        assert_eq!(seen().len(), 1003, "more than there is room for at once");
    }
}
