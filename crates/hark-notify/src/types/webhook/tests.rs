use std::time::Duration;

use hark_config::{Document, NoSecrets, Style};

use super::*;
use crate::samples;
use crate::types::tests::server::{self, Answer, Server, certificate, context};

/// Answers by path: `/500`, `/429`, `/hang`, `/huge`, `/redirect`, `/echo`, everything else 200.
fn by_path(call: &server::Call) -> Answer {
    match call.uri.trim_start_matches('/') {
        "hang" => Answer::never(),
        "huge" => Answer::new(500, "x".repeat(10 * 1024 * 1024)),
        "echo" => Answer::new(400, format!("{:?} {}", call.headers, call.body)),
        "redirect" => Answer::new(302, "").with("location", "/elsewhere"),
        "429" => Answer::slow_down(),
        code => match code.parse() {
            Ok(code) => Answer::new(code, format!("because {code}")),
            Err(_) => Answer::new(200, "thanks"),
        },
    }
}

fn read(text: &str) -> Box<dyn Receiver> {
    server::read(&Webhook, text)
}

fn hook(server: &Server, path: &str, more: &str) -> Box<dyn Receiver> {
    read(&format!("url: 'http://hook.test:{}/{path}'\ntimeout: 5s\n{more}", server.address.port()))
}

async fn send(receiver: &dyn Receiver) -> Result<Delivered, SendError> {
    receiver.send(&samples()[0], &context()).await
}

#[tokio::test]
async fn a_call_carries_all_fields_as_json() {
    let server = Server::start(by_path).await;
    let delivered = send(&*hook(&server, "x?a=1", "")).await.unwrap();
    assert_eq!(delivered.text, "200 thanks");
    let call = server.calls().remove(0);
    assert_eq!((call.method.as_str(), call.uri.as_str()), ("POST", "/x?a=1"));
    assert_eq!(call.headers["content-type"], "application/json");
    assert_eq!(call.headers["host"], format!("hook.test:{}", server.address.port()));
    assert_eq!(call.headers["idempotency-key"], "1/problem/0");
    assert!(call.headers["user-agent"].starts_with("hark/"));
    let document: serde_json::Value = serde_json::from_str(&call.body).unwrap();
    for (name, _) in render::FIELDS {
        assert!(document.get(name).is_some(), "{name}");
    }
    assert_eq!(document["host"], "db1.example.net");
}

#[tokio::test]
async fn templates_make_address_and_body() {
    let server = Server::start(by_path).await;
    let more = "method: PUT\ncontent_type: text/plain\nheaders: {X-Token: abcdef-token}\n\
                template: 'now {{ status }}'\n";
    let receiver = hook(&server, "hosts/{{ host|urlencode }}?c={{ check|urlencode }}", more);
    send(&*receiver).await.unwrap();
    let call = server.calls().remove(0);
    assert_eq!(call.method, "PUT");
    assert_eq!(call.uri, "/hosts/db1.example.net?c=cpu_monitor.cpu_percent");
    assert_eq!(call.body, "now critical");
    assert_eq!(call.headers["content-type"], "text/plain");
    assert_eq!(call.headers["x-token"], "abcdef-token");
}

#[tokio::test]
async fn calls_are_signed_so_that_the_other_side_can_check_them() {
    let server = Server::start(by_path).await;
    send(&*hook(&server, "x", "secret: correct-horse\n")).await.unwrap();
    let call = server.calls().remove(0);
    let timestamp = &call.headers["hark-timestamp"];
    assert!(timestamp.parse::<i64>().unwrap() > 1_700_000_000);
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"correct-horse");
    let signed = format!("{timestamp}.{}", call.body);
    let expected = hark_net::hex(hmac::sign(&key, signed.as_bytes()).as_ref());
    assert_eq!(call.headers["hark-signature"], format!("v1={expected}"));
}

#[test]
fn the_signature_is_what_openssl_computes() {
    // printf '1.body' | openssl dgst -sha256 -hmac Jefe
    let expected = "v1=25d254c27761adb1423727084ca395476858b2401387226230b6358cf07fad8b";
    assert_eq!(sign(&Secret::new("Jefe"), "1", "body"), expected);
}

