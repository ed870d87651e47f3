//! Printing: the only place of the program that writes to its standard output and error directly.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Prints one line on standard output. A closed pipe (`hark … | head`) is not an error.
pub(crate) fn line(text: impl Display) {
    ignore(writeln!(io::stdout().lock(), "{text}"));
}

/// Prints text without a line feed on standard output, at once.
pub(crate) fn text(text: impl Display) {
    let mut out = io::stdout().lock();
    ignore(write!(out, "{text}").and_then(|()| out.flush()));
}

/// Prints one line on standard error: for people, beside what scripts read.
pub(crate) fn note(text: impl Display) {
    ignore(writeln!(io::stderr().lock(), "{text}"));
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

/// There is nobody left to tell that nobody listens.
fn ignore(_result: io::Result<()>) {}

/// Prints rows as a table with the columns aligned, two spaces apart.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let print = |cells: &[String]| {
        let mut text = String::new();
        for (i, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let pad = if i + 1 == cells.len() { 0 } else { width + 2 - cell.chars().count() };
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', pad));
        }
        line(text.trim_end());
    };
    print(&head.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>());
    for row in rows {
        print(row);
    }
}
