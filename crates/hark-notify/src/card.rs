//! What chat and push services show of a message: its tone as colour and mark, its text in parts,
//! and texts cut to what a service takes.

use hark_config::{Key, Kind, Section};
use hark_model::{Notification, Reason, Severity, Status};

use crate::Context;
use crate::error::SendError;
use crate::render::{self, Template, read_template, rfc3339};

/// The setting for the text of chat and push messages.
pub(crate) const TEMPLATE: Key = Key::new(
    "template",
    Kind::Text,
    "Template of the text below the summary, with the fields of docs/receivers.md; by default detail and facts.",
);

/// How a message is meant: decides colour, mark and priority. Colour never says it alone: the summary
/// does too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It is over.
    Good,
    /// Worth knowing.
    Info,
    /// A problem.
    Warning,
    /// A problem that hurts.
    Critical,
    /// It is not known how it is.
    Unknown,
}

impl Tone {
    /// Returns the tone of `n`.
    pub(crate) fn of(n: &Notification) -> Self {
        if n.status == Status::Ok && (n.incident.is_some() || is_over(n)) {
            return Self::Good;
        }
        match n.severity {
            Severity::Info => Self::Info,
            Severity::Unknown => Self::Unknown,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }

    /// Returns its colour as red, green and blue.
    pub(crate) fn colour(self) -> u32 {
        match self {
            Self::Good => 0x2e_a0_43,
            Self::Info => 0x21_77_c8,
            Self::Warning => 0xe3_a0_08,
            Self::Critical => 0xd1_24_2f,
            Self::Unknown => 0x82_50_df,
        }
    }

    /// Returns its colour as `#rrggbb`.
    pub(crate) fn hex(self) -> String {
        format!("#{:06x}", self.colour())
    }

    /// Returns a mark that is told from the others without colour.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Good => "✅",
            Self::Info => "ℹ️",
            Self::Warning => "⚠️",
            Self::Critical => "🚨",
            Self::Unknown => "❓",
        }
    }
}

/// Returns true for what need not sound: news that ask nothing of anybody. A test is to be heard.
pub(crate) fn is_quiet(n: &Notification) -> bool {
    Tone::of(n) == Tone::Info && n.reason != Reason::Test
}

/// Returns true if nothing follows about the problem: its thread, button and colour are closed. Problems
/// of hark itself end too, though they are no incidents.
pub(crate) fn is_over(n: &Notification) -> bool {
    matches!(n.reason, Reason::Recovery | Reason::Merged | Reason::Removed)
        || (n.reason == Reason::FlapEnd && n.status == Status::Ok)
}

/// Returns the facts of a message with their names.
pub(crate) fn facts(n: &Notification) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Host", n.host.to_string())];
    if let Some(check) = &n.check {
        facts.push(("Check", check.to_string()));
    }
    facts.push(match n.was {
        Some(was) if was != n.status => ("Status", format!("{} (was {was})", n.status)),
        _ => ("Status", n.status.to_string()),
    });
    if n.incident.is_some() {
        facts.push(("Since", rfc3339(n.since)));
    }
    facts
}

/// The text below the summary, as configured.
#[derive(Debug)]
pub(crate) struct Words(Option<Template>);

impl Words {
    /// Reads [`TEMPLATE`].
    pub(crate) fn read(section: &Section<'_>) -> Self {
        Self(read_template(section, TEMPLATE.name))
    }

    /// Returns the text below the summary: the template's, else detail and facts, one a line.
    ///
    /// # Errors
    /// If the template fails on this message.
    pub(crate) fn text(&self, n: &Notification, context: &Context) -> Result<String, SendError> {
        if let Some(text) = self.own(n, context)? {
            return Ok(text);
        }
        let mut text = String::new();
        if !n.detail.is_empty() {
            text.push_str(n.detail.trim_end());
            text.push_str("\n\n");
        }
        let facts: Vec<_> = facts(n).iter().map(|(name, fact)| format!("{name}: {fact}")).collect();
        text.push_str(&facts.join("\n"));
        Ok(text)
    }

    /// Returns the template's text; `None` if there is no template.
    ///
    /// # Errors
    /// If the template fails on this message.
    pub(crate) fn own(
        &self,
        n: &Notification,
        context: &Context,
    ) -> Result<Option<String>, SendError> {
        let template = self.0.as_ref();
        template.map(|t| t.fill(n, context)).transpose()
    }
}

/// Returns the address of the incident on the page; `None` if the page has no public address.
pub(crate) fn link(n: &Notification, context: &Context) -> Option<String> {
    Some(render::link(n, &context.page)).filter(|link| !link.is_empty())
}

/// How a service counts the length of texts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Bytes of UTF-8.
    Bytes,
    /// Characters.
    Chars,
    /// Halves of UTF-16.
    Utf16,
}

