//! `hark doctor`: what is wrong with an installation.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;
use serde_json::json;

use crate::config::{self, Paths};
use crate::doctor::{self, Finding, Patient, examine, find_login, worst};
use crate::{install, out, sys};

/// Say what this machine does not let hark do, why it matters, and how to mend it.
///
/// Everything is tried, nothing is changed. As root it is tried as the user of the service, if there is
/// one, with the groups and privileges that the service was installed with. The exit code is 0 if all is well, 1 for warnings, 2 for problems.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark doctor\n  hark doctor --server --json\n  \
    sudo hark doctor --user nobody")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Args {
    /// Look at the agent alone. [default: what the data folder shows, else both]
    #[arg(long, conflicts_with = "server")]
    agent: bool,
    /// Look at the server alone.
    #[arg(long)]
    server: bool,
    /// Try as this user. [default: hark, if there is one and this is root]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The machine's root folder; another one for images.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// The configuration: a file or a folder. [default: as `hark agent` finds it]
    #[arg(short, long, env = "HARK_CONFIG", value_name = "PATH")]
    config: Option<PathBuf>,
    /// The data folder. [default: /var/lib/hark as root, else ~/.local/state/hark]
    #[arg(long, env = "HARK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// This process is the service's user already.
    #[arg(long, hide = true)]
    as_told: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if sys::is_root() && !args.as_told {
        let name = args.user.as_deref().unwrap_or(install::USER);
        match find_login(Path::new("/"), name) {
            Some(login) if args.user.is_none() => {
                return run_as(args, name, &login.with_unit(Path::new("/"), service(args)));
            }
            Some(login) => return run_as(args, name, &login),
            None if args.user.is_some() => anyhow::bail!("there is no user {name}"),
            None => out::note("note: tried as root, who may do all; --user NAME tries as another"),
        }
    } else if args.user.is_some() && !args.as_told {
        anyhow::bail!("only root can try as another user");
    }
    let paths = Paths::new(args.config.clone(), args.data.clone());
    let (loaded, unread) = match config::load(&paths) {
        Ok(loaded) => (loaded, Vec::new()),
        Err(error) => match config::load_without_secrets(&paths) {
            Some(found) => found,
            None => return Ok(super::config::report(&error, args.json)),
        },
    };
    let data_dir = paths.data_dir(loaded.settings.data_dir.as_deref());
    let has = |name: &str| data_dir.join(name).exists();
    let (agent, server) = match (args.agent, args.server) {
        (true, _) => (true, false),
        (_, true) => (false, true),
        _ => (has("agent") || !has("state.db"), has("state.db") || !has("agent")),
    };
    let patient = Patient { root: args.root.clone(), data_dir, loaded, unread, agent, server };
    let findings = examine(&patient);
    print(&findings, args.json);
    Ok(ExitCode::from(worst(&findings).exit_code()))
}

/// Returns the service that is meant: the agent where there is one, unless the server is asked for.
fn service(args: &Args) -> &'static str {
    let (agent, server) = (install::Part::Agent.service(), install::Part::Server.service());
    let is_there = |name| !install::unit_texts(Path::new("/"), name).is_empty();
    if args.server || !args.agent && !is_there(agent) { server } else { agent }
}

/// Runs this same command as another user, whose exit code is ours.
fn run_as(args: &Args, name: &str, login: &doctor::Login) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).arg("--as-told");
    if args.data.is_none() {
        // That user's own default would be another folder.
        command.arg("--data").arg(config::default_data_dir());
    }
    let capabilities = login.capabilities.iter().map(|capability| capability.number()).collect();
    sys::become_user(&mut command, login.user, login.group, login.groups.clone(), capabilities);
    let status = command.status().with_context(|| format!("cannot try as user {name}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2);
    Ok(ExitCode::from(code))
}

fn print(findings: &[Finding], as_json: bool) {
    let level = worst(findings);
    if as_json {
        let list: Vec<_> = findings.iter().map(Finding::to_json).collect();
        out::json(&json!({"exit_code": level.exit_code(), "findings": list}));
        return;
    }
    for line in findings.iter().flat_map(Finding::lines) {
        out::line(line);
    }
    let count = |wanted| findings.iter().filter(|f| f.level == wanted).count();
    let (problems, warnings) = (count(doctor::Level::Problem), count(doctor::Level::Warning));
    out::line(format!("{problems} problems, {warnings} warnings"));
}
