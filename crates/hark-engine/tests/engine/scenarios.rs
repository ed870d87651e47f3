//! Runs `scenarios/*.txt`: at this time this happens, then exactly that is told.
//!
//! A scenario begins with comments, then the configuration (indented lines under `config`), then
//! lines of a time and what happens. `>` lines are the messages that must come, all of them and no
//! others; `x` lines are what must be kept back, by receiver and block, and are checked where a
//! scenario has any. `0s..90s/30s` stands for 0s, 30s, 60s and 90s. The format is described in
//! `scenarios/README.md`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_engine::{Action, Input};
use hark_model::{CheckName, HostName, ReceiverName, Severity, Status, Unix};
use hark_signals::Band;

use crate::world::{World, plan_of, seconds};

/// One line to be carried out.
#[derive(Clone, Debug)]
struct Order {
    at: u64,
    text: String,
    /// Indented lines below: a configuration.
    block: String,
}

#[derive(Debug, Default)]
struct Scenario {
    config: String,
    orders: Vec<Order>,
    /// The latest time of any line.
    last: u64,
    expected: Vec<String>,
    withheld: Vec<(u64, String, String)>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    files
}

fn time(word: &str) -> Option<u64> {
    let millis = |text: &str, factor: f64| {
        let number: f64 = text.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test values")]
        Some((number * factor).round() as u64)
    };
    match word.chars().last()? {
        's' => millis(word.strip_suffix('s')?, 1000.0),
        'm' => millis(word.strip_suffix('m')?, 60_000.0),
        'h' => millis(word.strip_suffix('h')?, 3_600_000.0),
        _ => None,
    }
}

/// Reads `30s` or `0s..90s/30s`.
fn times(word: &str) -> Vec<u64> {
    let Some((from, rest)) = word.split_once("..") else {
        return vec![time(word).unwrap_or_else(|| panic!("no time: {word}"))];
    };
    let (to, every) = rest.split_once('/').expect("FROM..TO/EVERY");
    let (from, to, every) = (time(from).unwrap(), time(to).unwrap(), time(every).unwrap());
    (from..=to).step_by(usize::try_from(every).unwrap()).collect()
}

fn parse(text: &str) -> Scenario {
    let mut scenario = Scenario::default();
    let mut lines = text.lines().peekable();
    while let Some(raw) = lines.next() {
        let raw = if raw.trim_start().starts_with('#') { "" } else { raw };
        if raw.trim().is_empty() {
            continue;
        }
        let mut block = String::new();
        while let Some(next) = lines.peek().filter(|next| next.starts_with("  ")) {
            writeln!(block, "{next}").unwrap();
            lines.next();
        }
        if raw.trim() == "config" {
            scenario.config = block;
            continue;
        }
        let (when, what) = raw.trim().split_once(char::is_whitespace).unwrap_or((raw.trim(), ""));
        let what = what.trim();
        for at in times(when) {
            scenario.last = scenario.last.max(at);
            if let Some(told) = what.strip_prefix("> ") {
                scenario.expected.push(format!("{} > {told}", seconds(at)));
            } else if let Some(kept) = what.strip_prefix("x ") {
                let (receiver, block) = kept.split_once(' ').expect("x RECEIVER BLOCK");
                scenario.withheld.push((at, receiver.to_owned(), block.to_owned()));
            } else {
                scenario.orders.push(Order { at, text: what.to_owned(), block: block.clone() });
            }
        }
    }
    scenario.orders.sort_by_key(|order| order.at);
    scenario
}

fn run(scenario: &Scenario) -> World {
    let mut world = World::new(plan_of(&scenario.config));
    for order in &scenario.orders {
        // While the process stands still no deadline is looked at.
        let gap = order.text.strip_prefix("degraded ").and_then(|rest| rest.split(':').next());
        let gap = gap.and_then(time).unwrap_or(0);
        world.run_to(order.at - gap);
        world.sleep_to(order.at);
        carry_out(&mut world, order);
    }
    world.run_to(scenario.last);
    world
}

