//! Room on file systems.
//!
//! A file system on another machine can hang whoever asks for its room, for ever and unkillably.
//! Such mounts are left out unless `network` is set; then each is asked by a thread of its own, and a
//! thread that does not come back makes its values absent, nothing else.

use std::ffi::CString;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Severity, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Noticed, Root, gauge};
use crate::mounts::{self, Mount, Place};
use crate::rate::{number, percent};
use crate::source::Source;
use crate::sys::{self, Space};

/// The kind of collector.
#[derive(Debug)]
pub struct Disk;

/// Its settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether file systems on other machines are looked at.
    pub network: bool,
    /// Whether those in memory and read-only images are looked at.
    pub all: bool,
}

/// What [`Settings`] are read from.
pub(super) const KEYS: &[Key] = &[
    Key::new("network", Kind::Bool, "Also file systems on other machines (NFS, CIFS, FUSE).")
        .default("false"),
    Key::new("all", Kind::Bool, "Also file systems in memory and read-only images.")
        .default("false"),
];

/// How long a file system on another machine may take before it is absent this time.
const PATIENCE: Duration = Duration::from_millis(20);

/// Bound on threads that ask other machines' file systems.
const MAX_REMOTE: usize = 16;

impl Settings {
    /// Reads the settings.
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self { network: section.bool("network", false), all: section.bool("all", false) }
    }

    /// Returns true if `mount` is to be looked at.
    pub(super) fn wants(self, mount: &Mount) -> bool {
        match mount.place() {
            Place::Local => true,
            Place::Remote => self.network,
            // Kernel interfaces such as proc have no room at all; the look leaves them out. An
            // autofs is never touched: that would mount it.
            Place::Unreal => self.all && mount.kind != "autofs",
        }
    }
}

