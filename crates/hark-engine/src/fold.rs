//! Repeated identical events, folded: the first is told at once, those that follow are counted, and when
//! the window is over one event says how many there were, from when to when.
//!
//! What is identical but for its time is a repetition: the same host, kind, severity, text, tags and data. Boots
//! and shutdowns are never folded. An event that goes on through several windows is told once in each.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_model::time::{Mono, Now};
use hark_model::{Event, EventKind, HostName, Severity, Unix};

/// The most events that are counted at once; others are told one by one.
const MAX_OPEN: usize = 10_000;

/// What is the same in all repetitions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Same {
    host: HostName,
    kind: String,
    severity: Severity,
    text: String,
    tags: Vec<String>,
    data: Option<String>,
}

/// An event that may come again.
#[derive(Clone, Debug)]
struct Open<I> {
    id: I,
    /// All of them since the beginning.
    count: u32,
    /// When the newest happened.
    last: Unix,
    /// Those that nobody was told of: how many, and when the first of them happened.
    untold: Option<(u32, Unix)>,
    ends: Mono,
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken<I> {
    /// One to be told.
    New,
    /// One that came before.
    Again {
        /// The number of the first.
        id: I,
        /// How many there were with this one.
        count: u32,
        /// When this one happened.
        last: Unix,
    },
    /// A second copy of the newest: no event.
    Copy,
}

/// The events of some minutes. `I` is how who asks numbers them.
#[derive(Clone, Debug)]
pub struct Folds<I> {
    window: Duration,
    open: BTreeMap<Same, Open<I>>,
}

impl<I: Copy> Folds<I> {
    /// Begins with nothing seen; a window of zero folds nothing.
    pub fn new(window: Duration) -> Self {
        Self { window, open: BTreeMap::new() }
    }

    /// Changes the window; those that are open keep theirs.
    pub fn configure(&mut self, window: Duration) {
        self.window = window;
    }

    /// Takes in an event at `now`. If it is new, it gets the number `id`.
    pub fn take(&mut self, host: &HostName, event: &Event, id: I, now: Now) -> Taken<I> {
        let is_folded = match event.kind {
            EventKind::Boot | EventKind::Shutdown => false,
            EventKind::Message | EventKind::Other(_) => !self.window.is_zero(),
        };
        if !is_folded {
            return Taken::New;
        }
        let same = Same::of(host, event);
        if let Some(open) = self.open.get_mut(&same) {
            if open.last == event.at {
                return Taken::Copy;
            }
            open.count = open.count.saturating_add(1);
            open.last = open.last.max(event.at);
            let (untold, first) = open.untold.unwrap_or((0, event.at));
            open.untold = Some((untold.saturating_add(1), first.min(event.at)));
            return Taken::Again { id: open.id, count: open.count, last: event.at };
        }
        if self.open.len() < MAX_OPEN {
            let ends = now.mono + self.window;
            let (last, untold) = (event.at, None);
            self.open.insert(same, Open { id, count: 1, last, untold, ends });
        }
        Taken::New
    }

    /// Takes back that an event was new: it was none.
    pub fn forget(&mut self, host: &HostName, event: &Event) {
        self.open.remove(&Same::of(host, event));
    }

    /// Takes in what was known before a restart: an event that happened so often, last at `last`. What was
    /// counted before and not told is told with the rest.
    pub fn restore(
        &mut self,
        host: &HostName,
        event: &Event,
        id: I,
        (count, last): (u32, Unix),
        now: Now,
    ) {
        let age = now.unix.since(event.at);
        // Longer ago than a window: what follows is told anew.
        if age >= self.window || self.open.len() >= MAX_OPEN {
            return;
        }
        let ends = now.mono + self.window.saturating_sub(age);
        let untold = (count > 1).then_some((count - 1, event.at));
        self.open.insert(Same::of(host, event), Open { id, count, last, untold, ends });
    }

    /// Returns what is to be told now: an event for each window that is over and had repetitions.
    pub fn due(&mut self, now: Mono) -> Vec<(HostName, Event)> {
        let mut told = Vec::new();
        let window = self.window;
        self.open.retain(|same, open| {
            if now < open.ends {
                return true;
            }
            let Some((count, first)) = open.untold.take() else { return false };
            told.push((same.host.clone(), same.repeated(count, first, open.last)));
            open.ends = now + window;
            true
        });
        told
    }
}

impl Same {
    fn of(host: &HostName, event: &Event) -> Self {
        let Event { kind, severity, text, tags, data, .. } = event;
        Self {
            host: host.clone(),
            kind: kind.word().to_owned(),
            severity: *severity,
            text: text.clone(),
            tags: tags.clone(),
            data: data.clone(),
        }
    }