#[expect(clippy::too_many_lines, reason = "a flat table of orders")]
fn carry_out(world: &mut World, order: &Order) {
    let (text, reason) = match order.text.split_once(": ") {
        Some((text, reason)) => (text, reason),
        None => (order.text.as_str(), ""),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["end"] => {}
        ["heard", host, ref values @ ..] => {
            let values: Vec<(&str, f64)> = values
                .iter()
                .map(|value| value.rsplit_once('=').expect("PATH=VALUE"))
                .map(|(path, value)| (path, value.parse().expect("a number or NaN")))
                .collect();
            world.heard(host, &values);
        }
        ["ramp", host, path, from, per_hour] => {
            let number = |word: &str| -> f64 { word.parse().expect("a number") };
            #[expect(clippy::cast_precision_loss, reason = "hours of a scenario")]
            let hours = world.time as f64 / 3_600_000.0;
            let value = number(from) + number(per_hour) * hours;
            world.heard(host, &[(path, value)]);
        }
        ["late", age, host, value] => {
            let (path, value) = value.rsplit_once('=').unwrap();
            let taken = Unix(world.now().unix.0 - i64::try_from(time(age).unwrap()).unwrap());
            world.heard_taken(host, &[(path, value.parse().unwrap())], taken);
        }
        ["result", host, check, status] => {
            world.result(host, check, Status::from_word(status).expect("a status"), reason);
        }
        ["event", host, kind] => world.event(host, kind, Severity::Info, reason),
        ["event", host, kind, severity] => {
            world.event(host, kind, Severity::from_word(severity).expect("a severity"), reason);
        }
        ["ack", host, check, ref rest @ ..] => acknowledge(world, host, check, rest, reason),
        ["unack", host, check] => {
            let incident = world.incident(host, check).expect("an open incident");
            world.operate("mira", Action::Unacknowledge { incident });
        }
        ["silence", host, span] => world.silence(host, time(span).unwrap() / 1000, reason, false),
        ["maintenance", host, span] => {
            world.silence(host, time(span).unwrap() / 1000, reason, true);
        }
        ["flexible", host, window, lasts] => {
            let [window, lasts] = [window, lasts].map(|w| Duration::from_millis(time(w).unwrap()));
            world.flexible(host, window, lasts, reason);
        }
        ["resolve", host, check] => {
            let incident = world.incident(host, check).expect("an open incident");
            let comment = reason.to_owned();
            world.operate("mira", Action::Resolve { incident, comment });
        }
        ["follows", host, check, from, its] => {
            let incident = world.incident(host, check).expect("an open incident");
            let cause = Some(world.incident(from, its).expect("an open incident"));
            world.operate("mira", Action::Relate { incident, cause });
        }
        ["follows", host, check, "nothing"] => {
            let incident = world.incident(host, check).expect("an open incident");
            world.operate("mira", Action::Relate { incident, cause: None });
        }
        ["end-silence"] => {
            let silence = world.engine.silences().next().expect("a silence").record().id;
            world.operate("mira", Action::EndSilence { silence });
        }
        ["facts", host, ref fact @ ..] => {
            let fact = fact.join(" ");
            let (name, value) = fact.split_once('=').expect("NAME=VALUE");
            let host = world.host(host);
            let facts = vec![(name.to_owned(), value.to_owned())];
            world.step(Input::Facts { host, facts });
        }
        ["join", host, ref tags @ ..] => world.join(host, tags),
        ["tags", host, ref tags @ ..] => {
            let host = world.engine.host_named(host).expect("a known host");
            let found: Vec<&str> = host.tags().iter().map(hark_model::Tag::as_str).collect();
            assert_eq!(found, tags, "{}", order.text);
        }
        ["drop", host] => {
            let host = world.host(host);
            world.operate("mira", Action::DropHost { host });
        }
        ["undrop", host] => {
            let host = HostName::new(host).unwrap();
            world.operate("mira", Action::RestoreHost { host });
            let answer = world.answers.pop();
            assert!(matches!(answer, Some(Ok(_))), "{}: {answer:?}", order.text);
        }
        ["away", receiver] => {
            world.away.insert(ReceiverName::new(receiver).unwrap());
        }
        ["refuses", receiver] => {
            world.refuses.insert(ReceiverName::new(receiver).unwrap());
        }
        ["accepts", receiver] => {
            world.refuses.remove(receiver);
        }
        ["back", receiver] => world.back(receiver),
        ["usual", path, middle, spread] => {
            let number = |word: &str| -> f64 { word.parse().expect("a number") };
            let band = Band { middle: number(middle), spread: number(spread), of: 5 };
            world.usual.insert(path.to_owned(), band);
        }
        ["history", word] => world.has_history = word == "works",
        ["restart", pause] => world.restart(time(pause).unwrap()),
        ["reload"] => world.reload(plan_of(&order.block)),
        ["wall", shift] => {
            let (sign, span) = shift.split_at(1);
            let span = i64::try_from(time(span).unwrap()).unwrap();
            world.wall += if sign == "-" { -span } else { span };
        }
        ["degraded", gap] => world.step(Input::IngestDegraded {
            reason: reason.to_owned(),
            gap: Duration::from_millis(time(gap).unwrap()),
        }),
        ["healthy"] => world.step(Input::IngestHealthy),
        ["self", ref part @ ..] => world.step(Input::SelfCheck {
            part: CheckName::new(&part.join(" ")).unwrap(),
            problem: (!reason.is_empty()).then(|| reason.to_owned()),
        }),
        [
            "state" | "explain" | "check" | "unreachable" | "probed" | "incident" | "detail"
            | "ordered" | "repair" | "journal",
            ..,
        ] => {
            look(world, &words, reason, order);
        }
        _ => panic!("unknown order: {}", order.text),
    }
}

