//! Looking for a newer version and putting it into its slot.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context, bail};
use hark_agent::UpdateSettings;
use hark_model::{Clock, HostName};

use super::fetch::fetch;
use super::release::{MAX_PROGRAM, MAX_SIGNATURE, Release, Version, target};
use super::state::{Placed, State};

/// Held while `update.json` or a slot is changed.
const LOCK: &str = "update.lock";

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing above this one, which is in use.
    Newest(Version),
    /// There is a newer one, and nobody asked to take it.
    Newer(Version),
    /// It lies in its slot and is tried at the next start.
    Staged(Version),
    /// It was tried and did not work; why.
    Failed(Version, String),
}

/// What to do about a newer version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Put it into its slot, and not only say that it is there.
    pub(crate) take: bool,
    /// Also one that was tried and did not work.
    pub(crate) again: bool,
}

/// What staging has done so far; a crash may come after each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    RoomMade,
    Emptied,
    SignatureThere,
    ProgramThere,
    Verified,
    Recorded,
}

/// Looks for a newer version and takes it if that is wished. Blocks for as long as getting it takes.
///
/// # Errors
/// If nothing is configured, it cannot be got, or it is not what its signature says.
pub(crate) fn look(
    data_dir: &Path,
    settings: &UpdateSettings,
    wish: Wish,
) -> anyhow::Result<Found> {
    look_stopping(data_dir, settings, wish, &mut |_| Ok(()))
}

/// As [`look`]; `after` is told of each step, and ends everything there if it fails, as a crash would.
fn look_stopping(
    data_dir: &Path,
    settings: &UpdateSettings,
    wish: Wish,
    after: &mut dyn FnMut(Step) -> anyhow::Result<()>,
) -> anyhow::Result<Found> {
    let source = settings.from.as_ref().context(
        "`agent.update.from` does not say where newer versions lie, and `public_key` who signs them",
    )?;
    let name = format!("hark-{}", target());
    let own_name = crate::sys::host_name().and_then(|name| HostName::new(&name).ok());
    let host = settings.host.as_ref().or(own_name.as_ref());
    let in_use = State::load(data_dir).version(Version::base());
    let text = fetch(source, &format!("{name}.minisig"), MAX_SIGNATURE, host)?;
    let Some(text) = text else { return Ok(Found::Newest(in_use)) };
    let text = String::from_utf8(text).context("the signature is no text")?;
    let release = Release::read(&text, Clock.now().unix)?;
    if release.version <= in_use {
        return Ok(Found::Newest(in_use));
    }
    let state = State::load(data_dir);
    if let Some(failed) = state.failed.filter(|f| f.version == release.version && !wish.again) {
        return Ok(Found::Failed(failed.version, failed.why));
    }
    if state.trial.is_some_and(|trial| trial.version == release.version) {
        return Ok(Found::Staged(release.version));
    }
    if !wish.take {
        return Ok(Found::Newer(release.version));
    }
    let program = fetch(source, &name, MAX_PROGRAM, host)?;
    // It is another one by now.
    let Some(program) = program else { return Ok(Found::Newest(in_use)) };
    stage(data_dir, settings, &release, &text, &program, after)?;
    Ok(Found::Staged(release.version))
}

/// Puts a release into the slot that is not in use. `update.json` names it last of all: whatever comes
/// before, what is in use stays in use.
fn stage(
    data_dir: &Path,
    settings: &UpdateSettings,
    release: &Release,
    signature: &str,
    program: &[u8],
    after: &mut dyn FnMut(Step) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let _lock = lock(data_dir).context("cannot lock the slots")?;
    let mut state = State::load(data_dir);
    let in_use = state.version(Version::base());
    if release.version <= in_use {
        bail!("version {in_use} is in use by now");
    }
    let slot = state.make_room();
    state.store(data_dir).context("cannot write update.json")?;
    after(Step::RoomMade)?;
    slot.empty(data_dir).context("cannot empty the slot")?;
    after(Step::Emptied)?;
    slot.put_signature(data_dir, signature).context("cannot write the signature")?;
    after(Step::SignatureThere)?;
    slot.put_program(data_dir, program).context("cannot write the program")?;
    after(Step::ProgramThere)?;
    // As it lies there now: what was got is one thing, what the disk has kept another.
    if let Err(refused) = release.verify(&slot.program(data_dir), &settings.keys) {
        slot.empty(data_dir).context("cannot empty the slot")?;
        return Err(refused.into());
    }
    after(Step::Verified)?;
    state.trial = Some(Placed { slot, version: release.version, starts: 0 });
    state.failed = None;
    state.store(data_dir).context("cannot write update.json")?;
    after(Step::Recorded)
}

/// Waits until nobody else changes the slots; holds them while the file lives.
pub(super) fn lock(data_dir: &Path) -> io::Result<File> {
    let path = data_dir.join(LOCK);
    if !path.exists() {
        super::slots::write_whole(data_dir, LOCK, b"", 0o600)?;
    }
    let file = File::options().write(true).open(path)?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests;
