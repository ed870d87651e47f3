//! Killed again and again under load, with the mail server away for the whole middle third: everything
//! acknowledged is there, nothing is told twice beyond what was in flight, nothing due stays untold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use hark_model::record::{DeliveryRecord, DeliveryState, IncidentId, IncidentRecord, ToldRecord};
use hark_model::{Clock, HostId, ReceiverName, SeriesName, Status, Unix};
use hark_sim::random::Random;
use hark_store::history::{Answer, History, MAX_POINTS, Settings};
use hark_store::state::{DeliveryView, IncidentFilter, JournalFilter, State, StateReader};

use crate::support::hook::{Call, Hook};
use crate::support::load::{Acknowledged, Load, Plan, watched};
use crate::support::postfix::Postfix;
use crate::support::server::{Server, Start};
use crate::support::wait::{Deadline, pause, until};
use crate::support::{PASSWORD, folder};

/// How many simulated agents.
const HOSTS: usize = 1_000;

/// How often each sends.
const INTERVAL: Duration = Duration::from_secs(2);

/// How often the server is killed; `HARK_KILLS` says otherwise.
const KILLS: usize = 20;

/// Shortest and longest life of the server, in milliseconds from when it answers.
const LIFE_MS: (u64, u64) = (300, 4_000);

/// At and above this a watched value is critical; a machine without trouble stays below 90.
const CRITICAL: f64 = 90.0;

/// History is read in pieces so long that a step of an answer is 5 ms.
const WINDOW_MS: i64 = 20_000;

/// The server as a host of its own: that the mail server is away is its incident.
const SELF: &str = "self";

/// How far the clock of an incident and the time of its sample may be apart.
const SLACK: Duration = Duration::from_secs(5);

/// The books of the run, as the server left them.
struct Books {
    incidents: Vec<IncidentRecord>,
    deliveries: Vec<DeliveryRecord>,
    names: BTreeMap<HostId, String>,
}

#[test]
fn kills_under_load_lose_nothing_and_repeat_only_what_was_in_flight() {
    let folder = folder();
    let mut postfix = Postfix::start(folder.path());
    let hook = Hook::start();
    let secret = "a secret of this run only";
    let mut start = Start::new("server", folder.path()).config(&format!(
        "secret: {secret}\ngrace: 20s\nflapping: {{enabled: false}}\nthresholds:\n  \
         cpu_monitor: {{cpu_percent: {{warning: 85, critical: {CRITICAL}}}}}\n  \
         memory_monitor: {{percent: {{warning: 85, critical: {CRITICAL}}}}}\n  \
         disk_monitor: {{partitions: {{'/': {{percent: {{warning: 85, critical: {CRITICAL}}}}}}}}}\n\
         receivers:\n  \
         mail: {{email: {{to: [ops@example.net], from: hark@example.net, server: 127.0.0.1, \
         port: {}, security: none}}}}\n  hook: {{webhook: {{url: '{}'}}}}\n",
        postfix.port(),
        hook.url(),
    ));
    let mut server = start.go();
    server.set_up(PASSWORD);
    start.ports = (server.http, server.udp);
    let load = Load::start(Plan {
        server: ([127, 0, 0, 1], server.udp).into(),
        secret: secret.to_owned(),
        hosts: HOSTS,
        interval: INTERVAL,
        // Fewer than 100 new problems a minute: above that, messages are summed up every 5 minutes.
        beats_between_troubles: 300.0,
        seed: 1,
    });
    until("all hosts", Duration::from_mins(1), || {
        (server.get("/api/0/self")["hosts"].as_u64() >= Some(HOSTS as u64)).then_some(())
    });

    let n_kills = kills_wanted();
    let mut random = Random::new(7);
    let mut kills = Vec::new();
    for k in 0..n_kills {
        if k == n_kills / 3 {
            postfix.pause();
        }
        if k == n_kills * 2 / 3 {
            postfix.resume();
        }
        pause(Duration::from_millis(LIFE_MS.0 + random.below(LIFE_MS.1 - LIFE_MS.0)));
        server.process.kill();
        kills.push(Clock.now().unix);
        server = start.go();
    }
    let before = load.acknowledged();
    until("acknowledgements after the last kill", Duration::from_secs(30), || {
        (load.acknowledged() > before + HOSTS as u64).then_some(())
    });
    load.calm();
    wait_for_the_end(&server);
    let acknowledged = load.end();
    server.process.signal("TERM");
    let ended = server.process.wait(Duration::from_secs(6));
    assert!(ended.success(), "{ended:?}");

    let books = read_books(&server.data);
    let calls = hook.calls();
    println!(
        "{n_kills} kills, {} heartbeats acknowledged, {} incidents, {} messages, {} calls",
        acknowledged.values().map(Vec::len).sum::<usize>(),
        books.incidents.len(),
        books.deliveries.len(),
        calls.len(),
    );
    everything_acknowledged_is_in_history(&server.data, &books, &acknowledged);
    everything_bad_became_an_incident(&books, &acknowledged, &kills);
    nothing_was_called_twice_but_what_was_in_flight(&calls, &kills);
    what_counts_as_told_was_delivered(&books, &calls, n_kills);
    every_incident_was_told_to_its_end(&server.data, &books, &calls);
    every_mail_came_once_but_what_was_in_flight(&books, &postfix, n_kills);
}

