//! Units of systemd: how many have failed, and how those with a name are.

use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Severity, Unit as UnitOfValue};

use super::{
    Absent, Change, Collector, CollectorType, ForHost, Make, Noticed, Root, counter, gauge,
};
use crate::programs::Programs;
use crate::rate::number;

/// The kind of collector.
#[derive(Debug)]
pub struct Systemd;

/// Its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The units that are watched by name.
    pub units: Vec<String>,
}

const KEYS: &[Key] = &[Key::new(
    "units",
    Kind::OneOrMany(&Kind::Text),
    "Units that are watched by name: `nginx.service`; without an ending it is a service.",
)];

/// The program takes some milliseconds of a processor.
const EVERY: Duration = Duration::from_mins(1);

/// How long systemd may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bound on units: all go onto one command line.
const MAX_UNITS: usize = 128;

/// The mark that systemd is what runs the machine (`sd_booted(3)`).
const BOOTED: &str = "run/systemd/system";

impl CollectorType for Systemd {
    fn name(&self) -> &'static str {
        "systemd"
    }

    fn manual(&self) -> &'static str {
        "Units of systemd, each minute, from `systemctl show` (systemctl(1)):\n\n\
         - `systemd_monitor.failed_units`: how many have failed, of all\n\
         - for each of `units`, `systemd_monitor.<unit>.active`: 1 while it is active (or reloads), else \
         0; `failed`: 1 if it has failed; `restarts`: how often systemd has started it again, counted\n\n\
         That such a unit fails, stops or runs again is also the event `unit`, and so is one that is not \
         installed: it is not active.\n\n\
         It only runs where it stands in the settings: the agent runs no program unasked."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "units: [nginx, postgresql.service, backup.timer]\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        let unit = |text: &str| unit_name(text).ok_or("a unit has letters, digits and `:-_.\\@`");
        let listed = section.one_or_many("units");
        let units: Vec<String> = listed.iter().filter_map(|value| value.parse(unit)).collect();
        if units.len() > MAX_UNITS {
            section.error("units", format!("at most {MAX_UNITS} units are watched by name"));
        }
        Box::new(Settings { units })
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn is_on_by_default(&self) -> bool {
        false
    }

    fn for_host_alone(&self) -> ForHost {
        ForHost::Whole
    }

    fn mend(&self) -> &'static str {
        "only a machine that systemd has started has units"
    }

    fn is_slow(&self) -> bool {
        true
    }
}

