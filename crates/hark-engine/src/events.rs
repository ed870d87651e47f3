//! Things that happened on a host: journalled, and told where a route says so.
//!
//! Messages go to the routes that name no events; boots and the rest are told only where a route
//! names them. Where no route is configured, warnings and worse of every kind are told to all.

use std::collections::BTreeMap;

use hark_model::record::JournalKind;
use hark_model::{
    Document, Event, EventKind, HostId, Notification, Now, Reason, ReceiverName, RouteName,
    Severity, Status, Tag, Unix, UserName,
};

use crate::decide::{Block, mix};
use crate::due::is_open;
use crate::effect::{Changed, Effect, Effects};
use crate::engine::{About, Engine};
use crate::host::Host;
use crate::matching::{self, Subject};
use crate::message::{clock, kept_line};
use crate::plan::Hours;
use crate::plan::route::{GRAVE, RouteMatch, routes_for};
use crate::times::Times;

/// So many openings and closings of hours are looked at: those of two people who never work at the same
/// time come to no end.
const MAX_TURNS: usize = 64;

/// How a receiver hears of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventDue {
    /// The route.
    pub(crate) route: RouteName,
    /// What keeps it back; `None`: it is told at once.
    pub(crate) kept: Option<Kept>,
}

impl EventDue {
    fn is_sooner_than(&self, other: &Self) -> bool {
        let at = |due: &Self| match &due.kept {
            None => Unix(i64::MIN),
            Some(kept) => kept.until.unwrap_or(Unix(i64::MAX)),
        };
        at(self) < at(other)
    }
}

/// Hours that keep an event back (6.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Whose, in words.
    pub(crate) text: String,
    /// Until when; `None` if they never open.
    pub(crate) until: Option<Unix>,
}

/// So many events of a host are remembered, to know a second copy of one.
const REMEMBERED: usize = 16;

impl Engine {
    pub(crate) fn event(&mut self, id: HostId, event: &Event, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let print = (event.at, digest(event));
        if host.events.contains(&print) {
            return;
        }
        if host.events.len() >= REMEMBERED {
            host.events.remove(0);
        }
        host.events.push(print);
        let data = event.data.as_ref().map_or(String::new(), |data| format!(" {data}"));
        let text = format!("{}: {}{data}", event.kind.word(), event.text);
        fx.journal(now, About::host(id), JournalKind::Event, text);
        fx.effects.push(Effect::Changed(Changed::Host(id)));
        if event.kind == EventKind::Shutdown {
            self.agent_ended(id, event.at, now, fx);
        }
        if !self.plan.notify {
            return;
        }
        for (receiver, due) in self.event_receivers(id, event) {
            if self.event_silenced(id, event) {
                let text = format!("silence: {}: {}", event.kind.word(), event.text);
                let about = About::host(id).receiver(&receiver);
                fx.journal(now, about, JournalKind::Withheld, text);
                continue;
            }
            self.tell_event(id, event, &receiver, due.kept, now, fx);
        }
    }

    /// Returns who is told about an event.
    fn event_receivers(&self, id: HostId, event: &Event) -> BTreeMap<ReceiverName, EventDue> {
        let Some(host) = self.hosts.get(id) else { return BTreeMap::new() };
        self.told_of_event(host.name.as_str(), host.tags(), event, &self.times)
    }

    /// Returns the tags of a host, known or not.
    pub(crate) fn tags_of(&self, host: &str) -> &[Tag] {
        let known = self.hosts.id(host).and_then(|id| self.hosts.get(id)).map(Host::tags);
        known.unwrap_or_else(|| self.plan.host(host).tags.as_slice())
    }

    /// Returns who is told about an event, each with the first route that leads there, or the first
    /// whose hours let it through.
    pub(crate) fn told_of_event(
        &self,
        host: &str,
        tags: &[Tag],
        event: &Event,
        times: &Times,
    ) -> BTreeMap<ReceiverName, EventDue> {
        let subject = Subject { host, check: None, tags, severity: Some(event.severity) };
        let named = |matches: &RouteMatch| matches.events.contains(&event.kind);
        let message =
            |matches: &RouteMatch| matches.events.is_empty() && event.kind == EventKind::Message;
        let grave = |matches: &RouteMatch| matches.grave_events && event.severity >= GRAVE;
        let enters = |matches: &RouteMatch| {
            // A route that wants bad things only still wants what a person writes.
            let subject =
                if message(matches) { Subject { severity: None, ..subject } } else { subject };
            (matches.events.is_empty() || named(matches))
                && is_open(matches, times)
                && matching::routes(matches, subject)
        };
        let tells = |matches: &RouteMatch| named(matches) || message(matches) || grave(matches);
        let mut told: BTreeMap<ReceiverName, EventDue> = BTreeMap::new();
        for route in routes_for(&self.plan.routes, &enters, &tells) {
            // Nobody asked for grave events, so at least each receiver's own filter is asked.
            let asked = named(&route.matches) || message(&route.matches);
            for target in &route.to {
                for (receiver, person) in self.reached(target, host, times) {
                    let least = self.plan.receivers.get(&receiver).map(|plan| plan.severity);
                    if !asked && least.is_some_and(|least| event.severity < least) {
                        continue;
                    }
                    let kept = self.kept_for_hours(&receiver, person.as_ref(), event, times);
                    let due = EventDue { route: route.name.clone(), kept };
                    match told.get(&receiver) {
                        Some(known) if !due.is_sooner_than(known) => {}
                        Some(_) | None => drop(told.insert(receiver, due)),
                    }
                }
            }
        }
        told
    }

