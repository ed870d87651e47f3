//! What happened on hosts, as programs read it.

use hark_api::events::{Happened, HappenedQuery};
use hark_api::list::{Page, limit};
use hark_api::sought::Sought;
use hark_model::{HostName, Unix};
use hark_store::state::EventRecord;
use hark_web::{Answer, Sight};

use super::{ServerBackend, paging};
use crate::server::happened;
use crate::server::topics::Topics;

impl ServerBackend {
    pub(super) fn events_of_hosts(
        &self,
        sight: &Sight,
        query: &HappenedQuery,
    ) -> Answer<Page<Happened>> {
        let topics = Topics::of(&query.topics);
        let q = query.q.as_deref().map(Sought::new);
        let wanted = |record: &EventRecord| {
            sight.covers(record.host.as_str())
                && query.host.as_ref().is_none_or(|host| record.host.as_str() == host)
                && topics.want(&record.event)
                && q.as_ref().is_none_or(|q| mentions(record, q))
        };
        // A host's own are found by an index, also long ago.
        let of_host = query.host.as_ref().and_then(|host| HostName::new(host).ok());
        let moment = |seconds: i64| Unix(seconds.saturating_mul(1000));
        let span =
            (query.from.map_or(Unix(i64::MIN), moment), query.to.map_or(Unix(i64::MAX), moment));
        paging::scan(
            limit(query.limit),
            paging::place(query.cursor.as_ref(), query.sort),
            |(place, _): &(u64, EventRecord)| *place,
            |from, most| {
                self.read(|reader| match &of_host {
                    Some(host) => reader.events_of(host, span, from, most),
                    None => reader.events_at(from, most),
                })
            },
            |chunk| {
                let wanted = chunk.iter().filter(|(_, record)| wanted(record));
                Ok(wanted.map(|(place, record)| (*place, shown(record))).collect())
            },
        )
    }
}

/// Returns whether the event has `q` in it.
fn mentions(record: &EventRecord, q: &Sought) -> bool {
    let EventRecord { host, event, .. } = record;
    let has = |text: &str| q.is_in(text);
    has(host.as_str())
        || has(event.kind.word())
        || has(&event.text)
        || event.tags.iter().any(|tag| has(tag))
}

/// Returns an event as it is shown to programs.
pub(crate) fn shown(record: &EventRecord) -> Happened {
    let EventRecord { uid, host, event, count, hops, .. } = record;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age fit 53 bits")]
    let at_unix_s = event.at.0 as f64 / 1000.0;
    Happened {
        uid: uid.to_string(),
        host: host.to_string(),
        at_unix_s,
        kind: event.kind.word().to_owned(),
        severity: event.severity.word().to_owned(),
        text: event.text.clone(),
        tags: event.tags.clone(),
        data: happened::data(event),
        count: *count,
        hops: hops.clone(),
    }
}
