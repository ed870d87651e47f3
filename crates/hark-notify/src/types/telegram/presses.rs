//! Presses of a bot's buttons, where hark must ask for them.
//!
//! Telegram keeps one queue for each bot, and who asks for what follows an update confirms it for all
//! chats of the bot: so there is one [`Presses`] for each bot, which all its chats share. A press is
//! confirmed as soon as it was read. If the server ends before it was carried out, it is lost and somebody
//! presses again; read a second time after a restart, it could take a problem that has got worse since.
//!
//! A press does not say when it was. It was after the message that carries the button, and after the last
//! time that nothing was waiting; the later of both is when it counts as done.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use hark_model::Secret;
use hark_model::time::{Clock, Mono, Now, Unix};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::{Chat, judge, name_of, number_of};
use crate::digest;
use crate::error::SendError;
use crate::handling::{Acknowledged, told_at};
use crate::service::Talk;

/// Presses that nobody has asked for yet, at most: one for each open message.
const MAX_WAITING: usize = 1000;

/// Presses are asked for at most this often, however many messages are open.
const PAUSE: Duration = Duration::from_secs(10);

/// How long a press waits for its message to be asked about: some rounds of questions. Then it was about
/// something that nobody asks for any more.
const KEPT: Duration = Duration::from_mins(2);

/// Updates read at a time, Telegram's own bound.
const MAX_UPDATES: usize = 100;

/// Readings in one go: the rest waits for the next.
const MAX_READINGS: usize = 5;

/// Bound of Telegram on the answer to a press, in characters.
pub(super) const MAX_ANSWER: usize = 200;

/// What is said of a press that nobody has asked for.
const FOR_NOTHING: &str =
    "Nothing was acknowledged: it is taken, over, or told anew. Use the newest message.";

/// The presses of one bot.
#[derive(Debug, Default)]
pub(super) struct Presses(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// The first update that was not read.
    offset: i64,
    /// When updates were last asked for.
    asked: Option<Mono>,
    /// When there were none last.
    empty: Option<Unix>,
    /// The oldest first.
    waiting: VecDeque<Press>,
}

/// Somebody has pressed a button.
#[derive(Debug)]
struct Press {
    /// What Telegram calls it.
    id: String,
    /// The number of the first message of the incident.
    first: String,
    /// Where the button stands.
    chat: Value,
    by: String,
    /// The number of who has pressed it.
    person: String,
    /// The earliest that it can have been.
    at: Unix,
    read: Mono,
}

/// The bots that there are, by the digest of address and token.
static BOTS: std::sync::Mutex<BTreeMap<String, Weak<Presses>>> =
    std::sync::Mutex::new(BTreeMap::new());

impl Presses {
    /// Returns the presses of the bot with `token` at the service `address`: the same to all its chats,
    /// and to those of the configuration before as long as they are there.
    pub(super) fn of(address: &str, token: &Secret) -> Arc<Self> {
        let key = digest::sha256(&format!("{address} {}", token.expose()));
        let mut bots = BOTS.lock().unwrap_or_else(PoisonError::into_inner);
        bots.retain(|_, bot| bot.strong_count() > 0);
        if let Some(known) = bots.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let new = Arc::new(Self::default());
        bots.insert(key, Arc::downgrade(&new));
        new
    }

    /// Returns the newest press in `chat` about the incident whose first message has the number `first`,
    /// and forgets all of them: each counts once. Asks Telegram for news if that was not done just now.
    pub(super) async fn take(
        &self,
        chat: &Chat,
        first: &str,
        talk: &Talk<'_>,
    ) -> Result<Option<Acknowledged>, SendError> {
        let mut queue = self.0.lock().await;
        read(&mut queue, chat, talk, Clock.now()).await?;
        let is_wanted = |press: &Press| press.first == first && chat.is_here(&press.chat);
        let newest = queue.waiting.iter().rfind(|press| is_wanted(press));
        let found = newest.map(|press| Acknowledged {
            by: press.by.clone(),
            id: press.person.clone(),
            comment: String::new(),
            at: press.at,
            press: press.id.clone(),
        });
        queue.waiting.retain(|press| !is_wanted(press));
        Ok(found)
    }
}

