//! What the engine does with a heartbeat.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Document, NoSecrets};
use hark_engine::{Effects, Engine, Heard, HostSeen, Input, plan};
use hark_model::record::Snapshot;
use hark_model::time::{Mono, Now, Unix};
use hark_model::{HostId, HostName, SeriesName};

use super::{Part, Turn};

/// What happens nearly always.
pub(super) const QUIET: Part = Part {
    name: "engine.quiet",
    what: "a heartbeat of one of 10,000 hosts, five of its values watched, nothing to say",
    turns: 40_000,
    begin: quiet,
};

/// What happens seldom, and must not cost more than it is worth.
pub(super) const CROSSING: Part = Part {
    name: "engine.crossing",
    what: "a heartbeat in which one value crosses its limit, or comes back: incident, message, or its end",
    turns: 4_000,
    begin: crossing,
};

/// What happens when a network comes back.
pub(super) const RECOVERY: Part = Part {
    name: "engine.recovery",
    what: "one of 10,000 open incidents ends",
    turns: 4_000,
    begin: recovery,
};

const HOSTS: u32 = 10_000;

const CONFIG: &str = r"
receivers: {ops: {}}
thresholds:
  cpu_monitor: {cpu_percent: {warning: 80, critical: 90}, load_1min: {warning: 80}}
  memory_monitor: {percent: {warning: 85, critical: 95}}
  disk_monitor: {percent: {warning: 85, critical: 95}}
";

fn now(seconds: u64) -> Now {
    at_ms(seconds * 1000)
}

fn at_ms(ms: u64) -> Now {
    Now {
        mono: Mono(3_600_000 + ms),
        unix: Unix(1_795_132_800_000 + i64::try_from(ms).unwrap_or_default()),
    }
}

fn series() -> Vec<SeriesName> {
    vec![
        SeriesName::plain("cpu_monitor", "cpu_percent"),
        SeriesName::plain("cpu_monitor", "load_1min"),
        SeriesName::plain("memory_monitor", "percent"),
        SeriesName::of("disk_monitor", "/", "percent"),
        SeriesName::of("disk_monitor", "/home", "percent"),
    ]
}

/// Returns an engine that has heard each host twice, so that it knows how often values come: after [`WARM`] seconds.
fn engine() -> Engine {
    let document = Document::single(CONFIG);
    let plan = plan::read(&document.root(&NoSecrets)).expect("a good configuration");
    let (mut engine, _) = Engine::new(Arc::new(plan), Snapshot::default(), now(0));
    let mut effects = Effects::default();
    for number in 1..=HOSTS {
        let name = HostName::new(&format!("host-{number}.example.net")).expect("a good name");
        let seen = HostSeen { name, interval: Duration::from_secs(30), address: None };
        engine.step(Input::HostSeen(seen), now(0), &mut effects);
        let seen = Input::SeriesSeen { host: HostId(number), series: series() };
        engine.step(seen, now(0), &mut effects);
        effects.clear();
    }
    for at in [1, WARM].map(now) {
        for host in 1..=HOSTS {
            engine.heard(&heard(host, at, 10.0), at, &mut effects);
            effects.clear();
        }
    }
    engine
}

/// See [`engine`].
const WARM: u64 = 31;

fn heard(host: u32, at: Now, cpu: f64) -> Heard {
    Heard {
        host: HostId(host),
        interval_ms: 30_000,
        moved_to: None,
        rtt_us: Some(400),
        taken_at: at.unix,
        skew_ms: 0,
        values: (1..6).map(|number| (number, if number == 1 { cpu } else { 10.0 })).collect(),
    }
}

/// Returns a turn that gives the engine the heartbeat of one host after the other.
fn beats(cpu: fn(round: u64) -> f64) -> Turn {
    let mut engine = engine();
    let mut effects = Effects::default();
    let mut beats: Vec<Heard> = (1..=HOSTS).map(|host| heard(host, now(0), 10.0)).collect();
    let mut n = 0_u64;
    Box::new(move || {
        let round = 1 + n / u64::from(HOSTS);
        let at = now(WARM + round * 30);
        let place = usize::try_from(n % u64::from(HOSTS)).unwrap_or_default();
        n += 1;
        let Some(beat) = beats.get_mut(place) else { return };
        beat.taken_at = at.unix;
        if let Some((_, value)) = beat.values.first_mut() {
            *value = cpu(n);
        }
        engine.heard(beat, at, &mut effects);
        black_box(&effects);
        effects.clear();
    })
}

fn quiet(_turns: u32) -> Turn {
    beats(|_| 10.0)
}

fn crossing(_turns: u32) -> Turn {
    let mut engine = engine();
    let mut effects = Effects::default();
    let mut n = 0_u64;
    Box::new(move || {
        // A host goes up and comes back in two turns, then it is the next one's.
        let host = u32::try_from(n / 2 % u64::from(HOSTS)).unwrap_or_default() + 1;
        // Slowly, so that no other host falls silent meanwhile.
        let at = at_ms(WARM * 1000 + 1 + n);
        let cpu = if n.is_multiple_of(2) { 99.0 } else { 10.0 };
        n += 1;
        engine.heard(&heard(host, at, cpu), at, &mut effects);
        assert!(!effects.is_empty(), "a crossing has effects");
        black_box(&effects);
        effects.clear();
    })
}

fn recovery(_turns: u32) -> Turn {
    let mut engine = engine();
    let mut effects = Effects::default();
    for host in 1..=HOSTS {
        let at = at_ms(WARM * 1000 + 1);
        engine.heard(&heard(host, at, 99.0), at, &mut effects);
        effects.clear();
    }
    let mut n = 0_u32;
    Box::new(move || {
        let host = n % HOSTS + 1;
        n += 1;
        let at = at_ms(WARM * 1000 + 1001);
        engine.heard(&heard(host, at, 10.0), at, &mut effects);
        black_box(&effects);
        effects.clear();
    })
}