impl CollectorType for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn manual(&self) -> &'static str {
        "Room on each mounted file system, as `disk_monitor.<mount point>`:\n\n\
         - `percent`: used, of what is used and still available to anybody (as `df` shows it)\n\
         - `free_mb`, `free_gb`: available to anybody; `total_gb`\n\
         - `inodes_percent`: used inodes; absent where the file system has no bound\n\
         - `read_only`: 1 if it was writable (or is to be so by `/etc/fstab`) and now is read-only, \
         as a kernel makes it that found it damaged; else 0. It is also the event `read_only`\n\n\
         Only file systems on this machine's disks; `network` adds those of other machines, each \
         asked by a thread of its own, since such a question can hang; `all` adds those in memory \
         and read-only images. A bind mount is not counted again. A limit for a mount that is not among them \
         (`thresholds: {disk_monitor: {\"/tmp\": ...}}` where `/tmp` is in memory) looks at nothing; the page of \
         the host says so."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "network: true\nall: false\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings::read(section))
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(DiskCollector {
            settings: *self,
            root: root.clone(),
            mountinfo: Source::new(root, "proc/self/mountinfo"),
            seen: Vec::new(),
            watched: Vec::new(),
            noticed: Vec::new(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct DiskCollector {
    root: Root,
    settings: Settings,
    mountinfo: Source,
    /// What `mountinfo` said at the look before: it is only understood again when it differs.
    seen: Vec<u8>,
    watched: Vec<Watched>,
    noticed: Vec<Noticed>,
    first: bool,
}

#[derive(Debug)]
struct Watched {
    point: String,
    asked: Asked,
    access: Access,
}

impl Watched {
    fn new(mount: &Mount, asked: Asked) -> Self {
        Self { point: mount.point.clone(), asked, access: Access::Writable }
    }
}

/// Whether a file system can be written to as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// It can.
    Writable,
    /// It cannot, and never could since we looked: somebody wants it so.
    Never,
    /// It could, and cannot any more.
    Lost,
}

impl Access {
    /// Returns what it is after `self`, none for a file system that was not there before.
    fn next(before: Option<Self>, read_only: bool, by_fstab: bool) -> Self {
        match (read_only, before) {
            (false, _) => Self::Writable,
            (true, Some(Self::Writable | Self::Lost)) => Self::Lost,
            (true, None | Some(Self::Never)) if by_fstab => Self::Lost,
            (true, None | Some(Self::Never)) => Self::Never,
        }
    }
}

impl Collector for DiskCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let bytes = self.mountinfo.read()?;
        let mut change = std::mem::take(&mut self.first);
        if bytes != self.seen {
            self.seen.clear();
            self.seen.extend_from_slice(bytes);
            let mounts = mounts::parse(bytes, |mount| self.settings.wants(mount));
            let before: Vec<(String, Access)> =
                self.watched.iter().map(|w| (w.point.clone(), w.access)).collect();
            change |= rearrange(&mut self.watched, &mounts);
            let fstab = self.root.text("etc/fstab").unwrap_or_default();
            let writable = mounts::writable_by_fstab(&fstab);
            for watched in &mut self.watched {
                let Some(mount) = mounts.iter().find(|m| m.point == watched.point) else {
                    continue;
                };
                let known = before.iter().find(|(point, _)| *point == mount.point);
                let by_fstab = writable.contains(&mount.point);
                watched.access = Access::next(known.map(|k| k.1), mount.read_only, by_fstab);
                if watched.access == Access::Lost && known.is_none_or(|k| k.1 != Access::Lost) {
                    self.noticed.push(lost(mount));
                }
            }
        }
        for watched in &mut self.watched {
            values.extend(watched.asked.space().map_or([f64::NAN; 5], judge));
            values.push(if watched.access == Access::Lost { 1.0 } else { 0.0 });
        }
        Ok(if change { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let mut series = Vec::with_capacity(self.watched.len() * 6);
        for watched in &self.watched {
            let named = |metric, unit, decimals| {
                gauge(SeriesName::of("disk_monitor", &watched.point, metric), unit, decimals)
            };
            series.extend([
                named("percent", Unit::Percent, 1),
                named("free_gb", Unit::Gibibytes, 2),
                named("free_mb", Unit::Mebibytes, 0),
                named("total_gb", Unit::Gibibytes, 2),
                named("inodes_percent", Unit::Percent, 1),
                named("read_only", Unit::None, 0),
            ]);
        }
        series
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }
}

fn lost(mount: &Mount) -> Noticed {
    let Mount { point, kind, source, .. } = mount;
    let text = format!("file system {point} ({kind} {source}) has become read-only");
    Noticed { kind: "read_only", severity: Severity::Critical, text }
}

/// Makes `watched` what `mounts` are, keeping the threads of those that stay; returns true if
/// anything came or went.
fn rearrange(watched: &mut Vec<Watched>, mounts: &[Mount]) -> bool {
    if watched.iter().map(|w| &w.point).eq(mounts.iter().map(|m| &m.point)) {
        return false;
    }
    let mut before = std::mem::take(watched);
    let mut remote = 0;
    for mount in mounts {
        let Ok(path) = CString::new(mount.point.as_bytes()) else { continue };
        let is_remote = mount.place() == Place::Remote;
        if is_remote {
            remote += 1;
            if remote > MAX_REMOTE {
                continue;
            }
        }
        let kept =
            before.iter().position(|w| w.point == mount.point && w.asked.is_remote() == is_remote);
        watched.push(match kept {
            Some(index) => before.swap_remove(index),
            None if is_remote => Watched::new(mount, Asked::elsewhere(path)),
            None => Watched::new(mount, Asked::Here(path)),
        });
    }
    true
}

/// Returns percent, free GiB, free MiB, total GiB and inodes percent.
fn judge(space: Space) -> [f64; 5] {
    const MIB: f64 = 1024.0 * 1024.0;
    const GIB: f64 = MIB * 1024.0;
    let used = space.total.saturating_sub(space.free);
    let available = number(space.available);
    [
        percent(used, used.saturating_add(space.available)),
        available / GIB,
        available / MIB,
        number(space.total) / GIB,
        percent(space.inodes.saturating_sub(space.inodes_free), space.inodes),
    ]
}

/// How a file system is asked.
#[derive(Debug)]
enum Asked {
    /// By this thread.
    Here(CString),
    /// By a thread that may hang.
    Elsewhere { ask: SyncSender<()>, answer: Receiver<Option<Space>>, waiting: bool },
    /// The thread could not be made.
    Never,
}

impl Asked {
    fn elsewhere(path: CString) -> Self {
        Self::by_thread(move || sys::space(&path).ok())
    }

    fn by_thread(look: impl Fn() -> Option<Space> + Send + 'static) -> Self {
        let (ask, asked) = sync_channel::<()>(1);
        let (tell, answer) = sync_channel(1);
        let thread = std::thread::Builder::new().name("hark-mount".into()).spawn(move || {
            while asked.recv().is_ok() {
                if tell.send(look()).is_err() {
                    return;
                }
            }
        });
        match thread {
            Ok(_) => Self::Elsewhere { ask, answer, waiting: false },
            Err(error) => {
                tracing::warn!(%error, "cannot make a thread for a mount on another machine");
                Self::Never
            }
        }
    }

    fn is_remote(&self) -> bool {
        !matches!(self, Self::Here(_))
    }

    /// Returns the room; none where the call fails or the answer is not there in time.
    fn space(&mut self) -> Option<Space> {
        match self {
            Self::Here(path) => sys::space(path).ok(),
            Self::Never => None,
            Self::Elsewhere { ask, answer, waiting } => {
                if *waiting {
                    // An answer to the look before is old: drop it, and ask anew.
                    match answer.try_recv() {
                        Ok(_) => *waiting = false,
                        Err(TryRecvError::Empty | TryRecvError::Disconnected) => return None,
                    }
                }
                ask.try_send(()).ok()?;
                let found = answer.recv_timeout(PATIENCE);
                *waiting = found.is_err();
                found.ok().flatten()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn percent_is_that_of_df() {
        let gib = 1024 * 1024 * 1024;
        let space = Space {
            total: 100 * gib,
            free: 25 * gib,
            available: 20 * gib,
            inodes: 1000,
            inodes_free: 900,
        };
        let [percent, free_gb, free_mb, total_gb, inodes] = judge(space);
        assert!((percent - 100.0 * 75.0 / 95.0).abs() < 1e-9);
        assert_eq!((free_gb, free_mb, total_gb), (20.0, 20480.0, 100.0));
        assert!((inodes - 10.0).abs() < 1e-9);
        let empty = judge(Space::default());
        assert!(empty[0].is_nan() && empty[4].is_nan(), "btrfs has no inodes, proc has no room");
    }

    #[test]
    fn a_new_mount_makes_another_set() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/self")).unwrap();
        let write = |text: &str| {
            std::fs::write(folder.path().join("proc/self/mountinfo"), text).unwrap();
        };
        let mut collector = Settings::default().make(&Root::at(folder.path()));
        let mut collect = |expected: Change| {
            let mut values = Vec::new();
            assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), expected);
            assert_eq!(values.len(), collector.series().len());
            (values, collector.series())
        };
        write("1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / /n rw - nfs srv:/x rw\n");
        let (values, series) = collect(Change::Other);
        assert_eq!(series[0].name.path(), "disk_monitor./.percent");
        assert!(values[0] >= 0.0 && values[3] > 0.0, "the root of this machine");
        collect(Change::Same);
        write("1 0 8:1 / / rw - ext4 /dev/a rw\n3 1 8:2 / /no/such rw - xfs /dev/b rw\n");
        let (values, _) = collect(Change::Other);
        assert!(values[6..11].iter().all(|v| v.is_nan()), "what cannot be asked is absent");
        write("1 0 8:1 / / ro - ext4 /dev/a rw\n3 1 8:2 / /no/such rw - xfs /dev/b rw\n");
        collect(Change::Same);
        write("1 0 8:1 / / rw - ext4 /dev/a rw\n");
        assert_eq!(collect(Change::Other).1.len(), 6);
    }

    #[test]
    fn a_file_system_that_becomes_read_only_is_told_once_and_one_that_always_was_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/self")).unwrap();
        let write = |a: &str, b: &str| {
            let text = format!(
                "1 0 8:1 / / {a} - ext4 /dev/a rw\n2 1 8:2 / /b rw - xfs /dev/b {b}\n\
                 3 1 8:3 / /c ro - ext4 /dev/c ro\n"
            );
            std::fs::write(folder.path().join("proc/self/mountinfo"), text).unwrap();
        };
        let root = Root::at(folder.path());
        let mut collector = Settings::default().make(&root);
        let mut look = || {
            let mut values = Vec::new();
            collector.collect(Mono(0), &mut values).unwrap();
            let noticed = collector.noticed();
            (
                values[5],
                values[11],
                values[17],
                noticed.into_iter().map(|n| n.text).collect::<Vec<_>>(),
            )
        };
        write("rw", "rw");
        assert_eq!(look(), (0.0, 0.0, 0.0, Vec::new()));
        write("rw", "ro");
        let said = vec!["file system /b (xfs /dev/b) has become read-only".to_owned()];
        assert_eq!(look(), (0.0, 1.0, 0.0, said));
        assert_eq!(look(), (0.0, 1.0, 0.0, Vec::new()));
        write("rw", "rw");
        assert_eq!(look(), (0.0, 0.0, 0.0, Vec::new()));

        write("ro", "ro");
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::fs::write(folder.path().join("etc/fstab"), "UUID=1 / ext4 defaults 0 1\n").unwrap();
        let mut after_restart = Settings::default().make(&root);
        let mut values = Vec::new();
        after_restart.collect(Mono(0), &mut values).unwrap();
        assert_eq!((values[5], values[11]), (1.0, 0.0), "fstab knows what it was");
        assert_eq!(after_restart.noticed().len(), 1);
    }

    #[test]
    fn a_mount_that_hangs_is_absent_and_holds_nobody_up() {
        let lock = Arc::new(Mutex::new(()));
        let hang = lock.lock().unwrap();
        let inside = Arc::clone(&lock);
        let mut asked = Asked::by_thread(move || {
            drop(inside.lock());
            Some(Space { total: 1, ..Space::default() })
        });
        assert_eq!(asked.space(), None);
        let began = hark_model::Clock.now().mono;
        for _ in 0..100 {
            assert_eq!(asked.space(), None);
        }
        let took = hark_model::Clock.now().mono.since(began);
        assert!(took < Duration::from_secs(5), "only the first look waits: {took:?}");
        drop(hang);
        let mut found = None;
        while found.is_none() && hark_model::Clock.now().mono.since(began) < Duration::from_secs(30)
        {
            std::thread::yield_now();
            found = asked.space();
        }
        assert_eq!(found.map(|s| s.total), Some(1), "it comes back by itself");
    }
}
