//! The packets of NTP (RFC 5905): one question, one answer, and the offset that follows from them.

use crate::octets::Octets;

/// Length of a packet without extensions.
pub(super) const LENGTH: usize = 48;

/// Seconds from 1900, where NTP begins, to 1970.
const EPOCH: i64 = 2_208_988_800;

/// A moment of NTP: seconds since 1900, and in the low half the fraction, over all its eras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(pub(super) u64);

impl Moment {
    /// Turns microseconds since 1970 into a moment.
    pub(super) fn of_unix(micros: i64) -> Self {
        let seconds = micros.div_euclid(1_000_000) + EPOCH;
        let fraction = (micros.rem_euclid(1_000_000) << 32) / 1_000_000;
        // The era is left out, as in packets.
        Self((seconds.cast_unsigned() << 32) | fraction.cast_unsigned())
    }

    /// Returns the seconds from `earlier` to this; right as long as they are less than 68 years
    /// apart, whatever their eras.
    pub(super) fn since(self, earlier: Self) -> f64 {
        let difference = self.0.wrapping_sub(earlier.0).to_be_bytes();
        let mut halves = Octets::new(&difference);
        let (whole, fraction) = (halves.u32().unwrap_or(0), halves.u32().unwrap_or(0));
        f64::from(whole.cast_signed()) + f64::from(fraction) / 4_294_967_296.0
    }
}

/// What the server says of leap seconds, or that its clock is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leap {
    None,
    Added,
    Deleted,
    NotSet,
}

impl Leap {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Added => "a second is added",
            Self::Deleted => "a second is left out",
            Self::NotSet => "clock not set",
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) leap: Leap,
    /// 1 for a server with a clock of its own, one more for each between.
    pub(super) stratum: u8,
    /// Seconds to the reference clock and back.
    pub(super) root_delay: f64,
    /// Most that the server may be wrong by against the reference clock, in seconds.
    pub(super) root_dispersion: f64,
    /// What the server follows: four letters, or a number.
    pub(super) reference: [u8; 4],
    /// When it got the question.
    pub(super) received: Moment,
    /// When it answered.
    pub(super) sent: Moment,
}

/// Writes a question. `cookie` is what the answer must repeat: a random number is as good as the time,
/// which is nobody's business.
pub(super) fn question(cookie: u64) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    // No leap second is known here, version 4, a client.
    packet[0] = 0b00_100_011;
    packet[40..].copy_from_slice(&cookie.to_be_bytes());
    packet
}

/// The mode of a packet that a server sends.
const SERVER: u8 = 4;

/// Reads an answer. `None`: it is not the one to the question with this cookie.
pub(super) fn read(bytes: &[u8], cookie: u64) -> Option<Answer> {
    let mut octets = Octets::new(bytes);
    let first = octets.u8()?;
    let leap = match first >> 6 {
        0 => Leap::None,
        1 => Leap::Added,
        2 => Leap::Deleted,
        _ => Leap::NotSet,
    };
    if first & 7 != SERVER {
        return None;
    }
    let stratum = octets.u8()?;
    let _poll_and_precision = octets.u16()?;
    let mut short = || Some(f64::from(octets.u32()?) / 65_536.0);
    let (root_delay, root_dispersion) = (short()?, short()?);
    let reference = octets.array()?;
    let _reference_time = octets.u64()?;
    if octets.u64()? != cookie {
        return None;
    }
    let (received, sent) = (Moment(octets.u64()?), Moment(octets.u64()?));
    Some(Answer { leap, stratum, root_delay, root_dispersion, reference, received, sent })
}

impl Answer {
    /// Returns how far the server's clock is ahead of ours, and how long the question and its answer
    /// were on their way, both in seconds. `asked` and `answered` are by our clock.
    pub(super) fn offset_and_delay(&self, asked: Moment, answered: Moment) -> (f64, f64) {
        let there = self.received.since(asked);
        let back = self.sent.since(answered);
        let delay = answered.since(asked) - self.sent.since(self.received);
        (f64::midpoint(there, back), delay.max(0.0))
    }

    /// Returns the word of a server that does not want to answer, such as `RATE` (a kiss of death);
    /// the same stratum without a word is that of a clock which is not set.
    pub(super) fn refusal(&self) -> Option<String> {
        let is_word = self.reference.iter().all(u8::is_ascii_uppercase);
        (self.stratum == 0 && is_word).then(|| crate::octets::text(&self.reference))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(cookie: u64, received: Moment, sent: Moment) -> Vec<u8> {
        let mut packet = vec![0b00_100_100, 2, 6, 0xe9, 0, 0, 0x80, 0, 0, 1, 0, 0];
        packet.extend(*b"GPS\0");
        packet.extend([0; 8]);
        packet.extend(cookie.to_be_bytes());
        packet.extend(received.0.to_be_bytes());
        packet.extend(sent.0.to_be_bytes());
        packet
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-5
    }

    #[test]
    fn offset_and_delay_follow_from_four_moments() {
        let at = |micros: i64| Moment::of_unix(1_790_000_000_000_000 + micros);
        // The server is 2 s ahead; 10 ms there, 1 ms of work, 10 ms back.
        let packet = answer(7, at(2_010_000), at(2_011_000));
        let answer = read(&packet, 7).unwrap();
        let (offset, delay) = answer.offset_and_delay(at(0), at(21_000));
        assert!(near(offset, 2.0) && near(delay, 0.02), "{offset} {delay}");
        assert_eq!((answer.stratum, answer.leap), (2, Leap::None));
        assert!(near(answer.root_delay, 0.5) && near(answer.root_dispersion, 1.0));
    }

    #[test]
    fn the_end_of_the_era_in_2036_is_no_jump() {
        let end = (i64::from(u32::MAX) - EPOCH + 1) * 1_000_000;
        let (before, after) = (Moment::of_unix(end - 500_000), Moment::of_unix(end + 500_000));
        assert!(near(after.since(before), 1.0));
        assert!(near(before.since(after), -1.0));
    }

    #[test]
    fn only_the_answer_to_the_own_question_is_taken() {
        let packet = answer(7, Moment(1), Moment(2));
        assert!(read(&packet, 8).is_none());
        assert!(read(&packet[..47], 7).is_none());
        assert!(read(&question(7), 7).is_none(), "a question is no answer");
        let mut kiss = packet;
        kiss[1] = 0;
        kiss[12..16].copy_from_slice(b"RATE");
        assert_eq!(read(&kiss, 7).unwrap().refusal().as_deref(), Some("RATE"));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), a: u64, b: u64) {
            let cookie = bytes.get(24..32).map_or(0, |c| u64::from_be_bytes(c.try_into().unwrap()));
            if let Some(answer) = read(&bytes, cookie) {
                let (offset, delay) = answer.offset_and_delay(Moment(a), Moment(b));
                prop_assert!(offset.is_finite() && delay >= 0.0);
            }
        }
    }
}
