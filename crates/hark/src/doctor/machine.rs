//! The machine: clock, disk, folder, limits of the kernel.

use std::path::Path;

use hark_agent::doctor::{clock, room};
use hark_store::disk::LEAST_ROOM;

use super::{Finding, Level, Patient};

/// A file with a number of the kernel, the least that is enough, and what it is for.
struct Limit {
    path: &'static str,
    least: u64,
    /// Only a server needs it.
    server: bool,
    why: &'static str,
}

const LIMITS: &[Limit] = &[
    Limit {
        path: "fs.inotify.max_user_instances",
        least: 128,
        server: false,
        why: "logs are watched with inotify; without it they are looked at again and again",
    },
    Limit {
        path: "fs.inotify.max_user_watches",
        least: 8192,
        server: false,
        why: "each watched log takes one; what is beyond is looked at again and again",
    },
    Limit {
        path: "net.core.rmem_max",
        least: 4 << 20,
        server: true,
        why: "when many agents send at once, datagrams are dropped and sent again",
    },
];

pub(super) fn look(patient: &Patient) -> Vec<Finding> {
    let mut findings = vec![the_clock(), the_disk(&patient.data_dir)];
    findings.extend(the_folder(&patient.data_dir));
    let wanted = |limit: &&Limit| patient.server || !limit.server;
    findings
        .extend(LIMITS.iter().filter(wanted).filter_map(|limit| the_limit(&patient.root, limit)));
    findings.push(the_ping(&patient.root, !patient.loaded.checks.is_empty()));
    findings
}

fn the_clock() -> Finding {
    match clock() {
        Ok((true, off)) => {
            Finding::fine("clock", format!("kept in step, off by at most {} ms", off.as_millis()))
        }
        Ok((false, _)) => Finding::bad(
            Level::Warning,
            "clock",
            "no program keeps the clock in step",
            "times of events and charts are wrong by as much as the clock; alerts are not",
            "apt install chrony (or systemd-timesyncd); in a container: on its host",
        ),
        Err(error) => Finding::bad(
            Level::Warning,
            "clock",
            format!("cannot be asked: {error}"),
            "whether the clock is in step is not known here",
            "allow the system call adjtimex, which only asks",
        ),
    }
}

/// Returns the nearest folder above `path` that is there.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"))
}

fn the_disk(data_dir: &Path) -> Finding {
    let at = existing(data_dir);
    let mib = |bytes: u64| bytes >> 20;
    match room(at) {
        Ok((free, total)) if free < LEAST_ROOM => Finding::bad(
            Level::Problem,
            "disk",
            format!("{}: {} MiB of {} MiB are free", at.display(), mib(free), mib(total)),
            "soon nothing can be kept: history stops first, then events",
            "make room, name another folder with --data, or bound history: history.max_size",
        ),
        Ok((free, _)) => {
            Finding::fine("disk", format!("{}: {} MiB are free", at.display(), mib(free)))
        }
        Err(error) => Finding::bad(
            Level::Warning,
            "disk",
            format!("{}: {error}", at.display()),
            "whether there is room is not known",
            format!("df {}", at.display()),
        ),
    }
}

fn the_folder(data_dir: &Path) -> Vec<Finding> {
    let area = "data";
    let shown = data_dir.display();
    let Ok(found) = std::fs::metadata(data_dir) else {
        return vec![Finding::fine(area, format!("{shown} is made at the first start"))];
    };
    let mut findings = Vec::new();
    if let Some(mode) = crate::sys::is_open_to_others(&found, 0o077) {
        findings.push(Finding::bad(
            Level::Warning,
            area,
            format!("{shown} is open to others ({mode:04o})"),
            "keys of agents and tokens lie there",
            format!("chmod 0700 {shown}"),
        ));
    }
    findings.push(if crate::sys::may_write(data_dir) {
        Finding::fine(area, format!("{shown} can be written"))
    } else {
        Finding::bad(
            Level::Problem,
            area,
            format!(
                "{shown} cannot be written by this user; it belongs to user {}",
                crate::sys::owner(&found)
            ),
            "nothing can be kept, so nothing is started",
            format!("chown -R {}: {shown} (or run hark as its owner)", crate::sys::user()),
        )
    });
    findings
}

fn the_limit(root: &Path, limit: &Limit) -> Option<Finding> {
    let path = root.join("proc/sys").join(limit.path.replace('.', "/"));
    let found: u64 = std::fs::read_to_string(path).ok()?.trim().parse().ok()?;
    let (name, least) = (limit.path, limit.least);
    if found >= least {
        return Some(Finding::fine("limits", format!("{name} is {found}")));
    }
    Some(Finding::bad(
        Level::Warning,
        "limits",
        format!("{name} is {found}, less than {least}"),
        limit.why,
        format!("sysctl -w {name}={least}, and the same line in /etc/sysctl.d/hark.conf"),
    ))
}

fn the_ping(root: &Path, has_checks: bool) -> Finding {
    let text = std::fs::read_to_string(root.join("proc/sys/net/ipv4/ping_group_range"));
    let text = text.unwrap_or_default();
    let allowed = may_ping(&text, crate::sys::groups()) || crate::sys::may_open_raw_socket();
    match (allowed, has_checks) {
        (true, _) => Finding::fine("ping", "is allowed"),
        (false, false) => Finding::fine("ping", "is not allowed, and no check is configured"),
        (false, true) => Finding::bad(
            Level::Warning,
            "ping",
            format!("is not allowed (net.ipv4.ping_group_range is {:?})", text.trim()),
            "checks of type ping and what depends on them are unknown",
            "sysctl -w net.ipv4.ping_group_range='0 2147483647', or install with \
             --capability net-raw",
        ),
    }
}

/// Returns true if one of `groups` is within the two numbers of `range`.
fn may_ping(range: &str, groups: Vec<u32>) -> bool {
    let mut numbers = range.split_whitespace().map(str::parse::<u32>);
    let (Some(Ok(first)), Some(Ok(last))) = (numbers.next(), numbers.next()) else { return false };
    groups.into_iter().any(|group| (first..=last).contains(&group))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_small_limit_is_told_with_the_command() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("proc/sys/net/core");
        std::fs::create_dir_all(&folder).unwrap();
        let limit = LIMITS.iter().find(|l| l.path == "net.core.rmem_max").unwrap();
        assert_eq!(the_limit(root.path(), limit), None, "not there");
        std::fs::write(folder.join("rmem_max"), "212992\n").unwrap();
        let found = the_limit(root.path(), limit).unwrap();
        assert_eq!(found.level, Level::Warning);
        assert!(found.mend.starts_with("sysctl -w net.core.rmem_max=4194304"), "{found:?}");
        std::fs::write(folder.join("rmem_max"), "8388608\n").unwrap();
        assert_eq!(the_limit(root.path(), limit).unwrap().level, Level::Fine);
    }

    #[test]
    fn the_range_of_groups_that_may_ping() {
        assert!(!may_ping("1\t0\n", vec![0, 5]));
        assert!(may_ping("0\t2147483647\n", vec![998]));
        assert!(may_ping("100 200", vec![5, 150]));
        assert!(!may_ping("", vec![0]));
    }

    #[test]
    fn a_folder_that_others_may_enter_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let open = |mode| {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            the_folder(folder.path())
        };
        assert!(open(0o755)[0].mend.starts_with("chmod 0700 "));
        assert_eq!(super::super::worst(&open(0o700)), Level::Fine);
    }
}
