//! Hosts that somebody dropped, for as long as that can be undone.
//!
//! A dropped host is gone from everything that watches and tells, at once and also for the store; what is kept of it is
//! kept here, and whoever drives the engine remembers it for the next start. Undoing gives back the host under its number, with its
//! history, facts and the tags that it joined with. Its checks begin anew: what is believed must be seen again, and the
//! incidents that ended with the host stay ended.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_model::record::{HostRecord, JournalKind, Record};
use hark_model::{HostName, Now, Unix, UserName};

use crate::effect::{Changed, Done, Effect, Effects, Refused};
use crate::engine::{About, Engine};
use crate::host::Host;
use crate::incident::REPLACED;
use crate::moment::Moment;
use crate::timers::Timer;
use crate::view::HostView;

/// How long dropping a host can be undone: whoever finds out that it was the wrong one does so within the hour.
const KEPT: Duration = Duration::from_hours(1);

/// How many are kept, the newest: each holds the facts of a host, and its samples stay on the disk.
const MOST: usize = 1000;

/// What is to be remembered of one over a restart.
#[derive(Clone, Debug, PartialEq)]
pub struct DroppedHost {
    /// As it was.
    pub host: HostRecord,
    /// Who dropped it.
    pub by: UserName,
    /// When.
    pub at: Unix,
    /// Until when that can be undone.
    pub until: Unix,
}

/// One of them.
#[derive(Debug)]
struct Dropped {
    /// Without checks and incidents.
    host: Box<Host>,
    by: UserName,
    at: Unix,
    until: Moment,
}

/// Those that can come back, by name: the newest of a name.
#[derive(Debug)]
pub(crate) struct Bin {
    hosts: BTreeMap<HostName, Dropped>,
    armed: Moment,
}

impl Default for Bin {
    fn default() -> Self {
        Self { hosts: BTreeMap::new(), armed: Moment::NEVER }
    }
}

impl Bin {
    fn oldest(&self) -> Option<(&HostName, &Dropped)> {
        self.hosts.iter().min_by_key(|(_, dropped)| dropped.until)
    }
}

/// A host that was dropped and can come back.
#[derive(Clone, Copy, Debug)]
pub struct DroppedView<'a> {
    /// As it was; it has no checks and no incidents.
    pub host: HostView<'a>,
    /// Who dropped it.
    pub by: &'a UserName,
    /// When.
    pub at: Unix,
    /// Until when that can be undone.
    pub until: Unix,
    /// Its agent was heard again: a host of its name is there, which it takes the place of.
    pub is_back: bool,
}

impl Engine {
    /// Returns the hosts that were dropped and can come back, by name.
    pub fn dropped(&self, now: Now) -> impl Iterator<Item = DroppedView<'_>> {
        self.bin.hosts.iter().map(move |(name, dropped)| DroppedView {
            host: HostView { engine: self, host: &dropped.host },
            by: &dropped.by,
            at: dropped.at,
            until: dropped.until.unix(now),
            is_back: self.hosts.id(name.as_str()).is_some(),
        })
    }

    /// Keeps a host that was dropped just now. One of its name that was dropped earlier goes for good.
    pub(crate) fn keep_dropped(
        &mut self,
        host: Box<Host>,
        by: &UserName,
        now: Now,
        fx: &mut Effects,
    ) {
        let until = Moment::of(now) + KEPT;
        fx.effects.push(Effect::Dropped(Box::new(DroppedHost {
            host: host.record(),
            by: by.clone(),
            at: now.unix,
            until: now.unix + KEPT,
        })));
        self.put_dropped(Dropped { host, by: by.clone(), at: now.unix, until }, fx);
    }

    /// Takes what was remembered over a restart. One whose time is over by now is let go at the first look; a wall clock
    /// that was set back keeps none longer than it ever is.
    pub fn remember_dropped(
        &mut self,
        mut remembered: Vec<DroppedHost>,
        now: Now,
        fx: &mut Effects,
    ) {
        // Of one name the newest stays.
        remembered.sort_by_key(|dropped| (dropped.until, dropped.host.id));
        for DroppedHost { host, by, at, until } in remembered {
            let host = Box::new(self.host_of(host, now));
            let until = Moment::of(now) + until.since(now.unix).min(KEPT);
            self.put_dropped(Dropped { host, by, at, until }, fx);
        }
    }

    fn put_dropped(&mut self, dropped: Dropped, fx: &mut Effects) {
        let former = self.bin.hosts.insert(dropped.host.name.clone(), dropped);
        forget(former, fx);
        if self.bin.hosts.len() > MOST {
            let oldest = self.bin.oldest().map(|(name, _)| name.clone());
            forget(oldest.and_then(|name| self.bin.hosts.remove(&name)), fx);
        }
        self.arm_bin();
    }

    fn arm_bin(&mut self) {
        if let Some(until) = self.bin.oldest().map(|(_, dropped)| dropped.until) {
            self.timers.arm(&mut self.bin.armed, until, Timer::Dropped);
        }
    }

    /// Lets go of those whose time is over.
    pub(crate) fn look_at_dropped(&mut self, due: Moment, now: Now, fx: &mut Effects) {
        if self.bin.armed != due {
            return;
        }
        self.bin.armed = Moment::NEVER;
        let moment = Moment::of(now);
        let over = self.bin.hosts.extract_if(.., |_, dropped| dropped.until <= moment);
        over.for_each(|(_, dropped)| forget(Some(dropped), fx));
        self.arm_bin();
    }

    /// Gives back a host that was dropped. Whatever was heard under its name meanwhile makes way for it.
    pub(crate) fn restore_dropped(
        &mut self,
        name: &HostName,
        by: &UserName,
        now: Now,
        fx: &mut Effects,
    ) -> Result<Done, Refused> {
        let Dropped { mut host, .. } = self.bin.hosts.remove(name).ok_or(Refused::NotFound)?;
        let newcomer = self.hosts.id(name.as_str());
        let newcomer = newcomer.and_then(|newcomer| self.drop_host(newcomer, REPLACED, now, fx));
        if let Some(newcomer) = newcomer {
            host.take_over(&newcomer);
            fx.effects.push(Effect::HostForgotten { host: newcomer.id });
        }
        let id = host.id;
        let plan = self.plan.host_with_tags(name.as_str(), host.joined_tags(), &mut self.tagged);
        host.replace_plan(plan);
        self.counts.add(host.state);
        self.hosts.insert(*host);
        self.add_declared(id, now);
        self.relink();
        self.refresh(id, fx);
        fx.effects.push(Effect::DroppedBack { host: id });
        let text = format!("{by} undid the dropping of the host {name}");
        fx.journal(now, About::host(id), JournalKind::Operator, text);
        if let Some(host) = self.hosts.get(id) {
            fx.records.push(Record::Host(host.record()));
        }
        fx.effects.push(Effect::HostLearned { host: id, name: name.clone() });
        fx.effects.push(Effect::Changed(Changed::Host(id)));
        if let Some(next) = self.host_deadline(id, now) {
            self.arm_host(id, next);
        }
        Ok(Done::Host(id))
    }
}

/// Nothing of it can come back: what history has of it goes, too.
fn forget(dropped: Option<Dropped>, fx: &mut Effects) {
    if let Some(Dropped { host, .. }) = dropped {
        fx.effects.push(Effect::HostForgotten { host: host.id });
    }
}
