//! The day before a start: what is stored of it is shown, and what nobody saw is not called up.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use hark_model::record::{IncidentId, IncidentRecord, Record};
use hark_model::{CheckName, Clock, HostId, Status, Unix};
use hark_store::state::{Change, State};
use serde_json::Value;

use crate::support::server::{START, Server, Start};
use crate::support::wait::until;
use crate::support::{PASSWORD, folder};

/// Under which name the server keeps when it ran.
const RAN: &str = "recorder.ran";

const HALF_HOUR_MS: i64 = 30 * 60 * 1000;

fn figure(server: &Server, name: &str) -> Option<Value> {
    let value = server.get("/api/0/overview")["kpis"][name].clone();
    (!value.is_null()).then_some(value)
}

fn since(server: &Server) -> Option<i64> {
    figure(server, "availability_since_unix_s")?.as_i64()
}

/// Returns the letters of half hours, oldest first.
fn letters(strip: &Value) -> Vec<char> {
    let strip = strip.as_str().unwrap_or_default();
    let mut letters = Vec::new();
    let mut rest = strip.chars().peekable();
    while let Some(letter) = rest.next() {
        let mut times = String::new();
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            times.push(digit);
        }
        letters.extend(std::iter::repeat_n(letter, times.parse().unwrap()));
    }
    letters
}

fn hours_ago(now: Unix, hours: Range<u64>) -> (Unix, Unix) {
    (now - Duration::from_hours(hours.end), now - Duration::from_hours(hours.start))
}

/// Writes a day into the state of a server that does not run: when it ran, and when the host was down.
fn remember(data: &Path, now: Unix, ran: &[(Unix, Unix)], down: (Unix, Unix)) {
    let mut state = State::open(data).unwrap();
    let reader = state.reader().unwrap();
    let mut host = reader.hosts().unwrap().into_iter().find(|h| h.name.as_str() != "self").unwrap();
    host.first_seen = now - Duration::from_hours(72);
    let mut incident = incident(host.id, down.0);
    incident.resolved_at = Some(down.1);
    incident.status = Status::Ok;
    let ran: Vec<String> = ran.iter().map(|(a, b)| format!("{}..{}", a.0, b.0)).collect();
    let ran = Change::Setting { name: RAN.to_owned(), value: Some(ran.join(" ")) };
    state.commit(&[Record::Host(host), Record::Incident(incident)], &[ran]).unwrap();
}

fn incident(host: HostId, since: Unix) -> IncidentRecord {
    let check = CheckName::host();
    IncidentRecord::opened(IncidentId(4_711), host, check, since, since, Status::Critical)
}

#[test]
fn what_was_before_a_crash_is_shown_and_the_time_without_a_server_is_unknown() {
    let folder = folder();
    let config =
        "agent: {interval: 1s}\nthresholds: {memory_monitor: {percent: {critical: 0.1}}}\n";
    let start = Start::new("up", folder.path()).config(config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    let first = until("the first look", START, || since(&server));
    until("that it was written down", START, || {
        let reader = hark_store::state::StateReader::open(&server.data).ok()?;
        reader.setting(RAN).ok()?
    });
    server.process.kill();

    // A new server goes on where the old one was.
    let mut server = start.go_as("again");
    until("the day of the server before", START, || (since(&server)? == first).then_some(()));
    server.process.signal("TERM");
    assert!(server.process.wait(START).success());

    let now = Clock.now().unix;
    let ran = [hours_ago(now, 12..20), hours_ago(now, 6..11)];
    let down = hours_ago(now, 9..10);
    remember(&server.data, now, &ran, down);
    let server = start.go_as("third");
    until("the day that is stored", START, || {
        (since(&server)? == ran[0].0.seconds()).then_some(())
    });
    let up = figure(&server, "availability_24h").unwrap().as_f64().unwrap();
    assert!((up - 12.0 / 13.0).abs() < 0.01, "{up}: down for one of thirteen hours");
    let looked = figure(&server, "availability_looked_s").unwrap().as_i64().unwrap();
    assert!((13 * 3600..13 * 3600 + 600).contains(&looked), "{looked} s");

    // What needs somebody has the strip of its check, which is fuller than memory can be since the first start.
    let of_check = until("the strip of the check", START, || {
        let overview = server.get("/api/0/overview");
        let problem = overview["problems"].as_array()?.first()?;
        assert_eq!(problem["check"], "memory_monitor.percent", "{overview}");
        let letters = letters(&problem["strip"]);
        letters[..44].contains(&'o').then_some(letters)
    });
    let letters = letters(&server.get("/api/0/fleet")["strip"][0]);
    assert_eq!((letters.len(), of_check.len()), (48, 48));
    // The newest one is of now; the test may run over the begin of another.
    let newest = Clock.now().unix.0.div_euclid(HALF_HOUR_MS);
    for (place, letter) in letters.iter().enumerate().take(46) {
        let number = newest - 47 + i64::try_from(place).unwrap();
        let (from, until) = (number * HALF_HOUR_MS, (number + 1) * HALF_HOUR_MS);
        let within = |(a, b): &(Unix, Unix)| a.0 < until && b.0 > from;
        let expected = match (ran.iter().any(within), within(&down)) {
            (false, _) => '-',
            (true, true) => 'c',
            (true, false) => 'o',
        };
        assert_eq!(*letter, expected, "half hour {place} of {letters:?}");
        // A check that the agent brings says nothing of the time in which nobody heard it.
        let silent = down.0.0 <= from && down.1.0 >= until;
        let expected = match expected {
            'c' if silent => '-',
            'c' => 'o',
            other => other,
        };
        assert_eq!(of_check[place], expected, "half hour {place} of {of_check:?}");
    }
}
