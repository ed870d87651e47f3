//! What is said about names in DNS: to the engine, as events of hosts, and to people who ask.

use hark_api::Timestamp;
use hark_api::dns::{Dns, DnsName, DnsZone};
use hark_dns::{Checked, Machine, NameView, Said};
use hark_engine::input::Input;
use hark_model::time::Clock;
use hark_model::{Event, EventKind, Severity};

use crate::server::links::Links;
use crate::server::messages::ToEngine;

/// Makes an event of the host of what changed; of a host that is gone, a line of the program's log.
pub(super) fn say(links: &Links, said: &Said) {
    let Said { host, is_failure, text } = said;
    if *is_failure {
        tracing::warn!(%host, "{text}");
    } else {
        tracing::info!(%host, "{text}");
    }
    let Some(number) = links.hosts.number(host) else { return };
    let mut text = text.clone();
    text.truncate(text.floor_char_boundary(Event::MAX_TEXT));
    let event = Event {
        at: Clock.now().unix,
        kind: EventKind::Other("dns".to_owned()),
        severity: if *is_failure { Severity::Warning } else { Severity::Info },
        text,
        tags: vec!["dns".to_owned()],
        data: None,
    };
    if links.engine.send(ToEngine::Input(Input::Event { host: number, event })).is_err() {
        tracing::debug!("the engine has ended");
    }
}

/// Returns all names and zones as the API shows them.
pub(super) fn list(machine: &Machine) -> Dns {
    let zone = |zone: hark_dns::ZoneView| DnsZone {
        zone: zone.zone.to_string(),
        way: zone.kind.to_owned(),
        target: zone.target,
        names: zone.names as u64,
        attempts: zone.attempts,
        error: zone.error,
        stopped: zone.stopped,
    };
    Dns {
        names: machine.views().into_iter().map(name).collect(),
        zones: machine.zones().into_iter().map(zone).collect(),
    }
}

fn name(view: NameView) -> DnsName {
    let state = state(&view);
    DnsName {
        name: view.name.to_string(),
        host: view.host.to_string(),
        zone: view.zone.to_string(),
        state: state.to_owned(),
        wanted: view.wanted.texts(),
        published: view.published.texts(),
        verified_at: match view.checked {
            Checked::Right(at) => Some(Timestamp(at)),
            Checked::NotYet | Checked::Differs | Checked::Unanswered => None,
        },
        error: view.error.or(view.note),
        next_try_at: view.held_until.or(view.next_try).map(Timestamp),
    }
}

fn state(view: &NameView) -> &'static str {
    if view.withheld {
        "withheld"
    } else if view.stopped {
        "stopped"
    } else if view.error.is_some() {
        "failing"
    } else if view.held_until.is_some() {
        "held"
    } else if view.wanted != view.published {
        "waiting"
    } else if view.published.is_empty() {
        "unknown"
    } else if matches!(view.checked, Checked::Right(_)) {
        "published"
    } else {
        "unseen"
    }
}
