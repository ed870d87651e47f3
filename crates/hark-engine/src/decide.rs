//! The decision pipeline: is this receiver told about this incident now, and if not, why not
//! (design rule 6.8).
//!
//! One pure function in a fixed order; the first block wins. What it returns is what is done, what
//! is written to the journal and what `explain` shows: there is no second opinion. Soft states never
//! come here, because only believed problems have an incident: the block "hard?" holds by
//! construction. Time periods of receivers are not there yet.

use std::time::Duration;

use hark_model::record::AckRecord;
use hark_model::{Now, Reason, Severity, Status, Unix};

use crate::incident::{FlapTold, Release, Told};
use crate::message::clock;
use crate::moment::Moment;
use crate::plan::{ReceiverPlan, Reminders};
use crate::reach::Reach;

/// Why a message is kept back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Block {
    /// Notifications are switched off altogether.
    Switch,
    /// It is waited for signs of life of the parents (rule D4).
    Held,
    /// A parent is down (rule D5).
    Unreachable,
    /// A fresh result is waited for after a block has ended (6.8, D6, R2).
    Release,
    /// Planned work.
    Maintenance,
    /// Somebody silenced it.
    Silence,
    /// It flaps (6.9).
    Flapping,
    /// Somebody took it.
    Acknowledged,
    /// The route's first delay has not passed.
    Delay,
    /// No route leads to a receiver.
    Route,
    /// The receiver hears only of worse things, or not of small betterings.
    Severity,
    /// The receiver knows already.
    Told,
    /// The next reminder is not due.
    Reminder,
    /// Too many at once: a summary comes instead.
    Storm,
}

impl Block {
    /// Returns the name that stands in the journal, in `explain` and in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Held => "held",
            Self::Unreachable => "unreachable",
            Self::Release => "release",
            Self::Maintenance => "maintenance",
            Self::Silence => "silence",
            Self::Flapping => "flapping",
            Self::Acknowledged => "acknowledged",
            Self::Delay => "delay",
            Self::Route => "route",
            Self::Severity => "severity",
            Self::Told => "told",
            Self::Reminder => "reminder",
            Self::Storm => "storm",
        }
    }

    /// Returns true if only time is needed for the block to end.
    pub fn is_waiting(self) -> bool {
        match self {
            Self::Held | Self::Release | Self::Delay | Self::Reminder | Self::Storm => true,
            Self::Switch
            | Self::Unreachable
            | Self::Maintenance
            | Self::Silence
            | Self::Flapping
            | Self::Acknowledged
            | Self::Route
            | Self::Severity
            | Self::Told => false,
        }
    }
}

/// A silence or maintenance that covers the incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cover {
    /// Whose, and why.
    pub(crate) text: String,
    /// Until when.
    pub(crate) until: Unix,
}

/// All that decides about an incident apart from the receiver.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) notify: bool,
    pub(crate) believed: Status,
    pub(crate) removed: bool,
    pub(crate) hard_since: Moment,
    pub(crate) reach: &'a Reach,
    pub(crate) release: Option<Release>,
    pub(crate) maintenance: Option<&'a Cover>,
    pub(crate) silence: Option<&'a Cover>,
    pub(crate) flapping: bool,
    pub(crate) ack: Option<&'a AckRecord>,
    pub(crate) reminders: Reminders,
    /// Spreads reminders: the incident's number.
    pub(crate) spread: u64,
}

/// How a receiver comes to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The route's first delay.
    pub(crate) delay: Duration,
    /// The route's reminder interval, if other than the general one.
    pub(crate) repeat: Option<Duration>,
}

/// What is to be done about one receiver, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// What is, or would be, told.
    pub(crate) reason: Option<Reason>,
    /// Why it is not told now; `None` if it is.
    pub(crate) block: Option<Block>,
    /// Whether there is a message to keep back: not where only a reminder would come, later.
    pub(crate) due: bool,
    /// In words.
    pub(crate) text: String,
    /// When time alone may change this.
    pub(crate) again: Moment,
    /// The receiver's knowledge is brought up to date without a message (rule T9).
    pub(crate) quietly: bool,
}

