//! Files of the kernel, kept open and read again from the start.
//!
//! Opening costs as much as reading: five files kept open take 33 us a round, opened anew 63 us.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::levels::Levels;
use crate::process_table::Processes;
use crate::programs::Programs;
use crate::sys;

/// Bound on what is read of one file: `/proc/stat` of a machine with a thousand processors has some
/// 300 kB. What is longer is cut.
const MAX_LEN: usize = 1024 * 1024;

/// First size of a buffer. It grows at the first look to what the file needs: these files are made anew
/// by each read call, so that one call that takes all is cheaper than several. Beginning with 8 KiB each
/// took 150 kB of the agent, for files of which most have a line.
const FIRST_LEN: usize = 512;

/// Why there is nothing to measure.
#[derive(Debug, Error)]
pub enum Absent {
    /// The file cannot be read: not there on this kernel or in this container, or not permitted.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file has another form than this kernel interface is known for.
    #[error("{path} does not have the expected form")]
    Form {
        /// Which.
        path: PathBuf,
    },
}

impl Absent {
    /// Returns true if it is simply not there, as on most machines.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Self::Unreadable { source, .. } => {
                use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
                matches!(source.kind(), NotFound | NotADirectory | ConnectionRefused)
            }
            Self::Form { .. } => false,
        }
    }

    /// Says for people what there is nothing of.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Unreadable { path, .. } if self.is_missing() => {
                format!("there is no {}", path.display())
            }
            Self::Unreadable { path, source } => format!("{}: {source}", path.display()),
            Self::Form { .. } => self.to_string(),
        }
    }

    /// Says that nothing of it was found at `path`.
    pub(crate) fn nothing_at(path: PathBuf) -> Self {
        Self::Unreadable { path, source: io::ErrorKind::NotFound.into() }
    }
}

/// Where `/proc`, `/sys` and `/etc` are: `/` but for tests. Clones share what is looked at once for
/// all: the table of processes, and how busy the machine is.
#[derive(Clone, Debug)]
pub struct Root {
    folder: PathBuf,
    processes: Processes,
    levels: Levels,
    programs: Programs,
}

impl Root {
    /// Returns the root of this machine.
    pub fn system() -> Self {
        Self::at(Path::new("/"))
    }

    /// Returns a root elsewhere: a folder with copies of the files.
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            processes: Processes::new(folder),
            levels: Levels::new(),
            programs: Programs::default(),
        }
    }

    /// Returns `path` (without leading slash) under this root.
    pub fn join(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Returns the table of processes that all clones share.
    pub(crate) fn processes(&self) -> Processes {
        self.processes.clone()
    }

    /// Returns how busy the machine was found to be, which all clones share.
    pub(crate) fn levels(&self) -> Levels {
        self.levels.clone()
    }

    /// Returns true if this is the machine's own root, so that calls which cannot be led elsewhere
    /// (`statvfs`) mean the same machine.
    pub fn is_system(&self) -> bool {
        self.folder == Path::new("/")
    }

    /// Returns the runner of programs that all clones share.
    pub(crate) fn programs(&self) -> Programs {
        self.programs.clone()
    }

    /// Reads a short text file once, without the white space around it.
    pub fn text(&self, path: &str) -> Option<String> {
        let text = std::fs::read(self.join(path)).ok()?;
        let text = String::from_utf8_lossy(text.get(..MAX_LEN).unwrap_or(&text)).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

/// One such file.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
}

impl Source {
    /// Names the file; it is opened when first read.
    pub(crate) fn new(root: &Root, path: &str) -> Self {
        Self { path: root.join(path), file: None, buffer: Vec::new() }
    }

    /// Returns the whole content as of now.
    ///
    /// # Errors
    /// If the file cannot be opened or read; the next call tries to open it again.
    pub(crate) fn read(&mut self) -> Result<&[u8], Absent> {
        match self.fill() {
            Ok(len) => Ok(self.buffer.get(..len).unwrap_or_default()),
            Err(source) => {
                self.file = None;
                Err(Absent::Unreadable { path: self.path.clone(), source })
            }
        }
    }

    /// Returns the error that says that the content was not understood.
    pub(crate) fn form(&self) -> Absent {
        Absent::Form { path: self.path.clone() }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            empty @ None => empty.insert(File::open(&self.path)?),
        };
        if self.buffer.is_empty() {
            self.buffer.resize(FIRST_LEN, 0);
        }
        let mut len = 0;
        loop {
            let Some(rest) = self.buffer.get_mut(len..) else { return Ok(len) };
            let n = match sys::read_at(file, rest, len as u64) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            len += n;
            if n == 0 {
                return Ok(len);
            }
            if len == self.buffer.len() {
                if len >= MAX_LEN {
                    return Ok(len);
                }
                self.buffer.resize(len * 2, 0);
            }
        }
    }
}

