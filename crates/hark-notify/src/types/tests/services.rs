//! What every service that is called over HTTP must do, tried on all of them.

use std::time::Duration;

use hark_config::{Key, Kind};

use super::server::{Answer, Server, down_and_over, read, send};
use crate::{Receiver, ReceiverType, SendError, TYPES, samples};

/// Returns the types that are called over the frame of services, with the key of their address.
pub(super) fn services() -> impl Iterator<Item = (&'static dyn ReceiverType, &'static Key)> {
    TYPES.iter().filter_map(|kind| {
        let key = |name: &str| kind.keys().iter().find(|key| key.name == name);
        key("forbid_private")?;
        // Where there are several ways to a service, the example has the one that is no webhook.
        let address = key("api").or_else(|| key("server")).or_else(|| key("url"))?;
        Some((*kind, address))
    })
}

/// Reads the example of `kind`, with calls going to `server` instead.
fn at(kind: &dyn ReceiverType, key: &Key, server: &Server, more: &str) -> Box<dyn Receiver> {
    read(kind, &settings(kind, key, server, more))
}

/// Returns the settings of [`at`].
pub(super) fn settings(kind: &dyn ReceiverType, key: &Key, server: &Server, more: &str) -> String {
    let own = format!("{}:", key.name);
    let others: Vec<_> = kind.example().lines().filter(|line| !line.starts_with(&own)).collect();
    // The path is a secret where the whole address is one.
    let is_secret = matches!(key.kind, Kind::Secret);
    let url = server.url(if is_secret { "/hooks/silent-7-wander-path" } else { "/below" });
    format!("{own} '{url}'\n{}\n{more}", others.join("\n"))
}

async fn fail(kind: &dyn ReceiverType, key: &Key, answer: Answer) -> SendError {
    let server = Server::start(move |_| answer.clone()).await;
    let receiver = at(kind, key, &server, "");
    let error = send(&*receiver, &samples()[0]).await.unwrap_err();
    assert!(!server.calls().is_empty(), "{}", kind.name());
    error
}

#[test]
fn there_are_services() {
    assert!(services().count() >= 5);
}

#[tokio::test]
async fn refusals_are_final_and_failures_are_tried_again() {
    for (kind, key) in services() {
        for (status, is_permanent) in [
            (400, true),
            (401, true),
            (403, true),
            (404, true),
            (302, true),
            (500, false),
            (503, false),
        ] {
            let error = fail(kind, key, Answer::new(status, "because")).await;
            assert_eq!(error.is_permanent(), is_permanent, "{} {status}: {error:?}", kind.name());
        }
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_for() {
    for (kind, key) in services() {
        let error = fail(kind, key, Answer::slow_down()).await;
        let name = kind.name();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(17)), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_service_that_hangs_costs_the_timeout_and_leaves_the_outcome_open() {
    for (kind, key) in services() {
        let server = Server::start(|_| Answer::never()).await;
        let receiver = at(kind, key, &server, "timeout: 200ms\n");
        let error = send(&*receiver, &samples()[0]).await.unwrap_err();
        assert!(error.is_outcome_unknown(), "{}: {error:?}", kind.name());
    }
}

#[tokio::test]
async fn no_secret_is_shown_even_if_the_answer_repeats_the_call() {
    for (kind, key) in services() {
        let server = Server::start(|call| {
            Answer::new(400, format!("{} {:?} {}", call.uri, call.headers, call.body))
        })
        .await;
        let receiver = at(kind, key, &server, "");
        let error = send(&*receiver, &samples()[0]).await.unwrap_err();
        let shown = format!("{receiver:?} {error:?} {} {}", error.text(), receiver.target());
        for secret in ["correct-horse", "correct%2Dhorse", "silent-7-wander"] {
            assert!(!shown.contains(secret), "{}: {shown}", kind.name());
        }
    }
}

#[tokio::test]
async fn a_part_of_a_secret_path_is_hidden_too() {
    for (kind, key) in services().filter(|(_, key)| matches!(key.kind, Kind::Secret)) {
        let error = fail(kind, key, Answer::new(404, "no hook silent-7-wander-path")).await;
        let shown = format!("{error:?} {}", error.text());
        assert!(!shown.contains("silent-7-wander"), "{}: {shown}", kind.name());
    }
}

#[tokio::test]
async fn that_the_server_works_again_is_good_news_and_ends_what_was_told() {
    /// What says that it is critical, in the words of the services.
    const LOUD: [&str; 7] =
        ["🚨", "d1242f", "13706287", "\"trigger\"", "\"priority\":2", "\"attention\"", "failure"];
    for (kind, key) in services() {
        let said = r#"{"ok":true,"success":true,"result":"success","status":1}"#;
        let server = Server::saying(200, said).await;
        let receiver = at(kind, key, &server, "");
        let [down, over] = down_and_over();
        drop(send(&*receiver, &down).await);
        let n_before = server.calls().len();
        drop(send(&*receiver, &over).await);
        let calls = server.calls().split_off(n_before);
        for call in &calls {
            let found = LOUD.iter().find(|loud| call.body.contains(**loud));
            assert_eq!(found, None, "{}: {}", kind.name(), call.body);
        }
    }
}

#[tokio::test]
async fn private_addresses_are_kept_out_if_so_configured() {
    for (kind, key) in services() {
        let server = Server::saying(200, "{}").await;
        let receiver = at(kind, key, &server, "forbid_private: true\n");
        let error = send(&*receiver, &samples()[0]).await.unwrap_err();
        assert!(matches!(error, SendError::Forbidden { .. }), "{}: {error:?}", kind.name());
        assert!(server.calls().is_empty());
    }
}
