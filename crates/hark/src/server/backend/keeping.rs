//! Backups, the end of a quarantine, and samples that are erased.

use std::time::Duration;

use hark_api::keeping::{Backup, ErasePlan};
use hark_model::SeriesName;
use hark_model::time::Clock;
use hark_store::history::{EraseError, Erasure, weigh};
use hark_web::{Answer, EraseOrder, Keeping, Refused, Told};

use super::ServerBackend;
use crate::exchange::write::means;
use crate::server::quarantine;
use crate::server::store_loop::chain;

/// How often it is looked how far an erasure has come.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Keeping for ServerBackend {
    fn backups(&self) -> Answer<Vec<Backup>> {
        Ok(self.links.backups.list())
    }

    fn back_up(&self, told: Told<'_>) -> Answer<Backup> {
        let made = self.links.backups.make(told);
        made.map_err(|error| Refused::Conflict(chain(&error)))
    }

    fn end_quarantine(&self) -> Answer<()> {
        let quarantine = &self.links.quarantine;
        if !quarantine.is_on() {
            return Err(Refused::Conflict("this server is in no quarantine".to_owned()));
        }
        quarantine.end().map_err(|error| {
            Refused::Conflict(format!("the mark of the quarantine cannot be removed: {error}"))
        })?;
        tracing::warn!("the quarantine is over: people are told from here on");
        self.links.is(quarantine::PART, None);
        Ok(())
    }

    fn weigh(&self, order: &EraseOrder) -> Answer<ErasePlan> {
        let (erasure, series) = self.erasure(order)?;
        let asked = erasure.clone();
        let found = self.links.ask_history(move |h| (h.dir().to_owned(), h.loose(&asked)));
        let (dir, loose) = found.ok_or_else(stopped)?;
        let weighed = weigh(&dir, &erasure)
            .map_err(|error| Refused::Unavailable(format!("history cannot be read: {error}")))?;
        Ok(ErasePlan {
            host: order.host.to_string(),
            series,
            before: order.before.into(),
            samples: weighed.samples + loose,
            rows: weighed.rows,
            bytes: weighed.bytes,
        })
    }

    fn erase(&self, order: &EraseOrder) -> Answer<u64> {
        let (erasure, series) = self.erasure(order)?;
        if series == 0 {
            let text = format!("no series of {} fits: nothing is to be erased", order.host);
            return Err(Refused::Conflict(text));
        }
        let now = Clock.now();
        let ordered = self.links.ask_history(move |h| h.erase(&erasure, now));
        ordered.ok_or_else(stopped)?.map_err(|error| match error {
            EraseError::Stopped => stopped(),
            EraseError::Many => Refused::Conflict(error.to_string()),
        })
    }

    fn follow_erasing(&self, number: u64, told: Told<'_>) -> Answer<()> {
        loop {
            // While history is stopped it waits, as the order does.
            let found = self.links.ask_history(move |h| h.is_running().then(|| h.erasing(number)));
            match found.flatten() {
                Some(None) => return Ok(()),
                Some(Some(so_far)) if told(so_far.done, so_far.total) => {}
                None if told(0, 1) => {}
                Some(Some(_)) | None => {
                    return Err(Refused::Conflict("it goes on without being followed".to_owned()));
                }
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    fn keep_the_rest(&self, number: u64) -> Answer<()> {
        let now = Clock.now();
        let taken_back = self.links.ask_history(move |h| h.keep_the_rest(number, now));
        match taken_back.ok_or_else(stopped)? {
            // One that is done already has nothing to be taken back.
            Ok(_) => Ok(()),
            Err(EraseError::Stopped | EraseError::Many) => Err(stopped()),
        }
    }
}

impl ServerBackend {
    /// Returns what an order means to history, and how many series that is.
    fn erasure(&self, order: &EraseOrder) -> Answer<(Erasure, u64)> {
        let host = self.links.hosts.number(&order.host).ok_or(Refused::Absent)?;
        let declared = self.links.ask_history(move |h| h.series_of(host)).ok_or_else(stopped)?;
        let is_meant = |def: &&hark_model::SeriesDef| {
            order.metric.as_ref().is_none_or(|pattern| means(pattern, def))
        };
        let meant: Vec<SeriesName> =
            declared.iter().filter(is_meant).map(|def| def.name.clone()).collect();
        let n_meant = meant.len() as u64;
        let series = order.metric.is_some().then_some(meant);
        Ok((Erasure::Part { host, series, before: order.before }, n_meant))
    }
}

fn stopped() -> Refused {
    Refused::Unavailable("history is stopped".to_owned())
}
