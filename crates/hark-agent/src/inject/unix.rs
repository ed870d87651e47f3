//! A socket in the agent's folder.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use hark_plugin::{Waited, waited};

use super::{PATIENCE, SOCKET, SendError};

/// The agent's end.
#[derive(Debug)]
pub(super) struct Ears {
    socket: UnixDatagram,
    path: PathBuf,
}

/// Who waits for an answer; none if nobody does.
pub(super) type Caller = Option<PathBuf>;

impl Ears {
    /// Listens at `path`.
    pub(super) fn listen(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let socket = UnixDatagram::bind(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, path: path.to_owned() })
    }

    pub(super) fn descriptor(&self) -> Waited<'_> {
        waited(&self.socket)
    }

    /// Receives what somebody says; none if nobody says anything.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<(usize, Caller)> {
        let (len, from) = self.socket.recv_from(buffer).ok()?;
        Some((len, from.as_pathname().map(Path::to_owned)))
    }

    pub(super) fn answer(&self, to: &Caller, answer: &[u8]) -> io::Result<()> {
        let Some(to) = to else { return Ok(()) };
        self.socket.send_to(answer, to).map(drop)
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        // The next agent replaces it if this fails.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Says `text` to the agent of `folder`, and returns the length of its answer.
pub(super) fn ask(folder: &Path, text: &[u8], answer: &mut [u8]) -> Result<usize, SendError> {
    let path = folder.join(SOCKET);
    let unreachable = |source| SendError::Unreachable { path: path.clone(), source };
    let mine = folder.join(format!("send-{}.sock", std::process::id()));
    let _guard = Unlink(&mine);
    let socket = UnixDatagram::bind(&mine).map_err(unreachable)?;
    // The agent may be another user than who asks, root. Nobody else comes into its folder.
    std::fs::set_permissions(&mine, Permissions::from_mode(0o666)).map_err(unreachable)?;
    socket.send_to(text, &path).map_err(unreachable)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(SendError::Silent)?;
    socket.recv(answer).map_err(SendError::Silent)
}

struct Unlink<'a>(&'a Path);

impl Drop for Unlink<'_> {
    fn drop(&mut self) {
        drop(std::fs::remove_file(self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_of_another_user_can_answer() {
        let folder = tempfile::tempdir().unwrap();
        let ears = Ears::listen(&folder.path().join(SOCKET)).unwrap();
        ears.socket.set_nonblocking(false).unwrap();
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| ask(folder.path(), b"m", &mut [0; 16]));
            let (_, caller) = ears.receive(&mut [0; 16]).unwrap();
            let reply = caller.clone().unwrap();
            let mode = std::fs::metadata(reply).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o666);
            ears.answer(&caller, b"ok").unwrap();
            assert_eq!(asked.join().unwrap().unwrap(), 2);
        });
    }
}
