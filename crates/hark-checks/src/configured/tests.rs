use hark_config::Style;

use super::*;

fn read(text: &str) -> (Vec<Configured>, String) {
    let document = Document::single(text);
    let addresses_of = |host: &HostName| match host.as_str() {
        "web1" => vec!["192.0.2.7".to_owned()],
        "six1" => vec!["192.0.2.8".to_owned(), "2001:db8::8".to_owned()],
        _ => Vec::new(),
    };
    let checks = Configured::read_all(&document.root(&NoSecrets), addresses_of, |_| Vec::new());
    (checks, document.diagnostics().render(Style::Plain))
}

#[test]
fn checks_are_read_with_their_timing() {
    let (checks, errors) = read(
        "checks:
  web: {http: {url: 'https://example.net/', timeout: 5s}, host: web1, every: 60s, retry_every: 15s, attempts: 3}
  alive: {ping: {}, host: web1}
  door: {tcp: {port: 22}, host: db1, every: 2m, clear_attempts: 2}
",
    );
    assert_eq!(errors, "");
    let shown: Vec<_> = checks
        .iter()
        .map(|c| (c.name.as_str(), c.host.as_str(), c.check.kind(), c.check.target()))
        .collect();
    assert_eq!(
        shown,
        [
            ("web", "web1", "http", "https://example.net/".to_owned()),
            ("alive", "web1", "ping", "192.0.2.7".to_owned()),
            ("door", "db1", "tcp", "db1:22".to_owned()),
        ]
    );
    let seconds = |c: &Configured| (c.timing.every.as_secs(), c.timing.retry_every.as_secs());
    assert_eq!(checks.iter().map(seconds).collect::<Vec<_>>(), [(60, 15), (60, 15), (120, 30)]);
    let counts = |c: &Configured| (c.attempts, c.clear_attempts);
    assert_eq!(checks.iter().map(counts).collect::<Vec<_>>(), [(3, 1), (3, 1), (3, 2)]);
}

#[test]
fn a_host_with_addresses_of_both_families_is_looked_at_over_the_one_that_is_meant() {
    let (checks, errors) = read(
        "checks:
  any: {tcp: {port: 22}, host: six1}
  four: {tcp: {port: 22, family: ipv4}, host: six1}
  six: {tcp: {port: 22, family: ipv6}, host: six1}
  both: {tcp: {port: 22, family: both}, host: six1}
  named: {tcp: {port: 22, family: ipv6}, host: db1}
",
    );
    assert_eq!(errors, "");
    let shown: Vec<_> = checks.iter().map(|c| (c.name.as_str(), c.check.target())).collect();
    let wanted = [
        ("any", "192.0.2.8:22"),
        ("four", "192.0.2.8:22"),
        ("six", "[2001:db8::8]:22"),
        ("both", "192.0.2.8:22"),
        ("named", "db1:22"),
    ];
    assert_eq!(shown, wanted.map(|(name, target)| (name, target.to_owned())));
    let both = format!("{:?}", checks[3].check);
    assert!(both.contains("192.0.2.8") && both.contains("2001:db8::8"), "{both}");
}

#[test]
fn the_time_limit_may_stand_at_the_check_or_at_its_type() {
    let (checks, errors) = read(
        "checks:
  a: {ping: {count: 1}, host: web1, every: 2s, timeout: 1s}
  b: {ping: {count: 1, timeout: 2s}, host: web1, timeout: 1s}
  c: {ping: {count: 1}, host: web1}
",
    );
    assert_eq!(errors, "");
    let limits: Vec<u64> = checks.iter().map(|c| c.check.timeout().as_secs()).collect();
    assert_eq!(limits, [1, 2, 5]);
}

