//! A zone as configured, and what hosts say about the names in it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use hark_model::HostName;

use crate::addresses::refused;
use crate::name::DnsName;
use crate::server::Server;
use crate::way::Way;

/// Where an address comes from. All of them come from agents that have proven who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Where the agent's messages come from.
    Heartbeat,
    /// What the agent's collector `wan` found.
    Wan,
    /// What the agent's collector `addresses` found on an interface.
    Lan,
    /// Nowhere: records of this family are left alone.
    None,
}

impl Source {
    /// The words of the configuration.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("heartbeat", Self::Heartbeat),
        ("wan", Self::Wan),
        ("lan", Self::Lan),
        ("none", Self::None),
    ];
}

/// Who is asked whether it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Nobody.
    Off,
    /// These servers.
    Servers(Vec<Server>),
    /// The name servers of the zone, as everybody finds them.
    ByName,
}

/// A zone: names, and the way to publish them.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its name.
    pub name: DnsName,
    /// The word of its way.
    pub kind: &'static str,
    /// How it is published.
    pub way: Arc<dyn Way>,
    /// In which domains each host has a name.
    pub domains: Vec<DnsName>,
    /// Names or tags of the hosts that have one; empty: all.
    pub hosts: Vec<String>,
    /// Names or tags of hosts that have none.
    pub except: Vec<String>,
    /// Further names, and whose they are.
    pub names: BTreeMap<DnsName, HostName>,
    /// Where A records come from.
    pub v4: Source,
    /// Where AAAA records come from.
    pub v6: Source,
    /// The interface of [`Source::Lan`]; any if absent.
    pub interface: Option<String>,
    /// Whether private addresses are published.
    pub private: bool,
    /// How long others may keep a record.
    pub ttl: Duration,
    /// How long an address must have been the same.
    pub hold: Duration,
    /// How often a name is published within an hour, at most.
    pub per_hour: usize,
    /// After which time a host that is down loses its records.
    pub remove_after: Option<Duration>,
    /// Who is asked whether it is published.
    pub verify: Verify,
    /// How often that is asked again; zero: never.
    pub recheck: Duration,
    /// Another number if the way or its secrets are others.
    pub fingerprint: u64,
}

impl Zone {
    /// Returns true if a host of this name and with these tags has a name in it.
    pub fn covers(&self, host: &HostName, tags: &[&str]) -> bool {
        self.names.values().any(|named| named == host) || self.takes(host.as_str(), tags)
    }

    fn takes(&self, host: &str, tags: &[&str]) -> bool {
        let among = |words: &[String]| {
            words.iter().any(|word| word == host || tags.contains(&word.as_str()))
        };
        !self.domains.is_empty()
            && (self.hosts.is_empty() || among(&self.hosts))
            && !among(&self.except)
    }
}

/// What is known of a host. Everything comes from its own agent.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Its tags.
    pub tags: Vec<String>,
    /// Where its agent's newest message came from; nothing if none came since the start.
    pub source: Option<IpAddr>,
    /// The fact `wan_address`.
    pub wan: Option<String>,
    /// The facts `address.INTERFACE`: interface and addresses.
    pub lan: Vec<(String, String)>,
    /// For how long it has been down.
    pub down_for: Option<Duration>,
}

/// What is wanted of one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Want<T> {
    /// What is there now: nothing is known, or what is known is not published.
    #[default]
    Keep,
    /// No record.
    Nothing,
    /// This one.
    Is(T),
}

impl<T> Want<T> {
    /// Returns what that is where `now` stands.
    pub fn over(self, now: Option<T>) -> Option<T> {
        match self {
            Self::Keep => now,
            Self::Nothing => None,
            Self::Is(address) => Some(address),
        }
    }
}

/// What is wanted of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// In which zone.
    pub zone: DnsName,
    /// Whose name it is.
    pub host: HostName,
    /// Its A record.
    pub v4: Want<Ipv4Addr>,
    /// Its AAAA record.
    pub v6: Want<Ipv6Addr>,
    /// Why an address that is known is not wanted.
    pub note: Option<String>,
}

