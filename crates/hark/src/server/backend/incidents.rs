//! Incidents, messages, and what happened.

use std::collections::HashMap;
use std::time::Duration;

use hark_api::events::Activity;
use hark_api::hosts::Limits;
use hark_api::incidents::{
    Comment, Derived, DrawnBand, DrawnPoint, Earlier, ExplainLine, Explanation, Incident,
    IncidentRow, IncidentsQuery, Symptom,
};
use hark_api::list::{Page, PageQuery, limit};
use hark_engine::Expected;
use hark_engine::plan::{Measure, Signal};
use hark_model::record::{DeliveryRecord, IncidentRecord, JournalKind};
use hark_model::time::{Clock, Unix};
use hark_model::{CheckName, HostId, HostName, IncidentId, SeriesName, Status};
use hark_store::state::{DeliveryView, IncidentFilter, JournalEntry, JournalFilter, Place};
use hark_web::{Answer, Refused, Sight};

use super::explain::{self, Fates, past_line, present_line, told_together};
use super::hosts::unit_of;
use super::incident_list::{self, Source, Standing};
use super::overview::limits;
use super::{ServerBackend, paging, words};
use crate::server::recall;

/// Lines of an incident's history, messages and earlier incidents that are shown.
const SHOWN: u32 = 200;

/// What is usual is drawn from so long before an incident on, until so long from now, and for no longer than this.
const BAND_BEFORE: Duration = Duration::from_hours(24);
const BAND_AFTER: Duration = Duration::from_hours(12);
const BAND_LONGEST: Duration = Duration::from_hours(24 * 14);

/// What the engine alone knows of an incident, beside what the list shows.
#[derive(Clone, Debug, Default)]
struct LiveSide {
    symptoms: Vec<Symptom>,
    resolvable: bool,
    further_lines: String,
    flapping_since: Option<Unix>,
    rule: String,
    value: Option<f64>,
    limits: Limits,
    derived: Option<Derived>,
    signal: Option<(Signal, SeriesName)>,
}

impl ServerBackend {
    pub(super) fn incident_rows(
        &self,
        sight: &Sight,
        query: &IncidentsQuery,
    ) -> Answer<Page<IncidentRow>> {
        incident_list::page(self, sight, query)
    }

    fn live_side(&self, record: &IncidentRecord) -> Answer<LiveSide> {
        let (id, host, check) = (record.id, record.host, record.check.clone());
        self.ask(move |engine| {
            let mut side = LiveSide::default();
            if let Some(incident) = engine.incident(id) {
                side.symptoms = incident
                    .symptoms_list()
                    .map(|s| Symptom {
                        id: s.record().id.0,
                        host: s.host_name().to_string(),
                        check: s.record().check.to_string(),
                    })
                    .collect();
            }
            if let Some(check) = engine.host(host).and_then(|h| h.check(check.as_str())) {
                side.resolvable = check.is_volatile();
                side.flapping_since = check.flapping_since();
                check.further_lines().clone_into(&mut side.further_lines);
                side.rule = check.rule();
                side.value = check.value();
                side.limits = limits(check.limits());
                side.derived = derived(check);
                side.signal = check.signal().map(|(signal, series)| (signal, series.clone()));
            }
            side
        })
    }

    pub(super) fn one_incident(&self, sight: &Sight, id: IncidentId) -> Answer<Incident> {
        let record = self.record(id)?;
        if !sight.covers(&self.host_name(record.host)) {
            return Err(Refused::Absent);
        }
        let mut live = self.live_side(&record)?;
        if let (Some(derived), Some((signal, series))) = (&mut live.derived, &live.signal) {
            derived.band = self.band(&record, *signal, series);
        }
        let mut rows = incident_list::rows(self, vec![record.clone()])?;
        let row = rows.pop().ok_or(Refused::Absent)?;
        let view = DeliveryView::Of(id);
        let messages = self.read(|reader| reader.deliveries(view, None, SHOWN))?;
        let filter = JournalFilter { incident: Some(id), ..JournalFilter::default() };
        let lines = self.read(|reader| reader.journal(&filter, None, SHOWN))?;
        let said = match record.resolved_at {
            Some(_) => self.said(id)?,
            None => None,
        };
        let fates = self.fates(&messages, &lines)?;
        let told = |entry: &JournalEntry| Activity {
            message_state: fates.of(&entry.line).map(|(_, state)| state),
            ..self.shown_line(entry)
        };
        let earlier = IncidentFilter {
            host: Some(record.host),
            check: Some(record.check.clone()),
            ..IncidentFilter::default()
        };
        let before = self.read(|reader| reader.incidents(&earlier, Some(id.0), 10))?;
        let symptoms = live.symptoms.into_iter().filter(|s| sight.covers(&s.host)).collect();
        Ok(Incident {
            resolvable: live.resolvable && record.resolved_at.is_none(),
            // Of an incident that is over this would be about the next one.
            flapping_since_at: live
                .flapping_since
                .filter(|_| record.resolved_at.is_none())
                .map(Into::into),
            // Nor would these be: they are of the newest result.
            further_lines: if record.resolved_at.is_none() {
                live.further_lines
            } else {
                String::new()
            },
            said,
            row,
            rule: live.rule,
            value: live.value,
            unit: unit_of(record.check.as_str()).to_owned(),
            limits: live.limits,
            derived: live.derived,
            notifications: messages.iter().map(|m| self.shown(m)).collect(),
            timeline: lines.iter().map(told).collect(),
            comments: record
                .comments
                .iter()
                .map(|c| Comment { by: c.by.to_string(), at: c.at.into(), text: c.text.clone() })
                .collect(),
            symptoms_list: symptoms,
            seen_before: before.iter().map(seen_before).collect(),
        })
    }