fn kills_wanted() -> usize {
    let wanted = std::env::var_os("HARK_KILLS").and_then(|n| n.to_str()?.parse().ok());
    wanted.unwrap_or(KILLS)
}

/// Waits until nothing is wrong and nothing is left to be told.
fn wait_for_the_end(server: &Server) {
    let end = Deadline::after(Duration::from_mins(2));
    loop {
        let open = server.get("/api/0/incidents?view=open&limit=3");
        let unsent = server.get("/api/0/self")["queues"]["messages_unsent"].clone();
        let quiet = open["items"].as_array().is_some_and(Vec::is_empty) && unsent == 0;
        // What a storm held back comes with the next summary.
        let unaware = if quiet { who_does_not_know_the_end(&server.data) } else { Vec::new() };
        if quiet && unaware.is_empty() {
            return;
        }
        if end.is_over() {
            let waiting = server.get("/api/0/deliveries?limit=3&state=queued");
            let failed = server.get("/api/0/deliveries?limit=3&state=retry");
            let n_unaware = unaware.len();
            let unaware = unaware.first();
            panic!(
                "unsent {unsent}, open {open:#}\nqueued {waiting:#}\nretry {failed:#}\n\
                 {n_unaware} do not know the end, such as {unaware:?}"
            );
        }
        pause(Duration::from_millis(500));
    }
}

/// Returns what receivers were told of incidents that are over, where it is not their end.
fn who_does_not_know_the_end(data: &Path) -> Vec<(IncidentRecord, ToldRecord, Vec<String>)> {
    let reader = StateReader::open(data).unwrap();
    let mut unaware = Vec::new();
    for incident in all_incidents(&reader) {
        let told = reader.told(incident.id).unwrap();
        if let Some(told) = told.into_iter().find(|t| t.status != Status::Ok) {
            let filter = JournalFilter { incident: Some(incident.id), ..JournalFilter::default() };
            let lines = reader.journal(&filter, None, 100).unwrap();
            let lines = lines.into_iter().map(|e| format!("{} {}", e.line.at.0, e.line.text));
            unaware.push((incident, told, lines.collect()));
        }
    }
    unaware
}

fn all_incidents(reader: &StateReader) -> Vec<IncidentRecord> {
    let mut incidents = Vec::new();
    loop {
        let before = incidents.last().map(|i: &IncidentRecord| i.id.0);
        let page = reader.incidents(&IncidentFilter::default(), before, 1000).unwrap();
        if page.is_empty() {
            return incidents;
        }
        incidents.extend(page);
    }
}

fn read_books(data: &Path) -> Books {
    let state = State::open(data).unwrap();
    let loaded = state.load(Unix(0)).unwrap();
    assert_eq!(loaded.damaged, 0);
    let reader = state.reader().unwrap();
    let incidents = all_incidents(&reader);
    let mut deliveries = Vec::new();
    loop {
        let before = deliveries.last().map(|d: &DeliveryRecord| d.notification.id);
        let page = reader.deliveries(DeliveryView::All, before, 1000).unwrap();
        if page.is_empty() {
            break;
        }
        deliveries.extend(page);
    }
    let names = loaded.snapshot.hosts.iter().map(|h| (h.id, h.name.to_string())).collect();
    Books { incidents, deliveries, names }
}

