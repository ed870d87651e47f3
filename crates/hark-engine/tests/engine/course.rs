//! `route test` says what happens: its course is compared with what is told when the problem comes.

use hark_engine::{Block, CourseLine, Question};
use hark_model::{CheckName, EventKind, HostName, Reason, Severity, Unix, UserName};

use crate::world::{MIDNIGHT, World, plan_of, seconds};

const METRIC: &str = "cpu_monitor.cpu_percent";

const CONFIG: &str = r"
periods: {work: 'daily 01:00-02:00 UTC', night: 'daily 00:00-00:45 UTC'}
receivers: {ops: {}, mail: {hours: work}, phone: {}, boss: {severity: critical}}
users:
  anna: {channels: [phone], hours: work, severity: warning}
  ben: {channels: [phone]}
oncall: {web: {rotation: [anna, ben], every: 1d, handover: '01:30', zone: UTC, start: 2026-11-19}}
routes:
  - name: web
    match: {hosts: 'web*'}
    to: [ops, 'oncall:web']
    repeat: [20m, 1h]
    escalate: [{after: 15m, to: mail}, {after: 40m, to: [boss, ops], severity: critical}]
    continue: true
    routes: [{name: web-night, match: {times: night}, delay: 5m}]
  - {name: grave, match: {severity: critical, events: [raid]}, to: boss}
hosts: {web1: {}}
thresholds: {cpu_monitor: {cpu_percent: {warning: 80, critical: 90}}}
";

fn question(check: Option<&str>, severity: Severity) -> Question {
    Question {
        host: HostName::new("web1").unwrap(),
        check: check.map(|name| CheckName::new(name).unwrap()),
        severity,
        event: None,
        at: MIDNIGHT,
    }
}

fn shown(line: &CourseLine) -> String {
    let at = u64::try_from(line.at.0 - MIDNIGHT.0).unwrap();
    let receiver = line.receiver.as_ref().map_or("-", |receiver| receiver.as_str());
    format!("{} {receiver} {}", seconds(at), line.reason.map_or("-", Reason::word))
}

#[test]
fn what_is_foretold_is_what_happens() {
    const HOURS: u64 = 6;
    for (value, severity) in [(85.0, Severity::Warning), (95.0, Severity::Critical)] {
        let mut world = World::new(plan_of(CONFIG));
        let course = world.engine.course(&question(Some(METRIC), severity), world.now());
        let until = Unix(MIDNIGHT.0 + i64::try_from(HOURS * 3_600_000).unwrap());
        let told = course.iter().filter(|line| line.block.is_none() && line.at <= until);
        let mut expected: Vec<String> = told.map(shown).collect();
        for time in (0..=HOURS * 3600).step_by(30) {
            world.run_to(time * 1000);
            world.heard("web1", &[(METRIC, value)]);
        }
        let mut found: Vec<String> = world
            .said
            .iter()
            .map(|said| {
                let n = &said.notification;
                format!("{} {} {}", seconds(said.at), n.receiver, n.reason.word())
            })
            .collect();
        expected.sort();
        found.sort();
        assert!(found.len() > 10, "{found:?}");
        assert_eq!(expected, found);
    }
}

#[test]
fn each_line_says_by_what_and_why() {
    let world = World::new(plan_of(CONFIG));
    let course = world.engine.course(&question(Some(METRIC), Severity::Critical), world.now());
    let find = |receiver: &str, told: bool| {
        let of = |line: &&CourseLine| {
            line.receiver.as_ref().is_some_and(|r| r.as_str() == receiver)
                && line.block.is_none() == told
        };
        course.iter().find(of).unwrap_or_else(|| panic!("{receiver}: {course:?}"))
    };
    assert_eq!(find("ops", false).block, Some(Block::Delay));
    assert_eq!(find("ops", true).text, "by the route `web-night`");
    assert_eq!(
        find("mail", false).text,
        "step 1 of `web-night`, when nobody took it for 15m: that is at 00:15:00 UTC"
    );
    let mail = find("mail", true);
    assert_eq!((shown(mail).as_str(), mail.step), ("3600s mail problem", Some(1)));
    let phone = find("phone", true);
    assert_eq!(phone.user.as_ref().map(UserName::as_str), Some("anna"));
    assert_eq!(shown(phone), "3600s phone problem");
}

#[test]
fn an_unknown_host_and_an_event_are_answered_too() {
    let world = World::new(plan_of(CONFIG));
    let mut asked = question(None, Severity::Warning);
    asked.host = HostName::new("db9").unwrap();
    let course = world.engine.course(&asked, world.now());
    assert_eq!((course.len(), course[0].block), (1, Some(Block::Route)));
    asked.event = Some(EventKind::from_word("raid"));
    asked.severity = Severity::Critical;
    let course = world.engine.course(&asked, world.now());
    assert_eq!(course.iter().map(shown).collect::<Vec<_>>(), ["0s boss event"]);
    assert_eq!(course[0].text, "by the route `grave`");
    assert_eq!(world.said.len(), 0, "nothing is told by asking");
}
