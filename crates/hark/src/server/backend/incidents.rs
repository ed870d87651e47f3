//! Incidents, messages, and what happened.

use hark_api::deliveries::{DeliveriesQuery, Delivery, DeliveryState as ApiState};
use hark_api::events::Activity;
use hark_api::hosts::Limits;
use hark_api::incidents::{
    Comment, Decision, Earlier, ExplainLine, Explanation, Incident, IncidentRow, IncidentsQuery,
    LastNotification, Symptom, Told, View,
};
use hark_api::list::{Cursor, Page, PageQuery, limit};
use hark_engine::Verdict;
use hark_model::record::{DeliveryRecord, DeliveryState, IncidentRecord, JournalKind};
use hark_model::time::{Clock, Now};
use hark_model::{CheckName, DeliveryId, HostId, HostName, IncidentId, Severity, Status, Unix};
use hark_store::state::{DeliveryView, IncidentFilter, JournalEntry, JournalFilter};
use hark_web::{Answer, Refused, Sight};

use super::hosts::unit_of;
use super::overview::limits;
use super::{ServerBackend, words};

/// Rows read from the store at once while a filter that it does not know is applied here.
const CHUNK: u32 = 500;

/// Rows looked at for one page: a filter that matches nothing must end.
const MOST_READ: u32 = 10_000;

/// Lines of an incident's history, messages and earlier incidents that are shown.
const SHOWN: u32 = 200;

/// What the engine alone knows of an incident.
#[derive(Clone, Debug, Default)]
struct LiveSide {
    silenced_until: Option<Unix>,
    symptoms: Vec<Symptom>,
    rule: String,
    value: Option<f64>,
    limits: Limits,
}

impl ServerBackend {
    pub(super) fn incident_rows(
        &self,
        sight: &Sight,
        query: &IncidentsQuery,
    ) -> Answer<Page<IncidentRow>> {
        let open = match query.view {
            View::Open | View::Silenced => Some(true),
            View::Resolved => Some(false),
            View::All => None,
        };
        let filter = IncidentFilter { open, ..IncidentFilter::default() };
        let most = limit(query.limit);
        let mut before = query.cursor.as_ref().and_then(Cursor::number);
        let mut rows = Vec::new();
        let mut read = 0;
        while rows.len() <= most && read < MOST_READ {
            let chunk = self.read(|reader| reader.incidents(&filter, before, CHUNK))?;
            let Some(last) = chunk.last() else { break };
            before = Some(last.id.0);
            read += u32::try_from(chunk.len()).unwrap_or(CHUNK);
            for record in chunk {
                let row = self.row(&record)?;
                if sight.covers(&row.host) && wanted(&row, query) {
                    rows.push(row);
                }
            }
        }
        let more = rows.len() > most;
        rows.truncate(most);
        let next = more.then(|| rows.last().map(|r| Cursor::of_number(r.id))).flatten();
        Ok(Page { items: rows, next })
    }

    fn row(&self, record: &IncidentRecord) -> Answer<IncidentRow> {
        let live = self.live_side(record)?;
        self.row_with(record, &live)
    }

    fn row_with(&self, record: &IncidentRecord, live: &LiveSide) -> Answer<IncidentRow> {
        let view = DeliveryView::Of(record.id);
        let last = self.read(|reader| reader.deliveries(view, None, 1))?;
        let shown = if record.status == Status::Ok { record.peak } else { record.status };
        Ok(IncidentRow {
            id: record.id.0,
            host: self.host_name(record.host),
            check: record.check.to_string(),
            state: shown.into(),
            peak: record.peak.into(),
            status: record.status.into(),
            text: record.text.clone(),
            since_at: record.since.into(),
            since_unix_s: record.since.seconds(),
            resolved_at: record.resolved_at.map(Into::into),
            ack: record.ack.as_ref().map(words::ack),
            silenced_until_at: live.silenced_until.map(Into::into),
            cause: record.cause.map(|c| c.0),
            symptoms: live.symptoms.len() as u64,
            last_notification: match last.first() {
                Some(row) => Some(last_notification(row)),
                None => self.last_withheld(record.id)?,
            },
        })
    }

    /// Returns why the last message was kept back, if none was ever made.
    fn last_withheld(&self, incident: IncidentId) -> Answer<Option<LastNotification>> {
        let filter = JournalFilter {
            incident: Some(incident),
            kind: Some(JournalKind::Withheld),
            ..JournalFilter::default()
        };
        let lines = self.read(|reader| reader.journal(&filter, None, 1))?;
        Ok(lines.first().map(|entry| LastNotification {
            receiver: entry.line.receiver.as_ref().map(ToString::to_string).unwrap_or_default(),
            result: Told::Withheld,
            at: entry.line.at.into(),
            text: entry.line.text.clone(),
        }))
    }

