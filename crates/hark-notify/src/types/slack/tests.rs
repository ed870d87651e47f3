use super::*;
use crate::types::tests::server::{
    Answer, Server, context, mistakes, problem, read, recovery, reminder, send, taken,
};

const SENT: &str = r#"{"ok":true,"channel":"C0123","ts":"1503435956.000247","message":{}}"#;

fn bot(server: &Server, more: &str) -> Box<dyn Receiver> {
    let api = server.url("/api");
    read(&Slack, &format!("token: xoxb-token\nchannel: '#ops'\napi: {api}\n{more}"))
}

#[tokio::test]
async fn a_bot_opens_a_thread_with_colour_and_button() {
    let server = Server::saying(200, SENT).await;
    let receiver = bot(&server, "signing_secret: signing\nmention: '<!here>'\n");
    assert!(receiver.target().ends_with("(#ops)"));
    let delivered = send(&*receiver, &problem()).await.unwrap();
    assert_eq!(delivered.reference.as_deref(), Some("C0123/1503435956.000247"));
    let call = server.only_call();
    assert_eq!(call.line(), "POST /api/chat.postMessage");
    assert_eq!(call.headers["authorization"], "Bearer xoxb-token");
    let message = call.json();
    assert_eq!((&message["channel"], &message["text"]), (&"#ops".into(), &"<!here>".into()));
    assert_eq!(message.get("thread_ts"), None);
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["color"], "#d1242f");
    let blocks = attachment["blocks"].as_array().unwrap();
    assert_eq!(blocks[0]["text"]["text"], "*🚨 CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0*");
    assert!(blocks[1]["text"]["text"].as_str().unwrap().contains("Host: db1.example.net"));
    let buttons = &blocks[2]["elements"];
    assert_eq!(buttons[0]["url"], "https://hark.example.net/incidents/1");
    assert_eq!(buttons[1]["action_id"], "hark_acknowledge");
    assert_eq!(buttons[1]["value"], context().acknowledge_token(&problem()).unwrap());
}

#[tokio::test]
async fn later_messages_answer_in_the_thread_and_the_end_turns_it_green() {
    let server = Server::saying(200, SENT).await;
    let receiver = bot(&server, "");
    let first = Some("C0123/1503435956.000247");
    let delivered = send(&*receiver, &reminder(first)).await.unwrap();
    assert_eq!(delivered.reference, None);
    let message = server.last_call().json();
    assert_eq!(message["channel"], "C0123");
    assert_eq!(message["thread_ts"], "1503435956.000247");
    assert_eq!(message["reply_broadcast"], false);

    send(&*receiver, &recovery(first)).await.unwrap();
    let calls = server.calls();
    assert_eq!(calls[1].json()["reply_broadcast"], true);
    assert_eq!(calls[2].line(), "POST /api/chat.update");
    let edit = calls[2].json();
    assert_eq!((&edit["channel"], &edit["ts"]), (&"C0123".into(), &"1503435956.000247".into()));
    assert_eq!(edit["attachments"][0]["color"], Tone::Good.hex());
    assert!(!edit.to_string().contains("Acknowledge"));
}

#[tokio::test]
async fn who_took_it_is_said_in_the_thread_alone() {
    let server = Server::saying(200, SENT).await;
    send(&*bot(&server, "mention: '<!here>'\n"), &taken(Some("C0123/1503435956.000247")))
        .await
        .unwrap();
    let message = server.only_call().json();
    assert_eq!(message["thread_ts"], "1503435956.000247");
    assert_eq!(message["reply_broadcast"], false);
    assert_eq!(message.get("text"), None, "nobody is called");
    let text = message["attachments"][0]["blocks"].to_string();
    assert!(text.contains("(by mira)") && !text.contains("\"Acknowledge\""), "{text}");
}

