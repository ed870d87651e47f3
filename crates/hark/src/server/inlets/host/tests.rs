use hark_metrics::{Named, Point};
use hark_model::frame::ValueReader;
use hark_model::{HostName, MetricKind};

use super::*;

fn of_host(points: &[(i64, &str, f64)]) -> OfHost {
    let mut of =
        OfHost { host: HostName::new("web1").unwrap(), series: Vec::new(), points: Vec::new() };
    for (at, metric, value) in points {
        let known = of.series.iter().position(|series| series.name.metric == *metric);
        let series = known.unwrap_or_else(|| {
            let name = SeriesName::of("prometheus", "node", metric);
            of.series.push(Named { name, kind: MetricKind::Gauge });
            of.series.len() - 1
        });
        of.points.push(Point { at: Some(Unix(*at)), series, value: *value });
    }
    of.points.sort_by_key(|point| (point.at, point.series));
    of
}

struct Scene {
    desk: HostDesk,
    keys: Keys,
    sets: Vec<Arc<[SeriesDef]>>,
}

impl Scene {
    fn new() -> Self {
        let desk = HostDesk::new(HostId(7), Mono(0));
        Self { desk, keys: Keys::default(), sets: Vec::new() }
    }

    /// Brings samples, declaring what is new; returns the frames as text.
    fn bring(&mut self, points: &[(i64, &str, f64)]) -> Vec<String> {
        let of = of_host(points);
        let found: Vec<u128> = of.series.iter().map(|series| self.keys.of(&series.name)).collect();
        for set in self.desk.missing(&of, &found) {
            let defs = definitions(&of, &set);
            self.desk.know(SetId::KEPT_NOWHERE, &defs, &self.keys);
            self.sets.push(defs);
        }
        let mut shipment = Shipment::default();
        let lost = self.desk.pack(&of, &found, Unix(99), &mut shipment);
        assert_eq!(lost, 0);
        let mut start = 0;
        let frame = |frame: &FrameAt| {
            let bytes = &shipment.bytes[start..frame.end];
            start = frame.end;
            let set = self.sets.iter().find(|set| set.len() == ValueReader::new(bytes).count());
            let set = set.unwrap();
            let values = ValueReader::new(bytes).zip(set.iter()).map(|(item, def)| {
                format!("{}={}", def.name.metric, scale(item.unwrap(), def.decimals))
            });
            format!("{}: {}", frame.taken_at.0, values.collect::<Vec<_>>().join(" "))
        };
        shipment.frames.iter().map(frame).collect()
    }
}

#[test]
fn what_comes_together_lies_together_and_pieces_of_it_leave_the_rest_open() {
    let mut scene = Scene::new();
    let first = [(1, "a", 1.0), (1, "b", 2.5), (2, "a", 3.0), (1, "c", 7.0)];
    assert_eq!(scene.bring(&first), ["1: a=1 b=2.5 c=7", "2: a=3 b=NaN c=NaN"]);
    assert_eq!(scene.bring(&[(3, "c", 8.0)]), ["3: a=NaN b=NaN c=8"]);
    assert_eq!(scene.sets.len(), 1);
    // What comes at another time is another set.
    assert_eq!(
        scene.bring(&[(5, "x", 1.0), (6, "y", 1.0), (6, "z", 0.5)]),
        ["5: x=1", "6: y=1 z=0.5"]
    );
    assert_eq!(scene.desk.n_series(), 6);
}

#[test]
fn of_a_sample_that_stands_twice_the_first_counts_and_of_an_ended_series_nothing_is_kept() {
    let mut scene = Scene::new();
    assert_eq!(scene.bring(&[(1, "a", 1.0), (1, "a", 2.0), (1, "b", 3.0)]), ["1: a=1 b=3"]);
    assert_eq!(scene.bring(&[(2, "a", f64::NAN), (2, "b", 4.0)]), ["2: a=NaN b=4"]);
    assert_eq!(scene.bring(&[(3, "a", f64::NAN)]), Vec::<String>::new());
}

#[test]
fn every_value_is_kept_exactly() {
    let values = [
        0.1,
        1e-9,
        1.0 / 3.0,
        -0.0,
        1e300,
        9.007_199_254_740_993e15,
        f64::INFINITY,
        362_812.75,
        -5.0,
    ];
    for first in values {
        let decimals = decimals_of(first);
        for value in values {
            let back = scale(exactly(value, decimals), decimals);
            assert_eq!(back.to_bits(), value.to_bits(), "{value} after {first}");
        }
    }
    assert_eq!([decimals_of(5.0), decimals_of(0.25), decimals_of(1e-9)], [0, 2, 0]);
}

#[test]
fn more_series_than_a_set_holds_are_several() {
    let mut scene = Scene::new();
    let names: Vec<String> = (0..250).map(|n| format!("m{n}")).collect();
    let points: Vec<(i64, &str, f64)> = names.iter().map(|name| (1, name.as_str(), 1.0)).collect();
    assert_eq!(scene.bring(&points).len(), 3);
    let lengths: Vec<usize> = scene.sets.iter().map(|set| set.len()).collect();
    assert_eq!(lengths, [120, 120, 10]);
}

#[test]
fn only_what_a_threshold_looks_at_goes_to_the_engine() {
    let mut scene = Scene::new();
    let points = [(1, "a", 1.0), (1, "b", 2.0), (2, "a", f64::NAN)];
    scene.bring(&points);
    let of = of_host(&points);
    let found: Vec<u128> = of.series.iter().map(|series| scene.keys.of(&series.name)).collect();
    assert_eq!(scene.desk.unasked(&found, 1), [0, 1]);
    scene.desk.watch(found[0], true);
    scene.desk.watch(found[1], false);
    assert!(scene.desk.unasked(&found, 1).is_empty());
    let mut shipment = Shipment::default();
    scene.desk.pack(&of, &found, Unix(9), &mut shipment);
    let [Input::Sampled(sampled)] = &shipment.inputs[..] else { panic!("{shipment:?}") };
    let seen: Vec<(i64, bool)> =
        sampled.values.iter().map(|(_, at, value)| (at.0, value.is_nan())).collect();
    assert_eq!(seen, [(1, false), (2, true)], "that it has ended is told as well");
    assert_eq!(scene.desk.unasked(&found, 2), [0, 1], "another plan may look at others");
}
