//! Routes in words.

use std::time::Duration;

use hark_api::receivers::Route;
use hark_engine::plan::{RouteMatch, RoutePlan};
use hark_web::Answer;

use super::ServerBackend;

impl ServerBackend {
    /// Returns every route, those below another right after it.
    pub(super) fn all_routes(&self) -> Answer<Vec<Route>> {
        self.ask(|engine| {
            let mut shown = Vec::new();
            put(&engine.plan().routes, "", &mut shown);
            shown
        })
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
        text.push_str(&format!(
            "; when nobody took it for {after}{least} \u{2192} {}",
            words(&step.to)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets};

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
}