#[tokio::test]
async fn answers_decide_whether_to_try_again() {
    let server = Server::start(by_path).await;
    for (path, permanent, text) in [
        ("500", false, "answered 500: because 500"),
        ("503", false, "answered 503: because 503"),
        ("408", false, "answered 408: because 408"),
        ("425", false, "answered 425: because 425"),
        ("429", false, "answered 429: slow down"),
        ("400", true, "answered 400: because 400"),
        ("401", true, "answered 401: because 401"),
        ("404", true, "answered 404: because 404"),
        (
            "redirect",
            true,
            "answered 302: redirects are not followed, put the final address into `url`",
        ),
    ] {
        let error = send(&*hook(&server, path, "")).await.unwrap_err();
        assert_eq!((error.text().as_str(), error.is_permanent()), (text, permanent), "{path}");
    }
    assert_eq!(server.calls().len(), 9, "no redirect was followed");
    let error = send(&*hook(&server, "429", "")).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(17)));
    assert!(send(&*hook(&server, "204", "")).await.is_ok());
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_timeout_and_leaves_the_outcome_open() {
    let server = Server::start(by_path).await;
    let port = server.address.port();
    let receiver = read(&format!("url: 'http://hook.test:{port}/hang'\ntimeout: 200ms\n"));
    let error = send(&*receiver).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let server = Server::start(by_path).await;
    let error = send(&*hook(&server, "huge", "")).await.unwrap_err();
    assert!(error.text().len() <= 330, "{}", error.text().len());
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn secrets_do_not_come_back_from_an_answer_that_repeats_them() {
    let server = Server::start(by_path).await;
    let more = "secret: correct-horse\nheaders: {Authorization: Bearer abcdef-token}\n\
                template: 'correct-horse'\n";
    let receiver = hook(&server, "echo", more);
    let error = send(&*receiver).await.unwrap_err();
    let shown = format!("{receiver:?} {error:?} {}", error.text());
    assert!(!shown.contains("abcdef-token"), "{shown}");
    assert!(!shown.contains("correct-horse"), "{shown}");
}

#[tokio::test]
async fn the_path_of_the_address_is_never_shown() {
    let server = Server::start(by_path).await;
    let receiver = hook(&server, "404", "");
    assert_eq!(receiver.target(), format!("http://hook.test:{}", server.address.port()));
    let secret = hook(&server, "services/T0KEN-PATH", "");
    let listing = format!("{secret:?} {}", secret.target());
    assert!(!listing.contains("T0KEN-PATH"), "{listing}");
}

#[tokio::test]
async fn certificates_are_verified_unless_the_settings_say_otherwise() {
    let (config, pem) = certificate();
    let server = Server::start_with(Some(config), by_path).await;
    let url = format!("url: 'https://hook.test:{}/x'\n", server.address.port());
    let error = send(&*read(&url)).await.unwrap_err();
    assert!(matches!(error, SendError::Untrusted { .. }), "{error:?}");

    let insecure = read(&format!("{url}insecure: true\n"));
    send(&*insecure).await.unwrap();
    assert_eq!(insecure.warnings(), ["the certificate is not verified"]);

    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let trusting = read(&format!("{url}ca_file: {}\n", ca_file.display()));
    send(&*trusting).await.unwrap();
    assert_eq!(trusting.warnings(), Vec::<String>::new());

    let missing = read(&format!("{url}ca_file: /nonexistent/ca.pem\n"));
    let error = send(&*missing).await.unwrap_err();
    assert!(error.text().starts_with("cannot use the certificates in /nonexistent/ca.pem"));
}

#[tokio::test]
async fn private_addresses_are_kept_out_by_what_the_name_leads_to() {
    let server = Server::start(by_path).await;
    let error = send(&*hook(&server, "x", "forbid_private: true\n")).await.unwrap_err();
    let SendError::Forbidden { address, .. } = &error else { panic!("{error:?}") };
    assert!(address.is_loopback());
    assert!(error.is_permanent());
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn keys_that_no_header_can_hold_are_still_unique() {
    let server = Server::start(by_path).await;
    let receiver = hook(&server, "x", "");
    for key in ["a\r\nb", "a\r\nc"] {
        let mut notification = samples().swap_remove(0);
        notification.key = key.to_owned();
        receiver.send(&notification, &context()).await.unwrap();
    }
    let calls = server.calls();
    assert_ne!(calls[0].headers["idempotency-key"], calls[1].headers["idempotency-key"]);
    assert_eq!(calls[0].headers["idempotency-key"].len(), 64);
}

#[tokio::test]
async fn a_call_that_is_cancelled_closes_its_connection() {
    let server = Server::start(by_path).await;
    let receiver = hook(&server, "hang", "");
    let cut = tokio::time::timeout(Duration::from_millis(100), send(&*receiver)).await;
    assert!(cut.is_err());
    assert_eq!(server.calls().len(), 1);
    // The server still serves others.
    send(&*hook(&server, "x", "")).await.unwrap();
}

#[test]
fn mistakes_are_found_when_the_configuration_is_read() {
    for (text, expected) in [
        ("method: POST\n", "the key `url` is missing"),
        ("url: example.net\n", "begins with https://"),
        ("url: ftp://example.net\n", "`ftp` is not http or https"),
        ("url: 'https://{{ host }}/x'\n", "the host must be written out"),
        ("url: 'https://u:p@example.net/x'\n", "no name or password here"),
        ("url: 'https://example.net/{{ hots }}'\n", "`hots` is undefined"),
        ("url: 'https://example.net/a b'\n", "this is not an address"),
        ("url: https://example.net\ntemplate: '{{ summary|json }}'\n", "json"),
        ("url: https://example.net\nheaders: {Host: x}\n", "sets the header `Host` itself"),
        ("url: https://example.net\nheaders: {'a b': x}\n", "cannot be the name of a header"),
        ("url: https://example.net\nmethod: get\n", "get"),
        ("url: https://example.net\ntimeout: 0s\n", "more than 0s"),
    ] {
        let document = Document::single(text);
        let receiver = Webhook.read(&document.root(&NoSecrets));
        let errors = document.diagnostics().render(Style::Plain);
        assert!(errors.contains(expected), "{text}\n{errors}");
        assert!(document.has_errors(), "{text} {receiver:?}");
    }
}
