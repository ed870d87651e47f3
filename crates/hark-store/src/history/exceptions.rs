//! Series that are kept for another time than the rest, longer or shorter.
//!
//! Who is meant by an exception is found by the owner of the configuration, who knows names and tags of hosts;
//! here they are numbers. Of a series the first exception counts that is for its host and fits it, for all
//! tiers: the same for every partition, so that what goes and what stays never depends on the order of work.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hark_model::SeriesDef;
use hark_model::record::HostId;
use hark_model::time::Unix;

use super::tier::{DAY_MS, Tier};
use super::{History, Settings};

/// How long after its time a series goes that is an exception, beside that a day is over as a whole: what was
/// received within its time is in chunks by then, and none of it is made anew of blocks.
const SETTLED_MS: i64 = DAY_MS + 3 * 3_600_000;

/// Whether an exception is about a series.
pub type Fits = Arc<dyn Fn(&SeriesDef) -> bool + Send + Sync>;

/// Some series, and for how long they are kept.
#[derive(Clone)]
pub struct Exception {
    /// Which series, in words: other words are another exception.
    pub words: String,
    /// Whether it is about a series.
    pub fits: Fits,
    /// How long these are kept in each tier, samples first.
    pub kept: [Duration; 3],
}

impl fmt::Debug for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Exception");
        shown.field("words", &self.words).field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl PartialEq for Exception {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words && self.kept == other.kept
    }
}

/// All exceptions, with the hosts that they are for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exceptions {
    all: Vec<Exception>,
    /// For each host the places of its own, in the order in which they count.
    hosts: BTreeMap<u32, Arc<[u16]>>,
}

/// What is over of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Over {
    /// Whether what is no exception is.
    pub(super) rest: bool,
    /// Which exceptions are.
    each: Vec<bool>,
}

impl Over {
    /// Returns true if something is.
    pub(super) fn is_any(&self) -> bool {
        self.rest || self.each.contains(&true)
    }
}

impl Exceptions {
    /// Makes them of `all`, in the order in which they count, and the places in it of each host that has any.
    pub fn new(all: Vec<Exception>, hosts: impl Iterator<Item = (HostId, Arc<[u16]>)>) -> Self {
        let hosts = hosts.filter(|(_, own)| !own.is_empty()).map(|(host, own)| (host.0, own));
        Self { all, hosts: hosts.collect() }
    }

    /// Returns the exceptions of a host, with their places.
    fn of(&self, host: u32) -> impl Iterator<Item = (usize, &Exception)> {
        let own = self.hosts.get(&host).map(|own| own.iter()).into_iter().flatten();
        own.filter_map(|place| Some((usize::from(*place), self.all.get(usize::from(*place))?)))
    }

    /// Returns the exception that counts for a series of a host, with its place.
    fn find(&self, host: u32, def: &SeriesDef) -> Option<(usize, &Exception)> {
        self.of(host).find(|(_, exception)| (exception.fits)(def))
    }

    /// Returns the longest time for which something is kept in a tier, if that is longer than `usual`.
    pub(super) fn longest(&self, tier: Tier, usual: Duration) -> Option<Duration> {
        let longest = self.all.iter().map(|exception| in_tier(exception.kept, tier)).max();
        longest.filter(|longest| *longest > usual)
    }

    /// Returns what is over at `aged` of a partition of `tier` that ends at `end`. Of one that is `pressed` that
    /// is all that is kept no longer than `usual`.
    pub(super) fn over(
        &self,
        tier: Tier,
        end: i64,
        usual: Duration,
        aged: Unix,
        pressed: bool,
    ) -> Over {
        let is_over = |kept: Duration| {
            let is_past = settled(end).saturating_add(kept_ms(kept)) <= aged.0;
            is_past || (pressed && kept <= usual)
        };
        if self.all.is_empty() {
            return Over::default();
        }
        let each = self.all.iter().map(|exception| is_over(in_tier(exception.kept, tier)));
        Over { rest: is_over(usual), each: each.collect() }
    }

