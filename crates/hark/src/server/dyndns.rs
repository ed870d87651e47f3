//! Names in DNS at work: feeds `hark_dns::Machine` what is known of hosts, the time, and what came of its
//! jobs; keeps what it wants remembered in the state; says what changed.
//!
//! ```text
//! engine (facts, liveness) and intake (where agents send from) ─> machine ─> state ─> job ─> machine
//!                                                                   └─> event of the host, check `dns`
//! ```
//!
//! Where an agent sends from is asked of intake, not of the engine: the engine also remembers addresses
//! that a file declares or that were true before the restart, and only what is proven now is published.

mod figures;
mod say;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hark_api::dns::{Dns, DnsOrdered};
use hark_dns::{
    Context, DnsName, Effect, Host, Job, Machine, NameRecord, Outcome, Settings, ZoneRecord,
    perform, wishes,
};
use hark_engine::Engine;
use hark_model::HostName;
use hark_model::time::{Clock, Now, Unix};
use hark_net::BoxFuture;
use hark_store::state::{Change, StateReader};
use hark_web::{Answer, DnsAction, Refused};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use figures::Figures;

use super::links::Links;
use super::messages::ToIntake;
use super::store_loop::chain;

/// Questions and orders of people that may wait.
pub(super) const DNS_QUEUE: usize = 64;

/// How often hosts are looked at: an address that changed is held back for longer than this.
const LOOK: Duration = Duration::from_secs(5);

/// The longest sleep where no name is wanted.
const NOTHING: Duration = Duration::from_hours(1);

/// The shortest sleep: a deadline that has passed already must not become a busy loop.
const SHORT: Duration = Duration::from_millis(50);

/// What stands before the name in the state's settings.
const NAME: &str = "dns-name ";
const ZONE: &str = "dns-zone ";

/// Bound on names that an order of a person is about: a host's.
const MAX_ORDERED: usize = 1024;

/// What reaches the names.
#[derive(Debug)]
pub(crate) enum ToDns {
    /// Somebody asks for all of them.
    List(oneshot::Sender<Dns>),
    /// Somebody asks whose name it is; a host is its own.
    HostOf {
        /// The name, or the host.
        name: String,
        /// The answer.
        reply: oneshot::Sender<Answer<HostName>>,
    },
    /// Somebody wants something done.
    Order {
        /// The name, or the host.
        name: String,
        /// What.
        action: DnsAction,
        /// The answer, once it is on the disk.
        reply: oneshot::Sender<Answer<DnsOrdered>>,
    },
    /// The configuration was read again.
    Planned(Settings),
}

/// What is needed.
#[derive(Debug)]
pub(super) struct Setup {
    /// What reaches it.
    pub(super) inbox: mpsc::Receiver<ToDns>,
    /// What is wanted.
    pub(super) settings: Settings,
    /// What is remembered.
    pub(super) memory: Memory,
    /// To the other parts.
    pub(super) links: Arc<Links>,
    /// What jobs need.
    pub(super) context: Context,
    /// Ends it.
    pub(super) stop: CancellationToken,
}

/// What the state remembers of names.
#[derive(Debug, Default)]
pub(super) struct Memory {
    names: Vec<(DnsName, NameRecord)>,
    zones: Vec<(DnsName, ZoneRecord)>,
}

impl Memory {
    /// Reads it. What cannot be read is said and forgotten: the name is published anew.
    pub(super) fn open(reader: &StateReader) -> anyhow::Result<Self> {
        let rows = |prefix: &str| {
            let rows = reader.settings_of(prefix);
            rows.map_err(|error| anyhow!("cannot read the state: {}", chain(&error)))
        };
        let mut memory = Self::default();
        for (key, text) in rows(NAME)? {
            if let Some(name) = DnsName::new(&key).ok().zip(NameRecord::read(&text)) {
                memory.names.push(name);
            } else {
                tracing::error!(name = key, "what is published of a name is not readable");
            }
        }
        for (key, text) in rows(ZONE)? {
            memory.zones.extend(DnsName::new(&key).ok().zip(ZoneRecord::read(&text)));
        }
        Ok(memory)
    }
}

