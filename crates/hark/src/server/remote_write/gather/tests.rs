use std::collections::BTreeMap;

use hark_config::{Document, NoSecrets, Style};
use hark_model::frame::{Item, encode_item};
use hark_model::time::{Mono, Now};
use hark_model::{SeriesName, Unit};
use hark_store::history::{History, SetId, Settings};

use super::*;
use crate::config::RemoteWriteSettings;

const START: Now = Now { mono: Mono(1_000), unix: Unix(1_795_132_800_000) };

/// A history with one set of two series, and whom it is read for.
struct World {
    dir: tempfile::TempDir,
    history: History,
    set: SetId,
    target: Arc<Target>,
}

/// Knows what a history knows, and two hosts.
struct Knows(BTreeMap<u32, Arc<[SeriesDef]>>);

impl Known for Knows {
    fn host(&self, host: HostId) -> Option<HostName> {
        let name = match host.0 {
            1 => "web1",
            2 => "db1",
            _ => return None,
        };
        HostName::new(name).ok()
    }

    fn set(&self, set: u32) -> io::Result<Option<Arc<[SeriesDef]>>> {
        Ok(self.0.get(&set).cloned())
    }
}

fn target(more: &str) -> Arc<Target> {
    let text =
        format!("remote_write: {{a: {{url: 'http://127.0.0.1:1/w', samples: 100{more}}}}}\n");
    let document = Document::single(&text);
    let settings = RemoteWriteSettings::read(&document.root(&NoSecrets));
    let said = document.diagnostics().render(Style::Plain);
    assert_eq!(said, "");
    Arc::clone(&settings.to[0])
}

impl World {
    fn new(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut history = History::open(dir.path(), Settings::default()).unwrap();
        let def = |collector: &str, instance: &str, metric: &str, kind| {
            let name = SeriesName::of(collector, instance, metric);
            SeriesDef { name, unit: Unit::None, kind, decimals: 1 }
        };
        let defs = [
            def("cpu_monitor", "", "load_1min", MetricKind::Gauge),
            def(
                "prometheus",
                "node.cpu=0,instance=a:1",
                "node_cpu_seconds_total",
                MetricKind::Counter,
            ),
        ];
        let set = history.declare(HostId(1), &defs, START).unwrap();
        assert_eq!(history.declare(HostId(2), &defs, START).unwrap(), set);
        Self { dir, history, set, target: target(more) }
    }

    /// Writes frames of a host, `seconds` after the start, as one batch.
    fn write(&mut self, frames: &[(u32, i64)]) {
        for (host, seconds) in frames {
            let mut values = Vec::new();
            encode_item(Item::Scaled(5 + seconds), &mut values);
            encode_item(
                if *seconds % 2 == 0 { Item::Absent } else { Item::Float(7.25) },
                &mut values,
            );
            let at = Unix(START.unix.0 + seconds * 1000);
            self.history.append(HostId(*host), self.set, at, &values, START).unwrap();
        }
        self.history.sync(START).unwrap();
    }

    fn knows(&self) -> Knows {
        Knows(BTreeMap::from([(1, self.history.series_of_set(1).unwrap())]))
    }

    fn gatherer(&self, mark: Mark) -> Gatherer {
        Gatherer::new(Arc::clone(&self.target), self.dir.path(), mark)
    }

    /// Gathers everything from `mark` on.
    fn requests(&self, mark: Mark) -> (Vec<Request>, Gatherer) {
        let mut gatherer = self.gatherer(mark);
        let mut all = Vec::new();
        let end = self.history.log_end();
        while gatherer.gather(&self.knows(), end, None, START.unix).unwrap() {
            all.push(gatherer.finish());
        }
        let last = gatherer.finish();
        if last.n_samples > 0 {
            all.push(last);
        }
        (all, gatherer)
    }
}

/// Returns what a request has, a line for each sample.
fn lines(request: &Request) -> Vec<String> {
    let mut lines = Vec::new();
    for series in &request.series {
        let labels: Vec<String> = series.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
        for (at, value) in &series.samples {
            let at = (at.0 - START.unix.0) / 1000;
            lines.push(format!("{} {value} @{at} {:?}", labels.join(","), series.kind));
        }
    }
    lines
}