fn everything_acknowledged_is_in_history(
    data: &Path,
    books: &Books,
    acknowledged: &BTreeMap<String, Vec<Acknowledged>>,
) {
    let day = Duration::from_hours(24);
    let settings =
        Settings { raw: day * 14, minutes: day * 90, hours: day * 1830, ..Settings::default() };
    let mut history = History::open(&data.join("history"), settings).unwrap();
    while history.maintain(Clock.now(), 100) {}
    let names = watched();
    for (id, host) in books.names.iter().filter(|(_, host)| *host != SELF) {
        let beats = &acknowledged[host];
        assert!(!beats.is_empty(), "nothing of {host} was acknowledged");
        for beats in beats.chunk_by(|a, b| a.at.0 / WINDOW_MS == b.at.0 / WINDOW_MS) {
            let (Some(first), Some(last)) = (beats.first(), beats.last()) else { continue };
            let (from, to) = (first.at, last.at + Duration::from_millis(1));
            let answer = history.query(*id, &names, from, to, MAX_POINTS);
            // Two heartbeats may come in a row after a restart, never within so short a step.
            assert!(answer.step_ms <= WINDOW_MS / i64::from(MAX_POINTS));
            these_are_in(&answer, host, &names, beats);
        }
    }
}

fn these_are_in(answer: &Answer, host: &str, names: &[SeriesName; 3], beats: &[Acknowledged]) {
    let points: BTreeMap<i64, usize> =
        answer.at.iter().enumerate().map(|(n, at)| (at.0, n)).collect();
    for beat in beats {
        let point = points.range(..=beat.at.0).next_back();
        let Some((_, n)) = point.filter(|(at, _)| beat.at.0 - **at < answer.step_ms) else {
            panic!("{host}: what was acknowledged of {:?} is not in history", beat.at);
        };
        for (place, name) in names.iter().enumerate() {
            let line = answer.lines.iter().find(|l| l.def.name == *name).unwrap();
            let (stored, sent) = (line.avg[*n], beat.values[place]);
            assert!((stored - sent).abs() < 0.06, "{host} {name} {:?}: {stored} {sent}", beat.at);
        }
    }
}

fn everything_bad_became_an_incident(
    books: &Books,
    acknowledged: &BTreeMap<String, Vec<Acknowledged>>,
    kills: &[Unix],
) {
    let mut by_check: BTreeMap<(&str, &str), Vec<&IncidentRecord>> = BTreeMap::new();
    for incident in &books.incidents {
        let host = books.names[&incident.host].as_str();
        by_check.entry((host, incident.check.as_str())).or_default().push(incident);
    }
    let checks = watched().map(|name| name.check().unwrap());
    for (host, beats) in acknowledged {
        for beat in beats {
            for (place, check) in checks.iter().enumerate() {
                let value = beat.values[place];
                if value < CRITICAL {
                    continue;
                }
                let found = by_check.get(&(host.as_str(), check.as_str())).is_some_and(|all| {
                    all.iter().any(|i| {
                        let end = i.resolved_at.unwrap_or(Unix(i64::MAX));
                        i.since <= beat.at + SLACK && beat.at <= end
                    })
                });
                if !found {
                    let near = |b: &&Acknowledged| (b.at.0 - beat.at.0).abs() < 30_000;
                    let beats: Vec<_> = beats.iter().filter(near).collect();
                    let known = by_check.get(&(host.as_str(), check.as_str()));
                    panic!(
                        "{host} {check} was {value} at {:?}, acknowledged\n{known:#?}\n{beats:?}\n\
                         kills {kills:?}",
                        beat.at
                    );
                }
            }
        }
    }
    for incident in &books.incidents {
        let host = &books.names[&incident.host];
        let is_true = match host.as_str() {
            SELF => incident.check.as_str() == "receiver mail",
            _ => checks.contains(&incident.check),
        };
        assert!(is_true, "{host} {}: a false alarm: {}", incident.check, incident.text);
        assert_eq!(incident.peak, Status::Critical, "{host} {}", incident.check);
        assert!(incident.resolved_at.is_some(), "{host} {} is open", incident.check);
    }
    let enough = kills_wanted();
    assert!(books.incidents.len() > enough, "only {} incidents", books.incidents.len());
}

