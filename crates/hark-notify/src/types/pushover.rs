//! Pushover: push messages, and for critical problems the emergency that sounds until somebody takes it.

use std::ops::RangeInclusive;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section, Value};
use hark_model::{Notification, Secret, Unix};
use hark_net::{Call, encoded};
use http::Method;

use crate::card::{self, Tone, Unit, Words, cut};
use crate::error::{Again, SendError};
use crate::handling::{Acknowledged, person};
use crate::service::{self, Service, ServiceReceiver, Talk};
use crate::{Context, Delivered, Feedback, Pending, Receiver, ReceiverType};

/// The receiver type `pushover`.
#[derive(Debug)]
pub(crate) struct Pushover;

pub(crate) const KEYS: &[Key] = &[
    Key::new("token", Kind::Secret, "Token of the application.").required(),
    Key::new(
        "user",
        Kind::OneOrMany(&Kind::Secret),
        "Key of a user or group, or of up to 50 users.",
    )
    .required(),
    Key::new("device", Kind::OneOrMany(&Kind::Text), "Names of the devices, instead of all."),
    Key::new("sound", Kind::Text, "Sound, instead of the user's choice."),
    Key::new(
        "emergency",
        Kind::Bool,
        "Whether critical problems sound until somebody takes them, instead of once.",
    )
    .default("true"),
    Key::new("retry", Kind::Duration, "Time between two sounds of an emergency, 30s to 1h.")
        .default("1m"),
    Key::new("expire", Kind::Duration, "How long an emergency sounds, up to 3h.").default("1h"),
    Key::new("url", Kind::Text, "Address of the service.").default(URL),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://api.pushover.net";

/// Bounds of Pushover, in characters.
const MAX_TITLE: usize = 250;
const MAX_MESSAGE: usize = 1024;
const MAX_LINK: usize = 512;

/// Bound of Pushover on the users of one call.
const MAX_USERS: usize = 50;

/// Bounds of Pushover on an emergency.
const RETRY: RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_hours(1);
const EXPIRE: RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_hours(3);

/// Pushover wants to be left alone for so long after a failure of its own.
const LEAST_PAUSE: Duration = Duration::from_secs(5);

impl ReceiverType for Pushover {
    fn name(&self) -> &'static str {
        "pushover"
    }

    fn manual(&self) -> &'static str {
        "Sends by [Pushover](https://pushover.net) to a user, a group or several users. Priority is 2 \
         (emergency) for critical, 1 for warning, 0 for unknown and for what is over, -1 for the rest. An \
         emergency sounds every `retry` until somebody takes it or `expire` has passed; who takes it \
         acknowledges the incident in hark too, within half a minute. A later message of the incident and \
         its end cancel the sound, which goes on for what still hurts. 5xx are tried again after at least \
         5 seconds, 429 later; every other 4xx is final, as Pushover demands."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "token: correct-horse-app\nuser: [correct-horse-1, correct-horse-2]\nsound: siren\nretry: 1m\n\
         expire: 1h\nurl: https://api.pushover.net\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        section.required("token");
        section.required("user");
        let token = section.opt_secret("token");
        let values = section.one_or_many("user");
        if section.has("user") && (values.is_empty() || values.len() > MAX_USERS) {
            section.error("user", format!("1 to {MAX_USERS} users are expected"));
        }
        let n_values = values.len();
        let users: Vec<Secret> = values.iter().filter_map(Value::secret).collect();
        let devices = section.parse_many("device", |text| Ok::<_, String>(text.to_owned()));
        let sound = section.opt_str("sound").map(str::to_owned);
        let is_emergency = section.bool("emergency", true);
        let retry = span(section, "retry", Duration::from_mins(1), RETRY);
        let expire = span(section, "expire", Duration::from_hours(1), EXPIRE);
        let service = Service::at(section, "url", Some(URL));
        let words = Words::read(section);
        let token = token?;
        let mut service = service?.hiding(&token);
        if users.is_empty() || users.len() < n_values || n_values > MAX_USERS {
            return None;
        }
        for user in &users {
            service = service.hiding(user);
        }
        let users: Vec<&str> = users.iter().map(Secret::expose).collect();
        let devices: Vec<String> = devices.into_iter().map(|device| device.value).collect();
        Some(Box::new(Users {
            service,
            token,
            keys: Secret::new(users.join(",")),
            device: devices.join(","),
            sound,
            emergency: is_emergency.then_some((retry, expire)),
            words,
        }))
    }
}

