use hark_model::Unix;
use http::HeaderMap;

use super::*;
use crate::types::tests::server::{
    self, Answer, Server, context, mistakes, problem, read, recovery, reminder, send,
};

const SENT: &str = r#"{"ok":true,"result":{"message_id":4711,"text":"…"}}"#;

fn chat(server: &Server, more: &str) -> Box<dyn Receiver> {
    let text = format!("token: 123:abc-token\nchat: '-100'\nurl: {}\n{more}", server.url(""));
    read(&Telegram, &text)
}

#[tokio::test]
async fn a_problem_has_bold_summary_link_and_button() {
    let server = Server::saying(200, SENT).await;
    let delivered = send(&*chat(&server, "topic: 7\n"), &problem()).await.unwrap();
    assert_eq!(delivered.reference.as_deref(), Some("4711"));
    let call = server.only_call();
    assert_eq!(call.line(), "POST /bot123:abc-token/sendMessage");
    let message = call.json();
    assert_eq!((&message["chat_id"], &message["message_thread_id"]), (&"-100".into(), &7.into()));
    assert_eq!(message["parse_mode"], "HTML");
    assert_eq!(message["disable_notification"], false);
    let text = message["text"].as_str().unwrap();
    assert!(
        text.starts_with("🚨 <b>CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0</b>\n"),
        "{text}"
    );
    assert!(text.contains("<a href=\"https://hark.example.net/incidents/1\">"), "{text}");
    let button = &message["reply_markup"]["inline_keyboard"][0][0];
    assert_eq!(button["callback_data"], context().acknowledge_token(&problem()).unwrap());
}

#[tokio::test]
async fn later_messages_answer_the_first_and_the_end_takes_its_button() {
    let server = Server::saying(200, SENT).await;
    let receiver = chat(&server, "");
    let delivered = send(&*receiver, &reminder(Some("4000"))).await.unwrap();
    assert_eq!(delivered.reference, None);
    let message = server.last_call().json();
    let reply = json!({"message_id": 4000, "allow_sending_without_reply": true});
    assert_eq!(message["reply_parameters"], reply);
    let button = message["reply_markup"]["inline_keyboard"][0][0]["callback_data"].clone();
    let button = button.as_str().unwrap().to_owned();
    assert!(button.ends_with(".4000") && button.len() <= MAX_BUTTON, "{button}");

    send(&*receiver, &recovery(Some("4000"))).await.unwrap();
    let calls = server.calls();
    assert_eq!(calls[1].json().get("reply_markup"), None);
    assert_eq!(calls[2].uri, "/bot123:abc-token/editMessageReplyMarkup");
    let edit = calls[2].json();
    assert_eq!(edit["message_id"], 4000);
    assert_eq!(edit["reply_markup"], json!({"inline_keyboard": []}));
}

#[tokio::test]
async fn who_took_it_is_said_without_sound_and_the_first_message_loses_its_button() {
    let server = Server::saying(200, SENT).await;
    send(&*chat(&server, ""), &server::taken(Some("4000"))).await.unwrap();
    let calls = server.calls();
    let message = calls[0].json();
    assert_eq!(message["reply_parameters"]["message_id"], 4000);
    assert_eq!(message["disable_notification"], true);
    assert_eq!(message.get("reply_markup"), None);
    assert!(message["text"].as_str().unwrap().contains("mira took it: looking"));
    assert_eq!(calls[1].uri, "/bot123:abc-token/editMessageReplyMarkup");
}

#[tokio::test]
async fn texts_are_escaped_and_cut() {
    let server = Server::saying(200, SENT).await;
    let mut long = problem();
    long.summary = "load <b>high</b> & rising".to_owned();
    long.detail = "🚨".repeat(5000);
    send(&*chat(&server, ""), &long).await.unwrap();
    let text = server.only_call().json()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("<b>load &lt;b&gt;high&lt;/b&gt; &amp; rising</b>"), "{text}");
    assert!(text.encode_utf16().count() <= 4096);
}

#[tokio::test]
async fn errors_and_limits_are_read_from_the_body() {
    let body = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35","parameters":{"retry_after":35}}"#;
    let server = Server::saying(429, body).await;
    let error = send(&*chat(&server, ""), &problem()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(35)));
    let body = r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#;
    let server = Server::saying(400, body).await;
    let error = send(&*chat(&server, ""), &problem()).await.unwrap_err();
    assert!(error.is_permanent() && error.text().contains("chat not found"), "{error:?}");
}

fn press(update: i64, data: &str, chat: i64) -> String {
    format!(
        r#"{{"ok":true,"result":[{{"update_id":{update},"callback_query":{{"id":"q{update}","data":"{data}",
        "from":{{"id":5,"first_name":"Mira","last_name":"Noor","username":"mira"}},
        "message":{{"message_id":4711,"chat":{{"id":{chat}}}}}}}}}]}}"#
    )
}

