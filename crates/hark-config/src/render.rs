//! Mistakes shown as a compiler shows them: the place, the line, a mark, the way out.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level as Shown, Renderer, Snippet};

use crate::diagnostics::{Diagnostic, Diagnostics, Level};
use crate::source::{Source, Span};

/// More are counted at the end: nobody reads the hundredth before mending the first.
const MAX_SHOWN: usize = 50;

/// A line is cut around the mark: one without line breaks may be as long as the file.
const MAX_LINE_BYTES: usize = 400;

/// Values of keys that end like this are never shown, also where the text is not YAML and nothing
/// is known about it.
const SECRET_WORDS: [&str; 6] = ["secret", "password", "passwd", "token", "api_key", "passphrase"];

/// For whom it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A file, a pipe, a log: no colours.
    Plain,
    /// A terminal.
    Colour,
}

impl Diagnostics {
    /// Returns all mistakes as text, each with the line it is in, and their number at the end; an
    /// empty text if there is none. Secrets in those lines are replaced by stars.
    pub fn render(&self, style: Style) -> String {
        let list = self.list();
        if list.is_empty() {
            return String::new();
        }
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Colour => Renderer::styled(),
        };
        let hidden = self.hidden();
        let mut text = String::new();
        for diagnostic in list.iter().take(MAX_SHOWN) {
            text.push_str(&renderer.render(&[self.group(diagnostic, &hidden)]));
            text.push_str("\n\n");
        }
        text.push_str(&summary(&list, self.n_not_kept()));
        text
    }

    fn group(&self, diagnostic: &Diagnostic, hidden: &[Span]) -> Group<'static> {
        let level = match diagnostic.level {
            Level::Error => Shown::ERROR,
            Level::Warning => Shown::WARNING,
        };
        let title = level.primary_title(diagnostic.message.clone());
        let mut group = Group::with_title(title);
        if let Some(snippet) = self.snippet(diagnostic.span, None, hidden) {
            group = group.element(snippet);
        }
        for note in &diagnostic.also {
            if let Some(snippet) = self.snippet(note.span, Some(&note.text), hidden) {
                group = group.element(snippet);
            }
        }
        if let Some(word) = &diagnostic.suggestion {
            group = group.element(Shown::HELP.message(format!("did you mean `{word}`?")));
        }
        if let Some(hint) = &diagnostic.hint {
            group = group.element(Shown::HELP.message(hint.clone()));
        }
        group
    }

    /// Returns the first line of `span` with a mark under what of it is in that line.
    fn snippet(
        &self,
        span: Span,
        label: Option<&str>,
        hidden: &[Span],
    ) -> Option<Snippet<'static, annotate_snippets::Annotation<'static>>> {
        let source = self.sources().file(span)?;
        let line = source.line_number(span.start);
        let window = window(source, line, span);
        let shown = masked(source, window.clone(), span.file, hidden);
        let start = (span.start as usize).clamp(window.start, window.end) - window.start;
        let end = (span.end as usize).clamp(window.start, window.end) - window.start;
        // A mark of no width is drawn as one character.
        let kind = match label {
            None => AnnotationKind::Primary,
            Some(_) => AnnotationKind::Context,
        };
        let mark = kind.span(start..end.max(start)).label(label.map(str::to_owned));
        let snippet =
            Snippet::source(shown).line_start(line as usize).path(source.name.to_string());
        Some(snippet.annotation(mark))
    }
}

/// Returns the bytes of the line to show: all of it, or a part around the mark if it is very long.
fn window(source: &Source, line: u32, span: Span) -> Range<usize> {
    let start = source.line_start(line) as usize;
    let end = source.line_end(line) as usize;
    if end.saturating_sub(start) <= MAX_LINE_BYTES {
        return start..end.max(start);
    }
    let on_boundary = |at: usize| (0..=at).rev().find(|at| source.text.is_char_boundary(*at));
    let mark = (span.start as usize).clamp(start, end);
    let from = on_boundary(mark.saturating_sub(MAX_LINE_BYTES / 2).max(start)).unwrap_or(start);
    let to = on_boundary((mark + MAX_LINE_BYTES / 2).min(end)).unwrap_or(end);
    from..to.max(from)
}

