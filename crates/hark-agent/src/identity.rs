//! What an agent was given for its token, on its disk.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hark_model::{EnrolToken, HostName};
use hark_proto::{AgentId, AgentKey, Identity};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use thiserror::Error;

use crate::endpoint::Server;
use crate::enrol::Enrolled;

/// The file's name in the agent's folder.
pub(crate) const FILE: &str = "identity.json";

/// Version of the file's form.
const VERSION: u64 = 1;

/// Who this agent is at the servers that know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) host: HostName,
    pub(crate) enrolled: Enrolled,
    /// Hash of the secret of the token: tells whether a token is the one that was used.
    token: String,
}

/// The stored identity is damaged or of a later version.
#[derive(Debug, Error)]
#[error("{FILE} in the agent's folder cannot be read: enrol again with a new token")]
pub struct IdentityError;

/// Returns whether an agent with this folder has joined a server with a token.
pub fn has_joined(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

impl Stored {
    /// Keeps what `token` gave.
    pub(crate) fn new(host: HostName, enrolled: Enrolled, token: &EnrolToken) -> Self {
        Self { host, enrolled, token: hash(token) }
    }

    /// Returns true if it was given for `token`.
    pub(crate) fn is_for(&self, token: &EnrolToken) -> bool {
        self.token == hash(token)
    }

    /// Returns the identity that seals datagrams.
    pub(crate) fn identity(&self) -> Identity {
        Identity { agent: self.enrolled.agent, key: self.enrolled.key.clone(), name: None }
    }

    /// Returns the text of the file.
    pub(crate) fn to_text(&self) -> String {
        let servers: Vec<String> = self.enrolled.servers.iter().map(ToString::to_string).collect();
        let value = json!({
            "version": VERSION,
            "host": self.host.as_str(),
            "agent_id": format!("{:016x}", self.enrolled.agent.0),
            "key": BASE64.encode(self.enrolled.key.expose()),
            "servers": servers,
            "interval_ms": self.enrolled.interval.map(hark_model::time::millis),
            "token_sha256": self.token,
        });
        format!("{value:#}\n")
    }

    /// Reads the text of the file.
    pub(crate) fn from_text(text: &str) -> Result<Self, IdentityError> {
        let read = || {
            let value: Value = serde_json::from_str(text).ok()?;
            let text = |key: &str| value.get(key).and_then(Value::as_str);
            if value.get("version").and_then(Value::as_u64) != Some(VERSION) {
                return None;
            }
            let key = BASE64.decode(text("key")?).ok()?;
            let servers = value.get("servers")?.as_array()?;
            let servers = servers.iter().map(|server| Server::parse(server.as_str()?).ok());
            let interval = value.get("interval_ms").and_then(Value::as_u64);
            let enrolled = Enrolled {
                agent: AgentId(u64::from_str_radix(text("agent_id")?, 16).ok()?),
                key: AgentKey::new(key.try_into().ok()?),
                servers: servers.collect::<Option<_>>()?,
                interval: interval.map(Duration::from_millis),
            };
            let host = HostName::new(text("host")?).ok()?;
            Some(Self { host, enrolled, token: text("token_sha256")?.to_owned() })
        };
        read().ok_or(IdentityError)
    }
}

fn hash(token: &EnrolToken) -> String {
    let digest = digest(&SHA256, token.secret());
    BASE64.encode(digest.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(secret: u8) -> EnrolToken {
        EnrolToken::new([secret; 16], [0; 32], vec!["a:1".to_owned()]).unwrap()
    }

    fn stored() -> Stored {
        let enrolled = Enrolled {
            agent: AgentId(u64::MAX - 5),
            key: AgentKey::new([9; 32]),
            servers: vec![Server::parse("a:7").unwrap(), Server::parse("[::1]:8").unwrap()],
            interval: Some(Duration::from_secs(10)),
        };
        Stored::new(HostName::new("web").unwrap(), enrolled, &token(1))
    }

    #[test]
    fn comes_back_whole() {
        assert_eq!(Stored::from_text(&stored().to_text()).unwrap(), stored());
        let plain =
            Stored { enrolled: Enrolled { interval: None, ..stored().enrolled }, ..stored() };
        assert_eq!(Stored::from_text(&plain.to_text()).unwrap(), plain);
    }

    #[test]
    fn knows_its_token_and_does_not_hold_it() {
        assert!(stored().is_for(&token(1)));
        assert!(!stored().is_for(&token(2)));
        assert!(!stored().to_text().contains(&BASE64.encode([1; 16])));
    }

    #[test]
    fn damage_and_later_versions_are_refused() {
        let text = stored().to_text();
        assert!(Stored::from_text(&text.replace("\"version\": 1", "\"version\": 2")).is_err());
        assert!(Stored::from_text(&text.replace("agent_id", "agent")).is_err());
        assert!(Stored::from_text("").is_err());
        assert!(Stored::from_text(&text.replace("CQk", "CQ")).is_err());
    }
}
