//! The decision pipeline: is this receiver told about this incident now, and if not, why not
//! (design rule 6.8).
//!
//! One pure function in a fixed order; the first block wins. What it returns is what is done, what
//! is written to the journal and what `explain` and `route test` show: there is no second opinion.
//! Soft states never come here, because only believed problems have an incident: the block "hard?"
//! holds by construction.
//!
//! A receiver may be due in several ways: by a route, as somebody's channel, by a step of an
//! escalation. It is told if one of them is free; what is shown otherwise is the first one's block.

use std::time::Duration;

use hark_model::record::AckRecord;
use hark_model::{Now, Reason, Severity, Status, Unix};

use crate::due::Due;
use crate::incident::{FlapTold, Release, Told};
use crate::message::{clock, span};
use crate::moment::Moment;
use crate::plan::{ReceiverPlan, Reminders};
use crate::reach::Reach;
use crate::times::Times;

/// Whoever was told that a check flaps is reminded after this long (rule P6).
const FLAPS_STILL: Duration = Duration::from_hours(6);

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
    /// The step of an escalation is still to come.
    Step,
    /// It is outside the hours of the receiver or the user.
    Hours,
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
    /// It waits for the others of its group.
    Group,
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
            Self::Step => "step",
            Self::Hours => "hours",
            Self::Route => "route",
            Self::Severity => "severity",
            Self::Told => "told",
            Self::Reminder => "reminder",
            Self::Storm => "storm",
            Self::Group => "group",
        }
    }

    /// Returns true if only time is needed for the block to end.
    pub fn is_waiting(self) -> bool {
        match self {
            Self::Held
            | Self::Release
            | Self::Delay
            | Self::Step
            | Self::Hours
            | Self::Reminder
            | Self::Storm
            | Self::Group => true,
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

/// Whether a check changes too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaps {
    /// It does not.
    No,
    /// It does.
    Yes,
    /// It does, was critical most of the time, and is believed to be so (rule P6).
    Critically,
}

/// All that decides about an incident apart from the receiver.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) notify: bool,
    pub(crate) believed: Status,
    pub(crate) removed: bool,
    pub(crate) reach: &'a Reach,
    pub(crate) release: Option<Release>,
    pub(crate) maintenance: Option<&'a Cover>,
    pub(crate) silence: Option<&'a Cover>,
    pub(crate) flapping: Flaps,
    pub(crate) ack: Option<&'a AckRecord>,
    pub(crate) reminders: Reminders,
    /// What the calendar says.
    pub(crate) times: &'a Times,
    /// Spreads reminders: the incident's number.
    pub(crate) spread: u64,
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
    /// By which way: its place among those asked about.
    pub(crate) way: usize,
}

impl Decision {
    fn blocked(reason: Option<Reason>, block: Block, text: String, again: Moment) -> Self {
        Self { reason, block: Some(block), due: true, text, again, quietly: false, way: 0 }
    }

    /// Returns true if a message is kept back that would be told without the block.
    pub(crate) fn keeps_back(&self) -> bool {
        self.due && !matches!(self.block, None | Some(Block::Told | Block::Reminder))
    }
}

/// Decides about one receiver. `ways` is empty if no route leads to it; `receiver` is `None` if it
/// is not configured any more.
pub(crate) fn decide(
    scene: &Scene<'_>,
    receiver: Option<&ReceiverPlan>,
    ways: &[Due],
    told: &Told,
    now: Now,
) -> Decision {
    let mut decision = decide_by(scene, receiver, ways.first(), told, now);
    for (way, due) in ways.iter().enumerate().skip(1) {
        if decision.block.is_none() || decision.quietly {
            break;
        }
        let other = decide_by(scene, receiver, Some(due), told, now);
        let again = decision.again.min(other.again);
        if other.block.is_none() || (other.keeps_back() && !decision.keeps_back()) {
            decision = Decision { way, ..other };
        }
        decision.again = again;
    }
    decision
}

