//! The log: sums of batches, frames in them.

use std::io;
use std::ops::ControlFlow;

use hark_model::frame::check_values;

use super::{Look, Watcher, Weight, numbered};
use crate::history::wal::Frames;
use crate::history::wal::scan::Scan;

impl Look<'_> {
    pub(super) fn log(&mut self, watcher: Watcher<'_>) -> io::Result<ControlFlow<()>> {
        for (number, path) in numbered(&self.dir.join("wal"), "log")? {
            let file = format!("wal/{number:010}.log");
            if watcher(&file).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let bytes = match std::fs::read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read?,
            };
            self.segment(&file, &bytes);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn segment(&mut self, file: &str, bytes: &[u8]) {
        let scan = Scan::of(bytes);
        for range in &scan.damaged {
            let (begin, len) = (range.start, range.len());
            self.found.damage(file, format!("{len} bytes from byte {begin} on are no batch"));
        }
        if let Some(at) = scan.torn {
            let what = format!("ends within a batch, which begins at byte {at}");
            self.found.find(file, Weight::Trace, what);
        }
        for batch in scan.batches {
            let begin = batch.start;
            for frame in Frames::new(bytes.get(batch).unwrap_or_default()) {
                self.found.log_frames += 1;
                let Some(defs) = self.sets.get(frame.set) else {
                    let what = format!(
                        "the batch at byte {begin} has a frame of set {}, which is not known",
                        frame.set
                    );
                    self.found.damage(file, what);
                    continue;
                };
                if let Err(error) = check_values(frame.values, defs.len()) {
                    // It came so, and will be left out.
                    let what =
                        format!("a frame of host {} has no such values: {error}", frame.host);
                    self.found.find(file, Weight::Trace, what);
                }
            }
        }
    }
}
