//! What is shown.

use std::time::Duration;

use hark_api::Page;
use hark_api::hosts::{Host, HostRow};
use hark_api::incidents::{Incident, IncidentRow};
use hark_api::overview::Overview;
use hark_api::series::{Metric, Metrics, Series};
use hark_model::Unix;
use serde_json::Value;

use crate::ask::{Act, Ask};
use crate::rows::Rows;

/// Most rows of a list: one page of the API. Who has more narrows them.
pub const MOST_ROWS: usize = 1000;

/// Rows that are asked for at first, and how many more when the end comes near.
const FIRST_ROWS: usize = 200;

/// Rows from the end at which more are asked for.
const MARGIN: usize = 50;

/// Points of a chart: two for each column of a wide terminal.
const POINTS: u16 = 320;

/// What a chart can go back, with its word.
pub(crate) const RANGES: [(Duration, &str); 5] = [
    (Duration::from_mins(15), "15 min"),
    (Duration::from_hours(1), "1 h"),
    (Duration::from_hours(6), "6 h"),
    (Duration::from_hours(24), "24 h"),
    (Duration::from_hours(24 * 7), "7 d"),
];

/// The view: what it shows, and of whom it was last told.
#[derive(Debug, Default)]
pub struct Top {
    pub(crate) view: View,
    pub(crate) overview: Option<Overview>,
    pub(crate) incidents: Rows<IncidentRow>,
    pub(crate) hosts: Rows<HostRow>,
    pub(crate) detail: Option<Detail>,
    /// Only incidents that have this.
    pub(crate) incident_with: String,
    /// Only hosts that have this.
    pub(crate) host_with: String,
    /// Only hosts of this state, a letter of the API.
    pub(crate) state: Option<char>,
    /// Rows that are asked for.
    pub(crate) limit: Option<usize>,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) helps: bool,
    /// What became of what was done last.
    pub(crate) note: Option<Note>,
    /// Why the server does not answer, and since when.
    pub(crate) trouble: Option<(String, Unix)>,
    /// Why what the screen is about was not told, by a server that answers.
    pub(crate) refusal: Option<String>,
    /// Rows of a list on the screen, as it was drawn last.
    pub(crate) height: usize,
    /// Whether what is wanted has changed since it was last asked for.
    pub(crate) is_hungry: bool,
}

/// Which list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum View {
    #[default]
    Incidents,
    Hosts,
}

/// One thing, in the place of its list.
#[derive(Debug)]
pub(crate) enum Detail {
    Incident(Box<ShownIncident>),
    Host(Box<ShownHost>),
}

#[derive(Debug)]
pub(crate) struct ShownIncident {
    pub(crate) id: u64,
    pub(crate) known: Option<Incident>,
    pub(crate) scrolled: usize,
}

#[derive(Debug)]
pub(crate) struct ShownHost {
    pub(crate) name: String,
    pub(crate) known: Option<Host>,
    pub(crate) metrics: Rows<Metric>,
    pub(crate) series: Option<Series>,
    /// Which of [`RANGES`].
    pub(crate) range: usize,
    /// The first check that is shown.
    pub(crate) first_check: usize,
}

/// What is being typed.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) purpose: Purpose,
    pub(crate) text: String,
}

/// What for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Filter,
    Take(u64),
}

/// A line that says how something went.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) text: String,
    pub(crate) is_bad: bool,
}

impl Detail {
    pub(crate) fn incident(id: u64) -> Self {
        Self::Incident(Box::new(ShownIncident { id, known: None, scrolled: 0 }))
    }

    pub(crate) fn host(name: &str) -> Self {
        Self::Host(Box::new(ShownHost {
            name: name.to_owned(),
            known: None,
            metrics: Rows::default(),
            series: None,
            range: 1,
            first_check: 0,
        }))
    }
}

