//! What Windows has. The server does not run there; what it alone needs does nothing or little.

use std::fs::{DirBuilder, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, UdpSocket};
use std::os::windows::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use hark_plugin::{Poller, bells, trust, waited};
use windows_sys::Win32::System::SystemInformation::{
    ComputerNamePhysicalDnsHostname, GetComputerNameExW,
};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, DETACHED_PROCESS};
use windows_sys::Win32::UI::Shell::IsUserAnAdmin;

/// What one thread waits on and others ring.
#[derive(Debug)]
pub(crate) struct Bell {
    reader: hark_plugin::Bell,
    writer: hark_plugin::Bell,
}

impl Bell {
    /// Makes a silent bell.
    ///
    /// # Errors
    /// If the system has no socket left.
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = bells()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self { reader, writer })
    }

    /// Wakes the waiting thread. Cheap, and harmless if it already rings.
    pub(crate) fn ring(&self) {
        drop((&self.writer).write(&[1]));
    }

    fn silence(&self) {
        let mut room = [0; 512];
        while (&self.reader).read(&mut room).is_ok_and(|length| length == room.len()) {}
    }
}

/// Waits until a socket can be read, `bell` rings, or `limit` is over; silences the bell.
pub(crate) fn wait(sockets: &[UdpSocket], bell: &Bell, limit: Duration) {
    let mut poller = Poller::default();
    for socket in sockets {
        poller.readable(waited(socket));
    }
    poller.readable(waited(&bell.reader));
    // Nothing is lost by looking too early.
    drop(poller.wait(Some(limit)));
    bell.silence();
}

/// Asks the system to say when each datagram arrived: not here.
pub(crate) fn stamp_arrivals(_socket: &UdpSocket) {}

/// Asks the system for `bytes` of receive buffer. Returns what it gave.
pub(crate) fn receive_buffer(socket: &UdpSocket, bytes: usize) -> usize {
    let socket = socket2::SockRef::from(socket);
    // More than the system allows is refused: then as it was.
    drop(socket.set_recv_buffer_size(bytes));
    socket.recv_buffer_size().unwrap_or(0)
}

/// Nobody tells how many datagrams were dropped.
pub(crate) fn dropped(_socket: &UdpSocket) -> u64 {
    0
}

/// Starts `command` without a window (the `-d` option).
pub(crate) fn detach(command: &mut Command) {
    command.creation_flags(DETACHED_PROCESS);
}

/// Keeps what is typed at the window from the process of `command`.
pub(crate) fn apart(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// There is nothing to let go of: a detached process has no window.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
pub(crate) fn let_go_of_terminal() -> io::Result<()> {
    Ok(())
}

/// What is made inherits who may read it from its folder: [`make_folder`].
pub(crate) fn keep_files_private() {}

/// Would read a line without showing it.
///
/// # Errors
/// Always: it can be given at standard input.
pub(crate) fn read_hidden(_prompt: &str) -> io::Result<String> {
    let why = "what is typed cannot be hidden on this system: give it at standard input";
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

/// Says nothing of where standard output goes: there is no server, so no state beside which it could lie.
pub(crate) fn output_is_on_disk_of(_folder: &Path) -> bool {
    false
}

/// Says nothing of where folders lie, for the same reason.
pub(crate) fn is_one_disk(_one: &Path, _other: &Path) -> bool {
    false
}

/// Returns true if this process has the rights of an administrator.
pub(crate) fn is_root() -> bool {
    // SAFETY: takes nothing, cannot fail.
    unsafe { IsUserAnAdmin() != 0 }
}

/// Users have no numbers of that kind there.
pub(crate) fn user() -> u32 {
    0
}

/// Files neither.
pub(crate) fn owner(_found: &Metadata) -> u32 {
    0
}

/// Would ask a process to end in order: nobody can be asked there.
pub(crate) fn terminate(_process: u32) {}

/// Would tell a child of ours what we were asked for.
pub(crate) fn pass_on(_child: u32, _asked: crate::stop::Asked) {}

/// Would make a process end with its parent.
pub(crate) fn die_with_parent(_command: &mut Command) {}

/// A process cannot become another one there.
pub(crate) fn become_program(_command: &mut Command) -> io::Error {
    let why = "a program cannot go over to another one on this system";
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// Would make the process of `command` another user.
pub(crate) fn become_user(
    _command: &mut Command,
    _user: u32,
    _group: u32,
    _groups: Vec<u32>,
    _capabilities: Vec<u8>,
) {
}

/// No process ends by a signal there.
pub(crate) fn ended_by(_status: ExitStatus) -> Option<i32> {
    None
}

/// There are no groups that ping goes by.
pub(crate) fn groups() -> Vec<u32> {
    Vec::new()
}

/// Echo requests are not sent there.
pub(crate) fn may_open_raw_socket() -> bool {
    false
}

/// Returns true if this process may make files in `folder`: by making one.
pub(crate) fn may_write(folder: &Path) -> bool {
    let path = folder.join(format!("hark-{}.try", std::process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&path).is_ok();
    made && std::fs::remove_file(&path).is_ok()
}

/// Tells nothing of permissions, which are lists there.
pub(crate) fn is_open_to_others(_found: &Metadata, _others: u32) -> Option<u32> {
    None
}

/// Makes a folder, and those above it, that only the system, its administrators and our user can enter.
///
/// # Errors
/// What the system says.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    trust::make_private(path)
}

/// Returns how folders are made below one of ours: they inherit who may enter.
pub(crate) fn private_folder() -> DirBuilder {
    DirBuilder::new()
}

/// Returns how files are made below one of ours: they inherit who may read them.
pub(crate) fn private_file(_mode: u32) -> OpenOptions {
    OpenOptions::new()
}

/// Names are in the journal of the file system; a folder cannot be brought to the disk.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere the system may fail")]
pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Checks that nobody else can change a file that says what we do.
///
/// # Errors
/// Who can, and what.
pub(crate) fn is_ours(path: &Path) -> anyhow::Result<()> {
    Ok(trust::check_file(&std::path::absolute(path)?)?)
}

/// Returns what this machine calls itself.
pub(crate) fn host_name() -> Option<String> {
    let mut room = [0u16; 256];
    let mut length = u32::try_from(room.len()).unwrap_or(0);
    // SAFETY: the room has `length` places, and the call writes how many it has filled.
    let told = unsafe {
        GetComputerNameExW(ComputerNamePhysicalDnsHostname, room.as_mut_ptr(), &raw mut length)
    };
    let name = room.get(..usize::try_from(length).ok()?).filter(|_| told != 0)?;
    String::from_utf16(name).ok().filter(|name| !name.is_empty())
}

/// Tells the allocator nothing.
pub(crate) fn give_memory_back() {}

/// Tells the allocator nothing.
pub(crate) fn allocate_from_one_place() {}

/// Gives nothing back.
pub(crate) fn give_unused_back() {}

/// Keeps no process on a core.
pub(crate) fn start_on_core(_command: &mut Command, _core: usize) {}

/// Keeps no thread on a core.
pub(crate) fn pin_to_core(_core: usize) {}

/// Would return the addresses of this machine: the server, which asks, does not run here.
pub(crate) fn interface_addresses() -> Vec<IpAddr> {
    Vec::new()
}
