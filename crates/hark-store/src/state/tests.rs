use std::collections::BTreeMap;
use std::sync::Arc;

use hark_model::name::{CheckName, HostName, ReceiverName, Tag, UserName};
use hark_model::record::{
    CheckRecord, Confirm, DeliveryRecord, DeliveryState, FlapsTold, Fresh, HostId, HostRecord,
    IncidentRecord, JournalKind, JournalLine, Matcher, Record, SilenceRecord, ToldRecord,
};
use hark_model::{DeliveryId, IncidentId, Notification, Reason, Severity, SilenceId, Status, Unix};

use super::*;
use crate::disk::{Break, FaultPlan};

mod accounts;
mod disk;
mod messages;

const ALL: Unix = Unix(i64::MIN);

fn host(id: u32) -> HostRecord {
    HostRecord {
        id: HostId(id),
        name: HostName::new(&format!("host{id}")).unwrap(),
        interval_ms: 15_000,
        first_seen: Unix(1),
        last_heard: Some(Unix(2)),
        address: Some("192.0.2.1".parse().unwrap()),
        tags: vec![Tag::new("role:web").unwrap()],
        joined_tags: Vec::new(),
        facts: BTreeMap::from([("os".to_owned(), "Debian".to_owned())]),
    }
}

fn check(host: u32, name: &str, status: Status) -> CheckRecord {
    CheckRecord {
        host: HostId(host),
        name: CheckName::new(name).unwrap(),
        level: Some(status),
        confirm: Confirm::Hard(status),
        fresh: Fresh::Fresh,
        began_at: Some(Unix(3)),
        value: Some(12.5),
        text: "12.5".to_owned(),
        changed_at: Some(Unix(3)),
        flap_ring: 1,
        flap_filled: 2,
        flap_critical: 3,
        flapping_since: None,
        incident: None,
    }
}

fn incident(id: u64, resolved_at: Option<Unix>) -> IncidentRecord {
    let (host, check) = (HostId(1), CheckName::host());
    IncidentRecord {
        text: "down".to_owned(),
        resolved_at,
        ..IncidentRecord::opened(IncidentId(id), host, check, Unix(1), Unix(2), Status::Critical)
    }
}

fn told(id: u64) -> ToldRecord {
    ToldRecord {
        incident: IncidentId(id),
        receiver: ReceiverName::new("mail").unwrap(),
        status: Status::Critical,
        at: Unix(5),
        delivered_at: None,
        sequence: 1,
        reminders: 2,
        flaps: FlapsTold::MostlyCritical,
        acknowledged: Some(Unix(4)),
    }
}

fn silence(id: u64) -> SilenceRecord {
    SilenceRecord {
        id: SilenceId(id),
        matcher: Matcher::default(),
        by: UserName::new("mira").unwrap(),
        reason: "work".to_owned(),
        from: Unix(1),
        until: Unix(100),
        maintenance: false,
        withheld: 0,
        flexible: None,
        repeats: None,
    }
}

fn message(id: u64, receiver: &str, incident: Option<u64>) -> DeliveryRecord {
    DeliveryRecord {
        notification: Notification {
            id: DeliveryId(id),
            key: format!("key{id}"),
            receiver: ReceiverName::new(receiver).unwrap(),
            reason: Reason::Problem,
            incident: incident.map(IncidentId),
            host: HostName::new("host1").unwrap(),
            check: None,
            severity: Severity::Critical,
            was: None,
            status: Status::Critical,
            summary: "CRITICAL: host1".to_owned(),
            detail: String::new(),
            since: Unix(1),
            at: Unix(10),
            sequence: 0,
            reference: None,
            document: None,
            taken_by: None,
        },
        state: DeliveryState::Queued,
        attempts: 0,
        last_error: String::new(),
        took_ms: 0,
    }
}

fn line(at: i64, incident: Option<u64>, text: &str) -> JournalLine {
    JournalLine {
        at: Unix(at),
        host: Some(HostId(1)),
        check: Some(CheckName::host()),
        incident: incident.map(IncidentId),
        kind: JournalKind::Transition,
        receiver: None,
        text: text.to_owned(),
    }
}