impl ShownHost {
    /// Goes down so many checks, or up.
    pub(crate) fn checks_from(&mut self, by: isize) {
        let last = self.known.as_ref().map_or(0, |host| host.checks.len().saturating_sub(1));
        self.first_check = self.first_check.saturating_add_signed(by).min(last);
    }
}

impl Top {
    /// Begins with the incidents.
    pub fn new() -> Self {
        Self { is_hungry: true, ..Self::default() }
    }

    /// Begins with one host.
    pub fn of_host(name: &str) -> Self {
        Self { view: View::Hosts, detail: Some(Detail::host(name)), ..Self::new() }
    }

    /// Returns true if what is wanted has changed since [`Top::asks`]: it is to be asked for without waiting
    /// for the next round.
    pub fn is_hungry(&self) -> bool {
        self.is_hungry
    }

    /// Returns what is to be asked for what is on the screen.
    pub fn asks(&mut self, now: Unix) -> Vec<Ask> {
        self.is_hungry = false;
        let limit = self.limit.unwrap_or(FIRST_ROWS);
        let mut asks = vec![Ask::Overview];
        match (&self.detail, self.view) {
            (None, View::Incidents) => {
                asks.push(Ask::Incidents { contains: self.incident_with.clone(), limit });
            }
            (None, View::Hosts) => {
                let contains = self.host_with.clone();
                asks.push(Ask::Hosts { contains, state: self.state, limit });
            }
            (Some(Detail::Incident(shown)), _) => asks.push(Ask::Incident(shown.id)),
            (Some(Detail::Host(shown)), _) => {
                asks.push(Ask::Host(shown.name.clone()));
                asks.push(Ask::Metrics(shown.name.clone()));
                asks.extend(shown.series_wanted(now));
            }
        }
        asks
    }

    /// Takes the answer to a question, or why there is none. What is not wanted any more is dropped.
    pub fn take(&mut self, ask: &Ask, answer: Result<Value, String>, now: Unix) {
        let taken = answer.and_then(|answer| self.put(ask, answer));
        if *ask != Ask::Overview {
            self.refusal = taken.err();
            return;
        }
        match taken {
            Ok(()) => self.trouble = None,
            Err(why) => {
                let since = self.trouble.take().map_or(now, |(_, since)| since);
                self.trouble = Some((why, since));
            }
        }
    }

    /// Takes what became of what was to be done.
    pub fn did(&mut self, act: &Act, result: Result<(), String>) {
        let (text, is_bad) = match result {
            Ok(()) => (act.done(), false),
            Err(why) => (why, true),
        };
        (self.note, self.is_hungry) = (Some(Note { text, is_bad }), true);
    }

    fn put(&mut self, ask: &Ask, answer: Value) -> Result<(), String> {
        match ask {
            Ask::Overview => self.overview = Some(read(answer)?),
            Ask::Incidents { contains, .. } => {
                let page: Page<IncidentRow> = read(answer)?;
                if *contains == self.incident_with {
                    self.incidents.renew(page.items, page.next.is_some(), |row| row.id);
                }
            }
            Ask::Hosts { contains, state, .. } => {
                let page: Page<HostRow> = read(answer)?;
                if *contains == self.host_with && *state == self.state {
                    self.hosts.renew(page.items, page.next.is_some(), |row| row.id);
                }
            }
            Ask::Incident(id) => {
                let known = read(answer)?;
                if let Some(Detail::Incident(shown)) = &mut self.detail
                    && shown.id == *id
                {
                    shown.known = Some(known);
                }
            }
            Ask::Host(name) => {
                let known = read(answer)?;
                if let Some(shown) = self.shown_host(name) {
                    shown.known = Some(known);
                }
            }
            Ask::Metrics(name) => {
                let metrics: Metrics = read(answer)?;
                let mut wants_series = false;
                if let Some(shown) = self.shown_host(name) {
                    let is_first = !shown.metrics.is_known;
                    shown.metrics.renew(metrics.items, false, |metric| metric.path.clone());
                    if is_first {
                        shown.choose_usual();
                    }
                    wants_series = is_first && shown.metrics.chosen().is_some();
                }
                self.is_hungry |= wants_series;
            }
            Ask::Series { host, metric, .. } => {
                let series = read(answer)?;
                if let Some(shown) = self.shown_host(host)
                    && shown.metrics.chosen().is_some_and(|chosen| chosen.path == *metric)
                {
                    shown.series = Some(series);
                }
            }
        }
        Ok(())
    }