#[test]
fn one_check_may_belong_to_several_hosts() {
    let (checks, errors) = read("checks:\n  alive: {ping: {}, host: [web1, db1]}\n");
    assert_eq!(errors, "");
    let shown: Vec<_> =
        checks.iter().map(|c| (c.name.as_str(), c.host.as_str(), c.check.target())).collect();
    assert_eq!(
        shown,
        [("alive", "web1", "192.0.2.7".to_owned()), ("alive", "db1", "db1".to_owned())],
        "each looks at its own address"
    );
    let (_, errors) = read("checks:\n  alive: {ping: {count: many}, host: [web1, db1]}\n");
    assert_eq!(errors.matches("error:").count(), 1, "a mistake is told once: {errors}");
}

#[test]
fn defaults_hold_for_checks_that_say_nothing_and_bare_numbers_may_count_ticks() {
    let (checks, errors) = read(
        "check_defaults: {base_tick: 60s, every: 2, error_every: 5, retry_every: 30s}
checks:
  a: {ping: {}, host: web1}
  b: {ping: {}, host: web1, every: 0.5, retry: 0}
  c: {ping: {}, host: web1, every: 1d, error_every: 1440.5, retry: 4}
",
    );
    assert_eq!(errors, "");
    let seconds = |c: &Configured| {
        let Timing { every, retry_every, error_every, .. } = c.timing;
        (every.as_secs(), retry_every.as_secs(), error_every.as_secs(), c.attempts)
    };
    assert_eq!(
        checks.iter().map(seconds).collect::<Vec<_>>(),
        [(120, 30, 300, 3), (30, 30, 300, 1), (86_400, 30, 86_430, 4)]
    );
    for (text, expected) in [
        (
            "check_defaults: {base_tick: 60s}\nchecks: {a: {ping: {}, host: b, every: 0}}",
            "1s to 31d",
        ),
        ("check_defaults: {base_tick: 1ms}\n", "must be from 100ms to 31d"),
        ("check_defaults: {evry: 5}\n", "every"),
        ("checks: {a: {ping: {}, host: b, retry: 1, attempts: 1}}\n", "says the same already"),
    ] {
        let (_, errors) = read(text);
        assert!(errors.contains(expected), "{text}: {errors}");
    }
}

#[test]
fn private_targets_can_be_kept_out_for_all_checks() {
    for (text, guard) in [
        ("", Guard::Open),
        ("check_defaults: {private_targets: true}\n", Guard::Open),
        ("check_defaults: {private_targets: false}\n", Guard::PublicOnly),
    ] {
        assert_eq!(read_guard(&Document::single(text).root(&NoSecrets)), guard, "{text}");
    }
}

#[test]
fn the_uplink_is_addresses_and_ports() {
    let targets = |text: &str| {
        let document = Document::single(text);
        let uplink = read_uplink(&document.root(&NoSecrets));
        let shown: Vec<String> =
            uplink.iter().map(|check| format!("{} {}", check.kind(), check.target())).collect();
        (shown, document.diagnostics().render(Style::Plain))
    };
    let (shown, wrong) =
        targets("check_defaults: {uplink: [192.0.2.1, 'a.example:53', '2001:db8::1']}");
    assert_eq!(wrong, "");
    assert_eq!(shown, ["ping 192.0.2.1", "tcp a.example:53", "ping 2001:db8::1"]);
    assert_eq!(targets("").0, [""; 0]);
    assert!(targets("check_defaults: {uplink: 'a b'}").1.contains("cannot contain"));
}

#[test]
fn mistakes_are_found_when_the_configuration_is_read() {
    for (text, expected) in [
        ("{ping: {}}", "the key `host` is missing"),
        ("{host: a}", "is expected"),
        ("{host: a, ping: {}, tcp: {port: 1}}", "only one of"),
        ("{host: a, pign: {}}", "ping"),
        ("{host: a, tcp: {}}", "the key `port` is missing"),
        ("{host: a, tcp: {port: 0}}", "port"),
        ("{host: a, tcp: {port: 1}, every: 0s}", "must be from 1s to 31d"),
        ("{host: a, tcp: {port: 1}, every: 3s}", "longer than the time between two runs"),
        ("{host: a, tcp: {port: 1}, retry_every: 5m}", "longer than `every`"),
        ("{host: a, tcp: {port: 1, warning: 2s, critical: 1s}}", "above the critical one"),
        ("{host: a, ping: {count: 50, interval: 1s}}", "after the timeout"),
        ("{host: a, http: {url: example.net}}", "begins with https://"),
        ("{host: a, http: {url: 'http://a/', matches: '['}}", "regex"),
        ("{host: a, http: {url: 'http://a/', status: [700]}}", "is not a status"),
        ("{host: a, http: {url: 'http://a/', headers: {'x y': z}}}", "cannot be the name"),
        ("{host: 'a b', ping: {}}", "cannot contain ' '"),
    ] {
        let (_, errors) = read(&format!("checks: {{c: {text}}}\n"));
        assert!(errors.contains(expected), "{text}\n{errors}");
    }
}

