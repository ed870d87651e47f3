//! `hark watchdog`: tells when a server has ended, hangs, and is back.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::install;
use crate::config::{self, Paths};
use crate::watchdog::Watchdog;
use crate::{log, out};

/// Watch a server from outside, and tell when it has ended, hangs, and is back.
///
/// It needs no server to tell: `receivers` of its own configuration are called from here. What it watches
/// is found in the server's data folder, or named by `watchdog.url`. With a command behind `--` it starts
/// that, tells how it ended, and ends with its exit code.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(
    after_help = "Examples:\n  hark watchdog -c /etc/hark/watchdog.yaml --data /var/lib/hark\n  \
    hark watchdog -c watchdog.yaml -- hark server -c /etc/hark\n  hark watchdog install"
)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// The configuration: a file, or a folder with hark.yaml and conf.d/*.yaml. Its sections are
    /// `watchdog` and `receivers`; others do not matter.
    #[arg(short, long, env = "HARK_CONFIG", value_name = "PATH")]
    config: Option<PathBuf>,
    /// The data folder of the server. [default: /var/lib/hark as root, else ~/.local/state/hark]
    #[arg(long, env = "HARK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// A server to start and watch.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// What else can be done with a watch.
#[derive(Debug, clap::Subcommand)]
enum Action {
    Install(install::WatchdogArgs),
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(Action::Install(args)) = &args.action {
        return install::run_watchdog(args);
    }
    crate::server::run::runs_here()?;
    let paths = Paths::new(args.config.clone(), args.data.clone());
    let loaded = match config::load(&paths) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(super::config::report(&error, false)),
    };
    log::start(&loaded.settings.log.target, &loaded.settings.log.level)?;
    if !loaded.warnings.is_empty() {
        out::note(loaded.warnings.trim_end());
    }
    let watchdog = Watchdog {
        settings: loaded.watch.watchdog.unwrap_or_default(),
        receivers: loaded.receivers,
        data_dir: paths.data_dir(loaded.settings.data_dir.as_deref()),
        command: args.command.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(watchdog.run())
}
