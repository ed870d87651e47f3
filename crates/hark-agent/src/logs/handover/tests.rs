use std::path::Path;

use hark_model::{Clock, Event, EventKind, HostName, Severity};
use hark_proto::Identity;

use hark_logs::{Logs, Settings};

use super::*;
use crate::collectors::Root;
use crate::endpoint::Endpoint;
use crate::sender::Introduction;
use crate::spool::{Limits, Spool};

/// What an agent has in its folder, as it is at a start.
struct Place {
    home: Home,
    sender: Sender,
    sampler: Sampler,
    endpoint: Endpoint,
}

impl Place {
    fn open(folder: &Path) -> Self {
        let home = Home::take(folder).unwrap();
        let moment = moment();
        let spool = Spool::open(&folder.join("spool"), Limits::default(), moment.now.unix).unwrap();
        let host = HostName::new("web").unwrap();
        let introduction = Introduction {
            host: host.clone(),
            version: "0".to_owned(),
            interval: Duration::from_secs(1),
            booted_at: None,
            started_at: moment.now.unix,
        };
        let identity = Identity::simple(b"secret", host);
        let sender = Sender::begin(folder, identity, introduction, spool, moment).unwrap();
        let server = crate::endpoint::Server::parse("127.0.0.1:9").unwrap();
        let endpoint = Endpoint::new(vec![server], crate::endpoint::Names::default());
        Self { home, sender, sampler: Sampler::new(&[], &Root::system()), endpoint }
    }

    fn desk(&mut self) -> Desk<'_> {
        Desk {
            home: &self.home,
            sender: &mut self.sender,
            sampler: &mut self.sampler,
            out: &mut self.endpoint,
            moment: moment(),
        }
    }

    /// The texts of all events in the spool.
    fn spooled(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some((_, bytes)) = self.sender.spool.read_report() {
            let Ok(Body::Report(report)) = decode(Kind::Report, &bytes) else { panic!() };
            texts.extend(report.items.into_iter().filter_map(|(_, item)| match item? {
                ReportItem::Event(event) => Some(event.text),
                ReportItem::Result(_) | ReportItem::Facts(_) | ReportItem::Outcome(_) => None,
            }));
        }
        texts
    }
}

fn moment() -> Moment {
    Moment { now: Clock.now(), at: Clock.micros() }
}

fn event(n: usize) -> Item {
    Item::Event(Event {
        at: Unix(1000),
        kind: EventKind::Other("log".to_owned()),
        severity: Severity::Info,
        text: format!("line {n}"),
        tags: vec!["w".to_owned()],
        data: None,
    })
}

/// A batch as the thread hands it over, with where that is.
fn batch(numbers: std::ops::Range<usize>) -> Batch {
    let mut logs = Logs::new(Settings::new(Vec::new()), None, Clock.now()).unwrap();
    let state = logs.end().state;
    let mut items: Vec<Item> = numbers.map(event).collect();
    let series = SeriesName::of("log_monitor", "w", "count");
    items.push(Item::Count { series, at: Unix(2000), value: 3 });
    Batch { items, state, urgent: true }
}

#[test]
fn a_kill_at_any_moment_of_the_handover_tells_everything_once() {
    const REPORTS: usize = 5;
    for appended in 0..=REPORTS {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("agent");
        let mut place = Place::open(&folder);
        let (mut handover, state) = Handover::begin(&mut place.desk()).unwrap();
        assert!(state.is_none());
        handover.take(batch(0..2), &mut place.desk());
        // The next one gets as far as this before the kill.
        let (reports, counts) = sorted(&batch(2..2 + REPORTS).items);
        let spool = &mut place.sender.spool;
        let first = spool.reserve_reports(REPORTS).unwrap();
        let epoch = spool.epoch();
        let stored = Stored {
            number: handover.batch + 1,
            epoch,
            first,
            reports: encoded(&reports, epoch, first),
            counts,
        };
        let state = batch(0..0).state.unwrap().to_text();
        handover.stored.store(&format!("{}\n{state}", stored.to_json())).unwrap();
        for report in reports.iter().take(appended) {
            place.sender.report(report, moment().now);
        }
        drop(place);
        for _ in 0..2 {
            let mut place = Place::open(&folder);
            let (handover, state) = Handover::begin(&mut place.desk()).unwrap();
            assert!(state.is_some() && handover.batch == stored.number);
            let texts: Vec<String> = (0..2 + REPORTS).map(|n| format!("line {n}")).collect();
            assert_eq!(place.spooled(), texts, "{appended} were appended");
            assert!(place.sender.spool.pending().samples >= 1, "the count");
        }
    }
}

#[test]
fn what_an_agent_of_the_first_version_has_stored_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(&folder.path().join("agent"));
    let state = batch(0..0).state.unwrap().to_text();
    let head = r#"{"version":1,"number":4,"epoch":0,"first":1,"reports":[],"counts":[]}"#;
    place.home.write(FILE, &format!("{head}\n{state}")).unwrap();
    let (mut handover, state) = Handover::begin(&mut place.desk()).unwrap();
    assert!(state.is_some() && handover.batch == 4);
    handover.take(batch(0..1), &mut place.desk());
    let (handover, _) = Handover::begin(&mut place.desk()).unwrap();
    assert_eq!(handover.batch, 5, "what is stored now is newer");
    assert_eq!(place.home.read(FILE).unwrap(), None);
}

#[test]
fn a_batch_comes_back_from_its_text() {
    let stored = Stored {
        number: 3,
        epoch: 7,
        first: 9,
        reports: vec![vec![0, 255], Vec::new()],
        counts: vec![(SeriesName::of("a", "b", "c"), Unix(5), 6)],
    };
    assert_eq!(Stored::read(&stored.to_json()), Some(stored));
    assert_eq!(Stored::read(&json!({"version": 2})), None);
}

#[test]
fn while_too_much_waits_for_the_server_no_more_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(&folder.path().join("agent"));
    let (mut handover, _) = Handover::begin(&mut place.desk()).unwrap();
    let many = usize::try_from(MOST_WAITING).unwrap();
    handover.take(batch(0..many), &mut place.desk());
    assert!(!handover.is_held());
    handover.take(batch(many..many + 1), &mut place.desk());
    assert!(handover.is_held());
    let again = handover.next_deadline().unwrap();
    handover.try_again(&mut place.desk());
    assert!(handover.is_held(), "not before its time");
    // The server has everything.
    let mut numbers = Vec::new();
    place.sender.spool.all_lost();
    while let Some((number, _)) = place.sender.spool.read_report() {
        numbers.push(number);
    }
    for number in numbers {
        place.sender.spool.report_done(number);
    }
    let mut desk = place.desk();
    desk.moment.now.mono = again;
    handover.try_again(&mut desk);
    assert!(!handover.is_held());
    place.sender.spool.all_lost();
    assert_eq!(place.spooled(), [format!("line {many}")]);
}
