//! What an agent cannot see here.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use hark_agent::collectors::{Configured, Root};
use hark_agent::doctor::{
    NotInForce, Tried, TriedLog, given_last, try_collectors, try_logs, try_programs,
};
use hark_agent::logs::LogsConfig;
use hark_agent::{Access, AgentConfig};

use super::{Finding, Level, Patient, way_in};

/// What is kept from most users, and how an agent is allowed to see it.
struct Closed {
    /// Where, below the root.
    path: &'static str,
    /// Whether it is a socket, which is not opened but connected to.
    is_socket: bool,
    /// What an agent reads there.
    holds: &'static str,
    /// The way in, where it is not that of any file or socket.
    mend: Option<&'static str>,
}

const CLOSED: &[Closed] = &[
    Closed {
        path: "proc/1/stat",
        is_socket: false,
        holds: "processes of other users",
        mend: Some("mount -o remount,hidepid=0 /proc (or give the agent's group with gid=)"),
    },
    Closed {
        path: "proc/1/io",
        is_socket: false,
        holds: "what processes of other users read and write",
        mend: Some("hark agent install --capability sys-ptrace"),
    },
    Closed { path: "var/log/syslog", is_socket: false, holds: "the system's log", mend: None },
    Closed { path: "var/log/messages", is_socket: false, holds: "the system's log", mend: None },
    Closed {
        path: "run/docker.sock",
        is_socket: true,
        holds: "containers of Docker (who may use it can become root)",
        mend: None,
    },
    Closed {
        path: "run/podman/podman.sock",
        is_socket: true,
        holds: "containers of Podman",
        mend: None,
    },
];

pub(super) fn look(patient: &Patient) -> Vec<Finding> {
    let none;
    let config = if let Some(agent) = &patient.loaded.agent {
        agent
    } else {
        none = AgentConfig::new(PathBuf::new(), Access::Stored);
        &none
    };
    let given = given_last(config, &patient.data_dir.join("agent"));
    let (watched, logs, jobs) = match &given {
        Ok(Some(given)) => (&given.collectors, &given.logs, &given.jobs),
        Ok(None) | Err(_) => (&config.collectors, &config.logs, &config.jobs),
    };
    let mut findings = collectors(patient, watched);
    findings.extend(given.as_ref().err().map(not_in_force));
    findings.extend(try_all(logs, &patient.root));
    if patient.root == Path::new("/") {
        findings.extend(try_programs(jobs, &config.actions).into_iter().map(program));
    }
    findings.extend(CLOSED.iter().filter_map(|closed| try_closed(&patient.root, closed)));
    findings.extend(try_journal(&patient.root));
    findings.extend(servers(patient));
    findings
}

/// Says that something of what the server gave is not looked at here.
fn not_in_force(trouble: &NotInForce) -> Finding {
    match trouble {
        NotInForce::Unreadable(folder, error) => Finding::bad(
            Level::Warning,
            "config",
            format!("what the server gave last may not be read: {}: {error}", folder.display()),
            "logs and collectors that the server names are not tried here",
            "try as the user that the agent runs as: sudo hark doctor --user NAME",
        ),
        NotInForce::Refused(mistakes) => {
            let first = mistakes.lines().next().unwrap_or_default();
            let first = first.strip_prefix("error: ").unwrap_or(first);
            Finding::bad(
                Level::Warning,
                "config",
                format!("what the server gave last cannot be used: {first}"),
                "the agent goes by its host's own file alone when it starts",
                "correct agent_configs on the server, or this host's own file",
            )
        }
    }
}

fn collectors(patient: &Patient, configured: &[Configured]) -> Vec<Finding> {
    let tried = try_collectors(configured, &Root::at(&patient.root));
    let mut missing = Vec::new();
    let mut findings = Vec::new();
    for (collector, tried) in tried {
        let (area, name) = ("collector", collector.name);
        findings.push(match tried {
            Tried::Works { series, facts } => {
                Finding::fine(area, format!("{name}: {series} series, {facts} facts"))
            }
            Tried::Missing(what) if collector.is_asked_for => Finding::bad(
                Level::Warning,
                area,
                format!("{name}: {what}"),
                "somebody asked for it; its values are absent, and thresholds on them never fire",
                match collector.mend {
                    "" => format!("switch it off: collectors: {{{name}: {{enabled: false}}}}"),
                    mend => mend.to_owned(),
                },
            ),
            Tried::Missing(_) => {
                missing.push(name);
                continue;
            }
            Tried::Refused(path) => Finding::bad(
                Level::Warning,
                area,
                format!("{name}: {} may not be read", path.display()),
                "its values are absent, and thresholds on them never fire",
                way_in::to(&patient.root, &path),
            ),
            Tried::Broken { path, why } => Finding::bad(
                Level::Warning,
                area,
                format!("{name}: {}: {why}", path.display()),
                "its values are absent, and thresholds on them never fire",
                format!(
                    "look at {}, or switch it off: collectors: {{{name}: {{enabled: false}}}}",
                    path.display()
                ),
            ),
            Tried::Panicked => Finding::bad(
                Level::Problem,
                area,
                format!("{name}: fell over"),
                "this is a fault of hark; the other collectors go on",
                format!("switch it off and report it: collectors: {{{name}: {{enabled: false}}}}"),
            ),
        });
    }
    if !missing.is_empty() {
        let text = format!("not on this machine: {}", missing.join(", "));
        findings.push(Finding::fine("collector", text));
    }
    findings
}

