//! What can go wrong with a disk, told apart by what must be done about it.

use std::io;

use rusqlite::ErrorCode;

/// The kinds of failure of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// No room left: comes right by itself once there is room.
    Full,
    /// Reading, writing or syncing failed: what is on the disk is not known. Stop and start again
    /// from what is there; never sync the same pages again and hope.
    Io,
    /// What was read is not what was written.
    Corrupt,
    /// Another process holds the file.
    Busy,
    /// Anything else: a wrong path, missing rights, a mistake in this program.
    Other,
}

impl Fault {
    /// Returns the kind of an error of the operating system.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not known is treated as the worst")]
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Corrupt,
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => Self::Other,
            _ => Self::Io,
        }
    }

    /// Returns the kind of an error of `SQLite`.
    #[expect(clippy::wildcard_enum_match_arm, reason = "SQLite has a hundred codes; four matter")]
    pub fn of_sql(error: &rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::Full,
                ErrorCode::SystemIoFailure | ErrorCode::ReadOnly => Self::Io,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt,
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }

    /// Returns what it is, in words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Full => "the disk is full",
            Self::Io => "the disk failed to read or write",
            Self::Corrupt => "what is on the disk is damaged",
            Self::Busy => "another process holds the file",
            Self::Other => "the file cannot be used",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let full = io::Error::from_raw_os_error(28);
        let quota = io::Error::from_raw_os_error(122);
        let broken = io::Error::from_raw_os_error(5);
        assert_eq!(Fault::of_io(&full), Fault::Full);
        assert_eq!(Fault::of_io(&quota), Fault::Full);
        assert_eq!(Fault::of_io(&broken), Fault::Io);
    }
}
