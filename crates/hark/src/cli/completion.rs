//! `hark completion`: completions for shells.

use std::process::ExitCode;

use clap_complete::Shell;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark completion bash > /etc/bash_completion.d/hark")]
pub(super) struct Args {
    /// Which shell.
    shell: Shell,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut super::description(), "hark", &mut text);
    crate::out::text(String::from_utf8_lossy(&text));
    ExitCode::SUCCESS
}
