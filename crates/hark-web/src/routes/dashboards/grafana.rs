//! Dashboards of Grafana as far as they map: panels of series, figures, texts and alerts, with their places
//! and sizes, and variables that choose hosts. What asks in a language of its own (`PromQL` and others) is not
//! understood; of it the names of well-known metrics are, and those that are hark's own.
//!
//! A pure function over JSON: nothing of it is fetched, and what is not understood is said, never guessed.

use hark_api::dashboards::{
    COLUMNS, Content, HOST_VARIABLE, MAX_HEIGHT, MAX_METRICS, MAX_PANELS, MAX_TEXT, MAX_TITLE,
    MIN_WIDTH, Panel, PanelKind, RANGES, TAG_VARIABLE,
};
use serde_json::Value;

/// Grafana's grid has twice as many columns.
const GRAFANA_COLUMNS: u64 = 24;

/// Of Grafana's rows, about so many are as high as one of ours.
const GRAFANA_ROWS: u64 = 4;

/// Sentences about what was left out: beyond these they are counted.
const MAX_NOTES: usize = 100;

/// Metrics of Prometheus' exporters that agents measure as well, by the word they begin with. The longer
/// ones stand before those that they begin with.
const KNOWN: &[(&str, &str)] = &[
    ("node_cpu_seconds_total", "cpu_monitor.cpu_percent"),
    ("node_cpu", "cpu_monitor.cpu_percent"),
    ("node_load15", "cpu_monitor.load_15min"),
    ("node_load5", "cpu_monitor.load_5min"),
    ("node_load1", "cpu_monitor.load_1min"),
    ("node_memory_Swap", "memory_monitor.swap_percent"),
    ("node_memory_", "memory_monitor.percent"),
    ("node_filesystem_", "disk_monitor./.percent"),
    ("node_boot_time", "uptime_monitor.uptime_seconds"),
    ("node_procs_running", "process_monitor.running"),
    ("node_procs_blocked", "process_monitor.blocked"),
];

/// Variables that mean a host in most dashboards.
const HOST_NAMES: &[&str] = &["host", "hostname", "instance", "node", "server", "nodename"];

/// Variables that mean a group of hosts.
const TAG_NAMES: &[&str] =
    &["tag", "group", "job", "role", "site", "cluster", "env", "environment"];

/// What was read, and what was not.
type Read = (Content, Vec<String>);

/// Reads what Grafana exports: the dashboard itself, or what its API wraps it in.
///
/// # Errors
/// If it is no dashboard of Grafana.
pub(super) fn read(document: &Value) -> Result<Read, String> {
    let dashboard = document.get("dashboard").unwrap_or(document);
    let has_panels = dashboard["panels"].is_array() || dashboard["rows"].is_array();
    if !has_panels {
        return Err("this has no `panels`: give the JSON that Grafana exports".to_owned());
    }
    let mut reader = Reader::default();
    reader.content.title = cut(text(dashboard, "title"), MAX_TITLE);
    if reader.content.title.is_empty() {
        "Grafana".clone_into(&mut reader.content.title);
    }
    reader.content.description = cut(text(dashboard, "description"), MAX_TEXT);
    reader.range(dashboard);
    reader.variables(dashboard);
    reader.panels(&dashboard["panels"]);
    // Before its fifth version rows held the panels.
    for row in items(&dashboard["rows"]) {
        reader.panels(&row["panels"]);
    }
    if !items(&dashboard["annotations"]["list"]).iter().all(|a| a["builtIn"] == 1) {
        reader.note("annotations: incidents are drawn into every chart instead");
    }
    Ok(reader.done())
}

#[derive(Default)]
struct Reader {
    content: Content,
    left_out: Vec<String>,
    omitted: usize,
}

impl Reader {
    fn note(&mut self, what: impl Into<String>) {
        if self.left_out.len() < MAX_NOTES {
            self.left_out.push(what.into());
        } else {
            self.omitted += 1;
        }
    }

    fn done(mut self) -> Read {
        if self.omitted > 0 {
            self.left_out.push(format!("and {} more", self.omitted));
        }
        (self.content, self.left_out)
    }

