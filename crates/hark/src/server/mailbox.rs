//! Keeps the mailbox open that people answer to, and hands what comes there over.
//!
//! ```text
//! mailbox -> mail -> backend (token, words, who) -> acknowledgement; or an answer, by the receiver
//! ```
//!
//! A mail is done with once what it wants is on the disk; what was read twice after a crash changes
//! nothing. Mails without a token of ours are left unread: the mailbox may be somebody's own, too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hark_model::ReceiverName;
use hark_model::time::Clock;
use hark_notify::handling::{Letter, Mail};
use hark_notify::mailbox::{Mailbox, Open};
use hark_notify::{Context, SendError};
use tokio_util::sync::CancellationToken;

use super::backend::{ByMail, ServerBackend};
use super::engine_loop::part;
use super::links::Links;
use super::messages::ToEngine;

/// The part of the server that this is.
const PART: &str = "mailbox";

/// Mails older than this are not looked at: their tokens were good for a day, and the server goes by
/// days of its own zone.
const YOUNG: Duration = Duration::from_hours(48);

/// Mails of others that are remembered, so as not to be read again and again: those of two busy days.
const MAX_FOREIGN: usize = 10_000;

/// The first wait after a failure, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(5));

/// So many failures in a row are a problem of the server: mailbox servers end connections now and then.
const FAILURES: u32 = 3;

/// What is needed.
pub(super) struct Setup {
    /// Does what mails want.
    pub(super) backend: Arc<ServerBackend>,
    /// The mailbox, and to whom its problems are told.
    pub(super) links: Arc<Links>,
    /// For connections.
    pub(super) context: Context,
    /// Ends it.
    pub(super) stop: CancellationToken,
}

/// Reads the mailbox that the configuration names at present, until it is stopped. Cancelling it loses
/// nothing: what is not done with stays new.
pub(super) async fn run(setup: Setup) {
    let stop = setup.stop.clone();
    let mut reader = Reader { setup, failures: 0 };
    loop {
        let mailbox = reader.setup.links.mailbox.load_full();
        let Some(mailbox) = mailbox else {
            reader.is_well();
            tokio::select! {
                () = stop.cancelled() => return,
                () = reader.setup.links.mailbox_changed.notified() => continue,
            }
        };
        let links = Arc::clone(&reader.setup.links);
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            () = links.mailbox_changed.notified() => continue,
            ended = reader.keep(&mailbox) => ended,
        };
        let wait = match ended {
            Ok(()) => BACKOFF.0,
            Err(why) => reader.failed(&mailbox, &why),
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = links.mailbox_changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

struct Reader {
    setup: Setup,
    failures: u32,
}

impl Reader {
    /// Keeps the mailbox open until something fails.
    async fn keep(&mut self, mailbox: &Mailbox) -> Result<(), String> {
        let text = |error: SendError| error.text();
        let context = self.setup.context.clone();
        let mut open = mailbox.open(&context).await.map_err(text)?;
        let mut foreign = BTreeSet::new();
        loop {
            while self.round(&mut open, &mut foreign).await? {}
            self.is_well();
            open.wait().await.map_err(text)?;
        }
    }

    /// Looks at new mails; returns true if there may be more.
    async fn round(
        &self,
        open: &mut Open<'_>,
        foreign: &mut BTreeSet<u32>,
    ) -> Result<bool, String> {
        let text = |error: SendError| error.text();
        let since = Clock.now().unix - YOUNG;
        let unread = open.unread(since, |number| !foreign.contains(&number)).await.map_err(text)?;
        for number in &unread {
            let Some(bytes) = open.mail(*number).await.map_err(text)? else {
                foreign.insert(*number);
                continue;
            };
            let mail = Arc::new(Mail::read(&bytes));
            let (backend, of) = (Arc::clone(&self.setup.backend), Arc::clone(&mail));
            let came = tokio::task::spawn_blocking(move || backend.answered_by_mail(&of)).await;
            match came.map_err(|_| "an answer was not carried out".to_owned())? {
                ByMail::Foreign => {
                    foreign.insert(*number);
                    if foreign.len() > MAX_FOREIGN {
                        foreign.pop_first();
                    }
                    continue;
                }
                ByMail::Done => {}
                ByMail::Answer { receiver, text } => self.answer(&receiver, &mail, &text).await,
                ByMail::Later(why) => return Err(why),
            }
            open.done(*number).await.map_err(text)?;
        }
        Ok(!unread.is_empty())
    }

    /// Tells somebody by the receiver whose message he has answered. That this fails is his loss alone:
    /// the problem goes on, and is told again.
    async fn answer(&self, receiver: &ReceiverName, mail: &Mail, text: &str) {
        let receivers = self.setup.links.receivers.load_full();
        let Some(configured) = receivers.find(receiver) else { return };
        let letter = Letter { mail, text };
        let Some(sent) = configured.receiver.write_back(&letter, &self.setup.context) else {
            tracing::info!(%receiver, text, "an answer by mail was not obeyed, and nobody is told");
            return;
        };
        if let Err(error) = sent.await {
            let error = error.text();
            tracing::warn!(%receiver, error, "an answer by mail was not obeyed, and that was not told");
        }
    }

    /// Notes a failure, and returns how long to wait.
    fn failed(&mut self, mailbox: &Mailbox, why: &str) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let target = mailbox.target();
        tracing::warn!(mailbox = target, failures = self.failures, why, "answers are not read");
        if self.failures == FAILURES {
            self.say(Some(format!("answers to mails are not read from {target}: {why}")));
        }
        let doublings = self.failures.saturating_sub(1).min(16);
        (BACKOFF.0 * 2_u32.pow(doublings)).min(BACKOFF.1)
    }

    fn is_well(&mut self) {
        if std::mem::take(&mut self.failures) >= FAILURES {
            self.say(None);
        }
    }

    fn say(&self, problem: Option<String>) {
        if self.setup.links.engine.try_send(ToEngine::Input(part(PART, problem))).is_err() {
            tracing::warn!("the engine does not take what is said of the mailbox");
        }
    }
}
