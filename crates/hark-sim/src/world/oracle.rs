//! What must hold, whatever happens (design rules 6.12): checked at each step and at the end.

use std::collections::{BTreeMap, BTreeSet};

use hark_model::record::{
    DeliveryState, IncidentId, IncidentRecord, JournalKind, JournalLine, Record, SilenceId,
    Snapshot,
};
use hark_model::{HostName, Notification, Reason, ReceiverName, Status, Unix};

use super::receiver::Arrived;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, in milliseconds of the world.
    pub at: u64,
    /// The number of the invariant in design rule 6.12, or 0 for those of the protocol.
    pub rule: u8,
    /// What.
    pub text: String,
}

/// Follows the world and notes what must not be.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) violations: Vec<Violation>,
    /// The state as a reader of the committed records would have it: the slow second store.
    incidents: BTreeMap<IncidentId, IncidentRecord>,
    host_names: BTreeMap<u32, HostName>,
    /// When the engine was last told of each host.
    fed: BTreeMap<HostName, u64>,
    /// When the first bad word of each open incident was committed or staged.
    opened: BTreeMap<IncidentId, u64>,
    /// Keys of messages that may come twice: a crash or a lost answer fell into their try.
    unsure: BTreeSet<String>,
    seen_keys: BTreeMap<(ReceiverName, String), Notification>,
    told: BTreeMap<(ReceiverName, IncidentId), Vec<(Reason, Status)>>,
    /// Silenced hosts, from and until when in the world's time.
    quiet: BTreeMap<SilenceId, (Vec<String>, u64, u64)>,
    /// When the server's wall clock last jumped.
    jumped_at: u64,
    /// When each silence was made, by the server's wall clock and in the world's time.
    silenced_at: BTreeMap<SilenceId, (Unix, u64)>,
    /// When each message was decided, by its key.
    decided_at: BTreeMap<String, u64>,
    /// The fallback receiver.
    standby: Option<ReceiverName>,
}

impl Oracle {
    /// Begins to follow a world in which `standby` is told only what others could not be.
    pub(super) fn new(standby: ReceiverName) -> Self {
        Self { standby: Some(standby), ..Self::default() }
    }

    pub(super) fn fed(&mut self, host: &HostName, at: u64) {
        self.fed.insert(host.clone(), at);
    }

    /// The server's wall clock has jumped: silences end earlier or later than was said.
    pub(super) fn clock_jumped(&mut self, at: u64) {
        self.jumped_at = at;
        self.quiet.values_mut().for_each(|(_, from, until)| *until = *from);
    }

    pub(super) fn unsure(&mut self, key: &str) {
        self.unsure.insert(key.to_owned());
    }

    pub(super) fn violate(&mut self, at: u64, rule: u8, text: String) {
        self.violations.push(Violation { at, rule, text });
    }

    /// The engine decided these records.
    pub(super) fn decided(&mut self, at: u64, records: &[Record]) {
        for record in records {
            if let Record::Outbox(row) = record
                && row.state == DeliveryState::Queued
            {
                // What a crash undid is decided anew, under the same key.
                self.decided_at.insert(row.notification.key.clone(), at);
            }
            if let Record::Silence(silence) = record {
                // What a crash undid may be made anew under the same number, but not at the same time.
                let made = self.silenced_at.entry(silence.id).or_insert((silence.from, at));
                if made.0 != silence.from {
                    *made = (silence.from, at);
                }
            }
            let Record::Incident(incident) = record else { continue };
            let before = self.opened.get(&incident.id).copied();
            if incident.resolved_at.is_none() {
                self.opened.entry(incident.id).or_insert(at);
            } else if incident.resolution == "recovered" {
                self.ended_by_a_sign(at, before, incident);
                self.opened.remove(&incident.id);
            }
        }
    }

    /// Rule 6: nothing becomes ok without a fresh good result.
    fn ended_by_a_sign(&mut self, at: u64, opened: Option<u64>, incident: &IncidentRecord) {
        let (Some(opened), Some(host)) = (opened, self.host_names.get(&incident.host.0)) else {
            return;
        };
        let fed = self.fed.get(host).copied().unwrap_or(0);
        if fed < opened {
            let text =
                format!("{host} {}: recovered without a sign since {opened}", incident.check);
            self.violate(at, 6, text);
        }
    }