    fn shown_host(&mut self, name: &str) -> Option<&mut ShownHost> {
        match &mut self.detail {
            Some(Detail::Host(shown)) if shown.name == name => Some(shown),
            _ => None,
        }
    }

    /// Returns the incident that keys are about.
    pub(crate) fn incident(&self) -> Option<u64> {
        match (&self.detail, self.view) {
            (Some(Detail::Incident(shown)), _) => Some(shown.id),
            (None, View::Incidents) => self.incidents.chosen().map(|row| row.id),
            (Some(Detail::Host(_)), _) | (None, View::Hosts) => None,
        }
    }

    /// Returns the host that keys are about.
    pub(crate) fn host(&self) -> Option<String> {
        match (&self.detail, self.view) {
            (Some(Detail::Host(shown)), _) => Some(shown.name.clone()),
            (Some(Detail::Incident(shown)), _) => {
                shown.known.as_ref().map(|known| known.row.host.clone())
            }
            (None, View::Incidents) => self.incidents.chosen().map(|row| row.host.clone()),
            (None, View::Hosts) => self.hosts.chosen().map(|row| row.name.clone()),
        }
    }

    /// Returns the text by which the list is narrowed.
    pub(crate) fn contains(&self) -> &str {
        match self.view {
            View::Incidents => &self.incident_with,
            View::Hosts => &self.host_with,
        }
    }

    /// Narrows the list to what has a text.
    pub(crate) fn narrow(&mut self, text: &str) {
        match self.view {
            View::Incidents => text.clone_into(&mut self.incident_with),
            View::Hosts => text.clone_into(&mut self.host_with),
        }
        (self.limit, self.is_hungry) = (None, true);
    }

    /// Asks for more rows if the end of those that are there comes near.
    pub(crate) fn widen(&mut self) {
        let is_near = match self.view {
            View::Incidents => self.incidents.is_near_end(MARGIN),
            View::Hosts => self.hosts.is_near_end(MARGIN),
        };
        let limit = self.limit.unwrap_or(FIRST_ROWS);
        if self.detail.is_none() && is_near && limit < MOST_ROWS {
            self.limit = Some((limit + FIRST_ROWS).min(MOST_ROWS));
            self.is_hungry = true;
        }
    }

    /// Returns how far a page goes: a row of the one before stays.
    pub(crate) fn page(&self) -> isize {
        isize::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(1)
    }
}

impl ShownHost {
    /// Chooses the metric that says most at a glance, if it is there.
    fn choose_usual(&mut self) {
        const USUAL: [&str; 2] = ["cpu_monitor.cpu_percent", "cpu_monitor.load_1min"];
        let of = |word: &&str| {
            let has = |metric: &Metric| metric.path.contains(*word);
            self.metrics.items().iter().position(has)
        };
        if let Some(at) = USUAL.iter().find_map(of) {
            self.metrics.step(isize::try_from(at).unwrap_or(0));
        }
    }

    pub(crate) fn span(&self) -> (Duration, &'static str) {
        RANGES.get(self.range).copied().unwrap_or((Duration::from_hours(1), "1 h"))
    }

    fn series_wanted(&self, now: Unix) -> Option<Ask> {
        let metric = self.metrics.chosen()?.path.clone();
        let from = (now - self.span().0).seconds();
        Some(Ask::Series { host: self.name.clone(), metric, from, points: POINTS })
    }
}

fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, String> {
    serde_json::from_value(answer)
        .map_err(|error| format!("the server answered something else than asked for: {error}"))
}
