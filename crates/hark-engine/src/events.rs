//! Things that happened on a host: journalled, and told where a route says so.
//!
//! Messages go to the routes that name no events; boots and the rest are told only where a route
//! names them. Where no route is configured, warnings and worse of every kind are told to all.

use std::collections::{BTreeMap, BTreeSet};

use hark_model::record::JournalKind;
use hark_model::{
    Event, EventKind, HostId, Notification, Now, Reason, ReceiverName, RouteName, Severity, Status,
    Tag,
};

use crate::decide::mix;
use crate::due::is_open;
use crate::effect::{Changed, Effect, Effects};
use crate::engine::{About, Engine};
use crate::host::Host;
use crate::matching::{self, Subject};
use crate::plan::route::{GRAVE, RouteMatch, routes_for};
use crate::times::Times;

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
        let text = format!("{}: {}", event.kind.word(), event.text);
        fx.journal(now, About::host(id), JournalKind::Event, text);
        fx.effects.push(Effect::Changed(Changed::Host(id)));
        if !self.plan.notify {
            return;
        }
        for receiver in self.event_receivers(id, event) {
            if self.event_silenced(id, event) {
                let text = format!("silence: {}: {}", event.kind.word(), event.text);
                let about = About::host(id).receiver(&receiver);
                fx.journal(now, about, JournalKind::Withheld, text);
                continue;
            }
            self.tell_event(id, event, &receiver, now, fx);
        }
    }

    /// Returns who is told about an event.
    pub(crate) fn event_receivers(&self, id: HostId, event: &Event) -> BTreeSet<ReceiverName> {
        let Some(host) = self.hosts.get(id) else { return BTreeSet::new() };
        self.told_of_event(host.name.as_str(), host.tags(), event, &self.times)
            .into_keys()
            .collect()
    }

    /// Returns the tags of a host, known or not.
    pub(crate) fn tags_of(&self, host: &str) -> &[Tag] {
        let known = self.hosts.id(host).and_then(|id| self.hosts.get(id)).map(Host::tags);
        known.unwrap_or_else(|| self.plan.host(host).tags.as_slice())
    }

    /// Returns who is told about an event, each with the first route that leads there.
    pub(crate) fn told_of_event(
        &self,
        host: &str,
        tags: &[Tag],
        event: &Event,
        times: &Times,
    ) -> BTreeMap<ReceiverName, RouteName> {
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
        let mut told = BTreeMap::new();
        for route in routes_for(&self.plan.routes, &enters, &tells) {
            // Nobody asked for grave events, so at least each receiver's own filter is asked.
            let asked = named(&route.matches) || message(&route.matches);
            for target in &route.to {
                for (receiver, _) in self.reached(target, host, times) {
                    let least = self.plan.receivers.get(&receiver).map(|plan| plan.severity);
                    if asked || least.is_none_or(|least| event.severity >= least) {
                        told.entry(receiver).or_insert_with(|| route.name.clone());
                    }
                }
            }
        }
        told
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
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(host) = self.hosts.get(id) else { return };
        let name = host.name.clone();
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
            detail: String::new(),
            since: event.at,
            at: now.unix,
            sequence: 0,
            reference: None,
            document: None,
            taken_by: None,
        };
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

/// A number that differs for different kinds and texts; the same on every run.
fn digest(event: &Event) -> u64 {
    let bytes = event.kind.word().bytes().chain([0]).chain(event.text.bytes());
    bytes.fold(0, |sum, byte| mix(sum, u64::from(byte) + 1))
}
