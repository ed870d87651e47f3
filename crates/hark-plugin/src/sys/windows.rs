//! What Windows has.
//!
//! Only sockets can be waited for together there. So a bell is a connection of the loopback interface, and
//! what programs print, and their ends, are looked for every [`LOOK`] while a program runs.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::{
    AsHandle, AsRawHandle as _, AsRawSocket as _, AsSocket, BorrowedSocket, FromRawHandle as _,
    OwnedHandle,
};
use std::os::windows::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hark_model::Mono;
use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, HANDLE, INVALID_HANDLE_VALUE, LocalFree, WAIT_OBJECT_0,
};
use windows_sys::Win32::Networking::WinSock::{POLLIN, POLLOUT, SOCKET, WSAPOLLFD, WSAPoll};
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetKernelObjectSecurity, GetLengthSid, GetTokenInformation,
    OWNER_SECURITY_INFORMATION, SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateDirectoryW, FILE_ATTRIBUTE_TEMPORARY, FILE_FLAG_DELETE_ON_CLOSE, GetDriveTypeW,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT,
    JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOB_OBJECT_LIMIT_PROCESS_MEMORY, JOB_OBJECT_LIMIT_PROCESS_TIME,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Pipes::PeekNamedPipe;
use windows_sys::Win32::System::SystemInformation::GetSystemWindowsDirectoryW;
use windows_sys::Win32::System::Threading::{
    CREATE_NO_WINDOW, CREATE_SUSPENDED, GetCurrentProcess, INFINITE, OpenProcessToken, OpenThread,
    ResumeThread, Sleep, THREAD_SUSPEND_RESUME, WaitForSingleObject,
};

use super::{Limit, Signal, Token};
use crate::trust::Sid;

/// How often is looked for what a program prints and for its end.
const LOOK: Duration = Duration::from_millis(20);

/// How many strangers may have come to a new listener before the one who made it: then somebody is at play.
const STRANGERS: usize = 16;

/// The bytes of the longest number of a user: eight, and fifteen parts of four.
const LONGEST_SID: usize = 68;

/// What a process says that we have ended: as Windows itself says it of one that was ended from outside.
const ENDED: u32 = 1;

/// What can be waited for.
pub type Waited<'a> = BorrowedSocket<'a>;

/// One of two ends: what one writes makes the other readable, and so does its end.
pub type Bell = TcpStream;

/// Returns two ends.
///
/// # Errors
/// If the system has no sockets left, or others take them away.
pub fn bells() -> io::Result<(Bell, Bell)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let there = TcpStream::connect(listener.local_addr()?)?;
    let wanted = there.local_addr()?;
    for _ in 0..STRANGERS {
        let (here, from) = listener.accept()?;
        if from == wanted {
            here.set_nodelay(true)?;
            there.set_nodelay(true)?;
            return Ok((here, there));
        }
    }
    Err(io::Error::other("others answer at a socket that is ours"))
}

/// Returns what waits for `socket`.
pub fn waited(socket: &impl AsSocket) -> Waited<'_> {
    socket.as_socket()
}

/// Who runs programs.
pub(crate) type User = Sid;

/// Returns the user on whose behalf this process acts; nobody, if the system does not tell.
pub(crate) fn user() -> User {
    own_user().unwrap_or_else(|| Sid::of(0, &[0]))
}

