//! The page in HTML: the words of a view, its bars and shapes, as a template puts them.

use std::fmt::Write as _;

use jiff::{Timestamp, Zoned};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use super::{escape, percent};
use crate::page::{Page, Webhooks};
use crate::view::View;

/// The page as hark has it. One of `templates_dir` may extend it.
pub(crate) const BUILT_IN: &str = include_str!("status.html");

/// What those see who want to be told.
const READERS: &str = include_str!("readers.html");

/// The name under which the built-in page can be extended.
pub(crate) const BUILT_IN_NAME: &str = "built-in.html";

/// Steps that a template may take: the built-in one needs some 60 for each component and incident, and a
/// page has at most 100 of either. A loop without end ends here.
const FUEL: u64 = 2_000_000;

/// What of a page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What holds now.
    Now,
    /// What is over.
    History,
}

/// Renders `template`, or the built-in one.
pub(crate) fn render(
    template: Option<&str>,
    page: &Page,
    view: &View,
    part: Part,
) -> Result<String, minijinja::Error> {
    let mut environment = environment(page);
    environment.add_template(BUILT_IN_NAME, BUILT_IN)?;
    let is_history = part == Part::History;
    let shown = if is_history { view.clone() } else { view.shortened() };
    let context = minijinja::context! {
        is_history,
        ..context(page, &shown, view)
    };
    let (name, source) = template.map_or((BUILT_IN_NAME, BUILT_IN), |own| (OWN_NAME, own));
    Ok(environment.render_named_str(name, source, context)?.trim_start().to_owned())
}

/// Renders a step of becoming a reader who is told, in the built-in page.
pub(crate) fn render_step(
    page: &Page,
    view: &View,
    step: &str,
) -> Result<String, minijinja::Error> {
    let mut environment = environment(page);
    environment.add_template(BUILT_IN_NAME, BUILT_IN)?;
    let context = minijinja::context! {
        is_history => false,
        step,
        by_mail => page.mail_by.is_some(),
        by_call => page.webhooks != Webhooks::None,
        ..context(page, view, view)
    };
    Ok(environment.render_named_str("readers.html", READERS, context)?.trim_start().to_owned())
}

fn context(page: &Page, shown: &View, view: &View) -> Value {
    let base = format!("/status/{}", page.slug);
    minijinja::context! {
        // Its letters are those of a slug: nothing in it needs to be escaped.
        base => Value::from_safe_string(base.clone()),
        readers => page.has_readers(),
        logo => page.logo.as_ref().map(|_| Value::from_safe_string(format!("{base}/logo"))),
        sheet => page.style.as_ref().map(|_| Value::from_safe_string(format!("{base}/style.css"))),
        home => page.home.as_deref(),
        indexed => page.is_indexed && page.is_public(),
        zone => abbreviation(page, &view.as_of),
        last_days => page.language.last_days(page.days),
        ..Value::from(Serde(shown))
    }
}

/// What the template of `templates_dir` is called in errors.
pub(crate) const OWN_NAME: &str = "status.html";

fn environment(page: &Page) -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("only the handling of spaces is other than usual"));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_name| AutoEscape::Html);
    environment.set_fuel(Some(FUEL));
    let language = page.language;
    environment.add_filter("t", move |name: String| language.say(&name).to_owned());
    environment.add_filter("percent", percent);
    environment.add_filter("icon", |state: String| Value::from_safe_string(icon(&state)));
    environment.add_filter("strip", move |days: Value| {
        Value::from_safe_string(strip(&states(&days), |degraded, outage, all| {
            language.days(all, degraded, outage)
        }))
    });
    for (name, write) in
        [("moment", moment as fn(&Page, &str) -> String), ("clock", clock), ("day", day)]
    {
        let page = page.clone();
        environment.add_filter(name, move |at: String| write(&page, &at));
    }
    environment
}

fn local(page: &Page, at: &str) -> Zoned {
    at.parse::<Timestamp>().unwrap_or_default().to_zoned(page.zone.clone())
}

