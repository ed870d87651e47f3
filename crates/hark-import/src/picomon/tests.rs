use super::*;

const CONFIG: &str = "\
# -*- coding: utf-8 -*-
from picomon import config, checks, Host
from picomon.checks import *

config.base_tick = 30
config.emails.to = ['me@example.net', 'Them <them@example.net>']
config.emails.addr_from = 'Picomon <picomon@mon.example.net>'
config.emails.smtp_host = 'relay.example.net:2525'
config.emails.report.every = 3600 * 24
config.verb_level = 'DEBUG'

DAY = 86400 / config.base_tick
www = Host('192.0.2.10', '2001:db8::10', 'www')
mx = Host(ipv4='192.0.2.20', name='mx')
hosts = [www, mx]

checks.add([CheckPing4, CheckPing6], hosts, retry=2, every=2, error_every=1)
checks.add(CheckHTTPS4, www, vhost='www.example.net', url='/health', status='200,204', string='fine')
checks.add(CheckDNSZone, ['example.net'], every=DAY, ip_version=4)
checks.add(CheckSMTP4, mx, from_addr='a@b.example', command='RCPT TO:<c@d.example>', response='550')
checks.add(MyOwnCheck, hosts)
";

fn import(text: &str) -> Imported {
    let file = Source { path: "config.py".to_owned(), text: text.to_owned() };
    Picomon.read(&[file]).unwrap()
}

fn read(imported: &Imported) -> serde_json::Value {
    let document = hark_config::Document::single(&imported.config);
    assert!(!document.has_errors(), "{}", imported.config);
    texts(document.root(&hark_config::NoSecrets).to_json())
}

/// Makes texts of numbers and flags: how a value is written matters here, not its kind.
fn texts(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Array(items) => items.into_iter().map(texts).collect(),
        Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, texts(v))).collect()),
        Value::Bool(_) | Value::Number(_) => Value::String(value.to_string()),
        Value::Null | Value::String(_) => value,
    }
}

#[test]
fn hosts_and_checks_are_taken_over_with_their_times() {
    let imported = import(CONFIG);
    let config = read(&imported);
    assert_eq!(config["hosts"]["www"]["address"], "192.0.2.10");
    let ping = &config["checks"]["ping6-www"];
    assert_eq!(ping["ping"]["address"], "2001:db8::10");
    assert_eq!(ping["ping"]["family"], "ipv6");
    assert_eq!(ping["ping"]["count"], "1");
    assert_eq!((ping["every"].as_str(), ping["error_every"].as_str()), (Some("1m"), Some("30s")));
    assert_eq!(ping["attempts"], "2");
    assert_eq!(config["checks"]["dnszone-example.net"]["every"], "1d");
    assert_eq!(imported.n_hosts, 3);
    assert_eq!(imported.n_checks, 6);
}

#[test]
fn options_of_the_types_are_taken_over() {
    let config = read(&import(CONFIG));
    let http = &config["checks"]["https4-www"]["http"];
    assert_eq!(http["url"], "https://www.example.net/health");
    assert_eq!(http["address"], "192.0.2.10");
    assert_eq!(http["status"], serde_json::json!(["200", "204"]));
    assert_eq!(
        (http["contains"].as_str(), http["insecure"].as_str()),
        (Some("fine"), Some("true"))
    );
    let smtp = &config["checks"]["smtp4-mx"]["smtp"];
    assert_eq!(smtp["from"], "a@b.example");
    assert_eq!(smtp["commands"][0]["send"], "RCPT TO:<c@d.example>");
}

#[test]
fn mail_becomes_a_receiver_and_a_route() {
    let config = read(&import(CONFIG));
    let email = &config["receivers"]["mail"]["email"];
    assert_eq!(email["to"], serde_json::json!(["me@example.net", "Them <them@example.net>"]));
    assert_eq!(
        (email["server"].as_str(), email["port"].as_str()),
        (Some("relay.example.net"), Some("2525"))
    );
    assert_eq!(config["routes"][0]["to"][0], "mail");
    assert_eq!(config["log"]["level"], "debug");
}

#[test]
fn what_is_left_out_is_listed_with_its_line() {
    let notes: Vec<String> = import(CONFIG).notes.iter().map(ToString::to_string).collect();
    let has = |text: &str| assert!(notes.iter().any(|n| n.contains(text)), "{text}: {notes:#?}");
    has("config.py:17: left out: CheckPing6 on mx, which has no address of that family");
    has("config.py:18: Picomon accepted any certificate");
    has("config.py:21: left out: `MyOwnCheck` is a class of your own");
    has("config.py:9: left out: `emails.report.every`");
    assert_eq!(notes.len(), 4, "{notes:#?}");
}

#[test]
fn what_is_no_python_is_refused_with_its_line() {
    let file = Source { path: "config.py".to_owned(), text: "a = 1\nb = (\n".to_owned() };
    let error = Picomon.read(&[file]).unwrap_err();
    assert_eq!(error.path, "config.py");
    assert!(error.line >= 2, "{error}");
}

#[test]
fn a_file_that_makes_no_check_says_what_would() {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let none = Picomon.read(&[source("a.py", "config.base_tick = 20\n")]).unwrap();
    let note = none.notes.last().unwrap().to_string();
    assert!(note.starts_with("a.py: nothing here calls `checks.add(CLASSES, HOSTS)`"), "{note}");
    let files = [source("a.py", "x = 1\n"), source("b.py", "checks.add(CheckPing4, Host('a'))\n")];
    let some = Picomon.read(&files).unwrap();
    assert!(!some.notes.iter().any(|n| n.text.contains("nothing here")), "{:?}", some.notes);
}
