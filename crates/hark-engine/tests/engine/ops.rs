//! Random things that happen, for the tests that feed long sequences.

use std::time::Duration;

use hark_engine::{Action, Input};
use hark_model::{ReceiverName, Status};
use proptest::prelude::*;

use crate::world::{World, plan_of};

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Pass(u64),
    Heard(usize, f64),
    Ping(Status),
    Web(Status),
    Ack(usize, bool, Option<u64>),
    Unack(usize),
    Silence(usize, u64, bool),
    EndSilence,
    Away,
    Back,
    Restart(u64),
    Reload(bool),
    Degraded,
    Healthy,
    Wall(i64),
    Drop(usize),
    Undrop(usize),
    Join(usize, bool),
}

pub(crate) const HOSTS: [&str; 4] = ["rtr1", "web1", "db1", "lone"];
const METRIC: &str = "cpu_monitor.cpu_percent";

pub(crate) const CONFIG: &str = r"
receivers: {ops: {}, page: {better: false, severity: critical}, late: {}, boss: {}}
routes:
  - {name: all, to: [ops, page], continue: true}
  - name: second
    to: late
    delay: 2m
    match: {severity: warning}
    escalate: [{after: 3m, to: boss}, {after: 5m, to: [ops, boss], severity: critical}]
hosts:
  rtr1: {}
  web1: {parents: [rtr1]}
  db1: {parents: [[rtr1, web1]]}
checks:
  ping: {ping: {}, host: db1, every: 60s}
  web: {http: {}, host: web1, every: 60s, attempts: 2}
thresholds: {cpu_monitor: {cpu_percent: {warning: 80, critical: 90}}}
";

const OTHER: &str = r"
receivers: {ops: {}, page: {better: false, severity: critical}, late: {}, boss: {}}
routes:
  - {name: all, to: [ops, page], continue: true}
  - name: second
    to: late
    delay: 2m
    match: {severity: warning}
    escalate: [{after: 3m, to: boss}, {after: 5m, to: [ops, boss], severity: critical}]
hosts:
  rtr1: {}
  web1: {parents: [rtr1]}
  db1: {}
checks:
  ping: {ping: {}, host: db1, every: 60s}
thresholds: {cpu_monitor: {cpu_percent: {warning: 60, critical: 90, attempts: 2}}}
";

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        4 => Just(Status::Ok), 3 => Just(Status::Critical), 1 => Just(Status::Warning),
        1 => Just(Status::Unknown),
    ]
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => Just(50.0), 1 => Just(75.0), 2 => Just(85.0), 2 => Just(95.0), 1 => Just(f64::NAN),
    ]
}

/// Things that can happen, time passing most of all.
pub(crate) fn op() -> impl Strategy<Value = Op> {
    let host = 0..HOSTS.len();
    prop_oneof![
        8 => (1_u64..40).prop_map(Op::Pass),
        2 => (100_u64..1000).prop_map(Op::Pass),
        10 => (host.clone(), value()).prop_map(|(host, value)| Op::Heard(host, value)),
        4 => status().prop_map(Op::Ping),
        3 => status().prop_map(Op::Web),
        2 => (0_usize..5, any::<bool>(), proptest::option::of(10_u64..300))
            .prop_map(|(which, sticky, until)| Op::Ack(which, sticky, until)),
        1 => (0_usize..5).prop_map(Op::Unack),
        2 => (host.clone(), 5_u64..400, any::<bool>())
            .prop_map(|(host, span, maintenance)| Op::Silence(host, span, maintenance)),
        1 => Just(Op::EndSilence),
        1 => Just(Op::Away),
        1 => Just(Op::Back),
        1 => (1_u64..400).prop_map(Op::Restart),
        1 => any::<bool>().prop_map(Op::Reload),
        1 => Just(Op::Degraded),
        1 => Just(Op::Healthy),
        1 => (-100_000_i64..100_000).prop_map(Op::Wall),
        1 => host.clone().prop_map(Op::Drop),
        1 => host.clone().prop_map(Op::Undrop),
        1 => (host, any::<bool>()).prop_map(|(host, tagged)| Op::Join(host, tagged)),
    ]
}

/// Lets one thing happen, time passing by ticks.
pub(crate) fn apply(world: &mut World, op: &Op) {
    match op {
        Op::Pass(seconds) => world.run_to(world.time + seconds * 1000),
        Op::Heard(host, value) => world.heard(HOSTS[*host], &[(METRIC, *value)]),
        Op::Ping(status) => world.result("db1", "ping", *status, "pinged"),
        Op::Web(status) => world.result("web1", "web", *status, "asked"),
        Op::Ack(which, sticky, until) => {
            let open = open_incidents(world);
            if let Some(incident) = open.get(*which).copied() {
                let until = until.map(|span| world.now().unix + Duration::from_secs(span));
                let comment = "known".to_owned();
                let sticky = *sticky;
                world.operate("mira", Action::Acknowledge { incident, comment, until, sticky });
            }
        }
        Op::Unack(which) => {
            let open = open_incidents(world);
            if let Some(incident) = open.get(*which).copied() {
                world.operate("mira", Action::Unacknowledge { incident });
            }
        }
        Op::Silence(host, span, maintenance) => {
            world.silence(HOSTS[*host], *span, "because", *maintenance);
        }
        Op::EndSilence => {
            let silence = world.engine.silences().next().map(|silence| silence.record().id);
            if let Some(silence) = silence {
                world.operate("mira", Action::EndSilence { silence });
            }
        }
        Op::Away => {
            world.away.insert(ReceiverName::new("ops").unwrap());
        }
        Op::Back => world.back("ops"),
        Op::Restart(seconds) => world.restart(seconds * 1000),
        Op::Reload(other) => world.reload(plan_of(if *other { OTHER } else { CONFIG })),
        Op::Degraded => world.step(Input::IngestDegraded {
            reason: "datagrams are lost".to_owned(),
            gap: Duration::ZERO,
        }),
        Op::Healthy => world.step(Input::IngestHealthy),
        Op::Wall(seconds) => world.wall += seconds * 1000,
        Op::Join(host, tagged) => {
            world.join(HOSTS[*host], if *tagged { &["role:db"] } else { &[] });
        }
        Op::Drop(host) => {
            if let Some(host) =
                world.engine.host_named(HOSTS[*host]).map(hark_engine::view::HostView::id)
            {
                world.operate("mira", Action::DropHost { host });
            }
        }
        Op::Undrop(host) => {
            let host = hark_model::HostName::new(HOSTS[*host]).unwrap();
            world.operate("mira", Action::RestoreHost { host });
        }
    }
}

fn open_incidents(world: &World) -> Vec<hark_model::IncidentId> {
    world.engine.incidents().filter(|i| i.is_open()).map(|i| i.record().id).collect()
}
