//! This agent as a site: it looks at things for the server from where it is.
//!
//! What it looks at is given by the server (`probes`), and only an agent whose own host says `site: true`
//! takes it. One thread with an async runtime of its own, which exists only while there are probes: an agent
//! that is no site has neither. It runs no program ([`hark_checks::Programs::none`]), whatever it is given.
//!
//! Each look becomes a result of this host under a name that says host and check; the server makes one
//! result of what all sites see. What was measured becomes series of this host
//! (`tcp.web1/door.connect_seconds`), so that each site has its own. While its own uplink is down the site
//! keeps quiet: what it sees then says nothing about anybody else.

mod driver;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use hark_checks::sites::Probe;
use hark_checks::{Check, read_ways_out};
use hark_config::{Key, Kind, Section};
use hark_model::{CheckName, HostName};
use tokio::sync::mpsc::Sender;

use crate::inlet::Inlet;
use driver::Driver;

/// What the thread's stack takes: TLS and regular expressions are the deepest.
const STACK: usize = 1024 * 1024;

/// What the thread may be told before it has heard it: it hears between two looks.
const INBOX: usize = 16;

/// Most probes of one site: what it is given is bounded too, this bounds the work.
const MAX_PROBES: usize = 2000;

/// Whether this agent is a site.
pub(crate) const SITE: Key =
    Key::new("site", Kind::Bool, "Whether the server may have it look at other hosts: a site.")
        .default("false");

/// How a site knows that it is cut off itself.
pub(crate) const UPLINK: Key = Key::new(
    "uplink",
    Kind::OneOrMany(&Kind::Text),
    "Of a site: addresses (ping) or ADDRESS:PORT (TCP) far from each other; while none answers, it says nothing.",
);

/// What a site looks at.
pub(crate) const PROBES: Key = Key::new(
    "probes",
    Kind::Named(&Kind::Section(Probe::KEYS)),
    "What a site looks at: made of `checks.NAME.sites`.",
);

/// What the host's own file says.
#[derive(Clone, Debug, Default)]
pub struct SiteSettings {
    /// Whether it is a site at all.
    pub enabled: bool,
    /// What tells whether it is cut off.
    pub uplink: Vec<Arc<dyn Check>>,
}

impl SiteSettings {
    /// Reads it; what is wrong is reported.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let enabled = section.bool("site", false);
        let uplink = read_ways_out(section);
        if !uplink.is_empty() && !enabled {
            section.error("uplink", "is for sites: write `site: true` too");
        }
        Self { enabled, uplink }
    }
}

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probes {
    list: Arc<[Probe]>,
    /// The settings in words: with the same they are the same.
    identity: String,
    /// The names of those that this host does not look at, since it is no site.
    refused: Vec<String>,
}

impl Probes {
    /// Reads them; what is wrong is reported.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let sections = section.children("probes");
        if sections.len() > MAX_PROBES {
            section.error("probes", format!("a site looks at {MAX_PROBES} things at most"));
            return Self::default();
        }
        let list = sections.iter().filter_map(|(_, section)| Probe::read(section)).collect();
        let identity = section.value("probes").map(|v| v.to_json().to_string());
        Self { list, identity: identity.unwrap_or_default(), refused: Vec::new() }
    }

    /// Takes them away from a host that is no site.
    pub(crate) fn refuse(&mut self) {
        let names = self.list.iter().map(|probe| format!("{}/{}", probe.host, probe.name));
        let refused = names.collect();
        *self = Self { refused, ..Self::default() };
    }

    /// Returns the names of those that are not looked at.
    pub(crate) fn refused(&self) -> &[String] {
        &self.refused
    }

    /// Returns them.
    pub(crate) fn list(&self) -> Arc<[Probe]> {
        Arc::clone(&self.list)
    }

    /// Returns true if there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns true if the settings differ.
    pub(crate) fn is_other_than(&self, other: &Self) -> bool {
        self.identity != other.identity || self.list.len() != other.list.len()
    }
}

/// What the thread is told while it works.
#[derive(Debug)]
pub(crate) enum ToSite {
    /// Other probes: those that are unchanged go on as they are.
    Probes(Arc<[Probe]>),
    /// Somebody wants to know now: the probes of this host, or one of them.
    Now {
        /// Of which host.
        host: HostName,
        /// Which; all if none is named.
        check: Option<CheckName>,
    },
}

/// The thread at work; it ends with this.
#[derive(Debug)]
pub(crate) struct SiteThread {
    /// Dropping it ends the thread.
    inbox: Option<Sender<ToSite>>,
    thread: Option<JoinHandle<()>>,
}

impl SiteThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread or descriptor left.
    pub(crate) fn start(
        probes: &Probes,
        uplink: &[Arc<dyn Check>],
        inlet: Inlet,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (inbox, told) = tokio::sync::mpsc::channel(INBOX);
        let mut driver = Driver::new(uplink, inlet);
        driver.configure(&probes.list);
        let run = move || runtime.block_on(driver.run(told));
        let thread =
            std::thread::Builder::new().name("hark-site".into()).stack_size(STACK).spawn(run)?;
        Ok(Self { inbox: Some(inbox), thread: Some(thread) })
    }

    /// Tells the thread something. Returns false if it is behind or has ended.
    pub(crate) fn tell(&self, told: ToSite) -> bool {
        self.inbox.as_ref().is_some_and(|inbox| inbox.try_send(told).is_ok())
    }
}

impl Drop for SiteThread {
    fn drop(&mut self) {
        drop(self.inbox.take());
        // It ends at once: what it looks at is given up.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of a site ended by a fault of ours");
        }
    }
}

#[cfg(test)]
mod tests;
