//! Who an agent is: opens a session.

use std::collections::BTreeMap;

use hark_model::name::HostName;
use hark_model::record::HostRecord;
use hark_model::time::Unix;
use minicbor::{Decode, Encode};

use super::{Content, MAX_HELLO, TooLong, cbor, from_cbor};
use crate::header::Kind;
use crate::refused::Refused;

/// The longest name of a fact in bytes; longer ones are left out.
const MAX_FACT_NAME: usize = 64;

/// An agent introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The host it speaks for. In simple mode the same name stands in clear.
    pub host: HostName,
    /// The agent's version.
    pub version: String,
    /// How often it will send, in milliseconds.
    pub interval_ms: u32,
    /// The epoch of its report items.
    pub epoch: u64,
    /// When the machine booted, if it is known.
    pub booted_at: Option<Unix>,
    /// When the agent started.
    pub started_at: Unix,
    /// The set numbers it will use, so that the server asks at once for those it does not know.
    pub sets: Vec<u32>,
    /// Facts about the host; what does not fit goes into a report.
    pub facts: BTreeMap<String, String>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Wire<'b> {
    #[b(0)]
    host: &'b str,
    #[b(1)]
    version: Option<&'b str>,
    #[n(2)]
    interval_ms: u32,
    #[n(3)]
    epoch: u64,
    #[n(4)]
    booted_at: Option<i64>,
    #[n(5)]
    started_at: Option<i64>,
    #[n(6)]
    sets: Option<Vec<u32>>,
    #[b(7)]
    facts: Option<BTreeMap<&'b str, &'b str>>,
}

impl Hello {
    /// Returns the content.
    ///
    /// # Errors
    /// If it does not fit; the caller leaves out facts, which can travel in a report as well.
    pub fn encode(&self) -> Result<Content, TooLong> {
        let facts = self.facts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let bytes = cbor(&Wire {
            host: self.host.as_str(),
            version: Some(&self.version),
            interval_ms: self.interval_ms,
            epoch: self.epoch,
            booted_at: self.booted_at.map(|at| at.0),
            started_at: Some(self.started_at.0),
            sets: Some(self.sets.clone()),
            facts: Some(facts.collect()),
        });
        if bytes.len() > MAX_HELLO {
            return Err(TooLong { len: bytes.len(), max: MAX_HELLO });
        }
        Ok(Content::new(Kind::Hello, bytes))
    }

    pub(super) fn decode(content: &[u8]) -> Result<Self, Refused> {
        let wire: Wire<'_> = from_cbor(content)?;
        Ok(Self {
            host: HostName::new(wire.host).map_err(|_| Refused::Malformed)?,
            version: wire.version.unwrap_or_default().to_owned(),
            interval_ms: wire.interval_ms,
            epoch: wire.epoch,
            booted_at: wire.booted_at.map(Unix),
            started_at: Unix(wire.started_at.unwrap_or_default()),
            sets: wire.sets.unwrap_or_default(),
            facts: facts(wire.facts.unwrap_or_default()),
        })
    }
}

/// Keeps the facts that have a name, as many as a host may have.
pub(super) fn facts<'b>(
    pairs: impl IntoIterator<Item = (&'b str, &'b str)>,
) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .filter(|(name, _)| !name.is_empty() && name.len() <= MAX_FACT_NAME)
        .take(HostRecord::MAX_FACTS)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hello() -> Hello {
        Hello {
            host: HostName::new("db-1.example.net").unwrap(),
            version: "0.1.0".to_owned(),
            interval_ms: 10_000,
            epoch: 7,
            booted_at: Some(Unix(1_700_000_000_000)),
            started_at: Unix(1_700_000_100_000),
            sets: vec![1, u32::MAX],
            facts: BTreeMap::from([("os".to_owned(), "Debian 12".to_owned())]),
        }
    }

    #[test]
    fn comes_back_padded_or_not() {
        let content = hello().encode().unwrap();
        let mut bytes = content.bytes().to_vec();
        assert_eq!(Hello::decode(&bytes), Ok(hello()));
        bytes.resize(bytes.len() + 100, 0);
        assert_eq!(Hello::decode(&bytes), Ok(hello()));
    }

    #[test]
    fn too_many_facts_do_not_fit() {
        let mut long = hello();
        long.facts.insert("kernel".to_owned(), "x".repeat(MAX_HELLO));
        let error = long.encode().unwrap_err();
        assert!(error.len > error.max);
    }

    #[test]
    fn unknown_fields_are_skipped_and_missing_ones_refused() {
        // {0: "a", 2: 1, 3: 2, 99: [[1], {"x": 3}]}
        let later = b"\xa4\x00\x61a\x02\x01\x03\x02\x18\x63\x82\x81\x01\xa1\x61x\x03";
        let read = Hello::decode(later).unwrap();
        assert_eq!((read.host.as_str(), read.interval_ms, read.epoch), ("a", 1, 2));
        assert_eq!(Hello::decode(b"\xa2\x00\x61a\x02\x01"), Err(Refused::Malformed));
        assert_eq!(Hello::decode(b"\xa3\x00\x61 \x02\x01\x03\x02"), Err(Refused::Malformed));
    }

    #[test]
    fn a_count_that_promises_too_much_is_refused_without_room_for_it() {
        // {0: "a", 2: 1, 3: 2, 6: [2^32 elements ...
        let liar = b"\xa4\x00\x61a\x02\x01\x03\x02\x06\x9a\xff\xff\xff\xff\x01";
        assert_eq!(Hello::decode(liar), Err(Refused::Malformed));
    }

    proptest! {
        #[test]
        fn any_hello_that_fits_comes_back(
            host in "[a-z0-9.-]{1,40}", version in ".{0,20}", interval_ms: u32, epoch: u64,
            booted_at in prop::option::of(any::<i64>()), started_at: i64,
            sets in prop::collection::vec(any::<u32>(), 0..20),
            facts in prop::collection::btree_map("[a-z_]{1,12}", "[ -~]{0,30}", 0..8),
        ) {
            let hello = Hello {
                host: HostName::new(&host).unwrap(), version, interval_ms, epoch,
                booted_at: booted_at.map(Unix), started_at: Unix(started_at), sets, facts,
            };
            if let Ok(content) = hello.encode() {
                prop_assert_eq!(Hello::decode(content.bytes()), Ok(hello));
            }
        }
    }
}
