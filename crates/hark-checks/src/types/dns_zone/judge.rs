//! What the answers of a zone's name servers mean together.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use domain::base::Serial;
use domain::base::iana::OptRcode;
use hark_model::sample::Unit;
use hark_model::{Status, Unix};

use crate::dns::Answer;
use crate::finding::{Finding, Measure};
use crate::net::TimeLimits;

/// What is still well.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) min_servers: usize,
    pub(super) mismatch: Status,
    pub(super) age: TimeLimits,
}

/// What was seen of a zone.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) name: String,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) total: Duration,
}

/// What one name server said at one address.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    server: String,
    /// Address and port; none if the server has no address.
    place: Option<String>,
    said: Said,
}

#[derive(Clone, Debug, PartialEq)]
enum Said {
    Serial(u32, Duration),
    /// It answers, but not as it must.
    Wrong(String),
    Silent(String),
    /// This machine has no way there.
    NoRoute,
}

impl Outcome {
    /// A server that has no address.
    pub(super) fn lost(server: String, error: &io::Error) -> Self {
        Self { server, place: None, said: Said::Silent(error.to_string()) }
    }

    /// What a server said, and how long that took; or why it did not, and whether that is for want of
    /// a way there.
    pub(super) fn of(
        server: String,
        place: String,
        said: Result<(Answer, Duration), (String, bool)>,
    ) -> Self {
        let said = match said {
            Err((_, true)) => Said::NoRoute,
            Err((error, false)) => Said::Silent(error),
            Ok((answer, _)) if answer.code != OptRcode::NOERROR => {
                Said::Wrong(format!("says {}", answer.code))
            }
            Ok((answer, took)) => match answer.serial {
                Some(serial) if answer.authoritative => Said::Serial(serial, took),
                Some(_) => Said::Wrong("is not authoritative".to_owned()),
                None => Said::Wrong("does not know the zone".to_owned()),
            },
        };
        Self { server, place: Some(place), said }
    }

    fn words(&self) -> String {
        let Self { server, place, said } = self;
        let at = place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        match said {
            Said::Serial(serial, _) => format!("{server}{at} has {serial}"),
            Said::Wrong(what) => format!("{server}{at} {what}"),
            Said::Silent(error) => format!("{server}{at}: {error}"),
            Said::NoRoute => format!("{server}{at}: no route there"),
        }
    }
}

impl Limits {
    pub(super) fn judge(&self, zone: &Zone, now: Unix) -> Finding {
        let mut serials: BTreeMap<u32, usize> = BTreeMap::new();
        let mut slowest = Duration::ZERO;
        for outcome in &zone.outcomes {
            if let Said::Serial(serial, took) = outcome.said {
                *serials.entry(serial).or_default() += 1;
                slowest = slowest.max(took);
            }
        }
        let n_well: usize = serials.values().sum();
        let asked: Vec<&Outcome> = zone.outcomes.iter().filter(|o| is_counted(o, zone)).collect();
        let newest = newest(serials.keys().copied());
        let mut finding = self.judge_servers(&zone.name, &asked, &serials, n_well, newest);
        let age = newest.and_then(|serial| age(serial, now));
        if let Some(age) = age {
            let status = self.age.judge(age);
            let days = age.as_secs() / 86_400;
            if status != Status::Ok {
                finding.status = finding.status.worse(status);
                finding = finding.and(&format!(", {days} days old"));
            }
            let (warning, critical) = self.age.seconds();
            let measure = Measure::seconds("age_seconds", age).limits(warning, critical);
            finding = finding.measured(measure);
        }
        let names: BTreeSet<&str> = zone.outcomes.iter().map(|o| o.server.as_str()).collect();
        finding.measures.extend(newest.map(|s| Measure::new("serial", s.into(), Unit::None)));
        finding
            .measured(Measure::new("servers", count(asked.len()), Unit::None))
            .measured(Measure::new("servers_well", count(n_well), Unit::None))
            .measured(Measure::seconds("slowest_seconds", slowest))
            .measured(Measure::seconds("total_seconds", zone.total))
            .saw("serials", serials.keys().map(u32::to_string).collect::<Vec<_>>())
            .saw("server_names", names.into_iter().map(str::to_owned).collect::<Vec<_>>())
    }

