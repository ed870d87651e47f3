//! Where the configuration lies, and what it names beside itself.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use hark_config::{Document, NoSecrets, SecretSource, SourceFile};

use super::page;

/// Longest configuration file: a thousand hosts take some 200 kB.
const MAX_FILE: u64 = 16 << 20;

/// Longest secret read from a file.
const MAX_SECRET: u64 = 64 << 10;

/// Where configuration and data lie.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    /// A file or folder that was asked for.
    config: Option<PathBuf>,
    /// The data folder that was asked for.
    data: Option<PathBuf>,
}

impl Paths {
    /// Takes what the command line says.
    pub(crate) fn new(config: Option<PathBuf>, data: Option<PathBuf>) -> Self {
        Self { config, data }
    }

    /// Returns the same with this data folder, whatever the files come to say: that of a server that runs.
    #[must_use]
    pub(crate) fn within(&self, data_dir: &Path) -> Self {
        Self { config: self.config.clone(), data: Some(data_dir.to_owned()) }
    }

    /// Returns the data folder: that of the command line, of the configuration, or the usual one.
    pub(crate) fn data_dir(&self, configured: Option<&Path>) -> PathBuf {
        let asked = self.data.clone().or_else(|| configured.map(Path::to_owned));
        asked.unwrap_or_else(default_data_dir)
    }
}

/// The data folder of a server that is installed, and of one that root starts.
pub(crate) const SYSTEM_DATA_DIR: &str = "/var/lib/hark";

/// Returns the data folder that is used if none is named.
pub(crate) fn default_data_dir() -> PathBuf {
    if cfg!(windows) {
        let wanted = if crate::sys::is_root() { "ProgramData" } else { "LOCALAPPDATA" };
        return environment(wanted)
            .map_or_else(|| PathBuf::from("hark-data"), |folder| folder.join("hark").join("data"));
    }
    if crate::sys::is_root() {
        return PathBuf::from(SYSTEM_DATA_DIR);
    }
    match environment("XDG_STATE_HOME").or_else(|| home().map(|h| h.join(".local/state"))) {
        Some(state) => state.join("hark"),
        None => PathBuf::from("hark-data"),
    }
}

/// One file as it was found.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    source: SourceFile,
}

/// What the page's file says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PageText<'a> {
    /// What is on the disk.
    Kept,
    /// This instead: it might come to be there.
    Instead(&'a str),
}

/// All files as one tree, before anything of it has a meaning.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The tree.
    pub(crate) document: Document,
    /// The files that were read, for messages and for watching.
    pub(crate) files: Vec<PathBuf>,
    /// Changes when any file does.
    pub(crate) revision: u32,
    /// What the page's file is called where a place is in it.
    pub(crate) page: String,
}

/// Reads what `paths` name, and what was made in the page as the last file.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn open(paths: &Paths, text: PageText<'_>) -> anyhow::Result<Opened> {
    let found = read(paths)?;
    let mut revision = Revision::of(&found);
    let mut files: Vec<PathBuf> = found.iter().map(|file| file.path.clone()).collect();
    let mut document = Document::parse(found.into_iter().map(|file| file.source).collect());
    let data_dir = {
        let root = document.root(&NoSecrets);
        let configured = root.value("data_dir").and_then(|value| value.scalar());
        paths.data_dir(configured.map(Path::new))
    };
    let place = page::path(&data_dir);
    let made = match text {
        PageText::Kept => made_in_page(&place)?,
        PageText::Instead(text) => {
            let name = place.display().to_string();
            Some(SourceFile { name, text: text.to_owned() })
        }
    };
    let page = place.display().to_string();
    if let Some(made) = made {
        revision.add(&made);
        files.push(place);
        document = document.and(made);
    }
    Ok(Opened { document, files, revision: revision.end(), page })
}

/// Returns the number of what `paths`, which name the data folder, name now.
///
/// # Errors
/// If a file cannot be read.
pub(super) fn revision_now(paths: &Paths) -> anyhow::Result<u32> {
    let mut revision = Revision::of(&read(paths)?);
    if let Some(made) = made_in_page(&page::path(&paths.data_dir(None)))? {
        revision.add(&made);
    }
    Ok(revision.end())
}

