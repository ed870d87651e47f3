//! Hosts: the fleet by columns, lists, one host, live rows.

use std::collections::BTreeMap;

use hark_api::alerts::{Alert, Alerts};
use hark_api::fleet::Fleet;
use hark_api::hosts::{Active, Check, Host, HostRow, HostsQuery, SiteSays};
use hark_api::list::Page;
use hark_api::live::{HostChange, Rows};
use hark_api::overview::Soft;
use hark_api::sought::Sought;
use hark_calendar::ActiveWindow;
use hark_engine::plan::Measure;
use hark_engine::plan::SELF;
use hark_engine::view::{CheckView, HostView};
use hark_model::time::Clock;
use hark_model::{CheckName, HostId, HostName, SeriesName, Status, Unix};
use hark_web::{Answer, Refused, Sight};

use super::host_list;
use super::overview::{is_good, limits};
use super::words::{letter, seconds};
use super::{ServerBackend, ending};
use crate::server::intake::AgentFacts;
use crate::server::messages::ToIntake;
use crate::server::probes::ToProbes;
use crate::server::vitals::Vital;

/// What the fleet needs of one host from the engine.
struct Row {
    id: HostId,
    name: HostName,
    state: char,
    tags: Vec<String>,
    site: String,
    text: String,
    since: i64,
    last_heard: Option<Unix>,
    address: Option<String>,
    os: String,
}

impl Row {
    fn of(host: HostView<'_>) -> Self {
        let tags: Vec<String> = host.tags().iter().map(ToString::to_string).collect();
        let site = tags.iter().find_map(|t| t.strip_prefix("site:")).unwrap_or_default();
        Self {
            id: host.id(),
            name: host.name().clone(),
            state: host.state().letter(),
            site: site.to_owned(),
            text: host.text(),
            since: host.since().unwrap_or(host.first_seen()).seconds(),
            last_heard: host.last_heard(),
            address: host.address().map(|a| a.to_canonical().to_string()),
            os: host.fact("os").unwrap_or_default().to_owned(),
            tags,
        }
    }
}

/// Returns true if a host stands in lists: the server itself (`self`) does while something is wrong with it.
pub(super) fn is_shown(host: HostView<'_>) -> bool {
    host.name().as_str() != SELF || !is_good(host.state())
}

impl ServerBackend {
    pub(super) fn all_hosts(&self, sight: &Sight) -> Answer<Fleet> {
        let seen = sight.clone();
        let rows = self.ask(move |engine| {
            let hosts = engine.hosts().filter(|h| seen.covers(h.name().as_str()));
            hosts.filter(|host| is_shown(*host)).map(Row::of).collect::<Vec<_>>()
        })?;
        let strips = self.recorder.strips(rows.iter().map(|r| r.id));
        let mut places: BTreeMap<String, u32> = BTreeMap::new();
        for row in &rows {
            places.entry(row.site.clone()).or_default();
        }
        for (place, (_, number)) in places.iter_mut().enumerate() {
            *number = u32::try_from(place).unwrap_or(0);
        }
        let vital = |v: Vital| rows.iter().map(|r| self.links.vitals.get(r.id, v)).collect();
        let mut fleet = Fleet {
            etag: etag(&rows),
            at_unix_s: Clock.now().unix.seconds(),
            sites: places.keys().cloned().collect(),
            cpu: vital(Vital::Cpu),
            mem: vital(Vital::Memory),
            disk: vital(Vital::Disk),
            uptime_s: vital(Vital::Uptime),
            strip: strips,
            ..Fleet::default()
        };
        for row in rows {
            fleet.id.push(row.id.0);
            fleet.name.push(row.name.to_string());
            fleet.state.push(row.state);
            fleet.site.push(places.get(&row.site).copied().unwrap_or(0));
            fleet.tags.push(row.tags);
            fleet.text.push(row.text);
            fleet.since_unix_s.push(row.since);
            fleet.last_heard_unix_s.push(row.last_heard.map(Unix::seconds));
            fleet.address.push(row.address);
            fleet.os.push(row.os);
        }
        Ok(fleet)
    }

