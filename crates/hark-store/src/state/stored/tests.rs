use std::collections::BTreeMap;
use std::path::Path;

use hark_model::record::{
    AckRecord, CheckRecord, Comment, Confirm, EscalationRecord, Fresh, HostRecord, IncidentRecord,
    Matcher, RepairRecord, Repeats, RepeatsWhen, SilenceRecord, StepRecord,
};
use hark_model::{
    CheckName, DeliveryId, HostId, HostName, IncidentId, Notification, Reason, ReceiverName,
    RouteName, SilenceId, Unix, UserName,
};
use proptest::prelude::*;

use super::*;

fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

fn host() -> HostRecord {
    HostRecord {
        id: HostId(7),
        name: HostName::new("db1").unwrap(),
        interval_ms: 30_000,
        first_seen: Unix(1_700_000_000_000),
        last_heard: Some(Unix(1_700_000_100_000)),
        address: Some("2001:db8::7".parse().unwrap()),
        tags: vec![Tag::new("role:db").unwrap()],
        joined_tags: Vec::new(),
        facts: BTreeMap::from([("os".to_owned(), "Debian 12 \"bookworm\"".to_owned())]),
    }
}

fn bare_host() -> HostRecord {
    HostRecord {
        id: HostId(8),
        name: HostName::new("192.0.2.1").unwrap(),
        interval_ms: 0,
        first_seen: Unix(-1),
        last_heard: None,
        address: None,
        tags: Vec::new(),
        joined_tags: Vec::new(),
        facts: BTreeMap::new(),
    }
}

fn check(confirm: Confirm) -> CheckRecord {
    CheckRecord {
        host: HostId(7),
        name: CheckName::new("disk_monitor./var lib.percent").unwrap(),
        level: Some(Status::Warning),
        confirm,
        fresh: Fresh::Late,
        began_at: Some(Unix(5)),
        value: Some(85.2),
        text: "85.2 above 80\n<b>".to_owned(),
        changed_at: Some(Unix(4)),
        flap_ring: u32::MAX,
        flap_filled: 20,
        flap_critical: 0,
        flapping_since: Some(Unix(3)),
        incident: Some(IncidentId(9)),
    }
}

fn incident() -> IncidentRecord {
    IncidentRecord {
        id: IncidentId(9),
        host: HostId(7),
        check: CheckName::host(),
        since: Unix(1),
        hard_since: Unix(2),
        peak: Status::Critical,
        status: Status::Unknown,
        text: "no heartbeat".to_owned(),
        cause: Some(IncidentId(3)),
        caused_by_hand: false,
        ack: Some(AckRecord {
            by: user("mira"),
            comment: "on it".to_owned(),
            at: Unix(6),
            until: Some(Unix(7)),
            sticky: true,
        }),
        taken_at: None,
        resolved_at: Some(Unix(8)),
        resolution: "recovered".to_owned(),
        comments: vec![Comment { by: user("mira"), at: Unix(7), text: "fan".to_owned() }],
        repair: None,
        escalation: None,
    }
}

fn silence() -> SilenceRecord {
    SilenceRecord {
        id: SilenceId(2),
        matcher: Matcher {
            hosts: vec!["db*".to_owned()],
            checks: vec!["cpu_monitor.*".to_owned()],
            tags: vec![Tag::new("site:ams").unwrap()],
            severity: Some(Severity::Warning),
        },
        by: user("mira"),
        reason: "new disks".to_owned(),
        from: Unix(1),
        until: Unix(2),
        maintenance: true,
        withheld: 12,
        flexible: None,
        repeats: None,
    }
}

fn nightly() -> Repeats {
    Repeats {
        when: RepeatsWhen::Cron { pattern: "0 2 * * *".to_owned(), lasts_ms: 7_200_000 },
        zone: Some("Europe/Berlin".to_owned()),
        from: Unix(3),
        until: Some(Unix(4)),
    }
}

fn notification() -> Notification {
    Notification {
        id: DeliveryId(44),
        key: "9/ops-mail/problem/0".to_owned(),
        receiver: ReceiverName::new("ops-mail").unwrap(),
        reason: Reason::Problem,
        incident: Some(IncidentId(9)),
        host: HostName::new("db1").unwrap(),
        check: Some(CheckName::host()),
        severity: Severity::Critical,
        was: Some(Status::Ok),
        status: Status::Critical,
        summary: "CRITICAL: db1 is down".to_owned(),
        detail: "no heartbeat since 10:00".to_owned(),
        since: Unix(1),
        at: Unix(2),
        sequence: 3,
        reference: None,
        document: None,
        taken_by: None,
    }
}

