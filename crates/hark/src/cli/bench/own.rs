//! The measurements against a server of our own: flood, burst, pace, restart.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use hark_model::Secret;
use hark_model::time::{Clock, Mono};
use serde_json::{Value, json};

use super::process::Own;
use super::{Args, milliseconds};
use crate::cli::demo::Scratch;
use crate::fleet::{Fleet, FleetPlan, percentile};
use crate::out;
use crate::sys::{Bell, pin_to_core};

/// Heartbeats that may be on their way during the flood: enough to keep the server busy between two
/// group commits, and few enough for the kernel's buffers.
const WINDOW: u64 = 30_000;

/// Heartbeats sent at once in the burst.
const BURST: usize = 10_000;

/// How long the paced load is measured.
const PACED: Duration = Duration::from_secs(20);

/// How long anything may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_mins(2);

/// Starts a server, loads it, and prints what was measured.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    pin_to_core(1);
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
    };
    let mut fleet = Fleet::new(plan)?;
    let bell = Bell::new()?;
    let mut figures =
        vec![("hosts", json!(args.hosts)), ("memory_empty_bytes", json!(empty.resident))];
    note("every host joins");
    join(&mut fleet, &bell)?;
    note("flood");
    figures.extend(flood(&mut fleet, &bell, &server, args.how_long)?);
    note("burst");
    figures.extend(burst(&mut fleet, &bell));
    note("each host at its interval");
    figures.extend(paced(&mut fleet, &bell, &server)?);
    note("killed and started again");
    let udp = server.udp;
    server.kill()?;
    let (server, took) = restart(&mut fleet, &bell, folder.path(), secret.expose(), udp)?;
    figures.push(("restart_to_first_beat_seconds", json!(took.as_secs_f64())));
    figures.push(("memory_after_restart_bytes", json!(server.usage()?.resident)));
    print(args, &figures);
    Ok(ExitCode::SUCCESS)
}

fn note(text: &str) {
    out::note(format!("hark bench: {text} …"));
}

/// Sends from every host until each has been acknowledged.
fn join(fleet: &mut Fleet, bell: &Bell) -> anyhow::Result<()> {
    let end = Clock.now().mono + PATIENCE;
    let mut before = 0;
    loop {
        for i in 0..fleet.len() {
            if !fleet.is_settled(i) {
                fleet.beat(i);
            }
            if i % 500 == 499 {
                fleet.flush();
                fleet.listen(Duration::from_millis(5), bell);
            }
        }
        fleet.flush();
        let settle = Clock.now().mono + Duration::from_secs(3);
        while Clock.now().mono < settle && fleet.settled() < fleet.len() {
            fleet.listen(Duration::from_millis(50), bell);
        }
        fleet.chase();
        if fleet.settled() == fleet.len() {
            break;
        }
        ensure!(
            Clock.now().mono < end,
            "only {} of {} hosts were acknowledged (before: {before})",
            fleet.settled(),
            fleet.len()
        );
        before = fleet.settled();
    }
    drain(fleet, bell, Duration::from_secs(3));
    Ok(())
}

/// Sends as fast as the server acknowledges.
fn flood(
    fleet: &mut Fleet,
    bell: &Bell,
    server: &Own,
    how_long: Duration,
) -> anyhow::Result<Vec<(&'static str, Value)>> {
    let before = (server.usage()?, fleet.report().clone(), Clock.now().mono);
    fleet.forget_latencies();
    let end = before.2 + how_long;
    let mut next = 0;
    while Clock.now().mono < end {
        let mut sent = 0;
        while fleet.on_the_way() < WINDOW && sent < 512 {
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
fn burst(fleet: &mut Fleet, bell: &Bell) -> Vec<(&'static str, Value)> {
    let before = fleet.report().clone();
    for i in 0..BURST {
        fleet.beat(i % fleet.len());
    }
    fleet.flush();
    let end = Clock.now().mono + Duration::from_secs(10);
    let wanted = fleet.report().sent - before.sent;
    while fleet.report().acknowledged - before.acknowledged < wanted && Clock.now().mono < end {
        fleet.listen(Duration::from_millis(20), bell);
    }
    let kept = fleet.report().acknowledged - before.acknowledged;
    vec![("burst_sent", json!(wanted)), ("burst_lost", json!(wanted.saturating_sub(kept)))]
}

/// Sends at the interval and measures what the server uses meanwhile.
fn paced(
    fleet: &mut Fleet,
    bell: &Bell,
    server: &Own,
) -> anyhow::Result<Vec<(&'static str, Value)>> {
    let run = |fleet: &mut Fleet, how_long: Duration| {
        let end = Clock.now().mono + how_long;
        fleet.run(bell, |_| Clock.now().mono >= end);
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
) -> anyhow::Result<(Own, Duration)> {
    drain(fleet, bell, Duration::from_millis(200));
    let began: Mono = Clock.now().mono;
    let server = Own::start(folder, secret, udp).context("the server did not start again")?;
    let before = fleet.report().acknowledged;
    let mut host = 0;
    while fleet.report().acknowledged == before {
        fleet.beat(host % fleet.len());
        host += 1;
        fleet.flush();
        fleet.listen(Duration::from_millis(5), bell);
        ensure!(Clock.now().mono.since(began) < PATIENCE, "no heartbeat was accepted after it");
    }
    Ok((server, Clock.now().mono.since(began)))
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

fn print(args: &Args, figures: &[(&'static str, Value)]) {
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
