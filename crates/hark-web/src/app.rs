//! What every handler has at hand.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hark_api::Timestamp;
use hark_api::audit::AuditLine;
use hark_model::{Clock, Now, UserName};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::browser::{Browsers, KnownBrowser};
use crate::auth::challenge::Challenges;
use crate::auth::limit::Limiter;
use crate::auth::offers::Offers;
use crate::auth::password::{Busy, Hasher};
use crate::auth::setup::Gate;
use crate::backend::{Answer, Backend, Factors};
use crate::deed::Deeds;
use crate::failure::{Failure, Reply};
use crate::jobs::Jobs;
use crate::live::Live;
use crate::login::LoginSettings;
use crate::oidc::Providers;
use crate::pace::Pace;
use crate::packed::Packed;
use crate::ready::Ready;
use crate::repeat::Repeats;
use crate::serve::WebConfig;

/// Requests that wait for the backend at the same time: its answers come from memory or one disk,
/// more would only take threads.
const MAX_ASKING: usize = 16;

/// Questions about samples at the same time. They may take seconds and cores: those who only look at a page
/// have places of their own, and what of the machine is left.
const MAX_QUERYING: usize = 4;

/// Requests of agents at the same time. They wait for the disk, and have places of their own, so that a
/// disk that is slow does not keep people from asking.
const MAX_DELIVERING: usize = 48;

/// Agents that wait for news at the same time: each costs a connection, and a question to ingest every
/// second. Those beyond are answered at once, and hear of news with their next report.
const MAX_NEWS: usize = 512;

/// Releases that are fetched at the same time: anybody may, so they must not fill the line. Agents that find
/// no place look again at their next turn.
const MAX_DOWNLOADS: usize = 8;

/// Requests that bring samples at the same time: their bodies and what they are read to are all in memory,
/// and they wait for the disk on places that agents wait on as well. Who finds no place comes again.
const MAX_BRINGING: usize = 12;

/// Clients that read the newest values of all hosts at the same time: each takes a thread for as long as it
/// reads, and the values of a large fleet are some megabytes.
const MAX_NEWEST: usize = 3;

/// Log-ins that wait for a directory at the same time: each holds a connection to it for as long as it takes,
/// and whoever guesses must not fill a directory that others need as well.
const MAX_AT_DIRECTORIES: usize = 32;

/// Live connections at the same time: each costs a task, a buffer and a share of each second.
const MAX_LIVE: usize = 256;

/// What every handler has at hand.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) live: Live,
    pub(crate) config: WebConfig,
    pub(crate) hasher: Hasher,
    pub(crate) gate: Gate,
    /// One place for each live connection.
    pub(crate) live_places: Arc<Semaphore>,
    /// Ends live connections and lets the others finish.
    pub(crate) shutdown: CancellationToken,
    /// How fast clients ask.
    pub(crate) pace: Pace,
    /// Writes that have a key.
    pub(crate) repeats: Repeats,
    /// Held by the one write that may go by the version of its object at this moment.
    pub(crate) conditional: tokio::sync::Mutex<()>,
    /// What strangers get.
    pub(crate) ready: Ready,
    /// Long work.
    pub(crate) jobs: Jobs,
    /// What goes on when its client is gone.
    pub(crate) deeds: Deeds,
    limiter: Mutex<Limiter>,
    /// Counts tokens of messages that are none, by where they came from.
    token_limiter: Mutex<Limiter>,
    asking: Arc<Semaphore>,
    delivering: Arc<Semaphore>,
    querying: Arc<Semaphore>,
    /// One place for each agent that waits for news.
    pub(crate) news_places: Arc<Semaphore>,
    /// One place for each release that is being fetched.
    pub(crate) downloads: Arc<Semaphore>,
    /// One place for each who reads the newest values of hosts.
    pub(crate) newest_places: Arc<Semaphore>,
    /// One place for each request that brings samples.
    pub(crate) inlet_places: Semaphore,
    /// Held while second factors are read and written: a code is used up by one of two who bring it.
    factors: Arc<Mutex<()>>,
    /// Held while users are read and written: of two who change one, neither writes back what the other has
    /// changed, and of two administrators who demote each other one stays.
    people: Arc<Mutex<()>>,
    /// Secrets of apps whose first code has not come back yet.
    pub(crate) offers: Mutex<Offers>,
    /// One place for each log-in that waits for a directory.
    pub(crate) directory_places: Semaphore,
    /// What is known of those who vouch for users.
    pub(crate) providers: Providers,
    /// What passkeys answer, and what comes back from providers. None if the system gave no random bytes: then there is neither.
    pub(crate) challenges: Mutex<Option<Challenges>>,
    /// The fleet as it was packed last.
    pub(crate) packed_fleet: Packed,
    /// In which somebody has logged in before. None as above: then none is known.
    pub(crate) browsers: Option<Browsers>,
}

