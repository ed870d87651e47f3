//! A way to publish: what each of `ways/` is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Clock, Secret, Unix};
use hark_net::{BoxFuture, Resolve, Resolver};

use crate::addresses::Addresses;
use crate::name::DnsName;
use crate::server::Server;

/// A kind of way: one file of `ways/`.
pub trait WayType: Sync {
    /// Returns the word in the configuration.
    fn name(&self) -> &'static str;
    /// Returns what it does and what it needs, as markdown.
    fn manual(&self) -> &'static str;
    /// Returns its keys.
    fn keys(&self) -> &'static [Key];
    /// Returns settings that are accepted.
    fn example(&self) -> &'static str;
    /// Reads its settings for `zone`; what is wrong is reported in the section.
    fn read(&self, section: &Section<'_>, zone: &DnsName) -> Option<Arc<dyn Way>>;
}

/// A configured way.
pub trait Way: fmt::Debug + Send + Sync {
    /// Returns where it goes, for people. No secret.
    fn target(&self) -> String;

    /// Returns what must not stand in any text, and what makes a way that was refused another one.
    fn secrets(&self) -> Vec<&Secret>;

    /// Returns the least time between two requests: the service's own limit.
    fn pace(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns how long the service takes until its name servers know, at best.
    fn settle(&self) -> Duration {
        Duration::from_secs(2)
    }

    /// Returns false if it cannot take a name out again.
    fn removes(&self) -> bool {
        true
    }

    /// Returns the servers that are authoritative if it speaks to them directly.
    fn servers(&self) -> &[Server] {
        &[]
    }

    /// Publishes a change.
    fn publish<'a>(
        &'a self,
        change: &'a Change,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<String, Failure>>;
}

/// What is to be published of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The zone as configured.
    pub zone: DnsName,
    /// The name.
    pub name: DnsName,
    /// How long others may keep it.
    pub ttl: Duration,
    /// What shall stand there.
    pub set: Addresses,
    /// What we have put there before: a family that is in neither is somebody else's.
    pub had: Addresses,
}

/// The records of one family of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// `A` or `AAAA`.
    pub kind: &'static str,
    /// What shall stand there; nothing if it is to go.
    pub address: Option<IpAddr>,
}

impl Change {
    /// Returns the families that are ours.
    pub fn sets(&self) -> impl Iterator<Item = RecordSet> {
        let v4 = (self.set.v4.is_some() || self.had.v4.is_some())
            .then(|| RecordSet { kind: "A", address: self.set.v4.map(IpAddr::V4) });
        let v6 = (self.set.v6.is_some() || self.had.v6.is_some())
            .then(|| RecordSet { kind: "AAAA", address: self.set.v6.map(IpAddr::V6) });
        v4.into_iter().chain(v6)
    }

    /// Returns the name within its zone, empty for the zone's own.
    pub fn relative(&self) -> &str {
        self.name.below(&self.zone).unwrap_or(self.name.as_str())
    }
}

/// What ways need of the program around them.
pub struct Context {
    /// Turns names into addresses.
    pub resolve: Arc<dyn Resolve>,
    /// The name servers that answer for everybody.
    pub name_servers: Box<dyn Fn() -> Vec<SocketAddr> + Send + Sync>,
    /// The port of authoritative servers that are found by name. Only tests ask on another one.
    pub port: u16,
    /// A word that no other runner of programs on this machine has.
    pub mark: String,
    /// What o'clock it is for a signature. Only tests have a clock of their own.
    pub clock: fn() -> Unix,
}

impl Context {
    /// Makes one that asks as `resolver` does.
    pub fn new(resolver: Arc<Resolver>, mark: &str) -> Self {
        let asked = Arc::clone(&resolver);
        Self {
            resolve: resolver,
            name_servers: Box::new(move || asked.name_servers()),
            port: crate::server::PORT,
            mark: mark.to_owned(),
            clock: || Clock.now().unix,
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("mark", &self.mark).finish_non_exhaustive()
    }
}

/// What a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every name of the zone: the server is away, the key is wrong.
    Zone,
    /// This name alone.
    Name,
}

/// When it may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Later, less and less often.
    Later,
    /// Not before this time has passed: the service says so.
    After(Duration),
    /// Not before somebody has changed something: more of the same leads into a ban.
    Never,
}

/// Why a change was not published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For people.
    pub text: String,
    /// What it is about.
    pub scope: Scope,
    /// When it may be tried again.
    pub again: Again,
    /// Whether it may have been published all the same: the answer was lost.
    pub maybe_done: bool,
}

impl Failure {
    /// The other side is not there, or in trouble.
    pub(crate) fn away(text: impl Into<String>) -> Self {
        Self { text: text.into(), scope: Scope::Zone, again: Again::Later, maybe_done: false }
    }

    /// The other side says no to all that we ask.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self { again: Again::Never, ..Self::away(text) }
    }

    /// The other side says no to this name.
    pub(crate) fn of_name(text: impl Into<String>) -> Self {
        Self { scope: Scope::Name, again: Again::Never, ..Self::away(text) }
    }

    /// The other side wants to be left alone for a while.
    pub(crate) fn not_before(wait: Duration, text: impl Into<String>) -> Self {
        Self { again: Again::After(wait), ..Self::away(text) }
    }

    /// The same, with `done` records of the change published before it: they must not be forgotten.
    pub(crate) fn behind(mut self, done: usize) -> Self {
        self.maybe_done |= done > 0;
        self
    }

    /// No answer came to what was sent.
    pub(crate) fn unanswered(text: impl Into<String>) -> Self {
        Self { maybe_done: true, ..Self::away(text) }
    }
}
