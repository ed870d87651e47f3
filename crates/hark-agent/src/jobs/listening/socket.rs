//! The sockets themselves.

#[cfg(unix)]
use std::fs;
use std::io;
use std::net::UdpSocket;
#[cfg(unix)]
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, chown};
#[cfg(unix)]
use std::os::unix::net::UnixDatagram;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use hark_plugin::{Waited, waited};

use super::Place;
use crate::source::Root;

/// A socket that others on this machine send to.
#[derive(Debug)]
pub(super) enum Socket {
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(UnixDatagram, PathBuf),
}

#[cfg(unix)]
impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // The next one replaces it if this fails.
            drop(fs::remove_file(path));
        }
    }
}

impl Socket {
    #[cfg_attr(windows, expect(unused_variables, reason = "its groups are for sockets in folders"))]
    pub(super) fn open(place: &Place, root: &Root) -> io::Result<Self> {
        match place {
            Place::Udp(address) => {
                let socket = UdpSocket::bind(address)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Udp(socket))
            }
            #[cfg(unix)]
            Place::Unix { path, mode, group } => {
                Self::open_in_folder(path, *mode, group.as_deref(), root)
            }
            #[cfg(windows)]
            Place::Unix { .. } => {
                let why = "there are no sockets in folders on this system: use an address";
                Err(io::Error::new(io::ErrorKind::Unsupported, why))
            }
        }
    }

    #[cfg(unix)]
    fn open_in_folder(
        path: &Path,
        mode: u32,
        group: Option<&str>,
        root: &Root,
    ) -> io::Result<Self> {
        remove_old(path)?;
        let socket = UnixDatagram::bind(path)?;
        socket.set_nonblocking(true)?;
        let socket = Self::Unix(socket, path.to_owned());
        if let Some(group) = group {
            chown(path, None, Some(group_number(root, group)?))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        Ok(socket)
    }

    pub(super) fn descriptor(&self) -> Waited<'_> {
        match self {
            Self::Udp(socket) => waited(socket),
            #[cfg(unix)]
            Self::Unix(socket, _) => waited(socket),
        }
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(buffer),
            #[cfg(unix)]
            Self::Unix(socket, _) => socket.recv(buffer),
        }
    }
}

/// Removes a socket that an agent left which was killed; anything else there is not ours.
#[cfg(unix)]
fn remove_old(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::other("there is something else at the place of the socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn group_number(root: &Root, group: &str) -> io::Result<u32> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let text = root.text("etc/group").unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next()? == group;
        is_it.then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    found.ok_or_else(|| io::Error::other(format!("there is no group `{group}`")))
}
