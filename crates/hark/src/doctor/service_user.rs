//! The user that the service runs as, so that everything is tried as that user and not as root, who may
//! do all.

use std::path::Path;

/// A user's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    /// The user.
    pub(crate) user: u32,
    /// The group of its own.
    pub(crate) group: u32,
    /// The groups that it is in besides.
    pub(crate) groups: Vec<u32>,
}

/// Finds the user called `name`; none if there is none.
pub(crate) fn find(root: &Path, name: &str) -> Option<Login> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    parse(&read("etc/passwd"), &read("etc/group"), name)
}

fn parse(passwd: &str, group: &str, name: &str) -> Option<Login> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut numbers = line.split(':').skip(2);
    let (user, own) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    let member = |line: &&str| {
        line.split(':').nth(3).is_some_and(|members| members.split(',').any(|m| m.trim() == name))
    };
    let groups = group.lines().filter(member).filter_map(|l| l.split(':').nth(2)?.parse().ok());
    Some(Login { user, group: own, groups: groups.collect() })
}

/// Returns the name of the group with this number; none if `groups`, a file of them, has none.
#[cfg(unix)]
pub(super) fn group(groups: &str, gid: u32) -> Option<&str> {
    let mut lines = groups.lines().map(|line| line.split(':'));
    lines.find_map(|mut parts| {
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(gid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_with_its_groups() {
        let passwd = "root:x:0:0::/:\nhark:x:998:997::/var/lib/hark:/usr/sbin/nologin\n";
        let group = "root:x:0:\nadm:x:4:syslog,hark\nharks:x:7:harken\nhark:x:997:\n";
        let found = parse(passwd, group, "hark").unwrap();
        assert_eq!(found, Login { user: 998, group: 997, groups: vec![4] });
        assert_eq!(parse(passwd, group, "har"), None);
    }
}
