//! Which report items were applied: the receiver's half of "exactly once".

/// How far behind the newest item one may come and still be told from a second copy.
pub const ITEMS: u64 = 64;

/// Which items of an agent's reports were applied. It is stored in the same transaction as what the
/// items caused; 24 bytes.
///
/// Items are numbered from 1 within an epoch, which the agent makes when it makes its spool. A
/// higher epoch begins anew; a lower one is of a spool that is gone and is not applied again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemWindow {
    /// The agent's epoch; 0 before the first report.
    pub epoch: u64,
    /// The highest item applied; 0 if none.
    pub newest: u64,
    /// Bit `i` is set if item `newest - 1 - i` was applied.
    pub before: u64,
}

impl ItemWindow {
    /// Marks item `number` of `epoch` as applied. Returns true if it is to be applied now, false if
    /// it was before or is too old to tell (the agent sends at most [`ITEMS`] items ahead of its
    /// oldest unacknowledged one, so a genuine item is never too old).
    pub fn take(&mut self, epoch: u64, number: u64) -> bool {
        if epoch < self.epoch || number == 0 {
            return false;
        }
        if epoch > self.epoch {
            *self = Self { epoch, newest: 0, before: 0 };
        }
        if number > self.newest {
            let ahead = number - self.newest;
            self.before = shifted(self.before, ahead);
            // The former newest becomes one of those before; nothing was there at the start.
            if self.newest > 0 && ahead <= ITEMS {
                self.before |= 1 << (ahead - 1);
            }
            self.newest = number;
            return true;
        }
        let behind = self.newest - number;
        if behind == 0 || behind > ITEMS {
            return false;
        }
        let bit = 1 << (behind - 1);
        let fresh = self.before & bit == 0;
        self.before |= bit;
        fresh
    }
}

fn shifted(bits: u64, by: u64) -> u64 {
    u32::try_from(by).ok().and_then(|by| bits.checked_shl(by)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_item_is_applied_once() {
        let mut items = ItemWindow::default();
        for (number, fresh) in [(1, true), (3, true), (3, false), (2, true), (2, false), (0, false)]
        {
            assert_eq!(items.take(7, number), fresh, "{number}");
        }
        assert!(items.take(7, 1000));
        assert!(!items.take(7, 1000 - ITEMS - 1), "too old to tell is not applied");
        assert!(items.take(7, 1000 - ITEMS));
    }

    #[test]
    fn a_new_epoch_begins_anew_and_an_old_one_is_over() {
        let mut items = ItemWindow::default();
        assert!(items.take(7, 5));
        assert!(items.take(8, 5));
        assert!(!items.take(7, 6));
        assert!(items.take(8, 4));
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(numbers in prop::collection::vec(1u64..200, 1..300)) {
            let mut items = ItemWindow::default();
            let mut applied = BTreeSet::new();
            for number in numbers {
                let newest = applied.last().copied().unwrap_or(0);
                let fresh = number + ITEMS >= newest && !applied.contains(&number);
                prop_assert_eq!(items.take(1, number), fresh);
                if fresh {
                    applied.insert(number);
                }
            }
        }
    }
}
