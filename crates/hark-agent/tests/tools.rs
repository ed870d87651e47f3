//! Collectors on this machine, against what its own tools say (Debian's coreutils, procps, iproute2).

#![expect(clippy::unwrap_used, reason = "a test that cannot look has failed")]

use std::collections::BTreeMap;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use hark_agent::collectors::{self, Collector, Root};
use hark_config::{Document, NoSecrets};
use hark_model::{Clock, Mono};

/// A collector as its settings make it.
fn collector(name: &str, settings: &str, root: &Root) -> Box<dyn Collector> {
    let document = Document::single(&format!("{name}: {{{settings}}}\n"));
    let configured = collectors::read(Some(&document.root(&NoSecrets)));
    assert!(!document.has_errors());
    configured.iter().find(|c| c.name == name).unwrap().make.make(root)
}

fn look(collector: &mut dyn Collector) -> BTreeMap<String, f64> {
    let mut values = Vec::new();
    collector.collect(Clock.now().mono, &mut values).unwrap();
    collector.series().iter().map(|def| def.name.path()).zip(values).collect()
}

fn look_once(name: &str, settings: &str) -> BTreeMap<String, f64> {
    look(collector(name, settings, &Root::system()).as_mut())
}

/// What a tool prints; it must work.
fn tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("LC_ALL", "C").output();
    let output = output.unwrap_or_else(|error| unreachable!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| unreachable!("`{text}` is no number"))
}

fn count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

#[track_caller]
fn near(ours: f64, theirs: f64, within: f64) {
    assert!((ours - theirs).abs() <= within, "we say {ours}, the tool says {theirs}");
}

/// What changes all the time is compared between two answers of the tool that are the same. What comes and goes
/// between the two is seen by neither of them, so that one difference says nothing: ours is wrong if it always is.
#[track_caller]
fn same_while_it_stands_still(
    mut ask: impl FnMut() -> f64,
    mut look: impl FnMut() -> f64,
    within: f64,
) -> f64 {
    let mut last = None;
    for _ in 0..200 {
        let (before, ours) = (ask(), look());
        if (ask() - before).abs() > 0.0 {
            continue;
        }
        if (ours - before).abs() <= within {
            return ours;
        }
        last = Some((ours, before));
    }
    unreachable!("it never stood still, or we never said the same as the tool, such as {last:?}");
}

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

#[test]
fn room_on_file_systems_is_that_of_df() {
    let ours = look_once("disk", "");
    let mounts: Vec<String> = ours
        .keys()
        .filter_map(|name| {
            Some(name.strip_prefix("disk_monitor.")?.strip_suffix(".total_gb")?.to_owned())
        })
        .collect();
    assert!(mounts.contains(&"/".to_owned()), "{mounts:?}");
    for mount in mounts {
        let shown = tool("df", &["-B1", "--output=size,avail,pcent,ipcent", &mount]);
        let fields: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        let value = |metric: &str| ours[&format!("disk_monitor.{mount}.{metric}")];
        near(value("total_gb"), number(fields[0]) / GIB, 0.001);
        // Others write while we look.
        near(value("free_gb"), number(fields[1]) / GIB, 1.0);
        // df rounds up.
        near(value("percent"), number(fields[2].trim_end_matches('%')) - 0.5, 1.1);
        if fields[3] != "-" {
            near(value("inodes_percent"), number(fields[3].trim_end_matches('%')) - 0.5, 1.1);
        }
        let options = tool("findmnt", &["-n", "-o", "OPTIONS", "--target", &mount]);
        assert!(
            options.split([',', '\n']).any(|option| option == "rw") && value("read_only") < 0.5
        );
    }
}

#[test]
fn memory_is_that_of_free() {
    let ours = look_once("memory", "");
    let shown = tool("free", &["-k"]);
    let line = |name: &str| -> Vec<f64> {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().skip(1).map(|field| number(field) / 1024.0).collect()
    };
    let (memory, swap) = (line("Mem:"), line("Swap:"));
    near(ours["memory_monitor.total_mb"], memory[0], 0.01);
    near(ours["memory_monitor.available_mb"], memory[5], memory[0] * 0.05);
    near(ours["memory_monitor.swap_total_mb"], swap[0], 0.01);
    let vmstat = tool("grep", &["^oom_kill ", "/proc/vmstat"]);
    let kills = number(vmstat.trim().trim_start_matches("oom_kill "));
    assert!(ours["memory_monitor.oom_kills"] <= kills, "none is taken back");
}

