//! Messages: each key once, and what a restart makes of those on their way.

use super::*;

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
