//! Who the agent is, and where its servers are: by its secret, by what it was given before, or by a token.

use std::time::Duration;

use hark_model::{EnrolToken, HostName, Secret};
use hark_proto::Identity;

use super::AgentError;
use crate::endpoint::Server;
use crate::enrol::enrol;
use crate::home::Home;
use crate::identity::{self, Stored};
use crate::sampler::Sampler;
use crate::settings::{Access, AgentConfig};

/// Who this agent is, and where its servers are.
pub(super) struct Known {
    pub(super) host: HostName,
    pub(super) identity: Identity,
    pub(super) servers: Vec<Server>,
    pub(super) interval: Option<Duration>,
}

pub(super) fn who(
    home: &Home,
    config: &AgentConfig,
    sampler: &Sampler,
) -> Result<Known, AgentError> {
    let servers = config.servers.clone();
    match &config.access {
        Access::Secret(secret) => {
            let host = host_name(config)?;
            let identity = Identity::simple(secret.expose().as_bytes(), host.clone());
            Ok(Known { host, identity, servers, interval: None })
        }
        Access::Known(identity) => {
            let host = identity.name.clone().map_or_else(|| host_name(config), Ok)?;
            Ok(Known { host, identity: identity.clone(), servers, interval: None })
        }
        Access::Stored => Ok(known(stored(home)?.ok_or(AgentError::Unknown)?, servers)),
        Access::Token(text) => Ok(known(joined(home, config, text, sampler)?, servers)),
    }
}

fn known(stored: Stored, servers: Vec<Server>) -> Known {
    let identity = stored.identity();
    let servers = if servers.is_empty() { stored.enrolled.servers } else { servers };
    Known { host: stored.host, identity, servers, interval: stored.enrolled.interval }
}

fn stored(home: &Home) -> Result<Option<Stored>, AgentError> {
    let text = home.read(identity::FILE)?;
    Ok(text.map(|text| Stored::from_text(&text)).transpose()?)
}

/// Returns what the token gave when it was used; uses it if it was not.
fn joined(
    home: &Home,
    config: &AgentConfig,
    text: &Secret,
    sampler: &Sampler,
) -> Result<Stored, AgentError> {
    let token = EnrolToken::decode(text.expose())?;
    // A damaged identity is replaced by what a new token gives.
    let known = stored(home).ok().flatten();
    if let Some(stored) = known.filter(|stored| stored.is_for(&token)) {
        return Ok(stored);
    }
    let host = host_name(config)?;
    let enrolled = enrol(&token, text, &host, &sampler.facts(), config)?;
    let stored = Stored::new(host, enrolled, &token);
    home.write(identity::FILE, &stored.to_text())?;
    tracing::info!(host = %stored.host, servers = ?stored.enrolled.servers, "joined");
    Ok(stored)
}

fn host_name(config: &AgentConfig) -> Result<HostName, AgentError> {
    if let Some(host) = &config.host {
        return Ok(host.clone());
    }
    let name = config.root.text("proc/sys/kernel/hostname").ok_or(AgentError::NoName)?;
    HostName::new(&name).map_err(|_| AgentError::NoName)
}
