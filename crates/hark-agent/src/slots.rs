//! A few numbers on disk that survive a kill at any instant and a full disk.
//!
//! The file has two places of fixed size, written in turn and in place: a torn write damages one of
//! them, the other still has the numbers before, and no write needs new room.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::sys;

/// `N` numbers in a file.
#[derive(Debug)]
pub(crate) struct Slots<const N: usize> {
    file: File,
    generation: u64,
}

impl<const N: usize> Slots<N> {
    /// One place: generation, numbers, check sum.
    const LEN: usize = 8 + 8 * N + 4;

    /// Opens or makes the file, and returns the numbers stored last; none if there are none that
    /// can be believed.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Option<[u64; N]>)> {
        let file =
            sys::private_file().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = vec![0; 2 * Self::LEN];
        let len = read_up_to(&file, &mut bytes)?;
        let found = bytes
            .get(..len)
            .unwrap_or_default()
            .chunks_exact(Self::LEN)
            .filter_map(Self::decode)
            .max_by_key(|(generation, _)| *generation);
        let generation = found.map_or(0, |(generation, _)| generation);
        Ok((Self { file, generation }, found.map(|(_, numbers)| numbers)))
    }

    /// Stores `numbers`; with `sync`, they are on the disk when this returns.
    pub(crate) fn store(&mut self, numbers: [u64; N], sync: bool) -> io::Result<()> {
        self.generation += 1;
        let bytes = Self::encode(self.generation, numbers);
        let place = if self.generation.is_multiple_of(2) { 0 } else { Self::LEN as u64 };
        sys::write_all_at(&self.file, &bytes, place)?;
        if sync { self.file.sync_data() } else { Ok(()) }
    }

    fn encode(generation: u64, numbers: [u64; N]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN);
        bytes.extend(generation.to_be_bytes());
        bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<(u64, [u64; N])> {
        let mut words = bytes.chunks_exact(8);
        let mut number = || Some(u64::from_be_bytes(words.next()?.try_into().ok()?));
        let generation = number()?;
        let mut numbers = [0; N];
        for place in &mut numbers {
            *place = number()?;
        }
        // An empty place is all zero, and zero is no generation.
        (generation > 0 && Self::encode(generation, numbers) == bytes)
            .then_some((generation, numbers))
    }
}

fn read_up_to(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while let Some(rest) = bytes.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match sys::read_at(file, rest, len as u64)? {
            0 => break,
            n => len += n,
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_numbers_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        let (mut slots, found) = Slots::<2>::open(&path).unwrap();
        assert_eq!(found, None);
        for n in 1..=5 {
            slots.store([n, n * 10], n == 5).unwrap();
            assert_eq!(Slots::<2>::open(&path).unwrap().1, Some([n, n * 10]));
        }
        let (mut slots, _) = Slots::<2>::open(&path).unwrap();
        slots.store([7, 70], false).unwrap();
        assert_eq!(Slots::<2>::open(&path).unwrap().1, Some([7, 70]));
    }

    #[test]
    fn a_torn_write_leaves_the_numbers_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        let (mut slots, _) = Slots::<1>::open(&path).unwrap();
        slots.store([1], false).unwrap();
        slots.store([2], false).unwrap();
        let before = std::fs::read(&path).unwrap();
        slots.store([3], false).unwrap();
        let after = std::fs::read(&path).unwrap();
        for cut in 0..=before.len() {
            // The disk has the first bytes of the write and not the others.
            let mut torn = before.clone();
            torn[..cut].copy_from_slice(&after[..cut]);
            std::fs::write(&path, &torn).unwrap();
            let found = Slots::<1>::open(&path).unwrap().1.unwrap();
            assert!(found == [2] || found == [3], "{cut}: {found:?}");
        }
    }

    #[test]
    fn rubbish_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        std::fs::write(&path, vec![0xa5; 500]).unwrap();
        let (mut slots, found) = Slots::<3>::open(&path).unwrap();
        assert_eq!(found, None);
        slots.store([1, 2, 3], true).unwrap();
        assert_eq!(Slots::<3>::open(&path).unwrap().1, Some([1, 2, 3]));
    }
}
