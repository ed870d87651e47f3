//! The thread that looks at other hosts for the server, seen from the loop.

use super::{Agent, MAX_AT_ONCE};
use crate::inlet::inlet;
use crate::site::{SiteThread, ToSite};

impl Agent {
    /// Has looked at what is given, by a thread that is there only if something is. Other probes are told to
    /// the thread that is there, so that a change of one leaves the others as they are.
    pub(super) fn change_probes(&mut self) {
        if self.probes.is_empty() {
            self.end_probes();
            return;
        }
        if let Some((thread, _)) = &self.site_at_work
            && thread.tell(ToSite::Probes(self.probes.list()))
        {
            return;
        }
        self.end_probes();
        let started = inlet().and_then(|(inlet, outlet)| {
            Ok((SiteThread::start(&self.probes, &self.site.uplink, inlet)?, outlet))
        });
        match started {
            Ok(started) => self.site_at_work = Some(started),
            Err(error) => tracing::error!(%error, "this site looks at nothing"),
        }
    }

    /// Takes in what the site has found.
    pub(super) fn take_from_site(&mut self) {
        let Some((_, outlet)) = &mut self.site_at_work else { return };
        let mut taken = Vec::new();
        outlet.take(MAX_AT_ONCE, &mut taken);
        let lost = outlet.take_lost();
        if lost > 0 {
            tracing::warn!(lost, "results of probes are lost: more came than can be taken in");
        }
        self.take_in(taken);
    }

    /// Ends the thread; what it found last is still taken in.
    pub(super) fn end_probes(&mut self) {
        self.take_from_site();
        self.site_at_work = None;
    }
}
