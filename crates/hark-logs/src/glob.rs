//! Names of files with wildcards: `*`, `?` and `[a-z]` in any part of the path.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Bound on the files that one name stands for: more is a mistake (`/**`), not a log.
pub(crate) const MAX_FILES: usize = 1000;

/// An absolute path whose parts may have wildcards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glob(String);

/// Why a text names no files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GlobError {
    /// The agent has no folder of its own that a relative path could start from.
    #[error("a file's name begins with /, or with a drive of Windows (C:\\)")]
    Relative,
    /// It names a folder.
    #[error("this names a folder: end it with a file's name, or /*")]
    Folder,
    /// There is no such wildcard.
    #[error("`**` is not a wildcard here: name the folders with `*`")]
    Deep,
}

impl Glob {
    /// Reads a name.
    ///
    /// # Errors
    /// See [`GlobError`].
    pub fn new(text: &str) -> Result<Self, GlobError> {
        let (_, rest) = root_of(text).ok_or(GlobError::Relative)?;
        let name = pieces_of(text, rest).last();
        if matches!(name, None | Some("" | "." | "..")) {
            return Err(GlobError::Folder);
        }
        if pieces_of(text, rest).any(|part| part == "**") {
            return Err(GlobError::Deep);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns it as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if it stands for one file alone.
    pub fn is_plain(&self) -> bool {
        !self.0.contains(['*', '?', '['])
    }

    /// Returns true if it stands for `path`.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let (mut patterns, mut parts) = (pieces(&self.0), pieces(path));
        loop {
            match (patterns.next(), parts.next()) {
                (None, None) => return true,
                (Some(pattern), Some(part)) if matches_part(pattern, part) => {}
                _ => return false,
            }
        }
    }

    /// Returns the folders that hold such files now, or would: the deepest that exist on the way.
    pub fn folders(&self) -> Vec<PathBuf> {
        let (mut found, folders, _) = self.parts();
        let mut deepest = found.clone();
        for part in folders {
            let mut next = Vec::new();
            for folder in &found {
                next.extend(below(folder, part).into_iter().filter(|path| path.is_dir()));
                next.truncate(MAX_FILES);
            }
            if next.is_empty() {
                return deepest;
            }
            // With a wildcard a new folder can also appear beside those.
            if part.contains(['*', '?', '[']) {
                deepest.extend(next.iter().cloned());
            } else {
                deepest.clone_from(&next);
            }
            found = next;
        }
        deepest
    }

    /// Returns the files that there are now, in order; what is packed is left out.
    pub fn files(&self) -> Vec<PathBuf> {
        let (mut found, folders, name) = self.parts();
        for part in folders {
            found = found.iter().flat_map(|folder| below(folder, part)).take(MAX_FILES).collect();
        }
        let files = found.iter().flat_map(|folder| below(folder, name));
        let mut files: Vec<PathBuf> =
            files.filter(|path| path.is_file() && !is_packed(path)).take(MAX_FILES).collect();
        files.sort();
        files
    }

    /// Returns the root, if this system has it, the folders below it, and the name.
    fn parts(&self) -> (Vec<PathBuf>, Vec<&str>, &str) {
        let (root, rest) = root_of(&self.0).unwrap_or_default();
        // As the system writes it: names of files are shown, and kept.
        let root: PathBuf = Path::new(root).components().collect();
        let roots = Some(root).filter(|root| root.is_absolute()).into_iter().collect();
        let mut parts: Vec<&str> =
            pieces_of(&self.0, rest).filter(|part| !part.is_empty()).collect();
        let name = parts.pop().unwrap_or_default();
        (roots, parts, name)
    }
}

/// Cuts a path behind its root: `/`, or a drive of Windows with either sort of stroke. A server of any
/// system reads what is meant for hosts of another.
fn root_of(text: &str) -> Option<(&str, &str)> {
    let at = if text.starts_with('/') { 1 } else { 3 };
    let is_drive = || match text.as_bytes() {
        [letter, b':', b'/' | b'\\', ..] => letter.is_ascii_alphabetic(),
        _ => false,
    };
    if at == 1 || is_drive() { text.split_at_checked(at) } else { None }
}

/// Tells whether `c` stands between the parts of such a path.
fn is_border(path: &str, c: char) -> bool {
    c == '/' || (c == '\\' && !path.starts_with('/'))
}

fn pieces_of<'p>(path: &'p str, rest: &'p str) -> impl Iterator<Item = &'p str> {
    rest.split(|c| is_border(path, c))
}

/// Cuts a path at its borders.
fn pieces(path: &str) -> impl Iterator<Item = &str> {
    pieces_of(path, path)
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Old logs that were packed: nothing is ever appended to them.
pub(crate) fn is_packed(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["gz", "xz", "bz2", "zst", "lz4"].contains(&ending))
}

fn below(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    if !pattern.contains(['*', '?', '[']) {
        let path = folder.join(pattern);
        return if path.exists() { vec![path] } else { Vec::new() };
    }
    // A folder that cannot be read has no such files.
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let fits = |entry: &std::fs::DirEntry| {
        entry.file_name().to_str().is_some_and(|name| matches_part(pattern, name))
    };
    let fitting = entries.filter_map(Result::ok).filter(fits);
    fitting.map(|entry| entry.path()).collect()
}

/// Tells whether one part of a path fits. As in a shell, a leading dot must be written.
fn matches_part(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    fits(&pattern, &name)
}

/// Goes back to the last star only: a star further left could not do better.
fn fits(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match one(pattern.get(p..).unwrap_or_default(), name.get(n).copied()) {
            One::Star => {
                star = Some((p + 1, n));
                p += 1;
            }
            One::Fits(len) => {
                p += len;
                n += 1;
            }
            One::No => {
                let Some((after, from)) = star else { return false };
                star = Some((after, from + 1));
                (p, n) = (after, from + 1);
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

enum One {
    Star,
    /// The first so many of the pattern stand for the character.
    Fits(usize),
    No,
}

fn one(pattern: &[char], character: Option<char>) -> One {
    let (Some(first), Some(character)) = (pattern.first(), character) else { return One::No };
    match first {
        '*' => One::Star,
        '?' => One::Fits(1),
        '[' => match class(pattern, character) {
            Some((true, len)) => One::Fits(len),
            // No end: the bracket itself.
            None if character == '[' => One::Fits(1),
            Some((false, _)) | None => One::No,
        },
        other if *other == character => One::Fits(1),
        _ => One::No,
    }
}

/// Reads `[abc0-9]` or `[!abc]`; returns whether it stands for the character, and its length.
fn class(pattern: &[char], character: char) -> Option<(bool, usize)> {
    let not = matches!(pattern.get(1), Some('!' | '^'));
    let begin = if not { 2 } else { 1 };
    let mut at = begin;
    let mut holds = false;
    loop {
        let from = *pattern.get(at)?;
        if from == ']' && at > begin {
            return Some((holds != not, at + 1));
        }
        if pattern.get(at + 1) == Some(&'-') && pattern.get(at + 2).is_some_and(|c| *c != ']') {
            let to = *pattern.get(at + 2)?;
            holds |= (from..=to).contains(&character);
            at += 3;
        } else {
            holds |= from == character;
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_what_a_shell_says() {
        for (glob, path, fits) in [
            ("/var/log/*.log", "/var/log/app.log", true),
            ("/var/log/*.log", "/var/log/app.log.1", false),
            ("/var/log/*.log", "/var/log/x/app.log", false),
            ("/var/log/*.log", "/var/log/.hidden.log", false),
            ("/var/*/a?c", "/var/x/abc", true),
            ("/var/*/a?c", "/var/x/ac", false),
            ("/l/[a-c]*[!0-9]", "/l/bx", true),
            ("/l/[a-c]*[!0-9]", "/l/b7", false),
            ("/l/*a*b*c", "/l/xaxbxbxc", true),
            ("/l/*a*b*c", "/l/xaxcxb", false),
            ("/l/[x", "/l/[x", true),
            ("/l/a", "/l/a", true),
            ("/l/a\\b", "/l/a/b", false),
            ("C:/logs/*.log", "C:\\logs\\a.log", true),
            ("C:\\logs\\*\\a?.log", "C:\\logs\\x\\ab.log", true),
            ("C:\\logs\\*.log", "D:\\logs\\a.log", false),
            ("C:\\logs\\*.log", "C:\\logs\\x\\a.log", false),
        ] {
            assert_eq!(Glob::new(glob).unwrap().matches(path), fits, "{glob} {path}");
        }
    }

    #[test]
    fn finds_files_and_the_folders_where_new_ones_can_appear() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["a/x.log", "b/y.log", "b/y.log.1.gz", "b/z.txt"] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), "").unwrap();
        }
        let glob = Glob::new(&format!("{}/*/*.log*", root.display())).unwrap();
        assert_eq!(glob.files(), [root.join("a/x.log"), root.join("b/y.log")]);
        let folders = glob.folders();
        for wanted in [root.to_owned(), root.join("a"), root.join("b")] {
            assert!(folders.contains(&wanted), "{folders:?}");
        }
        let missing = Glob::new(&format!("{}/later/c/x.log", root.display())).unwrap();
        assert_eq!(missing.folders(), [root.to_owned()]);
        assert_eq!(missing.files(), Vec::<PathBuf>::new());
    }

    #[test]
    fn says_what_names_no_file() {
        for text in [
            "x.log",
            "/var/log/",
            "/var/log/..",
            "/var/**/x",
            "",
            "C:x.log",
            "C:",
            "\\\\server\\share\\x.log",
            "C:\\",
            "C:\\logs\\.",
            "C:\\**\\x",
        ] {
            assert!(Glob::new(text).is_err(), "{text}");
        }
    }
}
