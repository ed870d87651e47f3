//! Wrong bodies and heads of every kind become nothing that the rest of the server would not take from an
//! agent that is right: mutations from a seed, in every run.
//!
//! `HARK_MUTATIONS=10000000 cargo test --profile fast -p hark-web --lib mutations` is the long form.

use super::*;

#[path = "../../../../fuzz/harness/random.rs"]
mod random;

use random::{Random, mutations};

/// How many mutations a common run makes: some seconds.
const MUTATIONS: u64 = 100_000;

/// Longest body that is made: what is longer is refused before it is read.
const LONGEST: usize = 8192;

/// What holds a body together.
const SIGNS: [&str; 9] = ["{", "}", "[", "]", ",", ":", "\"", "\\", "\u{202e}"];

/// Values that tip a reader over, and such as are right in another place.
const VALUES: [&str; 20] = [
    "null",
    "true",
    "0",
    "-1",
    "1e308",
    "1e999",
    "-0.0",
    "0.5",
    "18446744073709551616",
    "4294967295",
    "9007199254740993",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"a\\nb\"",
    "\"critical\"",
    "\"boot\"",
    "[]",
    "[null,1e400]",
    "{\"\":\"\"}",
];

/// Members that are right in one place and wrong, or there twice, in the others.
const MEMBERS: [&str; 16] = [
    "\"sets\":[]",
    "\"sets\":[[]]",
    "\"samples\":[{}]",
    "\"items\":null",
    "\"number\":1",
    "\"set\":7",
    "\"values\":[null,1e400]",
    "\"values\":[]",
    "\"facts\":{\"\":\"\"}",
    "\"status\":\"ok\"",
    "\"check\":\"a\"",
    "\"severity\":\"critical\"",
    "\"unit\":\"percent\"",
    "\"decimals\":255",
    "\"epoch\":-1",
    "\"kind\":\"boot\"",
];

impl Random {
    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

fn good() -> Vec<Vec<u8>> {
    let series = r#"{"collector": "cpu_monitor", "metric": "cpu_percent", "unit": "percent"},
        {"collector": "disk_monitor", "instance": "/", "metric": "read", "unit": "percent", "counter": true, "decimals": 2}"#;
    let texts = [
        format!(
            r#"{{"sent_at_unix_s": 1795392000.5, "interval_seconds": 30.0, "round_trip_seconds": 0.01,
            "sets": [[{series}]], "epoch": 3,
            "samples": [{{"set": 0, "taken_at_unix_s": 1795392000.25, "values": [85.2, null]}}],
            "backlog": [{{"set": 0, "taken_at_unix_s": 1795390000.0, "values": [1, 2]}}], "items": []}}"#
        ),
        r#"{"sent_at_unix_s": 1.5, "interval_seconds": 0, "sets": [], "samples": [], "epoch": 9, "items": [
            {"number": 1, "facts": {"os": "linux", "old": ""}},
            {"number": 2, "event": {"at_unix_s": 1.0, "kind": "boot", "severity": "warning", "text": "it has\nbooted", "tags": ["a"]}},
            {"number": 3, "result": {"check": "disk", "status": "critical", "text": "full", "began_at_unix_s": 1.0, "took_seconds": 0.5, "next_seconds": 30}},
            {"number": 4, "outcome": {"order": 7, "exit": 0, "text": "done"}}]}"#
            .to_owned(),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// Changes `bytes` in one to four ways. Most leave them readable: a body that is no JSON shows little.
fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(20) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[0],
            2 => bytes.truncate(at),
            3 => {
                let end = (at + random.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len());
                let some = &other[from..(from + random.below(200)).min(other.len())];
                bytes.splice(at..at, some.iter().copied());
            }
            5 => {
                let piece = random.one_of(&SIGNS);
                let times = if random.below(50) == 0 { 1 + random.below(300) } else { 1 };
                bytes.splice(at..at, piece.repeat(times).into_bytes());
            }
            6..=9 => add_member(bytes, at, random.one_of(&MEMBERS)),
            _ => replace_value(bytes, at, random.one_of(&VALUES)),
        }
    }
    bytes.truncate(LONGEST);
}

/// Puts a member into the first object that begins behind `at`.
fn add_member(bytes: &mut Vec<u8>, at: usize, member: &str) {
    let Some(brace) = bytes.iter().skip(at).position(|byte| *byte == b'{') else { return };
    let first = at + brace + 1;
    bytes.splice(first..first, format!("{member},").into_bytes());
}

