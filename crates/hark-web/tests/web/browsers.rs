//! One's own browsers that show notifications.

use http::Method;
use serde_json::json;

use crate::server::start;

fn phone() -> serde_json::Value {
    json!({"name": "phone", "endpoint": "https://push.example.net/x", "p256dh": "B", "auth": "a"})
}

#[tokio::test]
async fn a_browser_is_turned_on_and_listed_and_off_and_the_audit_has_it() {
    let running = start().await;
    running.user("mira", false, &[]);
    let mira = running.browser("mira");
    let made = mira.post("/api/0/auth/browsers", phone()).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let found = mira.get("/api/0/auth/browsers").await.json();
    assert_eq!(found["browsers"], json!([made.json()]));
    assert_eq!((&found["key"], &found["receivers"]), (&json!("BKey"), &json!(["ops-mail"])));
    assert!(!found.to_string().contains("/x"), "the address stays here: {found}");
    let path = format!("/api/0/auth/browsers/{}", made.json()["id"]);
    assert_eq!(mira.call(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(mira.call(Method::DELETE, &path, None).await.status, 404);
    let audit: Vec<String> =
        running.fake.stored().audit.iter().map(|line| line.what.clone()).collect();
    assert_eq!(audit[audit.len() - 2..], ["browser.add", "browser.remove"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_browser_is_said_by_its_field() {
    let running = start().await;
    running.user("mira", false, &[]);
    let mira = running.browser("mira");
    for (field, value) in [("name", " "), ("p256dh", "")] {
        let mut browser = phone();
        browser[field] = json!(value);
        let reply = mira.post("/api/0/auth/browsers", browser).await;
        assert_eq!((reply.status, &reply.json()["errors"][0]["field"]), (422, &json!(field)));
    }
}

#[tokio::test]
async fn a_test_needs_a_receiver_and_a_browser() {
    let running = start().await;
    for user in ["mira", "tom", "nobody"] {
        running.user(user, false, &[]);
    }
    let [mira, tom, nobody] = ["mira", "tom", "nobody"].map(|user| running.browser(user));
    let test = "/api/0/auth/browsers/test";
    let refused = mira.post(test, json!({})).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("in no browser"), "{}", refused.text());
    for browser in [&mira, &tom, &nobody] {
        assert_eq!(browser.post("/api/0/auth/browsers", phone()).await.status, 200);
    }
    assert_eq!(mira.post(test, json!({})).await.json()["delivery"], 7);
    for (browser, why) in [(&nobody, "no receiver leads"), (&tom, "those of others, too")] {
        let refused = browser.post(test, json!({})).await;
        assert_eq!(refused.status, 409);
        assert!(refused.text().contains(why), "{}", refused.text());
    }
}
