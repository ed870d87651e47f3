//! The message journal: what was received, as JSON lines, written by its own thread.
//!
//! Ingest never waits for it: a full queue drops the line and counts it.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use hark_model::time::Unix;
use hark_model::{CheckName, HostName};
use hark_proto::{Beat, Hello, ReportItem};
use hark_store::journal::Journal;
use serde_json::{Value, json};

/// Lines that may wait to be written: some seconds at a thousand a second.
const QUEUE: usize = 8192;

/// One line on its way to the file.
#[derive(Debug)]
pub(crate) struct Line(Value);

impl Line {
    /// A host's agent began a session.
    pub(crate) fn hello(host: &HostName, hello: &Hello) -> Self {
        Self(json!({"ID": "HEL", "name": host.as_str(), "version": hello.version,
            "interval": f64::from(hello.interval_ms) / 1000.0, "facts": hello.facts}))
    }

    /// A heartbeat.
    pub(crate) fn beat(host: &HostName, beat: &Beat<'_>) -> Self {
        Self(json!({"ID": "HTB", "name": host.as_str(),
            "interval": f64::from(beat.interval_ms) / 1000.0,
            "rtt": beat.rtt_us.map(|us| f64::from(us) / 1000.0), "frames": beat.frames.len()}))
    }

    /// A result, event or fact.
    pub(crate) fn item(host: &HostName, item: &ReportItem) -> Self {
        let name = host.as_str();
        Self(match item {
            ReportItem::Result(r) => json!({"ID": "RES", "name": name, "check": r.check.as_str(),
                "status": r.status.word(), "text": r.text, "began_at": r.began_at.0}),
            ReportItem::Event(e) => json!({"ID": "EVT", "name": name, "kind": e.kind.word(),
                "severity": e.severity.word(), "text": e.text, "tags": e.tags,
                "data": super::happened::data(e), "at": e.at.0}),
            ReportItem::Outcome(o) => json!({"ID": "ORD", "name": name, "order": o.order,
                "exit": o.exit, "text": o.text}),
            ReportItem::Facts(facts) => {
                let facts: serde_json::Map<_, _> =
                    facts.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect();
                json!({"ID": "FCT", "name": name, "facts": facts})
            }
        })
    }

    /// A check's believed status changed (seed 001, item 203).
    pub(crate) fn threshold(host: &HostName, check: &CheckName, text: &str) -> Self {
        Self(json!({"ID": "THR", "name": host.as_str(), "check": check.as_str(), "text": text}))
    }
}

#[derive(Debug)]
struct Waiting {
    at: Unix,
    from: Option<SocketAddr>,
    line: Line,
}

/// Where lines are handed in; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct MessageJournal {
    /// The lines lie elsewhere: a place in the queue costs memory also while it is empty.
    queue: SyncSender<Box<Waiting>>,
    heartbeats: bool,
}

impl MessageJournal {
    /// Starts the thread that writes. It ends when every clone of the journal is gone, with all lines
    /// written.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(crate) fn start(
        writer: Journal,
        heartbeats: bool,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, lines) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write(writer, &lines))?;
        Ok((Self { queue, heartbeats }, thread))
    }

    /// Returns a journal whose disk never answers: nothing is taken out of its queue while what is returned
    /// beside it is kept. Also how many lines the queue holds.
    #[cfg(test)]
    pub(crate) fn standing_still() -> (Self, Box<dyn std::any::Any>, usize) {
        let (queue, lines) = sync_channel(QUEUE);
        (Self { queue, heartbeats: true }, Box::new(lines), QUEUE)
    }

    /// Returns whether heartbeats are written, too.
    pub(crate) fn takes_heartbeats(&self) -> bool {
        self.heartbeats
    }

    /// Hands in a line; returns false if there was no room for it.
    pub(crate) fn write(&self, at: Unix, from: Option<SocketAddr>, line: Line) -> bool {
        self.queue.try_send(Box::new(Waiting { at, from, line })).is_ok()
    }
}

fn write(mut writer: Journal, lines: &Receiver<Box<Waiting>>) {
    let mut lost = 0;
    while let Ok(first) = lines.recv() {
        put(&mut writer, &first);
        // Flush once for all that waits.
        for next in lines.try_iter() {
            put(&mut writer, &next);
        }
        writer.flush();
        if writer.lost() > lost {
            lost = writer.lost();
            tracing::warn!(lost, "lines of the message journal could not be written");
        }
    }
}

fn put(writer: &mut Journal, waiting: &Waiting) {
    writer.write(waiting.at, waiting.from, &waiting.line.0);
}
