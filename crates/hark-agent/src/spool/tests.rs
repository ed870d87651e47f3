use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const SMALL: Limits = Limits { bytes: 32 * 1024, age: Duration::from_hours(24) };

fn open(folder: &TempDir) -> Spool {
    Spool::open(&folder.path().join("spool"), SMALL, Unix(1_000_000)).unwrap()
}

/// The spool files of one kind, oldest first.
fn files(folder: &TempDir, prefix: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.path().join("spool"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .collect();
    files.sort();
    files
}

fn waiting_samples(spool: &mut Spool) -> Vec<(u64, Vec<u8>)> {
    std::iter::from_fn(|| spool.read_samples()).collect()
}

fn waiting_reports(spool: &mut Spool) -> Vec<(u64, Vec<u8>)> {
    std::iter::from_fn(|| spool.read_report()).collect()
}

#[test]
fn what_is_under_way_is_read_only_after_it_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let a = spool.append_samples(Unix(1), b"a", []);
    let b = spool.append_samples(Unix(2), b"b", []);
    assert_eq!(spool.read_samples(), None);
    assert_eq!(spool.pending().samples, 2);
    spool.samples_lost(b);
    spool.samples_lost(a);
    assert_eq!(spool.read_samples(), Some((a, b"a".to_vec())));
    assert_eq!(spool.read_samples(), Some((b, b"b".to_vec())));
    assert_eq!(spool.read_samples(), None);
    spool.samples_done(a);
    spool.samples_lost(b);
    assert_eq!(spool.read_samples(), Some((b, b"b".to_vec())));
    spool.samples_done(b);
    spool.samples_lost(b);
    assert_eq!(spool.read_samples(), None);
    assert_eq!(spool.pending().samples, 0);
}

#[test]
fn an_entry_that_is_appended_while_reading_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let a = spool.append_samples(Unix(1), b"a", []);
    spool.samples_lost(a);
    assert_eq!(spool.read_samples().unwrap().0, a);
    let b = spool.append_samples(Unix(2), b"b", []);
    let c = spool.append_samples(Unix(3), b"c", []);
    spool.samples_lost(c);
    assert_eq!(spool.read_samples(), Some((c, b"c".to_vec())));
    spool.samples_lost(b);
    assert_eq!(spool.read_samples(), Some((b, b"b".to_vec())));
}

#[test]
fn the_unacknowledged_comes_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let a = spool.append_samples(Unix(1), b"a", []);
    spool.append_samples(Unix(2), b"b", []);
    let (r, _) = spool.append_report(Unix(3), b"r");
    spool.samples_done(a);
    spool.store_cursor().unwrap();
    drop(spool);
    let mut spool = open(&folder);
    assert_eq!(waiting_samples(&mut spool), [(2, b"b".to_vec())]);
    assert_eq!(waiting_reports(&mut spool), [(r, b"r".to_vec())]);
    assert_eq!(spool.take_damage(), None);
    assert_eq!(spool.append_samples(Unix(4), b"c", []), 3);
}

#[test]
fn a_report_number_is_never_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let (epoch, first) = (spool.epoch(), spool.append_report(Unix(1), b"lost in a power cut").0);
    drop(spool);
    for file in files(&folder, "reports-") {
        std::fs::remove_file(file).unwrap();
    }
    let mut spool = Spool::open(&folder.path().join("spool"), SMALL, Unix(2_000_000)).unwrap();
    assert_eq!(spool.epoch(), epoch);
    assert!(spool.append_report(Unix(2), b"x").0 > first);
    std::fs::remove_dir_all(folder.path().join("spool")).unwrap();
    let spool = Spool::open(&folder.path().join("spool"), SMALL, Unix(3_000_000)).unwrap();
    assert!(spool.epoch() > epoch);
}

