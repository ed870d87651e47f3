//! Against a server that says what a test lets it say; the dialogue with a real one is in
//! `tests/servers/dovecot.rs`.

use hark_config::{Document, NoSecrets, Style};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::handling::MAX_MAIL;

const NOW: Unix = Unix(1_800_000_000_000);

fn read(text: &str) -> (Option<Mailbox>, String) {
    let document = Document::single(text);
    let mailbox = Mailbox::read(&document.root(&NoSecrets));
    (mailbox, document.diagnostics().render(Style::Plain))
}

fn context() -> Context {
    Context {
        resolve: std::sync::Arc::new(hark_net::Resolver::default()),
        page: String::new(),
        own_name: "test".to_owned(),
        tokens: None,
        mail: crate::MailStyle::default(),
        browsers: None,
        trace: crate::Trace::default(),
    }
}

/// Answers each command with the next of `answers`, in which `TAG` is the command's tag, and returns
/// what was said.
async fn played(answers: &[&str], play: impl AsyncFnOnce(Mailbox)) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mailbox, said) = read(&format!(
        "mailbox: {{server: 127.0.0.1, port: {port}, security: none, user: hark, \
         password: 'a\"b', every: 5s, timeout: 5s}}\n"
    ));
    assert!(said.contains("travels unprotected"), "{said}");
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"* OK ready\r\n").await.unwrap();
        let mut heard = Vec::new();
        for answer in answers {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                let Ok(byte) = stream.read_u8().await else { return heard };
                line.push(byte);
            }
            let line = String::from_utf8(line).unwrap().trim_end().to_owned();
            let tag = line.split(' ').next().unwrap().to_owned();
            heard.push(line);
            stream.write_all(answer.replace("TAG", &tag).as_bytes()).await.unwrap();
        }
        heard
    };
    let (heard, ()) = tokio::join!(server, play(mailbox.unwrap()));
    heard
}

const ABLE: &str = "* CAPABILITY IMAP4rev1\r\nTAG OK\r\n";
const OPENED: [&str; 4] = [ABLE, "TAG OK\r\n", ABLE, "* 3 EXISTS\r\nTAG OK [READ-WRITE]\r\n"];

#[test]
fn settings_are_held_to_what_can_work_and_show_no_password() {
    let (mailbox, said) =
        read("mailbox: {server: imap.example.net, user: hark, password: correct-horse}\n");
    assert_eq!(said, "");
    let mailbox = mailbox.unwrap();
    assert_eq!(mailbox.target(), "hark@imap.example.net:993/INBOX");
    assert!(!format!("{mailbox:?}").contains("correct-horse"));
    assert_eq!(mailbox.every(), Duration::from_secs(30));
    let (none, said) = read("mailbox: {server: x, every: 1s, folder: 'Eingänge', ever: 1}\n");
    assert!(none.is_none());
    for wrong in ["`user`", "`password`", "at least 5s", "ASCII letters", "`ever`"] {
        assert!(said.contains(wrong), "no {wrong}: {said}");
    }
    assert!(read("").0.is_none());
}

#[tokio::test]
async fn unread_mails_are_found_read_whole_and_marked() {
    let mail = "Subject: {3}\r\n\r\nack {5}\r\n";
    let fetched = format!("* 2 FETCH (UID 7 BODY[]<0> {{{}}}\r\n{mail})\r\nTAG OK\r\n", mail.len());
    let answers = [
        &OPENED[..],
        &["* SEARCH 9 7\r\n* 4 EXISTS\r\nTAG OK\r\n", &fetched, "TAG OK gone\r\n", "TAG OK\r\n"],
    ]
    .concat();
    let heard = played(&answers, async |mailbox| {
        let context = context();
        let mut open = mailbox.open(&context).await.unwrap();
        assert_eq!(open.unread(NOW, |_| true).await.unwrap(), [7, 9], "the oldest first");
        assert_eq!(open.mail(7).await.unwrap().unwrap(), mail.as_bytes());
        assert_eq!(open.mail(9).await.unwrap(), None, "somebody has deleted it");
        open.done(7).await.unwrap();
    })
    .await;
    assert_eq!(
        heard[1..],
        [
            "h2 LOGIN \"hark\" \"a\\\"b\"",
            "h3 CAPABILITY",
            "h4 SELECT \"INBOX\"",
            "h5 UID SEARCH UNSEEN SINCE 15-Jan-2027",
            "h6 UID FETCH 7 (BODY.PEEK[]<0.1048576>)",
            "h7 UID FETCH 9 (BODY.PEEK[]<0.1048576>)",
            "h8 UID STORE 7 +FLAGS.SILENT (\\Seen)",
        ]
    );
}

#[tokio::test]
async fn what_a_server_refuses_is_said_without_the_password() {
    for (answers, what) in [
        (vec![ABLE, "TAG NO [AUTHENTICATIONFAILED] wrong\r\n"], "refuses the log-in: NO"),
        (vec!["* CAPABILITY LOGINDISABLED\r\nTAG OK\r\n"], "a way to log in"),
        (vec![ABLE, "* BYE too many\r\n"], "says farewell: BYE too many"),
        (
            vec![ABLE, "TAG OK\r\n", ABLE, "TAG OK [READ-ONLY] done\r\n"],
            "lets the folder only be read",
        ),
        (vec![ABLE, "TAG OK\r\n", ABLE, "TAG NO no such folder\r\n"], "does not open the folder"),
    ] {
        let heard = played(&answers, async |mailbox| {
            let error = mailbox.open(&context()).await.unwrap_err().text();
            assert!(error.contains(what) && !error.contains("a\\\"b"), "{error}");
        })
        .await;
        assert!(!heard.is_empty());
    }
}

#[tokio::test]
async fn floods_are_cut_off() {
    let flood = "* 1 EXPUNGE\r\n".repeat(2000);
    let huge = format!("* 1 FETCH (BODY[] {{{}}}\r\n", 2 * MAX_MAIL);
    let endless = "x".repeat(100_000);
    for (answer, what) in [(&flood, "too many lines"), (&huge, "too long"), (&endless, "too long")]
    {
        let answers = [&OPENED[..], &[answer.as_str()]].concat();
        played(&answers, async |mailbox| {
            let context = context();
            let mut open = mailbox.open(&context).await.unwrap();
            let error = open.mail(1).await.unwrap_err().text();
            assert!(error.contains(what), "{error}");
        })
        .await;
    }
}

#[tokio::test]
async fn the_servers_word_that_mail_has_come_ends_the_wait() {
    let idle = "* CAPABILITY IMAP4rev1 IDLE\r\nTAG OK\r\n";
    for (found, began) in [
        ("* SEARCH\r\nTAG OK\r\n", "+ idling\r\n* OK still here\r\n* 4 EXISTS\r\n"),
        // Said between: it came after the search.
        ("* SEARCH\r\n* 4 EXISTS\r\nTAG OK\r\n", "+ idling\r\n"),
        ("* SEARCH\r\nTAG OK\r\n", "* 4 EXISTS\r\n+ idling\r\n"),
    ] {
        let answers = [ABLE, "TAG OK\r\n", idle, OPENED[3], found, began, "h6 OK\r\n"];
        let heard = played(&answers, async |mailbox| {
            let context = context();
            let mut open = mailbox.open(&context).await.unwrap();
            assert!(open.unread(NOW, |_| true).await.unwrap().is_empty());
            open.wait().await.unwrap();
        })
        .await;
        assert_eq!(heard[5..], ["h6 IDLE", "DONE"], "{began}");
    }
}
