//! What many hosts cost: bytes kept for each, and nothing at all for a heartbeat that changes nothing.
//!
//! Tests of their own, one after the other, because they count what the allocator gives out.

#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hark_config::{Document, NoSecrets};
use hark_engine::input::Outcome;
use hark_engine::{Effects, Engine, Heard, HostSeen, Input, plan};
use hark_model::record::{Record, Snapshot};
use hark_model::{Clock, HostId, HostName, Mono, Now, SeriesName, Unix};

struct Counting;

static GIVEN: AtomicUsize = AtomicUsize::new(0);
static KEPT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        GIVEN.fetch_add(1, Ordering::Relaxed);
        KEPT.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        KEPT.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Held by the test that counts.
static COUNTS: Mutex<()> = Mutex::new(());

const HOSTS: u32 = 20_000;
/// The aim for a host with five thresholds.
const MOST_BYTES: usize = 1536;

const CONFIG: &str = r"
receivers: {ops: {}}
thresholds:
  cpu_monitor: {cpu_percent: {warning: 80, critical: 90}, load_1min: {warning: 80}}
  memory_monitor: {percent: {warning: 85, critical: 95}}
  disk_monitor: {percent: {warning: 85, critical: 95}}
";

fn series() -> Vec<SeriesName> {
    vec![
        SeriesName::plain("cpu_monitor", "cpu_percent"),
        SeriesName::plain("cpu_monitor", "load_1min"),
        SeriesName::plain("memory_monitor", "percent"),
        SeriesName::of("disk_monitor", "/", "percent"),
        SeriesName::of("disk_monitor", "/home", "percent"),
    ]
}

fn now(seconds: u64) -> Now {
    let millis = seconds * 1000;
    Now {
        mono: Mono(3_600_000 + millis),
        unix: Unix(1_795_132_800_000 + i64::try_from(millis).unwrap()),
    }
}

fn heard(host: u32) -> Heard {
    Heard {
        host: HostId(host),
        interval_ms: 30_000,
        moved_to: None,
        rtt_us: Some(400),
        taken_at: Unix(0),
        skew_ms: 0,
        values: (1..6).map(|number| (number, 10.0)).collect(),
    }
}

/// Makes an engine that knows so many hosts.
fn engine(hosts: u32, effects: &mut Effects) -> Engine {
    let document = Document::single(CONFIG);
    let plan = plan::read(&document.root(&NoSecrets)).unwrap();
    let (mut engine, _) = Engine::new(Arc::new(plan), Snapshot::default(), now(0));
    let series = series();
    for number in 1..=hosts {
        let name = HostName::new(&format!("host-{number}.example.net")).unwrap();
        let interval = Duration::from_secs(30);
        let seen = HostSeen { name, interval, address: None };
        engine.step(Input::HostSeen(seen), now(0), effects);
        let seen = Input::SeriesSeen { host: HostId(number), series: series.clone() };
        engine.step(seen, now(0), effects);
        effects.clear();
    }
    engine
}

#[test]
fn a_quiet_heartbeat_allocates_nothing_and_a_host_is_small() {
    let _counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut effects = Effects::default();
    let before = KEPT.load(Ordering::Relaxed);
    let mut engine = engine(HOSTS, &mut effects);
    let mut heartbeats: Vec<Heard> = (1..=HOSTS).map(heard).collect();
    let round = |engine: &mut Engine, heartbeats: &mut [Heard], effects: &mut Effects, at| {
        for heartbeat in heartbeats {
            heartbeat.taken_at = now(at).unix;
            engine.heard(heartbeat, now(at), effects);
        }
    };
    for at in [1, 31] {
        round(&mut engine, &mut heartbeats, &mut effects, at);
        effects.clear();
    }
    effects = Effects::default();
    let beats: usize =
        heartbeats.iter().map(|h| size_of::<Heard>() + h.values.capacity() * 16).sum();
    let per_host =
        (KEPT.load(Ordering::Relaxed) - before - beats) / usize::try_from(HOSTS).unwrap();

    // The deadlines of all hosts come up in between and are moved on: the heap must not grow.
    engine.step(Input::Tick, now(50), &mut effects);
    assert!(effects.is_empty(), "{:?}", effects.effects.first());
    let given = GIVEN.load(Ordering::Relaxed);
    let begun = Clock.now();
    round(&mut engine, &mut heartbeats, &mut effects, 60);
    round(&mut engine, &mut heartbeats, &mut effects, 90);
    let taken = Clock.now().mono.since(begun.mono);
    let allocated = GIVEN.load(Ordering::Relaxed) - given;
    println!("{per_host} bytes a host; {:?} a heartbeat with 5 values", taken / (2 * HOSTS));
    assert!(effects.is_empty());
    assert_eq!(allocated, 0, "allocations in {} quiet heartbeats", 2 * HOSTS);
    assert!(per_host <= MOST_BYTES, "{per_host} bytes");
    assert_eq!(engine.host(HostId(7)).unwrap().checks().count(), 6);
    assert!(engine.n_deadlines() <= usize::try_from(HOSTS).unwrap() * 2);
}

/// Sends every message that the engine has decided on, and says that it arrived. Returns how many there were.
fn send_all(engine: &mut Engine, effects: &mut Effects, at: Now) -> usize {
    let mut sent = 0;
    while effects.records.iter().any(|record| matches!(record, Record::Outbox(_))) {
        for record in std::mem::take(&mut effects.records) {
            let Record::Outbox(row) = record else { continue };
            let message = row.notification;
            for outcome in [Outcome::Started, Outcome::Sent] {
                let (delivery, incident) = (message.id, message.incident);
                let receiver = message.receiver.clone();
                let arrived = Input::Delivery { delivery, incident, receiver, outcome };
                engine.step(arrived, at, effects);
            }
            sent += 1;
        }
    }
    effects.clear();
    sent
}

#[test]
fn days_full_of_troubles_leave_nothing_behind() {
    const FEW: u32 = 50;
    let _counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut effects = Effects::default();
    let mut engine = engine(FEW, &mut effects);
    let mut heartbeats: Vec<Heard> = (1..=FEW).map(heard).collect();
    let (mut sent, mut kept) = (0, Vec::new());
    for at in (30..=96 * 3600).step_by(30) {
        for (number, heartbeat) in (0..).zip(&mut heartbeats) {
            // Each hour of a host has a high value of ten minutes, each fourth a silence of ten.
            let minute = (at / 60 + 7 * number) % 240;
            if (30..40).contains(&minute) {
                continue;
            }
            heartbeat.values[0].1 = if minute % 60 < 10 { 99.0 } else { 10.0 };
            heartbeat.taken_at = now(at).unix;
            engine.heard(heartbeat, now(at), &mut effects);
        }
        engine.step(Input::Tick, now(at), &mut effects);
        sent += send_all(&mut engine, &mut effects, now(at));
        if at % (24 * 3600) == 0 {
            effects = Effects::default();
            kept.push(KEPT.load(Ordering::Relaxed));
        }
    }
    println!("{sent} messages; bytes kept after each day: {kept:?}");
    // A trouble and its end for each hour, a silence and its end for each fourth.
    assert!(
        sent > 4 * 24 * 2 * usize::try_from(FEW).unwrap(),
        "{sent} messages are too few troubles"
    );
    // After two days every list has had its longest; ten days were seen to bring 256 bytes more.
    let (early, late) = (kept[1], kept[3]);
    assert!(late <= early + 1024, "{late} bytes after four days, {early} after two");
}
