//! The small start logic: which program goes on from here.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context;
use hark_agent::UpdateSettings;
use hark_model::Clock;

use super::order::lock;
use super::release::{MAX_SIGNATURE, Release, Version};
use super::slots::{Slot, read_bounded};
use super::state::{Choice, Placed, State};
use super::{AGAIN_CODE, BASE_VARIABLE, SLOT_VARIABLE, TRIAL_VARIABLE, base};
use crate::stop::{Asked, Signals};
use crate::sys;

/// How often it is looked whether the one on trial works by now.
const LOOK: Duration = Duration::from_millis(250);

/// How long one that is given up may take to end before it is killed.
const END: Duration = Duration::from_secs(5);

/// Who goes on after the start.
#[derive(Debug)]
pub(crate) enum Begun {
    /// This program.
    GoOn,
    /// Nobody: another one has run from here, and its exit code is ours.
    Ended(ExitCode),
}

/// Goes over to the version that is in use or on trial, if there is one. To be called once the
/// configuration is read and before anything is opened. What goes wrong is logged, and this program
/// goes on itself.
pub(crate) fn begin(data_dir: &Path, settings: &UpdateSettings, lets_go: bool) -> Begun {
    if std::env::var_os(SLOT_VARIABLE).is_some() || !State::exists(data_dir) {
        return Begun::GoOn;
    }
    if settings.keys.is_empty() {
        tracing::warn!("`agent.update.public_key` names no key: versions in slots are not started");
        return Begun::GoOn;
    }
    loop {
        let choice = match choose(data_dir) {
            Ok(choice) => choice,
            Err(error) => {
                // What cannot be counted would be tried for ever.
                tracing::error!(%error, "cannot write update.json: going on without");
                return Begun::GoOn;
            }
        };
        let (placed, failed) = match choice {
            Choice::Base => return Begun::GoOn,
            Choice::Proven(placed) => (placed, replace(data_dir, settings, placed)),
            Choice::Trial(placed) => match supervise(data_dir, settings, placed, lets_go) {
                Ok(After::Ended(code)) => return Begun::Ended(code),
                Ok(After::Again) => return go_over(),
                Err(error) => (placed, error),
            },
        };
        // Each turn gives up one of at most three versions.
        tracing::error!(version = %placed.version, "cannot be started: {failed:#}");
        give_up(data_dir, choice, &format!("it cannot be started: {failed:#}"));
    }
}

/// Notes that this program works. Returns true if that is news.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn confirm(data_dir: &Path) -> std::io::Result<bool> {
    let Some(slot) = own_slot() else { return Ok(false) };
    let _lock = lock(data_dir)?;
    let mut state = State::load(data_dir);
    let is_news = state.confirm(slot);
    if is_news {
        state.store(data_dir)?;
    }
    Ok(is_news)
}

/// Returns the slot in which this program lies.
pub(super) fn own_slot() -> Option<Slot> {
    Slot::parse(std::env::var_os(SLOT_VARIABLE)?.to_str()?)
}

/// Returns true if this program is on trial.
pub(super) fn is_on_trial() -> bool {
    std::env::var_os(TRIAL_VARIABLE).is_some()
}

/// Ends this program so that another version can go on, if there is one: by the parent that waits for
/// it, or by becoming the base, which looks.
pub(crate) fn go_over() -> Begun {
    if is_on_trial() {
        return Begun::Ended(ExitCode::from(AGAIN_CODE));
    }
    let failed = base().map(|base| {
        let mut command = Command::new(&base);
        command.args(arguments()).env(BASE_VARIABLE, &base);
        command.env_remove(SLOT_VARIABLE).env_remove(TRIAL_VARIABLE);
        sys::become_program(&mut command)
    });
    tracing::error!("cannot start anew: {failed:?}");
    Begun::Ended(ExitCode::FAILURE)
}

fn arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(1)
}

fn choose(data_dir: &Path) -> std::io::Result<Choice> {
    let _lock = lock(data_dir)?;
    let mut state = State::load(data_dir);
    let choice = state.choose(Version::base());
    state.store(data_dir)?;
    Ok(choice)
}

fn give_up(data_dir: &Path, choice: Choice, why: &str) {
    let change = |state: &mut State| match choice {
        Choice::Trial(_) => state.fail_trial(why),
        Choice::Proven(_) => state.fail_current(why),
        Choice::Base => {}
    };
    let given_up = lock(data_dir).and_then(|_lock| {
        let mut state = State::load(data_dir);
        change(&mut state);
        state.store(data_dir)
    });
    if let Err(error) = given_up {
        tracing::error!(%error, "cannot write update.json");
    }
}

