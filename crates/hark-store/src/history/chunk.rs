//! The form in which samples rest: about 960 frames of one set as columns, each compressed for itself.
//!
//! A chunk is: version (1 byte), number of frames (varint), number of columns (varint), then for the
//! times and for each series of the set the length of its column (varint), then the columns, then
//! the CRC-32 of all that (4 bytes). A column begins with its kind:
//!
//! | kind | follows |
//! | --- | --- |
//! | 0 | nothing: absent in every frame |
//! | 1 | the scaled integer that stands in every frame (zigzag varint) |
//! | 2 | scaled integers in every frame, by pco |
//! | 3 | runs of (length, 0 scaled, 1 float, 2 absent), the length of the scaled integers by pco, these, the floats by pco |
//! | 4 | scaled integers in every frame, as [`foretold`] writes them; since version 2 |
//! | 5 | the same as 3, but the scaled integers are a column of their own, of kind 0, 1, 2 or 4; since version 2 |
//!
//! Version 1 is read and no longer written. Values come back exactly, kind of item and all.

use hark_model::frame::{Item, ValueReader, encode_item};
use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};
use pco::{DeltaSpec, ModeSpec};

use super::bytes::{Reader, put_signed, put_varint};
use super::foretold;

const VERSION: u8 = 2;

/// The level of pco: level 8 gives 2 % less for half as much again of time.
const LEVEL: usize = 4;

/// Bound on the frames of a chunk, for those who read one: a day of one a second is cut into more.
pub(super) const MAX_FRAMES: usize = 4096;

const ABSENT: u8 = 0;
const CONSTANT: u8 = 1;
const INTEGERS: u8 = 2;
const MIXED: u8 = 3;
const FORETOLD: u8 = 4;
const MIXED_FORETOLD: u8 = 5;

/// The items of one series over the frames of a chunk.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Column {
    /// Scaled integers in every frame.
    Integers(Vec<i64>),
    /// Anything.
    Items(Vec<Item>),
}

impl Column {
    /// Returns the column of `items`.
    pub(super) fn of(items: &[Item]) -> Self {
        let mut column = Self::Integers(Vec::with_capacity(items.len()));
        for item in items {
            column.push(*item, items.len());
        }
        column
    }

    /// Returns the item of frame `at`.
    pub(super) fn item(&self, at: usize) -> Item {
        match self {
            Self::Integers(values) => values.get(at).map_or(Item::Absent, |v| Item::Scaled(*v)),
            Self::Items(items) => items.get(at).copied().unwrap_or(Item::Absent),
        }
    }

    fn push(&mut self, item: Item, capacity: usize) {
        match (&mut *self, item) {
            (Self::Integers(values), Item::Scaled(value)) => values.push(value),
            (Self::Integers(values), other) => {
                let mut items = Vec::with_capacity(capacity);
                items.extend(values.iter().map(|v| Item::Scaled(*v)));
                items.push(other);
                *self = Self::Items(items);
            }
            (Self::Items(items), item) => items.push(item),
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Self::Integers(values) => values.truncate(len),
            Self::Items(items) => items.truncate(len),
        }
    }
}

/// Frames of one set turned into columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns {
    /// When each frame was taken; ascending, none twice.
    pub(super) times: Vec<i64>,
    /// One for each series.
    pub(super) series: Vec<Column>,
    /// Frames that did not have one item for each series and were left out.
    pub(super) damaged: u64,
}

impl Columns {
    /// Turns `frames` (ascending times, none twice) of a set of `n_series` into columns.
    pub(super) fn of<'a>(
        frames: impl ExactSizeIterator<Item = (i64, &'a [u8])>,
        n_series: usize,
    ) -> Self {
        let n_frames = frames.len();
        let mut times = Vec::with_capacity(n_frames);
        let empty = || Column::Integers(Vec::with_capacity(n_frames));
        let mut series: Vec<Column> = std::iter::repeat_with(empty).take(n_series).collect();
        let mut damaged = 0;
        for (at, values) in frames {
            if push_frame(&mut series, values, n_frames) {
                times.push(at);
            } else {
                damaged += 1;
                for column in &mut series {
                    column.truncate(times.len());
                }
            }
        }
        Self { times, series, damaged }
    }

