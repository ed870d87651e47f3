//! `hark history export`: samples as text.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use hark_model::{HostId, HostName, Unix};
use hark_store::history::View;
use hark_store::state::StateReader;

use super::Place;
use crate::exchange::room::{FEWER, Room};
use crate::exchange::{self, Form, write};
use crate::{out, sys};

/// Write samples as text, as they came: to standard output, one series after the other.
///
/// The data folder is read itself, also beside the server. What is older than samples are kept is not in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark history export --format csv > samples.csv\n  \
    hark history export --host 'web*' --metric 'cpu_monitor.*' --from 2026-11-20T00:00:00Z\n  \
    hark history export > all.om && promtool tsdb create-blocks-from openmetrics all.om blocks")]
pub(super) struct Args {
    /// Only of hosts whose name fits this pattern; may be given more than once.
    #[arg(long = "host", value_name = "PATTERN")]
    hosts: Vec<String>,
    /// Only series that fit: `collector.metric`, or the name for Prometheus; may be given more than once.
    #[arg(long = "metric", value_name = "PATTERN")]
    metrics: Vec<String>,
    /// From when.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Unix>,
    /// Until before when; now if not given.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Unix>,
    /// How it is written.
    #[arg(long = "format", value_name = "FORM", value_enum, default_value_t = Form::Openmetrics)]
    form: Form,
    #[command(flatten)]
    place: Place,
}

impl Args {
    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

/// Reads a time as people write it for a command.
pub(super) fn time(text: &str) -> Result<Unix, String> {
    let read = hark_api::Timestamp::parse(text).map(|at| at.0);
    read.ok_or_else(|| "write a time such as 2026-11-20T18:00:00Z".to_owned())
}

pub(super) fn run(args: &Args, data_dir: &Path, dir: &Path) -> anyhow::Result<ExitCode> {
    let names = StateReader::open(data_dir).and_then(|reader| reader.host_names());
    let names = names.context("cannot read the names of the hosts")?;
    let fits = |name: &HostName| {
        args.hosts.is_empty() || args.hosts.iter().any(|p| exchange::fits(p, name.as_str()))
    };
    let mut hosts: Vec<(HostId, HostName)> =
        names.into_iter().filter(|(_, name)| fits(name)).collect();
    anyhow::ensure!(!hosts.is_empty(), "no host fits");
    hosts.sort_by(|a, b| a.1.cmp(&b.1));
    let ids: BTreeSet<HostId> = hosts.iter().map(|(id, _)| *id).collect();
    let mut view = View::open(dir, &|host| ids.contains(&host))
        .with_context(|| format!("cannot read {}", dir.display()))?;
    let wanted = write::Wanted {
        hosts,
        metrics: args.metrics.clone(),
        from: args.from.unwrap_or(Unix(0)),
        to: args.to.unwrap_or_else(|| hark_model::Clock.now().unix),
    };
    // A file beside the state must leave it the room that it wants.
    let room = sys::output_is_on_disk_of(data_dir).then(|| Room::at(data_dir, FEWER));
    let mut failed = None;
    let stdout = std::io::stdout();
    let put = |text: &str| {
        room.as_ref()
            .map_or(Ok(()), |room| room.takes(text.len() as u64))
            .context("it is not whole")?;
        stdout.lock().write_all(text.as_bytes()).context("cannot write")
    };
    let mut out = |text: &str, _| match put(text) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    };
    let written = write::write(&mut view, &wanted, args.form, &mut out).context("cannot read")?;
    match failed {
        // Whoever reads has enough: `| head`.
        Some(error) if is_broken_pipe(&error) => {}
        Some(error) => return Err(error),
        None => {}
    }
    if view.damaged() > 0 {
        out::note(format!(
            "hark: {} damaged pieces were left out: hark history check",
            view.damaged()
        ));
        return Ok(ExitCode::FAILURE);
    }
    if written.series == 0 {
        out::note("hark: no series fits, or none has a sample in that time");
    }
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
