//! `xmpp` at prosody: people and a room, both ways of encryption, and who is refused.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{
    Certificate, NAME, Process, as_nobody, folder_of_nobody, free_port, needs, problem, receiver,
    recovery, send, succeed, until, until_open,
};

struct Prosody {
    plain: u16,
    secure: u16,
    certificate: Certificate,
    data: PathBuf,
    _process: Process,
    _folder: TempDir,
}

/// A server for [`NAME`] with rooms below it. Mira is not there, so that what she is told is kept for
/// her; what is said in a room is logged.
async fn prosody(mechanisms: &str) -> Prosody {
    const PROGRAM: &str = "/usr/bin/prosody";
    needs(PROGRAM);
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new(folder.path());
    let data = folder_of_nobody(folder.path(), "data");
    let (plain, secure) = (free_port(), free_port());
    let dir = data.display();
    let settings = format!(
        "data_path = \"{dir}\"\npidfile = \"{dir}/pid\"\nlog = {{ debug = \"{dir}/log\" }}\n\
         modules_enabled = {{ \"tls\"; \"saslauth\"; \"disco\"; \"ping\"; \"offline\" }}\n\
         modules_disabled = {{ \"posix\"; \"s2s\" }}\ninterfaces = {{ \"127.0.0.1\" }}\n\
         c2s_ports = {{ {plain} }}\nc2s_direct_tls_ports = {{ {secure} }}\nhttp_ports = {{}}\n\
         https_ports = {{}}\nc2s_require_encryption = true\nauthentication = \"internal_plain\"\n\
         disable_sasl_mechanisms = {{ {mechanisms} }}\n\
         ssl = {{ certificate = \"{}\"; key = \"{}\" }}\nVirtualHost \"{NAME}\"\n\
         Component \"rooms.{NAME}\" \"muc\"\nrestrict_room_creation = false\n",
        certificate.file, certificate.key,
    );
    let file = folder.path().join("prosody.cfg.lua");
    std::fs::write(&file, settings).unwrap();
    let file = file.display().to_string();
    for (user, password) in [("hark", "hush, = hush"), ("mira", "x"), ("ben", "x")] {
        let mut command = Command::new("/usr/bin/prosodyctl");
        command.args(["--config", &file, "register", user, NAME, password]);
        as_nobody(&mut command, folder.path());
        succeed(&mut command);
    }
    let mut command = Command::new(PROGRAM);
    command.args(["-F", "--config", &file]);
    as_nobody(&mut command, folder.path());
    let process = Process::start(&mut command, folder.path());
    until_open(plain).await;
    until_open(secure).await;
    Prosody { plain, secure, certificate, data, _process: process, _folder: folder }
}

impl Prosody {
    fn settings(&self, more: &str) -> String {
        let authority = &self.certificate.authority;
        format!(
            "jid: hark@{NAME}, password: 'hush, = hush', port: {}, ca_file: {authority}, {more}",
            self.plain
        )
    }

    /// Returns what is kept for somebody who was away.
    fn kept_for(&self, user: &str) -> String {
        let file = self.data.join("svc%2etest/offline").join(format!("{user}.list"));
        std::fs::read_to_string(file).unwrap_or_default()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("log")).unwrap_or_default()
    }
}

#[tokio::test]
async fn people_and_rooms_are_told_and_who_is_unknown_is_shown() {
    let server = prosody("").await;
    let to = format!("to: [mira@{NAME}, ben@{NAME}, nobody@{NAME}], rooms: [ops@rooms.{NAME}]");
    let told = receiver("xmpp", &server.settings(&to));
    let mut message = problem();
    message.detail = "1 < 2 & \"so on\" \u{b} über".to_owned();
    let context = crate::support::context();
    let delivered = told.receiver.send(&message, &context).await.unwrap();
    let [(who, why)] = &delivered.refused[..] else { unreachable!("{delivered:?}") };
    assert_eq!(who, &format!("nobody@{NAME}"));
    assert!(why.contains("service-unavailable"), "{why}");
    for user in ["mira", "ben"] {
        until("the message is kept", async || !server.kept_for(user).is_empty()).await;
        let kept = server.kept_for(user);
        assert!(kept.contains("CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0"), "{kept}");
        assert!(kept.contains("1 < 2 & ") && !kept.contains('\u{b}'), "{kept}");
        assert!(kept.contains("1.1800000000000.sample"), "the thread: {kept}");
        assert!(kept.contains(&format!("hark@{NAME}/")), "{kept}");
    }
    // The rooms' own copy came back to us, or the delivery would not have ended.
    assert!(server.log().contains(&format!("ops@rooms.{NAME}")), "{}", server.log());
}

#[tokio::test]
async fn each_mechanism_and_both_ways_of_encryption_log_in() {
    for mechanisms in ["", "\"SCRAM-SHA-256\"", "\"SCRAM-SHA-256\"; \"SCRAM-SHA-1\""] {
        let server = prosody(mechanisms).await;
        let to = format!("to: mira@{NAME}");
        let starttls = receiver("xmpp", &server.settings(&to));
        send(&starttls, &problem()).await.unwrap();
        let direct = server.settings(&to).replace(
            &format!("port: {}", server.plain),
            &format!("port: {}, security: tls", server.secure),
        );
        send(&receiver("xmpp", &direct), &recovery()).await.unwrap();
        until("both are kept", async || server.kept_for("mira").contains("RECOVERED")).await;
        assert!(server.kept_for("mira").contains("CRITICAL"));
    }
}

#[tokio::test]
async fn a_wrong_password_and_a_strange_certificate_are_told_apart() {
    let server = prosody("").await;
    let good = server.settings(&format!("to: mira@{NAME}"));
    let error = send(&receiver("xmpp", &good.replace("hush, = hush", "no")), &problem()).await;
    let error = error.unwrap_err();
    assert!(error.contains("refuses the log-in: not-authorized"), "{error}");
    let untrusted = good.replace(&format!("ca_file: {}, ", server.certificate.authority), "");
    let error = send(&receiver("xmpp", &untrusted), &problem()).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    let nobody = good.replace(&format!("to: mira@{NAME}"), &format!("to: nobody@{NAME}"));
    let error = send(&receiver("xmpp", &nobody), &problem()).await.unwrap_err();
    assert!(error.contains("service-unavailable"), "{error}");
    assert!(server.kept_for("mira").is_empty());
}
