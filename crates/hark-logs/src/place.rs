//! Where reading of a file stands, in a form that survives renaming, copying, packing and restarts.

use std::fs::File;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use crate::sys::{self, Facts};

/// How many bytes at a file's beginning tell it from others: some lines, which begin with a time.
const PRINT: usize = 1024;

/// The first bytes of a file, in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    /// Of how many bytes.
    len: u32,
    sum: u32,
}

impl Fingerprint {
    /// Takes the one of what begins with `bytes`.
    fn of(bytes: &[u8]) -> Self {
        let bytes = bytes.get(..PRINT).unwrap_or(bytes);
        // A file's length is no more than PRINT here.
        Self { len: u32::try_from(bytes.len()).unwrap_or(0), sum: crc32fast::hash(bytes) }
    }

    /// Takes the one of a file.
    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        let mut bytes = [0; PRINT];
        let len = read_at(file, &mut bytes, 0)?;
        Ok(Self::of(bytes.get(..len).unwrap_or_default()))
    }

    /// Takes the one of what a packed file holds.
    pub(crate) fn of_packed(file: File) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(PRINT);
        MultiGzDecoder::new(file).take(PRINT as u64).read_to_end(&mut bytes)?;
        Ok(Self::of(&bytes))
    }

    /// Returns true if it says nothing: the file was empty.
    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Returns true if it covers as much as one can.
    pub(crate) fn is_full(self) -> bool {
        self.len as usize == PRINT
    }

    /// Returns true if `file` begins as this does. It may be longer now.
    pub(crate) fn fits(self, file: &File) -> io::Result<bool> {
        let mut bytes = [0; PRINT];
        let bytes = bytes.get_mut(..self.len as usize).unwrap_or_default();
        let len = read_at(file, bytes, 0)?;
        Ok(len == bytes.len() && crc32fast::hash(bytes) == self.sum)
    }

    /// As [`Fingerprint::fits`], for what a packed file holds.
    pub(crate) fn fits_packed(self, file: File) -> io::Result<bool> {
        let mut bytes = Vec::with_capacity(PRINT);
        MultiGzDecoder::new(file).take(u64::from(self.len)).read_to_end(&mut bytes)?;
        Ok(bytes.len() == self.len as usize && crc32fast::hash(&bytes) == self.sum)
    }
}

/// Where reading stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Which file system.
    pub(crate) dev: u64,
    /// Which file on it.
    pub(crate) ino: u64,
    /// How many bytes of it are done with.
    pub(crate) offset: u64,
    /// How it begins.
    pub(crate) print: Fingerprint,
    /// Whether that is within a line that is too long, whose rest is skipped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) within_long: bool,
    /// Watches and numbers of their patterns that were found in the line that begins here and has
    /// no end yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) seen: Vec<(String, usize)>,
}

impl Place {
    /// The beginning of a file.
    pub(crate) fn beginning(file: &File, found: &Facts) -> io::Result<Self> {
        Ok(Self {
            dev: found.dev,
            ino: found.ino,
            print: Fingerprint::of_file(file)?,
            ..Self::default()
        })
    }

    /// The place after the last whole line of a file.
    pub(crate) fn end(file: &File, found: &Facts) -> io::Result<Self> {
        let mut place = Self::beginning(file, found)?;
        place.offset = last_line_end(file, found.len)?;
        Ok(place)
    }

    /// Returns true if `found` is the file.
    pub(crate) fn is_in(&self, found: &Facts) -> bool {
        (self.dev, self.ino) == (found.dev, found.ino)
    }

    /// Goes on by `len` bytes.
    pub(crate) fn advance(&mut self, len: usize) {
        if len > 0 {
            self.offset += len as u64;
            self.seen.clear();
        }
    }
}

/// Finds where the last line begins that has no end: what is there already is no news, but a line
/// that is being written is one.
fn last_line_end(file: &File, len: u64) -> io::Result<u64> {
    const STEP: u64 = 4096;
    let from = len.saturating_sub(STEP);
    let mut bytes = [0; 4096];
    let read = read_at(file, &mut bytes, from)?;
    let bytes = bytes.get(..read).unwrap_or_default();
    Ok(memchr::memrchr(b'\n', bytes).map_or(len, |at| from + at as u64 + 1))
}

/// Reads until `bytes` is full or the file ends.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut len = 0;
    while len < bytes.len() {
        let rest = bytes.get_mut(len..).unwrap_or_default();
        match sys::read_at(file, rest, offset + len as u64) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn a_file_is_known_again_when_it_has_grown_was_copied_or_packed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "first line\n").unwrap();
        let print = Fingerprint::of_file(&File::open(&path).unwrap()).unwrap();
        assert!(!print.is_full() && !print.is_empty());
        std::fs::write(&path, "first line\nsecond\n").unwrap();
        assert!(print.fits(&File::open(&path).unwrap()).unwrap());
        let packed = folder.path().join("a.gz");
        let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
        encoder.write_all(b"first line\nsecond\n").unwrap();
        encoder.finish().unwrap();
        assert!(print.fits_packed(File::open(&packed).unwrap()).unwrap());
        std::fs::write(&path, "first").unwrap();
        assert!(!print.fits(&File::open(&path).unwrap()).unwrap());
        std::fs::write(&path, "other line\nand more").unwrap();
        assert!(!print.fits(&File::open(&path).unwrap()).unwrap());
    }

    #[test]
    fn reading_begins_after_the_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for (text, offset) in [("", 0), ("a\nb\n", 4), ("a\nbc", 2), ("abc", 3)] {
            std::fs::write(&path, text).unwrap();
            let file = File::open(&path).unwrap();
            let place = Place::end(&file, &sys::facts(&file).unwrap()).unwrap();
            assert_eq!(place.offset, offset, "{text:?}");
        }
    }
}
