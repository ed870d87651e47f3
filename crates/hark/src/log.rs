//! The program's own log: to standard error, a rotated file, syslog or journald.

mod file;
#[cfg(unix)]
mod journald;
#[cfg(unix)]
mod syslog;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Where the log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Target {
    /// Standard error.
    #[default]
    Stderr,
    /// A file, rotated at `max_bytes`, with `keep` old ones beside it (`.1` is the newest).
    File {
        /// Its path.
        path: PathBuf,
        /// Size at which it is rotated.
        max_bytes: u64,
        /// Old files kept.
        keep: u32,
    },
    /// The syslog daemon at `/dev/log`, RFC 3164 form, facility daemon.
    Syslog,
    /// systemd's journal, by its native protocol.
    Journald,
}

/// Starts the log. `level` is a filter such as `info` or `hark=debug,hyper=warn`.
///
/// # Errors
/// If the target cannot be opened or the filter cannot be read.
pub(crate) fn start(target: &Target, level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level)?;
    // What cannot be written (a full disk) is lost: to complain of it on standard error, which may lie
    // on the same disk, would end the thread that logs.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .log_internal_errors(false);
    let result = match target {
        Target::Stderr => builder
            .with_writer(io::stderr)
            .with_ansi(crate::out::error_is_terminal())
            .with_target(false)
            .try_init(),
        Target::File { path, max_bytes, keep } => builder
            .with_writer(Lines::new(file::RotatedFile::open(path, *max_bytes, *keep)?))
            .with_ansi(false)
            .try_init(),
        // Both daemons put the time and the level beside the text themselves.
        #[cfg(windows)]
        Target::Syslog | Target::Journald => {
            anyhow::bail!("there is neither syslog nor a journal on this system: log to a file")
        }
        #[cfg(unix)]
        Target::Syslog => builder
            .with_writer(Lines::new(syslog::Syslog::connect()?))
            .with_ansi(false)
            .without_time()
            .with_level(false)
            .try_init(),
        #[cfg(unix)]
        Target::Journald => builder
            .with_writer(Lines::new(journald::Journald::connect()?))
            .with_ansi(false)
            .without_time()
            .with_level(false)
            .try_init(),
    };
    result.map_err(|e| anyhow::anyhow!("cannot start the log: {e}"))
}

/// Takes one whole line at a time.
trait LineSink: Send + Sync + 'static {
    /// Writes one line, given without its line feed. A log that cannot be written must not stop
    /// what it tells of: failures are dropped here.
    fn line(&self, level: Level, text: &str);
}

#[derive(Clone)]
struct Lines(Arc<dyn LineSink>);

impl Lines {
    fn new(sink: impl LineSink) -> Self {
        Self(Arc::new(sink))
    }
}

/// Collects one event's text and hands it on when it is complete.
struct Line {
    sink: Arc<dyn LineSink>,
    level: Level,
    text: Vec<u8>,
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        self.sink.line(self.level, text.trim_end_matches('\n'));
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { sink: Arc::clone(&self.0), level: Level::INFO, text: Vec::new() }
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Line {
        Line { sink: Arc::clone(&self.0), level: *meta.level(), text: Vec::new() }
    }
}

/// Returns the priority of RFC 5424 table 2 for a level.
#[cfg(unix)]
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
