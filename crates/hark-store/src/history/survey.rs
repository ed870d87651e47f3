//! What a history holds and what takes its room: for people, read beside its owner.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use hark_model::Unix;
use hark_model::record::HostId;

use super::catalogue::reading::{FILE, Read};
use super::chunk;
use super::examine::{Watcher, numbered, open, partition_name, present};
use super::follow;
use super::level0::scan::Scan as Blocks;
use super::partition::path_of;
use super::tier::Tier;
use super::wal::Frames;
use super::wal::scan::Scan as Log;

/// So many bytes from the beginning of a chunk hold the lengths of its columns.
const HEAD: i64 = 1024;

/// From when to when there is something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The oldest.
    pub oldest: Unix,
    /// The newest.
    pub newest: Unix,
}

/// What one tier holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierSurvey {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows: chunks, or their coarser forms.
    pub rows: u64,
    /// From when to when, if there is anything.
    pub extent: Option<Extent>,
}

/// Something that takes room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Largest<T> {
    /// What.
    pub what: T,
    /// Bytes in all tiers; of a metric only in the samples.
    pub bytes: u64,
    /// Samples.
    pub samples: u64,
}

/// What a history holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The tiers, finest first.
    pub tiers: [TierSurvey; 3],
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Samples in the log. Those of its older parts are in blocks or chunks as well.
    pub log_samples: u64,
    /// Bytes of the log that are kept for those alone who read it.
    pub followed_bytes: u64,
    /// Bytes of blocks.
    pub block_bytes: u64,
    /// Samples in blocks that are in no chunk yet.
    pub block_samples: u64,
    /// Bytes of the catalogue.
    pub catalogue_bytes: u64,
    /// Series of all hosts.
    pub series: u64,
    /// Samples in chunks.
    pub samples: u64,
    /// Bytes of these chunks.
    pub sample_bytes: u64,
    /// Hosts, largest first.
    pub hosts: Vec<Largest<HostId>>,
    /// Metrics of all hosts, as `collector.metric`, largest first.
    pub metrics: Vec<Largest<String>>,
    /// Files that could not be read.
    pub unread: u64,
    /// Whether all was looked at.
    pub is_whole: bool,
}

/// Bytes and samples.
type Sums<K> = BTreeMap<K, (u64, u64)>;

/// Looks what the history in `dir` holds; its owner may run. `watcher` is told of each file.
///
/// # Errors
/// If a folder cannot be read; a damaged file is counted instead.
pub fn survey(dir: &Path, watcher: Watcher<'_>) -> io::Result<Survey> {
    let mut survey = Survey {
        log_bytes: folder_bytes(&dir.join("wal"))?,
        followed_bytes: folder_bytes(&dir.join(follow::FOLDER))?,
        block_bytes: folder_bytes(&dir.join("level0"))?,
        catalogue_bytes: std::fs::metadata(dir.join(FILE)).map_or(0, |file| file.len()),
        ..Survey::default()
    };
    let read = Read::of(dir).unwrap_or_default();
    let len = |set: &u32| read.sets.get(set).map_or(0, |series| series.len() as u64);
    survey.series = read.hosts.values().flat_map(BTreeMap::keys).map(len).sum();
    let (mut hosts, mut metrics) = (Sums::new(), Sums::new());
    survey.block_samples = Blocks::of(&dir.join("level0"))?
        .waiting
        .iter()
        .map(|found| u64::from(found.block.n_frames) * len(&found.set))
        .sum();
    for (number, path) in numbered(&dir.join("wal"), "log")? {
        if watcher(&format!("wal/{number:010}.log")).is_break() {
            return Ok(survey);
        }
        survey.log_samples += logged(&path, len)?;
    }
    let mut ended = ControlFlow::Continue(());
    'all: for (at, (tier, numbers)) in present(dir)?.into_iter().enumerate() {
        let Some(of_tier) = survey.tiers.get_mut(at) else { break };
        for number in numbers {
            ended = watcher(&partition_name(tier, number));
            if ended.is_break() {
                break 'all;
            }
            let path = path_of(dir, tier, number);
            let Ok(file) = std::fs::metadata(&path) else { continue };
            of_tier.files += 1;
            of_tier.bytes += file.len();
            let looked = rows(&path, tier, |row| {
                of_tier.rows += 1;
                let known = of_tier.extent.unwrap_or(Extent { oldest: row.from, newest: row.to });
                of_tier.extent = Some(Extent {
                    oldest: known.oldest.min(row.from),
                    newest: known.newest.max(row.to),
                });
                let of_host = hosts.entry(HostId(row.host)).or_insert((0, 0));
                of_host.0 += row.bytes;
                let Some((frames, lengths)) = row.columns else { return };
                let n_series = (lengths.len() as u64).saturating_sub(1);
                of_host.1 += frames * n_series;
                survey.samples += frames * n_series;
                survey.sample_bytes += row.bytes;
                let Some(defs) = read.sets.get(&row.set) else { return };
                for (def, length) in defs.iter().zip(lengths.iter().skip(1)) {
                    let name = format!("{}.{}", def.name.collector, def.name.metric);
                    let of_metric = metrics.entry(name).or_insert((0, 0));
                    of_metric.0 += *length as u64;
                    of_metric.1 += frames;
                }
            });
            survey.unread += u64::from(looked.is_err());
        }
    }
    survey.hosts = largest(hosts);
    survey.metrics = largest(metrics);
    survey.is_whole = ended.is_continue();
    Ok(survey)
}

