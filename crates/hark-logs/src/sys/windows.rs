//! What Windows has.

use std::fs::{DirEntry, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::windows::fs::FileExt as _;
use std::os::windows::io::{AsRawHandle as _, AsRawSocket as _, BorrowedSocket};
use std::process::ChildStdout;
use std::time::Duration;

use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::Networking::WinSock::{POLLIN, SOCKET, WSAPOLLFD, WSAPoll};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_DEVICE, FILE_ATTRIBUTE_DIRECTORY,
    FILE_STANDARD_INFO, FileStandardInfo, GetFileInformationByHandle, GetFileInformationByHandleEx,
};
use windows_sys::Win32::System::Threading::{GetCurrentThread, GetThreadTimes};

use super::Facts;

/// What can be waited on together with other things: sockets alone.
pub type Waited<'a> = BorrowedSocket<'a>;

/// Times of files count 100 ns from 1601 on; 1970 was so many seconds later.
const UNTIL_1970: i64 = 11_644_473_600;

/// Returns what tells that a program has printed something: nothing does, here.
pub(crate) fn output(_pipe: &ChildStdout) -> Option<Waited<'_>> {
    None
}

/// Returns what is told of an open file. A file that is only to be deleted has no name any more.
pub(crate) fn facts(file: &File) -> io::Result<Facts> {
    of(file).map(|(facts, _)| facts)
}

/// Returns what is told of a file in a folder; none if it is no plain file. It is opened for that: what the
/// folder itself tells is neither its number nor always its present length. `File::open` lets others write,
/// rename and delete.
pub(crate) fn facts_at(entry: &DirEntry) -> Option<Facts> {
    let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
    let file = is_file.then(|| File::open(entry.path()).ok())??;
    let (facts, attributes) = of(&file).ok()?;
    (attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE) == 0).then_some(facts)
}

fn of(file: &File) -> io::Result<(Facts, u32)> {
    let mut found = MaybeUninit::<BY_HANDLE_FILE_INFORMATION>::zeroed();
    // SAFETY: the handle is open as long as the file is borrowed; `found` is a place to write to.
    if unsafe { GetFileInformationByHandle(file.as_raw_handle(), found.as_mut_ptr()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled it, and all-zero is a valid value of this plain struct besides.
    let found = unsafe { found.assume_init() };
    let links = if is_to_be_deleted(file) { 0 } else { u64::from(found.nNumberOfLinks) };
    let facts = Facts {
        dev: u64::from(found.dwVolumeSerialNumber),
        ino: joined(found.nFileIndexHigh, found.nFileIndexLow),
        len: joined(found.nFileSizeHigh, found.nFileSizeLow),
        written: unix_time(found.ftLastWriteTime),
        links,
    };
    Ok((facts, found.dwFileAttributes))
}

fn is_to_be_deleted(file: &File) -> bool {
    let mut found = MaybeUninit::<FILE_STANDARD_INFO>::zeroed();
    let length = u32::try_from(size_of::<FILE_STANDARD_INFO>()).unwrap_or(0);
    let (handle, place) = (file.as_raw_handle(), found.as_mut_ptr().cast());
    // SAFETY: the handle is open as long as the file is borrowed; `found` has `length` bytes.
    let told = unsafe { GetFileInformationByHandleEx(handle, FileStandardInfo, place, length) };
    // SAFETY: all-zero is a valid value of this plain struct, and the call writes valid ones.
    told != 0 && unsafe { found.assume_init() }.DeletePending
}

fn joined(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn unix_time(time: FILETIME) -> (i64, i64) {
    let ticks = joined(time.dwHighDateTime, time.dwLowDateTime);
    let seconds = i64::try_from(ticks / 10_000_000).unwrap_or(i64::MAX);
    let rest = i64::try_from(ticks % 10_000_000).unwrap_or(0);
    (seconds.saturating_sub(UNTIL_1970), rest * 100)
}

/// Reads once, from `offset` on. The file's own position moves with it, which nobody here uses.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(bytes, offset)
}

/// Waits until one of `descriptors` can be read or `timeout` is over, and says which can.
pub(crate) fn readable(descriptors: &[Waited<'_>], timeout: Duration) -> io::Result<Vec<bool>> {
    let entry = |socket: &Waited<'_>| WSAPOLLFD {
        fd: SOCKET::try_from(socket.as_raw_socket()).unwrap_or(SOCKET::MAX),
        events: POLLIN,
        revents: 0,
    };
    let mut polled: Vec<WSAPOLLFD> = descriptors.iter().map(entry).collect();
    // Rounded up: waking a fraction early would only spin.
    let millis = i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
    let count = u32::try_from(polled.len()).unwrap_or(0);
    // SAFETY: `polled` holds `count` initialised entries and lives over the call; the sockets are
    // borrowed, so they stay open.
    if unsafe { WSAPoll(polled.as_mut_ptr(), count, millis) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(polled.iter().map(|p| p.revents != 0).collect())
}

/// Returns how long this thread has been on a processor.
pub(crate) fn thread_cpu() -> Duration {
    let none = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let (mut begun, mut ended, mut kernel, mut user) = (none, none, none, none);
    let times = [&raw mut begun, &raw mut ended, &raw mut kernel, &raw mut user];
    // SAFETY: the handle stands for this thread and is always valid; the four places can be written to.
    let told =
        unsafe { GetThreadTimes(GetCurrentThread(), times[0], times[1], times[2], times[3]) };
    if told == 0 {
        return Duration::ZERO;
    }
    let ticks = |time: FILETIME| joined(time.dwHighDateTime, time.dwLowDateTime);
    Duration::from_nanos(ticks(kernel).saturating_add(ticks(user)).saturating_mul(100))
}
