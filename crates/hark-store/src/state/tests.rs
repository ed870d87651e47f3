use std::collections::BTreeMap;
use std::sync::Arc;

use hark_model::name::{CheckName, HostName, ReceiverName, Tag, UserName};
use hark_model::record::{
    CheckRecord, Confirm, DeliveryRecord, DeliveryState, Fresh, HostId, HostRecord, IncidentRecord,
    JournalKind, JournalLine, Matcher, Record, SilenceRecord, ToldRecord,
};
use hark_model::{DeliveryId, IncidentId, Notification, Reason, Severity, SilenceId, Status, Unix};

use super::*;
use crate::disk::{Break, FaultPlan};

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
        flapping_since: None,
        incident: None,
    }
}

fn incident(id: u64, resolved_at: Option<Unix>) -> IncidentRecord {
    IncidentRecord {
        id: IncidentId(id),
        host: HostId(1),
        check: CheckName::host(),
        since: Unix(1),
        hard_since: Unix(2),
        peak: Status::Critical,
        status: Status::Critical,
        text: "down".to_owned(),
        cause: None,
        caused_by_hand: false,
        ack: None,
        taken_at: None,
        resolved_at,
        resolution: String::new(),
        comments: Vec::new(),
        repair: None,
        escalation: None,
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
        flaps: true,
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
        Record::Told(ToldRecord { status: Status::Ok, flaps: false, ..told(3) }),
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
fn the_same_key_is_never_queued_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let mut second = message(2, "mail", None);
    second.notification.key = "key1".to_owned();
    let records = [Record::Outbox(message(1, "mail", None)), Record::Outbox(second)];
    state.commit(&records, &[]).unwrap();
    assert_eq!(state.load(ALL).unwrap().snapshot.outbox, [message(1, "mail", None)]);
}

/// Returns message 1 as it stands when it was tried once.
fn tried(state: DeliveryState, error: &str) -> DeliveryRecord {
    DeliveryRecord {
        state,
        attempts: 1,
        last_error: error.to_owned(),
        took_ms: 7,
        ..message(1, "mail", None)
    }
}

#[test]
fn a_message_can_be_taken_back_until_somebody_sends_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let both = [message(1, "mail", None), message(2, "mail", None)];
    state.commit(&both.clone().map(Record::Outbox), &[]).unwrap();
    let leased = tried(DeliveryState::Leased { until: Unix(40) }, "");
    state.commit(&[], &[Change::Delivery(leased.clone())]).unwrap();
    let back = both.map(|mut message| {
        message.state = DeliveryState::Superseded { at: Unix(11) };
        Record::Outbox(message)
    });
    state.commit(&back, &[]).unwrap();
    assert_eq!(state.load(ALL).unwrap().snapshot.outbox, [leased]);
}

#[test]
fn a_message_that_arrived_or_was_given_up_stays_so() {
    for end in [DeliveryState::Sent { at: Unix(12) }, DeliveryState::Dead { at: Unix(12) }] {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(dir.path()).unwrap();
        state.commit(&[Record::Outbox(message(1, "mail", None))], &[]).unwrap();
        let late = tried(DeliveryState::Retry { at: Unix(60) }, "421 later");
        for step in [&late, &tried(end.clone(), ""), &late] {
            state.commit(&[], &[Change::Delivery(step.clone())]).unwrap();
        }
        let rows = state.reader().unwrap().deliveries(DeliveryView::All, None, 10).unwrap();
        assert_eq!(rows, [tried(end, "")]);
    }
}

