//! The section `hosts`, and what of `checks` concerns the engine.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hark_calendar::ActiveWindow;
use hark_config::{Bare, Key, Kind, Section, Span};
use hark_model::{CheckName, HostName, ProfileName, Tag, UserName};

use super::{Catalogue, Places, pushes, repairs, thresholds};
use crate::plan::threshold::{ConfirmRule, OnStale};
use crate::plan::{CheckPlan, Draft, HostDraft, Layer, Place, ThresholdLayer};

/// The keys of a host. `owner`, `managers` and `monitors` say who may do what with it: the engine keeps them
/// and tells the owner, the rest is for whoever is asked to do something.
pub const HOST_KEYS: &[Key] = &[
    Key::new(
        "address",
        Kind::OneOrMany(&Kind::Text),
        "Where it is; of two, one is of IPv4 and one of IPv6. By default its name is looked up.",
    ),
    Key::new(
        "parents",
        Kind::List(&Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)])),
        "Hosts in front of it, all needed; of an inner list one suffices.",
    ),
    Key::new("tags", Kind::OneOrMany(&Kind::Text), "Words to match on, such as `role:db`."),
    Key::new(
        "threshold_config",
        Kind::OneOrMany(&Kind::Text),
        "Profiles, from left to right; later ones lie on top.",
    ),
    Key::new(
        "thresholds",
        Kind::Any,
        "Limits of this host alone; they lie on top of its profiles.",
    ),
    Key::new(
        "owner",
        Kind::Text,
        "User whose it is: may do all with it; by default `default_owner`.",
    ),
    Key::new(
        "managers",
        Kind::OneOrMany(&Kind::Text),
        "Users who may see it and act on it: acknowledge, comment, silence, look now.",
    ),
    Key::new("monitors", Kind::OneOrMany(&Kind::Text), "Users who may see it."),
];

pub(super) fn read(
    root: &Section<'_>,
    catalogue: Catalogue<'_>,
    draft: &mut Draft,
    places: &mut Places,
) {
    draft.default_owner = root.parse("default_owner", UserName::new);
    for (key, section) in root.children("hosts") {
        let name = match HostName::new(key.value) {
            Ok(name) => name,
            Err(error) => {
                root.diagnostics().error(key.span, error.to_string());
                continue;
            }
        };
        places.insert(Place::Host(name.clone()), key.span);
        let addresses = read_addresses(&section);
        let mut host = HostDraft {
            parents: read_parents(&section, &name, places),
            tags: values(section.parse_many("tags", Tag::new)),
            owner: section.parse("owner", UserName::new),
            managers: values(section.parse_many("managers", UserName::new)),
            monitors: values(section.parse_many("monitors", UserName::new)),
            profiles: Vec::new(),
            limits: ThresholdLayer::new(),
            address: addresses.first().copied(),
            other_address: addresses.get(1).copied(),
        };
        for profile in section.parse_many("threshold_config", ProfileName::new) {
            places.insert(Place::HostProfile(name.clone(), profile.value.clone()), profile.span);
            host.profiles.push(profile.value);
        }
        if let Some(tree) = section.value("thresholds") {
            let of = Layer::Host(name.clone());
            host.limits = thresholds::read_tree(&tree, &of, catalogue, places);
        }
        section.finish(HOST_KEYS);
        draft.hosts.insert(name, host);
    }
}

fn values<T>(spanned: Vec<hark_config::Spanned<T>>) -> Vec<T> {
    spanned.into_iter().map(|item| item.value).collect()
}

/// Reads an address, or one of each family.
fn read_addresses(section: &Section<'_>) -> Vec<IpAddr> {
    let read = section.parse_many("address", |text| {
        text.parse::<IpAddr>().map_err(|_| "an address such as 192.0.2.7 was expected")
    });
    let addresses = values(read);
    let of_four = addresses.iter().filter(|address| address.is_ipv4()).count();
    if of_four > 1 || addresses.len() - of_four > 1 {
        section.error("address", "a host has at most one address of IPv4 and one of IPv6");
    }
    addresses
}

