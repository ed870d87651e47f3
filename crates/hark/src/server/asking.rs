//! Asks those services that cannot call us whether somebody has taken a message of ours there.
//!
//! ```text
//! open and not taken -> its newest message to each receiver that can be asked -> service -> acknowledgement
//! ```
//!
//! Nothing is remembered: what is to be asked is found anew each time, so that a restart, a reload or an
//! acknowledgement by another way needs no rule of its own. Services know what was taken for ever; so only
//! what was taken since the newest message counts, and since the last acknowledgement began or ended. What
//! got worse, was given back or came again wants somebody anew.
//!
//! Each receiver is asked by a task of its own, and each answer is carried out as it comes: a service that
//! hangs holds back its own alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hark_model::record::{DeliveryRecord, DeliveryState};
use hark_model::time::Unix;
use hark_model::{IncidentId, ReceiverName};
use hark_notify::handling::Acknowledged;
use hark_notify::{Context, Pending, Receiver, Receivers};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::backend::ServerBackend;

/// How often is asked: somebody who has pressed a button waits no longer than for the next minute.
const EVERY: Duration = Duration::from_secs(30);

/// Messages older than this are not asked for any more: who takes them later opens the page.
const YOUNG: Duration = Duration::from_hours(3);

/// Messages that are asked for in one round, the newest first: a storm must not become one of questions.
const MAX_ASKED: usize = 200;

/// Questions to one receiver at the same time.
const AT_ONCE: usize = 4;

/// The longest that one question may take: receivers have limits of their own, below this.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is said to who has taken a message before newer news.
const TOO_OLD: &str =
    "Nothing was acknowledged: there is newer news about it. Use the newest message.";

/// What is said where it could not be carried out.
pub(crate) const NOT_DONE: &str = "It could not be acknowledged. Open it in hark.";

/// A message whose service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// About which incident it was.
    pub(crate) incident: IncidentId,
    /// To whom it went.
    pub(crate) receiver: ReceiverName,
    /// What the service calls it.
    reference: String,
    /// What was taken before then does not count.
    after: Unix,
}

impl Question {
    /// Returns true if what was taken at `at` answers it. Services and tokens know whole seconds.
    fn is_answered_at(&self, at: Unix) -> bool {
        at.seconds() >= self.after.seconds()
    }
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
    let asked = Arc::clone(&backend);
    let mut next = tokio::time::interval(EVERY);
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let take =
        move |question: &Question, taken: &Acknowledged| backend.taken_in_service(question, taken);
    let mut running = Running::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = next.tick() => {}
        }
        let receivers = receivers.load_full();
        let able = running.idle(able(&receivers, &context));
        if able.is_empty() {
            continue;
        }
        let of = Arc::clone(&asked);
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
        running.begin(questions, find, &context, PATIENCE, &take);
    }
}

/// The receivers that are being asked.
#[derive(Debug, Default)]
struct Running {
    /// One for each receiver.
    tasks: JoinSet<()>,
    busy: BTreeMap<ReceiverName, AbortHandle>,
}

impl Running {
    /// Returns those of `able` that have answered what they were asked before.
    fn idle(&mut self, mut able: Vec<ReceiverName>) -> Vec<ReceiverName> {
        while self.tasks.try_join_next().is_some() {}
        self.busy.retain(|_, task| !task.is_finished());
        able.retain(|name| !self.busy.contains_key(name));
        able
    }

    /// Asks each receiver its questions, beside the others. What was taken goes to `take`, which says in
    /// words what came of it.
    fn begin<T>(
        &mut self,
        questions: Vec<Question>,
        find: impl Fn(&ReceiverName) -> Option<Arc<dyn Receiver>>,
        context: &Context,
        patience: Duration,
        take: &T,
    ) where
        T: Fn(&Question, &Acknowledged) -> String + Clone + Send + 'static,
    {
        let mut of: BTreeMap<ReceiverName, Vec<Question>> = BTreeMap::new();
        for question in questions {
            of.entry(question.receiver.clone()).or_default().push(question);
        }
        for (name, questions) in of {
            let Some(receiver) = find(&name) else { continue };
            let round = ask(receiver, questions, context.clone(), patience, take.clone());
            self.busy.insert(name, self.tasks.spawn(round));
        }
    }
}