#[test]
fn a_restart_finds_what_was_on_its_way_under_the_same_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&[Record::Outbox(message(1, "mail", None))], &[]).unwrap();
    let leased = tried(DeliveryState::Leased { until: Unix(40) }, "");
    state.commit(&[], &[Change::Delivery(leased.clone())]).unwrap();
    drop(state);
    let mut state = State::open(dir.path()).unwrap();
    assert_eq!(state.load(ALL).unwrap().snapshot.outbox, std::slice::from_ref(&leased));
    assert_eq!(state.release_leases(Unix(50)).unwrap(), 1);
    let open = state.load(ALL).unwrap().snapshot.outbox;
    assert_eq!(open[0].state, DeliveryState::Retry { at: Unix(50) });
    assert_eq!(open[0].notification.key, leased.notification.key);
    let back =
        DeliveryRecord { state: DeliveryState::Superseded { at: Unix(51) }, ..open[0].clone() };
    state.commit(&[Record::Outbox(back)], &[]).unwrap();
    assert!(state.load(ALL).unwrap().snapshot.outbox.is_empty(), "it was taken back");
}

#[test]
fn a_message_whose_key_is_there_already_is_not_put_in_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let mut second = message(2, "mail", None);
    second.notification.key = "key1".to_owned();
    for row in [message(1, "mail", None), second] {
        state.commit(&[Record::Outbox(row)], &[]).unwrap();
    }
    assert!(state.has_delivery(DeliveryId(1)).unwrap());
    assert!(!state.has_delivery(DeliveryId(2)).unwrap());
}

#[test]
fn a_session_number_never_goes_down() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let id = u64::MAX - 5;
    let window = ReportWindow { epoch: 3, newest: 9, before: 7 };
    let changes = [
        Change::Agent(agent(id, 100)),
        Change::AgentSession { agent: id, session: u64::MAX - 1 },
        Change::AgentSession { agent: id, session: 200 },
        Change::AgentReports { agent: id, window: ReportWindow { before: 5, ..window } },
        Change::AgentReports { agent: id, window },
        Change::AgentReports { agent: id, window: ReportWindow { newest: 8, ..window } },
        Change::Agent(agent(id, 1)),
    ];
    state.commit(&[], &changes).unwrap();
    let agents = state.reader().unwrap().agents().unwrap();
    assert_eq!(agents, [AgentRecord { session: u64::MAX - 1, reports: window, ..agent(id, 0) }]);
}

#[test]
fn a_host_enrolled_anew_has_one_agent() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&[], &[Change::Agent(agent(1, 5)), Change::Agent(agent(2, 6))]).unwrap();
    state.commit(&[], &[Change::AgentRevoked { agent: 2, at: Unix(77) }]).unwrap();
    let agents = state.reader().unwrap().agents().unwrap();
    assert_eq!(agents.len(), 1);
    assert_eq!((agents[0].id, agents[0].revoked), (2, Some(Unix(77))));
}

#[test]
fn an_order_has_one_outcome_and_that_of_its_host() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let web1 = HostName::new("web1").unwrap();
    let web2 = HostName::new("web2").unwrap();
    let order = |id: u32| {
        Change::Order(OrderRecord {
            id,
            host: web1.clone(),
            action: "restart".to_owned(),
            by: UserName::new("root").unwrap(),
            reason: "it hangs".to_owned(),
            at: Unix(1),
            expires: Unix(2),
            taken: None,
            ended: None,
            exit: None,
            text: String::new(),
        })
    };
    let ended = |host: &HostName, at, exit| Change::OrderEnded {
        id: 7,
        host: host.clone(),
        at: Unix(at),
        exit: Some(exit),
        text: "done".to_owned(),
    };
    let changes = [order(7), ended(&web2, 3, 9), ended(&web1, 4, 0), ended(&web1, 5, 1), order(8)];
    state.commit(&[], &changes).unwrap();
    let reader = state.reader().unwrap();
    let [waits, done] = <[_; 2]>::try_from(reader.orders(&web1, 10).unwrap()).unwrap();
    assert_eq!((waits.id, waits.ended, waits.taken), (8, None, None));
    assert_eq!((done.id, done.ended, done.exit), (7, Some(Unix(4)), Some(0)));
    assert_eq!(reader.open_orders().unwrap(), [waits]);
    assert_eq!(reader.newest_order().unwrap(), 8);
    assert_eq!(reader.orders(&web2, 10).unwrap(), []);
    let many: Vec<Change> = (9..200).map(order).collect();
    state.commit(&[], &many).unwrap();
    let kept = reader.orders(&web1, 1000).unwrap();
    assert_eq!((kept.len(), kept[0].id), (50, 199), "the newest are kept");
}