fn read_parents(section: &Section<'_>, host: &HostName, places: &mut Places) -> Vec<Vec<HostName>> {
    let mut groups = Vec::new();
    for item in section.one_or_many("parents") {
        let mut group = Vec::new();
        for value in item.one_or_many() {
            if let Some(parent) = value.parse(HostName::new) {
                places.insert(Place::Parent(host.clone(), parent.clone()), value.span());
                group.push(parent);
            }
        }
        if !group.is_empty() {
            groups.push(group);
        }
    }
    groups
}

/// Bound on attempts: more would only be a wait in disguise.
const MAX_ATTEMPTS: u64 = 100;

/// Reads what of the checks concerns the engine. What is wrong with a name or a time is reported by
/// the owner of the section, so that it is told once: here such a check is left out.
pub(super) fn read_checks(root: &Section<'_>, draft: &mut Draft, places: &mut Places) {
    let defaults = root.child("check_defaults");
    let mut seen: BTreeMap<(HostName, CheckName), Span> = BTreeMap::new();
    for (key, section) in root.children("checks") {
        let Ok(name) = CheckName::new(key.value) else { continue };
        if RESERVED.contains(&name.as_str()) {
            root.diagnostics()
                .error(key.span, format!("the check name `{name}` is the engine's own"))
                .hint("choose another name");
            continue;
        }
        for value in section.one_or_many("host") {
            let Some(Ok(host)) = value.scalar().map(HostName::new) else { continue };
            if !draft.hosts.contains_key(&host) {
                // Hosts are learned from their agents, so this is right as often as not.
                let known = draft.hosts.keys().map(HostName::as_str);
                root.diagnostics()
                    .warn(value.span(), format!("no file declares the host `{host}`"))
                    .nearest(host.as_str(), known)
                    .hint("it is right if an agent has this name; else write it under `hosts`");
            }
            if seen.insert((host.clone(), name.clone()), value.span()).is_some() {
                root.diagnostics().error(value.span(), format!("the host `{host}` is named twice"));
                continue;
            }
            places.insert(Place::Check(host.clone(), name.clone()), key.span);
            draft.checks.push(read_check(&section, defaults.as_ref(), host, name.clone()));
        }
    }
}

/// Names of checks that the engine keeps itself.
const RESERVED: [&str; 4] = ["host", "agent", "clock", "rtt"];

fn read_check(
    section: &Section<'_>,
    defaults: Option<&Section<'_>>,
    host: HostName,
    name: CheckName,
) -> CheckPlan {
    let mut usual = CheckPlan::new(host, name);
    usual.push = pushes::read(section);
    if section.has("push") {
        // What a job says of itself needs no second look.
        usual.confirm = ConfirmRule::AT_ONCE;
    }
    let tick = defaults.and_then(|defaults| defaults.opt_duration("base_tick", Bare::Seconds));
    let time = |key| {
        let own = section.opt_ticks(key, tick);
        own.or_else(|| defaults.and_then(|defaults| defaults.opt_ticks(key, tick)))
    };
    let every = time("every").unwrap_or(usual.every);
    let count = |key, default: u32| {
        let count = section.u64(key, u64::from(default), 1..=MAX_ATTEMPTS);
        u32::try_from(count).unwrap_or(default)
    };
    // Picomon's word for attempts, of which 0 means the same as 1.
    let retry = section.opt_u64("retry", 0..=MAX_ATTEMPTS).and_then(|n| u32::try_from(n).ok());
    CheckPlan {
        description: section.parse("description", description),
        hidden: section.bool("hidden", false),
        // While it is bad it may be looked at more seldom: its result is fresh for as long.
        every: every.max(time("error_every").unwrap_or_default()),
        retry_every: time("retry_every").unwrap_or(every / 4),
        confirm: ConfirmRule {
            attempts: retry.map_or_else(|| count("attempts", usual.confirm.attempts), |n| n.max(1)),
            hold_for: section.opt_duration("for", Bare::Seconds).unwrap_or_default(),
            clear_attempts: count("clear_attempts", usual.confirm.clear_attempts),
            keep_firing_for: section
                .opt_duration("keep_firing_for", Bare::Seconds)
                .unwrap_or_default(),
        },
        on_stale: section.word("on_stale", &OnStale::WORDS).unwrap_or_default(),
        volatile: section.bool("volatile", false),
        // A ping of the host tells whether the host answers (T19 to T22).
        probes_host: section.has("ping"),
        flapping: section.opt_bool("flapping"),
        // What is wrong with it is told by who runs the check.
        active: section.value("active").and_then(|value| ActiveWindow::read(&value)),
        repair: section.child("repair").and_then(|repair| repairs::read(&repair)),
        ..usual
    }
}

