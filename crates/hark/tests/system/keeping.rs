//! What keeps the samples: looking for damage, repair, backups, their return in quarantine.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{clean, run};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, folder};

const LIMIT: Duration = Duration::from_mins(1);

/// Runs `hark` in `folder` with words that hold no spaces.
fn hark(folder: &Path, line: &str) -> Output {
    run(clean(HARK, folder).args(line.split_whitespace()), LIMIT)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// A server that watches its own machine each second, and has samples of that.
fn lively(folder: &Path) -> Server {
    let server = Start::new("up", folder).config("interval: 1s\n").go();
    until("samples on the disk", LIMIT, || {
        let found = json(&hark(folder, "history check --data data --json"));
        (found["log_frames"].as_u64()? > 20).then_some(())
    });
    server
}

/// Returns the newest segment of the log that holds anything.
fn segment(data: &Path) -> PathBuf {
    let files = std::fs::read_dir(data.join("history/wal")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files.filter(|path| std::fs::metadata(path).unwrap().len() > 500).max().unwrap()
}

#[test]
fn damage_is_found_beside_the_server_and_repaired_without_it() {
    let folder = folder();
    let mut server = lively(folder.path());
    let shown = json(&hark(folder.path(), "history --data data --json"));
    assert!(shown["series"].as_u64().unwrap() > 10, "{shown:#}");
    let refused = hark(folder.path(), "history repair --data data");
    assert_eq!(refused.status.code(), Some(1), "the server runs");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("must not run"));
    server.process.kill();
    let log = segment(&server.data);
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let checked = hark(folder.path(), "history check --data data --json");
    assert_eq!(checked.status.code(), Some(1));
    assert_eq!(json(&checked)["damages"], 1);
    let repaired = hark(folder.path(), "history repair --data data --json");
    assert_eq!(repaired.status.code(), Some(0));
    let repaired = json(&repaired);
    assert_eq!(repaired["repaired"].as_array().unwrap().len(), 1, "{repaired:#}");
    assert!(Path::new(repaired["aside"].as_str().unwrap()).is_dir());
    let checked = hark(folder.path(), "history check --data data --json");
    assert_eq!(checked.status.code(), Some(0), "{}", json(&checked));
    let server = lively(folder.path());
    let metrics = server.get("/api/0/self");
    assert_eq!(metrics["history"]["state"], "ok");
}
