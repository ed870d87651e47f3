//! Whatever happens in whatever order: answers are those of a history that keeps a list.

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Append { host: u32, at: i64 },
    Sync,
    Maintain,
    Settle,
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (1u32..3, -400i64..400)
            .prop_map(|(host, n)| Step::Append { host, at: MIDNIGHT + n * 20_000 }),
        3 => Just(Step::Sync),
        2 => Just(Step::Maintain),
        1 => Just(Step::Settle),
        1 => Just(Step::Restart),
    ]
}

/// What a host measured at a time: the same each time that it is sent.
fn items_of(host: u32, at: i64) -> [Item; 2] {
    let n = (at / 1000 * 7919 + i64::from(host) * 104_729) % 9973;
    let item = |n: i64| match n % 8 {
        #[expect(clippy::cast_precision_loss, reason = "below 9973")]
        0 => Item::Float(n as f64 * 1e5 + 0.25),
        1 => Item::Absent,
        _ => Item::Scaled(n - 5000),
    };
    [item(n), item(n / 3)]
}

/// The naive history: every acknowledged item by host, series and time; the first one counts.
#[derive(Default)]
struct Model {
    acknowledged: BTreeMap<(u32, i64), [Item; 2]>,
    sent: Vec<(u32, i64, [Item; 2])>,
}

impl Model {
    fn sync(&mut self) {
        for (host, at, items) in self.sent.drain(..) {
            self.acknowledged.entry((host, at)).or_insert(items);
        }
    }

    /// Minimum, mean and maximum of a gauge between two times.
    fn gauge(&self, host: u32, from: i64, to: i64) -> Option<(f64, f64, f64)> {
        let values: Vec<f64> = self
            .acknowledged
            .range((host, from)..(host, to))
            .map(|(_, items)| scale(items[0], 1))
            .filter(|v| !v.is_nan())
            .collect();
        let min = values.iter().copied().reduce(f64::min)?;
        let max = values.iter().copied().reduce(f64::max)?;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        Some((min, values.iter().sum::<f64>() / values.len() as f64, max))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn questions_are_answered_as_a_naive_history_would(
        steps in prop::collection::vec(any_step(), 1..300), points in 1u32..300,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut history = open(dir.path());
        let mut model = Model::default();
        let now = now_at(MIDNIGHT + DAY_MS / 4);
        for step in steps {
            match step {
                Step::Append { host, at } => {
                    let set = history.declare(HostId(host), &gauge_and_counter(), now).unwrap();
                    let [gauge, counter] = items_of(host, at);
                    let bytes = frame(&[gauge, counter]);
                    history.append(HostId(host), set, Unix(at), &bytes, now).unwrap();
                    model.sent.push((host, at, [gauge, counter]));
                }
                Step::Sync => {
                    history.sync(now).unwrap();
                    model.sync();
                }
                Step::Maintain => { history.maintain(now, 3); }
                Step::Settle => history.settle(now).unwrap(),
                Step::Restart => {
                    model.sent.clear();
                    history = open(dir.path());
                    while history.maintain(now, 4) {}
                }
            }
        }
        history.sync(now).unwrap();
        model.sync();
        let (from, to) = (MIDNIGHT - 8_000_000, MIDNIGHT + 8_000_000);
        for host in 1..3 {
            let names = [name("gauge"), name("counter")];
            let answer = history.query(HostId(host), &names, Unix(from), Unix(to), points);
            prop_assert_eq!(answer.damaged, 0);
            let Some(line) = answer.lines.first() else { continue };
            let mut points = answer.at.iter().enumerate().peekable();
            let grid = (from..to).step_by(usize::try_from(answer.step_ms).unwrap());
            for begin in grid {
                // Buckets lie where they lie: only samples can be compared point by point.
                if answer.tier != Tier::Raw {
                    break;
                }
                let end = (begin + answer.step_ms).min(to);
                let found = points.next_if(|(_, at)| at.0 == begin).map(|(n, _)| n);
                let value = |values: &[f64]| found.map_or(f64::NAN, |n| values[n]);
                match model.gauge(host, begin, end) {
                    None => prop_assert!(value(&line.avg).is_nan()),
                    Some((min, avg, max)) => {
                        prop_assert_eq!(value(&line.min).to_bits(), min.to_bits());
                        prop_assert_eq!(value(&line.max).to_bits(), max.to_bits());
                        prop_assert!((value(&line.avg) - avg).abs() <= avg.abs() * 1e-9 + 1e-9);
                    }
                }
            }
            if let Some((min, _, max)) = model.gauge(host, from, to) {
                let lowest = line.min.iter().copied().fold(f64::INFINITY, f64::min);
                let highest = line.max.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                prop_assert!((lowest - min).abs() <= min.abs() * 1e-12);
                prop_assert!((highest - max).abs() <= max.abs() * 1e-12);
            }
        }
    }
}
