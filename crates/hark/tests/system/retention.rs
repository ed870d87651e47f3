//! How long samples are kept, with overrides for some hosts and metrics: what is shown, kept and read.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use hark_model::Clock;

use crate::support::process::{hark_does, parsed};
use crate::support::server::Start;
use crate::support::wait::until;
use crate::support::{PASSWORD, folder, write};

const LIMIT: Duration = Duration::from_mins(1);

const OVERRIDES: &str = "
history:
  overrides:
    - {match: {tags: ['role:db']}, metrics: disk_monitor.*, raw: 60d}
    - {match: {hosts: web*}, metrics: [disk_monitor.*, nothing.*], raw: 2d}
hosts: {web1: {}, db1: {tags: ['role:db']}}
";

/// Samples of both hosts and two metrics: so many days ago one an hour for ten hours, and one of now.
fn samples(days: &[i64]) -> String {
    let mut text = "time,host,collector,metric,value\n".to_owned();
    let now = Clock.now().unix.seconds();
    for host in ["web1", "db1"] {
        for collector in ["disk_monitor", "cpu_monitor"] {
            let past = days.iter().flat_map(|day| (0..10).map(move |n| (day * 86_400) - n * 60));
            for before in past.chain([60]) {
                writeln!(text, "{},{host},{collector},percent,{before}", now - before)
                    .expect("a text takes more");
            }
        }
    }
    text
}

/// How many samples there are of a series that are older than a day.
fn old(folder: &Path, host: &str, collector: &str) -> usize {
    let line =
        format!("history export --data data --format csv --host {host} --metric {collector}.*");
    let text = String::from_utf8(hark_does(folder, &line).stdout).expect("it is text");
    text.lines().skip(1).filter(|line| !line.ends_with(",60")).count()
}

#[test]
fn samples_of_some_hosts_and_metrics_stay_longer_or_shorter_than_the_rest() {
    let folder = folder();
    let start = Start::new("server", folder.path()).config(OVERRIDES);
    let mut server = start.go();
    server.set_up(PASSWORD);
    server.host_when("web1", LIMIT, |_| true);
    server.process.signal("TERM");
    assert!(server.process.wait(LIMIT).success());
    write(folder.path(), "samples.csv", &samples(&[7, 30]));
    hark_does(folder.path(), "history import samples.csv --data data");
    let all = |folder: &Path| {
        let of = |host| ["disk_monitor", "cpu_monitor"].map(|metric| old(folder, host, metric));
        [of("web1"), of("db1")]
    };
    assert_eq!(all(folder.path()), [[20; 2]; 2], "an import keeps all until it has ended");

    let server = start.go();
    // Of a month ago the one that is kept longer; of a week ago all but the one that is kept shorter.
    until("what is over is gone", LIMIT, || {
        (all(folder.path()) == [[0, 10], [20, 10]]).then_some(())
    });
    assert!(hark_does(folder.path(), "history check --data data").status.success());

    // What is asked for closely is read of what is there: a point for each sample, or for five minutes of them.
    let points = |host: &str, collector: &str, days: i64| {
        let to = Clock.now().unix.seconds() - days * 86_400 + 3600;
        let names = format!("names={collector}.percent&from={}&to={to}&points=4000", to - 7200);
        let answer = server.get(&format!("/api/0/hosts/{host}/series?{names}"));
        answer["at_unix_s"].as_array().map_or(0, Vec::len)
    };
    for (host, collector, days, is_fine) in [
        ("web1", "disk_monitor", 7, false),
        ("web1", "cpu_monitor", 7, true),
        ("db1", "disk_monitor", 7, true),
        ("db1", "disk_monitor", 30, true),
        ("db1", "cpu_monitor", 30, false),
        ("web1", "cpu_monitor", 30, false),
    ] {
        let n = points(host, collector, days);
        let expected = if is_fine { 10..=10 } else { 2..=3 };
        assert!(expected.contains(&n), "{n} points of {collector} of {host}, {days} days ago");
    }

    let kept = parsed(&hark_does(folder.path(), "history kept --data data --json -c hark.yaml"));
    let of = |place: usize, key: &str| kept["kept"][place][key].as_u64().unwrap();
    assert_eq!([of(0, "raw_days"), of(0, "hosts"), of(0, "series")], [60, 1, 1], "{kept:#}");
    assert_eq!([of(1, "raw_days"), of(1, "hosts"), of(1, "series")], [2, 1, 1], "{kept:#}");
    assert_eq!(of(2, "raw_days"), 14, "{kept:#}");
    let each = parsed(&hark_does(
        folder.path(),
        "history kept --host db1 --data data --json -c hark.yaml",
    ));
    let of = |series: &str| {
        let found = each["series"].as_array().unwrap().iter();
        found.filter(|one| one["series"] == series).map(|one| one["raw_days"].as_u64()).next()
    };
    assert_eq!(of("disk_monitor.percent"), Some(Some(60)), "{each:#}");
    assert_eq!(of("cpu_monitor.percent"), Some(Some(14)), "{each:#}");
}
