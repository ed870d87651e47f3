use std::ops::ControlFlow;
use std::time::Duration;

use hark_model::frame::{Item, encode_item};
use hark_model::time::{Mono, Now};
use hark_model::{MetricKind, SeriesName, Unit};

use super::*;
use crate::history::{SetId, Settings, survey};

const START: Now = Now { mono: Mono(1_000), unix: Unix(1_795_132_800_000) };

struct World {
    dir: tempfile::TempDir,
    history: History,
    set: SetId,
    now: Now,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut history = History::open(dir.path(), Settings::default()).unwrap();
        let name = SeriesName::of("a", "", "b");
        let def = SeriesDef { name, unit: Unit::None, kind: MetricKind::Gauge, decimals: 0 };
        let set = history.declare(HostId(1), &[def], START).unwrap();
        Self { dir, history, set, now: START }
    }

    /// Writes a batch of one frame; returns its time.
    fn write(&mut self) -> i64 {
        self.now = Now {
            mono: self.now.mono + Duration::from_secs(1),
            unix: self.now.unix + Duration::from_secs(1),
        };
        let mut values = Vec::new();
        encode_item(Item::Scaled(7), &mut values);
        self.history.append(HostId(1), self.set, self.now.unix, &values, self.now).unwrap();
        self.history.sync(self.now).unwrap();
        self.now.unix.0
    }

    /// Opens it anew; everything of the old log goes to blocks.
    fn open_anew(self) -> Self {
        let Self { dir, history, now, .. } = self;
        drop(history);
        let mut history = History::open(dir.path(), Settings::default()).unwrap();
        history.settle(now).unwrap();
        let series = history.series_of_set(1).unwrap();
        let set = history.declare(HostId(1), &series, now).unwrap();
        Self { dir, history, set, now }
    }

    fn reader(&self, place: LogPlace) -> LogReader {
        LogReader::new(self.dir.path(), place)
    }
}

fn times(reader: &mut LogReader, end: LogPlace) -> Vec<i64> {
    let mut all = Vec::new();
    while reader.read(end).unwrap() {
        all.extend(reader.frames().map(|frame| frame.at.0));
    }
    all
}

#[test]
fn what_was_synced_is_read_once_and_in_its_order() {
    let mut world = World::new();
    let first: Vec<i64> = (0..3).map(|_| world.write()).collect();
    let mut reader = world.reader(LogPlace::default());
    assert_eq!(times(&mut reader, world.history.log_end()), first);
    let place = reader.place();
    let second = world.write();
    assert_eq!(times(&mut reader, place), [0; 0], "not before it is said to be on the disk");
    assert_eq!(times(&mut reader, world.history.log_end()), [second]);
    assert_eq!(times(&mut world.reader(place), world.history.log_end()), [second]);
}

#[test]
fn what_went_to_blocks_is_still_there_for_who_reads() {
    let mut world = World::new();
    world.history.keep_log(Some(1), u64::MAX).unwrap();
    let first = world.write();
    let mut world = world.open_anew();
    let status = world.history.status();
    assert_eq!(status.log_bytes, 0, "the log itself has nothing of it");
    let survey = survey(world.dir.path(), &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(status.followed_bytes > 0 && survey.followed_bytes == status.followed_bytes);
    let second = world.write();
    let mut reader = world.reader(LogPlace::default());
    assert_eq!(times(&mut reader, world.history.log_end()), [first, second]);
    assert_eq!(reader.missing(), 0);
    // Past it, it goes.
    world.history.keep_log(Some(2), u64::MAX).unwrap();
    let mut late = world.reader(LogPlace { segment: 1, offset: 0 });
    assert_eq!(times(&mut late, world.history.log_end()), [second]);
    assert_eq!(late.missing(), 1);
}

#[test]
fn numbers_of_segments_go_on_where_the_log_is_empty() {
    let mut world = World::new();
    world.history.keep_log(Some(1), u64::MAX).unwrap();
    world.write();
    let world = world.open_anew();
    let place = world.history.log_end();
    let mut world = world.open_anew();
    let next = world.write();
    assert_eq!(times(&mut world.reader(place), world.history.log_end()), [next]);
}

#[test]
fn more_than_may_be_is_given_up_the_oldest_first() {
    let mut world = World::new();
    world.history.keep_log(Some(1), 1).unwrap();
    let mut last = 0;
    for _ in 0..3 {
        last = world.write();
        world = world.open_anew();
        world.history.keep_log(Some(1), 1).unwrap();
    }
    let mut reader = world.reader(LogPlace { segment: 1, offset: 0 });
    assert_eq!(times(&mut reader, world.history.log_end()), [last]);
    assert_eq!(reader.missing(), 2);
}

#[test]
fn where_nobody_reads_nothing_is_kept() {
    let mut world = World::new();
    world.write();
    let mut world = world.open_anew();
    assert!(!world.dir.path().join(FOLDER).exists());
    world.history.keep_log(Some(1), u64::MAX).unwrap();
    world.write();
    let mut world = world.open_anew();
    assert!(world.dir.path().join(FOLDER).read_dir().unwrap().next().is_some());
    world.history.keep_log(None, 0).unwrap();
    assert!(!world.dir.path().join(FOLDER).exists());
}

#[test]
fn a_history_that_was_begun_anew_is_read_from_its_beginning() {
    let mut world = World::new();
    let first = world.write();
    let mut reader = world.reader(LogPlace { segment: 40, offset: 1000 });
    assert_eq!(times(&mut reader, world.history.log_end()), [first]);
}

#[test]
fn what_is_older_than_samples_are_kept_goes_whoever_reads() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { raw: Duration::from_hours(24), ..Settings::default() };
    let mut history = History::open(dir.path(), settings).unwrap();
    history.keep_log(Some(0), u64::MAX).unwrap();
    let mut world = World { dir, history, ..World::new() };
    let series = World::new().history.series_of_set(1).unwrap();
    world.set = world.history.declare(HostId(1), &series, START).unwrap();
    world.write();
    world.history.settle(world.now).unwrap();
    let folder = world.dir.path().join(FOLDER);
    let n_kept = || folder.read_dir().unwrap().count();
    // What is written now keeps the number.
    world.history.wal.end_segment();
    world.history.settle(world.now).unwrap();
    world.write();
    assert_eq!(n_kept(), 1);
    let followed = world.history.wal.followed();
    let written = followed.segments[&1].written;
    world.history.wal.expire_followed(written).unwrap();
    assert_eq!(n_kept(), 1, "it is as old as samples may be");
    world.history.wal.expire_followed(written + Duration::from_millis(1)).unwrap();
    assert_eq!(n_kept(), 0);
    assert_eq!(world.history.log_begin(), 2);
}

#[test]
fn where_the_log_begins_is_where_readers_find_it() {
    let mut world = World::new();
    assert_eq!(world.history.log_begin(), 1, "nothing was written");
    world.history.keep_log(Some(1), u64::MAX).unwrap();
    world.write();
    assert_eq!(world.history.log_begin(), 1);
    let mut world = world.open_anew();
    assert_eq!(world.history.log_begin(), 1, "it is kept");
    world.write();
    world.history.keep_log(Some(2), u64::MAX).unwrap();
    assert_eq!(world.history.log_begin(), 2);
}
