//! Services that know us by a token in a header: what their ways have in common.

use std::fmt;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_net::{BoxFuture, Call};

use crate::call::{Answered, Service};
use crate::way::{Change, Context, Failure, Way};

/// The setting of the token, with what it must allow.
pub(crate) const fn token(summary: &'static str) -> Key {
    Key::new("token", Kind::Secret, summary).required()
}

/// A service, and the token that it knows us by.
#[derive(Debug)]
pub(crate) struct Account {
    service: Service,
    scheme: &'static str,
    token: Secret,
}

impl Account {
    /// Reads token and address; `usual` is the address if none is said. `scheme` stands before the token
    /// in each request: `Bearer`.
    pub(crate) fn read(section: &Section<'_>, usual: &str, scheme: &'static str) -> Option<Self> {
        section.required("token");
        let token = section.opt_secret("token");
        let service = Service::read(section, usual);
        Some(Self { service: service?, scheme, token: token? })
    }

    /// Sends a request in our name.
    pub(crate) async fn call(&self, context: &Context, asked: Call) -> Result<Answered, Failure> {
        let asked = asked.authorized(self.scheme, &self.token)?;
        self.service.call(context, asked).await
    }
}

/// A way over an [`Account`]: what is its own. The rest of a [`Way`] is the same for all.
pub(crate) trait AccountWay: fmt::Debug + Send + Sync {
    /// As [`Way::pace`].
    const PACE: Duration;

    /// Returns the account.
    fn account(&self) -> &Account;

    /// As [`Way::publish`].
    fn put_all(
        &self,
        change: &Change,
        context: &Context,
    ) -> impl Future<Output = Result<String, Failure>> + Send;
}

impl<T: AccountWay> Way for T {
    fn target(&self) -> String {
        self.account().service.origin().to_string()
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.account().token]
    }

    fn pace(&self) -> Duration {
        T::PACE
    }

    fn publish<'a>(
        &'a self,
        change: &'a Change,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(self.put_all(change, context))
    }
}