    /// These records are on the disk.
    pub(super) fn committed(&mut self, at: u64, records: &[Record]) {
        for record in records {
            match record {
                Record::Host(host) => {
                    self.host_names.insert(host.id.0, host.name.clone());
                }
                Record::Incident(incident) => {
                    self.incidents.insert(incident.id, incident.clone());
                }
                Record::Silence(silence) => {
                    let length = silence.until.0.abs_diff(silence.from.0);
                    let made = self.silenced_at.get(&silence.id).map_or(at, |(_, made)| *made);
                    let until = if self.jumped_at >= made { at } else { made + length };
                    // It is written again when it has kept something back: that makes it no longer.
                    let hosts = silence.matcher.hosts.clone();
                    self.quiet.entry(silence.id).or_insert((hosts, at, until));
                }
                Record::HostRemoved(_)
                | Record::Check(_)
                | Record::CheckRemoved(..)
                | Record::Told(_)
                | Record::SilenceRemoved(_)
                | Record::Outbox(_)
                | Record::Journal(_) => {}
            }
        }
    }

    /// The state was read back after a crash. `maybe` was being committed when the server died: all of
    /// it is there or nothing (rule 7).
    pub(super) fn reloaded(&mut self, at: u64, snapshot: &Snapshot, maybe: &[Record]) {
        for host in &snapshot.hosts {
            self.host_names.insert(host.id.0, host.name.clone());
        }
        let open = |incidents: &BTreeMap<IncidentId, IncidentRecord>| -> BTreeMap<IncidentId, IncidentRecord> {
            let open = incidents.iter().filter(|(_, incident)| incident.resolved_at.is_none());
            open.map(|(id, incident)| (*id, incident.clone())).collect()
        };
        let read: BTreeMap<IncidentId, IncidentRecord> =
            snapshot.incidents.iter().map(|incident| (incident.id, incident.clone())).collect();
        let read = open(&read);
        if read == open(&self.incidents) && !maybe.iter().any(|r| matches!(r, Record::Incident(_)))
        {
            return;
        }
        let before = self.incidents.clone();
        if read == open(&before) {
            return;
        }
        self.committed(at, maybe);
        if read != open(&self.incidents) {
            let text = format!(
                "after a restart the open incidents are {:?}, not {:?}",
                read.keys().collect::<Vec<_>>(),
                open(&self.incidents).keys().collect::<Vec<_>>()
            );
            self.violate(at, 7, text);
        }
    }

    /// A message has arrived.
    pub(super) fn arrived(&mut self, receiver: &ReceiverName, arrived: &Arrived) {
        let Arrived { at, notification } = arrived;
        let key = (receiver.clone(), notification.key.clone());
        if let Some(first) = self.seen_keys.get(&key) {
            let same = (first.reason, first.status, first.incident)
                == (notification.reason, notification.status, notification.incident);
            if !self.unsure.contains(&notification.key) {
                self.violate(*at, 5, format!("{receiver} was told {} twice", notification.key));
            } else if !same {
                self.violate(*at, 5, format!("the copies of {} differ", notification.key));
            }
            return;
        }
        self.seen_keys.insert(key, notification.clone());
        self.in_order(receiver, *at, notification);
        self.not_quiet(receiver, *at, notification);
    }

    /// Rule 2: no recovery without a told problem.
    fn in_order(&mut self, receiver: &ReceiverName, at: u64, notification: &Notification) {
        let Some(incident) = notification.incident else { return };
        let told = self.told.entry((receiver.clone(), incident)).or_default();
        let is_first = told.is_empty();
        told.push((notification.reason, notification.status));
        let needs_first = match notification.reason {
            // An unsent problem that is replaced is named in the message that replaces it.
            Reason::Worse | Reason::Better => !notification.detail.contains("Not delivered before"),
            // So is one that waited at a receiver that was away.
            Reason::Recovery => !notification.detail.contains("not delivered until now"),
            Reason::Reminder | Reason::Acknowledged | Reason::Removed | Reason::FlapEnd => true,
            Reason::Problem
            | Reason::FlapStart
            | Reason::Merged
            | Reason::Event
            | Reason::Summary
            | Reason::Report
            | Reason::Test => false,
        };
        // The first thing a fallback hears of an incident may be that it got worse or goes on.
        let stands_in = self.standby.as_ref() == Some(receiver)
            && !matches!(notification.reason, Reason::Recovery | Reason::Removed);
        if needs_first && is_first && !stands_in {
            let text = format!("{receiver} was told {} first", notification.key);
            self.violate(at, 2, text);
        }
    }

    /// Rule 4: nothing is told while blocked.
    fn not_quiet(&mut self, receiver: &ReceiverName, at: u64, notification: &Notification) {
        if notification.incident.is_none() {
            return;
        }
        let Some(decided) = self.decided_at.get(&notification.key).copied() else { return };
        let blocked = self.quiet.values().any(|(hosts, from, until)| {
            hosts.iter().any(|host| host == notification.host.as_str())
                && (*from..*until).contains(&decided)
        });
        if blocked {
            self.violate(at, 4, format!("{receiver} was told {} in a silence", notification.key));
        }
    }

