//! Prints what a heartbeat with 33 values costs history: CPU, memory, bytes on the disk.
//!
//! `cargo run -p hark-store --profile fast --example history_cost -- [hosts] [beats per host]`
//!
//! The values move as those of real hosts do: percentages that wander, counters that grow, constants.

use std::error::Error;
use std::io::Write;

use hark_model::frame::encode_values;
use hark_model::record::HostId;
use hark_model::time::{Clock, Mono, Now, Unix};
use hark_model::{MetricKind, SeriesDef, SeriesName, Unit};
use hark_store::history::{History, SetId, Settings};

const N_SERIES: usize = 33;
const INTERVAL_MS: i64 = 15_000;
const BATCH: usize = 4000;

fn series() -> Vec<SeriesDef> {
    (0..N_SERIES)
        .map(|n| SeriesDef {
            name: SeriesName::plain("bench_monitor", &format!("series_{n}")),
            unit: Unit::None,
            kind: if n % 4 == 3 { MetricKind::Counter } else { MetricKind::Gauge },
            decimals: u8::from(n % 4 != 3),
        })
        .collect()
}

/// A generator of small steps; quality does not matter.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "made-up values")]
fn advance(values: &mut [f64], chance: &mut Chance) {
    for (n, value) in values.iter_mut().enumerate() {
        let step = chance.next();
        match n % 4 {
            0 => *value = (*value + (step % 61) as f64 / 10.0 - 3.0).clamp(0.0, 100.0),
            1 => *value = (*value + (step % 2001) as f64 / 10.0 - 100.0).max(0.0),
            2 if step.is_multiple_of(50) => *value += 1.0,
            3 => *value += (step % 2_000_000) as f64,
            _ => {}
        }
    }
}

/// Returns user and system time of this process in nanoseconds.
fn cpu_ns() -> Result<u64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |n: usize| -> Result<u64, Box<dyn Error>> {
        Ok(fields.get(n).ok_or("short /proc/self/stat")?.parse::<u64>()?)
    };
    Ok((ticks(11)? + ticks(12)?) * 10_000_000)
}

fn resident_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

/// Returns the frames before the clock runs: 64 different walks of 256 beats.
fn walks(series: &[SeriesDef]) -> Vec<Vec<Vec<u8>>> {
    let walk = |number: u64| {
        let mut chance = Chance(number * 2_654_435_761 + 88_172_645_463_325_252);
        let mut values = vec![50.0; N_SERIES];
        let mut frames = Vec::new();
        for _ in 0..256 {
            advance(&mut values, &mut chance);
            let mut bytes = Vec::new();
            encode_values(series, &values, &mut bytes);
            frames.push(bytes);
        }
        frames
    };
    (0..64).map(walk).collect()
}

/// Sends every beat of every host; returns the most memory seen, in KiB.
fn load(
    history: &mut History,
    sets: &[SetId],
    walks: &[Vec<Vec<u8>>],
    n_beats: u32,
    begin: Unix,
) -> Result<u64, Box<dyn Error>> {
    let mut since_sync = 0;
    let mut peak_kib = 0;
    for beat in 0..n_beats {
        let offset = i64::from(beat) * INTERVAL_MS;
        let now = Now { mono: Mono(1 + u64::from(beat) * 1000), unix: Unix(begin.0 + offset) };
        for (host, set) in (1u32..).zip(sets) {
            let frames = walks.get(host as usize % walks.len()).ok_or("no walks")?;
            let bytes = frames.get((beat + host) as usize % frames.len()).ok_or("no frames")?;
            let at = Unix(now.unix.0 + i64::from(host % 15_000));
            history.append(HostId(host), *set, at, bytes, now)?;
            since_sync += 1;
            if since_sync >= BATCH {
                since_sync = 0;
                history.sync(now)?;
                while history.maintain(now, 64) {}
            }
        }
        if beat % 16 == 0 {
            peak_kib = peak_kib.max(resident_kib()?);
        }
        history.sync(now)?;
    }
    Ok(peak_kib)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|a| a.parse::<u32>());
    let n_hosts = numbers.next().transpose()?.unwrap_or(1000);
    let n_beats = numbers.next().transpose()?.unwrap_or(2000);
    let n_frames = u64::from(n_hosts) * u64::from(n_beats);
    let mut out = std::io::stdout().lock();
    let dir = std::env::temp_dir().join(format!("hark-history-cost-{}", std::process::id()));
    let mut history = History::open(&dir, Settings::default())?;
    let begin = Unix(Clock.now().unix.0 - i64::from(n_beats) * INTERVAL_MS);
    let series = series();
    let walks = walks(&series);
    let now = Now { mono: Mono(1), unix: begin };
    let sets: Vec<SetId> = (1..=n_hosts)
        .map(|host| history.declare(HostId(host), &series, now))
        .collect::<Result<_, _>>()?;
    history.sync(now)?;
    let before_kib = resident_kib()?;
    let (started, cpu_started) = (Clock.now(), cpu_ns()?);
    let peak_kib = load(&mut history, &sets, &walks, n_beats, begin)?;
    let (cpu, wall) = (cpu_ns()? - cpu_started, Clock.now().mono.since(started.mono));
    let status = history.status();
    let wall_ms = u64::try_from(wall.as_millis())?.max(1);
    writeln!(out, "{n_hosts} hosts, {n_beats} beats each of {N_SERIES} values")?;
    writeln!(out, "CPU per beat: {} ns, all work of history included", cpu / n_frames)?;
    writeln!(out, "beats per second of wall time: {}", n_frames * 1000 / wall_ms)?;
    writeln!(out, "chunks: {}", status.counts.chunks)?;
    writeln!(out, "log: {} MiB, blocks: {} MiB", status.log_bytes >> 20, status.block_bytes >> 20)?;
    writeln!(out, "resident: {} MiB before, {} MiB at most", before_kib >> 10, peak_kib >> 10)?;
    drop(history);
    let started = Clock.now();
    let mut history = History::open(&dir, Settings::default())?;
    writeln!(out, "opened again in {:?}", Clock.now().mono.since(started.mono))?;
    let end = Now { mono: Mono(u64::MAX / 2), unix: Clock.now().unix };
    history.settle(end)?;
    history.maintain(end, 1);
    let n_samples = n_frames * u64::try_from(N_SERIES)?;
    for (name, bytes) in ["raw", "minutes", "hours"].iter().zip(history.status().tier_bytes) {
        let hundredths = bytes * 100 / n_samples;
        writeln!(out, "{name}: {}.{:02} bytes a sample", hundredths / 100, hundredths % 100)?;
    }
    drop(history);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
