//! Routes in words, what they would do, and who is on call.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_api::receivers::Route;
use hark_api::route_test::{Rota, RouteTestLine};
use hark_api::time::Timestamp;
use hark_engine::plan::{RouteMatch, RoutePlan};
use hark_engine::{CourseLine, Question};
use hark_model::time::{Clock, Unix};
use hark_model::{Reason, RotaName};
use hark_web::{Answer, Refused, RouteQuestion};

use super::ServerBackend;

/// A calendar has what is past of a rota for this long, for whoever asks who it was ...
const PAST: Duration = Duration::from_hours(28 * 24);
/// ... and what is to come for this long.
const AHEAD: Duration = Duration::from_hours(365 * 24);

impl ServerBackend {
    /// Returns every route, those below another right after it.
    pub(super) fn all_routes(&self) -> Answer<Vec<Route>> {
        self.ask(|engine| {
            let mut shown = Vec::new();
            put(&engine.plan().routes, "", &mut shown);
            shown
        })
    }

    /// Returns who would be told.
    pub(super) fn foretell(&self, asked: &RouteQuestion) -> Answer<Vec<RouteTestLine>> {
        let now = Clock.now();
        let question = Question {
            host: asked.host.clone(),
            check: asked.check.clone(),
            severity: asked.severity,
            event: asked.event.clone(),
            at: asked.at.unwrap_or(now.unix),
        };
        let name = asked.host.clone();
        let (is_known, course) = self.ask(move |engine| {
            (engine.host_named(name.as_str()).is_some(), engine.course(&question, now))
        })?;
        let remark = (!is_known).then(|| remark(asked, now.unix));
        Ok(remark.into_iter().chain(folded(course)).collect())
    }

    /// Returns who is on call.
    pub(super) fn all_rotas(&self) -> Answer<Vec<Rota>> {
        let now = Clock.now().unix;
        self.ask(move |engine| {
            let rotas = engine.plan().people.rotas.iter();
            rotas.map(|(name, rota)| shown(name, rota, now)).collect()
        })
    }

    /// Returns the shifts of a rota as iCalendar.
    pub(super) fn calendar_of(&self, name: &RotaName) -> Answer<String> {
        let now = Clock.now().unix;
        let rota = name.clone();
        let rota = self.ask(move |engine| engine.plan().people.rotas.get(&rota).cloned())?;
        let rota = rota.ok_or(Refused::Absent)?;
        Ok(hark_calendar::calendar(name.as_str(), &rota.shifts(now - PAST, now + AHEAD), now))
    }
}

fn shown(name: &RotaName, rota: &hark_calendar::Rota, now: Unix) -> Rota {
    let until = rota.next_change(now);
    let next = until.and_then(|until| rota.at(until));
    Rota {
        name: name.to_string(),
        now: rota.at(now).map(ToString::to_string),
        until: until.map(Timestamp),
        next: next.map(ToString::to_string),
    }
}

/// Says of a host that there is none of this name: the question may have a slip in it.
fn remark(asked: &RouteQuestion, now: Unix) -> RouteTestLine {
    let text = format!(
        "there is no host `{}`: this is how it would be for one of this name without tags",
        asked.host
    );
    let at = Timestamp(asked.at.unwrap_or(now).max(now));
    let (receiver, user, route, step, reason, block) = Default::default();
    RouteTestLine { at, receiver, user, route, step, reason, block, text, times: 1, until: None }
}

/// Makes one line of reminders that come one after the other: a week of them is 167.
fn folded(course: Vec<CourseLine>) -> Vec<RouteTestLine> {
    let mut lines: Vec<RouteTestLine> = Vec::new();
    let mut last: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for line in course.into_iter().map(test_line) {
        let before = last.get(&line.receiver).and_then(|place| lines.get_mut(*place));
        match before {
            Some(before) if is_same_reminder(before, &line) => {
                before.times += 1;
                before.until = Some(line.at);
            }
            _ => {
                last.insert(line.receiver.clone(), lines.len());
                lines.push(line);
            }
        }
    }
    lines
}

fn is_same_reminder(a: &RouteTestLine, b: &RouteTestLine) -> bool {
    let of = |line: &RouteTestLine| {
        let RouteTestLine { user, route, step, reason, block, text, .. } = line.clone();
        (user, route, step, reason, block, text)
    };
    b.reason.as_deref() == Some(Reason::Reminder.word()) && of(a) == of(b)
}

fn test_line(line: CourseLine) -> RouteTestLine {
    RouteTestLine {
        at: Timestamp(line.at),
        receiver: line.receiver.map(|receiver| receiver.to_string()),
        user: line.user.map(|user| user.to_string()),
        route: line.route.map(|route| route.to_string()),
        step: line.step.map(|step| step as u64),
        reason: line.reason.map(|reason| reason.word().to_owned()),
        block: line.block.map(|block| block.word().to_owned()),
        text: line.text,
        times: 1,
        until: None,
    }
}

