//! What is on its way when the server is told to end: nobody who was to be told is forgotten.

use std::time::Duration;

use crate::support::folder;
use crate::support::hook::Hook;
use crate::support::server::{START, Start};
use crate::support::wait::until;

/// How long the receiver takes to refuse: within the time that messages on their way are given at the
/// end, and long after everything that waits for nobody has ended.
const REFUSES_AFTER: Duration = Duration::from_millis(1_700);

#[test]
fn a_message_refused_for_good_while_the_server_ends_goes_to_the_fallback_after_the_restart() {
    let folder = folder();
    let (refusing, fallback) = (Hook::refusing_after(REFUSES_AFTER), Hook::start());
    let config = format!(
        "agent: {{interval: 1s}}\n\
         receivers:\n  ops: {{webhook: {{url: '{}'}}, fallback: second}}\n  \
         second: {{webhook: {{url: '{}'}}}}\n\
         routes:\n  - {{name: all, to: [ops]}}\n\
         thresholds:\n  memory_monitor: {{percent: {{critical: 0.1}}}}\n",
        refusing.url(),
        fallback.url()
    );
    let start = Start::new("up", folder.path()).config(&config);
    let mut server = start.go();
    let call = until("the call that will be refused", START, || refusing.calls().pop());
    assert_eq!(call.text("status"), "critical");
    server.process.signal("TERM");
    assert!(server.process.wait(START).success());
    assert_eq!(fallback.calls().len(), 0, "it was refused at the end");
    let _again = start.go_as("again");
    let told = until("the call of the fallback", START, || fallback.calls().pop());
    assert_eq!(told.text("status"), "critical");
    assert!(told.key.starts_with(&call.key), "{} stands in for {}", told.key, call.key);
}
