//! What limits on more than the newest value cost: processor time and memory for 10,000 hosts.
//!
//! `cargo run --profile fast -p hark-engine --example signals -- [HOSTS] [MINUTES]` feeds an engine a value of each
//! host every 15 seconds, with a limit on the newest value, on a window, and with a forecast and a baseline each; it prints
//! what a minute of that took and what a host keeps.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Document, NoSecrets};
use hark_engine::{Effect, Effects, Engine, Expected, Heard, HostSeen, Input, Recalled, plan};
use hark_model::record::Snapshot;
use hark_model::{HostId, HostName, Mono, Now, SeriesName, Unix};
use hark_signals::Band;

/// How often each host sends.
const EVERY: Duration = Duration::from_secs(15);

/// 2026-11-20 00:00:00 UTC.
const START: i64 = 1_795_132_800_000;

/// What is looked at, and its limits.
const KINDS: [(&str, &str); 4] = [
    ("the newest value", "{warning: 95}"),
    ("a mean of 10 minutes", "{warning: 95, over: 10m}"),
    ("a 95th of a hundred of an hour", "{warning: 95, over: 1h, by: p95}"),
    ("a forecast and a baseline", "{full_in: {warning: 4h}, deviation: {warning: 6, least: 5}}"),
];

fn main() -> std::io::Result<()> {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u32>().unwrap_or(0));
    let hosts = words.next().filter(|n| *n > 0).unwrap_or(10_000);
    let minutes = words.next().filter(|n| *n > 0).unwrap_or(60);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{hosts} hosts, a value each 15 s, {minutes} minutes")?;
    for (name, limits) in KINDS {
        let before = resident()?;
        let mut world = World::new(hosts, limits);
        world.run(10);
        let began = processor()?;
        world.run(minutes);
        let took = (processor()? - began) / f64::from(minutes);
        let kept = resident()?.saturating_sub(before);
        writeln!(
            out,
            "{name:32} {:8.2} ms of a core in a minute, {:6} bytes a host, {} asked",
            took * 1000.0,
            kept / u64::from(hosts),
            world.asked
        )?;
    }
    Ok(())
}

struct World {
    engine: Engine,
    hosts: Vec<(HostId, u32)>,
    time: u64,
    asked: u64,
}

impl World {
    fn new(hosts: u32, limits: &str) -> Self {
        let text = format!("thresholds: {{disk_monitor: {{percent: {limits}}}}}\n");
        let document = Document::single(&text);
        let plan = plan::read(&document.root(&NoSecrets)).expect("the limits are right");
        let now = Now { mono: Mono(0), unix: Unix(START) };
        let (engine, _) = Engine::new(Arc::new(plan), Snapshot::default(), now);
        let mut world = Self { engine, hosts: Vec::new(), time: 0, asked: 0 };
        for number in 0..hosts {
            let name = HostName::new(&format!("host-{number}")).expect("a name");
            world.step(Input::HostSeen(HostSeen {
                name: name.clone(),
                interval: EVERY,
                address: None,
            }));
            let id = world.engine.host_named(name.as_str()).expect("it was seen").id();
            let series = vec![SeriesName::of("disk_monitor", "/", "percent")];
            let effects = world.step(Input::SeriesSeen { host: id, series });
            let watch = effects.into_iter().find_map(|effect| {
                let Effect::Watch { watches, .. } = effect else { return None };
                watches.first().map(|watch| watch.number)
            });
            world.hosts.push((id, watch.unwrap_or(0)));
        }
        world
    }

    fn now(&self) -> Now {
        let unix = Unix(START) + Duration::from_millis(self.time);
        Now { mono: Mono(self.time), unix }
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Effects::default();
        self.engine.step(input, self.now(), &mut effects);
        self.answer(&effects.effects);
        effects.effects
    }

    /// Answers as history would: six hours of values, and a day that is usual.
    fn answer(&mut self, effects: &[Effect]) {
        for effect in effects {
            let Effect::Recall { host, check, recall, .. } = effect else { continue };
            self.asked += 1;
            let now = self.now().unix;
            let step = recall.over / 60;
            let values = (1..60).rev().map(|ago| (now - step * ago, 40.0)).collect();
            let band = Band { middle: 40.0, spread: 2.0, of: 5 };
            let usual = recall.usual.map(|_| Expected {
                from: Unix(now.0 - now.0.rem_euclid(3_600_000)) - Duration::from_hours(2),
                hours: vec![Some(band); 29],
            });
            let past = Recalled { values, extremes: Vec::new(), usual };
            let input = Input::Recalled { host: *host, check: check.clone(), past };
            let mut effects = Effects::default();
            self.engine.step(input, now_of(self.time), &mut effects);
        }
    }

    /// Feeds so many minutes of values that grow slowly and are never bad.
    fn run(&mut self, minutes: u32) {
        let mut effects = Effects::default();
        let until = self.time + u64::from(minutes) * 60_000;
        while self.time < until {
            self.time += 15_000;
            let beat = self.time / 15_000;
            for n in 0..self.hosts.len() {
                let (host, watch) = self.hosts[n];
                let wave = f64::from(u32::try_from((beat * 7 + n as u64 * 13) % 17).unwrap_or(0));
                let heard = Heard {
                    host,
                    interval_ms: 15_000,
                    moved_to: None,
                    rtt_us: None,
                    taken_at: self.now().unix,
                    skew_ms: 0,
                    values: vec![(watch, 40.0 + wave / 10.0)],
                };
                self.engine.heard(&heard, now_of(self.time), &mut effects);
                if !effects.is_empty() {
                    let taken = std::mem::take(&mut effects);
                    self.answer(&taken.effects);
                }
            }
        }
    }
}

fn now_of(time: u64) -> Now {
    Now { mono: Mono(time), unix: Unix(START) + Duration::from_millis(time) }
}

/// Returns the processor time of this process in seconds: what the system counts in hundredths.
fn processor() -> std::io::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / 100.0)
}

/// Returns the memory of this process that is in use, in bytes.
fn resident() -> std::io::Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok());
    Ok(pages.unwrap_or(0) * 4096)
}
