//! ZFS: the state of pools, and the cache in memory.

use std::path::PathBuf;
use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Severity, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Noticed, Root, gauge};
use crate::rate::{number, percent};
use crate::source::{Short, Source, lines, names};

/// The kind of collector.
#[derive(Debug)]
pub struct Zfs;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// What changes within seconds here is of no interest.
const EVERY: Duration = Duration::from_mins(1);

/// Bound on pools, and on names in the folder where they are.
const MAX_POOLS: usize = 64;

const MIB: f64 = 1024.0 * 1024.0;

/// The state of a pool all of whose disks work.
const WORKS: &str = "ONLINE";

impl CollectorType for Zfs {
    fn name(&self) -> &'static str {
        "zfs"
    }

    fn manual(&self) -> &'static str {
        "ZFS, from `/proc/spl/kstat/zfs`:\n\n\
         - `zfs_monitor.<pool>.healthy`: 1 while the pool's state is `ONLINE`, 0 in any other \
         (`DEGRADED`, `FAULTED`, `SUSPENDED` ...; zpoolconcepts(7)); a change is also the event \
         `zfs_pool`, with the state\n\
         - `zfs_monitor.arc_size_mb`, `arc_limit_mb`: the cache in memory and how large it may grow\n\
         - `zfs_monitor.arc_hit_percent`: reads that the cache answered since the last look"
    }

    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn example(&self) -> &'static str {
        "interval: 5m\n"
    }

    fn read(&self, _section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings)
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(ZfsCollector {
            folder: root.join("proc/spl/kstat/zfs"),
            arcstats: Source::new(root, "proc/spl/kstat/zfs/arcstats"),
            pools: Vec::new(),
            last: None,
            noticed: Vec::new(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct ZfsCollector {
    folder: PathBuf,
    arcstats: Source,
    pools: Vec<Pool>,
    /// Hits and misses at the look before.
    last: Option<(u64, u64)>,
    noticed: Vec<Noticed>,
    first: bool,
}

#[derive(Debug)]
struct Pool {
    name: String,
    state: Short,
    said: String,
}

impl Collector for ZfsCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let Some(cache) = parse(self.arcstats.read()?) else { return Err(self.arcstats.form()) };
        let mut found = names(&self.folder, MAX_POOLS * 2);
        found.retain(|name| self.folder.join(name).join("state").exists());
        found.truncate(MAX_POOLS);
        let mut change = std::mem::take(&mut self.first);
        if !found.iter().eq(self.pools.iter().map(|pool| &pool.name)) {
            let mut before = std::mem::take(&mut self.pools);
            for name in found {
                let known = before.iter().position(|pool| pool.name == name);
                self.pools.push(match known {
                    Some(place) => before.swap_remove(place),
                    None => Pool {
                        state: Short::new(self.folder.join(&name).join("state")),
                        said: WORKS.to_owned(),
                        name,
                    },
                });
            }
            change = true;
        }
        let (hits, misses) = self.last.map_or((0, 0), |(hits, misses)| {
            (cache.hits.saturating_sub(hits), cache.misses.saturating_sub(misses))
        });
        self.last = Some((cache.hits, cache.misses));
        values.extend([
            number(cache.size) / MIB,
            number(cache.limit) / MIB,
            percent(hits, hits.saturating_add(misses)),
        ]);
        for pool in &mut self.pools {
            values.push(pool.look(&mut self.noticed));
        }
        Ok(if change { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let plain = |metric, unit, decimals| {
            gauge(SeriesName::plain("zfs_monitor", metric), unit, decimals)
        };
        let mut series = vec![
            plain("arc_size_mb", Unit::Mebibytes, 0),
            plain("arc_limit_mb", Unit::Mebibytes, 0),
            plain("arc_hit_percent", Unit::Percent, 1),
        ];
        series.extend(self.pools.iter().map(|pool| {
            gauge(SeriesName::of("zfs_monitor", &pool.name, "healthy"), Unit::None, 0)
        }));
        series
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }
}

impl Pool {
    fn look(&mut self, noticed: &mut Vec<Noticed>) -> f64 {
        let Some(state) = self.state.line(|line| Some(line.to_owned())) else { return f64::NAN };
        let works = state == WORKS;
        if state != self.said {
            let severity = if works { Severity::Info } else { Severity::Critical };
            let text = format!("ZFS pool {} is {state} (was {})", self.name, self.said);
            noticed.push(Noticed { kind: "zfs_pool", severity, text });
            self.said = state;
        }
        if works { 1.0 } else { 0.0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cache {
    hits: u64,
    misses: u64,
    size: u64,
    limit: u64,
}

/// Reads `arcstats`: two lines of a head, then name, type and value.
fn parse(bytes: &[u8]) -> Option<Cache> {
    let (mut hits, mut misses, mut size, mut limit) = (None, None, None, None);
    for line in lines(bytes) {
        let mut fields = line.split_ascii_whitespace();
        let place = match fields.next() {
            Some("hits") => &mut hits,
            Some("misses") => &mut misses,
            Some("size") => &mut size,
            Some("c_max") => &mut limit,
            _ => continue,
        };
        *place = fields.nth(1).and_then(|value| value.parse().ok());
    }
    Some(Cache { hits: hits?, misses: misses?, size: size?, limit: limit? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arcstats(hits: u64, misses: u64) -> String {
        format!(
            "13 1 0x01 147 39984 5141567254 1198204539212\nname                            type data\n\
             hits                            4    {hits}\nmisses                          4    {misses}\n\
             demand_data_hits                4    3\nc_max                           4    8589934592\n\
             size                            4    4294967296\n"
        )
    }

    #[test]
    fn pools_and_cache_are_read_and_a_state_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let zfs = folder.path().join("proc/spl/kstat/zfs");
        let pool = |name: &str, state: &str| {
            std::fs::create_dir_all(zfs.join(name)).unwrap();
            std::fs::write(zfs.join(name).join("state"), format!("{state}\n")).unwrap();
        };
        pool("tank", "ONLINE");
        pool("backup", "DEGRADED");
        std::fs::create_dir_all(zfs.join("not-a-pool")).unwrap();
        std::fs::write(zfs.join("arcstats"), arcstats(1000, 100)).unwrap();
        let mut collector = Settings.make(&Root::at(folder.path()));
        let mut look = || {
            let mut values = Vec::new();
            let change = collector.collect(Mono(0), &mut values).unwrap();
            assert_eq!(values.len(), collector.series().len());
            let said: Vec<_> = collector.noticed().into_iter().map(|n| n.text).collect();
            (change, values, said)
        };
        let (change, values, said) = look();
        assert_eq!(change, Change::Other);
        assert_eq!(values[..2], [4096.0, 8192.0]);
        assert!(values[2].is_nan());
        assert_eq!(values[3..], [0.0, 1.0], "backup, tank");
        assert_eq!(said, ["ZFS pool backup is DEGRADED (was ONLINE)"]);
        std::fs::write(zfs.join("arcstats"), arcstats(1090, 110)).unwrap();
        pool("backup", "ONLINE");
        let (change, values, said) = look();
        assert_eq!(change, Change::Same);
        assert_eq!(values[2..], [90.0, 1.0, 1.0]);
        assert_eq!(said, ["ZFS pool backup is ONLINE (was DEGRADED)"]);
        std::fs::remove_dir_all(zfs.join("tank")).unwrap();
        let (change, values, said) = look();
        assert_eq!((change, values.len(), said.len()), (Change::Other, 4, 0));
    }

    #[test]
    fn other_forms_are_not_guessed_at() {
        assert!(parse(arcstats(1, 1).as_bytes()).is_some());
        for bad in ["", "hits 4 1\nmisses 4 1\nsize 4 1\n", "hits 4\nmisses 4\nsize 4\nc_max 4\n"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
