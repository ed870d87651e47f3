//! `hark server`: the server alone.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::install;
use super::service::{self, ServiceArgs};
use crate::server::run::{Role, run_service};

/// Run the server: listen for agents, probe, keep state, tell people, show the page.
///
/// SIGTERM and SIGINT end it in order, SIGHUP reads the configuration again, SIGUSR1 prints the state.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:\n  hark server\n  hark server -c /etc/hark -d --log syslog\n  \
    hark server install")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    service: ServiceArgs,
    /// Where agents send to (UDP). [default: `hb_port`, 50003]
    #[arg(long, value_name = "ADDRESS", value_parser = service::parse_listen)]
    udp: Option<SocketAddr>,
    /// Where the page and the API are (HTTP and HTTPS). [default: `hbd_host` and `hbd_port`, 50004]
    #[arg(long, value_name = "ADDRESS", value_parser = service::parse_listen)]
    http: Option<SocketAddr>,
}

/// What else can be done with a server.
#[derive(Debug, clap::Subcommand)]
enum Action {
    Install(install::ServerArgs),
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(Action::Install(args)) = &args.action {
        return install::run_server(args);
    }
    if args.service.detach {
        return service::detach();
    }
    run_service(&args.service, Role::Server { udp: args.udp, http: args.http })
}
