//! Printing: the only place of the program that writes to its standard output and error directly.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a reader of standard output has gone (`hark … | head`).
static OUTPUT_IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether the last line on standard error had no reader any more.
static ERRORS_ARE_CLOSED: AtomicBool = AtomicBool::new(false);

/// Prints one line on standard output. A closed pipe (`hark … | head`) is not an error.
pub(crate) fn line(text: impl Display) {
    printed(&writeln!(io::stdout().lock(), "{text}"));
}

/// Prints text without a line feed on standard output, at once.
pub(crate) fn text(text: impl Display) {
    let mut out = io::stdout().lock();
    printed(&write!(out, "{text}").and_then(|()| out.flush()));
}

/// Prints one line on standard error: for people, beside what scripts read.
pub(crate) fn note(text: impl Display) {
    noted(&writeln!(io::stderr().lock(), "{text}"));
}

/// Prints a value as JSON on standard output, indented.
pub(crate) fn json(value: &serde_json::Value) {
    line(format!("{value:#}"));
}

/// Prints an error with its whole chain on standard error.
pub(crate) fn error(error: &anyhow::Error) {
    note(format!("hark: {error:#}"));
}

/// Returns true if a person reads standard error.
pub(crate) fn error_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Shows a line on standard error that the next one takes the place of: progress, for a terminal.
pub(crate) fn passing_note(text: impl Display) {
    let mut out = io::stderr().lock();
    noted(&write!(out, "\r\u{1b}[K{text}").and_then(|()| out.flush()));
}

/// Takes the passing line away.
pub(crate) fn erase_note() {
    passing_note("");
}

/// On a terminal: clears it, so that what follows takes the place of what was there.
pub(crate) fn begin_screen() {
    if io::stdout().is_terminal() {
        text("\u{1b}[2J\u{1b}[H");
    }
}

/// Returns true if nobody reads any more: what goes on for as long as somebody looks on ends then. What stands on
/// standard error alone, while there is nothing else to say, counts as well.
pub(crate) fn nobody_reads() -> bool {
    [&OUTPUT_IS_CLOSED, &ERRORS_ARE_CLOSED].iter().any(|closed| closed.load(Ordering::Relaxed))
}

/// Takes what came of printing on standard output. There is nobody left to tell that nobody listens.
fn printed(result: &io::Result<()>) {
    OUTPUT_IS_CLOSED.store(is_closed(result), Ordering::Relaxed);
}

/// The same of standard error.
fn noted(result: &io::Result<()>) {
    ERRORS_ARE_CLOSED.store(is_closed(result), Ordering::Relaxed);
}

fn is_closed(result: &io::Result<()>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Returns true if colours are wanted on standard output: a terminal, and nobody said no.
fn wants_colour() -> bool {
    let said_no = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    io::stdout().is_terminal() && !said_no
}

/// Returns the escape sequence that a word for a state begins with on a terminal; none for others.
fn colour_of(word: &str) -> Option<&'static str> {
    match word {
        "critical" => Some("\u{1b}[31m"),
        "warning" => Some("\u{1b}[33m"),
        "unknown" => Some("\u{1b}[35m"),
        "ok" => Some("\u{1b}[32m"),
        "maintenance" | "pending" => Some("\u{1b}[36m"),
        _ => None,
    }
}

/// Prints rows as a table with the columns aligned, two spaces apart; words for states have a colour
/// on a terminal.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    for text in lines(head, rows, wants_colour()) {
        line(text);
    }
}

fn lines(head: &[&str], rows: &[Vec<String>], colours: bool) -> Vec<String> {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let write = |cells: &[String]| {
        let mut text = String::new();
        for (i, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let pad = if i + 1 == cells.len() { 0 } else { width + 2 - cell.chars().count() };
            match colour_of(cell).filter(|_| colours) {
                Some(colour) => text.extend([colour, cell, "\u{1b}[0m"]),
                None => text.push_str(cell),
            }
            text.extend(std::iter::repeat_n(' ', pad));
        }
        text.trim_end().to_owned()
    };
    let head: Vec<String> = head.iter().map(|h| (*h).to_owned()).collect();
    std::iter::once(&head).chain(rows).map(|cells| write(cells)).collect()
}

/// Writes a moment of the API for people: `2026-11-20 14:18:03 UTC`; another text stays as it is.
pub(crate) fn moment(text: &str) -> String {
    let Some(at) = hark_api::time::Timestamp::parse(text) else { return text.to_owned() };
    let seconds = hark_model::Unix(at.0.seconds().saturating_mul(1000));
    let text = hark_api::time::Timestamp(seconds).to_string();
    text.replacen('T', " ", 1).replacen('Z', " UTC", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_colours_take_no_room() {
        let rows: Vec<Vec<String>> = [["web1", "ok", "x"], ["a-longer-name", "critical", "y"]]
            .map(|row| row.map(str::to_owned).to_vec())
            .to_vec();
        let plain = lines(&["HOST", "STATE", "TEXT"], &rows, false);
        assert_eq!(
            plain,
            [
                "HOST           STATE     TEXT",
                "web1           ok        x",
                "a-longer-name  critical  y"
            ]
        );
        let coloured = lines(&["HOST", "STATE", "TEXT"], &rows, true);
        assert_eq!(coloured[1], "web1           \u{1b}[32mok\u{1b}[0m        x");
    }

    #[test]
    fn moments_are_written_for_people() {
        assert_eq!(moment("2026-11-21T01:15:09.178Z"), "2026-11-21 01:15:09 UTC");
        assert_eq!(moment("soon"), "soon");
    }
}
