//! A metric over time, in dots of Braille.

use hark_api::series::{Metric, Series};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Borders, Chart, Dataset, GraphType, Paragraph};

use super::Screen;
use crate::state::ShownHost;
use crate::words::{self, DIM, Mark, STRONG};
use hark_api::words::State;

pub(super) fn draw(shown: &ShownHost, screen: &Screen<'_>, frame: &mut Frame<'_>, area: Rect) {
    let (Some(metric), n) = (shown.metrics.chosen(), shown.metrics.items().len()) else {
        let text = if shown.metrics.is_known { "nothing is measured here" } else { "asking …" };
        frame.render_widget(Line::styled(format!(" {text}"), DIM), area);
        return;
    };
    let block = Block::new().borders(Borders::TOP).border_style(DIM).title(title(shown, metric, n));
    let lines = shown.series.as_ref().map(pieces).unwrap_or_default();
    let (Some(series), false) = (&shown.series, lines.is_empty()) else {
        let text = if shown.series.is_some() { "no values in this time" } else { "asking …" };
        let text = Line::styled(format!(" {text}"), DIM);
        frame.render_widget(Paragraph::new(text).block(block), area);
        return;
    };
    let limits = limits(series, &metric.path);
    let (low, high) = bounds(&lines, &limits);
    let span = [seconds(series.from_unix_s), seconds(series.to_unix_s)];
    let level: Vec<[(f64, f64); 2]> =
        limits.iter().map(|(limit, _)| span.map(|at| (at, *limit))).collect();
    let mut sets: Vec<Dataset<'_>> =
        level.iter().zip(&limits).map(|(points, (_, style))| line(points, *style)).collect();
    sets.extend(lines.iter().map(|points| line(points, Style::new().fg(Color::Cyan))));
    let times =
        [series.from_unix_s, i64::midpoint(series.from_unix_s, series.to_unix_s), series.to_unix_s];
    let x =
        Axis::default().bounds(span).labels(times.map(|at| Span::styled(screen.moment(at), DIM)));
    let y = Axis::default().bounds([low, high]).labels(
        [low, f64::midpoint(low, high), high]
            .map(|value| Span::styled(words::value(value, &metric.unit), DIM)),
    );
    frame.render_widget(Chart::new(sets).block(block).x_axis(x).y_axis(y), area);
}

fn title(shown: &ShownHost, metric: &Metric, n: usize) -> Line<'static> {
    let last = metric.last.map(|value| words::value(value, &metric.unit)).unwrap_or_default();
    let at = shown.metrics.chosen_at() + 1;
    Line::from(vec![
        Span::styled(format!(" {} ", words::line(&metric.path)), STRONG),
        Span::raw(format!("{last}  ")),
        Span::styled(format!("← {at} of {n} →  - {} + ", shown.span().1), DIM),
    ])
}

fn line(points: &[(f64, f64)], style: Style) -> Dataset<'_> {
    // One value alone is a dot: a line needs two.
    let kind = if points.len() < 2 { GraphType::Scatter } else { GraphType::Line };
    Dataset::default().marker(Marker::Braille).graph_type(kind).style(style).data(points)
}

/// Returns the lines of the means: a gap ends one and begins the next.
fn pieces(series: &Series) -> Vec<Vec<(f64, f64)>> {
    let means = series.avg.first().map(Vec::as_slice).unwrap_or_default();
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut is_gap = true;
    for (at, mean) in series.at_unix_s.iter().zip(means) {
        let Some(mean) = mean.filter(|mean| mean.is_finite()) else {
            is_gap = true;
            continue;
        };
        let point = (seconds(*at), mean);
        match pieces.last_mut().filter(|_| !is_gap) {
            Some(piece) => piece.push(point),
            None => pieces.push(vec![point]),
        }
        is_gap = false;
    }
    pieces
}

/// Returns the limits that are drawn in, each with its style.
fn limits(series: &Series, path: &str) -> Vec<(f64, Style)> {
    let Some(limits) = series.limits.get(path) else { return Vec::new() };
    let styled = |limit: Option<f64>, state: State| {
        limit.filter(|limit| limit.is_finite()).map(|limit| (limit, Mark::from(state).style))
    };
    [styled(limits.warning, State::Warn), styled(limits.critical, State::Crit)]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns the lowest and highest value shown, with some room. A limit far away from all values is left
/// out: it would press them flat.
fn bounds(lines: &[Vec<(f64, f64)>], limits: &[(f64, Style)]) -> (f64, f64) {
    let values = || lines.iter().flatten().map(|(_, value)| *value);
    let (mut low, mut high) =
        values().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let reach = (high - low).max(high.abs());
    for (limit, _) in limits {
        if (low - reach..=high + reach).contains(limit) {
            (low, high) = (low.min(*limit), high.max(*limit));
        }
    }
    let room = if high > low { (high - low) * 0.05 } else { high.abs().max(1.0) * 0.1 };
    // What is never negative is not drawn below nothing.
    let floor = if low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
    ((low - room).max(floor), high + room)
}

#[expect(clippy::cast_precision_loss, reason = "seconds of these centuries fit 52 bits")]
fn seconds(at: i64) -> f64 {
    at as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_no_line() {
        let series = Series {
            at_unix_s: vec![1, 2, 3, 4, 5],
            avg: vec![vec![Some(1.0), Some(2.0), None, Some(f64::NAN), Some(5.0)]],
            ..Series::default()
        };
        assert_eq!(pieces(&series), [vec![(1.0, 1.0), (2.0, 2.0)], vec![(5.0, 5.0)]]);
        assert!(pieces(&Series::default()).is_empty());
    }

    #[test]
    fn bounds_hold_values_and_limits_that_are_near() {
        let of = |values: &[f64], limits: &[f64]| {
            let line = values.iter().map(|value| (0.0, *value)).collect();
            let limits: Vec<_> = limits.iter().map(|limit| (*limit, Style::new())).collect();
            bounds(&[line], &limits)
        };
        assert_eq!(of(&[0.0, 100.0], &[]), (0.0, 105.0));
        assert_eq!(of(&[50.0, 60.0], &[90.0]), (48.0, 92.0));
        assert_eq!(of(&[1.0, 2.0], &[1000.0]), (0.95, 2.05), "far away");
        let (low, high) = of(&[0.0, 0.0], &[]);
        assert!(low < high, "{low} {high}");
        assert!(of(&[-5.0, 5.0], &[]).0 < -5.0);
    }
}