#[test]
fn at_the_bound_the_oldest_samples_go_and_reports_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    for n in 0..10 {
        spool.append_report(Unix(n), &[7; 100]);
    }
    let mut last = 0;
    for n in 0..1000 {
        last = spool.append_samples(Unix(1000 + n), &[1; 200], []);
        assert!(spool.pending().bytes <= SMALL.bytes);
    }
    spool.all_lost();
    assert_eq!(waiting_reports(&mut spool).len(), 10);
    let kept = waiting_samples(&mut spool);
    let gap = spool.gap().unwrap();
    assert_eq!(gap.entries + kept.len() as u64, 1000, "the gap is exact");
    assert_eq!(gap.from, 1000);
    assert_eq!(kept.last().unwrap().0, last);
    assert_eq!(gap.until, 1000 + i64::try_from(gap.entries).unwrap() - 1);
    drop(spool);
    let mut spool = open(&folder);
    assert_eq!(spool.gap(), Some(gap), "until it is told it is on the disk");
    spool.gap_told();
    assert_eq!(spool.gap(), None);
    assert_eq!(open(&folder).gap(), None);
}

#[test]
fn a_gap_has_the_times_of_what_was_lost_and_not_of_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let mut n = 0;
    while spool.gap().is_none() {
        let number = spool.append_samples(Unix(1000 + n), &[1; 200], []);
        if n < 10 {
            spool.samples_done(number);
        }
        n += 1;
    }
    let gap = spool.gap().unwrap();
    assert_eq!(gap.from, 1010, "the first ones have arrived");
    assert_eq!(u64::try_from(gap.until - gap.from).unwrap() + 1, gap.entries);
    assert!(gap.entries > 1 && gap.until < 1000 + n);
}

#[test]
fn with_reports_alone_the_oldest_report_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    for n in 0..1000 {
        spool.append_report(Unix(n), &[1; 200]);
        assert!(spool.pending().bytes <= SMALL.bytes);
    }
    spool.all_lost();
    let kept = waiting_reports(&mut spool);
    assert_eq!(spool.gap().unwrap().entries + kept.len() as u64, 1000);
}

#[test]
fn old_samples_are_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let hour = 3_600_000;
    for n in 0..100 {
        // The wall clock says what it likes.
        spool.append_samples(Unix(if n % 2 == 0 { -5 } else { i64::MAX / 2 }), &[1; 300], []);
        spool.give_up_old(Mono(n * hour));
    }
    spool.all_lost();
    let oldest = waiting_samples(&mut spool)[0].0;
    assert!((60..=75).contains(&oldest), "a day of hours and at most one file more: {oldest}");
}

#[test]
fn files_of_which_all_is_acknowledged_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let numbers: Vec<u64> = (0..90).map(|n| spool.append_samples(Unix(n), &[1; 300], [])).collect();
    assert!(files(&folder, "samples-").len() > 3);
    for number in numbers {
        spool.samples_done(number);
    }
    assert_eq!(files(&folder, "samples-").len(), 1, "only the one that is written to");
}

#[test]
fn each_file_defines_its_sets() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let parts = [b"part 1".to_vec(), b"part 2".to_vec()];
    let mut numbers = Vec::new();
    for n in 0..90 {
        numbers.push(spool.append_samples(Unix(n), &[1; 300], [(77, &parts[..])]));
    }
    for number in &numbers[..60] {
        spool.samples_done(*number);
    }
    drop(spool);
    let mut spool = open(&folder);
    assert_eq!(spool.set(77), parts);
    assert_eq!(spool.set(78), Vec::<Vec<u8>>::new());
    assert!(waiting_samples(&mut spool).len() >= 30);
}

#[test]
fn a_full_disk_loses_what_is_not_acknowledged_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    let too_long = vec![0; segment::MAX_PAYLOAD + 1];
    let number = spool.append_samples(Unix(1), &too_long, []);
    assert_eq!(spool.take_unsaved(), 1);
    spool.samples_lost(number);
    assert_eq!(spool.read_samples(), None);
    let after = spool.append_samples(Unix(2), b"x", []);
    spool.samples_lost(after);
    assert_eq!(spool.read_samples(), Some((after, b"x".to_vec())));
}

