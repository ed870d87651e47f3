//! An incident, whole: what is wrong, who was told, what happened.

use hark_api::incidents::Incident;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::Screen;
use crate::state::ShownIncident;
use crate::words::{self, DIM, Mark, STRONG};

/// Draws it; returns how far it is scrolled in truth: the last line stays on the screen.
pub(super) fn draw(
    shown: &ShownIncident,
    screen: &Screen<'_>,
    frame: &mut Frame<'_>,
    area: Rect,
) -> usize {
    let Some(known) = &shown.known else {
        frame.render_widget(Line::styled(" asking …", DIM), area);
        return 0;
    };
    let lines = lines(known, screen);
    let scrolled = shown.scrolled.min(lines.len().saturating_sub(1));
    let rows = u16::try_from(scrolled).unwrap_or(u16::MAX);
    let text = Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((rows, 0));
    frame.render_widget(text, area);
    scrolled
}

fn lines(known: &Incident, screen: &Screen<'_>) -> Vec<Line<'static>> {
    let row = &known.row;
    let mark = Mark::from(row.state);
    let mut lines = vec![
        Line::from(vec![
            Span::styled(format!(" {:<5}", mark.word), mark.style),
            Span::styled(
                format!("{}  {}", words::line(&row.host), words::line(&row.check)),
                STRONG,
            ),
        ]),
        Line::raw(format!(" {}", words::line(&row.text))),
    ];
    let mut put = |name: &str, text: String| {
        if !text.is_empty() {
            let name = Span::styled(format!(" {name:<9}"), DIM);
            lines.push(Line::from(vec![name, Span::raw(text)]));
        }
    };
    put("rule", words::line(&known.rule));
    let since = screen.moment(row.since_unix_s);
    put("since", format!("{since}, {}", screen.since(row.since_unix_s)));
    if let Some(at) = row.resolved_at {
        put("over", screen.moment(at.0.seconds()));
    }
    if let Some(ack) = &row.ack {
        let until = ack.until_unix_s.map(|at| format!(", until {}", screen.moment(at)));
        let comment = words::line(&ack.comment);
        put(
            "taken by",
            format!("{}{}: {comment}", words::line(&ack.by), until.unwrap_or_default()),
        );
    }
    if let Some(at) = row.silenced_until_at {
        put("silenced", format!("until {}", screen.moment(at.0.seconds())));
    }
    if let Some(cause) = row.cause {
        put("cause", format!("incident {cause}"));
    }
    for symptom in &known.symptoms_list {
        let (host, check) = (words::line(&symptom.host), words::line(&symptom.check));
        put("symptom", format!("incident {}: {host} {check}", symptom.id));
    }
    section(&mut lines, "comments", &known.comments, |comment| {
        let by = words::line(&comment.by);
        (screen.moment(comment.at.0.seconds()), format!("{by}: {}", words::line(&comment.text)))
    });
    section(&mut lines, "messages", &known.notifications, |message| {
        let state = serde_json::to_value(message.state).unwrap_or_default();
        let state = state.as_str().unwrap_or_default().to_owned();
        let receiver = words::line(&message.receiver);
        (screen.moment(message.at.0.seconds()), format!("{receiver}: {}, {state}", message.reason))
    });
    section(&mut lines, "happened", &known.timeline, |line| {
        (screen.moment(line.at_unix_s), words::line(&line.text))
    });
    lines
}

fn section<T>(
    lines: &mut Vec<Line<'static>>,
    title: &'static str,
    items: &[T],
    line: impl Fn(&T) -> (String, String),
) {
    if items.is_empty() {
        return;
    }
    lines.push(Line::raw(""));
    lines.push(Line::styled(format!(" {title}"), STRONG));
    for item in items {
        let (at, text) = line(item);
        lines.push(Line::from(vec![Span::styled(format!(" {at:<17}"), DIM), Span::raw(text)]));
    }
}
