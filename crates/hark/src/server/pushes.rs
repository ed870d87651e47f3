//! Jobs that report themselves, at work: feeds `hark_engine::push` what jobs say and the time, keeps what
//! it remembers in the state, and tells the engine how each job is.
//!
//! ```text
//! call -> job by its token -> machine -> state (on the disk) -> answer to the job
//!                                     -> engine, as the check's result
//! ```
//!
//! A token is the keyed hash of host, check and `rotation` under a key of the server's own, which is in
//! the state: it cannot be guessed, is another one for each check, and needs no list of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::anyhow;
use hark_api::Timestamp;
use hark_api::pushes::Push;
use hark_engine::Plan;
use hark_engine::input::Input;
use hark_engine::plan::PushPlan;
use hark_engine::push::{Bad, Job, JobRecord, Ping, View};
use hark_model::check::Next;
use hark_model::time::{Clock, Unix};
use hark_model::{CheckName, CheckResult, HostName};
use hark_net::hex;
use hark_store::state::{Change, State, StateReader};
use hark_web::{Answer, Refused};
use ring::hmac;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::links::Links;
use super::messages::ToEngine;
use super::store_loop::chain;

/// Calls that may wait: each waits for the disk, and jobs try again.
pub(super) const PUSH_QUEUE: usize = 1024;

/// The longest sleep while there are jobs: what a jump of the wall clock could delay.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// The longest sleep without jobs.
const NO_JOBS: Duration = Duration::from_hours(1);

/// A success right after another one says nothing new, and is not written to the disk.
const AGAIN: Duration = Duration::from_secs(1);

/// The setting with the key of the tokens.
const KEY: &str = "push-key";

/// Bytes of the key.
const KEY_BYTES: usize = 32;

/// Bytes of a token: nobody guesses 128 bits.
const TOKEN_BYTES: usize = 16;

/// What reaches the jobs.
#[derive(Debug)]
pub(crate) enum ToPush {
    /// A job says something.
    Call(Call),
    /// Somebody asks for all of them.
    List(oneshot::Sender<Vec<Push>>),
    /// The configuration was read again.
    Planned(Arc<Plan>),
}

/// What a job says.
#[derive(Debug)]
pub(crate) struct Call {
    /// Which job.
    pub(crate) token: String,
    /// What.
    pub(crate) ping: Ping,
    /// What it printed.
    pub(crate) log: String,
    /// Answered once it is on the disk.
    pub(crate) reply: oneshot::Sender<Answer<()>>,
}

/// What is needed.
#[derive(Debug)]
pub(super) struct Setup {
    /// What reaches it.
    pub(super) inbox: mpsc::Receiver<ToPush>,
    /// What is expected.
    pub(super) plan: Arc<Plan>,
    /// What is remembered.
    pub(super) memory: Memory,
    /// To the other parts.
    pub(super) links: Arc<Links>,
    /// Ends it.
    pub(super) stop: CancellationToken,
}

/// What the state remembers of jobs.
#[derive(Debug)]
pub(super) struct Memory {
    key: hmac::Key,
    reader: StateReader,
}

impl Memory {
    /// Reads the key of the tokens; makes it at the first start.
    pub(super) fn open(state: &mut State) -> anyhow::Result<Self> {
        let failed =
            |error: &dyn std::error::Error| anyhow!("cannot read the state: {}", chain(error));
        let reader = state.reader().map_err(|e| failed(&e))?;
        let stored = reader.setting(KEY).map_err(|e| failed(&e))?;
        let key = match stored.as_deref().and_then(unhex) {
            Some(key) => key,
            None => new_key(state)?,
        };
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), reader })
    }

    fn token(&self, host: &HostName, check: &CheckName, rotation: u64) -> String {
        // No name has a line feed.
        let about = format!("{host}\n{check}\n{rotation}");
        let tag = hmac::sign(&self.key, about.as_bytes());
        hex(&tag.as_ref()[..TOKEN_BYTES])
    }

    fn record(&self, host: &HostName, check: &CheckName) -> JobRecord {
        match self.reader.setting(&setting(host, check)) {
            Ok(text) => text.as_deref().and_then(read).unwrap_or_default(),
            Err(error) => {
                tracing::error!(%host, %check, error = chain(&error), "a job is not remembered");
                JobRecord::default()
            }
        }
    }
}

