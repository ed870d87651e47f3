//! SIGINT, SIGTERM, SIGHUP and SIGUSR1.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Asked;

/// The signals that the server and the agent listen to.
#[derive(Debug)]
pub(crate) struct Signals {
    int: Signal,
    term: Signal,
    hup: Signal,
    usr1: Signal,
}

impl Signals {
    /// Starts to listen; must be called inside a runtime.
    ///
    /// # Errors
    /// If the system refuses a handler.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            int: signal(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for the next one. Cancelling it loses nothing.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.int.recv() => Asked::Stop,
            _ = self.term.recv() => Asked::Stop,
            _ = self.hup.recv() => Asked::Reload,
            _ = self.usr1.recv() => Asked::Show,
        }
    }
}