fn options(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_command_line_makes_a_check() {
    let made = from_target("tcp", "[2001:db8::1]:22", &options(&[("timeout", "2s")])).unwrap();
    assert_eq!(
        (made.target(), made.timeout()),
        ("[2001:db8::1]:22".to_owned(), Duration::from_secs(2))
    );
    let made = from_target("tcp", "2001:db8::1", &options(&[("port", "25"), ("expect", "220")]));
    assert_eq!(made.unwrap().target(), "[2001:db8::1]:25");
    let made = from_target("tcp", "db1:5432", &[]).unwrap();
    assert_eq!(made.target(), "db1:5432");
    assert_eq!(from_target("ping", "db1", &[]).unwrap().target(), "db1");
    let status = options(&[("status", "[200, 301]"), ("contains", "a \"b\": c")]);
    let made = from_target("http", "https://example.net/x?y=z", &status).unwrap();
    assert_eq!(made.target(), "https://example.net/x?y=z");
}

#[test]
fn mistakes_on_a_command_line_are_shown() {
    let error = |kind, target, pairs: &[(&str, &str)]| {
        from_target(kind, target, &options(pairs)).unwrap_err()
    };
    let unknown = error("gopher", "x", &[]);
    assert!(unknown.starts_with("there is no check type `gopher`; known are "), "{unknown}");
    assert!(unknown.contains(", http, ping, "), "{unknown}");
    assert_eq!(
        error("ping", "db1", &[("cuont", "3")]),
        "unknown key `cuont`; did you mean `count`?"
    );
    assert!(error("ping", "a b", &[]).starts_with("address: a host name cannot contain ' '"));
    assert_eq!(error("tcp", "db1", &[]), "the key `port` is missing");
    let error_of_url = error("http", "example.net", &[]);
    assert_eq!(error_of_url, "url: a web address begins with https:// or http://");
    let wrong_count = error("ping", "db1", &[("timeout", "2s"), ("count", "many")]);
    assert!(wrong_count.starts_with("count: "), "{wrong_count}");
}

#[test]
fn a_check_has_days_and_hours_and_what_is_wrong_with_them_is_shown() {
    let read = |active: &str| {
        let text = format!("checks: {{x: {{host: h, tcp: {{port: 1}}, active: {active}}}}}\n");
        let document = Document::single(&text);
        let checks =
            Configured::read_all(&document.root(&NoSecrets), |_| Vec::new(), |_| Vec::new());
        let active = checks.first().and_then(|check| check.timing.active.as_ref());
        (active.map(ToString::to_string), document.diagnostics().render(Style::Plain))
    };
    let (hours, said) = read("mon-fri 22:00-06:00 Europe/Berlin");
    assert_eq!((hours.as_deref(), said.as_str()), (Some("mon-fri 22:00-06:00 Europe/Berlin"), ""));
    let (hours, said) = read("{digits: '06;09:00-10:00', monday: 1, zone: UTC}");
    assert_eq!((hours.as_deref(), said.as_str()), (Some("sat,sun 09:00-10:01 UTC"), ""));
    let (_, said) = read("fri-mun 08:00-09:00");
    assert!(said.contains("is neither a day") && said.contains("hark.yaml:1:47"), "{said}");
}
