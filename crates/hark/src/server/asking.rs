//! Asks those services that cannot call us whether somebody has taken a message of ours there.
//!
//! ```text
//! open and not taken -> its newest message to each receiver that can be asked -> service -> acknowledgement
//! ```
//!
//! Nothing is remembered: what is to be asked is found anew each time, so that a restart, a reload or an
//! acknowledgement by another way needs no rule of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hark_model::record::{DeliveryRecord, DeliveryState};
use hark_model::time::Unix;
use hark_model::{IncidentId, ReceiverName};
use hark_notify::handling::Acknowledged;
use hark_notify::{Context, Receiver, Receivers};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::backend::ServerBackend;

/// How often is asked: somebody who has pressed a button waits no longer than for the next minute.
const EVERY: Duration = Duration::from_secs(30);

/// Messages older than this are not asked for any more: who takes them later opens the page.
const YOUNG: Duration = Duration::from_hours(3);

/// Messages that are asked for in one round, the newest first: a storm must not become one of questions.
const MAX_ASKED: usize = 200;

/// Questions at the same time.
const AT_ONCE: usize = 4;

/// The longest that one question may take: receivers have limits of their own, below this.
const PATIENCE: Duration = Duration::from_secs(20);

/// A message whose service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// About which incident it was.
    pub(crate) incident: IncidentId,
    /// To whom it went.
    pub(crate) receiver: ReceiverName,
    /// What the service calls it.
    reference: String,
}

/// What is needed.
pub(super) struct Setup {
    /// Knows what is open, and takes what was taken.
    pub(super) backend: Arc<ServerBackend>,
    /// Whom to ask.
    pub(super) receivers: Arc<arc_swap::ArcSwap<Receivers>>,
    /// For them.
    pub(super) context: Context,
    /// Ends it.
    pub(super) stop: CancellationToken,
}

/// Asks until it is stopped. Cancelling it loses an answer at most, which is asked for again.
pub(super) async fn run(setup: Setup) {
    let Setup { backend, receivers, context, stop } = setup;
    let mut next = tokio::time::interval(EVERY);
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = next.tick() => {}
        }
        let receivers = receivers.load_full();
        let able = able(&receivers, &context);
        if able.is_empty() {
            continue;
        }
        let of = Arc::clone(&backend);
        let questions = tokio::task::spawn_blocking(move || of.questions(&able)).await;
        let questions = match questions {
            Ok(Ok(questions)) => questions,
            Ok(Err(refused)) => {
                tracing::debug!(?refused, "what services are asked for is not known now");
                continue;
            }
            Err(error) => {
                tracing::error!(%error, "what services are asked for cannot be found");
                continue;
            }
        };
        let find = |name: &ReceiverName| Some(Arc::clone(&receivers.find(name)?.receiver));
        let round = ask(questions, find, &context, PATIENCE);
        let taken = tokio::select! {
            () = stop.cancelled() => return,
            taken = round => taken,
        };
        for (question, taken) in taken {
            let backend = Arc::clone(&backend);
            let done =
                tokio::task::spawn_blocking(move || backend.taken_in_service(&question, &taken));
            if let Err(error) = done.await {
                tracing::error!(%error, "an acknowledgement was not carried out");
            }
        }
    }
}

/// Returns the receivers that can be asked.
fn able(receivers: &Receivers, context: &Context) -> Vec<ReceiverName> {
    let can = |configured: &hark_notify::Configured| {
        // The question itself is never sent: what is made here is not run.
        configured.receiver.acknowledged("", context).is_some()
    };
    receivers
        .iter()
        .filter(|(_, configured)| can(configured))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Returns what is to be asked about one incident: its newest message to each receiver that can be asked,
/// if that is young. `rows` are the incident's messages.
pub(crate) fn questions_of(
    incident: IncidentId,
    rows: &[DeliveryRecord],
    able: &[ReceiverName],
    now: Unix,
) -> Vec<Question> {
    let mut newest: BTreeMap<&ReceiverName, &DeliveryRecord> = BTreeMap::new();
    for row in rows {
        let DeliveryState::Sent { .. } = row.state else { continue };
        let receiver = &row.notification.receiver;
        let known = row.notification.reference.is_some() && able.contains(receiver);
        let newer =
            newest.get(receiver).is_none_or(|other| other.notification.id < row.notification.id);
        if known && newer && now.since(row.notification.at) < YOUNG {
            newest.insert(receiver, row);
        }
    }
    let question = |(receiver, row): (&ReceiverName, &DeliveryRecord)| {
        let reference = row.notification.reference.clone()?;
        Some(Question { incident, receiver: receiver.clone(), reference })
    };
    newest.into_iter().filter_map(question).collect()
}

/// Keeps as many as are asked in a round.
pub(crate) fn bounded(mut questions: Vec<Question>) -> Vec<Question> {
    questions.sort_by_key(|question| std::cmp::Reverse(question.incident));
    questions.truncate(MAX_ASKED);
    questions
}

/// Asks, some at a time, and returns what was taken.
async fn ask(
    questions: Vec<Question>,
    find: impl Fn(&ReceiverName) -> Option<Arc<dyn Receiver>>,
    context: &Context,
    patience: Duration,
) -> Vec<(Question, Acknowledged)> {
    let mut taken = Vec::new();
    let mut running: JoinSet<Option<(Question, Acknowledged)>> = JoinSet::new();
    for question in questions {
        if running.len() >= AT_ONCE
            && let Some(Ok(Some(found))) = running.join_next().await
        {
            taken.push(found);
        }
        let Some(receiver) = find(&question.receiver) else { continue };
        let context = context.clone();
        running.spawn(async move { ask_one(question, &*receiver, &context, patience).await });
    }
    while let Some(answered) = running.join_next().await {
        if let Ok(Some(found)) = answered {
            taken.push(found);
        }
    }
    taken
}

async fn ask_one(
    question: Question,
    receiver: &dyn Receiver,
    context: &Context,
    patience: Duration,
) -> Option<(Question, Acknowledged)> {
    let asked = receiver.acknowledged(&question.reference, context)?;
    match tokio::time::timeout(patience, asked).await {
        Ok(Ok(Some(acknowledged))) => Some((question, acknowledged)),
        Ok(Ok(None)) => None,
        Ok(Err(error)) => {
            let receiver = &question.receiver;
            tracing::debug!(%receiver, %error, "a service does not say whether a message was taken");
            None
        }
        Err(_) => {
            tracing::debug!(receiver = %question.receiver, "a service does not answer in time");
            None
        }
    }
}

#[cfg(test)]
mod tests;
