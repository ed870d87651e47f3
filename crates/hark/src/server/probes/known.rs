//! What is known of the configured checks by name: of which types they are, and how long looks take.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hark_model::{CheckName, HostName};
use hark_web::Sight;

use super::took::{Newest, p95};

/// What is known of the configured checks of one name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    /// The types of the checks.
    pub(crate) kinds: BTreeSet<&'static str>,
    /// What 95 of 100 looks took at most, of the newest at each; none if this server has not looked yet.
    pub(crate) p95: Option<Duration>,
}

/// Returns what is known, by name, of the checks of hosts within `sight`: `all` of them with their types, whoever
/// looks, and how long those `watched` here took. How slow others' hosts are is nobody's business.
pub(super) fn known<'c>(
    sight: &Sight,
    all: impl Iterator<Item = (&'c HostName, &'c CheckName, &'static str)>,
    watched: impl Iterator<Item = (&'c HostName, &'c CheckName, &'c Newest)>,
) -> BTreeMap<CheckName, Known> {
    let mut found: BTreeMap<&CheckName, (BTreeSet<&'static str>, Vec<u32>)> = BTreeMap::new();
    for (_, name, kind) in all.filter(|(host, ..)| sight.covers(host.as_str())) {
        found.entry(name).or_default().0.insert(kind);
    }
    for (_, name, newest) in watched.filter(|(host, ..)| sight.covers(host.as_str())) {
        found.entry(name).or_default().1.extend(newest.all());
    }
    let known =
        |(name, (kinds, took)): (&CheckName, _)| (name.clone(), Known { kinds, p95: p95(took) });
    found.into_iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sees_some_hosts_is_told_of_those_alone() {
        let host = |name: &str| HostName::new(name).unwrap();
        let (web1, web2, db1) = (host("web1"), host("web2"), host("db1"));
        let [shop, mail] = ["shop", "mail"].map(|name| CheckName::new(name).unwrap());
        let took = |ms: u64| {
            let mut newest = Newest::default();
            newest.note(Duration::from_millis(ms));
            newest
        };
        let (fast, slow, never) = (took(10), took(5000), Newest::default());
        let told = |sight: &Sight| {
            let all = [(&web1, &shop, "http"), (&web2, &shop, "dns"), (&db1, &mail, "tcp")];
            let watched = [(&web1, &shop, &fast), (&web2, &shop, &slow), (&db1, &mail, &never)];
            let found = known(sight, all.into_iter(), watched.into_iter());
            let row = |(name, of): (&CheckName, &Known)| {
                let ms = of.p95.map(|p95| p95.as_millis());
                (name.to_string(), of.kinds.iter().copied().collect::<Vec<_>>().join(" "), ms)
            };
            found.iter().map(row).collect::<Vec<_>>()
        };
        let row = |name: &str, kinds: &str, ms| (name.to_owned(), kinds.to_owned(), ms);
        assert_eq!(
            told(&Sight::Everything),
            [row("mail", "tcp", None), row("shop", "dns http", Some(5000))]
        );
        assert_eq!(told(&Sight::Hosts([web1.clone()].into())), [row("shop", "http", Some(10))]);
        assert_eq!(told(&Sight::Hosts([db1.clone()].into())), [row("mail", "tcp", None)]);
        assert_eq!(told(&Sight::Hosts([].into())), []);
    }
}