#[tokio::test]
async fn that_the_first_message_cannot_be_edited_does_not_matter() {
    let server = Server::start(|call| match call.uri.as_str() {
        "/api/chat.update" => Answer::new(200, r#"{"ok":false,"error":"cant_update_message"}"#),
        _ => Answer::new(200, SENT),
    })
    .await;
    send(&*bot(&server, ""), &recovery(Some("C0123/1.2"))).await.unwrap();
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_webhook_gets_the_same_without_threads_and_with_links() {
    let server = Server::saying(200, "ok").await;
    let text = format!("url: {}\n", server.url("/services/T0/B0/secret-part"));
    let delivered = send(&*read(&Slack, &text), &problem()).await.unwrap();
    assert_eq!((delivered.text.as_str(), delivered.reference), ("200 ok", None));
    let call = server.only_call();
    assert_eq!(call.line(), "POST /services/T0/B0/secret-part");
    let message = call.json();
    assert_eq!(message.get("channel"), None);
    let link = message["attachments"][0]["blocks"][2]["elements"][1]["url"].as_str().unwrap();
    assert!(link.starts_with("https://hark.example.net/a/"), "{link}");
}

#[tokio::test]
async fn a_no_inside_of_200_is_a_no() {
    for (error, is_permanent) in [
        ("channel_not_found", true),
        ("invalid_auth", true),
        ("is_archived", true),
        ("internal_error", false),
        ("ratelimited", false),
    ] {
        let body = format!(r#"{{"ok":false,"error":"{error}"}}"#);
        let server = Server::start(move |_| Answer::new(200, body.clone())).await;
        let refused = send(&*bot(&server, ""), &problem()).await.unwrap_err();
        assert_eq!(refused.is_permanent(), is_permanent, "{error}");
        assert!(refused.text().contains(error), "{}", refused.text());
    }
}

#[tokio::test]
async fn a_bot_waits_as_long_as_it_is_told() {
    let server = Server::start(|_| {
        Answer::new(429, r#"{"ok":false,"error":"ratelimited"}"#).with("retry-after", "30")
    })
    .await;
    let error = send(&*bot(&server, ""), &problem()).await.unwrap_err();
    assert_eq!(error.retry_after().unwrap().as_secs(), 30);
}

#[tokio::test]
async fn marks_in_texts_are_no_marks_and_long_ones_are_cut() {
    let server = Server::saying(200, SENT).await;
    let mut long = problem();
    long.summary = "<!channel> & friends".to_owned();
    long.detail = "é".repeat(5000);
    send(&*bot(&server, ""), &long).await.unwrap();
    let message = server.only_call().json();
    let blocks = &message["attachments"][0]["blocks"];
    assert_eq!(blocks[0]["text"]["text"], "*🚨 &lt;!channel&gt; &amp; friends*");
    let text = blocks[1]["text"]["text"].as_str().unwrap();
    assert!(text.chars().count() <= 3000 && text.ends_with('…'), "{}", text.len());
}

#[test]
fn a_call_is_read_only_with_the_signing_secret() {
    let headers = http::HeaderMap::new();
    let call = Pressed { headers: &headers, body: b"", now: hark_model::Unix(0) };
    let text = "token: x\nchannel: y\n";
    assert!(read(&Slack, text).feedback().unwrap().called(&call).is_none());
    let signed = read(&Slack, &format!("{text}signing_secret: z\n"));
    assert_eq!(signed.feedback().unwrap().called(&call).unwrap().unwrap_err(), CallError::Unsigned);
}

#[test]
fn mistakes_are_found_when_the_configuration_is_read() {
    for (text, expected) in [
        ("channel: x\n", "one of `url` and `token`"),
        ("url: https://a.example/b\ntoken: x\n", "one of `url` and `token`"),
        ("token: x\n", "the key `channel` is missing"),
    ] {
        let errors = mistakes(&Slack, text);
        assert!(errors.contains(expected), "{expected} is missing in {errors}");
    }
}

#[tokio::test]
async fn a_text_of_marks_alone_stays_below_the_limit() {
    let server = Server::saying(200, SENT).await;
    let mut page = problem();
    page.detail = "<".repeat(5000);
    send(&*bot(&server, ""), &page).await.unwrap();
    let message = server.only_call().json();
    let text = message["attachments"][0]["blocks"][1]["text"]["text"].as_str().unwrap().to_owned();
    assert!(text.chars().count() <= 3000, "{}", text.chars().count());
    assert!(text.ends_with("&lt;…"), "no entity is cut in two: {text}");
}

#[tokio::test]
async fn a_thread_whose_first_message_was_deleted_is_begun_anew() {
    let server = Server::start(|call| match call.json().get("thread_ts") {
        Some(_) => Answer::new(200, r#"{"ok":false,"error":"thread_not_found"}"#),
        None => Answer::new(200, SENT),
    })
    .await;
    let told = send(&*bot(&server, ""), &recovery(Some("C0123/1.0"))).await.unwrap();
    assert_eq!(told.reference.as_deref(), Some("C0123/1503435956.000247"));
}