/// How handlers hold it.
pub(crate) type Shared = Arc<App>;

impl App {
    /// Puts the parts together.
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        live: Live,
        config: WebConfig,
        shutdown: CancellationToken,
    ) -> Shared {
        let gate = Gate::new(config.setup_code.as_ref());
        Arc::new(Self {
            backend,
            live,
            config,
            hasher: Hasher::new(),
            gate,
            live_places: Arc::new(Semaphore::new(MAX_LIVE)),
            shutdown,
            pace: Pace::default(),
            repeats: Repeats::default(),
            conditional: tokio::sync::Mutex::default(),
            ready: Ready::default(),
            jobs: Jobs::default(),
            deeds: Deeds::default(),
            token_limiter: Mutex::default(),
            limiter: Mutex::new(Limiter::default()),
            asking: Arc::new(Semaphore::new(MAX_ASKING)),
            delivering: Arc::new(Semaphore::new(MAX_DELIVERING)),
            querying: Arc::new(Semaphore::new(MAX_QUERYING)),
            news_places: Arc::new(Semaphore::new(MAX_NEWS)),
            downloads: Arc::new(Semaphore::new(MAX_DOWNLOADS)),
            newest_places: Arc::new(Semaphore::new(MAX_NEWEST)),
            inlet_places: Semaphore::new(MAX_BRINGING),
            factors: Arc::default(),
            people: Arc::default(),
            offers: Mutex::default(),
            directory_places: Semaphore::new(MAX_AT_DIRECTORIES),
            providers: Providers::default(),
            challenges: Mutex::new(Challenges::new().ok()),
            packed_fleet: Packed::default(),
            browsers: Browsers::new().ok(),
        })
    }

    /// Returns this moment.
    #[expect(clippy::unused_self, reason = "time is asked of the app, so that there is one place")]
    pub(crate) fn now(&self) -> Now {
        Clock.now()
    }

    /// Returns how people log in, by what the configuration says at present.
    pub(crate) fn login(&self) -> Arc<LoginSettings> {
        self.config.login.load_full()
    }

    /// Asks the backend on a thread for blocking. Cancelling it lets a question that has begun end
    /// unheard.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Backend) -> Answer<T> + Send + 'static,
    ) -> Reply<T> {
        self.ask_at(&self.asking, question).await
    }

    /// As [`App::ask`], for what agents bring.
    pub(crate) async fn deliver<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Backend) -> Answer<T> + Send + 'static,
    ) -> Reply<T> {
        self.ask_at(&self.delivering, question).await
    }

    /// As [`App::ask`], for questions that may take long.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Backend) -> Answer<T> + Send + 'static,
    ) -> Reply<T> {
        self.ask_at(&self.querying, question).await
    }

    async fn ask_at<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        question: impl FnOnce(&dyn Backend) -> Answer<T> + Send + 'static,
    ) -> Reply<T> {
        let place = Arc::clone(places).acquire_owned().await;
        let place = place.map_err(|_| Failure::Unavailable)?;
        let backend = Arc::clone(&self.backend);
        let asked = tokio::task::spawn_blocking(move || {
            let answer = question(&*backend);
            drop(place);
            answer
        });
        match asked.await {
            Ok(answer) => Ok(answer?),
            Err(error) => {
                tracing::error!(%error, "a question to the server ended in a panic");
                Err(Failure::Internal)
            }
        }
    }

    /// Has the backend do a job on a thread for blocking, for as long as it takes: how many of them there are
    /// is bounded by [`crate::jobs`]. Cancelling it lets work that has begun end unheard.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Backend) -> Answer<T> + Send + 'static,
    ) -> Reply<T> {
        let backend = Arc::clone(&self.backend);
        match tokio::task::spawn_blocking(move || work(&*backend)).await {
            Ok(done) => Ok(done?),
            Err(error) => {
                tracing::error!(%error, "a job ended in a panic");
                Err(Failure::Internal)
            }
        }
    }

    /// Lets `change` look at the second factors of `user` and change them; nobody else does meanwhile, and
    /// what it has changed is on the disk when this returns.
    pub(crate) async fn factors<T: Send + 'static>(
        &self,
        user: &UserName,
        change: impl FnOnce(&mut Factors) -> T + Send + 'static,
    ) -> Reply<T> {
        let (lock, user) = (Arc::clone(&self.factors), user.clone());
        let live = self.live.clone();
        self.ask(move |backend| {
            let held = lock.lock().unwrap_or_else(PoisonError::into_inner);
            let before = backend.factors(&user)?;
            let mut after = before.clone();
            let result = change(&mut after);
            if after != before {
                backend.put_factors(&user, &after)?;
                live.rights();
            }
            drop(held);
            Ok(result)
        })
        .await
    }

    /// As [`App::ask`], for what changes who may do what, or ends somebody's session or token: pages that are open
    /// learn of it at once.
    pub(crate) async fn change_rights<T: Send + 'static>(
        &self,
        change: impl FnOnce(&dyn Backend) -> Answer<T> + Send + 'static,
    ) -> Reply<T> {
        let live = self.live.clone();
        self.ask(move |backend| {
            let answer = change(backend);
            live.rights();
            answer
        })
        .await
    }

    /// As [`App::change_rights`], for what changes users: nobody else changes any meanwhile. What was known of a user
    /// before may be true no longer, so `change` reads him again.
    pub(crate) async fn change_users<T: Send + 'static>(
        &self,
        change: impl FnOnce(&dyn Backend) -> Answer<T> + Send + 'static,
    ) -> Reply<T> {
        let lock = Arc::clone(&self.people);
        self.change_rights(move |backend| {
            let held = lock.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = change(backend);
            drop(held);
            answer
        })
        .await
    }

    /// Takes a try of `account` from `address`.
    pub(crate) fn attempt(&self, address: IpAddr, account: &str) -> Reply<()> {
        self.attempt_in(address, account, None)
    }

    /// As [`App::attempt`], from a browser that may be known.
    pub(crate) fn attempt_in(
        &self,
        address: IpAddr,
        account: &str,
        browser: Option<KnownBrowser>,
    ) -> Reply<()> {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.attempt(address, account, browser, self.now().mono).map_err(Failure::Limited)
    }

    /// Takes the try back: it was right.
    pub(crate) fn succeeded(&self, address: IpAddr, account: &str) {
        self.succeeded_in(address, account, None);
    }

    /// As [`App::succeeded`], from a browser that may be known.
    pub(crate) fn succeeded_in(
        &self,
        address: IpAddr,
        account: &str,
        browser: Option<KnownBrowser>,
    ) {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.succeeded(address, account, browser, self.now().mono);
    }

    /// Takes a code of an app for `account` from `address`.
    pub(crate) fn attempt_code(&self, address: IpAddr, account: &str) -> Reply<()> {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.attempt_code(address, account, self.now().mono).map_err(Failure::Limited)
    }

    /// Takes the code back: it was right.
    pub(crate) fn code_was_right(&self, address: IpAddr, account: &str) {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.code_was_right(address, account, self.now().mono);
    }

    /// Takes a try from `address` that names no account.
    pub(crate) fn attempt_from(&self, address: IpAddr) -> Reply<()> {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.attempt_from(address, self.now().mono).map_err(Failure::Limited)
    }

    /// Takes the try back: it was right.
    pub(crate) fn succeeded_from(&self, address: IpAddr) {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.take_back(address, self.now().mono);
    }

    /// Takes a try of the token of a message from `address`. Only those that are none count: what people
    /// do with good ones is bounded by the good ones.
    pub(crate) fn attempt_token(&self, address: IpAddr) -> Reply<()> {
        let mut limiter = self.token_limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.attempt_from(address, self.now().mono).map_err(Failure::Limited)
    }

    /// Takes the try back: it was one.
    pub(crate) fn token_was_good(&self, address: IpAddr) {
        let mut limiter = self.token_limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.take_back(address, self.now().mono);
    }

    /// Takes a call of a service from `address`. Only those that prove nothing count, and against nobody but
    /// who has made them: else a stranger could switch a receiver's buttons off.
    ///
    /// # Errors
    /// If there were too many of these: how long to wait.
    pub(crate) fn attempt_call(&self, address: IpAddr) -> Result<(), Duration> {
        let mut limiter = self.token_limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.attempt_call(address, self.now().mono)
    }

    /// Takes the call back: it has proven itself.
    pub(crate) fn call_was_good(&self, address: IpAddr) {
        let mut limiter = self.token_limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.take_call_back(address, self.now().mono);
    }

    /// Appends a line to the audit. What was done is done: a failure is logged.
    pub(crate) async fn audit(
        &self,
        who: Option<&UserName>,
        address: IpAddr,
        what: &str,
        detail: impl Into<String>,
    ) {
        let line = AuditLine {
            at: Timestamp(self.now().unix),
            who: who.map(ToString::to_string).unwrap_or_default(),
            address: address.to_string(),
            what: what.to_owned(),
            detail: detail.into(),
        };
        if self.ask(move |backend| backend.audit(&line)).await.is_err() {
            tracing::error!(what, "a line of the audit was not stored");
        }
    }

    /// Returns true once an administrator exists.
    pub(crate) async fn is_set_up(&self) -> Reply<bool> {
        if self.gate.is_passed() {
            return Ok(true);
        }
        let accounts = self.ask(Backend::accounts).await?;
        let found = accounts.iter().any(|account| account.admin);
        if found {
            self.gate.pass();
        }
        Ok(found)
    }
}

impl From<Busy> for Failure {
    fn from(Busy: Busy) -> Self {
        Self::Limited(Duration::from_secs(5))
    }
}
