use std::time::Duration;

use hark_calendar::Recurrence;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn daily() -> PushPlan {
    PushPlan {
        due: Recurrence::after(HOUR * 24),
        grace: HOUR,
        max_run: None,
        first_by: None,
        paused: false,
        rotation: 0,
    }
}

fn at(hours: i64) -> Unix {
    Unix(hours * 3_600_000)
}

fn job(plan: PushPlan) -> Job {
    Job::new(plan, JobRecord::default(), at(0))
}

/// Lets time pass and returns state and status.
fn seen(job: &mut Job, now: Unix) -> (&'static str, &'static str) {
    job.tick(now);
    let view = job.view(now);
    (view.state.word(), view.status.map_or("-", Status::word))
}

#[test]
fn a_job_is_up_then_late_then_down_and_only_a_success_ends_that() {
    let mut job = job(daily());
    assert_eq!(seen(&mut job, at(1000)), ("new", "-"), "nobody expects it yet");
    assert_eq!(job.next_change(at(1000)), None);
    job.ping(Ping::Success, "", at(1000));
    assert_eq!(seen(&mut job, at(1001)), ("up", "ok"));
    assert_eq!(job.next_change(at(1001)), Some(at(1024)));
    assert_eq!(seen(&mut job, at(1024)), ("late", "ok"));
    assert_eq!(job.next_change(at(1024)), Some(at(1025)));
    assert_eq!(seen(&mut job, at(1025)), ("down", "critical"));
    assert_eq!(job.view(at(1025)).text, "not done for 25h 0m, 60m later than expected");
    assert!(!job.tick(at(1026)), "it goes down once");
    assert_eq!(job.next_change(at(1026)), None);
    job.ping(Ping::Start, "", at(1030));
    assert_eq!(seen(&mut job, at(1030)), ("running", "critical"), "that it runs ends nothing");
    job.ping(Ping::Success, "12 files\nof 3 hosts", at(1031));
    assert_eq!(seen(&mut job, at(1031)), ("up", "ok"));
    assert_eq!(job.view(at(1031)).text, "done in 60m: 12 files\nof 3 hosts");
}

#[test]
fn a_failure_counts_at_once_and_an_exit_code_is_named() {
    let mut job = job(daily());
    job.ping(Ping::Failure(Some(3)), "disk full", at(5));
    assert_eq!(seen(&mut job, at(5)), ("failed", "critical"), "also of one that was never up");
    assert_eq!(job.view(at(5)).text, "failed with exit code 3: disk full");
    assert_eq!(seen(&mut job, at(500)), ("failed", "critical"));
    job.ping(Ping::Success, "", at(501));
    assert_eq!(seen(&mut job, at(501)), ("up", "ok"));
    job.ping(Ping::Failure(None), "", at(502));
    assert_eq!(job.view(at(502)).text, "failed");
}

#[test]
fn a_run_is_waited_for_as_long_as_it_may_take_and_no_longer() {
    let mut job = job(PushPlan { max_run: Some(HOUR * 6), ..daily() });
    job.ping(Ping::Success, "", at(100));
    job.ping(Ping::Start, "", at(123));
    assert_eq!(seen(&mut job, at(128)), ("running", "ok"), "overdue, but it works on it");
    assert_eq!(job.next_change(at(128)), Some(at(129)));
    assert_eq!(seen(&mut job, at(129)), ("down", "critical"));
    assert_eq!(job.view(at(129)).text, "runs for 6h 0m, longer than 6h 0m");
    job.ping(Ping::Success, "", at(130));
    assert_eq!(seen(&mut job, at(130)), ("up", "ok"));
    // The first run of all can hang as well.
    let mut first = Job::new(job.plan().clone(), JobRecord::default(), at(0));
    first.ping(Ping::Start, "", at(10));
    assert_eq!(seen(&mut first, at(11)), ("running", "-"));
    assert_eq!(seen(&mut first, at(16)), ("down", "critical"));
}