#[test]
fn series_go_out_with_the_labels_that_they_are_asked_by_and_those_of_the_configuration() {
    let mut world = World::new(", labels: {az: eu, job: never}");
    world.write(&[(1, 1), (2, 2)]);
    let (requests, _) = world.requests(Mark::default());
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(
        lines(request),
        [
            "__name__=hark_cpu_load_1min,az=eu,host=web1,instance=web1,job=hark 0.6 @1 Gauge",
            "__name__=node_cpu_seconds_total,az=eu,cpu=0,host=web1,instance=a:1,job=node 7.25 @1 Counter",
            "__name__=hark_cpu_load_1min,az=eu,host=db1,instance=db1,job=hark 0.7 @2 Gauge",
        ]
    );
    assert_eq!(request.newest, Some(Unix(START.unix.0 + 2000)));
}

#[test]
fn only_what_is_wanted_goes_out() {
    let mut world = World::new(", hosts: 'web*', metrics: [node_*]");
    world.write(&[(1, 1), (2, 1), (3, 1)]);
    let (requests, gatherer) = world.requests(Mark::default());
    let all: Vec<String> = requests.iter().flat_map(lines).collect();
    assert!(all.len() == 1 && all[0].starts_with("__name__=node_cpu"), "{all:?}");
    assert_eq!(
        gatherer.mark(),
        Mark::at(world.history.log_end()),
        "what is not wanted is passed over"
    );
}

#[test]
fn what_comes_late_or_twice_or_from_the_future_is_left_out() {
    let mut world = World::new("");
    world.write(&[(1, 10), (1, 10)]);
    world.write(&[(1, 8), (1, 10), (1, 12), (1, 3600), (1, 14)]);
    let (requests, mut gatherer) = world.requests(Mark::default());
    let all: Vec<String> = requests.iter().flat_map(lines).collect();
    let times: Vec<&str> = all.iter().map(|line| line.rsplit(' ').nth(1).unwrap()).collect();
    assert_eq!(times, ["@10", "@12", "@14"], "{all:?}");
    assert_eq!(gatherer.left_out(), LeftOut { late: 1, ahead: 1 });

    let mut world = World::new(", out_of_order: 1m");
    world.write(&[(1, 100), (1, 80), (1, 30)]);
    let (requests, mut gatherer) = world.requests(Mark::default());
    let all: Vec<String> = requests.iter().flat_map(lines).collect();
    let times: Vec<&str> = all.iter().map(|line| line.rsplit(' ').nth(1).unwrap()).collect();
    assert_eq!(times, ["@80", "@100"], "within a request they stand in order: {all:?}");
    assert_eq!(gatherer.left_out(), LeftOut { late: 1, ahead: 0 });
}

#[test]
fn requests_are_cut_by_number_and_made_again_just_so() {
    let mut world = World::new("");
    // Two samples each, 100 in a request: within a batch, and over the ends of batches.
    for batch in 0..4 {
        let frames: Vec<(u32, i64)> = (0..40).map(|n| (1, 2 * (40 * batch + n) + 1)).collect();
        world.write(&frames);
    }
    let (requests, _) = world.requests(Mark::default());
    let sizes: Vec<usize> = requests.iter().map(|request| request.n_samples).collect();
    assert_eq!(sizes, [100, 100, 100, 20]);
    for pair in requests.windows(2) {
        assert_eq!(pair[0].to, pair[1].from);
    }
    // A run that begins before the stretch and reads up to it first, as a start does.
    for wanted in &requests {
        let mut gatherer = world.gatherer(Mark::default());
        let end = world.history.log_end();
        while gatherer.mark() < wanted.from {
            assert!(gatherer.gather(&world.knows(), end, Some(wanted.from), START.unix).unwrap());
            drop(gatherer.finish());
        }
        gatherer.gather(&world.knows(), end, Some(wanted.to), START.unix).unwrap();
        assert_eq!(&gatherer.finish(), wanted);
    }
}

