//! What takes the place of what only Linux has.

use std::io;

use super::ClockState;

/// Would say how well the kernel's clock is kept.
pub(crate) fn clock_state() -> io::Result<ClockState> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Would ask the kernel to take this process late when memory runs out.
pub(crate) fn survive_memory_pressure() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
