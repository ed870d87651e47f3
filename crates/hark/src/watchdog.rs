//! `hark watchdog`: a process of its own that tells when a server has ended, hangs, and is back.
//!
//! It shares nothing with the server but its data folder, from which it knows address and process, and
//! needs no server to tell: the receivers of its own configuration are called from here. What is worth
//! telling is decided by [`verdict`].

mod verdict;

use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hark_config::{Bare, Key, Kind, Section};
use hark_model::time::Clock;
use hark_model::{
    CheckName, DeliveryId, HostName, Notification, Reason, ReceiverName, Secret, Severity, Status,
    Unix,
};
use hark_net::{Call, Resolver, Trust};
use hark_notify::{Configured, Context, Receivers};
use http::Method;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::client::LOCAL_URL;
use crate::server::blind::{context, deliver};
use crate::server::call::{Address, CALL_KEYS};
use crate::server::folder::{Holder, holder};
use crate::stop::{Asked, Signals};
use crate::sys;
use verdict::{News, Seen, Verdict};

/// The section `watchdog`.
pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "url",
        Kind::Secret,
        "Address that a working server answers; by default /healthz of the server of the data folder.",
    ),
    Key::new("every", Kind::Duration, "Time between two looks, at least 1s.").default("10s"),
    Key::new("misses", Kind::Integer, "So many looks in a row must fail, 1 to 100.").default("3"),
    Key::new(
        "subject",
        Kind::Text,
        "Subject of the mail; {host} is this machine, {state} what became of the server.",
    )
    .default(SUBJECT),
    Key::new("to", Kind::List(&Kind::Text), "Receivers that are told; all if absent."),
    CALL_KEYS[0],
    CALL_KEYS[1],
    CALL_KEYS[2],
    CALL_KEYS[3],
];

const SUBJECT: &str = "hark on {host} {state}";

/// How often it is looked whether the process is still there.
const PROCESS: Duration = Duration::from_secs(1);

/// News that may wait for one receiver: more only pile up while it is away for days.
const NEWS: usize = 64;

/// How long the end of a child is tried to be told before this process ends, too.
const LAST_WORDS: Duration = Duration::from_mins(5);

/// How long a message is tried: as the outbox does.
const TRIED: Duration = Duration::from_hours(24);

/// The section `watchdog`, read.
#[derive(Debug)]
pub(crate) struct Settings {
    /// What is asked; `None`: the server of the data folder.
    address: Option<Address>,
    every: Duration,
    /// The time for one question to the server of the data folder.
    timeout: Duration,
    misses: u32,
    subject: String,
    /// Who is told; empty: everybody.
    to: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: None,
            every: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            misses: 3,
            subject: SUBJECT.to_owned(),
            to: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads the section; what is wrong is reported to the document.
    pub(crate) fn read(root: &Section<'_>, receivers: &Receivers) -> Option<Self> {
        let section = root.child("watchdog")?;
        let usual = Self::default();
        let every = section.duration("every", Bare::Seconds, usual.every);
        if every < Duration::from_secs(1) {
            section.error("every", "must be at least 1s");
        }
        let misses = section.u64("misses", u64::from(usual.misses), 1..=100);
        let known = |name: &str| receivers.iter().any(|(known, _)| known.as_str() == name);
        let mut to = Vec::new();
        for value in section.one_or_many("to") {
            let Some(name) = value.str() else { continue };
            if !known(name) {
                value
                    .error(format!("there is no receiver `{name}`"))
                    .nearest(name, receivers.iter().map(|(name, _)| name.as_str()));
            }
            to.push(name.to_owned());
        }
        let settings = Self {
            address: if section.has("url") { Address::read(&section) } else { None },
            every,
            timeout: section.duration("timeout", Bare::Seconds, usual.timeout),
            misses: u32::try_from(misses).unwrap_or(usual.misses),
            subject: section.str("subject", SUBJECT).to_owned(),
            to,
        };
        section.finish(KEYS);
        Some(settings)
    }

    /// Returns it as it is written, for people.
    pub(crate) fn show(&self) -> Value {
        json!({
            "url": self.address.as_ref().map(ToString::to_string),
            "every": hark_config::duration::format(self.every), "misses": self.misses,
            "subject": self.subject, "to": self.to,
        })
    }
}

/// What is watched, and who is told.
#[derive(Debug)]
pub(crate) struct Watchdog {
    /// How.
    pub(crate) settings: Arc<Settings>,
    /// Who.
    pub(crate) receivers: Arc<Receivers>,
    /// The server's data folder.
    pub(crate) data_dir: PathBuf,
    /// A server that is started and watched as a child; empty if it runs by itself.
    pub(crate) command: Vec<String>,
}