fn own_user() -> Option<Sid> {
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: the handle stands for this process and is always valid; `token` is a place to write to.
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) } == 0 {
        return None;
    }
    // SAFETY: the system has just made this handle, and nobody else knows it.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    // Room for the structure and the longest number behind it, aligned for both.
    let mut room = [0u64; 16];
    let (place, length) = (room.as_mut_ptr().cast(), u32::try_from(size_of_val(&room)).ok()?);
    let mut filled = 0;
    // SAFETY: the handle is open, and the room has `length` bytes.
    let told = unsafe {
        GetTokenInformation(token.as_raw_handle(), TokenUser, place, length, &raw mut filled)
    };
    if told == 0 {
        return None;
    }
    // SAFETY: the call has filled the room with this structure, for which it is large and aligned enough.
    // Its pointer leads into the room, which is still there, to a whole number, whose length is asked for.
    let bytes = unsafe {
        let sid = room.as_ptr().cast::<TOKEN_USER>().read().User.Sid;
        let length = usize::try_from(GetLengthSid(sid)).ok()?.min(LONGEST_SID);
        std::slice::from_raw_parts(sid.cast::<u8>(), length)
    };
    Sid::read(bytes)
}

/// Returns the owner and the access list of an open file, in one piece.
pub(crate) fn security(file: &File) -> io::Result<Vec<u8>> {
    let wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let mut room = vec![0u8; 1024];
    // A list has at most 64 KiB; somebody may change it between two questions.
    for _ in 0..4 {
        let (mut needed, length) = (0, u32::try_from(room.len()).unwrap_or(0));
        let (handle, place) = (file.as_raw_handle(), room.as_mut_ptr().cast());
        // SAFETY: the handle is open as long as the file is borrowed; the room has `length` bytes.
        let told =
            unsafe { GetKernelObjectSecurity(handle, wanted, place, length, &raw mut needed) };
        if told != 0 {
            return Ok(room);
        }
        let error = io::Error::last_os_error();
        match usize::try_from(needed) {
            Ok(needed) if needed > room.len() && needed <= 256 * 1024 => room.resize(needed, 0),
            _ => return Err(error),
        }
    }
    Err(io::Error::other("its access list does not stand still"))
}

/// Makes a folder for the system, its administrators and `user` alone, with all that will be in it.
pub(crate) fn make_private_folder(path: &Path, user: &Sid) -> io::Result<()> {
    let list = format!("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;{user})");
    let list: Vec<u16> = list.encode_utf16().chain([0]).collect();
    let mut descriptor = std::ptr::null_mut();
    // SAFETY: the text ends with a zero and lives over the call; `descriptor` is a place to write to.
    let made = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            list.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor,
            std::ptr::null_mut(),
        )
    };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    let attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
        lpSecurityDescriptor: descriptor,
        bInheritHandle: 0,
    };
    let path: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    // SAFETY: the path ends with a zero, and both live over the call.
    let made = unsafe { CreateDirectoryW(path.as_ptr(), &raw const attributes) };
    let error = io::Error::last_os_error();
    // SAFETY: the system has made it for us to give back, and nobody uses it any more.
    unsafe { LocalFree(descriptor) };
    if made == 0 { Err(error) } else { Ok(()) }
}

/// Tells whether a drive is built into this machine.
pub(crate) fn is_on_own_disk(drive: char) -> bool {
    const FIXED: u32 = 3;
    let root: Vec<u16> = format!("{drive}:\\").encode_utf16().chain([0]).collect();
    // SAFETY: the text ends with a zero and lives over the call.
    unsafe { GetDriveTypeW(root.as_ptr()) == FIXED }
}

/// Starts the process of `command` without a window, and not before [`Family::begin`].
pub(crate) fn apart(command: &mut Command) {
    command.creation_flags(CREATE_SUSPENDED | CREATE_NO_WINDOW);
}

/// Returns the folder of the system.
fn system_folder() -> PathBuf {
    let mut room = [0u16; 260];
    let length = u32::try_from(room.len()).unwrap_or(0);
    // SAFETY: the room has `length` places.
    let filled = unsafe { GetSystemWindowsDirectoryW(room.as_mut_ptr(), length) };
    let filled = usize::try_from(filled).ok().and_then(|filled| room.get(..filled));
    let path = filled.filter(|path| !path.is_empty()).map(std::ffi::OsString::from_wide);
    path.map_or_else(|| PathBuf::from("C:\\Windows"), PathBuf::from)
}

