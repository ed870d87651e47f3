//! Makes the table of the page's files: each with its compressed forms and its hash.
//!
//! `ui/dist` is made by `make` and may be missing: the table is empty then, the crate still builds,
//! and the server says in one line what to run. Files that the page's own build has compressed
//! (`x.js.br`, `x.js.gz` beside `x.js`) are taken as they are; the rest is compressed here.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Where the start page leaves a place for the theme.
const THEME_PLACE: &str = "data-theme=\"\"";

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let ui = root.join("../../ui");
    let dist = ui.join("dist");
    if ui.is_dir() {
        // Cargo asks for a folder that is missing anew at each build; an empty one it can watch.
        fs::create_dir_all(&dist)?;
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    walk(&dist, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&dist).unwrap_or(file).to_string_lossy().replace('\\', "/");
        if name == "index.html" {
            let text = fs::read_to_string(file)?;
            for (theme, variant) in themes(&text) {
                entry(&mut table, &out, &format!("index.html{theme}"), variant.as_bytes(), None)?;
            }
        } else {
            entry(&mut table, &out, &name, &fs::read(file)?, Some(file))?;
        }
    }
    table.push_str("]\n");
    fs::write(out.join("page.rs"), table)
}

/// Returns every file below `folder` that is no compressed form of another.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let compressed = path.extension().is_some_and(|e| e == "br" || e == "gz");
        if path.is_dir() {
            walk(&path, files)?;
        } else if !compressed {
            files.push(path);
        }
    }
    Ok(())
}

/// Returns the start page for each theme: the server writes it into the page, so that the right
/// colours are there before any script runs.
fn themes(text: &str) -> [(&'static str, String); 3] {
    let with = |theme: &str| {
        let attribute = format!("data-theme=\"{theme}\"");
        // The page keeps a place for it; a page that does not gets it in front.
        if text.contains(THEME_PLACE) {
            text.replacen(THEME_PLACE, &attribute, 1)
        } else {
            text.replacen("<html", &format!("<html {attribute}"), 1)
        }
    };
    [("", text.to_owned()), ("#light", with("light")), ("#dark", with("dark"))]
}

/// Adds a file to the table.
fn entry(
    table: &mut String,
    out: &Path,
    name: &str,
    bytes: &[u8],
    source: Option<&Path>,
) -> io::Result<()> {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hash: String = digest.as_ref().iter().take(16).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    });
    let write = |form: &str, bytes: &[u8]| -> io::Result<String> {
        let path = out.join(format!("{hash}{form}"));
        fs::write(&path, bytes)?;
        Ok(format!("include_bytes!({:?})", path.display().to_string()))
    };
    let raw = write("", bytes)?;
    let form = |suffix: &str, compress: fn(&[u8]) -> io::Result<Vec<u8>>| {
        let made = source.map(|source| PathBuf::from(format!("{}{suffix}", source.display())));
        let packed = match made.filter(|path| path.is_file()) {
            Some(path) => fs::read(path)?,
            None => compress(bytes)?,
        };
        // A form that is hardly smaller (fonts, pictures) only costs space.
        if packed.len() + packed.len() / 10 < bytes.len() {
            Ok::<_, io::Error>(format!("Some({})", write(suffix, &packed)?))
        } else {
            Ok("None".to_owned())
        }
    };
    let brotli = form(".br", brotli)?;
    let gzip = form(".gz", gzip)?;
    writeln!(
        table,
        "Asset {{ name: {name:?}, hash: {hash:?}, raw: {raw}, brotli: {brotli}, gzip: {gzip} }},"
    )
    .map_err(io::Error::other)
}

/// Compresses well enough: a build script is compiled without optimisation, the highest quality would
/// take half a minute.
fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 64 * 1024, 5, 20);
    writer.write_all(bytes)?;
    Ok(writer.into_inner())
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes)?;
    encoder.finish()
}