    /// Returns which series of a set of a host are over.
    pub(super) fn gone(&self, host: u32, defs: &[SeriesDef], over: &Over) -> Vec<bool> {
        let is_gone = |def: &SeriesDef| match self.find(host, def) {
            Some((place, _)) => over.each.get(place).copied().unwrap_or(false),
            None => over.rest,
        };
        defs.iter().map(is_gone).collect()
    }

    /// Returns true if every series of a host is over, whichever it is.
    pub(super) fn is_all_gone(&self, host: u32, over: &Over) -> bool {
        let is_gone = |place: usize| over.each.get(place).copied().unwrap_or(false);
        over.rest && self.of(host).all(|(place, _)| is_gone(place))
    }

    /// Returns in words what is over of a host's series; nothing if none is. The same words are the same
    /// series.
    pub(super) fn note(&self, host: u32, over: &Over) -> Option<String> {
        let mut note = String::new();
        let mut is_any = over.rest;
        for (place, exception) in self.of(host) {
            let is_gone = over.each.get(place).copied().unwrap_or(false);
            is_any |= is_gone;
            note.push(if is_gone { '-' } else { '+' });
            note.push_str(&exception.words);
            note.push('\n');
        }
        note.push(if over.rest { '-' } else { '+' });
        is_any.then_some(note)
    }
}

/// Returns from when on nothing of a partition that ends at `end` is on its way there any more.
pub(super) fn settled(end: i64) -> i64 {
    end.saturating_add(SETTLED_MS)
}

fn kept_ms(kept: Duration) -> i64 {
    i64::try_from(hark_model::time::millis(kept)).unwrap_or(i64::MAX)
}

/// Returns the time of one tier.
fn in_tier(times: [Duration; 3], tier: Tier) -> Duration {
    let [raw, minutes, hours] = times;
    match tier {
        Tier::Raw => raw,
        Tier::Minutes => minutes,
        Tier::Hours => hours,
    }
}

impl Settings {
    /// Returns how long what is no exception is kept in a tier.
    pub(super) fn kept(&self, tier: Tier) -> Duration {
        in_tier([self.raw, self.minutes, self.hours], tier)
    }
}

impl History {
    /// Says for how long what is kept from now on: until it was said once, nothing goes because of its age if
    /// the settings name exceptions.
    pub fn keep(&mut self, settings: Settings, exceptions: Exceptions) {
        self.settings = settings;
        if self.exceptions.as_deref() != Some(&exceptions) {
            self.exceptions = Some(Arc::new(exceptions));
            self.thinning.begin_anew();
        }
    }

    /// Returns for how long a series of a host is kept in each tier, samples first.
    pub fn kept(&self, host: HostId, def: &SeriesDef) -> [Duration; 3] {
        let found = self.exceptions.as_ref().and_then(|all| all.find(host.0, def));
        let Settings { raw, minutes, hours, .. } = self.settings;
        found.map_or([raw, minutes, hours], |(_, exception)| exception.kept)
    }

    /// Returns for how long all of these series of a host are kept in each tier, samples first: what is read
    /// of one tier must be there of each.
    pub(super) fn kept_of<'d>(
        &self,
        host: HostId,
        defs: impl Iterator<Item = &'d SeriesDef>,
    ) -> [Duration; 3] {
        let Settings { raw, minutes, hours, .. } = self.settings;
        let usual = [raw, minutes, hours];
        let is_usual = |all: &Arc<Exceptions>| !all.hosts.contains_key(&host.0);
        if self.exceptions.as_ref().is_none_or(is_usual) {
            return usual;
        }
        let shortest =
            |[a, b, c]: [Duration; 3], [d, e, f]: [Duration; 3]| [a.min(d), b.min(e), c.min(f)];
        defs.map(|def| self.kept(host, def)).reduce(shortest).unwrap_or(usual)
    }

    /// Returns when what is kept of each tier begins for series that are kept so long.
    pub(super) fn begins(&self, kept: [Duration; 3]) -> [Option<i64>; 3] {
        Tier::ALL.map(|tier| {
            let kept = in_tier(kept, tier);
            let from = self.aged.map_or(i64::MIN, |aged| (aged - kept).0);
            // What is kept longer than all else is there also where size has taken all else.
            let taken =
                self.partitions.pressed_until(tier).filter(|_| kept <= self.settings.kept(tier));
            self.partitions.begin(tier, from.max(taken.unwrap_or(i64::MIN)))
        })
    }
}

