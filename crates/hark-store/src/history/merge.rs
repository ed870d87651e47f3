//! Frames of one set that were taken at one time.
//!
//! Most are one frame that was sent again. But what other programs bring comes in pieces that do not heed
//! our sets: one piece has values of some of the series and the next has the others'. Such frames
//! complete each other; where two have a value of the same series, the first one counts.

use std::borrow::Cow;

use hark_model::frame::{Item, ValueReader, encode_item};

/// Returns true if `known` has a value wherever `values` has one.
pub(super) fn covers(known: &[u8], values: &[u8]) -> bool {
    known == values || rest(known, values).is_none()
}

/// Returns what `values` has beyond `known`; `None` if that is nothing. What is damaged has nothing.
pub(super) fn rest(known: &[u8], values: &[u8]) -> Option<Vec<u8>> {
    let pick = |known: Item, new: Item| if known == Item::Absent { new } else { Item::Absent };
    let (bytes, n_values) = zip(known, values, pick)?;
    (n_values > 0).then_some(bytes)
}

/// Returns the values of `first` and, where it has none, those of `second`; `None` if they do not fit
/// each other.
pub(super) fn both(first: &[u8], second: &[u8]) -> Option<Vec<u8>> {
    let pick = |first: Item, second: Item| if first == Item::Absent { second } else { first };
    zip(first, second, pick).map(|(bytes, _)| bytes)
}

/// Makes a frame of two of the same length, and counts the values in it.
fn zip(a: &[u8], b: &[u8], pick: impl Fn(Item, Item) -> Item) -> Option<(Vec<u8>, usize)> {
    let (mut a, mut b) = (ValueReader::new(a), ValueReader::new(b));
    let (mut out, mut n_values) = (Vec::new(), 0);
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Some((out, n_values)),
            (Some(Ok(a)), Some(Ok(b))) => {
                let item = pick(a, b);
                n_values += usize::from(item != Item::Absent);
                encode_item(item, &mut out);
            }
            _ => return None,
        }
    }
}

/// Frames, each with its time.
type Frames<'a> = Vec<(i64, Cow<'a, [u8]>)>;

/// Makes one frame of each time of `frames`, which are in order; returns how many said nothing new.
pub(super) fn join<'a>(frames: Vec<(i64, &'a [u8])>) -> (Frames<'a>, u64) {
    let mut joined: Frames<'a> = Vec::with_capacity(frames.len());
    let mut n_duplicates = 0;
    for (at, values) in frames {
        match joined.last_mut().filter(|(last, _)| *last == at) {
            None => joined.push((at, Cow::Borrowed(values))),
            Some((_, known)) if covers(known, values) => n_duplicates += 1,
            Some((_, known)) => match both(known, values) {
                Some(all) => *known = Cow::Owned(all),
                None => n_duplicates += 1,
            },
        }
    }
    (joined, n_duplicates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(items: &[Option<i64>]) -> Vec<u8> {
        let mut out = Vec::new();
        for item in items {
            encode_item(item.map_or(Item::Absent, Item::Scaled), &mut out);
        }
        out
    }

    #[test]
    fn frames_of_one_time_complete_each_other_and_the_first_value_counts() {
        let (a, b) = (frame(&[Some(1), None, None]), frame(&[Some(9), Some(2), None]));
        let c = frame(&[None, None, Some(3)]);
        let (joined, n) = join(vec![(1, &a), (1, &b), (1, &b), (1, &a), (1, &c), (2, &a)]);
        let expected = frame(&[Some(1), Some(2), Some(3)]);
        assert_eq!(joined, [(1, Cow::Owned(expected)), (2, Cow::Borrowed(&a[..]))]);
        assert_eq!(n, 2);
    }

    #[test]
    fn what_is_known_already_is_nothing_new() {
        let (a, b) = (frame(&[Some(1), None]), frame(&[Some(7), Some(2)]));
        assert_eq!(rest(&a, &b), Some(frame(&[None, Some(2)])));
        assert_eq!(rest(&b, &a), None);
        assert!(covers(&b, &a) && covers(&a, &a) && !covers(&a, &b));
        assert!(covers(&a, &frame(&[None, None])));
        assert_eq!(rest(&a, &frame(&[None, Some(1), Some(2)])), None, "not of this set");
    }
}
