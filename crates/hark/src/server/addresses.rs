//! Where other machines find this server: what a token for agents tells them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Addresses that lie behind the default route of every machine that has one; they are kept for
/// documents (RFC 5737, RFC 3849), and nothing is sent to them.
const FAR_AWAY: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// The most addresses of this machine that are looked at: one with many containers has hundreds.
const MAX_OWN: usize = 16;

/// Returns addresses under which other machines may reach this one, best first: those of the Internet, then those of
/// the network here, in each the one on the way out before the others. Those of one cable or of this machine
/// alone are left out.
pub(super) fn own() -> Vec<IpAddr> {
    let outward: Vec<IpAddr> = FAR_AWAY.into_iter().filter_map(outward).collect();
    best(&outward, crate::sys::interface_addresses())
}

fn best(outward: &[IpAddr], found: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut own: Vec<IpAddr> = outward.to_vec();
    for ip in found.into_iter().map(|ip| ip.to_canonical()).filter(is_reached_by_others) {
        if !own.contains(&ip) {
            own.push(ip);
        }
    }
    own.sort_by_key(is_of_this_network);
    own.truncate(MAX_OWN);
    own
}

fn is_reached_by_others(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()),
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified()),
    }
}

fn is_of_this_network(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// Returns where other machines reach the page of a server that listens at `http`, best first: as
/// the configuration says, by the addresses on the way out, by the machine's name, which is often
/// known to nobody else and so comes last. Empty if nobody else can reach it.
pub(super) fn reachable(public_url: &str, http: SocketAddr, name: Option<String>) -> Vec<String> {
    let outward: Vec<IpAddr> = FAR_AWAY.into_iter().filter_map(outward).collect();
    listed(public_url, http, &outward, name)
}

fn listed(
    public_url: &str,
    http: SocketAddr,
    outward: &[IpAddr],
    name: Option<String>,
) -> Vec<String> {
    let mut found: Vec<String> = authority(public_url).into_iter().collect();
    let ip = http.ip().to_canonical();
    if ip.is_loopback() {
        return found;
    }
    let v4_only = matches!(http.ip(), IpAddr::V4(_));
    let own = if ip.is_unspecified() {
        outward.iter().filter(|ip| ip.is_ipv4() || !v4_only).copied().collect()
    } else {
        vec![ip]
    };
    found.extend(own.into_iter().map(|ip| SocketAddr::new(ip, http.port()).to_string()));
    found.extend(name.map(|name| format!("{name}:{}", http.port())));
    found.dedup();
    found
}

/// Returns this machine's address on the way to `target`; asks the routing table, sends nothing.
fn outward(target: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match target {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((target, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

/// Returns host and port of an address such as `https://mon.example.net/hark`.
fn authority(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.host()?;
    let usual = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    Some(format!("{host}:{}", uri.port_u16().unwrap_or(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_addresses_that_other_machines_can_use() {
        let out: [IpAddr; 2] = ["198.51.100.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let all = |url: &str, http: &str| {
            listed(url, http.parse().unwrap(), &out, Some("mon".to_owned()))
        };
        let every = ["198.51.100.7:50004", "[2001:db8::7]:50004", "mon:50004"];
        assert_eq!(all("", "[::]:50004"), every);
        assert_eq!(all("", "0.0.0.0:7"), ["198.51.100.7:7", "mon:7"]);
        let first = all("https://mon.example.net/hark", "[::]:50004");
        assert_eq!(first.first().map(String::as_str), Some("mon.example.net:443"));
        assert_eq!(first.len(), 4);
        assert_eq!(all("http://mon:8080", "10.0.0.1:5"), ["mon:8080", "10.0.0.1:5", "mon:5"]);
        // Nobody else reaches a page on the loopback interface, whatever its name is.
        assert_eq!(all("", "127.0.0.1:50004"), Vec::<String>::new());
        assert_eq!(all("https://mon.example.net", "[::1]:5"), ["mon.example.net:443"]);
    }

    #[test]
    fn the_addresses_of_this_machine_are_those_that_others_can_use_global_ones_first() {
        let ips =
            |all: &[&str]| -> Vec<IpAddr> { all.iter().map(|ip| ip.parse().unwrap()).collect() };
        let out = ips(&["192.168.1.5", "2001:db8::7"]);
        let found = ips(&[
            "127.0.0.1",
            "::1",
            "fe80::1",
            "169.254.3.4",
            "172.17.0.1",
            "192.168.1.5",
            "fd00::5",
            "203.0.113.9",
            "2001:db8::7",
            "::ffff:203.0.113.9",
        ]);
        let expected = ips(&["2001:db8::7", "203.0.113.9", "192.168.1.5", "172.17.0.1", "fd00::5"]);
        assert_eq!(best(&out, found), expected);
        let many = (0..200).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        assert_eq!(best(&[], many).len(), MAX_OWN);
    }
}
