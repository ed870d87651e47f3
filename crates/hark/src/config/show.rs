//! The configuration in effect, for people: defaults filled in, secrets left out.

mod monitoring;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hark_agent::AgentConfig;
use hark_checks::Configured;
use hark_model::CheckName;
use hark_net::Guard;
use hark_web::{LdapSettings, LdapWay, Membership, OidcSettings, Rights};
use serde_json::{Map, Value, json};

use super::grants::Grant;
use super::{Loaded, Offer};
use crate::log::Target;

/// Returns everything that is in effect. Secrets appear only as the fact that there is one.
pub(crate) fn show(loaded: &Loaded) -> Value {
    let s = &loaded.settings;
    let log = match &s.log.target {
        Target::Stderr => "stderr".to_owned(),
        Target::Syslog => "syslog".to_owned(),
        Target::Journald => "journald".to_owned(),
        Target::File { path, .. } => path.display().to_string(),
    };
    let mut shown = Map::new();
    let parts = [
        ("hb_host", json!(s.udp_host.to_string())),
        ("hb_port", json!(s.udp_port)),
        ("hbd_port", json!(loaded.web.port)),
        ("hbd_host", json!(loaded.web.host.to_string())),
        ("ws_port", json!(loaded.web.ws_port)),
        ("wss_port", json!(loaded.web.wss_port)),
        ("discovery", json!(s.discovery)),
        ("data_dir", json!(s.data_dir.clone().unwrap_or_else(super::default_data_dir))),
        ("secret", json!(s.secret.as_ref().map(|_| "set"))),
        ("public_url", json!(s.public_url)),
        ("site_name", json!(s.site_name)),
        ("tls", tls(loaded)),
        ("login", login(loaded)),
        (
            "log",
            json!({"target": log, "level": s.log.level, "max_size": s.log.max_bytes,
            "keep": s.log.keep}),
        ),
        ("history", s.history.show()),
        ("shed_after", json!(hark_config::duration::format(s.shed_after))),
        ("backup", s.backup.show()),
        ("users", users(loaded)),
        ("access", access(loaded)),
        ("agent", agent(loaded)),
        ("check_defaults", check_defaults(loaded)),
        ("checks", Value::Object(checks(loaded))),
        ("receivers", Value::Object(receivers(loaded))),
        ("dyndns", loaded.dns.show()),
        ("updates", loaded.offer.as_ref().map_or(Value::Null, Offer::show)),
        ("mailbox", mailbox(loaded)),
        ("deadman", loaded.watch.deadman.as_ref().map_or(Value::Null, |d| d.show())),
        ("watchdog", loaded.watch.watchdog.as_ref().map_or(Value::Null, |w| w.show())),
        ("agent_configs", loaded.agent_configs.show()),
        ("inlets", loaded.inlets.show()),
        ("remote_write", loaded.remote_write.show()),
        ("status_pages", status_pages(loaded)),
        ("templates_dir", json!(loaded.status.folder)),
        ("files", json!(loaded.files)),
    ];
    shown.extend(parts.map(|(key, value)| (key.to_owned(), value)));
    shown.extend(loaded.watch.events.show().map(|(key, value)| (key.to_owned(), value)));
    journal(loaded, &mut shown);
    monitoring::put(&loaded.plan, &mut shown);
    let reports: Map<String, Value> =
        loaded.reports.iter().map(|plan| (plan.name.clone(), report(plan))).collect();
    shown.insert("reports".to_owned(), Value::Object(reports));
    Value::Object(shown)
}

fn status_pages(loaded: &Loaded) -> Value {
    let page = |page: &hark_status::Page| {
        let (visible_to, has_password, has_token) = match &page.access {
            hark_status::Access::Everyone => ("everyone", false, false),
            hark_status::Access::Closed { users, keys } => {
                let visible_to = if *users { "users" } else { "password" };
                (visible_to, keys.password.is_some(), keys.token.is_some())
            }
        };
        let components = page.components.iter().map(|component| {
            let m = &component.matcher;
            let shown = json!({"name": component.name, "description": component.description,
                "group": component.group, "hosts": m.hosts, "checks": m.checks,
                "tags": m.tags.iter().map(ToString::to_string).collect::<Vec<_>>()});
            (component.id.clone(), shown)
        });
        let shown = json!({"title": page.title, "description": page.description,
            "visible_to": visible_to, "password": has_password.then_some("set"),
            "token": has_token.then_some("set"), "domains": page.domains, "days": page.days,
            "timezone": page.zone.iana_name(), "language": page.language.code(), "home": page.home,
            "logo": page.logo, "style": page.style, "indexed": page.is_indexed,
            "editors": page.editors.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "mail_by": page.mail_by.as_ref().map(ToString::to_string),
            "webhooks": page.webhooks.word(),
            "components": components.collect::<Map<_, _>>()});
        (page.slug.clone(), shown)
    };
    Value::Object(loaded.status.pages.iter().map(page).collect())
}

