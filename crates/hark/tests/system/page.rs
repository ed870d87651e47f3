//! The page in a real browser, against the real server: the journeys of `ui/tests/browser`.

use std::path::Path;
use std::time::Duration;

use crate::support::process::{clean, run};
use crate::support::server::Start;
use crate::support::{PASSWORD, folder};

/// How long the browser may take for all journeys.
const LIMIT: Duration = Duration::from_secs(260);

/// The journeys that need no stand-in for the server. The first one makes the administrator.
const JOURNEYS: [&str; 9] = [
    "journey",
    "phone",
    "keyboard",
    "charts",
    "dashboards",
    "reflow",
    "configuration",
    "factors",
    "tokens",
];

#[test]
fn the_page_works_in_a_browser_from_the_setup_link_on() {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui").canonicalize().unwrap();
    for (needed, way) in
        [("dist/index.html", "make page"), ("node_modules/playwright-core", "scripts/setup-test")]
    {
        assert!(ui.join(needed).exists(), "ui/{needed} is missing: run {way}");
    }
    assert!(Path::new("/usr/bin/chromium").exists(), "chromium is missing: run scripts/setup-test");

    let folder = folder();
    // A limit that is always crossed gives the browser an incident to look at.
    let server = Start::new("up", folder.path())
        .config(
            "interval: 1s\nagent: {interval: 1s}\nthresholds:\n  \
             memory_monitor: {percent: {warning: 0.1, critical: 0.2}}\n",
        )
        .go();
    let code = server.code.clone().unwrap();
    let mut node = clean("node", &ui);
    node.arg(ui.join("tests/browser/run.mjs")).args(JOURNEYS);
    node.env("HARK_URL", format!("http://127.0.0.1:{}", server.http));
    node.env("HARK_CODE", code).env("HARK_USER", "mira").env("HARK_PASSWORD", PASSWORD);
    node.env("HOME", folder.path());
    let output = run(&mut node, LIMIT);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    for journey in JOURNEYS {
        assert!(text.contains(&format!("ok   {journey}")), "{journey} did not run: {text}");
    }
}
