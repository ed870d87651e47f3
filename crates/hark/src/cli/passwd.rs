//! `hark passwd`: makes the hash of a password for the configuration file.

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::out;

/// Print the hash of a password for the `users` section.
///
/// Reads the password twice from the terminal without showing it, or one line from standard input.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hark passwd mira\n  echo 'correct horse battery' | hark passwd mira"
)]
pub(super) struct Args {
    /// The user's name, for the line that is printed.
    user: String,
    /// Print only the hash.
    #[arg(long)]
    bare: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let user = hark_model::UserName::new(&args.user)?;
    let password = read_password()?;
    let hash = hark_web::hash_password(&password).context("cannot hash the password")?;
    let hash = hash.expose();
    if args.bare {
        out::line(hash);
    } else {
        out::line(format!("users:\n  {user}:\n    password: \"{hash}\""));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a password of at least the shortest length, from the terminal twice or from a pipe once.
pub(crate) fn read_password() -> anyhow::Result<hark_model::Secret> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let mut line = String::new();
        stdin.lock().read_line(&mut line).context("cannot read the password")?;
        return check(line.trim_end_matches(['\r', '\n']));
    }
    let first = crate::sys::read_hidden("Password: ")?;
    let again = crate::sys::read_hidden("Again: ")?;
    if first != again {
        bail!("the two passwords differ");
    }
    check(&first)
}

fn check(password: &str) -> anyhow::Result<hark_model::Secret> {
    if let Some(weakness) = hark_web::password_weakness(password) {
        bail!("{weakness}");
    }
    Ok(hark_model::Secret::new(password))
}
