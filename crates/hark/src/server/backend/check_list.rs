//! The list of the checks of all hosts, page by page, and what they come to by name. The engine waits for both, so
//! rows are made of those alone that the page shows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use hark_api::checks::{CheckRow, CheckSort, CheckSummary, ChecksQuery};
use hark_api::list::{Cursor, Page, limit};
use hark_api::sought::Sought;
use hark_api::words::Status;
use hark_engine::view::{CheckView, HostView};
use hark_model::CheckName;
use hark_web::{Answer, Sight};
use tokio::sync::oneshot;

use super::hosts::{is_shown, unit_of};
use super::{ServerBackend, ending, paging};
use crate::server::probes::{Known, ToProbes};

/// The engine's word for a configured check.
const LOOK: &str = "look";

/// What the list needs of a check.
trait Listed: Copy {
    fn host(&self) -> &str;
    fn check(&self) -> &str;
    fn status(&self) -> Status;
    /// When that last changed, in milliseconds.
    fn changed(&self) -> Option<i64>;
    /// A word for who looks.
    fn kind(&self) -> &'static str;
    /// The time between two looks.
    fn every(&self) -> Option<Duration>;
}

impl Listed for (HostView<'_>, CheckView<'_>) {
    fn host(&self) -> &str {
        self.0.name().as_str()
    }

    fn check(&self) -> &str {
        self.1.name().as_str()
    }

    fn status(&self) -> Status {
        self.1.hard().into()
    }

    fn changed(&self) -> Option<i64> {
        self.1.changed_at().map(|at| at.0)
    }

    fn kind(&self) -> &'static str {
        self.1.kind()
    }

    fn every(&self) -> Option<Duration> {
        self.1.every()
    }
}

impl ServerBackend {
    pub(super) fn check_rows(&self, sight: &Sight, query: &ChecksQuery) -> Answer<Page<CheckRow>> {
        let (sight, query) = (sight.clone(), query.clone());
        let q = query.q.as_deref().map(Sought::new);
        self.ask(move |engine| {
            let hosts = engine.hosts().filter(|h| sight.covers(h.name().as_str()));
            let checks = hosts
                .filter(|h| is_shown(*h))
                .flat_map(|host| host.checks().map(move |check| (host, check)))
                .filter(|one| query.check.as_deref().is_none_or(|name| one.check() == name))
                .filter(|one| query.state.is_none_or(|state| one.status() == state))
                .filter(|one| q.as_ref().is_none_or(|q| mentions(*one, q)));
            page(checks, &query, row)
        })
    }

    pub(super) fn checks_by_name(&self, sight: &Sight) -> Answer<Vec<CheckSummary>> {
        let seen = sight.clone();
        let mut found = self.ask(move |engine| {
            let hosts = engine.hosts().filter(|h| seen.covers(h.name().as_str()));
            let checks = hosts.filter(|h| is_shown(*h)).flat_map(|host| {
                host.checks().map(move |check| ((host, check), check.description()))
            });
            by_name(checks)
        })?;
        tell_looks(&mut found, &self.known_looks(sight)?);
        Ok(found)
    }

    /// Returns what those who look know of the configured checks within the sight, by name.
    fn known_looks(&self, sight: &Sight) -> Answer<BTreeMap<CheckName, Known>> {
        let (reply, answer) = oneshot::channel();
        let sight = sight.clone();
        let asked = self.links.probes.blocking_send(ToProbes::Known { sight, reply });
        asked.map_err(|_| ending())?;
        answer.blocking_recv().map_err(|_| ending())
    }
}

/// Says of configured checks of which type they are, and how long a look takes.
fn tell_looks(found: &mut [CheckSummary], known: &BTreeMap<CheckName, Known>) {
    for one in found {
        // The engine knows that somebody looks, and not how.
        let Some(place) = one.kinds.iter().position(|kind| kind == LOOK) else { continue };
        let Some(looks) = CheckName::new(&one.check).ok().and_then(|name| known.get(&name)) else {
            continue;
        };
        one.kinds.remove(place);
        one.kinds.extend(looks.kinds.iter().map(|kind| (*kind).to_owned()));
        one.kinds.sort_unstable();
        one.p95_seconds = looks.p95.map(|p95| p95.as_secs_f64());
    }
}

