//! What status pages say, kept: how things are is asked of the engine at most once a second for each page,
//! what was is read at most once a minute, and only while somebody looks.
//!
//! ```text
//! engine -> members of components, without names ─┐
//! state  -> incidents, planned work (a connection of its own) ─┼─> hark_status::View -> kept
//! state  -> what was published ───────────────────┘
//! ```
//!
//! If the engine or the state cannot be asked, the page says what it said last, and when that was.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use hark_engine::{Engine, HostState};

use hark_engine::view::HostView;
use hark_model::record::Matcher;
use hark_model::time::{Clock, Mono};
use hark_model::{CheckName, HostId, HostName, Tag, Unix};
use hark_report::Span;
use hark_status::{ComponentFacts, Condition, Facts, Incident, Member, Page, Trouble, View};
use hark_store::state::{PublicIncidentRecord as Stored, StateReader};

use crate::config::StatusPlan;
use crate::server::links::Links;
use crate::server::reports::gather::{incidents, planned_work};
use crate::server::store_loop::chain;

/// How long what a page says is good: people look at it again and again while something is wrong.
const FRESH: Duration = Duration::from_secs(1);

/// How long what was is good, unless something changed.
const PAST_FRESH: Duration = Duration::from_mins(1);

/// What was is not read for more than one part in so many of the time.
const SHARE: u32 = 20;

/// What is kept for every page.
#[derive(Debug)]
pub(crate) struct StatusDesk {
    reader: Mutex<StateReader>,
    pages: Mutex<BTreeMap<String, Arc<Mutex<Option<Kept>>>>>,
}

/// What is kept for a page.
#[derive(Debug)]
struct Kept {
    /// By which configuration it was made.
    plan: Arc<StatusPlan>,
    /// When, or nothing if it is to be made anew.
    at: Option<Mono>,
    view: Arc<View>,
    past: Past,
    past_at: Mono,
    /// How the members were when the past was read.
    conditions: Vec<Vec<Condition>>,
}

/// What was the matter with members.
#[derive(Debug, Default)]
struct Past {
    troubles: BTreeMap<(HostId, CheckName), Vec<Trouble>>,
    planned: BTreeMap<HostId, Vec<Span>>,
    took: Duration,
}

/// A member as the engine has it.
#[derive(Debug)]
struct Seen {
    host: HostId,
    check: CheckName,
    now: Condition,
    since: Unix,
}

/// A host that is a member, or has one.
#[derive(Debug)]
struct Involved {
    name: HostName,
    tags: Vec<Tag>,
}

impl StatusDesk {
    /// Makes one that reads what was through `reader`.
    pub(crate) fn new(reader: StateReader) -> Self {
        Self { reader: Mutex::new(reader), pages: Mutex::default() }
    }

