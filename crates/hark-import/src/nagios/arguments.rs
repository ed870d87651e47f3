//! The options of a plugin's command line.

/// An option that a plugin has: its letter, its long names, and whether a value follows.
pub(super) type KnownOption = (char, &'static [&'static str], bool);

/// The options that were given, each with its value (empty for flags).
#[derive(Debug, Default)]
pub(super) struct Given {
    options: Vec<(char, String)>,
    /// Words that belong to no option.
    pub(super) words: Vec<String>,
}

impl Given {
    /// Returns the value of an option; the last one counts.
    pub(super) fn get(&self, letter: char) -> Option<&str> {
        self.options.iter().rev().find(|(l, _)| *l == letter).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, letter: char) -> bool {
        self.get(letter).is_some()
    }

    /// Returns all values of an option.
    pub(super) fn all(&self, letter: char) -> Vec<&str> {
        self.options.iter().filter(|(l, _)| *l == letter).map(|(_, v)| v.as_str()).collect()
    }
}

/// Reads words as `getopt_long` would. `None`: an option is not in the table.
pub(super) fn read(words: &[String], table: &[KnownOption]) -> Option<Given> {
    let mut given = Given::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            given.words.extend(words.cloned());
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let (letter, _, takes) = table.iter().find(|(_, names, _)| names.contains(&name))?;
            let value = match (takes, value) {
                (true, Some(value)) => value,
                (true, None) => words.next()?.clone(),
                (false, value) => value.unwrap_or_default(),
            };
            given.options.push((*letter, value));
        } else if let Some(cluster) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            let mut chars = cluster.chars();
            while let Some(letter) = chars.next() {
                let (_, _, takes) = table.iter().find(|(l, _, _)| *l == letter)?;
                let value = match (takes, chars.as_str()) {
                    (false, _) => String::new(),
                    (true, "") => words.next()?.clone(),
                    (true, rest) => {
                        let rest = rest.to_owned();
                        chars = "".chars();
                        rest
                    }
                };
                given.options.push((letter, value));
            }
        } else {
            given.words.push(word.clone());
        }
    }
    Some(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_are_read_as_getopt_reads_them() {
        let table: &[KnownOption] = &[
            ('H', &["hostname"], true),
            ('S', &["ssl"], false),
            ('4', &[], false),
            ('p', &["port"], true),
        ];
        let given = read(&words("-4S -p80 --hostname=a rest -H b"), table).unwrap();
        assert!(given.has('4') && given.has('S'));
        assert_eq!((given.get('p'), given.get('H')), (Some("80"), Some("b")));
        assert_eq!(given.words, ["rest"]);
        assert!(read(&words("-x"), table).is_none());
        assert!(read(&words("-p"), table).is_none());
    }
}