/// Verifies what lies in a slot and returns how it is started.
fn command(data_dir: &Path, settings: &UpdateSettings, placed: Placed) -> anyhow::Result<Command> {
    let text = read_bounded(&placed.slot.signature(data_dir), MAX_SIGNATURE)
        .context("cannot read the signature")?;
    let release = Release::read(&String::from_utf8_lossy(&text), Clock.now().unix)?;
    anyhow::ensure!(release.version == placed.version, "it is version {}", release.version);
    let program = placed.slot.program(data_dir);
    release.verify(&program, &settings.keys)?;
    let mut command = Command::new(program);
    command.args(arguments()).env(SLOT_VARIABLE, placed.slot.name()).env(BASE_VARIABLE, base()?);
    Ok(command)
}

/// Becomes the program in a slot; comes back only with the reason why not.
fn replace(data_dir: &Path, settings: &UpdateSettings, placed: Placed) -> anyhow::Error {
    match command(data_dir, settings, placed) {
        Ok(mut command) => sys::become_program(command.env_remove(TRIAL_VARIABLE)).into(),
        Err(error) => error,
    }
}

/// What follows once the program on trial has ended.
#[derive(Debug)]
enum After {
    /// We end as well.
    Ended(ExitCode),
    /// It is looked again which one to start.
    Again,
}

/// Runs the program on trial as a child: until it ends, or has not come to work in time.
fn supervise(
    data_dir: &Path,
    settings: &UpdateSettings,
    placed: Placed,
    lets_go: bool,
) -> anyhow::Result<After> {
    let mut command = command(data_dir, settings, placed)?;
    command.env(TRIAL_VARIABLE, "1");
    sys::die_with_parent(&mut command);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let signals = Signals::listen()?;
        let child = tokio::process::Command::from(command).spawn()?;
        tracing::info!(version = %placed.version, "on trial");
        if lets_go {
            // Whoever detached us waits for the end of the child's output, not of ours.
            sys::let_go_of_terminal()?;
        }
        let watched = Watched { data_dir, placed, child, signals, asked_to_end: false };
        watched.until_end(settings.confirm_within).await
    })
}

struct Watched<'a> {
    data_dir: &'a Path,
    placed: Placed,
    child: tokio::process::Child,
    signals: Signals,
    asked_to_end: bool,
}

impl Watched<'_> {
    async fn until_end(mut self, confirm_within: Duration) -> anyhow::Result<After> {
        let mut look = tokio::time::interval(LOOK);
        let late = tokio::time::sleep(confirm_within);
        tokio::pin!(late);
        let mut works = false;
        loop {
            tokio::select! {
                status = self.child.wait() => return Ok(self.ended(status?, works)),
                asked = self.signals.next() => self.pass_on(asked),
                _ = look.tick(), if !works => {
                    works = self.works();
                    if works {
                        tracing::info!(version = %self.placed.version, "works, and is in use now");
                        sys::give_unused_back();
                    }
                }
                () = &mut late, if !works && !self.asked_to_end => {
                    // It may have come to work within the last quarter of a second.
                    works = self.works();
                    if !works {
                        return self.too_late(confirm_within).await;
                    }
                }
            }
        }
    }

    /// Returns true once the child has noted that it works.
    fn works(&self) -> bool {
        let state = State::load(self.data_dir);
        state.trial.is_none() && state.version(Version::base()) == self.placed.version
    }

    fn pass_on(&mut self, asked: Asked) {
        self.asked_to_end |= asked == Asked::Stop;
        if let Some(id) = self.child.id() {
            sys::pass_on(id, asked);
        }
    }

    async fn too_late(mut self, confirm_within: Duration) -> anyhow::Result<After> {
        let why = format!("it did not come to work within {} s", confirm_within.as_secs_f32());
        tracing::error!(version = %self.placed.version, "{why}; going back");
        self.pass_on(Asked::Stop);
        if tokio::time::timeout(END, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        give_up(self.data_dir, Choice::Trial(self.placed), &why);
        Ok(After::Again)
    }

    fn ended(&self, status: ExitStatus, works: bool) -> After {
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        let works = works || self.works();
        if self.asked_to_end {
            if !works {
                self.forgive();
            }
            return After::Ended(ExitCode::from(code.unwrap_or(1)));
        }
        if code == Some(AGAIN_CODE) {
            return After::Again;
        }
        tracing::error!(version = %self.placed.version, %status, "ended by itself");
        if works { After::Ended(ExitCode::from(code.unwrap_or(1))) } else { After::Again }
    }

    fn forgive(&self) {
        let forgiven = lock(self.data_dir).and_then(|_lock| {
            let mut state = State::load(self.data_dir);
            state.forgive();
            state.store(self.data_dir)
        });
        if let Err(error) = forgiven {
            tracing::warn!(%error, "an end on purpose counts as a try");
        }
    }
}