#[test]
fn a_job_that_never_reported_is_down_only_after_the_date_that_it_has() {
    let mut job = job(PushPlan { first_by: Some(at(50)), ..daily() });
    assert_eq!(seen(&mut job, at(49)), ("new", "-"));
    assert_eq!(seen(&mut job, at(50)), ("late", "-"));
    assert_eq!(seen(&mut job, at(51)), ("down", "critical"));
    assert_eq!(job.view(at(51)).text, "never done, and it should be by now");
}

#[test]
fn of_a_paused_job_nothing_is_expected_and_nothing_is_over() {
    let mut job = job(daily());
    job.ping(Ping::Success, "", at(10));
    let paused = PushPlan { paused: true, ..daily() };
    job.expect(paused.clone());
    assert_eq!(seen(&mut job, at(500)), ("paused", "ok"));
    assert_eq!(job.next_change(at(500)), None);
    job.expect(daily());
    assert_eq!(seen(&mut job, at(500)), ("down", "critical"));
    job.expect(paused);
    assert_eq!(seen(&mut job, at(501)), ("paused", "critical"));
}

#[test]
fn after_a_start_of_the_server_a_job_has_its_grace_time() {
    let mut before = job(daily());
    before.ping(Ping::Success, "", at(100));
    let mut after = Job::new(daily(), before.record().clone(), at(200));
    assert_eq!(
        seen(&mut after, at(200)),
        ("late", "ok"),
        "it may have called when nobody listened"
    );
    assert_eq!(after.next_change(at(200)), Some(at(201)));
    assert_eq!(seen(&mut after, at(201)), ("down", "critical"));
    let again = Job::new(daily(), after.record().clone(), at(300));
    assert_eq!(again.view(at(300)).status, Some(Status::Critical), "a restart ends nothing");
}

#[test]
fn cron_is_followed_over_the_change_of_the_clock() {
    let due = Recurrence::cron("30 2 * * *", Some("Europe/Berlin")).unwrap();
    let mut job = job(PushPlan { due, ..daily() });
    let unix = |text: &str| Unix(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    job.ping(Ping::Success, "", unix("2026-03-28T01:31:00Z"));
    assert_eq!(job.due(), Some(unix("2026-03-29T01:00:00Z")), "02:30 is missing: right after it");
    assert_eq!(seen(&mut job, unix("2026-03-29T01:59:00Z")), ("late", "ok"));
    job.ping(Ping::Success, "", unix("2026-03-29T01:59:30Z"));
    assert_eq!(job.due(), Some(unix("2026-03-30T00:30:00Z")));
}

mod by_chance {
    use proptest::prelude::*;

    use super::*;

    fn step() -> impl Strategy<Value = (Option<Ping>, i64)> {
        let ping = prop_oneof![
            3 => Just(None),
            1 => Just(Some(Ping::Start)),
            1 => Just(Some(Ping::Success)),
            1 => Just(Some(Ping::Failure(Some(1)))),
        ];
        (ping, 0..30i64)
    }

    proptest! {
        #[test]
        fn nothing_but_a_success_makes_it_ok_and_its_deadlines_suffice(
            steps in proptest::collection::vec(step(), 1..60),
            max_run in proptest::option::of(1..40u32),
        ) {
            let plan = PushPlan { max_run: max_run.map(|hours| HOUR * hours), ..daily() };
            let mut job = job(plan);
            let mut now = at(10);
            for (ping, hours) in steps {
                let before = job.view(now).status;
                // Waking at each change and at no other time gives what looking each hour gives.
                let (mut eager, mut hour) = (job.clone(), now);
                let end = now + HOUR * u32::try_from(hours).unwrap();
                while let Some(next) = job.next_change(now).filter(|next| *next <= end) {
                    now = next;
                    job.tick(now);
                }
                while hour < end {
                    hour = hour + HOUR;
                    eager.tick(hour);
                }
                now = end;
                prop_assert_eq!(job.record().bad, eager.record().bad);
                if let Some(ping) = ping {
                    job.ping(ping, "", now);
                }
                let after = job.view(now).status;
                if before == Some(Status::Critical) && after != before {
                    prop_assert_eq!(ping, Some(Ping::Success));
                }
            }
        }
    }
}
