//! `route test`: who would be told of a problem, when, by what, and why, for its whole course.
//!
//! A problem that nobody has yet is put before the same code that decides about real ones
//! ([`Engine::due`], [`Engine::escalate`], [`Engine::decision_at`]), and time is moved from one deadline to
//! the next. Nothing is changed and nothing is sent. What is known now holds for all of it: which hosts are
//! down, which silences hold; the calendar is that of each moment. Storms are left aside.

use std::collections::BTreeSet;
use std::time::Duration;

use hark_model::record::IncidentRecord;
use hark_model::{
    CheckName, Event, EventKind, HostId, HostName, IncidentId, Now, Reason, ReceiverName,
    RouteName, Severity, Status, Unix, UserName,
};

use crate::decide::{Block, Decision};
use crate::due::Due;
use crate::effect::Effects;
use crate::engine::Engine;
use crate::events::EventDue;
use crate::incident::Incident;
use crate::message::span;
use crate::moment::Moment;
use crate::overlay::Covers;
use crate::times::Times;

/// A course is looked at for a week: weekly periods have come round then.
const HORIZON: Duration = Duration::from_hours(7 * 24);
/// At most so many moments are looked at, and at most so many lines returned.
const MAX_LOOKS: usize = 2000;
const MAX_LINES: usize = 200;

/// What is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Which host; it need not be known.
    pub host: HostName,
    /// Which of its checks; the host itself without.
    pub check: Option<CheckName>,
    /// How bad.
    pub severity: Severity,
    /// Instead of a problem: a thing that happens.
    pub event: Option<EventKind>,
    /// When it begins; nothing before now is answered.
    pub at: Unix,
}

/// One thing that would happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CourseLine {
    /// When.
    pub at: Unix,
    /// Who; `None` if no route leads to anybody.
    pub receiver: Option<ReceiverName>,
    /// The user who is meant.
    pub user: Option<UserName>,
    /// The route.
    pub route: Option<RouteName>,
    /// Its step, from 1.
    pub step: Option<usize>,
    /// What is, or would be, told.
    pub reason: Option<Reason>,
    /// Why it is not told then; `None` if it is.
    pub block: Option<Block>,
    /// In words.
    pub text: String,
}

impl Engine {
    /// Returns what would be told of what is asked about, in the order of time.
    pub fn course(&self, question: &Question, now: Now) -> Vec<CourseLine> {
        let begin = Moment::of_unix(question.at.max(now.unix), now);
        match &question.event {
            Some(kind) => self.course_of_event(question, kind, begin.unix(now)),
            None => Course::of(self, question, begin, now).run(),
        }
    }

    fn course_of_event(&self, question: &Question, kind: &EventKind, at: Unix) -> Vec<CourseLine> {
        let event = Event {
            at,
            kind: kind.clone(),
            severity: question.severity,
            text: String::new(),
            tags: Vec::new(),
            data: None,
        };
        let times = Times::at(&self.plan.people, at);
        let tags = self.tags_of(question.host.as_str());
        let told = self.told_of_event(question.host.as_str(), tags, &event, &times);
        if told.is_empty() {
            return vec![nobody(at)];
        }
        let mut lines = Vec::new();
        for (receiver, EventDue { route, kept }) in told {
            let line = |at: Unix, block: Option<Block>, text: String| CourseLine {
                at,
                receiver: Some(receiver.clone()),
                user: None,
                route: Some(route.clone()),
                step: None,
                reason: Some(Reason::Event),
                block,
                text,
            };
            let when = kept.as_ref().map_or(Some(at), |kept| kept.until);
            lines.extend(kept.map(|kept| line(at, Some(Block::Hours), kept.text)));
            lines.extend(when.map(|when| line(when, None, format!("by the route `{route}`"))));
        }
        lines.sort_by_key(|line| line.at);
        lines
    }
}

struct Course<'a> {
    engine: &'a Engine,
    incident: Incident,
    covers: Covers,
    times: Times,
    begin: Moment,
    now: Now,
    lines: Vec<CourseLine>,
}