/// Counts the samples of a segment of the log; `len` says how many a frame of a set has.
fn logged(path: &Path, len: impl Fn(&u32) -> u64) -> io::Result<u64> {
    let bytes = match std::fs::read(path) {
        // One that goes meanwhile is in blocks.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        read => read?,
    };
    let batches = Log::of(&bytes).batches.into_iter();
    let frames = batches.flat_map(|batch| Frames::new(bytes.get(batch).unwrap_or_default()));
    Ok(frames.map(|frame| len(&frame.set)).sum())
}

/// A row, without its values.
struct RowSize {
    host: u32,
    set: u32,
    from: Unix,
    to: Unix,
    bytes: u64,
    /// Of samples: how many frames, and how long each column is, that of the times first.
    columns: Option<(u64, Vec<usize>)>,
}

fn rows(path: &Path, tier: Tier, mut each: impl FnMut(RowSize)) -> rusqlite::Result<()> {
    let connection = open(path)?;
    let head = if tier == Tier::Raw { HEAD } else { 0_i64 };
    let mut statement = connection.prepare(
        "SELECT host, series_set, from_ms, to_ms, length(body), substr(body, 1, ?1) FROM chunk
         WHERE host > 0",
    )?;
    let mut rows = statement.query([head])?;
    while let Some(row) = rows.next()? {
        let head = row.get_ref(5)?.as_blob().unwrap_or_default();
        each(RowSize {
            host: row.get(0)?,
            set: row.get(1)?,
            from: Unix(row.get(2)?),
            to: Unix(row.get(3)?),
            bytes: row.get::<_, i64>(4)?.unsigned_abs(),
            columns: chunk::lengths(head),
        });
    }
    Ok(())
}

fn largest<T>(sums: Sums<T>) -> Vec<Largest<T>> {
    let of = |(what, (bytes, samples))| Largest { what, bytes, samples };
    let mut all: Vec<Largest<T>> = sums.into_iter().map(of).collect();
    all.sort_by_key(|largest| std::cmp::Reverse(largest.bytes));
    all
}

fn folder_bytes(dir: &Path) -> io::Result<u64> {
    let listed = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        listed => listed?,
    };
    let mut bytes = 0;
    for entry in listed {
        // One that goes meanwhile takes no room.
        bytes += entry?.metadata().map_or(0, |file| file.len());
    }
    Ok(bytes)
}
