//! `hark agent install`, `hark server install`, `hark watchdog install`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use hark_model::HostName;

use crate::install::{
    AgentSection, Capability, Init, Part, WATCHDOG_CONFIG, Wanted, carry_out, find_init,
};
use crate::{install, sys};

/// What both have in common.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// Print what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Take the service away again; state and configuration stay.
    #[arg(long)]
    remove: bool,
    /// Install into an image or another tree instead of this machine.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// What starts services. [default: what this machine is run by]
    #[arg(long, value_enum, value_name = "KIND")]
    init: Option<Init>,
    /// A privilege for the service; may be given more than once. [default: none]
    #[arg(long = "capability", value_enum, value_name = "NAME", value_delimiter = ',')]
    capabilities: Vec<Capability>,
    /// A further group for the service, such as adm or docker; may be given more than once.
    #[arg(long = "group", value_name = "NAME", value_delimiter = ',', value_parser = parse_group)]
    groups: Vec<String>,
    /// Install without starting.
    #[arg(long)]
    no_start: bool,
}

/// Make the agent a service of this machine, run by a user of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark agent install --token hark-…\n  \
    hark agent install --token hark-… --name db1\n  \
    hark agent install --server hark.example.net --secret-file ./secret --group adm\n  \
    hark agent install --root /mnt/image --dry-run")]
pub(super) struct AgentArgs {
    /// The server: name or address, with or without :port; more than one are tried in turn.
    #[arg(long = "server", value_name = "SERVER", value_parser = parse_server)]
    servers: Vec<String>,
    /// The line that the server printed, to join once.
    #[arg(long, env = "HARK_ENROL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// A file with the secret that all agents share; it is copied.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    secret_file: Option<PathBuf>,
    /// The host's name. [default: the system's own]
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    name: Option<HostName>,
    #[command(flatten)]
    common: Common,
}

/// Make the server a service of this machine, run by a user of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark server install\n  \
    hark server install --with-agent --capability net-raw\n  hark server install --remove")]
pub(super) struct ServerArgs {
    /// Watch this machine as well (`hark up`).
    #[arg(long)]
    with_agent: bool,
    #[command(flatten)]
    common: Common,
}

/// Make the watch on the server a service of this machine, run by the server's user.
///
/// Who is told stands in /etc/hark/watchdog.yaml, which is made if it is not there. It is started if it
/// was there before; else once its receivers are in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark watchdog install\n  hark watchdog install --remove")]
pub(super) struct WatchdogArgs {
    #[command(flatten)]
    common: Common,
}

pub(super) fn run_watchdog(args: &WatchdogArgs) -> anyhow::Result<ExitCode> {
    run(Part::Watchdog, None, &args.common)
}

pub(super) fn run_agent(args: &AgentArgs) -> anyhow::Result<ExitCode> {
    let section = AgentSection {
        servers: args.servers.clone(),
        token: args.token.clone(),
        secret_file: args.secret_file.clone(),
        name: args.name.clone(),
    };
    let section = (section != AgentSection::default()).then_some(section);
    run(Part::Agent, section, &args.common)
}

pub(super) fn run_server(args: &ServerArgs) -> anyhow::Result<ExitCode> {
    let part = if args.with_agent { Part::Up } else { Part::Server };
    run(part, None, &args.common)
}

fn run(part: Part, agent: Option<AgentSection>, args: &Common) -> anyhow::Result<ExitCode> {
    let root = args.root.canonicalize();
    let root = root.with_context(|| format!("there is no folder {}", args.root.display()))?;
    let live = root == Path::new("/");
    if live && !args.dry_run && !sys::is_root() {
        bail!("only root can install a service: try again with sudo, or look with --dry-run");
    }
    // Without a receiver it ends at once: there is nothing to start yet.
    let has_receivers =
        part != Part::Watchdog || root.join(WATCHDOG_CONFIG.trim_start_matches('/')).exists();
    let wanted = Wanted {
        part,
        init: args.init.unwrap_or_else(|| find_init(&root)),
        root,
        program: std::env::current_exe().context("cannot find this program")?,
        capabilities: args.capabilities.clone(),
        groups: args.groups.clone(),
        agent,
        start: !args.no_start && has_receivers,
    };
    let plan = if args.remove { install::remove(&wanted) } else { install::install(&wanted)? };
    carry_out(&plan, args.dry_run)?;
    Ok(ExitCode::SUCCESS)
}

fn parse_name(text: &str) -> Result<HostName, String> {
    HostName::new(text).map_err(|e| e.to_string())
}

fn parse_server(text: &str) -> Result<String, String> {
    let server = hark_agent::Server::parse(text).map_err(|e| e.to_string())?;
    Ok(server.to_string())
}

/// A group's name as the system's own tools allow it: it stands in a unit's text.
fn parse_group(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let good =
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(plain);
    if good { Ok(text.to_owned()) } else { Err(format!("{text:?} cannot be a group")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_word_that_changes_no_unit() {
        assert_eq!(parse_group("systemd-journal"), Ok("systemd-journal".to_owned()));
        for bad in ["", "a b", "a\nUser=root", "-x", "7", "a%n"] {
            assert!(parse_group(bad).is_err(), "{bad:?}");
        }
    }
}
