//! The syslog daemon on this machine.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use tracing::Level;

use super::{LineSink, priority};

/// Facility "daemon" of RFC 3164, section 4.1.1.
const DAEMON: u8 = 3 << 3;

/// Where the daemon listens.
const SOCKET: &str = "/dev/log";

/// A connection to it.
pub(super) struct Syslog(UnixDatagram);

impl Syslog {
    pub(super) fn connect() -> io::Result<Self> {
        Self::connect_to(Path::new(SOCKET))
    }

    fn connect_to(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }
}

impl LineSink for Syslog {
    fn line(&self, level: Level, text: &str) {
        let message = format!("<{}>hark[{}]: {text}", DAEMON | priority(level), std::process::id());
        // A syslog daemon that is away or slow loses lines, never the service.
        drop(self.0.send(message.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_arrives_with_its_priority_and_who_says_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::connect_to(&path).unwrap();
        syslog.line(Level::WARN, "the disk is full");
        syslog.line(Level::INFO, "it is not");
        let mut room = [0; 128];
        let own = std::process::id();
        for expected in
            [format!("<28>hark[{own}]: the disk is full"), format!("<30>hark[{own}]: it is not")]
        {
            let length = daemon.recv(&mut room).unwrap();
            assert_eq!(std::str::from_utf8(&room[..length]).unwrap(), expected);
        }
        // One that is gone, or reads nothing, holds nobody up.
        drop(daemon);
        syslog.line(Level::ERROR, "nobody hears this");
        assert!(Syslog::connect_to(&folder.path().join("none")).is_err());
    }
}
