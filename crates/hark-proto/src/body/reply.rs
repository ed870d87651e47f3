//! What the server says: short, of fixed layout, most significant byte first.

use hark_model::time::{Micros, Unix};

use super::Bytes;
use crate::header::{HEADER, SALT};
use crate::refused::Refused;
use crate::{MAX_REPLY, TAG};

/// How many unknown sets one reply can name; the others are named once these are known.
pub const MAX_WANTED: usize = (MAX_REPLY - HEADER - TAG - 1) / 4;

/// What the server has stored, and what time it is there. 43 bytes, or 47 with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The highest counter of this session whose datagram is stored; 0 if none.
    pub newest: u64,
    /// Bit `i` is set if the datagram `newest - 1 - i` is stored.
    ///
    /// Not "everything up to here": what was lost comes again under another counter, so a
    /// cumulative number would stand still for ever at the first loss.
    pub before: u64,
    /// The stamp of the newest datagram received.
    pub echo: Micros,
    /// How long the server held that datagram before this reply, in microseconds.
    pub held_us: u32,
    /// When the server received it.
    pub received_at: Unix,
    /// The revision of the agent's configuration.
    pub revision: u32,
    /// What the agent should know.
    pub flags: AckFlags,
    /// If not 0: send nothing but heartbeats for so many seconds.
    pub retry_after_s: u16,
    /// The oldest order that waits for this agent, to be fetched as [`super::Paper::Order`]; 0 if there
    /// is none.
    pub order: u32,
}

/// What the agent should know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AckFlags(pub u8);

impl AckFlags {
    /// History is stopped (disk full): datagrams with samples are not acknowledged for now.
    pub const HISTORY_STOPPED: Self = Self(1);
    /// The server sheds load: samples of the past wait, those of heartbeats may not be kept.
    pub const SHEDDING: Self = Self(2);
    /// Beside [`AckFlags::SHEDDING`]: every other heartbeat goes without samples.
    pub const SHEDDING_METRICS: Self = Self(4);

    /// Returns both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns true if all of `other` is in this.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The session is over. 8 bytes; the header names the session and the datagram that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The highest session the server has accepted from this agent: the next one must be higher.
    pub highest: u64,
}

/// Too many introduce themselves at once. 2 bytes; the header names the session and the hello that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// In how many seconds to come again.
    pub seconds: u16,
}

/// The server does not know these sets. One byte and four for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantSets {
    /// The numbers, at most [`MAX_WANTED`].
    pub sets: Vec<u32>,
}

impl Ack {
    /// Appends the plaintext to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.newest.to_be_bytes());
        out.extend_from_slice(&self.before.to_be_bytes());
        out.extend_from_slice(&self.echo.0.to_be_bytes());
        out.extend_from_slice(&self.held_us.to_be_bytes());
        out.extend_from_slice(&self.received_at.0.to_be_bytes());
        out.extend_from_slice(&self.revision.to_be_bytes());
        out.push(self.flags.0);
        out.extend_from_slice(&self.retry_after_s.to_be_bytes());
        if self.order != 0 {
            out.extend_from_slice(&self.order.to_be_bytes());
        }
    }

    /// Reads a plaintext; bytes that follow are of a later version.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if it is too short.
    pub fn read(plain: &[u8]) -> Result<Self, Refused> {
        let mut bytes = Bytes(plain);
        Ok(Self {
            newest: bytes.u64()?,
            before: bytes.u64()?,
            echo: Micros(bytes.u64()?),
            held_us: bytes.u32()?,
            received_at: Unix(bytes.i64()?),
            revision: bytes.u32()?,
            flags: AckFlags(bytes.u8()?),
            retry_after_s: bytes.u16()?,
            order: bytes.u32().unwrap_or(0),
        })
    }

    /// Returns true if the datagram `counter` is stored.
    pub fn has(&self, counter: u64) -> bool {
        match self.newest.checked_sub(counter) {
            Some(0) => counter != 0,
            Some(behind @ 1..=64) => self.before >> (behind - 1) & 1 == 1,
            _ => false,
        }
    }
}

impl Reset {
    /// Appends the plaintext to `out`.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.highest.to_be_bytes());
    }

    /// Reads a plaintext.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if it is too short.
    pub fn read(plain: &[u8]) -> Result<Self, Refused> {
        Ok(Self { highest: Bytes(plain).u64()? })
    }
}

