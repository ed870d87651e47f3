//! `snmp` against Net-SNMP, beside `check_snmp`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hark_conditions::Fact;
use hark_model::Status;

use crate::support::datagrams::DatagramRelay;
use crate::support::process::{Process, as_nobody, folder_of_nobody, until};
use crate::support::{PATIENCE, expect, free_port, look, look_at, needs, plugin, same};

const SYS_NAME: &str = "1.3.6.1.2.1.1.5.0";

/// A number that every machine has: the ticks of its uptime.
const UPTIME: &str = "1.3.6.1.2.1.1.3.0";

async fn snmpd(folder: &Path) -> (u16, Process) {
    const PROGRAM: &str = "/usr/sbin/snmpd";
    needs(PROGRAM);
    let own = folder_of_nobody(folder, "own");
    let port = free_port();
    let settings = format!(
        "agentaddress udp:127.0.0.1:{port}\nrocommunity open 127.0.0.1\nsysName sw.test\n\
         createUser watcher SHA-256 authenticity AES confidentiality\nrouser watcher priv\n\
         createUser signed SHA authenticity\nrouser signed auth\n"
    );
    let file = own.join("snmpd.conf");
    std::fs::write(&file, settings).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["-f", "-Lo", "-C", "-c", &file.display().to_string(), "-I", "-smux"]);
    command.env("SNMP_PERSISTENT_DIR", &own).env("SNMPCONFPATH", &own);
    as_nobody(&mut command, folder);
    let process = Process::start(&mut command, &own);
    until("snmpd answers", PATIENCE, async || {
        let options = [("community", "open"), ("timeout", "300ms")];
        look("snmp", port, &options).await.status == Status::Ok
    })
    .await;
    (port, process)
}

#[tokio::test]
async fn snmp_reads_values_of_net_snmp_as_check_snmp_does() {
    let folder = tempfile::tempdir().unwrap();
    let (port, _process) = snmpd(folder.path()).await;
    let number = port.to_string();
    let at = ["-H", "127.0.0.1", "-p", &*number, "-P", "2c", "-C", "open"];
    let theirs = |more: &[&str]| plugin("check_snmp", &[&at[..], more].concat());
    let open = [("community", "open")];
    let with = |more: &[(&'static str, &'static str)]| [&open[..], more].concat();
    let get = with(&[("get", "{label: 1.3.6.1.2.1.1.5.0, ticks: sysUpTime.0}")]);
    let ours = expect("snmp", port, &get, Status::Ok, "sw.test, up ").await;
    same(&ours, &theirs(&["-o", SYS_NAME]));
    assert_eq!(ours.facts.get("label"), &Fact::from("sw.test"));
    // With a condition as with the plugin's limits.
    let never = with(&[("get", "{ticks: sysUpTime.0}"), ("conditions", "ticks < 0")]);
    let ours = expect("snmp", port, &never, Status::Critical, "is not met").await;
    same(&ours, &theirs(&["-o", UPTIME, "-c", "0:0"]));
    let missing = with(&[("get", "{nothing: 1.3.6.1.4.1.99999.1}")]);
    let ours = expect("snmp", port, &missing, Status::Critical, "it has no nothing").await;
    assert_eq!(ours.facts.get("nothing"), &Fact::Absent);
    // The plugin takes the words `No Such Object available` for a value that is well.
    let theirs = theirs(&["-o", "1.3.6.1.4.1.99999.1"]);
    assert_eq!(theirs.0, Status::Ok, "{}", theirs.1);
    // A wrong community is met with silence.
    let wrong = [("community", "closed"), ("timeout", "1s")];
    expect("snmp", port, &wrong, Status::Critical, "nothing came back in time").await;
    expect("snmp", free_port(), &open, Status::Critical, "nobody listens there").await;

    let slow = DatagramRelay::start("127.0.0.1", port, Duration::from_millis(120)).await;
    expect("snmp", slow.port(), &with(&[("warning", "100ms")]), Status::Warning, "ms").await;
    let six = DatagramRelay::start("::1", port, Duration::ZERO).await;
    let finding = look_at("snmp", "::1", six.port(), &open).await;
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);
    let wrong = DatagramRelay::answering(|_| b"what?".to_vec()).await;
    let hasty = with(&[("timeout", "300ms")]);
    expect("snmp", wrong.port(), &hasty, Status::Critical, "nothing came back in time").await;
}

#[tokio::test]
async fn snmp_reads_interfaces_within_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let (port, _process) = snmpd(folder.path()).await;
    let options = [("community", "open"), ("interfaces", "true")];
    let finding = look("snmp", port, &options).await;
    assert_ne!(finding.status, Status::Critical, "{}", finding.text);
    let value = |name: &str| finding.measures.iter().find(|m| m.name == name).map(|m| m.value);
    // Every machine has a way to itself, over which this went.
    assert!(value("lo_in_bytes").is_some_and(|bytes| bytes > 0.0), "{finding:?}");
    assert_eq!(value("lo_up"), Some(1.0));
    let links = std::fs::read_dir("/sys/class/net").unwrap();
    let links = links.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    let interfaces = value("interfaces").unwrap();
    assert!((interfaces - f64::from(u32::try_from(links).unwrap())).abs() < 0.5, "{finding:?}");
    let first = [&options[..], &[("max_interfaces", "1")]].concat();
    expect("snmp", port, &first, Status::Ok, ", 1 interfaces").await;
}

#[tokio::test]
async fn snmp_knows_a_user_by_its_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let (port, _process) = snmpd(folder.path()).await;
    let user = |name: &'static str, auth: &'static str, password: &'static str| {
        [("version", "3"), ("user", name), ("auth", auth), ("auth_password", password)]
    };
    let hidden = |password: &'static str, privacy: &'static str| {
        let auth = user("watcher", "sha-256", password);
        [&auth[..], &[("privacy_password", privacy)]].concat()
    };
    let good = hidden("authenticity", "confidentiality");
    expect("snmp", port, &good, Status::Ok, "sw.test, up ").await;
    let interfaces = [&good[..], &[("interfaces", "true")]].concat();
    assert_ne!(look("snmp", port, &interfaces).await.status, Status::Critical);
    let signed = user("signed", "sha", "authenticity");
    let ours = expect("snmp", port, &signed, Status::Ok, "sw.test").await;
    let number = port.to_string();
    let at = ["-H", "127.0.0.1", "-p", &*number, "-P", "3", "-L", "authNoPriv", "-a", "SHA"];
    let theirs = |password| {
        let more = ["-U", "signed", "-A", password, "-o", SYS_NAME];
        plugin("check_snmp", &[&at[..], &more].concat())
    };
    same(&ours, &theirs("authenticity"));
    let password = "the device refuses the user's password";
    let wrong = user("signed", "sha", "insincerity");
    expect("snmp", port, &wrong, Status::Critical, password).await;
    // The plugin calls everything that its tool cannot do unknown.
    assert_eq!(theirs("insincerity").0, Status::Unknown);
    for (options, words) in [
        (hidden("insincerity", "confidentiality"), password),
        (user("nobody", "sha", "authenticity").to_vec(), "the device does not know the user"),
        (user("signed", "sha-256", "authenticity").to_vec(), ""),
        (user("watcher", "sha-256", "authenticity").to_vec(), "authorizationError"),
    ] {
        expect("snmp", port, &options, Status::Critical, words).await;
    }
    // A message that it cannot decrypt a device may answer with a report or not at all.
    let garbled = hidden("authenticity", "indiscretions");
    let garbled = [&garbled[..], &[("timeout", "1s")]].concat();
    expect("snmp", port, &garbled, Status::Critical, "no values from").await;
}
