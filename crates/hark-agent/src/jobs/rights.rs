//! By what right a program is run.
//!
//! What the host's own file names is allowed by standing there. What the server names is run only under
//! a name that the host's file allows (`permit`), and what stands under that name is the server's to
//! say: whoever allows a name trusts the server with it.

use hark_config::{Key, Kind, Section};
use hark_plugin::Permit;
use serde_json::Value as Json;

/// The key.
pub const PERMIT: Key = Key::new(
    "permit",
    Kind::OneOrMany(&Kind::Text),
    "Names of commands, plugins and custom programs that the server may give this host; the word \
     `all` alone allows any.",
)
.default("none");

/// What the host's own file allows the server to have run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Allowed {
    /// What has one of these names.
    Names(Vec<String>),
    /// Whatever it names.
    All,
    /// Nothing.
    #[default]
    Nothing,
}

impl Allowed {
    /// Reads `permit`.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let Some(value) = section.value("permit") else { return Self::Nothing };
        if !value.is_list() && value.scalar() == Some("all") {
            return Self::All;
        }
        let names = value.one_or_many();
        Self::Names(names.iter().filter_map(hark_config::Value::str).map(str::to_owned).collect())
    }
}

/// Who wrote what is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rights<'r> {
    /// The host's own file, all of it.
    HostFile,
    /// The server, with the host's own settings on top.
    Given {
        /// What the host's own file says.
        own: &'r Json,
        /// What it allows besides.
        allowed: &'r Allowed,
    },
}

impl Rights<'_> {
    /// Returns the right to run the command of `name` in a section of named settings.
    pub(super) fn of_entry(self, section: &str, name: &str) -> Option<Permit> {
        self.of(name, |own| match own.get(section).and_then(|entries| entries.get(name)) {
            None | Some(Json::Null) => false,
            // Where the host says the command, the server's lies under it.
            Some(Json::Object(entry)) => entry.contains_key("command"),
            Some(_) => true,
        })
    }

    /// Returns the right to run `name` of a list of commands.
    pub(super) fn of_list(self, section: &str, list: &str, name: &str) -> Option<Permit> {
        self.of(name, |own| own.get(section).and_then(|section| section.get(list)).is_some())
    }

    fn of(self, name: &str, is_own: impl FnOnce(&Json) -> bool) -> Option<Permit> {
        match self {
            Self::HostFile => Some(Permit::host_file(name)),
            Self::Given { own, .. } if is_own(own) => Some(Permit::host_file(name)),
            Self::Given { allowed: Allowed::All, .. } => {
                Permit::server(name, std::slice::from_ref(&name.to_owned()))
            }
            Self::Given { allowed: Allowed::Names(names), .. } => Permit::server(name, names),
            Self::Given { allowed: Allowed::Nothing, .. } => None,
        }
    }
}
