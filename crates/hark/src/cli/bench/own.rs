//! The measurements against a server of our own: flood, burst, pace, restart.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hark_model::Secret;
use hark_model::time::{Clock, Mono};
use serde_json::{Value, json};

use super::process::Own;
use super::{Args, milliseconds};
use crate::cli::demo::Scratch;
use crate::fleet::{Fleet, FleetPlan, Pace, percentile};
use crate::out;
use crate::stop::Stop;
use crate::sys::{Bell, pin_to_core};

/// A name and what was measured.
type Figure = (&'static str, Value);

/// What one part of the measurement gave.
type Figures = Vec<Figure>;

/// How long the paced load is measured.
const PACED: Duration = Duration::from_secs(20);

/// How long the server may take after a restart until it acknowledges anything.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long no further host may be acknowledged before joining is given up. How long all of them take
/// depends on their number and on the machine, so the whole has no bound.
const STALLED: Duration = Duration::from_secs(30);

/// When a heartbeat without an acknowledgement counts as lost at the latest: the protocol's longest
/// timeout, and some slack.
const LOST_AFTER: Duration = Duration::from_secs(65);

/// Hosts that send after the restart. Each is told to begin a new session first, so its second heartbeat
/// is the one that counts, and that must not wait until all others had their turn.
const RETURNING: usize = 50;

/// How often it is told how many hosts have joined.
const TOLD: Duration = Duration::from_secs(5);

/// Hosts that join at the same time: the server writes all that it learns of them in one commit, and
/// acknowledges nothing before.
const JOINING: usize = 4_000;

/// How long after a heartbeat a host that is joining sends the next, if the server keeps up.
const ASKED_AGAIN: Duration = Duration::from_secs(1);

/// The same if it does not.
const ASKED_SELDOM: Duration = Duration::from_secs(8);

/// Exit code after Ctrl-C, as shells give it.
const INTERRUPTED: u8 = 130;

/// Starts a server, loads it, and prints what was measured, also if a signal ended it early.
pub(super) fn run(args: &Args, stop: &Stop) -> anyhow::Result<ExitCode> {
    pin_to_core(1);
    let mut figures = Vec::new();
    measure(args, stop, &mut figures)?;
    print(args, &figures);
    Ok(if stop.is_raised() { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// Adds to `figures` what each part gave. A part that `stop` cuts short gives nothing.
fn measure(args: &Args, stop: &Stop, figures: &mut Figures) -> anyhow::Result<()> {
    let folder = Scratch::new()?;
    let secret = hark_web::new_setup_code()?;
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Own::start(folder.path(), secret.expose(), anywhere)?;
    let empty = server.usage()?;
    let plan = FleetPlan {
        hosts: args.hosts,
        prefix: "bench".to_owned(),
        secret: Secret::new(secret.expose()),
        server: server.udp,
        interval: args.interval,
        seed: args.seed,
        trouble_hours: args.trouble_hours,
        pace: Pace::Spread,
    };
    let mut fleet = Fleet::new(plan)?;
    let bell = Bell::new()?;
    figures.push(("hosts", json!(args.hosts)));
    figures.push(("memory_empty_bytes", json!(empty.resident)));
    let mut part = |name: &str, found: anyhow::Result<Figures>| -> anyhow::Result<bool> {
        let found = found.with_context(|| format!("cannot measure: {name}"))?;
        if !stop.is_raised() {
            figures.extend(found);
        }
        Ok(stop.is_raised())
    };
    note("every host joins");
    if part("joining", join(&mut fleet, &bell, stop))? {
        return Ok(());
    }
    note("flood");
    if part("flood", flood(&mut fleet, &bell, &server, args, stop))? {
        return Ok(());
    }
    note("burst");
    if part("burst", Ok(burst(&mut fleet, &bell, args.burst, stop)))? {
        return Ok(());
    }
    note("each host at its interval");
    if part("pace", paced(&mut fleet, &bell, &server, stop))? {
        return Ok(());
    }
    note("killed and started again");
    let udp = server.udp;
    server.kill()?;
    let again = restart(&mut fleet, &bell, folder.path(), secret.expose(), udp, stop);
    part("restart", again)?;
    Ok(())
}

fn note(text: &str) {
    out::note(format!("hark bench: {text} …"));
}

/// Sends from one host after the other until each has been acknowledged. A host needs some heartbeats for
/// that: the first ones come before the server knows it and what its values are called.
fn join(fleet: &mut Fleet, bell: &Bell, stop: &Stop) -> anyhow::Result<Figures> {
    let began = Clock.now().mono;
    let mut progress = Progress::begin(began);
    let mut asked = 0;
    let (mut again, mut pause, mut before) = (began + ASKED_AGAIN, ASKED_AGAIN, 0);
    while fleet.settled() < fleet.len() && !stop.is_raised() {
        if Clock.now().mono >= again {
            fleet.chase();
            for i in 0..asked {
                if !fleet.is_settled(i) {
                    fleet.beat(i);
                }
            }
            // A server that is behind is not helped by more of the same.
            let joined = fleet.settled() - before;
            pause = if joined < JOINING / 4 { (pause * 2).min(ASKED_SELDOM) } else { ASKED_AGAIN };
            before = fleet.settled();
            again = Clock.now().mono + pause;
        }
        while asked < fleet.len() && asked - fleet.settled() < JOINING {
            fleet.beat(asked);
            asked += 1;
        }
        fleet.flush();
        fleet.listen(Duration::from_millis(20), bell);
        let (settled, all) = (fleet.settled(), fleet.len());
        match progress.seen(settled, Clock.now().mono) {
            Seen::Stalled => {
                bail!(
                    "{settled} of {all} hosts were acknowledged, and for {} s no other",
                    STALLED.as_secs()
                )
            }
            Seen::Tell => note(&format!("{settled} of {all} hosts have joined")),
            Seen::Quiet => {}
        }
    }
    let took = Clock.now().mono.since(began);
    note("what was lost meanwhile is waited for");
    forget_lost(fleet, bell, stop);
    Ok(vec![("join_seconds", json!(took.as_secs_f64()))])
}

/// Waits until each heartbeat that is on its way was acknowledged or counts as lost: until then they
/// would fill the window of the flood.
fn forget_lost(fleet: &mut Fleet, bell: &Bell, stop: &Stop) {
    let end = Clock.now().mono + LOST_AFTER;
    while fleet.on_the_way() > 0 && Clock.now().mono < end && !stop.is_raised() {
        drain(fleet, bell, Duration::from_millis(500));
        fleet.chase();
    }
}

/// How joining goes on.
#[derive(Debug)]
struct Progress {
    settled: usize,
    /// When the last host joined.
    moved: Mono,
    told: Mono,
}

/// What is to be done about it.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Quiet,
    Tell,
    Stalled,
}

impl Progress {
    fn begin(now: Mono) -> Self {
        Self { settled: 0, moved: now, told: now }
    }

    /// Takes in how many have joined until `now`.
    fn seen(&mut self, settled: usize, now: Mono) -> Seen {
        if settled > self.settled {
            self.settled = settled;
            self.moved = now;
        }
        if now.since(self.moved) >= STALLED {
            return Seen::Stalled;
        }
        if now.since(self.told) < TOLD {
            return Seen::Quiet;
        }
        self.told = now;
        Seen::Tell
    }
}

/// Sends as fast as the server acknowledges.
fn flood(
    fleet: &mut Fleet,
    bell: &Bell,
    server: &Own,
    args: &Args,
    stop: &Stop,
) -> anyhow::Result<Figures> {
    let before = (server.usage()?, fleet.report().clone(), Clock.now().mono);
    fleet.forget_latencies();
    let end = before.2 + args.how_long;
    let mut next = 0;
    while Clock.now().mono < end && !stop.is_raised() {
        let mut sent = 0;
        while fleet.on_the_way() < args.on_the_way && sent < 512 {
            fleet.beat(next);
            next = (next + 1) % fleet.len();
            sent += 1;
        }
        fleet.flush();
        let wait = if sent == 0 { Duration::from_millis(1) } else { Duration::ZERO };
        fleet.listen(wait, bell);
        if next == 0 {
            fleet.chase();
        }
    }
    drain(fleet, bell, Duration::from_secs(3));
    fleet.chase();
    let after = (server.usage()?, fleet.report().clone(), Clock.now().mono);
    let kept = after.1.acknowledged - before.1.acknowledged;
    let sent = after.1.sent - before.1.sent;
    let cpu = after.0.cpu.saturating_sub(before.0.cpu).as_secs_f64();
    let wall = after.2.since(before.2).as_secs_f64();
    let mut latencies = after.1.latencies;
    Ok(vec![
        ("flood_sent", json!(sent)),
        ("flood_acknowledged", json!(kept)),
        ("flood_answers", json!(after.1.answers - before.1.answers)),
        ("flood_lost", json!(sent.saturating_sub(kept))),
        ("flood_per_second", rate(kept, wall)),
        ("flood_per_cpu_second", rate(kept, cpu)),
        ("flood_samples_per_cpu_second", rate(kept * 33, cpu)),
        ("flood_latency_p50_ms", json!(milliseconds(percentile(&mut latencies, 0.5)))),
        ("flood_latency_p99_ms", json!(milliseconds(percentile(&mut latencies, 0.99)))),
        ("memory_after_flood_bytes", json!(after.0.resident)),
    ])
}

/// Sends many at once, without looking at what comes back.
fn burst(fleet: &mut Fleet, bell: &Bell, size: usize, stop: &Stop) -> Figures {
    let before = fleet.report().clone();
    for i in 0..size {
        fleet.beat(i % fleet.len());
    }
    fleet.flush();
    let end = Clock.now().mono + Duration::from_secs(10);
    let wanted = fleet.report().sent - before.sent;
    let kept = |fleet: &Fleet| fleet.report().acknowledged - before.acknowledged;
    while kept(fleet) < wanted && Clock.now().mono < end && !stop.is_raised() {
        fleet.listen(Duration::from_millis(20), bell);
    }
    let kept = kept(fleet);
    vec![("burst_sent", json!(wanted)), ("burst_lost", json!(wanted.saturating_sub(kept)))]
}

/// Sends at the interval and measures what the server uses meanwhile.
fn paced(fleet: &mut Fleet, bell: &Bell, server: &Own, stop: &Stop) -> anyhow::Result<Figures> {
    let run = |fleet: &mut Fleet, how_long: Duration| {
        let end = Clock.now().mono + how_long;
        fleet.run(bell, |_| stop.is_raised() || Clock.now().mono >= end);
    };
    // What the flood left to be compressed must not be counted here.
    run(fleet, Duration::from_secs(5));
    let before = (server.usage()?, Clock.now().mono);
    fleet.forget_latencies();
    run(fleet, PACED);
    let after = (server.usage()?, Clock.now().mono);
    let wall = after.1.since(before.1).as_secs_f64();
    let cpu = after.0.cpu.saturating_sub(before.0.cpu).as_secs_f64();
    let mut latencies = fleet.report().latencies.clone();
    let hosts = fleet.len().max(1) as u64;
    Ok(vec![
        ("paced_cpu_percent_of_a_core", json!((cpu / wall * 1000.0).round() / 10.0)),
        ("paced_latency_p50_ms", json!(milliseconds(percentile(&mut latencies, 0.5)))),
        ("paced_latency_p99_ms", json!(milliseconds(percentile(&mut latencies, 0.99)))),
        ("memory_paced_bytes", json!(after.0.resident)),
        ("memory_paced_pss_bytes", json!(after.0.proportional)),
        ("memory_per_host_bytes", json!(after.0.resident / hosts)),
    ])
}

/// Starts the server again on what the killed one left and sends until one heartbeat is acknowledged.
fn restart(
    fleet: &mut Fleet,
    bell: &Bell,
    folder: &std::path::Path,
    secret: &str,
    udp: SocketAddr,
    stop: &Stop,
) -> anyhow::Result<Figures> {
    drain(fleet, bell, Duration::from_millis(200));
    let began: Mono = Clock.now().mono;
    let server = Own::start(folder, secret, udp).context("the server did not start again")?;
    let before = fleet.report().acknowledged;
    let mut host = 0;
    while fleet.report().acknowledged == before && !stop.is_raised() {
        fleet.beat(host % RETURNING.min(fleet.len()));
        host += 1;
        fleet.flush();
        fleet.listen(Duration::from_millis(5), bell);
        ensure!(Clock.now().mono.since(began) < PATIENCE, "no heartbeat was accepted after it");
    }
    let took = Clock.now().mono.since(began);
    Ok(vec![
        ("restart_to_first_beat_seconds", json!(took.as_secs_f64())),
        ("memory_after_restart_bytes", json!(server.usage()?.resident)),
    ])
}

fn drain(fleet: &mut Fleet, bell: &Bell, limit: Duration) {
    let end = Clock.now().mono + limit;
    while fleet.on_the_way() > 0 && Clock.now().mono < end {
        fleet.listen(Duration::from_millis(20), bell);
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people"
)]
fn rate(count: u64, seconds: f64) -> Value {
    if seconds > 0.0 { json!((count as f64 / seconds).round() as u64) } else { Value::Null }
}

fn print(args: &Args, figures: &[Figure]) {
    if args.json {
        let map: serde_json::Map<String, Value> =
            figures.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        return out::json(&Value::Object(map));
    }
    for (name, value) in figures {
        let shown = match value.as_u64() {
            Some(bytes) if name.ends_with("_bytes") && bytes > 1 << 20 => {
                format!("{} MiB", bytes >> 20)
            }
            _ => value.to_string(),
        };
        out::line(format!("{name:32} {shown}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_is_given_up_only_when_nothing_moves() {
        let at = |seconds: u64| Mono(7_000 + seconds * 1000);
        let mut progress = Progress::begin(at(0));
        assert_eq!(progress.seen(10, at(4)), Seen::Quiet);
        for minute in 1..=20 {
            let (joined, now) = (usize::try_from(minute).unwrap() * 100, at(minute * 29));
            assert_eq!(progress.seen(joined, now), Seen::Tell, "it goes on, however slowly");
        }
        let last = 20 * 29;
        assert_eq!(progress.seen(2000, at(last + 29)), Seen::Tell);
        assert_eq!(progress.seen(2000, at(last + 30)), Seen::Stalled);
    }
}