    /// Returns between which values nothing would be told, around an incident: from a while before it until some hours
    /// from now.
    fn band(&self, record: &IncidentRecord, signal: Signal, series: &SeriesName) -> Vec<DrawnBand> {
        let Signal::Deviation { usual, .. } = signal else { return Vec::new() };
        let now = Clock.now().unix;
        let from = (record.since - BAND_BEFORE).max(now - BAND_LONGEST);
        let within = (from, now + BAND_AFTER);
        let found = recall::usual(&self.links, record.host, series, usual, now, within);
        let Expected { from, hours } = found.unwrap_or_default();
        let middle = |n: u32| from + Duration::from_mins(30) + Duration::from_hours(1) * n;
        let bands = (0..).zip(&hours).filter_map(|(n, band)| {
            let (low, high) = signal.within(band.as_ref()?)?;
            Some(DrawnBand { at_unix_s: middle(n).seconds(), low, high })
        });
        bands.collect()
    }

    /// Returns an incident: as the engine has it, or as it was stored when it ended.
    pub(super) fn record(&self, id: IncidentId) -> Answer<IncidentRecord> {
        let live = self.ask(move |engine| engine.incident(id).map(|i| i.record().clone()))?;
        match live {
            Some(record) => Ok(record),
            None => self.read(|reader| reader.incident(id))?.ok_or(Refused::Absent),
        }
    }

    pub(super) fn about(&self, id: IncidentId) -> Answer<(HostName, CheckName)> {
        let record = self.record(id)?;
        let host = self.links.hosts.name(record.host).ok_or(Refused::Absent)?;
        Ok((host, record.check))
    }

    /// Returns the present decision about each receiver and, before it, every message told and
    /// withheld, newest first.
    pub(super) fn explanation(&self, id: IncidentId) -> Answer<Explanation> {
        let now = Clock.now();
        let present = self.ask(move |engine| engine.explain(id, now))?;
        let repair = present.as_ref().and_then(|explained| explained.repair.clone());
        let derived = present.as_ref().and_then(|explained| explained.derived.clone());
        let mut lines: Vec<ExplainLine> = present
            .map(|e| e.lines.into_iter().map(|l| present_line(l, now)).collect())
            .unwrap_or_default();
        let view = DeliveryView::Of(id);
        let messages = self.read(|reader| reader.deliveries(view, None, SHOWN))?;
        for kind in [JournalKind::Told, JournalKind::Withheld, JournalKind::Operator] {
            let filter =
                JournalFilter { incident: Some(id), kind: Some(kind), ..JournalFilter::default() };
            let past = self.read(|reader| reader.journal(&filter, None, SHOWN))?;
            let fates = self.fates(&messages, &past)?;
            lines.extend(past.iter().map(|entry| past_line(entry, &fates)));
        }
        explain::tell_fates(&mut lines, &messages);
        lines.sort_by_key(|l| std::cmp::Reverse(l.at.0));
        Ok(Explanation { lines, repair, derived })
    }

    /// Returns what became of the messages that `lines` are about, of which `messages` are those about the
    /// incident alone.
    fn fates(&self, messages: &[DeliveryRecord], lines: &[JournalEntry]) -> Answer<Fates> {
        let mut fates = Fates::default();
        fates.note(messages);
        for (receiver, times) in told_together(lines.iter().map(|entry| &entry.line)) {
            fates.note(&self.read(|reader| reader.summaries(&receiver, &times))?);
        }
        Ok(fates)
    }

    pub(super) fn activities(
        &self,
        sight: &Sight,
        host: Option<&HostName>,
        q: Option<&str>,
        page: &PageQuery,
    ) -> Answer<Page<Activity>> {
        let host = host.map(|h| self.visible(sight, h)).transpose()?;
        let filter =
            JournalFilter { host, contains: q.map(str::to_owned), ..JournalFilter::default() };
        let from = paging::place(page.cursor.as_ref(), page.sort);
        self.lines(sight, &filter, from, limit(page.limit))
    }

