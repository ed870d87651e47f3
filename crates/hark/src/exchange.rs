//! Samples as text: written for other programs, and read from what they write.

pub(crate) mod bring;
pub(crate) mod read;
pub(crate) mod room;
pub(crate) mod write;

/// The forms in which samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// A line for each sample, with a head.
    Csv,
    /// Metrics and labels, as Prometheus reads them.
    Openmetrics,
    /// An object on each line.
    Jsonl,
}

/// Returns true if `text` fits `pattern`, in which `*` stands for anything and `?` for one letter.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // Which beginnings of the text fit the pattern so far.
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for letter in pattern {
        if letter == '*' {
            let first = ends.iter().position(|end| *end).unwrap_or(ends.len());
            ends[first..].fill(true);
            continue;
        }
        for at in (0..text.len()).rev() {
            ends[at + 1] = ends[at] && (letter == '?' || letter == text[at]);
        }
        ends[0] = false;
    }
    ends[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "web1", true),
            ("web*", "web1", true),
            ("web*", "we", false),
            ("*1", "web1", true),
            ("w*b*1", "web21", true),
            ("web?", "web1", true),
            ("web?", "web", false),
            ("web1", "web11", false),
            ("*a*", "bbb", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
