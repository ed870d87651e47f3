//! What is left where the state cannot be opened (rule R6): people are told that monitoring is down,
//! through the receivers of the file, and page and API say so, too.
//!
//! Nothing is watched: hosts that were acknowledged, silenced or down are not known, and beginning
//! without them would alert from nothing. Whoever mends the state starts the server anew; what is told
//! now is kept in a file of its own, so that a start that is blind again does not tell it again at once,
//! and one that sees tells those who were told that it is over.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hark_model::time::Clock;
use hark_model::{
    CheckName, DeliveryId, HostName, Notification, Reason, ReceiverName, Severity, Status, Unix,
};
use hark_net::Resolver;
use hark_notify::{Configured, Context, Receivers};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::certificate::write_private;
use super::deadman::Deadman;
use crate::stop::{Asked, Signals};
use crate::{manager, out};

/// Who was told, in the data folder.
const FILE: &str = "blind.json";

/// How often it is told again while it lasts: nobody can acknowledge it.
const REMINDER: Duration = Duration::from_hours(1);

/// The first wait after a failed try, and the longest; each is twice the one before.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(5));

/// How long the end of blindness is tried to be told.
const RECOVERY: Duration = Duration::from_hours(1);

/// How often systemd hears that the process lives.
const ALIVE: Duration = Duration::from_secs(5);

/// What strangers are told.
const PUBLIC: &str =
    "hark cannot open its state, so nothing is watched. The server's log says why.";

/// A server without its state.
#[derive(Debug)]
pub(crate) struct Blind {
    /// Why, in full: for the log and for those who are told.
    pub(super) reason: String,
    /// Those who are told.
    pub(super) receivers: Arc<Receivers>,
    /// The address of the page, for links.
    pub(super) page: String,
    /// Where the page would be.
    pub(super) listeners: Vec<TcpListener>,
    /// The first of these.
    pub(super) http: Option<SocketAddr>,
    /// For TLS.
    pub(super) tls: Option<hark_web::Tls>,
    /// Whose silence would tell the same.
    pub(super) deadman: Option<Arc<Deadman>>,
    /// Where the state lies.
    pub(super) data_dir: PathBuf,
    /// No other server starts on the folder meanwhile.
    pub(super) _lock: File,
}

impl Blind {
    /// Tells and shows it until it is asked to end.
    pub(crate) async fn run(self, signals: &mut Signals) {
        let Self { reason, receivers, page, listeners, http, tls, deadman, data_dir, _lock } = self;
        tracing::error!(reason, "the state cannot be opened: nothing is watched");
        out::note(format!("hark: monitoring is down: {reason}"));
        if let Some(http) = http {
            out::line(format!("hark {}: monitoring is down", env!("CARGO_PKG_VERSION")));
            out::line(format!("  page    {http}"));
        }
        manager::status("blind: the state cannot be opened");
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let served = stop.clone();
        tasks.spawn(async move {
            hark_web::serve_blind(listeners, tls.as_ref(), PUBLIC.to_owned(), served).await;
        });
        if let Some(deadman) = deadman {
            let (stop, said) = (stop.clone(), format!("store: {reason}"));
            tasks.spawn(async move { deadman.fails(&Resolver::default(), &said, stop).await });
        }
        let (memory, context) = (Memory::read(&data_dir), context(&page));
        tokio::select! {
            () = tell_all(&receivers, &context, &reason, &data_dir, memory) => {}
            () = until_stopped(signals) => {}
        }
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}

/// Waits for the end; another configuration or state helps only a new start.
async fn until_stopped(signals: &mut Signals) {
    let mut alive = tokio::time::interval(ALIVE);
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => return,
                Asked::Reload | Asked::Show => {
                    tracing::warn!("the state cannot be opened: mend it, then start hark anew");
                }
            },
            _ = alive.tick() => manager::alive(),
        }
    }
}

/// Who was told, and when last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Memory {
    /// Since when monitoring is down, in milliseconds since 1970.
    since: i64,
    /// When each was told last.
    told: BTreeMap<String, i64>,
}

impl Memory {
    fn read(data_dir: &Path) -> Self {
        let text = std::fs::read(data_dir.join(FILE)).unwrap_or_default();
        let kept: Value = serde_json::from_slice(&text).unwrap_or_default();
        let told = kept["told"].as_object().into_iter().flatten();
        Self {
            since: kept["since"].as_i64().unwrap_or(Clock.now().unix.0),
            told: told.filter_map(|(name, at)| Some((name.clone(), at.as_i64()?))).collect(),
        }
    }

    fn write(&self, data_dir: &Path) {
        let text = json!({ "since": self.since, "told": self.told }).to_string();
        // Without it the same is told again at the next start: better than not at all.
        if let Err(error) = write_private(&data_dir.join(FILE), text.as_bytes()) {
            tracing::warn!(%error, "who was told that monitoring is down cannot be kept");
        }
    }
}

/// Tells everybody, and again at intervals, for ever.
async fn tell_all(
    receivers: &Receivers,
    context: &Context,
    reason: &str,
    data_dir: &Path,
    mut memory: Memory,
) {
    memory.write(data_dir);
    let mut tasks = JoinSet::new();
    for (name, configured) in receivers.iter() {
        let last = memory.told.get(name.as_str()).copied().map(Unix);
        tasks.spawn(tell(name.clone(), configured.clone(), context.clone(), memory.since, {
            (reason.to_owned(), last)
        }));
    }
    if tasks.is_empty() {
        tracing::error!("there is no receiver: nobody is told that monitoring is down");
    }
    loop {
        match tasks.join_next().await {
            Some(Ok(name)) => {
                let at = Clock.now().unix;
                memory.told.insert(name.to_string(), at.0);
                memory.write(data_dir);
                let Some(configured) = receivers.find(&name) else { continue };
                tasks.spawn(tell(name, configured.clone(), context.clone(), memory.since, {
                    (reason.to_owned(), Some(at))
                }));
            }
            Some(Err(_)) => {
                tracing::error!("a receiver failed in a way that is a fault of this program");
            }
            None => std::future::pending().await,
        }
    }
}

