//! What the replies of a server mean for the message and for each recipient.

use super::*;

#[tokio::test]
async fn replies_decide_whether_to_try_again() {
    let cases = [
        (Script { sender: "451 later", ..Script::default() }, "answered 451: later", false),
        (Script { sender: "550 never", ..Script::default() }, "answered 550: never", true),
        (Script { end: "452 disk full", ..Script::default() }, "answered 452: disk full", false),
        (
            Script { end: "554 looks like spam", ..Script::default() },
            "answered 554: looks like spam",
            true,
        ),
    ];
    for (script, text, permanent) in cases {
        let server = Server::start(script).await;
        let receiver = receiver(server.address, PLAIN);
        for _ in 0..2 {
            let error = send(&*receiver).await.unwrap_err();
            assert_eq!((error.text().as_str(), error.is_permanent()), (text, permanent));
            assert!(!error.is_outcome_unknown());
        }
        assert_eq!(server.n_connections(), 1, "a refusal does not spoil the connection");
    }
}

#[tokio::test]
async fn a_refused_recipient_is_reported_and_the_others_are_served() {
    let mut script = Script::default();
    script.recipients.insert("mira@example.net", ["550 no such user"].into());
    let server = Server::start(script).await;
    let receiver = receiver(server.address, PLAIN);
    let delivered = send(&*receiver).await.unwrap();
    let refused = ("mira@example.net".to_owned(), "550 no such user".to_owned());
    assert_eq!(delivered.refused, [refused]);
    assert_eq!(server.mails()[0].recipients, ["ops@example.net"]);
}

#[tokio::test]
async fn a_recipient_put_off_is_tried_again_without_mailing_the_others_twice() {
    let mut script = Script::default();
    script.recipients.insert("mira@example.net", ["450 greylisted", "450 greylisted"].into());
    let server = Server::start(script).await;
    let receiver = receiver(server.address, PLAIN);
    let error = send(&*receiver).await.unwrap_err();
    assert_eq!(error.text(), "put off for mira@example.net: 450 greylisted");
    assert!(!error.is_permanent());
    let error = send(&*receiver).await.unwrap_err();
    assert!(!error.is_permanent(), "{}", error.text());
    send(&*receiver).await.unwrap();
    let served: Vec<_> = server.mails().into_iter().map(|mail| mail.recipients).collect();
    assert_eq!(served, [vec!["ops@example.net".to_owned()], vec!["mira@example.net".to_owned()]]);
    // The next message goes to all again.
    let mut next = problem();
    next.key = "2/problem/0".to_owned();
    receiver.send(&next, &context()).await.unwrap();
    assert_eq!(server.mails()[2].recipients.len(), 2);
}

#[tokio::test]
async fn all_recipients_refused_ends_the_message_unless_one_is_put_off() {
    for (reply, permanent) in [("550 gone", true), ("450 later", false)] {
        let mut script = Script::default();
        script.recipients.insert("ops@example.net", ["550 gone"].into());
        script.recipients.insert("mira@example.net", [reply].into());
        let server = Server::start(script).await;
        let receiver = receiver(server.address, PLAIN);
        assert_eq!(send(&*receiver).await.unwrap_err().is_permanent(), permanent);
        assert!(server.mails().is_empty());
    }
}