fn agent(id: u64, session: u64) -> AgentRecord {
    AgentRecord {
        id,
        host: HostName::new("host1").unwrap(),
        mode: AgentMode::Enrolled,
        key: [7; 32],
        session,
        reports: ReportWindow::default(),
        created: Unix(1),
        revoked: None,
    }
}

/// One of every kind of record, as one engine step could make them.
fn step(n: u64) -> Vec<Record> {
    let id = u32::try_from(n).unwrap();
    vec![
        Record::Host(host(id)),
        Record::Check(check(id, "host", Status::Critical)),
        Record::Check(check(id, "cpu_monitor.cpu_percent", Status::Warning)),
        Record::Incident(incident(n, None)),
        Record::Told(told(n)),
        Record::Silence(silence(n)),
        Record::Outbox(message(n, "mail", Some(n))),
        Record::Journal(line(3, Some(n), "critical")),
    ]
}

#[test]
fn the_name_of_a_host_that_is_gone_stays_as_long_as_its_incidents() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    let over = |n: u64, at: i64| Record::Incident(incident(n, Some(Unix(at))));
    let hosts = [Record::Host(host(1)), Record::Host(host(2))];
    state.commit(&hosts, &[]).unwrap();
    state.commit(&[over(7, 500), Record::HostRemoved(HostId(1))], &[]).unwrap();
    state.commit(&[Record::HostRemoved(HostId(2))], &[]).unwrap();
    let reader = state.reader().unwrap();
    let former = |n: u32| reader.former_host(HostId(n)).unwrap().map(|name| name.to_string());
    assert_eq!(former(1).as_deref(), Some("host1"));
    assert_eq!(former(2), None, "nothing of it is shown any more");
    state.prune(Unix(400), 100).unwrap();
    assert_eq!(former(1).as_deref(), Some("host1"));
    state.prune(Unix(1000), 100).unwrap();
    assert_eq!(former(1), None);
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let mut records = step(1);
    records.extend(step(2));
    state.commit(&records, &[]).unwrap();
    let loaded = state.load(ALL).unwrap();
    drop(state);
    let again = State::open(dir.path()).unwrap().load(ALL).unwrap();
    assert_eq!(again.snapshot, loaded.snapshot);
    assert_eq!(again.damaged, 0);
    let snapshot = again.snapshot;
    assert_eq!(snapshot.hosts, [host(1), host(2)]);
    assert_eq!(snapshot.checks.len(), 4);
    assert_eq!(snapshot.incidents, [incident(1, None), incident(2, None)]);
    assert_eq!(snapshot.told, [told(1), told(2)]);
    assert_eq!(snapshot.silences, [silence(1), silence(2)]);
    assert_eq!(snapshot.outbox, [message(1, "mail", Some(1)), message(2, "mail", Some(2))]);
    assert_eq!((snapshot.last_host, snapshot.last_incident), (2, 2));
    assert_eq!((snapshot.last_silence, snapshot.last_delivery), (2, 2));
}

#[test]
fn numbers_are_never_given_again_even_if_their_rows_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&step(9), &[]).unwrap();
    let gone = [
        Record::HostRemoved(HostId(9)),
        Record::SilenceRemoved(SilenceId(9)),
        Record::Incident(incident(9, Some(Unix(5)))),
    ];
    state.commit(&gone, &[]).unwrap();
    assert!(state.prune(Unix(1000), 100).unwrap() > 0);
    let snapshot = state.load(ALL).unwrap().snapshot;
    assert!(snapshot.hosts.is_empty() && snapshot.checks.is_empty());
    assert!(snapshot.incidents.is_empty() && snapshot.silences.is_empty());
    assert_eq!((snapshot.last_host, snapshot.last_incident), (9, 9));
    assert_eq!((snapshot.last_silence, snapshot.last_delivery), (9, 9));
}

