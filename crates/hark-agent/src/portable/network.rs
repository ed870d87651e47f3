//! What passes the network's interfaces.

use std::collections::BTreeMap;

use hark_model::{Mono, SeriesDef, SeriesName, Unit};
use sysinfo::Networks;

use super::Look;
use crate::collectors::{counter, gauge};
use crate::rate::number;

/// Bound on interfaces, as those of containers come and go by the hundred.
const MOST: usize = 64;

/// The counts of one interface at the last look.
#[derive(Clone, Copy, Debug)]
struct Counts {
    received: u64,
    sent: u64,
}

#[derive(Debug, Default)]
struct Interfaces {
    /// None before the first look, and where the system does not tell.
    networks: Option<Networks>,
    before: BTreeMap<String, Counts>,
    looked: Option<Mono>,
}

pub(super) fn interfaces() -> Box<dyn Look> {
    Box::new(Interfaces::default())
}

impl Look for Interfaces {
    fn look(&mut self, at: Mono, values: &mut Vec<f64>) -> bool {
        if self.networks.is_none() {
            self.networks = Networks::new().ok();
        }
        let Some(networks) = &mut self.networks else { return false };
        networks.refresh(true);
        let passed = self.looked.replace(at).map(|then| at.since(then).as_secs_f64());
        let named = networks.iter().map(|(name, data)| (name.to_string_lossy(), data));
        let others = named.filter(|(name, _)| !is_loopback(name));
        let counts = others.map(|(name, data)| {
            let (received, sent) = (data.total_received(), data.total_transmitted());
            let errors = data.total_errors_on_received() + data.total_errors_on_transmitted();
            (name.into_owned(), (Counts { received, sent }, errors))
        });
        let mut found: BTreeMap<String, (Counts, u64)> = counts.collect();
        while found.len() > MOST {
            found.pop_last();
        }
        for (name, (counts, errors)) in &found {
            let rate = |now: u64, before: fn(&Counts) -> u64| {
                let before = self.before.get(name).map(before);
                match (before, passed) {
                    // A counter that went back was begun anew.
                    (Some(before), Some(passed)) if passed > 0.0 && now >= before => {
                        number(now - before) / passed
                    }
                    _ => f64::NAN,
                }
            };
            values.extend([number(counts.received), number(counts.sent)]);
            values.extend([rate(counts.received, |c| c.received), rate(counts.sent, |c| c.sent)]);
            values.push(number(*errors));
        }
        self.before = found.into_iter().map(|(name, (counts, _))| (name, counts)).collect();
        !self.before.is_empty()
    }

    fn series(&self) -> Vec<SeriesDef> {
        let of = |name: &String| {
            let named = |metric| SeriesName::of("network_monitor", name, metric);
            [
                counter(named("received_bytes"), Unit::Bytes),
                counter(named("sent_bytes"), Unit::Bytes),
                gauge(named("receive_rate"), Unit::BytesPerSecond, 0),
                gauge(named("send_rate"), Unit::BytesPerSecond, 0),
                counter(named("errors_total"), Unit::None),
            ]
        };
        self.before.keys().flat_map(of).collect()
    }
}

/// `lo` of Linux, `lo0` of the BSDs, and what Windows calls it.
fn is_loopback(name: &str) -> bool {
    name == "lo" || name == "lo0" || name.starts_with("Loopback")
}
