//! The names of the world, and what its server is configured to do.

use std::time::Duration;

use hark_engine::plan::{
    CheckPlan, Draft, HostDraft, Limits, Liveness, Plan, ReceiverPlan, ThresholdPath,
};
use hark_model::{CheckName, HostName, ReceiverName};

use super::config::WorldConfig;
use crate::random::Random;

pub(super) fn plan(config: &WorldConfig) -> Plan {
    let limits = |warning: f64, critical: f64| Limits {
        warning: Some(warning),
        critical: Some(critical),
        ..Limits::default()
    };
    let path = |keys: &[&str]| ThresholdPath::from_keys(keys).expect("two keys make a path");
    let mut draft = Draft {
        liveness: Liveness {
            interval: Duration::from_millis(config.interval_ms),
            ..Liveness::default()
        },
        ..Draft::default()
    };
    draft.thresholds.insert(path(&["cpu_monitor", "cpu_percent"]), limits(80.0, 90.0));
    draft.thresholds.insert(path(&["memory_monitor", "percent"]), limits(85.0, 95.0));
    draft.thresholds.insert(path(&["disk_monitor", "percent"]), limits(85.0, 95.0));
    for number in 0..config.n_hosts {
        let parents = if number == 0 { Vec::new() } else { vec![vec![host_name(0)]] };
        draft.hosts.insert(host_name(number), HostDraft { parents, ..HostDraft::default() });
        let mut check = CheckPlan::new(host_name(number), ping());
        check.every = Duration::from_secs(30);
        check.probes_host = true;
        draft.checks.push(check);
    }
    let names = (0..config.n_receivers).map(receiver_name);
    draft.receivers = names.map(ReceiverPlan::new).collect();
    Plan::resolve(&draft).expect("the world's plan has no faults: every run shows it")
}

pub(super) fn host_name(number: usize) -> HostName {
    HostName::new(&format!("host-{number}")).expect("letters, digits and a hyphen")
}

pub(super) fn self_host() -> HostName {
    HostName::new(hark_engine::plan::SELF).expect("the word is a name")
}

pub(super) fn receiver_name(number: usize) -> ReceiverName {
    ReceiverName::new(&format!("receiver-{number}")).expect("letters, digits and a hyphen")
}

/// The fallback of the first receiver.
pub(super) fn standby() -> ReceiverName {
    ReceiverName::new("standby").expect("letters")
}

pub(super) fn ping() -> CheckName {
    CheckName::new("ping").expect("the word is a name")
}

pub(super) fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
