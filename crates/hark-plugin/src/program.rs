//! A program with its arguments, as a person wrote it, and who allowed it to be run.
//!
//! There is no shell: what a person writes is a list of arguments, or one line that is cut into
//! arguments at white space. What only a shell could mean (`|`, `$HOME`, `*`) is refused with the way
//! out instead of being handed on as it stands, which is never what was meant.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use hark_config::Value;
use thiserror::Error;

/// Where programs are looked for that are named without a folder. Fixed, whatever the environment
/// says; the last ones are where distributions put the plugins of Nagios. On Windows those of the system
/// itself take their place.
const FOLDERS: &[&str] = &[
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/lib/nagios/plugins",
    "/usr/lib64/nagios/plugins",
    "/usr/libexec/nagios/plugins",
    "/usr/lib/monitoring-plugins",
];

/// What a program finds in `PATH`: the folders of the system, without those of plugins.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Bound on arguments: a line that a person wrote.
const MAX_ARGUMENTS: usize = 256;

/// Bound on the bytes of all arguments.
const MAX_BYTES: usize = 32 * 1024;

/// What stands in front of a word that only a shell would understand.
const SHELL: &[char] = &['|', '>', '<', ';', '&', '`', '$', '*', '?', '(', ')', '~', '{', '}'];

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    arguments: Vec<String>,
}

/// Why a text or a list is no program.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProgramError {
    /// Nothing.
    #[error("a command is a program with its arguments: this is empty")]
    Empty,
    /// A folder that depends on where the agent was started.
    #[error("`{0}` is neither an absolute path nor the name of a program alone")]
    Relative(String),
    /// A sign that has a meaning in a shell alone.
    #[error(
        "`{0}` means something in a shell, and none is used: put it in quotes if it is meant as it stands"
    )]
    Shell(char),
    /// A quote that is not closed.
    #[error("a {0} is not closed")]
    Quote(char),
    /// A backslash with nothing behind it.
    #[error("nothing follows the last backslash")]
    Backslash,
    /// A zero byte, which no argument can have.
    #[error("an argument cannot contain a zero byte")]
    Zero,
    /// Too many arguments, or too long.
    #[error("a command has at most {MAX_ARGUMENTS} arguments and {MAX_BYTES} bytes")]
    TooLong,
}

impl Program {
    /// Makes a program of its name (an absolute path, or a name alone) and its arguments.
    ///
    /// # Errors
    /// Why not.
    pub fn new(arguments: Vec<String>) -> Result<Self, ProgramError> {
        let name = arguments.first().filter(|name| !name.is_empty()).ok_or(ProgramError::Empty)?;
        if names_a_folder(name) && !is_place(name) || matches!(name.as_str(), "." | "..") {
            return Err(ProgramError::Relative(name.clone()));
        }
        if arguments.iter().any(|argument| argument.contains('\0')) {
            return Err(ProgramError::Zero);
        }
        let bytes: usize = arguments.iter().map(|argument| argument.len() + 1).sum();
        if arguments.len() > MAX_ARGUMENTS || bytes > MAX_BYTES {
            return Err(ProgramError::TooLong);
        }
        Ok(Self { arguments })
    }

    /// Reads a line as people write it: cut at white space; `'…'`, `"…"` and `\` hold together. In a line that
    /// begins with a drive of Windows (`C:\…`) a backslash is nothing but a backslash.
    ///
    /// # Errors
    /// Why not.
    pub fn parse(line: &str) -> Result<Self, ProgramError> {
        Self::new(split(line)?)
    }

    /// Reads a setting: a list of arguments, or a line.
    pub fn read(value: &Value<'_>) -> Option<Self> {
        if !value.is_list() {
            return value.parse(Self::parse);
        }
        let arguments: Option<Vec<String>> =
            value.items().iter().map(|item| item.str().map(str::to_owned)).collect();
        match Self::new(arguments?) {
            Ok(program) => Some(program),
            Err(error) => {
                value.error(error.to_string());
                None
            }
        }
    }

    /// Returns the name and the arguments.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Returns the last part of its name: `check_load`.
    pub fn short_name(&self) -> &str {
        let name = self.arguments.first().map_or("", String::as_str);
        Path::new(name).file_name().and_then(OsStr::to_str).unwrap_or(name)
    }

    /// Returns where the program is now; a name alone is looked for in fixed folders.
    pub fn path(&self) -> Option<PathBuf> {
        let name = self.arguments.first()?;
        if is_place(name) {
            return Some(PathBuf::from(name));
        }
        let mut folders = crate::sys::folders(FOLDERS).into_iter();
        folders.find_map(|folder| {
            let path = folder.join(name);
            if path.is_file() {
                return Some(path);
            }
            // As everybody calls them there.
            let whole = cfg!(windows).then(|| path.with_added_extension("exe"));
            whole.filter(|path| path.is_file())
        })
    }
}

/// Tells whether a name says where the program is: an absolute path, of this system or of Windows. A
/// server of any system reads what is meant for hosts of another.
pub(crate) fn is_place(name: &str) -> bool {
    name.starts_with('/') || begins_with_drive(name)
}

fn names_a_folder(name: &str) -> bool {
    name.contains('/') || begins_with_drive(name) || (cfg!(windows) && name.contains(['\\', ':']))
}