#[test]
fn users_sessions_and_tokens_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let name = UserName::new("mira@example.net").unwrap();
    let user = UserRecord {
        name: name.clone(),
        full_name: "Mira".to_owned(),
        password: "$argon2id$x".to_owned(),
        admin: true,
        created: Unix(1),
    };
    let session = |n: u8, created| SessionRecord {
        token: [n; 32],
        user: name.clone(),
        created: Unix(created),
        last_seen: Unix(created),
        address: "192.0.2.9".to_owned(),
        agent: "Firefox".to_owned(),
        csrf: "c".to_owned(),
    };
    let token = ApiTokenRecord {
        id: 0,
        token: [9; 32],
        user: name.clone(),
        label: "grafana".to_owned(),
        scope: "read".to_owned(),
        created: Unix(1),
        expires: None,
    };
    let changes = [
        Change::User(user.clone()),
        Change::Session(session(1, 10)),
        Change::Session(session(2, 20)),
        Change::SessionSeen { token: [1; 32], at: Unix(30) },
        Change::ApiToken(token.clone()),
        Change::Setting { name: "theme".to_owned(), value: Some("dark".to_owned()) },
    ];
    state.commit(&[], &changes).unwrap();
    let reader = state.reader().unwrap();
    assert_eq!(reader.users().unwrap(), std::slice::from_ref(&user));
    assert_eq!(reader.user(&name).unwrap(), Some(user));
    assert_eq!(reader.session(&[1; 32]).unwrap().unwrap().last_seen, Unix(30));
    assert_eq!(reader.session(&[3; 32]).unwrap(), None);
    assert_eq!(reader.sessions(&name).unwrap().len(), 2);
    assert_eq!(reader.api_token(&[9; 32]).unwrap(), Some(ApiTokenRecord { id: 1, ..token }));
    assert_eq!(reader.setting("theme").unwrap().as_deref(), Some("dark"));
    let expired = Change::SessionsExpired { created_before: Unix(0), seen_before: Unix(25) };
    state.commit(&[], &[expired]).unwrap();
    assert_eq!(reader.sessions(&name).unwrap().len(), 1);
    state.commit(&[], &[Change::UserRemoved(name.clone())]).unwrap();
    assert!(reader.sessions(&name).unwrap().is_empty() && reader.api_tokens().unwrap().is_empty());
}

#[test]
fn settings_are_found_by_how_their_name_begins_however_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    // More than one page, and neighbours that only look alike.
    let many = usize::try_from(reader::MAX_ROWS).unwrap() + 1;
    let names = (0..many).map(|n| format!("dns_name {n}"));
    let others = ["dns_name", "dns_zone x", "dnsxname 1", "e"].map(str::to_owned);
    let changes: Vec<Change> = names
        .chain(others)
        .map(|name| Change::Setting { value: Some(format!("of {name}")), name })
        .collect();
    state.commit(&[], &changes).unwrap();
    let found = state.reader().unwrap().settings_of("dns_name ").unwrap();
    assert_eq!(found.len(), many);
    assert!(found.iter().all(|(rest, value)| *value == format!("of dns_name {rest}")));
}

