//! Jobs that report themselves.

use hark_api::pushes::Push;
use hark_engine::push::Ping;
use hark_web::{Answer, JobPing, Refused};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::{ServerBackend, ending};
use crate::server::pushes::{Call, ToPush};

impl ServerBackend {
    /// Hands on what a job says, and waits until it is on the disk.
    pub(super) fn call(&self, token: &str, ping: JobPing, log: &str) -> Answer<()> {
        let ping = match ping {
            JobPing::Start => Ping::Start,
            JobPing::Success => Ping::Success,
            JobPing::Failure(code) => Ping::Failure(code),
        };
        let (reply, answer) = oneshot::channel();
        let call = Call { token: token.to_owned(), ping, log: log.to_owned(), reply };
        match self.links.pushes.try_send(ToPush::Call(call)) {
            Ok(()) => answer.blocking_recv().map_err(|_| ending())?,
            // Strangers may call as well: they must not make others wait.
            Err(TrySendError::Full(_)) => {
                Err(Refused::Unavailable("too many jobs report at once".to_owned()))
            }
            Err(TrySendError::Closed(_)) => Err(ending()),
        }
    }

    pub(super) fn all_pushes(&self) -> Answer<Vec<Push>> {
        let (to, answer) = oneshot::channel();
        self.links.pushes.blocking_send(ToPush::List(to)).map_err(|_| ending())?;
        answer.blocking_recv().map_err(|_| ending())
    }
}