/// Tells one receiver once it is due, and returns when it has been told.
async fn tell(
    name: ReceiverName,
    to: Configured,
    context: Context,
    since: i64,
    (reason, last): (String, Option<Unix>),
) -> ReceiverName {
    if let Some(last) = last {
        tokio::time::sleep(REMINDER.saturating_sub(Clock.now().unix.since(last))).await;
    }
    let again = last.is_some();
    let message = message(&name, Unix(since), Told::Down { reason: &reason, again });
    deliver(&to, &message, &context, None).await;
    name
}

/// What is told.
#[derive(Clone, Copy, Debug)]
enum Told<'a> {
    /// Monitoring is down.
    Down {
        /// Why.
        reason: &'a str,
        /// It was told before.
        again: bool,
    },
    /// It is not any more.
    Over,
}

fn message(receiver: &ReceiverName, since: Unix, told: Told<'_>) -> Notification {
    let now = Clock.now().unix;
    let (word, reason, severity, status, summary, detail) = match told {
        Told::Down { reason, again } => (
            format!("down/{}", now.seconds()),
            if again { Reason::Reminder } else { Reason::Problem },
            Severity::Critical,
            Status::Critical,
            "CRITICAL: monitoring is down: hark cannot open its state".to_owned(),
            format!(
                "{reason}\nNothing is watched until the state is mended and hark is started anew."
            ),
        ),
        Told::Over => (
            "over".to_owned(),
            Reason::Recovery,
            Severity::Info,
            Status::Ok,
            "RECOVERED: monitoring works again".to_owned(),
            "The state can be opened again. What happened meanwhile was not watched.".to_owned(),
        ),
    };
    Notification {
        id: DeliveryId(0),
        key: format!("blind/{}/{word}/{receiver}", since.0),
        receiver: receiver.clone(),
        reason,
        incident: None,
        host: HostName::new(hark_engine::plan::SELF).expect("the word is a name"),
        check: Some(CheckName::new("store").expect("the word is a name")),
        severity,
        was: matches!(told, Told::Over).then_some(Status::Critical),
        status,
        summary,
        detail,
        since,
        at: now,
        // What follows the first message belongs to it.
        sequence: u32::from(reason != Reason::Problem),
        reference: None,
        document: None,
        taken_by: None,
    }
}

/// Returns what receivers need where there is no whole server: no message can be answered.
pub(crate) fn context(page: &str) -> Context {
    Context {
        resolve: Arc::new(Resolver::default()),
        page: page.to_owned(),
        own_name: crate::sys::host_name().unwrap_or_else(|| "localhost".to_owned()),
        tokens: None,
        // What is built in works whatever the folder has.
        mail: hark_notify::MailStyle::default(),
        browsers: None,
        trace: hark_notify::Trace::default(),
    }
}

/// Sends until it has arrived; returns false if `limit` is over before.
pub(crate) async fn deliver(
    to: &Configured,
    message: &Notification,
    context: &Context,
    limit: Option<Duration>,
) -> bool {
    let begun = Clock.now().mono;
    let mut wait = BACKOFF.0;
    loop {
        match to.receiver.send(message, context).await {
            Ok(_) => return true,
            Err(error) => {
                let error = error.text();
                tracing::warn!(receiver = %message.receiver, error, "a message did not arrive");
            }
        }
        if limit.is_some_and(|limit| Clock.now().mono.since(begun) + wait > limit) {
            return false;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

/// Tells those who were told that monitoring was down that it works again, once; then forgets it. To be
/// called by a start that has its state.
pub(super) async fn over(receivers: Arc<Receivers>, context: Context, data_dir: PathBuf) {
    let path = data_dir.join(FILE);
    if !path.exists() {
        return;
    }
    let memory = Memory::read(&data_dir);
    let mut tasks = JoinSet::new();
    for (name, configured) in receivers.iter() {
        if memory.told.contains_key(name.as_str()) {
            let message = message(name, Unix(memory.since), Told::Over);
            let (to, context) = (configured.clone(), context.clone());
            tasks.spawn(async move { deliver(&to, &message, &context, Some(RECOVERY)).await });
        }
    }
    drop(tasks.join_all().await);
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::warn!(%error, "{} cannot be removed", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_blindness_is_good_news_and_follows_what_was_told_before() {
        let name = ReceiverName::new("ops").unwrap();
        let told = |told| message(&name, Unix(7), told);
        let first = told(Told::Down { reason: "torn", again: false });
        let again = told(Told::Down { reason: "torn", again: true });
        let over = told(Told::Over);
        assert_eq!([first.severity, over.severity], [Severity::Critical, Severity::Info]);
        assert_eq!([first.sequence, again.sequence, over.sequence], [0, 1, 1]);
        assert_eq!((first.since, &first.host, &first.check), (over.since, &over.host, &over.check));
    }

    #[test]
    fn what_was_told_is_known_after_a_restart_and_damage_to_it_loses_only_that() {
        let folder = tempfile::tempdir().unwrap();
        let told = BTreeMap::from([("ops".to_owned(), 7)]);
        let memory = Memory { since: 5, told };
        memory.write(folder.path());
        assert_eq!(Memory::read(folder.path()), memory);
        std::fs::write(folder.path().join(FILE), b"\0\0").unwrap();
        assert!(Memory::read(folder.path()).told.is_empty());
    }
}