#[test]
fn a_file_whose_only_entry_was_torn_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    spool.append_samples(Unix(1), b"a", []);
    drop(spool);
    let mut spool = open(&folder);
    spool.append_samples(Unix(1), b"torn", []);
    tear(&folder, false, b"torn", 0);
    let mut spool = open(&folder);
    assert_eq!(spool.append_samples(Unix(1), b"b", []), 2);
    assert_eq!(spool.take_unsaved(), 0);
    let mut spool = open(&folder);
    assert_eq!(waiting_samples(&mut spool), [(1, b"a".to_vec()), (2, b"b".to_vec())]);
}

#[test]
fn damage_found_while_reading_is_skipped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    for n in 0..5_u8 {
        spool.append_samples(Unix(1), &[n; 40], []);
    }
    spool.all_lost();
    let file = OpenOptions::new().write(true).open(&files(&folder, "samples-")[0]).unwrap();
    file.write_all_at(&[0xff], 2 * 66 + 30).unwrap();
    let read: Vec<u64> = waiting_samples(&mut spool).into_iter().map(|(n, _)| n).collect();
    assert_eq!(read, [1, 2, 4, 5]);
    assert_eq!(spool.take_damage().unwrap().entries, 1);
    for number in read {
        spool.samples_done(number);
    }
    assert_eq!(spool.pending().samples, 0, "the damaged one does not hold the cursor");
}

#[test]
fn a_file_removed_by_somebody_is_damage_and_not_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(&folder);
    for n in 0..60 {
        spool.append_samples(Unix(n), &[1; 300], []);
    }
    spool.all_lost();
    std::fs::remove_file(&files(&folder, "samples-")[1]).unwrap();
    let read = waiting_samples(&mut spool);
    let lost = spool.take_damage().unwrap().entries;
    assert!(lost > 5);
    assert_eq!(read.len() as u64 + lost, 60);
}

/// What can happen to a spool.
#[derive(Clone, Debug)]
enum Step {
    Samples(u8),
    Report(u8),
    AckSample(prop::sample::Index),
    AckReport(prop::sample::Index),
    LoseAll,
    Read,
    StoreCursor,
    Sync,
    /// Ends without a word, all written bytes stay.
    Kill,
    /// Ends within the write of the newest entry of samples (of reports), after this many bytes.
    Torn {
        reports: bool,
        cut: prop::sample::Index,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<u8>().prop_map(Step::Samples),
        3 => any::<u8>().prop_map(Step::Report),
        5 => any::<prop::sample::Index>().prop_map(Step::AckSample),
        2 => any::<prop::sample::Index>().prop_map(Step::AckReport),
        1 => Just(Step::LoseAll),
        4 => Just(Step::Read),
        2 => Just(Step::StoreCursor),
        1 => Just(Step::Sync),
        1 => Just(Step::Kill),
        1 => (any::<bool>(), any::<prop::sample::Index>()).prop_map(|(reports, cut)| Step::Torn { reports, cut }),
    ]
}

/// The naive spool: what must still be there.
#[derive(Default)]
struct Model {
    samples: BTreeMap<u64, Vec<u8>>,
    reports: BTreeMap<u64, Vec<u8>>,
}

impl Model {
    fn wanted(&mut self, reports: bool) -> &mut BTreeMap<u64, Vec<u8>> {
        if reports { &mut self.reports } else { &mut self.samples }
    }
}

fn payload(byte: u8) -> Vec<u8> {
    vec![byte; usize::from(byte)]
}