#[test]
fn an_enrolment_token_is_used_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let token = EnrolmentRecord {
        id: 0,
        token: [4; 32],
        user: UserName::new("mira").unwrap(),
        created: Unix(1),
        expires: Unix(100),
        uses: 2,
        host: None,
        tags: vec![Tag::new("a:b").unwrap(), Tag::new("c").unwrap()],
    };
    state.commit(&[], &[Change::Enrolment(token.clone())]).unwrap();
    assert_eq!(state.use_enrolment(&[5; 32], Unix(2)).unwrap(), None);
    assert_eq!(state.use_enrolment(&[4; 32], Unix(100)).unwrap(), None);
    let used = state.use_enrolment(&[4; 32], Unix(2)).unwrap();
    assert_eq!(used, Some(EnrolmentRecord { id: 1, ..token }));
    assert!(state.use_enrolment(&[4; 32], Unix(2)).unwrap().is_some());
    assert_eq!(state.use_enrolment(&[4; 32], Unix(2)).unwrap(), None);
}

#[test]
fn a_changed_audit_line_breaks_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    for n in 0..5 {
        let entry = AuditEntry {
            at: Unix(n),
            who: "mira".to_owned(),
            address: "192.0.2.1".to_owned(),
            what: "login".to_owned(),
            detail: String::new(),
        };
        state.commit(&[], &[Change::Audit(entry)]).unwrap();
    }
    let reader = state.reader().unwrap();
    assert_eq!(reader.check_audit().unwrap(), AuditCheck::Whole { lines: 5 });
    assert_eq!(reader.audit(Some(3), 10).unwrap().len(), 2);
    state.connection.execute("UPDATE audit SET who = 'eve' WHERE id = 3", []).unwrap();
    assert_eq!(reader.check_audit().unwrap(), AuditCheck::BrokenAt { id: 3 });
    state.connection.execute("DELETE FROM audit WHERE id = 3", []).unwrap();
    assert_eq!(reader.check_audit().unwrap(), AuditCheck::BrokenAt { id: 4 });
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
fn a_full_disk_takes_the_reserve_and_gives_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let plan = FaultPlan::counting();
    let mut state = State::open_on(dir.path(), Disk::breaking(Arc::clone(&plan))).unwrap();
    let reserve = dir.path().join("reserve");
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 8 * 1024 * 1024);
    plan.fill(true);
    let error = state.commit(&step(1), &[]).unwrap_err();
    assert!(error.is_full() && error.is_transient());
    assert!(state.is_on_reserve() && !state.is_stopped() && !reserve.exists());
    state.maintain();
    assert!(state.is_on_reserve(), "no room yet");
    assert!(!reserve.exists());
    plan.fill(false);
    state.commit(&step(1), &[]).unwrap();
    state.maintain();
    assert!(!state.is_on_reserve());
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 8 * 1024 * 1024);
}

#[test]
fn after_a_failing_disk_nothing_is_written_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let points = {
        let plan = FaultPlan::counting();
        let state = State::open_on(dir.path(), Disk::breaking(Arc::clone(&plan))).unwrap();
        drop(state);
        plan.points()
    };
    let plan = FaultPlan::at(points + 3, Break::Io);
    let mut state = State::open_on(dir.path(), Disk::breaking(plan)).unwrap();
    let error = loop {
        if let Err(error) = state.commit(&step(1), &[]) {
            break error;
        }
    };
    assert_eq!(error.fault(), Fault::Io);
    assert!(state.is_stopped());
    assert!(matches!(state.commit(&step(2), &[]), Err(CommitError::Stopped)));
    drop(state);
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&step(2), &[]).unwrap();
}

/// Every write point of a commit, one after the other, is the last thing that happens.
#[test]
fn a_commit_is_whole_or_absent_wherever_the_machine_dies() {
    let first = step(1);
    let second = [step(2), vec![Record::HostRemoved(HostId(1))]].concat();
    let extra = [Change::Agent(agent(3, 4)), Change::AgentSession { agent: 3, session: 9 }];
    let mut whole = 0;
    let mut absent = 0;
    for point in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(dir.path()).unwrap();
        state.commit(&first, &[]).unwrap();
        let before = state.load(ALL).unwrap().snapshot;
        let plan = FaultPlan::at(point, Break::Crash);
        state.disk = Disk::breaking(Arc::clone(&plan));
        let result = state.commit(&second, &extra);
        assert!(result.is_ok() != plan.is_dead());
        drop(state);
        let state = State::open(dir.path()).unwrap();
        let after = state.load(ALL).unwrap().snapshot;
        let agents = state.reader().unwrap().agents().unwrap();
        if after == before {
            assert!(agents.is_empty() && plan.is_dead());
            absent += 1;
        } else {
            assert_eq!(after.hosts, [host(2)]);
            assert_eq!(after.last_delivery, 2);
            assert_eq!(agents[0].session, 9);
            whole += 1;
        }
        if !plan.is_dead() {
            break;
        }
    }
    assert!(absent >= second.len() + extra.len(), "{absent}");
    assert_eq!(whole, 2, "after the commit, and undisturbed");
}

