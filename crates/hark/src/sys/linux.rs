//! What only Linux has.

use std::io;
use std::mem::MaybeUninit;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A descriptor that one thread waits on and others ring.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    /// Makes a silent bell.
    ///
    /// # Errors
    /// If the system has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers; the result is checked before it becomes an owned descriptor.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just opened and belongs to nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Wakes the waiting thread. Cheap, and harmless if it already rings.
    pub(crate) fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the eight bytes live until the call returns. A full counter (which already
        // wakes) is the only failure.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Returns what can be read while it rings.
    pub(super) fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Silences it.
    pub(super) fn silence(&self) {
        let mut room = [0u8; 8];
        // SAFETY: the eight bytes live until the call returns; "would block" means silent already.
        unsafe { libc::read(self.0.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) };
    }
}

/// Asks the kernel for `bytes` of receive buffer, beyond the usual bound where we may.
/// Returns what it gave, in bytes.
pub(crate) fn receive_buffer(socket: &UdpSocket, bytes: usize) -> usize {
    let wanted = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    for option in [libc::SO_RCVBUF, libc::SO_RCVBUFFORCE] {
        // SAFETY: the integer lives until the call returns; its size is given.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const wanted).cast(),
                length_of::<libc::c_int>(),
            )
        };
    }
    let mut given: libc::c_int = 0;
    let mut length = length_of::<libc::c_int>();
    // SAFETY: both values live until the call returns.
    unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw mut given).cast(),
            &raw mut length,
        )
    };
    usize::try_from(given).unwrap_or(0)
}

/// Asks the kernel to say when each datagram arrived, for [`super::ReceiveBatch::waited`]. If it cannot, none
/// has waited.
pub(crate) fn stamp_arrivals(socket: &UdpSocket) {
    let on: libc::c_int = 1;
    // SAFETY: the integer lives until the call returns; its size is given.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            length_of::<libc::c_int>(),
        )
    };
}

/// Returns how many datagrams the kernel has dropped because this socket's buffer was full
/// (`SO_MEMINFO`, Linux 4.12).
pub(crate) fn dropped(socket: &UdpSocket) -> u64 {
    /// Place of the drops among the kernel's figures (`SK_MEMINFO_DROPS` in `linux/sock_diag.h`).
    const DROPS: usize = 8;
    let mut figures = [0u32; DROPS + 1];
    let mut length = length_of::<[u32; DROPS + 1]>();
    // SAFETY: the array lives until the call returns; its size is given and never exceeded.
    unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            figures.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    u64::from(figures[DROPS])
}

/// Makes the process of `command` end with the thread that starts it, however that ends.
pub(crate) fn die_with_parent(command: &mut Command) {
    // SAFETY: `prctl` with these words takes no pointers and is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// Tells the allocator to give large blocks back to the system: one password hash takes 19 MiB, which
/// glibc would otherwise keep for ever. Called once, before threads start.
pub(crate) fn give_memory_back() {
    // SAFETY: plain integers; documented in mallopt(3).
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 * 1024);
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Tells the allocator that one place to allocate from is enough for all threads: each further one costs
/// memory, and is worth it only to threads that allocate at the same time. Called before threads start.
pub(crate) fn allocate_from_one_place() {
    // SAFETY: plain integers; documented in mallopt(3).
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Gives back what is not in use: memory that was freed, and the pages of files (code, constants, tables
/// for the linker) that were read, above all by the start. What goes on being used is mapped again at
/// once. For a process that starts once and then does little.
pub(crate) fn give_unused_back() {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let files = unchanged_files(&smaps);
    drop(smaps);
    // SAFETY: takes an integer; the allocator keeps what is in use.
    unsafe { libc::malloc_trim(0) };
    for (start, end) in files {
        // SAFETY: only mappings of a file are named that cannot be written and of which no page was
        // ever changed (what relocation has changed shows as anonymous memory): they hold the bytes of
        // the file as they are, so a page that is given back is read from the file again when it is
        // touched.
        unsafe {
            let address = std::ptr::without_provenance_mut(start);
            libc::madvise(address, end - start, libc::MADV_DONTNEED);
        }
    }
}

/// Returns the ends of each mapping in `/proc/PID/smaps` that holds a file's bytes as they are: none of
/// its pages was changed, neither one in memory nor one that was swapped out since.
fn unchanged_files(smaps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut file = None;
    let mut unchanged = false;
    for line in smaps.lines() {
        match line.split_once(':') {
            Some(("Anonymous", size)) => unchanged = size.trim() == "0 kB",
            Some(("Swap", size)) if unchanged && size.trim() == "0 kB" => found.extend(file.take()),
            // Every other figure; a mapping's own line has a space before its first colon.
            Some((figure, _)) if !figure.contains(' ') => {}
            _ => (file, unchanged) = (read_only_file(line), false),
        }
    }
    found
}

/// Returns the ends of a mapping in `/proc/PID/maps` that is of a file and cannot be written.
fn read_only_file(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let file = fields.nth(3)?;
    if !matches!(rights, "r-xp" | "r--p") || !file.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let hex = |text: &str| usize::from_str_radix(text, 16).ok();
    Some((hex(start)?, hex(end)?))
}

/// Returns what this machine calls itself.
pub(crate) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Makes `command` start on one core and stay there, for benchmarks.
pub(crate) fn start_on_core(command: &mut Command, core: usize) {
    // SAFETY: `sched_setaffinity` is async-signal-safe and only reads a set on this stack.
    unsafe {
        command.pre_exec(move || {
            pin_to_core(core);
            Ok(())
        });
    }
}

/// Keeps this thread on one core, for benchmarks.
pub(crate) fn pin_to_core(core: usize) {
    // SAFETY: the set is a plain bit field that lives until the call returns; a core that does not
    // exist makes the call fail, which leaves the thread where it was.
    unsafe {
        let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed().assume_init();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// Returns the size of `T` as socket calls want it.
#[expect(clippy::cast_possible_truncation, reason = "no structure of a socket call is that large")]
pub(super) const fn length_of<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unchanged_pages_of_files_are_given_back() {
        let found = |mapping: &str, anonymous: u32, swap: u32| {
            unchanged_files(&format!(
                "{mapping}\nSize: 9 kB\nRss: 9 kB\nAnonymous: {anonymous} kB\nSwap: {swap} kB\n\
                 VmFlags: rd ex\n"
            ))
        };
        let file = "fe:00 1234                       /usr/bin/hark";
        for rights in ["r-xp", "r--p"] {
            let mapping = format!("55d0-66d0 {rights} 00002000 {file}");
            assert_eq!(found(&mapping, 0, 0), [(0x55d0, 0x66d0)]);
            assert_eq!(found(&mapping, 420, 0), [], "what relocation changed stays");
            assert_eq!(found(&mapping, 0, 420), [], "also where it was swapped out");
        }
        for other in [
            &format!("55d0-66d0 rw-p 00002000 {file}"),
            "7ffd-7fff r-xp 00000000 00:00 0                          [vdso]",
            "7ffd-7fff rw-p 00000000 00:00 0",
            "",
        ] {
            assert_eq!(found(other, 0, 0), [], "{other}");
        }
    }
}
