//! What receivers were told in their own right: whoever hears of a problem himself needs nobody's copy of it.

use std::collections::BTreeMap;

use hark_model::record::{DeliveryId, DeliveryRecord, DeliveryState, IncidentId};
use hark_model::{Notification, ReceiverName, Status};

use crate::delivery::{handed_from, made_for};

/// Bound on the incidents of one receiver that are known: more than are open anywhere, and ended ones stay, since
/// the end may have to be handed over later. Of the oldest, which go first, a copy may come.
const MAX_INCIDENTS: usize = 65_536;

/// What was made for each receiver about each incident, whoever got it; not what was handed over to it.
#[derive(Debug, Default)]
pub(super) struct Own(BTreeMap<ReceiverName, BTreeMap<IncidentId, Newest>>);

/// The newest message of each kind that was not given up.
#[derive(Debug, Default)]
struct Newest {
    sent: Option<(DeliveryId, Status)>,
    waiting: Option<(DeliveryId, Status)>,
    /// Told to another in its place: a copy of the same would come to that one as well.
    handed: Option<(DeliveryId, Status)>,
}

impl Own {
    /// Takes a row as it stands by now. What was given up tells nobody anything, whatever was hoped of it before.
    pub(super) fn note(&mut self, row: &DeliveryRecord) {
        let n = &row.notification;
        let (Some(incident), Some(whose)) = (n.incident, made_for(n)) else { return };
        let is_handed = handed_from(n).is_some();
        let known = self.0.entry(whose).or_default();
        let about = known.entry(incident).or_default();
        let this = Some((n.id, n.status));
        let place = if is_handed { &mut about.handed } else { &mut about.waiting };
        match row.state {
            DeliveryState::Queued | DeliveryState::Leased { .. } | DeliveryState::Retry { .. } => {
                *place = this.max(*place);
            }
            DeliveryState::Sent { .. } if is_handed => *place = this.max(*place),
            DeliveryState::Sent { .. } => {
                place.take_if(|(id, _)| *id == n.id);
                about.sent = this.max(about.sent);
            }
            DeliveryState::Dead { .. } | DeliveryState::Superseded { .. } => {
                place.take_if(|(id, _)| *id == n.id);
            }
        }
        if about.newest().is_none() {
            known.remove(&incident);
        }
        if known.len() > MAX_INCIDENTS {
            known.pop_first();
        }
    }

    /// Takes a stand-in that has no row yet: until it is committed and comes here as one, nobody else is to get a
    /// copy either. Its number is that of the message that it stands in for.
    pub(super) fn hands(&mut self, stand_in: &Notification) {
        let (Some(incident), Some(whose)) = (stand_in.incident, made_for(stand_in)) else { return };
        let about = self.0.entry(whose).or_default().entry(incident).or_default();
        about.handed = about.handed.max(Some((stand_in.id, stand_in.status)));
    }

    /// Returns true if a receiver is told what `n` says by a message of its own, or another is in its place.
    pub(super) fn knows(&self, receiver: &ReceiverName, n: &Notification) -> bool {
        let about = n.incident.and_then(|incident| self.0.get(receiver)?.get(&incident));
        about.and_then(Newest::newest).is_some_and(|(_, status)| status == n.status)
    }
}

impl Newest {
    fn newest(&self) -> Option<(DeliveryId, Status)> {
        self.sent.max(self.waiting).max(self.handed)
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

    fn dead() -> DeliveryState {
        DeliveryState::Dead { at: hark_model::Unix(1) }
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
    fn what_was_handed_over_is_not_its_own_and_what_another_got_in_its_place_is() {
        let mut own = Own::default();
        let critical = about(9, 1, Status::Critical).notification;
        let mut handed = about(1, 1, Status::Critical);
        handed.notification.receiver = name("ops");
        handed.notification = hand_over(&handed.notification, &name("hook"));
        own.note(&handed);
        assert!(!own.knows(&name("hook"), &critical));
        let mut elsewhere = about(2, 1, Status::Critical);
        elsewhere.notification = hand_over(&elsewhere.notification, &name("phone"));
        own.note(&elsewhere);
        assert!(own.knows(&name("hook"), &critical));
        own.note(&DeliveryRecord { state: dead(), ..elsewhere });
        assert!(!own.knows(&name("hook"), &critical), "refused there as well");
    }

    #[test]
    fn what_was_given_up_is_known_no_more_and_what_arrived_before_is() {
        let mut own = Own::default();
        let asked = |status| about(9, 1, status).notification;
        own.note(&DeliveryRecord { state: dead(), ..about(1, 1, Status::Critical) });
        assert!(!own.knows(&name("hook"), &asked(Status::Critical)));
        let sent = DeliveryState::Sent { at: hark_model::Unix(1) };
        own.note(&DeliveryRecord { state: sent, ..about(2, 1, Status::Warning) });
        own.note(&about(3, 1, Status::Critical));
        assert!(own.knows(&name("hook"), &asked(Status::Critical)));
        own.note(&DeliveryRecord { state: dead(), ..about(3, 1, Status::Critical) });
        assert!(!own.knows(&name("hook"), &asked(Status::Critical)));
        assert!(own.knows(&name("hook"), &asked(Status::Warning)), "the last that arrived");
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
