//! Repairs: what the engine orders by itself becomes an order like a person's, by the name `hark`.
//!
//! The engine counts a try before this hears of it, and the count is at the store before the order is:
//! a server that is killed in between has tried, as far as anybody can tell, and tries again when the
//! next try is due. Never is one try carried out twice.

use std::sync::Arc;
use std::time::Duration;

use hark_model::{HostName, IncidentId};
use tokio::sync::mpsc;

use super::backend::ServerBackend;
use super::quarantine::Quarantine;

/// Repairs that may wait to be stored. One that finds no room is lost, and the next try comes later:
/// so many incidents at once are nothing that restarts of services end.
pub(super) const REPAIR_QUEUE: usize = 256;

/// A repair that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repair {
    /// At which host.
    pub(crate) host: HostName,
    /// Which of its actions.
    pub(crate) action: String,
    /// Why, in words.
    pub(crate) reason: String,
    /// For which incident.
    pub(crate) incident: IncidentId,
    /// How long it may wait for the agent.
    pub(crate) expires_after: Duration,
}

/// Orders what comes, until the engine has ended and nothing is left: the store ends later.
pub(super) async fn run(
    mut inbox: mpsc::Receiver<Repair>,
    backend: Arc<ServerBackend>,
    quarantine: Arc<Quarantine>,
) {
    while let Some(repair) = inbox.recv().await {
        let (host, action) = (repair.host.clone(), repair.action.clone());
        if quarantine.is_on() {
            tracing::info!(%host, action, "no repair is ordered: this server is in quarantine");
            continue;
        }
        let backend = Arc::clone(&backend);
        let ordered = tokio::task::spawn_blocking(move || backend.give_repair(repair)).await;
        match ordered {
            Ok(Ok(())) => tracing::info!(%host, action, "a repair is ordered"),
            Ok(Err(refused)) => tracing::warn!(%host, action, ?refused, "a repair is not ordered"),
            Err(error) => tracing::error!(%host, action, %error, "a repair is not ordered"),
        }
    }
}