/// What a name can end with (systemd.unit(5)).
const ENDINGS: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// Returns the whole name, if it is one.
fn unit_name(text: &str) -> Option<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if text.is_empty() || text.len() > 255 || !text.chars().all(is_of_name) {
        return None;
    }
    let whole = ENDINGS.iter().any(|ending| text.ends_with(ending));
    Some(if whole { text.to_owned() } else { format!("{text}.service") })
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(SystemdCollector {
            root: root.clone(),
            programs: root.programs(),
            units: self.units.iter().map(|unit| (unit.clone(), None)).collect(),
            noticed: Vec::new(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct SystemdCollector {
    root: Root,
    programs: Programs,
    /// With the state at the look before.
    units: Vec<(String, Option<State>)>,
    noticed: Vec<Noticed>,
    first: bool,
}

impl Collector for SystemdCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let booted = self.root.join(BOOTED);
        if !booted.exists() || !self.root.is_system() {
            return Err(Absent::nothing_at(booted));
        }
        let manager = self.ask(&["systemctl", "show", "--property=NFailedUnits"])?;
        let found = if self.units.is_empty() { String::new() } else { self.ask_units()? };
        values.push(failed_units(&manager).map_or(f64::NAN, number));
        self.take(&found, values);
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let failed = SeriesName::plain("systemd_monitor", "failed_units");
        let mut series = vec![gauge(failed, UnitOfValue::None, 0)];
        for (unit, _) in &self.units {
            let named = |metric| SeriesName::of("systemd_monitor", unit, metric);
            series.extend([
                gauge(named("active"), UnitOfValue::None, 0),
                gauge(named("failed"), UnitOfValue::None, 0),
                counter(named("restarts"), UnitOfValue::None),
            ]);
        }
        series
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }
}

impl SystemdCollector {
    fn ask(&self, arguments: &[&str]) -> Result<String, Absent> {
        let unreadable = |source| Absent::Unreadable { path: "systemctl".into(), source };
        let run = self.programs.run("systemd", arguments, PATIENCE).map_err(unreadable)?;
        let (code, finished) = run;
        if code != 0 {
            let said = String::from_utf8_lossy(&finished.errors).trim().to_owned();
            return Err(unreadable(std::io::Error::other(said)));
        }
        Ok(String::from_utf8_lossy(&finished.output).into_owned())
    }

    fn ask_units(&self) -> Result<String, Absent> {
        let properties = "--property=Id,LoadState,ActiveState,SubState,NRestarts";
        let mut arguments = vec!["systemctl", "show", properties, "--"];
        arguments.extend(self.units.iter().map(|(unit, _)| unit.as_str()));
        self.ask(&arguments)
    }

    /// Pushes the values of each unit, in the order in which they were asked for.
    fn take(&mut self, found: &str, values: &mut Vec<f64>) {
        let mut blocks = found.split("\n\n");
        for (unit, last) in &mut self.units {
            let Some(state) = blocks.next().and_then(state) else {
                values.extend([f64::NAN; 3]);
                continue;
            };
            let flag = |flag: bool| if flag { 1.0 } else { 0.0 };
            values.extend([
                flag(state.is_active()),
                flag(state.active == "failed"),
                state.restarts.map_or(f64::NAN, number),
            ]);
            self.noticed.extend(noticed(unit, last.as_ref(), &state));
            *last = Some(state);
        }
    }
}

/// A unit as systemd shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    active: String,
    sub: String,
    restarts: Option<u64>,
    /// Whether systemd knows nothing of it.
    missing: bool,
}

impl State {
    /// One that reloads its settings works meanwhile.
    fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "refreshing")
    }
}

/// Reads a block of `Key=value` lines; none without a state.
fn state(block: &str) -> Option<State> {
    let value =
        |key: &str| block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let restarts = value("NRestarts").and_then(|count| count.parse().ok());
    let sub = value("SubState").unwrap_or_default().to_owned();
    let missing = value("LoadState") == Some("not-found");
    Some(State { active: value("ActiveState")?.to_owned(), sub, restarts, missing })
}

fn failed_units(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("NFailedUnits=")?.trim().parse().ok())
}

