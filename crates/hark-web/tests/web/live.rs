//! Live connections over real connections.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hark_api::auth::Role;
use hark_api::events::{Activity, Happened};
use hark_api::words::Kind;
use hark_model::{DeliveryId, HostId};
use hark_web::{LoginSettings, Network, Open, Proxies};
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::event_stream::EventStream;
use crate::fake::happened;
use crate::schema;
use crate::server::{Caller, Running, start, start_as};

/// Longer than anything takes, the minute between two looks at the user included: a test fails
/// instead of waiting for ever.
const PATIENCE: Duration = Duration::from_secs(100);

/// Less than the minute between two looks at the user: what is told within it was not found by looking.
const BEFORE_A_LOOK: Duration = Duration::from_secs(40);

struct Socket {
    stream: WebSocketStream<TcpStream>,
    document: Value,
}

async fn open(caller: &Caller) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
    Ok(offer(caller, None).await?.0)
}

/// Opens one that offers `protocols`; returns what the server has chosen of them as well.
async fn offer(
    caller: &Caller,
    protocols: Option<&str>,
) -> Result<(WebSocketStream<TcpStream>, Option<String>), tungstenite::Error> {
    let key = tungstenite::handshake::client::generate_key();
    let mut request = caller
        .request(&Method::GET, &format!("ws://{}/ws", caller.address))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", key);
    if let Some(protocols) = protocols {
        request = request.header("sec-websocket-protocol", protocols);
    }
    let stream = TcpStream::connect(caller.address).await.unwrap();
    let request = request.body(()).unwrap();
    let (stream, answer) = tokio_tungstenite::client_async(request, stream).await?;
    let chosen = answer.headers().get("sec-websocket-protocol");
    Ok((stream, chosen.map(|chosen| chosen.to_str().unwrap().to_owned())))
}

async fn refused(caller: &Caller) -> u16 {
    match open(caller).await {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        other => panic!("not refused: {:?}", other.map(drop)),
    }
}

impl Socket {
    async fn new(running: &Running, caller: &Caller) -> Self {
        let document = running.nobody().get("/api/0/openapi.json").await.json();
        let mut socket = Self { stream: open(caller).await.unwrap(), document };
        let hello = socket.next().await;
        assert_eq!((&hello["type"], &hello["seq"]), (&json!("hello"), &json!(0)));
        socket
    }

    async fn subscribe(&mut self, what: Value) -> Value {
        self.stream.send(Message::text(what.to_string())).await.unwrap();
        let frame = self.next().await;
        assert_eq!(frame["snapshot"], true, "{frame}");
        frame
    }

    /// Returns the next message, checked against the document.
    async fn next(&mut self) -> Value {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            let message = next.expect("no message").expect("closed").unwrap();
            if let Message::Text(text) = message {
                let value: Value = serde_json::from_str(&text).unwrap();
                let described = &self.document["components"]["schemas"]["Message"];
                assert_eq!(schema::check(&self.document, described, &value), Ok(()), "{value}");
                return value;
            }
        }
    }

    /// Returns the code with which the server closes.
    async fn close(&mut self) -> u16 {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            let message = next.expect("not closed").expect("closed without a word").unwrap();
            if let Message::Close(frame) = message {
                break u16::from(frame.unwrap().code);
            }
        }
    }

    /// Returns the next frame that has `topic`.
    async fn next_with(&mut self, topic: &str) -> Value {
        loop {
            let frame = self.next().await;
            if !frame[topic].is_null() {
                return frame;
            }
        }
    }
}

fn activity(host: Option<&str>, text: &str) -> Activity {
    Activity {
        at_unix_s: 1,
        kind: Kind::Event,
        host: host.map(ToOwned::to_owned),
        check: None,
        incident: None,
        state: None,
        message_state: None,
        text: text.to_owned(),
    }
}

