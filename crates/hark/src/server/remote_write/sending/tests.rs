use hark_store::history::LogPlace;
use http::{HeaderMap, HeaderName};

use super::super::gather::Mark;
use super::*;

fn reply(status: u16, headers: &[(&'static str, &'static str)]) -> Reply {
    let header = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.iter().map(header).collect::<HeaderMap>(),
        text: "because".to_owned(),
        body: Vec::new(),
        is_whole: true,
    }
}

#[test]
fn what_may_be_taken_later_is_sent_again_and_nothing_else() {
    for status in [429, 500, 502, 503, 504] {
        let answer = outcome(Ok(reply(status, &[("retry-after", "30")])), 5, Version::One);
        let Outcome::Again { after, may_be_there, why } = answer else { panic!("{status}") };
        assert_eq!(after, Some(Duration::from_secs(30)), "{status}");
        assert_eq!(may_be_there, status != 429, "{status}");
        assert_eq!(why, format!("answered {status}: because"));
    }
    // Whatever was sent would be answered so, as long as nobody mends what is wrong.
    for status in [301, 302, 308, 401, 403, 404, 405, 407, 408, 410] {
        let answer = outcome(Ok(reply(status, &[])), 5, Version::One);
        let Outcome::Again { after: None, may_be_there: false, why } = answer else {
            panic!("{status}: {answer:?}")
        };
        assert_eq!(why, format!("answered {status}: because"));
    }
    for (status, may_be_cut) in [(400, true), (413, true), (409, false), (415, false), (422, false)]
    {
        let answer = outcome(Ok(reply(status, &[])), 5, Version::One);
        let why = format!("answered {status}: because");
        assert_eq!(answer, Outcome::Refused { may_be_cut, why }, "{status}");
    }
    let nobody = outcome(Err(CallError::Compose("x")), 5, Version::One);
    assert!(matches!(nobody, Outcome::Again { may_be_there: false, .. }), "{nobody:?}");
}

#[test]
fn a_receiver_of_version_2_says_how_much_it_has_written() {
    let two = |status, written: &'static str| {
        let all = [(WRITTEN, written)];
        let headers = if written.is_empty() { &[][..] } else { &all[..] };
        outcome(Ok(reply(status, headers)), 5, Version::Two)
    };
    let taken = |outcome: Outcome| {
        let Outcome::Taken { refused, why } = outcome else { panic!("{outcome:?}") };
        (refused, why)
    };
    assert_eq!(taken(two(204, "5")).0, 0);
    assert_eq!(taken(two(204, "3")).0, 2);
    assert_eq!(taken(two(400, "3")), (2, "answered 400: because".to_owned()));
    assert!(matches!(two(400, "0"), Outcome::Refused { may_be_cut: true, .. }));
    assert_eq!(two(204, ""), Outcome::OlderVersion);
    assert_eq!(two(415, ""), Outcome::OlderVersion);
    assert_eq!(taken(outcome(Ok(reply(204, &[])), 5, Version::One)).0, 0);
}

#[test]
fn what_is_refused_is_cut_until_it_is_known_what_it_is_about() {
    let of = |n_series: usize| {
        let series = (0..n_series).map(Series::of_one_sample).collect();
        Sending::new(Request { series, n_samples: n_series, ..Request::default() }, false)
    };
    // One of a hundred series is bad; every piece with it is refused.
    let (mut sending, mut taken, mut given_up) = (of(100), 0, 0);
    while let Some(piece) = sending.pieces.last().cloned() {
        if piece.contains(&37) {
            given_up += sending.cut().unwrap_or(0);
        } else {
            taken += sending.give_up().unwrap_or(0);
        }
    }
    assert_eq!((taken, given_up), (99, 1));
    // All of them are: the number of requests has a bound, and so has what is given up.
    let (mut sending, mut n, mut given_up) = (of(5000), 0, 0);
    while !sending.pieces.is_empty() {
        n += 1;
        given_up += sending.cut().unwrap_or(0);
    }
    assert_eq!(given_up, 5000);
    assert!(n <= 2 * MAX_CUTS + 1, "{n}");
}

#[test]
fn what_is_never_taken_is_on_its_way_for_as_long_as_the_log_is_there() {
    let to = Mark { place: LogPlace { segment: 5, offset: 8 }, frames: 3 };
    let series = (0..10).map(Series::of_one_sample).collect();
    let mut sending =
        Sending::new(Request { series, to, n_samples: 10, ..Request::default() }, false);
    assert!(!sending.is_gone(4) && !sending.is_gone(5) && sending.is_gone(6));
    assert_eq!(sending.n_left(), 10);
    // A half of it was taken.
    assert_eq!(sending.cut(), None);
    assert_eq!(sending.give_up(), Some(5));
    assert_eq!(sending.n_left(), 5);
}
