//! What the calendar says at a moment: which periods are open, and who is on call.
//!
//! All that is decided goes by the last look at the wall clock, so that what `explain` says is what is
//! done; the calendar's deadline looks again when something may have changed, at least each minute.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_model::record::JournalKind;
use hark_model::{Now, PeriodName, RotaName, Severity, Unix, UserName};

use crate::effect::Effects;
use crate::engine::{About, Engine};
use crate::plan::{Hours, People};

/// The calendar is worked out anew after this long, whatever it said: no window is looked at further.
const LONGEST: Duration = Duration::from_hours(24);

/// The calendar at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// Whether each period is open, and when that changes next.
    periods: BTreeMap<PeriodName, (bool, Option<Unix>)>,
    /// Who is on call.
    on_call: BTreeMap<RotaName, Option<UserName>>,
    /// When this was worked out, and until when it holds.
    valid: Option<(Unix, Unix)>,
}

impl Times {
    /// Works out what holds at a moment.
    pub(crate) fn at(people: &People, at: Unix) -> Self {
        let mut until = at + LONGEST;
        let mut periods = BTreeMap::new();
        for (name, window) in &people.periods {
            let change = window.next_change(at);
            until = change.map_or(until, |change| change.min(until));
            periods.insert(name.clone(), (window.contains(at), change));
        }
        let mut on_call = BTreeMap::new();
        for (name, rota) in &people.rotas {
            until = rota.next_border(at).map_or(until, |change| change.min(until));
            on_call.insert(name.clone(), rota.at(at).cloned());
        }
        let needed = !periods.is_empty() || !on_call.is_empty();
        Self { periods, on_call, valid: needed.then_some((at, until)) }
    }

    /// Returns true if a period is open; one that is unknown is not.
    pub(crate) fn is_open(&self, period: &PeriodName) -> bool {
        self.periods.get(period).is_some_and(|(open, _)| *open)
    }

    /// Returns who is on call.
    pub(crate) fn on_call(&self, rota: &RotaName) -> Option<&UserName> {
        self.on_call.get(rota)?.as_ref()
    }

    /// Returns true if hours keep something of this severity back.
    pub(crate) fn is_closed(&self, hours: &Hours, severity: Severity) -> bool {
        !self.is_open(&hours.period) && hours.except.is_none_or(|least| severity < least)
    }

    /// Returns when a period opens or closes next; `None` if never.
    pub(crate) fn change_of(&self, period: &PeriodName) -> Option<Unix> {
        self.periods.get(period).and_then(|(_, change)| *change)
    }

    /// Returns the moment this was worked out for; `None` if there is nothing that could change.
    pub(crate) fn looked_at(&self) -> Option<Unix> {
        self.valid.map(|(from, _)| from)
    }

    /// Returns until when this holds; `None` if nothing can change.
    pub(crate) fn until(&self) -> Option<Unix> {
        self.valid.map(|(_, until)| until)
    }

    fn holds_at(&self, at: Unix) -> bool {
        self.valid.is_none_or(|(from, until)| from <= at && at < until)
    }

    /// Returns true if the same periods are open and the same people on call.
    fn says_the_same(&self, other: &Self) -> bool {
        let open = |times: &Self| -> Vec<bool> { times.periods.values().map(|p| p.0).collect() };
        open(self) == open(other) && self.on_call == other.on_call
    }
}

impl Engine {
    /// Looks at the calendar again; true if somebody or something has changed.
    pub(crate) fn turn_times(&mut self, now: Now, fx: &mut Effects) -> bool {
        if self.times.holds_at(now.unix) {
            return false;
        }
        let times = Times::at(&self.plan.people, now.unix);
        let changed = !times.says_the_same(&self.times);
        for (rota, user) in &times.on_call {
            let before = self.times.on_call.get(rota);
            if before.is_some_and(|before| before != user) {
                let text = match user {
                    Some(user) => format!("{user} is on call now: {rota}"),
                    None => format!("nobody is on call now: {rota}"),
                };
                fx.journal(now, About::default(), JournalKind::Server, text);
            }
        }
        self.times = times;
        changed
    }
}