    pub(super) fn host_rows(&self, sight: &Sight, query: &HostsQuery) -> Answer<Page<HostRow>> {
        let sight = sight.clone();
        let query = query.clone();
        let q = query.q.as_deref().map(Sought::new);
        self.ask(move |engine| {
            let hosts = engine
                .hosts()
                .filter(|h| sight.covers(h.name().as_str()))
                .filter(|h| is_shown(*h))
                .filter(|h| query.state.is_none_or(|s| s == letter(h.state())))
                .filter(|h| q.as_ref().is_none_or(|q| mentions(*h, q)));
            host_list::page(hosts, &query, host_row)
        })
    }

    pub(super) fn one_host(&self, sight: &Sight, name: &HostName) -> Answer<Host> {
        let id = self.visible(sight, name)?;
        let seen = sight.clone();
        let mut host = self.ask(move |engine| engine.host(id).map(|h| host(h, &seen)))?;
        let host = host.as_mut().ok_or(Refused::Absent)?;
        host.loss_ratio = self.facts_of(name)?.and_then(|facts| facts.loss);
        let mut lookers = self.lookers_of(name)?;
        for check in &mut host.checks {
            let Ok(name) = CheckName::new(&check.name) else { continue };
            let sites = lookers.remove(&name);
            check.is_looked_at = sites.is_some();
            check.sites = sites.unwrap_or_default();
        }
        Ok(host.clone())
    }

    pub(super) fn alert_states(&self, sight: &Sight, host: Option<&HostName>) -> Answer<Alerts> {
        let one = host.map(|h| self.visible(sight, h)).transpose()?;
        let sight = sight.clone();
        let alerts = self.ask(move |engine| {
            let mut alerts = Vec::new();
            let hosts = engine.hosts().filter(|h| sight.covers(h.name().as_str()));
            for host in hosts.filter(|h| one.is_none_or(|id| h.id() == id)) {
                let bad = |c: &CheckView<'_>| c.hard().is_some_and(Status::is_problem);
                for check in host.checks().filter(|c| one.is_some() || bad(c)) {
                    let incident = check.incident().and_then(|i| engine.incident(i));
                    alerts.push(Alert {
                        host: host.name().to_string(),
                        check: check.name().to_string(),
                        status: check.hard().into(),
                        value: check.value(),
                        text: check.shown(),
                        since_at: check.changed_at().map(Into::into),
                        acknowledged: incident.is_some_and(|i| i.record().ack.is_some()),
                    });
                }
            }
            alerts.sort_by_key(|alert| alert.status.place());
            alerts
        })?;
        Ok(Alerts { alerts })
    }

    pub(super) fn live_rows(&self, sight: &Sight, hosts: &[HostId]) -> Answer<Rows> {
        let sight = sight.clone();
        let hosts = hosts.to_vec();
        let rows = self.ask(move |engine| {
            let known = hosts.iter().filter_map(|id| engine.host(*id));
            known.filter(|h| sight.covers(h.name().as_str())).map(Row::of).collect::<Vec<_>>()
        })?;
        let mut shown = Rows::default();
        for row in rows {
            let vital = |v: Vital| self.links.vitals.get(row.id, v);
            shown.id.push(row.id.0);
            shown.state.push(row.state);
            shown.since_unix_s.push(row.since);
            shown.cpu.push(vital(Vital::Cpu));
            shown.mem.push(vital(Vital::Memory));
            shown.disk.push(vital(Vital::Disk));
            shown.last_heard_unix_s.push(row.last_heard.map(Unix::seconds));
            shown.text.push(row.text);
        }
        Ok(shown)
    }

