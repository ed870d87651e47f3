//! A week in the life of thousands of hosts: the real engine, state and outbox machine through failures,
//! storms, flapping, maintenance, dead receivers and restarts, judged second by second.
//!
//! [`crate::world`] has few hosts and everything that can go wrong with bytes: datagrams, clocks, torn
//! writes. Here are many hosts and a long time, and what is judged is what people were told. A `model` of
//! what is true and of what stands in the way of telling it is kept beside the engine, written from the
//! design and not from the engine's code: it looks at every second anew and remembers as little as it can. The
//! `judge` holds what the engine committed against it:
//!
//! - nothing is missed: what somebody does not know and nothing keeps back is told, soon;
//! - nothing is told wrongly: each message says what is true then, and nothing forbids it;
//! - nothing comes twice: no news that the receiver has, but for reminders when they are due, and no
//!   key twice, but for a try whose outcome the server could not know;
//! - all that is kept back has its reason in the journal, and the reason is true.
//!
//! The same seed gives the same life, and the same [`Counts`], whose table is in `docs/simulation.md`.

mod counts;
mod deliver;
mod judge;
mod life;
mod model;
mod plan;
mod server;

use std::path::{Path, PathBuf};

use hark_model::{Mono, Now, Unix};
use thiserror::Error;

pub use counts::Counts;
use deliver::Receivers;
use judge::Judge;
use life::Life;
use model::Model;
use server::Server;

/// When the week begins: Monday, 2026-11-16 12:00 UTC. It ends in working hours too, so that nothing waits for
/// them at the end.
const BEGIN: i64 = 1_794_830_400_000;

/// What the monotonic clock shows then, so that deadlines can be computed backwards.
const HEAD: u64 = 3_600_000;

/// Troubles end so long before the end, in seconds: longer than the last wait of anything.
const CALM: u64 = 3 * 3600;

/// So many violations are kept in words; all are counted.
const MOST_WORDS: usize = 40;

/// How large and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// How many hosts, beside a switch for each site.
    pub hosts: usize,
    /// How many hosts are at one site.
    pub site: usize,
    /// How many seconds.
    pub seconds: u64,
    /// The same number gives the same life.
    pub seed: u64,
}

impl Form {
    /// The whole week.
    pub const WEEK: Self = Self { hosts: 5_000, site: 100, seconds: 7 * 86_400, seed: 1 };
    /// A day of few hosts, for every run of the tests.
    pub const DAY: Self = Self { hosts: 200, site: 20, seconds: 86_400, seed: 1 };
}

/// Why a week cannot go on: the machine that runs it has a fault of its own.
#[derive(Debug, Error)]
pub enum WeekError {
    /// The state cannot be opened or read.
    #[error("the simulated server's state cannot be opened")]
    Open(#[from] hark_store::state::OpenError),
    /// The state refuses a commit.
    #[error("the simulated server's state refuses a commit")]
    Commit(#[from] hark_store::state::CommitError),
}

/// The week.
#[derive(Debug)]
pub struct Week {
    form: Form,
    dir: PathBuf,
    life: Life,
    model: Model,
    judge: Judge,
    receivers: Receivers,
    server: Option<Server>,
    /// When the next server starts.
    starts_at: u64,
    counts: Counts,
}

impl Week {
    /// Makes a week whose server keeps its state in `dir`, which should be empty and in memory.
    pub fn new(form: Form, dir: &Path) -> Self {
        Self {
            life: Life::new(form),
            model: Model::new(form),
            judge: Judge::new(form),
            receivers: Receivers::new(form.seed),
            server: None,
            starts_at: 1,
            counts: Counts::new(form),
            dir: dir.to_owned(),
            form,
        }
    }

    /// Lives it all. What must not be and was is in [`Week::violations`].
    ///
    /// # Errors
    /// If the machine that runs it fails.
    pub fn run(&mut self) -> Result<(), WeekError> {
        self.live_until(self.form.seconds)?;
        self.judge.at_the_end(self.form.seconds, &self.model);
        if let Some(server) = &self.server {
            let left = server.left()?;
            self.judge.nothing_is_left(self.form.seconds, left);
        }
        Ok(())
    }

    /// Lives it from the beginning until a second before which it is not over, so nothing is said of its end:
    /// to look at something that was found there.
    ///
    /// # Errors
    /// If the machine that runs it fails.
    pub fn live_until(&mut self, second: u64) -> Result<(), WeekError> {
        for second in 1..=second.min(self.form.seconds) {
            self.second(second)?;
        }
        Ok(())
    }

    /// Returns what must not be and was, in words; not all of it if there is much.
    pub fn violations(&self) -> &[String] {
        &self.judge.violations
    }

    /// Returns what has happened.
    pub fn counts(&self) -> Counts {
        let mut counts = self.counts.clone();
        self.judge.count(&mut counts);
        self.receivers.count(&mut counts);
        counts
    }

    fn second(&mut self, second: u64) -> Result<(), WeekError> {
        let deeds = self.life.second(second, &self.model, &mut self.receivers);
        if self.server.is_none() && second >= self.starts_at {
            self.server = Some(Server::start(self.form, &self.dir, at(second))?);
            self.counts.add("server", "starts", 1);
            self.model.server_starts(second);
            self.judge.begins();
        }
        let killed = self.life.kills(second);
        let Some(server) = &mut self.server else {
            self.receivers.server_is_away(second, &mut self.judge);
            self.model.nobody_watches();
            return Ok(());
        };
        server.tick(at(second));
        for deed in &deeds {
            server.act(deed, self.judge.incident_of(deed), at(second));
        }
        let heard = self.life.hear(second, server, at(second));
        let looks = self.life.look(second, server, at(second));
        if let Some(away) = killed {
            // It dies before anything of this second is written: nobody hears of any of it.
            self.server = None;
            self.starts_at = second + away;
            self.counts.add("server", "kills", 1);
            self.receivers.server_dies(&mut self.judge);
            self.receivers.server_is_away(second, &mut self.judge);
            self.model.nobody_watches();
            return Ok(());
        }
        self.counts.add("hosts", "heartbeats", heard.len() as u64);
        self.counts.add("hosts", "looks at services", looks.len() as u64);
        for deed in &deeds {
            self.counts.add("people", deed.word(), 1);
        }
        self.receivers.second(second, server, &mut self.judge, at(second));
        let records = server.commit(&mut self.receivers, second, at(second))?;
        let said = self.receivers.said();
        self.model.second(second, &deeds, &heard, &looks, &said);
        self.judge.read(&records, second);
        for key in self.receivers.folded() {
            self.judge.folded(&key);
        }
        for key in self.receivers.settled() {
            self.judge.settled(&key);
        }
        self.judge.second(second, &mut self.model);
        Ok(())
    }
}

/// Both clocks at a second of the week.
fn at(second: u64) -> Now {
    let passed = second * 1000;
    Now { mono: Mono(HEAD + passed), unix: Unix(BEGIN + i64::try_from(passed).unwrap_or(i64::MAX)) }
}

#[cfg(test)]
mod tests;