    /// Returns whose hours keep an event back, and until when.
    fn kept_for_hours(
        &self,
        receiver: &ReceiverName,
        person: Option<&UserName>,
        event: &Event,
        times: &Times,
    ) -> Option<Kept> {
        let of_receiver = self.plan.receivers.get(receiver).and_then(|plan| plan.hours.as_ref());
        let user = person.and_then(|user| self.plan.people.persons.get(user));
        let of_user = user.and_then(|user| user.hours.as_ref());
        let hours: Vec<(&Hours, &str)> = of_receiver
            .map(|hours| (hours, receiver.as_str()))
            .into_iter()
            .chain(of_user.zip(person.map(UserName::as_str)))
            .filter(|(hours, _)| hours.except.is_none_or(|least| event.severity < least))
            .collect();
        let closed = |(hours, _): &&(&Hours, &str)| times.is_closed(hours, event.severity);
        let (Hours { period, .. }, whose) = hours.iter().find(closed)?;
        let until = times.looked_at().and_then(|at| self.all_open(&hours, at));
        let opens = until.map_or("never opens".to_owned(), |at| format!("opens {}", clock(at)));
        Some(Kept { text: format!("outside the hours of {whose}: `{period}` {opens}"), until })
    }

    /// Returns when all of these hours are open at once; `None` if that is nowhere near.
    fn all_open(&self, hours: &[(&Hours, &str)], at: Unix) -> Option<Unix> {
        let mut at = at;
        for _ in 0..MAX_TURNS {
            let closed = hours.iter().find_map(|(hours, _)| {
                let window = self.plan.people.periods.get(&hours.period)?;
                (!window.contains(at)).then_some(window)
            });
            match closed {
                Some(window) => at = window.next_change(at)?,
                None => return Some(at),
            }
        }
        None
    }

    fn event_silenced(&self, id: HostId, event: &Event) -> bool {
        let Some(host) = self.hosts.get(id) else { return false };
        let subject = Subject {
            host: host.name.as_str(),
            check: None,
            tags: host.tags(),
            severity: Some(event.severity),
        };
        self.silences.values().any(|silence| {
            silence.active
                && silence.record.matcher.checks.is_empty()
                && matching::covers(&silence.record.matcher, subject)
        })
    }

    fn tell_event(
        &mut self,
        id: HostId,
        event: &Event,
        receiver: &ReceiverName,
        kept: Option<Kept>,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(host) = self.hosts.get(id) else { return };
        let name = host.name.clone();
        if let Some(kept) = &kept {
            let (kind, said, why) = (event.kind.word(), &event.text, &kept.text);
            let text = format!("{}: {kind}: {said}: {why}", Block::Hours.word());
            fx.journal(now, About::host(id).receiver(receiver), JournalKind::Withheld, text);
            if kept.until.is_none() {
                return;
            }
        }
        let delivery = self.next_delivery();
        let summary = format!("{}: {name} - {}", event.kind.word().to_uppercase(), event.text);
        let text = format!("{receiver}: {summary}");
        let notification = Notification {
            id: delivery,
            key: format!("event/{}/{}/{:x}/{receiver}", id.0, event.at.0, digest(event)),
            receiver: receiver.clone(),
            reason: Reason::Event,
            incident: None,
            host: name,
            check: None,
            severity: event.severity,
            was: None,
            status: status_of(event.severity),
            summary,
            detail: kept.as_ref().map(|_| kept_line(now.unix)).unwrap_or_default(),
            since: event.at,
            at: now.unix,
            sequence: 0,
            reference: None,
            document: event
                .data
                .clone()
                .map(|json| Box::new(Document { html: String::new(), json })),
            taken_by: None,
        };
        if let Some(at) = kept.and_then(|kept| kept.until) {
            self.put_for_later(notification, at, fx);
            return;
        }
        self.put(notification, fx);
        fx.journal(now, About::host(id).receiver(receiver), JournalKind::Told, text);
    }
}

fn status_of(severity: Severity) -> Status {
    match severity {
        Severity::Info => Status::Ok,
        Severity::Unknown => Status::Unknown,
        Severity::Warning => Status::Warning,
        Severity::Critical => Status::Critical,
    }
}

/// A number that differs for different kinds, texts and data; the same on every run.
fn digest(event: &Event) -> u64 {
    let data = event.data.iter().flat_map(|data| [0].into_iter().chain(data.bytes()));
    let bytes = event.kind.word().bytes().chain([0]).chain(event.text.bytes()).chain(data);
    bytes.fold(0, |sum, byte| mix(sum, u64::from(byte) + 1))
}
