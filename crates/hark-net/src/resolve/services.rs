//! Who offers a service: the records SRV of a name, in the order of RFC 2782.

use std::io;
use std::time::Duration;

use domain::base::iana::{Rcode, Rtype};
use domain::base::name::ToName as _;
use domain::base::{Message, Name};
use domain::rdata::Srv;
use ring::rand::{SecureRandom, SystemRandom};

use super::{ResolveError, Resolver};

/// Bound on the records taken for one service.
const MAX_SERVICES: usize = 32;

/// One who offers a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The lower, the sooner it is asked.
    pub priority: u16,
    /// How often it is asked first among those of its priority.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its name, without the dot at the end.
    pub target: String,
}

/// Who offers a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    /// In the order in which they are to be asked; there is at least one.
    pub found: Vec<Service>,
    /// How long the name servers promise that this holds.
    pub ttl: Duration,
}

impl Resolver {
    /// Returns who offers the service of this name (`_hark._udp.example.net`): lower priorities first, and
    /// within one priority by chance, so that each comes first as often as its weight says. The name is
    /// whole: no domain of the search list is added. Cancelling leaves nothing behind.
    ///
    /// # Errors
    /// If nobody offers it, or nobody knows.
    pub async fn services(&self, name: &str) -> Result<Services, ResolveError> {
        let servers = self.servers.read();
        let whole = name.trim_end_matches('.');
        let (mut found, ttl) = self.ask_each(&servers, whole, Rtype::SRV, read).await?;
        // The root as the only target says that there is decidedly no such service.
        found.retain(|service| !service.target.is_empty());
        if found.is_empty() {
            return Err(ResolveError::NoService { name: whole.to_owned() });
        }
        let found = ordered(found, &mut chance);
        Ok(Services { found, ttl })
    }
}

fn read(answer: &[u8]) -> io::Result<(Rcode, (Vec<Service>, Duration))> {
    let message = Message::from_octets(answer).map_err(io::Error::other)?;
    let rcode = message.header().rcode();
    let Some(owner) = message.canonical_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "aliases lead in a circle"));
    };
    let (mut found, mut ttl) = (Vec::new(), None);
    let section = message.answer().map_err(io::Error::other)?;
    for record in section.limit_to::<Srv<_>>().take(MAX_SERVICES) {
        let record = record.map_err(io::Error::other)?;
        if *record.owner() != owner {
            continue;
        }
        let held = record.ttl().into_duration();
        ttl = Some(ttl.map_or(held, |least: Duration| least.min(held)));
        let (priority, weight, port) =
            (record.data().priority(), record.data().weight(), record.data().port());
        let target = record.data().target();
        let target: Name<Vec<u8>> = target.try_to_name::<Vec<u8>>().map_err(io::Error::other)?;
        let target = target.to_string();
        found.push(Service { priority, weight, port, target: target.trim_matches('.').to_owned() });
    }
    Ok((rcode, (found, ttl.unwrap_or_default())))
}

/// Puts them in order. `chance` returns a number from 0 to its argument, each as likely.
fn ordered(mut found: Vec<Service>, chance: &mut dyn FnMut(u32) -> u32) -> Vec<Service> {
    // Those of weight 0 first, as the RFC has it: they are chosen now and then all the same.
    found.sort_by_key(|service| (service.priority, service.weight != 0));
    let mut ordered = Vec::with_capacity(found.len());
    while let Some(priority) = found.first().map(|service| service.priority) {
        let of_one = found.iter().take_while(|service| service.priority == priority);
        let sum = of_one.map(|service| u32::from(service.weight)).sum();
        let drawn = chance(sum);
        let mut running = 0;
        let chosen = found.iter().position(|service| {
            running += u32::from(service.weight);
            running >= drawn
        });
        ordered.push(found.remove(chosen.unwrap_or(0)));
    }
    ordered
}

/// Returns a number from 0 to `most`. Without random numbers it is 0: the order is then always the same.
fn chance(most: u32) -> u32 {
    let mut bytes = [0; 8];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        return 0;
    }
    // At most 32 weights of 16 bits: the remainder of 64 bits is as good as even.
    u32::try_from(u64::from_be_bytes(bytes) % (u64::from(most) + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(priority: u16, weight: u16, target: &str) -> Service {
        Service { priority, weight, port: 7, target: target.to_owned() }
    }

    fn order(found: &[Service], drawn: &[u32]) -> String {
        let mut drawn = drawn.iter().copied();
        let ordered = ordered(found.to_vec(), &mut |most| drawn.next().unwrap_or(0).min(most));
        ordered.into_iter().map(|service| service.target).collect()
    }

    #[test]
    fn lower_priorities_come_first_and_weights_decide_among_equals() {
        let found =
            [service(20, 0, "z"), service(10, 60, "a"), service(10, 0, "n"), service(10, 40, "b")];
        assert_eq!(order(&found, &[]), "nabz", "the weight 0 is drawn by 0 alone");
        assert_eq!(order(&found, &[1, 40]), "abnz");
        assert_eq!(order(&found, &[60, 0]), "anbz");
        assert_eq!(order(&found, &[61, 1, 0]), "banz");
    }

    #[test]
    fn each_comes_first_as_often_as_its_weight_says() {
        let found = vec![service(1, 3, "a"), service(1, 1, "b")];
        let first = |target: &str| {
            (0..4000).filter(|_| ordered(found.clone(), &mut chance)[0].target == target).count()
        };
        // The draw is from 0 to the sum, both included: four fifths, not three quarters.
        let n_first = first("a");
        assert!((3000..3400).contains(&n_first), "{n_first}");
    }
}