/// Bound on a [`Short`] file: most of `/sys` is a number or a word.
const SHORT: usize = 256;

/// A file of one short line, such as most of `/sys` has: kept open, and read without a buffer of its
/// own, since there may be hundreds of them.
#[derive(Debug)]
pub(crate) struct Short {
    path: PathBuf,
    file: Option<File>,
}

impl Short {
    /// Names the file; it is opened when first read.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Gives its line, without white space around it, to `read`; none if it cannot be read as of now
    /// (many files of `/sys` are there and give an error while their device sleeps).
    pub(crate) fn line<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let mut buffer = [0; SHORT];
        let file = match &mut self.file {
            Some(file) => file,
            empty @ None => empty.insert(File::open(&self.path).ok()?),
        };
        if let Ok(len) = sys::read_at(file, &mut buffer, 0) {
            return read(std::str::from_utf8(buffer.get(..len)?).ok()?.trim());
        }
        // A device that went and came again has another file under the same name.
        self.file = None;
        None
    }

    /// Returns its line as a number.
    pub(crate) fn number(&mut self) -> Option<f64> {
        self.line(|line| line.parse::<f64>().ok().filter(|number| number.is_finite()))
    }
}

/// Returns the names in a folder, sorted, at most `max` of them; none if it cannot be read.
pub(crate) fn names(folder: &Path, max: usize) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(max);
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// Returns the lines of `bytes` that are text.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    bytes.split(|b| *b == b'\n').filter_map(|line| std::str::from_utf8(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_again_what_changed_in_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "first").unwrap();
        let mut source = Source::new(&Root::at(folder.path()), "a");
        assert_eq!(source.read().unwrap(), b"first");
        std::fs::write(folder.path().join("a"), "2").unwrap();
        assert_eq!(source.read().unwrap(), b"2");
    }

    #[test]
    fn long_files_grow_the_buffer_up_to_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        std::fs::write(folder.path().join("a"), vec![b'x'; FIRST_LEN * 3]).unwrap();
        assert_eq!(Source::new(&root, "a").read().unwrap().len(), FIRST_LEN * 3);
        std::fs::write(folder.path().join("b"), vec![b'x'; MAX_LEN * 2]).unwrap();
        assert_eq!(Source::new(&root, "b").read().unwrap().len(), MAX_LEN);
    }

    #[test]
    fn a_file_that_appears_later_is_read_then() {
        let folder = tempfile::tempdir().unwrap();
        let mut source = Source::new(&Root::at(folder.path()), "late");
        assert!(matches!(source.read(), Err(Absent::Unreadable { .. })));
        std::fs::write(folder.path().join("late"), "here").unwrap();
        assert_eq!(source.read().unwrap(), b"here");
    }

    #[test]
    fn short_files_are_read_again_and_may_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speed");
        let mut short = Short::new(path.clone());
        assert_eq!(short.number(), None);
        std::fs::write(&path, " 1000\n").unwrap();
        assert_eq!(short.number(), Some(1000.0));
        std::fs::write(&path, "-1\n").unwrap();
        assert_eq!(short.number(), Some(-1.0));
        for bad in ["", "up\n", "nan\n", "\u{fffd}"] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(short.number(), None, "{bad}");
        }
        assert_eq!(names(folder.path(), 9), ["speed"]);
        assert!(names(&path, 9).is_empty());
    }
}
