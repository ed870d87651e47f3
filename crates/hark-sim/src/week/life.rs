//! What happens in the week: fate, from the seed.

use std::collections::BTreeMap;

use hark_model::{Now, Status};

use super::deliver::Receivers;
use super::model::Model;
use super::plan::{INTERVAL, LOOKS, everything, has_service, may_flap, sites};
use super::server::Server;
use super::{CALM, Form};
use crate::random::Random;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// What begins by chance, and how far two of a kind are apart on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A host fails.
    Outage,
    /// A host is heard again in time.
    Skip,
    /// A processor is busy.
    Busy,
    /// A service is away.
    Service,
    /// A service comes and goes.
    Flap,
    /// A site is cut off: its switch and all behind it.
    Site,
    /// Many hosts of several sites fail at once, with nothing before them to blame.
    Power,
    /// Many processors are busy at once.
    Rollout,
    /// Somebody plans work.
    Maintenance,
    /// Somebody silences hosts.
    Silence,
    /// Somebody takes a problem.
    Acknowledgement,
    /// A receiver is away.
    Away,
    /// The server is killed.
    Kill,
}

impl Fate {
    const ALL: [Self; 13] = [
        Self::Outage,
        Self::Skip,
        Self::Busy,
        Self::Service,
        Self::Flap,
        Self::Site,
        Self::Power,
        Self::Rollout,
        Self::Maintenance,
        Self::Silence,
        Self::Acknowledgement,
        Self::Away,
        Self::Kill,
    ];

    /// Seconds between two of them.
    fn gap(self, hosts: u64) -> u64 {
        let each = |seconds: u64| (seconds / hosts).max(1);
        match self {
            Self::Outage => each(4 * DAY),
            Self::Skip | Self::Busy => each(DAY),
            Self::Service | Self::Flap => each(10 * DAY),
            Self::Site => 6 * HOUR,
            Self::Power => 18 * HOUR,
            Self::Rollout => 16 * HOUR,
            Self::Maintenance => 2 * HOUR,
            Self::Silence => HOUR,
            Self::Acknowledgement => 2 * MINUTE,
            Self::Away => 3 * HOUR,
            Self::Kill => 5 * HOUR,
        }
    }
}

/// What somebody does.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Keeps what these hosts have to tell back, until then.
    Cover {
        /// From the first to behind the last; the first ends in 0, and there are tens of them.
        hosts: std::ops::Range<usize>,
        /// Until when.
        until: u64,
        /// Whether it is planned work.
        planned: bool,
    },
    /// Takes the problem of a host's heartbeat, metric or service.
    Take {
        /// Of which host.
        host: usize,
        /// Place of the thing.
        thing: usize,
        /// Whether it also holds when it gets worse.
        sticky: bool,
    },
}

impl Deed {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Cover { planned: true, .. } => "maintenance begun",
            Self::Cover { planned: false, .. } => "silences begun",
            Self::Take { .. } => "acknowledgements",
        }
    }
}

/// A machine.
#[derive(Clone, Debug, Default)]
struct Machine {
    silent_until: u64,
    busy_until: u64,
    /// From when on it is so busy that it is critical.
    critical_from: u64,
    away_until: u64,
    flaps_until: u64,
}

/// A heartbeat as it was fed: host and value.
pub(super) type Heard = (usize, u32);
/// A look at a service as it was fed: host, and whether it was bad.
pub(super) type Look = (usize, bool);

#[derive(Debug)]
pub(super) struct Life {
    form: Form,
    random: Random,
    machines: Vec<Machine>,
    ahead: BTreeMap<(u64, usize), Fate>,
    n_fates: usize,
    kill: Option<(u64, u64)>,
}

impl Life {
    pub(super) fn new(form: Form) -> Self {
        let mut life = Self {
            form,
            random: Random::new(form.seed),
            machines: vec![Machine::default(); everything(form)],
            ahead: BTreeMap::new(),
            n_fates: 0,
            kill: None,
        };
        for fate in Fate::ALL {
            // First everybody is well, so that all is known.
            life.plan(fate, 10 * MINUTE);
        }
        life
    }

    fn plan(&mut self, fate: Fate, from: u64) {
        let at = from + 1 + self.random.below(2 * fate.gap(self.form.hosts as u64));
        if at < self.form.seconds.saturating_sub(CALM) {
            self.n_fates += 1;
            self.ahead.insert((at, self.n_fates), fate);
        }
    }

    /// Lets happen what is due, and returns what somebody does.
    pub(super) fn second(
        &mut self,
        second: u64,
        model: &Model,
        receivers: &mut Receivers,
    ) -> Vec<Deed> {
        let mut deeds = Vec::new();
        while let Some(entry) = self.ahead.first_entry() {
            if entry.key().0 > second {
                break;
            }
            let fate = entry.remove();
            deeds.extend(self.happen(fate, second, model, receivers));
            self.plan(fate, second);
        }
        // Who finds the server away does not wait for it.
        deeds.retain(|_| model.is_watched());
        deeds
    }

