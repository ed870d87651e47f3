//! The ways out of a machine with Linux: each interface has two of its own.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;

use hark_proto::seek::GROUP_V6;
use socket2::{Domain, Socket, Type};

use super::{MAX_INTERFACES, Way, usual_way, way_v4};

/// What the kernel says of interfaces (`IFF_UP`, `IFF_LOOPBACK`).
const UP: u32 = 1;
const LOOPBACK: u32 = 8;

/// Makes the sockets: two for each interface that is up, or, where interfaces cannot be told apart, one for
/// the way that the system would take.
pub(super) fn ways(port: u16) -> io::Result<Vec<Way>> {
    let mut ways = Vec::new();
    for (name, index) in interfaces(Path::new("/sys/class/net")) {
        ways.extend(by_v4(port, &name).ok());
        ways.extend(by_v6(port, &name, index).ok());
    }
    if ways.is_empty() {
        ways.push(usual_way(port)?);
    }
    Ok(ways)
}

fn by_v4(port: u16, interface: &str) -> io::Result<Way> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    way_v4(socket, port)
}

fn by_v6(port: u16, interface: &str, index: u32) -> io::Result<Way> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    socket.set_only_v6(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
    Ok(Way { socket: socket.into(), to: vec![SocketAddrV6::new(GROUP_V6, port, 0, index).into()] })
}

/// Returns names and numbers of the interfaces that are up and lead out of the machine.
fn interfaces(folder: &Path) -> Vec<(String, u32)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<(String, u32)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let text = |name| std::fs::read_to_string(path.join(name)).ok();
            let flags = text("flags")?;
            let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).ok()?;
            if flags & UP == 0 || flags & LOOPBACK != 0 {
                return None;
            }
            let index = text("ifindex")?.trim().parse().ok()?;
            Some((path.file_name()?.to_str()?.to_owned(), index))
        })
        .collect();
    // The machine's own come before those made later for containers.
    found.sort_by_key(|(_, index)| *index);
    found.truncate(MAX_INTERFACES);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_that_are_down_or_lead_nowhere_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for (name, flags, index) in [
            ("eth1", "0x1003", "7"),
            ("lo", "0x9", "1"),
            ("eth0", "0x1003", "2"),
            ("wlan0", "0x1002", "3"),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("flags"), format!("{flags}\n")).unwrap();
            std::fs::write(path.join("ifindex"), format!("{index}\n")).unwrap();
        }
        let found = interfaces(folder.path());
        assert_eq!(found, [("eth0".to_owned(), 2), ("eth1".to_owned(), 7)]);
        assert!(interfaces(&folder.path().join("nothing")).is_empty());
    }
}
