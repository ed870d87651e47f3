//! A backup as one file: `tar`, as every system reads it, compressed or not. The manifest comes first.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::{
    BackupError, Entry, MANIFEST, MAX_MANIFEST, Manifest, Room, Summed, go_on, room, safe,
};
use crate::history::Watcher;

const BLOCK: usize = 512;

/// Lengths from here on do not fit into the eleven octal digits of the head.
const LARGE: u64 = 1 << 33;

/// How an archive is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// By gzip: history is compressed already, the state shrinks to a quarter.
    Gzip,
}

impl Form {
    /// Returns the form that the name of a file says; `None` for that of a folder.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let is = |path: &Path, ending: &str| {
            path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
        };
        let inner = Path::new(path.file_stem()?);
        if is(path, "tgz") || (is(path, "gz") && is(inner, "tar")) {
            Some(Self::Gzip)
        } else {
            is(path, "tar").then_some(Self::Plain)
        }
    }
}

/// Writes the folder of a backup as an archive.
pub(super) fn pack(
    room: &dyn Room,
    folder: &Path,
    file: &Path,
    form: Form,
    manifest: &Manifest,
    watcher: Watcher<'_>,
) -> Result<(), BackupError> {
    let failed = || BackupError::at(file);
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed()(error)),
        _ => {}
    }
    let created = File::create_new(file).map_err(failed())?;
    super::make_private(file)?;
    let out = BufWriter::with_capacity(1 << 16, created);
    let written = match form {
        Form::Plain => write_all(room, folder, out, manifest, watcher)?,
        Form::Gzip => {
            let out = GzEncoder::new(out, Compression::fast());
            write_all(room, folder, out, manifest, watcher)?.finish().map_err(failed())?
        }
    };
    let written = written.into_inner().map_err(|error| failed()(error.into_error()))?;
    written.sync_all().map_err(failed())
}

fn write_all<W: Write>(
    room: &dyn Room,
    folder: &Path,
    mut out: W,
    manifest: &Manifest,
    watcher: Watcher<'_>,
) -> Result<W, BackupError> {
    let names = manifest.files.iter().map(|file| file.path.as_str());
    let at = i64::max(manifest.taken_at_ms, 0).cast_unsigned() / 1000;
    let mut buffer = vec![0; 1 << 16];
    for name in std::iter::once(MANIFEST).chain(names) {
        go_on(watcher, name)?;
        let path = folder.join(name);
        let failed = || BackupError::at(&path);
        let mut file = File::open(&path).map_err(failed())?;
        let len = file.metadata().map_err(failed())?.len();
        out.write_all(&head(name, len, at)).map_err(failed())?;
        let mut copied = 0;
        loop {
            let n = file.read(&mut buffer).map_err(failed())?;
            let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else { break };
            room::ask(room, n as u64)?;
            out.write_all(read).map_err(failed())?;
            copied += n as u64;
        }
        if copied != len {
            return Err(failed()(io::Error::other("its length has changed")));
        }
        out.write_all(padding(len)).map_err(failed())?;
    }
    out.write_all(&[0; 2 * BLOCK]).map_err(BackupError::at(folder))?;
    Ok(out)
}

/// Returns the head of a file in an archive (POSIX.1-1988, with the lengths of GNU where one is large).
fn head(name: &str, len: u64, at: u64) -> [u8; BLOCK] {
    let mut head = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = head.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if len < LARGE {
        put(124, format!("{len:011o}\0").as_bytes());
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &len.to_be_bytes());
    }
    put(136, format!("{at:011o}\0").as_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    if let Some(place) = head.get_mut(148..156) {
        place.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    head
}

fn padding(len: u64) -> &'static [u8] {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let over = usize::try_from(len % BLOCK as u64).unwrap_or(0);
    ZEROS.get(over..).filter(|_| over > 0).unwrap_or_default()
}

/// Reads an archive, and looks whether each file is as it was made.
pub(super) fn verify(
    path: &Path,
    form: Form,
    watcher: Watcher<'_>,
) -> Result<Manifest, BackupError> {
    each(path, form, watcher, &mut |_, _| Ok(()))
}