fn made_in_page(place: &Path) -> anyhow::Result<Option<SourceFile>> {
    if !place.exists() {
        return Ok(None);
    }
    Ok(Some(read_one(place.to_owned())?.source))
}

/// Reads the file that is asked for, the folder's `hark.yaml` and `conf.d/*.yaml` in the order of
/// their names, or the first of the usual places that exists; no file at all is an empty
/// configuration.
fn read(paths: &Paths) -> anyhow::Result<Vec<Found>> {
    let Some(place) = place(paths)? else { return Ok(Vec::new()) };
    if !place.is_dir() {
        return Ok(vec![read_one(place)?]);
    }
    let mut files = Vec::new();
    let main = place.join("hark.yaml");
    if main.exists() {
        files.push(read_one(main)?);
    }
    let folder = place.join("conf.d");
    if folder.is_dir() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read the folder {}", folder.display()))?;
        let mut names = entries.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>()?;
        names.retain(|n| n.extension().is_some_and(|e| e == "yaml" || e == "yml"));
        names.sort();
        for name in names {
            files.push(read_one(name)?);
        }
    }
    ensure!(!files.is_empty(), "{} holds neither hark.yaml nor conf.d/*.yaml", place.display());
    Ok(files)
}

/// A number that is the same as long as no file changes.
struct Revision(ring::digest::Context);

impl Revision {
    fn of(files: &[Found]) -> Self {
        let mut revision = Self(ring::digest::Context::new(&ring::digest::SHA256));
        for file in files {
            revision.add(&file.source);
        }
        revision
    }

    fn add(&mut self, file: &SourceFile) {
        for part in [&file.name, &file.text] {
            self.0.update(part.as_bytes());
            self.0.update(&[0]);
        }
    }

    fn end(self) -> u32 {
        let digest = self.0.finish();
        let mut first = [0; 4];
        first.copy_from_slice(&digest.as_ref()[..4]);
        u32::from_be_bytes(first)
    }
}

fn place(paths: &Paths) -> anyhow::Result<Option<PathBuf>> {
    if let Some(asked) = &paths.config {
        ensure!(asked.exists(), "there is no configuration at {}", asked.display());
        return Ok(Some(asked.clone()));
    }
    let mut usual = vec![PathBuf::from("hark.yaml")];
    let config = environment("XDG_CONFIG_HOME").or_else(|| home().map(|h| h.join(".config")));
    usual.extend(config.map(|c| c.join("hark")));
    usual.extend(home().map(|h| h.join(".hb.yaml")));
    if cfg!(windows) {
        usual.extend(environment("ProgramData").map(|folder| folder.join("hark")));
    } else {
        usual.push(PathBuf::from("/etc/hark"));
    }
    let holds_one =
        |p: &PathBuf| p.is_file() || p.join("hark.yaml").is_file() || p.join("conf.d").is_dir();
    Ok(usual.into_iter().find(holds_one))
}

fn read_one(path: PathBuf) -> anyhow::Result<Found> {
    // What it names is run. In the usual folder of Windows everybody may make files.
    #[cfg(windows)]
    crate::sys::is_ours(&path)?;
    let text = read_text(&path, MAX_FILE)?;
    let source = SourceFile { name: path.display().to_string(), text };
    Ok(Found { path, source })
}

fn read_text(path: &Path, longest: u64) -> anyhow::Result<String> {
    let read = || format!("cannot read {}", path.display());
    let length = std::fs::metadata(path).with_context(read)?.len();
    if length > longest {
        bail!("{} is longer than {longest} bytes", path.display());
    }
    std::fs::read_to_string(path).with_context(read)
}

fn home() -> Option<PathBuf> {
    environment("HOME")
}

fn environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// Secrets that stand in files or in the environment.
#[derive(Debug, Default)]
pub(super) struct Secrets;

/// What users who are neither the owner nor of the group may do with a file.
const OTHERS: u32 = 0o7;

