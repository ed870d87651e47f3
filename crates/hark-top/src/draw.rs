//! How it is drawn: what all screens share. Each screen has a file.

mod chart;
mod host;
mod incident;
mod lists;

use hark_model::Unix;
use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use crate::keys::HELP;
use crate::state::{Detail, Purpose, Top, View};
use crate::words::{self, DIM, Mark, STRONG};
use hark_api::words::State;

/// Draws all of it. `now` is what ages are counted from; times of day are those of `zone`.
pub fn draw(top: &mut Top, frame: &mut Frame<'_>, now: Unix, zone: &TimeZone) {
    let [head, verdict, tabs, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(head_line(top, now, zone), head);
    frame.render_widget(verdict_line(top), verdict);
    frame.render_widget(tab_line(top), tabs);
    let screen = Screen { now, zone };
    let height = match (&top.detail, top.view) {
        (None, View::Incidents) => lists::incidents(top, &screen, frame, body),
        (None, View::Hosts) => lists::hosts(top, &screen, frame, body),
        (Some(Detail::Host(shown)), _) => host::draw(shown, &screen, frame, body),
        (Some(Detail::Incident(shown)), _) => {
            let scrolled = incident::draw(shown, &screen, frame, body);
            if let Some(Detail::Incident(shown)) = &mut top.detail {
                shown.scrolled = scrolled;
            }
            body.height.into()
        }
    };
    top.height = height;
    frame.render_widget(foot_line(top), foot);
    if top.helps {
        help(frame);
    }
}

/// What every screen needs to know of the moment.
struct Screen<'z> {
    now: Unix,
    zone: &'z TimeZone,
}

impl Screen<'_> {
    /// Returns how long ago a moment was.
    fn since(&self, at: i64) -> String {
        words::age(self.now.seconds().saturating_sub(at))
    }

    /// Returns a moment as a time of day, with its date if that is another.
    fn moment(&self, at: i64) -> String {
        let (Ok(at), Ok(now)) =
            (jiff::Timestamp::from_second(at), jiff::Timestamp::from_second(self.now.seconds()))
        else {
            return "?".to_owned();
        };
        let (at, now) = (at.to_zoned(self.zone.clone()), now.to_zoned(self.zone.clone()));
        let format = if at.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
        at.strftime(format).to_string()
    }
}

fn head_line(top: &Top, now: Unix, zone: &TimeZone) -> Line<'static> {
    let mut spans = vec![Span::styled(" hark ", STRONG.add_modifier(Modifier::REVERSED))];
    let screen = Screen { now, zone };
    if let Some((_, since)) = &top.trouble {
        // First, since all that follows is old.
        let text = format!(" no answer since {} ", screen.moment(since.seconds()));
        spans
            .push(Span::styled(text, Style::new().fg(Color::Red).add_modifier(Modifier::REVERSED)));
    }
    if let Some(overview) = &top.overview {
        let counts = overview.counts;
        for (mark, n, word) in [
            (Mark::from(State::Crit), counts.crit, "critical"),
            (Mark::from(State::Warn), counts.warn, "warning"),
            (Mark::from(State::Unk), counts.unk, "unknown"),
        ] {
            let style = if n > 0 { mark.style } else { DIM };
            spans.push(Span::styled(format!("  {} {word}", words::count(n)), style));
        }
        let ok = Mark::from(State::Ok).style;
        spans.push(Span::styled(format!("  {} ok", words::count(counts.ok)), ok));
        if counts.mnt > 0 {
            spans.push(Span::raw(format!("  {} in maintenance", words::count(counts.mnt))));
        }
    }
    if top.trouble.is_none() {
        spans.push(Span::styled(format!("  {}", screen.moment(now.seconds())), DIM));
    }
    Line::from(spans)
}

fn verdict_line(top: &Top) -> Line<'static> {
    let Some(overview) = &top.overview else { return Line::styled(" asking …", DIM) };
    let verdict = &overview.verdict;
    Line::from(vec![
        Span::styled(format!(" {}", words::line(&verdict.text)), STRONG),
        Span::styled(format!("  {}", words::line(&verdict.sub)), DIM),
    ])
}

