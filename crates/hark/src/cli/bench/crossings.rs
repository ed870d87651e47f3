//! Limits that are crossed at known moments: how long it takes until somebody hears of one is measured by
//! who is told.

use std::time::Duration;

use hark_model::time::Mono;
use hark_model::{HostName, Unix};
use hark_sim::random::Random;
use serde_json::{Value, json};

use super::Args;
use crate::fleet::Fleet;
use crate::out;

/// Until then every host is known, and has said how it is when all is well.
const INTERVALS_BEFORE: u32 = 2;

/// What is on its way when the load ends is told too late to be found: nothing is crossed that late.
const BEFORE_THE_END: Duration = Duration::from_secs(5);

/// The crossings still to come, and those that were.
#[derive(Debug)]
pub(super) struct Crossings {
    /// When, and by which host, the latest first.
    planned: Vec<(Mono, usize)>,
    done: Vec<(HostName, Unix)>,
}

impl Crossings {
    /// Chooses moments and hosts by the seed; no host twice.
    pub(super) fn plan(args: &Args, begin: Mono) -> Self {
        let hosts = args.hosts as usize;
        let count = (args.crossings.unwrap_or(0) as usize).min(hosts);
        let mut random = Random::new(args.seed);
        let first = args.interval * INTERVALS_BEFORE;
        let span = args.how_long.saturating_sub(first + BEFORE_THE_END);
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        // Hosts far apart in the list, so that they are not neighbours in the interval either.
        let mut planned: Vec<(Mono, usize)> = (0..count)
            .map(|n| {
                let at = begin + first + Duration::from_millis(random.below(span));
                (at, n * hosts / count)
            })
            .collect();
        planned.sort_unstable_by(|a, b| b.cmp(a));
        Self { planned, done: Vec::new() }
    }

    /// Lets those happen whose moment has come.
    pub(super) fn carry_out(&mut self, fleet: &mut Fleet, now: Mono) {
        while let Some((_, host)) = self.planned.pop_if(|(at, _)| *at <= now) {
            self.done.extend(fleet.cross(host));
        }
    }

    /// Returns host and moment of each, in milliseconds of the wall clock.
    pub(super) fn json(&self) -> Value {
        self.done.iter().map(|(host, at)| json!([host.as_str(), at.0])).collect()
    }

    /// Prints the same as lines.
    pub(super) fn print(&self) {
        for (host, at) in &self.done {
            out::line(format!("crossed       {host} {}", at.0));
        }
    }
}