/// Gives the process of `command` the few variables that no program there can do without, and its folder.
pub(crate) fn surroundings(command: &mut Command) {
    let system = system_folder();
    let path = std::env::join_paths(folders(&[])).unwrap_or_default();
    let temporary = std::env::temp_dir();
    let drive = system.components().next().map(|drive| drive.as_os_str().to_owned());
    command
        .env("SystemDrive", drive.unwrap_or_default())
        .env("SystemRoot", &system)
        .env("windir", &system)
        .env("PATH", path)
        .env("PATHEXT", ".COM;.EXE")
        .env("TEMP", &temporary)
        .env("TMP", &temporary)
        .current_dir(&system);
}

/// Returns where programs are looked for: where the system's own are.
pub(crate) fn folders(_usual: &[&str]) -> Vec<PathBuf> {
    let system = system_folder();
    let programs = system.join("System32");
    let shell = programs.join("WindowsPowerShell").join("v1.0");
    vec![programs, system, shell]
}

/// Nothing is ended by a signal there.
pub(crate) fn signal_of(_status: ExitStatus) -> Option<i32> {
    None
}

/// A process that was started apart, with all that it starts: a job. Nobody leaves it, and when this handle is
/// closed, by whatever end we come to, the system ends all of it.
#[derive(Debug)]
pub(crate) struct Family {
    job: OwnedHandle,
    leader: u32,
}

impl Family {
    /// That of a child that was just started and does not run yet.
    pub(crate) fn of(child: &Child) -> io::Result<Self> {
        // SAFETY: both pointers may be null: no name, and nobody inherits it.
        let job = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
        if job.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system has just made this handle, and nobody else knows it.
        let job = unsafe { OwnedHandle::from_raw_handle(job) };
        let family = Self { job, leader: child.id() };
        family.limit(&[])?;
        // SAFETY: both handles are open.
        let taken_in =
            unsafe { AssignProcessToJobObject(family.job.as_raw_handle(), child.as_raw_handle()) };
        if taken_in == 0 { Err(io::Error::last_os_error()) } else { Ok(family) }
    }

    /// Holds each process of it to limits, as far as they are known there.
    pub(crate) fn limit(&self, limits: &[Limit]) -> io::Result<()> {
        // SAFETY: all-zero is a valid value of this plain struct, and stands for no limit.
        let mut wanted: JOBOBJECT_EXTENDED_LIMIT_INFORMATION =
            unsafe { MaybeUninit::zeroed().assume_init() };
        let mut flags: JOB_OBJECT_LIMIT =
            JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
        for limit in limits {
            match *limit {
                Limit::Cpu(seconds) => {
                    flags |= JOB_OBJECT_LIMIT_PROCESS_TIME;
                    let ticks = i64::try_from(seconds).unwrap_or(i64::MAX);
                    wanted.BasicLimitInformation.PerProcessUserTimeLimit =
                        ticks.saturating_mul(10_000_000);
                }
                Limit::Memory(bytes) => {
                    flags |= JOB_OBJECT_LIMIT_PROCESS_MEMORY;
                    wanted.ProcessMemoryLimit = usize::try_from(bytes).unwrap_or(usize::MAX);
                }
                // There are none: a program that fails is ended without a dump, by the flag above.
                Limit::Core(_) | Limit::Files(_) | Limit::FileSize(_) => {}
            }
        }
        wanted.BasicLimitInformation.LimitFlags = flags;
        let length = u32::try_from(size_of_val(&wanted)).unwrap_or(0);
        // SAFETY: the handle is open, and `wanted` has `length` bytes and lives over the call.
        let set = unsafe {
            SetInformationJobObject(
                self.job.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const wanted).cast(),
                length,
            )
        };
        if set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Lets it begin. Its first process has one thread, which std does not tell; nobody else gets its number
    /// as long as we hold a handle of it.
    pub(crate) fn begin(&self) -> io::Result<()> {
        // SAFETY: the call takes numbers.
        let list = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) };
        if list == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system has just made this handle, and nobody else knows it.
        let list = unsafe { OwnedHandle::from_raw_handle(list) };
        // SAFETY: all-zero is a valid value of this plain struct.
        let mut thread: THREADENTRY32 = unsafe { MaybeUninit::zeroed().assume_init() };
        thread.dwSize = u32::try_from(size_of::<THREADENTRY32>()).unwrap_or(0);
        // SAFETY: the handle is open, and `thread` has the size that it says.
        let mut more = unsafe { Thread32First(list.as_raw_handle(), &raw mut thread) };
        while more != 0 {
            if thread.th32OwnerProcessID == self.leader {
                return resume(thread.th32ThreadID);
            }
            // SAFETY: as above.
            more = unsafe { Thread32Next(list.as_raw_handle(), &raw mut thread) };
        }
        Err(io::Error::other("it has no thread"))
    }

    /// Ends all of it: nobody can be asked to end there.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match signal {
            // SAFETY: the handle is open.
            Signal::Terminate | Signal::Kill => {
                let ended = unsafe { TerminateJobObject(self.job.as_raw_handle(), ENDED) };
                if ended == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
            }
        }
    }
}

