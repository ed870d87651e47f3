//! `smtp` against postfix, beside `check_smtp`.

use std::path::Path;
use std::process::Command;

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::support::certificates::{Authority, NAME};
use crate::support::process::{Process, succeed};
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, look, plugin, same, start, until_open,
};

/// Folders of the queue that belong to the mail system's user.
const OWNED: &str = "active bounce corrupt defer deferred flush hold incoming private saved trace";

const SERVICES: &str = "\
cleanup unix n - n - 0 cleanup
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
";

struct Postfix {
    port: u16,
    tls_port: u16,
    ca_file: String,
    _master: Process,
    _folder: TempDir,
}

/// Starts a mail server for `example.net` that takes mail for nobody else.
async fn postfix() -> Postfix {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let pair = authority.good();
    let (port, tls_port) = (free_port(), free_port());
    let dir = folder.path().display();
    let main = format!(
        "compatibility_level = 3.6\nqueue_directory = {dir}/spool\ndata_directory = {dir}/lib\n\
         command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\n\
         mail_owner = postfix\nsetgid_group = postdrop\nmyhostname = mail.example.net\n\
         mydestination =\nlocal_transport = error:no local mail\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks =\n\
         relay_domains = example.net\nsmtpd_relay_restrictions = reject_unauth_destination\n\
         maillog_file = {dir}/log\nmaillog_file_prefixes = {dir}\n\
         smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n\
         smtpd_client_connection_count_limit = 0\n",
        pair.certificate.display(),
        pair.key.display(),
    );
    let master = format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n\
         127.0.0.1:{tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n{SERVICES}"
    );
    make_folders(folder.path());
    std::fs::write(folder.path().join("etc/main.cf"), main).unwrap();
    std::fs::write(folder.path().join("etc/master.cf"), master).unwrap();
    let etc = format!("{dir}/etc");
    let process = start("/usr/lib/postfix/sbin/master", &["-c", &etc, "-d"], folder.path());
    until_open(port).await;
    until_open(tls_port).await;
    let ca_file = authority.file();
    Postfix { port, tls_port, ca_file, _master: process, _folder: folder }
}

fn make_folders(folder: &Path) {
    // Only root can give folders away: without it, there is no mail server of one's own.
    let script = format!(
        "set -e; umask 022; chmod 755 '{dir}'; cd '{dir}'; mkdir -p etc lib spool/pid spool/public \
         spool/maildrop; cd spool; mkdir -p {OWNED}; chown postfix ../lib {OWNED}; chmod 700 {OWNED}; \
         chown postfix:postdrop public maildrop; chmod 710 public; chmod 730 maildrop",
        dir = folder.display(),
    );
    succeed(Command::new("sh").args(["-c", &script]));
}

#[tokio::test]
async fn smtp_speaks_with_postfix_as_check_smtp_does() {
    let server = postfix().await;
    let (port, number) = (server.port, server.port.to_string());
    let begin = ["-H", "127.0.0.1", "-p", &number];
    let beside = |more: &[&str]| plugin("check_smtp", &[&begin[..], more].concat());

    let good = expect("smtp", port, &[], Status::Ok, "greets with \"mail.example.net").await;
    same(&good, &beside(&[]));
    let Fact::Texts(extensions) = good.facts.get("extensions") else { unreachable!("{good:?}") };
    assert!(extensions.contains(&"STARTTLS".to_owned()), "{extensions:?}");

    // What Picomon asked: a sender, a command, and the answer that must come.
    let rcpt = "RCPT TO:<postmaster@example.net>";
    let commands = format!("[{{send: '{rcpt}', expect: '^250 2\\.1\\.5'}}]");
    let options = [("from", "picomon@localhost.local"), ("commands", commands.as_str())];
    let taken = expect("smtp", port, &options, Status::Ok, "").await;
    let from = ["-f", "picomon@localhost.local"];
    same(&taken, &beside(&[&from[..], &["-C", rcpt, "-R", "250 2.1.5"]].concat()));

    // A wrong answer is a warning there and critical here; Picomon made no difference.
    let strange = "RCPT TO:<a@elsewhere.test>";
    let commands = format!("[{{send: '{strange}', expect: '^250'}}]");
    let options = [("from", "picomon@localhost.local"), ("commands", commands.as_str())];
    expect("smtp", port, &options, Status::Critical, "with 554 5.7.1").await;
    let theirs = beside(&[&from[..], &["-C", strange, "-R", "^250"]].concat());
    assert_eq!(theirs.0, Status::Warning, "{}", theirs.1);
    let commands = format!("['{strange}']");
    let options = [("from", ""), ("commands", commands.as_str())];
    expect("smtp", port, &options, Status::Critical, "answers \"RCPT TO").await;

    let other = expect("smtp", port, &[("greeting", "other")], Status::Critical, "greeting").await;
    assert_eq!(beside(&["-e", "other"]).0, Status::Warning, "{}", other.text);
    let closed = look("smtp", free_port(), &[]).await;
    same(&closed, &plugin("check_smtp", &["-H", "127.0.0.1", "-p", &free_port().to_string()]));
}

#[tokio::test]
async fn smtp_agrees_on_tls_with_postfix() {
    let server = postfix().await;
    let trust = [("ca_file", server.ca_file.as_str()), ("tls_name", NAME)];
    let with = |tls: &'static str| [&[("tls", tls)], &trust[..]].concat();
    for (tls, port) in [("starttls", server.port), ("true", server.tls_port)] {
        let good = expect("smtp", port, &with(tls), Status::Ok, "certificate good for").await;
        assert_eq!(good.facts.get("tls_version"), &Fact::from("TLSv1.3"));
        let days = good.measures.iter().find(|m| m.name == "certificate_days").unwrap();
        assert!(days.value > 30_000.0, "{days:?}");
        let unknown = [("tls", tls), ("tls_name", NAME)];
        expect("smtp", port, &unknown, Status::Critical, "UnknownIssuer").await;
        let soon = [&with(tls)[..], &[("certificate_warning", "3650")]].concat();
        expect("smtp", port, &soon, Status::Ok, "").await;
    }
    let chain = [&with("starttls")[..], &[("protocol", "smtp")]].concat();
    expect("tls", server.port, &chain, Status::Ok, "TLSv1.3 with").await;
    // The plugin's days are about the same certificate.
    let number = server.port.to_string();
    let theirs = plugin("check_smtp", &["-H", "127.0.0.1", "-p", &number, "-S", "-D", "14"]);
    assert_eq!(theirs.0, Status::Ok, "{}", theirs.1);
    // STARTTLS where TLS is spoken already, and TLS where STARTTLS is wanted.
    let short = |tls: &'static str| [&with(tls)[..], &[("timeout", "700ms")]].concat();
    expect("smtp", server.tls_port, &short("starttls"), Status::Critical, "").await;
    expect("smtp", server.port, &short("true"), Status::Critical, "no TLS").await;
}

#[tokio::test]
async fn smtp_to_postfix_is_measured_and_goes_over_ipv6() {
    let server = postfix().await;
    good_slow_and_over_ipv6_alone("smtp", server.port, &[]).await;
}