/// Answers as Telegram does: an update comes until a higher one is asked for.
fn bot(update: i64, pressed: String) -> impl Fn(&server::Call) -> Answer {
    move |call: &server::Call| {
        let is_question = call.uri.ends_with("/getUpdates");
        if is_question && call.json()["offset"].as_i64().unwrap() <= update {
            Answer::new(200, pressed.clone())
        } else {
            Answer::new(200, r#"{"ok":true,"result":[]}"#)
        }
    }
}

fn token() -> String {
    context().acknowledge_token(&problem()).unwrap()
}

async fn taken(receiver: &dyn Receiver, first: &str) -> Option<Acknowledged> {
    receiver.feedback().unwrap().acknowledged(first, &context()).unwrap().await.unwrap()
}

#[tokio::test]
async fn a_press_is_found_by_the_first_message_once_and_answered_with_what_came_of_it() {
    let data = format!("{}.4000", token());
    let server = Server::start(bot(900, press(900, &data, -100))).await;
    let receiver = chat(&server, "");
    let found = taken(&*receiver, "4000").await.unwrap();
    assert_eq!((found.by.as_str(), found.press.as_str()), ("Mira Noor (@mira)", "q900"));
    assert_eq!(
        found.at.seconds(),
        problem().at.seconds(),
        "not before the message with the button"
    );
    assert_eq!(taken(&*receiver, "4711").await, None);
    assert_eq!(taken(&*receiver, "4000").await, None, "each press counts once");
    let calls = server.calls();
    assert_eq!(calls.len(), 2, "what was read is confirmed, and further questions came too soon");
    assert_eq!(calls[0].json()["allowed_updates"], json!(["callback_query"]));
    assert_eq!(calls[1].json()["offset"], 901);

    receiver
        .feedback()
        .unwrap()
        .answer(&found, "Incident 1 is acknowledged.", &context())
        .unwrap()
        .await
        .unwrap();
    let answer = server.last_call();
    assert_eq!(answer.uri, "/bot123:abc-token/answerCallbackQuery");
    let expected = json!({"callback_query_id": "q900", "text": "Incident 1 is acknowledged."});
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn a_press_in_another_chat_acknowledges_nothing_and_is_told_nothing() {
    let server = Server::start(bot(900, press(900, &format!("{}.4000", token()), -200))).await;
    let receiver = chat(&server, "");
    assert_eq!(taken(&*receiver, "4000").await, None);
    assert!(server.calls().iter().all(|call| call.uri.ends_with("/getUpdates")));
}

#[tokio::test]
async fn two_chats_of_one_bot_do_not_take_each_others_presses() {
    let server = Server::start(bot(900, press(900, &format!("{}.4000", token()), -200))).await;
    let (here, there) = (chat(&server, ""), {
        let text = format!("token: 123:abc-token\nchat: '-200'\nurl: {}\n", server.url(""));
        read(&Telegram, &text)
    });
    assert_eq!(taken(&*here, "4000").await, None);
    assert_eq!(taken(&*there, "4000").await.unwrap().by, "Mira Noor (@mira)");
}

#[test]
fn a_press_on_the_first_message_is_found_by_its_number() {
    let query = json!({"data": "token", "message": {"message_id": 4711}});
    assert_eq!(presses::pressed_on(&query).unwrap(), ("token", "4711".to_owned()));
}

fn pressed(secret: Option<&str>, body: &str) -> Result<Called, CallError> {
    let mut headers = HeaderMap::new();
    if let Some(secret) = secret {
        headers.insert("x-telegram-bot-api-secret-token", secret.parse().unwrap());
    }
    let text = "token: 123:abc\nchat: '1'\nwebhook_secret: right-secret\n";
    let receiver = read(&Telegram, text);
    let call = Pressed { headers: &headers, body: body.as_bytes(), now: Unix(0) };
    assert!(
        receiver.feedback().unwrap().acknowledged("1", &context()).is_none(),
        "presses come by themselves"
    );
    receiver.feedback().unwrap().called(&call).unwrap()
}

#[test]
fn only_updates_with_the_secret_are_read() {
    let body = r#"{"update_id":1,"callback_query":{"id":"q","data":"the-token.4000","from":{"id":42,"first_name":"Mira"}}}"#;
    assert_eq!(pressed(None, body).unwrap_err(), CallError::Unsigned);
    assert_eq!(pressed(Some("wrong-secret"), body).unwrap_err(), CallError::Unsigned);
    let read = pressed(Some("right-secret"), body).unwrap();
    let Called::Acknowledge { token, by, id, about, answer, .. } = read else { panic!("{read:?}") };
    assert_eq!((token.as_str(), by.as_str(), id.as_str()), ("the-token", "Mira", "42"));
    let said: Value = serde_json::from_str(&answer("Mira may not.", &about).body).unwrap();
    assert_eq!(said["method"], "answerCallbackQuery");
    assert_eq!((&said["callback_query_id"], &said["text"]), (&"q".into(), &"Mira may not.".into()));
    let other = pressed(Some("right-secret"), r#"{"update_id":2,"message":{"text":"hi"}}"#);
    assert!(matches!(other, Ok(Called::Nothing(_))), "{other:?}");
    let broken = pressed(Some("right-secret"), "{");
    assert!(matches!(broken, Err(CallError::Malformed { .. })), "{broken:?}");
}

#[test]
fn a_token_that_would_change_the_path_is_refused() {
    let errors = mistakes(&Telegram, "token: a/../b\nchat: '1'\n");
    assert!(errors.contains("only letters, digits"), "{errors}");
    let errors = mistakes(&Telegram, "token: a\nchat: ops\n");
    assert!(errors.contains("a number or `@name`"), "{errors}");
}
