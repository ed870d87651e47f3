//! Declared checks, as far as the engine is concerned: who runs them and how is another crate's.

use std::sync::Arc;
use std::time::Duration;

use hark_calendar::ActiveWindow;
use hark_model::{CheckName, HostName, Unix};

use super::push::PushPlan;
use super::repair::RepairPlan;
use super::threshold::{ConfirmRule, OnStale};

/// A declared check.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckPlan {
    /// The host it belongs to.
    pub host: HostName,
    /// Its name within the host.
    pub name: CheckName,
    /// What it is about, for people.
    pub description: Option<Arc<str>>,
    /// Not shown where the checks of its host are while it is well.
    pub hidden: bool,
    /// Time between two runs.
    pub every: Duration,
    /// Time between two runs while it is not yet believed.
    pub retry_every: Duration,
    /// How it is believed.
    pub confirm: ConfirmRule,
    /// What is done without fresh results.
    pub on_stale: OnStale,
    /// Each bad result is a thing of its own (rule T15).
    pub volatile: bool,
    /// Whether it tells if the host answers: a ping check of the host. Such a check decides together
    /// with the heartbeat whether the host is down (rules T19 to T22).
    pub probes_host: bool,
    /// Whether flapping is looked at; `None` leaves it to the number of attempts (rule P2).
    pub flapping: Option<bool>,
    /// What is ordered at the host when it is confirmed bad.
    pub repair: Option<RepairPlan>,
    /// Days and hours in which it is looked at; `None`: always. Outside of them it stays what it was.
    pub active: Option<ActiveWindow>,
    /// What is expected of it, if it reports itself: nobody looks at it then.
    pub push: Option<PushPlan>,
}

impl CheckPlan {
    /// Bound on a description, in characters: a line of a table.
    pub const MAX_DESCRIPTION: usize = 200;
    /// Time between two runs, unless given.
    pub const EVERY: Duration = Duration::from_mins(1);
    /// Time between two runs while it is not yet believed, unless given.
    pub const RETRY_EVERY: Duration = Duration::from_secs(15);

    /// Returns true if it is looked at at `at`, as far as days and hours decide that.
    pub fn is_active(&self, at: Unix) -> bool {
        self.active.as_ref().is_none_or(|window| window.contains(at))
    }

    /// Makes an active check with the usual settings.
    pub fn new(host: HostName, name: CheckName) -> Self {
        Self {
            host,
            name,
            description: None,
            hidden: false,
            every: Self::EVERY,
            retry_every: Self::RETRY_EVERY,
            confirm: ConfirmRule::ACTIVE,
            on_stale: OnStale::Unknown,
            volatile: false,
            probes_host: false,
            flapping: None,
            repair: None,
            active: None,
            push: None,
        }
    }
}