#[tokio::test]
async fn a_subscription_begins_with_a_snapshot_and_goes_on_with_changes() {
    let running = start().await;
    let mut socket = Socket::new(&running, &running.browser("root")).await;
    let wants = ["counts", "problems", "events", "deliveries", "host:db1", "self", "nonsense"];
    let snapshot = socket.subscribe(json!({"sub": wants, "rows": [1, 99]})).await;
    assert_eq!(snapshot["seq"], 1);
    assert_eq!(snapshot["counts"]["crit"], 2);
    assert_eq!(snapshot["problems"]["add"].as_array().unwrap().len(), 2);
    assert_eq!(snapshot["rows"]["id"], json!([1]));
    assert_eq!(snapshot["host"]["db1"]["samples"]["cpu_monitor.cpu_percent"], json!([1.5, 12.5]));
    assert_eq!(snapshot["self"]["series"], 68);

    running.fake.stored().cpu = 55.0;
    running.live.heard(HostId(1));
    running.live.heard(HostId(2));
    let frame = socket.next_with("rows").await;
    assert_eq!(frame["rows"]["cpu"], json!([55.0]), "only the row that is shown");
    assert_eq!(frame["host"]["db1"]["checks_changed"], false);
    assert!(
        frame["counts"].is_null() && frame["problems"].is_null(),
        "they did not change: {frame}"
    );

    running.fake.stored().hosts.pop();
    running.live.host(HostId(1));
    running.live.delivery(DeliveryId(1));
    running.live.event(activity(Some("db1"), "boot"));
    let frame = socket.next_with("problems").await;
    assert_eq!(frame["problems"], json!({"add": [], "drop": [2]}));
    assert_eq!(frame["counts"]["crit"], 1);
    assert_eq!(frame["host"]["db1"]["checks_changed"], true);
    assert_eq!(frame["deliveries"][0]["id"], 1);
    assert_eq!(frame["events"][0]["text"], "boot");
}

#[tokio::test]
async fn a_new_subscription_is_answered_with_what_is_new_in_it() {
    let running = start().await;
    let mut socket = Socket::new(&running, &running.browser("root")).await;
    let first = socket.subscribe(json!({"sub": ["counts", "problems"], "rows": [1]})).await;
    assert_eq!(first["rows"]["id"], json!([1]));
    // A page that scrolls: the rows that come into view, and nothing else.
    let second = socket.subscribe(json!({"sub": ["counts", "problems"], "rows": [1, 2]})).await;
    assert_eq!(second["rows"]["id"], json!([2]));
    assert!(second["counts"].is_null() && second["problems"].is_null(), "{second}");
    // What it did not want for a while it is sent whole again.
    socket.subscribe(json!({"sub": ["problems"], "rows": []})).await;
    running.fake.stored().hosts.pop();
    running.live.host(HostId(1));
    let frame = socket.next_with("problems").await;
    assert_eq!(frame["problems"], json!({"add": [], "drop": [2]}), "still only what changed");
    let whole = socket.subscribe(json!({"sub": ["counts", "events", "host:db1"]})).await;
    assert_eq!(whole["counts"]["crit"], 1);
    assert!(whole["events"].is_array() && whole["host"]["db1"].is_object(), "{whole}");
}

#[tokio::test]
async fn states_of_hosts_that_are_not_shown_are_told_when_they_change() {
    let running = start().await;
    running.user("monitor", false, &[("db1", Role::Monitor)]);
    for (user, seen) in [("root", json!([1, 2])), ("monitor", json!([1]))] {
        let mut socket = Socket::new(&running, &running.browser(user)).await;
        socket.subscribe(json!({"sub": ["states"], "rows": [1]})).await;
        // One that is only heard is told to whom it is shown.
        running.live.heard(HostId(1));
        running.live.heard(HostId(2));
        assert_eq!(socket.next_with("rows").await["rows"]["id"], json!([1]), "{user}");
        running.live.host(HostId(1));
        running.live.host(HostId(2));
        let rows = socket.next_with("rows").await["rows"].clone();
        assert_eq!(rows["id"], seen, "{user}");
        assert_eq!(
            rows["since_unix_s"].as_array().unwrap().len(),
            rows["id"].as_array().unwrap().len()
        );
    }
}

#[tokio::test]
async fn numbers_of_frames_have_no_holes() {
    let running = start().await;
    let mut socket = Socket::new(&running, &running.browser("root")).await;
    let mut last = socket.subscribe(json!({"rows": [1]})).await["seq"].as_u64().unwrap();
    for _ in 0..3 {
        running.live.heard(HostId(1));
        let seq = socket.next().await["seq"].as_u64().unwrap();
        assert_eq!(seq, last + 1);
        last = seq;
    }
}

