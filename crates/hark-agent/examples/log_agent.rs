//! An agent that watches every line of some logs and nothing else, to be killed by tests:
//! `log_agent FOLDER SERVER SECRET FILES`.

use std::path::PathBuf;
use std::time::Duration;

use hark_agent::{Access, Agent, AgentConfig, Server, Stop};
use hark_config::{Document, NoSecrets};
use hark_model::{HostName, Secret};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, server, secret, files] = arguments.as_slice() else {
        return Err("usage: log_agent FOLDER SERVER SECRET FILES".into());
    };
    let text = format!(
        "logs:\n  all: {{file: '{files}', match: 'line', at_most: 6000}}\n\
         \x20 count: {{file: '{files}', match: 'line', count_every: 1s}}\n"
    );
    let document = Document::single(&text);
    let read = AgentConfig::read(&document.root(&NoSecrets), PathBuf::from(folder));
    let mut config = AgentConfig::new(PathBuf::from(folder), Access::Secret(Secret::new(secret)));
    config.logs = read.logs;
    config.collectors.clear();
    config.servers = vec![Server::parse(server)?];
    config.host = Some(HostName::new("web")?);
    config.interval = Some(Duration::from_secs(1));
    Agent::new(&config)?.run(&Stop::new()?)?;
    Ok(())
}
