//! The user that the service runs as, with what the service was given beside, so that everything is tried as
//! the service would and not as root, who may do all.

use std::path::Path;

use crate::install::{Capability, unit_texts};

/// A user's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    /// The user.
    pub(crate) user: u32,
    /// The group of its own.
    pub(crate) group: u32,
    /// The groups that it is in besides.
    pub(crate) groups: Vec<u32>,
    /// Privileges, which a service alone can have.
    pub(crate) capabilities: Vec<Capability>,
}

impl Login {
    /// Adds what the unit of the service `name` gives it; nothing where there is no unit.
    pub(crate) fn with_unit(mut self, root: &Path, name: &str) -> Self {
        let groups = std::fs::read_to_string(root.join("etc/group")).unwrap_or_default();
        let (named, capabilities) = given(&unit_texts(root, name));
        for name in named {
            self.groups.extend(groups.lines().find_map(|line| number_of(line, &name)));
        }
        self.capabilities = capabilities;
        self
    }
}

/// Returns the groups and privileges that a unit gives, in the words of all its files, one after the other.
fn given(texts: &[String]) -> (Vec<String>, Vec<Capability>) {
    let (mut groups, mut capabilities) = (Vec::new(), Vec::new());
    for line in texts.iter().flat_map(|text| text.lines()) {
        let Some((key, words)) = line.split_once('=') else { continue };
        let words = words.split_whitespace();
        // An empty one takes back what stood before it.
        let is_empty = words.clone().next().is_none();
        match key.trim() {
            "SupplementaryGroups" if is_empty => groups.clear(),
            "SupplementaryGroups" => groups.extend(words.map(str::to_owned)),
            "AmbientCapabilities" if is_empty => capabilities.clear(),
            "AmbientCapabilities" => capabilities.extend(words.filter_map(Capability::from_word)),
            _ => {}
        }
    }
    (groups, capabilities)
}

/// Returns the number of the group in a line of `/etc/group` if it is called so.
fn number_of(line: &str, name: &str) -> Option<u32> {
    let mut parts = line.split(':');
    if parts.next()? == name { parts.nth(1)?.parse().ok() } else { None }
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
    Some(Login { user, group: own, groups: groups.collect(), capabilities: Vec::new() })
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
        let capabilities = Vec::new();
        assert_eq!(found, Login { user: 998, group: 997, groups: vec![4], capabilities });
        assert_eq!(parse(passwd, group, "har"), None);
    }

    #[test]
    fn what_the_unit_and_its_own_settings_give_counts() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("etc/group", "root:x:0:\nadm:x:4:\nadmin:x:5:\ndocker:x:99:\n");
        let of_unit = || {
            let login = Login { user: 1, group: 1, groups: vec![7], capabilities: Vec::new() };
            let login = login.with_unit(root.path(), "hark-agent");
            (login.groups, login.capabilities)
        };
        assert_eq!(of_unit(), (vec![7], vec![]));
        let unit = "etc/systemd/system/hark-agent.service";
        put(
            unit,
            "[Service]\nSupplementaryGroups=adm docker none\nAmbientCapabilities=CAP_NET_RAW CAP_X\n",
        );
        assert_eq!(of_unit(), (vec![7, 4, 99], vec![Capability::NetRaw]));
        put(
            &format!("{unit}.d/a.conf"),
            "[Service]\nSupplementaryGroups=\nSupplementaryGroups=docker\n",
        );
        put(&format!("{unit}.d/b.conf"), "[Service]\nAmbientCapabilities=CAP_SYS_PTRACE\n");
        put(&format!("{unit}.d/b.conf~"), "[Service]\nAmbientCapabilities=\n");
        let both = vec![Capability::NetRaw, Capability::SysPtrace];
        assert_eq!(of_unit(), (vec![7, 99], both));
    }
}