impl Watchdog {
    /// Watches until it is told to end, or the child has ended.
    ///
    /// # Errors
    /// If it cannot start, or nobody would be told.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen().context("cannot listen to signals")?;
        let mut tellers = self.tellers();
        anyhow::ensure!(!tellers.queues.is_empty(), "there is no receiver: nobody would be told");
        let mut child = self.start()?;
        let resolver = Resolver::default();
        let mut verdict = Verdict::new(self.settings.misses);
        let mut asked = tokio::time::interval(self.settings.every);
        let mut looked = tokio::time::interval(PROCESS);
        crate::manager::ready();
        loop {
            let seen = tokio::select! {
                ended = end_of(&mut child) => {
                    return Ok(self.child_ended(ended?, tellers).await);
                }
                word = signals.next() => match word {
                    Asked::Stop => {
                        if let Some(id) = child.as_ref().and_then(Child::id) {
                            sys::terminate(id);
                            drop(end_of(&mut child).await);
                        }
                        return Ok(ExitCode::SUCCESS);
                    }
                    Asked::Reload | Asked::Show => continue,
                },
                _ = asked.tick() => self.ask(&resolver).await,
                // A child says itself how it ended.
                _ = looked.tick(), if child.is_none() => match holder(&self.data_dir) {
                    Holder::Gone(id) => Seen::Ended(id),
                    Holder::Runs | Holder::None => continue,
                },
            };
            crate::manager::alive();
            if let Some(news) = verdict.saw(seen, Clock.now().mono) {
                tellers.tell(&self.settings.subject, &news);
            }
        }
    }

    /// Asks the server whether it works.
    async fn ask(&self, resolver: &Resolver) -> Seen {
        let asked = match &self.settings.address {
            Some(address) => address.call(resolver, Call::new(Method::GET, "")).await,
            None => match local(&self.data_dir, self.settings.timeout) {
                Ok(address) => address.call(resolver, Call::new(Method::GET, "/healthz")).await,
                Err(why) => return Seen::Silent { why, runs: false },
            },
        };
        let runs = matches!(holder(&self.data_dir), Holder::Runs);
        match asked {
            Ok(_) => Seen::Answered,
            Err(error) => Seen::Silent { why: crate::server::chain(&error), runs },
        }
    }

    fn start(&self) -> anyhow::Result<Option<Child>> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(None) };
        let mut command = Command::new(program);
        let child = command.args(arguments).kill_on_drop(false).spawn();
        child.map(Some).with_context(|| format!("cannot start {program}"))
    }

    async fn child_ended(&self, status: ExitStatus, mut tellers: Tellers) -> ExitCode {
        tellers.tell(&self.settings.subject, &News::Exited(words(status)));
        tellers.end(LAST_WORDS).await;
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        ExitCode::from(code)
    }

    fn tellers(&self) -> Tellers {
        let context = context("");
        let mut tellers = Tellers::default();
        for (name, configured) in self.receivers.iter() {
            let to = &self.settings.to;
            if to.is_empty() || to.iter().any(|wanted| wanted == name.as_str()) {
                let (queue, inbox) = mpsc::channel(NEWS);
                tellers.queues.push((name.clone(), queue));
                tellers.tasks.spawn(send_in_order(inbox, configured.clone(), context.clone()));
            }
        }
        tellers
    }
}

/// Returns the status of a child that ended; waits for ever if there is none.
async fn end_of(child: &mut Option<Child>) -> std::io::Result<ExitStatus> {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}

/// Returns an exit status as the older tool showed it: a signal is a negative number.
fn words(status: ExitStatus) -> String {
    match (status.code(), sys::ended_by(status)) {
        (Some(code), _) => code.to_string(),
        (None, Some(signal)) => format!("-{signal}"),
        (None, None) => "unknown".to_owned(),
    }
}

/// Returns where the server of a data folder answers.
fn local(data_dir: &Path, timeout: Duration) -> Result<Address, String> {
    let path = data_dir.join(LOCAL_URL);
    let url = std::fs::read_to_string(&path)
        .map_err(|error| format!("no server has said where it is: {}: {error}", path.display()))?;
    Address::parse(&Secret::new(url), Trust::System, timeout)
}

/// One queue for each receiver: what is news is told to each in order.
#[derive(Debug, Default)]
struct Tellers {
    queues: Vec<(ReceiverName, mpsc::Sender<Notification>)>,
    /// Since when the server does not work: what is told until it does is about one and the same.
    since: Option<Unix>,
    tasks: JoinSet<()>,
}

async fn send_in_order(mut inbox: mpsc::Receiver<Notification>, to: Configured, context: Context) {
    while let Some(message) = inbox.recv().await {
        if !deliver(&to, &message, &context, Some(TRIED)).await {
            tracing::error!(receiver = %message.receiver, "a message was given up");
        }
        to.receiver.close_idle().await;
    }
}

