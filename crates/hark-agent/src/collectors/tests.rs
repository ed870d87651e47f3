//! Tests written once for every entry of the table.

use hark_config::{Document, NoSecrets};
use proptest::prelude::*;

use super::*;

fn configured(kind: &dyn CollectorType, text: &str) -> (Option<Configured>, String) {
    let document = Document::single(text);
    let found = read_one(kind, &document.root(&NoSecrets), true);
    let text = document.diagnostics().render(hark_config::Style::Plain);
    (found, text)
}

#[test]
fn each_file_of_the_folder_is_in_the_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/collectors");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| name != "tests")
        .collect();
    files.sort();
    let mut names: Vec<&str> = COLLECTORS.iter().map(|kind| kind.name()).collect();
    names.sort_unstable();
    assert_eq!(files, names);
}

#[test]
fn examples_are_accepted() {
    for kind in COLLECTORS {
        let (_, said) = configured(*kind, kind.example());
        assert_eq!(said, "", "{}", kind.name());
    }
}

#[test]
fn unknown_keys_are_refused_at_their_place() {
    for kind in COLLECTORS {
        let (_, said) = configured(*kind, "enabled: true\nenabledd: true\n");
        assert!(said.contains("hark.yaml:2:1"), "{}: {said}", kind.name());
        assert!(said.contains("`enabled`"), "{}: {said}", kind.name());
    }
}

#[test]
fn keys_in_the_table_are_the_keys_read() {
    for kind in COLLECTORS {
        let document = Document::single("{}\n");
        let section = document.root(&NoSecrets);
        read_one(*kind, &section, true);
        let mut asked = section.asked();
        asked.sort_unstable();
        asked.dedup();
        let mut told: Vec<&str> = COMMON_KEYS.iter().chain(kind.keys()).map(|k| k.name).collect();
        told.sort_unstable();
        assert_eq!(asked, told, "{}", kind.name());
    }
}

#[test]
fn manuals_say_what_and_where_from() {
    for kind in COLLECTORS {
        assert!(kind.manual().len() > 80, "{}", kind.name());
    }
}

#[test]
fn a_collector_can_be_switched_off_and_slowed_down() {
    let (off, said) = configured(&cpu::Cpu, "enabled: false\n");
    assert!(off.is_none() && said.is_empty());
    let (slow, _) = configured(&cpu::Cpu, "interval: 5m\n");
    assert_eq!(slow.unwrap().interval, Some(Duration::from_mins(5)));
    let (_, said) = configured(&cpu::Cpu, "interval: 2d\n");
    assert!(said.contains("between 1ms and 1d"), "{said}");
}

#[test]
fn values_match_the_set_on_this_machine_and_later_looks_change_nothing() {
    for configured in read(None) {
        let mut collector = configured.make.make(&Root::system());
        let mut values = Vec::new();
        let Ok(change) = collector.collect(Mono(1000), &mut values) else { continue };
        assert_eq!(change, Change::Other, "{}: the first look is another", configured.name);
        assert_eq!(values.len(), collector.series().len(), "{}", configured.name);
        for def in collector.series() {
            assert!(def.name.check().is_ok() && def.decimals <= 6, "{}", def.name);
        }
        values.clear();
        let change = collector.collect(Mono(2000), &mut values).unwrap();
        assert_eq!(change, Change::Same, "{}", configured.name);
    }
}

#[test]
fn a_machine_without_anything_has_nothing_to_say_and_nobody_fails() {
    let folder = tempfile::tempdir().unwrap();
    for configured in read(None) {
        let mut collector = configured.make.make(&Root::at(folder.path()));
        let mut values = Vec::new();
        let outcome = collector.collect(Mono(1000), &mut values);
        assert!(outcome.is_err() || configured.name == "os_info", "{}", configured.name);
        assert!(values.is_empty(), "{}", configured.name);
    }
}

#[test]
fn series_are_named_once() {
    let mut names = Vec::new();
    for configured in read(None) {
        let mut collector = configured.make.make(&Root::system());
        if collector.collect(Mono(1000), &mut Vec::new()).is_ok() {
            names.extend(collector.series().iter().map(|def| def.name.path()));
        }
    }
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}

