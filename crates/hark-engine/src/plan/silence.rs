//! Silences and maintenance declared in files: what they cover, and when they hold.

use std::time::Duration;

use hark_calendar::{ActiveWindow, Recurrence};
use hark_model::Unix;
use hark_model::record::{Matcher, Repeats, RepeatsWhen};

/// A silence or maintenance declared in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct SilencePlan {
    /// What it is called.
    pub name: String,
    /// What it covers.
    pub matcher: Matcher,
    /// Why.
    pub reason: String,
    /// From when; of one that comes again, before which it does not hold.
    pub from: Unix,
    /// Until when; of one that comes again, after which it does not hold.
    pub until: Unix,
    /// A planned one.
    pub maintenance: bool,
    /// It begins with the first problem between `from` and `until`, and holds for so long.
    pub flexible: Option<Duration>,
    /// It comes again and again.
    pub repeat: Option<Repeat>,
}

/// When a maintenance comes again.
#[derive(Clone, Debug, PartialEq)]
pub enum Repeat {
    /// By a pattern of cron, each time for so long.
    Cron(Recurrence, Duration),
    /// In days and hours of the week.
    Weekly(ActiveWindow),
    /// Whenever the maintenance of this name holds.
    With(String),
}

/// A time in which something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Unix,
    pub(crate) until: Unix,
}

/// The end of the year 9999: the last moment that can be written as people write moments.
pub(crate) const END_OF_TIME: Unix = Unix(253_402_300_799_000);

impl Span {
    /// Never.
    pub(crate) const NEVER: Self = Self { from: END_OF_TIME, until: END_OF_TIME };

    /// Returns true if `at` is in it.
    pub(crate) fn has(self, at: Unix) -> bool {
        self.from <= at && at < self.until
    }
}

impl Repeat {
    /// Reads when a maintenance that somebody made comes again.
    pub(crate) fn of(repeats: &Repeats) -> Result<Self, String> {
        let zone = repeats.zone.as_deref();
        match &repeats.when {
            RepeatsWhen::Cron { pattern, lasts_ms } => Recurrence::cron(pattern, zone)
                .map(|recurrence| Self::Cron(recurrence, Duration::from_millis(*lasts_ms)))
                .map_err(|error| error.to_string()),
            RepeatsWhen::Week(text) => {
                ActiveWindow::parse(text, zone).map(Self::Weekly).map_err(|error| error.to_string())
            }
        }
    }

    /// Returns outside of what it does not hold.
    pub(crate) fn bounds(repeats: &Repeats) -> Span {
        Span { from: repeats.from, until: repeats.until.unwrap_or(END_OF_TIME) }
    }

    /// Returns the time within `bounds` in which it holds at `now`, or else the next one; that of
    /// [`Repeat::With`] is that of the other.
    pub(crate) fn span(&self, bounds: Span, now: Unix) -> Option<Span> {
        let at = now.max(bounds.from);
        let found = match self {
            Self::With(_) => return None,
            Self::Cron(recurrence, lasts) => {
                // The first beginning whose end is still to come.
                let from = recurrence.next_after(at - *lasts);
                from.map(|from| Span { from, until: from + *lasts })
            }
            Self::Weekly(window) => {
                let from = if window.contains(at) { Some(at) } else { window.next_change(at) };
                from.map(|from| Span {
                    from,
                    until: window.next_change(from).unwrap_or(bounds.until),
                })
            }
        };
        let found = found.unwrap_or(Span::NEVER);
        let within =
            Span { from: found.from.max(bounds.from), until: found.until.min(bounds.until) };
        Some(if within.from < within.until { within } else { Span::NEVER })
    }
}

/// Returns the next times, at most `n`, at which a maintenance with these terms would hold, each as its
/// beginning and its end; the first is the present one, if it would hold at `now`.
///
/// # Errors
/// If pattern, hours or zone cannot be read.
pub fn times(repeats: &Repeats, now: Unix, n: usize) -> Result<Vec<(Unix, Unix)>, String> {
    let (repeat, bounds) = (Repeat::of(repeats)?, Repeat::bounds(repeats));
    let mut times = Vec::new();
    let mut at = now;
    while times.len() < n {
        let Some(span) = repeat.span(bounds, at) else { break };
        // One that the end of all of it has cut is found once more at that end.
        if span == Span::NEVER || span.until <= at {
            break;
        }
        times.push((span.from, span.until));
        at = span.until;
    }
    Ok(times)
}