    fn happen(
        &mut self,
        fate: Fate,
        second: u64,
        model: &Model,
        receivers: &mut Receivers,
    ) -> Option<Deed> {
        match fate {
            Fate::Outage => {
                let (host, until) = (self.any_host(), self.until(second, 20 * MINUTE));
                if !may_flap(host) {
                    self.machines[host].silent_until = until;
                }
            }
            Fate::Skip => {
                let host = self.any_host();
                self.machines[host].silent_until = second + 30 + self.random.below(50);
            }
            Fate::Busy => {
                let (host, until) = (self.any_host(), self.until(second, 40 * MINUTE));
                self.busy(host, second, until);
            }
            Fate::Service => {
                let (host, until) = (self.any_service(), self.until(second, 30 * MINUTE));
                self.machines[host].away_until = until;
            }
            Fate::Flap => {
                let (host, until) = (self.any_service(), self.until(second, 150 * MINUTE));
                if may_flap(host) {
                    self.machines[host].flaps_until = until;
                }
            }
            Fate::Site => {
                let site = self.below(sites(self.form));
                let until = self.until(second, 40 * MINUTE);
                let first = site * self.form.site;
                for host in first..(first + self.form.site).min(self.form.hosts) {
                    if !may_flap(host) {
                        self.machines[host].silent_until = until;
                    }
                }
                self.machines[self.form.hosts + site].silent_until = until;
            }
            Fate::Power | Fate::Rollout => {
                let many = (self.form.hosts / 25).max(12);
                let first = self.below(self.form.hosts - many);
                let until = self.until(second, 20 * MINUTE);
                for host in first..first + many {
                    if fate == Fate::Rollout {
                        self.machines[host].critical_from = second;
                        self.machines[host].busy_until = until;
                    } else if !may_flap(host) {
                        self.machines[host].silent_until = until;
                    }
                }
            }
            Fate::Maintenance => return Some(self.cover(second, 50, 3 * HOUR, true)),
            Fate::Silence => return Some(self.cover(second, 10, 2 * HOUR, false)),
            Fate::Acknowledgement => {
                let bad = model.bad();
                if bad.is_empty() {
                    return None;
                }
                let (host, thing) = bad[self.below(bad.len())];
                return Some(Deed::Take { host, thing, sticky: self.random.chance(0.3) });
            }
            Fate::Away => {
                let until = self.until(second, 3 * HOUR);
                receivers.somebody_is_away(until, &mut self.random);
            }
            Fate::Kill => {
                let long = self.random.chance(0.15);
                let away = if long { 20 * MINUTE } else { 2 + self.random.below(90) };
                self.kill = Some((second, away));
            }
        }
        None
    }

    /// Returns how long the server is away if it is killed in this second.
    pub(super) fn kills(&mut self, second: u64) -> Option<u64> {
        let (at, away) = self.kill.take()?;
        (at == second).then_some(away)
    }

    /// Tells the server what hosts send in this second, and returns it.
    pub(super) fn hear(&mut self, second: u64, server: &mut Server, now: Now) -> Vec<Heard> {
        let mut heard = Vec::new();
        let turn = usize::try_from(second).unwrap_or(0) % INTERVAL;
        for host in (turn..self.machines.len()).step_by(INTERVAL) {
            let machine = &self.machines[host];
            if second < machine.silent_until {
                continue;
            }
            let value = if second >= machine.busy_until {
                u32::try_from(20 + host % 50).unwrap_or(0)
            } else if second >= machine.critical_from {
                95
            } else {
                85
            };
            server.heard(host, f64::from(value), now);
            heard.push((host, value));
        }
        heard
    }

    /// Tells the server what looks at services find in this second, and returns it.
    pub(super) fn look(&mut self, second: u64, server: &mut Server, now: Now) -> Vec<Look> {
        let mut looks = Vec::new();
        let turn = usize::try_from(second).unwrap_or(0) % LOOKS;
        for host in (turn..self.form.hosts).step_by(LOOKS).filter(|host| has_service(*host)) {
            let machine = &self.machines[host];
            let flaps = second < machine.flaps_until && self.random.chance(0.5);
            let bad = flaps || second < machine.away_until || second < machine.silent_until;
            server.looked(host, if bad { Status::Critical } else { Status::Ok }, now);
            looks.push((host, bad));
        }
        looks
    }

    fn busy(&mut self, host: usize, second: u64, until: u64) {
        let machine = &mut self.machines[host];
        machine.busy_until = until;
        machine.critical_from = match self.random.below(3) {
            0 => second,
            1 => second.midpoint(until),
            _ => until,
        };
    }

    fn cover(&mut self, second: u64, most: u64, longest: u64, planned: bool) -> Deed {
        let tens = 1 + self.random.below(most / 10);
        let many = usize::try_from(tens).unwrap_or(1) * 10;
        let first = self.below(self.form.hosts.saturating_sub(many)) / 10 * 10;
        let until = self.until(second, longest);
        Deed::Cover { hosts: first..first + many, until, planned }
    }

    /// Returns when something is over: mostly soon, sometimes after a long time, before the calm always.
    fn until(&mut self, second: u64, usual: u64) -> u64 {
        let long = self.random.chance(0.05);
        let lasts = MINUTE + self.random.below(if long { 5 * HOUR } else { usual });
        (second + lasts).min(self.form.seconds - CALM)
    }

    fn any_host(&mut self) -> usize {
        self.below(self.form.hosts)
    }

    fn any_service(&mut self) -> usize {
        let step = super::plan::SERVICE;
        self.below(self.form.hosts.div_ceil(step)) * step
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(bound as u64)).unwrap_or(0)
    }
}
