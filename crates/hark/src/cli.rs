//! The command line: one command a file.

mod ack;
mod agent;
mod audit;
mod backup;
mod bench;
mod cause;
mod check;
mod checks;
pub(crate) mod client;
mod cmd;
mod comment;
mod completion;
pub(crate) mod config;
mod dashboards;
mod deliveries;
mod demo;
mod dns;
mod doctor;
mod enroll;
mod explain;
mod history;
mod hosts;
mod import;
mod incidents;
mod install;
mod jobs;
mod journal;
mod maintenance;
mod oncall;
mod once;
mod passwd;
mod push;
mod quarantine;
mod query;
mod receivers;
mod report;
mod resolve;
mod restore;
mod route;
mod send;
mod server;
pub(crate) mod service;
mod silence;
mod status;
mod status_page;
mod token;
mod top;
mod up;
mod update;
mod users;
mod watch;
mod watchdog;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::out;

/// Exit code for a person's mistake in configuration or usage, as clap's own.
pub(crate) const EXIT_USAGE: u8 = 2;

/// hark hears every heartbeat: one small program that watches hosts and the network between them,
/// tells the right person once when something breaks, and stays quiet otherwise.
#[derive(Debug, Parser)]
#[command(name = "hark", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Start here:\n  hark up              server and agent for this machine\n  \
    hark demo            the whole product with simulated hosts, nothing kept\n  \
    hark check http https://example.net/\n\nEvery command has --help with an example.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Args),
    Server(server::Args),
    Agent(agent::Args),
    Demo(demo::Args),
    Check(check::Args),
    Checks(checks::Args),
    Once(once::Args),
    Send(send::Args),
    Status(status::Args),
    Top(top::Args),
    Hosts(hosts::Args),
    Incidents(incidents::Args),
    Explain(explain::Args),
    Route(route::Args),
    Oncall(oncall::Args),
    Query(query::Args),
    Deliveries(deliveries::Args),
    Receivers(receivers::Args),
    Jobs(jobs::Args),
    Ack(ack::Args),
    Comment(comment::Args),
    Resolve(resolve::Args),
    Cause(cause::Args),
    Silence(silence::Args),
    Maintenance(maintenance::Args),
    Cmd(cmd::Args),
    Config(config::Args),
    Import(import::Args),
    Dashboards(dashboards::Args),
    StatusPage(status_page::Args),
    Dns(dns::Args),
    Passwd(passwd::Args),
    Users(users::Args),
    Token(token::Args),
    Audit(audit::Args),
    Push(push::Args),
    Report(report::Args),
    Enroll(enroll::Args),
    Journal(journal::Args),
    History(history::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Quarantine(quarantine::Args),
    Bench(bench::Args),
    Doctor(doctor::Args),
    Update(update::Args),
    Watchdog(watchdog::Args),
    Completion(completion::Args),
}

/// Runs the command that the command line names and returns the exit code.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let result = match cli.command {
        Command::Up(args) => up::run(&args),
        Command::Server(args) => server::run(&args),
        Command::Agent(args) => agent::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => Ok(check::run(&args)),
        Command::Checks(args) => Ok(checks::run(&args)),
        Command::Once(args) => once::run(&args),
        Command::Send(args) => send::run(&args),
        Command::Status(args) => Ok(status::run(&args)),
        Command::Top(args) => top::run(&args),
        Command::Hosts(args) => hosts::run(&args),
        Command::Incidents(args) => incidents::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Route(args) => route::run(&args),
        Command::Oncall(args) => oncall::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Deliveries(args) => deliveries::run(&args),
        Command::Receivers(args) => receivers::run(&args),
        Command::Jobs(args) => jobs::run(&args),
        Command::Ack(args) => ack::run(&args),
        Command::Comment(args) => comment::run(&args),
        Command::Resolve(args) => resolve::run(&args),
        Command::Cause(args) => cause::run(&args),
        Command::Silence(args) => silence::run(&args),
        Command::Maintenance(args) => maintenance::run(&args),
        Command::Cmd(args) => cmd::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Dashboards(args) => dashboards::run(&args),
        Command::StatusPage(args) => status_page::run(&args),
        Command::Dns(args) => dns::run(&args),
        Command::Passwd(args) => passwd::run(&args),
        Command::Users(args) => users::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Push(args) => push::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Enroll(args) => enroll::run(&args),
        Command::Journal(args) => journal::run(&args),
        Command::History(args) => history::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Quarantine(args) => quarantine::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Update(args) => update::run(&args),
        Command::Watchdog(args) => watchdog::run(&args),
        Command::Completion(args) => Ok(completion::run(&args)),
    };
    result.unwrap_or_else(|error| {
        out::error(&error);
        ExitCode::FAILURE
    })
}