    fn judge_servers(
        &self,
        zone: &str,
        asked: &[&Outcome],
        serials: &BTreeMap<u32, usize>,
        n_well: usize,
        newest: Option<u32>,
    ) -> Finding {
        let bad: Vec<String> = asked
            .iter()
            .filter(|outcome| !matches!(outcome.said, Said::Serial(_, _)))
            .map(|outcome| outcome.words())
            .collect();
        let n = asked.len();
        if !bad.is_empty() {
            let text = format!("{zone}: {n_well} of {n} servers are well; {}", bad.join("; "));
            return Finding::new(Status::Critical, text);
        }
        if n_well < self.min_servers {
            let text = format!("{zone}: {n_well} servers, fewer than {}", self.min_servers);
            return Finding::new(Status::Critical, text);
        }
        let serial = newest.unwrap_or(0);
        if serials.len() > 1 {
            let old =
                |outcome: &&&Outcome| !matches!(outcome.said, Said::Serial(s, _) if s == serial);
            let old: Vec<String> =
                asked.iter().filter(old).map(|outcome| outcome.words()).collect();
            let text =
                format!("{zone}: serials differ, the newest is {serial}; {}", old.join("; "));
            return Finding::new(self.mismatch, text);
        }
        Finding::new(Status::Ok, format!("{zone}: {n} servers have serial {serial}"))
    }
}

/// Returns true if an outcome counts: an address without a way there does not, as long as the same
/// server has another.
fn is_counted(outcome: &Outcome, zone: &Zone) -> bool {
    let is_elsewhere =
        |other: &Outcome| other.server == outcome.server && other.said != Said::NoRoute;
    outcome.said != Said::NoRoute || !zone.outcomes.iter().any(is_elsewhere)
}

fn count(n: usize) -> f64 {
    u32::try_from(n).unwrap_or(u32::MAX).into()
}

/// Returns the newest serial: they go round (RFC 1982), so the largest number need not be it.
fn newest(serials: impl Iterator<Item = u32>) -> Option<u32> {
    serials.reduce(
        |newest, serial| {
            if Serial::from(serial) > Serial::from(newest) { serial } else { newest }
        },
    )
}

/// Tomorrow may have begun where the serial was made.
const AHEAD: i64 = 86_400;

/// Dates before this one, the first day of 1990, are no dates of serials.
const FIRST: i64 = 631_152_000;

/// Returns the age of a serial that is a date (`2026112101`) or a Unix time; `None` if it is neither.
fn age(serial: u32, now: Unix) -> Option<Duration> {
    let now = now.seconds();
    let date = begin_of_day(serial / 1_000_000, serial / 10_000 % 100, serial / 100 % 100);
    let plausible = |made: &i64| *made <= now + AHEAD && *made >= FIRST;
    let made = date.filter(plausible).or(Some(i64::from(serial)).filter(plausible))?;
    Some(Duration::from_secs(u64::try_from(now - made).unwrap_or(0)))
}

