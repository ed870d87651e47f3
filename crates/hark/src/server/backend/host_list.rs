//! The list of hosts, page by page, in any order. The engine waits for it, so rows are made of those alone
//! that the page shows.

use hark_api::hosts::{HostSort, HostsQuery};
use hark_api::list::{Cursor, Page, limit};
use hark_engine::view::HostView;

use super::paging;
use super::words::letter;
use hark_api::words::Letter;

/// What a host is put in order by: within it by name. It has no space.
type Key = String;

/// What the list needs of a host.
pub(super) trait Sorted: Copy {
    /// Its name.
    fn name(&self) -> &str;
    /// Its worst state.
    fn state(&self) -> Letter;
    /// When it was last heard, in milliseconds.
    fn heard(&self) -> Option<i64>;
}

impl Sorted for HostView<'_> {
    fn name(&self) -> &str {
        HostView::name(*self).as_str()
    }

    fn state(&self) -> Letter {
        letter(HostView::state(*self))
    }

    fn heard(&self) -> Option<i64> {
        self.last_heard().map(|at| at.0)
    }
}

/// Returns one page of `hosts`, which has passed the filter, as `row` makes them.
pub(super) fn page<H: Sorted, R>(
    hosts: impl Iterator<Item = H>,
    query: &HostsQuery,
    row: impl Fn(H) -> R,
) -> Page<R> {
    let most = limit(query.limit);
    let sort = query.sort.unwrap_or_default();
    let is_backwards = matches!(
        sort,
        HostSort::NameBackwards | HostSort::StateBackwards | HostSort::LastHeardBackwards
    );
    let after = query.cursor.as_ref().and_then(Cursor::name).map(read);
    let order = |a: (&str, &str), b: (&str, &str)| if is_backwards { b.cmp(&a) } else { a.cmp(&b) };
    let is_after =
        |(key, host): &(Key, H)| after.is_none_or(|after| order((key, host.name()), after).is_gt());
    let compare = |a: &(Key, H), b: &(Key, H)| order((&a.0, a.1.name()), (&b.0, b.1.name()));
    let hosts = hosts.map(|host| (key(sort, host), host)).filter(is_after);
    let (found, more) = paging::first(hosts, most, compare);
    let next = found
        .last()
        .filter(|_| more)
        .and_then(|(key, host)| Cursor::of_name(&write(key, host.name())));
    Page { items: found.into_iter().map(|(_, host)| row(host)).collect(), next }
}

/// A cursor is the key and the name. Names have no spaces; without a key it is the name alone.
fn write(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key} {name}") }
}

fn read(cursor: &str) -> (&str, &str) {
    cursor.split_once(' ').unwrap_or(("", cursor))
}

fn key(sort: HostSort, host: impl Sorted) -> Key {
    match sort {
        HostSort::Name | HostSort::NameBackwards => Key::new(),
        HostSort::State | HostSort::StateBackwards => {
            let rank = match host.state() {
                Letter::Critical => "0",
                Letter::Warning => "1",
                Letter::Unknown => "2",
                Letter::Maintenance => "3",
                Letter::None => "4",
                Letter::Ok => "5",
            };
            rank.to_owned()
        }
        // Of all lengths alike, so that texts are in the order of the numbers.
        HostSort::LastHeard | HostSort::LastHeardBackwards => {
            format!("{:020}", host.heard().unwrap_or(0).max(0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Host(&'static str, Letter, Option<i64>);

    impl Sorted for Host {
        fn name(&self) -> &str {
            self.0
        }

        fn state(&self) -> Letter {
            self.1
        }

        fn heard(&self) -> Option<i64> {
            self.2
        }
    }

    const HOSTS: [Host; 5] = [
        Host("db1", Letter::Ok, Some(900)),
        Host("web2", Letter::Critical, Some(1000)),
        Host("web1", Letter::Critical, None),
        Host("mail", Letter::Warning, Some(1000)),
        Host("dns", Letter::Ok, Some(70)),
    ];

    fn walk(sort: Option<HostSort>) -> Vec<&'static str> {
        paging::all_of(|cursor| {
            let query = HostsQuery { sort, limit: Some(2), cursor, ..HostsQuery::default() };
            page(HOSTS.into_iter(), &query, |host| host.0)
        })
    }

    #[test]
    fn pages_are_the_whole_list_in_each_order() {
        for (sort, expected) in [
            (None, ["db1", "dns", "mail", "web1", "web2"]),
            (Some(HostSort::NameBackwards), ["web2", "web1", "mail", "dns", "db1"]),
            (Some(HostSort::State), ["web1", "web2", "mail", "db1", "dns"]),
            (Some(HostSort::StateBackwards), ["dns", "db1", "mail", "web2", "web1"]),
            (Some(HostSort::LastHeard), ["web1", "dns", "db1", "mail", "web2"]),
            (Some(HostSort::LastHeardBackwards), ["web2", "mail", "db1", "dns", "web1"]),
        ] {
            assert_eq!(walk(sort), expected, "{sort:?}");
        }
    }
}
