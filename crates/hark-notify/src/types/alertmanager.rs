//! Feeds an Alertmanager, over its API v2: whoever has routes and receivers there keeps them.
//!
//! Alertmanager calls an alert resolved that it has not heard of for a while, unless the alert says when
//! it ends. A problem here is over when a check has said so, and not because nobody repeats it: so each
//! alert says that it ends `hold` after its message, every later message of the incident puts that off,
//! and the one that it is over ends it at once. No state is kept, and a restart changes nothing.

use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::name::CheckName;
use hark_model::time::Unix;
use hark_model::{Notification, Reason, Status};
use hark_net::{Call, read_headers};
use serde_json::{Map, Value, json};

use crate::card::{self, is_over};
use crate::error::SendError;
use crate::render::{self, rfc3339};
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `alertmanager`.
#[derive(Debug)]
pub(crate) struct Alertmanager;

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "url",
        Kind::Text,
        "Address of the Alertmanager, such as `http://alerts.example.net:9093`.",
    )
    .required(),
    Key::new("labels", Kind::Named(&Kind::Text), "Further labels of every alert."),
    Key::new(
        "hold",
        Kind::Duration,
        "After so long without a further message an alert ends by itself.",
    )
    .default("30d"),
    Key::new(
        "token",
        Kind::Secret,
        "Token that a proxy in front of it wants (`Authorization: Bearer`).",
    ),
    Key::new(
        "headers",
        Kind::Named(&Kind::Secret),
        "Further headers that a proxy wants; values may stand in files or the environment.",
    ),
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Longer than any problem should last, shorter than what is forgotten for ever.
const HOLD: Duration = Duration::from_hours(30 * 24);

/// How long a message without an incident is an alert: an hour's groups and repeats see it.
const MOMENT: Duration = Duration::from_hours(1);

/// Labels that make an alert what it is.
const OWN_LABELS: &[&str] = &["alertname", "host", "check", "severity", "receiver"];

impl ReceiverType for Alertmanager {
    fn name(&self) -> &'static str {
        "alertmanager"
    }

    fn manual(&self) -> &'static str {
        "Feeds a Prometheus [Alertmanager](https://prometheus.io/docs/alerting/latest/clients/) \
         (`POST /api/v2/alerts`). An alert has the labels `alertname` (the check), `host`, `check`, \
         `severity` (`critical`, `warning` or `unknown`: the status) and those in `labels`; summary, \
         detail, incident and link are annotations. It begins when the incident began and ends when it \
         is over; one that gets worse or better ends, and one with the other severity begins. Until \
         then it does not end by itself for `hold` after the last message, whatever the \
         `resolve_timeout` there; reminders put that off. Events are alerts for an hour. Alertmanagers of one cluster \
         each need a receiver of their own, since they do not exchange alerts. 429 and 5xx are tried \
         again, a document that it refuses (400) is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: http://alerts.example.net:9093\n\
         labels: {origin: hark, team: operations}\n\
         hold: 30d\n\
         token: correct-horse\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", None);
        let headers = read_headers(section, &["host", "content-length", "content-type"]);
        let token = section.opt_secret("token");
        let hold = section.duration("hold", Bare::Seconds, HOLD);
        if hold.is_zero() {
            section.error("hold", "must be more than 0s");
        }
        let labels = read_labels(section)?;
        let mut service = service?.with_headers(headers);
        if let Some(token) = token {
            service = service.bearer(section, "token", &token)?;
        }
        Some(Box::new(Feed { service, labels, hold }))
    }
}

fn read_labels(section: &Section<'_>) -> Option<Map<String, Value>> {
    let mut labels = Map::new();
    if !section.has("labels") {
        return Some(labels);
    }
    for (key, value) in section.child("labels")?.entries() {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let name = key.value;
        if name.is_empty()
            || !name.bytes().all(is_name)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            value.error(format!("`{name}` is no label: letters, digits and `_` are"));
            return None;
        }
        if OWN_LABELS.contains(&name) {
            value.error(format!("hark sets the label `{name}` itself"));
            return None;
        }
        labels.insert(name.to_owned(), Value::from(value.str()?));
    }
    Some(labels)
}

/// One configured Alertmanager.
#[derive(Debug)]
struct Feed {
    service: Service,
    labels: Map<String, Value>,
    hold: Duration,
}

impl ServiceReceiver for Feed {
    fn service(&self) -> &Service {
        &self.service
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        if notification.reason == Reason::Acknowledged {
            // It would be the same alert in other words; to silence it is for whoever reads it there.
            let text = "an Alertmanager knows no acknowledgements".to_owned();
            return Ok(Delivered { text, ..Delivered::default() });
        }
        let alerts = self.alerts(notification, context);
        let call = Call::post_json("/api/v2/alerts", &alerts);
        self.service.begin(context).call(call).await?.delivered()
    }
}

impl Feed {
    /// Returns the alert that is on now, and the one that is not any more.
    fn alerts(&self, n: &Notification, context: &Context) -> Value {
        let mut alerts = Vec::new();
        if !render::goes_on(n) {
            alerts.push(self.alert(n, n.severity.word(), n.at + MOMENT, context));
            return Value::Array(alerts);
        }
        let is_on = !is_over(n) && n.status != Status::Ok;
        if let Some(was) = n.was.filter(|was| *was != Status::Ok && (*was != n.status || !is_on)) {
            alerts.push(self.alert(n, was.word(), n.at, context));
        }
        if is_on {
            alerts.push(self.alert(n, n.status.word(), n.at + self.hold, context));
        }
        if alerts.is_empty() {
            // A problem that was over before it could be told: it began and has ended.
            alerts.push(self.alert(n, Status::Critical.word(), n.at, context));
        }
        Value::Array(alerts)
    }

