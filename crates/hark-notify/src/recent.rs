//! What is remembered of the newest messages alone.

use std::collections::VecDeque;

/// A bounded memory by the key of a message: where it is full, what was put in first is forgotten first.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    entries: VecDeque<(String, V)>,
    max: usize,
}

impl<V> Recent<V> {
    /// Makes one that holds up to `max` messages.
    pub(crate) fn new(max: usize) -> Self {
        Self { entries: VecDeque::new(), max }
    }

    /// Returns what is remembered of the message `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// Remembers `value` of the message `key`, in place of what was known of it.
    pub(crate) fn put(&mut self, key: &str, value: V) {
        drop(self.take(key));
        if self.entries.len() >= self.max {
            self.entries.pop_front();
        }
        self.entries.push_back((key.to_owned(), value));
    }

    /// Forgets the message `key`, and returns what was known of it.
    pub(crate) fn take(&mut self, key: &str) -> Option<V> {
        let at = self.entries.iter().position(|(known, _)| known == key)?;
        self.entries.remove(at).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first_whatever_its_name() {
        let mut recent = Recent::new(2);
        recent.put("999", 1);
        recent.put("1000", 2);
        recent.put("1001", 3);
        assert_eq!(
            [recent.get("999"), recent.get("1000"), recent.get("1001")],
            [None, Some(&2), Some(&3)]
        );
        recent.put("1000", 4);
        recent.put("0", 5);
        assert_eq!(
            [recent.get("1001"), recent.get("1000")],
            [None, Some(&4)],
            "what is told anew is new"
        );
        assert_eq!((recent.take("0"), recent.take("0")), (Some(5), None));
    }
}