    /// Returns what `page` says. What it said before is good for a second; what cannot be made anew is what it
    /// said last.
    ///
    /// # Errors
    /// If it was never made, and cannot be.
    pub(super) fn view(
        &self,
        links: &Links,
        plan: &Arc<StatusPlan>,
        page: &Page,
    ) -> anyhow::Result<Arc<View>> {
        let kept = {
            let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            pages.retain(|slug, _| plan.page(slug).is_some());
            Arc::clone(pages.entry(page.slug.clone()).or_default())
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Clock.now();
        // What was made by another configuration may tell what this one does not give away.
        let mut before = kept.take().filter(|kept| Arc::ptr_eq(&kept.plan, plan));
        let is_fresh = |kept: &Kept| kept.at.is_some_and(|at| now.mono.since(at) < FRESH);
        let made = match before.take_if(|kept| is_fresh(kept)) {
            Some(fresh) => fresh,
            None => match (self.make(links, plan, page, &mut before), before) {
                (Ok(made), _) => made,
                (Err(error), None) => return Err(error),
                (Err(error), Some(last)) => {
                    tracing::warn!(page = page.slug, %error, "a status page says what it said last");
                    Kept { at: Some(now.mono), ..last }
                }
            },
        };
        let view = Arc::clone(&made.view);
        *kept = Some(made);
        Ok(view)
    }

    /// Has the page be made anew when it is asked for next: something was published.
    pub(super) fn published(&self, slug: &str) {
        let kept = {
            let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
            pages.get(slug).map(Arc::clone)
        };
        if let Some(kept) = kept
            && let Some(kept) = &mut *kept.lock().unwrap_or_else(PoisonError::into_inner)
        {
            kept.at = None;
        }
    }

    /// Makes what `page` says of the newest. What was read for `before` is used again as long as it is good; if
    /// this fails, it is left there.
    fn make(
        &self,
        links: &Links,
        plan: &Arc<StatusPlan>,
        page: &Page,
        before: &mut Option<Kept>,
    ) -> anyhow::Result<Kept> {
        let now = Clock.now();
        let matchers: Vec<Matcher> =
            page.components.iter().map(|component| component.matcher.clone()).collect();
        let looked = links.ask(move |engine| look(engine, &matchers));
        let (seen, involved) = looked.ok_or_else(|| anyhow!("the server is ending"))?;
        let conditions: Vec<Vec<Condition>> =
            seen.iter().map(|members| members.iter().map(|member| member.now).collect()).collect();
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = reader.public_incidents(&page.slug).map_err(|error| anyhow!(chain(&error)))?;
        let published: Vec<Incident> = stored.into_iter().filter_map(published).collect();
        let is_good = |kept: &mut Kept| {
            let least = kept.past.took * SHARE;
            let age = now.mono.since(kept.past_at);
            age < least || (age < PAST_FRESH && kept.conditions == conditions)
        };
        let (past, past_at, conditions) = match before.take_if(is_good) {
            Some(kept) => (kept.past, kept.past_at, kept.conditions),
            None => (Past::read(&reader, page, &involved, now.unix)?, now.mono, conditions),
        };
        let facts = Facts { components: seen.iter().map(|members| past.facts(members)).collect() };
        let view = Arc::new(View::make(page, &facts, &published, now.unix));
        let plan = Arc::clone(plan);
        Ok(Kept { plan, at: Some(now.mono), view, past, past_at, conditions })
    }
}

impl Past {
    /// Reads what was the matter with hosts in the days of `page`.
    fn read(
        reader: &StateReader,
        page: &Page,
        involved: &BTreeMap<HostId, Involved>,
        now: Unix,
    ) -> anyhow::Result<Self> {
        let began = Clock.now().mono;
        // A day more: the first one begins at midnight.
        let length = Duration::from_hours(24) * (page.days + 1);
        let period = Span { from: now - length, until: now };
        let silences = reader.silences().map_err(|error| anyhow!(chain(&error)))?;
        let mut past = Self::default();
        for (host, records) in incidents(reader, period)? {
            if !involved.contains_key(&host) {
                continue;
            }
            for record in records {
                let trouble =
                    Trouble { from: record.since, until: record.resolved_at, peak: record.peak };
                past.troubles.entry((host, record.check)).or_default().push(trouble);
            }
        }
        for (id, host) in involved {
            let work = planned_work(reader, &silences, (*id, &host.name, &host.tags), period)?;
            if !work.is_empty() {
                past.planned.insert(*id, work);
            }
        }
        past.took = Clock.now().mono.since(began);
        Ok(past)
    }

    fn facts(&self, members: &[Seen]) -> ComponentFacts {
        let member = |seen: &Seen| Member {
            now: seen.now,
            since: seen.since,
            troubles: self
                .troubles
                .get(&(seen.host, seen.check.clone()))
                .cloned()
                .unwrap_or_default(),
            planned: self.planned.get(&seen.host).cloned().unwrap_or_default(),
        };
        ComponentFacts { members: members.iter().map(member).collect() }
    }
}

/// Returns the members of each component, and the hosts that they are on.
fn look(engine: &Engine, matchers: &[Matcher]) -> (Vec<Vec<Seen>>, BTreeMap<HostId, Involved>) {
    let mut all: Vec<Vec<Seen>> = matchers.iter().map(|_| Vec::new()).collect();
    let mut involved = BTreeMap::new();
    for host in engine.hosts() {
        let (name, tags) = (host.name(), host.tags());
        for (matcher, members) in matchers.iter().zip(&mut all) {
            if !hark_engine::covers_host(matcher, name.as_str(), tags) {
                continue;
            }
            let before = members.len();
            members.extend(seen(host, matcher));
            if members.len() > before {
                involved
                    .entry(host.id())
                    .or_insert_with(|| Involved { name: name.clone(), tags: tags.to_vec() });
            }
        }
    }
    (all, involved)
}

/// Returns what of a host belongs to a component: whether it is up, or those of its checks that are named.
fn seen<'a>(host: HostView<'a>, matcher: &'a Matcher) -> impl Iterator<Item = Seen> + 'a {
    let is_planned = host.state() == HostState::Maintenance;
    let is_meant = move |name: &CheckName| {
        if matcher.checks.is_empty() {
            return name.is_host();
        }
        hark_engine::covers_check(matcher, host.name().as_str(), host.tags(), name.as_str())
    };
    host.checks().filter(move |check| is_meant(check.name())).map(move |check| Seen {
        host: host.id(),
        check: check.name().clone(),
        now: if is_planned { Condition::Planned } else { Condition::of(check.hard()) },
        since: host.first_seen(),
    })
}

/// Reads what was published. What a newer program has written stays where it is, unseen.
pub(crate) fn published(stored: Stored) -> Option<Incident> {
    super::status_pages::read(stored).map(super::status_pages::incident)
}
