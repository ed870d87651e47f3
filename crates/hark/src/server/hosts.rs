//! Numbers and names of hosts, for the parts that speak of hosts by name.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use hark_engine::covers_host;
use hark_model::record::Matcher;
use hark_model::{HostId, HostName};

/// Returns whether `text` is like one of `patterns`, or there are none.
pub(crate) fn is_like(patterns: &[String], text: &str) -> bool {
    let matcher = Matcher { hosts: patterns.to_vec(), ..Matcher::default() };
    covers_host(&matcher, text, &[])
}

/// Which number belongs to which name. Written by the engine's thread alone.
#[derive(Debug, Default)]
pub(crate) struct Hosts(RwLock<Both>);

#[derive(Debug, Default)]
struct Both {
    by_name: HashMap<HostName, HostId>,
    by_number: HashMap<HostId, HostName>,
}

impl Hosts {
    /// Notes that a host has this number.
    pub(crate) fn learned(&self, host: HostId, name: &HostName) {
        let mut both = self.0.write().unwrap_or_else(PoisonError::into_inner);
        both.by_name.insert(name.clone(), host);
        both.by_number.insert(host, name.clone());
    }

    /// Forgets a host.
    pub(crate) fn dropped(&self, host: HostId) {
        let mut both = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = both.by_number.remove(&host) {
            both.by_name.remove(&name);
        }
    }

    /// Returns the number of a host.
    pub(crate) fn number(&self, name: &HostName) -> Option<HostId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name).copied()
    }

    /// Returns the name of a host.
    pub(crate) fn name(&self, host: HostId) -> Option<HostName> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_number.get(&host).cloned()
    }
}
