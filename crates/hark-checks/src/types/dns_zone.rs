//! A DNS zone: each of its name servers answers for it, all with the same serial.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use domain::base::Name;
use domain::base::iana::{OptRcode, Rtype};
use futures_util::future::join_all;
use hark_config::{Bare, Key, Kind, Section};
use hark_model::Status;
use hark_model::time::Clock;
use hark_net::{BoxFuture, Family, Guard, Stopwatch};

use self::judge::{Limits, Outcome, Zone};
use crate::dns::{Answer, Question, over_udp, read_name};
use crate::endpoint::{Endpoint, TlsMode};
use crate::facts::FactKey;
use crate::finding::Finding;
use crate::net::{FAMILY_KEY, TIMEOUT_KEY, TimeLimits, host_port, read_timeout};
use crate::session::unanswered;
use crate::{Check, CheckType, Context, Given};

mod judge;

/// The check type `dns_zone`.
#[derive(Debug)]
pub(crate) struct DnsZone;

pub(crate) const KEYS: &[Key] = &[
    Key::new("zone", Kind::Text, "The zone: `example.net`.").required(),
    Key::new(
        "servers",
        Kind::OneOrMany(&Kind::Text),
        "Its name servers, by name or address; by default those that its NS records name.",
    ),
    Key::new(
        "resolver",
        Kind::Text,
        "Address, or address and port, of the server to ask for NS records and addresses; by default those of this machine.",
    ),
    Key::new("port", Kind::Integer, "Port of the zone's name servers.").default("53"),
    FAMILY_KEY,
    Key::new(
        "min_servers",
        Kind::Integer,
        "Critical if fewer addresses of name servers answer as they must.",
    )
    .default("1"),
    Key::new(
        "mismatch",
        Kind::OneOf(&["warning", "critical"]),
        "What it is when the serials differ: a change needs its time to reach every server.",
    )
    .default("warning"),
    Key::new(
        "age_warning",
        Kind::Duration,
        "Warning if the serial, where it is a date or a time, is older.",
    ),
    Key::new("age_critical", Kind::Duration, "Critical if it is older."),
    TIMEOUT_KEY,
];

const FACTS: &[FactKey] = &[
    FactKey::new("serial", "newest serial"),
    FactKey::new("serials", "every serial that was seen"),
    FactKey::new("servers", "addresses that were asked"),
    FactKey::new("servers_well", "those that answered as they must"),
    FactKey::new("server_names", "the name servers"),
    FactKey::new("age_seconds", "age of the newest serial, where it is a date or a time"),
    FactKey::new("slowest_seconds", "time of the slowest answer"),
    FactKey::new("total_seconds", "time of everything"),
];

/// Most name servers of a zone that are asked: the root has 13.
const MAX_SERVERS: usize = 16;

/// Most addresses of them all.
const MAX_ADDRESSES: usize = 48;

const PORT: u16 = 53;

