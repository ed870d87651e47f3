//! Connections: kept, secured, logged in, and what goes wrong with them.

use super::*;

#[tokio::test]
async fn the_connection_is_kept_for_the_next_mail() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, PLAIN);
    for _ in 0..3 {
        send(&*receiver).await.unwrap();
    }
    assert_eq!((server.mails().len(), server.n_connections()), (3, 1));
    receiver.close_idle().await;
    send(&*receiver).await.unwrap();
    assert_eq!(server.n_connections(), 1, "a young connection is kept");
}

#[tokio::test]
async fn an_old_connection_is_closed_with_a_word() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, "security: none\nkeepalive: 1ms\n");
    send(&*receiver).await.unwrap();
    let sent = Clock.now().mono;
    while Clock.now().mono.since(sent) < Duration::from_millis(2) {
        tokio::task::yield_now().await;
    }
    receiver.close_idle().await;
    assert_eq!(server.commands().last().unwrap(), "QUIT");
    send(&*receiver).await.unwrap();
    assert_eq!(server.n_connections(), 2);
}

#[tokio::test]
async fn a_connection_that_died_while_idle_is_replaced_within_the_same_try() {
    let server = Server::start(Script { close_after_mail: true, ..Script::default() }).await;
    let receiver = receiver(server.address, PLAIN);
    for n in 1..=3 {
        send(&*receiver).await.unwrap();
        assert_eq!((server.mails().len(), server.n_connections()), (n, n));
    }
}

#[tokio::test]
async fn a_kept_connection_that_went_silent_is_replaced_within_the_same_try() {
    let server = Server::start(Script { hang_after: "RSET", ..Script::default() }).await;
    let receiver = receiver(server.address, "security: none\ntimeout: 2s\n");
    send(&*receiver).await.unwrap();
    send(&*receiver).await.unwrap();
    assert_eq!((server.mails().len(), server.n_connections()), (2, 2));
}

#[tokio::test]
async fn starttls_and_tls_verify_the_certificate() {
    let (config, pem) = certificate();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let trusted = format!("ca_file: {}\n", ca_file.display());
    let starttls = Script { starttls: Some(Arc::clone(&config)), ..Script::default() };
    let tls = Script { tls: Some(config), ..Script::default() };
    for (script, security) in [(starttls, "security: starttls\n"), (tls, "security: tls\n")] {
        let server = Server::start(script).await;
        let good = receiver(server.address, &format!("{security}{trusted}"));
        send(&*good).await.unwrap();
        assert!(server.mails()[0].encrypted);

        let system = receiver(server.address, security);
        let error = send(&*system).await.unwrap_err();
        assert!(matches!(error, SendError::Untrusted { .. }), "{error:?}");
        assert!(!error.is_permanent(), "a certificate can be renewed while the mail waits");

        let other = receiver(server.address, &format!("{security}{trusted}tls_name: other.test\n"));
        let error = send(&*other).await.unwrap_err();
        assert!(error.text().contains("not valid for name"), "{}", error.text());

        let insecure = receiver(server.address, &format!("{security}insecure: true\n"));
        send(&*insecure).await.unwrap();
        assert_eq!(insecure.warnings(), ["the mail server's certificate is not verified"]);
        assert_eq!(server.mails().len(), 2);
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, "security: starttls\n");
    let error = send(&*receiver).await.unwrap_err();
    assert_eq!(error.text(), "mx.test does not offer STARTTLS");
    assert!(!server.commands().iter().any(|command| command.starts_with("MAIL")));
}

#[tokio::test]
async fn logging_in_works_in_both_ways_and_never_shows_the_password() {
    for auth in ["PLAIN LOGIN", "LOGIN"] {
        let server = Server::start(Script { auth, ..Script::default() }).await;
        let document = Document::single(&format!(
            "to: a@b.example\nfrom: c@d.example\nserver: mx.test\nport: {}\nsecurity: none\n\
             user: hark\npassword: s3cret-word\n",
            server.address.port()
        ));
        let good = Email.read(&document.root(&NoSecrets)).unwrap();
        assert_eq!(good.warnings(), ["the password travels unprotected"]);
        assert!(!format!("{good:?}").contains("s3cret-word"));
        send(&*good).await.unwrap();
        assert_eq!(server.mails()[0].login, "/hark/s3cret-word");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_for_good() {
    let server = Server::start(Script { auth: "PLAIN", ..Script::default() }).await;
    let document = Document::single(&format!(
        "to: a@b.example\nfrom: c@d.example\nserver: mx.test\nport: {}\nsecurity: none\n\
         user: hark\npassword: wrong-word\n",
        server.address.port()
    ));
    let receiver = Email.read(&document.root(&NoSecrets)).unwrap();
    let error = send(&*receiver).await.unwrap_err();
    assert_eq!(error.text(), "answered 535: 5.7.8 wrong password");
    assert!(error.is_permanent());
    assert!(!format!("{error:?}").contains("wrong-word"));
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_timeout_and_no_more() {
    for (hang_after, doing) in [
        ("EHLO", Doing::Greeting),
        ("MAIL", Doing::Sending),
        ("RCPT", Doing::Sending),
        (".", Doing::Waiting),
    ] {
        let server = Server::start(Script { hang_after, ..Script::default() }).await;
        let receiver = receiver(server.address, "security: none\ntimeout: 200ms\n");
        let error = send(&*receiver).await.unwrap_err();
        let SendError::Timeout { doing: met, .. } = error else { panic!("{error:?}") };
        assert_eq!(met, doing, "{hang_after}");
        assert_eq!(error.is_outcome_unknown(), hang_after == ".");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_a_failure_to_be_tried_again() {
    for close_on in ["EHLO", "MAIL", "RCPT", "DATA"] {
        let server = Server::start(Script { close_on, ..Script::default() }).await;
        let receiver = receiver(server.address, PLAIN);
        let error = send(&*receiver).await.unwrap_err();
        assert!(matches!(error, SendError::Broken { .. }), "{error:?}");
        assert!(!error.is_permanent());
    }
}

#[tokio::test]
async fn nobody_at_the_address_and_no_address_are_told_apart() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = send(&*receiver(address, PLAIN)).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    let document = Document::single(
        "to: a@b.example\nfrom: c@d.example\nserver: elsewhere.test\nsecurity: none\n",
    );
    let lost = Email.read(&document.root(&NoSecrets)).unwrap();
    let error = send(&*lost).await.unwrap_err();
    assert_eq!(error.text(), "no address for elsewhere.test: no such name");
    assert!(!error.is_permanent());
}
