//! The few newest values of every host that lists show: cpu, memory, the fullest disk, time since boot.
//!
//! Ingest writes them, the page reads them; a lock would make one wait for the other, so each is one
//! atomic word and a reader may see values of two heartbeats beside each other.

use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU32, Ordering};

use hark_model::{HostId, SeriesName};

/// Which of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Hosts in one block: blocks are added as hosts appear and never move.
const BLOCK: usize = 1024;

type Block = Box<[[AtomicU32; Vital::COUNT]; BLOCK]>;

/// The newest values of every host.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    blocks: RwLock<Vec<Block>>,
}

impl Vitals {
    /// Keeps `value` as the newest of `host`.
    pub(crate) fn set(&self, host: HostId, vital: Vital, value: f64) {
        let (block, row) = place(host);
        {
            let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(block) = blocks.get(block) {
                block[row][vital as usize].store(bits(value), Ordering::Relaxed);
                return;
            }
        }
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        while blocks.len() <= block {
            blocks.push(Box::new(std::array::from_fn(|_| {
                std::array::from_fn(|_| AtomicU32::new(f32::NAN.to_bits()))
            })));
        }
        blocks[block][row][vital as usize].store(bits(value), Ordering::Relaxed);
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
        for vital in [Vital::Cpu, Vital::Memory, Vital::Disk, Vital::Uptime] {
            self.set(host, vital, f64::NAN);
        }
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

    #[test]
    fn hosts_far_apart_do_not_disturb_each_other() {
        let vitals = Vitals::default();
        vitals.set(HostId(3), Vital::Cpu, 12.5);
        vitals.set(HostId(5_000), Vital::Cpu, 99.0);
        assert_eq!(vitals.get(HostId(3), Vital::Cpu), Some(12.5));
        assert_eq!(vitals.get(HostId(4), Vital::Cpu), None);
        assert_eq!(vitals.get(HostId(5_000), Vital::Cpu), Some(99.0));
        assert_eq!(vitals.get(HostId(90_000), Vital::Disk), None);
        vitals.forget(HostId(3));
        assert_eq!(vitals.get(HostId(3), Vital::Cpu), None);
    }
}
