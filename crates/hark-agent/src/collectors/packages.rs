//! Packages for which there is an update, and whether the machine wants to be started again.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, gauge};
use crate::debian_version::compare;
use crate::rate::number;
use crate::source::names;

/// The kind of collector.
#[derive(Debug)]
pub struct Packages;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// Lists are fetched once or twice a day.
const EVERY: Duration = Duration::from_hours(1);

/// Bound on lists: a machine with twenty sources has a hundred.
const MAX_LISTS: usize = 512;

/// Bound on installed packages: a desktop has some four thousand.
const MAX_INSTALLED: usize = 32 * 1024;

/// Bound on a line that is looked at; the rest of it is skipped.
const MAX_LINE: usize = 1024;

const STATUS: &str = "var/lib/dpkg/status";
const LISTS: &str = "var/lib/apt/lists";
const REBOOT: [&str; 2] = ["run/reboot-required", "var/run/reboot-required"];

impl CollectorType for Packages {
    fn name(&self) -> &'static str {
        "packages"
    }

    fn manual(&self) -> &'static str {
        "Updates of packages on Debian, Ubuntu and their kin, each hour, as `package_monitor`:\n\n\
         - `updates`: installed packages of which apt's lists have a later version; \
         `security_updates`: those of them that a security archive has; `held`: installed packages \
         that are kept back by hand, which count in neither\n\
         - `reboot_required`: 1 where an update asked for a restart (`/run/reboot-required`), else 0\n\n\
         Only files that are there are read: what was installed from `/var/lib/dpkg/status`, what \
         could be from `/var/lib/apt/lists`, which `apt-get update` fetches; nothing is asked over \
         the network. Archives that are not meant for upgrades (backports) are left out, apt's pins \
         are not looked at. Where lists are kept compressed, as in container images, `updates` is \
         absent. The lists of dnf and apk have no form that can be read at such cost: there everything \
         but a `/run/reboot-required` is absent."
    }

    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn example(&self) -> &'static str {
        "interval: 6h\n"
    }

    fn read(&self, _section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings)
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn is_slow(&self) -> bool {
        true
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(PackageCollector { root: root.clone(), seen: None, first: true })
    }
}

#[derive(Debug)]
struct PackageCollector {
    root: Root,
    /// The files as they were when they were read, and what they said.
    seen: Option<(Vec<Stamp>, Counts)>,
    first: bool,
}

/// A file's name, length and time of change.
type Stamp = (String, u64, Option<std::time::SystemTime>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Counts {
    updates: f64,
    security: f64,
    held: f64,
}

impl Collector for PackageCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let status = self.root.join(STATUS);
        let reboot = REBOOT.iter().any(|path| self.root.join(path).exists());
        let reboot_value = if reboot { 1.0 } else { 0.0 };
        if status.exists() {
            let lists = lists(&self.root);
            let stamps = stamps(&self.root, &lists);
            let counts = match &self.seen {
                Some((seen, counts)) if *seen == stamps => *counts,
                _ => count(&self.root, &lists)
                    .map_err(|source| Absent::Unreadable { path: status, source })?,
            };
            self.seen = Some((stamps, counts));
            values.extend([counts.updates, counts.security, counts.held, reboot_value]);
        } else if reboot {
            values.extend([f64::NAN, f64::NAN, f64::NAN, reboot_value]);
        } else {
            return Err(Absent::nothing_at(status));
        }
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        ["updates", "security_updates", "held", "reboot_required"]
            .map(|metric| gauge(SeriesName::plain("package_monitor", metric), Unit::None, 0))
            .to_vec()
    }
}

/// The names of the lists of packages, also of those that are compressed.
fn lists(root: &Root) -> Vec<String> {
    let mut found = names(&root.join(LISTS), MAX_LISTS * 4);
    found.retain(|name| name.contains("_Packages"));
    found.truncate(MAX_LISTS);
    found
}

fn stamps(root: &Root, lists: &[String]) -> Vec<Stamp> {
    let paths = lists.iter().map(|list| format!("{LISTS}/{list}"));
    let stamp = |path: String| {
        let metadata = std::fs::metadata(root.join(&path)).ok();
        let len = metadata.as_ref().map_or(0, std::fs::Metadata::len);
        (path, len, metadata.and_then(|metadata| metadata.modified().ok()))
    };
    paths.chain([STATUS.to_owned()]).map(stamp).collect()
}