#[test]
fn processors_are_those_of_nproc() {
    let ours = look_once("cpu", "per_core: true");
    near(ours["cpu_monitor.cpu_count"], number(tool("nproc", &["--all"]).trim()), 0.0);
    let cores =
        ours.keys().filter(|name| name.ends_with(".cpu_percent") && name.matches('.').count() == 2);
    near(count(cores.count()), number(tool("nproc", &["--all"]).trim()), 0.0);
}

#[test]
fn traffic_and_links_are_those_of_ip() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..100 {
        socket.send_to(&[0; 1000], socket.local_addr().unwrap()).unwrap();
    }
    let mut network = collector("network", "exclude: []", &Root::system());
    let shown = || -> serde_json::Value {
        serde_json::from_str(&tool("ip", &["-json", "-stats", "link"])).unwrap()
    };
    let before = shown();
    let ours = look(network.as_mut());
    let after = shown();
    let links = before.as_array().unwrap();
    assert!(!links.is_empty());
    for (before, after) in links.iter().zip(after.as_array().unwrap()) {
        let name = before["ifname"].as_str().unwrap();
        let value = |metric: &str| ours[&format!("network_monitor.{name}.{metric}")];
        for (metric, side) in [("received_bytes", "rx"), ("sent_bytes", "tx")] {
            let of = |shown: &serde_json::Value| shown["stats64"][side]["bytes"].as_f64().unwrap();
            let allowed = of(before)..=of(after);
            assert!(allowed.contains(&value(metric)), "{name}: {} {allowed:?}", value(metric));
        }
        let up = matches!(before["operstate"].as_str(), Some("UP" | "UNKNOWN"));
        assert_eq!(value("up") > 0.5, up, "{name}");
    }
    assert!(ours["network_monitor.lo.received_bytes"] >= 100_000.0);
}

#[test]
fn connections_are_those_of_ss() {
    let listeners: Vec<_> = (0..5).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut sockets = collector("sockets", "", &Root::system());
    for (metric, state) in [
        ("tcp_listen", "listening"),
        ("tcp_close_wait", "close-wait"),
        ("tcp_established", "established"),
    ] {
        let ask = || count(tool("ss", &["-Htan", "state", state]).lines().count());
        let ours = || look(sockets.as_mut())[&format!("socket_monitor.{metric}")];
        same_while_it_stands_still(ask, ours, 0.0);
    }
    drop(listeners);
}

#[test]
fn processes_and_their_states_are_those_of_ps() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id().to_string();
    // Until it has ended; nobody asks for it, so it stays a zombie.
    while !tool("ps", &["-o", "stat=", "-p", &pid]).trim().starts_with('Z') {
        std::thread::yield_now();
    }
    let mut processes = collector("processes", "", &Root::system());
    let zombies = || {
        let shown = tool("ps", &["-e", "-o", "stat="]);
        count(shown.lines().filter(|state| state.starts_with('Z')).count())
    };
    let mut ours = |metric: &str| look(processes.as_mut())[&format!("process_monitor.{metric}")];
    assert!(same_while_it_stands_still(zombies, || ours("zombies"), 0.0) >= 1.0);
    // Without the tool itself.
    let total = || count(tool("ps", &["-e", "-o", "pid="]).lines().count() - 1);
    same_while_it_stands_still(total, || ours("total"), 0.0);
    let kernel = || {
        let shown = tool("ps", &["--ppid", "2", "-p", "2", "-o", "pid="]);
        count(shown.lines().count())
    };
    same_while_it_stands_still(kernel, || ours("kernel"), 0.0);
    child.wait().unwrap();
}

#[test]
fn logins_are_those_of_who() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/utmp");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut bytes = Vec::new();
    for (kind, pid, user, line) in [
        (2_i16, 0_i32, "reboot", "~"),
        (7, 1, "alice", "pts/0"),
        (7, 1, "alice", "pts/1"),
        (7, 1, "bob", "tty1"),
        (8, 1, "", "pts/3"),
    ] {
        let mut record = vec![0_u8; 384];
        record[..2].copy_from_slice(&kind.to_ne_bytes());
        record[4..8].copy_from_slice(&pid.to_ne_bytes());
        record[8..8 + line.len()].copy_from_slice(line.as_bytes());
        record[44..44 + user.len()].copy_from_slice(user.as_bytes());
        bytes.extend(record);
    }
    std::fs::write(&path, bytes).unwrap();
    std::fs::create_dir_all(folder.path().join("proc/1")).unwrap();
    let ours = look(collector("logins", "", &Root::at(folder.path())).as_mut());
    let shown = tool("who", &[path.to_str().unwrap()]);
    let mut users: Vec<&str> =
        shown.lines().filter_map(|line| line.split_whitespace().next()).collect();
    near(ours["login_monitor.sessions"], count(users.len()), 0.0);
    users.sort_unstable();
    users.dedup();
    near(ours["login_monitor.users"], count(users.len()), 0.0);
    assert_eq!(users, ["alice", "bob"]);
}

