//! What differs between two texts, by lines.

use hark_api::configuration::{DiffKind, DiffLine};

/// Lines that are the same are shown so far around those that are not.
const AROUND: usize = 3;

/// Beyond so many pairs of lines they are not compared one by one: a whole part is then old, and another
/// new. A change of an object is far below.
const MAX_PAIRS: usize = 4_000_000;

/// A line to compare, and what people see of it: a secret that changed is another line, and looks the same.
pub(crate) type Line = (String, String);

/// Returns the lines that differ, with some around them.
pub(crate) fn diff(old: &[Line], new: &[Line]) -> Vec<DiffLine> {
    let same = |(a, b): &(&Line, &Line)| a.0 == b.0;
    let begin = old.iter().zip(new).take_while(same).count();
    let (old_rest, new_rest) = (&old[begin..], &new[begin..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let (old_part, new_part) =
        (&old_rest[..old_rest.len() - end], &new_rest[..new_rest.len() - end]);
    let mut lines: Vec<DiffLine> =
        old[..begin].iter().map(|one| line(DiffKind::Same, one)).collect();
    between(old_part, new_part, &mut lines);
    lines.extend(old_rest[old_rest.len() - end..].iter().map(|one| line(DiffKind::Same, one)));
    near(lines)
}

fn line(kind: DiffKind, (_, shown): &Line) -> DiffLine {
    DiffLine { kind, text: shown.clone() }
}

/// Puts the shortest way from `old` to `new` to the lines: by their longest common part.
fn between(old: &[Line], new: &[Line], lines: &mut Vec<DiffLine>) {
    if old.len().saturating_mul(new.len()) > MAX_PAIRS {
        lines.extend(old.iter().map(|one| line(DiffKind::Removed, one)));
        lines.extend(new.iter().map(|one| line(DiffKind::Added, one)));
        return;
    }
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let here = i * width + j;
            common[here] = if a.0 == b.0 {
                common[here + width + 1] + 1
            } else {
                common[here + width].max(common[here + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() && j < new.len() {
        let here = i * width + j;
        if old[i].0 == new[j].0 {
            lines.push(line(DiffKind::Same, &new[j]));
            (i, j) = (i + 1, j + 1);
        } else if common[here + width] >= common[here + 1] {
            lines.push(line(DiffKind::Removed, &old[i]));
            i += 1;
        } else {
            lines.push(line(DiffKind::Added, &new[j]));
            j += 1;
        }
    }
    lines.extend(old[i..].iter().map(|one| line(DiffKind::Removed, one)));
    lines.extend(new[j..].iter().map(|one| line(DiffKind::Added, one)));
}

/// Leaves out what is the same far from what differs.
fn near(lines: Vec<DiffLine>) -> Vec<DiffLine> {
    let differs: Vec<usize> =
        (0..lines.len()).filter(|n| lines[*n].kind != DiffKind::Same).collect();
    let mut next = 0;
    let mut kept = Vec::new();
    for (n, line) in lines.into_iter().enumerate() {
        while differs.get(next).is_some_and(|at| at + AROUND < n) {
            next += 1;
        }
        if differs.get(next).is_some_and(|at| n + AROUND >= *at) {
            kept.push(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        text.split_whitespace().map(|word| (word.to_owned(), word.to_uppercase())).collect()
    }

    fn shown(old: &str, new: &str) -> String {
        let sign = |kind| match kind {
            DiffKind::Same => ' ',
            DiffKind::Added => '+',
            DiffKind::Removed => '-',
        };
        let found = diff(&lines(old), &lines(new));
        let words: Vec<String> =
            found.iter().map(|line| format!("{}{}", sign(line.kind), line.text)).collect();
        words.concat()
    }

    #[test]
    fn a_change_is_shown_with_what_is_around_it() {
        assert_eq!(shown("a b c", "a x c"), " A-B+X C");
        assert_eq!(shown("a b c d e f g h i", "a b c d x f g h i"), " B C D-E+X F G H");
        assert_eq!(shown("", "a b"), "+A+B");
        assert_eq!(shown("a b", ""), "-A-B");
        assert_eq!(shown("a b c", "a b c"), "");
        assert_eq!(shown("a b", "b a b"), "+B A B");
    }

    #[test]
    fn whole_texts_are_told_apart_without_comparing_each_pair() {
        let old: Vec<Line> = (0..3000).map(|n| (format!("o{n}"), String::new())).collect();
        let new: Vec<Line> = (0..3000).map(|n| (format!("n{n}"), String::new())).collect();
        let found = diff(&old, &new);
        assert_eq!(found.len(), 6000);
        assert!(found[..3000].iter().all(|line| line.kind == DiffKind::Removed));
    }
}