    fn live_side(&self, record: &IncidentRecord) -> Answer<LiveSide> {
        let (id, host, check) = (record.id, record.host, record.check.clone());
        self.ask(move |engine| {
            let mut side = LiveSide::default();
            if let Some(incident) = engine.incident(id) {
                side.silenced_until = incident.silenced_until();
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
                side.rule = check.rule();
                side.value = check.value();
                side.limits = limits(check.limits());
            }
            side
        })
    }

    pub(super) fn one_incident(&self, sight: &Sight, id: IncidentId) -> Answer<Incident> {
        let record = self.record(id)?;
        let live = self.live_side(&record)?;
        let row = self.row_with(&record, &live)?;
        if !sight.covers(&row.host) {
            return Err(Refused::Absent);
        }
        let view = DeliveryView::Of(id);
        let messages = self.read(|reader| reader.deliveries(view, None, SHOWN))?;
        let filter = JournalFilter { incident: Some(id), ..JournalFilter::default() };
        let lines = self.read(|reader| reader.journal(&filter, None, SHOWN))?;
        let earlier = IncidentFilter {
            host: Some(record.host),
            check: Some(record.check.clone()),
            ..IncidentFilter::default()
        };
        let before = self.read(|reader| reader.incidents(&earlier, Some(id.0), 10))?;
        let symptoms = live.symptoms.into_iter().filter(|s| sight.covers(&s.host)).collect();
        Ok(Incident {
            row,
            rule: live.rule,
            value: live.value,
            unit: unit_of(record.check.as_str()).to_owned(),
            limits: live.limits,
            notifications: messages.iter().map(|m| self.shown(m)).collect(),
            timeline: lines.iter().map(|e| self.shown_line(e)).collect(),
            comments: record
                .comments
                .iter()
                .map(|c| Comment { by: c.by.to_string(), at: c.at.into(), text: c.text.clone() })
                .collect(),
            symptoms_list: symptoms,
            seen_before: before.iter().map(seen_before).collect(),
        })
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
        let mut lines: Vec<ExplainLine> = present
            .map(|e| e.lines.into_iter().map(|l| present_line(l, now)).collect())
            .unwrap_or_default();
        for kind in [JournalKind::Told, JournalKind::Withheld] {
            let filter =
                JournalFilter { incident: Some(id), kind: Some(kind), ..JournalFilter::default() };
            let past = self.read(|reader| reader.journal(&filter, None, SHOWN))?;
            lines.extend(past.iter().map(past_line));
        }
        lines.sort_by_key(|l| std::cmp::Reverse(l.at.0));
        Ok(Explanation { lines })
    }

    pub(super) fn messages(
        &self,
        sight: &Sight,
        query: &DeliveriesQuery,
    ) -> Answer<Page<Delivery>> {
        let view = match query.state {
            None => DeliveryView::All,
            Some(ApiState::Queued) => DeliveryView::Open,
            Some(ApiState::Retry) => DeliveryView::Retry,
            Some(ApiState::Sent) => DeliveryView::Sent,
            Some(ApiState::Dead) => DeliveryView::Dead,
            Some(ApiState::Superseded) => DeliveryView::Superseded,
        };
        let most = limit(query.limit);
        let mut before = query.cursor.as_ref().and_then(Cursor::number).map(DeliveryId);
        let mut items = Vec::new();
        let mut read = 0;
        while items.len() <= most && read < MOST_READ {
            let chunk = self.read(|reader| reader.deliveries(view, before, CHUNK))?;
            let Some(last) = chunk.last() else { break };
            before = Some(last.notification.id);
            read += u32::try_from(chunk.len()).unwrap_or(CHUNK);
            let seen = chunk.iter().filter(|r| sight.covers(r.notification.host.as_str()));
            items.extend(seen.map(|r| self.shown(r)));
        }
        let more = items.len() > most;
        items.truncate(most);
        let next = more.then(|| items.last().map(|d| Cursor::of_number(d.id))).flatten();
        Ok(Page { items, next })
    }

    pub(super) fn message(&self, sight: &Sight, id: DeliveryId) -> Answer<Delivery> {
        let before = Some(DeliveryId(id.0.saturating_add(1)));
        let found = self.read(|reader| reader.deliveries(DeliveryView::All, before, 1))?;
        let row = found.into_iter().find(|r| r.notification.id == id).ok_or(Refused::Absent)?;
        if !sight.covers(row.notification.host.as_str()) {
            return Err(Refused::Absent);
        }
        Ok(self.shown(&row))
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
        let before = page.cursor.as_ref().and_then(Cursor::number);
        self.lines(sight, &filter, before, limit(page.limit))
    }

    pub(super) fn newest_activities(&self, sight: &Sight, most: usize) -> Answer<Vec<Activity>> {
        Ok(self.lines(sight, &JournalFilter::default(), None, most)?.items)
    }