fn mailbox(loaded: &Loaded) -> Value {
    let Some(mailbox) = &loaded.settings.mailbox else { return Value::Null };
    json!({"target": mailbox.target(), "every": time(mailbox.every())})
}

/// Returns those who may log in, are told, or are known elsewhere.
fn users(loaded: &Loaded) -> Value {
    let s = &loaded.settings;
    let mut users: Map<String, Value> = s
        .users
        .iter()
        .map(|u| {
            let shown = json!({"full_name": u.full_name, "admin": u.admin, "password": "set"});
            (u.name.to_string(), shown)
        })
        .collect();
    for (name, person) in &loaded.plan.people.persons {
        if let Value::Object(shown) = users.entry(name.to_string()).or_insert_with(|| json!({})) {
            shown.extend(monitoring::person(person));
        }
    }
    for name in s.known_as.users() {
        if let Value::Object(shown) = users.entry(name.to_string()).or_insert_with(|| json!({})) {
            shown.insert("known_as".to_owned(), s.known_as.show(name));
        }
    }
    Value::Object(users)
}

/// Returns who may do what with hosts that do not name him.
fn access(loaded: &Loaded) -> Value {
    let entry = |grant: &Grant| {
        let teams = grant.teams.iter().map(|team| format!("team:{team}"));
        let who: Vec<String> = grant.users.iter().map(ToString::to_string).chain(teams).collect();
        let tags: Vec<String> = grant.hosts.tags.iter().map(ToString::to_string).collect();
        let shown = json!({"who": who, "role": grant.word(), "tags": tags,
            "hosts": grant.hosts.hosts});
        (grant.name.clone(), shown)
    };
    Value::Object(loaded.settings.grants.iter().map(entry).collect())
}

fn tls(loaded: &Loaded) -> Value {
    let Some(tls) = &loaded.web.tls else { return json!({"plain": "only"}) };
    let plain = match tls.plain {
        hark_web::Plain::Redirect => "redirect",
        hark_web::Plain::Everywhere => "everywhere",
    };
    let certificate = tls.files.as_ref().map(|(certificate, _)| certificate);
    json!({"certificate": certificate, "plain": plain})
}

fn login(loaded: &Loaded) -> Value {
    let login = &loaded.web.login;
    let proxies: Vec<String> = login.proxies.from.iter().map(ToString::to_string).collect();
    let header = login.proxies.header.as_ref().map(ToString::to_string);
    json!({"second_factor": login.second_factor.word(), "idle": time(login.idle),
        "longest": time(login.longest), "proxies": proxies, "proxy_header": header,
        "open": login.open.word(), "oidc": named(&login.oidc, |one| &one.name, oidc),
        "ldap": named(&login.ldap, |one| &one.name, ldap)})
}

/// Returns providers by their names.
fn named<T>(all: &[T], name: impl Fn(&T) -> &String, show: impl Fn(&T) -> Value) -> Value {
    let shown = all.iter().map(|one| (name(one).clone(), show(one)));
    Value::Object(shown.collect())
}

fn oidc(one: &OidcSettings) -> Value {
    let mut shown = json!({"issuer": one.issuer, "client_id": one.client_id,
        "client_secret": one.client_secret.is_some(), "label": one.label, "scopes": one.scopes,
        "name_claim": one.name_claim, "groups_claim": one.groups_claim, "ca_file": one.ca_file});
    membership(&mut shown, &one.membership);
    shown
}

fn ldap(one: &LdapSettings) -> Value {
    let (scheme, starttls) = match one.way {
        LdapWay::Tls => ("ldaps", None),
        LdapWay::StartTls => ("ldap", Some(true)),
        LdapWay::Plain => ("ldap", Some(false)),
    };
    let groups = one.groups.as_ref();
    let mut shown = json!({"url": format!("{scheme}://{}:{}", one.host, one.port),
        "starttls": starttls, "ca_file": one.ca_file, "bind_dn": one.bind.as_ref().map(|(dn, _)| dn),
        "bind_password": one.bind.is_some(), "base": one.base, "filter": one.filter,
        "id_attribute": one.id_attribute, "name_attribute": one.name_attribute,
        "full_name_attribute": one.full_name_attribute, "member_of": one.member_of,
        "group_base": groups.map(|groups| &groups.base),
        "group_filter": groups.map(|groups| &groups.filter),
        "group_attribute": groups.map(|groups| &groups.attribute), "timeout": time(one.timeout)});
    membership(&mut shown, &one.membership);
    shown
}

