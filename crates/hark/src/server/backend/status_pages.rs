//! Status pages: what is sent of them, and what is published on them, which is kept in `state` as JSON of the
//! API's own shape.

use std::sync::{Arc, PoisonError};

use hark_api::status_pages::{
    ComponentState, MAX_OPEN, MAX_OVER, PublicContent, PublicImpact, PublicKind, PublicStage,
};
use hark_model::time::Clock;
use hark_status::{Incident, Kind, Page, Stage, State, Templates, Update, View, badge};
use hark_store::state::{
    Change, PUBLIC_INCIDENT_VERSION, PublicIncidentRecord as Stored, ReaderRecord,
};
use hark_web::{
    Answer, PublicIncidentRecord, ReaderWay, Refused, StatusDocument, StatusPages, StatusPart,
    StatusSites, StatusSummary,
};

use super::ServerBackend;
use crate::config::StatusPlan;
use crate::server::readers;

impl StatusPages for ServerBackend {
    fn status_sites(&self) -> Arc<StatusSites> {
        Arc::clone(&self.links.status.load().sites)
    }

    fn status_document(&self, page: &str, part: &StatusPart) -> Answer<StatusDocument> {
        let plan = self.links.status.load_full();
        let page = plan.page(page).ok_or(Refused::Absent)?;
        let file = |name: &Option<String>| {
            let asset = plan.assets.get(name.as_ref()?)?;
            let bytes = asset.bytes.clone().into();
            Some(StatusDocument { content_type: asset.content_type, bytes })
        };
        match part {
            StatusPart::Logo => return file(&page.logo).ok_or(Refused::Absent),
            StatusPart::Style => return file(&page.style).ok_or(Refused::Absent),
            StatusPart::Page
            | StatusPart::History
            | StatusPart::Json
            | StatusPart::Atom
            | StatusPart::Rss
            | StatusPart::Badge
            | StatusPart::ComponentBadge(_)
            | StatusPart::UptimeBadge(_)
            | StatusPart::Readers(_) => {}
        }
        let view = self.view_of(&plan, page)?;
        let (content_type, text) = written(&plan, page, &view, part).ok_or(Refused::Absent)?;
        Ok(StatusDocument { content_type, bytes: text.into() })
    }

    fn status_summaries(&self) -> Answer<Vec<StatusSummary>> {
        let plan = self.links.status.load_full();
        let summary = |page: &Page| {
            let view = self.view_of(&plan, page)?;
            let components = view.groups.iter().flat_map(|group| {
                group.components.iter().map(|component| {
                    let (id, name) = (component.id.clone(), component.name.clone());
                    (id, name, group.name.clone(), state(component.state))
                })
            });
            Ok(StatusSummary {
                slug: page.slug.clone(),
                state: state(view.state),
                headline: view.headline.clone(),
                components: components.collect(),
                open: (view.incidents.len() + view.planned.len()) as u64,
            })
        };
        plan.pages.iter().map(summary).collect()
    }

    fn public_incidents(&self, page: &str) -> Answer<Vec<PublicIncidentRecord>> {
        let stored = self.read(|reader| reader.public_incidents(page))?;
        Ok(stored.into_iter().rev().filter_map(read).collect())
    }

    fn reader_asks(&self, page: &str, way: ReaderWay, address: &str) -> Answer<()> {
        self.links.readers.get().ok_or_else(super::ending)?.ask(page, way, address);
        Ok(())
    }

    fn reader_joins(&self, page: &str, token: &str) -> Answer<bool> {
        let desk = self.links.readers.get().ok_or_else(super::ending)?;
        let now = Clock.now().unix;
        let Some((way, address)) = desk.joining(page, token, now) else { return Ok(false) };
        let _alone = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        if !readers::has_room(self.read(|reader| reader.count_readers(page))?) {
            tracing::warn!(page, "a status page has all the readers that it can have");
            return Ok(false);
        }
        let id = self.read(hark_store::state::StateReader::last_reader)? + 1;
        let (page, way) = (page.to_owned(), way.word().to_owned());
        let reader = ReaderRecord { id, page, way, address, created: now, told: now };
        self.write(vec![Change::Reader(reader)])?;
        Ok(true)
    }

    fn reader_leaves(&self, page: &str, token: &str) -> Answer<bool> {
        let desk = self.links.readers.get().ok_or_else(super::ending)?;
        let Some(id) = desk.leaving(page, token) else { return Ok(false) };
        self.write(vec![Change::ReaderRemoved(id)])?;
        Ok(true)
    }

