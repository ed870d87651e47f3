//! Backups of the fake: one that there is, and one that is made.

use std::path::PathBuf;

use hark_api::Timestamp;
use hark_api::keeping::{Backup, ErasePlan, Export, ExportRequest, ImportRequest};
use hark_web::{Answer, EraseOrder, Keeping, Refused, Told};

use super::{Fake, THEN};

fn backup(name: &str) -> Backup {
    Backup {
        name: name.to_owned(),
        path: format!("/var/lib/hark/backups/{name}"),
        taken_at: Timestamp(THEN),
        bytes: 4096,
        with_history: true,
        damage: String::new(),
        version: "0.1.0".to_owned(),
    }
}

impl Keeping for Fake {
    fn backups(&self) -> Answer<Vec<Backup>> {
        Ok(vec![backup("hark-20261120T000000Z")])
    }

    fn back_up(&self, told: Told<'_>) -> Answer<Backup> {
        for done in 0..=3 {
            if !told(done, 3) {
                return Err(Refused::Conflict("it was ended before it was whole".to_owned()));
            }
        }
        Ok(backup("hark-20261121T000000Z"))
    }

    fn end_quarantine(&self) -> Answer<()> {
        Ok(())
    }

    fn weigh(&self, order: &EraseOrder) -> Answer<ErasePlan> {
        self.check(&order.host)?;
        Ok(ErasePlan {
            host: order.host.to_string(),
            series: 1,
            before: Timestamp(order.before),
            samples: 240,
            rows: 3,
            bytes: 300,
        })
    }

    fn erase(&self, order: &EraseOrder) -> Answer<u64> {
        self.check(&order.host)?;
        self.stored().erased.push(order.clone());
        Ok(7)
    }

    fn follow_erasing(&self, number: u64, told: Told<'_>) -> Answer<()> {
        // A pattern of nothing but stars takes for ever, so that it can be ended.
        let is_endless = self.stored().erased.last().unwrap().metric.as_deref() == Some("**");
        for done in 0.. {
            if !told(done, 4) {
                return Err(Refused::Conflict(format!("nobody hears of {number}")));
            }
            if done == 4 && !is_endless {
                return Ok(());
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn keep_the_rest(&self, number: u64) -> Answer<()> {
        self.stored().taken_back.push(number);
        Ok(())
    }

    fn export(&self, order: &ExportRequest, told: Told<'_>) -> Answer<String> {
        // One of nothing but stars takes for ever, so that it can be ended.
        let is_endless = order.metrics == ["**"];
        for done in 0.. {
            if !told(done, 4) {
                return Err(Refused::Conflict("it was ended".to_owned()));
            }
            if done == 4 && !is_endless {
                return Ok("7 samples in samples-1.csv".to_owned());
            }
            std::thread::yield_now();
        }
        Ok(String::new())
    }

    fn exports(&self) -> Answer<Vec<Export>> {
        let (name, made_at) = ("samples-1.csv".to_owned(), Timestamp(THEN));
        Ok(vec![Export { name, bytes: 7, made_at }])
    }

    fn exported(&self, name: &str) -> Answer<PathBuf> {
        // A file that is there wherever the tests run.
        let there = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        if name == "samples-1.csv" { Ok(there.into()) } else { Err(Refused::Absent) }
    }

    fn remove_export(&self, name: &str) -> Answer<()> {
        self.exported(name).map(drop)
    }

    fn import(&self, brought: &ImportRequest, told: Told<'_>) -> Answer<String> {
        let lines = brought.text.lines().count() as u64;
        if lines == 0 {
            return Err(Refused::Conflict("no sample could be taken".to_owned()));
        }
        told(lines, lines);
        Ok(format!("{lines} samples read"))
    }
}