impl<'a> Course<'a> {
    fn of(engine: &'a Engine, question: &Question, begin: Moment, now: Now) -> Self {
        let at = begin.unix(now);
        let status = match question.severity {
            Severity::Info | Severity::Unknown => Status::Unknown,
            Severity::Warning => Status::Warning,
            Severity::Critical => Status::Critical,
        };
        let check = question.check.clone().unwrap_or_else(CheckName::host);
        // The one that it would be: reminders are spread by it.
        let id = IncidentId(engine.numbers.incident + 1);
        let host = engine.hosts.id(question.host.as_str()).unwrap_or(HostId(u32::MAX));
        let record = IncidentRecord::opened(id, host, check.clone(), at, at, status);
        let (name, path) = (question.host.clone(), check.to_string());
        let incident = Incident::opened(record, name, path, String::new(), begin, begin);
        let covers = engine.covers(&incident);
        let times = Times::at(&engine.plan.people, at);
        Self { engine, incident, covers, times, begin, now, lines: Vec::new() }
    }

    fn run(mut self) -> Vec<CourseLine> {
        let mut moment = self.begin;
        for _ in 0..MAX_LOOKS {
            let next = self.look(moment);
            let later = next.max(moment + Duration::from_millis(1));
            if self.lines.len() >= MAX_LINES || later > self.begin + HORIZON {
                break;
            }
            moment = later;
        }
        self.lines
    }

    /// Decides about everybody at a moment, and returns when to look again.
    fn look(&mut self, moment: Moment) -> Moment {
        let now = moment.now(self.now);
        self.end_covers(now.unix);
        if self.times.until().is_some_and(|until| until <= now.unix) {
            self.times = Times::at(&self.engine.plan.people, now.unix);
        }
        let reach = self.engine.reach(&self.incident, moment);
        let (engine, times, covers) = (self.engine, &self.times, &self.covers);
        // What it would write is not written.
        let mut unwritten = Effects::default();
        let incident = &mut self.incident;
        let mut next = engine.escalate(incident, &reach, covers, times, now, &mut unwritten);
        let dues = engine.due(incident, times, moment);
        let receivers: BTreeSet<ReceiverName> =
            dues.keys().chain(incident.told.keys()).cloned().collect();
        if receivers.is_empty() && moment == self.begin {
            self.lines.push(nobody(now.unix));
        }
        for receiver in receivers {
            let ways = dues.get(&receiver).map_or(&[][..], Vec::as_slice);
            let incident = &mut self.incident;
            let decision =
                engine.decision_at(incident, &reach, covers, ways, &receiver, times, now);
            next = next.min(decision.again);
            let told = incident.told.entry(receiver.clone()).or_default();
            let Some(reason) = decision.reason else { continue };
            if decision.block.is_none() {
                told.hears(reason, incident.record.status, moment);
                told.delivered = Some(moment);
                // As after a delivery: what comes next counts from it.
                next = moment;
            } else if !decision.keeps_back() || told.block == decision.block.zip(Some(reason)) {
                continue;
            } else {
                told.block = decision.block.zip(Some(reason));
            }
            self.lines.push(line(now.unix, receiver, ways.get(decision.way), decision));
        }
        let covered = [&self.covers.maintenance, &self.covers.silence];
        let ends = covered.into_iter().flatten().map(|(_, cover)| cover.until);
        let changes = ends.chain(self.times.until()).filter(|at| *at > now.unix);
        changes.map(|at| Moment::of_unix(at, now)).fold(next, Moment::min)
    }

    fn end_covers(&mut self, at: Unix) {
        for cover in [&mut self.covers.maintenance, &mut self.covers.silence] {
            if cover.as_ref().is_some_and(|(_, cover)| cover.until <= at) {
                *cover = None;
            }
        }
    }
}

fn line(at: Unix, receiver: ReceiverName, way: Option<&Due>, decision: Decision) -> CourseLine {
    let text = match (decision.block, way) {
        (Some(_), _) | (None, None) => decision.text,
        (None, Some(way)) => by(way),
    };
    CourseLine {
        at,
        receiver: Some(receiver),
        user: way.and_then(|way| way.person.clone()),
        route: way.map(|way| way.route.clone()),
        step: way.and_then(|way| way.step).map(|step| step.number),
        reason: decision.reason,
        block: decision.block,
        text,
    }
}

/// Says by what a receiver is told.
fn by(way: &Due) -> String {
    let mut text = match way.step {
        Some(step) => {
            let after = span(step.after.as_secs());
            format!(
                "by step {} of the route `{}`: nobody took it for {after}",
                step.number, way.route
            )
        }
        None => format!("by the route `{}`", way.route),
    };
    if let Some(user) = &way.person {
        text.extend([", for ", user.as_str()]);
    }
    text
}

fn nobody(at: Unix) -> CourseLine {
    CourseLine {
        at,
        receiver: None,
        user: None,
        route: None,
        step: None,
        reason: None,
        block: Some(Block::Route),
        text: "no route leads to a receiver".to_owned(),
    }
}