#[derive(Debug)]
struct Installed {
    name: String,
    architecture: String,
    version: String,
    /// There is a later one, in which archive.
    later: Option<Later>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Later {
    Ordinary,
    Security,
}

fn count(root: &Root, lists: &[String]) -> std::io::Result<Counts> {
    let mut installed = Vec::new();
    let mut held = 0;
    stanzas(&root.join(STATUS), |stanza| {
        // Wanted, flag, state.
        match stanza.status.as_str() {
            "install ok installed" if installed.len() < MAX_INSTALLED => {
                installed.push(Installed {
                    name: stanza.package.clone(),
                    architecture: stanza.architecture.clone(),
                    version: stanza.version.clone(),
                    later: None,
                });
            }
            "hold ok installed" => held += 1,
            _ => {}
        }
    })?;
    installed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let held = number(held);
    let mut any = false;
    for list in lists {
        if !list.ends_with("_Packages") {
            // Compressed: what it says is not known, and neither is the number.
            return Ok(Counts { updates: f64::NAN, security: f64::NAN, held });
        }
        if is_optional(root, list) {
            continue;
        }
        any = true;
        let kind = if list.contains("-security_") { Later::Security } else { Later::Ordinary };
        stanzas(&root.join(&format!("{LISTS}/{list}")), |stanza| {
            mark_later(&mut installed, stanza, kind);
        })?;
    }
    if !any {
        return Ok(Counts { updates: f64::NAN, security: f64::NAN, held });
    }
    let of = |kind| installed.iter().filter(|p| p.later == Some(kind)).count() as u64;
    let security = of(Later::Security);
    let updates = number(security + of(Later::Ordinary));
    Ok(Counts { updates, security: number(security), held })
}

fn mark_later(installed: &mut [Installed], stanza: &Stanza, kind: Later) {
    let start = installed.partition_point(|package| package.name < stanza.package);
    let same = installed.iter_mut().skip(start).take_while(|p| p.name == stanza.package);
    for package in same {
        // One for all architectures may become one for some, and the other way round.
        let fits = package.architecture == stanza.architecture
            || package.architecture == "all"
            || stanza.architecture == "all";
        if fits && compare(&stanza.version, &package.version).is_gt() {
            // In both: it closes a hole.
            let security = kind == Later::Security || package.later == Some(Later::Security);
            package.later = Some(if security { Later::Security } else { Later::Ordinary });
        }
    }
}

/// Returns true for an archive from which apt installs only what is asked for by hand.
fn is_optional(root: &Root, list: &str) -> bool {
    // `HOST_debian_dists_bookworm-backports_main_binary-amd64_Packages` belongs to
    // `HOST_debian_dists_bookworm-backports_InRelease`.
    let mut stem = list;
    while let Some((before, _)) = stem.rsplit_once('_') {
        stem = before;
        for kind in ["InRelease", "Release"] {
            let Ok(file) = File::open(root.join(&format!("{LISTS}/{stem}_{kind}"))) else {
                continue;
            };
            // The head comes before the long lists of sums.
            let head = BufReader::new(file).lines().take(40).map_while(Result::ok);
            return head
                .take_while(|line| !line.starts_with("SHA256:"))
                .any(|line| line.trim_end() == "NotAutomatic: yes");
        }
    }
    false
}

#[derive(Debug, Default)]
struct Stanza {
    package: String,
    status: String,
    architecture: String,
    version: String,
}

impl Stanza {
    fn take(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(": ") else { return };
        let place = match key {
            "Package" => &mut self.package,
            "Status" => &mut self.status,
            "Architecture" => &mut self.architecture,
            "Version" => &mut self.version,
            _ => return,
        };
        place.clear();
        place.push_str(value.trim());
    }

