//! What a page says at a moment.

use hark_model::Unix;
use serde::Serialize;

use crate::facts::Facts;
use crate::incident::{Incident, Kind, Stage};
use crate::page::{Component, Page};
use crate::render::percent;
use crate::state::State;
use crate::uptime::{self, Day, Uptime};
use crate::words::Language;

/// The most incidents that are over on the page itself; its history has more.
const EARLIER: usize = 5;

/// The most incidents that are over in the history of a page.
const HISTORY: usize = 100;

/// What a page says at a moment. This is also the JSON that programs get: it gains fields and loses none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// The word that its address ends in.
    pub page: String,
    /// Its name.
    pub title: String,
    /// A sentence; may be empty.
    pub description: String,
    /// The language of its words: `en`, `de`.
    pub language: &'static str,
    /// Its time zone.
    pub timezone: String,
    /// The worst of what it tells about.
    pub state: State,
    /// The same as a sentence.
    pub headline: String,
    /// Whether one component alone is not as it should be, and the headline names it.
    pub rest_works: bool,
    /// When it was so.
    pub as_of: String,
    /// How many days of history it has.
    pub days: u32,
    /// What it tells about.
    pub groups: Vec<GroupView>,
    /// What is wrong now, and work that is under way: the newest first.
    pub incidents: Vec<IncidentView>,
    /// Work that is announced: the soonest first.
    pub planned: Vec<IncidentView>,
    /// What is over: the newest first.
    pub earlier: Vec<IncidentView>,
}

/// Components under one heading.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupView {
    /// The heading; may be empty.
    pub name: String,
    /// What stands under it.
    pub components: Vec<ComponentView>,
}

/// A component.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComponentView {
    /// The word that stands in addresses.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A line; may be empty.
    pub description: String,
    /// How it is.
    pub state: State,
    /// What people say about it at present; may be empty.
    pub note: String,
    /// Share of the time of all days in which it worked, 0 to 1; `None` if it was not watched.
    pub uptime: Option<f64>,
    /// What its days were like, the oldest first.
    pub days: Vec<Day>,
}

/// An incident or announced work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IncidentView {
    /// Its number.
    pub id: u64,
    /// What kind.
    pub kind: Kind,
    /// What it is called.
    pub title: String,
    /// The names of the components that it is about; none is the page as a whole.
    pub components: Vec<String>,
    /// How bad it is at least.
    pub impact: State,
    /// How far people are with it.
    pub stage: Stage,
    /// When it began, or is to begin.
    pub from: String,
    /// When the work is to be done.
    pub until: Option<String>,
    /// When it was over.
    pub closed: Option<String>,
    /// When something was last said about it.
    pub updated: String,
    /// What was said, the newest first.
    pub updates: Vec<UpdateView>,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpdateView {
    /// When.
    pub at: String,
    /// How far people were.
    pub stage: Stage,
    /// In words.
    pub text: String,
}

impl View {
    /// Says what `page` is like at `now`. What `facts` lack of its components is not known.
    pub fn make(page: &Page, facts: &Facts, incidents: &[Incident], now: Unix) -> Self {
        let slots = uptime::days(now, page.days, &page.zone);
        let none = crate::facts::ComponentFacts::default();
        let of = |at: usize| facts.components.get(at).unwrap_or(&none);
        let components: Vec<(&Component, ComponentView)> = page
            .components
            .iter()
            .enumerate()
            .map(|(at, component)| {
                let uptime = Uptime::make(of(at), &component.id, incidents, &slots, now);
                (component, shown(component, State::of(&of(at).members), uptime, incidents, now))
            })
            .collect();
        let general = incidents.iter().filter(|i| i.components.is_empty() && i.holds(now));
        let state = components.iter().map(|(_, view)| view.state);
        let state = state.chain(general.map(Incident::weight)).max().unwrap_or(State::NoData);
        let fine = components.iter().filter(|(_, view)| view.state == State::Operational).count();
        let is_said_of_one = components.iter().any(|(_, view)| view.state == state);
        let is_general = incidents.iter().any(|i| i.components.is_empty() && i.holds(now));
        let rest_works = fine > 0 && fine + 1 == components.len() && is_said_of_one && !is_general;
        let headline = headline(page.language, state, components.iter().map(|(_, view)| view));
        let since = slots.first().map_or(now, uptime::Slot::begin);
        let mut view = Self {
            page: page.slug.clone(),
            title: page.title.clone(),
            description: page.description.clone(),
            language: page.language.code(),
            timezone: page.zone.iana_name().unwrap_or("UTC").to_owned(),
            state,
            headline,
            rest_works,
            as_of: minute(now),
            days: page.days,
            groups: grouped(components),
            incidents: Vec::new(),
            planned: Vec::new(),
            earlier: Vec::new(),
        };
        view.tell(page, incidents, since, now);
        view
    }

