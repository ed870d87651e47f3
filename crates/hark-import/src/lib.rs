//! Turns the configuration of other programs into hark's.
//!
//! - [`KINDS`] lists the programs; each is one module. What it reads are texts, what it returns is
//!   [`Imported`]: a configuration as YAML, and a note for everything that could not be taken over.
//! - Nothing is executed: a configuration that is a program (Picomon's) is read by `python`, which
//!   understands what such files consist of and says what it left out.
//! - This crate reads no file and asks nobody; the command `hark import` gives it the texts and checks
//!   what it wrote with hark's own reader.
//!
//! What cannot be taken over is a note, never an error: a person goes through the notes once. Only text
//! that cannot be read at all is an [`ImportError`].

use std::fmt;

mod nagios;
mod names;
mod picomon;
mod python;
mod yaml;

/// A file to read: its path as it is to be shown, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path for messages.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// Something that a person should look at after the import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// File that it is about.
    pub path: String,
    /// Line in it, from 1; 0 is the file as a whole.
    pub line: u32,
    /// What was left out or changed, and what to do instead.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// What became of a foreign configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// hark's configuration.
    pub config: String,
    /// What could not be taken over, in the order of the files.
    pub notes: Vec<Note>,
    /// Hosts that it declares.
    pub n_hosts: usize,
    /// Checks that it declares.
    pub n_checks: usize,
}

/// Why a foreign configuration cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {text}")]
pub struct ImportError {
    /// File that is wrong.
    pub path: String,
    /// Line in it, from 1.
    pub line: u32,
    /// What is wrong.
    pub text: String,
}

/// A program whose configuration can be read.
pub trait ImportKind: Sync {
    /// Returns its word on the command line.
    fn name(&self) -> &'static str;

    /// Returns what is read and what becomes of it, in markdown.
    fn manual(&self) -> &'static str;

    /// Returns whether a file in a folder that was given belongs to the configuration, by its name.
    fn takes(&self, file_name: &str) -> bool;

    /// Reads the files, in this order.
    ///
    /// # Errors
    /// A text is not what the program would read.
    fn read(&self, files: &[Source]) -> Result<Imported, ImportError>;
}

/// Every kind, in the order of the manual.
pub const KINDS: &[&dyn ImportKind] = &[&picomon::Picomon, &nagios::Nagios];
