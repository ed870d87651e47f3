//! The plugins of Debian's monitoring-plugins: each that is installed is run and read.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::support::{invocation, mark, run};
use hark_model::{Status, Unit};
use hark_plugin::nagios::{self, Said};
use hark_plugin::{Exit, Runner};

const FOLDER: &str = "/usr/lib/nagios/plugins";
const LIMIT: Duration = Duration::from_secs(30);

fn said(runner: &mut Runner, line: &str) -> Said {
    let finished = run(runner, &invocation(line, LIMIT)).unwrap();
    assert!(matches!(finished.exit, Exit::Code(0..=3)), "{line}: {finished:?}");
    nagios::read(&finished)
}

fn value<'s>(said: &'s Said, metric: &str) -> &'s hark_plugin::Measured {
    let found = said.values.iter().find(|value| value.metric == metric);
    assert!(found.is_some(), "{metric} is not in {said:?}");
    found.unwrap()
}

#[test]
fn every_plugin_can_be_run_and_says_something_that_is_read() {
    let mut runner = Runner::new(&mark("all"), 4);
    // Other packages put plugins of their own beside them, of which some know no `--help`.
    let packages = ["-L", "monitoring-plugins-basic", "monitoring-plugins-standard"];
    let listed = std::process::Command::new("dpkg-query").args(packages).output().unwrap();
    assert!(listed.status.success(), "monitoring-plugins are installed: scripts/setup-test");
    let mut names: Vec<String> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter_map(|path| path.strip_prefix(FOLDER)?.strip_prefix('/'))
        .filter(|name| name.starts_with("check_"))
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    assert!(names.len() >= 40, "{names:?}");
    for name in &names {
        // Without arguments each says how it is used, or looks at this machine.
        let finished = run(&mut runner, &invocation(name, LIMIT)).unwrap();
        let said = nagios::read(&finished);
        assert!(!said.text.is_empty(), "{name}");
        assert!(said.nonsense.is_none(), "{name}: {said:?}");
        if !matches!(finished.exit, Exit::Code(0..=3)) {
            // Libraries that the package only recommends: also that must be told as it is.
            let told = "exit code 127, which no plugin has";
            assert!(said.status == Status::Unknown && said.text.starts_with(told), "{said:?}");
            assert!(said.text.contains("shared libraries"), "{said:?}");
        }
        let help = run(&mut runner, &invocation(&format!("{name} --help"), LIMIT)).unwrap();
        assert!(nagios::output(&help.output).text.len() > 50 || !help.errors.is_empty(), "{name}");
    }
}

#[test]
fn what_looks_at_this_machine_gives_values_with_units_and_limits() {
    let mut runner = Runner::new(&mark("machine"), 4);
    let load = said(&mut runner, "check_load -w 1000,900,800 -c 2000,1900,1800");
    assert_eq!(load.status, Status::Ok, "{load:?}");
    let load1 = value(&load, "load1");
    let limits = load1.limits.as_ref().unwrap();
    assert_eq!((limits.warning.unwrap().high, limits.critical.unwrap().high), (1000.0, 2000.0));

    let disk = said(&mut runner, "check_disk -w 1% -c 0% -p /");
    let used = value(&disk, "/");
    assert_eq!(used.unit, Unit::Bytes);
    assert!(
        used.value > 1e6 && used.limits.as_ref().unwrap().max.unwrap() > used.value,
        "{used:?}"
    );

    let procs = said(&mut runner, "check_procs -w 1:100000 -c 1:200000");
    assert_eq!(procs.status, Status::Ok, "{procs:?}");
    assert!(value(&procs, "procs").value >= 1.0);
    let procs = said(&mut runner, "check_procs -w :0 -c :0");
    assert_eq!(procs.status, Status::Critical, "{procs:?}");

    let users = said(&mut runner, "check_users -w 1000 -c 2000");
    assert_eq!(users.status, Status::Ok, "{users:?}");
    value(&users, "users");
}

#[test]
fn what_looks_at_files_and_ports_gives_values() {
    let mut runner = Runner::new(&mark("files"), 4);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.log");
    fs::write(&file, "one\ntwo ERROR\n").unwrap();
    let path = file.display();
    let age = said(&mut runner, &format!("check_file_age -w 1000 -c 2000 -f {path}"));
    assert_eq!(age.status, Status::Ok, "{age:?}");
    value(&age, "age");
    let missing = folder.path().join("none");
    let age = said(&mut runner, &format!("check_file_age -w 1 -c 2 -f {}", missing.display()));
    assert_eq!(age.status, Status::Critical, "{age:?}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tcp = said(&mut runner, &format!("check_tcp -H 127.0.0.1 -p {port} -w 5 -c 10"));
    assert_eq!(tcp.status, Status::Ok, "{tcp:?}");
    let time = value(&tcp, "time");
    assert_eq!(time.unit, Unit::Seconds);
    let critical = time.limits.as_ref().unwrap().critical.unwrap();
    assert!(critical.is_bad(10.1) && !critical.is_bad(10.0));
    drop(listener);
    let tcp = said(&mut runner, &format!("check_tcp -H 127.0.0.1 -p {port}"));
    assert_eq!(tcp.status, Status::Critical, "{tcp:?}");

    let dummy = said(&mut runner, "check_dummy 1 'look at this'");
    assert_eq!((dummy.status, dummy.text.as_str()), (Status::Warning, "WARNING: look at this"));
    let not = said(&mut runner, "negate /usr/lib/nagios/plugins/check_dummy 2 x");
    assert_eq!(not.status, Status::Ok);
}

#[test]
fn check_icmp_and_check_ping_read_this_machine_as_far_as_they_may() {
    let mut runner = Runner::new(&mark("ping"), 4);
    assert!(Path::new(FOLDER).join("check_ping").exists(), "run scripts/setup-test");
    let ping = said(&mut runner, "check_ping -H 127.0.0.1 -w 1000,50% -c 2000,80% -p 1");
    if ping.status == Status::Ok {
        assert_eq!(value(&ping, "rta").unit, Unit::Milliseconds);
        assert_eq!(value(&ping, "pl").unit, Unit::Percent);
        let limits = value(&ping, "pl").limits.as_ref().unwrap();
        assert_eq!((limits.warning.unwrap().high, limits.min), (50.0, Some(0.0)));
    } else {
        assert_eq!(ping.status, Status::Unknown, "{ping:?}");
    }
}
