//! Readers of status pages: invitations with the proof that an address wants to be told, and telling.
//!
//! ```text
//! form -> Desk (bounded queue) -> invitation -> link -> Desk -> state
//! published -> what each reader is owed (hark_status) -> mail, or call -> state: told
//! ```
//!
//! What a link proves is in it, and signed: nothing is kept of an address that has not confirmed. What was
//! told is written after it arrived, so that a crash tells one reader again, with the same number of the
//! message, and forgets none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hark_model::time::{Clock, Mono, Unix};
use hark_net::{Call, Client, Guard, Tls, Trust};
use hark_notify::{Context, OwnMail, SendError};
use hark_status::{Incident, Page, Webhooks};
use hark_store::state::{Change, OpenError, ReaderRecord, State, StateReader};
use hark_web::ReaderWay;
use ring::hmac;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::links::Links;
use super::store_loop::chain;
use crate::config::StatusPlan;

/// The setting with the key that links are signed with.
const KEY: &str = "status_reader_key";

/// How long an invitation is good.
const INVITED: Duration = Duration::from_hours(24);

/// The most readers of a page: at [`PACE`] all of them are told within ten minutes.
const MAX_READERS: u64 = 5000;

/// Invitations that wait to be sent: more at once are not from people.
const MAX_ASKED: usize = 100;

/// An address is invited once in so long, whoever asks.
const AGAIN: Duration = Duration::from_mins(10);

/// Invitations within an hour, of all pages: what somebody could have hark send to strangers.
const MAX_INVITED: usize = 200;

/// Between two messages: a mail server takes ten a second from anybody.
const PACE: Duration = Duration::from_millis(100);

/// Readers that are read at once.
const BATCH: u32 = 100;

/// Whoever was not reached is tried again after this.
const RETRY: Duration = Duration::from_mins(2);

/// The time for calling a reader's address.
const CALL_TIME: Duration = Duration::from_secs(10);

/// Somebody who asks to be told.
#[derive(Debug)]
pub(super) struct Asked {
    page: String,
    way: ReaderWay,
    address: String,
}

/// What pages hand over, and who knows what links prove.
pub(crate) struct Desk {
    key: hmac::Key,
    asked: mpsc::Sender<Asked>,
    published: Notify,
    /// Taken by whoever sends.
    inbox: Mutex<Option<mpsc::Receiver<Asked>>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    /// Reads the key; makes it at the first start.
    pub(super) fn open(state: &mut State) -> anyhow::Result<Self> {
        let reader = state.reader().map_err(|e| anyhow!("cannot read the state: {}", chain(&e)))?;
        let stored =
            reader.setting(KEY).map_err(|e| anyhow!("cannot read the state: {}", chain(&e)))?;
        let kept = stored.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let key = match kept {
            Some(key) => key,
            None => new_key(state)?,
        };
        let (asked, inbox) = mpsc::channel(MAX_ASKED);
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            asked,
            published: Notify::new(),
            inbox: Mutex::new(Some(inbox)),
        })
    }

    /// Has an address be invited. Whether it is, nobody learns.
    pub(super) fn ask(&self, page: &str, way: ReaderWay, address: &str) {
        // An address and nothing beside it: what else stood there would be a message of a stranger.
        let is_bare = !address.contains(|c: char| c.is_whitespace() || c.is_control());
        let has_form = match way {
            ReaderWay::Mail => address.contains('@') && !address.contains(['<', '>', '"', ',']),
            ReaderWay::Webhook => address.contains("://"),
        };
        if !is_bare || !has_form {
            return;
        }
        let asked = Asked { page: page.to_owned(), way, address: address.to_owned() };
        if self.asked.try_send(asked).is_err() {
            tracing::warn!(page, "too many ask for updates at once: one is not invited");
        }
    }

    /// Has readers be told: something was published.
    pub(super) fn published(&self) {
        self.published.notify_one();
    }

    fn sign(&self, about: &str) -> String {
        let tag = hmac::sign(&self.key, about.as_bytes());
        URL_SAFE_NO_PAD.encode(tag)
    }

    /// Returns what stands before the last dot of `token`, if this server has signed it for `purpose`.
    fn signed<'t>(&self, purpose: &str, page: &str, token: &'t str) -> Option<&'t str> {
        let (said, mac) = token.rsplit_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let about = format!("{purpose}\n{page}\n{said}");
        hmac::verify(&self.key, about.as_bytes(), &mac).ok().map(|()| said)
    }

    fn join_token(&self, asked: &Asked, until: Unix) -> String {
        let said = format!("{}\n{}\n{}", asked.way.word(), until.0, asked.address);
        let said = URL_SAFE_NO_PAD.encode(said);
        let mac = self.sign(&format!("join\n{}\n{said}", asked.page));
        format!("{said}.{mac}")
    }

    /// Returns whose address a link proves.
    pub(super) fn joining(
        &self,
        page: &str,
        token: &str,
        now: Unix,
    ) -> Option<(ReaderWay, String)> {
        let said = URL_SAFE_NO_PAD.decode(self.signed("join", page, token)?).ok()?;
        let said = String::from_utf8(said).ok()?;
        let mut parts = said.splitn(3, '\n');
        let way = ReaderWay::from_word(parts.next()?)?;
        let until: i64 = parts.next()?.parse().ok()?;
        (now.0 <= until).then(|| (way, parts.next().unwrap_or_default().to_owned()))
    }

    fn leave_token(&self, reader: &ReaderRecord) -> String {
        let said = reader.id.to_string();
        let mac = self.sign(&format!("leave\n{}\n{said}", reader.page));
        format!("{said}.{mac}")
    }

    /// Returns the number of the reader that a link ends.
    pub(super) fn leaving(&self, page: &str, token: &str) -> Option<u64> {
        self.signed("leave", page, token)?.parse().ok()
    }
}

