//! The page in a real browser, against the real server: the journeys of `ui/tests/browser`.

use std::path::Path;
use std::time::Duration;

use crate::support::apart::{Apart, Kind};
use crate::support::process::{clean, run};
use crate::support::server::{Server, Start};
use crate::support::{PASSWORD, folder};

/// How long the browser may take for all journeys.
const LIMIT: Duration = Duration::from_secs(500);

/// A limit that is always crossed gives the browser an incident to look at.
const ALWAYS_CROSSED: &str = "interval: 1s\nagent: {interval: 1s}\nthresholds:\n  \
                              memory_monitor: {percent: {warning: 0.1, critical: 0.2}}\n";

/// The journeys that need no stand-in for the server. The first one makes the administrator.
const JOURNEYS: [&str; 8] =
    ["journey", "phone", "keyboard", "charts", "dashboards", "configuration", "factors", "tokens"];

/// Has a browser go through `journeys` at `server`, whose administrator is mira.
fn go_through(server: &Server, folder: &Path, code: Option<&str>, journeys: &[&str]) {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui").canonicalize().unwrap();
    for (needed, way) in
        [("dist/index.html", "make page"), ("node_modules/playwright-core", "scripts/setup-test")]
    {
        assert!(ui.join(needed).exists(), "ui/{needed} is missing: run {way}");
    }
    assert!(Path::new("/usr/bin/chromium").exists(), "chromium is missing: run scripts/setup-test");

    let _apart = Apart::from_others(Kind::Browses);
    let mut node = clean("node", &ui);
    node.arg(ui.join("tests/browser/run.mjs")).args(journeys);
    node.env("HARK_URL", format!("http://127.0.0.1:{}", server.http));
    node.env("HARK_USER", "mira").env("HARK_PASSWORD", PASSWORD).env("HOME", folder);
    if let Some(code) = code {
        node.env("HARK_CODE", code);
    }
    let output = run(&mut node, LIMIT);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    for journey in journeys {
        assert!(text.contains(&format!("ok   {journey}")), "{journey} did not run: {text}");
    }
}

#[test]
fn the_page_works_in_a_browser_from_the_setup_link_on() {
    let folder = folder();
    let server = Start::new("up", folder.path()).config(ALWAYS_CROSSED).go();
    go_through(&server, folder.path(), server.code.as_deref(), &JOURNEYS);
}

#[test]
fn a_status_page_is_published_on_and_read_by_strangers_and_a_wall_shows_what_is_wrong() {
    let folder = folder();
    let components = "status_pages:\n  shop:\n    title: Nordlys Shop\n    components:\n      \
                      web: {name: Website, group: Shop, hosts: '*'}\n      \
                      pay: {name: Payments, group: Shop, hosts: '*'}\n";
    let config = format!("{ALWAYS_CROSSED}{components}");
    let mut server = Start::new("up", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    go_through(&server, folder.path(), None, &["publishing"]);
}

#[test]
fn no_page_is_wider_than_its_window_and_no_label_is_cut() {
    let folder = folder();
    let mut server = Start::new("up", folder.path()).config(ALWAYS_CROSSED).go();
    server.set_up(PASSWORD);
    go_through(&server, folder.path(), None, &["reflow"]);
}

#[test]
fn limits_programs_and_owners_are_made_in_a_browser() {
    let folder = folder();
    let mut server = Start::new("up", folder.path()).config(ALWAYS_CROSSED).go();
    server.set_up(PASSWORD);
    go_through(&server, folder.path(), None, &["limits", "people"]);
}

#[test]
fn checks_of_all_hosts_are_made_and_tried_in_a_browser() {
    let folder = folder();
    let mut server = Start::new("up", folder.path()).config(ALWAYS_CROSSED).go();
    server.set_up(PASSWORD);
    go_through(&server, folder.path(), None, &["drawer", "measured"]);
}

#[test]
fn what_the_server_says_is_german_and_rights_come_and_go_in_a_browser() {
    let folder = folder();
    let mut server = Start::new("up", folder.path()).config(ALWAYS_CROSSED).go();
    server.set_up(PASSWORD);
    go_through(&server, folder.path(), None, &["german", "granting"]);
}

#[test]
fn notifications_are_turned_on_in_a_browser_and_shown_there() {
    let folder = folder();
    let config = "receivers: {mira-push: {web_push: {user: mira}}}\n";
    let mut server = Start::new("server", folder.path()).config(config).go();
    server.set_up(PASSWORD);
    go_through(&server, folder.path(), None, &["browsers"]);
}

#[test]
fn a_host_that_was_dropped_comes_back_in_a_browser() {
    let folder = folder();
    let mut server = Start::new("up", folder.path()).config(ALWAYS_CROSSED).go();
    server.set_up(PASSWORD);
    go_through(&server, folder.path(), None, &["many", "dropping"]);
}

#[test]
fn a_check_that_is_hidden_is_shown_while_it_fails_and_on_demand() {
    let folder = folder();
    let config = "hosts: {db1: {}}\nchecks:\n  shop: {host: db1, push: {every: 1d}, \
                  description: Whether people can buy, hidden: true}\n  \
                  mail: {host: db1, push: {every: 1d}}\n";
    let mut server = Start::new("server", folder.path()).config(config).go();
    server.set_up(PASSWORD);
    go_through(&server, folder.path(), None, &["hidden"]);
}

#[test]
fn everybody_with_a_role_looks_at_every_view_and_axe_finds_nothing() {
    let folder = folder();
    // Nobody listens there: what was told has a line in the log all the same.
    let told = "receivers: {hook: {webhook: {url: 'http://127.0.0.1:9/'}}}\n";
    let config = format!("{ALWAYS_CROSSED}{told}");
    let mut server = Start::new("up", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    go_through(&server, folder.path(), None, &["entrance", "everyone"]);
}
