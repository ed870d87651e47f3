//! A store in memory: applies records as the real one does, and gives the snapshot back.

use std::collections::BTreeMap;

use hark_engine::DroppedHost;
use hark_model::record::{
    CheckRecord, DeliveryRecord, DeliveryState, FlapsTold, HostRecord, IncidentRecord, JournalLine,
    Record, SilenceRecord, Snapshot, ToldRecord,
};
use hark_model::{CheckName, DeliveryId, HostId, IncidentId, Now, ReceiverName, SilenceId, Status};

/// What is on "disk".
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) hosts: BTreeMap<HostId, HostRecord>,
    /// Hosts that were dropped, as the driver remembers them.
    pub(crate) dropped: BTreeMap<HostId, DroppedHost>,
    pub(crate) checks: BTreeMap<(HostId, CheckName), CheckRecord>,
    pub(crate) incidents: BTreeMap<IncidentId, IncidentRecord>,
    pub(crate) told: BTreeMap<(IncidentId, ReceiverName), ToldRecord>,
    pub(crate) silences: BTreeMap<SilenceId, SilenceRecord>,
    pub(crate) outbox: BTreeMap<DeliveryId, DeliveryRecord>,
    pub(crate) keys: BTreeMap<String, DeliveryId>,
    pub(crate) journal: Vec<JournalLine>,
    last_host: u32,
    last_silence: u64,
}

impl Store {
    /// Writes the records of one step.
    pub(crate) fn commit(&mut self, records: &[Record]) {
        for record in records {
            self.write(record.clone());
        }
    }

    fn write(&mut self, record: Record) {
        match record {
            Record::Host(host) => {
                self.last_host = self.last_host.max(host.id.0);
                self.hosts.insert(host.id, host);
            }
            Record::HostRemoved(id) => {
                assert!(self.hosts.remove(&id).is_some(), "only known hosts are removed");
                self.checks.retain(|(host, _), _| *host != id);
            }
            Record::Check(check) => {
                assert!(self.hosts.contains_key(&check.host), "a check's host is stored before it");
                self.checks.insert((check.host, check.name.clone()), check);
            }
            Record::CheckRemoved(host, name) => {
                self.checks.remove(&(host, name));
            }
            Record::Incident(incident) => {
                self.incidents.insert(incident.id, incident);
            }
            Record::Told(told) => {
                assert!(self.incidents.contains_key(&told.incident));
                self.told.insert((told.incident, told.receiver.clone()), told);
            }
            Record::Silence(silence) => {
                self.last_silence = self.last_silence.max(silence.id.0);
                self.silences.insert(silence.id, silence);
            }
            Record::SilenceRemoved(id) => {
                self.silences.remove(&id);
            }
            Record::Outbox(row) => {
                let key = row.notification.key.clone();
                let id = *self.keys.entry(key).or_insert(row.notification.id);
                assert_eq!(id, row.notification.id, "a key is used once: {}", row.notification.key);
                self.outbox.insert(id, row);
            }
            Record::Journal(line) => self.journal.push(line),
        }
    }

    /// Notes the outcome of a delivery as the outbox does before it tells the engine.
    pub(crate) fn delivered(&mut self, id: DeliveryId, sent: bool, now: Now) {
        let row = self.outbox.get_mut(&id).expect("only rows are delivered");
        row.state = if sent {
            DeliveryState::Sent { at: now.unix }
        } else {
            DeliveryState::Dead { at: now.unix }
        };
    }

    /// Returns what the engine gets at start.
    pub(crate) fn snapshot(&self, now: Now) -> Snapshot {
        let kept = |incident: &&IncidentRecord| {
            let recent = incident.resolved_at.is_none_or(|at| now.unix.since(at).as_secs() <= 300);
            let untold = self
                .told
                .range((incident.id, ReceiverName::new("-").unwrap())..)
                .take_while(|((id, _), _)| *id == incident.id)
                .any(|(_, told)| told.status != Status::Ok || told.flaps != FlapsTold::No);
            recent || untold
        };
        let incidents: Vec<IncidentRecord> =
            self.incidents.values().filter(kept).cloned().collect();
        let is_kept = |id: &IncidentId| incidents.iter().any(|incident| incident.id == *id);
        let waits = |row: &&DeliveryRecord| {
            matches!(
                row.state,
                DeliveryState::Queued | DeliveryState::Leased { .. } | DeliveryState::Retry { .. }
            )
        };
        Snapshot {
            hosts: self.hosts.values().cloned().collect(),
            checks: self.checks.values().cloned().collect(),
            told: self.told.values().filter(|t| is_kept(&t.incident)).cloned().collect(),
            incidents,
            silences: self.silences.values().cloned().collect(),
            outbox: self.outbox.values().filter(waits).cloned().collect(),
            last_host: self.last_host,
            last_incident: self.incidents.keys().next_back().map_or(0, |id| id.0),
            last_silence: self.last_silence,
            last_delivery: self.outbox.keys().next_back().map_or(0, |id| id.0),
        }
    }
}
