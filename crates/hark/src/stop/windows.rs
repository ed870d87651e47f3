//! What a window, the end of a session and the end of the machine ask for: to end.

use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
};

use super::Asked;

/// What the agent listens to.
#[derive(Debug)]
pub(crate) struct Signals {
    typed: CtrlC,
    broken: CtrlBreak,
    closed: CtrlClose,
    shut_down: CtrlShutdown,
}

impl Signals {
    /// Starts to listen; must be called inside a runtime.
    ///
    /// # Errors
    /// If the system refuses a handler.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            typed: ctrl_c()?,
            broken: ctrl_break()?,
            closed: ctrl_close()?,
            shut_down: ctrl_shutdown()?,
        })
    }

    /// Waits for the next one. Cancelling it loses nothing.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.typed.recv() => Asked::Stop,
            _ = self.broken.recv() => Asked::Stop,
            _ = self.closed.recv() => Asked::Stop,
            _ = self.shut_down.recv() => Asked::Stop,
        }
    }
}