fn nothing_was_called_twice_but_what_was_in_flight(calls: &[Call], kills: &[Unix]) {
    let mut seen: BTreeMap<&str, &Call> = BTreeMap::new();
    let mut excused = BTreeSet::new();
    for call in calls {
        let Some(before) = seen.insert(&call.key, call) else { continue };
        assert_eq!(before.body, call.body, "one key, two messages");
        let excuse = kills.iter().find(|kill| {
            // The call may be noted a moment after the caller was killed.
            **kill + Duration::from_secs(1) >= before.at
                && **kill <= call.at
                && !excused.contains(*kill)
        });
        let Some(kill) = excuse else {
            panic!("{} came at {:?} and {:?}; kills {kills:?}", call.key, before.at, call.at);
        };
        excused.insert(*kill);
    }
    println!("{} calls were repeated", excused.len());
}

fn what_counts_as_told_was_delivered(books: &Books, calls: &[Call], kills: usize) {
    let keys: BTreeSet<&str> = calls.iter().map(|c| c.key.as_str()).collect();
    let mut sent = BTreeSet::new();
    for delivery in &books.deliveries {
        let n = &delivery.notification;
        let state = &delivery.state;
        assert!(
            matches!(state, DeliveryState::Sent { .. } | DeliveryState::Superseded { .. }),
            "{} is {state:?}: {}",
            n.key,
            delivery.last_error
        );
        if n.receiver.as_str() == "hook" && matches!(state, DeliveryState::Sent { .. }) {
            assert!(keys.contains(n.key.as_str()), "{} counts as sent", n.key);
            sent.insert(n.key.as_str());
        }
    }
    // One that arrived while the server was killed may be replaced by a newer one afterwards.
    let unnoted: Vec<&&str> = keys.difference(&sent).collect();
    assert!(unnoted.len() <= kills, "called but not noted as sent: {unnoted:?}");
}

fn every_incident_was_told_to_its_end(data: &Path, books: &Books, calls: &[Call]) {
    let reader = StateReader::open(data).unwrap();
    let hook = ReceiverName::new("hook").unwrap();
    let mut last: BTreeMap<u64, &Call> = BTreeMap::new();
    for call in calls {
        let Some(incident) = call.body["incident"].as_u64() else { continue };
        let newest = last.entry(incident).or_insert(call);
        if call.body["sequence"].as_u64() >= newest.body["sequence"].as_u64() {
            *newest = call;
        }
    }
    for incident in &books.incidents {
        let IncidentId(number) = incident.id;
        let heard = last.get(&number).map_or("nothing", |c| c.text("status"));
        let told = reader.told(incident.id).unwrap();
        let to_hook = told.iter().find(|t| t.receiver == hook);
        // In a storm the end may be told together with others, naming none of them.
        let in_summary = calls
            .iter()
            .any(|c| c.text("reason") == "summary" && Some(c.at + SLACK) >= incident.resolved_at);
        let knows = to_hook.is_some_and(|t| t.status == Status::Ok);
        if !knows || (heard != "ok" && !in_summary) {
            let filter = JournalFilter { incident: Some(incident.id), ..JournalFilter::default() };
            let lines = reader.journal(&filter, None, 100).unwrap();
            panic!("the hook's last word is {heard}: {incident:#?}\ntold {to_hook:#?}\n{lines:#?}");
        }
    }
}

fn every_mail_came_once_but_what_was_in_flight(books: &Books, postfix: &Postfix, kills: usize) {
    let is_sent = |d: &&DeliveryRecord| {
        d.notification.receiver.as_str() == "mail" && matches!(d.state, DeliveryState::Sent { .. })
    };
    let sent = books.deliveries.iter().filter(is_sent).count();
    let ids = || -> Vec<String> {
        postfix.mails().iter().map(|m| m.header("message-id").to_owned()).collect()
    };
    // The mail server delivers what it took in its own time.
    let distinct = |ids: &[String]| ids.iter().collect::<BTreeSet<_>>().len();
    let ids = until("all mail", Duration::from_mins(1), || {
        Some(ids()).filter(|ids| distinct(ids) >= sent)
    });
    let repeated = ids.len() - sent;
    println!("{sent} mails, {repeated} repeated");
    // Its own end while it took one is one more instant at which nobody can know.
    assert!(repeated <= kills + 1, "{repeated} mails were repeated");
}
