//! What services call the messages that they were sent, by incident.

use std::collections::BTreeMap;

use hark_model::Notification;
use hark_model::record::IncidentId;

/// Bound on a reference, in bytes: each later message carries it. The longest known ones, links and
/// numbers of Matrix, have some 60; a longer one is not kept.
pub const MAX_REFERENCE: usize = 256;

/// Bound on the incidents of one receiver whose references are kept: more than any receiver can tell
/// people of. The oldest goes first; it then has no thread any more, but is told all the same.
const MAX_INCIDENTS: usize = 65_536;

/// The newest reference of each incident at one receiver. It is kept when the incident ends, since a
/// problem that comes back soon is the same incident again.
#[derive(Debug, Default)]
pub(super) struct References(BTreeMap<IncidentId, String>);

impl References {
    /// Takes a message that was sent.
    pub(super) fn note(&mut self, sent: &Notification) {
        let (Some(incident), Some(reference)) = (sent.incident, &sent.reference) else { return };
        self.0.insert(incident, reference.clone());
        if self.0.len() > MAX_INCIDENTS {
            self.0.pop_first();
        }
    }

    /// Returns the reference that `notification` is to carry.
    pub(super) fn of(&self, notification: &Notification) -> Option<&String> {
        self.0.get(&notification.incident?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn the_oldest_incident_makes_room() {
        let mut references = References::default();
        let mut sent = samples().swap_remove(0);
        for number in 0..=MAX_INCIDENTS as u64 {
            sent.incident = Some(IncidentId(number));
            sent.reference = Some(format!("r{number}"));
            references.note(&sent);
        }
        assert_eq!(references.of(&sent), sent.reference.as_ref());
        sent.incident = Some(IncidentId(0));
        assert_eq!(references.of(&sent), None);
        sent.incident = Some(IncidentId(1));
        assert_eq!(references.of(&sent).unwrap(), "r1");
    }
}