fn try_all(logs: &LogsConfig, root: &Path) -> Vec<Finding> {
    let tried = try_logs(logs, root).into_iter();
    let finding = |(name, tried)| match tried {
        TriedLog::Works(1) => Finding::fine("log", format!("{name}: its file can be read")),
        TriedLog::Works(files) => {
            Finding::fine("log", format!("{name}: its {files} files can be read"))
        }
        TriedLog::Missing => Finding::fine("log", format!("{name}: there is no such file yet")),
        TriedLog::NoJournal => Finding::bad(
            Level::Warning,
            "log",
            format!("{name}: there is no journal on this machine"),
            "nothing is found; journald, which is part of systemd, would write it",
            "watch a file instead: `file` in place of `journal`",
        ),
        TriedLog::Refused(path) => Finding::bad(
            Level::Warning,
            "log",
            format!("{name}: {} may not be read", path.display()),
            "nothing that is written there is found",
            way_in::to(root, &path),
        ),
    };
    tried.map(finding).collect()
}

/// Says whether a program would be run.
fn program((name, looked): (String, Result<(), String>)) -> Finding {
    match looked {
        Ok(()) => Finding::fine("program", format!("{name}: its program may be run")),
        Err(why) => Finding::bad(
            Level::Warning,
            "program",
            format!("{name}: not run: {why}"),
            "what it looks at is unknown, or an order fails",
            "put it where only root or the service's user can change it, as a file that can be run",
        ),
    }
}

/// Tries to open it as the agent would; none if it is not there or can be read.
fn try_closed(root: &Path, closed: &Closed) -> Option<Finding> {
    let path = root.join(closed.path);
    let tried = if closed.is_socket {
        connect(&path)
    } else if path.is_dir() {
        std::fs::read_dir(&path).map(drop)
    } else {
        // Some files under /proc can be opened and refuse to be read.
        File::open(&path).and_then(|mut file| file.read(&mut [0; 1]).map(drop))
    };
    match tried {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Some(kept_from_it(
            &path,
            closed.holds,
            closed.mend.map_or_else(|| way_in::to(root, &path), str::to_owned),
        )),
        _ => None,
    }
}

/// The journal's folder may be listed by everybody; what lies in it is what must be tried.
fn try_journal(root: &Path) -> Option<Finding> {
    match hark_agent::doctor::try_journal(root) {
        TriedLog::Refused(path) => {
            Some(kept_from_it(&path, "systemd's journal", way_in::to(root, &path)))
        }
        TriedLog::Works(_) | TriedLog::Missing | TriedLog::NoJournal => None,
    }
}

fn kept_from_it(path: &Path, holds: &str, mend: String) -> Finding {
    Finding::bad(
        Level::Warning,
        "rights",
        format!("{} may not be read", path.display()),
        format!("it holds {holds}; an agent that shall see them needs the right"),
        mend,
    )
}

#[cfg(unix)]
fn connect(path: &Path) -> std::io::Result<()> {
    std::os::unix::net::UnixStream::connect(path).map(drop)
}

/// There are none of those sockets.
#[cfg(windows)]
fn connect(_path: &Path) -> std::io::Result<()> {
    Err(ErrorKind::NotFound.into())
}

fn servers(patient: &Patient) -> Vec<Finding> {
    let Some(agent) = &patient.loaded.agent else { return Vec::new() };
    let by_name = agent.servers.iter().filter(|server| !server.is_local());
    let try_name = |server: &hark_agent::Server| match agent.names.addresses(server) {
        Ok(addresses) if !addresses.is_empty() => {
            Finding::fine("dns", format!("{server} is {}", addresses[0].ip()))
        }
        tried => Finding::bad(
            Level::Problem,
            "dns",
            match tried {
                Err(error) => format!("{server} has no address: {error}"),
                Ok(_) => format!("{server} has no address"),
            },
            "the agent cannot reach its server; it keeps what it measures until it can",
            if server.is_service() {
                format!(
                    "dig SRV {}; or name the server by its address: agent.server",
                    server.host()
                )
            } else {
                format!(
                    "getent hosts {}; or name the server by its address: agent.server",
                    server.host()
                )
            },
        ),
    };
    // Only the agent itself can call on the local network: its key is what is answered.
    by_name.map(try_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_closed_place_names_the_way_in() {
        for closed in CLOSED {
            assert!(!closed.path.starts_with('/'), "{}", closed.path);
            let mend = closed.mend.unwrap_or("hark agent install --");
            let named = ["hark agent install --", "mount "].iter().any(|w| mend.starts_with(w));
            assert!(named, "{mend}");
        }
    }

    #[test]
    fn what_is_not_there_is_no_finding() {
        let root = tempfile::tempdir().unwrap();
        assert!(CLOSED.iter().all(|closed| try_closed(root.path(), closed).is_none()));
        assert_eq!(try_journal(root.path()), None);
    }
}
