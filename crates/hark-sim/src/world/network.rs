//! The network: loses, doubles, delays and cuts, from the world's chance.

use std::collections::BTreeMap;

use crate::random::Random;

/// How bad the network is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weather {
    /// Share of datagrams that are lost.
    pub loss: f64,
    /// Share that arrive twice.
    pub copies: f64,
    /// Share that are overtaken: they arrive up to three seconds late.
    pub late: f64,
}

impl Weather {
    /// A network without faults.
    pub const CALM: Self = Self { loss: 0.0, copies: 0.0, late: 0.0 };
}

/// Which hosts are cut off, and what happens to the datagrams of the others.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) weather: Weather,
    cut_until: BTreeMap<usize, u64>,
}

impl Network {
    pub(super) fn new(weather: Weather) -> Self {
        Self { weather, cut_until: BTreeMap::new() }
    }

    /// Cuts a host off until `until`.
    pub(super) fn cut(&mut self, host: usize, until: u64) {
        self.cut_until.insert(host, until);
    }

    /// Returns true if nothing from or to `host` gets through.
    pub(super) fn is_cut(&self, host: usize, now: u64) -> bool {
        self.cut_until.get(&host).is_some_and(|until| now < *until)
    }

    /// Everything gets through from now on.
    pub(super) fn heal(&mut self) {
        self.weather = Weather::CALM;
        self.cut_until.clear();
    }

    /// Returns when copies of a datagram of `host` arrive: none, one or two times.
    pub(super) fn arrivals(&self, host: usize, now: u64, random: &mut Random) -> Vec<u64> {
        if self.is_cut(host, now) || random.chance(self.weather.loss) {
            return Vec::new();
        }
        let n_copies = if random.chance(self.weather.copies) { 2 } else { 1 };
        let mut one = || {
            let late = if random.chance(self.weather.late) { random.below(3_000) } else { 0 };
            now + 1 + random.below(20) + late
        };
        (0..n_copies).map(|_| one()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loses_and_doubles_its_share() {
        let network = Network::new(Weather { loss: 0.3, copies: 0.1, late: 0.0 });
        let mut random = Random::new(1);
        let mut by_copies = [0; 3];
        for _ in 0..10_000 {
            by_copies[network.arrivals(0, 0, &mut random).len()] += 1;
        }
        assert!((2_800..3_200).contains(&by_copies[0]), "{by_copies:?}");
        assert!((600..800).contains(&by_copies[2]), "{by_copies:?}");
    }

    #[test]
    fn a_cut_host_is_alone_until_it_heals() {
        let mut network = Network::new(Weather::CALM);
        let mut random = Random::new(1);
        network.cut(3, 1000);
        assert!(network.arrivals(3, 999, &mut random).is_empty());
        assert_eq!(network.arrivals(3, 1000, &mut random).len(), 1);
        assert_eq!(network.arrivals(2, 500, &mut random).len(), 1);
        network.cut(3, 1000);
        network.heal();
        assert!(!network.is_cut(3, 999));
    }
}
