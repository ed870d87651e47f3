//! The few newest values of every host that lists show: cpu, memory, the fullest disk, time since boot.
//!
//! Ingest writes them, the page reads them; a lock would make one wait for the other, so each is one
//! atomic word and a reader may see values of two heartbeats beside each other.

use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU32, Ordering};

use hark_model::{HostId, SeriesName};

use crate::sys::prefetch;

/// Which of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub(crate) enum Vital {
    /// `cpu_monitor.cpu_percent`.
    Cpu,
    /// `memory_monitor.percent`.
    Memory,
    /// The highest `disk_monitor.<mount>.percent` of a heartbeat.
    Disk,
    /// `uptime_monitor.uptime_seconds`.
    Uptime,
}

impl Vital {
    const COUNT: usize = 4;

    /// Returns which vital a series is, if it is one.
    pub(crate) fn of(series: &SeriesName) -> Option<Self> {
        match (series.collector.as_str(), series.metric.as_str()) {
            ("cpu_monitor", "cpu_percent") if series.instance.is_empty() => Some(Self::Cpu),
            ("memory_monitor", "percent") => Some(Self::Memory),
            ("disk_monitor", "percent") => Some(Self::Disk),
            ("uptime_monitor", "uptime_seconds") => Some(Self::Uptime),
            _ => None,
        }
    }
}

/// What a heartbeat says of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct News([Option<f64>; Vital::COUNT]);

impl News {
    /// Returns true if it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Notes a value; NaN: there is none any more. Several mounts make one column: the fullest counts.
    pub(crate) fn note(&mut self, vital: Vital, value: f64) {
        let known = &mut self.0[vital as usize];
        *known = Some(if vital == Vital::Disk { value.max(known.unwrap_or(value)) } else { value });
    }
}

/// Hosts in one block: blocks are added as hosts appear and never move.
const BLOCK: usize = 1024;

type Block = Box<[[AtomicU32; Vital::COUNT]; BLOCK]>;

/// The newest values of every host.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    blocks: RwLock<Vec<Block>>,
}

impl Vitals {
    /// Keeps what is new of hosts.
    pub(crate) fn take(&self, news: &[(HostId, News)]) {
        let Some(last) = news.iter().map(|(host, _)| place(*host).0).max() else { return };
        self.make_room(last);
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        let row = |host: HostId| {
            let (block, row) = place(host);
            blocks.get(block).map(|block| &block[row])
        };
        // Their rows were written long ago: they come from memory side by side.
        for row in news.iter().filter_map(|(host, _)| row(*host)) {
            prefetch(row, size_of_val(row));
        }
        for (host, news) in news {
            for (place, value) in row(*host).into_iter().flatten().zip(news.0) {
                if let Some(value) = value {
                    place.store(bits(value), Ordering::Relaxed);
                }
            }
        }
    }

    /// Sees to it that there are blocks up to `block`.
    fn make_room(&self, block: usize) {
        if self.blocks.read().unwrap_or_else(PoisonError::into_inner).len() > block {
            return;
        }
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        while blocks.len() <= block {
            blocks.push(Box::new(std::array::from_fn(|_| {
                std::array::from_fn(|_| AtomicU32::new(f32::NAN.to_bits()))
            })));
        }
    }

    /// Returns the newest value of `host`, `None` if there is none.
    pub(crate) fn get(&self, host: HostId, vital: Vital) -> Option<f64> {
        let (block, row) = place(host);
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        let value = f32::from_bits(blocks.get(block)?[row][vital as usize].load(Ordering::Relaxed));
        (!value.is_nan()).then_some(f64::from(value))
    }

    /// Forgets the values of `host`.
    pub(crate) fn forget(&self, host: HostId) {
        self.take(&[(host, News([Some(f64::NAN); Vital::COUNT]))]);
    }
}

fn place(host: HostId) -> (usize, usize) {
    let n = host.0 as usize;
    (n / BLOCK, n % BLOCK)
}

#[expect(clippy::cast_possible_truncation, reason = "lists show at most one decimal")]
fn bits(value: f64) -> u32 {
    (value as f32).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news<const N: usize>(values: [(Vital, f64); N]) -> News {
        let mut news = News::default();
        for (vital, value) in values {
            news.note(vital, value);
        }
        news
    }

    #[test]
    fn what_a_heartbeat_does_not_speak_of_stays_and_the_fullest_disk_counts() {
        let vitals = Vitals::default();
        vitals.take(&[
            (HostId(1), news([(Vital::Cpu, 1.0), (Vital::Uptime, 7.0)])),
            (HostId(1), news([(Vital::Cpu, f64::NAN), (Vital::Disk, 40.0)])),
        ]);
        let of = |vital| vitals.get(HostId(1), vital);
        assert_eq!(
            (of(Vital::Cpu), of(Vital::Uptime), of(Vital::Disk)),
            (None, Some(7.0), Some(40.0))
        );
        let disks = [9.0, 12.0, f64::NAN, 3.0].map(|value| (Vital::Disk, value));
        vitals.take(&[(HostId(1), news(disks))]);
        assert_eq!(of(Vital::Disk), Some(12.0));
    }

    #[test]
    fn hosts_far_apart_do_not_disturb_each_other() {
        let vitals = Vitals::default();
        vitals.take(&[
            (HostId(3), news([(Vital::Cpu, 12.5)])),
            (HostId(5_000), news([(Vital::Cpu, 99.0)])),
        ]);
        assert_eq!(vitals.get(HostId(3), Vital::Cpu), Some(12.5));
        assert_eq!(vitals.get(HostId(4), Vital::Cpu), None);
        assert_eq!(vitals.get(HostId(5_000), Vital::Cpu), Some(99.0));
        assert_eq!(vitals.get(HostId(90_000), Vital::Disk), None);
        vitals.forget(HostId(3));
        assert_eq!(vitals.get(HostId(3), Vital::Cpu), None);
    }
}
