//! A text on disk that survives a kill at any instant, and is cheap to replace.
//!
//! It stands in two files that are written in turn and in place: a torn write damages one of them, the other
//! still has the text before. Making a new file each time and renaming it takes three times the processor
//! time, since the folder has to be brought onto the disk as well; so this is for what is stored at every
//! heartbeat.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use crate::home::{Home, HomeError};

/// A file that has become longer than this, and than twice what is in it, is made short again.
const LONG: u64 = 64 * 1024;

/// Bytes before the text: generation, its length, check sum of both and of the text.
const HEAD: usize = 8 + 8 + 4;

/// The text.
#[derive(Debug)]
pub(crate) struct Twice {
    places: [Place; 2],
    generation: u64,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Twice {
    /// Opens or makes the files `NAME.0` and `NAME.1`, and returns the text stored last; none if there is none
    /// that can be believed.
    pub(crate) fn open(home: &Home, name: &str) -> Result<(Self, Option<String>), HomeError> {
        let mut found = None;
        let mut open = |number: usize| -> Result<Place, HomeError> {
            let (path, mut file) = home.open(&format!("{name}.{number}"))?;
            let mut bytes = Vec::new();
            let read = file.read_to_end(&mut bytes);
            read.map_err(|source| HomeError::Io { path: path.clone(), source })?;
            if let Some((generation, text)) = decode(&bytes)
                && found.as_ref().is_none_or(|(newest, _)| *newest < generation)
            {
                found = Some((generation, text.to_owned()));
            }
            Ok(Place { path, file, len: bytes.len() as u64 })
        };
        let places = [open(0)?, open(1)?];
        let (generation, text) = found.unzip();
        let generation = generation.unwrap_or(0);
        if generation == 0 {
            home.sync()?;
        }
        Ok((Self { places, generation, scratch: Vec::new() }, text))
    }

    /// Stores `text`; it is on the disk when this returns.
    ///
    /// # Errors
    /// If it cannot be written: the text before is still there.
    pub(crate) fn store(&mut self, text: &str) -> Result<(), HomeError> {
        let generation = self.generation + 1;
        let [even, odd] = &mut self.places;
        let place = if generation.is_multiple_of(2) { even } else { odd };
        self.scratch.clear();
        encode(generation, text.as_bytes(), &mut self.scratch);
        let written = place.write(&self.scratch);
        // A batch can be a thousand times as long as the next one.
        self.scratch.shrink_to(HEAD);
        written.map_err(|source| HomeError::Io { path: place.path.clone(), source })?;
        self.generation = generation;
        Ok(())
    }
}

impl Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = bytes.len() as u64;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(bytes)?;
        self.len = self.len.max(len);
        if self.len > LONG && self.len / 2 > len {
            self.file.set_len(len)?;
            self.len = len;
        }
        self.file.sync_data()
    }
}

fn encode(generation: u64, text: &[u8], bytes: &mut Vec<u8>) {
    let len = (text.len() as u64).to_be_bytes();
    let generation = generation.to_be_bytes();
    bytes.extend(generation);
    bytes.extend(len);
    bytes.extend(sum(generation, len, text).to_be_bytes());
    bytes.extend(text);
}

fn sum(generation: [u8; 8], len: [u8; 8], text: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    for part in [&generation, &len, text] {
        sum.update(part);
    }
    sum.finalize()
}

/// Returns generation and text; what stands behind the text is left of a longer one.
fn decode(bytes: &[u8]) -> Option<(u64, &str)> {
    let (generation, rest) = bytes.split_first_chunk::<8>()?;
    let (len, rest) = rest.split_first_chunk::<8>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let text = rest.get(..usize::try_from(u64::from_be_bytes(*len)).ok()?)?;
    let number = u64::from_be_bytes(*generation);
    // What is all zero has the check sum of something else; zero is no generation anyhow.
    let whole = number > 0 && sum(*generation, *len, text) == u32::from_be_bytes(*crc);
    Some((number, std::str::from_utf8(text).ok()?)).filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::take(&folder.path().join("agent")).unwrap();
        (folder, home)
    }

    fn stored(home: &Home) -> Option<String> {
        Twice::open(home, "x").unwrap().1
    }

    #[test]
    fn the_last_text_comes_back_also_after_a_longer_one() {
        let (_folder, home) = home();
        assert_eq!(stored(&home), None);
        for text in ["one", "", "a much longer one than those before and after", "two", "drei ä"] {
            let (mut twice, _) = Twice::open(&home, "x").unwrap();
            twice.store(text).unwrap();
            assert_eq!(stored(&home).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_write_that_was_torn_anywhere_leaves_the_text_before() {
        let (_folder, home) = home();
        let (mut twice, _) = Twice::open(&home, "x").unwrap();
        for text in ["first", "second"] {
            twice.store(text).unwrap();
        }
        let mut third = Vec::new();
        encode(3, b"third", &mut third);
        let path = home.path().join("x.1");
        let before = std::fs::read(&path).unwrap();
        for written in 1..third.len() {
            let mut torn = third[..written].to_vec();
            torn.extend(before.get(written..).unwrap_or_default());
            std::fs::write(&path, torn).unwrap();
            assert_eq!(stored(&home).as_deref(), Some("second"), "{written} bytes");
        }
        // And the next one goes where the torn one is.
        let (mut twice, _) = Twice::open(&home, "x").unwrap();
        twice.store("fourth").unwrap();
        assert_eq!(stored(&home).as_deref(), Some("fourth"));
    }

    #[test]
    fn what_was_long_once_does_not_stay_long() {
        let (_folder, home) = home();
        let (mut twice, _) = Twice::open(&home, "x").unwrap();
        let len = || std::fs::metadata(home.path().join("x.1")).unwrap().len();
        twice.store(&"long ".repeat(100_000)).unwrap();
        assert!(len() > 500_000);
        twice.store("a").unwrap();
        twice.store("b").unwrap();
        assert!(len() < 100);
        assert_eq!(stored(&home).as_deref(), Some("b"));
    }
}
