//! Names as hark takes them, made of foreign ones: unique, and still to be recognised.

use std::collections::BTreeSet;

/// Longest name; hark takes more, but a person has to read it in lists.
const MAX_NAME: usize = 60;

/// Hands out names, each once.
#[derive(Debug, Default)]
pub(crate) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// Returns `wanted` in letters that a name may have, with a number behind it if it is taken.
    pub(crate) fn unique(&mut self, wanted: &str) -> String {
        let base = plain(wanted);
        let mut name = base.clone();
        let mut number = 2_u32;
        while !self.taken.insert(name.clone()) {
            name = format!("{base}-{number}");
            number = number.saturating_add(1);
        }
        name
    }
}

/// Returns a name in lower-case letters, digits, dots and hyphens.
pub(crate) fn plain(text: &str) -> String {
    let mut name = String::new();
    for c in text.trim().chars() {
        let c = c.to_ascii_lowercase();
        let is_fine = c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        if is_fine {
            name.push(c);
        } else if !name.ends_with('-') {
            name.push('-');
        }
        if name.len() >= MAX_NAME {
            break;
        }
    }
    let name = name.trim_matches(['-', '.', '_']);
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_unique() {
        let mut names = Names::default();
        assert_eq!(names.unique("Web Server (main)"), "web-server-main");
        assert_eq!(names.unique("web server  main"), "web-server-main-2");
        assert_eq!(names.unique("///"), "unnamed");
        assert_eq!(plain("192.0.2.1/2001:db8::1"), "192.0.2.1-2001-db8-1");
    }
}
