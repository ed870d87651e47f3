//! `--watch` of the commands that list something: the same again and again, until somebody ends it.

use std::process::ExitCode;
use std::time::Duration;

use hark_config::{Bare, duration};

use super::client::{ApiArgs, Client};
use crate::out;
use crate::stop::Stop;

/// Shortest time between two looks: below it the server works for what nobody can read.
const LEAST: Duration = Duration::from_millis(500);

/// How often.
#[derive(Debug, clap::Args)]
pub(super) struct Watch {
    /// Again and again, every 2 seconds or as often as said.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "2s",
          require_equals = true, value_parser = parse)]
    watch: Option<Duration>,
}

impl Watch {
    /// Returns whether something is to be shown again and again.
    pub(super) fn is_wanted(&self) -> bool {
        self.watch.is_some()
    }
}

fn parse(text: &str) -> Result<Duration, String> {
    let every = duration::parse(text, Bare::Seconds).map_err(|error| error.to_string())?;
    if every < LEAST {
        return Err(format!("must be at least {}", duration::format(LEAST)));
    }
    Ok(every)
}

/// Shows something once, or as often as `watch` says: on a terminal each in the place of the one before.
/// While it is watched a server that does not answer is said and asked again; `failed` is the exit code if
/// that is the last that was seen. It ends when nobody reads what is shown any more (`| head`).
///
/// # Errors
/// Those of `show`, if nothing is watched.
pub(super) fn repeat(
    watch: &Watch,
    failed: u8,
    show: impl Fn() -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let Some(every) = watch.watch else { return show() };
    let stop = Stop::at_signal()?;
    loop {
        out::begin_screen();
        let code = show().unwrap_or_else(|error| {
            out::error(&error);
            ExitCode::from(failed)
        });
        if out::nobody_reads() {
            return Ok(code);
        }
        if stop.wait(every) {
            return Ok(code);
        }
    }
}

/// The same for a list, which has no exit code of its own.
///
/// # Errors
/// Those of `show`, if nothing is watched, and if there is no server to ask.
pub(super) fn list(
    api: &ApiArgs,
    watch: &Watch,
    show: impl Fn(&Client) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let client = Client::new(api)?;
    repeat(watch, 1, || show(&client).map(|()| ExitCode::SUCCESS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_often_is_said_or_usual_and_never_all_the_time() {
        assert_eq!(parse("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse("10"), Ok(Duration::from_secs(10)));
        assert!(parse("100ms").is_err() && parse("x").is_err());
    }
}