    fn publish(&self, page: &str, content: &PublicContent) -> Answer<PublicIncidentRecord> {
        let _alone = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Clock.now().unix;
        let all = self.public_incidents(page)?;
        if all.iter().filter(|one| !incident((*one).clone()).is_over(now)).count() >= MAX_OPEN {
            let what = format!("{MAX_OPEN} on this page are not over: resolve one first");
            return Err(Refused::Conflict(what));
        }
        let record = PublicIncidentRecord {
            id: self.read(hark_store::state::StateReader::last_public_incident)? + 1,
            page: page.to_owned(),
            version: 1,
            updated: now,
            content: content.clone(),
        };
        self.keep(record)
    }

    fn change_public_incident(
        &self,
        page: &str,
        id: u64,
        version: u64,
        content: &PublicContent,
    ) -> Answer<PublicIncidentRecord> {
        let _alone = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.published_as(page, id)?;
        if version != before.version {
            return Err(Refused::Conflict(format!(
                "it was changed meanwhile: it is version {} now",
                before.version
            )));
        }
        let updated = Clock.now().unix;
        let content = content.clone();
        self.keep(PublicIncidentRecord { version: version + 1, updated, content, ..before })
    }

    fn remove_public_incident(&self, page: &str, id: u64) -> Answer<()> {
        let _alone = self.ordering.lock().unwrap_or_else(PoisonError::into_inner);
        self.published_as(page, id)?;
        self.write(vec![Change::PublicIncidentRemoved(id)])?;
        self.status.published(page);
        Ok(())
    }
}

impl ServerBackend {
    fn view_of(&self, plan: &Arc<StatusPlan>, page: &Page) -> Answer<Arc<View>> {
        let view = self.status.view(&self.links, plan, page);
        view.map_err(|error| Refused::Unavailable(error.to_string()))
    }

    fn published_as(&self, page: &str, id: u64) -> Answer<PublicIncidentRecord> {
        let all = self.public_incidents(page)?;
        all.into_iter().find(|one| one.id == id).ok_or(Refused::Absent)
    }

    fn keep(&self, record: PublicIncidentRecord) -> Answer<PublicIncidentRecord> {
        let body = serde_json::to_string(&record.content)
            .map_err(|error| Refused::Unavailable(error.to_string()))?;
        let over = record.content.closed_at.or(record.content.until_at);
        let stored = Stored {
            id: record.id,
            page: record.page.clone(),
            version: record.version,
            updated: record.updated,
            closed: over.map(|at| at.0),
            v: PUBLIC_INCIDENT_VERSION,
            body,
        };
        let kept = Change::PublicIncidentsKept {
            page: record.page.clone(),
            keep: u32::try_from(MAX_OVER).unwrap_or(u32::MAX),
            now: record.updated,
        };
        self.write(vec![Change::PublicIncident(stored), kept])?;
        self.status.published(&record.page);
        if let Some(desk) = self.links.readers.get() {
            desk.published();
        }
        Ok(record)
    }
}

/// Returns what is sent, with its type; `None` if the page has no such component.
fn written(
    plan: &StatusPlan,
    page: &Page,
    view: &View,
    part: &StatusPart,
) -> Option<(&'static str, String)> {
    let html = |(text, broken): (String, Option<hark_status::Broken>)| {
        if let Some(broken) = broken {
            tracing::warn!(page = page.slug, %broken, "the template of templates_dir is not used");
        }
        ("text/html; charset=utf-8", text)
    };
    let language = page.language;
    let said = |state: State| language.say(state.word()).to_owned();
    let svg = |label: &str, message: &str, state: State| {
        ("image/svg+xml", badge(label, message, state.word()))
    };
    let component = |id: &str| view.components().find(|component| component.id == id);
    Some(match part {
        StatusPart::Page => html(plan.templates.page(page, view)),
        StatusPart::History => html(plan.templates.history(page, view)),
        StatusPart::Readers(step) => {
            ("text/html; charset=utf-8", Templates::readers(page, view, step.word()))
        }
        StatusPart::Json => ("application/json", view.json()),
        StatusPart::Atom => {
            ("application/atom+xml; charset=utf-8", view.atom(page, &plan.address(page)))
        }
        StatusPart::Rss => {
            ("application/rss+xml; charset=utf-8", view.rss(page, &plan.address(page)))
        }
        StatusPart::Badge => svg(&view.title, &said(view.state), view.state),
        StatusPart::ComponentBadge(id) => {
            let component = component(id)?;
            svg(&component.name, &said(component.state), component.state)
        }
        StatusPart::UptimeBadge(id) => {
            let component = component(id)?;
            let state = if component.uptime.is_some() { State::Operational } else { State::NoData };
            let label = format!("{} {}", component.name, language.say("uptime"));
            svg(&label, &component.uptime_text(), state)
        }
        StatusPart::Logo | StatusPart::Style => return None,
    })
}

