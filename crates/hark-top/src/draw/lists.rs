//! The two lists.

use hark_api::hosts::HostRow;
use hark_api::incidents::IncidentRow;
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState};

use super::Screen;
use crate::rows::Rows;
use crate::state::{MOST_ROWS, Top};
use crate::words::{self, DIM, Mark, STRONG};

/// Columns between which a list has its full form; below the first it leaves columns out.
const NARROW: u16 = 60;

/// Draws incidents; returns how many rows fit.
pub(super) fn incidents(
    top: &Top,
    screen: &Screen<'_>,
    frame: &mut Frame<'_>,
    area: Rect,
) -> usize {
    let is_narrow = area.width < NARROW;
    let widths: &[Constraint] = if is_narrow {
        &[Constraint::Length(4), Constraint::Max(20), Constraint::Fill(1)]
    } else {
        &[
            Constraint::Length(4),
            Constraint::Fill(4),
            Constraint::Fill(5),
            Constraint::Length(7),
            Constraint::Length(8),
            Constraint::Fill(8),
        ]
    };
    let head: &[&str] = if is_narrow {
        &["", "HOST", "CHECK"]
    } else {
        &["", "HOST", "CHECK", "FOR", "TAKEN", "TEXT"]
    };
    let row = |incident: &IncidentRow| {
        let mark = Mark::from(incident.state);
        let mut cells = vec![
            Cell::from(Span::styled(mark.word, mark.style)),
            Cell::from(words::line(&incident.host)),
            Cell::from(words::line(&incident.check)),
        ];
        if !is_narrow {
            cells.push(Cell::from(screen.since(incident.since_unix_s)));
            cells.push(Cell::from(standing(incident)));
            cells.push(Cell::from(words::line(&incident.text)));
        }
        let is_taken = incident.ack.is_some() || incident.silenced_until_at.is_some();
        Row::new(cells).style(if is_taken { DIM } else { Style::new() })
    };
    let empty = if top.incident_with.is_empty() {
        "No incident is open."
    } else {
        "No open incident has this text: Esc shows all."
    };
    list(&top.incidents, head, widths, row, empty, frame, area)
}

/// Returns who has an incident, or why nobody needs to.
fn standing(incident: &IncidentRow) -> String {
    match (&incident.ack, incident.cause) {
        (Some(ack), _) => words::line(&ack.by),
        (None, Some(cause)) => format!("by {cause}"),
        (None, None) if incident.silenced_until_at.is_some() => "silenced".to_owned(),
        (None, None) => String::new(),
    }
}

/// Draws hosts; returns how many rows fit.
pub(super) fn hosts(top: &Top, screen: &Screen<'_>, frame: &mut Frame<'_>, area: Rect) -> usize {
    let is_narrow = area.width < NARROW;
    let widths: &[Constraint] = if is_narrow {
        &[Constraint::Length(4), Constraint::Fill(1)]
    } else {
        &[
            Constraint::Length(4),
            Constraint::Fill(4),
            Constraint::Length(15),
            Constraint::Length(7),
            Constraint::Fill(5),
        ]
    };
    let head: &[&str] =
        if is_narrow { &["", "HOST"] } else { &["", "HOST", "ADDRESS", "HEARD", "TEXT"] };
    let row = |host: &HostRow| {
        let mark = Mark::from(host.state);
        let mut cells = vec![
            Cell::from(Span::styled(mark.word, mark.style)),
            Cell::from(words::line(&host.name)),
        ];
        if !is_narrow {
            let heard = host.last_heard_at.map(|at| screen.since(at.0.seconds()));
            cells.push(Cell::from(host.address.as_deref().map(words::line).unwrap_or_default()));
            cells.push(Cell::from(heard.unwrap_or_else(|| "never".to_owned())));
            cells.push(Cell::from(words::line(&host.text)));
        }
        Row::new(cells)
    };
    let empty = if top.host_with.is_empty() && top.state.is_none() {
        "There is no host yet: `hark enroll` gives the line to run on one."
    } else {
        "No host is like this: Esc shows all."
    };
    list(&top.hosts, head, widths, row, empty, frame, area)
}

fn list<'a, T>(
    rows: &'a Rows<T>,
    head: &[&'static str],
    widths: &[Constraint],
    row: impl Fn(&'a T) -> Row<'a>,
    empty: &'static str,
    frame: &mut Frame<'_>,
    area: Rect,
) -> usize {
    let height = usize::from(area.height.saturating_sub(1));
    if rows.items().is_empty() {
        let text = if rows.is_known { empty } else { "asking …" };
        frame.render_widget(Paragraph::new(Line::styled(format!(" {text}"), DIM)), area);
        return height;
    }
    let mut drawn: Vec<Row<'a>> = rows.items().iter().map(row).collect();
    if rows.has_more && drawn.len() >= MOST_ROWS {
        let text = format!("the first {}: narrow them with /", words::count(MOST_ROWS as u64));
        drawn.push(Row::new([Cell::from(""), Cell::from(text)]).style(DIM));
    }
    let table = Table::new(drawn, widths.iter().copied())
        .header(Row::new(head.iter().copied()).style(STRONG))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(rows.chosen_at());
    frame.render_stateful_widget(table, area, &mut state);
    height
}