/// Returns the receivers that can be asked.
fn able(receivers: &Receivers, context: &Context) -> Vec<ReceiverName> {
    let can = |configured: &hark_notify::Configured| {
        // The question itself is never sent: what is made here is not run.
        asks(&*configured.receiver, "", context).is_some()
    };
    receivers
        .iter()
        .filter(|(_, configured)| can(configured))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Returns the question whether a message was taken, for a receiver that can be asked.
fn asks<'a>(
    receiver: &'a dyn Receiver,
    reference: &'a str,
    context: &'a Context,
) -> Option<Pending<'a, Option<Acknowledged>>> {
    receiver.feedback()?.acknowledged(reference, context)
}

/// Returns what is to be asked about one incident: its newest message to each receiver that can be asked,
/// if that is young. `rows` are the incident's messages; `handled` is when an acknowledgement of it began
/// or ended last.
pub(crate) fn questions_of(
    incident: IncidentId,
    rows: &[DeliveryRecord],
    able: &[ReceiverName],
    handled: Option<Unix>,
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
        let after = handled.unwrap_or_default().max(row.notification.at);
        Some(Question { incident, receiver: receiver.clone(), reference, after })
    };
    newest.into_iter().filter_map(question).collect()
}

/// Keeps as many as are asked in a round.
pub(crate) fn bounded(mut questions: Vec<Question>) -> Vec<Question> {
    questions.sort_by_key(|question| std::cmp::Reverse(question.incident));
    questions.truncate(MAX_ASKED);
    questions
}

/// What came of one question.
enum Heard {
    /// Somebody has taken it.
    Taken(Question, Acknowledged),
    /// Nobody has, or the service does not know the message.
    Nothing,
    /// The service cannot be asked now.
    Away,
}

/// Asks one receiver, some questions at a time, and hands each answer on as it comes. Once the service is
/// away, the rest is left for the next round.
async fn ask<T>(
    receiver: Arc<dyn Receiver>,
    questions: Vec<Question>,
    context: Context,
    patience: Duration,
    take: T,
) where
    T: Fn(&Question, &Acknowledged) -> String + Clone + Send + 'static,
{
    let mut questions = questions.into_iter();
    let mut running: JoinSet<Heard> = JoinSet::new();
    let mut is_away = false;
    loop {
        while !is_away
            && running.len() < AT_ONCE
            && let Some(question) = questions.next()
        {
            let (receiver, context) = (Arc::clone(&receiver), context.clone());
            running.spawn(async move { ask_one(question, &*receiver, &context, patience).await });
        }
        match running.join_next().await {
            None => return,
            Some(Ok(Heard::Taken(question, taken))) => {
                hand_on(&*receiver, question, taken, &context, take.clone()).await;
            }
            Some(Ok(Heard::Away)) => is_away = true,
            Some(Ok(Heard::Nothing)) => {}
            Some(Err(error)) => tracing::error!(%error, "a service could not be asked"),
        }
    }
}

async fn ask_one(
    question: Question,
    receiver: &dyn Receiver,
    context: &Context,
    patience: Duration,
) -> Heard {
    let Some(asked) = asks(receiver, &question.reference, context) else {
        return Heard::Nothing;
    };
    match tokio::time::timeout(patience, asked).await {
        Ok(Ok(Some(taken))) => Heard::Taken(question, taken),
        Ok(Ok(None)) => Heard::Nothing,
        Ok(Err(error)) => {
            let receiver = &question.receiver;
            tracing::debug!(%receiver, %error, "a service does not say whether a message was taken");
            if error.is_permanent() { Heard::Nothing } else { Heard::Away }
        }
        Err(_) => {
            tracing::debug!(receiver = %question.receiver, "a service does not answer in time");
            Heard::Away
        }
    }
}

/// Carries out what was taken, unless it was before what it should answer, and says what came of it to
/// who waits for that.
async fn hand_on<T>(
    receiver: &dyn Receiver,
    question: Question,
    taken: Acknowledged,
    context: &Context,
    take: T,
) where
    T: Fn(&Question, &Acknowledged) -> String + Send + 'static,
{
    let said = if question.is_answered_at(taken.at) {
        let taken = taken.clone();
        tokio::task::spawn_blocking(move || take(&question, &taken)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "an acknowledgement was not carried out");
            NOT_DONE.to_owned()
        })
    } else {
        TOO_OLD.to_owned()
    };
    if let Some(feedback) = receiver.feedback()
        && let Some(answer) = feedback.answer(&taken, &said, context)
        && let Err(error) = answer.await
    {
        tracing::debug!(%error, "who has taken a message was not told what came of it");
    }
}

#[cfg(test)]
mod tests;
