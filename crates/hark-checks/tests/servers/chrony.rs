//! `ntp` against chrony, beside `check_ntp_time`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hark_conditions::Fact;
use hark_model::{Clock, Status};

use crate::support::datagrams::DatagramRelay;
use crate::support::process::{Process, as_nobody, folder_of_nobody, until};
use crate::support::{
    PATIENCE, expect, free_port, look, look_at, needs, plugin, plugin_without_limit, same,
};

/// Starts a time server that leaves this machine's clock alone; `more` is added to its settings.
async fn chrony(folder: &Path, more: &str) -> (u16, Process) {
    const PROGRAM: &str = "/usr/sbin/chronyd";
    needs(PROGRAM);
    let folder = folder_of_nobody(folder, "chrony");
    let (port, dir) = (free_port(), folder.display());
    let settings = format!(
        "port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\ncmdport 0\nbindcmdaddress /\n\
         pidfile {dir}/pid\n{more}\n"
    );
    let file = folder.join("chrony.conf");
    std::fs::write(&file, settings).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["-x", "-U", "-d", "-f", &file.display().to_string()]);
    as_nobody(&mut command, &folder.join(".."));
    let process = Process::start(&mut command, &folder);
    until("chrony answers", PATIENCE, async || {
        let options = [("timeout", "300ms")];
        !look("ntp", port, &options).await.text.contains("no answer")
    })
    .await;
    (port, process)
}

#[tokio::test]
async fn ntp_compares_clocks_with_chrony_as_check_ntp_time_does() {
    let folder = tempfile::tempdir().unwrap();
    let (port, _process) = chrony(folder.path(), "local stratum 3").await;
    let ours = expect("ntp", port, &[("samples", "4")], Status::Ok, "stratum 3").await;
    let number = port.to_string();
    same(&ours, &plugin("check_ntp_time", &["-H", "127.0.0.1", "-p", &number]));
    // Asks for the peers of ntpd by its own control packets, which chrony and most others do not answer.
    let theirs =
        plugin_without_limit("check_ntp_peer", &["-H", "127.0.0.1", "-p", &number, "-t", "2"]);
    assert_eq!(theirs.0, Status::Critical, "{}", theirs.1);
    let offset = ours.measures.iter().find(|m| m.name == "offset_seconds").unwrap().value;
    assert!(offset.abs() < 0.05, "the same clock: {offset}");
    assert_eq!(ours.facts.get("leap"), &Fact::from("none"));
    expect("ntp", port, &[("max_stratum", "2")], Status::Critical, "too far from a clock").await;

    let slow = DatagramRelay::start("127.0.0.1", port, Duration::from_millis(120)).await;
    expect("ntp", slow.port(), &[("warning", "100ms")], Status::Warning, "ms").await;
    let six = DatagramRelay::start("::1", port, Duration::ZERO).await;
    let finding = look_at("ntp", "::1", six.port(), &[]).await;
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);

    let away = free_port();
    let ours = expect("ntp", away, &[("timeout", "1s")], Status::Critical, "no answer").await;
    same(&ours, &plugin("check_ntp_time", &["-H", "127.0.0.1", "-p", &away.to_string()]));
}

#[tokio::test]
async fn ntp_says_that_the_clock_of_chrony_is_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let (port, _process) = chrony(folder.path(), "").await;
    expect("ntp", port, &[], Status::Critical, "the server's clock is not set").await;
}

/// Answers as a server whose clock is `seconds` ahead.
fn ahead(asked: &[u8], seconds: i64) -> Vec<u8> {
    let now = Clock.unix_micros();
    let whole = u32::try_from((now / 1_000_000 + 2_208_988_800 + seconds) & 0xffff_ffff).unwrap();
    let fraction = u32::try_from(((now % 1_000_000) << 32) / 1_000_000).unwrap();
    let moment = [whole.to_be_bytes(), fraction.to_be_bytes()].concat();
    let mut answer = vec![0b00_100_100, 2, 6, 0xe9, 0, 0, 0, 1, 0, 0, 0, 1, 192, 0, 2, 1];
    answer.extend(&moment);
    answer.extend(&asked[40..48]);
    answer.extend(&moment);
    answer.extend(&moment);
    answer
}

// The plugin is waited for while the server of the test answers it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_are_judged_as_check_ntp_time_does() {
    for (seconds, status) in [(0, Status::Ok), (90, Status::Warning), (-7200, Status::Critical)] {
        let server = DatagramRelay::answering(move |asked| ahead(asked, seconds)).await;
        let limits = [("offset_warning", "60s"), ("offset_critical", "120s")];
        let ours = expect("ntp", server.port(), &limits, status, "offset").await;
        let number = server.port().to_string();
        same(&ours, &plugin("check_ntp_time", &["-H", "127.0.0.1", "-p", &number]));
    }
}

#[tokio::test]
async fn a_server_that_refuses_or_answers_something_else_is_critical() {
    let refuses = DatagramRelay::answering(|asked| {
        let mut answer = ahead(asked, 0);
        answer[1] = 0;
        answer[12..16].copy_from_slice(b"DENY");
        answer
    })
    .await;
    expect("ntp", refuses.port(), &[], Status::Critical, "does not want to tell the time: DENY")
        .await;
    let forged = DatagramRelay::answering(|asked| {
        let mut answer = ahead(asked, 0);
        answer[24] ^= 1;
        answer
    })
    .await;
    let hasty = [("timeout", "300ms")];
    expect("ntp", forged.port(), &hasty, Status::Critical, "nothing came back in time").await;
}
