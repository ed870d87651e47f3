use hark_config::{Document, NoSecrets};
use proptest::prelude::*;

use super::*;

fn rota(text: &str) -> Rota {
    let text = format!("a:\n{text}");
    let document = Document::single(&text);
    let rota = document.root(&NoSecrets).child("a").and_then(|section| Rota::read(&section));
    rota.unwrap_or_else(|| panic!("{:?}", document.diagnostics().list()))
}

fn unix(text: &str) -> Unix {
    Unix(text.parse::<Timestamp>().unwrap().as_millisecond())
}

fn shifts(rota: &Rota, from: &str, until: &str) -> Vec<String> {
    let show = |at: Unix| Timestamp::from_millisecond(at.0).unwrap().to_string();
    rota.shifts(unix(from), unix(until))
        .into_iter()
        .map(|shift| format!("{} {} {}", shift.user, show(shift.from), show(shift.until)))
        .collect()
}

#[test]
fn a_weekly_hand_over_stays_at_nine_when_the_clocks_change() {
    let rota = rota(
        "  rotation: [anna, ben, cleo]\n  every: 7d\n  handover: Mon 09:00\n  zone: Europe/Berlin\n  start: 2026-10-12\n",
    );
    // On 2026-10-25 Berlin goes back to winter time: ben's week has 169 hours.
    assert_eq!(
        shifts(&rota, "2026-10-12T07:00:00Z", "2026-11-09T08:00:00Z"),
        [
            "anna 2026-10-12T07:00:00Z 2026-10-19T07:00:00Z",
            "ben 2026-10-19T07:00:00Z 2026-10-26T08:00:00Z",
            "cleo 2026-10-26T08:00:00Z 2026-11-02T08:00:00Z",
            "anna 2026-11-02T08:00:00Z 2026-11-09T08:00:00Z",
        ]
    );
}

#[test]
fn a_hand_over_in_the_missing_and_in_the_doubled_hour_is_once() {
    let rota = rota(
        "  rotation: [anna, ben]\n  every: 1d\n  handover: '02:30'\n  zone: Europe/Berlin\n  start: 2026-03-28\n",
    );
    assert_eq!(
        shifts(&rota, "2026-03-28T01:30:00Z", "2026-03-31T00:30:00Z"),
        [
            "anna 2026-03-28T01:30:00Z 2026-03-29T01:30:00Z",
            "ben 2026-03-29T01:30:00Z 2026-03-30T00:30:00Z",
            "anna 2026-03-30T00:30:00Z 2026-03-31T00:30:00Z",
        ]
    );
    let october = shifts(&rota, "2026-10-24T00:30:00Z", "2026-10-27T01:30:00Z");
    assert_eq!(october.len(), 3, "{october:?}");
    assert!(october[1].ends_with("2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"), "{october:?}");
}

#[test]
fn who_stands_in_counts_before_all_layers() {
    let rota = rota(
        "  rotation: [anna]\n  zone: UTC\n  layers:\n    - {rotation: [ben], hours: 'sat,sun 00:00-24:00 UTC'}\n  \
         overrides:\n    - {from: 2026-11-21T12:00:00Z, until: 2026-11-23T12:00:00Z, user: cleo}\n",
    );
    // 2026-11-21 is a Saturday.
    assert_eq!(
        shifts(&rota, "2026-11-20T00:00:00Z", "2026-11-25T00:00:00Z"),
        [
            "anna 2026-11-20T00:00:00Z 2026-11-21T00:00:00Z",
            "ben 2026-11-21T00:00:00Z 2026-11-21T12:00:00Z",
            "cleo 2026-11-21T12:00:00Z 2026-11-23T12:00:00Z",
            "anna 2026-11-23T12:00:00Z 2026-11-25T00:00:00Z",
        ]
    );
    let people: Vec<&str> = rota.people().into_iter().map(UserName::as_str).collect();
    assert_eq!(people, ["anna", "ben", "cleo"]);
}

#[test]
fn outside_the_hours_of_all_layers_nobody_is_on_call() {
    let rota = rota("  rotation: [anna]\n  hours: 'mon-fri 08:00-18:00 UTC'\n  zone: UTC\n");
    assert_eq!(rota.at(unix("2026-11-21T12:00:00Z")), None);
    assert_eq!(rota.next_change(unix("2026-11-21T12:00:00Z")), Some(unix("2026-11-23T08:00:00Z")));
}

proptest! {
    /// Whoever asks at any moment gets the one whose shift it is, and turns follow each other.
    #[test]
    fn every_moment_belongs_to_the_shift_around_it(
        hour in 0_i64..24 * 800,
        every in prop_oneof![Just("1d"), Just("7d"), Just("12h"), Just("14d")],
        hand_over in prop_oneof![Just("02:30"), Just("Mon 09:00"), Just("00:00")],
    ) {
        let rota = rota(&format!(
            "  rotation: [anna, ben, cleo]\n  every: {every}\n  handover: {hand_over:?}\n  zone: Europe/Berlin\n"
        ));
        let at = Unix(unix("2026-01-01T00:00:00Z").0 + hour * 3_600_000);
        let who = rota.at(at).unwrap();
        let change = rota.next_change(at).unwrap();
        prop_assert!(change > at);
        prop_assert_eq!(rota.at(Unix(change.0 - 1)).unwrap(), who);
        let next = rota.at(change).unwrap();
        let order = ["anna", "ben", "cleo"];
        let place = |user: &UserName| order.iter().position(|name| *name == user.as_str()).unwrap();
        prop_assert_eq!(place(next), (place(who) + 1) % 3);
    }
}
