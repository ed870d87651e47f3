//! The list of parts, by area.

mod config;
mod engine;
mod history;
mod logs;
mod protocol;

/// One turn of a part: what is timed and counted.
pub(crate) type Turn = Box<dyn FnMut()>;

/// Something whose cost is watched.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its name, as in the file of counts: `area.what`.
    pub name: &'static str,
    /// What one turn is, in words.
    pub what: &'static str,
    /// How many turns are counted: so many that what happens seldom (a chunk, a sync) has its share.
    pub turns: u32,
    /// Makes ready for so many turns: nothing of this is counted.
    pub begin: fn(turns: u32) -> Turn,
}

/// Every part.
pub const PARTS: &[Part] = &[
    protocol::ENCODE,
    protocol::OPEN,
    protocol::ANSWERED,
    protocol::FORGED,
    protocol::REPLAYED,
    engine::QUIET,
    engine::CROSSING,
    engine::RECOVERY,
    history::FRAME,
    history::QUERY,
    logs::TWENTY,
    config::READ,
];

/// How the values of a host are made up: 33 as an agent with the default collectors has them, which
/// wander, grow or stay.
mod made_up {
    use hark_model::{MetricKind, SeriesDef, SeriesName, Unit};

    /// Values of one heartbeat.
    pub(super) const VALUES: usize = 33;

    /// The series of a heartbeat.
    pub(super) fn series() -> Vec<SeriesDef> {
        (0..VALUES)
            .map(|n| SeriesDef {
                name: SeriesName::plain("cost_monitor", &format!("series_{n}")),
                unit: Unit::None,
                kind: if n % 4 == 3 { MetricKind::Counter } else { MetricKind::Gauge },
                decimals: u8::from(n % 4 != 3),
            })
            .collect()
    }

    /// A generator of small steps, always the same ones; quality does not matter.
    #[derive(Debug)]
    pub(super) struct Walk {
        state: u64,
        /// The values as they are now.
        pub(super) values: Vec<f64>,
    }

    impl Walk {
        /// Begins the walk of host `number`.
        pub(super) fn new(number: u64) -> Self {
            let state = number.wrapping_mul(2_654_435_761).wrapping_add(88_172_645_463_325_252);
            Self { state, values: vec![50.0; VALUES] }
        }

        fn next(&mut self) -> u32 {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            u32::try_from(self.state >> 32).unwrap_or_default()
        }

        /// Takes one step.
        pub(super) fn step(&mut self) {
            for n in 0..self.values.len() {
                let step = self.next();
                let Some(value) = self.values.get_mut(n) else { continue };
                match n % 4 {
                    0 => *value = (*value + f64::from(step % 61) / 10.0 - 3.0).clamp(0.0, 100.0),
                    1 => *value = (*value + f64::from(step % 2001) / 10.0 - 100.0).max(0.0),
                    2 if step.is_multiple_of(50) => *value += 1.0,
                    3 => *value += f64::from(step % 2_000_000),
                    _ => {}
                }
            }
        }
    }
}
