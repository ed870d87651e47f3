//! What history does with frames, and with questions.

use std::hint::black_box;

use hark_model::frame::encode_values;
use hark_model::time::{Mono, Now, Unix};
use hark_model::{HostId, SeriesName};
use hark_store::history::{History, SetId, Settings};

use super::made_up::{self, Walk};
use super::{Part, Turn};

/// The whole way of a frame: log, head, block, chunk, tiers.
pub(super) const FRAME: Part = Part {
    name: "history.frame",
    what: "a frame of 33 values kept: log, head, block, chunk, tiers, each with its share",
    turns: 60_000,
    begin: frame,
};

/// What a chart of a day asks.
pub(super) const QUERY: Part = Part {
    name: "history.query",
    what: "24 hours of one metric at 15 s as 600 points, from chunks and heads",
    turns: 20,
    begin: query,
};

const HOSTS: u32 = 50;
const INTERVAL_MS: i64 = 15_000;
/// Frames between two syncs.
const BATCH: u64 = 1000;
/// Beats prepared for each host; they come again.
const BEATS: usize = 128;
const DAY_BEATS: i64 = 24 * 3600 * 1000 / INTERVAL_MS;
const BEGIN: i64 = 1_795_132_800_000;

/// A history with hosts that send the same walks again and again.
struct Kept {
    // Its folder goes when it does, and it before its folder.
    history: History,
    _folder: tempfile::TempDir,
    sets: Vec<SetId>,
    walks: Vec<Vec<Vec<u8>>>,
    n: u64,
}

impl Kept {
    fn new(hosts: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder for what is measured");
        let mut history = History::open(folder.path(), Settings::default()).expect("it opens");
        let series = made_up::series();
        let now = Self::now(0);
        let sets = (1..=hosts)
            .map(|host| history.declare(HostId(host), &series, now).expect("a good set"))
            .collect();
        history.sync(now).expect("it is written");
        let walk = |number: u32| {
            let mut walk = Walk::new(u64::from(number));
            let mut frames = Vec::new();
            for _ in 0..BEATS {
                walk.step();
                let mut bytes = Vec::new();
                encode_values(&series, &walk.values, &mut bytes);
                frames.push(bytes);
            }
            frames
        };
        let walks = (1..=hosts).map(walk).collect();
        Self { history, _folder: folder, sets, walks, n: 0 }
    }

    fn now(beat: i64) -> Now {
        let ms = beat * INTERVAL_MS;
        Now { mono: Mono(1 + u64::try_from(ms).unwrap_or_default()), unix: Unix(BEGIN + ms) }
    }

    /// Asks for a chart of the first host, from the beginning on.
    fn ask(&self, names: &[SeriesName], to: Unix) {
        let answer = self.history.plan(HostId(1), names, Unix(BEGIN), to, 600).run();
        assert!(answer.at.len() >= 599, "{} points", answer.at.len());
        black_box(&answer);
    }

    /// Adds the next frame, of one host after the other, with all upkeep that is due.
    fn push(&mut self) {
        let hosts = self.sets.len();
        let beat = usize::try_from(self.n).unwrap_or_default() / hosts;
        let host = usize::try_from(self.n).unwrap_or_default() % hosts;
        self.n += 1;
        let now = Self::now(i64::try_from(beat).unwrap_or_default());
        let frame = self.walks.get(host).and_then(|w| w.get(beat % BEATS));
        let (Some(frame), Some(set)) = (frame, self.sets.get(host)) else { return };
        let id = HostId(u32::try_from(host + 1).unwrap_or_default());
        self.history.append(id, *set, now.unix, frame, now).expect("it is kept");
        if self.n.is_multiple_of(BATCH) {
            self.history.sync(now).expect("it is written");
            while self.history.maintain(now, 64) {}
        }
    }
}

fn frame(_turns: u32) -> Turn {
    let mut kept = Kept::new(HOSTS);
    Box::new(move || kept.push())
}

fn query(_turns: u32) -> Turn {
    let mut kept = Kept::new(1);
    for _ in 0..DAY_BEATS {
        kept.push();
    }
    let now = Kept::now(DAY_BEATS);
    kept.history.sync(now).expect("it is written");
    while kept.history.maintain(now, 64) {}
    let names: Vec<_> = made_up::series().into_iter().take(1).map(|d| d.name).collect();
    Box::new(move || kept.ask(&names, now.unix))
}
