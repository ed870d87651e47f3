//! `imap` and `pop3` against dovecot, beside `check_imap` and `check_pop`.

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::support::certificates::{Authority, NAME};
use crate::support::process::{Process, folder_of_nobody};
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, look, plugin, same, start, until_open,
};

struct Dovecot {
    imap: u16,
    imaps: u16,
    pop3: u16,
    pop3s: u16,
    ca_file: String,
    _process: Process,
    _folder: TempDir,
}

/// Starts a mailbox server that knows every user by the password `s3cret`.
async fn dovecot() -> Dovecot {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let pair = authority.good();
    let mail = folder_of_nobody(folder.path(), "mail");
    let [imap, imaps, pop3, pop3s] = [(); 4].map(|()| free_port());
    let dir = folder.path().display();
    let listeners = |name: &str, plain: u16, tls: u16| {
        format!(
            "service {name}-login {{\n  inet_listener {name} {{\n    address = 127.0.0.1\n    port = {plain}\n  }}\n\
             \n  inet_listener {name}s {{\n    address = 127.0.0.1\n    port = {tls}\n    ssl = yes\n  }}\n}}\n"
        )
    };
    let settings = format!(
        "base_dir = {dir}/run\nstate_dir = {dir}/state\nlog_path = {dir}/log\nprotocols = imap pop3\n\
         listen = 127.0.0.1\nssl = yes\nssl_cert = <{}\nssl_key = <{}\n\
         disable_plaintext_auth = yes\nlogin_trusted_networks =\nmail_location = maildir:{}/%u\n\
         passdb {{\n  driver = static\n  args = password=s3cret\n}}\n\
         userdb {{\n  driver = static\n  args = uid=nobody gid=nogroup home={}/%u\n}}\n{}{}",
        pair.certificate.display(),
        pair.key.display(),
        mail.display(),
        mail.display(),
        listeners("imap", imap, imaps),
        listeners("pop3", pop3, pop3s),
    );
    let file = folder.path().join("dovecot.conf");
    std::fs::write(&file, settings).unwrap();
    let process =
        start("/usr/sbin/dovecot", &["-F", "-c", &file.display().to_string()], folder.path());
    for port in [imap, imaps, pop3, pop3s] {
        until_open(port).await;
    }
    let ca_file = authority.file();
    Dovecot { imap, imaps, pop3, pop3s, ca_file, _process: process, _folder: folder }
}

impl Dovecot {
    fn trusting(&self, tls: &'static str) -> Vec<(&str, &str)> {
        vec![("tls", tls), ("ca_file", self.ca_file.as_str()), ("tls_name", NAME)]
    }
}

#[tokio::test]
async fn imap_speaks_with_dovecot_as_check_imap_does() {
    let server = dovecot().await;
    let number = server.imap.to_string();
    let beside =
        |more: &[&str]| plugin("check_imap", &[&["-H", "127.0.0.1", "-p", &number], more].concat());
    let good = expect("imap", server.imap, &[], Status::Ok, "greets with \"[CAPABILITY").await;
    same(&good, &beside(&[]));
    let Fact::Texts(able) = good.facts.get("capabilities") else { unreachable!("{good:?}") };
    assert!(able.contains(&"IMAP4REV1".to_owned()), "{able:?}");
    expect("imap", server.imap, &[("capabilities", "[IDLE, STARTTLS]")], Status::Ok, "").await;
    let missing = [("capabilities", "[NOTHING-SUCH]")];
    expect("imap", server.imap, &missing, Status::Critical, "does not offer NOTHING-SUCH").await;
    // A wrong greeting is a warning there and critical here.
    expect("imap", server.imap, &[("greeting", "Cyrus")], Status::Critical, "greeting").await;
    assert_eq!(beside(&["-e", "Cyrus"]).0, Status::Warning);
    let away = free_port();
    let closed = look("imap", away, &[]).await;
    same(&closed, &plugin("check_imap", &["-H", "127.0.0.1", "-p", &away.to_string()]));
    good_slow_and_over_ipv6_alone("imap", server.imap, &[]).await;
}

