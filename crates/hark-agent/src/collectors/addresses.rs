//! Addresses of this machine's interfaces, and their changes.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Mono, SeriesDef, Severity};

use super::{Absent, Change, Collector, CollectorType, Make, Noticed, Root, os_info};
use crate::collectors::network::is_excluded;
use crate::netlink::{Attributes, Netlink, number};
use crate::source::{Short, names};

/// The kind of collector.
#[derive(Debug)]
pub struct Addresses;

/// Its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Interfaces that are left out; a `*` at the end stands for anything.
    pub exclude: Vec<String>,
}

const KEYS: &[Key] = &[Key::new(
    "exclude",
    Kind::OneOrMany(&Kind::Text),
    "Interfaces that are left out; `*` at the end stands for anything.",
)
.default("docker*, veth*, br-*, virbr*, cni*, flannel*, cali*")];

/// What container and VM programs make and take away as they please.
const EXCLUDED: &[&str] = &["docker*", "veth*", "br-*", "virbr*", "cni*", "flannel*", "cali*"];

/// An address that was there for less than this between two looks is nobody's.
const EVERY: Duration = Duration::from_mins(1);

/// Bound on interfaces in facts, of the 64 facts that a host may have.
const MAX_INTERFACES: usize = 12;

/// Bound on addresses that are looked at.
const MAX_ADDRESSES: usize = 256;

/// Bound on interfaces whose number is looked up.
const MAX_NAMES: usize = 1024;

impl CollectorType for Addresses {
    fn name(&self) -> &'static str {
        "addresses"
    }

    fn manual(&self) -> &'static str {
        "Facts, not samples: `address.<interface>` with the addresses of each interface, from \
         rtnetlink(7). When they change, the event `address_changed` says what they were and what \
         they are. Left out are addresses that hold within the machine or on one cable only, and \
         those made up for privacy, which change every day. For the address under which the \
         Internet sees this machine see `wan`."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "exclude: [\"docker*\", \"tun*\"]\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        let exclude = if section.has("exclude") {
            let listed = section.one_or_many("exclude");
            listed.iter().filter_map(|v| v.str().map(str::to_owned)).collect()
        } else {
            EXCLUDED.iter().map(|name| (*name).to_owned()).collect()
        };
        Box::new(Settings { exclude })
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(AddressCollector {
            exclude: self.exclude.clone(),
            root: root.clone(),
            netlink: None,
            known: None,
            noticed: Vec::new(),
        })
    }
}

#[derive(Debug)]
struct AddressCollector {
    exclude: Vec<String>,
    root: Root,
    netlink: Option<Netlink>,
    known: Option<Vec<Address>>,
    noticed: Vec<Noticed>,
}

impl Collector for AddressCollector {
    fn collect(&mut self, _at: Mono, _values: &mut Vec<f64>) -> Result<Change, Absent> {
        let mut found = self.look().map_err(|source| Absent::Unreadable {
            path: self.root.join("proc/self/net"),
            source,
        })?;
        found.retain(|address| !is_excluded(&self.exclude, &address.interface));
        found.sort();
        found.dedup();
        if self.known.as_ref() == Some(&found) {
            return Ok(Change::Same);
        }
        if let Some(before) = self.known.replace(found) {
            let now = self.known.as_deref().unwrap_or_default();
            self.noticed.extend(changes(&before, now));
        }
        Ok(Change::Other)
    }

    fn series(&self) -> Vec<SeriesDef> {
        Vec::new()
    }

    fn facts(&self) -> Vec<(String, String)> {
        facts(self.known.as_deref().unwrap_or_default())
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }
}

impl AddressCollector {
    fn look(&mut self) -> std::io::Result<Vec<Address>> {
        if !self.root.is_system() {
            // The kernel only tells of the machine that it runs.
            return Err(std::io::ErrorKind::NotFound.into());
        }
        let netlink = match &mut self.netlink {
            Some(netlink) => netlink,
            empty @ None => empty.insert(Netlink::open(libc::NETLINK_ROUTE)?),
        };
        let mut found: Vec<Found> = Vec::new();
        netlink.dump(libc::RTM_GETADDR, &[0; 8], |contents| {
            found.extend(parse(contents).filter(|_| found.len() < MAX_ADDRESSES));
        })?;
        let mut interfaces = None;
        let named = |found: Found| {
            let interface = if let Some(label) = found.label {
                label
            } else {
                let interfaces = interfaces.get_or_insert_with(|| numbered(&self.root));
                interfaces.iter().find(|(index, _)| *index == found.index)?.1.clone()
            };
            Some(Address { interface, ip: found.ip })
        };
        Ok(found.into_iter().filter_map(named).collect())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Address {
    interface: String,
    ip: IpAddr,
}

/// An address as the kernel tells it.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    index: u32,
    /// The name of the interface; only told with IPv4.
    label: Option<String>,
    ip: IpAddr,
}

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
/// Temporary, deprecated, tentative, and one that another machine has as well.
const PASSING: u8 = 0x01 | 0x20 | 0x40 | 0x08;
/// `RT_SCOPE_UNIVERSE`, and `RT_SCOPE_SITE`.
const FAR: [u8; 2] = [0, 200];

/// Reads one `struct ifaddrmsg`; none for addresses that are of no interest.
fn parse(contents: &[u8]) -> Option<Found> {
    let [family, _prefix, flags, scope] = number::<4>(contents, 0)?;
    let index = u32::from_ne_bytes(number(contents, 4)?);
    // The same bits of IPv4 mean other things: 0x01 is a second address.
    let is_four = i32::from(family) == libc::AF_INET;
    let passing = if is_four { 0 } else { flags & PASSING };
    if passing != 0 || !FAR.contains(&scope) {
        return None;
    }
    let (mut address, mut local, mut label) = (None, None, None);
    for (kind, value) in Attributes(contents.get(8..)?) {
        match kind {
            IFA_ADDRESS => address = ip(value),
            IFA_LOCAL => local = ip(value),
            // `eth0:1` is an address of eth0 with a name of its own.
            IFA_LABEL => {
                let text = String::from_utf8_lossy(value);
                label = text.trim_end_matches('\0').split(':').next().map(str::to_owned);
            }
            _ => {}
        }
    }
    // On a link between two, the address is that of the other side.
    Some(Found { index, label, ip: local.or(address)? })
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into())
}