impl Wait {
    /// Appends the plaintext to `out`.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seconds.to_be_bytes());
    }

    /// Reads a plaintext.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if it is too short.
    pub fn read(plain: &[u8]) -> Result<Self, Refused> {
        Ok(Self { seconds: Bytes(plain).u16()? })
    }
}

impl WantSets {
    /// Appends the plaintext for the first [`MAX_WANTED`] of `sets` to `out`.
    pub fn write(sets: &[u32], out: &mut Vec<u8>) {
        let count = sets.len().min(MAX_WANTED);
        out.push(u8::try_from(count).unwrap_or(u8::MAX));
        for set in sets.iter().take(count) {
            out.extend_from_slice(&set.to_be_bytes());
        }
    }

    /// Reads a plaintext.
    ///
    /// # Errors
    /// [`Refused::Malformed`] if it is too short.
    pub fn read(plain: &[u8]) -> Result<Self, Refused> {
        let mut bytes = Bytes(plain);
        let count = bytes.u8()?;
        let sets = (0..count).map(|_| bytes.u32()).collect::<Result<_, _>>()?;
        Ok(Self { sets })
    }
}

/// No reply is longer than the shortest request: no amplification.
const _: () = {
    assert!(HEADER + 47 + TAG <= MAX_REPLY);
    assert!(HEADER + SALT + 8 + TAG <= MAX_REPLY);
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ack(newest: u64, before: u64) -> Ack {
        Ack {
            newest,
            before,
            echo: Micros(1),
            held_us: 2,
            received_at: Unix(3),
            revision: 4,
            flags: AckFlags::HISTORY_STOPPED,
            retry_after_s: 5,
            order: 0,
        }
    }

    #[test]
    fn an_ack_says_which_counters_are_stored() {
        let some = ack(70, 0b101);
        let stored: Vec<u64> = (0..200).filter(|counter| some.has(*counter)).collect();
        assert_eq!(stored, [67, 69, 70]);
        assert!(!ack(0, u64::MAX).has(0));
        assert!(ack(65, u64::MAX).has(1));
    }

    #[test]
    fn flags_add_up() {
        let both = AckFlags::HISTORY_STOPPED.with(AckFlags::SHEDDING);
        assert!(both.has(AckFlags::SHEDDING) && both.has(both));
        assert!(!AckFlags::SHEDDING.has(both));
    }

    #[test]
    fn every_cut_is_refused() {
        let mut bytes = Vec::new();
        ack(1, 2).write(&mut bytes);
        assert_eq!(bytes.len(), 43);
        for length in 0..bytes.len() {
            assert_eq!(Ack::read(&bytes[..length]), Err(Refused::Malformed));
        }
        let mut wanted = Vec::new();
        WantSets::write(&[1, 2], &mut wanted);
        for length in 0..wanted.len() {
            assert_eq!(WantSets::read(&wanted[..length]), Err(Refused::Malformed));
        }
        assert_eq!(Reset::read(&[0; 7]), Err(Refused::Malformed));
        assert_eq!(Wait::read(&[0]), Err(Refused::Malformed));
    }

    #[test]
    fn no_more_sets_are_wanted_than_a_reply_holds() {
        let mut bytes = Vec::new();
        WantSets::write(&[7; 100], &mut bytes);
        assert!(HEADER + bytes.len() + TAG <= MAX_REPLY);
        assert_eq!(WantSets::read(&bytes).unwrap().sets.len(), MAX_WANTED);
    }

    proptest! {
        #[test]
        fn replies_come_back(newest: u64, before: u64, highest: u64, sets: [u32; 5]) {
            let mut bytes = Vec::new();
            ack(newest, before).write(&mut bytes);
            prop_assert_eq!(Ack::read(&bytes), Ok(ack(newest, before)));
            bytes.clear();
            Reset { highest }.write(&mut bytes);
            prop_assert_eq!(Reset::read(&bytes), Ok(Reset { highest }));
            bytes.clear();
            WantSets::write(&sets, &mut bytes);
            prop_assert_eq!(WantSets::read(&bytes).unwrap().sets, sets.to_vec());
        }
    }
}