/// Returns what is wanted of each name. Of two hosts whose names would be the same, the first by its whole
/// name has it, so that it does not go to and fro.
pub fn wishes(zones: &[Arc<Zone>], hosts: &BTreeMap<HostName, Host>) -> BTreeMap<DnsName, Wish> {
    let mut wishes: BTreeMap<DnsName, Wish> = BTreeMap::new();
    for zone in zones {
        for (host, known) in hosts {
            let tags: Vec<&str> = known.tags.iter().map(String::as_str).collect();
            let named = zone.names.iter().filter(|(_, named)| *named == host).map(|(name, _)| name);
            let mut names: Vec<DnsName> = named.cloned().collect();
            if zone.takes(host.as_str(), &tags) {
                names.extend(zone.domains.iter().filter_map(|d| d.of_host(host.as_str()).ok()));
            }
            for name in names {
                let also = |first: &mut Wish| {
                    if first.host != *host {
                        first.note = Some(format!("{host} would have this name as well"));
                    }
                };
                wishes.entry(name).and_modify(also).or_insert_with(|| zone.wish(host, known));
            }
        }
    }
    wishes
}

impl Zone {
    fn wish(&self, name: &HostName, host: &Host) -> Wish {
        let mut wish = Wish {
            zone: self.name.clone(),
            host: name.clone(),
            v4: Want::Keep,
            v6: Want::Keep,
            note: None,
        };
        if let (Some(after), Some(down)) = (self.remove_after, host.down_for)
            && down >= after
        {
            wish.note = Some("it is down".to_owned());
            if self.v4 != Source::None {
                wish.v4 = Want::Nothing;
            }
            if self.v6 != Source::None {
                wish.v6 = Want::Nothing;
            }
            return wish;
        }
        let mut note = None;
        let pick = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        };
        wish.v4 = self.want(self.v4, host, pick, &mut note);
        let pick = |address: IpAddr| match address.to_canonical() {
            IpAddr::V6(v6) => Some(v6),
            IpAddr::V4(_) => None,
        };
        wish.v6 = self.want(self.v6, host, pick, &mut note);
        wish.note = note;
        wish
    }

    fn want<T: Copy + Into<IpAddr>>(
        &self,
        source: Source,
        host: &Host,
        pick: impl Fn(IpAddr) -> Option<T>,
        note: &mut Option<String>,
    ) -> Want<T> {
        let known = match source {
            Source::None => None,
            Source::Heartbeat => host.source.map(|address| vec![address]),
            Source::Wan => host.wan.as_deref().map(addresses),
            Source::Lan => self.lan(host),
        };
        let Some(known) = known else { return Want::Keep };
        let mut picked = known.into_iter().filter_map(pick).peekable();
        if picked.peek().is_none() {
            return Want::Nothing;
        }
        for address in picked {
            match refused(address.into(), self.private) {
                None => return Want::Is(address),
                Some(why) => *note = Some(format!("{} {why}", address.into())),
            }
        }
        Want::Keep
    }

    fn lan(&self, host: &Host) -> Option<Vec<IpAddr>> {
        let is_meant = |name: &str| self.interface.as_deref().is_none_or(|wanted| wanted == name);
        let listed: Vec<&str> = host
            .lan
            .iter()
            .filter(|(name, _)| is_meant(name))
            .map(|(_, addresses)| addresses.as_str())
            .collect();
        (!listed.is_empty()).then(|| listed.into_iter().flat_map(addresses).collect())
    }
}