    pub(super) fn live_host(&self, name: &HostName) -> Answer<HostChange> {
        let id = self.links.hosts.number(name).ok_or(Refused::Absent)?;
        let latest = self.links.ask_history(move |h| h.latest(id)).unwrap_or_default();
        let samples = latest
            .into_iter()
            .map(|l| {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century")]
                let at = l.at.0 as f64 / 1000.0;
                (l.def.name.path(), (at, (!l.value.is_nan()).then_some(l.value)))
            })
            .collect();
        let change = self.ask(move |engine| {
            engine.host(id).map(|h| HostChange {
                state: h.state().letter().to_string(),
                text: h.text(),
                last_heard_unix_s: h.last_heard().map(Unix::seconds),
                rtt_seconds: h.round_trip().map(seconds),
                checks_changed: false,
                samples: BTreeMap::new(),
            })
        })?;
        let mut change = change.ok_or(Refused::Absent)?;
        change.samples = samples;
        Ok(change)
    }

    /// Returns the checks of a host that the server or its sites look at, and what each site says.
    fn lookers_of(&self, host: &HostName) -> Answer<BTreeMap<CheckName, Vec<SiteSays>>> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let asked = ToProbes::Lookers { host: host.clone(), reply };
        self.links.probes.blocking_send(asked).map_err(|_| ending())?;
        answer.blocking_recv().map_err(|_| ending())
    }

    /// Returns what ingest knows of the agent of one host; of a host without one, nothing.
    fn facts_of(&self, host: &HostName) -> Answer<Option<AgentFacts>> {
        let (to, facts) = tokio::sync::oneshot::channel();
        self.links.intake.send(ToIntake::FactsOf(host.clone(), to)).map_err(|_| ending())?;
        self.links.bell.ring();
        facts.blocking_recv().map_err(|_| ending())
    }

    /// Returns what ingest knows of every agent.
    pub(super) fn agent_facts(&self) -> Answer<Vec<AgentFacts>> {
        let (to, facts) = tokio::sync::oneshot::channel();
        self.links.intake.send(ToIntake::Facts(to)).map_err(|_| ending())?;
        self.links.bell.ring();
        facts.blocking_recv().map_err(|_| ending())
    }
}

/// Changes when anything but times and values changes.
fn etag(rows: &[Row]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for row in rows {
        context.update(&row.id.0.to_be_bytes());
        context.update(row.state.to_string().as_bytes());
        context.update(row.text.as_bytes());
        context.update(row.tags.join(" ").as_bytes());
    }
    let digest = context.finish();
    // 96 bits: two lists of one page that differ never meet.
    let number = digest.as_ref().iter().take(12).fold(0, |n: u128, b| n << 8 | u128::from(*b));
    format!("{number:024x}")
}

fn mentions(host: HostView<'_>, q: &Sought) -> bool {
    q.is_in(host.name().as_str())
        || host.tags().iter().any(|tag| q.is_in(tag.as_str()))
        || host.address().is_some_and(|a| q.is_in_address(a.to_canonical()))
}

fn host_row(host: HostView<'_>) -> HostRow {
    HostRow {
        id: host.id().0,
        name: host.name().to_string(),
        state: letter(host.state()),
        text: host.text(),
        last_heard_at: host.last_heard().map(Into::into),
        interval_seconds: host.interval().map_or(0.0, seconds),
        address: host.address().map(|a| a.to_canonical().to_string()),
        tags: host.tags().iter().map(ToString::to_string).collect(),
    }
}

fn host(host: HostView<'_>, sight: &Sight) -> Host {
    let mut checks: Vec<Check> = host.checks().map(check).collect();
    checks.sort_by_key(|c| (c.incident.is_none(), c.name.clone()));
    let facts: BTreeMap<String, String> =
        host.facts().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let visible = |name: &&HostName| sight.covers(name.as_str());
    Host {
        id: host.id().0,
        name: host.name().to_string(),
        state: letter(host.state()),
        word: host.word().to_owned(),
        text: host.text(),
        since_at: host.since().map(Into::into),
        address: host.address().map(|a| a.to_canonical().to_string()),
        tags: host.tags().iter().map(ToString::to_string).collect(),
        owner: host.owner().map(ToString::to_string),
        agent_version: facts.get("agent_version").cloned().unwrap_or_default(),
        facts,
        interval_seconds: host.interval().map_or(0.0, seconds),
        last_heard_at: host.last_heard().map(Into::into),
        rtt_seconds: host.round_trip().map(seconds),
        loss_ratio: None,
        checks,
        incidents: host.incidents().filter(|i| i.is_open()).map(|i| i.record().id.0).collect(),
        parents: host.parents().iter().flatten().filter(visible).map(ToString::to_string).collect(),
        children: host
            .children()
            .map(HostView::name)
            .filter(visible)
            .map(ToString::to_string)
            .collect(),
        profile: host.profiles().iter().map(ToString::to_string).collect(),
        unreachable_because: host
            .unreachable_because()
            .map(HostView::name)
            .filter(visible)
            .map(ToString::to_string),
        not_reproven: host.is_not_reproven(),
        limits_without_values: host.limits_without_values(),
        declared: None,
    }
}

