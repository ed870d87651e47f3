//! Agents: who they are, how they join, and how the server itself is.

use std::collections::BTreeMap;

use hark_api::agents::{Agent, AgentMode, AgentsQuery, Joined};
use hark_api::keeping::Quarantine;
use hark_api::list::Page;
use hark_api::server::{HistoryReport, HistoryState, ServerReport};
use hark_engine::{Action, Done, HostJoined};
use hark_model::HostId;
use hark_model::time::Clock;
use hark_proto::ItemWindow;
use hark_store::state::{Change, EnrolmentRecord as Stored};
use hark_web::{Answer, EnrolmentRecord, JoinOrder, Refused, Sight, TokenHash};

use super::agent_list::{self, Known};
use super::{ServerBackend, ending};
use crate::server::intake::{KnownAgent, Mode};
use crate::server::messages::ToIntake;
use crate::server::tally::Fate;

/// How often an agent sends if it does not say itself: the seed's interval.
const INTERVAL_SECONDS: f64 = 30.0;

impl ServerBackend {
    pub(super) fn agent_rows(&self, sight: &Sight, query: &AgentsQuery) -> Answer<Page<Agent>> {
        let mut facts = self.agent_facts()?;
        facts.retain(|f| sight.covers(f.name.as_str()));
        let mut all: Vec<Known> =
            facts.into_iter().map(|facts| Known { facts, version: String::new() }).collect();
        let early = agent_list::needs_versions(query);
        if early {
            self.add_versions(&mut all)?;
        }
        let mut page = agent_list::page(all, query);
        if !early {
            self.add_versions(&mut page.items)?;
        }
        Ok(Page { items: page.items.into_iter().map(agent).collect(), next: page.next })
    }

    fn add_versions(&self, agents: &mut [Known]) -> Answer<()> {
        let hosts: Vec<Option<HostId>> = agents.iter().map(|known| known.facts.host).collect();
        let versions = self.ask(move |engine| {
            let version = |id: HostId| engine.host(id)?.fact("agent_version").map(str::to_owned);
            let versions = hosts.into_iter().map(|id| id.and_then(version));
            versions.map(Option::unwrap_or_default).collect::<Vec<String>>()
        })?;
        for (known, version) in agents.iter_mut().zip(versions) {
            known.version = version;
        }
        Ok(())
    }

    pub(super) fn find_enrolment(&self, hash: &TokenHash) -> Answer<EnrolmentRecord> {
        let all = self.read(hark_store::state::StateReader::enrolments)?;
        let found = all.into_iter().find(|e| e.token == *hash).ok_or(Refused::Absent)?;
        Ok(enrolment(found))
    }

    pub(super) fn all_enrolments(&self) -> Answer<Vec<EnrolmentRecord>> {
        let now = Clock.now().unix;
        let all = self.read(hark_store::state::StateReader::enrolments)?;
        Ok(all.into_iter().filter(|e| e.expires > now && e.uses > 0).map(enrolment).collect())
    }

    pub(super) fn store_enrolment(&self, e: &EnrolmentRecord) -> Answer<()> {
        self.write(vec![Change::Enrolment(Stored {
            id: 0,
            token: e.hash,
            user: e.by.clone(),
            created: e.created,
            expires: e.expires,
            uses: e.uses_left,
            host: e.host.clone(),
            tags: e.tags.clone(),
        })])
    }

    pub(super) fn remove_enrolment(&self, hash: &TokenHash) -> Answer<()> {
        let all = self.read(hark_store::state::StateReader::enrolments)?;
        let Some(found) = all.iter().find(|e| e.token == *hash) else { return Ok(()) };
        self.write(vec![Change::EnrolmentRemoved(found.id)])
    }

    /// Takes on an agent. The use of the token is counted first: a crash between the two costs a use,
    /// it never gives one away. The host with the token's tags is on the disk before its agent may
    /// speak, so that nothing is ever told of it by the routes of a host without tags.
    pub(super) fn join_agent(&self, order: &JoinOrder) -> Answer<Joined> {
        let agents = self.read(hark_store::state::StateReader::agents)?;
        let known = agents.iter().find(|a| a.host == order.name && a.revoked.is_none());
        let is_enrolled = known.is_some_and(|a| a.mode == hark_store::state::AgentMode::Enrolled);
        let bound = self.find_enrolment(&order.token)?.host.as_ref() == Some(&order.name);
        if is_enrolled && !bound {
            return Err(Refused::Conflict(format!(
                "{0} has joined already: `hark enroll --host {0}` makes a token with which it may join anew",
                order.name
            )));
        }
        let (token, at) = (order.token, order.at);
        let used = self.links.with_state(move |state| state.use_enrolment(&token, at));
        let token = match used.ok_or_else(ending)? {
            Ok(Some(token)) => token,
            Ok(None) => return Err(Refused::Absent),
            Err(error) => return Err(Refused::Unavailable(error.to_string())),
        };
        let joined = HostJoined {
            name: order.name.clone(),
            address: Some(order.address),
            facts: order.facts.clone().into_iter().collect(),
            tags: token.tags.clone(),
        };
        let Done::Host(host) = self.act(&token.user, Action::Join(joined))? else {
            return Err(Refused::Unavailable("the engine gave the host no number".to_owned()));
        };
        let agent = KnownAgent {
            id: random_id()?,
            name: order.name.clone(),
            key: order.key,
            mode: Mode::Enrolled,
            session: 0,
            items: ItemWindow::default(),
            tags: token.tags,
        };
        let id = agent.id;
        self.write(vec![Change::Agent(agent.record(at, 0))])?;
        let (done, admitted) = tokio::sync::oneshot::channel();
        let enrolled = ToIntake::Enrolled { agent: Box::new(agent), host, done };
        self.links.intake.send(enrolled).map_err(|_| ending())?;
        self.links.bell.ring();
        admitted.blocking_recv().map_err(|_| ending())?;
        Ok(Joined {
            agent_id: format!("{id:016x}"),
            server_udp_port: self.access.udp_port,
            interval_seconds: INTERVAL_SECONDS,
            config_revision: 0,
        })
    }