impl Decision {
    fn blocked(reason: Option<Reason>, block: Block, text: String, again: Moment) -> Self {
        Self { reason, block: Some(block), due: true, text, again, quietly: false }
    }
}

/// Decides about one receiver. `due` is `None` if no route leads to it; `receiver` is `None` if it
/// is not configured any more.
pub(crate) fn decide(
    scene: &Scene<'_>,
    receiver: Option<&ReceiverPlan>,
    due: Option<Due>,
    told: &Told,
    now: Now,
) -> Decision {
    let moment = Moment::of(now);
    let remind_at = remind_at(scene, due, told);
    let Some(reason) = wanted(scene, told) else {
        let text = match told.at {
            Moment::LONG_AGO => {
                "nothing to tell: it is ok and nobody was told otherwise".to_owned()
            }
            at => format!("knows since {} that it is {}", clock(at.unix(now)), told.status),
        };
        return Decision::blocked(None, Block::Told, text, Moment::NEVER);
    };
    let early = reason == Reason::Reminder && moment < remind_at;
    if let Some((block, text, again)) = blocked(scene, receiver, due, reason, now) {
        let again = if early { again.min(remind_at) } else { again };
        let decision = Decision::blocked(Some(reason), block, text, again);
        return Decision { due: !early, ..decision };
    }
    if told.dead && matches!(reason, Reason::Recovery | Reason::Removed) {
        let text = "nothing of it has ever arrived there".to_owned();
        let decision = Decision::blocked(Some(reason), Block::Told, text, Moment::NEVER);
        return Decision { quietly: true, ..decision };
    }
    if reason == Reason::Better && receiver.is_some_and(|r| !r.better) {
        let text = "does not want to hear that it is better but not over".to_owned();
        let decision = Decision::blocked(Some(reason), Block::Severity, text, Moment::NEVER);
        return Decision { quietly: true, ..decision };
    }
    if early {
        let since = clock(told.at.unix(now));
        let (block, text) = if remind_at == Moment::NEVER {
            (Block::Told, format!("knows since {since} that it is {}", told.status))
        } else {
            let next = clock(remind_at.unix(now));
            (Block::Reminder, format!("was told {} at {since}, next reminder {next}", told.status))
        };
        return Decision::blocked(Some(reason), block, text, remind_at);
    }
    let text = format!("{}: nothing keeps it back", reason.word());
    Decision {
        reason: Some(reason),
        block: None,
        due: true,
        text,
        again: Moment::NEVER,
        quietly: false,
    }
}

/// Returns what there is to tell, blocks left aside: the difference of what is believed and what
/// was told (rule 6.1).
fn wanted(scene: &Scene<'_>, told: &Told) -> Option<Reason> {
    match (told.flap, scene.flapping) {
        (FlapTold::Due, true) => return Some(Reason::FlapStart),
        (FlapTold::Told, false) if !scene.removed => return Some(Reason::FlapEnd),
        (FlapTold::Due | FlapTold::Told | FlapTold::No, _) => {}
    }
    match (told.status, scene.believed) {
        (Status::Ok, Status::Ok) => None,
        (Status::Ok, _) => Some(Reason::Problem),
        (_, Status::Ok) if scene.removed => Some(Reason::Removed),
        // Nothing has arrived yet: problem and end become one message (6.10, order).
        (_, Status::Ok) if told.is_all_unsent() => Some(Reason::Merged),
        (_, Status::Ok) => Some(Reason::Recovery),
        (was, is) if was == is && told.again => Some(Reason::Problem),
        (was, is) if was == is => Some(Reason::Reminder),
        (was, is) if is.rank() > was.rank() => Some(Reason::Worse),
        _ => Some(Reason::Better),
    }
}

