//! Bounds on bytes, of each tier and of all: what goes first where there is more than there may be.
//!
//! The oldest of the finest tier goes first, as a whole file, which costs nothing. Where exceptions keep some
//! series longer than the rest that would be all of what makes them exceptions: their oldest days are files
//! with nothing else in them, which take little room and would all go before the first full one. So all that is
//! kept no longer than usual goes first, out of one file after the other, oldest first (see [`super::thin`]); a
//! file with what is kept longer goes when no older than the last days is left of anything else. Which files
//! that was done to is noted in them: after a start nobody looks there for what was taken out.

use super::exceptions::settled;
use super::tier::{DAY_MS, Tier};
use super::{History, Trouble};

/// What was done for a tier to become smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// A file has gone.
    Made,
    /// Something is being taken out of a file, in steps: it is smaller later.
    Comes,
    /// Nothing is left that may go.
    None,
}

impl History {
    /// Makes what is more than it may be smaller; while an import goes on by whole files alone, as nothing is
    /// taken out of one then.
    pub(super) fn expire_sized(&mut self, holds_old: bool) -> Result<(), Trouble> {
        self.partitions.measure()?;
        for (tier, most) in Tier::ALL.into_iter().zip(self.settings.max_tier_bytes) {
            let most = most.unwrap_or(u64::MAX);
            while self.partitions.bytes(tier) > most
                && self.make_room(tier, holds_old)? == Room::Made
            {
                let tier = tier.word();
                tracing::info!(
                    tier,
                    most,
                    "a tier is larger than it may be: its oldest file dropped"
                );
            }
        }
        loop {
            let tiers: u64 = Tier::ALL.into_iter().map(|t| self.partitions.bytes(t)).sum();
            let bytes = tiers + self.wal.bytes() + self.level0.bytes();
            if bytes <= self.settings.max_bytes {
                return Ok(());
            }
            let mut room = Room::None;
            for tier in Tier::ALL {
                room = self.make_room(tier, holds_old)?;
                if room != Room::None {
                    break;
                }
            }
            if room != Room::Made {
                return Ok(());
            }
            tracing::info!(bytes, "history is larger than it may be: oldest file dropped");
        }
    }

    fn make_room(&mut self, tier: Tier, holds_old: bool) -> Result<Room, Trouble> {
        if !holds_old && self.press(tier)? {
            return Ok(Room::Comes);
        }
        Ok(if self.partitions.shrink_tier(tier)? { Room::Made } else { Room::None })
    }

    /// Has all that is kept no longer than usual taken out of the oldest file of a tier that has some; returns
    /// false if there is none, or nothing is kept longer.
    fn press(&mut self, tier: Tier) -> Result<bool, Trouble> {
        // Until it is known what is kept longer, nothing of it goes.
        let Some(exceptions) = self.exceptions.clone() else { return Ok(true) };
        let (usual, aged) = (self.settings.kept(tier), self.aged);
        if exceptions.longest(tier, usual).is_none() {
            return Ok(false);
        }
        let newest = self.partitions.newest(tier);
        let keys = self.partitions.keys().into_iter();
        for key in keys.filter(|key| key.0 == tier && Some(key.1) != newest) {
            if self.thinning.is_rest_gone(key) {
                continue;
            }
            if self.over(&exceptions, key).rest {
                // It is being done.
                return Ok(true);
            }
            let end = key.1.saturating_add(1).saturating_mul(DAY_MS * tier.days());
            if aged.is_none_or(|aged| aged.0 < settled(end)) || !self.partitions.press(key)? {
                return Ok(false);
            }
            self.thinning.look_again();
            let tier = tier.word();
            tracing::info!(
                tier,
                partition = key.1,
                "history is larger than it may be: of its oldest file what is kept longer stays"
            );
            return Ok(true);
        }
        Ok(false)
    }
}
