//! Messages on their way and arrived, with their tries.

use std::time::Duration;

use hark_api::deliveries::{
    DeliveriesQuery, Delivery, DeliveryDetail, DeliveryState as ApiState, Retried,
};
use hark_api::list::{Page, limit};
use hark_api::sought::Sought;
use hark_model::record::{DeliveryRecord, DeliveryState};
use hark_model::{Clock, DeliveryId, IncidentId, ReceiverName, Unix};
use hark_notify::delivery::is_settled;
use hark_notify::outbox::Hurried;
use hark_store::state::{DeliveryFilter, DeliveryView};
use hark_web::{Answer, Refused, Sight};
use tokio::sync::oneshot;

use super::{ServerBackend, ending, paging, words};
use crate::server::outbox::ToOutbox;

/// How much earlier than an older message a newer one may have been decided: numbers rise, the wall
/// clock may go back.
const CLOCK: Duration = Duration::from_hours(1);

impl ServerBackend {
    pub(super) fn messages(
        &self,
        sight: &Sight,
        query: &DeliveriesQuery,
    ) -> Answer<Page<Delivery>> {
        let view = match query.state {
            None => DeliveryView::All,
            Some(ApiState::Queued) => DeliveryView::Queued,
            Some(ApiState::Retry) => DeliveryView::Retry,
            Some(ApiState::Sent) => DeliveryView::Sent,
            Some(ApiState::Dead) => DeliveryView::Dead,
            Some(ApiState::Superseded) => DeliveryView::Superseded,
        };
        // What is no name of a receiver is that of none.
        let receiver = query.receiver.as_deref().map(ReceiverName::new).transpose();
        let Ok(receiver) = receiver else { return Ok(Page::whole(Vec::new())) };
        let filter = DeliveryFilter { receiver, incident: query.incident.map(IncidentId) };
        let since = query.since.map(|since| since.0);
        let q = query.q.as_deref().map(Sought::new);
        let is_backwards = query.sort.is_none_or(|sort| sort.is_backwards);
        paging::scan(
            limit(query.limit),
            paging::place(query.cursor.as_ref(), query.sort),
            |row: &DeliveryRecord| row.notification.id.0,
            |place, most| {
                let rows = self.read(|r| r.deliveries_of(view, &filter, place, most))?;
                // Older ones follow, or newer ones: then none is the last that is new enough.
                let newest = rows.first().filter(|_| is_backwards).map(|row| row.notification.at);
                let is_over = newest.zip(since).is_some_and(|(at, since)| at + CLOCK < since);
                Ok(if is_over { Vec::new() } else { rows })
            },
            |chunk| {
                let wanted = chunk.iter().filter(|row| {
                    since.is_none_or(|since| row.notification.at >= since)
                        && sight.covers(row.notification.host.as_str())
                        && q.as_ref().is_none_or(|q| mentions(row, q))
                });
                Ok(wanted.map(|row| (row.notification.id.0, self.shown(row))).collect())
            },
        )
    }

    pub(super) fn message(&self, sight: &Sight, id: DeliveryId) -> Answer<DeliveryRecord> {
        let before = Some(DeliveryId(id.0.saturating_add(1)));
        let found = self.read(|reader| reader.deliveries(DeliveryView::All, before, 1))?;
        let row = found.into_iter().find(|r| r.notification.id == id).ok_or(Refused::Absent)?;
        if !sight.covers(row.notification.host.as_str()) {
            return Err(Refused::Absent);
        }
        Ok(row)
    }

    pub(super) fn message_detail(&self, sight: &Sight, id: DeliveryId) -> Answer<DeliveryDetail> {
        let row = self.message(sight, id)?;
        let tries = self.read(|reader| reader.attempts(id))?;
        Ok(DeliveryDetail {
            row: self.shown(&row),
            tries: tries.into_iter().map(Into::into).collect(),
            waits: !is_settled(&row.state),
            exchanges_hidden: false,
        })
    }