/// Reads a list of addresses as facts have them; the length of a network is of no interest.
fn addresses(text: &str) -> Vec<IpAddr> {
    let words = text.split([',', ' ']).map(|word| word.split_once('/').map_or(word, |(ip, _)| ip));
    words.filter_map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn host(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    fn name(text: &str) -> DnsName {
        DnsName::new(text).unwrap()
    }

    fn at(source: &str) -> Host {
        Host { source: Some(source.parse().unwrap()), ..Host::default() }
    }

    fn wish(zone: &Zone, known: Host) -> Wish {
        let hosts = [(host("web1"), known)].into();
        let mut wishes = wishes(&[Arc::new(zone.clone())], &hosts);
        wishes.remove(&name("web1.example.net")).unwrap()
    }

    #[test]
    fn the_family_that_a_host_sends_from_is_published_and_the_other_goes() {
        let zone = testing::zone("example.net");
        let six = wish(&zone, at("2a00:1450::1"));
        assert_eq!((six.v4, six.v6), (Want::Nothing, Want::Is("2a00:1450::1".parse().unwrap())));
        let four = wish(&zone, at("::ffff:8.8.8.8"));
        assert_eq!((four.v4, four.v6), (Want::Is(Ipv4Addr::new(8, 8, 8, 8)), Want::Nothing));
        // A host that was not heard yet says nothing about what is published.
        let silent = wish(&zone, Host::default());
        assert_eq!((silent.v4, silent.v6), (Want::Keep, Want::Keep));
    }

    #[test]
    fn a_private_address_is_not_published_and_takes_nothing_away() {
        let mut zone = testing::zone("example.net");
        let refused = wish(&zone, at("192.168.1.5"));
        assert_eq!(refused.v4, Want::Keep);
        assert!(refused.note.unwrap().starts_with("192.168.1.5 is private"));
        zone.private = true;
        assert_eq!(wish(&zone, at("192.168.1.5")).v4, Want::Is(Ipv4Addr::new(192, 168, 1, 5)));
    }

    #[test]
    fn addresses_come_from_where_the_zone_says() {
        let mut zone = testing::zone("example.net");
        (zone.v4, zone.v6) = (Source::Wan, Source::Lan);
        let mut known = at("192.168.1.5");
        known.wan = Some("8.8.4.4".to_owned());
        known.lan = vec![
            ("eth0".to_owned(), "192.168.1.5/24, fd00::5".to_owned()),
            ("eth1".to_owned(), "2a00:1450::5/64".to_owned()),
        ];
        let both = wish(&zone, known.clone());
        assert_eq!(both.v4, Want::Is(Ipv4Addr::new(8, 8, 4, 4)));
        assert_eq!(both.v6, Want::Is("2a00:1450::5".parse().unwrap()));
        zone.interface = Some("eth0".to_owned());
        assert_eq!(wish(&zone, known.clone()).v6, Want::Keep, "fd00::5 is private");
        zone.v6 = Source::None;
        assert_eq!(wish(&zone, known).v6, Want::Keep);
    }

    #[test]
    fn a_host_that_is_down_for_long_loses_its_records() {
        let mut zone = testing::zone("example.net");
        zone.remove_after = Some(Duration::from_hours(1));
        let mut known = at("8.8.8.8");
        known.down_for = Some(Duration::from_mins(59));
        assert_eq!(wish(&zone, known.clone()).v4, Want::Is(Ipv4Addr::new(8, 8, 8, 8)));
        known.down_for = Some(Duration::from_hours(1));
        assert_eq!(wish(&zone, known).v4, Want::Nothing);
    }

    #[test]
    fn each_host_has_a_name_in_each_domain_and_what_names_give_it() {
        let mut zone = testing::zone("example.net");
        zone.domains = vec![name("a.example.net"), name("b.example.net")];
        zone.except = vec!["quiet".to_owned()];
        zone.names = [(name("www.example.net"), host("web1"))].into();
        let quiet = Host { tags: vec!["quiet".to_owned()], ..at("8.8.8.8") };
        let hosts = [
            (host("web1"), quiet),
            (host("web2.x"), at("8.8.4.4")),
            (host("web2.y"), at("1.1.1.1")),
        ];
        let wishes = wishes(&[Arc::new(zone)], &hosts.into());
        let names: Vec<_> = wishes.keys().map(DnsName::as_str).collect();
        assert_eq!(names, ["web2.a.example.net", "web2.b.example.net", "www.example.net"]);
        let first = &wishes[&name("web2.a.example.net")];
        assert_eq!(first.host, host("web2.x"));
        assert!(first.note.as_ref().unwrap().contains("web2.y"), "{first:?}");
    }

    #[test]
    fn hosts_are_chosen_by_name_or_tag() {
        let mut zone = testing::zone("example.net");
        zone.hosts = vec!["laptop".to_owned(), "web1".to_owned()];
        assert!(zone.covers(&host("web1"), &[]));
        assert!(zone.covers(&host("x"), &["laptop"]));
        assert!(!zone.covers(&host("x"), &["server"]));
    }
}
