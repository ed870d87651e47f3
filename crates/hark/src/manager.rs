//! What systemd wants to hear from a service: that it is ready, that it lives. Nothing is said where
//! nobody asks (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).

#[cfg(unix)]
use std::ffi::OsStr;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt as _;
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt as _;
#[cfg(unix)]
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Says that the service has started.
pub(crate) fn ready() {
    say("READY=1");
}

/// Says that the service lives.
pub(crate) fn alive() {
    say("WATCHDOG=1");
}

/// Says in words how the service is.
pub(crate) fn status(text: &str) {
    // One line: what follows would be another message.
    say(&format!("STATUS={}", text.replace('\n', " ")));
}

/// Returns how often life should be told: thrice in the time after which it would be missed.
///
/// `WATCHDOG_PID` is not looked at: a version on trial is a child of the process that was started, and
/// tells in its place.
pub(crate) fn alive_every() -> Option<Duration> {
    std::env::var_os("NOTIFY_SOCKET")?;
    let micros = std::env::var_os("WATCHDOG_USEC")?.to_str()?.parse().ok()?;
    Some(Duration::from_micros(micros) / 3).filter(|every| !every.is_zero())
}

/// There is no systemd.
#[cfg(windows)]
fn say(_text: &str) {}

#[cfg(unix)]
fn say(text: &str) {
    if let Some(path) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(error) = say_to(&path, text)
    {
        tracing::warn!(%error, "cannot tell systemd {text}");
    }
}

#[cfg(unix)]
fn say_to(path: &OsStr, text: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    let address = match path.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(path)?,
    };
    socket.send_to_addr(text.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_sockets_hear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("hark-test-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&name).unwrap();
        let sockets = [
            (UnixDatagram::bind(&path).unwrap(), path.into_os_string()),
            (UnixDatagram::bind_addr(&by_name).unwrap(), format!("@{name}").into()),
        ];
        for (socket, address) in sockets {
            say_to(&address, "READY=1").unwrap();
            let mut room = [0; 32];
            let n = socket.recv(&mut room).unwrap();
            assert_eq!(&room[..n], b"READY=1");
        }
    }
}