    fn clear(&mut self) {
        for place in
            [&mut self.package, &mut self.status, &mut self.architecture, &mut self.version]
        {
            place.clear();
        }
    }
}

/// Gives each paragraph of a file to `see`. The file may have a hundred megabytes: one line of it is in
/// memory at a time.
fn stanzas(path: &Path, mut see: impl FnMut(&Stanza)) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let mut stanza = Stanza::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = read_line(&mut reader, &mut line)?;
        let text = std::str::from_utf8(&line).unwrap_or_default();
        if text.trim_end().is_empty() && (read == 0 || line.len() <= 2) {
            if !stanza.package.is_empty() && !stanza.version.is_empty() {
                see(&stanza);
            }
            stanza.clear();
        } else if !text.starts_with([' ', '\t']) {
            stanza.take(text);
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// Reads a line of which at most [`MAX_LINE`] bytes are kept; returns how many there were.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut read = 0;
    loop {
        let bytes = reader.fill_buf()?;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(bytes.len(), |end| end + 1);
        let room = MAX_LINE.saturating_sub(line.len());
        line.extend_from_slice(bytes.get(..taken.min(room)).unwrap_or_default());
        let ended = end.is_some() || bytes.is_empty();
        reader.consume(taken);
        read += taken;
        if ended {
            return Ok(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "deb.example_debian_dists_bookworm_main_binary-amd64_Packages";
    const SECURITY: &str =
        "deb.example_debian-security_dists_bookworm-security_main_binary-amd64_Packages";
    const BACKPORTS: &str =
        "deb.example_debian_dists_bookworm-backports_main_binary-amd64_Packages";

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn status(packages: &[(&str, &str, &str)]) -> String {
        let stanza = |(name, want, version): &(&str, &str, &str)| {
            format!(
                "Package: {name}\nStatus: {want}\nArchitecture: amd64\nVersion: {version}\n\
                 Description: x\n Version: 99\n\n"
            )
        };
        packages.iter().map(stanza).collect()
    }

    fn list(packages: &[(&str, &str, &str)]) -> String {
        let stanza = |(name, architecture, version): &(&str, &str, &str)| {
            let long = "y".repeat(5000);
            format!(
                "Package: {name}\nDepends: {long}\nArchitecture: {architecture}\nVersion: {version}\n\n"
            )
        };
        packages.iter().map(stanza).collect()
    }

    #[test]
    fn later_versions_are_counted_by_archive_and_held_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let installed = "install ok installed";
        write(
            root,
            STATUS,
            &status(&[
                ("curl", installed, "7.88.1-10+deb12u5"),
                ("bash", installed, "5.2.15-2"),
                ("vim", installed, "2:9.0.1378-2"),
                ("linux", "hold ok installed", "1"),
                ("gone", "deinstall ok config-files", "1"),
                ("tzdata", installed, "2024a-0"),
                ("own", installed, "1.0"),
            ]),
        );
        write(
            root,
            &format!("{LISTS}/{MAIN}"),
            &list(&[
                ("bash", "amd64", "5.2.15-2+b7"),
                ("curl", "amd64", "7.88.1-10+deb12u12"),
                ("gone", "amd64", "2"),
                ("linux", "amd64", "2"),
                ("tzdata", "all", "2024b-0"),
                ("vim", "i386", "2:9.1-1"),
            ]),
        );
        write(
            root,
            &format!("{LISTS}/{SECURITY}"),
            &list(&[("curl", "amd64", "7.88.1-10+deb12u13")]),
        );
        write(root, &format!("{LISTS}/{BACKPORTS}"), &list(&[("vim", "amd64", "2:9.2-1")]));
        write(
            root,
            &format!("{LISTS}/deb.example_debian_dists_bookworm-backports_InRelease"),
            "Origin: Debian\nNotAutomatic: yes\nSHA256:\n",
        );
        let mut collector = Settings.make(&Root::at(root));
        let mut look = || {
            let mut values = Vec::new();
            let change = collector.collect(Mono(0), &mut values).unwrap();
            (change, values)
        };
        assert_eq!(look(), (Change::Other, vec![3.0, 1.0, 1.0, 0.0]));
        write(root, "run/reboot-required", "*** System restart required ***\n");
        assert_eq!(look(), (Change::Same, vec![3.0, 1.0, 1.0, 1.0]));
        write(root, &format!("{LISTS}/{SECURITY}"), "");
        assert_eq!(look().1, [3.0, 0.0, 1.0, 1.0], "read again because it changed");
        write(root, &format!("{LISTS}/{SECURITY}.lz4"), "?");
        let (_, values) = look();
        assert!(values[0].is_nan() && values[1].is_nan() && (values[2] - 1.0).abs() < 1e-9);
    }

    #[test]
    fn other_systems_are_absent_unless_they_want_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut collector = Settings.make(&Root::at(folder.path()));
        assert!(collector.collect(Mono(0), &mut Vec::new()).unwrap_err().is_missing());
        write(folder.path(), "var/run/reboot-required", "");
        let mut values = Vec::new();
        collector.collect(Mono(0), &mut values).unwrap();
        assert!(values[0].is_nan() && (values[3] - 1.0).abs() < 1e-9);
    }
}