/// The log is cut (or filled with zeros) as a power cut would leave it, at every place where `SQLite`
/// may have been interrupted and many between.
#[test]
fn a_torn_log_gives_the_state_before_or_after_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&step(1), &[]).unwrap();
    let before = state.load(ALL).unwrap().snapshot;
    let log = dir.path().join("state.db-wal");
    let start = std::fs::read(&log).unwrap().len();
    state.commit(&step(2), &[]).unwrap();
    let after = state.load(ALL).unwrap().snapshot;
    let database = std::fs::read(dir.path().join("state.db")).unwrap();
    let log = std::fs::read(log).unwrap();
    assert!(log.len() > start);
    let mut seen = [0, 0];
    // 509 is prime: the cuts fall everywhere within headers and pages.
    let cuts = (start..log.len()).step_by(509).chain([log.len() - 1, log.len()]);
    for cut in cuts {
        for zeros in [false, true] {
            let torn = tempfile::tempdir().unwrap();
            std::fs::write(torn.path().join("state.db"), &database).unwrap();
            let mut image = log[..cut].to_vec();
            if zeros {
                image.resize(log.len(), 0);
            }
            std::fs::write(torn.path().join("state.db-wal"), image).unwrap();
            let found = State::open(torn.path()).unwrap().load(ALL).unwrap().snapshot;
            assert!(found == before || found == after, "cut at {cut} of {}", log.len());
            seen[usize::from(found == after)] += 1;
        }
    }
    assert!(seen[0] > 20 && seen[1] >= 2, "{seen:?}");
}

fn n_migrations() -> u32 {
    u32::try_from(schema::MIGRATIONS.len()).unwrap()
}

#[test]
fn tables_of_a_newer_hark_are_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    drop(State::open(dir.path()).unwrap());
    let newer = [schema::MIGRATIONS, &["CREATE TABLE later (a INTEGER) STRICT"]].concat();
    let state = State::open_with(dir.path(), Disk::real(), &newer).unwrap();
    assert!(state.copy_before_migration().unwrap().exists());
    drop(state);
    let error = State::open(dir.path()).unwrap_err();
    let ours = n_migrations();
    assert!(
        matches!(error, OpenError::Newer { found, known, .. } if found == ours + 1 && known == ours),
        "{error:?}"
    );
    assert!(error.to_string().contains("start the newer hark"));
}

#[test]
fn an_interrupted_migration_goes_on_where_it_stopped_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&step(1), &[]).unwrap();
    let before = state.load(ALL).unwrap().snapshot;
    drop(state);
    let one = "CREATE TABLE one (a INTEGER) STRICT";
    let broken = "CREATE TABLE two (a INTEGER) STRICT; SELECT no_such_function()";
    let whole = "CREATE TABLE two (a INTEGER) STRICT";
    let stops = [schema::MIGRATIONS, &[one, broken]].concat();
    let error = State::open_with(dir.path(), Disk::real(), &stops).unwrap_err();
    let ours = n_migrations();
    assert!(
        matches!(error, OpenError::Sql { migration: Some(n), .. } if n == ours + 2),
        "{error:?}"
    );
    let goes_on = [schema::MIGRATIONS, &[one, whole]].concat();
    let state = State::open_with(dir.path(), Disk::real(), &goes_on).unwrap();
    assert_eq!(state.load(ALL).unwrap().snapshot, before);
    let copy = dir.path().join(format!("state.db.before-v{}", ours + 1));
    let old = Connection::open(copy).unwrap();
    let version: u32 = old.query_row("PRAGMA user_version", [], |r| r.get(0)).unwrap();
    assert_eq!(version, ours);
}

