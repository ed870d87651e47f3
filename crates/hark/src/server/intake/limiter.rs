//! How many strangers one address may introduce: a bucket an address, before any cryptography.

use std::collections::HashMap;
use std::net::IpAddr;

use hark_model::time::Micros;

/// Introductions that an address may make at once: a site behind one address that starts all its
/// agents together.
const BURST: u32 = 5000;

/// Introductions an address may make in a second after that. Each costs a key derivation and one
/// opening, some 10 microseconds: a flood from one address takes at most 2 % of a core, and 10,000 hosts
/// behind one address are in within five seconds.
const PER_SECOND: u32 = 2000;

/// Addresses remembered. A flood from more spoofed addresses than this shares one bucket.
const ADDRESSES: usize = 4096;

/// Introductions all strangers together may make in a second once the table is full.
#[derive(Debug)]
struct Bucket {
    left: u32,
    filled_at: Micros,
}

/// The buckets of all addresses.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    buckets: HashMap<IpAddr, Bucket>,
    shared: Option<Bucket>,
}

impl Limiter {
    /// Returns true if `address` may introduce one more at `at`.
    pub(super) fn admit(&mut self, address: IpAddr, at: Micros) -> bool {
        if !self.buckets.contains_key(&address) && self.buckets.len() >= ADDRESSES {
            self.buckets.retain(|_, b| b.refill(at) < BURST);
            if self.buckets.len() >= ADDRESSES {
                return self.shared.get_or_insert_with(|| Bucket::full(at)).take(at);
            }
        }
        self.buckets.entry(address).or_insert_with(|| Bucket::full(at)).take(at)
    }
}

impl Bucket {
    fn full(at: Micros) -> Self {
        Self { left: BURST, filled_at: at }
    }

    fn refill(&mut self, at: Micros) -> u32 {
        let passed = at.0.saturating_sub(self.filled_at.0);
        let drops = passed.saturating_mul(u64::from(PER_SECOND)) / 1_000_000;
        if drops > 0 {
            self.left = BURST.min(self.left.saturating_add(u32::try_from(drops).unwrap_or(BURST)));
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

    #[test]
    fn a_burst_passes_and_then_a_trickle() {
        let mut limiter = Limiter::default();
        let mut at = Micros(1_000_000);
        assert_eq!((0..9000).filter(|_| limiter.admit(ip(1), at)).count(), BURST as usize);
        assert!(limiter.admit(ip(2), at), "another address has its own bucket");
        at.0 += 1_000_000;
        assert_eq!((0..9000).filter(|_| limiter.admit(ip(1), at)).count(), PER_SECOND as usize);
    }

    #[test]
    fn many_spoofed_addresses_share_one_bucket_and_little_memory() {
        let mut limiter = Limiter::default();
        let admitted = (0..100_000).filter(|n| limiter.admit(ip(*n), Micros(5))).count();
        assert_eq!(admitted, ADDRESSES + BURST as usize);
        assert_eq!(limiter.buckets.len(), ADDRESSES);
    }
}
