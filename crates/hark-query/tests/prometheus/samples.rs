//! Samples as exporters of hosts make them, and some that are worse.

use std::fmt::Write as _;

use hark_query::{Labels, NAME, QueryError, Samples, Selection, Sink, Source};

/// When the first sample was taken: no round time.
pub(crate) const START: i64 = 1_700_000_003_217;

/// And the last.
pub(crate) const END: i64 = START + 3 * 3_600_000;

const EVERY: i64 = 15_000;

/// Series in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    series: Vec<(String, Labels, Samples)>,
}

impl Memory {
    /// Adds a series that is written as in a page of metrics.
    pub(crate) fn push(&mut self, text: &str, points: Vec<(i64, f64)>) {
        let (name, rest) = text.split_once('{').unwrap();
        let pairs = rest.trim_end_matches('}').split("\",").filter(|pair| !pair.is_empty());
        let label = |pair: &str| {
            let (name, value) = pair.split_once("=\"").unwrap();
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        };
        let labels = pairs.map(label).chain([(NAME.to_owned(), name.to_owned())]).collect();
        let (times, values) = points.into_iter().unzip();
        let samples = Samples { times, values, weights: Vec::new(), width_ms: 0 };
        self.series.push((text.to_owned(), labels, samples));
    }

    /// Adds a series of buckets of five minutes.
    pub(crate) fn push_buckets(&mut self, text: &str, points: &[(i64, f64)], weights: &[f64]) {
        self.push(text, points.to_vec());
        if let Some((_, _, samples)) = self.series.last_mut() {
            samples.weights = weights.to_vec();
            samples.width_ms = 300_000;
        }
    }

    /// Returns all as `promtool` takes it.
    pub(crate) fn open_metrics(&self) -> String {
        let mut text = String::new();
        for (name, _, samples) in &self.series {
            for (at, value) in samples.times.iter().zip(&samples.values) {
                let value = match *value {
                    value if value.is_nan() => "NaN".to_owned(),
                    value if value.is_infinite() => {
                        if value > 0.0 {
                            "+Inf".to_owned()
                        } else {
                            "-Inf".to_owned()
                        }
                    }
                    value => value.to_string(),
                };
                let _written = writeln!(
                    text,
                    "{name} {value} {}.{:03}",
                    at.div_euclid(1000),
                    at.rem_euclid(1000)
                );
            }
        }
        text.push_str("# EOF\n");
        text
    }
}

impl Source for Memory {
    fn read(&self, selection: &Selection<'_>, sink: &mut Sink<'_>) -> Result<(), QueryError> {
        for (_, labels, samples) in &self.series {
            if selection.matchers.iter().all(|m| m.fits(labels.get(&m.name))) {
                sink(labels.clone(), samples)?;
            }
        }
        Ok(())
    }
}

/// A row of numbers that looks like none: the finaliser of splitmix64.
fn noise(n: i64) -> f64 {
    let n = n.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from(u32::try_from(n >> 32).unwrap()) / f64::from(u32::MAX)
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap()
}

fn float(n: i64) -> f64 {
    f64::from(i32::try_from(n).unwrap())
}

/// The times of a series: every quarter of a minute, some milliseconds later or earlier each.
#[expect(clippy::cast_possible_truncation, reason = "below a second")]
fn times(seed: i64) -> impl Iterator<Item = i64> {
    let shift = move |n: i64| (noise(seed * 7919 + n) * 700.0) as i64;
    (0..=(END - START) / EVERY).map(move |n| START + n * EVERY + shift(n))
}

fn gauge(seed: i64, low: f64, high: f64) -> Vec<(i64, f64)> {
    let value = move |n: i64| low + (high - low) * noise(seed + n);
    times(seed).zip(0..).map(|(at, n)| (at, value(n))).collect()
}

/// A counter that begins again at some of its samples.
fn counter(seed: i64, most: f64) -> Vec<(i64, f64)> {
    let mut total = 1000.0 * noise(seed);
    let mut points = Vec::new();
    for (at, n) in times(seed).zip(0..) {
        if (n + seed) % 293 == 250 {
            total = 0.0;
        }
        total += most * noise(seed * 31 + n);
        points.push((at, total));
    }
    points
}

