//! What stands in a mail.

use super::*;

#[tokio::test]
async fn a_mail_arrives_whole_and_readable() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, &format!("{PLAIN}html: false\n"));
    let mut notification = problem();
    notification.summary = "CRITICAL: db1 - Füllstand = 95,0 °".to_owned();
    notification.detail = format!("{}\n.\nfrom the disk", "long ".repeat(300));
    let delivered = receiver.send(&notification, &context()).await.unwrap();
    assert_eq!(delivered.text, "2.0.0 queued as 4711");
    assert_eq!(delivered.refused, []);
    let mail = server.mails().remove(0);
    assert_eq!(mail.recipients, ["ops@example.net", "mira@example.net"]);
    assert_eq!(mail.header("From").unwrap(), "hark <hark@example.net>");
    assert_eq!(mail.header("To").unwrap(), "ops@example.net, Mira <mira@example.net>");
    assert_eq!(mail.header("Auto-Submitted").unwrap(), "auto-generated");
    assert_eq!(mail.header("Date").unwrap(), "Fri, 15 Jan 2027 08:00:30 +0000");
    assert_eq!(mail.header("X-Hark-Key").unwrap(), "1/problem/0");
    assert_eq!(mail.header("Content-Type").unwrap(), "text/plain; charset=utf-8");
    assert_eq!(mail.header("Content-Transfer-Encoding").unwrap(), "quoted-printable");
    let subject = mail.header("Subject").unwrap();
    assert!(subject.starts_with("[hark] CRITICAL: db1 - ") && subject.is_ascii(), "{subject}");
    assert!(subject.contains("=?utf-8?"), "{subject}");
    assert!(mail.text.is_ascii(), "eight-bit text needs an extension");
    assert!(mail.text.lines().all(|line| line.len() <= 78));
    assert!(mail.text.contains("\r\n.\r\nfrom the disk"), "{}", mail.text);
    assert!(mail.text.contains("https://hark.example.net/incidents/1"));
    assert_eq!(server.commands()[0], "EHLO mon.example.net");
}

/// Returns the text that a mail program reads out of the part of that type.
fn read_part(mail: &Mail, kind: &str) -> String {
    let content_type = mail.header("Content-Type").unwrap();
    let (_, boundary) = content_type.split_once("boundary=\"").unwrap();
    let boundary = boundary.split('"').next().unwrap();
    let parts: Vec<_> = mail.text.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "two parts, what is before them and what is after");
    let part = parts.iter().find(|part| part.contains(&format!("Content-Type: {kind};"))).unwrap();
    let (head, body) = part.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Transfer-Encoding: quoted-printable"), "{head}");
    let mut bytes = Vec::new();
    let body = body.replace("=\r\n", "");
    let mut rest = body.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_page_goes_with_the_text_and_says_the_same() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, PLAIN);
    let mut message = problem();
    message.summary = "CRITICAL: db1 - Füllstand = 95,0 °".to_owned();
    message.detail = format!("--=_{} <b>", crate::digest::sha256(&message.key));
    receiver.send(&message, &context()).await.unwrap();
    receiver.send(&message, &context()).await.unwrap();
    let [mail, again] = server.mails().try_into().unwrap();
    assert_eq!(mail.text, again.text, "the same message is the same mail");
    assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative;"));
    assert!(mail.text.is_ascii() && mail.text.lines().all(|line| line.len() <= 100));
    assert_eq!(mail.header("List-Id").unwrap(), "hark <sample.hark.example.net>");
    let (text, page) = (read_part(&mail, "text/plain"), read_part(&mail, "text/html"));
    for part in [&text, &page] {
        assert!(part.contains("CRITICAL: db1 - Füllstand = 95,0 °"), "{part}");
        assert!(part.contains("https://hark.example.net/incidents/1"), "{part}");
    }
    assert!(text.contains("<b>") && page.contains("&lt;b&gt;"), "{page}");
    // Programs that show one part show the last that they can.
    assert!(mail.text.find("text/plain").unwrap() < mail.text.find("text/html").unwrap());
}