fn resume(thread: u32) -> io::Result<()> {
    // SAFETY: the call takes numbers.
    let thread = unsafe { OpenThread(THREAD_SUSPEND_RESUME, 0, thread) };
    if thread.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made this handle, and nobody else knows it.
    let thread = unsafe { OwnedHandle::from_raw_handle(thread) };
    // SAFETY: the handle is open.
    if unsafe { ResumeThread(thread.as_raw_handle()) } == u32::MAX {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The end of a process, to be looked for.
#[derive(Debug)]
pub(crate) struct Ending {
    process: OwnedHandle,
    look_at: Mono,
}

impl Ending {
    /// That of a child that was not yet waited for.
    pub(crate) fn of(child: &Child) -> io::Result<Self> {
        Ok(Self { process: child.as_handle().try_clone_to_owned()?, look_at: Mono(0) })
    }

    /// Adds it to what is waited for: it cannot be.
    #[expect(clippy::unused_self, reason = "on Linux it is added")]
    pub(crate) fn wait_for(&mut self, _poller: &mut Poller) {}

    /// Returns when to look at the latest.
    #[expect(clippy::unnecessary_wraps, reason = "Linux has no such time")]
    pub(crate) fn look_at(&self) -> Option<Mono> {
        Some(self.look_at)
    }

    /// Whether it has ended.
    pub(crate) fn is_there(&mut self, _poller: &Poller, now: Mono) -> bool {
        self.look_at = now + LOOK;
        // SAFETY: the handle is open; the call comes back at once.
        unsafe { WaitForSingleObject(self.process.as_raw_handle(), 0) == WAIT_OBJECT_0 }
    }
}

/// Limits are those of the job.
pub(crate) fn limit_at_start(_command: &mut Command, _limits: &[Limit]) {}

/// Nobody inherits a handle there that was not made for it.
pub(crate) fn keep_descriptors() {}

/// Would kill a process that is no child of ours: all that a program starts is in its job.
pub(crate) fn kill_if(_pid: u32, _is_meant: impl Fn() -> bool) -> bool {
    false
}

/// Returns an empty file that nobody else can open and that is gone with the last who has it open.
pub(crate) fn memory_file() -> io::Result<File> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let nth = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("hark-{}-{nth}.tmp", std::process::id());
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .share_mode(0)
        .attributes(FILE_ATTRIBUTE_TEMPORARY)
        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE)
        .open(std::env::temp_dir().join(name))
}

/// What a program prints to.
pub(crate) trait Printed: io::Read + AsHandle {}

impl<P: io::Read + AsHandle> Printed for P {}

