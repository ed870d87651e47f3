//! Facts about what is mounted.

use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef};

use super::{Absent, Change, Collector, CollectorType, Make, Root, disk, os_info};
use crate::mounts;
use crate::source::Source;

/// The kind of collector.
#[derive(Debug)]
pub struct Filesystem;

/// Its settings: which mounts.
#[derive(Clone, Copy, Debug)]
pub struct Settings(disk::Settings);

/// How often it looks whether something was mounted. Cheap: the text is only compared.
const EVERY: Duration = Duration::from_mins(1);

/// Bound on facts about mounts, of the 64 that a host may have.
const MAX_FACTS: usize = 24;

impl CollectorType for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn manual(&self) -> &'static str {
        "Facts, not samples, told at start and when they change: for each mounted file system \
         `filesystem_info.<mount point>` with its type and what is mounted, such as \
         `ext4 /dev/vda1`. The same mounts as those of `disk`, at most 24."
    }

    fn keys(&self) -> &'static [Key] {
        disk::KEYS
    }

    fn example(&self) -> &'static str {
        "network: true\nall: false\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings(disk::Settings::read(section)))
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(FilesystemCollector {
            settings: self.0,
            mountinfo: Source::new(root, "proc/self/mountinfo"),
            seen: Vec::new(),
            facts: None,
        })
    }
}

#[derive(Debug)]
struct FilesystemCollector {
    settings: disk::Settings,
    mountinfo: Source,
    seen: Vec<u8>,
    facts: Option<Vec<(String, String)>>,
}

impl Collector for FilesystemCollector {
    fn collect(&mut self, _at: Mono, _values: &mut Vec<f64>) -> Result<Change, Absent> {
        let bytes = self.mountinfo.read()?;
        if self.facts.is_some() && bytes == self.seen {
            return Ok(Change::Same);
        }
        self.seen.clear();
        self.seen.extend_from_slice(bytes);
        let facts = Some(judge(bytes, self.settings));
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
        self.facts.clone().unwrap_or_default()
    }
}

fn judge(mountinfo: &[u8], settings: disk::Settings) -> Vec<(String, String)> {
    let fact = |mount: &mounts::Mount| {
        let name = os_info::short(&format!("filesystem_info.{}", mount.point))?;
        Some((name, os_info::short(&format!("{} {}", mount.kind, mount.source))?))
    };
    let mounts = mounts::parse(mountinfo, |mount| settings.wants(mount));
    mounts.iter().filter_map(fact).take(MAX_FACTS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_type_and_source() {
        let text = b"1 0 8:1 / / rw - ext4 /dev/vda1 rw\n2 1 0:9 / /nas rw - nfs4 nas:/x rw\n";
        let facts = judge(text, disk::Settings::default());
        assert_eq!(facts, [("filesystem_info./".to_owned(), "ext4 /dev/vda1".to_owned())]);
        let all = judge(text, disk::Settings { network: true, all: false });
        assert_eq!(all[1], ("filesystem_info./nas".to_owned(), "nfs4 nas:/x".to_owned()));
    }

    #[test]
    fn told_at_first_even_if_empty_and_then_on_change() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/self")).unwrap();
        let path = folder.path().join("proc/self/mountinfo");
        std::fs::write(&path, "").unwrap();
        let mut collector = Settings(disk::Settings::default()).make(&Root::at(folder.path()));
        let mut change = || collector.collect(Mono(0), &mut Vec::new()).unwrap();
        assert_eq!(change(), Change::Other);
        assert_eq!(change(), Change::Same);
        std::fs::write(&path, "1 0 8:1 / / rw - ext4 /dev/vda1 rw\n").unwrap();
        assert_eq!(change(), Change::Other);
        std::fs::write(&path, "1 0 8:1 / / ro - ext4 /dev/vda1 rw\n").unwrap();
        assert_eq!(change(), Change::Same);
    }
}