/// Prints what is wrong with the command line, or the help that was asked for, and returns the exit
/// code: a plugin that is called wrongly is "unknown", where 2 would be a critical result.
fn misused(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell if this cannot be printed.
    drop(error.print());
    let is_check = std::env::args_os().nth(1).is_some_and(|word| word == "check");
    match (error.use_stderr(), is_check) {
        (false, _) => ExitCode::SUCCESS,
        (true, true) => ExitCode::from(hark_model::Status::Unknown.exit_code()),
        (true, false) => ExitCode::from(EXIT_USAGE),
    }
}

/// Returns the whole command line's description: for completions.
fn description() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_consistent() {
        description().debug_assert();
    }

    /// Commands that print JSON and cannot be watched, by why.
    const NOT_WATCHED: &[(&str, &[&str])] = &[
        ("they do something, once", DOING),
        (
            "they show one thing or answer one question: it is not a list",
            &["explain", "query", "deliveries show", "dashboards export", "quarantine"],
        ),
        (
            "they look closely, which takes its time, and their exit code says what they found",
            &["check", "once", "audit verify", "history check", "doctor", "config check"],
        ),
        ("what they show is other only after a new configuration", &["config show"]),
        ("it is live by itself", &["top"]),
    ];

    const DOING: &[&str] = &[
        "hosts hand-over",
        "hosts drop",
        "deliveries retry",
        "receivers test",
        "ack",
        "comment",
        "resolve",
        "cause",
        "config export",
        "config undo",
        "import",
        "dashboards import",
        "dashboards remove",
        "dashboards restore",
        "status-page publish",
        "status-page announce",
        "status-page update",
        "status-page resolve",
        "status-page withdraw",
        "dns update",
        "dns remove",
        "users add",
        "users password",
        "users reset",
        "users remove",
        "token add",
        "token revoke",
        "enroll",
        "history repair",
        "history delete",
        "history export",
        "history import",
        "restore",
        "quarantine end",
        "bench",
        "update",
    ];

    /// Returns the path and description of each command that prints JSON.
    fn printing_json(command: &clap::Command, path: &str, found: &mut Vec<(String, bool)>) {
        let argument =
            |long: &str| command.get_arguments().find(|arg| arg.get_long() == Some(long));
        // What takes a value reads JSON.
        if argument("json").is_some_and(|json| !json.get_action().takes_values()) {
            found.push((path.to_owned(), argument("watch").is_some()));
        }
        for inner in command.get_subcommands() {
            printing_json(inner, format!("{path} {}", inner.get_name()).trim(), found);
        }
    }

    #[test]
    fn what_prints_json_can_be_watched_or_has_its_reason() {
        let mut found = Vec::new();
        printing_json(&description(), "", &mut found);
        let excepted = |path: &str| NOT_WATCHED.iter().any(|(_, all)| all.contains(&path));
        let unwatched: Vec<&str> = found
            .iter()
            .filter(|(path, watched)| !watched && !excepted(path))
            .map(|(path, _)| path.as_str())
            .collect();
        assert_eq!(unwatched, [""; 0], "give them --watch, or say why not");
        let plain = |path: &str| found.iter().any(|(other, watched)| other == path && !watched);
        let gone: Vec<&str> = NOT_WATCHED
            .iter()
            .flat_map(|(_, all)| all.iter().copied())
            .filter(|path| !plain(path))
            .collect();
        assert_eq!(gone, [""; 0], "they need no exception any more");
    }

    #[test]
    fn every_command_has_an_example() {
        for command in description().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("hark "), "{} has no example", command.get_name());
        }
    }
}
