//! What receivers were told in their own right: whoever hears of a problem himself needs nobody's copy of it.

use std::collections::BTreeMap;

use hark_model::record::{DeliveryId, DeliveryRecord, DeliveryState, IncidentId};
use hark_model::{Notification, ReceiverName, Status};

use crate::delivery::handed_from;

/// Bound on the incidents of one receiver that are known: more than are open anywhere, and ended ones stay, since
/// the end may have to be handed over later. Of the oldest, which go first, a copy may come.
const MAX_INCIDENTS: usize = 65_536;

/// The newest message of each incident to each receiver that is its own, and not one handed over to it.
#[derive(Debug, Default)]
pub(super) struct Own(BTreeMap<ReceiverName, BTreeMap<IncidentId, (DeliveryId, Status)>>);

impl Own {
    /// Takes a row.
    pub(super) fn note(&mut self, row: &DeliveryRecord) {
        let n = &row.notification;
        let Some(incident) = n.incident.filter(|_| handed_from(n).is_none()) else { return };
        if matches!(row.state, DeliveryState::Dead { .. } | DeliveryState::Superseded { .. }) {
            return;
        }
        let known = self.0.entry(n.receiver.clone()).or_default();
        let newest = known.entry(incident).or_insert((n.id, n.status));
        if n.id >= newest.0 {
            *newest = (n.id, n.status);
        }
        if known.len() > MAX_INCIDENTS {
            known.pop_first();
        }
    }

    /// Returns true if a receiver is told by a message of its own what `n` says.
    pub(super) fn knows(&self, receiver: &ReceiverName, n: &Notification) -> bool {
        let newest = n.incident.and_then(|incident| self.0.get(receiver)?.get(&incident));
        newest.is_some_and(|(_, status)| *status == n.status)
    }
}

#[cfg(test)]
mod tests {
    use hark_model::Reason;

    use super::*;
    use crate::delivery::hand_over;
    use crate::delivery::tests::row;

    fn name(text: &str) -> ReceiverName {
        ReceiverName::new(text).unwrap()
    }

    fn about(id: u64, incident: u64, status: Status) -> DeliveryRecord {
        let mut row = row(id, Reason::Problem, status, None);
        row.notification.incident = Some(IncidentId(incident));
        row.notification.receiver = name("hook");
        row
    }

    #[test]
    fn a_receiver_knows_what_its_own_newest_message_says() {
        let mut own = Own::default();
        own.note(&about(4, 1, Status::Critical));
        own.note(&about(2, 1, Status::Warning));
        let asked = |status| about(9, 1, status).notification;
        assert!(own.knows(&name("hook"), &asked(Status::Critical)));
        assert!(!own.knows(&name("hook"), &asked(Status::Warning)), "that was before");
        assert!(!own.knows(&name("ops"), &asked(Status::Critical)));
        assert!(!own.knows(&name("hook"), &about(9, 2, Status::Critical).notification));
    }

    #[test]
    fn what_was_handed_over_or_given_up_is_not_its_own() {
        let mut own = Own::default();
        let mut handed = about(1, 1, Status::Critical);
        handed.notification = hand_over(&handed.notification, &name("hook"));
        own.note(&handed);
        let dead = DeliveryState::Dead { at: hark_model::Unix(1) };
        own.note(&DeliveryRecord { state: dead, ..about(2, 1, Status::Critical) });
        assert!(!own.knows(&name("hook"), &about(9, 1, Status::Critical).notification));
    }

    #[test]
    fn the_oldest_incident_makes_room() {
        let mut own = Own::default();
        for incident in 0..=MAX_INCIDENTS as u64 {
            own.note(&about(incident + 1, incident, Status::Critical));
        }
        assert!(!own.knows(&name("hook"), &about(9, 0, Status::Critical).notification));
        assert!(own.knows(&name("hook"), &about(9, 1, Status::Critical).notification));
    }
}
