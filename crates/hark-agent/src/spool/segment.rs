//! The bytes of one spool file.
//!
//! A file is a run of entries, each written by one call. An entry is
//!
//! | bytes | what |
//! | --- | --- |
//! | 2 | mark `0x68 0xb5` |
//! | 1 | version, 1 |
//! | 1 | kind |
//! | 8 | number, growing by one within a file (0 where the kind has none) |
//! | 8 | when it was made, milliseconds since 1970 |
//! | 2 | length of the payload |
//! | 4 | CRC-32 of everything before and of the payload |
//! | n | payload |
//!
//! all most significant byte first. Reading skips what is damaged and goes on at the next entry whose
//! check sum is right, so that one bad byte costs one entry.

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Sample frames; numbered.
    Frames,
    /// A part of the definition of a set; not numbered.
    Set,
    /// A report; numbered.
    Report,
}

impl Kind {
    const ALL: [(u8, Self); 3] = [(1, Self::Frames), (2, Self::Set), (3, Self::Report)];

    fn byte(self) -> u8 {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or(0, |(byte, _)| *byte)
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.iter().find(|(b, _)| *b == byte).map(|(_, kind)| *kind)
    }
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) at: i64,
    pub(super) payload: &'a [u8],
}

/// Bound on a payload: everything in the spool is made to fit one datagram.
pub(super) const MAX_PAYLOAD: usize = 2048;

const MARK: [u8; 2] = [0x68, 0xb5];
const VERSION: u8 = 1;
const HEAD: usize = 22;

/// Bytes of an entry besides its payload.
pub(super) const OVERHEAD: usize = HEAD + 4;

/// Appends `entry` to `out`. The payload has at most [`MAX_PAYLOAD`] bytes: the caller checks.
pub(super) fn encode(entry: Entry<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend(MARK);
    out.extend([VERSION, entry.kind.byte()]);
    out.extend(entry.number.to_be_bytes());
    out.extend(entry.at.to_be_bytes());
    out.extend(u16::try_from(entry.payload.len()).unwrap_or(u16::MAX).to_be_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(out.get(start..).unwrap_or_default());
    sum.update(entry.payload);
    out.extend(sum.finalize().to_be_bytes());
    out.extend_from_slice(entry.payload);
}

/// Walks over the entries of a file.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    /// Where the next entry is looked for.
    pub(super) offset: usize,
    /// Bytes skipped so far because no entry could be read there.
    pub(super) skipped: u64,
}

impl<'a> Scan<'a> {
    /// Begins at `offset` of `bytes`.
    pub(super) fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, offset, skipped: 0 }
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let rest = self.bytes.get(self.offset..).filter(|rest| !rest.is_empty())?;
            if let Some((entry, len)) = decode(rest) {
                self.offset += len;
                return Some(entry);
            }
            let after = rest.get(1..).unwrap_or_default();
            let step = 1 + after.windows(2).position(|two| two == MARK).unwrap_or(after.len());
            self.offset += step;
            self.skipped += step as u64;
        }
    }
}

/// Reads the entry at the start of `bytes`, and how long it is.
fn decode(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    let head = bytes.get(..HEAD)?;
    if head.get(..3)? != [MARK[0], MARK[1], VERSION] {
        return None;
    }
    let kind = Kind::from_byte(*head.get(3)?)?;
    let number = u64::from_be_bytes(head.get(4..12)?.try_into().ok()?);
    let at = i64::from_be_bytes(head.get(12..20)?.try_into().ok()?);
    let len = usize::from(u16::from_be_bytes(head.get(20..22)?.try_into().ok()?));
    if len > MAX_PAYLOAD {
        return None;
    }
    let sum = u32::from_be_bytes(bytes.get(HEAD..OVERHEAD)?.try_into().ok()?);
    let payload = bytes.get(OVERHEAD..OVERHEAD + len)?;
    let mut found = crc32fast::Hasher::new();
    found.update(head);
    found.update(payload);
    (found.finalize() == sum).then_some((Entry { kind, number, at, payload }, OVERHEAD + len))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, payload) in (1..).zip(payloads) {
            encode(Entry { kind: Kind::Frames, number, at: -5, payload }, &mut bytes);
        }
        bytes
    }

    #[test]
    fn the_form_does_not_change() {
        let mut bytes = Vec::new();
        let entry = Entry { kind: Kind::Report, number: 258, at: 1000, payload: b"ab" };
        encode(entry, &mut bytes);
        assert_eq!(
            bytes,
            [
                0x68, 0xb5, 1, 3, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 2, 0xe9,
                0x61, 0xc3, 0xf0, b'a', b'b'
            ]
        );
        assert_eq!(Scan::new(&bytes, 0).next(), Some(entry));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20)) {
            let bytes = file(&payloads);
            let mut scan = Scan::new(&bytes, 0);
            let found: Vec<_> = scan.by_ref().map(|e| e.payload.to_vec()).collect();
            prop_assert_eq!(found, payloads);
            prop_assert_eq!(scan.skipped, 0);
        }

        #[test]
        fn a_cut_file_loses_only_what_was_cut(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..10),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = file(&payloads);
            let cut = cut.index(bytes.len());
            let whole = {
                let mut end = 0;
                payloads.iter().take_while(|p| { end += OVERHEAD + p.len(); end <= cut }).count()
            };
            let found = Scan::new(&bytes[..cut], 0).map(|e| e.number).collect::<Vec<_>>();
            prop_assert_eq!(found, (1..=whole as u64).collect::<Vec<_>>());
        }

        #[test]
        fn a_damaged_byte_costs_one_entry(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..10),
            place in any::<prop::sample::Index>(),
            flip in 1_u8..,
        ) {
            let mut bytes = file(&payloads);
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            let mut scan = Scan::new(&bytes, 0);
            let found = scan.by_ref().count();
            prop_assert_eq!(found, payloads.len() - 1);
            prop_assert!(scan.skipped > 0);
        }

        #[test]
        fn rubbish_is_skipped_without_end(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut scan = Scan::new(&bytes, 0);
            prop_assert!(scan.by_ref().count() <= bytes.len() / OVERHEAD);
        }
    }
}
