use hark_model::frame::check_values;
use proptest::prelude::*;

use super::*;
use crate::history::follow::LogPlace;
use crate::history::wal::Wal;

type Frame = (u32, u32, i64, Vec<u8>);

const DAY: i64 = 1_795_132_800_000;

fn values(items: &[Item]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in items {
        encode_item(*item, &mut bytes);
    }
    bytes
}

/// Writes batches to a log and moves it to what is kept; returns that.
fn kept(dir: &std::path::Path, batches: &[Vec<Frame>]) -> Followed {
    let mut wal = Wal::open(&dir.join("wal"), Disk::real()).unwrap();
    wal.followed().keep(Some(0), u64::MAX, &Disk::real()).unwrap();
    for batch in batches {
        for (host, set, at, values) in batch {
            wal.push(*host, *set, *at, values);
        }
        wal.sync().unwrap();
        wal.clear();
    }
    let segment = wal.end_segment();
    wal.remove_before(segment + 1).unwrap();
    Followed::open(dir).unwrap()
}

/// Reads all frames of what is kept, with the place behind each batch.
fn read(dir: &std::path::Path) -> Vec<(LogPlace, Vec<Frame>)> {
    let mut reader = super::super::LogReader::new(dir, LogPlace::default());
    let end = LogPlace { segment: 1000, offset: 0 };
    let mut all = Vec::new();
    while reader.read(end).unwrap() {
        let frames = reader
            .frames()
            .map(|frame| (frame.host.0, frame.set, frame.at.0, frame.values.to_vec()));
        let frames = frames.collect();
        all.push((reader.place(), frames));
    }
    all
}

fn do_all(followed: &mut Followed, judge: Judge<'_>) -> usize {
    let (mut work, mut n) = (Blanking::default(), 0);
    while followed.blank(&mut work, u64::MAX, judge, &Disk::real()).unwrap() {
        n += 1;
    }
    n
}

fn judged(frame: &LoggedFrame<'_>) -> Meant {
    match frame.host {
        7 => Meant::All,
        8 if frame.at < DAY => Meant::Columns(vec![true, false, true]),
        _ => Meant::Nothing,
    }
}

fn any_item() -> impl Strategy<Value = Item> {
    prop_oneof![
        (-(1i64 << 53)..(1 << 53)).prop_map(Item::Scaled),
        (-5i64..5).prop_map(Item::Scaled),
        Just(Item::Float(1e300)),
        Just(Item::Absent),
    ]
}

proptest! {
    #[test]
    fn what_is_meant_goes_and_all_else_stays_where_it_is(
        frames in prop::collection::vec(
            (6u32..10, prop_oneof![1u32..4, 100_000u32..100_002], -100_000i64..100_000, any_item(), any_item(), any_item()),
            1..40,
        ),
    ) {
        let mut wal_batch = Vec::new();
        let dir = tempfile::tempdir().unwrap();
        for (host, set, at, a, b, c) in &frames {
            wal_batch.push((*host, *set, DAY + at, values(&[*a, *b, *c])));
        }
        let mut followed = kept(dir.path(), &[wal_batch.clone(), wal_batch.clone()]);
        let before = read(dir.path());
        do_all(&mut followed, &judged);
        let after = read(dir.path());
        prop_assert_eq!(before.len(), 2);
        for ((place, old), (same_place, new)) in before.iter().zip(&after) {
            prop_assert_eq!(place, same_place);
            prop_assert_eq!(old.len(), new.len());
            for ((old, new), (.., a, b, c)) in old.iter().zip(new).zip(&frames) {
                prop_assert_eq!(old.2, new.2, "when it was");
                prop_assert_eq!(old.3.len(), new.3.len());
                let left = match old.0 {
                    7 => {
                        prop_assert_eq!((new.0, new.1), (0, 0));
                        prop_assert!(new.3.iter().all(|byte| *byte == 0));
                        continue;
                    }
                    8 if old.2 < DAY => values(&[Item::Absent, *b, Item::Absent]),
                    _ => values(&[*a, *b, *c]),
                };
                prop_assert_eq!((old.0, old.1), (new.0, new.1));
                prop_assert!(new.3.starts_with(&left));
                prop_assert!(check_values(&left, 3).is_ok());
                prop_assert!(new.3[left.len()..].iter().all(|byte| *byte == 0));
            }
        }
        // Done again it finds nothing.
        let file = path_of(&followed.dir, 1);
        let whole = std::fs::read(&file).unwrap();
        do_all(&mut followed, &judged);
        prop_assert_eq!(std::fs::read(&file).unwrap(), whole);
    }
}

/// Batches of more than a few pieces, with a host that goes in the last one alone.
fn long() -> Vec<Vec<Frame>> {
    let frame = |host: u32, n: i64| (host, 1, DAY + n, vec![2; 1000]);
    let mut batches: Vec<Vec<Frame>> =
        (0..40).map(|batch| (0..100).map(|n| frame(6, 100 * batch + n)).collect()).collect();
    batches.push(vec![frame(7, 5000), frame(6, 5001)]);
    batches
}

#[test]
fn a_long_segment_goes_in_pieces_and_one_without_anything_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut followed = kept(dir.path(), &long());
    let before = read(dir.path());
    let n = do_all(&mut followed, &|_| Meant::Nothing);
    assert!(n > 3, "{n} steps");
    let file = path_of(&followed.dir, 1);
    let modified = || std::fs::metadata(&file).unwrap().modified().unwrap();
    let written = modified();
    assert!(do_all(&mut followed, &judged) > n);
    assert_eq!(modified(), written, "it is as old as it was");
    let after = read(dir.path());
    assert_eq!(after[..40], before[..40]);
    assert_eq!((after[40].1[0].0, after[40].1[0].1), (0, 0));
    assert_eq!(after[40].1[1], before[40].1[1]);
}

#[test]
fn what_nobody_can_read_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut followed = kept(dir.path(), &long());
    let file = path_of(&followed.dir, 1);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let before = read(dir.path());
    do_all(&mut followed, &|_| Meant::Nothing);
    assert_eq!(read(dir.path()), before);
    let size = std::fs::metadata(&file).unwrap().len();
    assert!(size <= middle as u64, "{size}");
    assert_eq!(followed.bytes(), size);
}

#[test]
fn a_segment_that_is_given_up_meanwhile_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<Vec<Frame>> = long().into_iter().rev().collect();
    let mut followed = kept(dir.path(), &all);
    let mut work = Blanking::default();
    for _ in 0..3 {
        assert!(followed.blank(&mut work, u64::MAX, &judged, &Disk::real()).unwrap());
    }
    let copy = followed.copy_of(1);
    assert!(copy.exists());
    followed.expire(hark_model::Unix(i64::MAX), false, &Disk::real()).unwrap();
    assert!(followed.blank(&mut work, u64::MAX, &judged, &Disk::real()).unwrap());
    assert!(
        !copy.exists() && !followed.blank(&mut work, u64::MAX, &judged, &Disk::real()).unwrap()
    );
}

#[test]
fn a_copy_that_was_not_finished_is_removed_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let followed = kept(dir.path(), &long());
    let copy = followed.copy_of(1);
    std::fs::write(&copy, b"half").unwrap();
    drop(Followed::open(dir.path()).unwrap());
    assert!(!copy.exists() && path_of(&followed.dir, 1).exists());
}