/// The blocks in their fixed order; the first wins.
fn blocked(
    scene: &Scene<'_>,
    receiver: Option<&ReceiverPlan>,
    due: Option<Due>,
    reason: Reason,
    now: Now,
) -> Option<(Block, String, Moment)> {
    let moment = Moment::of(now);
    let never = Moment::NEVER;
    let ends = is_end(reason);
    if !scene.notify {
        return Some((Block::Switch, "notifications are switched off".to_owned(), never));
    }
    if let (Reach::Unreachable { root, .. }, false) = (scene.reach, ends) {
        return Some((Block::Unreachable, format!("{root} is down"), never));
    }
    if let (Reach::Held { parent, until }, Reason::Problem) = (scene.reach, reason) {
        let text =
            format!("waits for a sign of life of {parent}, at most until {}", at(*until, now));
        return Some((Block::Held, text, *until));
    }
    if let Some(release) = scene.release {
        let until = at(release.limit, now);
        let text =
            format!("waits for a fresh result after {}, at most until {until}", release.after);
        return Some((Block::Release, text, release.limit));
    }
    for (block, cover) in [(Block::Maintenance, scene.maintenance), (Block::Silence, scene.silence)]
    {
        // That something is no longer watched is never kept back (T17): afterwards there is nothing
        // left that a silence could end on.
        if let Some(cover) = cover.filter(|_| reason != Reason::Removed) {
            let text = format!("{}, until {}", cover.text, clock(cover.until));
            return Some((block, text, never));
        }
    }
    if scene.flapping && reason != Reason::FlapStart {
        return Some((Block::Flapping, "the check changes too often".to_owned(), never));
    }
    if let (Some(ack), false) = (scene.ack, ends) {
        let text = format!("{} took it: {}", ack.by, ack.comment);
        return Some((Block::Acknowledged, text, never));
    }
    let Some(receiver) = receiver else {
        return Some((Block::Route, "the receiver is not configured any more".to_owned(), never));
    };
    if ends {
        return None;
    }
    let Some(due) = due else {
        return Some((Block::Route, "no route leads there".to_owned(), never));
    };
    let first = scene.hard_since + due.delay;
    if reason == Reason::Problem && moment < first {
        return Some((Block::Delay, format!("the route waits until {}", at(first, now)), first));
    }
    if Severity::from(scene.believed) < receiver.severity {
        let text = format!("hears of {} and worse only", receiver.severity);
        return Some((Block::Severity, text, never));
    }
    None
}

/// Returns true for messages that end what was told: they pass blocks that are about problems.
fn is_end(reason: Reason) -> bool {
    match reason {
        Reason::Recovery | Reason::Removed | Reason::Merged | Reason::FlapEnd => true,
        Reason::Problem
        | Reason::Worse
        | Reason::Better
        | Reason::Reminder
        | Reason::FlapStart
        | Reason::Summary
        | Reason::Event
        | Reason::Report
        | Reason::Test => false,
    }
}

/// Returns when the next reminder is due: counted from the last delivery, spread by a share.
fn remind_at(scene: &Scene<'_>, due: Option<Due>, told: &Told) -> Moment {
    let every = due.and_then(|d| d.repeat).unwrap_or(scene.reminders.every);
    if told.remind_now {
        return Moment::LONG_AGO;
    }
    if every.is_zero() {
        return Moment::NEVER;
    }
    if !told.unsent.is_empty() {
        // One is still on its way: a second copy would not help.
        return Moment::NEVER;
    }
    let from = told.delivered.unwrap_or(told.at);
    let parts = 1 << 16;
    let part = u32::try_from(mix(scene.spread, u64::from(told.sequence)) % parts).unwrap_or(0);
    let share = scene.reminders.jitter.max(0.0) * f64::from(part) / 65_536.0;
    // Whole seconds, so that people see the spread and no odd fractions.
    from + every + Duration::from_secs(every.mul_f64(share).as_secs())
}

/// Spreads two numbers over all 64 bits; the same numbers always give the same.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 32)
}

fn at(moment: Moment, now: Now) -> String {
    clock(moment.unix(now))
}