fn noticed(unit: &str, was: Option<&State>, is: &State) -> Option<Noticed> {
    let (active, sub) = (&is.active, &is.sub);
    // A name that is wrong in the settings would never be heard of otherwise.
    if is.missing && !is.is_active() && was.is_none_or(|was| !was.missing) {
        let text = format!("unit {unit} is not installed");
        return Some(Noticed { kind: "unit", severity: Severity::Warning, text });
    }
    let was = was?;
    let (severity, text) = if is.active == "failed" && was.active != "failed" {
        (Severity::Warning, format!("unit {unit} has failed (was {})", was.active))
    } else if was.is_active() && is.active == "inactive" {
        (Severity::Warning, format!("unit {unit} has stopped ({sub})"))
    } else if !was.is_active() && is.is_active() {
        (Severity::Info, format!("unit {unit} is {active} ({sub})"))
    } else if was.is_active() && is.is_active() && is.restarts > was.restarts {
        (Severity::Warning, format!("unit {unit} was started again by systemd"))
    } else {
        return None;
    };
    Some(Noticed { kind: "unit", severity, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(unit: &str, active: &str, sub: &str, restarts: u64) -> String {
        format!(
            "NRestarts={restarts}\nId={unit}\nLoadState=loaded\nActiveState={active}\nSubState={sub}\n"
        )
    }

    fn made(units: &[&str]) -> SystemdCollector {
        let root = Root::system();
        let units = units.iter().map(|unit| ((*unit).to_owned(), None)).collect();
        let programs = root.programs();
        SystemdCollector { root, programs, units, noticed: Vec::new(), first: true }
    }

    #[test]
    fn units_are_read_in_order_and_what_happens_to_them_is_told() {
        let mut collector = made(&["nginx.service", "backup.timer", "gone.service"]);
        let mut look = |nginx: String| {
            let timer = "Id=backup.timer\nLoadState=loaded\nActiveState=active\nSubState=waiting\n";
            let gone = "NRestarts=0\nId=gone.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n";
            let mut values = Vec::new();
            collector.take(&[nginx.as_str(), timer, gone].join("\n"), &mut values);
            assert_eq!(values.len() + 1, collector.series().len());
            assert!(values[5].is_nan(), "a timer is not started again");
            assert_eq!(values[6..], [0.0, 0.0, 0.0]);
            let said: Vec<_> = collector.noticed().into_iter().map(|n| n.text).collect();
            (values[..5].to_vec(), said)
        };
        let nginx = |active, sub, restarts| block("nginx.service", active, sub, restarts);
        let first = vec!["unit gone.service is not installed".to_owned()];
        assert_eq!(look(nginx("active", "running", 0)), (vec![1.0, 0.0, 0.0, 1.0, 0.0], first));
        assert_eq!(
            look(nginx("active", "running", 1)).1,
            ["unit nginx.service was started again by systemd"]
        );
        let (values, said) = look(nginx("failed", "failed", 1));
        assert_eq!(values[..2], [0.0, 1.0]);
        assert_eq!(said, ["unit nginx.service has failed (was active)"]);
        assert_eq!(look(nginx("failed", "failed", 1)).1, Vec::<String>::new());
        assert_eq!(
            look(nginx("active", "running", 1)).1,
            ["unit nginx.service is active (running)"]
        );
        assert_eq!(look(nginx("reloading", "reload", 1)), (vec![1.0, 0.0, 1.0, 1.0, 0.0], vec![]));
        assert_eq!(look(nginx("inactive", "dead", 1)).1, ["unit nginx.service has stopped (dead)"]);
    }

    #[test]
    fn an_answer_that_is_cut_leaves_the_rest_absent() {
        let mut collector = made(&["a.service", "b.service"]);
        let mut values = Vec::new();
        collector.take(&block("a.service", "active", "running", 3), &mut values);
        assert_eq!(values[..3], [1.0, 0.0, 3.0]);
        assert!(values[3..].iter().all(|value| value.is_nan()));
        assert_eq!(failed_units("NFailedUnits=2\n"), Some(2));
        assert_eq!(failed_units("x\n"), None);
    }

    #[test]
    fn names_are_whole_and_harmless() {
        assert_eq!(unit_name("nginx").as_deref(), Some("nginx.service"));
        assert_eq!(unit_name("backup.timer").as_deref(), Some("backup.timer"));
        assert_eq!(unit_name("getty@tty1").as_deref(), Some("getty@tty1.service"));
        for bad in ["", "a b", "a;b", "../x", "a\n"] {
            assert_eq!(unit_name(bad), None, "{bad}");
        }
    }

    /// On a machine that systemd runs it answers; elsewhere it is absent and no program is run.
    #[test]
    fn systemctl_answers_where_systemd_runs() {
        let mut collector = made(&["dbus.service"]);
        let mut values = Vec::new();
        let outcome = collector.collect(Mono(0), &mut values);
        if Root::system().join(BOOTED).exists() {
            outcome.unwrap();
            assert!(values[0] >= 0.0 && values.len() == 4);
        } else {
            assert!(outcome.unwrap_err().is_missing());
        }
    }
}