/// The numbers of the interfaces.
fn numbered(root: &Root) -> Vec<(u32, String)> {
    let folder = root.join("sys/class/net");
    let number = |name: String| {
        let index =
            Short::new(folder.join(&name).join("ifindex")).line(|line| line.parse().ok())?;
        Some((index, name))
    };
    names(&folder, MAX_NAMES).into_iter().filter_map(number).collect()
}

/// The addresses of `interface`, with commas between; none if it has none.
fn listed(addresses: &[Address], interface: &str) -> Option<String> {
    let mut text = String::new();
    for address in addresses.iter().filter(|address| address.interface == interface) {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a text cannot fail.
        let _written = write!(text, "{comma}{}", address.ip);
    }
    (!text.is_empty()).then_some(text)
}

fn interfaces<'a>(addresses: impl Iterator<Item = &'a Address>) -> Vec<&'a str> {
    let mut names: Vec<&str> = addresses.map(|address| address.interface.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn facts(addresses: &[Address]) -> Vec<(String, String)> {
    let fact = |interface: &str| {
        let name = os_info::short(&format!("address.{interface}"))?;
        Some((name, os_info::short(&listed(addresses, interface)?)?))
    };
    interfaces(addresses.iter()).into_iter().filter_map(fact).take(MAX_INTERFACES).collect()
}

fn changes(before: &[Address], now: &[Address]) -> Vec<Noticed> {
    let changed = |interface: &str| {
        let (was, is) = (listed(before, interface), listed(now, interface));
        let text = match (was, is) {
            (was, is) if was == is => return None,
            (None, Some(is)) => format!("{interface} has the address {is}"),
            (Some(was), Some(is)) => format!("{interface} has the address {is} (was {was})"),
            (was, None) => format!("{interface} has no address (was {})", was.unwrap_or_default()),
        };
        Some(Noticed { kind: "address_changed", severity: Severity::Info, text })
    };
    interfaces(before.iter().chain(now)).into_iter().filter_map(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().div_ceil(4) * 4, 0);
        bytes
    }

    fn message(family: i32, flags: u8, scope: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(family).unwrap(), 24, flags, scope];
        bytes.extend_from_slice(&2_u32.to_ne_bytes());
        for (kind, value) in attributes {
            bytes.extend(attribute(*kind, value));
        }
        bytes
    }

    #[test]
    fn reads_what_the_kernel_tells_and_leaves_out_what_passes() {
        let four: &[(u16, &[u8])] =
            &[(1, &[192, 0, 2, 9]), (2, &[192, 0, 2, 4]), (3, b"eth0:1\0"), (8, &[0; 4])];
        let found = parse(&message(libc::AF_INET, 0x81, 0, four)).unwrap();
        assert_eq!(found.label.as_deref(), Some("eth0"));
        assert_eq!(found.ip.to_string(), "192.0.2.4", "not that of the other side");
        let six = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        let of_six = |flags, scope| parse(&message(libc::AF_INET6, flags, scope, &[(1, &six)]));
        assert_eq!(of_six(0x80, 0).unwrap().ip.to_string(), "2001:db8::7");
        assert_eq!(of_six(0x81, 0), None, "temporary");
        assert_eq!(of_six(0x40, 0), None, "tentative");
        assert_eq!(of_six(0, 253), None, "on this cable only");
        assert_eq!(of_six(0, 254), None, "within the machine");
        let whole = message(libc::AF_INET6, 0, 0, &[(1, &six)]);
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None, "{cut}");
        }
    }

    fn address(interface: &str, ip: &str) -> Address {
        Address { interface: interface.to_owned(), ip: ip.parse().unwrap() }
    }

    #[test]
    fn changes_are_told_by_interface_and_facts_list_all() {
        let before = [address("eth0", "192.0.2.4"), address("wg0", "10.0.0.1")];
        let now = [
            address("eth0", "192.0.2.5"),
            address("eth0", "2001:db8::1"),
            address("ppp0", "203.0.113.7"),
        ];
        let said: Vec<_> = changes(&before, &now).into_iter().map(|n| n.text).collect();
        assert_eq!(
            said,
            [
                "eth0 has the address 192.0.2.5, 2001:db8::1 (was 192.0.2.4)",
                "ppp0 has the address 203.0.113.7",
                "wg0 has no address (was 10.0.0.1)",
            ]
        );
        assert_eq!(changes(&now, &now), []);
        let facts = facts(&now);
        assert_eq!(facts[0], ("address.eth0".to_owned(), "192.0.2.5, 2001:db8::1".to_owned()));
        assert_eq!(facts.len(), 2);
    }
}
