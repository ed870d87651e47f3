//! What `up`, `server`, `agent` and `demo` share: options, detaching, the log, and the life between the
//! first line and the last.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::config::Paths;
use crate::{log, out, sys};

/// What a detached child prints on its standard output when it is ready.
const READY: &str = "ready";

/// The log of a detached process that is told no other place, in the data folder.
const DETACHED_LOG: &str = "hark.log";

/// How long a detached child may take to become ready before we stop waiting for it.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// Options of everything that runs until it is told to end.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServiceArgs {
    /// The configuration: a file, or a folder with hark.yaml and conf.d/*.yaml. [default: the first
    /// of ./hark.yaml, ~/.config/hark, ~/.hb.yaml, /etc/hark that exists; none is needed]
    #[arg(short, long, env = "HARK_CONFIG", value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    /// Where state and history are kept. [default: /var/lib/hark as root, else ~/.local/state/hark]
    #[arg(long, env = "HARK_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Stay in the foreground (the default).
    #[arg(short, long, conflicts_with = "detach")]
    pub(crate) foreground: bool,
    /// Detach from the terminal once everything has started.
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Log more: -v decisions, -vv every datagram.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Where the log goes: stderr, syslog, journald, or a file's path.
    #[arg(long, value_name = "TARGET")]
    pub(crate) log: Option<String>,
    /// This process is the detached one: say when it is ready.
    #[arg(long, hide = true)]
    pub(crate) report_ready: bool,
}

impl ServiceArgs {
    /// Returns where configuration and data lie.
    pub(crate) fn paths(&self) -> Paths {
        Paths::new(self.config.clone(), self.data.clone())
    }

    /// Starts the log as the options say; `configured` is what the configuration says. A detached process
    /// has no standard error: its log goes to a file in `folder` instead.
    ///
    /// # Errors
    /// If the target cannot be opened.
    pub(crate) fn start_log(
        &self,
        configured: &crate::config::LogSettings,
        folder: &Path,
    ) -> anyhow::Result<()> {
        let target = match self.log.as_deref() {
            None => configured.target.clone(),
            Some("stderr") => log::Target::Stderr,
            Some("syslog") => log::Target::Syslog,
            Some("journald") => log::Target::Journald,
            Some(path) => log::Target::File {
                path: PathBuf::from(path),
                max_bytes: configured.max_bytes,
                keep: configured.keep,
            },
        };
        let target = match target {
            log::Target::Stderr if self.report_ready => {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("cannot make the folder {}", folder.display()))?;
                let path = folder.join(DETACHED_LOG);
                out::note(format!("hark logs to {}", path.display()));
                let (max_bytes, keep) = (configured.max_bytes, configured.keep);
                log::Target::File { path, max_bytes, keep }
            }
            other @ (log::Target::Stderr
            | log::Target::File { .. }
            | log::Target::Syslog
            | log::Target::Journald) => other,
        };
        log::start(&target, level(self.verbose, &configured.level))
    }

    /// Says to the process that detached us that everything has started, and lets go of what we have of
    /// the terminal: whoever waits for the end of our output (ssh does) waits no longer.
    pub(crate) fn ready(&self) {
        crate::manager::ready();
        if !self.report_ready {
            return;
        }
        out::line(READY);
        if let Err(error) = sys::let_go_of_terminal() {
            tracing::warn!(%error, "the terminal is kept open");
        }
    }
}

/// Returns what is logged for so many `-v`; without one it is what is configured.
fn level(verbose: u8, configured: &str) -> &str {
    match verbose {
        0 => configured,
        1 => "info,hark=debug,hark_agent=debug,hark_web=debug,hark_notify=debug",
        _ => "debug,hark=trace,hark_agent=trace",
    }
}

/// Starts this same command again without a terminal, waits until it is ready, and returns.
///
/// # Errors
/// If it cannot be started; if it ends before it is ready, its exit code is ours.
pub(super) fn detach() -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let arguments = std::env::args_os().skip(1).filter(|a| a != "-d" && a != "--detach");
    let mut command = Command::new(program);
    command.args(arguments).arg("--report-ready").stdin(Stdio::null()).stdout(Stdio::piped());
    sys::detach(&mut command);
    let mut child = command.spawn().context("cannot start the detached process")?;
    let mut stdout = child.stdout.take().context("the detached process has no output")?;
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut seen = String::new();
        let mut room = [0u8; 4096];
        while let Ok(n) = stdout.read(&mut room) {
            if n == 0 {
                break;
            }
            seen.push_str(&String::from_utf8_lossy(&room[..n]));
            if seen.lines().any(|l| l == READY) {
                break;
            }
        }
        // The other side has gone only if it waited too long, and has said so.
        drop(sender.send(seen));
    });
    let Ok(seen) = receiver.recv_timeout(READY_LIMIT) else {
        bail!("process {} is not ready after {} s; see its log", child.id(), READY_LIMIT.as_secs());
    };
    for line in seen.lines().filter(|l| *l != READY) {
        out::line(line);
    }
    if seen.lines().any(|l| l == READY) {
        out::note(format!("hark runs as process {}", child.id()));
        return Ok(ExitCode::SUCCESS);
    }
    let status = child.wait()?;
    let code = status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// Reads an address such as `0.0.0.0:50003`, `:50003` or `50003`.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let with_host = match text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        Ok(port) => format!("[::]:{port}"),
        Err(_) => text.to_owned(),
    };
    with_host.parse().map_err(|_| format!("{text} is not an address such as 0.0.0.0:50003"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_v_says_more_and_beats_the_file() {
        use tracing_subscriber::filter::{LevelFilter, Targets};

        let says = |verbose, target| {
            let filter: Targets = level(verbose, "warn").parse().unwrap();
            let most =
                [LevelFilter::TRACE, LevelFilter::DEBUG, LevelFilter::INFO, LevelFilter::WARN];
            most.into_iter().find(|level| {
                level.into_level().is_some_and(|level| filter.would_enable(target, &level))
            })
        };
        for (target, levels) in [
            ("hark::server", [LevelFilter::WARN, LevelFilter::DEBUG, LevelFilter::TRACE]),
            ("hark_agent", [LevelFilter::WARN, LevelFilter::DEBUG, LevelFilter::TRACE]),
            ("hyper", [LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG]),
        ] {
            let said = [0, 1, 2].map(|verbose| says(verbose, target));
            assert_eq!(said, levels.map(Some), "{target}");
        }
    }

    #[test]
    fn a_port_alone_listens_everywhere() {
        assert_eq!(parse_listen("50003"), Ok("[::]:50003".parse().unwrap()));
        assert_eq!(parse_listen(":7"), Ok("[::]:7".parse().unwrap()));
        assert_eq!(parse_listen("127.0.0.1:0"), Ok("127.0.0.1:0".parse().unwrap()));
        assert!(parse_listen("x").is_err());
    }
}