fn decide_by(
    scene: &Scene<'_>,
    receiver: Option<&ReceiverPlan>,
    due: Option<&Due>,
    told: &Told,
    now: Now,
) -> Decision {
    let moment = Moment::of(now);
    let remind_at = remind_at(scene, due, told);
    let hears_of_takers = receiver.is_some_and(|receiver| receiver.acknowledged);
    let Some(reason) = wanted(scene, hears_of_takers, told, moment) else {
        let text = match told.at {
            Moment::LONG_AGO => {
                "nothing to tell: it is ok and nobody was told otherwise".to_owned()
            }
            _ => told.knows(now),
        };
        return Decision::blocked(None, Block::Told, text, Moment::NEVER);
    };
    let early = reason == Reason::Reminder && moment < remind_at;
    if let Some((block, text, again)) = blocked(scene, receiver, due, told, reason, now) {
        let again = if early && block != Block::Step { again.min(remind_at) } else { again };
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
        let (block, text) = if remind_at == Moment::NEVER {
            (Block::Told, told.knows(now))
        } else {
            let next = clock(remind_at.unix(now));
            (Block::Reminder, format!("{}, next reminder {next}", told.knows(now)))
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
        way: 0,
    }
}

/// Returns what there is to tell, blocks left aside: the difference of what is believed and what
/// was told (rule 6.1).
fn wanted(scene: &Scene<'_>, hears_of_takers: bool, told: &Told, now: Moment) -> Option<Reason> {
    let newly_taken = hears_of_takers && is_newly_taken(scene, told);
    let flaps = scene.flapping != Flaps::No;
    if newly_taken && !flaps {
        // Before the end of flapping, which is kept back as long as somebody has it.
        return Some(Reason::Acknowledged);
    }
    let knows = told.flap.knows();
    let pages = scene.flapping == Flaps::Critically && told.flap != FlapTold::Mostly;
    let still = knows && now >= told.at + FLAPS_STILL;
    if flaps && (told.flap == FlapTold::Due || pages || still) {
        return Some(Reason::FlapStart);
    }
    if knows && !flaps && !scene.removed {
        return Some(Reason::FlapEnd);
    }
    if newly_taken {
        return Some(Reason::Acknowledged);
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

/// Returns true if somebody took what the receiver knows to be a problem, and it has not heard of that.
/// What is still on its way goes first: nobody can take what a service has not heard of.
fn is_newly_taken(scene: &Scene<'_>, told: &Told) -> bool {
    scene.ack.is_some_and(|ack| told.taken_at != Some(ack.at))
        && scene.believed.is_problem()
        && told.status.is_problem()
        && told.delivered.is_some()
        && told.unsent.is_empty()
}

/// The blocks in their fixed order; the first wins.
fn blocked(
    scene: &Scene<'_>,
    receiver: Option<&ReceiverPlan>,
    due: Option<&Due>,
    told: &Told,
    reason: Reason,
    now: Now,
) -> Option<(Block, String, Moment)> {
    let never = Moment::NEVER;
    // That it flaps no more and is bad is a problem (P4): what keeps problems back keeps that back.
    let stays_bad = reason == Reason::FlapEnd && scene.believed.is_problem();
    let ends = is_end(reason) && !stays_bad;
    // Goes to everybody who was told, by whatever way that was (6.10, escalation).
    let follows = ends || reason == Reason::Acknowledged;
    if !scene.notify {
        return Some((Block::Switch, "notifications are switched off".to_owned(), never));
    }
    if let (Reach::Unreachable { root, .. }, false) = (scene.reach, ends) {
        return Some((Block::Unreachable, format!("{root} is down"), never));
    }
    if let (Reach::Symptom { of, .. }, false) = (scene.reach, ends) {
        return Some((Block::Unreachable, format!("follows from {of}"), never));
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
    if scene.flapping != Flaps::No && reason != Reason::FlapStart {
        let again = if told.flap.knows() { told.at + FLAPS_STILL } else { never };
        return Some((Block::Flapping, "the check changes too often".to_owned(), again));
    }
    if let (Some(ack), false) = (scene.ack, follows) {
        let text = format!("{} took it: {}", ack.by, ack.comment);
        return Some((Block::Acknowledged, text, never));
    }
    let Some(receiver) = receiver else {
        return Some((Block::Route, "the receiver is not configured any more".to_owned(), never));
    };
    if !follows {
        let Some(due) = due else {
            return Some((Block::Route, "no route leads there".to_owned(), never));
        };
        let pages_first = reason == Reason::FlapStart && told.flap == FlapTold::No;
        let begins =
            reason == Reason::Problem || ((stays_bad || pages_first) && told.status == Status::Ok);
        if let Some(block) = not_yet(due, begins, now) {
            return Some(block);
        }
    }
    // An end is as bad as what was told: who was woken by it hears of it, and of who took it.
    let severity = Severity::from(if follows { told.status } else { scene.believed });
    if reason != Reason::Removed
        && let Some(text) = out_of_hours(scene, receiver, due, severity)
    {
        return Some((Block::Hours, text, never));
    }
    if follows {
        return None;
    }
    let least = due.and_then(|due| due.severity).unwrap_or_default().max(receiver.severity);
    if Severity::from(scene.believed) < least {
        return Some((Block::Severity, format!("hears of {least} and worse only"), never));
    }
    None
}

/// A step that is still to come, or the route's first delay for what begins.
fn not_yet(due: &Due, begins: bool, now: Now) -> Option<(Block, String, Moment)> {
    let Due { route, from, .. } = due;
    match due.step {
        Some(step) if step.taken.is_none() => {
            let after = span(step.after.as_secs());
            let number = step.number;
            let when = if *from == Moment::NEVER {
                "its clock stands".to_owned()
            } else {
                format!("that is at {}", at(*from, now))
            };
            let text =
                format!("step {number} of `{route}`, when nobody took it for {after}: {when}");
            Some((Block::Step, text, *from))
        }
        None if begins && Moment::of(now) < *from => {
            Some((Block::Delay, format!("the route waits until {}", at(*from, now)), *from))
        }
        Some(_) | None => None,
    }
}

/// It is told when the period opens (6.8): then what is believed is compared again.
fn out_of_hours(
    scene: &Scene<'_>,
    receiver: &ReceiverPlan,
    due: Option<&Due>,
    severity: Severity,
) -> Option<String> {
    let of_user = due.and_then(|due| Some((due.hours.as_ref()?, due.person.as_ref()?.as_str())));
    let of_receiver = receiver.hours.as_ref().map(|hours| (hours, receiver.name.as_str()));
    for (hours, whose) in of_receiver.into_iter().chain(of_user) {
        if !scene.times.is_closed(hours, severity) {
            continue;
        }
        let opens = scene.times.change_of(&hours.period);
        let opens = opens.map_or("never opens".to_owned(), |at| format!("opens {}", clock(at)));
        return Some(format!("outside the hours of {whose}: `{}` {opens}", hours.period));
    }
    None
}

/// Returns true for messages that end what was told: they pass blocks that are about problems.
pub(crate) fn is_end(reason: Reason) -> bool {
    match reason {
        Reason::Recovery | Reason::Removed | Reason::Merged | Reason::FlapEnd => true,
        Reason::Problem
        | Reason::Worse
        | Reason::Better
        | Reason::Reminder
        | Reason::Acknowledged
        | Reason::FlapStart
        | Reason::Summary
        | Reason::Event
        | Reason::Report
        | Reason::Test => false,
    }
}

/// Returns when the next reminder is due: counted from the last delivery, spread by a share. A step
/// that was taken since the receiver was told last is told at once.
fn remind_at(scene: &Scene<'_>, due: Option<&Due>, told: &Told) -> Moment {
    let gaps = due.and_then(|due| due.repeat.as_deref());
    let told_so_far = usize::try_from(told.reminders).unwrap_or(usize::MAX);
    let every = match gaps {
        Some(gaps) => gaps.get(told_so_far).or(gaps.last()).copied().unwrap_or_default(),
        None => scene.reminders.every,
    };
    let taken = due.and_then(|due| due.step?.taken);
    if taken.is_some_and(|taken| told.at < taken) {
        return Moment::LONG_AGO;
    }
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