#[test]
fn a_damaged_row_is_counted_and_the_rest_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&[step(1), step(2)].concat(), &[]).unwrap();
    let damage = "UPDATE checks SET body = '{' WHERE host = 1 AND name = 'host';
                  UPDATE incident SET v = 99 WHERE id = 1;
                  UPDATE outbox SET body = 'x' WHERE id = 1";
    state.connection.execute_batch(damage).unwrap();
    let loaded = state.load(ALL).unwrap();
    assert_eq!(loaded.damaged, 3);
    assert_eq!(loaded.snapshot.checks.len(), 3);
    assert_eq!(loaded.snapshot.incidents, [incident(2, None)]);
    let open = loaded.snapshot.outbox.iter().map(|row| row.notification.id);
    assert_eq!(open.collect::<Vec<_>>(), [DeliveryId(2)]);
}

#[test]
fn a_damaged_file_is_told_set_aside_and_replaced_by_the_copy() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    state.commit(&step(1), &[]).unwrap();
    assert!(state.damage().unwrap().is_empty());
    let copy = dir.path().join("state.copy");
    state.copy_to(&copy).unwrap();
    let before = state.load(ALL).unwrap().snapshot;
    drop(state);
    let path = dir.path().join("state.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..100].fill(0x55);
    std::fs::write(&path, bytes).unwrap();
    let error = State::open(dir.path()).unwrap_err();
    assert_eq!(error.fault(), Some(Fault::Corrupt), "{error:?}");
    let aside = State::set_aside(dir.path(), Unix(1_000_000), Some(&copy)).unwrap();
    assert!(aside.ends_with("state.db.damaged-1000"));
    assert_eq!(State::open(dir.path()).unwrap().load(ALL).unwrap().snapshot, before);
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

#[test]
fn a_message_goes_on_until_it_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let queued = message(1, "ops", Some(1));
    state.commit(&[Record::Outbox(queued.clone())], &[]).unwrap();
    let step = |state: &mut State, to: DeliveryState, error: &str| {
        let mut row = queued.clone();
        row.state = to;
        row.attempts = 1;
        row.last_error = error.to_owned();
        state.commit(&[], &[Change::Delivery(row)]).unwrap();
        state.reader().unwrap().deliveries(DeliveryView::All, None, 10).unwrap().remove(0)
    };
    let retry = step(&mut state, DeliveryState::Retry { at: Unix(9) }, "refused");
    assert_eq!((retry.attempts, retry.last_error.as_str()), (1, "refused"));
    let sent = step(&mut state, DeliveryState::Sent { at: Unix(10) }, "");
    assert_eq!(sent.state, DeliveryState::Sent { at: Unix(10) });
    let after = step(&mut state, DeliveryState::Retry { at: Unix(11) }, "late");
    assert_eq!(after.state, DeliveryState::Sent { at: Unix(10) }, "what arrived stays so");
}

#[test]
fn a_session_that_goes_on_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(dir.path()).unwrap();
    let user = UserName::new("mira").unwrap();
    let first = SessionRecord {
        token: [4; 32],
        user: user.clone(),
        created: Unix(1),
        last_seen: Unix(1),
        address: "192.0.2.1".to_owned(),
        agent: "a browser".to_owned(),
        csrf: String::new(),
    };
    let later =
        SessionRecord { last_seen: Unix(9), address: "192.0.2.2".to_owned(), ..first.clone() };
    state.commit(&[], &[Change::Session(first), Change::Session(later.clone())]).unwrap();
    assert_eq!(state.reader().unwrap().sessions(&user).unwrap(), [later]);
}