/// Reads who has pressed a button since the last time.
async fn read(
    queue: &mut MutexGuard<'_, Queue>,
    chat: &Chat,
    talk: &Talk<'_>,
    now: Now,
) -> Result<(), SendError> {
    // Each open message asks; the service answers for all of them at once.
    if queue.asked.is_some_and(|asked| now.mono.since(asked) < PAUSE) {
        return Ok(());
    }
    queue.asked = Some(now.mono);
    for _ in 0..MAX_READINGS {
        let asked = Clock.now().unix;
        let question = json!({
            "offset": queue.offset,
            "limit": MAX_UPDATES,
            "timeout": 0,
            "allowed_updates": ["callback_query"],
        });
        let answered = talk.call(chat.method("getUpdates", &question)).await?;
        let document = answered.json();
        judge(answered, None)?;
        let updates = document["result"].as_array().map_or(&[][..], Vec::as_slice);
        let n_new = updates.iter().take(MAX_UPDATES).filter(|u| note(queue, u, now)).count();
        if n_new == 0 {
            queue.empty = Some(asked);
            break;
        }
    }
    while let Some(old) = queue.waiting.pop_front_if(|press| now.mono.since(press.read) >= KEPT) {
        // Who pressed it has waited for nothing; that this fails tells him no less.
        drop(chat.say(&old.id, FOR_NOTHING, talk).await);
    }
    Ok(())
}

/// Takes one update; returns false if it is known.
fn note(queue: &mut Queue, update: &Value, now: Now) -> bool {
    let Some(number) = update["update_id"].as_i64().filter(|number| *number >= queue.offset) else {
        return false;
    };
    queue.offset = number.saturating_add(1);
    let query = &update["callback_query"];
    if let Some((token, first)) = pressed_on(query)
        && let Some(id) = query["id"].as_str()
    {
        let told = told_at(token).unwrap_or_default();
        let press = Press {
            id: id.to_owned(),
            first,
            chat: query["message"]["chat"].clone(),
            by: name_of(&query["from"]),
            person: number_of(&query["from"]),
            at: queue.empty.unwrap_or_default().max(told),
            read: now.mono,
        };
        queue.waiting.push_back(press);
        if queue.waiting.len() > MAX_WAITING {
            queue.waiting.pop_front();
        }
    }
    true
}

/// Returns the token of the button that was pressed, and the number of the first message of its incident.
pub(super) fn pressed_on(query: &Value) -> Option<(&str, String)> {
    let data = query["data"].as_str()?;
    match data.split_once('.') {
        Some((token, first)) => Some((token, first.to_owned())),
        None => Some((data, query["message"]["message_id"].as_i64()?.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { mono: Mono(9_000), unix: Unix(1_800_000_060_000) };

    fn pressed(update: i64, data: &str) -> Value {
        let message = json!({"message_id": 4711, "chat": {"id": -100}});
        let query = json!({"id": format!("q{update}"), "data": data, "message": message});
        json!({"update_id": update, "callback_query": query})
    }

    #[test]
    fn a_press_counts_from_when_nothing_waited_last_or_its_message_was_made() {
        let mut queue = Queue { empty: Some(Unix(5_000)), ..Queue::default() };
        assert!(note(&mut queue, &pressed(7, "unreadable"), NOW));
        let made = crate::samples()[0].at;
        let token = crate::types::tests::server::context().acknowledge_token(&crate::samples()[0]);
        assert!(note(&mut queue, &pressed(8, &token.unwrap()), NOW));
        let times: Vec<Unix> = queue.waiting.iter().map(|press| press.at).collect();
        assert_eq!(times, [Unix(5_000), made]);
        assert!(!note(&mut queue, &pressed(8, "again"), NOW), "known already");
    }

    #[test]
    fn the_oldest_press_gives_way_where_too_many_wait() {
        let mut queue = Queue::default();
        for update in 0..=MAX_WAITING {
            let first = 1_500 - update;
            let update = i64::try_from(update).unwrap();
            assert!(note(&mut queue, &pressed(update, &format!("t.{first}")), NOW));
        }
        assert_eq!(queue.waiting.len(), MAX_WAITING);
        let (oldest, newest) = (&queue.waiting[0], &queue.waiting[MAX_WAITING - 1]);
        assert_eq!((oldest.first.as_str(), newest.first.as_str()), ("1499", "500"));
    }
}
