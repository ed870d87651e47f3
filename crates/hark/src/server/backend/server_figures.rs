//! Figures of the server itself as `OpenMetrics`: what comes in, what is kept, what waits.

use std::fmt::{Display, Write as _};

use hark_model::time::Clock;
use hark_store::history::{Status, Tier};

use super::ServerBackend;
use super::openmetrics::escaped;
use crate::server::remote_write::OfTarget;
use crate::server::tally::Fate;

/// Writes families one after the other.
struct Families<'t>(&'t mut String);

impl Families<'_> {
    /// Writes a family with its samples: labels, and a value.
    fn put<V: Display>(
        &mut self,
        (name, kind, help): (&str, &str, &str),
        samples: impl IntoIterator<Item = (String, V)>,
    ) {
        let suffix = if kind == "counter" { "_total" } else { "" };
        // Writing to a string cannot fail.
        let _written = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}");
        for (labels, value) in samples {
            let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            let _written = writeln!(self.0, "{name}{suffix}{labels} {value}");
        }
    }

    /// Writes a family with one sample.
    fn one(&mut self, family: (&str, &str, &str), value: impl Display) {
        self.put(family, [(String::new(), value)]);
    }
}

/// Returns one label.
fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", escaped(value))
}

/// Writes all of them. What cannot be had at present is left out.
pub(super) fn put(backend: &ServerBackend, text: &mut String) {
    let mut families = Families(text);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age fit 53 bits")]
    let started = backend.started.0 as f64 / 1000.0;
    let version = label("version", env!("CARGO_PKG_VERSION"));
    families.put(("hark_build_info", "gauge", "1, and the version of hark."), [(version, 1)]);
    families.one(("hark_start_time_seconds", "gauge", "When the server was started."), started);
    ingest(backend, &mut families);
    inlets(backend, &mut families);
    remote_write(backend, &mut families);
    if let Some(status) = backend.links.ask_history(|history| history.status()) {
        history(&status, &mut families);
    }
    waiting(backend, &mut families);
}

fn ingest(backend: &ServerBackend, families: &mut Families<'_>) {
    let tally = &backend.links.tally;
    let fates = Fate::all().map(|fate| (label("fate", fate.word()), tally.of(fate)));
    families.put(("hark_datagrams", "counter", "Datagrams, by what became of them."), fates);
    let totals = tally.totals();
    for (name, help, value) in [
        ("hark_datagrams_lost", "Datagrams that the system dropped unread.", totals.lost),
        ("hark_heartbeats", "Heartbeats that were taken.", totals.heartbeats),
        ("hark_samples", "Samples of agents that were taken.", totals.samples),
        (
            "hark_samples_shed",
            "Samples of heartbeats that were judged and not kept.",
            totals.samples_shed,
        ),
        ("hark_answers", "Answers to agents.", totals.answers),
        ("hark_answers_refused", "Answers that the system did not send.", totals.answers_refused),
        ("hark_journal_lines_dropped", "Lines of the message journal.", totals.journal_dropped),
        ("hark_event_lines_lost", "Lines of event files.", totals.event_lines_lost),
    ] {
        families.one((name, "counter", help), value);
    }
    let help = "What load makes the server shed: 0 nothing, 1 resolution, 2 samples.";
    families.one(("hark_shedding", "gauge", help), tally.what_is_shed().steps());
}

fn inlets(backend: &ServerBackend, families: &mut Families<'_>) {
    let figures = &backend.links.inlets.figures;
    let all = figures.all();
    let of = |source: &String| label("source", source);
    families.put(
        ("hark_inlet_requests", "counter", "Requests that programs brought samples with."),
        all.iter().map(|(source, figures)| (of(source), figures.requests)),
    );
    families.put(
        ("hark_inlet_samples", "counter", "Samples that programs brought and that are kept."),
        all.iter().map(|(source, figures)| (of(source), figures.samples)),
    );
    let refused = all.iter().flat_map(|(source, figures)| {
        let why = figures.refused.iter();
        why.map(move |(why, n)| (format!("{},{}", of(source), label("reason", why.word())), *n))
    });
    let family = ("hark_inlet_refused", "counter", "Samples that were not taken, by why.");
    families.put(family, refused);
    families.put(
        ("hark_inlet_last_time_seconds", "gauge", "When a source last brought something."),
        all.iter().filter_map(|(source, figures)| Some((of(source), figures.last?.seconds()))),
    );
    let help = "Datagrams with Graphite's lines that there was no room for.";
    let family = ("hark_inlet_datagrams_lost", "counter", help);
    families.one(family, figures.lost_datagrams());
}

