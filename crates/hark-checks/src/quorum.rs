//! One result out of what several places see of the same thing.
//!
//! A machine without IO or clock: it is given what each site found and the time, and says when there is a
//! combined result and what it is. A site counts while its last result is fresh and says something:
//! silence, a site's own uplink that is down (it sends nothing then) and "unknown" say nothing about what is
//! looked at. Bad is what at least `quorum` of the sites that count call bad; fewer of them than that are
//! too few to say anything. Good it is only if it would also be good were those bad that do not count and
//! did not call it good when they last said something: that a site falls silent ends no problem.

use std::fmt::Write as _;
use std::time::Duration;

use hark_model::time::millis;
use hark_model::{Mono, Status};

/// How much longer than two intervals a result is fresh: a lost datagram, a slow look, a heartbeat that
/// takes a result along.
const GRACE: Duration = Duration::from_secs(10);

/// How long the text of one site may be in the combined one: a line.
const MAX_WORDS: usize = 300;

/// What several sites see of one check.
#[derive(Clone, Debug)]
pub struct Quorum {
    sites: Vec<Site>,
    /// How many must see it bad.
    needed: usize,
    every: Duration,
    /// When the last combined result was given; at first, when it was begun to wait for one.
    last: Mono,
    /// What was seen before that does not count any more.
    from: Mono,
}

#[derive(Clone, Debug)]
struct Site {
    name: String,
    seen: Option<Seen>,
    /// A result came since the last combined one.
    news: bool,
    /// What it said last that says something was good.
    was_good: bool,
}

#[derive(Clone, Debug)]
struct Seen {
    status: Status,
    text: String,
    at: Mono,
}

/// What one site says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Says<'a> {
    /// Its name.
    pub site: &'a str,
    /// What it last found, in a line, and when that look began; none if it has not said anything yet.
    pub seen: Option<(Status, &'a str, Mono)>,
    /// Whether it counts.
    pub counts: bool,
}

/// What the sites say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combined {
    /// What it means.
    pub status: Status,
    /// The same in words, with the sites that see it bad.
    pub text: String,
}

impl Quorum {
    /// Begins to wait for results of `sites`, each of which looks every `every`.
    pub fn new(
        sites: impl IntoIterator<Item = String>,
        quorum: usize,
        every: Duration,
        now: Mono,
    ) -> Self {
        let sites = sites
            .into_iter()
            .map(|name| Site { name, seen: None, news: false, was_good: false })
            .collect();
        Self { sites, needed: quorum.max(1), every, last: now, from: Mono(0) }
    }

    /// Takes over what is known already, after a reload.
    #[must_use]
    pub fn after(mut self, former: &Self) -> Self {
        for site in &mut self.sites {
            if let Some(known) = former.sites.iter().find(|known| known.name == site.name) {
                *site = known.clone();
            }
        }
        self.last = former.last;
        self.from = former.from;
        self
    }

    /// Takes what a site found in a look that began at `at`. Returns false if it is none of the sites, or if
    /// a later look of it is known.
    pub fn take(&mut self, name: &str, status: Status, text: &str, at: Mono) -> bool {
        let Some(site) = self.sites.iter_mut().find(|site| site.name == name) else { return false };
        if site.seen.as_ref().is_some_and(|seen| seen.at > at) {
            return false;
        }
        let line = text.lines().next().unwrap_or_default();
        let text = line.get(..line.floor_char_boundary(MAX_WORDS)).unwrap_or_default().to_owned();
        if status != Status::Unknown {
            site.was_good = status == Status::Ok;
        }
        site.seen = Some(Seen { status, text, at });
        site.news = at >= self.from;
        true
    }

    /// Nobody looks from here on, or everybody begins to at `now`: what was seen before is shown, but counts
    /// no more, and silence until then says nothing. What was called good then is still known.
    pub fn begin(&mut self, now: Mono) {
        self.from = now;
        // The last of them looks an interval after the first, and what it found is under way for a while.
        self.last = now + GRACE;
        for site in &mut self.sites {
            site.news = false;
        }
    }

    /// Nobody looks, and silence is no news; a person may have wanted to know.
    pub fn wait(&mut self, now: Mono) {
        if !self.has_news() {
            self.last = now;
        }
    }

    /// Returns how long a result counts.
    pub fn fresh_for(&self) -> Duration {
        self.every.saturating_mul(2).saturating_add(GRACE)
    }

    /// Returns when [`Quorum::due`] is worth calling if no result comes before.
    pub fn next_deadline(&self) -> Mono {
        let wait = if self.has_news() { self.every } else { self.fresh_for() };
        self.last + wait
    }