/// Returns one page of `checks`, which have passed the filter, as `row` makes them.
fn page<C: Listed, R>(
    checks: impl Iterator<Item = C>,
    query: &ChecksQuery,
    row: impl Fn(C) -> R,
) -> Page<R> {
    let most = limit(query.limit);
    let sort = query.sort.unwrap_or_default();
    let is_backwards = matches!(
        sort,
        CheckSort::HostBackwards | CheckSort::StateBackwards | CheckSort::ChangedBackwards
    );
    let order = |a: (i64, &str, &str), b: (i64, &str, &str)| {
        if is_backwards { b.cmp(&a) } else { a.cmp(&b) }
    };
    let after = query.cursor.as_ref().and_then(Cursor::name).and_then(read);
    let is_after = |(key, one): &(i64, C)| {
        after.is_none_or(|after| order((*key, one.host(), one.check()), after).is_gt())
    };
    let compare = |a: &(i64, C), b: &(i64, C)| {
        order((a.0, a.1.host(), a.1.check()), (b.0, b.1.host(), b.1.check()))
    };
    let checks = checks.map(|check| (key(sort, check), check)).filter(is_after);
    let (found, more) = paging::first(checks, most, compare);
    let last = found.last().filter(|_| more);
    let next = last
        .and_then(|(key, one)| Cursor::of_name(&format!("{key}\n{}\n{}", one.host(), one.check())));
    Page { items: found.into_iter().map(|(_, one)| row(one)).collect(), next }
}

/// A cursor is what the list is in order by; names are of printable characters.
fn read(cursor: &str) -> Option<(i64, &str, &str)> {
    let (key, rest) = cursor.split_once('\n')?;
    let (host, check) = rest.split_once('\n')?;
    Some((key.parse().ok()?, host, check))
}

fn key(sort: CheckSort, check: impl Listed) -> i64 {
    match sort {
        CheckSort::Host | CheckSort::HostBackwards => 0,
        CheckSort::State | CheckSort::StateBackwards => i64::from(check.status().place()),
        CheckSort::Changed | CheckSort::ChangedBackwards => check.changed().unwrap_or(0),
    }
}

/// Returns whether `q`, which is in small letters, is in one of its texts.
fn mentions(one: (HostView<'_>, CheckView<'_>), q: &Sought) -> bool {
    q.is_in(one.host()) || q.is_in(one.check()) || q.is_in(&one.1.shown())
}

fn row((host, check): (HostView<'_>, CheckView<'_>)) -> CheckRow {
    CheckRow {
        host: host.name().to_string(),
        check: check.name().to_string(),
        status: check.hard().into(),
        value: check.value(),
        unit: unit_of(check.name().as_str()).to_owned(),
        text: check.shown(),
        changed_at: check.changed_at().map(Into::into),
        seen_at: check.began_at().map(Into::into),
        incident: check.incident().map(|incident| incident.0),
    }
}

/// Returns what `checks`, each with what it is about, come to by name: the worst first.
fn by_name<'a, C: Listed>(checks: impl Iterator<Item = (C, Option<&'a str>)>) -> Vec<CheckSummary> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut found: Vec<(CheckSummary, i64)> = Vec::new();
    for (check, description) in checks {
        let place = if let Some(place) = places.get(check.check()) {
            *place
        } else {
            places.insert(check.check().to_owned(), found.len());
            found.push((nothing_of(check.check()), i64::MIN));
            found.len() - 1
        };
        let Some((one, changed)) = found.get_mut(place) else { continue };
        one.hosts += 1;
        one.host = (one.hosts == 1).then(|| check.host().to_owned());
        if !one.kinds.iter().any(|kind| kind == check.kind()) {
            one.kinds.push(check.kind().to_owned());
        }
        let every = check.every().map(|every| every.as_secs_f64());
        one.interval_seconds = match (one.interval_seconds, every) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        *match check.status() {
            Status::Critical => &mut one.critical,
            Status::Warning => &mut one.warning,
            Status::Unknown => &mut one.unknown,
            Status::Ok => &mut one.ok,
            Status::Pending => &mut one.pending,
        } += 1;
        if one.description.is_none() {
            one.description = description.map(str::to_owned);
        }
        if let Some(at) = check.changed().filter(|at| *at > *changed) {
            *changed = at;
            one.changed_at = Some(hark_model::Unix(at).into());
        }
    }
    let mut found: Vec<CheckSummary> = found.into_iter().map(|(one, _)| one).collect();
    found.sort_by(|a, b| {
        let rank = |one: &CheckSummary| Reverse((one.critical, one.warning, one.unknown));
        rank(a).cmp(&rank(b)).then_with(|| a.check.cmp(&b.check))
    });
    found
}