impl CheckType for DnsZone {
    fn name(&self) -> &'static str {
        "dns_zone"
    }

    fn manual(&self) -> &'static str {
        "Asks every name server of a zone for its SOA record, at each of its addresses. Critical if \
         one does not answer or is not authoritative, or if there is no such zone. Warning (or \
         critical, by `mismatch`) if the serials differ. Serials such as 2026112101 or of a Unix \
         time have an age, which may have limits. With `family: either` an address that this \
         machine has no route to is passed over as long as the server has another. Unknown if the \
         resolver does not answer."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn facts(&self) -> &'static [FactKey] {
        FACTS
    }

    fn target_key(&self) -> &'static str {
        "zone"
    }

    fn example(&self) -> &'static str {
        "zone: example.net\nmin_servers: 2\nage_warning: 90d\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        section.required("zone");
        let zone = section.parse("zone", |text| read_name(text, Rtype::SOA));
        let servers = section.parse_many("servers", |text| {
            // An address is its own name here.
            read_name(text, Rtype::SOA).map(|name| match text.parse::<IpAddr>() {
                Ok(address) => Server::At(address),
                Err(_) => Server::Named(name),
            })
        });
        let resolver = section.parse("resolver", read_resolver);
        let port = section.u64("port", PORT.into(), 1..=65535);
        let min_servers = section.u64("min_servers", 1, 1..=32);
        let words = &[("warning", Status::Warning), ("critical", Status::Critical)];
        let mismatch = section.word("mismatch", words).unwrap_or(Status::Warning);
        let age = TimeLimits {
            warning: section.opt_duration("age_warning", Bare::Seconds),
            critical: section.opt_duration("age_critical", Bare::Seconds),
        };
        if age.warning.zip(age.critical).is_some_and(|(warning, critical)| warning > critical) {
            section.error("age_warning", "the warning limit is above the critical one");
        }
        let min_servers = usize::try_from(min_servers).unwrap_or(1);
        Some(Box::new(Servers {
            timeout: read_timeout(section),
            zone: zone?,
            given: servers.into_iter().map(|server| server.value).collect(),
            resolver,
            port: u16::try_from(port).unwrap_or(PORT),
            family: given.family,
            limits: Limits { min_servers, mismatch, age },
        }))
    }
}

fn read_resolver(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().or_else(|_| {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        bare.parse().map(|address: IpAddr| SocketAddr::new(address, PORT))
    });
    address.map_err(|_| format!("`{text}` is not an address, nor an address with a port"))
}

#[derive(Debug)]
struct Servers {
    zone: Name<Vec<u8>>,
    /// The name servers of the settings, where there are some.
    given: Vec<Server>,
    resolver: Option<SocketAddr>,
    port: u16,
    family: Family,
    limits: Limits,
    timeout: Duration,
}

#[derive(Clone, Debug)]
enum Server {
    Named(Name<Vec<u8>>),
    At(IpAddr),
}

impl Server {
    fn word(&self) -> String {
        match self {
            Self::Named(name) => name.to_string(),
            Self::At(address) => address.to_string(),
        }
    }
}

/// How much of the time limit stays free for the judgement.
const RESERVE: Duration = Duration::from_millis(50);

impl Check for Servers {
    fn kind(&self) -> &'static str {
        "dns_zone"
    }

    fn target(&self) -> String {
        self.zone.to_string()
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let mut watch = Stopwatch::start();
            let servers = match self.servers(context).await {
                Ok(servers) => servers,
                Err(finding) => return finding,
            };
            let found = join_all(servers.iter().map(|server| self.addresses(context, server)));
            let mut places = Vec::new();
            let mut outcomes = Vec::new();
            for (server, found) in servers.iter().zip(found.await) {
                match found {
                    Ok(addresses) => {
                        places.extend(addresses.into_iter().map(|at| (server.word(), at)));
                    }
                    Err(error) => outcomes.push(Outcome::lost(server.word(), &error)),
                }
            }
            places.truncate(MAX_ADDRESSES);
            let left = self.timeout.saturating_sub(watch.lap()).saturating_sub(RESERVE);
            let asked = places.into_iter().map(|(name, at)| self.ask_soa(context, name, at, left));
            outcomes.extend(join_all(asked).await);
            let zone = Zone { name: self.zone.to_string(), outcomes, total: watch.lap() };
            self.limits.judge(&zone, Clock.now().unix)
        })
    }
}

impl Servers {
    /// Returns the zone's name servers.
    async fn servers(&self, context: &Context) -> Result<Vec<Server>, Finding> {
        if !self.given.is_empty() {
            return Ok(self.given.clone());
        }
        let answer = self.resolve(context, &self.zone, Rtype::NS).await.map_err(|error| {
            Finding::new(Status::Unknown, format!("the name servers of {}: {error}", self.zone))
        })?;
        if answer.code == OptRcode::NXDOMAIN {
            let text = format!("there is no zone {}", self.zone);
            return Err(Finding::new(Status::Critical, text));
        }
        if answer.code != OptRcode::NOERROR {
            let text = format!("the resolver says {} for {}", answer.code, self.zone);
            return Err(Finding::new(Status::Unknown, text));
        }
        let names = answer.records.iter().filter_map(|record| record.data.parse().ok());
        let servers: Vec<_> = names.take(MAX_SERVERS).map(Server::Named).collect();
        if servers.is_empty() {
            let text = format!("{} is no zone: it has no NS records", self.zone);
            return Err(Finding::new(Status::Critical, text));
        }
        Ok(servers)
    }