impl SecretSource for Secrets {
    fn file(&self, path: &str) -> Result<String, String> {
        let text = read_text(Path::new(path), MAX_SECRET).map_err(|e| format!("{e:#}"))?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn key_file(&self, path: &str) -> Result<String, String> {
        let found = std::fs::metadata(path).map_err(|error| format!("{path}: {error}"))?;
        if crate::sys::is_open_to_others(&found, OTHERS).is_some() {
            return Err(format!("everybody can read or change {path}: chmod o= {path}"));
        }
        self.file(path)
    }

    fn env(&self, name: &str) -> Result<String, String> {
        let value = std::env::var_os(name).ok_or_else(|| format!("{name} is not set"))?;
        value.into_string().map_err(|_| format!("{name} is not UTF-8"))
    }
}

/// The secrets that can be read, and something else in the place of the others.
#[derive(Debug, Default)]
pub(super) struct Unread(RefCell<Vec<String>>);

impl Unread {
    /// Returns why those that could not be read cannot.
    pub(super) fn why(self) -> Vec<String> {
        self.0.into_inner()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the source of secrets gives it")]
    fn or_other(&self, read: Result<String, String>) -> Result<String, String> {
        Ok(read.unwrap_or_else(|why| {
            let mut all = self.0.borrow_mut();
            if !all.contains(&why) {
                all.push(why);
            }
            "a secret that could not be read".to_owned()
        }))
    }
}

impl SecretSource for Unread {
    fn file(&self, path: &str) -> Result<String, String> {
        self.or_other(Secrets.file(path))
    }

    fn key_file(&self, path: &str) -> Result<String, String> {
        self.or_other(Secrets.key_file(path))
    }

    fn env(&self, name: &str) -> Result<String, String> {
        self.or_other(Secrets.env(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(config: &Path) -> Paths {
        Paths::new(Some(config.to_owned()), None)
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("conf.d")).unwrap();
        write("conf.d/20-b.yaml", "b: 1");
        write("conf.d/10-a.yaml", "a: 1");
        write("conf.d/note.txt", "no");
        write("hark.yaml", "m: 1");
        let found = read(&paths(folder.path())).unwrap();
        let texts: Vec<&str> = found.iter().map(|f| f.source.text.as_str()).collect();
        assert_eq!(texts, ["m: 1", "a: 1", "b: 1"]);
        let before = Revision::of(&found).end();
        write("conf.d/10-a.yaml", "a: 2");
        assert_ne!(Revision::of(&read(&paths(folder.path())).unwrap()).end(), before);
    }

    #[test]
    fn what_was_made_in_the_page_is_the_last_file_and_lies_where_the_others_say() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join("configuration")).unwrap();
        let main = folder.path().join("hark.yaml");
        let text = format!("data_dir: {}\nhosts:\n  a:\n", data.display());
        std::fs::write(&main, text).unwrap();
        let before = open(&paths(&main), PageText::Kept).unwrap();
        assert_eq!(before.files, std::slice::from_ref(&main));
        std::fs::write(page::path(&data), "hosts:\n  b:\n").unwrap();
        let after = open(&paths(&main), PageText::Kept).unwrap();
        assert_eq!(after.files, [main.clone(), page::path(&data)]);
        assert_ne!(before.revision, after.revision);
        assert_eq!(revision_now(&paths(&main).within(&data)).unwrap(), after.revision);
        let hosts = after.document.root(&NoSecrets).to_json();
        assert_eq!(hosts["hosts"].as_object().unwrap().len(), 2);
        let instead = open(&paths(&main), PageText::Instead("hosts:\n  c:\n")).unwrap();
        assert_ne!(instead.revision, after.revision);
        std::fs::write(page::path(&data), "hosts:\n  c:\n").unwrap();
        assert_eq!(revision_now(&paths(&main).within(&data)).unwrap(), instead.revision);
    }

    #[test]
    fn what_was_asked_for_must_be_there() {
        let error = read(&paths(Path::new("/no/such/file"))).unwrap_err();
        assert_eq!(error.to_string(), "there is no configuration at /no/such/file");
        let empty = tempfile::tempdir().unwrap();
        assert!(read(&paths(empty.path())).unwrap_err().to_string().contains("neither"));
    }
}
