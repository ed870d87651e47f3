use proptest::prelude::*;

use super::*;

const NOW: Mono = Mono(10_000_000);
const EVERY: Duration = Duration::from_mins(1);

fn at(seconds: u64) -> Mono {
    NOW + Duration::from_secs(seconds)
}

fn of(sites: usize, quorum: usize) -> Quorum {
    Quorum::new((0..sites).map(|n| format!("s{n}")), quorum, EVERY, NOW)
}

/// What each site says, one letter each: ok, warning, critical, unknown, silent, long ago (x: critical,
/// y: ok).
fn says(quorum: usize, words: &str) -> Combined {
    let mut all = of(words.len(), quorum);
    for (n, word) in words.chars().enumerate() {
        let (status, from) = match word {
            'o' => (Status::Ok, at(300)),
            'w' => (Status::Warning, at(300)),
            'c' => (Status::Critical, at(300)),
            'u' => (Status::Unknown, at(300)),
            'x' => (Status::Critical, at(0)),
            'y' => (Status::Ok, at(0)),
            _ => continue,
        };
        assert!(all.take(&format!("s{n}"), status, "refused", from));
    }
    all.combined(at(301))
}

#[test]
fn bad_is_what_enough_sites_see_that_count() {
    for (quorum, words, status) in [
        (2, "ooo", Status::Ok),
        (2, "coo", Status::Ok),
        (2, "cco", Status::Critical),
        (2, "cwo", Status::Warning),
        (2, "cuo", Status::Unknown),
        (2, "c-o", Status::Unknown),
        (2, "cxo", Status::Unknown),
        (2, "cyo", Status::Ok),
        (3, "ccxoo", Status::Unknown),
        (2, "xxooo", Status::Unknown),
        (2, "xyooo", Status::Ok),
        (1, "oy", Status::Ok),
        (1, "o-", Status::Unknown),
        (2, "cc-", Status::Critical),
        (2, "c--", Status::Unknown),
        (2, "o--", Status::Unknown),
        (2, "uuo", Status::Unknown),
        (2, "---", Status::Unknown),
        (2, "xxx", Status::Unknown),
        (1, "c--", Status::Critical),
        (1, "woo", Status::Warning),
        (3, "cco", Status::Ok),
        (3, "ccc", Status::Critical),
    ] {
        assert_eq!(says(quorum, words).status, status, "{quorum} of {words}");
    }
}

#[test]
fn the_text_names_who_sees_it_bad_and_who_does_not_count() {
    assert_eq!(says(2, "ooo").text, "ok at 3 of 3 sites");
    assert_eq!(says(2, "cco").text, "bad at 2 of 3 sites: s0: refused; s1: refused");
    assert_eq!(
        says(2, "co-").text,
        "bad at 1 of 2 sites, which is fewer than 2, but 1 that cannot tell now did not call it good: \
         s0: refused\nnot counted: s2: no fresh result"
    );
    assert_eq!(
        says(2, "cux").text,
        "too few sites: 1 can tell, 2 must\nnot counted: s1: refused; s2: no fresh result"
    );
}

#[test]
fn one_result_comes_of_one_round_of_looks() {
    let mut all = of(3, 2);
    for (second, site) in [(1, "s0"), (2, "s1")] {
        assert!(all.take(site, Status::Ok, "fine", at(second)));
        assert_eq!(all.due(at(second)), None, "the others have not looked yet");
    }
    assert!(all.take("s2", Status::Ok, "fine", at(3)));
    assert_eq!(all.due(at(3)).unwrap().status, Status::Ok);
    assert_eq!(all.due(at(4)), None, "nothing new");
    // Two of three are enough to say that it is bad.
    assert!(all.take("s0", Status::Critical, "refused", at(61)));
    assert_eq!(all.due(at(61)), None);
    assert!(all.take("s2", Status::Critical, "refused", at(62)));
    assert_eq!(all.due(at(62)).unwrap().status, Status::Critical);
    // One that is silent holds the others up for one interval.
    assert!(all.take("s0", Status::Ok, "fine", at(121)));
    assert!(all.take("s2", Status::Ok, "fine", at(121)));
    assert_eq!(all.next_deadline(), at(122));
    assert_eq!(all.due(at(122)).unwrap().status, Status::Ok);
}

#[test]
fn sites_that_never_speak_are_told_once_a_while_and_no_sooner() {
    let mut all = of(2, 1);
    assert_eq!(all.due(at(129)), None);
    assert_eq!(all.next_deadline(), at(130));
    assert_eq!(all.due(at(130)).unwrap().status, Status::Unknown);
    assert_eq!(all.due(at(131)), None);
}