    fn range(&mut self, dashboard: &Value) {
        let from = text(&dashboard["time"], "from");
        let word = from.strip_prefix("now-").unwrap_or_default();
        if RANGES.contains(&word) {
            word.clone_into(&mut self.content.range);
        } else if !from.is_empty() {
            self.note(format!("the time `{from}`: it opens with six hours"));
        }
    }

    fn variables(&mut self, dashboard: &Value) {
        for variable in items(&dashboard["templating"]["list"]) {
            let name = text(variable, "name");
            let lower = name.to_lowercase();
            let variables = &mut self.content.variables;
            if HOST_NAMES.contains(&lower.as_str()) && variables.host.is_none() {
                variables.host = Some(String::new());
            } else if TAG_NAMES.contains(&lower.as_str()) && variables.tag.is_none() {
                variables.tag = Some(String::new());
            } else if text(variable, "type") != "datasource" {
                self.note(format!(
                    "the variable `{name}`: there is one for a host and one for a tag"
                ));
            }
        }
    }

    fn panels(&mut self, panels: &Value) {
        let mut sorted: Vec<&Value> = items(panels).iter().collect();
        sorted
            .sort_by_key(|panel| (number(&panel["gridPos"], "y"), number(&panel["gridPos"], "x")));
        for panel in sorted {
            if self.content.panels.len() == MAX_PANELS {
                self.note(format!(
                    "panel `{}`: a dashboard has at most {MAX_PANELS}",
                    title(panel)
                ));
                continue;
            }
            let kind = match text(panel, "type") {
                "graph" | "timeseries" | "barchart" | "trend" => PanelKind::Chart,
                "stat" | "singlestat" | "gauge" | "bargauge" => PanelKind::Value,
                "text" => PanelKind::Text,
                "alertlist" | "alert-list" => PanelKind::Incidents,
                "row" => {
                    // One that is folded holds its panels.
                    self.heading(panel);
                    self.panels(&panel["panels"]);
                    continue;
                }
                other => {
                    self.note(format!("panel `{}`: there is no kind like `{other}`", title(panel)));
                    continue;
                }
            };
            self.panel(panel, kind);
        }
    }

    fn heading(&mut self, row: &Value) {
        let title = cut(title(row), MAX_TITLE);
        if !title.is_empty() && self.content.panels.len() < MAX_PANELS {
            let panel = Panel { title, width: COLUMNS, height: 1, ..Panel::new(PanelKind::Text) };
            self.content.panels.push(panel);
        }
    }

    fn panel(&mut self, panel: &Value, kind: PanelKind) {
        let name = title(panel).to_owned();
        let (width, height) = size(panel);
        let mut made = Panel { title: self.named(&name), width, height, ..Panel::new(kind) };
        match kind {
            PanelKind::Text => {
                let text = [text(&panel["options"], "content"), text(panel, "content")];
                made.text =
                    cut(text.into_iter().find(|t| !t.is_empty()).unwrap_or_default(), MAX_TEXT);
            }
            PanelKind::Chart | PanelKind::Value => {
                made.metrics = self.metrics(panel, &name);
                if made.metrics.is_empty() {
                    self.note(format!("panel `{name}`: hark measures none of its metrics"));
                    return;
                }
                self.hosts(panel, &name, &mut made);
            }
            PanelKind::States | PanelKind::Incidents => {}
        }
        if panel["repeat"].is_string() {
            self.note(format!(
                "panel `{name}`: it is there once, not for each value of a variable"
            ));
        }
        if !items(&panel["transformations"]).is_empty() {
            self.note(format!("panel `{name}`: its transformations"));
        }
        self.content.panels.push(made);
    }

    /// Returns a title with hark's own variables in the place of Grafana's.
    fn named(&self, title: &str) -> String {
        let mut title = title.to_owned();
        for name in HOST_NAMES.iter().filter(|_| self.content.variables.host.is_some()) {
            title = title.replace(&format!("${{{name}}}"), HOST_VARIABLE);
            title = replace_word(&title, &format!("${name}"), HOST_VARIABLE);
        }
        cut(&title, MAX_TITLE)
    }