/// Cuts the newest entry of the newest file somewhere within it.
fn tear(folder: &TempDir, reports: bool, newest: &[u8], cut: u64) {
    let prefix = if reports { "reports-" } else { "samples-" };
    let path = files(folder, prefix).pop().unwrap();
    let len = std::fs::metadata(&path).unwrap().len();
    let entry = (segment::OVERHEAD + newest.len()) as u64;
    let keep = len - entry + cut;
    OpenOptions::new().write(true).open(&path).unwrap().set_len(keep).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_unacknowledged_is_lost_whenever_it_dies(steps in prop::collection::vec(step(), 1..120)) {
        let folder = tempfile::tempdir().unwrap();
        // Large enough that nothing is given up for room.
        let limits = Limits { bytes: 128 * 1024, age: Duration::from_hours(24) };
        let reopen = || Spool::open(&folder.path().join("spool"), limits, Unix(1)).unwrap();
        let mut spool = reopen();
        let mut model = Model::default();
        let mut newest: Option<(bool, u64)> = None;
        // Also what was acknowledged since the cursor was stored: that may come again.
        let mut ever = BTreeMap::new();
        for step in steps {
            let appended = newest.take();
            match step {
                Step::Samples(byte) => {
                    let sets = [(u32::from(byte), &[vec![byte; 20]][..])];
                    let number = spool.append_samples(Unix(1), &payload(byte), sets);
                    prop_assert!(model.samples.insert(number, payload(byte)).is_none());
                    ever.insert(number, payload(byte));
                    newest = Some((false, number));
                }
                Step::Report(byte) => {
                    let (number, saved) = spool.append_report(Unix(1), &payload(byte));
                    prop_assert!(saved);
                    prop_assert!(model.reports.insert(number, payload(byte)).is_none());
                    newest = Some((true, number));
                }
                Step::AckSample(which) if !model.samples.is_empty() => {
                    let number = *which.get(&model.samples.keys().copied().collect::<Vec<_>>());
                    model.samples.remove(&number);
                    spool.samples_done(number);
                }
                Step::AckReport(which) if !model.reports.is_empty() => {
                    let number = *which.get(&model.reports.keys().copied().collect::<Vec<_>>());
                    model.reports.remove(&number);
                    spool.report_done(number);
                }
                Step::AckSample(_) | Step::AckReport(_) => {}
                Step::LoseAll => spool.all_lost(),
                Step::Read => {
                    if let Some((number, payload)) = spool.read_samples() {
                        prop_assert_eq!(ever.get(&number), Some(&payload));
                    }
                }
                Step::StoreCursor => spool.store_cursor().unwrap(),
                Step::Sync => spool.sync().unwrap(),
                Step::Kill => spool = reopen(),
                Step::Torn { reports, cut } => {
                    // Only an entry that is being written can be torn, so the last step wrote it.
                    if let Some((_, number)) = appended.filter(|(r, _)| *r == reports) {
                        let torn = model.wanted(reports).remove(&number).unwrap();
                        let cut = cut.index(segment::OVERHEAD + torn.len());
                        tear(&folder, reports, &torn, cut as u64);
                    }
                    spool = reopen();
                }
            }
            prop_assert!(spool.pending().bytes <= limits.bytes);
        }
        prop_assert_eq!(spool.gap(), None);
        spool = reopen();
        // What was acknowledged after the cursor was stored may come again; the rest must.
        let mut samples: BTreeMap<u64, Vec<u8>> = waiting_samples(&mut spool).into_iter().collect();
        let mut reports: BTreeMap<u64, Vec<u8>> = waiting_reports(&mut spool).into_iter().collect();
        samples.retain(|number, _| model.samples.contains_key(number));
        reports.retain(|number, _| model.reports.contains_key(number));
        prop_assert_eq!(samples, model.samples);
        prop_assert_eq!(reports, model.reports);
    }

    #[test]
    fn any_damage_is_survived_and_costs_only_what_it_hit(
        count in 1_u8..60,
        hits in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = open(&folder);
        for byte in 0..count {
            spool.append_samples(Unix(1), &payload(byte), []);
        }
        drop(spool);
        for (place, flip) in &hits {
            let all = files(&folder, "samples-");
            let path = place.get(&all);
            let mut bytes = std::fs::read(path).unwrap();
            let at = place.index(bytes.len());
            bytes[at] ^= flip;
            std::fs::write(path, bytes).unwrap();
        }
        let mut spool = open(&folder);
        let found = waiting_samples(&mut spool);
        prop_assert!(found.len() + hits.len() >= usize::from(count));
        for (number, bytes) in &found {
            prop_assert_eq!(bytes, &payload(u8::try_from(*number - 1).unwrap()));
        }
        if found.len() < usize::from(count) {
            prop_assert!(spool.take_damage().is_some());
        }
        let next = spool.append_samples(Unix(1), b"goes on", []);
        prop_assert!(found.iter().all(|(number, _)| *number < next));
    }
}
