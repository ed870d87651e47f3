//! Tells the server of collectors that somebody asked for and that find nothing to look at.

use hark_model::{Now, Status};
use hark_proto::ReportItem;

use super::Agent;
use crate::own_check;

/// The check that says so.
const CHECK: &str = "collectors";

/// Is there once [`CHECK`] was told: from then on it has to be kept true.
const TOLD: &str = "absences-told";

impl Agent {
    /// Tells what has changed. A host where all is well has no check of it.
    pub(super) fn tell_absences(&mut self, now: Now) {
        let Some(lines) = self.heart.sampler.changed_absences().map(str::to_owned) else { return };
        let was_told = matches!(self.home.read(TOLD), Ok(Some(_)));
        if lines.is_empty() && !was_told {
            return;
        }
        if !was_told && let Err(error) = self.home.write(TOLD, "") {
            tracing::debug!(%error, "cannot note that absent collectors were told of");
        }
        if !lines.is_empty() {
            tracing::warn!(lines, "collectors that are asked for find nothing to look at");
        }
        self.heart.sender.report(&result(lines, now), now);
    }
}

fn result(lines: String, now: Now) -> ReportItem {
    let (status, text) = if lines.is_empty() {
        (Status::Ok, "all that are asked for have something to look at".to_owned())
    } else {
        (Status::Warning, lines)
    };
    own_check::result(CHECK, status, text, now)
}