/// Puts another value behind the first colon after `at`.
fn replace_value(bytes: &mut Vec<u8>, at: usize, value: &str) {
    let Some(colon) = bytes.iter().skip(at).position(|byte| *byte == b':') else { return };
    let from = at + colon + 1;
    let ends = |byte: &u8| b",]}".contains(byte);
    let length = bytes.iter().skip(from).position(ends).unwrap_or(0);
    bytes.splice(from..from + length, value.bytes());
}

/// What the rest of the server relies on.
fn is_sound(batch: &Batch) {
    const LATEST: i64 = 253_402_300_799_000;
    let in_time = |at: Unix| (0..=LATEST).contains(&at.0);
    assert!(batch.interval_ms.is_none_or(|ms| (1..=86_400_000).contains(&ms)));
    assert!(batch.rtt_us.is_none_or(|us| us <= 600_000_000) && in_time(batch.sent_at));
    assert!(batch.sets.len() <= MAX_SETS && batch.items.len() <= MAX_ITEMS);
    for set in &batch.sets {
        assert!((1..=MAX_SET).contains(&set.len()));
        for series in set {
            assert!(series.name.check().is_ok() && series.decimals <= MAX_DECIMALS, "{series:?}");
            assert!(!series.name.collector.is_empty() && !series.name.metric.is_empty());
        }
    }
    for sample in batch.samples.iter().chain(&batch.backlog) {
        assert_eq!(sample.values.len(), batch.sets[sample.set].len());
        assert!(in_time(sample.taken_at));
        assert!(sample.values.iter().all(|value| !value.is_infinite()), "{sample:?}");
    }
    let is_shown = |text: &str| text.chars().all(|c| !c.is_control() || c == '\n');
    for (number, item) in &batch.items {
        assert!(*number > 0);
        match item {
            Item::Result(result) => {
                assert!(result.text.len() <= CheckResult::MAX_TEXT && is_shown(&result.text));
                assert!(in_time(result.began_at));
            }
            Item::Event(event) => {
                assert!(event.text.len() <= Event::MAX_TEXT && is_shown(&event.text));
                assert!(event.tags.len() <= MAX_TAGS && in_time(event.at));
                assert!(event.tags.iter().all(|tag| (1..=MAX_WORD).contains(&tag.len())));
            }
            Item::Facts(facts) => assert!(facts.len() <= HostRecord::MAX_FACTS),
            Item::Outcome(outcome) => assert!(outcome.text.len() <= Event::MAX_TEXT),
        }
    }
}

#[test]
fn whatever_an_agent_sends_over_https_is_refused_or_sound() {
    let good = good();
    for body in &good {
        is_sound(&read(serde_json::from_slice(body).unwrap()).unwrap());
    }
    let mut random = Random(7);
    let (mut understood, mut taken) = (0_u64, 0_u64);
    for _ in 0..mutations(MUTATIONS) {
        let mut body = good[random.below(good.len())].clone();
        mutate(&mut body, &good, &mut random);
        let Ok(report) = serde_json::from_slice::<AgentReport>(&body) else { continue };
        understood += 1;
        let Ok(batch) = read(report) else { continue };
        taken += 1;
        is_sound(&batch);
    }
    assert!(understood > mutations(MUTATIONS) / 50, "too few can be read: {understood}");
    assert!(taken > 0 && taken < understood, "{taken} of {understood}");
}

#[test]
fn whatever_an_agent_claims_in_a_head_is_refused_or_whole() {
    let (digest, tag) = ("0a".repeat(32), "ff".repeat(32));
    let good = format!("hark agent=00000000000000ff,number=7,digest={digest},tag={tag},host=db1");
    let good = vec![good.into_bytes()];
    let mut random = Random(8);
    for _ in 0..mutations(MUTATIONS) / 4 {
        let mut text = good[0].clone();
        mutate(&mut text, &good, &mut random);
        let Ok(value) = http::HeaderValue::from_bytes(&text) else { continue };
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        let claim = claim(&headers, "POST", "/api/0/agent/report", IpAddr::from([127, 0, 0, 1]));
        if let Some(host) = claim.and_then(|claim| claim.host) {
            assert!(HostName::new(host.as_str()).is_ok());
        }
    }
}
