//! The program for a lamp in `contrib`, run by the receiver `exec`, with a stand-in for the lamp's own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hark_model::{Notification, Status};
use hark_notify::samples;

use crate::support::{problem, receiver, recovery, send};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contrib/hark-blinkstick");

fn program(folder: &Path, name: &str, text: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn about(incident: u64, status: Status) -> Notification {
    let mut message = problem();
    message.incident = message.incident.map(|_| hark_model::IncidentId(incident));
    (message.status, message.key) = (status, format!("{incident}/{status}"));
    message
}

#[tokio::test]
async fn the_lamp_shows_the_worst_of_what_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display().to_string();
    // A copy that only its owner can change, wherever the repository lies.
    let lamp = program(folder.path(), "hark-blinkstick", &fs::read(PROGRAM).unwrap());
    let set = format!("#!/bin/sh\necho \"$*\" >> {here}/lamp\ntest ! -e {here}/unplugged\n");
    let set = program(folder.path(), "blinkstick", set.as_bytes());
    let settings =
        format!("command: [{lamp}, --state, {here}/state.json, --program, {set}, --serial, BS1]");
    let lamp = receiver("exec", &settings);
    let mut over = recovery();
    over.incident = Some(hark_model::IncidentId(2));
    for (message, colour) in [
        (about(1, Status::Warning), "warning: #e3a008"),
        (about(2, Status::Critical), "critical: #d1242f"),
        (about(3, Status::Unknown), "critical: #d1242f"),
        (samples().swap_remove(2), "critical: #d1242f"),
        (over, "warning: #e3a008"),
        (about(1, Status::Ok), "unknown: #8250df"),
        (about(3, Status::Ok), "ok: #2ea043"),
    ] {
        assert_eq!(send(&lamp, &message).await.unwrap(), colour, "{}", message.key);
    }
    let commands = fs::read_to_string(folder.path().join("lamp")).unwrap();
    assert_eq!(commands.lines().count(), 7);
    assert_eq!(commands.lines().last(), Some("--set-color #2ea043 --serial BS1"));

    fs::write(folder.path().join("unplugged"), "").unwrap();
    let error = send(&lamp, &about(4, Status::Critical)).await.unwrap_err();
    assert!(error.contains("ended with exit code 1"), "{error}");
    fs::remove_file(folder.path().join("unplugged")).unwrap();
    assert_eq!(send(&lamp, &about(4, Status::Critical)).await.unwrap(), "critical: #d1242f");
}
