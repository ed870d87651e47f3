//! From a report to text and to HTML.
//!
//! Both are templates of the same report and the same filters, so that neither says what the other does
//! not. What comes from hosts is escaped in HTML by the template engine.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::Report;

const TEXT: &str = include_str!("render/report.txt");
const HTML: &str = include_str!("render/report.html");

#[derive(Clone, Copy)]
enum Form {
    Text,
    Html,
}

pub(crate) fn text(report: &Report) -> String {
    render(report, Form::Text, "")
}

pub(crate) fn html(report: &Report, page: &str) -> String {
    // The macros at its beginning leave empty lines, before which no document may begin.
    let page = page.trim_end_matches('/');
    render(report, Form::Html, page).trim_start().to_owned()
}

fn render(report: &Report, form: Form, page: &str) -> String {
    let (name, template) = match form {
        Form::Text => ("text", TEXT),
        Form::Html => ("html", HTML),
    };
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("only the handling of spaces is other than usual"));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(move |_name| match form {
        Form::Text => AutoEscape::None,
        Form::Html => AutoEscape::Html,
    });
    environment.add_filter("lasted", lasted);
    environment.add_filter("percent", percent);
    environment.add_filter("seconds", seconds);
    environment.add_filter("one_line", one_line);
    let zoned = report.clone();
    environment
        .add_filter("time", move |at: i64| zoned.local(at).strftime("%Y-%m-%d %H:%M").to_string());
    let rendered = environment.render_named_str(
        name,
        template,
        minijinja::context! { page, ..Value::from(Serde(report)) },
    );
    // The templates are part of the program, and a test renders every branch of them.
    rendered.unwrap_or_else(|error| format!("{}\n{error}\n", report.title))
}

/// Writes a number of seconds as people say it: `45s`, `12m`, `3h 5m`, `2d 4h`.
fn lasted(value: Value) -> String {
    match u64::try_from(value).unwrap_or(0) {
        s @ 0..=119 => format!("{s}s"),
        s @ 120..=7_199 => format!("{}m", s / 60),
        s @ 7_200..=172_799 => format!("{}h {}m", s / 3600, s / 60 % 60),
        s => format!("{}d {}h", s / 86_400, s / 3600 % 24),
    }
}

/// Writes a share as a percentage that never says 100 of what was not whole.
fn percent(share: f64) -> String {
    let hundredths = (share * 10_000.0).floor() / 100.0;
    if share >= 1.0 { "100 %".to_owned() } else { format!("{hundredths:.2} %") }
}

/// Writes a short time: `850 ms`, `2.31 s`.
fn seconds(time: f64) -> String {
    if time < 1.0 { format!("{:.0} ms", time * 1000.0) } else { format!("{time:.2} s") }
}

/// Bound on what is shown of an incident's text.
const MAX_TEXT: usize = 160;

/// Returns the first line of a text, shortened.
fn one_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    if line.len() <= MAX_TEXT {
        return line.to_owned();
    }
    let cut = line.floor_char_boundary(MAX_TEXT);
    format!("{}…", line.get(..cut).unwrap_or_default())
}