    /// Lets go what is in the columns that are `gone`, one for each series; if nothing is left, the frames as
    /// well.
    pub(super) fn let_go(&mut self, gone: &[bool]) {
        let n_frames = self.times.len();
        for (column, _) in self.series.iter_mut().zip(gone).filter(|(_, gone)| **gone) {
            *column = Column::Items(vec![Item::Absent; n_frames]);
        }
        let is_there = |column: &Column| (0..n_frames).any(|at| column.item(at) != Item::Absent);
        if !self.series.iter().any(is_there) {
            self.times.clear();
            self.series.iter_mut().for_each(|column| column.truncate(0));
        }
    }
}

/// Adds one item to each column; false if the frame has not exactly one for each.
fn push_frame(series: &mut [Column], values: &[u8], capacity: usize) -> bool {
    let mut items = ValueReader::new(values);
    for column in series {
        match items.next() {
            Some(Ok(item)) => column.push(item, capacity),
            Some(Err(_)) | None => return false,
        }
    }
    items.next().is_none()
}

/// Returns the chunk of `columns`.
pub(super) fn encode(columns: &Columns) -> Vec<u8> {
    let mut bodies = Vec::with_capacity(columns.times.len() * columns.series.len());
    let mut lengths = Vec::with_capacity(columns.series.len() + 1);
    let mut begin = 0;
    encode_integers(&columns.times, &mut bodies);
    lengths.push(bodies.len());
    for column in &columns.series {
        begin = begin.max(bodies.len());
        match column {
            Column::Integers(values) => encode_integers(values, &mut bodies),
            Column::Items(items) => encode_items(items, &mut bodies),
        }
        lengths.push(bodies.len() - begin);
    }
    let mut out = Vec::with_capacity(bodies.len() + lengths.len() * 2 + 16);
    out.push(VERSION);
    put_varint(&mut out, columns.times.len() as u64);
    put_varint(&mut out, columns.series.len() as u64);
    for length in lengths {
        put_varint(&mut out, length as u64);
    }
    out.extend_from_slice(&bodies);
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn encode_integers(values: &[i64], out: &mut Vec<u8>) {
    let Some((&first, rest)) = values.split_first() else {
        out.push(ABSENT);
        return;
    };
    if rest.iter().all(|v| *v == first) {
        out.push(CONSTANT);
        put_signed(out, first);
        return;
    }
    let begin = out.len();
    out.push(FORETOLD);
    if !foretold::encode(values, out) {
        out.truncate(begin);
        out.push(INTEGERS);
        out.extend_from_slice(&compressed(values));
    }
}

fn encode_items(items: &[Item], out: &mut Vec<u8>) {
    if items.iter().all(|i| *i == Item::Absent) {
        out.push(ABSENT);
        return;
    }
    let kind = |item: &Item| match item {
        Item::Scaled(_) => 0u8,
        Item::Float(_) => 1,
        Item::Absent => 2,
    };
    out.push(MIXED_FORETOLD);
    let mut runs = Vec::new();
    let mut n_runs = 0u64;
    for run in items.chunk_by(|a, b| kind(a) == kind(b)) {
        put_varint(&mut runs, run.len() as u64);
        runs.extend(run.first().map(kind));
        n_runs += 1;
    }
    put_varint(out, n_runs);
    out.extend_from_slice(&runs);
    let scaled: Vec<i64> = items
        .iter()
        .filter_map(|i| if let Item::Scaled(v) = i { Some(*v) } else { None })
        .collect();
    let floats: Vec<f64> =
        items.iter().filter_map(|i| if let Item::Float(v) = i { Some(*v) } else { None }).collect();
    let mut column = Vec::with_capacity(scaled.len());
    encode_integers(&scaled, &mut column);
    put_varint(out, column.len() as u64);
    out.extend_from_slice(&column);
    if !floats.is_empty() {
        let config = ChunkConfig::default().with_compression_level(LEVEL);
        // pco refuses only more than 2^24 numbers and levels above 12.
        out.extend_from_slice(&simple_compress(&floats, &config).unwrap_or_default());
    }
}

/// Returns `values` by pco, as differences: what lies too far apart to be foretold.
fn compressed(values: &[i64]) -> Vec<u8> {
    let config = ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(DeltaSpec::TryConsecutive(1));
    // pco refuses only more than 2^24 numbers and levels above 12.
    simple_compress(values, &config).unwrap_or_default()
}

/// Reads how many frames a chunk has, and how long each column is, that of the times first.
fn read_head(reader: &mut Reader<'_>) -> Option<(usize, Vec<usize>)> {
    if !(1..=VERSION).contains(&reader.u8()?) {
        return None;
    }
    let n_frames = usize::try_from(reader.varint()?).ok().filter(|n| *n <= MAX_FRAMES)?;
    let n_columns = reader.count()? + 1;
    let mut lengths = Vec::with_capacity(n_columns);
    for _ in 0..n_columns {
        lengths.push(usize::try_from(reader.varint()?).ok()?);
    }
    Some((n_frames, lengths))
}

/// Returns from the first bytes of a chunk how many frames it has, and how long each column is, that of the
/// times first; its sum is not looked at.
pub(super) fn lengths(head: &[u8]) -> Option<(u64, Vec<usize>)> {
    let (n_frames, lengths) = read_head(&mut Reader::new(head))?;
    Some((n_frames as u64, lengths))
}

/// What a chunk is once some of its columns are let go.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Without {
    /// As it was: nothing was in them.
    Same,
    /// Another.
    Other(Vec<u8>),
    /// Nothing is in any column any more.
    Nothing,
}

