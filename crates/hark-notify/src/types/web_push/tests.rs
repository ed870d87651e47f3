use std::sync::Mutex;

use hark_net::BoxFuture;

use super::*;
use crate::types::tests::server::{
    self, Answer, Server, context, mistakes, problem, read, recovery, reminder,
};
use crate::web_push::VapidKey;
use crate::web_push::tests::Reader;

/// What is kept of browsers, in memory.
struct Kept {
    key: VapidKey,
    browsers: Mutex<Vec<Browser>>,
}

impl Browsers for Kept {
    fn key(&self) -> &VapidKey {
        &self.key
    }

    /// The disk of one team cannot be read; the other has two members, of whom one has browsers.
    fn members<'a>(&'a self, whose: &'a Whose) -> BoxFuture<'a, Result<Vec<UserName>, String>> {
        let names = match whose.to_string().as_str() {
            "team:ops" | "oncall:berlin" => Ok(vec!["mira", "nobody"]),
            "team:empty" => Ok(Vec::new()),
            "team:lost" => Err("the server is about to end".to_owned()),
            "tom" => Ok(vec!["tom"]),
            _ => Ok(vec!["mira"]),
        };
        let users =
            names.map(|names| names.iter().map(|name| UserName::new(name).unwrap()).collect());
        Box::pin(std::future::ready(users))
    }

    fn of<'a>(&'a self, user: &'a UserName) -> BoxFuture<'a, Result<Vec<Browser>, String>> {
        let all = self.browsers.lock().unwrap().clone();
        let all = match user.as_str() {
            "mira" => Ok(all),
            "nobody" => Ok(Vec::new()),
            _ => Err("the disk".to_owned()),
        };
        Box::pin(std::future::ready(all))
    }

    fn gone<'a>(&'a self, _user: &'a UserName, browser: &'a Browser) -> BoxFuture<'a, ()> {
        self.browsers.lock().unwrap().retain(|known| known != browser);
        Box::pin(std::future::ready(()))
    }
}

fn kept(browsers: Vec<Browser>) -> std::sync::Arc<Kept> {
    let key = VapidKey::read(&VapidKey::make().unwrap()).unwrap();
    std::sync::Arc::new(Kept { key, browsers: Mutex::new(browsers) })
}

fn with(kept: &std::sync::Arc<Kept>) -> Context {
    Context { browsers: Some(std::sync::Arc::clone(kept) as _), ..context() }
}

const OPEN: &str = "user: mira\nforbid_private: false\n";

/// Returns what a browser was told by `n`, and the call that carried it.
async fn told(n: &Notification) -> (serde_json::Value, server::Call) {
    let server = Server::saying(201, "").await;
    let reader = Reader::new(&server.url("/push/secret-path"));
    let context = with(&kept(vec![reader.browser.clone()]));
    let sent = read(&WebPush, OPEN).send(n, &context).await.unwrap();
    assert_eq!(sent.text, "in 1 of 1 browsers");
    let call = server.only_call();
    (serde_json::from_slice(&reader.open(&call.bytes)).unwrap(), call)
}

#[tokio::test]
async fn a_problem_is_urgent_and_only_the_browser_can_read_it() {
    let (said, call) = told(&problem()).await;
    assert_eq!(call.line(), "POST /push/secret-path");
    for (name, value) in [
        ("content-encoding", "aes128gcm"),
        ("ttl", "86400"),
        ("urgency", "high"),
        ("topic", "incident-1"),
    ] {
        assert_eq!(call.headers[name], value);
    }
    assert!(call.headers["authorization"].starts_with("vapid t=ey"));
    assert!(!call.body.contains("db1"));
    assert_eq!(said["title"], problem().summary);
    assert_eq!((&said["tag"], &said["path"]), (&"incident-1".into(), &"incidents/1".into()));
    assert_eq!((&said["quiet"], &said["stays"]), (&false.into(), &true.into()));
    assert!(said["body"].as_str().unwrap().contains("above 90.0"));
}

#[tokio::test]
async fn the_end_takes_the_place_of_the_problem() {
    let (said, call) = told(&recovery(None)).await;
    assert_eq!(
        (call.headers["topic"].as_str(), call.headers["urgency"].as_str()),
        ("incident-1", "normal")
    );
    assert_eq!(said["tag"], "incident-1");
    assert_eq!((&said["quiet"], &said["stays"]), (&true.into(), &false.into()));
}

#[tokio::test]
async fn what_is_about_no_incident_has_no_topic_and_waits_less() {
    let n = Notification { incident: None, ..reminder(None) };
    let (said, call) = told(&n).await;
    assert_eq!((call.headers.get("topic"), call.headers["ttl"].as_str()), (None, "14400"));
    assert_eq!(said["path"], format!("hosts/{}", n.host));
}

#[tokio::test]
async fn a_text_that_grows_when_it_is_escaped_still_fits() {
    let long = Notification { detail: "\u{1}".repeat(5000), ..problem() };
    let (said, call) = told(&long).await;
    assert!(call.bytes.len() <= 4096, "{}", call.bytes.len());
    assert!(said["body"].as_str().unwrap().ends_with('…'));
}

#[tokio::test]
async fn a_browser_that_is_gone_is_forgotten_and_the_others_are_told() {
    for status in [404, 410] {
        let server = Server::start(move |call| match call.uri.as_str() {
            "/gone" => Answer::new(status, "push subscription has unsubscribed or expired"),
            _ => Answer::new(201, ""),
        })
        .await;
        let browsers = ["/gone", "/here"].map(|path| Reader::new(&server.url(path)).browser);
        let kept = kept(browsers.to_vec());
        let sent = read(&WebPush, OPEN).send(&problem(), &with(&kept)).await.unwrap();
        assert_eq!((sent.text.as_str(), sent.refused.len()), ("in 1 of 2 browsers", 1));
        assert_eq!(*kept.browsers.lock().unwrap(), [browsers[1].clone()]);
    }
}