fn new_key(state: &mut State) -> anyhow::Result<Vec<u8>> {
    let mut key = [0; 32];
    let random = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut key)
        .map_err(|_| anyhow!("the system gives no random bytes"))?;
    let value = Some(URL_SAFE_NO_PAD.encode(key));
    let written = state.commit(&[], &[Change::Setting { name: KEY.to_owned(), value }]);
    written.map_err(|e| anyhow!("cannot write the state: {}", chain(&e)))?;
    Ok(key.to_vec())
}

/// Returns whether a page has room for one more reader.
pub(super) fn has_room(readers: u64) -> bool {
    readers < MAX_READERS
}

/// What is needed.
pub(super) struct Setup {
    /// Pages, receivers, and where it is written what was told.
    pub(super) links: Arc<Links>,
    /// Whom links are known to.
    pub(super) desk: Arc<Desk>,
    /// What was published, and who reads it.
    pub(super) reader: Mutex<StateReader>,
    /// For connections.
    pub(super) context: Context,
    /// Ends it.
    pub(super) stop: CancellationToken,
}

/// Invites and tells until it is stopped. Cancelling it loses nothing but invitations: whoever was not told
/// is told at the next start.
pub(super) async fn run(setup: Setup) {
    let stop = setup.stop.clone();
    let inbox = setup.desk.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut inbox) = inbox else { return };
    let mut sender = Sender { setup, invited: BTreeMap::new() };
    let desk = Arc::clone(&sender.setup.desk);
    let mut again = tokio::time::interval(RETRY);
    loop {
        let asked = tokio::select! {
            () = stop.cancelled() => return,
            asked = inbox.recv() => asked,
            () = desk.published.notified() => None,
            _ = again.tick() => None,
        };
        let work = async {
            match &asked {
                Some(asked) => sender.invite(asked).await,
                None => sender.tell_all().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = work => {}
        }
    }
}

struct Sender {
    setup: Setup,
    /// When who was invited, in the last hour.
    invited: BTreeMap<String, Mono>,
}

/// Why a reader was not told.
enum Untold {
    /// He will never be: nothing of him is kept.
    Gone,
    /// This message is none for him.
    Never(String),
    /// He may be later.
    Later(String),
    /// Nobody can be told that way now.
    Nobody(String),
}

impl Sender {
    async fn invite(&mut self, asked: &Asked) {
        let now = Clock.now();
        self.invited.retain(|_, at| now.mono.since(*at) < Duration::from_hours(1));
        let whom =
            format!("{}\n{}\n{}", asked.page, asked.way.word(), asked.address.to_lowercase());
        let is_young = |at: &Mono| now.mono.since(*at) < AGAIN;
        if self.invited.get(&whom).is_some_and(is_young) {
            return;
        }
        if self.invited.len() >= MAX_INVITED {
            tracing::warn!(page = asked.page, "too many were invited within an hour: one is not");
            return;
        }
        self.invited.insert(whom, now.mono);
        let plan = self.setup.links.status.load_full();
        let Some(page) = plan.page(&asked.page) else { return };
        let address = plan.address(page);
        let token = self.setup.desk.join_token(asked, now.unix + INVITED);
        let join = format!("{address}/join/{token}");
        let sent = match asked.way {
            ReaderWay::Mail => {
                let (subject, text) = page.invitation(&address, &join);
                let mail = OwnMail {
                    to: &asked.address,
                    subject: &subject,
                    text: &text,
                    key: &token,
                    list: &page.slug,
                    leave: None,
                };
                self.mail(page, &mail).await
            }
            ReaderWay::Webhook => {
                let document = page.invitation_call(&address, &join);
                self.call(page, &asked.address, &document).await
            }
        };
        // Whose address it is stands in no log: he has not agreed to anything.
        if let Err(Untold::Never(why) | Untold::Later(why) | Untold::Nobody(why)) = sent {
            tracing::warn!(page = asked.page, why, "an invitation to a status page was not sent");
        }
    }

