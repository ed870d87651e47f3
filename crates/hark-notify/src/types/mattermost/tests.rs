use http::HeaderMap;

use super::*;
use crate::types::tests::server::{
    Answer, Server, context, mistakes, problem, read, recovery, reminder, send,
};

const POSTED: &str = r#"{"id":"8yx1dbaeg3dn9ph4pn5bk7r9ae","message":""}"#;

fn bot(server: &Server, more: &str) -> Box<dyn Receiver> {
    let text = format!("server: {}\ntoken: bot-token\nchannel: 4xp9\n{more}", server.url(""));
    read(&Mattermost, &text)
}

#[tokio::test]
async fn a_bot_posts_with_colour_priority_and_button() {
    let server = Server::saying(201, POSTED).await;
    let delivered = send(&*bot(&server, "mention: '@here'\n"), &problem()).await.unwrap();
    assert_eq!(delivered.reference.as_deref(), Some("8yx1dbaeg3dn9ph4pn5bk7r9ae"));
    let call = server.only_call();
    assert_eq!(call.line(), "POST /api/v4/posts");
    assert_eq!(call.headers["authorization"], "Bearer bot-token");
    let post = call.json();
    assert_eq!((&post["channel_id"], &post["message"]), (&"4xp9".into(), &"@here".into()));
    assert_eq!(post["metadata"]["priority"]["priority"], "urgent");
    assert_eq!(post.get("root_id"), None);
    let attachment = &post["props"]["attachments"][0];
    assert_eq!(attachment["color"], "#d1242f");
    assert_eq!(attachment["title_link"], "https://hark.example.net/incidents/1");
    assert_eq!(attachment["text"], "above 90.0 for 3 looks");
    assert_eq!(attachment["fields"][0]["value"], "db1.example.net");
    let action = &attachment["actions"][0];
    assert!(action["id"].as_str().unwrap().chars().all(char::is_alphanumeric));
    let integration = &action["integration"];
    assert_eq!(integration["url"], "https://hark.example.net/api/0/receivers/sample/call");
    assert_eq!(integration["context"]["token"], context().acknowledge_token(&problem()).unwrap());
}

#[tokio::test]
async fn later_posts_answer_in_the_thread_and_the_end_turns_it_green() {
    let server = Server::saying(201, POSTED).await;
    let receiver = bot(&server, "");
    let delivered = send(&*receiver, &reminder(Some("first"))).await.unwrap();
    assert_eq!(delivered.reference, None);
    let post = server.last_call().json();
    assert_eq!(post["root_id"], "first");
    assert_eq!(post.get("metadata"), None, "an answer may not have a priority");
    send(&*receiver, &recovery(Some("first"))).await.unwrap();
    let calls = server.calls();
    assert_eq!(calls[1].json()["props"]["attachments"][0]["color"], Tone::Good.hex());
    assert_eq!(calls[2].line(), "PUT /api/v4/posts/first/patch");
    let patch = calls[2].json();
    assert_eq!(patch["props"]["attachments"][0]["color"], Tone::Good.hex());
    assert_eq!(patch["props"]["attachments"][0].get("actions"), None);
}

#[tokio::test]
async fn a_webhook_gets_the_same_without_threads() {
    let server = Server::saying(200, "ok").await;
    let url = server.url("/hooks/secret-part");
    let more = "channel: ops\nusername: hark\nbutton: false\n";
    let receiver = read(&Mattermost, &format!("url: {url}\n{more}"));
    let delivered = send(&*receiver, &problem()).await.unwrap();
    assert_eq!(delivered.reference, None);
    let call = server.only_call();
    assert_eq!(call.line(), "POST /hooks/secret-part");
    let message = call.json();
    assert_eq!((&message["channel"], &message["username"]), (&"ops".into(), &"hark".into()));
    assert_eq!(message["priority"]["priority"], "urgent");
    let text = message["attachments"][0]["text"].as_str().unwrap();
    assert!(text.contains("[Acknowledge](https://hark.example.net/a/"), "{text}");
    assert!(receiver.feedback().unwrap().called(&pressed(&HeaderMap::new(), b"{}")).is_none());
}

#[tokio::test]
async fn a_no_is_kept_in_the_words_of_the_server() {
    let body = r#"{"id":"api.context.permissions.app_error","message":"You do not have the appropriate permissions.","status_code":403}"#;
    let server = Server::saying(403, body).await;
    let error = send(&*bot(&server, ""), &problem()).await.unwrap_err();
    assert!(error.is_permanent() && error.text().contains("appropriate permissions"));
    let server = Server::start(|_| Answer::slow_down()).await;
    let error = send(&*bot(&server, ""), &problem()).await.unwrap_err();
    assert_eq!(error.retry_after().unwrap().as_secs(), 17);
}

fn pressed<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Pressed<'a> {
    Pressed { headers, body, now: hark_model::Unix(0) }
}

#[test]
fn a_press_says_who_and_carries_the_token_or_is_not_believed() {
    let text = "server: https://a.example\ntoken: x\nchannel: y\n";
    let receiver = read(&Mattermost, text);
    let headers = HeaderMap::new();
    let body =
        br#"{"user_id":"u1","user_name":"mira","post_id":"p","context":{"token":"the-token"}}"#;
    let read = receiver.feedback().unwrap().called(&pressed(&headers, body)).unwrap().unwrap();
    let Called::Acknowledge { token, by, id, answer, .. } = read else { panic!("{read:?}") };
    assert_eq!((token.as_str(), by.as_str(), id.as_str()), ("the-token", "mira", "u1"));
    assert_eq!(answer("Taken.", "").body, r#"{"ephemeral_text":"Taken."}"#);
    let other = receiver
        .feedback()
        .unwrap()
        .called(&pressed(&headers, br#"{"user_name":"mira"}"#))
        .unwrap();
    assert_eq!(other.unwrap_err(), CallError::Unsigned);
}

#[test]
fn mistakes_are_found_when_the_configuration_is_read() {
    for (text, expected) in [
        ("token: x\n", "one of `url` and `server`"),
        ("server: https://a.example\nchannel: x\n", "the key `token` is missing"),
        ("server: https://a.example\ntoken: x\n", "the key `channel` is missing"),
    ] {
        let errors = mistakes(&Mattermost, text);
        assert!(errors.contains(expected), "{expected} is missing in {errors}");
    }
}

#[tokio::test]
async fn a_thread_whose_first_post_was_deleted_is_begun_anew_and_other_refusals_are_final() {
    let server = Server::start(|call| match call.json().get("root_id") {
        Some(_) => Answer::new(400, r#"{"id":"api.post.create_post.root_id.app_error"}"#),
        None => Answer::new(201, r#"{"id":"new"}"#),
    })
    .await;
    let told = send(&*bot(&server, ""), &recovery(Some("gone"))).await.unwrap();
    assert_eq!((told.reference.as_deref(), server.calls().len()), (Some("new"), 2));
    let server = Server::saying(403, "no").await;
    assert!(send(&*bot(&server, ""), &recovery(Some("there"))).await.unwrap_err().is_permanent());
    assert_eq!(server.calls().len(), 1);
}