    /// Returns what strangers' programs get.
    pub fn json(&self) -> String {
        // Nothing in it can fail: keys are words, numbers that are none become null.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns each component.
    pub fn components(&self) -> impl Iterator<Item = &ComponentView> {
        self.groups.iter().flat_map(|group| &group.components)
    }

    /// Returns everything that was published, whatever was heard of last before the others.
    pub(crate) fn news(&self) -> Vec<&IncidentView> {
        let mut news: Vec<&IncidentView> =
            [&self.incidents, &self.planned, &self.earlier].into_iter().flatten().collect();
        news.sort_by(|a, b| b.updated.cmp(&a.updated).then(b.id.cmp(&a.id)));
        news
    }

    /// Returns the same with as many of what is over as the page itself has.
    pub(crate) fn shortened(&self) -> Self {
        let mut short = self.clone();
        short.earlier.truncate(EARLIER);
        short
    }

    fn tell(&mut self, page: &Page, incidents: &[Incident], since: Unix, now: Unix) {
        let mut all: Vec<&Incident> = incidents.iter().collect();
        all.sort_by_key(|incident| std::cmp::Reverse((incident.from, incident.id)));
        for incident in all {
            let view = IncidentView::of(page, incident);
            if incident.holds(now) {
                self.incidents.push(view);
            } else if incident.is_ahead(now) {
                self.planned.insert(0, view);
            } else if incident.updated().max(incident.from) >= since && self.earlier.len() < HISTORY
            {
                self.earlier.push(view);
            }
        }
    }
}

impl ComponentView {
    /// Returns in words how much of its time it worked.
    pub fn uptime_text(&self) -> String {
        self.uptime.map_or_else(|| "–".to_owned(), percent)
    }
}

impl IncidentView {
    fn of(page: &Page, incident: &Incident) -> Self {
        let stage = incident.updates.last().map_or(Stage::Investigating, |update| update.stage);
        let name = |id: &String| page.component(id).map(|component| component.name.clone());
        Self {
            id: incident.id,
            kind: incident.kind,
            title: incident.title.clone(),
            components: incident.components.iter().filter_map(name).collect(),
            impact: incident.weight(),
            stage,
            from: incident.from.rfc3339(),
            until: incident.until.map(Unix::rfc3339),
            closed: incident.closed.map(Unix::rfc3339),
            updated: incident.updated().rfc3339(),
            updates: incident
                .updates
                .iter()
                .rev()
                .map(|update| UpdateView {
                    at: update.at.rfc3339(),
                    stage: update.stage,
                    text: update.text.clone(),
                })
                .collect(),
        }
    }
}

/// Says how a component is: as its members are, or as bad as people say that it is at least.
fn shown(
    component: &Component,
    seen: State,
    uptime: Uptime,
    incidents: &[Incident],
    now: Unix,
) -> ComponentView {
    let about = || incidents.iter().filter(|i| i.is_about(&component.id) && i.holds(now));
    let said = about().map(Incident::weight).max();
    let note = about().max_by_key(|incident| (incident.weight(), incident.from, incident.id));
    ComponentView {
        id: component.id.clone(),
        name: component.name.clone(),
        description: component.description.clone(),
        state: said.map_or(seen, |said| said.max(seen)),
        note: note.map(|incident| incident.title.clone()).unwrap_or_default(),
        uptime: uptime.share,
        days: uptime.days,
    }
}

/// Puts components under their headings: each heading stands where its first component does.
fn grouped(components: Vec<(&Component, ComponentView)>) -> Vec<GroupView> {
    let mut groups: Vec<GroupView> = Vec::new();
    for (component, view) in components {
        if let Some(group) = groups.iter_mut().find(|group| group.name == component.group) {
            group.components.push(view);
        } else {
            groups.push(GroupView { name: component.group.clone(), components: vec![view] });
        }
    }
    groups
}

fn headline<'a>(
    language: Language,
    state: State,
    components: impl Iterator<Item = &'a ComponentView>,
) -> String {
    if state == State::Operational {
        return language.say("all_good").to_owned();
    }
    let mut bad =
        components.filter(|component| component.state == state || component.state.is_trouble());
    match (bad.next(), bad.next()) {
        (Some(one), None) if one.state == state => {
            format!("{} {}", one.name, language.say(&format!("is_{}", state.word())))
        }
        _ => language.say(&format!("page_{}", state.word())).to_owned(),
    }
}

/// Returns a moment without its seconds, so that what a page says changes when it does, not with the clock.
fn minute(at: Unix) -> String {
    Unix(at.0.div_euclid(60_000) * 60_000).rfc3339()
}

#[cfg(test)]
mod tests;