#[tokio::test]
async fn mails_of_one_incident_form_one_thread() {
    let server = Server::start(Script::default()).await;
    let first = receiver(server.address, PLAIN);
    let [problem, mut recovery, event] = samples().try_into().unwrap();
    first.send(&problem, &context()).await.unwrap();
    // A new receiver knows nothing of the first mail, as after a restart.
    let second = receiver(server.address, PLAIN);
    second.send(&recovery, &context()).await.unwrap();
    second.send(&event, &context()).await.unwrap();
    recovery.sequence = 2;
    recovery.key = "1/reminder/2".to_owned();
    second.send(&recovery, &context()).await.unwrap();
    second.send(&recovery, &context()).await.unwrap();
    let mails = server.mails();
    let id = |n: usize| mails[n].header("Message-ID").unwrap();
    assert!(id(0).starts_with('<') && id(0).ends_with(".hark@example.net>"), "{}", id(0));
    assert_eq!(mails[0].header("In-Reply-To"), None);
    for answer in [1, 3] {
        assert_eq!(mails[answer].header("In-Reply-To").unwrap(), id(0));
        assert_eq!(mails[answer].header("References").unwrap(), id(0));
        assert_ne!(id(answer), id(0));
    }
    assert_eq!(mails[2].header("References"), None, "an event is no part of a thread");
    assert_eq!(id(3), id(4), "the same message has the same Message-ID at each try");
    assert_ne!(id(1), id(3));
}

#[tokio::test]
async fn a_mail_can_be_answered_and_carries_what_proves_the_answer() {
    use crate::handling::{KEY_BYTES, Tokens};
    let server = Server::start(Script::default()).await;
    let mailer =
        receiver(server.address, &format!("{PLAIN}reply_to: 'ops+{{token}}@example.net'\n"));
    let tokens = Tokens::new(&[9; KEY_BYTES]);
    let context = Context { tokens: Some(tokens.clone()), ..context() };
    let [problem, recovery, _event] = samples().try_into().unwrap();
    let mut reminder = problem.clone();
    (reminder.sequence, reminder.key) = (1, "1/reminder/1".to_owned());
    reminder.at = problem.at + Duration::from_hours(1);
    for message in [&problem, &reminder, &recovery] {
        mailer.send(message, &context).await.unwrap();
    }
    let mails = server.mails();
    for (mail, message) in mails.iter().zip([&problem, &reminder]) {
        let token = context.acknowledge_token(message).unwrap();
        assert_eq!(mail.header("Reply-To").unwrap(), format!("ops+{token}@example.net"));
        let carried = format!("<{token}.hark@example.net>");
        assert!(mail.header("References").unwrap().starts_with(&carried));
        // Lines of the body are folded with `=` at their end.
        let text = mail.text.replace("=\r\n", "");
        assert!(text.contains(&format!("https://hark.example.net/a/{token}")), "{text}");
        tokens.open(&token, [&message.receiver], message.at).unwrap();
    }
    let root = mails[0].header("Message-ID").unwrap();
    assert!(mails[1].header("References").unwrap().ends_with(&root), "the thread stays one");
    assert_eq!(mails[1].header("In-Reply-To").unwrap(), root);
    assert_eq!(mails[2].header("References").unwrap(), root, "a recovery is not answered");
    assert_eq!(mails[2].header("Reply-To"), None);
    assert!(!mails[2].text.contains("/a/"));
}

#[tokio::test]
async fn no_text_can_add_a_header_or_end_the_mail() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, PLAIN);
    let mut notification = problem();
    notification.summary = "x\r\nBcc: thief@example.com\r\n\r\nBody".to_owned();
    notification.key = "k\r\nX-Evil: 1".to_owned();
    notification.detail = "\r\n.\r\nMAIL FROM:<evil@example.com>\r\n".to_owned();
    receiver.send(&notification, &context()).await.unwrap();
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].header("Bcc"), None);
    assert_eq!(mails[0].header("X-Evil"), None);
    assert_eq!(mails[0].header("Subject").unwrap(), "[hark] x  Bcc: thief@example.com    Body");
    assert!(!server.commands().iter().any(|command| command.contains("evil@")));
}