/// What was written by the first version, byte for byte. Never change these files: a new version
/// gets new ones.
#[test]
fn rows_of_every_released_version_are_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1");
    let text = |name: &str, now: String| {
        let stored = std::fs::read_to_string(golden.join(name)).unwrap();
        assert_eq!(stored, now, "{name}: a changed form needs a new version");
        stored
    };
    let soft =
        Confirm::Soft { hard: None, candidate: Status::Critical, attempt: 2, since: Unix(11) };
    let body = text("host.json", encode_host(&host()).unwrap());
    assert_eq!(decode_host(1, 7, "db1", &body).unwrap(), host());
    let joined = HostRecord { joined_tags: vec![Tag::new("role:db").unwrap()], ..bare_host() };
    let body = text("host-joined.json", encode_host(&joined).unwrap());
    assert_eq!(decode_host(1, 8, "192.0.2.1", &body).unwrap(), joined);
    let body = text("check.json", encode_check(&check(soft)).unwrap());
    assert_eq!(decode_check(1, 7, check(soft).name.as_str(), &body).unwrap(), check(soft));
    let body = text("incident.json", encode_incident(&incident()).unwrap());
    assert_eq!(decode_incident(1, 9, &body).unwrap(), incident());
    let body = text("silence.json", encode_silence(&silence()).unwrap());
    assert_eq!(decode_silence(1, 2, &body).unwrap(), silence());
    // What came later is absent in the rows above, and has its own.
    let flapping = CheckRecord { flap_critical: 0b1011, ..check(soft) };
    let body = text("check-flapping.json", encode_check(&flapping).unwrap());
    assert_eq!(decode_check(1, 7, flapping.name.as_str(), &body).unwrap(), flapping);
    for (name, repeats) in [
        ("silence-by-cron.json", nightly()),
        (
            "silence-by-week.json",
            Repeats { when: RepeatsWhen::Week("sat 02:00-06:00".to_owned()), ..nightly() },
        ),
    ] {
        let silence = SilenceRecord { repeats: Some(repeats), ..silence() };
        let body = text(name, encode_silence(&silence).unwrap());
        assert_eq!(decode_silence(1, 2, &body).unwrap(), silence);
    }
    let body = text("notification.json", encode_notification(&notification()).unwrap());
    assert_eq!(decode_notification(1, 44, &body).unwrap(), notification());
}