    /// All faults are over and everything had time to settle.
    pub(super) fn at_rest(
        &mut self,
        at: u64,
        snapshot: &Snapshot,
        journal: &[JournalLine],
        receivers: &[ReceiverName],
    ) {
        let open: Vec<_> =
            snapshot.incidents.iter().filter(|i| i.resolved_at.is_none()).cloned().collect();
        for incident in &open {
            let host = self.host_names.get(&incident.host.0).cloned();
            let text =
                format!("all is well, but open: {host:?} {} {}", incident.check, incident.text);
            self.violate(at, 3, text);
        }
        for row in &snapshot.outbox {
            if !matches!(
                row.state,
                DeliveryState::Sent { .. }
                    | DeliveryState::Dead { .. }
                    | DeliveryState::Superseded { .. }
            ) {
                let text = format!("{} is still {:?}", row.notification.key, row.state);
                self.violate(at, 1, text);
            }
        }
        self.all_ended(at);
        self.all_told(at, journal, receivers);
    }

    /// Rule 2: every told problem has a told end.
    fn all_ended(&mut self, at: u64) {
        let mut left = Vec::new();
        for ((receiver, incident), told) in &self.told {
            let is_open = self.incidents.get(incident).is_none_or(|i| i.resolved_at.is_none());
            let ended = told.iter().rev().find(|(reason, _)| *reason != Reason::Reminder);
            let ended = ended.is_some_and(|(reason, status)| {
                *status == Status::Ok || *reason == Reason::Removed
            });
            if !is_open && !ended {
                left.push(format!(
                    "{receiver} believes incident {} to go on: {told:?}",
                    incident.0
                ));
            }
        }
        for text in left {
            self.violate(at, 2, text);
        }
    }

    /// Rules 1, 4 and 15: of every incident each receiver was told, or the history says why not.
    fn all_told(&mut self, at: u64, journal: &[JournalLine], receivers: &[ReceiverName]) {
        let mut left = Vec::new();
        for (id, incident) in &self.incidents {
            for receiver in receivers {
                let told = self.told.contains_key(&(receiver.clone(), *id));
                let withheld = journal.iter().any(|line| {
                    line.incident == Some(*id)
                        && line.kind == JournalKind::Withheld
                        && line.receiver.as_ref().is_none_or(|name| name == receiver)
                });
                if !told && !withheld && incident.cause.is_none() {
                    let host = self.host_names.get(&incident.host.0);
                    left.push(format!(
                        "{receiver} heard nothing of {host:?} {} ({} to {:?}: {})",
                        incident.check, incident.hard_since.0, incident.resolved_at, incident.text
                    ));
                }
            }
        }
        for text in left {
            self.violate(at, 1, text);
        }
    }

    /// Returns how many incidents there were.
    pub(super) fn n_incidents(&self) -> usize {
        self.incidents.len()
    }

