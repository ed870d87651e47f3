//! The word a person may have meant.

/// Returns the candidate that `word` was most likely meant to be, if one is near enough: at most
/// one mistake in three characters, where a mistake is a missing, extra, wrong or swapped one.
/// Upper and lower case, and `-` against `_`, are no mistake.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    /// Longer words are not compared: the work grows with the product of the lengths.
    const MAX_CHARS: usize = 64;
    let word = folded(word);
    if word.len() > MAX_CHARS {
        return None;
    }
    let allowed = (word.len() / 3).max(1);
    let near = |candidate: &&'c str| {
        let other = folded(candidate);
        let distance = if other.len() > MAX_CHARS { usize::MAX } else { distance(&word, &other) };
        (distance, other.len())
    };
    let best = candidates.into_iter().map(|c| (near(&c), c)).min_by_key(|(near, _)| *near)?;
    let ((distance, length), candidate) = best;
    // A word of which every character is replaced is not near, however short both are.
    (distance <= allowed && distance < length.max(word.len())).then_some(candidate)
}

fn folded(word: &str) -> Vec<char> {
    word.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Returns the number of single changes (with neighbours swapped as one) from `a` to `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut two_back: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    let mut before_a = None;
    for (i, &in_a) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(b.len() + 1);
        let mut left = i + 1;
        current.push(left);
        let mut before_b = None;
        for (j, &in_b) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let replaced = at(&previous, j) + usize::from(in_a != in_b);
            let mut best = replaced.min(at(&previous, j + 1) + 1).min(left + 1);
            if j > 0 && before_a == Some(in_b) && before_b == Some(in_a) && in_a != in_b {
                best = best.min(at(&two_back, j - 1).saturating_add(1));
            }
            current.push(best);
            left = best;
            before_b = Some(in_b);
        }
        two_back = std::mem::replace(&mut previous, current);
        before_a = Some(in_a);
    }
    previous.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["interval", "grace", "hosts", "threshold_configs", "tls"];

    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, KEYS), expected, "{word}");
    }

    #[test]
    fn finds_what_was_meant() {
        check("intervall", Some("interval"));
        check("intreval", Some("interval"));
        check("host", Some("hosts"));
        check("threshold-config", Some("threshold_configs"));
        check("Grace", Some("grace"));
        check("tsl", Some("tls"));
    }

    #[test]
    fn does_not_guess_wildly() {
        check("colour", None);
        check("x", None);
        check("", None);
        check(&"a".repeat(1000), None);
        assert_eq!(nearest("a", []), None);
    }
}