/// Returns the text of `window` in which secrets are stars, byte for byte, so that marks fit.
fn masked(source: &Source, window: Range<usize>, file: u32, hidden: &[Span]) -> String {
    let text = source.text.get(window.clone()).unwrap_or("");
    let by_words = secret_values(text);
    let hidden = |at: usize| {
        let known = |span: &Span| span.file == file && span.contains(window.start + at);
        by_words.iter().any(|range| range.contains(&at)) || hidden.iter().any(known)
    };
    let mut shown = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match (hidden(at), c) {
            (true, _) => shown.extend(std::iter::repeat_n('*', c.len_utf8())),
            (false, _) => shown.push(c),
        }
    }
    shown
}

/// Returns where values stand that follow a word for a secret and a colon.
fn secret_values(line: &str) -> Vec<Range<usize>> {
    let lower = line.to_ascii_lowercase();
    let words = SECRET_WORDS.iter().flat_map(|word| lower.match_indices(word));
    words.filter_map(|(at, word)| value_after(line, at + word.len())).collect()
}

fn value_after(line: &str, after_word: usize) -> Option<Range<usize>> {
    let rest = line.get(after_word..)?;
    let rest_of_key = rest.trim_start_matches(|c: char| c.is_alphanumeric() || "_-\"'".contains(c));
    let value = rest_of_key.trim_start().strip_prefix(':')?.trim_start();
    // `{file: …}` and `{env: …}` only say where the secret is.
    if value.starts_with('{') {
        return None;
    }
    let start = line.len() - value.len();
    // A value in quotes may hold commas and braces; to be safe it then reaches to the end.
    let quoted = value.starts_with(['"', '\'']);
    let len = if quoted { value.len() } else { value.find([',', '}']).unwrap_or(value.len()) };
    Some(start..start + len)
}

fn summary(list: &[Diagnostic], n_not_kept: usize) -> String {
    let n_errors = list.iter().filter(|d| d.level == Level::Error).count();
    let n_warnings = list.len() - n_errors;
    let count = |n: usize, word: &str| match n {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    let parts = [count(n_errors, "error"), count(n_warnings, "warning")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let n_more = list.len().saturating_sub(MAX_SHOWN) + n_not_kept;
    let more =
        if n_more > 0 { format!(", {n_more} of them or more not shown") } else { String::new() };
    format!("{} in the configuration{more}\n", parts.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;

    #[test]
    fn values_after_words_for_secrets_are_stars() {
        let shown = |line: &str| {
            let mut text = line.to_owned();
            for range in secret_values(line) {
                text.replace_range(range.clone(), &"*".repeat(range.len()));
            }
            text
        };
        assert_eq!(shown("secret: hunter2"), "secret: *******");
        assert_eq!(
            shown("  {user: u, password: p1, port: 3}"),
            "  {user: u, password: **, port: 3}"
        );
        assert_eq!(shown("secret: {file: /etc/x}"), "secret: {file: /etc/x}");
        assert_eq!(shown("API_TOKEN_OLD: 'a, b'"), "API_TOKEN_OLD: ******");
        assert_eq!(shown("secretary: x"), "secretary: *", "too careful rather than too open");
        assert_eq!(shown("secret"), "secret");
    }

    #[test]
    fn a_very_long_line_is_cut_around_the_mark() {
        let text = format!("a: [{} b c", "x, ".repeat(100_000));
        let document = Document::single(&text);
        let shown = document.diagnostics().render(Style::Plain);
        assert!(shown.len() < 2000, "{}", shown.len());
    }
}