/// Reads one figure of a receiver.
type Figure = fn(&OfTarget) -> u64;

fn remote_write(backend: &ServerBackend, families: &mut Families<'_>) {
    let all = backend.links.remote_writing.all();
    let of = |name: &String| label("to", name);
    let counters: [(&str, &str, Figure); 8] = [
        ("requests", "Requests with samples that were taken.", |f| f.requests),
        ("samples", "Samples that were brought and taken.", |f| f.samples),
        ("retries", "Requests that have to be sent again.", |f| f.retries),
        ("refused", "Samples that were refused for good.", |f| f.refused),
        ("repeated", "Samples sent again that are there most likely.", |f| f.repeated),
        ("late", "Samples left out as older than the receiver takes.", |f| f.late),
        ("ahead", "Samples left out as of the future.", |f| f.ahead),
        ("lost_segments", "Segments of the log given up unread.", |f| f.lost_segments),
    ];
    for (name, help, figure) in counters {
        families.put(
            (&format!("hark_remote_write_{name}"), "counter", help),
            all.iter().map(|(to, figures)| (of(to), figure(figures))),
        );
    }
    families.put(
        ("hark_remote_write_newest_time_seconds", "gauge", "When the newest sample was taken."),
        all.iter().filter_map(|(to, figures)| Some((of(to), figures.newest?.seconds()))),
    );
}

fn history(status: &Status, families: &mut Families<'_>) {
    let counts = &status.counts;
    let running = u8::from(status.stopped.is_none());
    families.one(("hark_history_running", "gauge", "1 while samples are kept."), running);
    families.one(("hark_series", "gauge", "Series of all hosts."), status.series);
    for (name, help, value) in [
        ("hark_history_frames", "Frames that were kept.", counts.frames),
        ("hark_history_duplicates", "Frames that were there already.", counts.duplicates),
        ("hark_history_refused", "Frames that came while history was stopped.", counts.refused),
        ("hark_history_out_of_range", "Frames too old or in the future.", counts.out_of_range),
        ("hark_history_damaged", "Frames, blocks and files left out.", counts.damaged),
        ("hark_history_chunks", "Chunks made.", counts.chunks),
        ("hark_history_stops", "How many times history was stopped.", counts.stops),
    ] {
        families.one((name, "counter", help), value);
    }
    let parts = [
        ("log", status.log_bytes),
        ("log_for_others", status.followed_bytes),
        ("blocks", status.block_bytes),
    ];
    let tiers = Tier::ALL.map(Tier::word).into_iter().zip(status.tier_bytes);
    let bytes = parts.into_iter().chain(tiers);
    families.put(
        ("hark_history_bytes", "gauge", "What samples take on the disk."),
        bytes.map(|(part, bytes)| (label("part", part), bytes)),
    );
}

fn waiting(backend: &ServerBackend, families: &mut Families<'_>) {
    let Ok(report) = backend.report() else { return };
    families.one(("hark_hosts", "gauge", "Hosts that are known."), report.hosts);
    families.put(
        ("hark_waiting", "gauge", "What waits, by where."),
        report.queues.iter().map(|(queue, n)| (label("queue", queue), n)),
    );
    let uptime = Clock.now().unix.since(backend.started).as_secs_f64();
    families.one(("hark_uptime_seconds", "gauge", "For how long the server runs."), uptime);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_openmetrics_wants_them() {
        let mut text = String::new();
        let mut families = Families(&mut text);
        families.put(("a", "counter", "Help."), [(label("b", "c\"\n"), 1), (String::new(), 2)]);
        families.put(("d", "gauge", "More."), [(String::new(), 1)]);
        assert_eq!(
            text,
            "# TYPE a counter\n# HELP a Help.\na_total{b=\"c\\\"\\n\"} 1\na_total 2\n\
             # TYPE d gauge\n# HELP d More.\nd 1\n"
        );
    }
}
