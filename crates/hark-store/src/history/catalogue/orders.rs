//! What is to be erased, from the order on until nothing of it is left: a start goes on with it.

use std::time::Duration;

use hark_model::record::HostId;
use hark_model::{SeriesName, Unix};
use rusqlite::params;

use super::Catalogue;
use crate::history::Trouble;
use crate::history::erase::Erasure;

/// Beside the version of the rest: an older program that does not know it leaves it alone. Without
/// `before_ms` a host is erased as a whole, and `names` are the sets that only it may have had; else
/// `names` are the series, all of the host's if there are none.
pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS erasure (
  id INTEGER PRIMARY KEY AUTOINCREMENT, host INTEGER NOT NULL, before_ms INTEGER, names TEXT
) STRICT;
";

/// A series as it lies in an order: collector, instance, metric.
type StoredName = (String, String, String);

impl Catalogue {
    /// Notes an order; the host of one that erases it as a whole is not known from here on. To be
    /// committed.
    pub(in crate::history) fn order(&mut self, erasure: &Erasure) -> Result<i64, Trouble> {
        let (host, before, names) = match erasure {
            Erasure::Host(host) => {
                let sets: Vec<u32> = self.sets_of(host.0).map(|(set, _)| set).collect();
                (host.0, None, serde_json::to_string(&sets).ok())
            }
            Erasure::Part { host, series, before } => {
                let stored = |n: &SeriesName| -> StoredName {
                    (n.collector.clone(), n.instance.clone(), n.metric.clone())
                };
                let names = series.as_ref().map(|all| all.iter().map(stored).collect::<Vec<_>>());
                (host.0, Some(before.0), names.and_then(|all| serde_json::to_string(&all).ok()))
            }
        };
        self.begin()?;
        self.connection
            .prepare_cached("INSERT INTO erasure (host, before_ms, names) VALUES (?1, ?2, ?3)")?
            .execute(params![host, before, names])?;
        let id = self.connection.last_insert_rowid();
        if let Erasure::Host(host) = erasure {
            self.forget(host.0)?;
        }
        Ok(id)
    }

    /// Returns the orders that are not carried out, in the order in which they came.
    pub(in crate::history) fn orders(&self) -> Result<Vec<(i64, Erasure)>, Trouble> {
        let sql = "SELECT id, host, before_ms, names FROM erasure ORDER BY id";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut orders = Vec::new();
        while let Some(row) = rows.next()? {
            let (host, before, names) = (HostId(row.get(1)?), row.get(2)?, row.get(3)?);
            orders.push((row.get(0)?, erasure(host, before, names)));
        }
        Ok(orders)
    }

    /// Retires the sets of series that only the hosts had of which these orders are: their numbers are never
    /// given again. To be committed.
    pub(in crate::history) fn retire(&mut self, orders: &[i64]) -> Result<(), Trouble> {
        let mut retired = Vec::new();
        for id in orders {
            let sql = "SELECT names FROM erasure WHERE id = ?1 AND before_ms IS NULL";
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query([id])?;
            while let Some(row) = rows.next()? {
                let names: Option<String> = row.get(0)?;
                let sets: Option<Vec<u32>> = names.and_then(|n| serde_json::from_str(&n).ok());
                retired.extend(sets.unwrap_or_default());
            }
        }
        self.begin()?;
        retired.retain(|set| !self.hosts.values().any(|sets| sets.contains_key(set)));
        for set in retired {
            if self.sets.remove(&set).is_none() {
                continue;
            }
            self.numbers.retain(|_, number| *number != set);
            self.connection
                .prepare_cached("DELETE FROM series_set WHERE id = ?1")?
                .execute([set])?;
            // Whoever follows the catalogue hears of new sets only: it begins anew.
            self.readings += 1;
        }
        Ok(())
    }

    /// Notes that orders are carried out. To be committed.
    pub(in crate::history) fn carried_out(&mut self, orders: &[i64]) -> Result<(), Trouble> {
        self.begin()?;
        for id in orders {
            self.connection.prepare_cached("DELETE FROM erasure WHERE id = ?1")?.execute([id])?;
        }
        self.is_spare_old = true;
        Ok(())
    }

    /// Writes what was committed to its place, so that nothing of what was before is left beside it.
    /// Returns false if somebody reads; it can be tried again.
    pub(in crate::history) fn checkpoint(&self) -> Result<bool, Trouble> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.busy_timeout(Duration::ZERO)?;
        let is_busy = self.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        self.connection.busy_timeout(super::PATIENCE)?;
        Ok(is_busy? == 0)
    }
}

fn erasure(host: HostId, before: Option<i64>, names: Option<String>) -> Erasure {
    let Some(before) = before else { return Erasure::Host(host) };
    let stored: Option<Vec<StoredName>> = names.and_then(|names| serde_json::from_str(&names).ok());
    let name = |(collector, instance, metric)| SeriesName { collector, instance, metric };
    let series = stored.map(|all| all.into_iter().map(name).collect());
    Erasure::Part { host, series, before: Unix(before) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an earlier program has written must be carried out by each later one.
    #[test]
    fn orders_of_the_first_form_are_read_and_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::open(dir.path()).unwrap();
        let name = SeriesName::of("disk_monitor", "/", "percent");
        let part = |series| Erasure::Part { host: HostId(7), series, before: Unix(1000) };
        let orders = [Erasure::Host(HostId(3)), part(Some(vec![name])), part(None)];
        for order in &orders {
            catalogue.order(order).unwrap();
        }
        catalogue.commit().unwrap();
        let sql = "SELECT host || ' ' || ifnull(before_ms, '-') || ' ' || ifnull(names, '-')
                   FROM erasure ORDER BY id";
        let mut statement = catalogue.connection.prepare(sql).unwrap();
        let stored = statement.query_map([], |row| row.get(0)).unwrap();
        let stored: Vec<String> = stored.map(Result::unwrap).collect();
        let expected = ["3 - []", "7 1000 [[\"disk_monitor\",\"/\",\"percent\"]]", "7 1000 -"];
        assert_eq!(stored, expected);
        drop(statement);
        drop(catalogue);
        let mut catalogue = Catalogue::open(dir.path()).unwrap();
        let found = catalogue.orders().unwrap();
        assert_eq!(
            found.iter().map(|(_, order)| order).collect::<Vec<_>>(),
            orders.iter().collect::<Vec<_>>()
        );
        catalogue.carried_out(&[1, 3]).unwrap();
        catalogue.commit().unwrap();
        assert_eq!(catalogue.orders().unwrap(), [found[1].clone()]);
        let next = catalogue.order(&orders[0]).unwrap();
        assert_eq!(next, 4, "a number is not given again");
    }
}
