//! A host: what is known of it, its checks, and a chart.

use hark_api::hosts::{Check, Host};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table};

use super::{Screen, chart};
use crate::state::ShownHost;
use crate::words::{self, DIM, Mark, STRONG};

/// Lines above the checks.
const HEAD: u16 = 3;

/// Least height of a chart that says anything.
const LEAST_CHART: u16 = 8;

/// Draws it; returns how many checks fit.
pub(super) fn draw(
    shown: &ShownHost,
    screen: &Screen<'_>,
    frame: &mut Frame<'_>,
    area: Rect,
) -> usize {
    let Some(host) = &shown.known else {
        frame.render_widget(Line::styled(" asking …", DIM), area);
        return 0;
    };
    // A third for the checks, if they need it; the rest is the chart's.
    let n_checks = u16::try_from(host.checks.len()).unwrap_or(u16::MAX).saturating_add(1);
    let most = (area.height / 3).max(area.height.saturating_sub(HEAD + LEAST_CHART) / 2);
    let [head, checks, rest] = Layout::vertical([
        Constraint::Length(HEAD),
        Constraint::Length(n_checks.min(most)),
        Constraint::Fill(1),
    ])
    .areas(area);
    for (line, place) in facts(host, screen).into_iter().zip(head.rows()) {
        frame.render_widget(line, place);
    }
    let fit = usize::from(checks.height.saturating_sub(1));
    // As far up as the screen can still be filled.
    let first = shown.first_check.min(host.checks.len().saturating_sub(fit));
    draw_checks(host.checks.get(first..).unwrap_or_default(), screen, frame, checks);
    chart::draw(shown, screen, frame, rest);
    fit
}

fn facts(host: &Host, screen: &Screen<'_>) -> [Line<'static>; 3] {
    let mark = Mark::from(host.state);
    let heard = host.last_heard_at.map(|at| format!("heard {} ago", screen.since(at.0.seconds())));
    let known = [
        host.address.as_deref().map(words::line),
        Some(heard.unwrap_or_else(|| "never heard".to_owned())),
        host.rtt_seconds.map(|rtt| format!("round trip {:.1} ms", rtt * 1000.0)),
        host.loss_ratio
            .filter(|loss| *loss > 0.0)
            .map(|loss| format!("{:.1} % lost", loss * 100.0)),
        (!host.tags.is_empty()).then(|| words::line(&host.tags.join(" "))),
    ];
    let known: Vec<String> = known.into_iter().flatten().collect();
    let facts: Vec<String> = ["distribution", "kernel", "arch"]
        .iter()
        .filter_map(|key| host.facts.get(*key))
        .map(|fact| words::line(fact))
        .chain((!host.agent_version.is_empty()).then(|| format!("hark {}", host.agent_version)))
        .collect();
    [
        Line::from(vec![
            Span::styled(format!(" {:<5}", mark.word), mark.style),
            Span::styled(words::line(&host.text), STRONG),
        ]),
        Line::raw(format!(" {}", known.join("  "))),
        Line::styled(format!(" {}", words::line(&facts.join("  "))), DIM),
    ]
}

fn draw_checks(checks: &[Check], screen: &Screen<'_>, frame: &mut Frame<'_>, area: Rect) {
    let row = |check: &Check| {
        let mark = Mark::from(check.status);
        let value = check.value.map(|value| words::value(value, &check.unit));
        let changed = check.changed_at.map(|at| screen.since(at.0.seconds()));
        let text = words::line(&check.text);
        let text = match (check.flapping, text.is_empty()) {
            (false, _) => text,
            (true, true) => "flapping".to_owned(),
            (true, false) => format!("flapping, {text}"),
        };
        Row::new([
            Cell::from(Span::styled(mark.word, mark.style)),
            Cell::from(words::line(&check.name)),
            Cell::from(value.unwrap_or_default()),
            Cell::from(changed.unwrap_or_default()),
            Cell::from(text),
        ])
    };
    let widths = [
        Constraint::Length(4),
        Constraint::Max(30),
        Constraint::Length(10),
        Constraint::Length(7),
        Constraint::Fill(1),
    ];
    let table = Table::new(checks.iter().map(row), widths)
        .header(Row::new(["", "CHECK", "VALUE", "FOR", "TEXT"]).style(STRONG));
    frame.render_widget(table, area);
}