/// Adds what becomes of a provider's users.
fn membership(shown: &mut Value, of: &Membership) {
    let teams = |rights: &Rights| rights.teams.iter().map(ToString::to_string).collect::<Vec<_>>();
    let group = |rights: &Rights| json!({"admin": rights.admin, "teams": teams(rights)});
    let groups: Map<String, Value> =
        of.groups.iter().map(|(name, rights)| (name.clone(), group(rights))).collect();
    shown["groups"] = Value::Object(groups);
    shown["new_users"] = json!(of.new_users.word());
    shown["same_names"] = json!(of.same_names);
}

fn journal(loaded: &Loaded, shown: &mut Map<String, Value>) {
    shown.insert("journal_enabled".to_owned(), json!(loaded.settings.journal.is_some()));
    let Some(journal) = &loaded.settings.journal else { return };
    let parts = [
        ("journal_dir", json!(journal.dir)),
        ("journal_file", json!(journal.file)),
        ("journal_max_size", json!(journal.max_bytes)),
        ("journal_max_backups", json!(journal.keep)),
        ("journal_heartbeats", json!(journal.heartbeats)),
    ];
    shown.extend(parts.map(|(key, value)| (key.to_owned(), value)));
}

/// Returns the settings of this machine's agent, which also holds where none are written.
fn agent(loaded: &Loaded) -> Value {
    let configured = loaded.agent.as_ref();
    let usual = AgentConfig::new(PathBuf::new(), hark_agent::Access::Stored);
    let agent = configured.unwrap_or(&usual);
    let collectors: Map<String, Value> = agent
        .collectors
        .iter()
        .map(|c| (c.name.to_owned(), json!({"interval": c.interval.map(time)})))
        .collect();
    json!({
        "servers": agent.servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "name": agent.host.as_ref().map(ToString::to_string),
        "interval": agent.interval.map(time),
        "collectors": collectors,
        "spool": {"max_size": agent.spool.bytes, "max_age": time(agent.spool.age)},
    })
}

fn receivers(loaded: &Loaded) -> Map<String, Value> {
    let show = |name: &hark_model::ReceiverName, c: &hark_notify::Configured| {
        let plan = loaded.plan.receivers.get(name);
        let mut shown = monitoring::hours(plan.and_then(|plan| plan.hours.as_ref()));
        let parts = [
            ("type", json!(c.kind)),
            ("target", json!(c.receiver.target())),
            ("fallback", json!(c.fallback.as_ref().map(ToString::to_string))),
            ("severity", json!(plan.map(|plan| plan.severity.word()))),
            ("better", json!(plan.map(|plan| plan.better))),
            ("acknowledged", json!(plan.map(|plan| plan.acknowledged))),
        ];
        shown.extend(parts.map(|(key, value)| (key.to_owned(), value)));
        Value::Object(shown)
    };
    loaded.receivers.iter().map(|(name, c)| (name.to_string(), show(name, c))).collect()
}

/// Returns what holds for all checks together; times stand at each check.
fn check_defaults(loaded: &Loaded) -> Value {
    let uplink: Vec<String> = loaded.uplink.iter().map(|check| check.target()).collect();
    json!({"private_targets": loaded.guard == Guard::Open, "uplink": uplink})
}

fn checks(loaded: &Loaded) -> Map<String, Value> {
    let show = |c: &Configured| {
        let mut shown = Map::new();
        let parts = [
            ("host", json!(c.host.as_str())),
            ("type", json!(c.check.kind())),
            ("target", json!(c.check.target())),
            ("every", json!(time(c.timing.every))),
            ("retry_every", json!(time(c.timing.retry_every))),
            ("error_every", json!(time(c.timing.error_every))),
            ("timeout", json!(time(c.check.timeout()))),
            ("active", json!(c.timing.active.as_ref().map(ToString::to_string))),
        ];
        shown.extend(parts.map(|(key, value)| (key.to_owned(), value)));
        if let Some(sites) = &c.sites {
            shown.insert("sites".to_owned(), json!(sites.names().collect::<Vec<_>>()));
            shown.insert("quorum".to_owned(), json!(sites.quorum));
        }
        let host = loaded.plan.host(c.host.as_str());
        if let Some(plan) = host.checks.iter().find(|plan| plan.name == c.name) {
            shown.extend(monitoring::check(plan));
        }
        Value::Object(shown)
    };
    let mut counts: BTreeMap<&CheckName, u32> = BTreeMap::new();
    for check in &loaded.checks {
        *counts.entry(&check.name).or_default() += 1;
    }
    let mut all: Map<String, Value> =
        loaded.checks.iter().map(|c| (key(c, &counts), show(c))).collect();
    for (host, plan) in loaded.plan.hosts() {
        for check in plan.checks.iter().filter(|check| check.push.is_some()) {
            let mut shown = monitoring::check(check);
            shown.insert("host".to_owned(), json!(host.as_str()));
            shown.insert("type".to_owned(), json!("push"));
            all.insert(check.name.to_string(), Value::Object(shown));
        }
    }
    all
}