    /// Returns the event that stands for several.
    fn repeated(&self, count: u32, first: Unix, last: Unix) -> Event {
        let again = if count == 1 {
            format!(" (again at {})", last.rfc3339())
        } else {
            format!(" (again {count} times, {} to {})", first.rfc3339(), last.rfc3339())
        };
        let room = Event::MAX_TEXT.saturating_sub(again.len());
        let text: String = match self.text.get(..self.text.floor_char_boundary(room)) {
            Some(text) => format!("{text}{again}"),
            None => again,
        };
        Event {
            at: last,
            kind: EventKind::from_word(&self.kind),
            severity: self.severity,
            text,
            tags: self.tags.clone(),
            data: self.data.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_mins(5);

    fn at(seconds: u64) -> Now {
        Now { mono: Mono(1000 * seconds), unix: Unix(1000 * seconds.cast_signed()) }
    }

    fn event(seconds: u64, text: &str) -> Event {
        Event {
            at: at(seconds).unix,
            kind: EventKind::Message,
            severity: Severity::Warning,
            text: text.to_owned(),
            tags: vec!["nightly".to_owned()],
            data: None,
        }
    }

    #[test]
    fn events_with_other_data_are_other_events() {
        let mut folds = Folds::new(WINDOW);
        let with =
            |seconds, data: &str| Event { data: Some(data.to_owned()), ..event(seconds, "a") };
        assert_eq!(folds.take(&host(), &with(1, "1"), 1, at(1)), Taken::New);
        assert_eq!(folds.take(&host(), &with(2, "2"), 2, at(2)), Taken::New);
        assert_eq!(
            folds.take(&host(), &with(3, "1"), 3, at(3)),
            Taken::Again { id: 1, count: 2, last: at(3).unix }
        );
        let told = folds.due(Mono(302_000));
        assert_eq!(told[0].1.data.as_deref(), Some("1"));
    }

    fn host() -> HostName {
        HostName::new("web1").unwrap()
    }

    fn take(folds: &mut Folds<u64>, seconds: u64, text: &str) -> Taken<u64> {
        folds.take(&host(), &event(seconds, text), seconds, at(seconds))
    }

    #[test]
    fn the_first_is_told_at_once_and_the_others_together() {
        let mut folds = Folds::new(WINDOW);
        assert_eq!(take(&mut folds, 10, "disk full"), Taken::New);
        assert_eq!(take(&mut folds, 10, "disk full"), Taken::Copy);
        assert_eq!(take(&mut folds, 11, "disk empty"), Taken::New);
        for (n, seconds) in [(2, 20), (3, 30), (4, 40)] {
            let last = at(seconds).unix;
            assert_eq!(
                take(&mut folds, seconds, "disk full"),
                Taken::Again { id: 10, count: n, last }
            );
        }
        assert!(folds.due(at(309).mono).is_empty());
        let told = folds.due(at(310).mono);
        assert_eq!(told.len(), 1, "what came once is not told again");
        let (name, summary) = &told[0];
        assert_eq!((name, summary.severity, summary.at), (&host(), Severity::Warning, at(40).unix));
        assert_eq!(
            summary.text,
            "disk full (again 3 times, 1970-01-01T00:00:20Z to 1970-01-01T00:00:40Z)"
        );
        assert_eq!(summary.tags, ["nightly"]);
    }

    #[test]
    fn what_goes_on_is_told_once_in_each_window_and_what_stops_begins_anew() {
        let mut folds = Folds::new(WINDOW);
        let mut told = 0;
        for seconds in 0..3600 {
            told += u32::from(take(&mut folds, seconds, "flood") == Taken::New);
            told += u32::try_from(folds.due(at(seconds).mono).len()).unwrap();
        }
        assert_eq!(told, 12, "one a window, for an hour");
        assert_eq!(folds.due(at(3900).mono).len(), 1);
        assert!(folds.due(at(4300).mono).is_empty());
        assert_eq!(take(&mut folds, 4301, "flood"), Taken::New);
    }

    #[test]
    fn boots_are_never_folded_and_nothing_is_without_a_window() {
        let boot = Event { kind: EventKind::Boot, ..event(1, "booted") };
        let mut folds = Folds::new(WINDOW);
        for seconds in [1, 2] {
            let boot = Event { at: at(seconds).unix, ..boot.clone() };
            assert_eq!(folds.take(&host(), &boot, 1, at(seconds)), Taken::New);
        }
        let mut folds = Folds::new(Duration::ZERO);
        assert_eq!(take(&mut folds, 1, "a"), Taken::New);
        assert_eq!(take(&mut folds, 2, "a"), Taken::New);
    }

    #[test]
    fn a_restart_goes_on_counting() {
        let mut folds = Folds::new(WINDOW);
        let first = event(10, "disk full");
        folds.restore(&host(), &first, 7, (2, at(20).unix), at(60));
        folds.restore(&host(), &event(10, "old"), 8, (1, at(10).unix), at(1000));
        let last = at(70).unix;
        assert_eq!(take(&mut folds, 70, "disk full"), Taken::Again { id: 7, count: 3, last });
        assert_eq!(folds.due(at(310).mono).len(), 1);
        assert_eq!(take(&mut folds, 1001, "old"), Taken::New);
    }

    #[test]
    fn a_long_text_stays_within_the_bound_of_an_event() {
        let mut folds = Folds::new(WINDOW);
        let long = "é".repeat(450);
        take(&mut folds, 1, &long);
        take(&mut folds, 2, &long);
        let told = folds.due(at(400).mono);
        assert!(told[0].1.text.len() <= Event::MAX_TEXT);
        assert!(told[0].1.text.ends_with("(again at 1970-01-01T00:00:02Z)"));
    }
}