#[tokio::test]
async fn none_is_forgotten_because_its_service_fails_and_the_message_is_tried_again() {
    let server = Server::start(|call| match call.uri.as_str() {
        "/busy" => Answer::slow_down(),
        _ => Answer::new(413, "too long"),
    })
    .await;
    let browsers = ["/full", "/busy"].map(|path| Reader::new(&server.url(path)).browser);
    let kept = kept(browsers.to_vec());
    let error = read(&WebPush, OPEN).send(&problem(), &with(&kept)).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(17)), "{error:?}");
    assert_eq!(kept.browsers.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn addresses_that_browsers_name_lead_nowhere_inside() {
    let server = Server::saying(201, "").await;
    let https = server.url("/x").replace("http://", "https://");
    for (endpoint, said) in [(server.url("/x"), "no TLS"), (https, "private address")] {
        let kept = kept(vec![Reader::new(&endpoint).browser]);
        let receiver = read(&WebPush, "user: mira\n");
        let error = receiver.send(&problem(), &with(&kept)).await.unwrap_err();
        assert!(error.is_permanent() && error.text().contains(said), "{error:?}");
    }
    assert_eq!(server.calls().len(), 0);
}

#[tokio::test]
async fn neither_address_nor_proof_is_shown() {
    let server = Server::start(|call| {
        Answer::new(400, format!("{} {}", call.uri, call.headers["authorization"]))
    })
    .await;
    let kept = kept(vec![Reader::new(&server.url("/push/silent-7-wander")).browser]);
    let trace = crate::Trace::new(std::sync::Arc::default());
    let context = with(&kept).traced(trace.clone());
    let error = read(&WebPush, OPEN).send(&problem(), &context).await.unwrap_err();
    let shown = format!("{error:?} {} {:?}", error.text(), trace.take());
    let secrets = ["silent-7-wander", "t=ey"];
    assert_eq!(secrets.iter().find(|secret| shown.contains(**secret)), None, "{shown}");
}

#[tokio::test]
async fn a_user_without_a_browser_is_said_and_one_whose_browsers_cannot_be_read_is_tried_again() {
    let kept = kept(Vec::new());
    let error = read(&WebPush, OPEN).send(&problem(), &with(&kept)).await.unwrap_err();
    assert!(error.is_permanent() && error.text().contains("mira shows"), "{error:?}");
    let other = read(&WebPush, "user: tom\n");
    let error = other.send(&problem(), &with(&kept)).await.unwrap_err();
    assert!(!error.is_permanent() && error.text().contains("the disk"), "{error:?}");
}

#[tokio::test]
async fn each_member_of_a_team_and_whoever_is_on_call_is_told_and_named_where_he_is_not() {
    let server = Server::start(|call| match call.uri.as_str() {
        "/away" => Answer::new(413, "too long"),
        _ => Answer::new(201, ""),
    })
    .await;
    let browsers = ["/away", "/here"].map(|path| Reader::new(&server.url(path)).browser);
    let kept = kept(browsers.to_vec());
    for (settings, target) in [
        ("team: ops\n", "team:ops"),
        ("oncall: berlin\n", "oncall:berlin"),
        ("user: mira\n", "mira"),
    ] {
        let receiver = read(&WebPush, &format!("{settings}forbid_private: false\n"));
        assert_eq!(receiver.target(), target);
        let sent = receiver.send(&problem(), &with(&kept)).await.unwrap();
        assert_eq!(sent.text, "in 1 of 2 browsers", "{target}");
        let named = if target == "mira" { "phone" } else { "mira: phone" };
        let refused: Vec<&str> = sent.refused.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(refused, [named], "{target}");
    }
    for (settings, is_final, said) in
        [("team: empty\n", true, "team:empty shows"), ("team: lost\n", false, "about to end")]
    {
        let error = read(&WebPush, settings).send(&problem(), &with(&kept)).await.unwrap_err();
        assert!(error.is_permanent() == is_final && error.text().contains(said), "{error:?}");
    }
}

#[test]
fn a_team_and_a_rota_that_there_is_not_are_found_when_the_configuration_is_read() {
    for (text, expected) in [
        ("receivers: {p: {web_push: {team: opps}}}\nteams: {ops: [mira]}\n", "no team `opps`"),
        ("receivers: {p: {web_push: {oncall: berlin}}}\n", "no rota `berlin`"),
        ("receivers: {p: {web_push: {team: ops}}}\nteams: {ops: [mira]}\n", ""),
    ] {
        let document = hark_config::Document::single(text);
        let receivers = crate::Receivers::read(&document.root(&hark_config::NoSecrets));
        let said = document.diagnostics().render(hark_config::Style::Plain);
        assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{said}");
        assert_eq!(receivers.iter().count(), 1);
    }
}

#[test]
fn mistakes_are_found_when_the_configuration_is_read() {
    for (text, expected) in [
        ("user: a b\n", "cannot contain"),
        ("user: mira\ncontact: ops@example.net\n", "`mailto:` and an address"),
        ("contact: 'mailto:a@b'\n", "nobody is named"),
        ("user: mira\nteam: ops\n", "`user` says already whose browsers"),
    ] {
        let errors = mistakes(&WebPush, text);
        assert!(errors.contains(expected), "{expected} is missing in {errors}");
    }
}