/// Names a check; one that belongs to several hosts together with its host.
fn key(check: &Configured, counts: &BTreeMap<&CheckName, u32>) -> String {
    match counts.get(&check.name) {
        Some(2..) => format!("{} ({})", check.name, check.host),
        _ => check.name.to_string(),
    }
}

fn time(span: Duration) -> String {
    hark_config::duration::format(span)
}

fn report(plan: &hark_report::Plan) -> Value {
    let hosts = &plan.hosts;
    let tags: Vec<String> = hosts.tags.iter().map(ToString::to_string).collect();
    let older_than = match plan.kind {
        hark_report::Kind::Summary => None,
        hark_report::Kind::Failures { older_than } => {
            Some(hark_config::duration::format(older_than))
        }
    };
    json!({
        "to": plan.addressees(),
        "match": {"hosts": hosts.hosts, "tags": tags},
        "when": plan.when.to_string(),
        "timezone": plan.zone.iana_name(),
        "subject": plan.subject,
        "failures_older_than": older_than,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: &str = "
interval: 10s
grace: 2s
secret: not to be shown
thresholds:
  cpu_monitor: {cpu_percent: {warning: 80, critical: 90}}
  rtt: {web1: {warning: 50}}
threshold_configs:
  database: {thresholds: {disk_monitor: {/: {percent: {critical: 99}}}}}
hosts:
  db1: {threshold_config: database, tags: [role:db]}
  web1: {}
checks:
  web: {tcp: {port: 80}, host: web1, attempts: 5}
receivers:
  hook: {webhook: {url: 'https://example.net/x'}, severity: warning}
routes:
  - {name: dbs, match: {tags: [role:db], severity: critical}, to: hook, repeat: 1h}
silences:
  - {name: s, match: {hosts: db*}, reason: move, from: 2026-11-20T18:00:00Z, until: 2026-11-21T18:00:00Z}
maintenance:
  - {name: m, match: {hosts: web1}, reason: disks, from: 2026-11-20T18:00:00Z, until: 2026-11-21T18:00:00Z}
";

    #[test]
    fn the_whole_configuration_is_shown_with_its_defaults_and_without_secrets() {
        let loaded = crate::config::load_text("hark.yaml", EVERYTHING.to_owned()).unwrap();
        let shown = show(&loaded);
        let at = |path: &str| shown.pointer(path).unwrap_or_else(|| panic!("no {path}: {shown:#}"));
        assert_eq!(at("/interval"), "10s");
        assert_eq!(at("/grace"), "2s");
        assert_eq!(at("/threshold_renotify_interval"), "1h");
        assert_eq!(at("/secret"), "set");
        let cpu = json!({"operator": ">", "warning": 80.0, "warning_clear": 72.0, "critical": 90.0,
            "critical_clear": 81.0, "attempts": 1, "for": "0s", "clear_attempts": 1,
            "keep_firing_for": "0s", "on_stale": "unknown"});
        assert_eq!(*at("/thresholds/cpu_monitor/cpu_percent"), cpu);
        assert_eq!(*at("/thresholds/rtt/web1/warning"), 50.0);
        let profile = json!({"critical": 99.0});
        assert_eq!(*at("/threshold_configs/database/thresholds/disk_monitor/~1/percent"), profile);
        assert_eq!(*at("/hosts/db1/thresholds/disk_monitor/~1/percent/critical"), 99.0);
        assert_eq!(*at("/hosts/db1/thresholds/cpu_monitor/cpu_percent"), cpu);
        assert_eq!(*at("/checks/web/attempts"), 5);
        assert_eq!(at("/receivers/hook/severity"), "warning");
        let matches = json!({"tags": ["role:db"], "severity": "critical"});
        assert_eq!(*at("/routes/0/match"), matches);
        assert_eq!(*at("/routes/0/repeat"), json!(["1h"]));
        assert_eq!(at("/silences/0/until"), "2026-11-21T18:00:00Z");
        assert_eq!(at("/maintenance/0/name"), "m");
        assert!(at("/agent/collectors").as_object().unwrap().contains_key("cpu"));
        assert!(!hark_config::yaml(&shown).contains("not to be shown"));
    }

    #[test]
    fn every_key_of_the_root_is_shown() {
        let loaded = crate::config::load_text("hark.yaml", String::new()).unwrap();
        let shown = show(&loaded);
        // Some are short for others that are shown: the older tool's domains are zones of `dyndns`.
        let elsewhere = ["logfile", "dyndomains", "nsupdate_bin"];
        let journal = |key: &str| key.starts_with("journal_");
        for key in crate::config::keys() {
            let known = elsewhere.contains(&key.name) || journal(key.name);
            assert!(known || shown.get(key.name).is_some(), "{} is not shown", key.name);
        }
    }
}
