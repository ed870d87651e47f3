use hark_model::Severity;
use hark_model::record::{DeliveryId, IncidentId};
use proptest::prelude::*;

use super::*;

const NOW: Unix = Unix(1_800_000_100_000);

pub(crate) fn row(id: u64, reason: Reason, status: Status, was: Option<Status>) -> DeliveryRecord {
    let mut notification = crate::samples().swap_remove(0);
    notification.id = DeliveryId(id);
    notification.key = format!("1/ops/{}/{id}", reason.word());
    notification.receiver = ReceiverName::new("ops").unwrap();
    notification.reason = reason;
    notification.incident = Some(IncidentId(1));
    notification.status = status;
    notification.severity = Severity::from(status);
    notification.was = was;
    notification.summary = format!("{status}: db1");
    notification.at = NOW;
    notification.detail = String::new();
    let state = DeliveryState::Queued;
    DeliveryRecord { notification, state, attempts: 0, last_error: String::new(), took_ms: 0 }
}

fn critical() -> DeliveryRecord {
    row(1, Reason::Problem, Status::Critical, None)
}

fn failed(permanent: bool, retry_after: Option<Duration>) -> Tried {
    Tried::Failed { permanent, retry_after, error: "no".to_owned() }
}

const HALF: Chance = Chance(0.5);

fn next(record: &DeliveryRecord, tried: &Tried, now: Unix) -> DeliveryRecord {
    let took = Duration::from_millis(7);
    decide(record, tried, took, now, HALF, &Policy::default())
}

