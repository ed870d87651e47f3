//! Collectors that somebody asked for and that find nothing to look at: told, where others are silent.

use super::Sampler;
use crate::collectors::Configured;

/// Whether what somebody asked for finds nothing to look at.
#[derive(Debug)]
pub(super) struct Absence {
    pub(super) is_asked_for: bool,
    mend: &'static str,
    has_answered: bool,
    has_worked: bool,
    /// Looks in a row that found nothing.
    looks: u32,
    /// Why it has nothing to say; none while it has.
    why: Option<String>,
}

impl Absence {
    pub(super) fn new(configured: &Configured) -> Self {
        let (has_answered, has_worked, looks, why) = (false, false, 0, None);
        let (is_asked_for, mend) = (configured.is_asked_for, configured.mend);
        Self { is_asked_for, mend, has_answered, has_worked, looks, why }
    }

    /// Notes what a look came to. What has worked may be gone for one look: a service that starts anew is.
    pub(super) fn note(&mut self, why: Option<&str>) {
        self.has_answered = true;
        self.has_worked |= why.is_none();
        self.looks = if why.is_some() { self.looks.saturating_add(1) } else { 0 };
        if why.is_none() || self.looks > u32::from(self.has_worked) {
            self.why = why.map(str::to_owned);
        }
    }

    /// Says why it has nothing to say, and what can be done.
    fn line(&self, name: &str) -> Option<String> {
        let why = self.why.as_ref()?;
        let mend = self.mend;
        let mend = if mend.is_empty() { String::new() } else { format!("; {mend}") };
        Some(format!("{name}: {why}{mend}"))
    }
}

impl Sampler {
    /// Returns a line for each collector that somebody asked for and that finds nothing to look at, if that has
    /// changed since the last call: no lines if all have. The first time once each has answered.
    pub(crate) fn changed_absences(&mut self) -> Option<&str> {
        let asked = || self.running.iter().filter(|running| running.absence.is_asked_for);
        if asked().any(|running| !running.absence.has_answered) {
            return None;
        }
        let lines: Vec<String> =
            asked().filter_map(|running| running.absence.line(running.name)).collect();
        let text = lines.join("\n");
        if self.absences.as_ref() == Some(&text) {
            return None;
        }
        Some(self.absences.insert(text))
    }
}
