//! From the way that a server is named to addresses.
//!
//! Names are resolved by the C library (`ToSocketAddrs`), which knows `/etc/hosts`, search domains and
//! whatever else the machine uses: the agent must find what `ping` finds. It cannot ask for services, nor
//! ask other name servers than the system's: that is done by hark's own resolver, in a runtime that ends
//! with the question.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use hark_net::{Family, Resolver};
use hark_proto::Identity;

use super::calling;
use super::server::{Server, Way};

/// The port of name servers.
const DNS_PORT: u16 = 53;

/// How names of servers are looked up.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The name servers that are asked; none: as the system does.
    asked: Vec<SocketAddr>,
    /// Who calls on the local network; nobody, nobody is found there.
    caller: Option<Identity>,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Addresses in the order in which they are tried, each with its priority: lower is better.
    pub(crate) places: Vec<(SocketAddr, u16)>,
    /// How long the name servers promise that the list of a service holds.
    pub(crate) holds: Option<Duration>,
}

impl Names {
    /// Asks these name servers.
    pub fn asking(asked: Vec<SocketAddr>) -> Self {
        Self { asked, caller: None }
    }

    /// Lets the agent with this identity be the one who calls on the local network.
    #[must_use]
    pub(crate) fn calling_as(self, caller: Identity) -> Self {
        Self { caller: Some(caller), ..self }
    }

    /// Reads a name server: `192.0.2.53`, `192.0.2.53:5353` or `[2001:db8::53]:5353`.
    ///
    /// # Errors
    /// What it should be.
    pub fn parse(text: &str) -> Result<SocketAddr, &'static str> {
        let bare = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
        bare.or_else(|_| text.parse())
            .map_err(|_| "a name server is an address, with :port if it is not 53")
    }

    /// Returns where a server is now. Blocks for as long as name servers do.
    ///
    /// # Errors
    /// What the resolver says.
    pub fn addresses(&self, server: &Server) -> io::Result<Vec<SocketAddr>> {
        Ok(self.find(server)?.places.into_iter().map(|(address, _)| address).collect())
    }

    /// Returns where a server is now, in the order in which its addresses are to be tried. Blocks.
    pub(crate) fn find(&self, server: &Server) -> io::Result<Found> {
        if let Some(address) = server.literal() {
            return Ok(Found { places: vec![(address, 0)], holds: None });
        }
        match server.way() {
            Way::At(host, port) => {
                let places = self.named(host, *port)?.into_iter().map(|address| (address, 0));
                Ok(Found { places: places.collect(), holds: None })
            }
            Way::Service(name) => self.service(name),
            Way::Local(port) => {
                let unknown =
                    || io::Error::other("an agent that has not joined is known to nobody");
                let caller = self.caller.as_ref().ok_or_else(unknown)?;
                let found = calling::call(caller, *port)?;
                let places = found.into_iter().map(|(address, _)| (address, 0)).collect();
                Ok(Found { places, holds: None })
            }
        }
    }

    fn named(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if self.asked.is_empty() {
            return (host, port).to_socket_addrs().map(Iterator::collect);
        }
        let resolver = Resolver::asking(&self.asked);
        let found = apart(|runtime| runtime.block_on(resolver.lookup(host, Family::Either)))?;
        Ok(found
            .map_err(io::Error::from)?
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect())
    }

    fn service(&self, name: &str) -> io::Result<Found> {
        let resolver = Resolver::asking(&self.asked);
        let services = apart(|runtime| runtime.block_on(resolver.services(name)))?;
        let services = services.map_err(io::Error::from)?;
        let (mut places, mut failure) = (Vec::new(), None);
        for service in &services.found {
            match self.named(&service.target, service.port) {
                Ok(addresses) => {
                    places.extend(addresses.into_iter().map(|address| (address, service.priority)));
                }
                Err(error) => {
                    tracing::warn!(name, target = service.target, %error, "cannot resolve who offers a service");
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if places.is_empty() => Err(error),
            _ => Ok(Found { places, holds: Some(services.ttl) }),
        }
    }
}

/// Runs `ask` with a runtime of its own, on a thread of its own: the caller's may belong to another
/// runtime, within which no second one can wait.
fn apart<T: Send>(ask: impl FnOnce(&tokio::runtime::Runtime) -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let asking =
            std::thread::Builder::new().name("hark-names".into()).spawn_scoped(scope, || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                Ok(ask(&runtime))
            })?;
        asking.join().unwrap_or_else(|_| Err(io::Error::other("the resolver has failed")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_addresses() {
        for (text, shown) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:5353", "192.0.2.53:5353"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]:7", "[2001:db8::53]:7"),
        ] {
            assert_eq!(Names::parse(text).unwrap().to_string(), shown);
        }
        assert!(Names::parse("ns.example.net").is_err());
    }

    #[test]
    fn names_and_addresses_need_no_other_name_server() {
        let names = Names::default();
        let literal = names.find(&Server::parse("192.0.2.1:7").unwrap()).unwrap();
        assert_eq!(literal.places, [("192.0.2.1:7".parse().unwrap(), 0)]);
        let found = names.addresses(&Server::parse("localhost:9").unwrap()).unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 9));
    }
}