/// Returns the Unix time of midnight before a day; `None` if there is no such day.
fn begin_of_day(year: u32, month: u32, day: u32) -> Option<i64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if is_leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = lengths.get(..usize::try_from(month.checked_sub(1)?).ok()?)?;
    let length = *lengths.get(before.len())?;
    if !(1970..=2100).contains(&year) || day == 0 || day > length {
        return None;
    }
    let leap_days = |year: u32| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    let days = years + before.iter().sum::<u32>() + day - 1;
    Some(i64::from(days) * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Unix = Unix(1_795_219_200_000);

    fn limits() -> Limits {
        Limits { min_servers: 1, mismatch: Status::Warning, age: TimeLimits::default() }
    }

    fn soa(server: &str, place: &str, serial: u32, authoritative: bool) -> Outcome {
        let answer = Answer {
            code: OptRcode::NOERROR,
            authoritative,
            authentic: false,
            cut: false,
            records: Vec::new(),
            serial: Some(serial),
        };
        Outcome::of(server.to_owned(), place.to_owned(), Ok((answer, Duration::from_millis(5))))
    }

    fn judge(outcomes: Vec<Outcome>) -> (Status, String) {
        let (name, total) = ("example.net".to_owned(), Duration::from_millis(9));
        let finding = limits().judge(&Zone { name, outcomes, total }, NOW);
        (finding.status, finding.text)
    }

    #[test]
    fn servers_that_agree_are_ok() {
        let (status, text) = judge(vec![soa("a", "1", 7, true), soa("b", "2", 7, true)]);
        assert_eq!((status, &*text), (Status::Ok, "example.net: 2 servers have serial 7"));
    }

    #[test]
    fn serials_that_differ_are_told_with_who_is_behind() {
        // Serials go round: 5 is newer than 4294967290.
        let (status, text) =
            judge(vec![soa("a", "1", 5, true), soa("b", "2", 4_294_967_290, true)]);
        assert_eq!(status, Status::Warning);
        assert_eq!(text, "example.net: serials differ, the newest is 5; b (2) has 4294967290");
    }

    #[test]
    fn one_bad_server_is_critical() {
        let good = soa("a", "1", 7, true);
        let refused = Answer { code: OptRcode::REFUSED, ..empty() };
        let refused = Outcome::of("b".to_owned(), "2".to_owned(), Ok((refused, Duration::ZERO)));
        let lame = Outcome::of("b".to_owned(), "2".to_owned(), Ok((empty(), Duration::ZERO)));
        let silent =
            Outcome::of("b".to_owned(), "2".to_owned(), Err(("timed out".to_owned(), false)));
        let lost = Outcome::lost("b".to_owned(), &io::Error::other("it has no address"));
        for (bad, why) in [
            (soa("b", "2", 7, false), "b (2) is not authoritative"),
            (refused, "b (2) says REFUSED"),
            (lame, "b (2) does not know the zone"),
            (silent, "b (2): timed out"),
            (lost, "b: it has no address"),
        ] {
            let (status, text) = judge(vec![good.clone(), bad]);
            assert_eq!(status, Status::Critical);
            assert_eq!(text, format!("example.net: 1 of 2 servers are well; {why}"));
        }
    }

    fn empty() -> Answer {
        Answer {
            code: OptRcode::NOERROR,
            authoritative: true,
            authentic: false,
            cut: false,
            records: Vec::new(),
            serial: None,
        }
    }

    #[test]
    fn an_address_without_a_way_there_counts_only_if_there_is_no_other() {
        let no_route = |server: &str| {
            Outcome::of(server.to_owned(), "6".to_owned(), Err((String::new(), true)))
        };
        let (status, text) = judge(vec![soa("a", "1", 7, true), no_route("a")]);
        assert_eq!((status, &*text), (Status::Ok, "example.net: 1 servers have serial 7"));
        assert_eq!(judge(vec![soa("a", "1", 7, true), no_route("b")]).0, Status::Critical);
        assert_eq!(judge(Vec::new()).0, Status::Critical);
    }

    #[test]
    fn serials_that_are_dates_or_times_have_an_age() {
        // 2026-11-21 00:00 UTC.
        let days = |age: Option<Duration>| age.map(|age| age.as_secs() / 86_400);
        assert_eq!(days(age(2_026_112_101, NOW)), Some(0));
        assert_eq!(days(age(2_026_102_199, NOW)), Some(31));
        assert_eq!(days(age(2_024_022_901, NOW)), Some(996));
        assert_eq!(days(age(1_795_219_200 - 86_400 * 3, NOW)), Some(3));
        for neither in [7, 2_023_022_901 + 99_000_000, 2_026_130_100, 4_000_000_000] {
            assert_eq!(age(neither, NOW), None, "{neither}");
        }
    }

    #[test]
    fn an_old_serial_is_judged_by_its_limits() {
        let age = TimeLimits { warning: Some(Duration::from_hours(24)), critical: None };
        let outcomes = vec![soa("a", "1", 2_026_111_101, true)];
        let zone = Zone { name: "x".to_owned(), outcomes, total: Duration::ZERO };
        let finding = Limits { age, ..limits() }.judge(&zone, NOW);
        assert_eq!(finding.status, Status::Warning);
        assert_eq!(finding.text, "x: 1 servers have serial 2026111101, 10 days old");
    }
}