fn put(routes: &[RoutePlan], above: &str, shown: &mut Vec<Route>) {
    for route in routes {
        let matches = format!("{above}{}", matches(&route.matches));
        shown.push(Route {
            name: route.name.to_string(),
            to: route.to.iter().map(ToString::to_string).collect(),
            sentence: sentence(route, &matches),
            matches: matches.clone(),
        });
        put(&route.routes, &format!("{matches}, "), shown);
    }
}

/// Returns what a route matches, in words.
fn matches(m: &RouteMatch) -> String {
    let mut parts = Vec::new();
    parts.extend(m.severity.map(|s| format!("{s} or worse")));
    let any = |names: Vec<&str>| names.join(" or ");
    if !m.events.is_empty() {
        parts.push(any(m.events.iter().map(hark_model::EventKind::word).collect()));
    }
    if !m.checks.is_empty() {
        parts.push(m.checks.join(" or "));
    }
    if !m.hosts.is_empty() {
        parts.push(format!("on {}", m.hosts.join(" or ")));
    }
    if !m.tags.is_empty() {
        parts.push(format!("tagged {}", any(m.tags.iter().map(AsRef::as_ref).collect())));
    }
    if !m.times.is_empty() {
        parts.push(format!("during {}", any(m.times.iter().map(AsRef::as_ref).collect())));
    }
    if parts.is_empty() { "everything".to_owned() } else { parts.join(" ") }
}

fn sentence(route: &RoutePlan, matches: &str) -> String {
    let words = |to: &[hark_engine::plan::Target]| -> String {
        to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let time = hark_config::duration::format;
    let to = if route.to.is_empty() { "nobody".to_owned() } else { words(&route.to) };
    let mut text = format!("{matches} \u{2192} {to}");
    if !route.delay.is_zero() {
        text.extend([", after ", &time(route.delay)]);
    }
    if let Some(gaps) = &route.repeat {
        let gaps: Vec<String> = gaps.iter().copied().map(time).collect();
        text.extend([", again every ", &gaps.join(", then ")]);
    }
    for step in &route.escalate {
        let least = step.severity.map(|s| format!(" if {s} or worse")).unwrap_or_default();
        let after = time(step.after);
        text.extend(["; when nobody took it for ", &after, &least, " \u{2192} ", &words(&step.to)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hark_config::{Document, NoSecrets};
    use hark_engine::Block;
    use hark_model::{ReceiverName, RouteName};

    use super::*;

    #[test]
    fn routes_are_told_in_sentences() {
        let text = "receivers: {ops: {}, boss: {}}\nperiods: {night: '22:00-06:00'}\nroutes:\n  \
            - name: a\n    match: {tags: role:db}\n    to: ops\n    repeat: [1h, 4h]\n    \
            escalate: [{after: 15m, to: boss, severity: critical}]\n    routes:\n      \
            - {name: b, match: {times: night}, to: boss, delay: 5m}\n";
        let document = Document::single(text);
        let plan = hark_engine::plan::read(&document.root(&NoSecrets)).unwrap();
        let mut shown = Vec::new();
        put(&plan.routes, "", &mut shown);
        let sentences: Vec<&str> = shown.iter().map(|route| route.sentence.as_str()).collect();
        let steps = "; when nobody took it for 15m if critical or worse \u{2192} boss";
        assert_eq!(
            sentences,
            [
                format!("tagged role:db \u{2192} ops, again every 1h, then 4h{steps}"),
                format!(
                    "tagged role:db, during night \u{2192} boss, after 5m, again every 1h, then 4h{steps}"
                ),
            ]
        );
        assert_eq!(Duration::ZERO, plan.routes[0].delay);
    }
    fn line(at: i64, receiver: &str, reason: Reason, block: Option<Block>) -> CourseLine {
        CourseLine {
            at: Unix(at * 1000),
            receiver: Some(ReceiverName::new(receiver).unwrap()),
            user: None,
            route: Some(RouteName::new("default").unwrap()),
            step: None,
            reason: Some(reason),
            block,
            text: "by the route `default`".to_owned(),
        }
    }

    #[test]
    fn reminders_of_one_receiver_are_one_line_until_he_hears_something_else() {
        let lines = folded(vec![
            line(0, "mail", Reason::Problem, None),
            line(0, "chat", Reason::Problem, None),
            line(60, "mail", Reason::Reminder, None),
            line(60, "chat", Reason::Reminder, None),
            line(120, "mail", Reason::Reminder, None),
            line(120, "chat", Reason::Reminder, Some(Block::Hours)),
            line(180, "mail", Reason::Reminder, None),
            line(180, "chat", Reason::Reminder, None),
        ]);
        let shown: Vec<_> = lines
            .iter()
            .map(|line| {
                let until = line.until.map(|at| at.0.seconds());
                (line.at.0.seconds(), line.receiver.as_deref().unwrap(), line.times, until)
            })
            .collect();
        assert_eq!(
            shown,
            [
                (0, "mail", 1, None),
                (0, "chat", 1, None),
                (60, "mail", 3, Some(180)),
                (60, "chat", 1, None),
                (120, "chat", 1, None),
                (180, "chat", 1, None),
            ]
        );
    }
}
