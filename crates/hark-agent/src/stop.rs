//! The way to end an agent from elsewhere.

use std::io;
use std::sync::{Arc, Mutex};

use hark_plugin::Waited;

use crate::sys::{PipeReader, PipeWriter, pipe};

/// Ends an agent: [`crate::Agent::run`] comes back within a second. Copies are the same stop.
#[derive(Clone, Debug)]
pub struct Stop(Arc<Ends>);

/// A pipe: closing its only writing end makes the other readable for ever, and that can be waited
/// on together with sockets.
#[derive(Debug)]
struct Ends {
    reader: PipeReader,
    writer: Mutex<Option<PipeWriter>>,
}

impl Stop {
    /// Makes one that is not stopped.
    ///
    /// # Errors
    /// If the process has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = pipe()?;
        Ok(Self(Arc::new(Ends { reader, writer: Mutex::new(Some(writer)) })))
    }

    /// Ends the agent, once and for all.
    pub fn stop(&self) {
        // Whoever panicked while holding it can only have been doing the same.
        let mut writer = self.0.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(writer.take());
    }

    /// Returns what becomes readable with the stop.
    pub(crate) fn descriptor(&self) -> Waited<'_> {
        hark_plugin::waited(&self.0.reader)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn any_copy_stops_all() {
        let stop = Stop::new().unwrap();
        let copy = stop.clone();
        let stopped = |stop: &Stop| {
            crate::sys::readable([Some(stop.descriptor())], Duration::ZERO).unwrap()[0]
        };
        assert!(!stopped(&stop));
        copy.stop();
        copy.stop();
        assert!(stopped(&stop) && stopped(&copy));
    }
}
