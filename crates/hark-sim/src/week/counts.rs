//! What has happened in a week, as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Form;

/// The parts of the table, in order.
const PARTS: [&str; 8] =
    ["hosts", "server", "people", "incidents", "told", "withheld", "deliveries", "judged"];

/// Counts by part and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    form: Form,
    by_name: BTreeMap<(usize, String), u64>,
}

impl Counts {
    pub(super) fn new(form: Form) -> Self {
        Self { form, by_name: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, part: &str, name: &str, by: u64) {
        let place = PARTS.iter().position(|known| *known == part).unwrap_or(PARTS.len());
        *self.by_name.entry((place, name.to_owned())).or_default() += by;
    }

    /// Returns a count; 0 for what never happened.
    pub fn of(&self, part: &str, name: &str) -> u64 {
        let place = PARTS.iter().position(|known| *known == part).unwrap_or(PARTS.len());
        self.by_name.get(&(place, name.to_owned())).copied().unwrap_or(0)
    }

    /// Returns the table, as it stands in the manual.
    pub fn table(&self) -> String {
        let Form { hosts, seconds, seed, .. } = self.form;
        let days = seconds / 86_400;
        let mut text =
            format!("| {hosts} hosts, {days} d, seed {seed} | | count |\n| --- | --- | ---: |\n");
        for ((part, name), count) in &self.by_name {
            let part = PARTS.get(*part).copied().unwrap_or_default();
            writeln!(text, "| {part} | {name} | {count} |").expect("a text has room");
        }
        text
    }
}
