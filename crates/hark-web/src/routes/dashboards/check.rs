//! Whether what a dashboard is to show can be shown: every mistake by its field, all at once.

use hark_api::dashboards::{
    COLUMNS, Content, HOST_VARIABLE, MAX_BYTES, MAX_HEIGHT, MAX_HOSTS, MAX_METRICS, MAX_PANELS,
    MAX_SHARED, MAX_TEXT, MAX_TITLE, MIN_WIDTH, Panel, PanelKind, RANGES, SHIFTS, TAG_VARIABLE,
};
use hark_api::problem::FieldError;
use hark_model::{HostName, Tag, TeamName, UserName};

use crate::failure::{Failure, Reply};

/// The longest path of a series in bytes: far above any that an agent sends.
const MAX_PATH: usize = 300;

/// Returns what a dashboard is to show, as it is stored.
pub(super) fn checked(mut content: Content) -> Reply<Content> {
    let mut errors = Vec::new();
    let title = content.title.trim().to_owned();
    content.title = title;
    let mut wrong = |field: &str, detail: String| errors.push(FieldError::new(field, detail));
    if content.title.is_empty() || content.title.len() > MAX_TITLE {
        wrong("title", format!("say what it is called in 1 to {MAX_TITLE} bytes"));
    }
    if content.description.len() > MAX_TEXT {
        wrong("description", format!("use at most {MAX_TEXT} bytes"));
    }
    if !content.range.is_empty() && !RANGES.contains(&content.range.as_str()) {
        wrong("range", format!("use one of {}", RANGES.join(", ")));
    }
    if content.shared.users.len() > MAX_SHARED {
        wrong("shared.users", format!("name at most {MAX_SHARED}"));
    }
    if content.shared.teams.len() > MAX_SHARED {
        wrong("shared.teams", format!("name at most {MAX_SHARED}"));
    }
    if let Some(name) = content.shared.teams.iter().find(|name| TeamName::new(name).is_err()) {
        wrong("shared.teams", format!("`{name}` cannot be the name of a team"));
    }
    if let Some(name) = content.shared.users.iter().find(|name| UserName::new(name).is_err()) {
        wrong("shared.users", format!("`{name}` cannot be the name of a user"));
    }
    if content.variables.host.as_ref().is_some_and(|h| !h.is_empty() && HostName::new(h).is_err()) {
        wrong("variables.host", "this cannot be the name of a host".to_owned());
    }
    if content.variables.tag.as_ref().is_some_and(|t| !t.is_empty() && Tag::new(t).is_err()) {
        wrong("variables.tag", "this cannot be a tag".to_owned());
    }
    if content.panels.len() > MAX_PANELS {
        wrong("panels", format!("use at most {MAX_PANELS}"));
    }
    for (place, panel) in content.panels.iter().enumerate().take(MAX_PANELS) {
        for (field, detail) in of_panel(panel, &content) {
            wrong(&format!("panels[{place}].{field}"), detail);
        }
    }
    if serde_json::to_vec(&content).map_or(true, |bytes| bytes.len() > MAX_BYTES) {
        wrong("panels", format!("the whole is longer than {MAX_BYTES} bytes"));
    }
    if errors.is_empty() { Ok(content) } else { Err(Failure::Wrong(errors)) }
}

/// Returns what is wrong with a panel: field and text.
fn of_panel(panel: &Panel, content: &Content) -> Vec<(&'static str, String)> {
    let mut wrong: Vec<(&str, String)> = Vec::new();
    if panel.title.len() > MAX_TITLE {
        wrong.push(("title", format!("use at most {MAX_TITLE} bytes")));
    }
    if !(MIN_WIDTH..=COLUMNS).contains(&panel.width) {
        wrong.push(("width", format!("use {MIN_WIDTH} to {COLUMNS} columns")));
    }
    if !(1..=MAX_HEIGHT).contains(&panel.height) {
        wrong.push(("height", format!("use 1 to {MAX_HEIGHT} rows")));
    }
    wrong.extend(of_hosts(panel, content));
    let measures = matches!(panel.kind, PanelKind::Chart | PanelKind::Value);
    if measures && panel.metrics.is_empty() {
        wrong.push(("metrics", "say which series".to_owned()));
    }
    if measures && panel.hosts.is_empty() && panel.tag.is_none() {
        wrong.push(("hosts", "say of which hosts, or of which tag".to_owned()));
    }
    if panel.metrics.len() > MAX_METRICS {
        wrong.push(("metrics", format!("use at most {MAX_METRICS}")));
    }
    let is_path = |path: &String| path.contains('.') && path.len() <= MAX_PATH;
    if let Some(path) = panel.metrics.iter().find(|path| !is_path(path)) {
        wrong.push((
            "metrics",
            format!("`{path}` is no path of a series, as `memory_monitor.percent`"),
        ));
    }
    if panel.compare.as_deref().is_some_and(|shift| !SHIFTS.contains(&shift)) {
        wrong.push(("compare", format!("use one of {}", SHIFTS.join(", "))));
    }
    if panel.text.len() > MAX_TEXT {
        wrong.push(("text", format!("use at most {MAX_TEXT} bytes")));
    }
    wrong
}

