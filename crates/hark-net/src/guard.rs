//! Which addresses may be gone to. It is asked about what a name *leads to now*, so that a name that
//! changed its address after the configuration was read gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be gone to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// Any.
    #[default]
    Open,
    /// Only addresses that are reachable from everywhere.
    PublicOnly,
}

impl Guard {
    /// Returns true if `address` may be gone to.
    pub fn allows(self, address: IpAddr) -> bool {
        self == Self::Open || !is_private(address)
    }
}

/// Returns true for addresses that mean something only on this machine or in its own network, also
/// where they are wrapped into IPv6.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocol = a == 192 && b == 0 && c == 0;
    let benchmark = a == 198 && (b == 18 || b == 19);
    a == 0
        || a >= 224
        || v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || shared
        || protocol
        || benchmark
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        is_private_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
    };
    match v6.segments() {
        // ::, ::1 and the old compatible form.
        [0, 0, 0, 0, 0, 0, _, _] => return true,
        // The mapped form, and translation to IPv4 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            return embedded(high, low);
        }
        _ => {}
    }
    let [first, second, third, ..] = v6.segments();
    let local_translation = first == 0x64 && second == 0xff9b && third == 1;
    let six_to_four = first == 0x2002 && embedded(second, third);
    let teredo = first == 0x2001 && second == 0;
    let unique_local = first & 0xfe00 == 0xfc00;
    let link_or_site_local = first & 0xff80 == 0xfe80;
    let multicast = first & 0xff00 == 0xff00;
    local_translation || six_to_four || teredo || unique_local || link_or_site_local || multicast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_clothing() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.9",
            "169.254.169.254",
            "172.31.0.1",
            "192.0.0.8",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:0a00:0001::1",
            "2001:0:53aa::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn public_addresses_are_let_through() {
        for public in [
            "9.9.9.9",
            "172.32.0.1",
            "100.128.0.1",
            "2620:fe::fe",
            "64:ff9b::909:909",
            "::ffff:9.9.9.9",
        ] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
