//! Backups, the end of a quarantine, samples that are erased, and samples as text.

use std::path::PathBuf;
use std::time::Duration;

use hark_api::keeping::{Backup, ErasePlan, Export, ExportFormat, ExportRequest, ImportRequest};
use hark_model::time::Clock;
use hark_model::{HostId, HostName, SeriesDef, SeriesName, Unix};
use hark_store::history::{Brought, EraseError, Erasure, ImportError, Imported, weigh};
use hark_store::state::StateReader;
use hark_web::{Answer, EraseOrder, Keeping, Refused, Told};

use super::ServerBackend;
use crate::exchange::bring::{Bringer, Keeper};
use crate::exchange::read::MAX_LINE;
use crate::exchange::write::{Wanted, means};
use crate::exchange::{self, Form};
use crate::server::links::Links;
use crate::server::store_loop::chain;
use crate::server::{exports, quarantine};

/// How often it is looked how far an erasure has come.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Lines of an import after which it is looked whether it is to go on.
const LOOK_LINES: u64 = 1000;

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

    fn export(&self, order: &ExportRequest, told: Told<'_>) -> Answer<String> {
        let fits = |name: &HostName| {
            let mut patterns = order.hosts.iter();
            order.hosts.is_empty() || patterns.any(|one| exchange::fits(one, name.as_str()))
        };
        let names = self.read(StateReader::host_names)?;
        let mut hosts: Vec<_> = names.into_iter().filter(|(_, name)| fits(name)).collect();
        if hosts.is_empty() {
            return Err(Refused::Conflict("no host fits".to_owned()));
        }
        hosts.sort_by(|a, b| a.1.cmp(&b.1));
        let wanted = Wanted {
            hosts,
            metrics: order.metrics.clone(),
            from: order.from.map_or(Unix(0), |at| at.0),
            to: order.to.map_or_else(|| Clock.now().unix, |at| at.0),
        };
        let form = match order.format {
            ExportFormat::Openmetrics => Form::Openmetrics,
            ExportFormat::Csv => Form::Csv,
            ExportFormat::Jsonl => Form::Jsonl,
        };
        let dir = self.links.ask_history(|history| history.dir().to_owned()).ok_or_else(stopped)?;
        let made = self.links.exports.make(&dir, &wanted, form, told);
        made.map_err(|error| Refused::Conflict(chain(&error)))
    }

    fn exports(&self) -> Answer<Vec<Export>> {
        Ok(self.links.exports.list())
    }

    fn exported(&self, name: &str) -> Answer<PathBuf> {
        self.links.exports.path(name).ok_or(Refused::Absent)
    }

    fn remove_export(&self, name: &str) -> Answer<()> {
        exports::remove(&self.exported(name)?);
        Ok(())
    }

    fn import(&self, brought: &ImportRequest, told: Told<'_>) -> Answer<String> {
        let names = self.read(StateReader::host_names)?;
        let mut keeper = Beside(&self.links);
        let mut bringer = Bringer::new(&mut keeper, names, brought.host.clone(), BATCH);
        let total = brought.text.len() as u64;
        let mut done = 0;
        let cut_off = |bringer: &Bringer<'_>, why: &str| {
            Refused::Conflict(format!("{why}: {}; it can be brought again", bringer.sums().words()))
        };
        for (n, line) in (0u64..).zip(brought.text.split_inclusive('\n')) {
            done += line.len() as u64;
            if n.is_multiple_of(LOOK_LINES) && !told(done, total) {
                return Err(cut_off(&bringer, "it was ended"));
            }
            if line.len() > MAX_LINE {
                let text = format!("line {} is longer than any that is written", n + 1);
                return Err(cut_off(&bringer, &text));
            }
            bringer.line(line.as_bytes()).map_err(|error| cut_off(&bringer, &chain(&error)))?;
        }
        bringer.bring().map_err(|error| cut_off(&bringer, &chain(&error)))?;
        let sums = bringer.sums();
        let words = [vec![sums.words()], sums.left_out()].concat().join("; ");
        let is_nothing = sums.imported.taken + sums.imported.known == 0;
        if is_nothing { Err(Refused::Conflict(words)) } else { Ok(words) }
    }
}

/// Samples that are added at once: what the thread is held up by that keeps samples is some hundredths of a second.
const BATCH: usize = 5000;

/// Hosts whose series are asked for at once: some milliseconds of that thread.
const HOSTS_AT_ONCE: usize = 100;

/// History as an import sees it that goes on beside everything else.
struct Beside<'l>(&'l Links);

impl Keeper for Beside<'_> {
    fn series_of_all(&mut self, hosts: &[HostId]) -> Vec<Vec<SeriesDef>> {
        let mut found = Vec::with_capacity(hosts.len());
        for some in hosts.chunks(HOSTS_AT_ONCE) {
            let (n, some) = (some.len(), some.to_vec());
            let known = self.0.ask_history(move |history| {
                some.iter().map(|host| history.series_of(*host)).collect()
            });
            found.extend(known.unwrap_or_else(|| vec![Vec::new(); n]));
        }
        found
    }

    fn import(&mut self, batch: &[Brought]) -> Result<Imported, ImportError> {
        let batch = batch.to_vec();
        let done = self.0.ask_history(move |history| history.import(&batch, Clock.now()));
        done.unwrap_or(Err(ImportError::Stopped))
    }
}

impl ServerBackend {
    /// Returns what an order means to history, and how many series that is.
    fn erasure(&self, order: &EraseOrder) -> Answer<(Erasure, u64)> {
        let host = self.links.hosts.number(&order.host).ok_or(Refused::Absent)?;
        let declared = self.links.ask_history(move |h| h.series_of(host)).ok_or_else(stopped)?;
        let is_meant =
            |def: &&SeriesDef| order.metric.as_ref().is_none_or(|pattern| means(pattern, def));
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