/// Reading never waits: [`read_once`] asks first.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere the system may refuse")]
pub(crate) fn set_nonblocking(_pipe: &impl Printed) -> io::Result<()> {
    Ok(())
}

/// Reads what is there, once. [`io::ErrorKind::WouldBlock`] if nothing is.
pub(crate) fn read_once(pipe: &mut impl Printed, buffer: &mut [u8]) -> io::Result<usize> {
    let (mut there, none) = (0u32, std::ptr::null_mut());
    // SAFETY: the handle is open as long as the pipe is borrowed; what is not wanted may be null.
    let told = unsafe {
        let pipe = pipe.as_handle().as_raw_handle();
        PeekNamedPipe(pipe, none, 0, none.cast(), &raw mut there, none.cast())
    };
    if told == 0 {
        let error = io::Error::last_os_error();
        let has_ended = error.raw_os_error().and_then(|code| u32::try_from(code).ok());
        return if has_ended == Some(ERROR_BROKEN_PIPE) { Ok(0) } else { Err(error) };
    }
    let most = usize::try_from(there).unwrap_or(0).min(buffer.len());
    if most == 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    pipe.read(buffer.get_mut(..most).unwrap_or_default())
}

/// What is waited on: sockets that are to become readable (or writable), and what programs print.
#[derive(Default)]
pub struct Poller {
    polled: Vec<WSAPOLLFD>,
    /// Whether something is looked at that the system does not tell of.
    looks: bool,
}

/// Stands for what is looked at.
const LOOKED_AT: Token = Token(usize::MAX);

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let polled: Vec<_> = self.polled.iter().map(|one| (one.fd, one.revents)).collect();
        f.debug_struct("Poller").field("polled", &polled).field("looks", &self.looks).finish()
    }
}

impl Poller {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.polled.clear();
        self.looks = false;
    }

    /// Adds what a program prints: it is looked at.
    pub(crate) fn printed(&mut self, _pipe: &impl Printed) -> Token {
        self.looks = true;
        LOOKED_AT
    }

    /// Adds a socket that is to become readable.
    pub fn readable(&mut self, socket: Waited<'_>) -> Token {
        self.add(socket, POLLIN)
    }

    /// Adds a socket that is to become writable.
    pub fn writable(&mut self, socket: Waited<'_>) -> Token {
        self.add(socket, POLLOUT)
    }

    fn add(&mut self, socket: Waited<'_>, events: i16) -> Token {
        let fd = SOCKET::try_from(socket.as_raw_socket()).unwrap_or(SOCKET::MAX);
        self.polled.push(WSAPOLLFD { fd, events, revents: 0 });
        Token(self.polled.len() - 1)
    }

    /// Waits until one of them is ready, or `timeout` is over; `None` waits for ever.
    ///
    /// # Errors
    /// If the system refuses to wait (no memory).
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let look = self.looks.then_some(LOOK);
        // Rounded up: waking a fraction early would only spin.
        let millis = [timeout, look].into_iter().flatten().min().map(|timeout| {
            i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        if self.polled.is_empty() {
            // The call below refuses to wait for nothing.
            let millis = millis.map_or(INFINITE, |millis| u32::try_from(millis).unwrap_or(0));
            // SAFETY: the call takes a number.
            unsafe { Sleep(millis) };
            return Ok(());
        }
        let count = u32::try_from(self.polled.len()).unwrap_or(0);
        // SAFETY: the vector holds `count` initialised entries and lives over the call. A socket that
        // was closed since is answered with "invalid", which counts as ready.
        if unsafe { WSAPoll(self.polled.as_mut_ptr(), count, millis.unwrap_or(-1)) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Returns true if it was ready at the last [`Poller::wait`], or has to be looked at.
    pub fn is_ready(&self, token: Token) -> bool {
        token == LOOKED_AT || self.polled.get(token.0).is_some_and(|polled| polled.revents != 0)
    }
}