    async fn tell_all(&self) {
        let plan = self.setup.links.status.load_full();
        for page in plan.pages.iter().filter(|page| page.has_readers()) {
            if let Err(why) = self.tell(&plan, page).await {
                tracing::warn!(page = page.slug, why, "readers of a status page were not told");
            }
        }
    }

    /// Tells every reader of a page what he does not know.
    async fn tell(&self, plan: &StatusPlan, page: &Page) -> Result<(), String> {
        let now = Clock.now().unix;
        let incidents = self.published(page)?;
        let Some(newest) = hark_status::newest(&incidents, now) else { return Ok(()) };
        let (mut after, mut is_closed) = (0, BTreeMap::new());
        loop {
            let behind = self.behind(page, newest, after)?;
            let Some(last) = behind.last() else { break };
            after = last.id;
            for reader in &behind {
                if is_closed.contains_key(&reader.way) {
                    continue;
                }
                match self.tell_one(plan, page, (reader, &incidents), now).await {
                    Ok(()) => self.write(Change::ReaderTold { id: reader.id, at: newest }).await,
                    Err(Untold::Gone) => self.write(Change::ReaderRemoved(reader.id)).await,
                    Err(Untold::Never(why) | Untold::Later(why)) => {
                        tracing::info!(reader = reader.id, why, "a reader was not told yet");
                    }
                    Err(Untold::Nobody(why)) => {
                        is_closed.insert(reader.way.clone(), why);
                    }
                }
                tokio::time::sleep(PACE).await;
            }
            if behind.len() < BATCH as usize {
                break;
            }
        }
        match is_closed.into_values().next() {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    async fn tell_one(
        &self,
        plan: &StatusPlan,
        page: &Page,
        (reader, incidents): (&ReaderRecord, &[Incident]),
        now: Unix,
    ) -> Result<(), Untold> {
        let address = plan.address(page);
        let leave = format!("{address}/leave/{}", self.setup.desk.leave_token(reader));
        for news in hark_status::owed(incidents, reader.told, now) {
            let told = if reader.way == ReaderWay::Mail.word() {
                let (subject, text) = news.mail(page, &address, &leave);
                let mail = OwnMail {
                    to: &reader.address,
                    subject: &subject,
                    text: &text,
                    key: &news.key(),
                    list: &page.slug,
                    leave: Some(&leave),
                };
                self.mail(page, &mail).await
            } else {
                self.call(page, &reader.address, &news.call(page, &address, &leave)).await
            };
            match told {
                // What is refused for good keeps nothing else back.
                Err(Untold::Never(why)) => {
                    tracing::info!(reader = reader.id, why, "a reader cannot be told this");
                }
                told => told?,
            }
        }
        Ok(())
    }

    /// Sends a mail by the receiver that the page names.
    async fn mail(&self, page: &Page, mail: &OwnMail<'_>) -> Result<(), Untold> {
        let receivers = self.setup.links.receivers.load_full();
        let found = page.mail_by.as_ref().and_then(|name| receivers.find(name));
        let sending = found.and_then(|it| it.receiver.write_own(mail, &self.setup.context));
        let Some(sending) = sending else {
            return Err(Untold::Nobody("no receiver sends mail for the page".to_owned()));
        };
        sending.await.map_err(|error| {
            let why = error.text();
            if error.is_permanent() {
                Untold::Never(why)
            } else if matches!(error, SendError::Refused { .. } | SendError::Partly { .. }) {
                // It was said of this reader, who may be full or not known yet.
                Untold::Later(why)
            } else {
                // The mail server is one for all.
                Untold::Nobody(why)
            }
        })
    }

    /// Calls a reader's web address.
    async fn call(&self, page: &Page, address: &str, document: &Value) -> Result<(), Untold> {
        let guard = match page.webhooks {
            Webhooks::None => return Err(Untold::Never("the page calls nobody".to_owned())),
            Webhooks::Public => Guard::PublicOnly,
            Webhooks::Anywhere => Guard::Open,
        };
        let tls = Tls::new(Trust::of_settings(None, false));
        let client = Client::at(address, tls).map_err(Untold::Never)?;
        let client = client.guarded(guard).with_secret_address();
        let call = Call::post_json("", document);
        let answer = client.call(&*self.setup.context.resolve, call, CALL_TIME).await;
        let status = answer.map_err(|error| Untold::Later(chain(&error)))?.status;
        match status.as_u16() {
            200..=299 => Ok(()),
            410 => Err(Untold::Gone),
            408 | 425 | 429 | 500..=599 => Err(Untold::Later(format!("answered {status}"))),
            _ => Err(Untold::Never(format!("answered {status}"))),
        }
    }

    fn published(&self, page: &Page) -> Result<Vec<Incident>, String> {
        let stored = self.read(|reader| reader.public_incidents(&page.slug))?;
        Ok(stored.into_iter().filter_map(super::backend::published).collect())
    }

    fn behind(&self, page: &Page, until: Unix, after: u64) -> Result<Vec<ReaderRecord>, String> {
        self.read(|reader| reader.readers_behind(&page.slug, until, after, BATCH))
    }

    fn read<T>(
        &self,
        question: impl FnOnce(&StateReader) -> Result<T, OpenError>,
    ) -> Result<T, String> {
        tokio::task::block_in_place(|| {
            let reader = self.setup.reader.lock().unwrap_or_else(PoisonError::into_inner);
            question(&reader).map_err(|error| chain(&error))
        })
    }

    /// Writes, and waits until it is on the disk: who is told is not told again.
    async fn write(&self, change: Change) {
        let links = Arc::clone(&self.setup.links);
        let written = tokio::task::spawn_blocking(move || links.write(vec![change])).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!("what a reader was told could not be written: he may be told again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Unix = Unix(1_800_000_000_000);

    fn desk(folder: &std::path::Path) -> Desk {
        Desk::open(&mut State::open(folder).unwrap()).unwrap()
    }

    fn asked(page: &str) -> Asked {
        Asked { page: page.to_owned(), way: ReaderWay::Mail, address: "a+b@y.example".to_owned() }
    }

    #[test]
    fn an_invitation_proves_an_address_for_one_page_and_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let token = desk(folder.path()).join_token(&asked("shop"), NOW + INVITED);
        let desk = desk(folder.path());
        let said = Some((ReaderWay::Mail, "a+b@y.example".to_owned()));
        assert_eq!(desk.joining("shop", &token, NOW), said, "also after a restart");
        assert_eq!(desk.joining("other", &token, NOW), None);
        assert_eq!(desk.joining("shop", &token, NOW + INVITED + Duration::from_secs(1)), None);
        let (said, mac) = token.split_once('.').unwrap();
        let forged = URL_SAFE_NO_PAD.encode(format!("mail\n{}\nc@y.example", NOW.0 * 2));
        assert_eq!(desk.joining("shop", &format!("{forged}.{mac}"), NOW), None);
        assert_eq!(desk.joining("shop", said, NOW), None);
        assert_eq!(desk.leaving("shop", &token), None, "what joins does not end");
    }

    #[test]
    fn only_an_address_that_stands_alone_is_invited() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(folder.path());
        let mut inbox = desk.inbox.lock().unwrap().take().unwrap();
        for (way, address) in [
            (ReaderWay::Mail, "Buy now <a@y.example>"),
            (ReaderWay::Mail, "a@y.example,b@y.example"),
            (ReaderWay::Mail, "a@y.example\nBcc: b@y.example"),
            (ReaderWay::Mail, "y.example"),
            (ReaderWay::Webhook, "https://y.example/a b"),
            (ReaderWay::Webhook, "y.example"),
        ] {
            desk.ask("shop", way, address);
            assert!(inbox.try_recv().is_err(), "{address}");
        }
        desk.ask("shop", ReaderWay::Mail, "a+b@y.example");
        assert_eq!(inbox.try_recv().unwrap().address, "a+b@y.example");
        for n in 0..MAX_ASKED + 10 {
            desk.ask("shop", ReaderWay::Mail, &format!("{n}@y.example"));
        }
        let waiting = std::iter::from_fn(|| inbox.try_recv().ok()).count();
        assert_eq!(waiting, MAX_ASKED, "those beyond are not invited");
    }

    #[test]
    fn a_link_ends_one_reader_of_one_page() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(folder.path());
        let reader = ReaderRecord {
            id: 7,
            page: "shop".to_owned(),
            way: "mail".to_owned(),
            address: "a@y.example".to_owned(),
            created: NOW,
            told: NOW,
        };
        let token = desk.leave_token(&reader);
        assert_eq!(desk.leaving("shop", &token), Some(7));
        assert_eq!(desk.leaving("other", &token), None);
        let other = format!("8.{}", token.split_once('.').unwrap().1);
        assert_eq!(desk.leaving("shop", &other), None);
        assert_eq!(desk.joining("shop", &token, NOW), None);
    }
}