    pub(super) fn report(&self) -> Answer<ServerReport> {
        let now = Clock.now().unix;
        let history = self.links.ask_history(|h| h.status());
        let (hosts, unsent, deadlines) =
            self.ask(|e| (e.n_hosts() as u64, e.n_unsent() as u64, e.n_deadlines() as u64))?;
        let tally = &self.links.tally;
        let totals = tally.totals();
        let mut datagrams: BTreeMap<String, u64> = BTreeMap::new();
        let mut received = 0;
        for fate in Fate::all() {
            let n = tally.of(fate);
            received += n;
            datagrams.insert(fate.word().to_owned(), n);
        }
        datagrams.insert("received".to_owned(), received);
        datagrams.insert("answered".to_owned(), totals.answers);
        datagrams.insert("answers_refused".to_owned(), totals.answers_refused);
        datagrams.insert("lost_in_kernel".to_owned(), totals.lost);
        let shed = tally.what_is_shed().words();
        let history_report = match &history {
            Some(status) => HistoryReport {
                state: match (&status.stopped, shed) {
                    (Some(_), _) => HistoryState::Stopped,
                    (None, Some(_)) => HistoryState::Shedding,
                    (None, None) => HistoryState::Ok,
                },
                reason: match &status.stopped {
                    Some(stopped) => stopped.reason.clone(),
                    None => shed.unwrap_or_default().to_owned(),
                },
                bytes: status.log_bytes
                    + status.block_bytes
                    + status.tier_bytes.iter().sum::<u64>(),
            },
            None => HistoryReport {
                state: HistoryState::Stopped,
                reason: "history could not be opened".to_owned(),
                bytes: 0,
            },
        };
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let store = BTreeMap::from([
            ("heartbeats".to_owned(), totals.heartbeats as f64),
            ("samples".to_owned(), totals.samples as f64),
            ("journal_dropped".to_owned(), totals.journal_dropped as f64),
            ("event_lines_lost".to_owned(), totals.event_lines_lost as f64),
        ]);
        Ok(ServerReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started.into(),
            uptime_seconds: now.since(self.started).as_secs_f64(),
            hosts,
            series: history.map_or(0, |h| h.series),
            datagrams,
            history: history_report,
            store,
            queues: {
                let probing = self.links.probing.all();
                let all = [("messages_unsent", unsent), ("deadlines", deadlines)].into_iter();
                all.chain(probing)
                    .chain(self.links.naming.all())
                    .map(|(word, n)| (word.to_owned(), n))
                    .collect()
            },
            receivers_failing: self.failing()?,
            quarantine: self.links.quarantine.copy().map(|copy| Quarantine {
                restored_at: copy.restored.into(),
                taken_at: copy.taken.into(),
            }),
        })
    }
}

fn agent(Known { facts, version }: Known) -> Agent {
    Agent {
        mode: match facts.mode {
            Mode::Shared => AgentMode::Shared,
            Mode::Enrolled => AgentMode::Enrolled,
        },
        version,
        last_seen_at: facts.last_seen.map(Into::into),
        address: agent_list::address(&facts).map(|address| address.to_string()),
        loss_ratio: facts.loss,
        rtt_seconds: facts.rtt_us.map(|us| f64::from(us) / 1e6),
        #[expect(clippy::cast_precision_loss, reason = "a skew of 2^53 ms is no skew")]
        clock_skew_seconds: facts.last_seen.map(|_| facts.skew_ms as f64 / 1000.0),
        duplicates: u64::from(facts.duplicates),
        host: facts.name.to_string(),
    }
}

fn enrolment(e: Stored) -> EnrolmentRecord {
    EnrolmentRecord {
        hash: e.token,
        host: e.host,
        tags: e.tags,
        by: e.user,
        created: e.created,
        expires: e.expires,
        uses_left: e.uses,
    }
}

/// Returns a number that no other agent has: 64 random bits.
fn random_id() -> Answer<u64> {
    let mut bytes = [0; 8];
    let random = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut bytes)
        .map_err(|_| Refused::Unavailable("the system gives no random bytes".to_owned()))?;
    Ok(u64::from_be_bytes(bytes))
}
