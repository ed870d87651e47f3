//! Facts about the system: read at start and looked at again now and then.

use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef};

use super::{Absent, Change, Collector, CollectorType, Make, Root};
use crate::source::lines;

/// The kind of collector.
#[derive(Debug)]
pub struct OsInfo;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// Facts change with an upgrade; an hour later is soon enough.
const EVERY: Duration = Duration::from_hours(1);

/// Bound on a fact's text, and on its name: several facts travel in one report.
pub(super) const MAX_TEXT: usize = 64;

impl CollectorType for OsInfo {
    fn name(&self) -> &'static str {
        "os_info"
    }

    fn manual(&self) -> &'static str {
        "Facts, not samples, told at start and when they change: `os`, `kernel`, `arch`, \
         `distribution`, `distribution_version`, `hostname`, `cpu_model`, `cpu_count`, `memory_mb`, \
         `machine` (the maker's name of the model), `container`."
    }

    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn example(&self) -> &'static str {
        "interval: 1d\n"
    }

    fn read(&self, _section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings)
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(OsInfoCollector { root: root.clone(), facts: Vec::new() })
    }
}

#[derive(Debug)]
struct OsInfoCollector {
    root: Root,
    facts: Vec<(String, String)>,
}

impl Collector for OsInfoCollector {
    fn collect(&mut self, _at: Mono, _values: &mut Vec<f64>) -> Result<Change, Absent> {
        let facts = judge(&look(&self.root));
        if facts == self.facts {
            return Ok(Change::Same);
        }
        self.facts = facts;
        Ok(Change::Other)
    }

    fn series(&self) -> Vec<SeriesDef> {
        Vec::new()
    }

    fn facts(&self) -> Vec<(String, String)> {
        self.facts.clone()
    }
}

/// What was read; none where the file is missing.
#[derive(Debug, Default)]
struct Seen {
    os: Option<String>,
    kernel: Option<String>,
    hostname: Option<String>,
    release: Option<String>,
    cpuinfo: Option<String>,
    meminfo: Option<String>,
    maker: Option<String>,
    model: Option<String>,
    container: Option<String>,
}

fn look(root: &Root) -> Seen {
    Seen {
        os: root.text("proc/sys/kernel/ostype"),
        kernel: root.text("proc/sys/kernel/osrelease"),
        hostname: root.text("proc/sys/kernel/hostname"),
        release: root.text("etc/os-release").or_else(|| root.text("usr/lib/os-release")),
        cpuinfo: root.text("proc/cpuinfo"),
        meminfo: root.text("proc/meminfo"),
        maker: root.text("sys/class/dmi/id/sys_vendor"),
        model: root
            .text("sys/class/dmi/id/product_name")
            .or_else(|| root.text("proc/device-tree/model")),
        container: container(root),
    }
}

/// The marks that container runtimes leave.
fn container(root: &Root) -> Option<String> {
    if let Some(kind) = root.text("run/systemd/container") {
        return Some(kind);
    }
    let marks = [(".dockerenv", "docker"), ("run/.containerenv", "podman")];
    marks.iter().find(|(path, _)| root.join(path).exists()).map(|(_, kind)| (*kind).to_owned())
}

fn judge(seen: &Seen) -> Vec<(String, String)> {
    let release = |key| seen.release.as_deref().and_then(|text| assigned(text, key));
    let machine = [&seen.maker, &seen.model].into_iter().flatten().cloned().collect::<Vec<_>>();
    let cpuinfo = seen.cpuinfo.as_deref().unwrap_or_default();
    let count = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let found = [
        ("os", seen.os.clone()),
        ("kernel", seen.kernel.clone()),
        ("arch", Some(std::env::consts::ARCH.to_owned())),
        ("distribution", release("PRETTY_NAME").or_else(|| release("NAME"))),
        ("distribution_version", release("VERSION_ID")),
        ("hostname", seen.hostname.clone()),
        ("cpu_model", cpu_model(cpuinfo)),
        ("cpu_count", (count > 0).then(|| count.to_string())),
        ("memory_mb", seen.meminfo.as_deref().and_then(memory)),
        ("machine", Some(machine.join(" "))),
        ("container", seen.container.clone()),
    ];
    found.into_iter().filter_map(|(name, text)| Some((name.to_owned(), short(&text?)?))).collect()
}

/// Makes a text fit to be a fact: printable, at most [`MAX_TEXT`] bytes; none if nothing is left.
pub(super) fn short(text: &str) -> Option<String> {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let clean = clean.trim();
    let end = clean.floor_char_boundary(MAX_TEXT);
    clean.get(..end).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The value of `key` in a file of shell assignments.
fn assigned(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// x86 says `model name`, ARM boards `Model` or `Hardware`, POWER `cpu`.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    ["model name", "Model", "Hardware", "cpu"].into_iter().find_map(|key| {
        lines(cpuinfo.as_bytes())
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim().to_owned())
    })
}

fn memory(meminfo: &str) -> Option<String> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some((kibibytes / 1024).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact<'a>(facts: &'a [(String, String)], name: &str) -> Option<&'a str> {
        facts.iter().find(|(n, _)| n == name).map(|(_, text)| text.as_str())
    }

    #[test]
    fn reads_debian_on_x86() {
        let seen = Seen {
            os: Some("Linux".into()),
            kernel: Some("6.1.0-18-amd64".into()),
            release: Some("PRETTY_NAME=\"Debian GNU/Linux 12\"\nNAME=x\nVERSION_ID='12'\n".into()),
            cpuinfo: Some("processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\n".into()),
            meminfo: Some("MemTotal:       24684092 kB\n".into()),
            maker: Some("QEMU".into()),
            ..Seen::default()
        };
        let facts = judge(&seen);
        assert_eq!(fact(&facts, "distribution"), Some("Debian GNU/Linux 12"));
        assert_eq!(fact(&facts, "distribution_version"), Some("12"));
        assert_eq!(fact(&facts, "cpu_model"), Some("AMD EPYC"));
        assert_eq!(fact(&facts, "cpu_count"), Some("2"));
        assert_eq!(fact(&facts, "memory_mb"), Some("24105"));
        assert_eq!(fact(&facts, "machine"), Some("QEMU"));
        assert_eq!(fact(&facts, "container"), None);
    }

    #[test]
    fn other_processors_name_themselves_elsewhere() {
        assert_eq!(cpu_model("Processor: x\nHardware\t: BCM2835\n").as_deref(), Some("BCM2835"));
        assert_eq!(cpu_model("cpu\t\t: POWER9\n").as_deref(), Some("POWER9"));
        assert_eq!(cpu_model(""), None);
    }

    #[test]
    fn facts_are_short_and_printable() {
        assert_eq!(short("a\u{7}b\n").as_deref(), Some("ab"));
        assert_eq!(short(&"é".repeat(100)).unwrap().len(), MAX_TEXT);
        assert_eq!(short(" \0 "), None);
    }

    #[test]
    fn facts_are_told_once_and_on_change() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("proc/sys/kernel");
        std::fs::create_dir_all(&kernel).unwrap();
        std::fs::write(kernel.join("osrelease"), "6.1\n").unwrap();
        let mut collector = Settings.make(&Root::at(folder.path()));
        let mut values = Vec::new();
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Other);
        assert_eq!(fact(&collector.facts(), "kernel"), Some("6.1"));
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Same);
        std::fs::write(kernel.join("osrelease"), "6.2\n").unwrap();
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Other);
        assert_eq!(fact(&collector.facts(), "kernel"), Some("6.2"));
        assert!(values.is_empty());
    }
}
