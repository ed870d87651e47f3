//! How many strangers may introduce themselves: buckets before any cryptography.
//!
//! An address that nobody has proved to be its own is worth nothing: a flood can bear as many as it
//! likes. So all such addresses together share one bucket, and each takes from a small one besides, so
//! that one of them alone does not empty the shared one. An address from which somebody was let in has
//! a large bucket of its own and takes from no other: it gets through whatever the others do.

use std::collections::HashMap;
use std::net::IpAddr;

use hark_model::time::Micros;

/// What a proved address, or all others together, may introduce. Each introduction costs a key derivation
/// and one opening, some 10 microseconds: a flood takes at most 2 % of a core, and 10,000 hosts behind one
/// address, or with as many, are in within five seconds.
const LARGE: Rate = Rate { burst: 5000, per_second: 2000 };

/// What one unproved address may take of the shared bucket: some tries, a second between the later ones.
const SMALL: Rate = Rate { burst: 50, per_second: 1 };

/// How many of those that are not let in are told when to come again. Each costs what letting one in does: a thousandth
/// of a core.
const TOLD: Rate = Rate { burst: 100, per_second: 100 };

/// Unproved addresses remembered. Beyond them only the shared bucket counts.
const UNPROVED: usize = 4096;

/// Proved addresses remembered: each has had a host with a key behind it.
const PROVED: usize = 65_536;

/// How often quiet addresses are looked for while there is no room for new ones: a look costs some ten
/// microseconds, and a flood must not buy one with each datagram.
const SWEEP: u64 = 1_000_000;

/// How fast a bucket fills.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// The most it holds.
    burst: u32,
    /// What flows in.
    per_second: u32,
}

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    left: u32,
    filled_at: Micros,
}

/// The buckets of some addresses.
#[derive(Debug, Default)]
struct Table {
    buckets: HashMap<IpAddr, Bucket>,
    swept_at: Micros,
}

/// The buckets of all addresses.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    proved: Table,
    unproved: Table,
    shared: Option<Bucket>,
    told: Option<Bucket>,
}

impl Limiter {
    /// Returns true if `address` may introduce one more at `at`.
    pub(super) fn admit(&mut self, address: IpAddr, at: Micros) -> bool {
        if let Some(own) = self.proved.buckets.get_mut(&address) {
            return own.take(at);
        }
        if self.unproved.has_room(address, UNPROVED, at)
            && !self.unproved.bucket(address, SMALL, at).take(at)
        {
            return false;
        }
        self.shared.get_or_insert_with(|| Bucket::full(LARGE, at)).take(at)
    }

    /// Returns true if one that was not admitted at `at` may be told when to come again, if it holds a key.
    pub(super) fn may_tell(&mut self, at: Micros) -> bool {
        self.told.get_or_insert_with(|| Bucket::full(TOLD, at)).take(at)
    }

    /// Notes that somebody who holds a key sends from `address`.
    pub(super) fn prove(&mut self, address: IpAddr, at: Micros) {
        if self.proved.has_room(address, PROVED, at) {
            self.unproved.buckets.remove(&address);
            self.proved.bucket(address, LARGE, at);
        }
    }
}

impl Table {
    /// Returns true if `address` is in it or has room; quiet addresses are forgotten for that.
    fn has_room(&mut self, address: IpAddr, most: usize, at: Micros) -> bool {
        if self.buckets.len() < most || self.buckets.contains_key(&address) {
            return true;
        }
        if at.since(self.swept_at) < SWEEP {
            return false;
        }
        self.swept_at = at;
        self.buckets.retain(|_, bucket| bucket.refill(at) < bucket.rate.burst);
        self.buckets.len() < most
    }

    fn bucket(&mut self, address: IpAddr, rate: Rate, at: Micros) -> &mut Bucket {
        self.buckets.entry(address).or_insert_with(|| Bucket::full(rate, at))
    }
}

impl Bucket {
    fn full(rate: Rate, at: Micros) -> Self {
        Self { rate, left: rate.burst, filled_at: at }
    }

    fn refill(&mut self, at: Micros) -> u32 {
        let Rate { burst, per_second } = self.rate;
        let passed = at.0.saturating_sub(self.filled_at.0);
        let drops = passed.saturating_mul(u64::from(per_second)) / 1_000_000;
        if drops > 0 {
            self.left = burst.min(self.left.saturating_add(u32::try_from(drops).unwrap_or(burst)));
            self.filled_at = at;
        }
        self.left
    }

    fn take(&mut self, at: Micros) -> bool {
        if self.refill(at) == 0 {
            return false;
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from(n))
    }

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_proved_address_has_a_burst_and_then_a_trickle() {
        let mut limiter = Limiter::default();
        let mut at = Micros(SECOND);
        assert_eq!((0..9000).filter(|_| limiter.admit(ip(1), at)).count(), SMALL.burst as usize);
        limiter.prove(ip(1), at);
        assert_eq!((0..9000).filter(|_| limiter.admit(ip(1), at)).count(), LARGE.burst as usize);
        assert!(limiter.admit(ip(2), at), "another address has its own bucket");
        at.0 += SECOND;
        let trickle = (0..9000).filter(|_| limiter.admit(ip(1), at)).count();
        assert_eq!(trickle, LARGE.per_second as usize);
    }

    #[test]
    fn all_spoofed_addresses_share_one_bucket_and_little_memory() {
        let mut limiter = Limiter::default();
        let good = ip(u32::MAX);
        limiter.prove(good, Micros(0));
        let mut admitted = 0;
        for second in 0..10 {
            let at = Micros(second * SECOND);
            for n in 0..100_000 {
                let address = ip(u32::try_from(second).unwrap() * 100_000 + n);
                admitted += u32::from(limiter.admit(address, at));
            }
            assert!(limiter.admit(good, at), "who is known is not starved");
        }
        assert_eq!(admitted, LARGE.burst + 9 * LARGE.per_second);
        assert!(limiter.unproved.buckets.len() <= UNPROVED);
    }

    #[test]
    fn of_a_flood_few_are_told_when_to_come_again() {
        let mut limiter = Limiter::default();
        let told = (0..100_000).filter(|_| limiter.may_tell(Micros(SECOND))).count();
        assert_eq!(told, TOLD.burst as usize);
        let told = (0..100_000).filter(|_| limiter.may_tell(Micros(2 * SECOND))).count();
        assert_eq!(told, TOLD.per_second as usize);
    }

    #[test]
    fn a_flood_cannot_push_proved_addresses_out() {
        let mut limiter = Limiter::default();
        let at = Micros(5);
        limiter.prove(ip(7), at);
        let admitted = (0..100_000).filter(|n| limiter.admit(ip(1_000 + n), at)).count();
        assert_eq!(admitted, LARGE.burst as usize);
        assert!(limiter.admit(ip(7), at));
        assert!(!limiter.admit(ip(8), at), "a newcomer waits until the flood is over");
        assert!(limiter.admit(ip(8), Micros(5 + SECOND)));
    }
}