    fn metrics(&mut self, panel: &Value, name: &str) -> Vec<String> {
        let mut metrics: Vec<String> = Vec::new();
        for target in items(&panel["targets"]) {
            let asked = ["expr", "query", "target", "metric"].map(|key| text(target, key));
            let asked = asked.into_iter().find(|asked| !asked.is_empty()).unwrap_or_default();
            match metric(asked) {
                Some(path) if metrics.contains(&path) => {}
                Some(_) if metrics.len() == MAX_METRICS => {
                    self.note(format!("panel `{name}`: more than {MAX_METRICS} series"));
                    break;
                }
                Some(path) => metrics.push(path),
                None if asked.is_empty() => {}
                None => self.note(format!("panel `{name}`: `{}`", cut(asked, 200))),
            }
        }
        metrics
    }

    /// A panel that names its host keeps it; every other is about what the reader chooses.
    fn hosts(&mut self, panel: &Value, name: &str, made: &mut Panel) {
        let all: String = items(&panel["targets"]).iter().map(Value::to_string).collect();
        let uses = |names: &[&str]| {
            names.iter().any(|n| all.contains(&format!("${n}")) || all.contains(&format!("${{{n}")))
        };
        if uses(TAG_NAMES) && !uses(HOST_NAMES) && self.content.variables.tag.is_some() {
            made.tag = Some(TAG_VARIABLE.to_owned());
            return;
        }
        if self.content.variables.host.is_none() {
            self.content.variables.host = Some(String::new());
            self.note(format!("panel `{name}`: its hosts; it shows the one that is chosen above"));
        }
        made.hosts = vec![HOST_VARIABLE.to_owned()];
    }
}

/// Returns the series that a question is about, if its first metric is one that hark knows.
fn metric(asked: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.:/-".contains(c);
    let words = || asked.split(|c: char| !is_part(c)).filter(|word| !word.is_empty());
    let own = words().find(|word| {
        word.split_once('.').is_some_and(|(collector, rest)| {
            collector.ends_with("_monitor") && !rest.is_empty() && !rest.ends_with('.')
        })
    });
    if let Some(path) = own {
        return Some(path.to_owned());
    }
    let known = words().find_map(|word| KNOWN.iter().find(|(start, _)| word.starts_with(start)));
    known.map(|(_, path)| (*path).to_owned())
}

/// Returns width and height in our grid.
fn size(panel: &Value) -> (u8, u8) {
    let place = &panel["gridPos"];
    // Rows of before its fifth version had twelve columns, as ours.
    let width = match (number(place, "w"), number(panel, "span")) {
        (0, 0) => u64::from(COLUMNS) / 2,
        (0, span) => span,
        (wide, _) => wide * u64::from(COLUMNS) / GRAFANA_COLUMNS,
    };
    let height = match number(place, "h") {
        0 => 2,
        high => high.div_ceil(GRAFANA_ROWS),
    };
    let within =
        |value: u64, least: u8, most: u8| u8::try_from(value).unwrap_or(most).clamp(least, most);
    (within(width, MIN_WIDTH, COLUMNS), within(height, 1, MAX_HEIGHT))
}

fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(word) {
        let goes_on = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        out.push_str(before);
        out.push_str(if goes_on { word } else { by });
        rest = after;
    }
    out + rest
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn title(panel: &Value) -> &str {
    text(panel, "title").trim()
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

fn cut(text: &str, most: usize) -> String {
    let text = text.trim();
    text.get(..text.floor_char_boundary(most)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(expr: &str) -> Value {
        json!({"targets": [{"expr": expr, "refId": "A"}]})
    }

    fn panel(kind: &str, title: &str, place: [u64; 4], more: &Value) -> Value {
        let [x, y, w, h] = place;
        let mut panel =
            json!({"type": kind, "title": title, "gridPos": {"x": x, "y": y, "w": w, "h": h}});
        panel.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        panel
    }

    #[test]
    fn a_usual_dashboard_of_nodes_comes_over_with_places_sizes_and_variables() {
        let load = "avg(node_load1{instance=\"$instance\"})";
        let cpu = "100 - avg by(instance)(rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))";
        let document = json!({
            "title": "Nodes", "time": {"from": "now-24h", "to": "now"},
            "templating": {"list": [
                {"name": "ds", "type": "datasource"}, {"name": "instance", "type": "query"},
                {"name": "device", "type": "query"},
            ]},
            "panels": [
                panel("timeseries", "Load of $instance", [12, 4, 12, 8], &target(load)),
                panel("stat", "CPU", [0, 4, 6, 4], &target(cpu)),
                panel("text", "Read me", [0, 0, 24, 4], &json!({"options": {"content": "Hello"}})),
                panel("heatmap", "Latency", [0, 20, 24, 8], &target("x")),
                panel("graph", "Requests", [0, 30, 24, 8], &target("http_requests_total")),
            ],
        });
        let (content, left_out) = read(&json!({"dashboard": document, "meta": {}})).unwrap();
        assert_eq!((content.title.as_str(), content.range.as_str()), ("Nodes", "24h"));
        assert_eq!(content.variables.host.as_deref(), Some(""));
        let shown: Vec<_> = content
            .panels
            .iter()
            .map(|p| (p.kind, p.title.as_str(), p.width, p.height, p.metrics.join(" ")))
            .collect();
        assert_eq!(
            shown,
            [
                (PanelKind::Text, "Read me", 12, 1, String::new()),
                (PanelKind::Value, "CPU", 3, 1, "cpu_monitor.cpu_percent".to_owned()),
                (PanelKind::Chart, "Load of $host", 6, 2, "cpu_monitor.load_1min".to_owned()),
            ]
        );
        assert_eq!(content.panels[0].text, "Hello");
        assert_eq!(content.panels[2].hosts, ["$host"]);
        assert_eq!(
            left_out,
            [
                "the variable `device`: there is one for a host and one for a tag",
                "panel `Latency`: there is no kind like `heatmap`",
                "panel `Requests`: `http_requests_total`",
                "panel `Requests`: hark measures none of its metrics",
            ]
        );
    }

    #[test]
    fn what_is_read_can_be_stored() {
        let panels: Vec<Value> = (0..60)
            .map(|n| panel("graph", &format!("Load {n}"), [0, n, 24, 99], &target("node_load5")))
            .collect();
        let (content, left_out) = read(&json!({"panels": panels})).unwrap();
        assert_eq!(content.panels.len(), MAX_PANELS);
        assert_eq!(content.panels[0].height, MAX_HEIGHT);
        assert!(super::super::check::checked(content).is_ok());
        assert!(left_out.iter().any(|note| note.contains("`Load 59`")), "{left_out:?}");
        assert!(left_out[0].contains("it shows the one that is chosen above"), "{left_out:?}");
    }

    #[test]
    fn rows_of_both_kinds_are_read() {
        let inner = panel("graph", "Load", [0, 0, 12, 8], &target("node_load1"));
        let old = json!({"rows": [{"title": "Old", "panels": [
            {"type": "graph", "title": "Load", "span": 4, "targets": [{"expr": "node_load15"}]}
        ]}]});
        let (content, _) = read(&old).unwrap();
        assert_eq!((content.panels[0].width, content.panels.len()), (4, 1));
        let folded = json!({"panels": [{"type": "row", "title": "Nodes", "panels": [inner]}]});
        let (content, _) = read(&folded).unwrap();
        let titles: Vec<_> = content.panels.iter().map(|p| p.title.as_str()).collect();
        assert_eq!(titles, ["Nodes", "Load"]);
    }

    #[test]
    fn metrics_of_hark_are_taken_as_they_are() {
        assert_eq!(
            metric("disk_monitor./var.percent").as_deref(),
            Some("disk_monitor./var.percent")
        );
        assert_eq!(
            metric("sum(node_memory_SwapFree_bytes)").as_deref(),
            Some("memory_monitor.swap_percent")
        );
        assert_eq!(metric("up{job=\"node\"}"), None);
        assert_eq!(metric(""), None);
    }

    #[test]
    fn what_is_no_dashboard_is_refused() {
        for document in [json!(null), json!([]), json!({"title": "x"}), json!({"panels": 1})] {
            assert!(read(&document).is_err(), "{document}");
        }
    }
}
