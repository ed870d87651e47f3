//! Every collector on the files of other machines: nobody fails, what is not there is absent, and what
//! is there has sane values.
//!
//! A machine is a text: `== path` begins a file, `== path @later` what it is at the second look.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot look has failed")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use hark_agent::collectors::{self, Change, Root};
use hark_config::{Document, NoSecrets};
use hark_model::{Mono, SeriesDef, Unit};

/// What a collector said at the second look, a minute after the first.
#[derive(Debug, Default)]
struct Machine {
    values: BTreeMap<String, f64>,
    facts: BTreeMap<String, String>,
    events: Vec<String>,
    absent: Vec<&'static str>,
}

impl Machine {
    fn value(&self, name: &str) -> f64 {
        *self.values.get(name).unwrap_or_else(|| panic!("no {name} among {:?}", self.values))
    }

    #[track_caller]
    fn is(&self, name: &str, expected: f64) {
        let value = self.value(name);
        assert!((value - expected).abs() < 0.051, "{name} is {value}, not {expected}");
    }

    #[track_caller]
    fn is_unknown(&self, name: &str) {
        assert!(self.value(name).is_nan(), "{name} is {}", self.value(name));
    }

    fn has(&self, prefix: &str) -> bool {
        self.values.keys().any(|name| name.starts_with(prefix))
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Lays out the files of one of the two looks.
fn lay_out(root: &Path, tree: &str, later: bool) {
    let files = tree.split("\n== ").skip(1);
    for file in files {
        let (head, text) = file.split_once('\n').unwrap();
        let (path, is_later) = match head.strip_suffix(" @later") {
            Some(path) => (path, true),
            None => (head, false),
        };
        if is_later == later {
            write(root, path, &format!("{text}\n"));
        }
    }
}

/// Switches everything on, also what is off unless it is asked for.
fn everything() -> Vec<collectors::Configured> {
    let mut text = String::new();
    for kind in collectors::COLLECTORS {
        writeln!(text, "{}: {{enabled: true}}", kind.name()).unwrap();
    }
    text = text.replace("cpu: {enabled: true}", "cpu: {per_core: true}");
    let document = Document::single(&text);
    collectors::read(Some(&document.root(&NoSecrets)))
}

fn is_sane(def: &SeriesDef, value: f64) -> bool {
    let signed = ["margin", "temperature", "temperature_max", "days_left", "server_offset_seconds"];
    if value.is_nan() {
        return true;
    }
    // Of one processor: a container may use several.
    if def.unit == Unit::Percent && def.name.collector != "container_monitor" {
        return (0.0..=100.0).contains(&value);
    }
    value.is_finite() && (value >= 0.0 || signed.contains(&def.name.metric.as_str()))
}

fn look(tree: &str) -> Machine {
    let folder = tempfile::tempdir().unwrap();
    look_at(folder.path(), &|later| lay_out(folder.path(), tree, later))
}

fn look_at(root: &Path, lay_out: &dyn Fn(bool)) -> Machine {
    lay_out(false);
    let root = Root::at(root);
    let mut machine = Machine::default();
    let configured = everything();
    let mut made: Vec<_> = configured.iter().map(|c| (c.name, c.make.make(&root))).collect();
    for (at, is_last) in [(1_000, false), (61_000, true)] {
        for (name, collector) in &mut made {
            let mut values = Vec::new();
            let outcome = collector.collect(Mono(at), &mut values);
            let Ok(change) = outcome else {
                assert!(values.is_empty(), "{name} is absent and has values");
                if is_last {
                    machine.absent.push(name);
                }
                continue;
            };
            assert_eq!(change == Change::Other, !is_last, "{name} at {at}");
            let series = collector.series();
            assert_eq!(series.len(), values.len(), "{name}");
            machine.events.extend(collector.noticed().into_iter().map(|noticed| noticed.text));
            for (def, value) in series.iter().zip(values) {
                assert!(is_sane(def, value), "{} is {value}", def.name);
                if is_last {
                    let before = machine.values.insert(def.name.path(), value);
                    assert!(before.is_none(), "{} twice", def.name);
                }
            }
            machine.facts.extend(collector.facts());
        }
        if !is_last {
            lay_out(true);
        }
    }
    machine
}

#[test]
fn a_container_with_cgroup_v2() {
    let machine = look(include_str!("trees/container-cgroup2.tree"));
    machine.is("cpu_monitor.cpu_percent", 80.0);
    machine.is("cpu_monitor.user_percent", 60.0);
    machine.is("cpu_monitor.cpu1.cpu_percent", 80.0);
    machine.is("cpu_monitor.pressure_percent", 100.0 * 0.5 / 60.0);
    machine.is("cpu_monitor.frequency_mhz", 2450.0);
    assert!(!machine.values.contains_key("cpu_monitor.cpu0.frequency_mhz"));
    machine.is("memory_monitor.percent", 25.0);
    machine.is("memory_monitor.oom_kills", 1.0);
    machine.is_unknown("memory_monitor.pressure_percent");
    machine.is("network_monitor.eth0.receive_rate", 1_000_000.0 / 60.0);
    machine.is("network_monitor.eth0.drop_rate", 5.0 / 60.0);
    machine.is("network_monitor.eth0.speed_mbit", 10_000.0);
    machine.is("socket_monitor.tcp_listen", 1.0);
    machine.is("socket_monitor.tcp_established", 4.0);
    machine.is("process_monitor.total", 2.0);
    machine.is("process_monitor.threads", 5.0);
    machine.is("file_monitor.percent", 0.0);
    machine.is("disk_monitor./.read_only", 0.0);
    assert!(!machine.has("disk_monitor./etc"), "files of the machine below");
    machine.is_unknown("package_monitor.updates");
    machine.is("package_monitor.reboot_required", 0.0);
    assert_eq!(machine.facts["container"], "docker");
    for name in ["sensors", "power", "raid", "zfs", "logins", "containers", "ups", "clock"] {
        assert!(machine.absent.contains(&name), "{name}: {:?}", machine.absent);
    }
    assert!(!machine.has("sensor_monitor") && !machine.has("raid_monitor"));
    let said = "memory ran out: the kernel killed 1 of the processes".to_owned();
    assert!(machine.events.contains(&said), "{:?}", machine.events);
}

#[test]
fn an_old_server_with_cgroup_v1() {
    let machine = look(include_str!("trees/centos6-cgroup1.tree"));
    machine.is_unknown("cpu_monitor.cpu_percent");
    machine.is("cpu_monitor.load_1min", 12.5);
    machine.is("cpu_monitor.processes", 4.0);
    machine.is_unknown("cpu_monitor.pressure_percent");
    machine.is("memory_monitor.percent", 100.0 * (2048.0 - 1100.0) / 2048.0);
    machine.is("memory_monitor.swap_percent", 50.0);
    machine.is_unknown("memory_monitor.oom_kills");
    machine.is("process_monitor.kernel", 2.0);
    machine.is("process_monitor.blocked", 1.0);
    machine.is("process_monitor.zombies", 1.0);
    machine.is("file_monitor.percent", 100.0 * (90_000.0 - 512.0) / 100_000.0);
    machine.is("raid_monitor.md0.missing_disks", 1.0);
    machine.is("raid_monitor.md0.failed_disks", 1.0);
    machine.is("network_monitor.eth0.up", 0.0);
    machine.is_unknown("network_monitor.eth0.speed_mbit");
    machine.is("disk_monitor./.read_only", 1.0);
    assert!(machine.has("diskio_monitor.sda.") && !machine.has("diskio_monitor.md0"));
    machine.is_unknown("socket_monitor.tcp_established");
    assert!(machine.absent.contains(&"packages") && machine.absent.contains(&"logins"));
    let said = "file system / (ext4 /dev/md0) has become read-only".to_owned();
    assert!(machine.events.contains(&said), "{:?}", machine.events);
}

#[test]
fn a_raspberry_pi() {
    let machine = look(include_str!("trees/raspberry-pi.tree"));
    machine.is("cpu_monitor.frequency_mhz", 1500.0);
    machine.is("cpu_monitor.cpu_count", 4.0);
    machine.is("sensor_monitor.cpu-thermal.temperature", 51.121);
    machine.is("sensor_monitor.temperature_max", 51.121);
    machine.is("network_monitor.wlan0.up", 0.0);
    machine.is("login_monitor.sessions", 1.0);
    machine.is("memory_monitor.swap_percent", 0.0);
    assert!(machine.has("diskio_monitor.mmcblk0.") && !machine.has("diskio_monitor.mmcblk0p1"));
    assert!(machine.has("disk_monitor./boot."));
    assert_eq!(machine.facts["cpu_model"], "Raspberry Pi 4 Model B Rev 1.1");
    assert!(machine.absent.contains(&"power"));
}

#[test]
fn a_notebook_on_battery_with_zfs() {
    let machine = look(include_str!("trees/notebook-zfs.tree"));
    machine.is("cpu_monitor.cpu0.frequency_mhz", 4200.0);
    machine.is("memory_monitor.percent", 90.0);
    machine.is("sensor_monitor.temperature_max", 91.0);
    machine.is("sensor_monitor.coretemp/Package id 0.margin", 9.0);
    machine.is("sensor_monitor.thinkpad/fan1.fan_rpm", 4100.0);
    machine.is("power_monitor.AC.online", 0.0);
    machine.is("power_monitor.BAT0.charge_percent", 12.0);
    machine.is("power_monitor.BAT0.health_percent", 60.0);
    machine.is("power_monitor.BAT0.discharging", 1.0);
    machine.is("zfs_monitor.arc_hit_percent", 90.0);
    machine.is("zfs_monitor.rpool.healthy", 0.0);
    machine.is("disk_monitor./home.read_only", 0.0);
    let said = "ZFS pool rpool is DEGRADED (was ONLINE)".to_owned();
    assert!(machine.events.contains(&said), "{:?}", machine.events);
}

#[test]
fn files_that_say_nothing_sensible_are_absent_and_nobody_fails() {
    let machine = look(include_str!("trees/rubbish.tree"));
    for name in ["cpu", "load", "memory", "uptime", "files", "sockets", "zfs"] {
        assert!(machine.absent.contains(&name), "{name}: {:?}", machine.absent);
    }
    machine.is_unknown("sensor_monitor.chip/temp1.temperature");
    machine.is_unknown("sensor_monitor.chip/fan1.fan_rpm");
    machine.is_unknown("power_monitor.BAT0.charge_percent");
    machine.is("login_monitor.sessions", 0.0);
    let known: Vec<_> = machine.values.iter().filter(|(_, value)| !value.is_nan()).collect();
    assert!(known.len() < 25, "{known:?}");
}

#[test]
fn folders_in_the_place_of_files_are_absent_and_nobody_fails() {
    let folder = tempfile::tempdir().unwrap();
    let trees = [
        include_str!("trees/container-cgroup2.tree"),
        include_str!("trees/notebook-zfs.tree"),
        include_str!("trees/rubbish.tree"),
    ];
    let machine = look_at(folder.path(), &|later| {
        let files = trees.iter().flat_map(|tree| tree.split("\n== ").skip(1));
        for path in files.filter_map(|file| file.lines().next()).filter(|_| !later) {
            let path = path.trim_end_matches(" @later");
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
    });
    for name in ["cpu", "load", "memory", "uptime", "files", "sockets", "zfs", "sensors", "power"] {
        assert!(machine.absent.contains(&name), "{name}: {:?}", machine.absent);
    }
}

#[test]
fn a_machine_without_anything_says_nothing() {
    let machine = look("");
    assert!(machine.values.is_empty(), "{:?}", machine.values);
    assert!(machine.events.is_empty());
}

/// 128 processors, 64 disks, 40 interfaces, 200 mounts, 300 sensors, 1000 processes.
fn large(root: &Path, later: bool) {
    let factor: u64 = if later { 2 } else { 1 };
    let mut stat = format!("cpu  {0} 0 {0} {0} 0 0 0 0 0 0\n", 12_800 * factor);
    let (mut disks, mut mounts, mut net) = (String::new(), String::new(), "a|b\nc|d\n".to_owned());
    for n in 0..128 {
        writeln!(stat, "cpu{n} {0} 0 {0} {0} 0 0 0 0 0 0", 100 * factor).unwrap();
    }
    for n in 0..64 {
        writeln!(disks, "8 {n} sd{n} 1 2 {0} 4 5 6 {0} 8 9 {0} 11", 1000 * factor).unwrap();
        write(root, &format!("sys/block/sd{n}/size"), "1\n");
    }
    for n in 0..200 {
        writeln!(mounts, "{n} 1 9:{n} / /m{n} rw - xfs /dev/sd{n} rw").unwrap();
    }
    for n in 0..40 {
        writeln!(net, "bond{n}: {0} 1 0 0 0 0 0 0 {0} 1 0 0 0 0 0 0", 5000 * factor).unwrap();
        write(root, &format!("sys/class/net/bond{n}/operstate"), "up\n");
        write(root, &format!("sys/class/net/bond{n}/speed"), "25000\n");
    }
    for n in 0..300 {
        let chip = format!("sys/class/hwmon/hwmon{}", n / 30);
        write(root, &format!("{chip}/name"), "coretemp\n");
        write(root, &format!("{chip}/temp{}_input", n % 30), "40000\n");
    }
    if !later {
        for pid in 1..=1000_u32 {
            let line = format!(
                "{pid} (worker) S 1 1 1 0 -1 0 0 0 0 0 {pid} 0 0 0 20 0 8 0 {pid} 1000000 500 0\n"
            );
            write(root, &format!("proc/{pid}/stat"), &line);
        }
    }
    write(root, "proc/stat", &stat);
    write(root, "proc/diskstats", &disks);
    write(root, "proc/self/mountinfo", &mounts);
    write(root, "proc/net/dev", &net);
    write(root, "proc/loadavg", "900.00 800.00 700.00 130/50000 9\n");
    write(root, "proc/meminfo", "MemTotal: 2113929216 kB\nMemAvailable: 1056964608 kB\n");
}

#[test]
fn a_machine_with_128_processors() {
    let folder = tempfile::tempdir().unwrap();
    let machine = look_at(folder.path(), &|later| large(folder.path(), later));
    machine.is("cpu_monitor.cpu_count", 128.0);
    machine.is("cpu_monitor.cpu_percent", 66.667);
    machine.is("cpu_monitor.cpu127.cpu_percent", 66.667);
    machine.is("process_monitor.total", 1000.0);
    machine.is("process_monitor.threads", 8000.0);
    machine.is("cpu_monitor.processes", 1000.0);
    machine.is("memory_monitor.percent", 50.0);
    machine.is("network_monitor.bond39.receive_rate", 5000.0 / 60.0);
    machine.is("network_monitor.bond39.speed_mbit", 25_000.0);
    machine.is("diskio_monitor.sd63.busy_percent", 100.0 / 60.0);
    assert!(machine.has("disk_monitor./m199."));
    let sensors = machine.values.keys().filter(|name| name.ends_with(".temperature")).count();
    assert_eq!(sensors, 256, "as many as are looked at");
    let most = hark_model::frame::MAX_SERIES;
    assert!(machine.values.len() < most, "{} of {most} series", machine.values.len());
}
