use std::time::Duration;

use hark_model::record::Record;
use hark_store::state::State;

use super::super::{AT_ONCE, Ran, Recorder};
use super::*;
use crate::server::tally::Totals;

fn at(minutes: i64) -> Unix {
    Unix(minutes * 60_000)
}

fn span(from: i64, until: i64) -> Span {
    Span { from: at(from), until: at(until) }
}

fn incident(check: &str, since: i64, until: Option<i64>, peak: Status) -> IncidentRecord {
    let check = CheckName::new(check).unwrap();
    let id = IncidentId(1);
    let mut record = IncidentRecord::opened(id, HostId(1), check, at(since), at(since), peak);
    record.resolved_at = until.map(at);
    record
}

fn host() -> Known {
    let (id, first_seen) = (HostId(1), at(0));
    Known { id, first_seen, is_pending: false, is_in_work: false, windows: Vec::new() }
}

/// A day of two half hours, of which the server ran for 40 minutes.
fn past(went: HostPast) -> (Past, Known) {
    let ran = Spans::of([span(0, 10), span(30, 60)]);
    let past = Past { from: at(0), ran, hosts: [(HostId(1), went)].into() };
    (past, host())
}

fn slots(host: HostPast) -> [Slot; 3] {
    let (past, known) = past(host);
    let slots = past.slots(&known, 0);
    [slots[0], slots[1], slots[2]]
}

const UP: u8 = 1;
const WORK: u8 = 2;
const WARNING: u8 = 4;
const CRITICAL: u8 = 5;

#[test]
fn a_quiet_host_was_up_while_the_server_ran_and_nothing_is_known_else() {
    let quiet = slots(HostPast::default());
    let of = |minutes: u64| Slot { cell: UP, up: minutes * 12, all: minutes * 12 };
    assert_eq!(quiet, [of(10), of(30), Slot::default()]);
    let (past, known) = past(HostPast::default());
    assert_eq!(past.plain_slots(0)[..3], quiet);
    let later = Known { first_seen: at(45), ..known };
    assert_eq!(past.slots(&later, 0)[..2], [Slot::default(), of(15)]);
    let waits = Known { first_seen: at(0), is_pending: true, ..later };
    assert_eq!(past.slots(&waits, 0)[..2], [Slot::default(); 2]);
}

#[test]
fn a_host_was_down_only_while_somebody_looked() {
    let down = incident("host", 5, Some(36), Status::Critical);
    let troubles = course(&down, &[], span(0, 60));
    let slots = slots(HostPast { troubles, planned: Spans::default() });
    assert_eq!(slots[0], Slot { cell: CRITICAL, up: 5 * 12, all: 10 * 12 });
    assert_eq!(slots[1], Slot { cell: CRITICAL, up: 24 * 12, all: 30 * 12 });
}

#[test]
fn a_full_disk_takes_no_host_down() {
    let full = incident("disk", 31, None, Status::Critical);
    let troubles = course(&full, &[], span(0, 60));
    let slots = slots(HostPast { troubles, planned: Spans::default() });
    assert_eq!(slots[0].cell, UP);
    assert_eq!(slots[1], Slot { cell: CRITICAL, up: 360, all: 360 });
}

#[test]
fn what_is_too_much_to_read_is_not_taken_for_good() {
    let down = |id: u32, since, until| {
        let (id, host) = (IncidentId(u64::from(id)), HostId(id));
        IncidentRecord { id, host, ..incident("host", since, Some(until), Status::Critical) }
    };
    // The first goes on while the third begins, the second does not.
    let all = [down(1, 5, 50), down(2, 10, 12), down(3, 30, 31), down(4, 40, 41)];
    let (_folder, reader) = stored(&all.map(Record::Incident));
    let read = |most| {
        let (turns, stop) = (Turns::new(), Stop::default());
        let read = troubles(&reader, &turns, span(0, 60), most, &stop).unwrap().unwrap();
        (read.0, read.1.into_keys().map(|host| host.0).collect::<Vec<_>>())
    };
    assert_eq!(read((100, 10)), (at(0), vec![1, 2, 3, 4]));
    assert_eq!(read((2, 2)), (at(30), vec![1, 3, 4]));
    assert_eq!(read((1, 1)).0, at(60), "nothing is known where even that is too much");
}