    /// Returns the addresses of a name server that are of the family; none is no error where one
    /// family is wanted, since a server may well have the other alone.
    async fn addresses(&self, context: &Context, server: &Server) -> io::Result<Vec<IpAddr>> {
        let name = match server {
            Server::At(address) => return Ok(vec![*address]),
            Server::Named(name) => name,
        };
        let found = if self.resolver.is_none() {
            match context.resolver.lookup(&name.to_string(), self.family).await {
                Ok(found) => found,
                Err(hark_net::ResolveError::NoAddress { .. }) => Vec::new(),
                Err(error) => return Err(io::Error::other(crate::net::chain(&error))),
            }
        } else {
            let ask = |rtype| self.resolve(context, name, rtype);
            let (v4, v6) = tokio::join!(ask(Rtype::A), ask(Rtype::AAAA));
            let records = v4?.records.into_iter().chain(v6?.records);
            let found = records.filter_map(|record| record.data.parse::<IpAddr>().ok());
            found.filter(|address| self.family.takes(*address)).collect()
        };
        if found.is_empty() && self.family == Family::Either {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
        }
        Ok(found)
    }

    /// Asks the resolvers, one after another.
    async fn resolve(
        &self,
        context: &Context,
        name: &Name<Vec<u8>>,
        rtype: Rtype,
    ) -> io::Result<Answer> {
        let own = || context.resolver.name_servers();
        let resolvers = self.resolver.map_or_else(own, |resolver| vec![resolver]);
        let share = self.timeout / 2 / u32::try_from(resolvers.len().max(1)).unwrap_or(1);
        let question = Question { name: name.clone(), rtype, recursion: true, dnssec: false };
        let mut error = io::Error::new(io::ErrorKind::NotFound, "no name server is configured");
        for resolver in resolvers {
            let endpoint = endpoint(resolver, share);
            // The name servers of this machine are its own affair; one of the settings is a target.
            let guard = if self.resolver.is_some() { context.guard } else { Guard::Open };
            let context = Context { guard, ..context.clone() };
            match over_udp(&endpoint, &context, &question).await {
                Ok((_, Ok(answer))) => return Ok(answer),
                Ok((_, Err(met))) => {
                    error = io::Error::new(met.kind(), format!("{resolver}: {met}"));
                }
                Err(finding) => error = io::Error::other(finding.text),
            }
        }
        Err(error)
    }

    async fn ask_soa(
        &self,
        context: &Context,
        server: String,
        address: IpAddr,
        left: Duration,
    ) -> Outcome {
        let name = self.zone.clone();
        let question = Question { name, rtype: Rtype::SOA, recursion: false, dnssec: false };
        let endpoint = endpoint(SocketAddr::new(address, self.port), left);
        let said = match over_udp(&endpoint, context, &question).await {
            Ok((seen, answer)) => answer
                .map(|answer| (answer, seen.phases.first_byte.unwrap_or_default()))
                .map_err(|error| (unanswered(&error), false)),
            Err(finding) => {
                let no_route = finding.text.contains("unreachable");
                Err((finding.text, no_route))
            }
        };
        Outcome::of(server, host_port(&address.to_string(), self.port), said)
    }
}

/// A name server at an address.
fn endpoint(at: SocketAddr, timeout: Duration) -> Endpoint {
    Endpoint {
        address: at.ip().to_string(),
        port: at.port(),
        family: Family::Either,
        mode: TlsMode::Off,
        tls: None,
        tls_name: String::new(),
        limits: TimeLimits::default(),
        timeout,
    }
}