fn hosts(memory: &mut Memory) {
    for (host, seed) in [("web1:9100", 1), ("web2:9100", 1000), ("db1:9100", 2000)] {
        let at = format!("instance=\"{host}\",job=\"node\"");
        for (cpu, mode, rate) in [
            (0, "idle", 13.0),
            (0, "system", 1.0),
            (0, "user", 2.0),
            (0, "iowait", 0.1),
            (1, "idle", 12.0),
            (1, "system", 2.0),
            (1, "user", 1.0),
            (1, "iowait", 0.2),
        ] {
            memory.push(
                &format!("node_cpu_seconds_total{{cpu=\"{cpu}\",{at},mode=\"{mode}\"}}"),
                counter(seed + cpu * 50 + length(mode), rate),
            );
        }
        for (name, low, high) in [
            ("node_load1", 0.0, 4.0),
            ("node_load5", 1.0, 3.0),
            ("node_memory_MemTotal_bytes", 8.0e9, 8.0e9),
            ("node_memory_MemAvailable_bytes", 1.0e9, 4.0e9),
            ("node_memory_MemFree_bytes", 5.0e8, 1.0e9),
            ("node_boot_time_seconds", 1.69e9, 1.69e9),
            ("up", 1.0, 1.0),
        ] {
            memory.push(&format!("{name}{{{at}}}"), gauge(seed + length(name), low, high));
        }
        for device in ["eth0", "eth1", "lo"] {
            for (name, most) in [("receive", 1.0e6), ("transmit", 2.0e5)] {
                memory.push(
                    &format!("node_network_{name}_bytes_total{{device=\"{device}\",{at}}}"),
                    counter(
                        seed + i64::from(device.as_bytes()[device.len() - 1]) * 9 + length(name),
                        most,
                    ),
                );
            }
        }
        for (mount, fs, size) in
            [("/", "ext4", 1.0e11), ("/var", "xfs", 5.0e11), ("/run", "tmpfs", 1.0e9)]
        {
            let labels =
                format!("device=\"/dev/{fs}\",fstype=\"{fs}\",{at},mountpoint=\"{mount}\"");
            memory
                .push(&format!("node_filesystem_size_bytes{{{labels}}}"), gauge(seed, size, size));
            memory.push(
                &format!("node_filesystem_avail_bytes{{{labels}}}"),
                gauge(seed + 5, 0.2 * size, 0.3 * size),
            );
        }
        let info = format!(
            "{at},machine=\"x86_64\",nodename=\"{}\",release=\"6.1\"",
            host.get(..3).unwrap()
        );
        memory.push(&format!("node_uname_info{{{info}}}"), gauge(seed + 3, 1.0, 1.0));
    }
}

/// Returns all.
pub(crate) fn all() -> Memory {
    let mut memory = Memory::default();
    hosts(&mut memory);
    for (path, seed) in [("/a", 5), ("/b", 6)] {
        let mut counts = Vec::new();
        for (n, bound) in ["0.1", "0.5", "1", "2.5", "+Inf"].into_iter().enumerate() {
            let points = counter(seed, 10.0);
            let share = [0.3, 0.6, 0.8, 0.95, 1.0][n];
            let points: Vec<_> =
                points.into_iter().map(|(at, v)| (at, (v * share).floor())).collect();
            counts.clone_from(&points);
            memory.push(&format!("http_seconds_bucket{{le=\"{bound}\",path=\"{path}\"}}"), points);
        }
        memory.push(&format!("http_seconds_count{{path=\"{path}\"}}"), counts);
        memory.push(&format!("http_seconds_sum{{path=\"{path}\"}}"), counter(seed + 2, 7.0));
    }
    // Exactly at round times, so that ends of windows and of looking back fall upon them.
    let round = 1_700_000_040_000;
    let exact = |every: i64, n: i64| (0..n).map(move |n| (round + n * every, float(n % 7)));
    memory.push("exact{kind=\"minute\"}", exact(60_000, 180).collect());
    memory.push("exact{kind=\"five\"}", exact(300_000, 36).collect());
    memory.push("exact{kind=\"ten\"}", exact(600_000, 18).collect());
    // With gaps, with one sample, and with what is no number.
    let gaps = gauge(77, -5.0, 5.0).into_iter().zip(0..).filter(|(_, n)| (n / 60) % 3 != 1);
    memory.push("gaps{a=\"b\"}", gaps.map(|(point, _)| point).collect());
    memory.push("single{a=\"b\"}", vec![(START + 1_790_000, 42.0)]);
    let odd = |n: i64| match n % 11 {
        3 => f64::NAN,
        7 => f64::INFINITY,
        9 => f64::NEG_INFINITY,
        _ => float(n),
    };
    memory.push("odd{a=\"b\"}", times(9).zip(0..).map(|(at, n)| (at, odd(n))).collect());
    memory.push("odd{a=\"c\"}", gauge(9, 0.0, 1.0));
    memory.push("still{a=\"b\"}", gauge(10, 5.0, 5.0));
    for (state, seed) in [("run", 11), ("sleep", 12), ("zombie", 13), ("idle", 14)] {
        let points = gauge(seed, 0.0, 4.0).into_iter().map(|(at, v)| (at, v.floor())).collect();
        memory.push(&format!("states{{state=\"{state}\",job=\"x\"}}"), points);
    }
    memory
}