#[test]
fn waits_double_up_to_ten_minutes() {
    let bounds: Vec<u64> = (1..=9).map(|n| Policy::default().backoff.bound(n).as_secs()).collect();
    assert_eq!(bounds, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
    assert_eq!(Policy::default().backoff.bound(u32::MAX).as_secs(), 600);
}

#[test]
fn what_becomes_of_a_message() {
    let secs = Duration::from_secs;
    let mut often = critical();
    often.attempts = 19;
    let day_later = NOW + Duration::from_hours(24);
    let cases = [
        ("it arrives", critical(), Tried::Arrived, NOW, DeliveryState::Sent { at: NOW }),
        (
            "it is tried again after half of the first bound",
            critical(),
            failed(false, None),
            NOW,
            DeliveryState::Retry { at: NOW + Duration::from_millis(2500) },
        ),
        (
            "a permanent failure ends it at once",
            critical(),
            failed(true, None),
            NOW,
            DeliveryState::Dead { at: NOW },
        ),
        (
            "the receiver's wish is honoured",
            critical(),
            failed(false, Some(secs(90))),
            NOW,
            DeliveryState::Retry { at: NOW + secs(90) },
        ),
        (
            "but not for ever",
            critical(),
            failed(false, Some(secs(1_000_000))),
            NOW,
            DeliveryState::Retry { at: NOW + MAX_RETRY_AFTER },
        ),
        (
            "after a day and many tries it is given up",
            often.clone(),
            failed(false, None),
            day_later,
            DeliveryState::Dead { at: day_later },
        ),
        (
            "a clock that jumps a day ahead gives nothing up",
            critical(),
            failed(false, None),
            day_later,
            DeliveryState::Retry { at: day_later + Duration::from_millis(2500) },
        ),
        (
            "many tries within a day give nothing up",
            often,
            failed(false, None),
            NOW,
            DeliveryState::Retry { at: NOW + secs(300) },
        ),
    ];
    for (what, record, tried, now, expected) in cases {
        let after = next(&record, &tried, now);
        assert_eq!(after.state, expected, "{what}");
        assert_eq!(after.attempts, record.attempts + 1, "{what}");
        assert_eq!(after.notification.key, record.notification.key, "{what}");
        assert_eq!(after.took_ms, 7, "{what}");
    }
}

#[test]
fn a_lease_is_longer_than_any_try() {
    assert!(Policy::default().lease > crate::deadline::MAX_TIMEOUT);
}

#[test]
fn errors_tell_the_machine_what_they_mean() {
    let refused = |code, again| SendError::Refused { code, text: "no".to_owned(), again };
    let wait = Duration::from_secs(7);
    assert_eq!(
        Tried::from(&refused(429, crate::Again::After(wait))),
        Tried::Failed {
            permanent: false,
            retry_after: Some(wait),
            error: "answered 429: no".to_owned()
        }
    );
    let Tried::Failed { permanent, .. } = Tried::from(&refused(404, crate::Again::Never)) else {
        panic!("a refusal is no success")
    };
    assert!(permanent);
}

#[test]
fn a_time_left_by_a_clock_that_went_back_does_not_hold_a_message() {
    let policy = Policy::default();
    let kept = |at| due(&DeliveryState::Retry { at }, 0, NOW, &policy);
    assert_eq!(kept(NOW + Duration::from_hours(60)), Some(NOW + Duration::from_hours(60)));
    assert_eq!(kept(NOW + Duration::from_hours(9 * 24)), Some(NOW));
    let due = |state: DeliveryState| due(&state, 1, NOW, &policy);
    let soon = NOW + Duration::from_mins(9);
    assert_eq!(due(DeliveryState::Retry { at: soon }), Some(soon));
    assert_eq!(due(DeliveryState::Retry { at: NOW + Duration::from_hours(5) }), Some(NOW));
    assert_eq!(due(DeliveryState::Leased { until: NOW + Duration::from_hours(5) }), Some(NOW));
    assert_eq!(due(DeliveryState::Queued), Some(NOW));
    assert_eq!(due(DeliveryState::Sent { at: NOW }), None);
}

#[test]
fn the_breaker_opens_after_failures_in_a_row_and_lets_trials_through() {
    let policy = Policy::default();
    let mut breaker = Breaker::default();
    let now = Mono(1_000_000);
    assert_eq!(breaker.failed(now, HALF, &policy), Change::None);
    assert_eq!(breaker.failed(now, HALF, &policy), Change::None);
    assert_eq!(breaker.room(now, 1, 4), 3);
    assert_eq!(breaker.failed(now, HALF, &policy), Change::Failing);
    assert_eq!(breaker.room(now, 0, 4), 0, "no trial yet");
    let trial = breaker.trial_at().unwrap();
    assert_eq!(trial, now + Duration::from_millis(2500));
    assert_eq!(breaker.room(trial, 0, 4), 1);
    assert_eq!(breaker.room(trial, 1, 4), 0, "one trial at a time");
    assert_eq!(breaker.failed(trial, HALF, &policy), Change::None, "told once");
    assert!(breaker.trial_at().unwrap() > trial);
    assert_eq!(breaker.succeeded(), Change::Working);
    assert_eq!(breaker.succeeded(), Change::None);
    assert_eq!(breaker.room(now, 0, 4), 4);
}

#[test]
fn a_success_between_failures_keeps_the_breaker_closed() {
    let policy = Policy::default();
    let mut breaker = Breaker::default();
    for _ in 0..10 {
        breaker.failed(Mono(0), HALF, &policy);
        breaker.failed(Mono(0), HALF, &policy);
        breaker.succeeded();
    }
    assert!(!breaker.is_open());
}

#[test]
fn older_unsent_messages_fold_into_the_newest_with_the_passage() {
    let warning = row(1, Reason::Problem, Status::Warning, None);
    let worse = row(2, Reason::Worse, Status::Critical, Some(Status::Warning));
    let folded = collapse(&[&warning, &worse], NOW).unwrap();
    assert_eq!(folded.superseded.len(), 1);
    assert_eq!(folded.superseded[0].state, DeliveryState::Superseded { at: NOW });
    let n = &folded.newest.notification;
    assert_eq!((n.reason, n.was, n.key.as_str()), (Reason::Worse, None, "1/ops/worse/2"));
    assert_eq!(
        n.detail,
        "Before this, not delivered until now:\n2027-01-15T08:01:40Z warning: db1\n"
    );
    assert_eq!(collapse(&[&warning], NOW), None);
    assert_eq!(collapse(&[], NOW), None);
}

#[test]
fn what_was_folded_before_is_not_lost_when_folded_again() {
    let mut rows = [1, 2, 3].map(|id| row(id, Reason::Worse, Status::Critical, None));
    for (row, hour) in rows.iter_mut().zip([0, 1, 2]) {
        row.notification.at = NOW + Duration::from_hours(hour);
        row.notification.summary = format!("message {}", row.notification.id.0);
        row.notification.detail = format!("about {}", row.notification.id.0);
    }
    let [first, second, third] = rows;
    let folded = collapse(&[&first, &second], NOW).unwrap().newest;
    let folded = collapse(&[&folded, &third], NOW).unwrap().newest;
    assert_eq!(
        folded.notification.detail,
        "about 3\n\nBefore this, not delivered until now:\n\
         2027-01-15T08:01:40Z message 1\n2027-01-15T09:01:40Z message 2\n"
    );
}

#[test]
fn a_recovery_merges_with_its_problem_only_if_that_was_never_sent() {
    let problem = critical();
    let recovery = row(2, Reason::Recovery, Status::Ok, Some(Status::Critical));
    let merged = collapse(&[&problem, &recovery], NOW).unwrap().newest.notification;
    assert_eq!((merged.reason, merged.was), (Reason::Merged, None));
    let worse = row(1, Reason::Worse, Status::Critical, Some(Status::Warning));
    let told = collapse(&[&worse, &recovery], NOW).unwrap().newest.notification;
    assert_eq!((told.reason, told.was), (Reason::Recovery, Some(Status::Warning)));
}

#[test]
fn the_passage_is_bounded() {
    let rows: Vec<_> = (0..2000)
        .map(|id| row(id, Reason::Worse, Status::Critical, Some(Status::Warning)))
        .collect();
    let rows: Vec<_> = rows.iter().collect();
    let folded = collapse(&rows, NOW).unwrap();
    assert!(folded.newest.notification.detail.len() <= MAX_DETAIL + "…\n".len());
}

#[test]
fn handed_over_messages_know_where_they_came_from_and_cannot_go_in_a_circle() {
    let name = |name| ReceiverName::new(name).unwrap();
    let original = critical().notification;
    let once = hand_over(&original, &name("hook"));
    let twice = hand_over(&once, &name("pager"));
    assert_eq!(once.key, "1/ops/problem/1/for/ops");
    assert_eq!(handed_from(&once), Some(name("ops")));
    assert_eq!(handed_from(&twice), Some(name("hook")));
    assert_eq!(handed_from(&original), None);
    for receiver in ["ops", "hook", "pager"] {
        assert!(was_tried_by(&twice, &name(receiver)), "{receiver}");
    }
    assert!(!was_tried_by(&twice, &name("other")));
    assert_eq!(hand_over(&original, &name("hook")), once, "the same row each time");
}

proptest! {
    #[test]
    fn waits_stay_within_their_bounds(failures in 1_u32..200, bits: u64) {
        let backoff = Policy::default().backoff;
        let wait = backoff.wait(failures, Chance::from_bits(bits));
        prop_assert!(wait >= LEAST_WAIT);
        prop_assert!(wait <= backoff.bound(failures).max(LEAST_WAIT));
    }

    #[test]
    fn a_message_that_only_fails_ends_after_a_day_and_not_before(bits in prop::collection::vec(any::<u64>(), 1..50)) {
        let policy = Policy::default();
        let mut record = critical();
        let mut now = NOW;
        for bits in bits.iter().cycle().take(5000) {
            record = decide(&record, &failed(false, None), Duration::ZERO, now, Chance::from_bits(*bits), &policy);
            match record.state {
                DeliveryState::Retry { at } => now = at,
                DeliveryState::Dead { at } => {
                    prop_assert!(at.since(NOW) >= policy.give_up_after);
                    prop_assert!(at.since(NOW) <= policy.give_up_after + policy.backoff.most);
                    return Ok(());
                }
                ref other @ (DeliveryState::Queued
                | DeliveryState::Leased { .. }
                | DeliveryState::Sent { .. }
                | DeliveryState::Superseded { .. }) => prop_assert!(false, "{other:?}"),
            }
        }
        // Only chances near zero keep it below a day for so many tries.
        prop_assert!(now.since(NOW) < policy.give_up_after);
    }
}