type Running = FuturesUnordered<BoxFuture<'static, (Job, Outcome)>>;

struct Desk {
    settings: Settings,
    machine: Machine,
    links: Arc<Links>,
    /// What is not on the disk yet, by its key: the newest of each.
    unwritten: BTreeMap<String, Option<String>>,
    /// What the engine was told of itself.
    told: Option<String>,
    /// When hosts are looked at next.
    look_at: Unix,
}

/// Works until the token is cancelled. What is under way then is looked for at the next start.
pub(super) async fn run(setup: Setup) {
    let Setup { mut inbox, settings, memory, links, context, stop } = setup;
    let context = Arc::new(context);
    let mut machine = Machine::default();
    for (name, record) in memory.names {
        machine.remember_name(name, record);
    }
    for (zone, record) in memory.zones {
        machine.remember_zone(zone, record);
    }
    machine.plan(&settings.zones, Clock.now().unix);
    let (unwritten, look_at) = (BTreeMap::new(), Unix(0));
    // Also that all is well: before the restart it may have been otherwise.
    let told = machine.problem();
    links.is("dns", told.clone());
    let mut desk = Desk { settings, machine, links, unwritten, told, look_at };
    let mut running = Running::new();
    loop {
        let jobs = tokio::task::block_in_place(|| desk.turn());
        for job in jobs {
            let context = Arc::clone(&context);
            running.push(Box::pin(async move {
                let outcome = perform(&job, &context).await;
                (job, outcome)
            }));
        }
        let sleep = desk.sleep();
        tokio::select! {
            () = stop.cancelled() => return,
            message = inbox.recv() => match message {
                Some(message) => tokio::task::block_in_place(|| desk.take(message)),
                None => return,
            },
            Some((job, outcome)) = running.next(), if !running.is_empty() => {
                desk.links.naming.count(&outcome);
                desk.machine.done(&job, outcome, Clock.now().unix);
            }
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

impl Desk {
    /// Looks at hosts if it is time, writes down what must be, and returns what is to be done now.
    fn turn(&mut self) -> Vec<Job> {
        if self.links.quarantine.is_on() {
            return Vec::new();
        }
        let now = Clock.now().unix;
        // A clock that is set back must not keep it from looking.
        if self.look_at <= now || self.look_at.since(now) > LOOK {
            self.look_at = now + LOOK;
            self.look(now);
        }
        let jobs = self.machine.next(now);
        let jobs = match self.write() {
            Ok(()) => jobs,
            Err(error) => {
                for job in &jobs {
                    let why = format!("not begun: the state cannot be written: {error}");
                    self.machine.done(job, Outcome::NotBegun(why), now);
                }
                Vec::new()
            }
        };
        self.report();
        jobs
    }

    fn sleep(&self) -> Duration {
        if self.links.quarantine.is_on() {
            return LOOK;
        }
        if self.settings.zones.is_empty() && self.unwritten.is_empty() {
            return NOTHING;
        }
        let now = Clock.now().unix;
        let next = self.machine.deadline(now).map_or(LOOK, |next| next.since(now));
        next.min(self.look_at.since(now)).max(SHORT)
    }

    /// Shows the machine what is known of hosts. Without an answer nothing is concluded.
    fn look(&mut self, now: Unix) {
        if self.settings.zones.is_empty() {
            return;
        }
        let Some(hosts) = self.hosts() else { return };
        self.machine.see(&wishes(&self.settings.zones, &hosts), now);
    }

    fn hosts(&self) -> Option<BTreeMap<HostName, Host>> {
        let zones = self.settings.zones.clone();
        let now = Clock.now();
        let mut hosts = self.links.ask(move |engine: &Engine| {
            let mut hosts = BTreeMap::new();
            for host in engine.hosts() {
                let tags: Vec<&str> = host.tags().iter().map(hark_model::Tag::as_str).collect();
                if zones.iter().any(|zone| zone.covers(host.name(), &tags)) {
                    hosts.insert(host.name().clone(), known(host, tags, now));
                }
            }
            hosts
        })?;
        let (to, facts) = oneshot::channel();
        self.links.intake.send(ToIntake::Facts(to)).ok()?;
        self.links.bell.ring();
        for agent in facts.blocking_recv().ok()? {
            let proven = agent.last_seen.and(agent.address);
            if let (Some(host), Some(address)) = (hosts.get_mut(&agent.name), proven) {
                host.source = Some(address.ip().to_canonical());
            }
        }
        Some(hosts)
    }

    /// Carries out what the machine wants, and writes what waits for it.
    fn write(&mut self) -> Result<(), String> {
        for effect in self.machine.effects() {
            match effect {
                Effect::KeepName(name, record) => {
                    let text = record.map(|record| record.text());
                    drop(self.unwritten.insert(format!("{NAME}{name}"), text));
                }
                Effect::KeepZone(zone, record) => {
                    let text = record.map(|record| record.text());
                    drop(self.unwritten.insert(format!("{ZONE}{zone}"), text));
                }
                Effect::Say(said) => say::say(&self.links, &said),
            }
        }
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let change = |(name, value): (&String, &Option<String>)| Change::Setting {
            name: name.clone(),
            value: value.clone(),
        };
        let changes = self.unwritten.iter().map(change).collect();
        self.links.write(changes).inspect_err(|error| {
            tracing::warn!(error, "what is published in DNS is not written down; trying again");
        })?;
        self.unwritten.clear();
        Ok(())
    }

    /// Tells the engine and the figures how it goes.
    fn report(&mut self) {
        self.links.naming.show(&self.machine);
        let problem = self.machine.problem();
        if self.told != problem {
            self.links.is("dns", problem.clone());
            self.told = problem;
        }
    }

    fn take(&mut self, message: ToDns) {
        let now = Clock.now().unix;
        // Whoever asked may have gone meanwhile.
        match message {
            ToDns::List(reply) => drop(reply.send(say::list(&self.machine))),
            ToDns::HostOf { name, reply } => {
                let found = self.find(&name).map(|(host, _)| host).ok_or(Refused::Absent);
                drop(reply.send(found));
            }
            ToDns::Order { name, action, reply } => {
                // The newest addresses count, not those of the last look.
                self.look(now);
                let done = self.order(&name, action, now);
                drop(reply.send(done));
            }
            ToDns::Planned(settings) => {
                self.machine.plan(&settings.zones, now);
                self.settings = settings;
                self.look_at = now;
            }
        }
    }

    /// Returns whose name it is and which names are meant.
    fn find(&self, text: &str) -> Option<(HostName, Vec<DnsName>)> {
        let name = DnsName::new(text).ok();
        if let Some((name, host)) =
            name.and_then(|n| self.machine.host_of(&n).cloned().map(|h| (n, h)))
        {
            return Some((host, vec![name]));
        }
        let host = HostName::new(text).ok()?;
        let mut names = self.machine.names_of(&host);
        names.truncate(MAX_ORDERED);
        (!names.is_empty()).then_some((host, names))
    }

    fn order(&mut self, text: &str, action: DnsAction, now: Unix) -> Answer<DnsOrdered> {
        let (_, names) = self.find(text).ok_or(Refused::Absent)?;
        let machine = &mut self.machine;
        let done: Vec<String> = names
            .iter()
            .filter(|name| match action {
                DnsAction::Update => machine.publish_now(name, now),
                DnsAction::Remove => machine.take_out(name, now),
            })
            .map(ToString::to_string)
            .collect();
        if done.is_empty() {
            return Err(Refused::Conflict(format!("no address of {text} is known to publish")));
        }
        self.write().map_err(Refused::Unavailable)?;
        Ok(DnsOrdered { names: done })
    }
}

/// Returns what the engine knows of a host.
fn known(host: hark_engine::view::HostView<'_>, tags: Vec<&str>, now: Now) -> Host {
    let lan = host.facts().filter_map(|(name, value)| {
        Some((name.strip_prefix("address.")?.to_owned(), value.to_owned()))
    });
    Host {
        tags: tags.into_iter().map(str::to_owned).collect(),
        source: None::<IpAddr>,
        wan: host.fact("wan_address").map(str::to_owned),
        lan: lan.collect(),
        down_for: host.down_for(now),
    }
}
