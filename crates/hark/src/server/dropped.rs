//! Hosts that somebody dropped, remembered over a restart: for as long as they can come back, and until history has
//! taken the order that their samples go.

use anyhow::anyhow;
use hark_engine::DroppedHost;
use hark_model::record::HostRecord;
use hark_model::{HostId, HostName, Tag, Unix, UserName};
use hark_store::state::{Change, StateReader};
use serde_json::{Map, Value, json};

use super::store_loop::chain;

/// What stands before the number in the state's settings.
const NAME: &str = "dropped_host ";

/// The form in which they are written; one of a later form is left alone.
const VERSION: u64 = 1;

fn setting(host: HostId, value: Option<String>) -> Change {
    Change::Setting { name: format!("{NAME}{}", host.0), value }
}

/// Remembers one.
pub(super) fn remember(dropped: &DroppedHost) -> Change {
    let DroppedHost { host, by, at, until } = dropped;
    let tags: Vec<&str> = host.joined_tags.iter().map(Tag::as_str).collect();
    let text = json!({
        "v": VERSION, "name": host.name.as_str(), "interval_ms": host.interval_ms,
        "first_seen": host.first_seen.0, "last_heard": host.last_heard.map(|at| at.0),
        "address": host.address.map(|address| address.to_string()), "joined_tags": tags,
        "facts": host.facts, "by": by.as_str(), "at": at.0, "until": until.0,
    });
    setting(host.id, Some(text.to_string()))
}

/// Remembers one no longer: it is back, or its samples are ordered to go.
pub(super) fn forget(host: HostId) -> Change {
    setting(host, None)
}

/// Reads those that are remembered. One that cannot be read is said, and left alone.
pub(super) fn read(reader: &StateReader) -> anyhow::Result<Vec<DroppedHost>> {
    let rows = reader.settings_of(NAME);
    let rows = rows.map_err(|error| anyhow!("cannot read the state: {}", chain(&error)))?;
    let mut found = Vec::with_capacity(rows.len());
    for (number, text) in rows {
        match of_text(&number, &text) {
            Some(dropped) => found.push(dropped),
            None => {
                tracing::error!(
                    host = number,
                    "what is remembered of a dropped host is unreadable"
                );
            }
        }
    }
    Ok(found)
}

fn of_text(number: &str, text: &str) -> Option<DroppedHost> {
    let stored: Map<String, Value> = serde_json::from_str(text).ok()?;
    let word = |key: &str| stored.get(key)?.as_str();
    let time = |key: &str| Some(Unix(stored.get(key)?.as_i64()?));
    if stored.get("v")?.as_u64()? != VERSION {
        return None;
    }
    let tags = stored.get("joined_tags")?.as_array()?.iter();
    let tags: Option<Vec<Tag>> = tags.map(|tag| Tag::new(tag.as_str()?).ok()).collect();
    let facts = stored.get("facts")?.as_object()?.iter();
    let facts = facts.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let host = HostRecord {
        id: HostId(number.parse().ok()?),
        name: HostName::new(word("name")?).ok()?,
        interval_ms: stored.get("interval_ms")?.as_u64()?,
        first_seen: time("first_seen")?,
        last_heard: time("last_heard"),
        address: word("address").and_then(|address| address.parse().ok()),
        // Those of its file are told by the file.
        tags: Vec::new(),
        joined_tags: tags?,
        facts: facts.collect::<Option<_>>()?,
    };
    let by = UserName::new(word("by")?).ok()?;
    Some(DroppedHost { host, by, at: time("at")?, until: time("until")? })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hark_store::state::State;

    use super::*;

    fn dropped(number: u32) -> DroppedHost {
        DroppedHost {
            host: HostRecord {
                id: HostId(number),
                name: HostName::new(&format!("db{number}")).unwrap(),
                interval_ms: 15_000,
                first_seen: Unix(5),
                last_heard: (number != 2).then_some(Unix(77)),
                address: Some("192.0.2.7".parse().unwrap()),
                tags: Vec::new(),
                joined_tags: vec![Tag::new("role:db").unwrap()],
                facts: BTreeMap::from([("os".to_owned(), "Debian 12".to_owned())]),
            },
            by: UserName::new("mira").unwrap(),
            at: Unix(1000),
            until: Unix(3_601_000),
        }
    }

    #[test]
    fn they_are_read_as_they_were_until_they_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let all: Vec<Change> = (1..=12).map(|n| remember(&dropped(n))).collect();
        state.commit(&[], &all).unwrap();
        let reader = state.reader().unwrap();
        let sorted = || {
            let mut found = read(&reader).unwrap();
            found.sort_by_key(|dropped| dropped.host.id);
            found
        };
        assert_eq!(sorted(), (1..=12).map(dropped).collect::<Vec<_>>());
        let gone: Vec<Change> = (3..=12).map(|n| forget(HostId(n))).collect();
        state.commit(&[], &gone).unwrap();
        assert_eq!(sorted(), [dropped(1), dropped(2)]);
    }

    #[test]
    fn the_first_form_is_read_for_ever_and_another_is_left_alone() {
        let text = "{\"v\":1,\"name\":\"db1\",\"interval_ms\":15000,\"first_seen\":5,\"last_heard\":77,\
                    \"address\":\"192.0.2.7\",\"joined_tags\":[\"role:db\"],\"facts\":{\"os\":\"Debian 12\"},\
                    \"by\":\"mira\",\"at\":1000,\"until\":3601000}";
        assert_eq!(of_text("1", text), Some(dropped(1)));
        assert_eq!(of_text("1", &text.replace("\"v\":1", "\"v\":2")), None);
        assert_eq!(of_text("one", text), None);
        assert_eq!(of_text("1", "{}"), None);
    }
}