/// What collectors read, with what a kernel wrote there.
const FILES: &[(&str, &str)] = &[
    ("proc/stat", "cpu  1 2 3 4 5 6 7 8 9 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nbtime 5\n"),
    ("proc/loadavg", "3.75 2.03 0.80 1/95 14268\n"),
    ("proc/meminfo", "MemTotal: 24684092 kB\nMemAvailable: 24195196 kB\nSwapTotal: 5 kB\n"),
    ("proc/uptime", "1409.85 2507.93\n"),
    ("proc/net/dev", "a|b\n c|d\n  eth0: 3 2 0 0 0 0 0 0 3 2 0 0 0 0 0 0\n"),
    ("proc/net/snmp", "Tcp: A CurrEstab\nTcp: 1 2\n"),
    ("proc/diskstats", " 8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12\n"),
    ("proc/self/mountinfo", "1 0 8:1 / / rw shared:1 - ext4 /dev/a rw\n"),
    ("proc/cpuinfo", "processor : 0\ncpu MHz : 2596.1\nmodel name : X\n"),
    ("proc/pressure/io", "some avg10=0.00 total=5\nfull avg10=0.00 total=7\n"),
    ("proc/vmstat", "pgfault 1\noom_kill 2\n"),
    (
        "proc/mdstat",
        "md0 : active raid1 a[1](F) b[0]\n  1 blocks [2/1] [_U]\n  [=>] check = 1.5% (1/2)\n",
    ),
    (
        "proc/net/sockstat",
        "sockets: used 9\nTCP: inuse 1 orphan 0 tw 2 alloc 3 mem 4\nUDP: inuse 5\n",
    ),
    ("proc/net/tcp", " sl\n 0: 0100007F:0016 00000000:0000 0A 0:0 0:0 0 0 0 1\n"),
    ("proc/sys/fs/file-nr", "9344 0 100000\n"),
    ("proc/spl/kstat/zfs/arcstats", "a\nb\nhits 4 9\nmisses 4 1\nc_max 4 8\nsize 4 7\n"),
    ("proc/spl/kstat/zfs/tank/state", "ONLINE\n"),
    ("proc/7/stat", "7 (a b) S 1 1 1 0 -1 64 1 0 0 0 13 5 0 0 20 0 4 0 97 335 20 18 0\n"),
    ("sys/class/net/eth0/operstate", "up\n"),
    ("sys/class/net/eth0/speed", "1000\n"),
    ("sys/class/hwmon/hwmon0/name", "nct\n"),
    ("sys/class/hwmon/hwmon0/temp1_input", "40000\n"),
    ("sys/class/hwmon/hwmon0/fan1_input", "1200\n"),
    ("sys/class/power_supply/BAT0/type", "Battery\n"),
    ("sys/class/power_supply/BAT0/capacity", "50\n"),
    ("run/systemd/sessions/4", "USER=bob\nSTATE=active\nCLASS=user\n"),
    (
        "var/lib/dpkg/status",
        "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n",
    ),
    (
        "var/lib/apt/lists/x_main_binary-all_Packages",
        "Package: a\nArchitecture: all\nVersion: 1:2~3-4\n\n",
    ),
    ("etc/fstab", "/dev/a / ext4 defaults 0 1\n"),
    ("etc/os-release", "PRETTY_NAME=\"Debian\"\nVERSION_ID=12\n"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_kernel_writes_values_match_the_set_and_nobody_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[ -~\n\u{e9}\0]{0,6}"), 0..30),
        looks in 1_u64..4,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut texts: Vec<Vec<u8>> = FILES.iter().map(|(_, text)| text.as_bytes().to_vec()).collect();
        std::fs::create_dir_all(folder.path().join("sys/block/sda")).unwrap();
        let mut collectors: Vec<_> =
            read(None).iter().map(|c| c.make.make(&Root::at(folder.path()))).collect();
        for look in 0..looks {
            for (file, place, with) in &edits {
                let text = &mut texts[file.index(FILES.len())];
                let at = place.index(text.len() + 1);
                let end = (at + with.len() / 2).min(text.len());
                text.splice(at..end, with.bytes());
            }
            for ((path, _), text) in FILES.iter().zip(&texts) {
                let path = folder.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            for collector in &mut collectors {
                let mut values = Vec::new();
                match collector.collect(Mono(1000 * look), &mut values) {
                    Ok(_) => prop_assert_eq!(values.len(), collector.series().len()),
                    Err(_) => prop_assert!(values.is_empty()),
                }
            }
        }
    }
}
