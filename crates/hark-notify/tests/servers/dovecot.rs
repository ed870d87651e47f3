//! The mailbox for answers at dovecot: log-in over TLS, finding, reading, marking and deleting mails,
//! and the server's word that one has come.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use hark_config::{Document, NoSecrets};
use hark_model::Clock;
use hark_notify::mailbox::{Mailbox, Open};
use tempfile::TempDir;

use crate::support::{
    Certificate, NAME, Process, context, folder_of_nobody, free_port, needs, until_open,
};

const PROGRAM: &str = "/usr/sbin/dovecot";

struct Dovecot {
    port: u16,
    tls_port: u16,
    ca_file: String,
    mail: PathBuf,
    _process: Process,
    _folder: TempDir,
}

/// Starts a mailbox server that knows every user by the password `correct "horse"`.
async fn dovecot() -> Dovecot {
    needs(PROGRAM);
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new(folder.path());
    let mail = folder_of_nobody(folder.path(), "mail");
    let (port, tls_port) = (free_port(), free_port());
    let dir = folder.path().display();
    let settings = format!(
        "base_dir = {dir}/run\nstate_dir = {dir}/state\nlog_path = {dir}/log\nprotocols = imap\n\
         listen = 127.0.0.1\nssl = yes\nssl_cert = <{}\nssl_key = <{}\n\
         mail_location = maildir:{mail}/%u\n\
         passdb {{\n  driver = static\n  args = password=correct-horse\n}}\n\
         userdb {{\n  driver = static\n  args = uid=nobody gid=nogroup home={mail}/%u\n}}\n\
         service imap-login {{\n  inet_listener imap {{\n    address = 127.0.0.1\n    port = {port}\n  }}\n\
         \n  inet_listener imaps {{\n    address = 127.0.0.1\n    port = {tls_port}\n    ssl = yes\n  }}\n}}\n",
        certificate.file,
        certificate.key,
        mail = mail.display(),
    );
    let file = folder.path().join("dovecot.conf");
    std::fs::write(&file, settings).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["-F", "-c", &file.display().to_string()]);
    let process = Process::start(&mut command, folder.path());
    until_open(port).await;
    until_open(tls_port).await;
    let ca_file = certificate.authority;
    Dovecot { port, tls_port, ca_file, mail, _process: process, _folder: folder }
}

impl Dovecot {
    fn mailbox(&self, security: &str, more: &str) -> Mailbox {
        let port = if security == "tls" { self.tls_port } else { self.port };
        let text = format!(
            "mailbox: {{server: 127.0.0.1, port: {port}, security: {security}, tls_name: {NAME}, \
             ca_file: '{}', user: hark, password: correct-horse{more}}}\n",
            self.ca_file
        );
        Mailbox::read(&Document::single(&text).root(&NoSecrets)).unwrap()
    }

    /// Puts a mail there as a mail server does.
    fn put(&self, name: &str, mail: &str) {
        let new = self.mail.join("hark/new");
        let made = self.mail.join(format!("hark/tmp/{name}"));
        std::fs::write(&made, mail).unwrap();
        drop(std::os::unix::fs::chown(&made, Some(65534), Some(65534)));
        std::fs::rename(made, new.join(name)).unwrap();
    }

    fn files(&self) -> Vec<String> {
        let names = |place: &str| -> Vec<String> {
            let folder = std::fs::read_dir(self.mail.join("hark").join(place)).unwrap();
            folder.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect()
        };
        [names("new"), names("cur")].concat()
    }
}

async fn unread(open: &mut Open<'_>) -> Vec<u32> {
    let since = Clock.now().unix - Duration::from_hours(48);
    open.unread(since, |_| true).await.unwrap()
}

const MAIL: &str = "From: mira@example.net\r\nSubject: Re: db1\r\n\r\nack {5}\r\nf\u{fc}nf\r\n";

#[tokio::test]
async fn an_answer_is_found_read_as_it_is_and_marked_or_deleted_at_dovecot() {
    let server = dovecot().await;
    let context = context();
    for (security, more) in [("tls", ""), ("starttls", ", delete: true")] {
        let mailbox = server.mailbox(security, more);
        let mut open = mailbox.open(&context).await.unwrap();
        assert_eq!(unread(&mut open).await, [0; 0], "{security}");
        server.put(security, MAIL);
        // Dovecot has told that it can say so by itself.
        tokio::time::timeout(Duration::from_secs(20), open.wait()).await.unwrap().unwrap();
        let found = unread(&mut open).await;
        let [number] = found[..] else { panic!("{found:?}") };
        let bytes = open.mail(number).await.unwrap().unwrap();
        assert!(bytes.ends_with(MAIL.as_bytes()), "{}", String::from_utf8_lossy(&bytes));
        assert_eq!(unread(&mut open).await, [number], "reading alone marks nothing");
        open.done(number).await.unwrap();
        assert_eq!(unread(&mut open).await, [0; 0]);
        assert_eq!(open.mail(number + 1).await.unwrap(), None, "there is no such mail");
        open.close().await;
    }
    let left = server.files();
    assert!(
        matches!(&left[..], [seen] if seen.starts_with("tls") && seen.ends_with('S')),
        "{left:?}"
    );
}

#[tokio::test]
async fn what_dovecot_refuses_is_said_as_it_says_it() {
    let server = dovecot().await;
    let context = context();
    for (mailbox, what) in [
        (
            server.mailbox("tls", ", folder: Answers"),
            "does not open the folder: NO Mailbox doesn't",
        ),
        (server.mailbox("starttls", ", folder: INBOX/../x"), "does not open the folder"),
    ] {
        let error = mailbox.open(&context).await.unwrap_err().text();
        assert!(error.contains(what), "{error}");
    }
    let text = server.mailbox("tls", "").target();
    let wrong = format!(
        "mailbox: {{server: 127.0.0.1, port: {}, ca_file: '{}', tls_name: {NAME}, user: hark, \
         password: wrong-horse}}\n",
        server.tls_port, server.ca_file
    );
    let wrong = Mailbox::read(&Document::single(&wrong).root(&NoSecrets)).unwrap();
    let error = wrong.open(&context).await.unwrap_err().text();
    assert!(error.contains("refuses the log-in: NO [AUTHENTICATIONFAILED]"), "{text}: {error}");
    assert!(!error.contains("horse"), "{error}");
    let strange = format!(
        "mailbox: {{server: 127.0.0.1, port: {}, user: hark, password: x}}\n",
        server.tls_port
    );
    let strange = Mailbox::read(&Document::single(&strange).root(&NoSecrets)).unwrap();
    let error = strange.open(&context).await.unwrap_err().text();
    assert!(error.starts_with("no TLS with"), "its authority is not one of the system's: {error}");
}
