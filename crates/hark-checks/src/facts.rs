//! What a check type says about the values it sees, for conditions and the manual.

/// One value that a type may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactKey {
    /// Its name in conditions. A `*` at the end stands for whatever the other side names.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
}

impl FactKey {
    /// Makes one.
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help }
    }

    /// Returns true if it says what `name` is.
    pub fn takes(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => self.name == name,
        }
    }
}