    fn lines(
        &self,
        sight: &Sight,
        filter: &JournalFilter,
        mut before: Option<u64>,
        most: usize,
    ) -> Answer<Page<Activity>> {
        let mut found: Vec<(u64, Activity)> = Vec::new();
        let mut read = 0;
        while found.len() <= most && read < MOST_READ {
            let chunk = self.read(|reader| reader.journal(filter, before, CHUNK))?;
            let Some(last) = chunk.last() else { break };
            before = Some(last.id);
            read += u32::try_from(chunk.len()).unwrap_or(CHUNK);
            for entry in &chunk {
                let shown = self.shown_line(entry);
                if sight.covers_activity(&shown) {
                    found.push((entry.id, shown));
                }
            }
        }
        let more = found.len() > most;
        found.truncate(most);
        let next = more.then(|| found.last().map(|(id, _)| Cursor::of_number(*id))).flatten();
        Ok(Page { items: found.into_iter().map(|(_, a)| a).collect(), next })
    }

    fn shown_line(&self, entry: &JournalEntry) -> Activity {
        let host = entry.line.host.and_then(|h| self.links.hosts.name(h));
        words::activity(&entry.line, host.as_ref())
    }

    pub(super) fn shown(&self, record: &DeliveryRecord) -> Delivery {
        let receivers = self.receivers.load();
        let kind = receivers.find(&record.notification.receiver).map_or("", |c| c.kind);
        words::delivery(record, kind)
    }

    fn host_name(&self, host: HostId) -> String {
        let name = self.links.hosts.name(host);
        name.map_or_else(|| format!("host {}", host.0), |n| n.to_string())
    }
}

fn wanted(row: &IncidentRow, query: &IncidentsQuery) -> bool {
    let silenced = row.silenced_until_at.is_some();
    let in_view = match query.view {
        View::Open => !silenced,
        View::Silenced => silenced,
        View::Resolved | View::All => true,
    };
    let severity: Severity = match row.state {
        hark_api::words::State::Crit => Severity::Critical,
        hark_api::words::State::Warn => Severity::Warning,
        hark_api::words::State::Unk => Severity::Unknown,
        hark_api::words::State::Ok => Severity::Info,
    };
    let severe = query.sev.is_none_or(|least| severity >= Severity::from(least));
    let mentioned = query.q.as_deref().is_none_or(|q| {
        let q = q.to_lowercase();
        [&row.host, &row.check, &row.text].iter().any(|t| t.to_lowercase().contains(&q))
    });
    in_view && severe && mentioned
}

fn last_notification(row: &DeliveryRecord) -> LastNotification {
    let (result, at) = match row.state {
        DeliveryState::Sent { at } => (Told::Sent, at),
        DeliveryState::Dead { at } => (Told::Failed, at),
        DeliveryState::Retry { .. } => (Told::Failed, row.notification.at),
        DeliveryState::Queued | DeliveryState::Leased { .. } => (Told::Queued, row.notification.at),
        DeliveryState::Superseded { at } => (Told::Withheld, at),
    };
    let text = if row.last_error.is_empty() { &row.notification.summary } else { &row.last_error };
    LastNotification {
        receiver: row.notification.receiver.to_string(),
        result,
        at: at.into(),
        text: text.clone(),
    }
}

fn seen_before(record: &IncidentRecord) -> Earlier {
    Earlier {
        id: record.id.0,
        since_at: record.since.into(),
        duration_seconds: record.resolved_at.map(|end| end.since(record.since).as_secs_f64()),
        resolution: record.resolution.clone(),
    }
}

fn present_line(line: hark_engine::Line, now: Now) -> ExplainLine {
    ExplainLine {
        at: now.unix.into(),
        receiver: line.receiver.map(|r| r.to_string()),
        decision: match line.verdict {
            Verdict::Told => Decision::Told,
            Verdict::Withheld => Decision::Withheld,
            Verdict::Waiting => Decision::Waiting,
        },
        block: line.block.map(|b| b.word().to_owned()),
        text: line.text,
    }
}

/// Withheld lines of the journal begin with the name of the block: `block: reason: words`.
fn past_line(entry: &JournalEntry) -> ExplainLine {
    let withheld = entry.line.kind == JournalKind::Withheld;
    let split = entry.line.text.split_once(": ").filter(|_| withheld);
    let (block, text) = match split {
        Some((block, rest)) => (Some(block.to_owned()), rest.to_owned()),
        None => (None, entry.line.text.clone()),
    };
    ExplainLine {
        at: entry.line.at.into(),
        receiver: entry.line.receiver.as_ref().map(ToString::to_string),
        decision: if withheld { Decision::Withheld } else { Decision::Told },
        block,
        text,
    }
}