fn of_hosts(panel: &Panel, content: &Content) -> Vec<(&'static str, String)> {
    let mut wrong: Vec<(&str, String)> = Vec::new();
    if panel.hosts.len() > MAX_HOSTS {
        wrong.push(("hosts", format!("name at most {MAX_HOSTS}, or use a tag")));
    }
    if !panel.hosts.is_empty() && panel.tag.is_some() {
        wrong.push(("tag", "give hosts or a tag, not both".to_owned()));
    }
    for host in &panel.hosts {
        match host.as_str() {
            HOST_VARIABLE if content.variables.host.is_none() => {
                wrong.push(("hosts", "the dashboard does not ask for a host".to_owned()));
            }
            HOST_VARIABLE => {}
            name if HostName::new(name).is_err() => {
                wrong.push(("hosts", format!("`{name}` cannot be the name of a host")));
            }
            _ => {}
        }
    }
    match panel.tag.as_deref() {
        Some(TAG_VARIABLE) if content.variables.tag.is_none() => {
            wrong.push(("tag", "the dashboard does not ask for a tag".to_owned()));
        }
        Some(TAG_VARIABLE) | None => {}
        Some(tag) => {
            if let Err(error) = Tag::new(tag) {
                wrong.push(("tag", error.to_string()));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Content {
        let chart = Panel {
            hosts: vec!["db1".to_owned(), HOST_VARIABLE.to_owned()],
            metrics: vec!["cpu_monitor.cpu_percent".to_owned()],
            ..Panel::new(PanelKind::Chart)
        };
        let mut content = Content { title: " Databases ".to_owned(), ..Content::default() };
        content.variables.host = Some(String::new());
        content.panels = vec![chart, Panel::new(PanelKind::Incidents)];
        content
    }

    fn fields(change: impl FnOnce(&mut Content)) -> Vec<String> {
        let mut content = content();
        change(&mut content);
        match checked(content) {
            Err(Failure::Wrong(errors)) => errors.into_iter().map(|error| error.field).collect(),
            Ok(_) => Vec::new(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_good_one_is_taken_and_its_title_trimmed() {
        assert_eq!(checked(content()).unwrap().title, "Databases");
    }

    #[test]
    fn every_mistake_is_told_by_its_field() {
        let panel = |change: fn(&mut Panel)| fields(|content| change(&mut content.panels[0]));
        assert_eq!(fields(|c| c.title = "  ".to_owned()), ["title"]);
        assert_eq!(fields(|c| c.range = "2h".to_owned()), ["range"]);
        assert_eq!(fields(|c| c.shared.users = vec!["a b".to_owned()]), ["shared.users"]);
        assert_eq!(fields(|c| c.variables.host = None), ["panels[0].hosts"]);
        assert_eq!(fields(|c| c.variables.tag = Some("a b".to_owned())), ["variables.tag"]);
        assert_eq!(panel(|p| p.width = 13), ["panels[0].width"]);
        assert_eq!(panel(|p| p.height = 0), ["panels[0].height"]);
        assert_eq!(panel(|p| p.metrics = Vec::new()), ["panels[0].metrics"]);
        assert_eq!(panel(|p| p.metrics = vec!["load".to_owned()]), ["panels[0].metrics"]);
        assert_eq!(panel(|p| p.hosts = Vec::new()), ["panels[0].hosts"]);
        assert_eq!(panel(|p| p.hosts = vec!["h".to_owned(); 11]), ["panels[0].hosts"]);
        assert_eq!(panel(|p| p.tag = Some("role:db".to_owned())), ["panels[0].tag"]);
        assert_eq!(panel(|p| p.compare = Some("2d".to_owned())), ["panels[0].compare"]);
        let two = fields(|c| {
            c.title = String::new();
            c.panels[1].tag = Some(TAG_VARIABLE.to_owned());
        });
        assert_eq!(two, ["title", "panels[1].tag"], "all at once");
    }

    #[test]
    fn size_has_bounds_in_number_and_in_bytes() {
        let many = fields(|c| c.panels = vec![Panel::new(PanelKind::Text); MAX_PANELS + 1]);
        assert_eq!(many, ["panels"]);
        let long = Panel { text: "x".repeat(MAX_TEXT), ..Panel::new(PanelKind::Text) };
        assert_eq!(fields(|c| c.panels = vec![long; 20]), ["panels"]);
    }
}