impl std::fmt::Display for Repeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cron(recurrence, lasts) => {
                write!(f, "{recurrence} for {}", hark_config::duration::format(*lasts))
            }
            Self::Weekly(window) => write!(f, "{window}"),
            Self::With(name) => write!(f, "with {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Span = Span { from: Unix(0), until: END_OF_TIME };

    fn unix(text: &str) -> Unix {
        Unix(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn shown(repeat: &Repeat, bounds: Span, at: &str) -> String {
        let span = repeat.span(bounds, unix(at)).unwrap();
        if span == Span::NEVER {
            return "never".to_owned();
        }
        format!("{} {}", span.from.rfc3339(), span.until.rfc3339())
    }

    #[test]
    fn by_cron_it_holds_for_its_time_also_where_the_clocks_change() {
        let nightly = Recurrence::cron("30 2 * * *", Some("Europe/Berlin")).unwrap();
        let repeat = Repeat::Cron(nightly, Duration::from_hours(1));
        for (at, span) in [
            ("2026-11-20T12:00:00Z", "2026-11-21T01:30:00Z 2026-11-21T02:30:00Z"),
            ("2026-11-21T01:30:00Z", "2026-11-21T01:30:00Z 2026-11-21T02:30:00Z"),
            ("2026-11-21T02:29:59Z", "2026-11-21T01:30:00Z 2026-11-21T02:30:00Z"),
            ("2026-11-21T02:30:00Z", "2026-11-22T01:30:00Z 2026-11-22T02:30:00Z"),
            // 02:30 is missing on that day: it begins at 03:00.
            ("2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z 2026-03-29T02:00:00Z"),
            // 02:30 is there twice: it begins the first time, and not again.
            ("2026-10-25T00:45:00Z", "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z"),
            ("2026-10-25T01:31:00Z", "2026-10-26T01:30:00Z 2026-10-26T02:30:00Z"),
        ] {
            assert_eq!(shown(&repeat, ALL, at), span, "{at}");
        }
    }

    #[test]
    fn by_the_week_it_holds_in_its_hours() {
        let window = ActiveWindow::parse("sun 02:00-04:00", Some("UTC")).unwrap();
        let repeat = Repeat::Weekly(window);
        let sunday = "2026-11-22T02:00:00Z 2026-11-22T04:00:00Z";
        assert_eq!(shown(&repeat, ALL, "2026-11-21T12:00:00Z"), sunday);
        assert_eq!(shown(&repeat, ALL, "2026-11-22T02:00:00Z"), sunday);
        assert!(shown(&repeat, ALL, "2026-11-22T04:00:00Z").starts_with("2026-11-29T02:00:00Z"));
    }

    #[test]
    fn the_next_times_are_told_beforehand_also_where_the_clocks_change() {
        let when = RepeatsWhen::Cron { pattern: "30 2 * * *".to_owned(), lasts_ms: 3_600_000 };
        let zone = Some("Europe/Berlin".to_owned());
        let (from, until) = (unix("2026-03-01T00:00:00Z"), Some(unix("2026-03-30T00:45:00Z")));
        let repeats = Repeats { when, zone, from, until };
        let told = |repeats: &Repeats, now: &str| -> Vec<String> {
            let times = times(repeats, unix(now), 4).unwrap();
            times.iter().map(|(a, b)| format!("{} {}", a.rfc3339(), b.rfc3339())).collect()
        };
        // The second has the hour that is missing in Berlin, the third is cut by the end of all of it.
        let expected = [
            "2026-03-28T01:30:00Z 2026-03-28T02:30:00Z",
            "2026-03-29T01:00:00Z 2026-03-29T02:00:00Z",
            "2026-03-30T00:30:00Z 2026-03-30T00:45:00Z",
        ];
        assert_eq!(told(&repeats, "2026-03-28T02:00:00Z"), expected);
        let hours = RepeatsWhen::Week("sun 01:00-05:00".to_owned());
        let weekly = Repeats { when: hours, until: None, ..repeats.clone() };
        // Three hours on the clock of that night, and four a week later.
        assert_eq!(
            told(&weekly, "2026-03-28T00:00:00Z")[..2],
            [
                "2026-03-29T00:00:00Z 2026-03-29T03:00:00Z",
                "2026-04-04T23:00:00Z 2026-04-05T03:00:00Z"
            ]
        );
        let wrong = Repeats { zone: Some("Mars/North".to_owned()), ..repeats };
        assert!(times(&wrong, Unix(0), 1).unwrap_err().contains("time zone"));
    }

    #[test]
    fn nothing_holds_outside_its_bounds() {
        let window = ActiveWindow::parse("daily 00:00-24:00", Some("UTC")).unwrap();
        let bounds =
            Span { from: unix("2026-11-21T06:00:00Z"), until: unix("2026-11-21T08:00:00Z") };
        let repeat = Repeat::Weekly(window);
        let inside = "2026-11-21T06:00:00Z 2026-11-21T08:00:00Z";
        assert_eq!(shown(&repeat, bounds, "2026-11-20T00:00:00Z"), inside);
        assert_eq!(shown(&repeat, bounds, "2026-11-21T09:00:00Z"), "never");
    }
}
