//! A log file that is rotated by size.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tracing::Level;

use super::LineSink;

/// A file that is renamed to `.1` (and `.1` to `.2` …) when it reaches its size.
pub(super) struct RotatedFile {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
    open: Mutex<Open>,
}

struct Open {
    file: File,
    size: u64,
}

impl RotatedFile {
    pub(super) fn open(path: &Path, max_bytes: u64, keep: u32) -> io::Result<Self> {
        let open = Mutex::new(open(path)?);
        Ok(Self { path: path.to_owned(), max_bytes: max_bytes.max(1), keep, open })
    }

    fn write(&self, open_file: &mut Open, text: &str) -> io::Result<()> {
        let length = text.len() as u64 + 1;
        if open_file.size > 0 && open_file.size + length > self.max_bytes {
            self.rotate()?;
            *open_file = open(&self.path)?;
        }
        open_file.file.write_all(format!("{text}\n").as_bytes())?;
        open_file.size += length;
        Ok(())
    }

    fn rotate(&self) -> io::Result<()> {
        for n in (1..self.keep).rev() {
            let from = self.numbered(n);
            if from.exists() {
                std::fs::rename(from, self.numbered(n + 1))?;
            }
        }
        if self.keep == 0 {
            return std::fs::remove_file(&self.path);
        }
        std::fs::rename(&self.path, self.numbered(1))
    }

    fn numbered(&self, n: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    }
}

fn open(path: &Path) -> io::Result<Open> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let size = file.metadata()?.len();
    Ok(Open { file, size })
}

impl LineSink for RotatedFile {
    fn line(&self, _level: Level, text: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk loses log lines, never the service.
        drop(self.write(&mut open, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_as_many_as_asked_and_loses_no_line_between() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hark.log");
        let log = RotatedFile::open(&path, 20, 2).unwrap();
        for i in 0..7 {
            log.line(Level::INFO, &format!("line {i}"));
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("hark.log"), "line 6\n");
        assert_eq!(read("hark.log.1"), "line 4\nline 5\n");
        assert_eq!(read("hark.log.2"), "line 2\nline 3\n");
        assert!(!folder.path().join("hark.log.3").exists());
    }
}