#[test]
fn planned_work_is_neither_up_nor_down() {
    let down = incident("host", 30, Some(50), Status::Critical);
    let troubles = course(&down, &[], span(0, 60));
    let planned = Spans::of([span(0, 50)]);
    let slots = slots(HostPast { troubles, planned });
    assert_eq!(slots[0], Slot { cell: WORK, up: 0, all: 0 });
    assert_eq!(slots[1], Slot { cell: WORK, up: 120, all: 120 });
}

#[test]
fn an_incident_was_as_its_history_says() {
    let warning =
        |from, until| Trouble { span: span(from, until), status: Status::Warning, is_down: false };
    let critical = |from, until| Trouble { status: Status::Critical, ..warning(from, until) };
    let record = incident("disk", 1, Some(50), Status::Critical);
    let (w, c) = (Status::Warning, Status::Critical);
    let turns = [(at(3), None, w), (at(20), Some(w), c), (at(30), Some(c), w)];
    let over = (at(50), None, Status::Ok);
    let all: Vec<_> = turns.into_iter().chain([over]).collect();
    let whole = [warning(3, 20), critical(20, 30), warning(30, 50)];
    assert_eq!(course(&record, &all, span(0, 60)), whole);
    // Its begin is older than what is read.
    assert_eq!(course(&record, &all[1..], span(10, 60))[0], warning(10, 20));
    // Nothing but its end, or nothing at all, is in the time.
    assert_eq!(course(&record, &all[3..], span(40, 60)), [critical(40, 50)]);
    let open = IncidentRecord { resolved_at: None, status: w, ..record.clone() };
    assert_eq!(course(&open, &[], span(40, 60)), [warning(40, 60)]);
    // Over for a while, and back.
    let again = [(at(10), None, w), (at(20), None, Status::Ok), (at(40), None, w)];
    assert_eq!(course(&open, &again, span(0, 60)), [warning(10, 20), warning(40, 60)]);
}

fn line(minutes: i64, text: &str) -> JournalLine {
    JournalLine {
        at: at(minutes),
        host: Some(HostId(1)),
        check: None,
        incident: None,
        kind: JournalKind::Server,
        receiver: None,
        text: text.to_owned(),
    }
}

fn begins(minutes: i64, until: i64) -> JournalLine {
    line(minutes, &format!("{} until {}: x", hark_engine::IN_MAINTENANCE, at(until).rfc3339()))
}

/// Returns a state with these in it. The folder goes with what is returned.
fn stored(records: &[Record]) -> (tempfile::TempDir, StateReader) {
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    state.commit(records, &[]).unwrap();
    let reader = state.reader().unwrap();
    (folder, reader)
}

#[test]
fn work_that_was_over_began_before() {
    let lines = [begins(40, 55), line(20, hark_engine::MAINTENANCE_OVER)];
    assert_eq!(work(&lines, span(0, 60)), [span(40, 55), span(0, 20)]);
    assert_eq!(work(&lines[..1], span(0, 60)), [span(40, 55)]);
}

#[test]
fn work_that_began_before_the_day_goes_on_over_a_start() {
    let planned = |lines: Vec<JournalLine>| {
        // The first piece ends between it and the day.
        let others = (0..PIECE).map(|_| line(4, "the clock is set"));
        let mut lines: Vec<_> = lines.into_iter().chain(others).collect();
        lines.sort_by_key(|line| line.at);
        let records: Vec<_> = lines.into_iter().map(Record::Journal).collect();
        let (_folder, reader) = stored(&records);
        let period = span(5, 60);
        let mut lines = Lines::read(&reader, period, &Stop::default()).unwrap().unwrap();
        lines.reach_back(&reader, HostId(1), period).unwrap();
        lines.planned(&host(), period)
    };
    let over = |minutes| line(minutes, hark_engine::MAINTENANCE_OVER);
    // The start says again what covers the host.
    assert_eq!(planned(vec![begins(1, 90), begins(60, 90)]), Spans::of([span(5, 60)]));
    assert_eq!(planned(vec![begins(1, 30)]), Spans::of([span(5, 30)]), "over while it was off");
    assert_eq!(planned(vec![begins(1, 90), over(20)]), Spans::of([span(5, 20)]));
    assert_eq!(planned(vec![begins(1, 90), over(3)]), Spans::default());
    let again = vec![begins(1, 90), over(3), begins(40, 50)];
    assert_eq!(planned(again), Spans::of([span(40, 50)]));
}

