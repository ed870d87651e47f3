//! What a receiver that is a service has of its own, and the [`Receiver`] that the frame makes of it.

use std::fmt;

use hark_model::Notification;

use super::Service;
use crate::deadline::Deadline;
use crate::error::{Doing, SendError};
use crate::{Context, Delivered, Feedback, Pending, Receiver};

/// A receiver that is a service: what is its own. The rest of a [`Receiver`] is the same for all.
pub(crate) trait ServiceReceiver: fmt::Debug + Send + Sync {
    /// Returns where it is called.
    fn service(&self) -> &Service;

    /// As [`Receiver::target`]; the address, without more, by default.
    fn target(&self) -> String {
        self.service().target()
    }

    /// As [`Receiver::send`].
    fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> impl Future<Output = Result<Delivered, SendError>> + Send;

    /// Returns true if `error` says that the service does not know (any more) what the message refers to:
    /// somebody has deleted the first one. It is then sent once more as a first one.
    fn is_gone(&self, _error: &SendError) -> bool {
        false
    }

    /// As [`Receiver::feedback`].
    fn feedback(&self) -> Option<&dyn Feedback> {
        None
    }
}

impl<T: ServiceReceiver> Receiver for T {
    fn target(&self) -> String {
        ServiceReceiver::target(self)
    }

    fn warnings(&self) -> Vec<String> {
        self.service().warnings()
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a Context,
    ) -> Pending<'a, Delivered> {
        Box::pin(async move {
            let deadline = Deadline::start(self.service().settings.timeout);
            match self.deliver(notification, context).await {
                Err(error) if notification.reference.is_some() && self.is_gone(&error) => {
                    let first = Notification { reference: None, ..notification.clone() };
                    deadline.within(Doing::Waiting, self.deliver(&first, context)).await?
                }
                outcome => outcome,
            }
        })
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        ServiceReceiver::feedback(self)
    }
}