/// Returns the chunk without what is in the columns that are `gone`, one for each series; the others are copied
/// as they lie there. `None` if it is damaged or of another version.
pub(super) fn without(bytes: &[u8], gone: &[bool]) -> Option<Without> {
    let chunk = Chunk::open(bytes)?;
    let (times, series) = chunk.columns.split_first()?;
    let is_there = |column: &[u8]| column.first() != Some(&ABSENT);
    let is_gone = |n: usize| gone.get(n).copied().unwrap_or(false);
    let was_there = series.iter().enumerate().any(|(n, column)| is_gone(n) && is_there(column));
    let stays = series.iter().enumerate().any(|(n, column)| !is_gone(n) && is_there(column));
    if !stays {
        return Some(Without::Nothing);
    }
    if !was_there {
        return Some(Without::Same);
    }
    let left = series.iter().enumerate();
    let left = left.map(|(n, column)| if is_gone(n) { &[ABSENT][..] } else { *column });
    let columns: Vec<&[u8]> = left.collect();
    let mut out = Vec::with_capacity(bytes.len());
    // The columns are of the version of before.
    out.extend(bytes.first());
    put_varint(&mut out, chunk.n_frames as u64);
    put_varint(&mut out, columns.len() as u64);
    put_varint(&mut out, times.len() as u64);
    for column in &columns {
        put_varint(&mut out, column.len() as u64);
    }
    out.extend_from_slice(times);
    for column in &columns {
        out.extend_from_slice(column);
    }
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    Some(Without::Other(out))
}

/// A chunk whose checksum is right, ready to have columns taken out.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    n_frames: usize,
    columns: Vec<&'a [u8]>,
}

