//! The agent of `hark up`: watches this machine, in the server's own process, over loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use hark_agent::{Access, Agent, AgentConfig, Server, Stop};
use hark_model::HostName;
use hark_model::time::Clock;
use hark_proto::client::Identity;
use hark_proto::{AgentId, AgentKey};
use hark_store::state::{AgentMode, AgentRecord, Change, ReportWindow, State};

use super::store_loop::chain;

/// How often it sends unless it is configured: the page shows movement within seconds.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long between two tries to start it.
const AGAIN: Duration = Duration::from_secs(10);

/// The agent, ready to be started.
#[derive(Debug)]
pub(super) struct OwnAgent(AgentConfig);

impl OwnAgent {
    /// Finds or makes the key of this machine. A new one is written to the state and added to `known`
    /// before anything listens, so that the first heartbeat is known.
    pub(super) fn prepare(
        configured: Option<AgentConfig>,
        known: &mut Vec<AgentRecord>,
        state: &mut State,
        data_dir: &Path,
        udp: SocketAddr,
    ) -> anyhow::Result<Self> {
        let name = crate::sys::host_name().unwrap_or_else(|| "localhost".to_owned());
        let name = configured
            .as_ref()
            .and_then(|c| c.host.clone())
            .map_or_else(|| HostName::new(&name), Ok)
            .with_context(|| format!("this machine is called {name:?}, which cannot be a host"))?;
        let record =
            if let Some(record) = known.iter().find(|a| a.host == name && a.revoked.is_none()) {
                record.clone()
            } else {
                let record = make(name.clone())?;
                state
                    .commit(&[], &[Change::Agent(record.clone())])
                    .map_err(|e| anyhow!("cannot write the state: {}", chain(&e)))?;
                known.push(record.clone());
                record
            };
        let identity =
            Identity { agent: AgentId(record.id), key: AgentKey::new(record.key), name: None };
        let folder = data_dir.join("agent");
        let access = Access::Known(identity);
        let mut config = match configured {
            Some(configured) => AgentConfig { folder, access, ..configured },
            None => AgentConfig::new(folder, access),
        };
        config.host = Some(name);
        config.interval = Some(config.interval.unwrap_or(INTERVAL));
        let ip = if udp.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { udp.ip() };
        config.servers = vec![Server::parse(&SocketAddr::new(ip, udp.port()).to_string())?];
        Ok(Self(config))
    }

    /// Starts it on a thread that `spawn` makes; the flag ends it. An agent that cannot run is tried
    /// again: the server watches all other hosts meanwhile.
    pub(super) fn start(
        self,
        spawn: &mut dyn FnMut(&'static str, Box<dyn FnOnce() + Send>) -> std::io::Result<()>,
    ) -> anyhow::Result<Ends> {
        let ends = Ends { running: Stop::new()?, waiting: crate::stop::Stop::default() };
        let flags = ends.clone();
        spawn("agent", Box::new(move || run(&self.0, &flags)))?;
        Ok(ends)
    }
}

/// Ends the agent, whether it runs or waits to be tried again.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    running: Stop,
    waiting: crate::stop::Stop,
}

impl Ends {
    /// Raises the flags.
    pub(super) fn raise(&self) {
        self.running.stop();
        self.waiting.raise();
    }
}

fn run(config: &AgentConfig, ends: &Ends) {
    loop {
        let ran = Agent::new(config).and_then(|agent| agent.run(&ends.running));
        match ran {
            Ok(_) => return,
            Err(error) => tracing::error!(
                error = chain(&error),
                "the agent of this machine does not run; trying again"
            ),
        }
        if ends.waiting.wait(AGAIN) {
            return;
        }
    }
}

fn make(host: HostName) -> anyhow::Result<AgentRecord> {
    let mut bytes = [0; 40];
    let random = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut bytes)
        .map_err(|_| anyhow!("the system gives no random bytes"))?;
    let (id, key) = bytes.split_at(8);
    let mut record = AgentRecord {
        id: 0,
        host,
        mode: AgentMode::Enrolled,
        key: [0; 32],
        session: 0,
        reports: ReportWindow::default(),
        created: Clock.now().unix,
        revoked: None,
    };
    record.key.copy_from_slice(key);
    for byte in id {
        record.id = record.id << 8 | u64::from(*byte);
    }
    Ok(record)
}