    pub(super) fn hurry_message(&self, id: DeliveryId) -> Answer<Retried> {
        let (to, answer) = oneshot::channel();
        let asked = self.links.outbox.blocking_send(ToOutbox::Hurry(id, to));
        asked.map_err(|_gone| ending())?;
        match answer.blocking_recv().map_err(|_gone| ending())? {
            Hurried::Due => Ok(Retried { under_way: false, next: false }),
            Hurried::Next => Ok(Retried { under_way: false, next: true }),
            Hurried::UnderWay => Ok(Retried { under_way: true, next: false }),
            Hurried::Gone => {
                let what = "this message does not wait: it arrived, was given up, or was replaced";
                Err(Refused::Conflict(what.to_owned()))
            }
        }
    }

    pub(super) fn shown(&self, record: &DeliveryRecord) -> Delivery {
        let receivers = self.receivers.load();
        let kind = receivers.find(&record.notification.receiver).map_or("", |c| c.kind);
        let mut shown = words::delivery(record, kind);
        let trial_at = self.links.telling.of(&record.notification.receiver).trial_at;
        shown.next_try_at = next_try(&record.state, trial_at, Clock.now().unix).map(Into::into);
        shown
    }
}

/// Returns when a message is tried next: what waits for a failing receiver is not tried before that is. A time
/// that is over says nothing: the message waits behind others.
fn next_try(state: &DeliveryState, trial_at: Option<Unix>, now: Unix) -> Option<Unix> {
    let at = match state {
        DeliveryState::Retry { at } => Some((*at).max(trial_at.unwrap_or(*at))),
        DeliveryState::Queued => trial_at,
        DeliveryState::Leased { .. }
        | DeliveryState::Sent { .. }
        | DeliveryState::Dead { .. }
        | DeliveryState::Superseded { .. } => None,
    };
    at.filter(|at| *at > now)
}

/// Returns whether the message has `q`, in small letters, in it.
fn mentions(row: &DeliveryRecord, q: &Sought) -> bool {
    let n = &row.notification;
    let has = |text: &str| q.is_in(text);
    has(n.host.as_str())
        || n.check.as_ref().is_some_and(|check| has(check.as_str()))
        || [n.receiver.as_str(), n.reason.word(), &n.summary, &row.last_error].into_iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_by_what_its_line_says() {
        let mut notification = hark_notify::samples().swap_remove(0);
        notification.receiver = ReceiverName::new("ops").unwrap();
        notification.summary = "CRITICAL: db1 - disk = 98.1".to_owned();
        let row = DeliveryRecord {
            notification,
            state: DeliveryState::Queued,
            attempts: 1,
            last_error: "connection Refused".to_owned(),
            took_ms: 0,
        };
        for (q, expected) in
            [("ops", true), ("98.1", true), ("critical", true), ("refused", true), ("oops", false)]
        {
            assert_eq!(mentions(&row, &Sought::new(q)), expected, "{q}");
        }
        assert!(mentions(&row, &Sought::new(row.notification.reason.word())));
    }

    #[test]
    fn nothing_is_tried_in_the_past_nor_before_its_receiver_is() {
        let now = Unix(1_000);
        let retry = |at: i64| DeliveryState::Retry { at: Unix(at) };
        for (state, trial_at, expected) in [
            (retry(1_500), None, Some(1_500)),
            (retry(900), None, None),
            (retry(900), Some(2_000), Some(2_000)),
            (retry(2_500), Some(2_000), Some(2_500)),
            (DeliveryState::Queued, None, None),
            (DeliveryState::Queued, Some(2_000), Some(2_000)),
            (DeliveryState::Queued, Some(900), None),
            (DeliveryState::Leased { until: Unix(5_000) }, Some(2_000), None),
            (DeliveryState::Sent { at: Unix(5_000) }, Some(2_000), None),
        ] {
            let found = next_try(&state, trial_at.map(Unix), now);
            assert_eq!(found, expected.map(Unix), "{state:?} {trial_at:?}");
        }
    }
}