/// Writes a moment: `14 Mar, 14:21`.
pub(crate) fn moment(page: &Page, at: &str) -> String {
    format!("{}, {}", day(page, at), clock(page, at))
}

fn clock(page: &Page, at: &str) -> String {
    local(page, at).strftime("%H:%M").to_string()
}

fn day(page: &Page, at: &str) -> String {
    let at = local(page, at);
    page.language.day(&at, at.year())
}

fn abbreviation(page: &Page, at: &str) -> String {
    local(page, at).strftime("%Z").to_string()
}

fn states(days: &Value) -> Vec<String> {
    let Ok(days) = days.try_iter() else { return Vec::new() };
    let state = |day: Value| day.get_attr("state").ok()?.as_str().map(str::to_owned);
    days.filter_map(state).collect()
}

/// One bar is so many units wide, with its gap.
const STEP: usize = 10;

/// How tall the strip is, in the same units.
const TALL: usize = 36;

/// Draws one bar for each day; the worse, the taller. One path a kind, whatever the number of days.
fn strip(days: &[String], words: impl Fn(usize, usize, usize) -> String) -> String {
    const KINDS: [(&str, &str, usize); 6] = [
        ("no_data", "off", 3),
        ("good", "ok", 11),
        ("maintenance", "mnt", 11),
        ("degraded", "warn", 24),
        ("partial_outage", "warn", 30),
        ("major_outage", "crit", TALL),
    ];
    let n = |kind: &str| days.iter().filter(|day| *day == kind).count();
    let said = words(n("degraded"), n("partial_outage") + n("major_outage"), days.len());
    let mut svg = format!(
        "<svg class=\"strip\" viewBox=\"0 0 {} {TALL}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{}\">",
        days.len() * STEP,
        escape(&said),
    );
    for (kind, class, height) in KINDS {
        let mut path = String::new();
        for (at, _) in days.iter().enumerate().filter(|(_, day)| *day == kind) {
            let (left, top) = (at * STEP + 1, TALL - height);
            let _written = write!(path, "M{left} {top}h7v{height}h-7z");
            if kind == "maintenance" {
                // A cap above: the same without colour.
                let _written = write!(path, "M{left} {}h7v4h-7z", top - 8);
            }
        }
        if !path.is_empty() {
            let _written = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Draws the shape of a state.
fn icon(state: &str) -> String {
    let shape = match state {
        "operational" | "resolved" | "completed" => {
            "<circle class=\"line ok\" cx=\"8\" cy=\"8\" r=\"6.3\"/>\
             <path class=\"line ok\" d=\"M5.2 8.2l1.9 1.9 3.7-4\"/>"
        }
        "maintenance" => {
            "<rect class=\"line mnt\" x=\"1.7\" y=\"1.7\" width=\"12.6\" height=\"12.6\" rx=\"2.5\"/>\
             <path class=\"line mnt\" d=\"M2 9l7-7M2.4 13.6L13.6 2.4M7 14l7-7\"/>"
        }
        "degraded" | "partial_outage" => {
            "<path class=\"warn\" d=\"M8 1.2l7 12.6a.7.7 0 0 1-.6 1H1.600a.7.7 0 0 1-.6-1z\"/>\
             <path class=\"mark\" d=\"M8 5.700v4.300M8 12v.7\"/>"
        }
        "major_outage" => {
            "<path class=\"crit\" d=\"M5 1h6l4 4v6l-4 4H5l-4-4V5z\"/>\
             <path class=\"cross\" d=\"M5.300 5.300l5.400 5.400M10.700 5.300l-5.400 5.400\"/>"
        }
        _ => "<circle class=\"line off\" cx=\"8\" cy=\"8\" r=\"6.3\" stroke-dasharray=\"3 2.5\"/>",
    };
    format!("<svg class=\"icon\" viewBox=\"0 0 16 16\" aria-hidden=\"true\">{shape}</svg>")
}

#[cfg(test)]
pub(crate) mod tests;
