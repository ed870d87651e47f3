//! Which files a history consists of: for those who copy it as it lies there.

use std::io;
use std::path::Path;

use super::tier::Tier;
use super::wal::scan::Scan;

pub(crate) use super::catalogue::reading::Orders;

/// The file with the names of series.
pub(crate) const CATALOGUE: &str = super::catalogue::reading::FILE;

/// Returns the partitions in `dir`: folder and name, samples first.
pub(crate) fn partitions(dir: &Path) -> io::Result<Vec<(&'static str, String)>> {
    let present = super::examine::present(dir)?;
    let of = |tier: Tier, number: i64| (tier.word(), format!("{number}.db"));
    let all = present
        .into_iter()
        .flat_map(|(tier, numbers)| numbers.into_iter().map(move |number| of(tier, number)));
    Ok(all.collect())
}

/// Returns the pairs of index and blocks among the names of files.
pub(crate) fn blocks(names: Vec<String>) -> impl Iterator<Item = (String, String)> {
    names.into_iter().filter_map(|name| {
        let number = name.strip_suffix(".idx")?;
        let data = format!("{number}.dat");
        Some((name, data))
    })
}

/// Returns a segment of the log up to the end of its last whole batch.
pub(crate) fn whole_batches(segment: &[u8]) -> &[u8] {
    let torn = Scan::of(segment).torn;
    torn.and_then(|at| segment.get(..at)).unwrap_or(segment)
}
