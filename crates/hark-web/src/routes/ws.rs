//! Live changes over a WebSocket: the path `/ws`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use hark_api::live::{self, Subscribe};
use tokio::sync::OwnedSemaphorePermit;

use super::stream::Feed;
use crate::app::Shared;
use crate::failure::{Failure, Reply};
use crate::who::Who;

/// The longest message of a client: a list of topics and rows.
const MAX_MESSAGE: usize = 16 * 1024;

/// How often the client is asked for a sign of life.
const PING: Duration = Duration::from_secs(20);

/// A client that is silent for so long, and does not answer pings, is gone.
const SILENCE: Duration = Duration::from_mins(1);

/// The longest that writing one frame may take.
const WRITE: Duration = Duration::from_secs(20);

/// The least time between two subscriptions: each costs a snapshot.
const SUBSCRIBE_PAUSE: Duration = Duration::from_millis(200);

/// The session has ended; codes from 4000 are the application's own.
const CODE_SIGNED_OUT: u16 = 4401;

/// The server ends.
const CODE_AWAY: u16 = 1001;

/// What is spoken. A page that has an API token and no session offers the token as a second protocol, which is
/// never agreed upon: the answer does not repeat it.
const PROTOCOL: &str = "hark";

/// Opens a live connection.
pub(crate) async fn ws(
    State(app): State<Shared>,
    who: Who,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Reply<Response> {
    let upgrade = upgrade.map_err(|_| {
        Failure::Malformed("this path speaks WebSocket; without it, use /api/0/stream".to_owned())
    })?;
    let place = Arc::clone(&app.live_places).try_acquire_owned().map_err(|_| Failure::Busy)?;
    let upgrade = upgrade.protocols([PROTOCOL]);
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| run(socket, app, who, place)))
}

async fn run(mut socket: WebSocket, app: Shared, who: Who, place: OwnedSemaphorePermit) {
    let mut feed = Feed::new(app, who);
    let closed = talk(&mut socket, &mut feed).await;
    if let Some((code, reason)) = closed {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // The client may be gone already: then nobody needs the farewell.
        tokio::time::timeout(WRITE, socket.send(Message::Close(Some(frame)))).await.ok();
    }
    drop(place);
}

/// Talks until the client is gone; returns what to say at the end if it is still there.
async fn talk(socket: &mut WebSocket, feed: &mut Feed) -> Option<(u16, &'static str)> {
    send(socket, &feed.hello()).await?;
    let mut ping = tokio::time::interval(PING);
    let mut heard = feed.app.now().mono;
    let shutdown = feed.app.shutdown.clone();
    loop {
        tokio::select! {
            message = socket.recv() => {
                heard = feed.app.now().mono;
                match message? {
                    Ok(Message::Text(text)) => {
                        // What is not understood is left out: a newer page may say more.
                        let Ok(subscribe) = serde_json::from_str::<Subscribe>(&text) else { continue };
                        let snapshot = feed.subscribe(subscribe).await?;
                        send(socket, &snapshot).await?;
                        tokio::time::sleep(SUBSCRIBE_PAUSE).await;
                    }
                    Ok(Message::Close(_)) | Err(_) => return None,
                    Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_)) => {}
                }
            }
            messages = feed.next() => match messages {
                Some(messages) => {
                    for message in &messages {
                        send(socket, message).await?;
                    }
                }
                None => return Some((CODE_SIGNED_OUT, "signed out")),
            },
            _ = ping.tick() => {
                if feed.app.now().mono.since(heard) > SILENCE {
                    return Some((CODE_AWAY, "no sign of life"));
                }
                let sent = socket.send(Message::Ping(bytes::Bytes::new()));
                tokio::time::timeout(WRITE, sent).await.ok()?.ok()?;
            }
            () = shutdown.cancelled() => return Some((CODE_AWAY, "the server ends")),
        }
    }
}

/// Sends `message`; `None` if the client does not take it.
async fn send(socket: &mut WebSocket, message: &live::Message) -> Option<()> {
    let text = serde_json::to_string(message).ok()?;
    tokio::time::timeout(WRITE, socket.send(Message::text(text))).await.ok()?.ok()
}