#[test]
fn only_incidents_resolved_within_the_window_or_not_told_to_the_end_are_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let records = [
        Record::Incident(incident(1, None)),
        Record::Incident(incident(2, Some(Unix(50)))),
        Record::Incident(incident(3, Some(Unix(49)))),
        Record::Incident(incident(4, Some(Unix(10)))),
        Record::Told(told(1)),
        Record::Told(told(2)),
        Record::Told(ToldRecord { status: Status::Ok, flaps: FlapsTold::No, ..told(3) }),
        // Somebody believes in it still: a silence of some days keeps its end back.
        Record::Told(told(4)),
    ];
    state.commit(&records, &[]).unwrap();
    let snapshot = state.load(Unix(50)).unwrap().snapshot;
    assert_eq!(
        snapshot.incidents,
        [incident(1, None), incident(2, Some(Unix(50))), incident(4, Some(Unix(10)))]
    );
    assert_eq!(snapshot.told, [told(1), told(2), told(4)]);
}

#[test]
fn the_journal_is_paged_and_filtered() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let lines: Vec<_> = (1..=10)
        .map(|n| Record::Journal(line(n, Some(n.unsigned_abs() % 2), &format!("line {n}_%"))))
        .collect();
    state.commit(&lines, &[]).unwrap();
    let reader = state.reader().unwrap();
    let all = JournalFilter::default();
    let ids = |filter: &JournalFilter, before| -> Vec<u64> {
        reader.journal(filter, before, 3).unwrap().iter().map(|e| e.id).collect()
    };
    assert_eq!(ids(&all, None), [10, 9, 8]);
    assert_eq!(ids(&all, Some(8)), [7, 6, 5]);
    let odd = JournalFilter { incident: Some(IncidentId(1)), ..all.clone() };
    assert_eq!(ids(&odd, None), [9, 7, 5]);
    let early = JournalFilter { before: Some(Unix(3)), from: Some(Unix(2)), ..all.clone() };
    assert_eq!(ids(&early, None), [2]);
    let text = JournalFilter { contains: Some("LINE 1_".to_owned()), ..all.clone() };
    assert_eq!(ids(&text, None), [1], "an underscore is no wildcard");
    let text = JournalFilter { contains: Some("'; drop".to_owned()), ..all.clone() };
    assert!(ids(&text, None).is_empty());
    let other = JournalFilter { host: Some(HostId(2)), ..all };
    assert!(ids(&other, None).is_empty());
}

#[test]
fn pruning_takes_bounded_steps_and_leaves_what_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let mut records: Vec<_> = (1..=10).map(|n| Record::Journal(line(n, None, "x"))).collect();
    records.push(Record::Incident(incident(1, None)));
    records.push(Record::Outbox(message(1, "mail", None)));
    state.commit(&records, &[]).unwrap();
    let mut steps = Vec::new();
    loop {
        let gone = state.prune(Unix(9), 3).unwrap();
        if gone == 0 {
            break;
        }
        steps.push(gone);
    }
    assert_eq!(steps, [3, 3, 2]);
    let snapshot = state.load(ALL).unwrap().snapshot;
    assert_eq!((snapshot.incidents.len(), snapshot.outbox.len()), (1, 1));
}

#[test]
fn the_page_reads_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&step(1), &[]).unwrap();
    let reader = state.reader().unwrap();
    let counts = reader.delivery_counts().unwrap();
    assert_eq!(counts, [(DeliveryState::Queued, 1)]);
    assert_eq!(reader.incident(IncidentId(1)).unwrap(), Some(incident(1, None)));
    assert_eq!(reader.told(IncidentId(1)).unwrap(), [told(1)]);
    assert_eq!(reader.silences().unwrap(), [silence(1)]);
    let open = IncidentFilter { open: Some(true), ..IncidentFilter::default() };
    assert_eq!(reader.incidents(&open, None, 10).unwrap().len(), 1);
    assert!(reader.incidents(&open, Some(1), 10).unwrap().is_empty());
}
