//! The list of agents, page by page, in any order. Of ten thousand agents those alone become rows, and the
//! engine is asked for the versions of those alone, that the page shows.

use hark_api::agents::{AgentField, AgentSort, AgentsQuery};
use hark_api::list::{Cursor, Page, Sort, limit};
use hark_api::sought::Sought;

use super::paging;
use crate::server::intake::{AgentFacts, Mode};

/// The longest key in characters: it stands in a cursor beside the name. Versions that are alike so far are by host.
const MOST_OF_KEY: usize = 200;

/// What ingest knows of an agent, and its version where it is known.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) facts: AgentFacts,
    pub(super) version: String,
}

/// What an agent is put in order by: within it by host.
type Key = String;

/// The order of a list that nobody gave one.
pub(super) fn sort_of(query: &AgentsQuery) -> AgentSort {
    query.sort.unwrap_or(Sort::by(AgentField::Host))
}

/// Returns whether the versions of all agents must be known, not of those of the page alone.
pub(super) fn needs_versions(query: &AgentsQuery) -> bool {
    query.q.is_some() || sort_of(query).by == AgentField::Version
}

/// Returns one page of `all`; without a limit all that the filter leaves.
pub(super) fn page(all: Vec<Known>, query: &AgentsQuery) -> Page<Known> {
    let most = query.limit.map_or(all.len().max(1), |_| limit(query.limit));
    let sort = sort_of(query);
    let q = query.q.as_deref().map(Sought::new);
    let after = query.cursor.as_ref().and_then(Cursor::name).map(read);
    let order = |a: (&str, &str), b: (&str, &str)| {
        if sort.is_backwards { b.cmp(&a) } else { a.cmp(&b) }
    };
    let name = |known: &Known| known.facts.name.clone();
    let keyed = all
        .into_iter()
        .filter(|known| q.as_ref().is_none_or(|q| mentions(known, q)))
        .map(|known| (key(sort.by, &known), known))
        .filter(|(key, known)| {
            after.is_none_or(|after| order((key, known.facts.name.as_str()), after).is_gt())
        });
    let (found, more) = paging::first(keyed, most, |a, b| {
        order((&a.0, a.1.facts.name.as_str()), (&b.0, b.1.facts.name.as_str()))
    });
    let last = found.last().filter(|_| more);
    let next = last.and_then(|(key, known)| Cursor::of_name(&format!("{key} {}", name(known))));
    Page { items: found.into_iter().map(|(_, known)| known).collect(), next }
}

/// A cursor is the key and the name. Names have no spaces; a version may.
fn read(cursor: &str) -> (&str, &str) {
    cursor.rsplit_once(' ').unwrap_or(("", cursor))
}

fn key(by: AgentField, known: &Known) -> Key {
    let facts = &known.facts;
    match by {
        AgentField::Host => Key::new(),
        AgentField::Mode => mode(facts.mode).to_owned(),
        AgentField::Version => known.version.chars().take(MOST_OF_KEY).collect(),
        AgentField::LastSeen => facts.last_seen.map_or_else(last, |at| whole(at.0)),
        AgentField::Address => address(facts).map_or_else(last, |ip| ip.to_string()),
        AgentField::Loss => facts.loss.map_or_else(last, number),
        AgentField::RoundTrip => facts.rtt_us.map_or_else(last, |us| whole(us.into())),
        AgentField::Skew => facts.last_seen.map_or_else(last, |_| whole(facts.skew_ms)),
        AgentField::Duplicates => whole(facts.duplicates.into()),
    }
}

/// What has no value comes behind all that has one.
fn last() -> Key {
    "~".to_owned()
}

/// Of all lengths alike, so that texts are in the order of the numbers.
fn whole(number: i64) -> Key {
    format!("{:016x}", number.cast_unsigned() ^ (1 << 63))
}

/// As [`whole`]: of two numbers that are not negative the larger one has the larger bits.
fn number(number: f64) -> Key {
    format!("{:016x}", number.max(0.0).to_bits())
}

/// Returns where the agent last sent from.
pub(super) fn address(facts: &AgentFacts) -> Option<std::net::IpAddr> {
    facts.address.map(|address| address.ip().to_canonical())
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enrolled => "enrolled",
        Mode::Shared => "shared",
    }
}

