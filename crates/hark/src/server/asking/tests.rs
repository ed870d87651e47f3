use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hark_model::DeliveryId;
use hark_notify::{Delivered, Feedback, SendError};

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
    let (incident, reference) = (IncidentId(incident), "r".to_owned());
    Question { incident, receiver: name(receiver), reference, after: NOW }
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
    let found = questions_of(IncidentId(7), &rows, &able, None, NOW);
    let expected = Question {
        incident: IncidentId(7),
        receiver: name("push"),
        reference: "c".to_owned(),
        after: NOW - minute,
    };
    assert_eq!(found, [expected]);
}

#[test]
fn what_was_taken_before_the_newest_message_or_the_last_acknowledgement_answers_nothing() {
    let minute = Duration::from_mins(1);
    let rows = [row(1, "push", Some("a"), minute * 9), row(2, "push", Some("a"), minute * 5)];
    let able = [name("push")];
    let asked = |handled| questions_of(IncidentId(7), &rows, &able, handled, NOW).remove(0);
    // It was pressed for the first message; the second says that it is worse.
    assert!(!asked(None).is_answered_at(NOW - minute * 6));
    assert!(asked(None).is_answered_at(NOW - minute * 5));
    // It was pressed, acknowledged, and given back.
    let given_back = asked(Some(NOW - minute * 2));
    assert!(!given_back.is_answered_at(NOW - minute * 3));
    assert!(given_back.is_answered_at(NOW - minute));
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
    n_asked: AtomicUsize,
    said: Mutex<Vec<String>>,
}

impl Receiver for Stub {
    fn target(&self) -> String {
        "stub".to_owned()
    }

    fn send<'a>(
        &'a self,
        _: &'a hark_model::Notification,
        _: &'a Context,
    ) -> Pending<'a, Delivered> {
        Box::pin(async { Ok(Delivered::default()) })
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        Some(self)
    }
}

impl Feedback for Stub {
    fn acknowledged<'a>(
        &'a self,
        reference: &'a str,
        _: &'a Context,
    ) -> Option<Pending<'a, Option<Acknowledged>>> {
        Some(Box::pin(async move {
            self.n_asked.fetch_add(1, Ordering::Relaxed);
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
                "taken" => Ok(Some(taken_at(NOW))),
                "old" => Ok(Some(taken_at(NOW - Duration::from_mins(1)))),
                "broken" => Err(SendError::Compose { what: "broken".to_owned() }),
                _ => Ok(None),
            }
        }))
    }

    fn answer<'a>(
        &'a self,
        taken: &'a Acknowledged,
        said: &'a str,
        _: &'a Context,
    ) -> Option<Pending<'a, ()>> {
        Some(Box::pin(async move {
            self.said.lock().unwrap().push(format!("{}: {said}", taken.press));
            Ok(())
        }))
    }
}

fn taken_at(at: Unix) -> Acknowledged {
    let (by, id, press) = ("Mira".to_owned(), "u1".to_owned(), "q1".to_owned());
    Acknowledged { by, id, comment: String::new(), at, press }
}

fn context() -> Context {
    Context {
        resolve: Arc::new(hark_net::Resolver::default()),
        page: String::new(),
        own_name: "mon".to_owned(),
        tokens: None,
        mail: hark_notify::MailStyle::default(),
        browsers: None,
        trace: hark_notify::Trace::default(),
    }
}

/// Notes what is carried out: the receiver and the incident.
type Done = std::sync::mpsc::Receiver<(String, u64)>;

fn taking() -> (impl Fn(&Question, &Acknowledged) -> String + Clone + Send + 'static, Done) {
    let (done, carried_out) = std::sync::mpsc::sync_channel(100);
    let take = move |question: &Question, _: &Acknowledged| {
        done.send((question.receiver.to_string(), question.incident.0)).unwrap();
        format!("incident {} is taken", question.incident.0)
    };
    (take, carried_out)
}

fn asked(receiver: &str, references: &[&str]) -> Vec<Question> {
    let numbered = (1..).zip(references);
    let question = |(n, reference): (u64, &&str)| Question {
        reference: (*reference).to_owned(),
        ..question(n, receiver)
    };
    numbered.map(question).collect()
}

#[tokio::test]
async fn what_hangs_or_fails_does_not_keep_the_others_from_being_asked() {
    let stub = Arc::new(Stub::default());
    let questions =
        asked("stub", &["hangs", "broken", "open", "taken", "open", "hangs", "taken", "old"]);
    let (take, carried_out) = taking();
    ask(Arc::clone(&stub) as _, questions, context(), Duration::from_millis(300), take).await;
    let mut incidents: Vec<u64> = carried_out.iter().map(|(_, incident)| incident).collect();
    incidents.sort_unstable();
    assert_eq!(incidents, [4, 7], "not what was taken before newer news");
    assert!(stub.asked.lock().unwrap().1 <= AT_ONCE, "some at a time");
    let mut said = stub.said.lock().unwrap().clone();
    said.sort_unstable();
    let too_old = format!("q1: {TOO_OLD}");
    assert_eq!(said, [too_old.as_str(), "q1: incident 4 is taken", "q1: incident 7 is taken"]);
}

#[tokio::test]
async fn the_rest_is_left_for_later_once_a_service_does_not_answer() {
    let stub = Arc::new(Stub::default());
    let questions = asked("stub", &["hangs"; 50]);
    let (take, _carried_out) = taking();
    ask(Arc::clone(&stub) as _, questions, context(), Duration::from_millis(30), take).await;
    assert_eq!(stub.n_asked.load(Ordering::Relaxed), AT_ONCE);
}

#[tokio::test]
async fn an_answer_is_carried_out_while_another_service_still_hangs() {
    let (well, stuck) = (Arc::new(Stub::default()), Arc::new(Stub::default()));
    let find = |name: &ReceiverName| match name.as_str() {
        "well" => Some(Arc::clone(&well) as Arc<dyn Receiver>),
        "stuck" => Some(Arc::clone(&stuck) as Arc<dyn Receiver>),
        _ => None,
    };
    let mut questions = asked("stuck", &["hangs", "taken"]);
    questions.extend(asked("well", &["taken"]));
    questions.extend(asked("gone", &["taken"]));
    let (take, carried_out) = taking();
    let mut running = Running::default();
    running.begin(questions, find, &context(), Duration::from_hours(1), &take);
    let within = Duration::from_secs(10);
    let two = tokio::task::spawn_blocking(move || {
        [carried_out.recv_timeout(within).unwrap(), carried_out.recv_timeout(within).unwrap()]
    });
    let mut two = two.await.unwrap();
    two.sort_unstable();
    assert_eq!(two, [("stuck".to_owned(), 2), ("well".to_owned(), 1)]);
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle = running.idle(vec![name("stuck"), name("well")]);
        if idle.len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(idle, [name("well")], "who still answers is not asked again");
}