fn tab_line(top: &Top) -> Line<'static> {
    let mut spans = Vec::new();
    let n_open = top.overview.as_ref().map(|overview| overview.kpis.open_incidents);
    let title = |word: &str, n: Option<u64>| match n {
        Some(n) => format!(" {word} ({}) ", words::count(n)),
        None => format!(" {word} "),
    };
    for (view, word, n) in
        [(View::Incidents, "1 incidents", n_open), (View::Hosts, "2 hosts", None)]
    {
        let style = if view == top.view { STRONG.add_modifier(Modifier::REVERSED) } else { DIM };
        spans.push(Span::styled(title(word, n), style));
        spans.push(Span::raw(" "));
    }
    match (&top.detail, top.contains()) {
        (Some(Detail::Incident(shown)), _) => {
            spans.push(Span::styled(format!("› incident {}", shown.id), STRONG));
        }
        (Some(Detail::Host(shown)), _) => {
            spans.push(Span::styled(format!("› {}", words::line(&shown.name)), STRONG));
        }
        (None, contains) => {
            if !contains.is_empty() {
                spans.push(Span::raw(format!("with “{}” ", words::line(contains))));
            }
            if let (View::Hosts, Some(state)) = (top.view, top.state) {
                spans.push(Span::raw(format!("only {} ", words::of_letter(state))));
            }
        }
    }
    Line::from(spans)
}

fn foot_line(top: &Top) -> Line<'static> {
    if let Some(prompt) = &top.prompt {
        let what = match prompt.purpose {
            Purpose::Filter => "only with: ".to_owned(),
            Purpose::Take(incident) => format!("take incident {incident}, why: "),
        };
        return Line::from(vec![
            Span::styled(format!(" {what}"), STRONG),
            Span::raw(prompt.text.clone()),
            Span::styled(" ", Style::new().add_modifier(Modifier::REVERSED)),
        ]);
    }
    if let Some(note) = &top.note {
        let style = if note.is_bad { Mark::from(State::Crit).style } else { STRONG };
        return Line::styled(format!(" {}", words::line(&note.text)), style);
    }
    let trouble = top.trouble.as_ref().map(|(why, _)| why);
    if let Some(why) = trouble.or(top.refusal.as_ref()) {
        return Line::styled(format!(" {}", words::line(why)), Mark::from(State::Crit).style);
    }
    let keys = match (&top.detail, top.view) {
        (None, View::Incidents) => {
            " ↑↓ move  Enter open  a take  u give back  / filter  ? help  q end"
        }
        (None, View::Hosts) => " ↑↓ move  Enter open  f state  / filter  n look now  ? help  q end",
        (Some(Detail::Incident(_)), _) => {
            " ↑↓ scroll  a take  u give back  Esc back  ? help  q end"
        }
        (Some(Detail::Host(_)), _) => {
            " ←→ metric  +- range  ↑↓ checks  n look now  Esc back  ? help"
        }
    };
    Line::styled(keys, DIM)
}

/// Draws the keys over all else.
fn help(frame: &mut Frame<'_>) {
    /// Columns of the keys.
    const KEYS: usize = 21;
    let lines: Vec<Line<'_>> = HELP
        .iter()
        .map(|(keys, what)| {
            Line::from(vec![Span::styled(format!(" {keys:<KEYS$}"), STRONG), Span::raw(*what)])
        })
        .collect();
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let area = middle(frame.area(), 76, height);
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" keys: any closes this ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// Returns the middle of an area, at most so large.
fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let [column] = Layout::horizontal([Constraint::Length(width)])
        .flex(ratatui::layout::Flex::Center)
        .areas(area);
    let [middle] = Layout::vertical([Constraint::Length(height)])
        .flex(ratatui::layout::Flex::Center)
        .areas(column);
    middle
}

#[cfg(test)]
mod tests;