impl<'a> Chunk<'a> {
    /// Opens a chunk; `None` if it is damaged or of another version.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut reader = Reader::new(body);
        let (n_frames, lengths) = read_head(&mut reader)?;
        let n_columns = lengths.len();
        let mut columns = Vec::with_capacity(n_columns);
        for length in lengths {
            columns.push(reader.bytes(length)?);
        }
        Some(Self { n_frames, columns })
    }

    /// Returns when each frame was taken.
    pub(super) fn times(&self) -> Option<Vec<i64>> {
        match self.column_at(0)? {
            Column::Integers(times) => Some(times),
            Column::Items(_) => None,
        }
    }

    /// Returns the frames of the times that are `asked` for, as they came.
    pub(super) fn frames(&self, asked: impl Fn(i64) -> bool) -> Option<Vec<(i64, Vec<u8>)>> {
        let places: Vec<(usize, i64)> =
            self.times()?.into_iter().enumerate().filter(|(_, at)| asked(*at)).collect();
        if places.is_empty() {
            return Some(Vec::new());
        }
        let mut frames: Vec<(i64, Vec<u8>)> =
            places.iter().map(|(_, at)| (*at, Vec::new())).collect();
        for series in 0..self.columns.len().saturating_sub(1) {
            let column = self.column(series)?;
            for ((place, _), (_, values)) in places.iter().zip(&mut frames) {
                encode_item(column.item(*place), values);
            }
        }
        Some(frames)
    }

    /// Returns the column of series number `at` of the set.
    pub(super) fn column(&self, at: usize) -> Option<Column> {
        self.column_at(at + 1)
    }

    fn column_at(&self, at: usize) -> Option<Column> {
        let bytes = self.columns.get(at)?;
        let (kind, body) = bytes.split_first()?;
        match *kind {
            ABSENT => Some(Column::Items(vec![Item::Absent; self.n_frames])),
            MIXED | MIXED_FORETOLD => {
                mixed(&mut Reader::new(body), self.n_frames, *kind).map(Column::Items)
            }
            _ => integers(bytes, self.n_frames).map(Column::Integers),
        }
    }
}

/// Reads a column that has nothing but scaled integers, `n` of them.
fn integers(column: &[u8], n: usize) -> Option<Vec<i64>> {
    let mut reader = Reader::new(column);
    match reader.u8()? {
        ABSENT => (n == 0).then(Vec::new),
        CONSTANT => Some(vec![reader.signed()?; n]),
        INTEGERS => decompressed(&mut reader).filter(|values| values.len() == n),
        FORETOLD => foretold::decode(&mut reader, n),
        _ => None,
    }
}

fn decompressed(reader: &mut Reader<'_>) -> Option<Vec<i64>> {
    let len = reader.len();
    simple_decompress(reader.bytes(len)?).ok()
}

fn mixed(reader: &mut Reader<'_>, n: usize, kind: u8) -> Option<Vec<Item>> {
    let n_runs = reader.count()?;
    let mut runs = Vec::with_capacity(n_runs);
    let mut n_scaled = 0usize;
    for _ in 0..n_runs {
        let (length, kind) = (usize::try_from(reader.varint()?).ok()?, reader.u8()?);
        n_scaled = n_scaled.saturating_add(if kind == 0 { length } else { 0 });
        runs.push((length, kind));
    }
    let len = reader.count()?;
    let column = reader.bytes(len)?;
    let scaled: Vec<i64> = match (kind, len) {
        (MIXED, 0) => Vec::new(),
        (MIXED, _) => simple_decompress(column).ok()?,
        _ if n_scaled > n => return None,
        _ => integers(column, n_scaled)?,
    };
    let len = reader.len();
    let floats: Vec<f64> =
        if len == 0 { Vec::new() } else { simple_decompress(reader.bytes(len)?).ok()? };
    let (mut scaled, mut floats) = (scaled.into_iter(), floats.into_iter());
    let mut items = Vec::with_capacity(n);
    for (length, kind) in runs {
        if length > n - items.len() {
            return None;
        }
        for _ in 0..length {
            items.push(match kind {
                0 => Item::Scaled(scaled.next()?),
                1 => Item::Float(floats.next()?),
                2 => Item::Absent,
                _ => return None,
            });
        }
    }
    (items.len() == n).then_some(items)
}

#[cfg(test)]
mod tests;
