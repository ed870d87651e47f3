//! What the server of the week is configured to do, as somebody would write it.

use std::fmt::Write as _;
use std::sync::Arc;

use hark_config::{Document, NoSecrets};
use hark_engine::plan::{Plan, read};
use hark_model::HostName;

use super::Form;

/// Receivers, in the order in which model and judge count them.
pub(super) const RECEIVERS: [&str; 7] =
    ["ops", "page", "digest", "office", "late", "boss", "chief"];
/// Places among [`RECEIVERS`].
pub(super) const PAGE: usize = 1;
pub(super) const DIGEST: usize = 2;
pub(super) const OFFICE: usize = 3;
pub(super) const LATE: usize = 4;
pub(super) const BOSS: usize = 5;
pub(super) const CHIEF: usize = 6;
/// The fallback of the first receiver, which no route leads to.
pub(super) const STANDBY: &str = "standby";

/// How often agents send, in seconds.
pub(super) const INTERVAL: usize = 30;
/// How often a service is looked at, in seconds.
pub(super) const LOOKS: usize = 60;
/// Every so many hosts one has a service that is looked at.
pub(super) const SERVICE: usize = 10;
/// The metric that has limits.
pub(super) const METRIC: &str = "cpu_monitor.cpu_percent";
/// What the names of services begin with.
pub(super) const WEB: &str = "web-";

/// Everything but the hosts and their services.
const TOLD: &str = "\
interval: 30s
periods: {work: 'mon-fri 08:00-18:00 UTC'}
receivers:
  ops: {}
  page: {severity: critical}
  digest: {}
  office: {hours: work}
  late: {}
  boss: {}
  chief: {}
  standby: {}
routes:
  - {name: all, continue: true, to: [ops, page, office]}
  - {name: sites, continue: true, to: digest, group_by: site, group_wait: 30s, group_interval: 5m}
  - name: late
    to: late
    delay: 2m
    escalate: [{after: 15m, to: boss}, {after: 30m, to: chief, severity: critical}]
thresholds: {cpu_monitor: {cpu_percent: {warning: 80, critical: 90}}}
";

/// Returns whether a host has a service that is looked at.
pub(super) fn has_service(host: usize) -> bool {
    host.is_multiple_of(SERVICE)
}

/// Returns whether the service of a host is one of those that flap; such a host has no other trouble.
pub(super) fn may_flap(host: usize) -> bool {
    host.is_multiple_of(2 * SERVICE)
}

/// Returns how many sites there are; each has a switch, which stands behind the hosts in the list.
pub(super) fn sites(form: Form) -> usize {
    form.hosts.div_ceil(form.site)
}

/// Returns how many hosts there are with the switches.
pub(super) fn everything(form: Form) -> usize {
    form.hosts + sites(form)
}

/// Returns the switch that a host is behind; those that may flap are behind none.
pub(super) fn switch_of(form: Form, host: usize) -> Option<usize> {
    (host < form.hosts && !may_flap(host)).then(|| form.hosts + host / form.site)
}

pub(super) fn name(form: Form, host: usize) -> HostName {
    let text = if host < form.hosts {
        format!("h{host:05}")
    } else {
        format!("switch{:03}", host - form.hosts)
    };
    HostName::new(&text).expect("a letter and digits")
}

pub(super) fn plan(form: Form) -> Arc<Plan> {
    let mut text = format!("{TOLD}hosts:\n");
    for host in 0..everything(form) {
        let site = if host < form.hosts { host / form.site } else { host - form.hosts };
        let behind = switch_of(form, host);
        let behind = behind.map(|switch| format!(", parents: [{}]", name(form, switch)));
        let behind = behind.unwrap_or_default();
        let name = name(form, host);
        writeln!(text, "  {name}: {{tags: 'site:{site}'{behind}}}").expect("a text has room");
    }
    text.push_str("checks:\n");
    for host in (0..form.hosts).filter(|host| has_service(*host)) {
        let name = name(form, host);
        let flapping = may_flap(host);
        writeln!(
            text,
            "  {WEB}{name}: {{tcp: {{port: 80}}, host: {name}, every: 60s, attempts: 2, flapping: {flapping}}}"
        )
        .expect("a text has room");
    }
    let document = Document::single(&text);
    let root = document.root(&NoSecrets);
    Arc::new(read(&root).expect("the week's configuration is right: every run shows it"))
}
