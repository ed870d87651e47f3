//! Prints how long the state of many hosts takes to be read at start.
//!
//! `cargo run -p hark-store --profile fast --example state_load -- [hosts]`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;

use hark_model::Status;
use hark_model::name::{CheckName, HostName, Tag};
use hark_model::record::{CheckRecord, Confirm, Fresh, HostId, HostRecord, Record};
use hark_model::time::{Clock, Unix};
use hark_store::state::State;

const CHECKS: [&str; 3] = ["host", "cpu_monitor.cpu_percent", "disk_monitor./.percent"];

fn records(id: u32) -> Result<Vec<Record>, Box<dyn Error>> {
    let facts = [("os", "Debian GNU/Linux 12"), ("kernel", "6.1.0-28-amd64"), ("arch", "x86_64")];
    let mut records = vec![Record::Host(HostRecord {
        id: HostId(id),
        name: HostName::new(&format!("host{id:06}.example.net"))?,
        interval_ms: 15_000,
        first_seen: Unix(1_795_000_000_000),
        last_heard: Some(Unix(1_795_000_100_000)),
        address: Some("192.0.2.1".parse()?),
        tags: vec![Tag::new("role:web")?],
        joined_tags: Vec::new(),
        facts: facts
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<BTreeMap<_, _>>(),
    })];
    for name in CHECKS {
        records.push(Record::Check(CheckRecord {
            host: HostId(id),
            name: CheckName::new(name)?,
            level: Some(Status::Ok),
            confirm: Confirm::Hard(Status::Ok),
            fresh: Fresh::Fresh,
            began_at: Some(Unix(1_795_000_100_000)),
            value: Some(12.3),
            text: "12.3".to_owned(),
            changed_at: Some(Unix(1_795_000_000_000)),
            flap_ring: 0,
            flap_filled: 20,
            flap_critical: 0,
            flapping_since: None,
            incident: None,
        }));
    }
    Ok(records)
}

fn main() -> Result<(), Box<dyn Error>> {
    let n_hosts: u32 = std::env::args().nth(1).map_or(Ok(100_000), |n| n.parse())?;
    let dir = std::env::temp_dir().join(format!("hark-state-load-{}", std::process::id()));
    let mut out = std::io::stdout().lock();
    let mut state = State::open(&dir)?;
    let started = Clock.now().mono;
    for first in (1..=n_hosts).step_by(1000) {
        let mut batch = Vec::new();
        for id in first..(first + 1000).min(n_hosts + 1) {
            batch.extend(records(id)?);
        }
        state.commit(&batch, &[])?;
    }
    writeln!(out, "written in {:?}", Clock.now().mono.since(started))?;
    drop(state);
    for _ in 0..3 {
        let started = Clock.now().mono;
        let state = State::open(&dir)?;
        let opened = Clock.now().mono;
        let loaded = state.load(Unix(0))?;
        writeln!(
            out,
            "{} hosts, {} checks: opened in {:?}, read in {:?}",
            loaded.snapshot.hosts.len(),
            loaded.snapshot.checks.len(),
            opened.since(started),
            Clock.now().mono.since(opened)
        )?;
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