fn check(check: CheckView<'_>) -> Check {
    Check {
        name: check.name().to_string(),
        description: check.description().map(str::to_owned),
        hidden: check.is_hidden(),
        status: check.status().into(),
        hard: check.hard().into(),
        soft: check.underway().map(|u| Soft { attempt: u.attempt, of: u.of }),
        value: check.value(),
        unit: unit_of(check.name().as_str()).to_owned(),
        text: check.shown(),
        further_lines: check.further_lines().to_owned(),
        rule: check.rule(),
        changed_at: check.changed_at().map(Into::into),
        seen_at: check.began_at().map(Into::into),
        fresh: check.fresh().into(),
        flapping: check.flapping_since().is_some(),
        incident: check.incident().map(|i| i.0),
        limits: limits(check.limits()),
        is_looked_at: false,
        active: check.active().map(|window| active(window, Clock.now().unix)),
        sites: Vec::new(),
    }
}

fn active(window: &ActiveWindow, now: Unix) -> Active {
    Active {
        window: window.to_string(),
        now: window.contains(now),
        changes_at: window.next_change(now).map(Into::into),
    }
}

/// Returns the unit of a metric by the ending of its name, as the agent's names have it.
pub(super) fn unit_of(path: &str) -> &'static str {
    let (path, measure) = Measure::of_check(path);
    match measure {
        Measure::Value => {}
        Measure::FullIn | Measure::Absence => return "seconds",
        // In the time that its limits are about, or in usual deviations, which have no word here.
        Measure::Growth | Measure::Deviation => return "",
    }
    let metric = super::series::name_of(path).map_or_else(String::new, |n: SeriesName| n.metric);
    let endings = [
        ("percent", "percent"),
        ("_mb", "mebibytes"),
        ("_gb", "gibibytes"),
        ("_bytes", "bytes"),
        ("_seconds", "seconds"),
        ("_rate", "bytes_per_second"),
        ("_mhz", "megahertz"),
    ];
    let known = endings.iter().find(|(end, _)| metric.ends_with(end)).map(|(_, unit)| *unit);
    known.unwrap_or(if path == "rtt" { "milliseconds" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_follow_the_names() {
        assert_eq!(unit_of("disk_monitor./.percent"), "percent");
        assert_eq!(unit_of("memory_monitor.available_mb"), "mebibytes");
        assert_eq!(unit_of("disk_monitor./.percent~full_in"), "seconds");
        assert_eq!(unit_of("disk_monitor./.percent~growth"), "");
        assert_eq!(unit_of("rtt"), "milliseconds");
        assert_eq!(unit_of("cpu_monitor.load_1min"), "");
    }

    #[test]
    fn it_is_shown_in_which_hours_a_check_is_looked_at_and_when_they_begin_again() {
        let window = ActiveWindow::parse("mon-fri 22:00-02:00 UTC", None).unwrap();
        // A Monday at noon.
        let noon = Unix(1_795_435_200_000);
        let shown = active(&window, noon);
        assert_eq!((shown.window.as_str(), shown.now), ("mon-fri 22:00-02:00 UTC", false));
        assert_eq!(shown.changes_at, Some(Unix(noon.0 + 36_000_000).into()));
        assert!(active(&window, Unix(noon.0 + 36_000_000)).now);
    }
}
