//! Carrying out a plan: each step looks whether it is done already, and says what it did.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::USER;
use super::plan::{Owner, Plan, Step};
use crate::{out, sys};

/// Where programs of the system are looked for: not where whoever calls us says.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Longest text read of `/etc/passwd`.
const MAX_PASSWD: u64 = 4 << 20;

/// Carries out `plan` and prints what was done; with `dry` only what would be.
///
/// # Errors
/// At the first step that fails; those before it stay done, and doing all again goes on from there.
pub(crate) fn carry_out(plan: &Plan, dry: bool) -> anyhow::Result<()> {
    let mut changed = false;
    for step in &plan.steps {
        if dry {
            out::line(format!("would have: {step}"));
            continue;
        }
        let did = apply(&plan.root, step, changed).with_context(|| format!("{step}"))?;
        // Whether to restart depends on what lies there, not on what was run.
        changed |= did == Did::Changed && !matches!(step, Step::Run { .. });
        let word = match did {
            Did::Changed => "done",
            Did::Same => "unchanged",
            Did::Skipped => "skipped",
        };
        out::line(format!("{word:<10} {step}"));
    }
    for note in &plan.notes {
        out::note(format!("note: {note}"));
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Did {
    Changed,
    Same,
    Skipped,
}

/// Returns `path`, which is absolute, under `root`.
fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn apply(root: &Path, step: &Step, changed: bool) -> anyhow::Result<Did> {
    match step {
        Step::User => user(root),
        Step::Folder { path, mode, owner } => folder(root, &under(root, path), *mode, *owner),
        Step::Program { from, to } => program(from, &under(root, to)),
        Step::File { path, text, mode, owner, keep } => {
            let path = under(root, path);
            if *keep && path.exists() {
                return Ok(Did::Same);
            }
            file(root, &path, text.expose().as_bytes(), *mode, *owner)
        }
        Step::Link { path, to } => link(&under(root, path), to),
        Step::Absent { path } => absent(&under(root, path)),
        Step::Run { only_if_changed: true, .. } if !changed => Ok(Did::Skipped),
        Step::Run { program, arguments, may_fail, .. } => run(program, arguments, *may_fail),
    }
}

/// Returns the numbers of the service's user and group under `root`.
fn ids(root: &Path) -> Option<(u32, u32)> {
    let path = root.join("etc/passwd");
    if fs::metadata(&path).ok()?.len() > MAX_PASSWD {
        return None;
    }
    ids_in(&fs::read_to_string(path).ok()?)
}

fn ids_in(passwd: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(USER))?;
    let mut numbers = line.split(':').skip(2);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn user(root: &Path) -> anyhow::Result<Did> {
    if ids(root).is_some() {
        return Ok(Did::Same);
    }
    let mut tried = Vec::new();
    let image = root != Path::new("/");
    let prefix = || vec!["--prefix".to_owned(), root.display().to_string()];
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut useradd = if image { prefix() } else { Vec::new() };
    useradd.extend(words(
        "--system --user-group --no-create-home --home-dir /var/lib/hark --shell /usr/sbin/nologin",
    ));
    useradd.push(USER.to_owned());
    let mut ways = vec![("useradd", useradd)];
    if !image {
        // busybox has only this one.
        let adduser = words("-S -D -H -h /var/lib/hark -s /sbin/nologin");
        ways.push(("adduser", [adduser, vec![USER.to_owned()]].concat()));
    }
    for (program, arguments) in ways {
        match run(program, &arguments, false) {
            Ok(_) if ids(root).is_some() => return Ok(Did::Changed),
            Ok(_) => tried.push(format!("{program} made no user {USER}")),
            Err(error) => tried.push(format!("{error:#}")),
        }
    }
    bail!("cannot make the user {USER}: {}", tried.join("; "))
}

/// Gives `path` its mode and owner; returns true if it had others.
fn own(root: &Path, path: &Path, mode: u32, owner: Owner) -> anyhow::Result<bool> {
    let found = fs::metadata(path)?;
    let mut changed = false;
    // Only root can give something away; in an image made by others the owner is theirs to set.
    if sys::is_root() {
        let (user, group) = ids(root).unwrap_or((0, 0));
        let wanted = match owner {
            Owner::Root => (0, 0),
            Owner::RootForService => (0, group),
            Owner::Service => (user, group),
        };
        if (found.uid(), found.gid()) != wanted {
            std::os::unix::fs::chown(path, Some(wanted.0), Some(wanted.1))?;
            changed = true;
        }
    }
    if found.permissions().mode() & 0o7777 != mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        changed = true;
    }
    Ok(changed)
}

fn folder(root: &Path, path: &Path, mode: u32, owner: Owner) -> anyhow::Result<Did> {
    let there = path.is_dir();
    if !there {
        parents(path)?;
        fs::create_dir(path)?;
    }
    let changed = own(root, path, mode, owner)?;
    Ok(if changed || !there { Did::Changed } else { Did::Same })
}

/// Makes the folders above `path`, open to everybody as those of the system are.
fn parents(path: &Path) -> anyhow::Result<()> {
    let Some(parent) = path.parent().filter(|parent| !parent.exists()) else { return Ok(()) };
    parents(parent)?;
    fs::create_dir(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    fs::set_permissions(parent, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Writes a file whole or not at all: what runs from it goes on with the old one.
fn file(root: &Path, path: &Path, bytes: &[u8], mode: u32, owner: Owner) -> anyhow::Result<Did> {
    let same = fs::read(path).is_ok_and(|found| found == bytes);
    if !same {
        parents(path)?;
        let part = part_of(path);
        absent(&part)?;
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        own(root, &part, mode, owner)?;
        fs::rename(&part, path)?;
        return Ok(Did::Changed);
    }
    Ok(if own(root, path, mode, owner)? { Did::Changed } else { Did::Same })
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".hark-part");
    path.with_file_name(name)
}

fn program(from: &Path, to: &Path) -> anyhow::Result<Did> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    file(Path::new("/"), to, &bytes, 0o755, Owner::Root)
}

fn link(path: &Path, to: &Path) -> anyhow::Result<Did> {
    if fs::read_link(path).is_ok_and(|found| found == to) {
        return Ok(Did::Same);
    }
    parents(path)?;
    absent(path)?;
    std::os::unix::fs::symlink(to, path)?;
    Ok(Did::Changed)
}

fn absent(path: &Path) -> anyhow::Result<Did> {
    match fs::remove_file(path) {
        Ok(()) => Ok(Did::Changed),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Did::Same),
        Err(error) => Err(error.into()),
    }
}

fn run(program: &str, arguments: &[String], may_fail: bool) -> anyhow::Result<Did> {
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if output.status.success() || may_fail {
        return Ok(Did::Changed);
    }
    let said = [output.stderr, output.stdout].concat();
    bail!("{program}: {}: {}", output.status, String::from_utf8_lossy(&said).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0::/:/bin/sh\nharken:x:7:8:::\nhark:x:998:997::/var/lib/hark:\n";
        assert_eq!(ids_in(passwd), Some((998, 997)));
        assert_eq!(ids_in("harken:x:7:8:::\n"), None);
        assert_eq!(ids_in("hark:x:many:8:::\n"), None);
    }

    #[test]
    fn a_step_that_is_done_says_so() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("etc/deep/file");
        let write =
            |text: &str| file(root.path(), &path, text.as_bytes(), 0o640, Owner::Root).unwrap();
        assert_eq!(write("a"), Did::Changed);
        assert_eq!(write("a"), Did::Same);
        assert_eq!(write("b"), Did::Changed);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(write("b"), Did::Changed, "a right that should not be there is taken away");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        let at = root.path().join("rc2.d/S20x");
        assert_eq!(link(&at, Path::new("../x")).unwrap(), Did::Changed);
        assert_eq!(link(&at, Path::new("../x")).unwrap(), Did::Same);
        assert_eq!(absent(&at).unwrap(), Did::Changed);
        assert_eq!(absent(&at).unwrap(), Did::Same);
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let error = run("ls", &["/no/such/folder".to_owned()], false).unwrap_err().to_string();
        assert!(error.contains("/no/such/folder"), "{error}");
        assert_eq!(run("ls", &["/no/such/folder".to_owned()], true).unwrap(), Did::Changed);
    }
}