#[test]
fn what_comes_late_or_from_elsewhere_changes_nothing() {
    let mut all = of(2, 1);
    assert!(!all.take("other", Status::Critical, "refused", at(1)));
    assert!(all.take("s1", Status::Ok, "fine", at(5)));
    assert!(all.take("s0", Status::Ok, "fine", at(5)));
    assert!(!all.take("s0", Status::Critical, "refused", at(4)), "out of a spool");
    assert_eq!(all.combined(at(6)).status, Status::Ok);
}

#[test]
fn a_reload_keeps_what_the_sites_that_stay_have_said() {
    let mut before = of(3, 2);
    for site in ["s0", "s1", "s2"] {
        assert!(before.take(site, Status::Critical, "refused", at(1)));
    }
    let after = of(2, 2).after(&before);
    assert_eq!(after.combined(at(2)).status, Status::Critical);
    assert_eq!(after.sites.len(), 2);
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(vec![Status::Ok, Status::Warning, Status::Critical, Status::Unknown])
}

proptest! {
    #[test]
    fn no_number_of_silent_or_unknowing_sites_makes_it_bad_or_good(
        found in prop::collection::vec((0_usize..6, status(), 0_u64..600), 0..40),
        quorum in 1_usize..6,
    ) {
        let mut all = of(6, quorum);
        let mut newest: [Option<(u64, Status)>; 6] = [None; 6];
        let mut called: [Option<Status>; 6] = [None; 6];
        for (site, status, second) in found {
            let later = newest[site].is_none_or(|(at, _)| at <= second);
            prop_assert_eq!(all.take(&format!("s{site}"), status, "x", at(second)), later);
            if later {
                newest[site] = Some((second, status));
                if status != Status::Unknown {
                    called[site] = Some(status);
                }
            }
        }
        let now = 600;
        let counts = newest.map(|newest| {
            let (second, status) = newest?;
            let fresh = now - second <= all.fresh_for().as_secs();
            (fresh && status != Status::Unknown).then_some(status)
        });
        let n = |which: &dyn Fn(Option<Status>, Option<Status>) -> bool| {
            counts.iter().zip(&called).filter(|(counts, called)| which(**counts, **called)).count()
        };
        let critical = n(&|counts, _| counts == Some(Status::Critical));
        let good = n(&|counts, _| counts == Some(Status::Ok));
        let was_good = n(&|counts, called| counts.is_none() && called == Some(Status::Ok));
        let counting = n(&|counts, _| counts.is_some());
        let combined = all.combined(at(now)).status;
        prop_assert_eq!(combined == Status::Critical, critical >= quorum);
        prop_assert_eq!(combined.is_problem() && combined != Status::Unknown, counting - good >= quorum);
        let rest = 6 - good - was_good;
        prop_assert_eq!(combined == Status::Ok, counting >= quorum && rest < quorum);
    }
}

#[test]
fn while_nobody_looks_silence_is_no_news_and_the_first_site_afterwards_decides_nothing_alone() {
    let mut all = of(3, 2);
    for site in ["s0", "s1", "s2"] {
        assert!(all.take(site, Status::Ok, "", at(1)));
    }
    assert_eq!(all.due(at(1)).map(|c| c.status), Some(Status::Ok));
    all.begin(at(60));
    for seconds in (60..40_000).step_by(60) {
        all.wait(at(seconds));
        assert_eq!(all.due(at(seconds)), None, "{seconds}");
    }
    all.begin(at(40_000));
    assert!(all.take("s0", Status::Ok, "", at(39_999)), "began before, and is only shown");
    assert_eq!(all.due(at(40_001)), None);
    assert!(all.take("s0", Status::Ok, "", at(40_002)));
    assert_eq!(all.due(at(40_002)), None, "two of the three have not looked yet");
    assert!(all.take("s1", Status::Critical, "refused", at(40_020)));
    assert!(all.take("s2", Status::Critical, "refused", at(40_030)));
    assert_eq!(all.due(at(40_030)).map(|c| c.status), Some(Status::Critical));
}

#[test]
fn what_a_person_wanted_to_know_meanwhile_is_said() {
    let mut all = of(2, 1);
    all.begin(at(0));
    all.wait(at(600));
    assert!(all.take("s0", Status::Ok, "", at(601)));
    all.wait(at(602));
    assert_eq!(all.due(at(602)), None);
    assert!(all.take("s1", Status::Ok, "", at(603)));
    assert_eq!(all.due(at(603)).map(|c| c.status), Some(Status::Ok));
}