fn mentions(known: &Known, q: &Sought) -> bool {
    q.is_in(known.facts.name.as_str())
        || q.is_in(&known.version)
        || q.is_in(mode(known.facts.mode))
        || address(&known.facts).is_some_and(|address| q.is_in_address(address))
}

#[cfg(test)]
mod tests {
    use hark_model::{HostName, Unix};

    use super::*;

    fn agent(name: &str, version: &str, seen: Option<i64>, skew_ms: i64, loss: f64) -> Known {
        let address = seen.map(|_| format!("192.0.2.{}:50003", name.len()).parse().unwrap());
        let facts = AgentFacts {
            name: HostName::new(name).unwrap(),
            host: None,
            mode: if version.is_empty() { Mode::Shared } else { Mode::Enrolled },
            address,
            last_seen: seen.map(Unix),
            loss: Some(loss),
            skew_ms,
            rtt_us: None,
            duplicates: 0,
        };
        Known { facts, version: version.to_owned() }
    }

    fn agents() -> Vec<Known> {
        vec![
            agent("web10", "0.2.0", Some(900), -40, 0.0),
            agent("db", "0.1.0 beta", Some(70), 2, 0.5),
            agent("mail", "", None, 0, 0.0),
            agent("ns1", "0.10.0", Some(900), -3, 0.01),
            agent("dns", "0.1.0 beta", Some(1000), 70, 0.5),
        ]
    }

    fn walk(sort: &str, q: Option<&str>) -> Vec<String> {
        let sort = serde_json::from_value(serde_json::json!(sort)).unwrap();
        paging::all_of(|cursor| {
            // As a client hands it back.
            let text = serde_json::to_value(&cursor).unwrap();
            let query = AgentsQuery {
                q: q.map(str::to_owned),
                sort: Some(sort),
                cursor: serde_json::from_value(text).unwrap(),
                limit: Some(2),
            };
            let page = page(agents(), &query);
            let items = page.items.into_iter().map(|known| known.facts.name.to_string());
            Page { items: items.collect(), next: page.next }
        })
    }

    #[test]
    fn pages_are_the_whole_list_in_each_order() {
        for (sort, expected) in [
            ("host", ["db", "dns", "mail", "ns1", "web10"]),
            ("version", ["mail", "db", "dns", "ns1", "web10"]),
            ("last_seen_at", ["db", "ns1", "web10", "dns", "mail"]),
            ("clock_skew_seconds", ["web10", "ns1", "db", "dns", "mail"]),
            ("loss_ratio", ["mail", "web10", "ns1", "db", "dns"]),
            ("mode", ["db", "dns", "ns1", "web10", "mail"]),
            ("address", ["db", "dns", "ns1", "web10", "mail"]),
            ("rtt_seconds", ["db", "dns", "mail", "ns1", "web10"]),
            ("duplicates", ["db", "dns", "mail", "ns1", "web10"]),
        ] {
            assert_eq!(walk(sort, None), expected, "{sort}");
            let mut backwards = expected;
            backwards.reverse();
            assert_eq!(walk(&format!("-{sort}"), None), backwards, "-{sort}");
        }
    }

    #[test]
    fn an_agent_is_found_by_host_version_mode_and_address() {
        for (q, expected) in [
            ("NS", &["dns", "ns1"][..]),
            ("beta", &["db", "dns"]),
            ("shared", &["mail"]),
            ("192.0.2.5", &["web10"]),
            ("nobody", &[]),
        ] {
            assert_eq!(walk("host", Some(q)), expected, "{q}");
        }
    }

    #[test]
    fn without_a_limit_it_is_the_whole_list() {
        let all = page(agents(), &AgentsQuery::default());
        assert_eq!((all.items.len(), all.next), (5, None));
        assert!(page(Vec::new(), &AgentsQuery::default()).items.is_empty());
    }

    #[test]
    fn a_version_without_end_still_leaves_room_for_the_next_page() {
        let long = "v".repeat(3000);
        let all = vec![agent("a", &long, None, 0, 0.0), agent("b", &long, None, 0, 0.0)];
        let query = AgentsQuery {
            sort: Some(Sort::by(AgentField::Version)),
            limit: Some(1),
            ..AgentsQuery::default()
        };
        let first = page(all.clone(), &query);
        assert!(first.next.is_some());
        let second = page(all, &AgentsQuery { cursor: first.next, ..query });
        assert_eq!(second.items[0].facts.name.as_str(), "b");
    }
}
