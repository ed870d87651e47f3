//! The dead man's switch: a call to somebody else as long as this server works as a whole, so that its
//! silence is noticed there.
//!
//! A call goes out only after a whole self-test ([`super::self_test`]). What failed is told under `/fail`
//! instead, as such services (and `/push/TOKEN` of another hark) understand it; a server that cannot even
//! do that is silent, which says the same a little later. That the calls themselves do not arrive is a
//! problem of the server, told by its own receivers.

use std::sync::Arc;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_net::{Call, Resolver};
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::call::{Address, CALL_KEYS, CallError};
use super::links::Links;
use super::self_report::SelfReport;
use super::self_test::SelfTest;

/// The part of the server that this is.
pub(crate) const PART: &str = "deadman";

/// The section `deadman`.
pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "url",
        Kind::Secret,
        "Address to call while all is well; /fail is put behind it when not.",
    )
    .required(),
    Key::new("every", Kind::Duration, "Time between two calls, at least 5s.").default("1m"),
    CALL_KEYS[0],
    CALL_KEYS[1],
    CALL_KEYS[2],
    CALL_KEYS[3],
];

/// The shortest time between two calls: each writes to the disk and is a connection to somebody else.
const SHORTEST: Duration = Duration::from_secs(5);

/// So many calls in a row must fail until that is a problem: one lost connection says nothing.
const FAILURES: u32 = 2;

/// How long the server runs before its first call: what it loads is there, and its parts have turned.
const SETTLED: Duration = Duration::from_secs(2);

/// What is put behind the path to say that something failed.
const FAIL: &str = "/fail";

/// The type of what is said then.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Bound on what is said of a failure.
const MAX_SAID: usize = 2000;

/// Whom to call, and how often.
#[derive(Debug)]
pub(crate) struct Deadman {
    address: Address,
    every: Duration,
}

impl Deadman {
    /// Reads the section; what is wrong is reported to the document.
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.child(PART)?;
        let every = section.duration("every", Bare::Seconds, Duration::from_mins(1));
        if every < SHORTEST {
            section.error("every", "must be at least 5s");
        }
        let address = Address::read(&section);
        section.finish(KEYS);
        Some(Self { address: address?, every })
    }

    /// Returns it as it is written, for people, without what is secret.
    pub(crate) fn show(&self) -> Value {
        json!({ "url": self.address.to_string(), "every": hark_config::duration::format(self.every) })
    }
}

impl Deadman {
    /// Says again and again that the server does not work, until the token is cancelled.
    pub(crate) async fn fails(&self, resolver: &Resolver, said: &str, stop: CancellationToken) {
        loop {
            let call = Call::new(Method::POST, FAIL).content(TEXT, said);
            tokio::select! {
                () = stop.cancelled() => return,
                called = self.address.call(resolver, call) => if let Err(error) = called {
                    let error = super::store_loop::chain(&error);
                    tracing::warn!(error, "the dead man's switch was not reached");
                },
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }
}

/// Calls until the token is cancelled. Cancelling it leaves at most one call half made.
pub(crate) async fn run(
    links: Arc<Links>,
    test: SelfTest,
    resolver: Arc<Resolver>,
    stop: CancellationToken,
) {
    let mut report = SelfReport::new(PART, links.engine.clone());
    let mut failures = 0;
    // Said once also if all is well: before the restart it may have been otherwise.
    let mut is_well = None;
    let mut wait = SETTLED;
    loop {
        report.tell();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = links.deadman_changed.notified() => {}
        }
        // Without one there is nothing to do until a reload brings one.
        let Some(deadman) = links.deadman.load_full() else {
            wait = if report.is_untold() { SETTLED } else { Duration::from_hours(24) };
            failures = 0;
            if is_well.replace(true) != Some(true) {
                report.say(None);
                wait = SETTLED;
            }
            continue;
        };
        wait = deadman.every;
        let called = tokio::select! {
            () = stop.cancelled() => return,
            called = once(&deadman, &test, &resolver) => called,
        };
        match called {
            Ok(()) => {
                failures = 0;
                if is_well.replace(true) != Some(true) {
                    report.say(None);
                }
            }
            Err(error) => {
                failures += 1;
                let error = super::store_loop::chain(&error);
                tracing::warn!(failures, error, "the dead man's switch was not reached");
                if failures >= FAILURES {
                    let whom = &deadman.address;
                    is_well = Some(false);
                    report.say(Some(format!("{failures} calls of {whom} have failed: {error}")));
                }
            }
        }
    }
}

async fn once(deadman: &Deadman, test: &SelfTest, resolver: &Resolver) -> Result<(), CallError> {
    let found = test.run().await;
    let call = if found.is_empty() {
        Call::new(Method::GET, "")
    } else {
        tracing::error!(found = found.join("; "), "the self-test has failed");
        let mut said = found.join("\n");
        said.truncate(said.floor_char_boundary(MAX_SAID));
        Call::new(Method::POST, FAIL).content(TEXT, said)
    };
    deadman.address.call(resolver, call).await.map(drop)
}
