//! Pages of long lists: those that are filtered here, because the store does not know the filter, and those of which
//! every item is looked at to find which come first.

use std::cmp::Ordering;

use hark_api::list::{Cursor, Page, TimeSort};
use hark_store::state::Place;
use hark_web::Answer;

/// Rows read from the store at once.
pub(super) const CHUNK: u32 = 500;

/// Rows looked at for one page. A filter that nothing passes must not hold the store for long: then
/// the page is short, or empty, and its cursor leads on from where the search stopped.
pub(super) const MOST_LOOKED: usize = 10_000;

/// Returns where a page of a list begins that goes by time: by default the newest comes first.
pub(super) fn place(cursor: Option<&Cursor>, sort: Option<TimeSort>) -> Place {
    let number = cursor.and_then(Cursor::number);
    match (sort.is_none_or(|sort| sort.is_backwards), number) {
        (true, number) => Place::from(number),
        (false, Some(number)) => Place::Above(number),
        (false, None) => Place::Oldest,
    }
}

/// Returns up to `most` items that `keep` takes of the rows from `place` on, in their order.
///
/// `read` gives the rows from a place on, `keep` turns those that pass the filter into items, each with
/// its row's number. The page's cursor is missing only where the list ends.
pub(super) fn scan<T, R>(
    most: usize,
    mut place: Place,
    number: impl Fn(&T) -> u64,
    mut read: impl FnMut(Place, u32) -> Answer<Vec<T>>,
    mut keep: impl FnMut(Vec<T>) -> Answer<Vec<(u64, R)>>,
) -> Answer<Page<R>> {
    let mut found: Vec<(u64, R)> = Vec::new();
    let mut looked = 0;
    let mut last_looked = None;
    let mut ended = false;
    while found.len() <= most && looked < MOST_LOOKED && !ended {
        let chunk = read(place, CHUNK)?;
        looked += chunk.len();
        match chunk.last() {
            Some(last) => {
                place = place.beyond(number(last));
                last_looked = Some(number(last));
            }
            // Not a short chunk: rows that cannot be decoded are left out of one.
            None => ended = true,
        }
        found.extend(keep(chunk)?);
    }
    let more = found.len() > most;
    found.truncate(most);
    let next = match (more, ended) {
        (true, _) => found.last().map(|(number, _)| *number),
        (false, false) => last_looked,
        (false, true) => None,
    };
    let items = found.into_iter().map(|(_, item)| item).collect();
    Ok(Page { items, next: next.map(Cursor::of_number) })
}

/// Returns the first `most` of `all` in an order, and whether there are more. No more than twice as many are held at
/// once: of the checks of all hosts, which may be millions, a page shows a thousand.
pub(super) fn first<T>(
    all: impl Iterator<Item = T>,
    most: usize,
    compare: impl Fn(&T, &T) -> Ordering,
) -> (Vec<T>, bool) {
    let mut found = Vec::new();
    let mut more = false;
    for one in all {
        found.push(one);
        if found.len() > 2 * most {
            found.select_nth_unstable_by(most, &compare);
            found.truncate(most);
            more = true;
        }
    }
    if found.len() > most {
        // Only what the page shows is put in order.
        found.select_nth_unstable_by(most, &compare);
        found.truncate(most);
        more = true;
    }
    found.sort_unstable_by(&compare);
    (found, more)
}

/// Reads the whole list, whose pages have two items at most, from its beginning: for tests of every list.
#[cfg(test)]
pub(super) fn all_of<R>(mut page: impl FnMut(Option<Cursor>) -> Page<R>) -> Vec<R> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let found = page(cursor);
        assert!(found.items.len() <= 2);
        all.extend(found.items);
        cursor = found.next;
        if cursor.is_none() {
            return all;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_any_number_are_found_in_order() {
        for n in [0, 1, 6, 7, 8, 14, 15, 16, 100, 1000] {
            // Each number below `n` once, in no order.
            let all = (0..n).map(|at| (at * 7919 + 13) % n.max(1));
            let (found, more) = first(all, 7, Ord::cmp);
            assert_eq!(found, (0..n.min(7)).collect::<Vec<i32>>(), "of {n}");
            assert_eq!(more, n > 7, "of {n}");
        }
    }

    /// A list of the numbers 1 to `rows`, of which those pass that `of` divides. Returns all pages and,
    /// for each, how many rows were looked at.
    fn pages(rows: u64, of: u64, most: usize) -> (Vec<Vec<u64>>, Vec<usize>) {
        pages_from(Place::Newest, rows, of, most)
    }

    fn pages_from(start: Place, rows: u64, of: u64, most: usize) -> (Vec<Vec<u64>>, Vec<usize>) {
        let (mut pages, mut looks) = (Vec::new(), Vec::new());
        let mut place = start;
        loop {
            let mut looked = 0;
            let read = |place: Place, limit: u32| {
                let limit = limit as usize;
                let chunk: Vec<u64> = match place {
                    Place::Newest => (1..=rows).rev().take(limit).collect(),
                    Place::Below(top) => (1..top).rev().take(limit).collect(),
                    Place::Oldest => (1..=rows).take(limit).collect(),
                    Place::Above(bottom) => (bottom + 1..=rows).take(limit).collect(),
                };
                looked += chunk.len();
                Ok(chunk)
            };
            let keep = |chunk: Vec<u64>| {
                Ok(chunk.into_iter().filter(|n| n % of == 0).map(|n| (n, n)).collect())
            };
            let page = scan(most, place, |n| *n, read, keep).unwrap();
            pages.push(page.items);
            looks.push(looked);
            match page.next {
                Some(next) => place = place.beyond(next.number().unwrap()),
                None => return (pages, looks),
            }
        }
    }

    #[test]
    fn a_rare_row_is_found_however_far_down_it_is() {
        let (pages, looks) = pages(100_000, 99_999, 50);
        assert_eq!(pages.concat(), [99_999]);
        assert!(looks.iter().all(|n| *n <= MOST_LOOKED + CHUNK as usize), "{looks:?}");
    }

    #[test]
    fn the_pages_are_the_list_without_a_hole() {
        assert_eq!(pages(30_000, 1, 1000).0.concat(), (1..=30_000).rev().collect::<Vec<u64>>());
        let (oldest_first, _) = pages_from(Place::Oldest, 30_000, 3, 1000);
        assert_eq!(oldest_first.concat(), (1..=10_000).map(|n| n * 3).collect::<Vec<u64>>());
        let (rare, _) = pages_from(Place::Oldest, 100_000, 99_999, 50);
        assert_eq!(rare.concat(), [99_999]);
    }

    #[test]
    fn every_page_but_the_last_is_full_where_rows_are_frequent() {
        let (pages, looks) = pages(5_000, 3, 100);
        assert_eq!(pages.concat().len(), 1666);
        assert!(pages.iter().rev().skip(1).all(|page| page.len() == 100));
        assert!(looks.iter().all(|n| *n <= CHUNK as usize), "one chunk is enough: {looks:?}");
    }

    #[test]
    fn an_empty_list_has_one_empty_page() {
        assert_eq!(pages(0, 1, 100).0, [Vec::<u64>::new()]);
    }
}