/// Takes a piece of a file.
pub(super) type Put<'p> = &'p mut dyn FnMut(&Entry, &[u8]) -> Result<(), BackupError>;

/// Reads an archive; `put` is called with the pieces of each file, and with an empty one at its end. Every
/// file of the manifest has come, as it was made, when this returns.
pub(super) fn each(
    path: &Path,
    form: Form,
    watcher: Watcher<'_>,
    put: Put<'_>,
) -> Result<Manifest, BackupError> {
    let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(BackupError::at(path))?);
    let mut input: Box<dyn Read> = match form {
        Form::Plain => Box::new(file),
        Form::Gzip => Box::new(GzDecoder::new(file)),
    };
    let failed = |error: io::Error| BackupError::Damaged(format!("it cannot be read: {error}"));
    let Some((MANIFEST, len)) = next(&mut input)?.as_ref().map(|(name, len)| (&**name, *len))
    else {
        return Err(BackupError::Damaged(format!("it does not begin with {MANIFEST}")));
    };
    let mut text = Vec::new();
    (&mut input).take(len.min(MAX_MANIFEST)).read_to_end(&mut text).map_err(failed)?;
    skip(&mut input, padding(len).len()).map_err(failed)?;
    let manifest = Manifest::read(&text)?;
    let mut buffer = vec![0; 1 << 16];
    for wanted in &manifest.files {
        go_on(watcher, &wanted.path)?;
        let found = next(&mut input)?;
        if found != Some((wanted.path.clone(), wanted.bytes)) {
            return Err(BackupError::Damaged(format!("{} is not in its place", wanted.path)));
        }
        let mut summed = Summed::default();
        let mut left = wanted.bytes;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let n = input.read(buffer.get_mut(..most).unwrap_or_default()).map_err(failed)?;
            let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else {
                return Err(BackupError::Damaged(format!("{} ends too early", wanted.path)));
            };
            summed.add(read);
            put(wanted, read)?;
            left -= n as u64;
        }
        if summed.end() != (wanted.bytes, wanted.sha256.clone()) {
            return Err(BackupError::Damaged(format!("{} is not as it was", wanted.path)));
        }
        put(wanted, &[])?;
        skip(&mut input, padding(wanted.bytes).len()).map_err(failed)?;
    }
    Ok(manifest)
}

fn skip(input: &mut dyn Read, n: usize) -> io::Result<()> {
    let mut rest = [0; BLOCK];
    input.read_exact(rest.get_mut(..n).unwrap_or_default())
}

/// Reads a head; `None` at the end.
fn next(input: &mut dyn Read) -> Result<Option<(String, u64)>, BackupError> {
    let damaged = |what: &str| BackupError::Damaged(what.to_owned());
    let mut bytes = [0; BLOCK];
    input
        .read_exact(&mut bytes)
        .map_err(|error| damaged(&format!("it ends too early: {error}")))?;
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let field = |at: usize, len: usize| -> &[u8] {
        let field = bytes.get(at..at + len).unwrap_or_default();
        field.split(|byte| *byte == 0).next().unwrap_or_default()
    };
    let octal = |field: &[u8]| {
        let text = std::str::from_utf8(field).ok()?;
        u64::from_str_radix(text.trim(), 8).ok()
    };
    let mut plain = bytes;
    if let Some(place) = plain.get_mut(148..156) {
        place.fill(b' ');
    }
    let sum: u64 = plain.iter().map(|byte| u64::from(*byte)).sum();
    if octal(field(148, 8)) != Some(sum) {
        return Err(damaged("the head of a file in it is not as it was"));
    }
    let len = match bytes.get(124) {
        Some(0x80) => {
            bytes.get(128..136).and_then(|b| b.first_chunk::<8>()).map(|b| u64::from_be_bytes(*b))
        }
        _ => octal(field(124, 12)),
    };
    let name = String::from_utf8_lossy(field(0, 100)).into_owned();
    safe(&name)?;
    Ok(Some((name, len.ok_or_else(|| damaged("a file in it has no length"))?)))
}