    /// Returns the combined result if there is a new one: all that count have looked since the last, or
    /// enough have seen it bad, or the time of a look has passed, or nobody has said anything for so long
    /// that this is what must be said.
    pub fn due(&mut self, now: Mono) -> Option<Combined> {
        let since = self.fresh_since(now);
        let all_looked = self.has_news()
            && self.sites.iter().filter(|site| site.counts(since)).all(|site| site.news)
            && self.sites.iter().all(|site| site.seen.as_ref().is_some_and(|s| s.at >= self.from));
        let news_bad = self.n(now, |site, seen| site.news && seen.status.is_problem());
        if !all_looked && news_bad < self.needed && now < self.next_deadline() {
            return None;
        }
        let combined = self.combined(now);
        self.last = now;
        for site in &mut self.sites {
            site.news = false;
        }
        Some(combined)
    }

    /// Returns what the sites say together now.
    pub fn combined(&self, now: Mono) -> Combined {
        let counting = self.n(now, |_, _| true);
        let critical = self.n(now, |_, seen| seen.status == Status::Critical);
        let bad = self.n(now, |_, seen| seen.status.is_problem());
        if counting < self.needed {
            return self.too_few(counting, now);
        }
        let since = self.fresh_since(now);
        let doubtful = |site: &&Site| !site.counts(since) && !site.was_good;
        let doubtful = self.sites.iter().filter(doubtful).count();
        let status = if critical >= self.needed {
            Status::Critical
        } else if bad >= self.needed {
            Status::Warning
        } else if bad + doubtful >= self.needed {
            Status::Unknown
        } else {
            Status::Ok
        };
        let mut text = match bad {
            0 => format!("ok at {counting} of {} sites", self.sites.len()),
            bad => format!("bad at {bad} of {counting} sites"),
        };
        if bad > 0 && bad < self.needed {
            // Writing to a string cannot fail, here and below.
            let _written = write!(text, ", which is fewer than {}", self.needed);
        }
        if status == Status::Unknown {
            let _written =
                write!(text, ", but {doubtful} that cannot tell now did not call it good");
        }
        for (n, (site, seen)) in
            self.counting(now).filter(|(_, seen)| seen.status.is_problem()).enumerate()
        {
            let sign = if n == 0 { ": " } else { "; " };
            let _written = write!(text, "{sign}{}: {}", site.name, seen.text);
        }
        self.say_silent(&mut text, now);
        Combined { status, text }
    }

    /// Returns what each site says, in the order of the settings.
    pub fn sites(&self, now: Mono) -> impl Iterator<Item = Says<'_>> {
        let since = self.fresh_since(now);
        self.sites.iter().map(move |site| Says {
            site: &site.name,
            seen: site.seen.as_ref().map(|seen| (seen.status, seen.text.as_str(), seen.at)),
            counts: site.counts(since),
        })
    }

    fn too_few(&self, counting: usize, now: Mono) -> Combined {
        let mut text = format!("too few sites: {counting} can tell, {} must", self.needed);
        self.say_silent(&mut text, now);
        Combined { status: Status::Unknown, text }
    }

    /// Names the sites that do not count.
    fn say_silent(&self, text: &mut String, now: Mono) {
        let since = self.fresh_since(now);
        let silent = self.sites.iter().filter(|site| !site.counts(since));
        for (n, site) in silent.enumerate() {
            let sign = if n == 0 { "\nnot counted: " } else { "; " };
            let _written = match &site.seen {
                Some(seen) if seen.at >= since => {
                    write!(text, "{sign}{}: {}", site.name, seen.text)
                }
                _ => write!(text, "{sign}{}: no fresh result", site.name),
            };
        }
    }

    /// Returns from when on a look counts at `now`.
    fn fresh_since(&self, now: Mono) -> Mono {
        Mono(now.0.saturating_sub(millis(self.fresh_for()))).max(self.from)
    }

    fn has_news(&self) -> bool {
        self.sites.iter().any(|site| site.news)
    }

    fn counting(&self, now: Mono) -> impl Iterator<Item = (&Site, &Seen)> {
        let since = self.fresh_since(now);
        let counts = move |site: &&Site| site.counts(since);
        self.sites.iter().filter(counts).filter_map(|site| Some((site, site.seen.as_ref()?)))
    }

    fn n(&self, now: Mono, which: impl Fn(&Site, &Seen) -> bool) -> usize {
        self.counting(now).filter(|(site, seen)| which(site, seen)).count()
    }
}

impl Site {
    fn counts(&self, since: Mono) -> bool {
        let tells = |seen: &Seen| seen.status != Status::Unknown && seen.at >= since;
        self.seen.as_ref().is_some_and(tells)
    }
}

#[cfg(test)]
mod tests;
