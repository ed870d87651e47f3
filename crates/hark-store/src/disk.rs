//! The narrow way to the disk, and the place where tests break it.
//!
//! Every write of this crate that is not `SQLite`'s goes through [`Disk`], and every commit of `SQLite`
//! passes it before its first statement, after each record and before and after its end. A
//! [`FaultPlan`] counts these *write points* and makes one of them fail, tear or be the last thing
//! that ever happened. In a real server the plan is absent and costs one branch.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Room in bytes that state and history want on their disk: with less it is soon full, and history stops. The log
/// and the blocks of a busy server grow by as much before the oldest of them can go, and the state takes its
/// reserve back out of it. Whoever else writes on this disk leaves so much.
pub const LEAST_ROOM: u64 = 256 * 1024 * 1024;

/// What happens at a write point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// No room (`ENOSPC`), this once.
    Full,
    /// The device fails (`EIO`), this once.
    Io,
    /// So many bytes are written, then the machine dies: this and every later write point fails.
    Tear(usize),
    /// The machine dies before the write: this and every later write point fails.
    Crash,
}

/// A plan of what breaks when: counts write points, breaks the one it was told to.
#[derive(Debug, Default)]
pub struct FaultPlan {
    points: AtomicU64,
    dead: AtomicBool,
    full: AtomicBool,
    plan: Mutex<Option<(u64, Break)>>,
}

impl FaultPlan {
    /// Makes a plan that only counts.
    pub fn counting() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Makes a plan that breaks the write point number `point`, counted from 0.
    pub fn at(point: u64, what: Break) -> Arc<Self> {
        let plan = Self::default();
        plan.break_at(point, what);
        Arc::new(plan)
    }

    /// Breaks the write point number `point` instead of the one planned before.
    pub fn break_at(&self, point: u64, what: Break) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some((point, what));
    }

    /// Breaks nothing any more; a machine that has died stays dead.
    pub fn mend(&self) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.fill(false);
    }

    /// Returns how many write points were passed.
    pub fn points(&self) -> u64 {
        self.points.load(Ordering::Relaxed)
    }

    /// Makes the disk full until told otherwise.
    pub fn fill(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Returns true once the machine has died.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Passes one write point of `len` bytes.
    fn pass(&self, len: usize) -> Result<(), (usize, io::Error)> {
        let point = self.points.fetch_add(1, Ordering::Relaxed);
        if self.is_dead() {
            return Err((0, io::Error::other("the machine is dead")));
        }
        if len > 0 && self.full.load(Ordering::Relaxed) {
            return Err((0, io::Error::from(io::ErrorKind::StorageFull)));
        }
        let plan = *self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, what)) = plan else { return Ok(()) };
        if at != point {
            return Ok(());
        }
        match what {
            Break::Full => Err((len / 2, io::Error::from(io::ErrorKind::StorageFull))),
            Break::Io => Err((0, io::Error::from_raw_os_error(5))),
            Break::Tear(keep) => {
                self.dead.store(true, Ordering::Relaxed);
                Err((keep.min(len), io::Error::other("the machine died while writing")))
            }
            Break::Crash => {
                self.dead.store(true, Ordering::Relaxed);
                Err((0, io::Error::other("the machine died")))
            }
        }
    }
}

/// The disk as this crate uses it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    plan: Option<Arc<FaultPlan>>,
}

impl Disk {
    /// Returns the real disk.
    pub fn real() -> Self {
        Self::default()
    }

    /// Returns a disk that breaks as `plan` says.
    pub fn breaking(plan: Arc<FaultPlan>) -> Self {
        Self { plan: Some(plan) }
    }

    /// Passes a write point that writes nothing by itself (a commit of `SQLite`).
    ///
    /// # Errors
    /// If the plan says so.
    pub fn point(&self) -> io::Result<()> {
        match &self.plan {
            None => Ok(()),
            Some(plan) => plan.pass(0).map_err(|(_, error)| error),
        }
    }

    /// Passes a write point of `SQLite` that needs room.
    ///
    /// # Errors
    /// If the plan says so.
    pub fn point_with_room(&self) -> io::Result<()> {
        match &self.plan {
            None => Ok(()),
            Some(plan) => plan.pass(1).map_err(|(_, error)| error),
        }
    }

    /// Opens a file for reading and writing, making it if it is not there.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        self.point()?;
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Of the operating system; some of the bytes may have been written.
    pub fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Some(plan) = &self.plan
            && let Err((kept, error)) = plan.pass(bytes.len())
        {
            write_all_at(file, bytes.get(..kept).unwrap_or(bytes), offset)?;
            return Err(error);
        }
        write_all_at(file, bytes, offset)
    }

    /// Writes all of `bytes` at the end of an append-only stream.
    ///
    /// # Errors
    /// Of the operating system; some of the bytes may have been written.
    pub fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        if let Some(plan) = &self.plan
            && let Err((kept, error)) = plan.pass(bytes.len())
        {
            file.write_all(bytes.get(..kept).unwrap_or(bytes))?;
            return Err(error);
        }
        file.write_all(bytes)
    }

    /// Makes what was written to `file` survive a power cut.
    ///
    /// # Errors
    /// Of the operating system. After a failure nothing is known of what was written since the last
    /// success: give the file up, do not sync it again.
    pub fn sync(&self, file: &File) -> io::Result<()> {
        self.point()?;
        file.sync_data()
    }

    /// Makes the names in folder `dir` survive a power cut.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.point()?;
        sync_names(dir)
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.point()?;
        fs::rename(from, to)
    }

    /// Removes a file; one that is not there is fine.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.point()?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}
/// Writes all, from `offset` on.
#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Fills `bytes`, from `offset` on.
#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

#[cfg(unix)]
fn sync_names(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// As above; the file's own position moves with it, which nobody here goes by.
#[cfg(windows)]
fn write_all_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use io::Seek as _;
    file.seek(io::SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

/// As above; the file's own position moves with it, which nobody here goes by.
#[cfg(windows)]
pub(crate) fn read_exact_at(mut file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    use io::{Read as _, Seek as _};
    file.seek(io::SeekFrom::Start(offset))?;
    file.read_exact(bytes)
}

/// Names are in the journal of the file system there; a folder cannot be brought to the disk.
#[cfg(windows)]
fn sync_names(_dir: &Path) -> io::Result<()> {
    Ok(())
}
