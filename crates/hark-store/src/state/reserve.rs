//! Room kept for the worst moment: a file that is given up when the disk is full, so that alerting
//! can go on writing while somebody makes room.

use std::path::{Path, PathBuf};

use crate::disk::{Disk, LEAST_ROOM};

/// Size of the reserve: some 50,000 transitions with their journal lines and messages.
const SIZE: usize = 8 * 1024 * 1024;

/// The reserve is taken back only when twice its size is free; otherwise it would take the very
/// room that the next commit needs, and be given up again.
const ROOM_TO_RETURN: usize = 2 * SIZE;

const _: () = assert!(ROOM_TO_RETURN as u64 <= LEAST_ROOM);

const BLOCK: usize = 64 * 1024;

/// The reserve file.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    disk: Disk,
    released: bool,
}

impl Reserve {
    /// Opens the reserve in `dir`, making it if there is room.
    pub(super) fn open(dir: &Path, disk: Disk) -> Self {
        let mut reserve = Self { path: dir.join("reserve"), disk, released: true };
        let size = std::fs::metadata(&reserve.path).map_or(0, |m| m.len());
        if size >= SIZE as u64 {
            reserve.released = false;
        } else {
            reserve.restore();
        }
        reserve
    }

    pub(super) fn is_released(&self) -> bool {
        self.released
    }

    /// Gives the room free. Returns true if there was any to give.
    pub(super) fn release(&mut self) -> bool {
        if self.released {
            return false;
        }
        self.released = true;
        match self.disk.remove(&self.path) {
            Ok(()) => {
                tracing::warn!(path = %self.path.display(), "disk full: reserve released");
                true
            }
            Err(error) => {
                tracing::error!(%error, path = %self.path.display(), "reserve not released");
                false
            }
        }
    }

    /// Takes the room back if there is enough of it.
    pub(super) fn restore(&mut self) {
        if !self.released {
            return;
        }
        match self.fill() {
            Ok(()) => self.released = false,
            Err(error) => {
                tracing::debug!(%error, "no room for the reserve yet");
                if let Err(error) = self.disk.remove(&self.path) {
                    tracing::warn!(%error, path = %self.path.display(), "reserve left behind");
                }
            }
        }
    }

    fn fill(&self) -> std::io::Result<()> {
        let file = self.disk.open(&self.path)?;
        let block = vec![0u8; BLOCK];
        for offset in (0..ROOM_TO_RETURN).step_by(BLOCK) {
            self.disk.write_at(&file, &block, offset as u64)?;
        }
        file.set_len(SIZE as u64)?;
        self.disk.sync(&file)
    }
}
