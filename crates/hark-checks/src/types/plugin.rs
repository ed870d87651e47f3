//! A plugin of Nagios: its exit code is the status, its performance data are measures.

use std::collections::BTreeSet;
use std::time::Duration;

use hark_config::{Key, Section};
use hark_net::BoxFuture;
use hark_plugin::nagios::{self, Said};
use hark_plugin::{Finished, Measured};

use crate::command::{self, Command};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::{Check, CheckType, Context, Given};

/// The check type `plugin`.
#[derive(Debug)]
pub(crate) struct Plugin;

pub(crate) const KEYS: &[Key] = command::KEYS;

const FACTS: &[FactKey] = &[
    FactKey::new("exit_code", "exit code of the plugin; 3 if it was ended"),
    FactKey::new("output", "its text, without performance data"),
    FactKey::new("run_seconds", "how long it ran"),
    FactKey::new("*", "a value of its performance data, by its label"),
];

impl CheckType for Plugin {
    fn name(&self) -> &'static str {
        "plugin"
    }

    fn manual(&self) -> &'static str {
        "Runs a plugin of Nagios on the server. Its exit code is the status: 0 ok, 1 warning, 2 critical; \
         anything else, a plugin that does not end in time, one that cannot be started and one that \
         other users could have changed are unknown. Its text is the check's; its performance data \
         become measures, and the limits in them are shown in charts. Programs on other hosts are \
         run by agents: docs/plugins.md."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn facts(&self) -> &'static [FactKey] {
        FACTS
    }

    fn target_key(&self) -> &'static str {
        "command"
    }

    fn example(&self) -> &'static str {
        "command: check_ntp_time -H 192.0.2.1 -w 0.5 -c 1\ntimeout: 10s\n"
    }

    fn read(&self, section: &Section<'_>, _given: Given<'_>) -> Option<Box<dyn Check>> {
        Some(Box::new(Installed { command: Command::read(section)? }))
    }
}

#[derive(Debug)]
struct Installed {
    command: Command,
}

impl Check for Installed {
    fn kind(&self) -> &'static str {
        "plugin"
    }

    fn target(&self) -> String {
        self.command.target()
    }

    fn timeout(&self) -> Duration {
        self.command.timeout()
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            match self.command.run("plugin", context).await {
                Ok(finished) => judge(&finished, nagios::read(&finished)),
                Err(finding) => finding,
            }
        })
    }
}

/// Makes a finding of what a plugin said.
fn judge(finished: &Finished, said: Said) -> Finding {
    let mut finding = Finding::new(said.status, said.text.as_str())
        .saw("exit_code", f64::from(nagios::exit_code(&finished.exit)))
        .saw("output", said.text);
    let mut names = BTreeSet::new();
    for value in said.values {
        finding.measures.push(measure(&value, &mut names));
    }
    finding.measured(Measure::seconds("run_seconds", finished.took))
}

/// Names a value after its label. Labels such as `/` and `/var` differ in signs that a name does not have: a
/// number behind it keeps two apart.
fn measure(value: &Measured, names: &mut BTreeSet<String>) -> Measure {
    let label = match (value.instance.is_empty(), value.metric.as_str()) {
        (true, metric) => metric.to_owned(),
        (false, "value") => value.instance.clone(),
        (false, metric) => format!("{}_{metric}", value.instance),
    };
    let mut measure = Measure::new(label, value.value, value.unit);
    let mut number = 2;
    while !names.insert(measure.name.to_string()) {
        measure = Measure::new(format!("{}_{number}", measure.name), value.value, value.unit);
        number += 1;
    }
    match value.limits.as_deref() {
        Some(limits) => measure.ranges(limits.warning, limits.critical),
        None => measure,
    }
}

#[cfg(test)]
mod tests;