    fn alert(&self, n: &Notification, severity: &str, ends: Unix, context: &Context) -> Value {
        let check = n.check.as_ref().map(CheckName::as_str);
        let name = check.unwrap_or(if render::goes_on(n) { "host" } else { "event" });
        let mut labels = self.labels.clone();
        for (label, value) in [
            ("alertname", name),
            ("host", n.host.as_str()),
            ("check", check.unwrap_or_default()),
            ("severity", severity),
        ] {
            // An empty label is none.
            if !value.is_empty() {
                labels.insert(label.to_owned(), Value::from(value));
            }
        }
        let mut annotations = json!({"summary": n.summary, "description": n.detail});
        if let Some(incident) = n.incident {
            annotations["incident"] = Value::from(incident.0.to_string());
        }
        if let Some(link) = context.acknowledge_link(n) {
            annotations["acknowledge"] = Value::from(link);
        }
        let begins = if render::goes_on(n) { n.since } else { n.at };
        let mut alert = json!({
            "labels": labels,
            "annotations": annotations,
            // An alert that ends before it begins is refused.
            "startsAt": rfc3339(begins.min(ends)),
            "endsAt": rfc3339(ends),
        });
        if let Some(link) = card::link(n, context) {
            alert["generatorURL"] = Value::from(link);
        }
        alert
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use crate::types::tests::server::{
        Server, context, mistakes, problem, read, recovery, reminder, send, taken,
    };

    fn feed() -> Feed {
        let text = "url: http://hook.test\nlabels: {team: ops}\nhold: 1d\n";
        let document = hark_config::Document::single(text);
        let root = document.root(&hark_config::NoSecrets);
        Feed {
            service: Service::at(&root, "url", None).unwrap(),
            labels: read_labels(&root).unwrap(),
            hold: Duration::from_hours(24),
        }
    }

    #[tokio::test]
    async fn that_somebody_took_it_is_kept_from_an_alertmanager_that_could_not_show_it() {
        let server = Server::saying(200, "").await;
        let receiver = read(&Alertmanager, &format!("url: {}\n", server.url("")));
        let told = send(&*receiver, &taken(None)).await.unwrap();
        assert_eq!(told.text, "an Alertmanager knows no acknowledgements");
        assert!(server.calls().is_empty());
    }

    #[tokio::test]
    async fn an_alert_begins_with_the_incident_and_is_held() {
        let server = Server::saying(200, "").await;
        let text = format!("url: {}\nlabels: {{team: ops}}\n", server.url("/alertmanager"));
        let receiver = read(&Alertmanager, &text);
        send(&*receiver, &problem()).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /alertmanager/api/v2/alerts");
        let labels = json!({
            "alertname": "cpu_monitor.cpu_percent",
            "check": "cpu_monitor.cpu_percent",
            "host": "db1.example.net",
            "severity": "critical",
            "team": "ops",
        });
        let alerts = call.json();
        assert_eq!(alerts[0]["labels"], labels);
        assert_eq!(alerts[0]["startsAt"], "2027-01-15T08:00:00Z");
        assert_eq!(alerts[0]["endsAt"], "2027-02-14T08:00:30Z");
        assert_eq!(alerts[0]["generatorURL"], "https://hark.example.net/incidents/1");
        assert_eq!(alerts[0]["annotations"]["summary"], problem().summary);
        assert!(alerts.get(1).is_none());
    }

    #[test]
    fn what_gets_better_ends_one_alert_and_begins_another() {
        let feed = feed();
        let mut better = problem();
        (better.reason, better.was, better.status) =
            (Reason::Better, Some(Status::Critical), Status::Warning);
        let alerts = feed.alerts(&better, &context());
        let of = |at: usize| {
            let alert = &alerts[at];
            (alert["labels"]["severity"].clone(), alert["endsAt"].clone())
        };
        assert_eq!(of(0), (json!("critical"), json!("2027-01-15T08:00:30Z")));
        assert_eq!(of(1), (json!("warning"), json!("2027-01-16T08:00:30Z")));
        let mut again = reminder(None);
        again.was = Some(Status::Critical);
        let alerts = feed.alerts(&again, &context());
        assert_eq!(alerts.as_array().unwrap().len(), 1, "the same alert, held for longer");
        let over = feed.alerts(&recovery(None), &context());
        assert_eq!(over.as_array().unwrap().len(), 1);
        assert_eq!(over[0]["labels"], feed.alerts(&problem(), &context())[0]["labels"]);
        assert_eq!(over[0]["endsAt"], "2027-01-15T08:00:30Z");
    }

    #[test]
    fn an_event_is_an_alert_for_an_hour() {
        let alerts = feed().alerts(&samples()[2], &context());
        let labels = json!({
            "alertname": "event", "host": "db1.example.net", "severity": "info", "team": "ops"
        });
        assert_eq!(alerts[0]["labels"], labels);
        assert_eq!(alerts[0]["startsAt"], "2027-01-15T08:00:30Z");
        assert_eq!(alerts[0]["endsAt"], "2027-01-15T09:00:30Z");
    }

    #[test]
    fn mistakes_are_shown() {
        for (text, expected) in [
            ("url: http://a\nlabels: {severity: x}\n", "sets the label `severity` itself"),
            ("url: http://a\nlabels: {'a-b': x}\n", "`a-b` is no label"),
            ("url: http://a\nhold: 0s\n", "more than 0s"),
        ] {
            let errors = mistakes(&Alertmanager, text);
            assert!(errors.contains(expected), "{text}: {errors}");
        }
    }
}