    /// Returns host and check of each incident, in order of their numbers.
    pub(super) fn incidents(&self) -> Vec<(String, String)> {
        let host = |incident: &IncidentRecord| {
            self.host_names.get(&incident.host.0).map(ToString::to_string).unwrap_or_default()
        };
        self.incidents.values().map(|i| (host(i), i.check.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use hark_model::record::{DeliveryId, DeliveryRecord, Matcher, SilenceRecord};
    use hark_model::{CheckName, Severity, UserName};

    use super::*;

    fn receiver() -> ReceiverName {
        ReceiverName::new("mail").unwrap()
    }

    fn message(reason: Reason, status: Status, sequence: u32) -> Notification {
        Notification {
            id: DeliveryId(u64::from(sequence)),
            key: format!("7/mail/{}/{sequence}", reason.word()),
            receiver: receiver(),
            reason,
            incident: Some(IncidentId(7)),
            host: HostName::new("db").unwrap(),
            check: Some(CheckName::host()),
            severity: Severity::from(status),
            was: None,
            status,
            summary: String::new(),
            detail: String::new(),
            since: Unix(0),
            at: Unix(0),
            sequence,
            reference: None,
            document: None,
            taken_by: None,
        }
    }

    fn arrive(oracle: &mut Oracle, at: u64, notification: &Notification) {
        let notification = notification.clone();
        oracle.arrived(&receiver(), &Arrived { at, notification });
    }

    fn decide(oracle: &mut Oracle, at: u64, notification: &Notification) {
        let row = DeliveryRecord {
            notification: notification.clone(),
            state: DeliveryState::Queued,
            attempts: 0,
            last_error: String::new(),
            took_ms: 0,
        };
        oracle.decided(at, &[Record::Outbox(row)]);
    }

    fn rules(oracle: &Oracle) -> Vec<u8> {
        oracle.violations.iter().map(|violation| violation.rule).collect()
    }

    fn incident(resolved_at: Option<Unix>) -> IncidentRecord {
        let (host, check) = (hark_model::HostId(1), CheckName::host());
        let at = Unix(0);
        IncidentRecord {
            status: if resolved_at.is_some() { Status::Ok } else { Status::Critical },
            resolved_at,
            resolution: if resolved_at.is_some() { "recovered" } else { "" }.to_owned(),
            ..IncidentRecord::opened(IncidentId(7), host, check, at, at, Status::Critical)
        }
    }

    #[test]
    fn a_message_that_comes_twice_for_no_reason_is_noticed() {
        let mut oracle = Oracle::default();
        let problem = message(Reason::Problem, Status::Critical, 0);
        arrive(&mut oracle, 1, &problem);
        assert_eq!(rules(&oracle), [0u8; 0]);
        arrive(&mut oracle, 2, &problem);
        assert_eq!(rules(&oracle), [5]);
        oracle.unsure(&problem.key);
        arrive(&mut oracle, 3, &problem);
        assert_eq!(rules(&oracle), [5], "after a crash it may");
    }

    #[test]
    fn a_recovery_of_what_was_never_told_is_noticed() {
        let mut oracle = Oracle::default();
        arrive(&mut oracle, 1, &message(Reason::Recovery, Status::Ok, 1));
        assert_eq!(rules(&oracle), [2]);
    }

    #[test]
    fn a_problem_without_a_told_end_is_noticed() {
        let mut oracle = Oracle::default();
        arrive(&mut oracle, 1, &message(Reason::Problem, Status::Critical, 0));
        oracle.committed(2, &[Record::Incident(incident(Some(Unix(2))))]);
        oracle.at_rest(9, &Snapshot::default(), &[], &[receiver()]);
        assert_eq!(rules(&oracle), [2]);
    }

    #[test]
    fn an_incident_that_nobody_heard_of_is_noticed() {
        let mut oracle = Oracle::default();
        oracle.committed(2, &[Record::Incident(incident(Some(Unix(2))))]);
        oracle.at_rest(9, &Snapshot::default(), &[], &[receiver()]);
        assert_eq!(rules(&oracle), [1]);
    }

    #[test]
    fn an_end_without_a_sign_is_noticed() {
        for (fed, rule) in [(None, vec![6]), (Some(1), vec![6]), (Some(6), vec![])] {
            let mut oracle = Oracle::default();
            oracle.host_names.insert(1, HostName::new("db").unwrap());
            oracle.decided(5, &[Record::Incident(incident(None))]);
            if let Some(at) = fed {
                oracle.fed(&HostName::new("db").unwrap(), at);
            }
            oracle.decided(8, &[Record::Incident(incident(Some(Unix(2))))]);
            assert_eq!(rules(&oracle), rule, "{fed:?}");
        }
    }

    #[test]
    fn a_message_decided_in_a_silence_is_noticed() {
        let silence = Record::Silence(SilenceRecord {
            id: SilenceId(1),
            matcher: Matcher { hosts: vec!["db".to_owned()], ..Matcher::default() },
            by: UserName::new("mira").unwrap(),
            reason: "work".to_owned(),
            from: Unix(100),
            until: Unix(200),
            maintenance: false,
            withheld: 0,
            flexible: None,
            repeats: None,
        });
        for (decided, rule) in [(5, vec![]), (50, vec![4]), (111, vec![])] {
            let mut oracle = Oracle::default();
            let problem = message(Reason::Problem, Status::Critical, 0);
            oracle.decided(10, std::slice::from_ref(&silence));
            oracle.committed(11, std::slice::from_ref(&silence));
            decide(&mut oracle, decided, &problem);
            arrive(&mut oracle, 120, &problem);
            assert_eq!(rules(&oracle), rule, "{decided}");
        }
    }

    #[test]
    fn a_state_that_is_neither_before_nor_after_is_noticed() {
        let mut oracle = Oracle::default();
        let open = Record::Incident(incident(None));
        oracle.reloaded(1, &Snapshot::default(), std::slice::from_ref(&open));
        assert_eq!(rules(&oracle), [0u8; 0], "nothing of the commit is there");
        oracle.committed(2, &[open]);
        oracle.reloaded(3, &Snapshot::default(), &[]);
        assert_eq!(rules(&oracle), [7]);
    }
}