fn begins_with_drive(text: &str) -> bool {
    match text.as_bytes() {
        [letter, b':', b'/' | b'\\', ..] => letter.is_ascii_alphabetic(),
        _ => false,
    }
}

fn split(line: &str) -> Result<Vec<String>, ProgramError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let plain = begins_with_drive(line.trim_start_matches(|c: char| c.is_whitespace() || c == '"'));
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                quoted(&mut chars, c, plain, word)?;
            }
            '\\' if !plain => {
                let next = chars.next().ok_or(ProgramError::Backslash)?;
                word.get_or_insert_default().push(next);
            }
            c if SHELL.contains(&c) => return Err(ProgramError::Shell(c)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(
    chars: &mut std::str::Chars<'_>,
    quote: char,
    plain: bool,
    word: &mut String,
) -> Result<(), ProgramError> {
    loop {
        match chars.next().ok_or(ProgramError::Quote(quote))? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' && !plain => {
                match chars.next().ok_or(ProgramError::Quote(quote))? {
                    c @ ('"' | '\\') => word.push(c),
                    // As a shell: before anything else a backslash is one.
                    c => word.extend(['\\', c]),
                }
            }
            c => word.push(c),
        }
    }
}

/// Leave to run a program: who named it, and by what right. Nothing is run without one.
///
/// What the host's own file names is allowed by standing there. What a server names is allowed only
/// under a name that the host's file allows. The command line under that name is the server's: whoever
/// allows a name lets that server run what it wants under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    origin: Origin,
    name: String,
}

/// Who named a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The host's own configuration file.
    HostFile,
    /// The server's configuration.
    Server,
}

impl Permit {
    /// Allows what the host's own file names `name`.
    pub fn host_file(name: &str) -> Self {
        Self { origin: Origin::HostFile, name: name.to_owned() }
    }

    /// Allows what a server names `name`, if the host's own file allows this name.
    pub fn server(name: &str, allowed_by_host: &[String]) -> Option<Self> {
        let allowed = allowed_by_host.iter().any(|allowed| allowed == name);
        allowed.then(|| Self { origin: Origin::Server, name: name.to_owned() })
    }

    /// Returns who named the program.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Returns its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<String>, ProgramError> {
        Program::parse(line).map(|program| program.arguments)
    }

    #[test]
    fn lines_are_cut_as_people_mean_them() {
        for (line, expected) in [
            ("check_load -w 5,4,3", &["check_load", "-w", "5,4,3"][..]),
            (
                "  /bin/echo  'a b'\t\"c \\\"d\\\" \\n\" e\\ f ''",
                &["/bin/echo", "a b", "c \"d\" \\n", "e f", ""],
            ),
            ("a 'it''s' x\"y\"z", &["a", "its", "xyz"]),
            ("check_http -u '/a?b=1&c=2' -e \\$x", &["check_http", "-u", "/a?b=1&c=2", "-e", "$x"]),
            ("C:\\p\\check.exe -f D:\\a.log", &["C:\\p\\check.exe", "-f", "D:\\a.log"]),
            (" \"C:\\my p\\c.exe\" \"a\\\"", &["C:\\my p\\c.exe", "a\\"]),
            ("check C:\\\\a 'C:\\b'", &["check", "C:\\a", "C:\\b"]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_needs_a_shell_is_refused_with_the_way_out() {
        for (line, error) in [
            ("", ProgramError::Empty),
            ("   ", ProgramError::Empty),
            ("a | b", ProgramError::Shell('|')),
            ("a $HOME", ProgramError::Shell('$')),
            ("a;b", ProgramError::Shell(';')),
            ("ls *.x", ProgramError::Shell('*')),
            ("a 'b", ProgramError::Quote('\'')),
            ("a \"b\\", ProgramError::Quote('"')),
            ("a \\", ProgramError::Backslash),
            ("./x", ProgramError::Relative("./x".into())),
            ("bin/x", ProgramError::Relative("bin/x".into())),
            ("..", ProgramError::Relative("..".into())),
            ("a b\0c", ProgramError::Zero),
        ] {
            assert_eq!(words(line), Err(error), "{line:?}");
        }
        assert_eq!(words(&"x ".repeat(300)), Err(ProgramError::TooLong));
        assert_eq!(words(&format!("x {}", "y".repeat(40_000))), Err(ProgramError::TooLong));
    }

    #[test]
    fn a_name_alone_is_found_in_fixed_folders() {
        let program = Program::parse("env A=1").unwrap();
        assert!(program.path().unwrap().ends_with("bin/env"));
        assert_eq!(program.short_name(), "env");
        assert_eq!(Program::parse("no-such-program-here").unwrap().path(), None);
        assert_eq!(Program::parse("/opt/x/check_y -a").unwrap().short_name(), "check_y");
    }

    #[test]
    fn a_server_can_name_only_what_the_hosts_file_allows() {
        let allowed = vec!["backup".to_owned()];
        let permit = Permit::server("backup", &allowed).unwrap();
        assert_eq!((permit.origin(), permit.name()), (Origin::Server, "backup"));
        assert_eq!(Permit::server("rm", &allowed), None);
        assert_eq!(Permit::server("backup", &[]), None);
        assert_eq!(Permit::host_file("x").origin(), Origin::HostFile);
    }
}
