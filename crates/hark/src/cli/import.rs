//! `hark import`: the configuration of another program becomes hark's.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use hark_import::{ImportKind, Imported, KINDS, Source};
use serde_json::json;

use super::EXIT_USAGE;
use crate::config;
use crate::out;

/// Turn the configuration of another monitoring program into hark's.
///
/// The result goes to standard output or the file of --output; what could not be taken over is listed on
/// standard error, each with its file and line. Nothing of what is read is executed. Exit code: 0; 1 with
/// --strict if anything was left out, or if hark would not take the result as it is; 2 if the files cannot
/// be read.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    after_long_help = long_help())]
pub(super) struct Args {
    /// Program that it is from: picomon or nagios.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(KINDS.iter().map(|k| k.name())))]
    kind: String,
    /// Files, or folders with everything in them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// File to write; without it the result is printed.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long, requires = "output")]
    force: bool,
    /// End with code 1 if anything was left out.
    #[arg(long)]
    strict: bool,
    /// Print the result, the notes and what hark says of it as JSON.
    #[arg(long)]
    json: bool,
}

/// Examples, and what each kind reads and makes.
fn long_help() -> String {
    let kinds: Vec<String> =
        KINDS.iter().map(|kind| format!("{}:\n  {}", kind.name(), kind.manual())).collect();
    format!("{EXAMPLES}\n\n{}", kinds.join("\n\n"))
}

const EXAMPLES: &str = "Examples:
  hark import picomon config.py -o hark.yaml
  hark import nagios /etc/nagios4 -o /etc/hark/conf.d/nagios.yaml";

/// Most files of one configuration: a large site of Nagios has some thousands.
const MAX_FILES: usize = 20_000;

/// Longest file.
const MAX_FILE: u64 = 16 << 20;

/// Deepest folder below the one that was named.
const MAX_DEPTH: u32 = 16;

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(kind) = KINDS.iter().find(|kind| kind.name() == args.kind) else {
        bail!("there is no kind {}", args.kind);
    };
    if let Some(path) = args.output.as_ref().filter(|_| !args.force) {
        ensure!(!path.exists(), "{} exists; --force replaces it", path.display());
    }
    let mut files = Vec::new();
    for path in &args.paths {
        collect(*kind, path, 0, &mut files)?;
    }
    ensure!(!files.is_empty(), "there is no file of {} in what was named", kind.name());
    let imported = match kind.read(&files) {
        Ok(imported) => imported,
        Err(error) => {
            out::note(format!("hark: {error}"));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let name =
        args.output.as_ref().map_or("imported".to_owned(), |path| path.display().to_string());
    let mistakes = config::load_text(&name, imported.config.clone()).err();
    if let Some(path) = &args.output {
        write(path, &imported.config)?;
    }
    if args.json {
        let notes: Vec<_> = imported
            .notes
            .iter()
            .map(|n| json!({"file": n.path, "line": n.line, "text": n.text}))
            .collect();
        out::json(&json!({"kind": kind.name(), "files": files.len(), "hosts": imported.n_hosts,
            "checks": imported.n_checks, "notes": notes, "is_accepted": mistakes.is_none(),
            "config": imported.config}));
    } else {
        report(args, *kind, files.len(), &imported);
    }
    if let Some(error) = &mistakes {
        if !args.json {
            config_mistakes(error);
        }
        return Ok(ExitCode::FAILURE);
    }
    let is_short = args.strict && !imported.notes.is_empty();
    Ok(if is_short { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn report(args: &Args, kind: &dyn ImportKind, n_files: usize, imported: &Imported) {
    if args.output.is_none() {
        out::text(&imported.config);
    }
    for note in &imported.notes {
        out::note(note);
    }
    let place = args.output.as_ref().map(|path| format!(" in {}", path.display()));
    out::note(format!(
        "{n_files} file(s) of {}: {} hosts and {} checks{}, {} note(s).",
        kind.name(),
        imported.n_hosts,
        imported.n_checks,
        place.unwrap_or_default(),
        imported.notes.len()
    ));
}

/// Shows what hark would not take of the result: a fault of the source that the import keeps, such as an
/// address that is none.
fn config_mistakes(error: &config::LoadError) {
    let _code = super::config::report(error, false);
    out::note("The result needs these lines mended by hand before hark takes it.");
}

/// Reads a file, or every file below a folder that is of the kind, in the order of the names.
fn collect(
    kind: &dyn ImportKind,
    path: &Path,
    depth: u32,
    files: &mut Vec<Source>,
) -> anyhow::Result<()> {
    let about = || format!("cannot read {}", path.display());
    let metadata = fs::metadata(path).with_context(about)?;
    if metadata.is_dir() {
        ensure!(depth < MAX_DEPTH, "{} lies too deep in folders", path.display());
        let entries = fs::read_dir(path).with_context(about)?;
        let mut below = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .with_context(about)?;
        below.sort();
        for path in below {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // A folder within a folder may hold more; a link may lead in a circle.
            let is_link = fs::symlink_metadata(&path).is_ok_and(|m| m.is_symlink());
            if path.is_dir() && !is_link || path.is_file() && kind.takes(&name) {
                collect(kind, &path, depth + 1, files)?;
            }
        }
        return Ok(());
    }
    ensure!(metadata.is_file(), "{} is no file", path.display());
    ensure!(metadata.len() <= MAX_FILE, "{} is longer than {MAX_FILE} bytes", path.display());
    ensure!(files.len() < MAX_FILES, "there are more than {MAX_FILES} files");
    // Old configurations are often Latin-1 in their remarks: that must not end the import.
    let text = String::from_utf8_lossy(&fs::read(path).with_context(about)?).into_owned();
    files.push(Source { path: path.display().to_string(), text });
    Ok(())
}

/// Writes the result whole or not at all.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let about = || format!("cannot write {}", path.display());
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    let written = fs::File::create(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    });
    if written.is_err() {
        // What is left of the draft is of no use.
        drop(fs::remove_file(&draft));
    }
    written.with_context(about)
}
