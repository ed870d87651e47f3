//! `hark enroll`: makes the one line that joins a host.

use std::net::SocketAddr;
use std::process::ExitCode;

use hark_model::EnrolToken;
use serde_json::json;

use super::client::{ApiArgs, Client};
use crate::out;

/// Make a one-time token and print the line to run on the new host, and the one that makes it a service.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark enroll\n  hark enroll --host db1 --valid 24h --tag role:db"
)]
pub(super) struct Args {
    /// Only this host may use it.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// How long it can be used.
    #[arg(long, default_value = "1h", value_name = "TIME")]
    valid: String,
    /// How many hosts may use it.
    #[arg(long, default_value_t = 1, value_name = "N")]
    uses: u32,
    /// A tag for the hosts that use it; may be given more than once.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The address under which hosts reach this server, if it is not the one they would see.
    #[arg(long, value_name = "HOST")]
    address: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let valid = hark_config::duration::parse(&args.valid, hark_config::Bare::Seconds)
        .map_err(|e| anyhow::anyhow!("--valid: {e}"))?;
    let client = Client::new(&args.api)?;
    let answer = client.post(
        args.address.as_deref(),
        "/api/0/enrol",
        &json!({"host": args.host, "valid_seconds": valid.as_secs(), "uses": args.uses,
                "tags": args.tags}),
    )?;
    if args.api.json {
        out::json(&answer);
    } else {
        let word = |key: &str| answer[key].as_str().unwrap_or_default();
        let expires = out::moment(word("expires_at"));
        out::note(format!("Run this on the new host before {expires}:"));
        out::line(word("command"));
        out::note(as_a_service(word("command")));
        out::note(whereabouts(word("token")));
    }
    Ok(ExitCode::SUCCESS)
}

/// Says how the same is made a service, which starts with the machine. It is one or the other: a token is used up.
fn as_a_service(command: &str) -> String {
    let installs = command.replacen("hark agent ", "hark agent install ", 1);
    format!("Or this, for a service that starts with the host:\nsudo {installs}")
}

/// Says where a token leads, since it cannot be seen in it.
fn whereabouts(token: &str) -> String {
    let Ok(token) = EnrolToken::decode(token) else {
        return "The token cannot be read back: make another one.".to_owned();
    };
    let servers = token.servers().join(", ");
    let near = |server: &String| {
        server.parse::<SocketAddr>().is_ok_and(|at| at.ip().is_loopback())
            || server.starts_with("localhost:")
    };
    if token.servers().iter().all(near) {
        return format!(
            "It leads to {servers}, which only this machine reaches: let the server listen elsewhere \
             (`hbd_host`, --http), or name it with --address."
        );
    }
    format!("It leads to {servers}; --address names the server otherwise.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_where_a_token_leads() {
        let lead = |servers: &[&str]| {
            let servers = servers.iter().map(|s| (*s).to_owned()).collect();
            let secret = [7; EnrolToken::SECRET];
            let token = EnrolToken::new(secret, [8; EnrolToken::FINGERPRINT], servers).unwrap();
            whereabouts(token.encode().expose())
        };
        let text = lead(&["192.0.2.7:50004", "mon:50004"]);
        assert!(text.starts_with("It leads to 192.0.2.7:50004, mon:50004;"), "{text}");
        assert!(lead(&["127.0.0.1:50004"]).contains("only this machine reaches"));
    }
}