fn new_key(state: &mut State) -> anyhow::Result<Vec<u8>> {
    let mut key = [0; KEY_BYTES];
    let random = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut key)
        .map_err(|_| anyhow!("the system gives no random bytes"))?;
    let change = Change::Setting { name: KEY.to_owned(), value: Some(hex(&key)) };
    let written = state.commit(&[], &[change]);
    written.map_err(|e| anyhow!("cannot write the state: {}", chain(&e)))?;
    Ok(key.to_vec())
}

struct Watched {
    host: HostName,
    check: CheckName,
    job: Job,
    /// What the engine was told last.
    told: Option<View>,
}

struct Desk {
    /// By token.
    jobs: BTreeMap<String, Watched>,
    memory: Memory,
    links: Arc<Links>,
    engine: SyncSender<ToEngine>,
}

/// Works until the token is cancelled. What was answered is on the disk then.
pub(super) async fn run(setup: Setup) {
    let Setup { mut inbox, plan, memory, links, stop } = setup;
    let engine = links.engine.clone();
    let mut desk = Desk { jobs: BTreeMap::new(), memory, links, engine };
    desk.expect(&plan);
    drop(plan);
    loop {
        let now = Clock.now().unix;
        tokio::task::block_in_place(|| desk.look(now));
        let sleep = desk.sleep(now);
        tokio::select! {
            () = stop.cancelled() => return,
            message = inbox.recv() => match message {
                Some(message) => tokio::task::block_in_place(|| desk.take(message)),
                None => return,
            },
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

impl Desk {
    /// Takes over what is expected; what is remembered of jobs stays with them.
    fn expect(&mut self, plan: &Plan) {
        let now = Clock.now().unix;
        let mut before: BTreeMap<(HostName, CheckName), Watched> = std::mem::take(&mut self.jobs)
            .into_values()
            .map(|watched| ((watched.host.clone(), watched.check.clone()), watched))
            .collect();
        for (host, check, expected) in expected(plan) {
            let token = self.memory.token(host, check, expected.rotation);
            let watched = match before.remove(&(host.clone(), check.clone())) {
                Some(mut watched) => {
                    watched.job.expect(expected.clone());
                    watched
                }
                None => Watched {
                    host: host.clone(),
                    check: check.clone(),
                    job: Job::new(expected.clone(), self.memory.record(host, check), now),
                    told: None,
                },
            };
            self.jobs.insert(token, watched);
        }
    }

    fn sleep(&self, now: Unix) -> Duration {
        if self.jobs.is_empty() {
            return NO_JOBS;
        }
        let next = self.jobs.values().filter_map(|watched| watched.job.next_change(now)).min();
        next.map_or(LONGEST_SLEEP, |next| next.since(now)).min(LONGEST_SLEEP)
    }

    fn take(&mut self, message: ToPush) {
        match message {
            ToPush::Call(call) => {
                let answer = self.call(&call);
                // Whoever asked may have gone meanwhile.
                drop(call.reply.send(answer));
            }
            ToPush::List(to) => drop(to.send(self.list())),
            ToPush::Planned(plan) => self.expect(&plan),
        }
    }

    fn call(&mut self, call: &Call) -> Answer<()> {
        let watched = self.jobs.get_mut(&call.token).ok_or(Refused::Absent)?;
        let now = Clock.now().unix;
        let record = watched.job.record();
        let again = record.bad.is_none()
            && record.started_at.is_none()
            && record.done_at.is_some_and(|done| done <= now && now.since(done) < AGAIN);
        if again && call.ping == Ping::Success {
            return Ok(());
        }
        let mut job = watched.job.clone();
        job.ping(call.ping, &call.log, now);
        self.links
            .write(vec![remembered(&watched.host, &watched.check, &job)])
            .map_err(Refused::Unavailable)?;
        watched.job = job;
        // A report is news also if it says what the one before said.
        watched.told = None;
        Ok(())
    }

    /// Lets time pass, and tells the engine how each job is if it was told otherwise.
    fn look(&mut self, now: Unix) {
        for watched in self.jobs.values_mut() {
            let mut job = watched.job.clone();
            if job.tick(now) {
                let change = remembered(&watched.host, &watched.check, &job);
                if let Err(error) = self.links.write(vec![change]) {
                    tracing::warn!(error, "an overdue job is not written down; trying again");
                    continue;
                }
                watched.job = job;
            }
            let view = watched.job.view(now);
            if watched.told.as_ref() == Some(&view) {
                continue;
            }
            let Some(status) = view.status else { continue };
            let Some(host) = self.links.hosts.number(&watched.host) else { continue };
            let result = CheckResult {
                check: watched.check.clone(),
                status,
                text: view.text.clone(),
                began_at: now,
                took_ms: 0,
                values: Vec::new(),
                limits: Vec::new(),
                next: Next::Whenever,
            };
            if self.engine.send(ToEngine::Input(Input::Result { host, result })).is_ok() {
                watched.told = Some(view);
            }
        }
    }

    fn list(&self) -> Vec<Push> {
        let now = Clock.now().unix;
        let mut list: Vec<Push> = self
            .jobs
            .iter()
            .map(|(token, watched)| {
                let view = watched.job.view(now);
                Push {
                    host: watched.host.to_string(),
                    check: watched.check.to_string(),
                    state: view.state.word().to_owned(),
                    text: view.text,
                    schedule: watched.job.plan().due.to_string(),
                    done_at: watched.job.record().done_at.map(Timestamp),
                    due_at: watched.job.due().map(Timestamp),
                    path: format!("/push/{token}"),
                }
            })
            .collect();
        list.sort_by(|a, b| (&a.host, &a.check).cmp(&(&b.host, &b.check)));
        list
    }
}

fn expected(plan: &Plan) -> impl Iterator<Item = (&HostName, &CheckName, &PushPlan)> {
    plan.hosts().flat_map(|(host, plan)| {
        let expected =
            plan.checks.iter().filter_map(|check| Some((&check.name, check.push.as_ref()?)));
        expected.map(move |(check, expected)| (host, check, expected))
    })
}

fn setting(host: &HostName, check: &CheckName) -> String {
    format!("push {host}/{check}")
}

fn remembered(host: &HostName, check: &CheckName, job: &Job) -> Change {
    Change::Setting { name: setting(host, check), value: Some(written(job.record())) }
}

/// Writes what is remembered, as it stands in the state.
fn written(record: &JobRecord) -> String {
    let bad = record.bad.map(|bad| match bad {
        Bad::Failed => "failed",
        Bad::Down => "down",
    });
    json!({
        "done_ms": record.done_at.map(|at| at.0),
        "started_ms": record.started_at.map(|at| at.0),
        "bad": bad,
        "text": record.text,
    })
    .to_string()
}

fn read(text: &str) -> Option<JobRecord> {
    let value: Value = serde_json::from_str(text).ok()?;
    let time = |key: &str| value.get(key).and_then(Value::as_i64).map(Unix);
    Some(JobRecord {
        done_at: time("done_ms"),
        started_at: time("started_ms"),
        bad: match value.get("bad").and_then(Value::as_str) {
            Some("failed") => Some(Bad::Failed),
            Some("down") => Some(Bad::Down),
            _ => None,
        },
        text: value.get("text").and_then(Value::as_str)?.to_owned(),
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_whole = text.len() == 2 * KEY_BYTES && text.is_ascii();
    let bytes =
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    is_whole.then(|| bytes.collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_comes_back_whole() {
        let whole = JobRecord {
            done_at: Some(Unix(1_795_000_000_123)),
            started_at: Some(Unix(7)),
            bad: Some(Bad::Failed),
            text: "failed with exit code 3: \"disk\" full\nätsch".to_owned(),
        };
        assert_eq!(read(&written(&whole)), Some(whole));
        let new = JobRecord::default();
        assert_eq!(read(&written(&new)), Some(new));
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn each_check_has_an_address_of_its_own_that_lasts_until_it_is_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let host = |name: &str| HostName::new(name).unwrap();
        let check = |name: &str| CheckName::new(name).unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let memory = Memory::open(&mut state).unwrap();
        let token = memory.token(&host("db1"), &check("backup"), 0);
        assert_eq!(token.len(), 2 * TOKEN_BYTES);
        for other in [
            memory.token(&host("db1"), &check("backup"), 1),
            memory.token(&host("db1"), &check("restore"), 0),
            memory.token(&host("db2"), &check("backup"), 0),
        ] {
            assert_ne!(other, token);
        }
        drop((memory, state));
        let mut state = State::open(folder.path()).unwrap();
        let again = Memory::open(&mut state).unwrap();
        assert_eq!(again.token(&host("db1"), &check("backup"), 0), token, "a restart changes none");
        let elsewhere = tempfile::tempdir().unwrap();
        let mut state = State::open(elsewhere.path()).unwrap();
        let foreign = Memory::open(&mut state).unwrap();
        assert_ne!(foreign.token(&host("db1"), &check("backup"), 0), token);
    }
}