#[tokio::test]
async fn templates_make_subject_and_text() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(
        server.address,
        &format!(
            "{PLAIN}subject: '{{{{ severity|upper }}}} {{{{ host }}}}'\n\
             template: \"{{{{ summary }}}}\\nsee {{{{ link }}}}\"\n"
        ),
    );
    send(&*receiver).await.unwrap();
    let mail = server.mails().remove(0);
    assert_eq!(mail.header("Subject").unwrap(), "CRITICAL db1.example.net");
    assert!(mail.text.contains("see https://hark.example.net/incidents/1"), "{}", mail.text);
}

#[test]
fn severity_and_receiver_do_not_change_the_thread_but_the_incident_does() {
    let n = problem();
    let mut same = n.clone();
    same.severity = Severity::Warning;
    same.at = Unix(5);
    assert_eq!(thread_id(&n, "d"), thread_id(&same, "d"));
    let mut reborn = n.clone();
    reborn.since = Unix(n.since.0 + 1);
    assert_ne!(thread_id(&n, "d"), thread_id(&reborn, "d"), "numbers begin again with a new state");
    let mut other = n.clone();
    other.receiver = ReceiverName::new("other").unwrap();
    assert_ne!(thread_id(&n, "d"), thread_id(&other, "d"));
}

#[tokio::test]
async fn templates_of_the_folder_write_the_mail_and_a_receivers_own_goes_before() {
    let server = Server::start(Script::default()).await;
    let mut templates = crate::MailTemplates::default();
    templates.take(crate::MAIL_TEXT, "ours: {{ summary }}").unwrap();
    templates.take(crate::MAIL_PAGE, "<p>ours</p><pre>{{ text }}</pre>").unwrap();
    let context = context();
    context.mail.take_on(Arc::new(templates));
    let plain = receiver(server.address, PLAIN);
    plain.send(&problem(), &context).await.unwrap();
    let own = receiver(server.address, &format!("{PLAIN}template: 'own: {{{{ host }}}}'\n"));
    own.send(&problem(), &context).await.unwrap();
    let [first, second] = &server.mails()[..] else { panic!("two mails") };
    let summary = problem().summary;
    assert_eq!(read_part(first, "text/plain").trim_end(), format!("ours: {summary}"));
    assert!(
        read_part(first, "text/html").contains(&format!("<p>ours</p><pre>ours: {summary}</pre>"))
    );
    assert!(read_part(second, "text/plain").starts_with("own: db1"));
    assert!(read_part(second, "text/html").starts_with("<p>ours</p><pre>own: db1"));
}

#[tokio::test]
async fn a_mail_of_the_servers_own_goes_to_one_address_without_a_strangers_words() {
    let server = Server::start(Script::default()).await;
    let mail = OwnMail {
        to: "Buy now <anna@example.org>",
        subject: "[Shop] Investigating: x",
        text: "We look.\n",
        key: "7-1",
        list: "shop",
        leave: Some("https://hark.example.net/status/shop/leave/7.x"),
    };
    let receiver = receiver(server.address, PLAIN);
    receiver.write_own(&mail, &context()).unwrap().await.unwrap();
    let [sent] = &server.mails()[..] else { panic!("one mail") };
    assert_eq!(sent.header("To").as_deref(), Some("anna@example.org"));
    assert!(!sent.text.contains("Buy now") && !sent.text.contains("ops@"), "{}", sent.text);
    assert_eq!(sent.header("List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
    let nobody = OwnMail { to: "no address", ..mail };
    let error = receiver.write_own(&nobody, &context()).unwrap().await.unwrap_err();
    assert!(error.is_permanent(), "{error:?}");
}