fn span(
    section: &Section<'_>,
    key: &'static str,
    default: Duration,
    range: RangeInclusive<Duration>,
) -> Duration {
    let span = section.duration(key, Bare::Seconds, default);
    if !range.contains(&span) {
        let (least, most) = (range.start().as_secs(), range.end().as_secs());
        section.error(key, format!("must be {least}s to {most}s"));
        return default;
    }
    span
}

/// The configured users.
#[derive(Debug)]
struct Users {
    service: Service,
    token: Secret,
    /// With commas between them, as the service takes them.
    keys: Secret,
    device: String,
    sound: Option<String>,
    /// Time between two sounds of an emergency, and how long it sounds.
    emergency: Option<(Duration, Duration)>,
    words: Words,
}

impl ServiceReceiver for Users {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        match self.keys.expose().split(',').count() {
            1 => self.service.target(),
            n => format!("{} ({n} users)", self.service.target()),
        }
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let talk = self.service.begin(context);
        let fields = self.fields(n, context)?;
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answered = talk.call(Call::post_form("/1/messages.json", &fields)).await?;
        let receipt = answered.json()["receipt"].as_str().map(str::to_owned);
        let mut delivered = answered.delivered_as(receipt).map_err(patient)?;
        // News come first: an emergency that sounds for too long is the smaller harm.
        if let Some(receipt) = &n.reference
            && let Err(error) = self.cancel(receipt, &talk).await
        {
            delivered.text =
                format!("{}; the sound before was not ended: {}", delivered.text, error.text());
        }
        Ok(delivered)
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        self.emergency.is_some().then_some(self as &dyn Feedback)
    }
}

impl Feedback for Users {
    fn acknowledged<'a>(
        &'a self,
        reference: &'a str,
        context: &'a Context,
    ) -> Option<Pending<'a, Option<Acknowledged>>> {
        Some(Box::pin(self.taken(reference, context)))
    }
}

