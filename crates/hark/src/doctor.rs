//! `hark doctor`: what this machine does not let hark do, why that matters, and the command that mends
//! it.
//!
//! Each file of this module looks at one area and returns [`Finding`]s. To look is to try: a file is
//! opened, a port is taken, a name is resolved, by the user that the service runs as; what is only
//! written somewhere would be a guess. Nothing is changed.

mod agent;
mod machine;
mod server;
mod service_user;
mod way_in;

use std::path::PathBuf;

use serde_json::{Value, json};

pub(crate) use service_user::{Login, find as find_login};

use crate::config::Loaded;

/// How bad a finding is. The order is that of badness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Fine,
    /// Something is not seen, or will not do for ever.
    Warning,
    /// hark does not work like this.
    Problem,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    /// Returns the exit code of a visit where this is the worst.
    pub(crate) fn exit_code(self) -> u8 {
        self as u8
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// How bad.
    pub(crate) level: Level,
    /// The area: a word for scripts.
    pub(crate) area: &'static str,
    /// What was found.
    pub(crate) what: String,
    /// Why it matters; empty if all is well.
    pub(crate) why: String,
    /// The command or setting that mends it; empty if all is well.
    pub(crate) mend: String,
}

impl Finding {
    fn fine(area: &'static str, what: impl Into<String>) -> Self {
        let (why, mend) = (String::new(), String::new());
        Self { level: Level::Fine, area, what: what.into(), why, mend }
    }

    fn bad(
        level: Level,
        area: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { level, area, what: what.into(), why: why.into(), mend: mend.into() }
    }

    /// Returns it for programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "level": self.level.word(), "area": self.area, "what": self.what,
            "why": self.why, "mend": self.mend,
        })
    }

    /// Returns it for people: a line, and two more if something is to be done.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{:<8} {:<10} {}", self.level.word(), self.area, self.what)];
        if !self.why.is_empty() {
            lines.push(format!("{:19} why:  {}", "", self.why));
        }
        if !self.mend.is_empty() {
            lines.push(format!("{:19} mend: {}", "", self.mend));
        }
        lines
    }
}

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Patient {
    /// Where `/proc`, `/sys` and `/etc` are.
    pub(crate) root: PathBuf,
    /// The data folder.
    pub(crate) data_dir: PathBuf,
    /// The configuration.
    pub(crate) loaded: Loaded,
    /// Why secrets of it cannot be read: then the rest is looked at with others.
    pub(crate) unread: Vec<String>,
    /// Whether an agent runs here, or shall.
    pub(crate) agent: bool,
    /// Whether a server runs here, or shall.
    pub(crate) server: bool,
}

/// Looks at everything.
pub(crate) fn examine(patient: &Patient) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(configuration(patient));
    findings.extend(patient.unread.iter().map(|why| unread(why)));
    findings.extend(machine::look(patient));
    if patient.agent {
        findings.extend(agent::look(patient));
    }
    if patient.server {
        findings.extend(server::look(patient));
    }
    findings
}

fn configuration(patient: &Patient) -> Finding {
    let warning = patient.loaded.warnings.lines().next();
    if let Some(warning) = warning {
        let what = "the configuration is doubtful";
        return Finding::bad(Level::Warning, "config", what, warning, "hark config check");
    }
    let n = patient.loaded.files.len();
    Finding::fine("config", format!("the configuration is in order ({n} files)"))
}

fn unread(why: &str) -> Finding {
    Finding::bad(
        Level::Problem,
        "config",
        format!("a secret cannot be read: {why}"),
        "hark does not start like this; the rest was looked at without it",
        "name another place, or let the service's user read it: chgrp hark FILE; chmod 640 FILE",
    )
}

/// Returns the worst of all.
pub(crate) fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides_the_exit_code() {
        let fine = Finding::fine("clock", "is right");
        let bad = Finding::bad(Level::Warning, "disk", "is full", "nothing is kept", "make room");
        assert_eq!(worst(&[]).exit_code(), 0);
        assert_eq!(worst(&[fine.clone(), bad.clone()]).exit_code(), 1);
        assert_eq!(Level::Problem.exit_code(), 2);
        assert_eq!(fine.lines().len(), 1);
        assert_eq!(bad.lines()[2].trim(), "mend: make room");
        assert_eq!(bad.to_json()["level"], "warning");
    }
}