#[test]
fn what_is_empty_takes_no_room_and_comes_back() {
    let body = encode_host(&bare_host()).unwrap();
    assert_eq!(body, r#"{"first_seen":-1}"#);
    assert_eq!(decode_host(1, 8, "192.0.2.1", &body).unwrap(), bare_host());
    let bare = CheckRecord {
        level: None,
        fresh: Fresh::Fresh,
        began_at: None,
        value: None,
        text: String::new(),
        changed_at: None,
        flap_ring: 0,
        flap_filled: 0,
        flap_critical: 0,
        flapping_since: None,
        incident: None,
        ..check(Confirm::Pending)
    };
    let body = encode_check(&bare).unwrap();
    assert_eq!(body, r#"{"confirm":"pending"}"#);
    assert_eq!(decode_check(1, 7, bare.name.as_str(), &body).unwrap(), bare);
}

#[test]
fn steps_of_an_escalation_and_when_it_was_taken_come_back() {
    let step = StepRecord { route: RouteName::new("all").unwrap(), number: 2, at: Unix(9) };
    let escalation = EscalationRecord {
        counted_ms: [900_000, 900_000, 60_000],
        since: Some(Unix(12)),
        taken: vec![step],
    };
    let taken_at = Some(Unix(77));
    let escalated = IncidentRecord { escalation: Some(escalation), taken_at, ..incident() };
    let body = encode_incident(&escalated).unwrap();
    assert_eq!(decode_incident(1, 9, &body).unwrap(), escalated);
}

#[test]
fn tries_of_a_repair_come_back() {
    let repair = Some(RepairRecord { tries: 2, at: Unix(12) });
    let tried = IncidentRecord { repair, ..incident() };
    let body = encode_incident(&tried).unwrap();
    assert_eq!(decode_incident(1, 9, &body).unwrap(), tried);
}

#[test]
fn what_a_service_calls_a_message_comes_back() {
    let named = Notification { reference: Some("1503435956.000247".to_owned()), ..notification() };
    let body = encode_notification(&named).unwrap();
    assert_eq!(decode_notification(1, 44, &body).unwrap(), named);
    assert!(!encode_notification(&notification()).unwrap().contains("reference"));
}

#[test]
fn who_has_an_incident_comes_back_with_its_message() {
    for by in [user("mira"), UserName::via(&ReceiverName::new("chat").unwrap())] {
        let taken = Notification { taken_by: Some(by), ..notification() };
        let body = encode_notification(&taken).unwrap();
        assert_eq!(decode_notification(1, 44, &body).unwrap(), taken);
    }
    assert!(!encode_notification(&notification()).unwrap().contains("taken_by"));
}

#[test]
fn when_a_maintenance_comes_again_comes_back() {
    let cron = RepeatsWhen::Cron { pattern: "0 3 * * sun".to_owned(), lasts_ms: 7 };
    for (when, zone, until) in [
        (cron, Some("Europe/Berlin".to_owned()), Some(Unix(9))),
        (RepeatsWhen::Week("sun 02:00-04:00".to_owned()), None, None),
    ] {
        let repeats = Some(Repeats { when, zone, from: Unix(3), until });
        let again = SilenceRecord { repeats, ..silence() };
        assert_eq!(decode_silence(1, 2, &encode_silence(&again).unwrap()).unwrap(), again);
    }
    assert!(!encode_silence(&silence()).unwrap().contains("repeats"));
}

#[test]
fn a_row_of_a_newer_version_is_refused_not_guessed() {
    let body = encode_host(&host()).unwrap();
    assert!(matches!(decode_host(2, 7, "db1", &body), Err(StoredError::Version(2))));
}

#[test]
fn every_reason_and_status_is_stored_under_its_own_word() {
    for reason in Reason::ALL {
        for status in Status::ALL {
            let sent = Notification {
                reason,
                status,
                was: Some(status),
                severity: status.into(),
                check: None,
                incident: None,
                detail: String::new(),
                ..notification()
            };
            let body = encode_notification(&sent).unwrap();
            assert_eq!(decode_notification(1, 44, &body).unwrap(), sent);
        }
    }
}

#[test]
fn names_in_rows_are_checked_again() {
    let body = encode_notification(&notification()).unwrap().replace("ops-mail", "ops mail");
    assert!(matches!(decode_notification(1, 44, &body), Err(StoredError::Name(_))));
}

fn any_status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL.to_vec())
}

fn any_confirm() -> impl Strategy<Value = Confirm> {
    prop_oneof![
        Just(Confirm::Pending),
        any_status().prop_map(Confirm::Hard),
        (prop::option::of(any_status()), any_status(), any::<u32>(), any::<i64>()).prop_map(
            |(hard, candidate, attempt, since)| Confirm::Soft {
                hard,
                candidate,
                attempt,
                since: Unix(since)
            }
        ),
        (any_status(), any::<u32>(), any::<i64>()).prop_map(|(hard, good, since)| {
            Confirm::Recovering { hard, good, since: Unix(since) }
        }),
    ]
}

proptest! {
    #[test]
    fn any_check_comes_back_bit_for_bit(
        flap_critical in any::<u32>(),
        confirm in any_confirm(), level in prop::option::of(any_status()),
        bits in any::<u64>(), text in ".*", incident in prop::option::of(any::<u64>()),
    ) {
        let value = Some(f64::from_bits(bits));
        let before = CheckRecord {
            level, value, text, flap_critical, incident: incident.map(IncidentId), ..check(confirm)
        };
        let body = encode_check(&before).unwrap();
        let mut after = decode_check(1, 7, before.name.as_str(), &body).unwrap();
        prop_assert_eq!(after.value.map(f64::to_bits), Some(bits));
        after.value = before.value.filter(|v| !v.is_nan());
        let before = CheckRecord { value: before.value.filter(|v| !v.is_nan()), ..before };
        prop_assert_eq!(after, before);
    }

    #[test]
    fn no_text_makes_decoding_panic(body in ".*", version in 0u32..3) {
        drop(decode_host(version, 1, "a", &body));
        drop(decode_check(version, 1, "a", &body));
        drop(decode_incident(version, 1, &body));
        drop(decode_silence(version, 1, &body));
        drop(decode_notification(version, 1, &body));
    }
}
