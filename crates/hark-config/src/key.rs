//! Tables of keys: what a section takes, as data. They feed the suggestions for unknown keys, the
//! JSON Schema for editors, and the manual.

/// One key of a section.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key as it is written.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What holds if it is absent, as one would write it.
    pub default: Option<&'static str>,
    /// The unit of a bare number.
    pub unit: Option<&'static str>,
    /// Whether the section makes no sense without it.
    pub required: bool,
    /// One line for the manual.
    pub help: &'static str,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A span of time, such as `30s`.
    Duration,
    /// An amount of bytes, such as `100MiB`.
    Size,
    /// A text, `{file: …}` or `{env: …}`.
    Secret,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list.
    List(&'static Kind),
    /// A single value or a list of them.
    OneOrMany(&'static Kind),
    /// A mapping with these keys.
    Section(&'static [Key]),
    /// A mapping of names that the person chooses.
    Named(&'static Kind),
    /// One of several kinds.
    Either(&'static [Kind]),
    /// A form described elsewhere.
    Any,
}

impl Key {
    /// Makes a key that may be left out.
    pub const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, default: None, unit: None, required: false, help }
    }

    /// Says what holds if it is absent, as one would write it.
    #[must_use]
    pub const fn default(self, text: &'static str) -> Self {
        Self { default: Some(text), ..self }
    }

    /// Says what a bare number means.
    #[must_use]
    pub const fn unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// Says that the section makes no sense without it.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}
