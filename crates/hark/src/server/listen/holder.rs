//! Which process holds a port, as far as `/proc` shows it to us. Elsewhere, and of processes of other
//! users, nobody is found.

use std::fs;

/// How one listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// For agents.
    Udp,
    /// For the page.
    Tcp,
}

/// A connection waits to be made (`TCP_LISTEN` of the kernel).
const LISTENS: &str = "0A";

/// Returns the process that holds `port`, for people.
pub(super) fn holder(door: Door, port: u16) -> Option<String> {
    let tables = match door {
        Door::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        Door::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
    };
    let mut tables = tables.into_iter().filter_map(|table| fs::read_to_string(table).ok());
    let inode = tables.find_map(|table| inode_of(door, port, &table))?;
    let socket = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let number = numbers.into_iter().find(|number| has(*number, &socket))?;
    let name = fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    Some(format!("process {number} ({name})"))
}

/// Returns the number of the socket on `port` in one of the kernel's tables.
fn inode_of(door: Door, port: u16, table: &str) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (_, local) = fields.next()?.rsplit_once(':')?;
        let state = fields.nth(1)?;
        let is_it = u16::from_str_radix(local, 16) == Ok(port);
        // Connections of a browser may have the same port at their far end of this machine.
        let listens = door == Door::Udp || state == LISTENS;
        (is_it && listens).then(|| fields.nth(5)?.parse().ok()).flatten()
    })
}

fn has(process: u32, socket: &str) -> bool {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| target.to_str() == Some(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_that_listens_is_found_in_the_table_of_the_kernel() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:C354 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 111 1\n\
            \x20  1: 0100007F:C354 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1\n";
        assert_eq!(inode_of(Door::Tcp, 0xC354, table), Some(222));
        assert_eq!(inode_of(Door::Udp, 0xC354, table), Some(111));
        assert_eq!(inode_of(Door::Tcp, 0x9C40, table), None);
        assert_eq!(inode_of(Door::Tcp, 1, "nonsense\n x y\n"), None);
    }
}
