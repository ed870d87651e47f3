//! Live changes as server-sent events, where a proxy blocks the other kind: the same messages.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hark_api::auth::Me;
use hark_api::live::{Frame, Hello, Message, StreamQuery, Subscribe};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Interval;

use crate::app::Shared;
use crate::backend::Backend;
use crate::extract::Params;
use crate::failure::{Failure, Reply};
use crate::live::Tick;
use crate::live::client::Client;
use crate::who::{self, Who};

/// How often the user is looked up again, beside whenever users change: whoever lost a session or a role hears nothing
/// further, also if that was by the passing of time or by another way than a write here.
const RECHECK: Duration = Duration::from_mins(1);

/// Returns live changes as server-sent events.
#[utoipa::path(
    get, path = "/api/0/stream", tag = "state", params(StreamQuery),
    responses((status = 200, body = Message, content_type = "text/event-stream"))
)]
pub(crate) async fn stream(
    State(app): State<Shared>,
    who: Who,
    Params(query): Params<StreamQuery>,
) -> Reply<Response> {
    let place = Arc::clone(&app.live_places).try_acquire_owned().map_err(|_| Failure::Busy)?;
    let mut feed = Feed::new(app, who);
    let subscribe = Subscribe {
        sub: query.sub.split(',').map(ToOwned::to_owned).collect(),
        rows: query.rows.split(',').filter_map(|id| id.parse().ok()).collect(),
    };
    let mut queue = VecDeque::from([feed.hello()]);
    queue.extend(feed.subscribe(subscribe).await);
    let streamed = Streamed { feed, queue, _place: place };
    let events = stream::unfold(streamed, |mut streamed| async move {
        let message = streamed.next().await?;
        let text = serde_json::to_string(&message).ok()?;
        Some((Ok::<_, Infallible>(Event::default().data(text)), streamed))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

struct Streamed {
    feed: Feed,
    queue: VecDeque<Message>,
    _place: OwnedSemaphorePermit,
}

impl Streamed {
    async fn next(&mut self) -> Option<Message> {
        let shutdown = self.feed.app.shutdown.clone();
        while self.queue.is_empty() {
            tokio::select! {
                messages = self.feed.next() => self.queue.extend(messages?),
                () = shutdown.cancelled() => return None,
            }
        }
        self.queue.pop_front()
    }
}

/// The messages of one live connection, whatever carries them.
pub(super) struct Feed {
    pub(super) app: Shared,
    who: Who,
    client: Client,
    ticks: Receiver<Arc<Tick>>,
    /// Ticks that came and are not yet sent.
    pending: Vec<Arc<Tick>>,
    /// Ticks were lost: the client must be told, and sent all anew.
    lost: bool,
    /// The user may see or do something else than before.
    other_rights: bool,
    /// What the user was told last about himself, if the client wants to hear of it.
    me: Option<Me>,
    /// When to look the user up again.
    recheck: Interval,
    /// It is time to.
    doubted: bool,
}

impl Feed {
    pub(super) fn new(app: Shared, who: Who) -> Self {
        let client = Client::new(who.sight());
        let ticks = app.live.ticks();
        let mut recheck = tokio::time::interval(RECHECK);
        recheck.reset();
        Self {
            app,
            who,
            client,
            ticks,
            pending: Vec::new(),
            lost: false,
            other_rights: false,
            me: None,
            recheck,
            doubted: false,
        }
    }

    /// Returns the first message.
    pub(super) fn hello(&self) -> Message {
        Message::Hello(Hello {
            seq: 0,
            at_unix_s: self.app.now().unix.seconds(),
            version: self.app.config.version.clone(),
        })
    }

    /// Takes what the client wants; returns all of it that it did not want before.
    pub(super) async fn subscribe(&mut self, subscribe: Subscribe) -> Option<Message> {
        self.client.subscribe(&subscribe);
        let added = self.whole(Client::added).await?;
        let knew = self.me.is_some();
        // What he knew and is no longer so is told where that is noticed.
        if !knew || !self.client.wants_me() {
            self.learn_of_himself().await?;
        }
        let news = self.me.clone().filter(|_| !knew);
        Some(with_me(added, news))
    }

    /// Waits for the next second in which something changed for the client; returns what to send, and
    /// `None` if the user may not hear any more. Cancelling it loses nothing: what was being made is
    /// made anew by the next call.
    pub(super) async fn next(&mut self) -> Option<Vec<Message>> {
        loop {
            if self.pending.is_empty() && !self.lost {
                tokio::select! {
                    tick = self.ticks.recv() => {
                        self.take(tick.map_err(|error| match error {
                            RecvError::Lagged(n) => TryRecvError::Lagged(n),
                            RecvError::Closed => TryRecvError::Closed,
                        }));
                    }
                    _ = self.recheck.tick() => self.doubted = true,
                }
            }
            // A slow client gets all ticks that have come meanwhile as one frame.
            while {
                let tick = self.ticks.try_recv();
                self.take(tick)
            } {}
            if self.doubted {
                self.look_up().await?;
                self.doubted = false;
            }
            if self.lost || self.other_rights {
                let snapshot = self.whole(Client::snapshot).await?;
                let snapshot = with_me(snapshot, self.me.clone());
                let gap = self.lost.then_some(Message::Gap);
                (self.lost, self.other_rights) = (false, false);
                self.pending.clear();
                return Some(gap.into_iter().chain([snapshot]).collect());
            }
            if self.pending.is_empty() {
                continue;
            }
            let frame = self.frame().await?;
            self.pending.clear();
            if let Some(frame) = frame {
                return Some(vec![frame]);
            }
        }
    }

    /// Notes what came; returns true if more may wait.
    fn take(&mut self, tick: Result<Arc<Tick>, TryRecvError>) -> bool {
        match tick {
            Ok(tick) => {
                self.doubted |= tick.changes.rights;
                self.pending.push(tick);
            }
            // The receiver goes on with the oldest tick that is still there.
            Err(TryRecvError::Lagged(_)) => self.lost = true,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return false,
        }
        true
    }

    async fn whole(&mut self, of: fn(&mut Client, &dyn Backend, i64) -> Frame) -> Option<Message> {
        let mut client = self.client.clone();
        let at = self.app.now().unix.seconds();
        let made = self.app.ask(move |backend| {
            let frame = of(&mut client, backend, at);
            Ok((client, frame))
        });
        let (client, frame) = made.await.ok()?;
        self.client = client;
        Some(Message::Frame(Box::new(frame)))
    }

    async fn frame(&mut self) -> Option<Option<Message>> {
        let mut client = self.client.clone();
        let ticks = self.pending.clone();
        let at = self.app.now().unix.seconds();
        let made = self.app.ask(move |backend| {
            let frame = client.frame(backend, &ticks, at);
            Ok((client, frame))
        });
        let (client, frame) = made.await.ok()?;
        self.client = client;
        Some(frame.map(|frame| Message::Frame(Box::new(frame))))
    }

    /// Looks the user up again; `None` if he is gone. A page that is open is not a person who is
    /// there, so this does not keep the session alive.
    async fn look_up(&mut self) -> Option<()> {
        self.who = who::again(&self.app, &self.who).await.ok()??;
        self.other_rights |= self.client.set_sight(self.who.sight());
        let before = self.me.clone();
        self.learn_of_himself().await?;
        self.other_rights |= before.is_some() && before != self.me;
        Some(())
    }

    /// Keeps what the user is told about himself, if the client wants to hear of it.
    async fn learn_of_himself(&mut self) -> Option<()> {
        self.me =
            if self.client.wants_me() { Some(self.who.me(&self.app).await.ok()?) } else { None };
        Some(())
    }
}

/// Adds what the user is told about himself to a frame.
fn with_me(message: Message, me: Option<Me>) -> Message {
    match message {
        Message::Frame(frame) => Message::Frame(Box::new(Frame { me, ..*frame })),
        other @ (Message::Hello(_) | Message::Gap) => other,
    }
}