/// Returns `text` with at most `max` units, cut between two characters and then with an ellipsis.
pub(crate) fn cut(text: &str, max: usize, unit: Unit) -> String {
    let length = |c: char| match unit {
        Unit::Bytes => c.len_utf8(),
        Unit::Chars => 1,
        Unit::Utf16 => c.len_utf16(),
    };
    if text.chars().map(length).sum::<usize>() <= max {
        return text.to_owned();
    }
    let mut room = max.saturating_sub(length('…'));
    let fits = |c: &char| {
        let left = room.checked_sub(length(*c));
        room = left.unwrap_or(0);
        left.is_some()
    };
    let mut short: String = text.chars().take_while(fits).collect();
    if max >= length('…') {
        short.push('…');
    }
    short
}

/// Returns `text` as [`escaped`] and with `line` for each end of a line, cut so that what comes out has at
/// most `max` units: what is escaped grows, and services count what they get.
pub(crate) fn escaped_to(text: &str, max: usize, unit: Unit, line: &str) -> String {
    let whole = escaped(text).replace('\n', line);
    if cut(&whole, max, unit) == whole {
        return whole;
    }
    let length = |text: &str| match unit {
        Unit::Bytes => text.len(),
        Unit::Chars => text.chars().count(),
        Unit::Utf16 => text.encode_utf16().count(),
    };
    let mut room = max.saturating_sub(length("…"));
    let mut short = String::new();
    for c in text.chars() {
        let mut bytes = [0; 4];
        let part = escaped(c.encode_utf8(&mut bytes)).replace('\n', line);
        let Some(left) = room.checked_sub(length(&part)) else { break };
        room = left;
        short.push_str(&part);
    }
    short.push('…');
    short
}

/// Returns `text` for services that read `<`, `>` and `&` as marks.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Returns `text` with a backslash before everything that Markdown could take for a mark.
pub(crate) fn plain_in_markdown(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\`*_~|[]<>#".contains(c) {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use crate::types::tests::server::context;

    #[test]
    fn texts_are_cut_between_characters_and_never_longer_than_allowed() {
        assert_eq!(cut("short", 5, Unit::Bytes), "short");
        assert_eq!(cut("éééé", 6, Unit::Bytes), "é…");
        assert_eq!(cut("éééé", 3, Unit::Chars), "éé…");
        assert_eq!(cut("🚨🚨🚨", 5, Unit::Utf16), "🚨🚨…");
        assert_eq!(cut("🚨🚨", 4, Unit::Utf16), "🚨🚨");
        assert_eq!(cut("abcdef", 2, Unit::Bytes), "", "no room for the ellipsis");
        for max in 0..20 {
            assert!(cut("aé🚨aé🚨aé🚨", max, Unit::Bytes).len() <= max);
        }
    }

    #[test]
    fn what_is_escaped_is_cut_between_two_entities() {
        assert_eq!(escaped_to("a<b\n", 10, Unit::Chars, "<br>"), "a&lt;b<br>");
        assert_eq!(escaped_to("<<<<", 13, Unit::Chars, "\n"), "&lt;&lt;&lt;…");
        assert_eq!(escaped_to("<<<<", 12, Unit::Chars, "\n"), "&lt;&lt;…");
        assert_eq!(escaped_to("<<<<", 16, Unit::Chars, "\n"), "&lt;&lt;&lt;&lt;");
        assert_eq!(escaped_to("é&", 6, Unit::Bytes, "\n"), "é…");
    }

    #[test]
    fn tones_follow_status_and_severity() {
        let [problem, recovery, event] = samples().try_into().unwrap();
        assert_eq!(Tone::of(&problem), Tone::Critical);
        assert_eq!(Tone::of(&recovery), Tone::Good);
        assert_eq!(Tone::of(&event), Tone::Info);
        assert_eq!(Tone::Critical.hex(), "#d1242f");
        let test = Notification { reason: Reason::Test, ..event.clone() };
        assert_eq!([is_quiet(&problem), is_quiet(&event), is_quiet(&test)], [false, true, false]);
        assert_eq!([is_over(&problem), is_over(&recovery), is_over(&event)], [false, true, false]);
    }

    #[test]
    fn the_text_says_what_the_summary_does_not() {
        let words = Words(None);
        let text = words.text(&samples()[0], &context()).unwrap();
        assert_eq!(
            text,
            "above 90.0 for 3 looks\n\nHost: db1.example.net\nCheck: cpu_monitor.cpu_percent\n\
             Status: critical\nSince: 2027-01-15T08:00:00Z"
        );
        let words = Words(Some(Template::parse("{{ host }} {{ status }}").unwrap()));
        assert_eq!(words.text(&samples()[0], &context()).unwrap(), "db1.example.net critical");
    }

    #[test]
    fn marks_of_markup_in_names_are_no_marks() {
        assert_eq!(escaped("<a> & b"), "&lt;a&gt; &amp; b");
        assert_eq!(plain_in_markdown("cpu_percent *x* [a]"), "cpu\\_percent \\*x\\* \\[a\\]");
    }
}