#[cfg(test)]
mod tests {
    use hark_model::{MetricKind, SeriesName, Unit};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn def(collector: &str) -> SeriesDef {
        SeriesDef {
            name: SeriesName::plain(collector, "value"),
            unit: Unit::None,
            kind: MetricKind::Gauge,
            decimals: 0,
        }
    }

    fn exception(collector: &'static str, raw_days: u32) -> Exception {
        Exception {
            words: collector.to_owned(),
            fits: Arc::new(move |def| collector == "*" || def.name.collector == collector),
            kept: [DAY * raw_days, DAY * 90, DAY * 400],
        }
    }

    fn exceptions() -> Exceptions {
        let all = vec![exception("cpu", 60), exception("*", 2)];
        let hosts = [(HostId(1), Arc::from([0u16, 1])), (HostId(2), Arc::from([0u16]))];
        Exceptions::new(all, hosts.into_iter())
    }

    #[test]
    fn the_first_that_is_for_the_host_and_fits_counts() {
        let all = exceptions();
        let kept = |host, collector| all.find(host, &def(collector)).map(|(_, e)| e.kept[0]);
        assert_eq!(kept(1, "cpu"), Some(DAY * 60));
        assert_eq!(kept(1, "disk"), Some(DAY * 2));
        assert_eq!(kept(2, "disk"), None);
        assert_eq!(kept(3, "cpu"), None);
        assert_eq!(all.longest(Tier::Raw, DAY * 14), Some(DAY * 60));
        assert_eq!(all.longest(Tier::Minutes, DAY * 90), None);
    }

    #[test]
    fn what_is_over_grows_with_time_and_is_said_in_words() {
        let all = exceptions();
        let over = |days: i64| all.over(Tier::Raw, 0, DAY * 14, Unix(days * DAY_MS), false);
        let defs = [def("cpu"), def("disk")];
        for (days, of_first, of_second, of_third) in [
            (3, [false, false], [false, false], [false, false]),
            (4, [false, true], [false, false], [false, false]),
            (16, [false, true], [false, true], [true, true]),
            (62, [true, true], [true, true], [true, true]),
        ] {
            let over = over(days);
            for (host, expected) in [(1, of_first), (2, of_second), (3, of_third)] {
                assert_eq!(all.gone(host, &defs, &over), expected, "host {host} after {days} days");
                let is_any = expected.contains(&true) || over.rest;
                assert_eq!(all.note(host, &over).is_some(), is_any, "host {host} after {days}");
                assert_eq!(all.is_all_gone(host, &over), expected == [true; 2] && over.rest);
            }
        }
        assert_eq!(all.note(1, &over(4)).unwrap(), "+cpu\n-*\n+");
        assert_eq!(all.note(3, &over(16)).unwrap(), "-");
    }

    #[test]
    fn where_room_is_short_what_is_kept_longer_stays_to_its_end() {
        let all = exceptions();
        let defs = [def("cpu"), def("disk")];
        let over = |days: i64| all.over(Tier::Raw, 0, DAY * 14, Unix(days * DAY_MS), true);
        for (days, of_first, of_second) in
            [(3, [false, true], [false, true]), (62, [true, true], [true, true])]
        {
            assert_eq!(all.gone(1, &defs, &over(days)), of_first, "after {days} days");
            assert_eq!(all.gone(2, &defs, &over(days)), of_second, "after {days} days");
            assert_eq!(all.gone(3, &defs, &over(days)), [true, true]);
        }
    }
}