fn nothing_of(check: &str) -> CheckSummary {
    CheckSummary {
        check: check.to_owned(),
        description: None,
        kinds: Vec::new(),
        interval_seconds: None,
        p95_seconds: None,
        host: None,
        hosts: 0,
        critical: 0,
        warning: 0,
        unknown: 0,
        ok: 0,
        pending: 0,
        changed_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct One(&'static str, &'static str, Status, Option<i64>);

    impl Listed for One {
        fn host(&self) -> &str {
            self.0
        }

        fn check(&self) -> &str {
            self.1
        }

        fn status(&self) -> Status {
            self.2
        }

        fn changed(&self) -> Option<i64> {
            self.3
        }

        fn kind(&self) -> &'static str {
            if self.1 == "shop" { LOOK } else { "limit" }
        }

        fn every(&self) -> Option<Duration> {
            (self.0 != "db1").then(|| Duration::from_secs(if self.0 == "web1" { 60 } else { 15 }))
        }
    }

    const CHECKS: [One; 6] = [
        One("db1", "disk_monitor./var lib.percent", Status::Ok, Some(900)),
        One("db1", "host", Status::Ok, Some(70)),
        One("web1", "host", Status::Critical, Some(1000)),
        One("web1", "shop", Status::Pending, None),
        One("web2", "host", Status::Critical, Some(2000)),
        One("web2", "shop", Status::Warning, Some(1000)),
    ];

    fn walk(sort: CheckSort) -> Vec<String> {
        paging::all_of(|cursor| {
            let sort = Some(sort);
            let query = ChecksQuery { sort, limit: Some(2), cursor, ..ChecksQuery::default() };
            page(CHECKS.into_iter(), &query, |one| format!("{} {}", one.0, one.1))
        })
    }

    #[test]
    fn pages_are_the_whole_list_in_each_order() {
        let (disk, web1, web2) = ("db1 disk_monitor./var lib.percent", "web1 host", "web2 host");
        let (db1, shop1, shop2) = ("db1 host", "web1 shop", "web2 shop");
        for (sort, expected) in [
            (CheckSort::Host, [disk, db1, web1, shop1, web2, shop2]),
            (CheckSort::HostBackwards, [shop2, web2, shop1, web1, db1, disk]),
            (CheckSort::State, [web1, web2, shop2, shop1, disk, db1]),
            (CheckSort::StateBackwards, [db1, disk, shop1, shop2, web2, web1]),
            (CheckSort::Changed, [shop1, db1, disk, web1, shop2, web2]),
            (CheckSort::ChangedBackwards, [web2, shop2, web1, disk, db1, shop1]),
        ] {
            assert_eq!(walk(sort), expected, "{sort:?}");
        }
    }

    #[test]
    fn checks_of_one_name_are_counted_and_the_worst_stand_first() {
        let told = |one: One| (one, (one.1 == "shop").then_some("Whether people can buy"));
        let found = by_name(CHECKS.into_iter().map(told));
        let names: Vec<&str> = found.iter().map(|one| one.check.as_str()).collect();
        assert_eq!(names, ["host", "shop", "disk_monitor./var lib.percent"]);
        let (host, shop) = (&found[0], &found[1]);
        assert_eq!((host.hosts, host.critical, host.ok, host.pending), (3, 2, 1, 0));
        assert_eq!(host.changed_at, Some(hark_model::Unix(2000).into()));
        assert_eq!((shop.hosts, shop.warning, shop.pending), (2, 1, 1));
        assert_eq!(shop.description.as_deref(), Some("Whether people can buy"));
        assert_eq!(found[2].changed_at, Some(hark_model::Unix(900).into()));
        assert_eq!((host.interval_seconds, &host.host), (Some(15.0), &None));
        assert_eq!((found[2].interval_seconds, found[2].host.as_deref()), (None, Some("db1")));
        assert_eq!(host.kinds, ["limit"]);
    }

    #[test]
    fn who_looks_says_of_which_type_a_check_is_and_how_long_it_takes() {
        let mut found = by_name(CHECKS.into_iter().map(|one| (one, None)));
        let looks = Known { kinds: ["http", "dns"].into(), p95: Some(Duration::from_millis(250)) };
        let named = |name: &str| (CheckName::new(name).unwrap(), looks.clone());
        // One of a name that nobody looks at is what the engine says.
        tell_looks(&mut found, &[named("shop"), named("host")].into());
        let of = |name: &str| found.iter().find(|one| one.check == name).unwrap();
        assert_eq!(
            (of("shop").kinds.join(" ").as_str(), of("shop").p95_seconds),
            ("dns http", Some(0.25))
        );
        assert_eq!((of("host").kinds.join(" ").as_str(), of("host").p95_seconds), ("limit", None));
    }
}