fn description(text: &str) -> Result<Arc<str>, String> {
    let most = CheckPlan::MAX_DESCRIPTION;
    let text = text.trim();
    match text.chars().count() {
        0 => Err("a description says something".to_owned()),
        n if n > most => Err(format!("a description has at most {most} characters")),
        _ => Ok(Arc::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(address: &str) -> (Vec<String>, String) {
        let document = Document::single(&format!("address: {address}\n"));
        let read = read_addresses(&document.root(&NoSecrets));
        let texts = read.iter().map(ToString::to_string).collect();
        (texts, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn a_host_has_an_address_or_one_of_each_family() {
        for (address, wanted) in [
            ("192.0.2.7", &["192.0.2.7"][..]),
            ("'2001:db8::7'", &["2001:db8::7"]),
            ("[192.0.2.7, '2001:db8::7']", &["192.0.2.7", "2001:db8::7"]),
            ("['2001:db8::7', 192.0.2.7]", &["2001:db8::7", "192.0.2.7"]),
        ] {
            let (addresses, wrong) = read(address);
            assert_eq!((addresses.as_slice(), wrong.as_str()), (&*own(wanted), ""), "{address}");
        }
        for (address, words) in [
            ("[192.0.2.7, 192.0.2.8]", "at most one address of IPv4 and one of IPv6"),
            ("['2001:db8::7', '2001:db8::8', 192.0.2.7]", "at most one address"),
            ("[web1.example.net]", "an address such as"),
        ] {
            let (_, wrong) = read(address);
            assert!(wrong.contains(words), "{address}: {wrong}");
        }
    }

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_check_says_what_it_is_about_and_may_be_hidden() {
        let plan_of = |settings: &str| {
            let text = format!(
                "hosts: {{db1: {{}}}}\nchecks: {{shop: {{host: db1, push: {{every: 1d}}{settings}}}}}\n"
            );
            let document = Document::single(&text);
            let plan = crate::plan::read(&document.root(&NoSecrets));
            let check = plan.map(|plan| plan.host("db1").checks[0].as_ref().clone());
            (check, document.diagnostics().render(Style::Plain))
        };
        let (check, wrong) = plan_of(", description: ' Whether people can buy ', hidden: true");
        let check = check.expect(&wrong);
        assert_eq!(
            (check.description.as_deref(), check.hidden),
            (Some("Whether people can buy"), true)
        );
        let (check, _) = plan_of("");
        assert!(check.is_some_and(|check| check.description.is_none() && !check.hidden));
        let long = "x".repeat(CheckPlan::MAX_DESCRIPTION + 1);
        for (settings, expected) in [
            (", description: ' '", "says something"),
            (&*format!(", description: {long}"), "at most 200"),
        ] {
            let (_, wrong) = plan_of(settings);
            assert!(wrong.contains(expected), "{wrong}");
        }
    }
}