fn state(state: State) -> ComponentState {
    match state {
        State::Operational => ComponentState::Operational,
        State::NoData => ComponentState::NoData,
        State::Maintenance => ComponentState::Maintenance,
        State::Degraded => ComponentState::Degraded,
        State::PartialOutage => ComponentState::PartialOutage,
        State::MajorOutage => ComponentState::MajorOutage,
    }
}

/// Reads what is stored. What a newer program has written stays where it is, unseen.
pub(super) fn read(stored: Stored) -> Option<PublicIncidentRecord> {
    let content = match serde_json::from_str(&stored.body) {
        Ok(content) if stored.v <= PUBLIC_INCIDENT_VERSION => content,
        Ok(_) => return None,
        Err(error) => {
            tracing::warn!(incident = stored.id, %error, "something published cannot be read");
            return None;
        }
    };
    let Stored { id, page, version, updated, .. } = stored;
    Some(PublicIncidentRecord { id, page, version, updated, content })
}

/// Returns what was published as pages need it: without who said it.
pub(super) fn incident(record: PublicIncidentRecord) -> Incident {
    let PublicContent { kind, title, components, impact, from_at, until_at, closed_at, updates } =
        record.content;
    let kind = match kind {
        PublicKind::Incident => Kind::Incident,
        PublicKind::Maintenance => Kind::Maintenance,
    };
    Incident {
        id: record.id,
        kind,
        title,
        components,
        impact: match impact {
            PublicImpact::None => State::Operational,
            PublicImpact::Degraded => State::Degraded,
            PublicImpact::PartialOutage => State::PartialOutage,
            PublicImpact::MajorOutage => State::MajorOutage,
        },
        from: from_at.0,
        until: until_at.map(|at| at.0),
        closed: closed_at.map(|at| at.0),
        updates: updates
            .into_iter()
            .map(|update| Update { at: update.at.0, stage: stage(update.stage), text: update.text })
            .collect(),
    }
}

fn stage(stage: PublicStage) -> Stage {
    match stage {
        PublicStage::Investigating => Stage::Investigating,
        PublicStage::Identified => Stage::Identified,
        PublicStage::Monitoring => Stage::Monitoring,
        PublicStage::Resolved => Stage::Resolved,
        PublicStage::Scheduled => Stage::Scheduled,
        PublicStage::InProgress => Stage::InProgress,
        PublicStage::Completed => Stage::Completed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_model::Unix;

    /// What the first version wrote must be read for ever.
    const FIRST: &str = r#"{"kind":"incident","title":"Trouble","components":["api"],"impact":"degraded",
        "from_at":"2026-11-21T12:22:33Z","until_at":null,"closed_at":null,"updates":[
        {"at":"2026-11-21T12:22:33Z","stage":"investigating","text":"We look.","by":"mira"}]}"#;

    fn stored(v: u32, body: &str) -> Stored {
        Stored {
            id: 4,
            page: "x".to_owned(),
            version: 2,
            updated: Unix(0),
            closed: None,
            v,
            body: body.to_owned(),
        }
    }

    #[test]
    fn what_the_first_version_wrote_is_read_whole_and_shown_without_who_said_it() {
        let record = read(stored(1, FIRST)).unwrap();
        let again = serde_json::to_string(&record.content).unwrap();
        assert_eq!(serde_json::from_str::<PublicContent>(&again).unwrap(), record.content);
        let shown = incident(record);
        assert_eq!((shown.id, shown.impact), (4, State::Degraded));
        assert_eq!(shown.from, Unix(1_795_263_753_000));
        assert!(!format!("{shown:?}").contains("mira"));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(read(stored(1, "{")), None);
        assert_eq!(read(stored(2, FIRST)), None, "of a newer program");
    }
}