fn acknowledge(world: &mut World, host: &str, check: &str, rest: &[&str], comment: &str) {
    let incident = world.incident(host, check).expect("an open incident");
    let sticky = rest.contains(&"sticky");
    let until = rest
        .iter()
        .find_map(|word| time(word))
        .map(|span| world.now().unix + Duration::from_millis(span));
    let by = rest.iter().find_map(|word| word.strip_prefix("by=")).unwrap_or("mira");
    let comment = comment.to_owned();
    world.operate(by, Action::Acknowledge { incident, comment, until, sticky });
}

/// Lines that only look: what the page shows at this moment.
fn look(world: &mut World, words: &[&str], reason: &str, order: &Order) {
    let at = &order.text;
    match *words {
        ["state", host, word] => {
            let host = world.engine.host_named(host).expect("a known host");
            assert_eq!(host.word(), word, "{at}");
        }
        ["check", host, check, status, ref soft @ ..] => {
            let host = world.engine.host_named(host).expect("a known host");
            let check = host.check(check).expect("a known check");
            let hard = check.hard().map_or("pending", Status::word);
            assert_eq!(hard, status, "{at}");
            let underway = check
                .underway()
                .map(|way| format!("{} {}/{}", way.candidate, way.attempt, way.of))
                .unwrap_or_default();
            assert_eq!(underway, soft.join(" "), "{at}");
        }
        ["unreachable", host, parent] => {
            let host = world.engine.host_named(host).expect("a known host");
            let because = host.unreachable_because().map(|parent| parent.name().to_string());
            assert_eq!(because.as_deref(), Some(parent), "{at}");
        }
        ["incident", host, check, number] => {
            let incident = world.incident(host, check).map(|incident| incident.0.to_string());
            assert_eq!(incident.as_deref(), Some(number), "{at}");
            if !reason.is_empty() {
                let id = world.incident(host, check).expect("an open incident");
                assert_eq!(world.engine.incident(id).unwrap().record().text, reason, "{at}");
            }
        }
        ["probed", host, check] => {
            let id = world.host(host);
            let probed = world.probes.iter().any(|(_, h, c)| *h == id && c.as_str() == check);
            assert!(probed, "{at}: {:?}", world.probes);
            world.probes.clear();
        }
        _ => look_at_words(world, words, reason, at),
    }
}