#[test]
fn of_a_host_that_is_dropped_nothing_goes_out_from_then_on() {
    struct WithoutWeb(Knows);
    impl Known for WithoutWeb {
        fn host(&self, host: HostId) -> Option<HostName> {
            self.0.host(host).filter(|name| name.as_str() != "web1")
        }
        fn set(&self, set: u32) -> io::Result<Option<Arc<[SeriesDef]>>> {
            self.0.set(set)
        }
    }
    let mut world = World::new("");
    world.write(&[(1, 1), (2, 1)]);
    let mut gatherer = world.gatherer(Mark::default());
    gatherer.gather(&world.knows(), world.history.log_end(), None, START.unix).unwrap();
    assert_eq!(gatherer.finish().n_samples, 4);
    world.write(&[(1, 3), (2, 3)]);
    let known = WithoutWeb(world.knows());
    gatherer.gather(&known, world.history.log_end(), None, START.unix).unwrap();
    let request = gatherer.finish();
    assert!(lines(&request).iter().all(|line| line.contains("host=db1")), "{request:?}");
    assert_eq!(request.n_samples, 2);
}

#[test]
fn what_cannot_be_asked_now_is_asked_again_and_nothing_is_lost() {
    struct Stopped;
    impl Known for Stopped {
        fn host(&self, _host: HostId) -> Option<HostName> {
            None
        }
        fn set(&self, _set: u32) -> io::Result<Option<Arc<[SeriesDef]>>> {
            Err(io::Error::other("history is stopped"))
        }
    }
    let mut world = World::new("");
    world.write(&[(1, 1)]);
    let end = world.history.log_end();
    let mut gatherer = world.gatherer(Mark::default());
    assert!(gatherer.gather(&Stopped, end, None, START.unix).is_err());
    assert!(!gatherer.gather(&world.knows(), end, None, START.unix).unwrap());
    assert_eq!(gatherer.finish().n_samples, 2);
}

#[test]
fn what_nobody_sends_any_more_is_forgotten_and_nothing_else() {
    let mut world = World::new("");
    let long_ago = 1 - 2 * 86_400;
    world.write(&[(1, long_ago), (2, long_ago)]);
    let mut gatherer = world.gatherer(Mark::default());
    let gather = |gatherer: &mut Gatherer, world: &World, known: &Knows, days: u64| {
        let now = START.unix + Duration::from_hours(24 * days);
        gatherer.gather(known, world.history.log_end(), None, now).unwrap();
        lines(&gatherer.finish())
    };
    let counts = |gatherer: &Gatherer| {
        let hosts = gatherer.desk.hosts.values().flatten();
        let series: usize = hosts.map(|host| host.newest.len()).sum();
        (gatherer.desk.hosts.len(), gatherer.desk.sets.len(), series)
    };
    assert_eq!(gather(&mut gatherer, &world, &world.knows(), 0).len(), 4);
    assert_eq!(counts(&gatherer), (2, 1, 4));
    // Two days later one host goes on, with one of its series.
    world.write(&[(1, 2)]);
    assert_eq!(gather(&mut gatherer, &world, &world.knows(), 0).len(), 1);
    assert_eq!(counts(&gatherer), (2, 1, 4));
    gatherer.n_requests = TIDY_EVERY;
    assert_eq!(gather(&mut gatherer, &world, &world.knows(), 0), [""; 0]);
    assert_eq!(counts(&gatherer), (2, 1, 1));
    // What it has is the same as before: a sample that was brought is not brought again, and others are.
    world.write(&[(1, 2), (1, 3), (2, 3)]);
    assert_eq!(gather(&mut gatherer, &world, &world.knows(), 0).len(), 4);
    assert_eq!(counts(&gatherer), (2, 1, 4));
    // Nothing comes any more, and nobody is there.
    for _ in 0..2 {
        gatherer.n_requests = TIDY_EVERY;
        let known = Knows(BTreeMap::new());
        gather(&mut gatherer, &world, &known, 9);
    }
    assert_eq!(counts(&gatherer), (2, 0, 0), "hosts are known still");
}
