//! How much an erasure would take, without doing it: read beside the owner.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use rusqlite::{Connection, params};

use super::rows::Part;
use super::{Erasure, Weighed};
use crate::history::catalogue::reading::Read;
use crate::history::chunk::{self, Chunk};
use crate::history::examine::{open, present};
use crate::history::partition::path_of;
use crate::history::tier::Tier;

/// So many bytes from the beginning of a chunk hold the lengths of its columns: two for each of the series
/// that a set may have.
const HEAD: i64 = 4096;

/// Looks how much of the chunks in `dir` and of their coarser values is meant. What is in the log and in
/// blocks its owner knows: see [`History::loose`](crate::history::History::loose).
///
/// # Errors
/// If the folder or the catalogue cannot be read; a file that cannot be read is left out.
pub fn weigh(dir: &Path, erasure: &Erasure) -> io::Result<Weighed> {
    let catalogue = Read::of(dir).map_err(io::Error::other)?;
    let series: Option<BTreeSet<_>> = erasure.series().map(|all| all.iter().cloned().collect());
    let part = Part { series: series.as_ref(), before: erasure.before() };
    let mut weighed = Weighed::default();
    for (tier, numbers) in present(dir)? {
        for number in numbers {
            let connection = open(&path_of(dir, tier, number));
            // One that expires meanwhile, or is damaged, weighs nothing.
            drop(connection.and_then(|connection| {
                of_file(&connection, tier, erasure.host().0, part, &catalogue, &mut weighed)
            }));
        }
    }
    Ok(weighed)
}

/// Adds what is meant of one partition.
fn of_file(
    connection: &Connection,
    tier: Tier,
    host: u32,
    part: Part<'_>,
    catalogue: &Read,
    weighed: &mut Weighed,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT series_set, to_ms, length(body), substr(body, 1, ?3), id
         FROM chunk WHERE host = ?1 AND from_ms < ?2",
    )?;
    let mut rows = statement.query(params![host, part.before, HEAD])?;
    while let Some(row) = rows.next()? {
        let Some(defs) = catalogue.sets.get(&row.get(0)?) else { continue };
        let meant = part.columns(defs);
        let n_meant = meant.iter().filter(|is_meant| **is_meant).count() as u64;
        if n_meant == 0 {
            continue;
        }
        weighed.rows += 1;
        let bytes = row.get::<_, i64>(2)?.unsigned_abs();
        if tier != Tier::Raw {
            // How long each series is is not written in these rows.
            weighed.bytes += bytes * n_meant / meant.len() as u64;
            continue;
        }
        let head = row.get_ref(3)?.as_blob().unwrap_or_default();
        let Some((n_frames, lengths)) = chunk::lengths(head) else { continue };
        let columns = lengths.iter().skip(1).zip(&meant).filter(|(_, is_meant)| **is_meant);
        let of_meant = if n_meant == meant.len() as u64 {
            bytes
        } else {
            columns.map(|(length, _)| *length as u64).sum()
        };
        let n_before = if row.get::<_, i64>(1)? < part.before {
            n_frames
        } else {
            frames_before(connection, row.get(4)?, part.before)?.min(n_frames)
        };
        weighed.samples += n_before * n_meant;
        weighed.bytes += of_meant * n_before / n_frames.max(1);
    }
    Ok(())
}

/// Returns how many frames of a chunk are from before.
fn frames_before(connection: &Connection, id: i64, before: i64) -> rusqlite::Result<u64> {
    let sql = "SELECT body FROM chunk WHERE id = ?1";
    let body: Vec<u8> = connection.query_row(sql, [id], |row| row.get(0))?;
    let times = Chunk::open(&body).and_then(|chunk| chunk.times()).unwrap_or_default();
    Ok(times.partition_point(|at| *at < before) as u64)
}
