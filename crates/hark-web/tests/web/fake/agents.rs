//! What the fake says of agents and of itself, and what agents send it.
#![expect(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "they stand for methods of the trait"
)]

use super::*;

impl Fake {
    pub(super) fn agents_shown(&self, sight: &Sight, query: &AgentsQuery) -> Answer<Page<Agent>> {
        let after = query.cursor.as_ref().and_then(Cursor::name).unwrap_or_default().to_owned();
        let mut seen = self.seen(sight);
        seen.retain(|name| name.as_str() > after.as_str());
        let most = query.limit.map_or(usize::MAX, |_| limit(query.limit));
        let more = seen.len() > most;
        seen.truncate(most);
        let next = seen.last().filter(|_| more).and_then(|name| Cursor::of_name(name));
        let agent = |host| Agent {
            host,
            mode: AgentMode::Enrolled,
            version: "0.1.0".to_owned(),
            last_seen_at: None,
            address: None,
            loss_ratio: Some(0.0),
            rtt_seconds: None,
            clock_skew_seconds: None,
            duplicates: 0,
        };
        Ok(Page { items: seen.into_iter().map(agent).collect(), next })
    }

    pub(super) fn server_shown(&self) -> Answer<ServerReport> {
        Ok(ServerReport {
            version: "0.1.0".to_owned(),
            started_at: Timestamp(THEN),
            uptime_seconds: 1.0,
            hosts: 2,
            series: 68,
            datagrams: BTreeMap::from([("received".to_owned(), 7)]),
            history: HistoryReport { state: HistoryState::Ok, reason: String::new(), bytes: 1 },
            store: BTreeMap::from([("commits".to_owned(), 3.0)]),
            queues: BTreeMap::new(),
            receivers_failing: Vec::new(),
            quarantine: None,
        })
    }

    pub(super) fn joined(&self, order: &JoinOrder) -> Answer<Joined> {
        let mut stored = self.stored();
        let record = found(stored.enrolments.get_mut(&order.token))?;
        record.uses_left = found(record.uses_left.checked_sub(1))?;
        stored.joined.push((order.name.clone(), order.key));
        Ok(Joined {
            agent_id: "00112233445566ff".to_owned(),
            server_udp_port: 50003,
            interval_seconds: 30.0,
            config_revision: 1,
        })
    }

    pub(super) fn rollout_shown(&self) -> Answer<Rollout> {
        Ok(Rollout {
            enabled: true,
            percent: 25,
            hosts: Vec::new(),
            tags: vec!["canary".to_owned()],
            releases: Vec::new(),
            versions: [("0.1.0".to_owned(), 2)].into(),
        })
    }

    pub(super) fn release_shown(&self, name: &str, host: &HostName) -> Answer<Option<PathBuf>> {
        match (name, host.as_str()) {
            ("hark-x86_64-linux", "web1") => {
                Ok(Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web/fake.rs"))))
            }
            ("hark-x86_64-linux", _) => Ok(None),
            _ => Err(Refused::Absent),
        }
    }

    pub(super) fn proof_of(&self, claim: &AgentClaim) -> Answer<AgentProof> {
        let mut stored = self.stored();
        let good = claim.agent == AGENT && claim.tag == AGENT_TAG;
        Ok(if !good {
            AgentProof::Wrong
        } else if claim.number <= stored.number {
            AgentProof::Stale(stored.number)
        } else {
            stored.number = claim.number;
            stored.claims.push(claim.clone());
            AgentProof::Proven(3)
        })
    }

    pub(super) fn stored_batch(&self, place: usize, batch: Batch) -> Answer<ReportStored> {
        assert_eq!(place, 3, "what the proof gave");
        self.stored().batches.push(batch);
        Ok(ReportStored {
            samples_stored: true,
            held_seconds: 0.0,
            now_unix_s: 1_795_176_000.5,
            config_revision: 7,
            order: 0,
        })
    }

    pub(super) fn reports_shown(&self) -> Answer<Vec<ReportRow>> {
        Ok(vec![ReportRow {
            name: "weekly".to_owned(),
            kind: "summary".to_owned(),
            to: vec!["mail".to_owned()],
            schedule: "0 8 * * mon Europe/Berlin".to_owned(),
            last_at: Some(Timestamp(Unix(1000))),
            next_at: Some(Timestamp(Unix(604_801_000))),
        }])
    }

    pub(super) fn report_shown(&self, name: &str, period: ReportPeriod) -> Answer<MadeReport> {
        if name != "weekly" {
            return Err(Refused::Absent);
        }
        Ok(MadeReport {
            title: format!("Report weekly {period:?}"),
            report: serde_json::json!({"kind": "summary"}),
            text: "all is well".to_owned(),
            html: "<!doctype html>".to_owned(),
        })
    }

    pub(super) fn pushes_shown(&self) -> Answer<Vec<Push>> {
        Ok(vec![Push {
            host: "db1".to_owned(),
            check: "backup".to_owned(),
            state: "up".to_owned(),
            text: "done in 3m".to_owned(),
            schedule: "every 1d".to_owned(),
            done_at: Some(Timestamp(Unix(1000))),
            due_at: Some(Timestamp(Unix(86_401_000))),
            path: "/push/a-token".to_owned(),
        }])
    }
}
