//! What is mounted, and which of it is worth a look.

use crate::source::lines;

/// One line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted.
    pub(crate) point: String,
    /// Its type: `ext4`, `nfs4`, `fuse.sshfs` ...
    pub(crate) kind: String,
    /// What is mounted: a device, a share.
    pub(crate) source: String,
    /// Major and minor number.
    device: String,
    /// Whether nothing can be written: here, or on the whole file system.
    pub(crate) read_only: bool,
    /// Which folder of the file system is at the mount point; not `/` for bind mounts.
    root: String,
}

/// How far away the data of a mount is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a disk of this machine.
    Local,
    /// On another machine, or served by a program: asking may hang.
    Remote,
    /// In memory, made by the kernel, or an image that is always full: nothing can run out.
    Unreal,
}

/// Types whose data is elsewhere, or behind a program (`fuse.`): `statvfs` on them hangs when the
/// other side does.
const REMOTE: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "prl_fs",
    "smb3",
    "smbfs",
    "vboxsf",
    "virtiofs",
];

/// Types that live on a disk though their source is no device file.
const LOCAL: &[&str] = &["bcachefs", "btrfs", "jffs2", "ubifs", "zfs"];

/// Types on a device that are read-only images, always full.
const IMAGES: &[&str] = &["cramfs", "erofs", "iso9660", "romfs", "squashfs", "udf"];

/// Types of one file system that is mounted in parts with different names, each worth its own line.
const IN_PARTS: &[&str] = &["bcachefs", "btrfs", "zfs"];

