use std::sync::Mutex;

use hark_model::DeliveryId;
use hark_net::BoxFuture;
use hark_notify::{Delivered, SendError};

use super::*;

const NOW: Unix = Unix(1_800_000_000_000);

fn name(text: &str) -> ReceiverName {
    ReceiverName::new(text).unwrap()
}

fn row(id: u64, receiver: &str, reference: Option<&str>, age: Duration) -> DeliveryRecord {
    let mut notification = hark_notify::samples().swap_remove(0);
    notification.id = DeliveryId(id);
    notification.receiver = name(receiver);
    notification.reference = reference.map(str::to_owned);
    notification.at = NOW - age;
    DeliveryRecord {
        notification,
        state: DeliveryState::Sent { at: NOW - age },
        attempts: 1,
        last_error: String::new(),
        took_ms: 1,
    }
}

fn question(incident: u64, receiver: &str) -> Question {
    Question { incident: IncidentId(incident), receiver: name(receiver), reference: "r".to_owned() }
}

#[test]
fn the_newest_young_message_to_each_that_can_be_asked_is_asked_for() {
    let minute = Duration::from_mins(1);
    let mut unsent = row(9, "push", Some("i"), minute);
    unsent.state = DeliveryState::Queued;
    let rows = [
        row(1, "push", Some("a"), minute * 5),
        row(3, "push", Some("c"), minute),
        row(2, "push", Some("b"), minute * 2),
        row(4, "chat", None, minute),
        row(5, "mail", Some("m"), minute),
        row(6, "old", Some("o"), Duration::from_hours(3)),
        unsent,
    ];
    let able = ["push", "chat", "old"].map(name);
    let found = questions_of(IncidentId(7), &rows, &able, NOW);
    let expected =
        Question { incident: IncidentId(7), receiver: name("push"), reference: "c".to_owned() };
    assert_eq!(found, [expected]);
}

#[test]
fn a_storm_does_not_become_one_of_questions() {
    let many = (1..=1000).map(|incident| question(incident, "push")).collect();
    let kept = bounded(many);
    assert_eq!(kept.len(), MAX_ASKED);
    assert_eq!(kept[0].incident, IncidentId(1000), "the newest first");
}

/// A service that knows of some messages that they were taken, and hangs or fails for others.
#[derive(Debug, Default)]
struct Stub {
    asked: Mutex<(usize, usize)>,
}

impl Receiver for Stub {
    fn target(&self) -> String {
        "stub".to_owned()
    }

    fn send<'a>(
        &'a self,
        _: &'a hark_model::Notification,
        _: &'a Context,
    ) -> BoxFuture<'a, Result<Delivered, SendError>> {
        Box::pin(async { Ok(Delivered::default()) })
    }

    fn acknowledged<'a>(
        &'a self,
        reference: &'a str,
        _: &'a Context,
    ) -> Option<BoxFuture<'a, Result<Option<Acknowledged>, SendError>>> {
        Some(Box::pin(async move {
            {
                let mut asked = self.asked.lock().unwrap();
                asked.0 += 1;
                asked.1 = asked.1.max(asked.0);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            if reference == "hangs" {
                std::future::pending::<()>().await;
            }
            self.asked.lock().unwrap().0 -= 1;
            match reference {
                "taken" => Ok(Some(Acknowledged { by: "Mira".to_owned(), comment: String::new() })),
                "broken" => Err(SendError::Compose { what: "broken".to_owned() }),
                _ => Ok(None),
            }
        }))
    }
}

fn context() -> Context {
    Context {
        resolve: Arc::new(hark_net::Resolver::default()),
        page: String::new(),
        own_name: "mon".to_owned(),
        tokens: None,
    }
}

#[tokio::test]
async fn what_hangs_or_fails_does_not_keep_the_others_from_being_asked() {
    let stub = Arc::new(Stub::default());
    let references = ["hangs", "broken", "open", "taken", "open", "hangs", "taken"];
    let mut questions: Vec<Question> = (1..)
        .zip(references)
        .map(|(n, reference)| Question { reference: reference.to_owned(), ..question(n, "stub") })
        .collect();
    questions.push(question(99, "gone"));
    let find =
        |of: &ReceiverName| (of.as_str() == "stub").then(|| Arc::clone(&stub) as Arc<dyn Receiver>);
    let taken = ask(questions, find, &context(), Duration::from_millis(300)).await;
    let mut incidents: Vec<u64> = taken.iter().map(|(question, _)| question.incident.0).collect();
    incidents.sort_unstable();
    assert_eq!(incidents, [4, 7]);
    assert_eq!(taken[0].1.by, "Mira");
    assert!(stub.asked.lock().unwrap().1 <= AT_ONCE, "some at a time");
}