impl Tellers {
    fn tell(&mut self, subject: &str, news: &News) {
        let at = Clock.now().unix;
        tracing::warn!(?news, "told");
        let is_over = matches!(news, News::Back { .. });
        let known = if is_over { self.since.take() } else { self.since };
        let since = known.unwrap_or(at);
        if !is_over {
            self.since = Some(since);
        }
        for (name, queue) in &self.queues {
            let mut message = message(name, subject, news, since, at);
            message.sequence = u32::from(known.is_some());
            if queue.try_send(message).is_err() {
                tracing::error!(receiver = %name, "too much waits for this receiver: not told");
            }
        }
    }

    /// Waits until all is told, at most so long.
    async fn end(self, limit: Duration) {
        drop(self.queues);
        if tokio::time::timeout(limit, self.tasks.join_all()).await.is_err() {
            tracing::error!("not everybody could be told");
        }
    }
}

fn message(
    receiver: &ReceiverName,
    subject: &str,
    news: &News,
    since: Unix,
    at: Unix,
) -> Notification {
    let host = sys::host_name().unwrap_or_else(|| "localhost".to_owned());
    let is_over = matches!(news, News::Back { .. });
    Notification {
        id: DeliveryId(0),
        key: format!("watchdog/{}/{}/{receiver}", at.0, news.word()),
        receiver: receiver.clone(),
        reason: if is_over { Reason::Recovery } else { Reason::Problem },
        incident: None,
        host: HostName::new(hark_engine::plan::SELF).expect("the word is a name"),
        check: Some(CheckName::new("server").expect("the word is a name")),
        severity: if is_over { Severity::Info } else { Severity::Critical },
        was: is_over.then_some(Status::Critical),
        status: if is_over { Status::Ok } else { Status::Critical },
        summary: subject.replace("{host}", &host).replace("{state}", news.word()),
        detail: news.to_string(),
        since,
        at,
        sequence: 0,
        reference: None,
        document: None,
        taken_by: None,
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (Option<Settings>, String) {
        let document = Document::single(text);
        let root = document.root(&NoSecrets);
        let receivers = Receivers::read(&root);
        let settings = Settings::read(&root, &receivers);
        (settings, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn the_subject_is_as_configured_with_what_became_of_the_server() {
        let (settings, said) = read("watchdog: {subject: '[example.net] hark {state}'}\n");
        assert_eq!(said, "");
        let subject = settings.unwrap().subject;
        let name = ReceiverName::new("ops").unwrap();
        let told = |news: &News| message(&name, &subject, news, Unix(7), Unix(7)).summary;
        assert_eq!(told(&News::Exited("-9".to_owned())), "[example.net] hark stopped");
        let back = News::Back { after: Duration::from_secs(90) };
        assert_eq!(told(&back), "[example.net] hark is back");
        let body =
            message(&name, &subject, &News::Exited("-9".to_owned()), Unix(7), Unix(7)).detail;
        assert_eq!(body, "hark exited with status -9");
    }

    #[tokio::test]
    async fn what_is_told_of_one_failure_belongs_together_and_its_end_is_good_news() {
        let (queue, mut told) = mpsc::channel(NEWS);
        let queues = vec![(ReceiverName::new("ops").unwrap(), queue)];
        let mut tellers = Tellers { queues, ..Tellers::default() };
        let hangs = || News::Hangs("late".to_owned());
        let back = News::Back { after: Duration::from_secs(90) };
        for news in [hangs(), News::Ended(4), back, hangs()] {
            tellers.tell("{state}", &news);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let told: Vec<Notification> = (0..4).map(|_| told.try_recv().unwrap()).collect();
        assert!(told[0].since == told[1].since && told[1].since == told[2].since);
        assert!(told[3].since > told[2].since, "the next failure is another one");
        let sequence: Vec<u32> = told.iter().map(|message| message.sequence).collect();
        assert_eq!(sequence, [0, 1, 1, 0]);
        assert_eq!((told[2].severity, told[2].reason), (Severity::Info, Reason::Recovery));
    }

    #[test]
    fn receivers_that_are_not_there_are_a_mistake() {
        let (_, said) = read(
            "receivers: {hook: {webhook: {url: 'https://example.net/x'}}}\nwatchdog: {to: hok}\n",
        );
        assert!(said.contains("there is no receiver `hok`") && said.contains("`hook`"), "{said}");
        let (_, said) = read("watchdog: {every: 10ms, misses: 0}\n");
        assert!(said.contains("at least 1s") && said.contains("misses"), "{said}");
    }
}