#[tokio::test]
async fn a_user_hears_only_of_what_he_may_see() {
    let running = start().await;
    running.user("monitor", false, &[("db1", Role::Monitor)]);
    let mut socket = Socket::new(&running, &running.browser("monitor")).await;
    let wants = ["counts", "problems", "events", "deliveries", "enrol", "host:db1", "host:web1"];
    let snapshot = socket.subscribe(json!({"sub": wants, "rows": [1, 2]})).await;
    assert!(!snapshot.to_string().contains("web1"), "{snapshot}");
    assert_eq!((&snapshot["rows"]["id"], &snapshot["counts"]["crit"]), (&json!([1]), &json!(1)));
    running.live.event(activity(Some("web1"), "hidden"));
    running.live.event(activity(None, "hidden"));
    running.live.event(activity(Some("db1"), "shown"));
    running.live.delivery(DeliveryId(2));
    running.live.host(HostId(2));
    running.live.heard(HostId(1));
    let frame = socket.next_with("events").await;
    assert_eq!(frame["events"].as_array().unwrap().len(), 1);
    assert_eq!(frame["rows"]["id"], json!([1]));
    assert!(
        !frame.to_string().contains("hidden") && !frame.to_string().contains("web1"),
        "{frame}"
    );
    assert!(frame["deliveries"].is_null());
}

#[tokio::test]
async fn only_a_page_of_this_server_opens_one() {
    let running = start().await;
    assert_eq!(refused(&running.nobody()).await, 401);
    let mut evil = running.browser("root");
    evil.origin = Some("https://evil.example".to_owned());
    assert_eq!(refused(&evil).await, 403);
    evil.origin = None;
    assert_eq!(refused(&evil).await, 403, "a browser always says its origin");
    assert!(open(&running.program("root")).await.is_ok(), "a program with its token needs none");
    let mut page = running.browser("root");
    page.csrf = false;
    assert!(open(&page).await.is_ok(), "a WebSocket cannot carry further headers");
    let in_address = running.program("root");
    let token = in_address.bearer.clone().unwrap();
    let reply = running.nobody().get(&format!("/ws?token={token}")).await;
    assert_eq!(reply.status, 401, "a token in an address would be logged");
}

#[tokio::test]
async fn a_screen_without_a_session_offers_its_token_beside_the_protocol() {
    let running = start().await;
    let made = running.browser("root").post("/api/0/tokens", json!({"name": "wall"})).await.json();
    let secret = made["secret"].as_str().unwrap();
    let mut screen = running.nobody();
    screen.origin = running.browser("root").origin;
    let (mut stream, chosen) =
        offer(&screen, Some(&format!("hark, hark.bearer.{secret}"))).await.unwrap();
    assert_eq!(chosen.as_deref(), Some("hark"), "the token is not repeated");
    let Some(Ok(Message::Text(hello))) = stream.next().await else { panic!("no greeting") };
    assert!(hello.contains("hello"), "{hello}");

    let status = |result: Result<_, tungstenite::Error>| match result {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        other => panic!("not refused: {:?}", other.map(drop)),
    };
    let wrong = offer(&screen, Some("hark, hark.bearer.hark_of-nobody")).await;
    assert_eq!(status(wrong), 401);
    // What a cookie holds is no token: a page that has read one must not get further with it.
    let session = running.browser("root").cookie.unwrap();
    let as_session = offer(&screen, Some(&format!("hark, hark.bearer.{session}"))).await;
    assert_eq!(status(as_session), 401);
}