    pub(super) fn newest_activities(&self, sight: &Sight, most: usize) -> Answer<Vec<Activity>> {
        Ok(self.lines(sight, &JournalFilter::default(), Place::Newest, most)?.items)
    }

    fn lines(
        &self,
        sight: &Sight,
        filter: &JournalFilter,
        from: Place,
        most: usize,
    ) -> Answer<Page<Activity>> {
        paging::scan(
            most,
            from,
            |entry: &JournalEntry| entry.id,
            |from, most| self.read(|reader| reader.journal(filter, from, most)),
            |chunk| {
                let lines = chunk.iter().map(|entry| (entry.id, self.shown_line(entry)));
                Ok(lines.filter(|(_, line)| sight.covers_activity(line)).collect())
            },
        )
    }

    fn shown_line(&self, entry: &JournalEntry) -> Activity {
        let host = entry.line.host.and_then(|h| self.known_or_former(h));
        words::activity(&entry.line, host.as_ref())
    }
}

impl Source for ServerBackend {
    fn incidents(
        &self,
        filter: &IncidentFilter,
        place: Place,
        most: u32,
    ) -> Answer<Vec<IncidentRecord>> {
        self.read(|reader| reader.incidents(filter, place, most))
    }

    fn standing(&self, incidents: Vec<IncidentId>) -> Answer<HashMap<IncidentId, Standing>> {
        self.ask(move |engine| {
            let known = incidents.into_iter().filter_map(|id| Some((id, engine.incident(id)?)));
            let standing = |incident: hark_engine::view::IncidentView<'_>| Standing {
                silenced_until: incident.silenced_until(),
                symptoms: incident.symptoms(),
            };
            known.map(|(id, incident)| (id, standing(incident))).collect()
        })
    }

    fn newest_messages(&self, incidents: &[IncidentId]) -> Answer<Vec<DeliveryRecord>> {
        self.read(|reader| reader.newest_deliveries(incidents))
    }

    fn newest_withheld(&self, incidents: &[IncidentId]) -> Answer<Vec<JournalEntry>> {
        self.read(|reader| reader.newest_lines(incidents, JournalKind::Withheld))
    }

    fn host_name(&self, host: HostId) -> String {
        let name = self.known_or_former(host);
        name.map_or_else(|| format!("host {}", host.0), |n| n.to_string())
    }
}

impl ServerBackend {
    /// Returns what the check of an incident that is over said last while it was a problem. Its turns alone are read:
    /// reminders of days may lie behind them.
    fn said(&self, id: IncidentId) -> Answer<Option<String>> {
        let kind = Some(JournalKind::Transition);
        let filter = JournalFilter { incident: Some(id), kind, ..JournalFilter::default() };
        Ok(said(&self.read(|reader| reader.journal(&filter, None, SHOWN))?))
    }

    /// Returns the name of a host, of one that is gone as well while it has incidents.
    fn known_or_former(&self, host: HostId) -> Option<HostName> {
        let known = self.links.hosts.name(host);
        known.or_else(|| self.read(|reader| reader.former_host(host)).ok().flatten())
    }
}

/// Returns how a check's value came from its series.
fn derived(check: hark_engine::view::CheckView<'_>) -> Option<Derived> {
    if let Some(missing) = check.missing() {
        return Some(Derived {
            series: missing.series.path(),
            text: missing.words(),
            line: Vec::new(),
            reached_at_unix_s: None,
            band: Vec::new(),
            missing_from_unix_s: missing.since.map(Unix::seconds),
        });
    }
    let text = check.derivation()?;
    let drawn = check.drawn().unwrap_or_default();
    let point = |(at, value): &(Unix, f64)| DrawnPoint { at_unix_s: at.seconds(), value: *value };
    Some(Derived {
        series: Measure::of_check(check.name().as_str()).0.to_owned(),
        text,
        line: drawn.line.iter().map(point).collect(),
        reached_at_unix_s: drawn.reached_at.map(Unix::seconds),
        band: Vec::new(),
        missing_from_unix_s: None,
    })
}

/// Returns what a check said last while it was a problem, by the history of its incident, newest first.
fn said(lines: &[JournalEntry]) -> Option<String> {
    let mut turns = lines.iter().filter_map(|entry| hark_engine::turned(&entry.line.text));
    turns.find(|turn| turn.after != Status::Ok).map(|turn| turn.said.to_owned())
}

fn seen_before(record: &IncidentRecord) -> Earlier {
    Earlier {
        id: record.id.0,
        since_at: record.since.into(),
        duration_seconds: record.resolved_at.map(|end| end.since(record.since).as_secs_f64()),
        resolution: record.resolution.clone(),
    }
}
