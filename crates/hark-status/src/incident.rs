//! What people have published: incidents, and work that is announced.

use hark_model::Unix;
use hark_report::Span;
use serde::Serialize;

use crate::state::State;

/// Something that was published on a page. All its words are meant for strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Its number.
    pub id: u64,
    /// What kind.
    pub kind: Kind,
    /// What it is called.
    pub title: String,
    /// The components that it is about; none is the page as a whole.
    pub components: Vec<String>,
    /// How bad it is at least: what checks say may be worse.
    pub impact: State,
    /// When it began, or when the work is to begin.
    pub from: Unix,
    /// When the work is to be done.
    pub until: Option<Unix>,
    /// When it was over; `None` while it is not.
    pub closed: Option<Unix>,
    /// What was said about it, oldest first.
    pub updates: Vec<Update>,
}

/// What kind of thing was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something is wrong.
    Incident,
    /// Work that is announced.
    Maintenance,
}

/// How far people are with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The cause is looked for.
    Investigating,
    /// The cause is known.
    Identified,
    /// It is mended, and watched.
    Monitoring,
    /// It is over.
    Resolved,
    /// The work will be done.
    Scheduled,
    /// The work is being done.
    InProgress,
    /// The work is done.
    Completed,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 7] = [
        Self::Investigating,
        Self::Identified,
        Self::Monitoring,
        Self::Resolved,
        Self::Scheduled,
        Self::InProgress,
        Self::Completed,
    ];

    /// Returns its word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Identified => "identified",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
            Self::Scheduled => "scheduled",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
        }
    }

    /// Returns true if nothing comes after it.
    pub fn is_last(self) -> bool {
        matches!(self, Self::Resolved | Self::Completed)
    }

    /// Returns what kind of thing can be at this stage.
    pub fn kind(self) -> Kind {
        match self {
            Self::Investigating | Self::Identified | Self::Monitoring | Self::Resolved => {
                Kind::Incident
            }
            Self::Scheduled | Self::InProgress | Self::Completed => Kind::Maintenance,
        }
    }
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// When.
    pub at: Unix,
    /// How far people were.
    pub stage: Stage,
    /// In words.
    pub text: String,
}

impl Incident {
    /// Returns true if it is about the component.
    pub fn is_about(&self, component: &str) -> bool {
        self.components.iter().any(|known| known == component)
    }

    /// Returns true if it holds at `now`: it is not over, and work that is announced has begun.
    pub fn holds(&self, now: Unix) -> bool {
        self.time(now).is_some_and(|time| time.from <= now && now < time.until)
    }

    /// Returns true if it is announced and has not begun.
    pub fn is_ahead(&self, now: Unix) -> bool {
        self.kind == Kind::Maintenance && self.closed.is_none() && now < self.begin()
    }

    /// Returns how bad it makes what it is about.
    pub(crate) fn weight(&self) -> State {
        match self.kind {
            Kind::Maintenance => State::Maintenance,
            Kind::Incident => self.impact,
        }
    }

    /// Returns when it was last said anything about.
    pub fn updated(&self) -> Unix {
        self.updates.last().map_or(self.from, |update| update.at)
    }

    /// Returns when it held, holds or is to hold; `None` if it was over before it began. Work that nobody has
    /// said to be done is over when it was to be.
    pub(crate) fn time(&self, now: Unix) -> Option<Span> {
        let until = match (self.kind, self.closed) {
            (_, Some(closed)) => closed,
            (Kind::Incident, None) => Unix(now.0.saturating_add(1)),
            (Kind::Maintenance, None) => self.until.unwrap_or(Unix(now.0.saturating_add(1))),
        };
        let span = Span { from: self.begin(), until };
        (!span.is_empty()).then_some(span)
    }

    /// Returns true if nothing more is to come.
    pub fn is_over(&self, now: Unix) -> bool {
        !self.holds(now) && !self.is_ahead(now)
    }

    /// Returns when it begins: work that somebody has said to be under way has begun then.
    fn begin(&self) -> Unix {
        let started = self.updates.iter().find(|update| update.stage == Stage::InProgress);
        started.map_or(self.from, |update| update.at.min(self.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(closed: Option<i64>, updates: &[(i64, Stage)]) -> Incident {
        Incident {
            id: 1,
            kind: Kind::Maintenance,
            title: String::new(),
            components: Vec::new(),
            impact: State::Maintenance,
            from: Unix(100),
            until: Some(Unix(200)),
            closed: closed.map(Unix),
            updates: updates
                .iter()
                .map(|(at, stage)| Update { at: Unix(*at), stage: *stage, text: String::new() })
                .collect(),
        }
    }

    #[test]
    fn work_holds_from_its_begin_to_its_end_or_until_somebody_says_that_it_is_done() {
        let plain = work(None, &[(10, Stage::Scheduled)]);
        let times = |work: &Incident| {
            [50, 100, 199, 200].map(|now| (work.is_ahead(Unix(now)), work.holds(Unix(now))))
        };
        assert_eq!(times(&plain), [(true, false), (false, true), (false, true), (false, false)]);
        let done = work(Some(150), &[(150, Stage::Completed)]);
        assert_eq!(times(&done), [(false, false), (false, true), (false, false), (false, false)]);
        let early = work(None, &[(40, Stage::InProgress)]);
        assert_eq!(times(&early)[0], (false, true));
        let called_off = work(Some(50), &[(50, Stage::Completed)]);
        assert!(called_off.is_over(Unix(60)) && called_off.is_over(Unix(150)));
    }

    #[test]
    fn an_incident_holds_until_it_is_resolved() {
        let mut incident = Incident { kind: Kind::Incident, until: None, ..work(None, &[]) };
        assert!(incident.holds(Unix(100_000)) && !incident.is_ahead(Unix(0)));
        incident.closed = Some(Unix(300));
        assert!(incident.is_over(Unix(300)) && incident.holds(Unix(299)));
    }
}
