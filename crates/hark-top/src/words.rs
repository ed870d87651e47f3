//! States, ages and numbers as the screen has them.

use hark_api::words::{Letter, State, Status};
use hark_model::sample::Unit;
use ratatui::style::{Color, Modifier, Style};

/// A state in four characters, and its colour: never the colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) word: &'static str,
    pub(crate) style: Style,
}

const CRITICAL: Mark =
    Mark { word: "CRIT", style: Style::new().fg(Color::Red).add_modifier(Modifier::BOLD) };
const WARNING: Mark = Mark { word: "WARN", style: Style::new().fg(Color::Yellow) };
const UNKNOWN: Mark = Mark { word: "UNKN", style: Style::new().fg(Color::Magenta) };
const OK: Mark = Mark { word: "ok", style: Style::new().fg(Color::Green) };
const MAINTENANCE: Mark = Mark { word: "mnt", style: Style::new().fg(Color::Cyan) };
const NONE: Mark = Mark { word: "-", style: DIM };

/// What matters less.
pub(crate) const DIM: Style = Style::new().fg(Color::DarkGray);

/// What stands out without being a state.
pub(crate) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

impl From<State> for Mark {
    fn from(state: State) -> Self {
        match state {
            State::Crit => CRITICAL,
            State::Warn => WARNING,
            State::Unk => UNKNOWN,
            State::Ok => OK,
        }
    }
}

impl From<Letter> for Mark {
    fn from(letter: Letter) -> Self {
        match letter {
            Letter::Critical => CRITICAL,
            Letter::Warning => WARNING,
            Letter::Unknown => UNKNOWN,
            Letter::Ok => OK,
            Letter::Maintenance => MAINTENANCE,
            Letter::None => NONE,
        }
    }
}

impl From<Status> for Mark {
    fn from(status: Status) -> Self {
        match status {
            Status::Critical => CRITICAL,
            Status::Warning => WARNING,
            Status::Unknown => UNKNOWN,
            Status::Ok => OK,
            Status::Pending => NONE,
        }
    }
}

/// Returns the word for a state's letter of the API, as the filter shows it.
pub(crate) fn of_letter(letter: char) -> &'static str {
    match letter {
        'c' => "critical",
        'w' => "warning",
        'u' => "unknown",
        'm' => "in maintenance",
        'o' => "ok",
        _ => "without data",
    }
}

/// Writes an age: the largest unit that fits twice, else the one below.
pub(crate) fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// Writes a value with its unit, in the API's word for it: bytes scaled, the rest as everywhere else.
pub(crate) fn value(value: f64, unit: &str) -> String {
    let of = |word: Unit| word.word() == unit;
    let bytes = match unit {
        _ if of(Unit::Bytes) || of(Unit::BytesPerSecond) => value,
        _ if of(Unit::Mebibytes) => value * 1024.0 * 1024.0,
        _ if of(Unit::Gibibytes) => value * 1024.0 * 1024.0 * 1024.0,
        _ => {
            let unit = Unit::ALL.into_iter().find(|known| of(*known)).unwrap_or_default();
            return unit.show(value);
        }
    };
    let ending = if of(Unit::BytesPerSecond) { "/s" } else { "" };
    let mut scaled = bytes;
    for sign in ["B", "KiB", "MiB", "GiB"] {
        if scaled.abs() < 1024.0 {
            let digits = usize::from(sign != "B" && scaled.abs() < 100.0);
            return format!("{scaled:.digits$} {sign}{ending}");
        }
        scaled /= 1024.0;
    }
    format!("{scaled:.1} TiB{ending}")
}

/// Writes a count with its thousands apart: `10,000`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a text as one line that cannot move the cursor, whoever wrote it.
pub(crate) fn line(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    first.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ages_are_short() {
        assert_eq!(value(98.5, "percent"), "98.5 %");
        assert_eq!(value(1536.0, "bytes"), "1.5 KiB");
        assert_eq!(value(512.0, "mebibytes"), "512 MiB");
        assert_eq!(value(2048.0, "gibibytes"), "2.0 TiB");
        assert_eq!(value(1e6, "bytes_per_second"), "977 KiB/s");
        assert_eq!(value(12.0, "bytes"), "12 B");
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [-5, 119, 120, 7_200, 172_800].map(age),
            ["0 s", "119 s", "2 min", "2 h", "2 d"]
        );
    }

    #[test]
    fn texts_of_others_are_one_line_and_move_nothing() {
        assert_eq!(line("a\u{1b}[31m\tb\nsecond"), "a\u{fffd}[31m\u{fffd}b");
    }
}