impl Users {
    /// Ends the sound of an emergency; that there is none any more is as good.
    async fn cancel(&self, receipt: &str, talk: &Talk<'_>) -> Result<(), SendError> {
        let path = format!("/1/receipts/{}/cancel.json", encoded(receipt));
        let call = Call::post_form(path, &[("token", self.token.expose())]);
        match talk.call(call).await?.delivered() {
            Err(error) if !error.is_permanent() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn taken(
        &self,
        receipt: &str,
        context: &Context,
    ) -> Result<Option<Acknowledged>, SendError> {
        let token = encoded(self.token.expose());
        let path = format!("/1/receipts/{}.json?token={token}", encoded(receipt));
        let answered = self.service.begin(context).call(Call::new(Method::GET, path)).await?;
        let document = answered.json();
        let seconds = document["acknowledged_at"].as_i64().unwrap_or_default();
        let at = answered.by_our_clock(Unix(seconds.saturating_mul(1000)));
        answered.delivered().map_err(patient)?;
        if document["acknowledged"].as_i64() != Some(1) {
            return Ok(None);
        }
        let by = document["acknowledged_by_device"].as_str().map(person).unwrap_or_default();
        // The key of the person: as the settings name who is told.
        let id = document["acknowledged_by"].as_str().unwrap_or_default().to_owned();
        Ok(Some(Acknowledged { by, id, comment: String::new(), at, press: String::new() }))
    }

    fn fields(
        &self,
        n: &Notification,
        context: &Context,
    ) -> Result<Vec<(&'static str, String)>, SendError> {
        let priority = match Tone::of(n) {
            Tone::Critical if self.emergency.is_some() && n.incident.is_some() => 2,
            Tone::Critical | Tone::Warning => 1,
            Tone::Info if card::is_quiet(n) => -1,
            Tone::Unknown | Tone::Good | Tone::Info => 0,
        };
        let mut text = self.words.text(n, context)?;
        if text.trim().is_empty() {
            // Pushover refuses a message without one.
            text.clone_from(&n.summary);
        }
        let mut fields = vec![
            ("token", self.token.expose().to_owned()),
            ("user", self.keys.expose().to_owned()),
            ("title", cut(&n.summary, MAX_TITLE, Unit::Chars)),
            ("message", cut(&text, MAX_MESSAGE, Unit::Chars)),
            ("priority", priority.to_string()),
            ("timestamp", n.at.seconds().to_string()),
        ];
        if let Some((retry, expire)) = self.emergency.filter(|_| priority == 2) {
            fields.push(("retry", retry.as_secs().to_string()));
            fields.push(("expire", expire.as_secs().to_string()));
        }
        if let Some(link) = card::link(n, context).filter(|link| link.len() <= MAX_LINK) {
            fields.push(("url", link));
            fields.push(("url_title", "Open in hark".to_owned()));
        }
        if !self.device.is_empty() {
            fields.push(("device", self.device.clone()));
        }
        if let Some(sound) = &self.sound {
            fields.push(("sound", sound.clone()));
        }
        Ok(fields)
    }
}

/// Makes sure that the service has the pause that it asks for after its own failures.
fn patient(error: SendError) -> SendError {
    if let SendError::Refused { code, text, again: Again::Later } = error {
        return SendError::Refused { code, text, again: Again::After(LEAST_PAUSE) };
    }
    error
}

#[cfg(test)]
mod tests {
    use hark_model::time::Clock;

    use super::*;
    use crate::types::tests::server::{
        self, Answer, Server, context, mistakes, problem, read, recovery, reminder, send,
    };

    const RECEIPT: &str = "rLqVuqTRh62UzxtmqiaLzQmVcPgiCy";

    fn users(server: &Server, more: &str) -> Box<dyn Receiver> {
        let text = format!("token: app-token\nuser: user-key\nurl: {}\n{more}", server.url(""));
        read(&Pushover, &text)
    }

    fn answers(call: &server::Call) -> Answer {
        if call.uri == "/1/messages.json" && call.form()["priority"] == "2" {
            return Answer::new(
                200,
                format!(r#"{{"status":1,"request":"x","receipt":"{RECEIPT}"}}"#),
            );
        }
        Answer::new(200, r#"{"status":1,"request":"647d2300"}"#)
    }

    #[tokio::test]
    async fn a_critical_problem_is_an_emergency_with_a_receipt() {
        let server = Server::start(answers).await;
        let receiver =
            users(&server, "sound: siren\ndevice: [droid, desk]\nretry: 90s\nexpire: 2h\n");
        let delivered = send(&*receiver, &problem()).await.unwrap();
        assert_eq!(delivered.reference.as_deref(), Some(RECEIPT));
        let call = server.only_call();
        assert_eq!(call.line(), "POST /1/messages.json");
        let form = call.form();
        for (name, value) in [
            ("token", "app-token"),
            ("user", "user-key"),
            ("title", problem().summary.as_str()),
            ("priority", "2"),
            ("retry", "90"),
            ("expire", "7200"),
            ("sound", "siren"),
            ("device", "droid,desk"),
            ("timestamp", "1800000030"),
            ("url", "https://hark.example.net/incidents/1"),
        ] {
            assert_eq!(form[name], value, "{name}");
        }
        assert!(form["message"].contains("Host: db1.example.net"));
    }

    #[tokio::test]
    async fn the_end_cancels_the_sound_and_is_quiet() {
        let server = Server::start(answers).await;
        let delivered = send(&*users(&server, ""), &recovery(Some(RECEIPT))).await.unwrap();
        assert_eq!(delivered.reference, None);
        let calls = server.calls();
        assert_eq!(calls[0].form()["priority"], "0");
        assert_eq!(calls[0].form().get("retry"), None);
        assert_eq!(calls[1].line(), format!("POST /1/receipts/{RECEIPT}/cancel.json"));
        assert_eq!(calls[1].form()["token"], "app-token");
    }

    #[tokio::test]
    async fn a_reminder_takes_the_place_of_the_emergency_before() {
        let server = Server::start(answers).await;
        let delivered = send(&*users(&server, ""), &reminder(Some("old"))).await.unwrap();
        assert_eq!(server.calls()[1].uri, "/1/receipts/old/cancel.json");
        assert_eq!(delivered.reference.as_deref(), Some(RECEIPT));
    }

    #[tokio::test]
    async fn a_sound_that_cannot_be_cancelled_keeps_no_news_back() {
        let server = Server::start(|call| {
            if call.uri.contains("cancel") { Answer::new(503, "down") } else { answers(call) }
        })
        .await;
        let delivered = send(&*users(&server, ""), &reminder(Some("old"))).await.unwrap();
        assert_eq!(delivered.reference.as_deref(), Some(RECEIPT));
        assert_eq!(server.calls().len(), 2);
        assert!(delivered.text.contains("the sound before was not ended"), "{}", delivered.text);
    }

    #[tokio::test]
    async fn who_takes_it_is_asked_for_by_its_receipt() {
        let server = Server::start(|call| {
            if call.uri.starts_with("/1/receipts/taken.json") {
                let body = r#"{"status":1,"acknowledged":1,"acknowledged_at":1360019238,
                    "acknowledged_by":"uQiRzpo4DXghDmr9QzzfQu27cmVRsG","acknowledged_by_device":"iphone"}"#;
                // Its clock is far behind this one.
                Answer::new(200, body).with("date", "Mon, 04 Feb 2013 23:07:20 GMT")
            } else {
                Answer::new(200, r#"{"status":1,"acknowledged":0,"acknowledged_by":""}"#)
            }
        })
        .await;
        let receiver = users(&server, "");
        let context = context();
        let taken = receiver
            .feedback()
            .unwrap()
            .acknowledged("taken", &context)
            .unwrap()
            .await
            .unwrap()
            .unwrap();
        assert_eq!(taken.by, "iphone");
        let ago = Clock.now().unix.since(taken.at);
        assert!(ago.as_secs().abs_diff(2) <= 1, "when it was pressed, by our clock: {ago:?} ago");
        assert_eq!(server.only_call().line(), "GET /1/receipts/taken.json?token=app-token");
        assert_eq!(
            receiver.feedback().unwrap().acknowledged("open", &context).unwrap().await.unwrap(),
            None
        );
        let quiet = users(&server, "emergency: false\n");
        assert!(quiet.feedback().is_none());
    }

    #[tokio::test]
    async fn without_emergencies_a_critical_problem_has_high_priority() {
        let server = Server::start(answers).await;
        let delivered = send(&*users(&server, "emergency: false\n"), &problem()).await.unwrap();
        assert_eq!(
            (server.only_call().form()["priority"].as_str(), delivered.reference),
            ("1", None)
        );
    }

    #[tokio::test]
    async fn several_users_are_one_call() {
        let server = Server::start(answers).await;
        let text = format!("token: app-token\nuser: [mira-key, jo-key]\nurl: {}\n", server.url(""));
        let receiver = read(&Pushover, &text);
        assert!(receiver.target().ends_with("(2 users)"), "{}", receiver.target());
        send(&*receiver, &problem()).await.unwrap();
        assert_eq!(server.only_call().form()["user"], "mira-key,jo-key");
    }

    #[tokio::test]
    async fn refusals_are_final_and_failures_have_a_pause() {
        let server = Server::saying(
            400,
            r#"{"user":"invalid","errors":["user identifier is invalid"],"status":0}"#,
        )
        .await;
        let error = send(&*users(&server, ""), &problem()).await.unwrap_err();
        assert!(error.is_permanent() && error.text().contains("user identifier is invalid"));
        let server = Server::saying(500, "").await;
        let error = send(&*users(&server, ""), &problem()).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(LEAST_PAUSE));
    }

    #[tokio::test]
    async fn texts_are_cut_to_the_limits_of_the_service() {
        let server = Server::start(answers).await;
        let mut long = problem();
        long.summary = "s".repeat(300);
        long.detail = "🚨".repeat(2000);
        send(&*users(&server, ""), &long).await.unwrap();
        let form = server.only_call().form();
        let lengths = (form["title"].chars().count(), form["message"].chars().count());
        assert_eq!(lengths, (MAX_TITLE, MAX_MESSAGE));
    }

    #[test]
    fn mistakes_are_found_when_the_configuration_is_read() {
        for (text, expected) in [
            ("token: x\nuser: y\nretry: 10s\n", "must be 30s to 3600s"),
            ("token: x\nuser: y\nexpire: 4h\n", "must be 30s to 10800s"),
            ("token: x\nuser: []\n", "1 to 50 users"),
            ("user: y\n", "the key `token` is missing"),
        ] {
            let errors = mistakes(&Pushover, text);
            assert!(errors.contains(expected), "{expected} is missing in {errors}");
        }
    }
}
