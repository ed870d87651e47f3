//! The syslog daemon on this machine.

use std::io;
use std::os::unix::net::UnixDatagram;

use tracing::Level;

use super::{LineSink, priority};

/// Facility "daemon" of RFC 3164, section 4.1.1.
const DAEMON: u8 = 3 << 3;

/// A connection to `/dev/log`.
pub(super) struct Syslog(UnixDatagram);

impl Syslog {
    pub(super) fn connect() -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect("/dev/log")?;
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
