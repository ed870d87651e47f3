//! A list with one row chosen, which stays chosen when the list is renewed.

/// Rows, and the one that is chosen.
#[derive(Clone, Debug)]
pub(crate) struct Rows<T> {
    items: Vec<T>,
    chosen: usize,
    /// Whether there are more than were given.
    pub(crate) has_more: bool,
    /// Whether they were given at all.
    pub(crate) is_known: bool,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { items: Vec::new(), chosen: 0, has_more: false, is_known: false }
    }
}

impl<T> Rows<T> {
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    pub(crate) fn chosen_at(&self) -> usize {
        self.chosen
    }

    pub(crate) fn chosen(&self) -> Option<&T> {
        self.items.get(self.chosen)
    }

    /// Renews the rows. The chosen one stays so if it is still there, wherever it is now; else the one in
    /// its place is.
    pub(crate) fn renew<K: PartialEq>(
        &mut self,
        items: Vec<T>,
        has_more: bool,
        key: impl Fn(&T) -> K,
    ) {
        let before = self.chosen().map(&key);
        let found = before.and_then(|before| items.iter().position(|item| key(item) == before));
        self.chosen = found.unwrap_or(self.chosen).min(items.len().saturating_sub(1));
        (self.items, self.has_more, self.is_known) = (items, has_more, true);
    }

    /// Chooses another row, so many further down, or up if it is negative.
    pub(crate) fn step(&mut self, by: isize) {
        let last = self.items.len().saturating_sub(1);
        self.chosen = self.chosen.saturating_add_signed(by).min(last);
    }

    /// Returns true if the end is close enough that more are wanted.
    pub(crate) fn is_near_end(&self, margin: usize) -> bool {
        self.has_more && self.chosen + margin >= self.items.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_row_stays_chosen_wherever_it_goes() {
        let mut rows = Rows::default();
        rows.renew(vec!["a", "b", "c", "d"], false, |row| *row);
        rows.step(2);
        assert_eq!(rows.chosen(), Some(&"c"));
        rows.renew(vec!["c", "a"], false, |row| *row);
        assert_eq!(rows.chosen(), Some(&"c"));
        rows.step(99);
        assert_eq!(rows.chosen(), Some(&"a"));
        rows.step(-99);
        assert_eq!(rows.chosen(), Some(&"c"));
        rows.renew(vec!["x", "y"], false, |row| *row);
        assert_eq!(rows.chosen(), Some(&"x"), "it is gone");
        rows.renew(Vec::new(), false, |row| *row);
        assert_eq!(rows.chosen(), None);
    }

    #[test]
    fn more_are_wanted_near_the_end_of_what_there_is() {
        let mut rows = Rows::default();
        rows.renew((0..100).collect(), true, |row| *row);
        assert!(!rows.is_near_end(20));
        rows.step(85);
        assert!(rows.is_near_end(20));
        rows.has_more = false;
        assert!(!rows.is_near_end(20));
    }
}