/// Takes on the past of an hour for hosts 0 to 1000, of which host 2 is gone, behind looks that the server made at these
/// minutes, of which the first found out what is missing.
fn taken_on(looks: &[i64]) -> Recorder {
    let hosts = 0..=u32::try_from(AT_ONCE).unwrap();
    let recorder = Recorder::default();
    let there = hosts.clone().filter(|id| *id != 2);
    let states: Vec<_> = there.map(|id| (HostId(id), HostState::Ok, true)).collect();
    let look = |minutes| recorder.look(at(minutes) + LOOK, &states, Totals::default());
    look(looks[0]);
    let oldest = recorder.lock().oldest();
    looks[1..].iter().copied().for_each(look);
    let down = course(&incident("host", 30, Some(45), Status::Critical), &[], span(0, 60));
    let (mut past, _) = past(HostPast { troubles: down, planned: Spans::default() });
    let planned = Spans::of([span(0, 10)]);
    past.hosts.insert(HostId(3), HostPast { troubles: Vec::new(), planned });
    let known: Vec<Known> = hosts
        .map(|id| {
            // The last one came late.
            let first_seen = if id == 1000 { at(45) } else { at(0) };
            Known { id: HostId(id), first_seen, ..host() }
        })
        .collect();
    let ran = Ran::read("0..600000 1800000..3600000");
    recorder.take_on(&past, &known, &ran, oldest);
    recorder
}

/// Returns at how many looks hosts were up, of how many, by half hours in which it was looked.
fn counted(recorder: &Recorder) -> Vec<(i64, (u64, u64))> {
    let up = recorder.lock().up.clone();
    up.into_iter().filter(|(_, (_, all))| *all > 0).collect()
}

#[test]
fn the_past_of_every_host_is_taken_on() {
    let recorder = taken_on(&[60]);
    let hosts = [0, 1, 2, 3, 4, 1000].map(HostId);
    let strips = recorder.strips(hosts.into_iter());
    assert_eq!(strips, ["-45o3", "-45o1c1o1", "-48", "-45m1o2", "-45o3", "-46o2"]);
    // Of the 1000 that are there, one was in work in the first ten minutes, and one had not come.
    let (first, second) = (998 * 120, 999 * 360 + 180);
    let up = [(0, (first, first)), (1, (second - 180, second)), (2, (1000, 1000))];
    assert_eq!(counted(&recorder), up);
    let figures = recorder.figures();
    assert_eq!(figures.since, Some(at(0)));
    assert_eq!(figures.looked, Duration::from_mins(40) + LOOK);
}

#[test]
fn what_is_a_day_ago_meanwhile_is_not_taken_on() {
    let recorder = taken_on(&[60, 49 * 30]);
    let strips = recorder.strips([1, 3].map(HostId).into_iter());
    assert_eq!(strips, ["o1-46o1", "o1-46o1"]);
    assert_eq!(counted(&recorder), [(2, (1000, 1000)), (49, (1000, 1000))]);
}

#[test]
fn looks_are_counted_over_all_spans_and_a_part_of_one_is_none() {
    let counted = |spans: &[Span]| looks(&Spans::of(spans.iter().copied()));
    let short = Span { from: at(50), until: at(50) + Duration::from_millis(4_999) };
    assert_eq!(counted(&[]), 0);
    assert_eq!(counted(&[short]), 0);
    assert_eq!(counted(&[span(0, 10), span(30, 31), short]), 11 * 12);
    assert_eq!(counted(&[span(0, 10), span(5, 20)]), 20 * 12, "what is in two counts once");
}

#[test]
fn a_status_is_as_bad_in_the_past_as_in_the_present() {
    let states = [HostState::Ok, HostState::Maintenance, HostState::Warning];
    assert_eq!(states.map(rank), [UP, WORK, WARNING]);
    let statuses = [Status::Ok, Status::Unknown, Status::Warning, Status::Critical];
    assert_eq!(statuses.map(|status| rank(state(status))), [UP, 3, WARNING, CRITICAL]);
}