#[test]
fn addresses_are_those_of_ip() {
    let mut addresses = collector("addresses", "exclude: []", &Root::system());
    addresses.collect(Mono(0), &mut Vec::new()).unwrap();
    let facts: BTreeMap<_, _> = addresses.facts().into_iter().collect();
    let shown: serde_json::Value =
        serde_json::from_str(&tool("ip", &["-json", "-4", "address", "show", "scope", "global"]))
            .unwrap();
    for link in shown.as_array().unwrap() {
        let name = link["ifname"].as_str().unwrap();
        for address in link["addr_info"].as_array().unwrap() {
            let address = address["local"].as_str().unwrap();
            let listed = &facts[&format!("address.{name}")];
            assert!(listed.split(", ").any(|other| other == address), "{address}: {listed}");
        }
    }
}

#[test]
fn open_files_are_those_of_sysctl() {
    let ours = look_once("files", "");
    let shown = tool("cat", &["/proc/sys/fs/file-nr"]);
    let fields: Vec<f64> = shown.split_whitespace().map(number).collect();
    near(ours["file_monitor.open"], fields[0], 2000.0);
    near(ours["file_monitor.limit"], fields[2], 0.0);
}

#[test]
fn load_and_uptime_are_those_of_uptime() {
    let mut load = collector("load", "", &Root::system());
    let shown = || {
        let shown = tool("uptime", &[]);
        number(shown.rsplit("load average: ").next().unwrap().split(", ").next().unwrap())
    };
    let ours = || look(load.as_mut())["cpu_monitor.load_1min"];
    same_while_it_stands_still(shown, ours, 0.0051);
    let began = tool("date", &["-d", tool("uptime", &["-s"]).trim(), "+%s"]);
    let now = number(tool("date", &["+%s"]).trim());
    let ours = look_once("uptime", "")["uptime_monitor.uptime_seconds"];
    near(ours, now - number(began.trim()), 5.0);
}

#[test]
fn reads_and_writes_of_disks_are_those_of_vmstat() {
    let shown = || -> BTreeMap<String, [f64; 2]> {
        let shown = tool("vmstat", &["-d"]);
        let lines = shown.lines().skip(2).map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.map(|line| (line[0].to_owned(), [number(line[1]), number(line[5])])).collect()
    };
    let mut diskio = collector("diskio", "", &Root::system());
    let before = shown();
    let mut values = Vec::new();
    if diskio.collect(Clock.now().mono, &mut values).is_err() {
        assert!(before.keys().all(|name| name.starts_with("loop") || name.starts_with("ram")));
        return;
    }
    let series: Vec<String> = diskio.series().iter().map(|def| def.name.path()).collect();
    let after = shown();
    let mut compared = 0;
    for (name, value) in series.iter().zip(values) {
        let parts: Vec<&str> = name.split('.').collect();
        let [_, disk, metric @ ("reads" | "writes")] = parts[..] else { continue };
        let of = |shown: &BTreeMap<String, [f64; 2]>| shown[disk][usize::from(metric == "writes")];
        assert!((of(&before)..=of(&after)).contains(&value), "{name}: {value}");
        compared += 1;
    }
    assert!(compared >= 2, "{series:?}");
}

#[test]
fn the_system_is_that_of_uname() {
    let mut system = collector("os_info", "", &Root::system());
    system.collect(Mono(0), &mut Vec::new()).unwrap();
    let facts: BTreeMap<_, _> = system.facts().into_iter().collect();
    for (fact, option) in [("kernel", "-r"), ("hostname", "-n"), ("arch", "-m")] {
        assert_eq!(facts[fact], tool("uname", &[option]).trim(), "{fact}");
    }
}

#[test]
fn the_end_of_a_certificate_is_that_of_openssl() {
    let folder = tempfile::tempdir().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["x.example".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2031, 5, 17);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = parameters.self_signed(&key).unwrap().pem();
    std::fs::write(folder.path().join("site.pem"), pem).unwrap();
    let ours =
        look(collector("certificates", "paths: [/site.pem]", &Root::at(folder.path())).as_mut());
    let path = folder.path().join("site.pem");
    let shown = tool("openssl", &["x509", "-noout", "-enddate", "-in", path.to_str().unwrap()]);
    let end = tool("date", &["-d", shown.trim().trim_start_matches("notAfter="), "+%s"]);
    let days = (number(end.trim()) - number(tool("date", &["+%s"]).trim())) / 86_400.0;
    near(*ours.values().next().unwrap(), days, 0.01);
}
