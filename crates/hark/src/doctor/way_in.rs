//! How a user that may not read a file, look into a folder or use a socket is let in.

use std::path::Path;

/// For what belongs to one user alone.
const READ_ALL: &str = "hark agent install --capability dac-read-search";

/// For disks, as `smartctl` asks them.
const ASK_DISKS: &str = "hark agent install --capability sys-rawio";

/// For drives whose logs the kernel keeps from all others.
const ASK_NVME: &str = "hark agent install --capability sys-admin, and name it as /dev/nvme0n1";

/// Returns the command that lets the agent have `path`, which it was refused.
#[cfg(unix)]
pub(super) fn to(root: &Path, path: &Path) -> String {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    // What cannot even be looked at lies in a folder that may not be passed.
    let mut on_the_way = path.ancestors();
    let found = on_the_way.find_map(|at| std::fs::metadata(at).ok().map(|meta| (at, meta)));
    let Some((at, meta)) = found else { return READ_ALL.to_owned() };
    let kind = meta.file_type();
    // A disk says how it is only to who may ask it, which is more than to read it.
    if kind.is_block_device() || kind.is_char_device() {
        let is_nvme = at.to_string_lossy().contains("/nvme");
        return if is_nvme { ASK_NVME } else { ASK_DISKS }.to_owned();
    }
    let is_socket = kind.is_socket();
    let needed = if at != path {
        0o010
    } else if is_socket {
        0o020
    } else if meta.is_dir() {
        0o050
    } else {
        0o040
    };
    // The group of root would be root's rights.
    let group = Some(meta.gid()).filter(|gid| *gid != 0 && meta.mode() & needed == needed);
    let group = group.and_then(|gid| {
        let groups = std::fs::read_to_string(root.join("etc/group")).ok()?;
        super::service_user::group(&groups, gid).map(str::to_owned)
    });
    match group {
        Some(group) => format!("hark agent install --group {group}"),
        // The right to read everything does not open it.
        None if is_socket => format!(
            "have the program that makes {} give it to a group, and hark agent install --group",
            at.display()
        ),
        None => READ_ALL.to_owned(),
    }
}

/// Access lists say it there, and nothing installs the agent.
#[cfg(windows)]
pub(super) fn to(_root: &Path, path: &Path) -> String {
    format!("let the user that runs hark read {}", path.display())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_group_that_may_is_named_and_a_socket_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        let (file, socket) = (root.path().join("file"), root.path().join("socket"));
        std::fs::write(&file, "").unwrap();
        let _listens = UnixListener::bind(&socket).unwrap();
        let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        // A group of another than root, where whoever runs this may give one.
        for path in [&file, &socket] {
            std::os::unix::fs::chown(path, None, Some(4)).unwrap_or_default();
        }
        let gid = std::fs::metadata(&file).unwrap().gid();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/group"), format!("root:x:0:\nlogs:x:{gid}:\n"))
            .unwrap();
        for path in [&file, &socket] {
            mode(path, 0o660);
            let named = to(root.path(), path);
            assert_eq!(named == "hark agent install --group logs", gid != 0, "{named}");
            mode(path, 0o600);
        }
        assert_eq!(to(root.path(), &file), READ_ALL);
        assert!(to(root.path(), &socket).starts_with("have the program"));
        // Every machine has this device; that it is no disk is not looked for.
        assert_eq!(to(root.path(), Path::new("/dev/null")), ASK_DISKS);
    }
}