/// Looks at what was said, done and written down.
fn look_at_words(world: &mut World, words: &[&str], reason: &str, at: &str) {
    match *words {
        ["explain", host, check, receiver, block] => {
            let incident = world.incident(host, check).expect("an open incident");
            let explained = world.engine.explain(incident, world.now()).unwrap();
            let of = |line: &&hark_engine::Line| {
                line.receiver.as_ref().map_or("-", |receiver| receiver.as_str()) == receiver
            };
            let line = explained.lines.iter().find(of).expect("a line for the receiver");
            assert_eq!(line.block.map_or("-", |b| b.word()), block, "{at}: {}", line.text);
            if !reason.is_empty() {
                assert_eq!(line.text, reason, "{at}");
            }
        }
        ["detail", receiver] => {
            let mut said = world.said.iter().rev();
            let newest = said.find(|s| s.notification.receiver.as_str() == receiver);
            let detail = &newest.expect("a message").notification.detail;
            assert!(detail.lines().any(|line| line == reason), "{at}: {detail}");
        }
        ["ordered", host, ref actions @ ..] => {
            let of = |(of, _): &mut (HostName, String)| of.as_str() == host;
            let ordered = world.ordered.extract_if(.., of).map(|(_, action)| action);
            assert_eq!(ordered.collect::<Vec<_>>(), actions, "{at}: {:?}", world.repairs);
        }
        ["explain", host, check] => {
            let incident = world.incident(host, check).expect("an open incident");
            let explained = world.engine.explain(incident, world.now()).unwrap();
            assert_eq!(explained.repair.as_deref(), Some(reason), "{at}");
        }
        ["repair"] => {
            assert_eq!(world.repairs.last().map(String::as_str), Some(at), "{at}");
        }
        ["journal"] => {
            let found = world.journal.iter().filter(|line| line.as_str() == reason).count();
            assert_eq!(found, 1, "{at}: {:#?}", world.journal);
        }
        _ => panic!("unknown look: {at}"),
    }
}

#[test]
fn every_scenario_tells_exactly_what_it_says() {
    let only = option_env!("HARK_SCENARIO");
    let mut failed = String::new();
    for path in files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if only.is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let scenario = parse(&std::fs::read_to_string(&path).unwrap());
        let run = std::panic::catch_unwind(|| run(&scenario));
        let Ok(world) = run else {
            writeln!(failed, "== {name}: see the panic above").unwrap();
            continue;
        };
        compare(&name, &scenario.expected, &world.lines(), &mut failed);
        if !scenario.withheld.is_empty() {
            let show = |kept: &[(u64, String, String)]| -> Vec<String> {
                kept.iter()
                    .map(|(at, who, why)| format!("{} x {who} {why}", seconds(*at)))
                    .collect()
            };
            compare(&name, &show(&scenario.withheld), &show(&world.withheld), &mut failed);
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
}

fn compare(name: &str, expected: &[String], found: &[String], failed: &mut String) {
    if expected == found {
        return;
    }
    writeln!(failed, "== {name}").unwrap();
    for line in expected.iter().filter(|line| !found.contains(line)) {
        writeln!(failed, "  missing:    {line}").unwrap();
    }
    for line in found.iter().filter(|line| !expected.contains(line)) {
        writeln!(failed, "  unexpected: {line}").unwrap();
    }
    writeln!(failed, "  found in order:\n    {}", found.join("\n    ")).unwrap();
}

/// A scenario that expects nothing and orders nothing would pass whatever the engine does.
#[test]
fn every_scenario_says_something_and_there_are_many() {
    let files = files();
    assert!(files.len() >= 25, "{} scenarios", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario = parse(&text);
        let name = path.display();
        assert!(text.starts_with("# "), "{name}: begins with what it shows");
        assert!(!scenario.orders.is_empty(), "{name}");
        assert!(!scenario.expected.is_empty() || !scenario.withheld.is_empty(), "{name}");
    }
}
