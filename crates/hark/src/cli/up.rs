//! `hark up`: server and an agent for this machine, one process.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::service::{self, ServiceArgs};
use crate::server::run::{Role, run_service};

/// Run the server and an agent for this machine, in one process, with nothing to configure.
///
/// Prints the address of the page and, until there is an administrator, a link that makes one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark up\n  hark up --data ./state --http 127.0.0.1:8080")]
pub(super) struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    /// Where agents send to (UDP). [default: `hb_port`, 50003]
    #[arg(long, value_name = "ADDRESS", value_parser = service::parse_listen)]
    udp: Option<SocketAddr>,
    /// Where the page and the API are (HTTP and HTTPS). [default: `hbd_host` and `hbd_port`, 50004]
    #[arg(long, value_name = "ADDRESS", value_parser = service::parse_listen)]
    http: Option<SocketAddr>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.service.detach {
        return service::detach();
    }
    run_service(&args.service, Role::Up { udp: args.udp, http: args.http })
}