#[tokio::test]
async fn imap_logs_in_at_dovecot() {
    let server = dovecot().await;
    for (tls, port) in [("starttls", server.imap), ("true", server.imaps)] {
        let login = [("user", "mon"), ("password", "s3cret")];
        let options = [&server.trusting(tls)[..], &login].concat();
        let good = expect("imap", port, &options, Status::Ok, "certificate good for").await;
        assert_eq!(good.facts.get("logged_in"), &Fact::from(true));
        let login = [("user", "mon"), ("password", "wr\"ong\\")];
        let options = [&server.trusting(tls)[..], &login].concat();
        expect("imap", port, &options, Status::Critical, "AUTHENTICATIONFAILED").await;
    }
    let clear = [("tls", "false"), ("user", "mon"), ("password", "s3cret")];
    // Dovecot takes passwords in the clear from its own machine, which this is.
    expect("imap", server.imap, &clear, Status::Ok, "").await;
    let chain = [&server.trusting("starttls")[..], &[("protocol", "imap")]].concat();
    expect("tls", server.imap, &chain, Status::Ok, "TLSv1.3 with").await;
    let number = server.imaps.to_string();
    let good = look("imap", server.imaps, &server.trusting("true")).await;
    same(&good, &plugin("check_simap", &["-H", "127.0.0.1", "-p", &number]));
}

#[tokio::test]
async fn pop3_speaks_with_dovecot_as_check_pop_does() {
    let server = dovecot().await;
    let number = server.pop3.to_string();
    let beside =
        |more: &[&str]| plugin("check_pop", &[&["-H", "127.0.0.1", "-p", &number], more].concat());
    let good = expect("pop3", server.pop3, &[], Status::Ok, "greets with \"Dovecot").await;
    same(&good, &beside(&[]));
    expect("pop3", server.pop3, &[("capabilities", "[UIDL, STLS]")], Status::Ok, "").await;
    let missing = [("capabilities", "[NOTHING-SUCH]")];
    expect("pop3", server.pop3, &missing, Status::Critical, "does not offer NOTHING-SUCH").await;
    expect("pop3", server.pop3, &[("greeting", "Qpopper")], Status::Critical, "greeting").await;
    assert_eq!(beside(&["-e", "Qpopper"]).0, Status::Warning);
    let away = free_port();
    let closed = look("pop3", away, &[]).await;
    same(&closed, &plugin("check_pop", &["-H", "127.0.0.1", "-p", &away.to_string()]));
    good_slow_and_over_ipv6_alone("pop3", server.pop3, &[]).await;
}

#[tokio::test]
async fn pop3_counts_the_messages_at_dovecot_over_tls() {
    let server = dovecot().await;
    for (tls, port) in [("starttls", server.pop3), ("true", server.pop3s)] {
        let login = [("user", "mon"), ("password", "s3cret")];
        let options = [&server.trusting(tls)[..], &login].concat();
        let good = expect("pop3", port, &options, Status::Ok, "certificate good for").await;
        assert_eq!(good.facts.get("messages"), &Fact::from(0_u32));
        let login = [("user", "mon"), ("password", "wrong")];
        let options = [&server.trusting(tls)[..], &login].concat();
        expect("pop3", port, &options, Status::Critical, "refuses the login").await;
    }
    let chain = [&server.trusting("starttls")[..], &[("protocol", "pop3")]].concat();
    expect("tls", server.pop3, &chain, Status::Ok, "TLSv1.3 with").await;
    let number = server.pop3s.to_string();
    let good = look("pop3", server.pop3s, &server.trusting("true")).await;
    same(&good, &plugin("check_spop", &["-H", "127.0.0.1", "-p", &number]));
}
