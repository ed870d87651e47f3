//! systemd's journal, by its native protocol: one datagram of `NAME=value` lines
//! (systemd.io, "Native Journal Protocol").

use std::io;
use std::os::unix::net::UnixDatagram;

use tracing::Level;

use super::{LineSink, priority};

const SOCKET: &str = "/run/systemd/journal/socket";

/// A connection to journald.
pub(super) struct Journald(UnixDatagram);

impl Journald {
    pub(super) fn connect() -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(SOCKET)?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }
}

impl LineSink for Journald {
    fn line(&self, level: Level, text: &str) {
        drop(self.0.send(&entry(level, text)));
    }
}

/// A text with line feeds is sent with its length, 64 bit little endian, after the name.
fn entry(level: Level, text: &str) -> Vec<u8> {
    let mut entry = format!("PRIORITY={}\nSYSLOG_IDENTIFIER=hark\n", priority(level)).into_bytes();
    if text.contains('\n') {
        entry.extend_from_slice(b"MESSAGE\n");
        entry.extend_from_slice(&(text.len() as u64).to_le_bytes());
        entry.extend_from_slice(text.as_bytes());
        entry.push(b'\n');
    } else {
        entry.extend_from_slice(format!("MESSAGE={text}\n").as_bytes());
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_carry_their_length() {
        assert_eq!(entry(Level::WARN, "a"), b"PRIORITY=4\nSYSLOG_IDENTIFIER=hark\nMESSAGE=a\n");
        let long = entry(Level::ERROR, "a\nb");
        assert!(long.ends_with(b"MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\n"));
    }
}