/// Files that container programs bind from the machine below: its disk, seen through a keyhole.
const BOUND_FILES: &[&str] = &["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// Bound on mounts looked at: each is up to five series of the 4096 that a host may have.
pub(crate) const MAX_MOUNTS: usize = 256;

impl Mount {
    /// Returns how far away its data is.
    pub(crate) fn place(&self) -> Place {
        let kind = self.kind.as_str();
        if REMOTE.contains(&kind) || kind.starts_with("fuse.") || kind == "fuse" {
            Place::Remote
        } else if IMAGES.contains(&kind)
            || kind == "autofs"
            || BOUND_FILES.contains(&self.point.as_str())
        {
            // Asking an autofs would mount it.
            Place::Unreal
        } else if LOCAL.contains(&kind)
            || self.source.starts_with("/dev/")
            || (kind == "overlay" && self.point == "/")
        {
            Place::Local
        } else {
            Place::Unreal
        }
    }
}

/// Reads `/proc/self/mountinfo`: what can be seen, in the kernel's order, at most [`MAX_MOUNTS`] of
/// those that `wanted` takes. Of several mounts at one point the last one covers the others; of
/// several points of one device only the shortest is kept, so that a bind mount is not counted twice.
pub(crate) fn parse(text: &[u8], wanted: impl Fn(&Mount) -> bool) -> Vec<Mount> {
    let mut found: Vec<Mount> = Vec::new();
    for mount in lines(text).filter_map(line) {
        found.retain(|m| m.point != mount.point);
        found.push(mount);
    }
    found.retain(|m| wanted(m));
    let mut kept: Vec<Mount> = Vec::new();
    for mount in found {
        let in_parts = IN_PARTS.contains(&mount.kind.as_str());
        let twin = kept.iter().position(|k| k.device == mount.device && !in_parts);
        match twin.and_then(|index| kept.get_mut(index)) {
            Some(twin) if rank(&mount) < rank(twin) => *twin = mount,
            Some(_) => {}
            None => kept.push(mount),
        }
        if kept.len() == MAX_MOUNTS {
            break;
        }
    }
    kept
}

/// Of two points of one device the whole one is better than a bind mount, then the shorter.
fn rank(mount: &Mount) -> (bool, usize) {
    (mount.root != "/", mount.point.len())
}

/// `36 35 98:0 /root /point opts [optional ...] - type source superopts`
fn line(text: &str) -> Option<Mount> {
    let (left, right) = text.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let (device, root, point) = (left.next()?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let options = left.next()?;
    let (kind, source) = (right.next()?, right.next()?);
    let read_only = [Some(options), right.next()].into_iter().flatten().any(is_read_only);
    Some(Mount {
        point: unescape(point),
        kind: kind.to_owned(),
        source: unescape(source),
        read_only,
        device: device.to_owned(),
        root: root.to_owned(),
    })
}

/// Returns true if `ro` is among options with commas between.
fn is_read_only(options: &str) -> bool {
    options.split(',').any(|option| option == "ro")
}

/// Returns the mount points that `/etc/fstab` wants to be writable (fstab(5)).
pub(crate) fn writable_by_fstab(text: &str) -> Vec<String> {
    let wanted = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let source = fields.next().filter(|source| !source.starts_with('#'))?;
        let (point, _kind) = (fields.next()?, fields.next()?);
        let options = fields.next().unwrap_or("defaults");
        let writable = !source.is_empty() && !is_read_only(options);
        writable.then(|| unescape(point))
    };
    text.lines().filter_map(wanted).take(MAX_MOUNTS).collect()
}

/// The kernel writes blanks, tabs, line feeds and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\');
        let value = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(byte) = value {
            bytes.push(byte);
            rest = after.get(3..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334492k
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
28 27 254:1 / /srv/my\\040data rw shared:2 master:3 - xfs /dev/vdb rw
29 27 254:0 /var/lib /srv/bind rw - ext4 /dev/vda rw
30 27 0:44 / /mnt/share rw - nfs4 nas:/export rw
31 27 0:45 / /home/u/remote rw - fuse.sshfs u@h:/ rw
32 27 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro
33 27 0:46 / /auto rw - autofs systemd-1 rw
34 27 0:50 /@ /b rw - btrfs /dev/sdc rw
35 27 0:50 /@home /b/home rw - btrfs /dev/sdc rw
36 27 8:1 / /media/usb rw - fuseblk /dev/sdd1 rw
";

    fn points(text: &str, place: Place) -> Vec<String> {
        let mounts = parse(text.as_bytes(), |m| m.place() == place);
        mounts.into_iter().map(|m| m.point).collect()
    }

    #[test]
    fn keeps_real_local_file_systems_once() {
        assert_eq!(
            points(DEBIAN, Place::Local),
            ["/", "/srv/my data", "/b", "/b/home", "/media/usb"]
        );
    }

    #[test]
    fn knows_what_may_hang() {
        assert_eq!(points(DEBIAN, Place::Remote), ["/mnt/share", "/home/u/remote"]);
    }

    #[test]
    fn a_container_has_its_overlay_and_no_bound_files() {
        let text = "\
500 400 0:60 / / rw - overlay overlay rw,lowerdir=/a
501 500 254:0 /x/hosts /etc/hosts rw - ext4 /dev/vda rw
502 500 254:0 /x/hostname /etc/hostname rw - ext4 /dev/vda rw
503 500 0:61 / /layers/1 rw - overlay overlay rw
";
        assert_eq!(points(text, Place::Local), ["/"]);
    }

    #[test]
    fn the_last_mount_at_a_point_covers_the_others() {
        let text = "\
1 0 8:1 / /mnt rw - ext4 /dev/sda1 rw
2 0 0:9 / /mnt rw - tmpfs none rw
";
        assert_eq!(points(text, Place::Local), Vec::<String>::new());
    }

    #[test]
    fn read_only_is_said_of_the_mount_or_of_the_file_system() {
        let text = "\
1 0 8:1 / /a rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
2 0 8:2 / /b rw,relatime - ext4 /dev/sda2 ro
3 0 8:3 / /c ro,relatime - ext4 /dev/sda3 rw
";
        let found: Vec<_> =
            parse(text.as_bytes(), |_| true).into_iter().map(|m| m.read_only).collect();
        assert_eq!(found, [false, true, true]);
    }

    #[test]
    fn fstab_says_what_is_to_be_writable() {
        let text = "# a comment\nUUID=1 / ext4 errors=remount-ro 0 1\n/dev/sdb1 /my\\040data xfs\n\
                    /dev/sr0 /cd iso9660 ro,noauto 0 0\nbroken\n\nUUID=2 none swap sw 0 0\n";
        assert_eq!(writable_by_fstab(text), ["/", "/my data", "none"]);
    }

    #[test]
    fn broken_lines_are_left_out() {
        for text in ["", "x", "1 2 3 -", "1 2 8:1 / /a rw ext4 /dev/a rw", "1 2 - ext4 /dev/a rw"] {
            assert_eq!(points(text, Place::Local), Vec::<String>::new(), "{text}");
        }
        assert_eq!(unescape("a\\04"), "a\\04");
        assert_eq!(unescape("a\\134b\\999"), "a\\b\\999");
    }

    #[test]
    fn thousands_of_mounts_are_cut() {
        let lines = (0..1000).map(|n| format!("{n} 1 9:{n} / /m{n} rw - ext4 /dev/d{n} rw\n"));
        let text: String = lines.collect();
        assert_eq!(points(&text, Place::Local).len(), MAX_MOUNTS);
    }
}