#[tokio::test]
async fn a_listener_gets_the_kinds_of_events_that_it_asks_for_with_their_data() {
    let running = start().await;
    running.user("monitor", false, &[("db1", Role::Monitor)]);
    let hear = |user: &'static str, wants: Value| {
        let running = &running;
        async move {
            let mut socket = Socket::new(running, &running.browser(user)).await;
            socket.subscribe(json!({"sub": wants})).await;
            socket
        }
    };
    let mut some = hear("root", json!(["counts", "happened:backup", "happened:CRITICAL"])).await;
    let mut all = hear("root", json!(["counts", "happened:backup", "happened"])).await;
    let mut own = hear("monitor", json!(["counts", "happened"])).await;
    let boot = Happened { severity: "info".to_owned(), ..happened("db1", "boot") };
    let bad = Happened { severity: "critical".to_owned(), ..happened("web1", "raid") };
    for event in [boot, happened("db1", "Backup"), bad] {
        running.live.happened(event);
    }
    let kinds = |frame: &Value| {
        let all = frame["happened"].as_array().unwrap().iter();
        all.map(|event| event["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let frame = some.next_with("happened").await;
    assert_eq!(kinds(&frame), ["Backup", "raid"]);
    assert_eq!(frame["happened"][0]["data"], json!({"hours": 5}));
    assert_eq!(kinds(&all.next_with("happened").await), ["boot", "Backup", "raid"]);
    assert_eq!(kinds(&own.next_with("happened").await), ["boot", "Backup"], "not of web1");
}

#[tokio::test]
async fn an_agent_that_joined_is_shown_to_those_who_wait_for_it() {
    let running = crate::server::start_tls().await;
    let root = running.browser("root");
    let made = root.post("/api/0/enrol", json!({})).await.json();
    let mut events = EventStream::open(&running.program("root"), "/api/0/stream?sub=enrol").await;
    events.until(|read| read.contains("\"snapshot\":true")).await;
    let key = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";
    let join =
        json!({"token": made["token"], "name": "db9", "key": key, "facts": {"os": "Debian"}});
    let reply = running.nobody().post("/api/0/agents/enrol", join).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let whole =
        |read: &str| read.split("\"enrol\":").nth(1).is_some_and(|rest| rest.contains("\n\n"));
    events.until(whole).await;
    let frame = events.data().find(|data| data.contains("\"enrol\":")).unwrap();
    let frame: Value = serde_json::from_str(frame).unwrap();
    let seen = &frame["enrol"][0];
    assert_eq!((&seen["host"], &seen["os"]), (&json!("db9"), &json!("Debian")));
}

#[tokio::test]
async fn messages_that_are_not_understood_are_left_out() {
    let running = start().await;
    let mut socket = Socket::new(&running, &running.browser("root")).await;
    for text in ["", "{", "7", "{\"sub\": 7}", "hello"] {
        socket.stream.send(Message::text(text)).await.unwrap();
    }
    socket.stream.send(Message::binary(vec![0, 1, 2])).await.unwrap();
    let snapshot = socket.subscribe(json!({"sub": ["counts"]})).await;
    assert_eq!(snapshot["counts"]["crit"], 2);
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_connection() {
    let running = start().await;
    let mut socket = Socket::new(&running, &running.browser("root")).await;
    let long = format!("{{\"sub\": [\"{}\"]}}", "a".repeat(20_000));
    socket.stream.send(Message::text(long)).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, async {
        while let Some(Ok(message)) = socket.stream.next().await {
            assert!(!message.is_text(), "it was answered");
        }
    });
    assert!(ended.await.is_ok(), "the connection is still open");
}

#[tokio::test]
async fn live_connections_have_a_bound() {
    let running = start().await;
    let page = running.browser("root");
    let mut held = Vec::new();
    for _ in 0..256 {
        held.push(open(&page).await.unwrap());
    }
    assert_eq!(refused(&page).await, 503);
    drop(held.pop());
    let again = async {
        while open(&page).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, again).await.is_ok(), "a place that is free is given");
}

#[tokio::test(start_paused = true)]
async fn who_lost_the_session_hears_nothing_further() {
    let running = start().await;
    let mut socket = Socket::new(&running, &running.browser("root")).await;
    socket.subscribe(json!({"sub": ["counts"]})).await;
    running.fake.stored().sessions.clear();
    // The clock runs ahead while nothing happens: the minute between two looks is over at once.
    let close = socket.close().await;
    assert_eq!(close, 4401);
}

#[tokio::test(start_paused = true)]
async fn who_was_let_in_by_a_setting_hears_nothing_further_once_it_is_taken_back() {
    let from = vec![Network::parse("127.0.0.1").unwrap()];
    let header = Some(http::HeaderName::from_static("remote-user"));
    let proxies = Proxies { from, header };
    for login in [
        LoginSettings { open: Open::Everybody, ..LoginSettings::default() },
        LoginSettings { proxies, ..LoginSettings::default() },
    ] {
        let running = start_as(None, login).await;
        running.user("root", true, &[]);
        let mut caller = running.nobody().with("remote-user", "root");
        caller.origin = Some(format!("http://{}", running.address));
        let mut socket = Socket::new(&running, &caller).await;
        socket.subscribe(json!({"sub": ["counts"]})).await;
        running.login.store(Arc::default());
        assert_eq!(socket.close().await, 4401);
    }
}

#[tokio::test(start_paused = true)]
async fn who_lost_a_role_is_sent_what_is_left() {
    let running = start().await;
    let name = running.user("monitor", false, &[("db1", Role::Monitor), ("web1", Role::Monitor)]);
    let mut socket = Socket::new(&running, &running.browser("monitor")).await;
    let snapshot = socket.subscribe(json!({"sub": ["counts", "host:web1"], "rows": [1, 2]})).await;
    assert_eq!(snapshot["counts"]["crit"], 2);
    running.fake.stored().accounts.get_mut(&name).unwrap().roles.pop_last();
    let frame = socket.next_with("snapshot").await;
    assert_eq!((&frame["counts"]["crit"], &frame["rows"]["id"]), (&json!(1), &json!([1])));
    assert!(frame["host"].is_null(), "{frame}");
}

#[tokio::test]
async fn who_is_given_a_role_or_loses_one_is_told_at_once() {
    let running = start().await;
    running.user("monitor", false, &[("db1", Role::Monitor)]);
    let root = running.browser("root");
    // A token outlives a change of roles, as a session does not.
    let mut socket = Socket::new(&running, &running.program("monitor")).await;
    let first = socket.subscribe(json!({"sub": ["counts", "me"]})).await;
    assert_eq!(first["me"]["roles"], json!({"db1": "monitor"}));
    // Who asks for something else later is not told again what he knows.
    let more = socket.subscribe(json!({"sub": ["counts", "me", "problems"]})).await;
    assert!(more["me"].is_null() && more["problems"].is_object(), "{more}");
    for (admin, roles) in [
        (false, json!({"db1": "manager"})),
        (false, json!({"db1": "manager", "web1": "monitor"})),
        (true, json!({"db1": "manager", "web1": "monitor"})),
        (false, json!({"db1": "monitor", "web1": "monitor"})),
    ] {
        let order = json!({"admin": admin, "roles": roles});
        let changed = root.call(Method::PUT, "/api/0/users/monitor", Some(order)).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        let told = tokio::time::timeout(BEFORE_A_LOOK, socket.next_with("me")).await;
        let frame = told.expect("not told before the next look");
        assert_eq!((&frame["me"]["admin"], &frame["me"]["roles"]), (&json!(admin), &roles));
        assert_eq!(frame["snapshot"], true, "what is seen may be another part: {frame}");
    }
    let gone = root.call(Method::DELETE, "/api/0/users/monitor", None).await;
    assert_eq!(gone.status, 204, "{}", gone.text());
    let closed = tokio::time::timeout(BEFORE_A_LOOK, socket.close()).await;
    assert_eq!(closed.expect("still open"), 4401);
}

#[tokio::test]
async fn who_does_not_ask_is_not_told_of_himself_and_a_session_that_is_revoked_ends_at_once() {
    let running = start().await;
    let root = running.browser("root");
    running.session("root", "elsewhere", hark_model::Clock.now().unix);
    let elsewhere = Caller { cookie: Some("elsewhere".to_owned()), ..root.clone() };
    let mut socket = Socket::new(&running, &elsewhere).await;
    let first = socket.subscribe(json!({"sub": ["counts"]})).await;
    assert!(first["me"].is_null(), "{first}");
    let sessions = root.get("/api/0/sessions").await.json();
    let others = sessions.as_array().unwrap().iter().filter(|one| one["current"] == false);
    for session in others {
        let path = format!("/api/0/sessions/{}", session["id"].as_str().unwrap());
        assert_eq!(root.call(Method::DELETE, &path, None).await.status, 204);
    }
    let closed = tokio::time::timeout(BEFORE_A_LOOK, socket.close()).await;
    assert_eq!(closed.expect("still open"), 4401);
}

#[tokio::test]
async fn the_end_of_the_server_is_said() {
    let running = start().await;
    let mut socket = Socket::new(&running, &running.browser("root")).await;
    running.shutdown.cancel();
    assert_eq!(socket.close().await, 1001);
    running.tasks.close();
    let ended = tokio::time::timeout(PATIENCE, running.tasks.wait()).await;
    assert!(ended.is_ok(), "the server did not end");
}
