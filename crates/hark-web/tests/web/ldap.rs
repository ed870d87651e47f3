//! Names and passwords that a directory knows: what of it this server decides.

use std::collections::BTreeSet;
use std::time::Duration;

use hark_model::UserName;
use hark_web::{LdapSettings, LdapWay, LoginSettings, Membership, Person, Rights};
use serde_json::json;

use crate::server::{Reply, Running, start_as};

fn directory(name: &str) -> LdapSettings {
    let admins = Rights { admin: true, ..Rights::default() };
    LdapSettings {
        name: name.to_owned(),
        host: "dir.example.net".to_owned(),
        port: 636,
        way: LdapWay::Tls,
        ca_file: None,
        bind: None,
        base: "dc=x".to_owned(),
        filter: "(uid={name})".to_owned(),
        id_attribute: "entryUUID".to_owned(),
        name_attribute: "uid".to_owned(),
        full_name_attribute: "cn".to_owned(),
        member_of: "memberOf".to_owned(),
        groups: None,
        timeout: Duration::from_secs(5),
        membership: Membership {
            groups: [("cn=Admins".to_owned(), admins)].into(),
            ..Membership::default()
        },
    }
}

fn person(id: &str, name: &str) -> Person {
    Person {
        id: id.to_owned(),
        name: name.to_owned(),
        full_name: "A. Person".to_owned(),
        groups: ["cn=admins".to_owned()].into(),
    }
}

async fn running() -> Running {
    let ldap = vec![directory("a"), directory("b")];
    let running = start_as(None, LoginSettings { ldap, ..LoginSettings::default() }).await;
    running.user("root", true, &[]);
    running.outside.state().people = [
        ("a".to_owned(), Ok(vec![person("1", "mira"), person("9", "root")])),
        ("b".to_owned(), Ok(vec![person("1", "tom")])),
    ]
    .into();
    running
}

async fn login(running: &Running, name: &str, password: &str) -> Reply {
    running
        .nobody()
        .post("/api/0/auth/login", json!({"username": name, "password": password}))
        .await
}

#[tokio::test]
async fn whom_a_directory_knows_is_let_in_and_the_same_number_elsewhere_is_somebody_else() {
    let running = running().await;
    let mira = login(&running, "mira", "open sesame").await;
    assert_eq!(
        (mira.status, &mira.json()["user"]["admin"]),
        (200, &json!(true)),
        "{}",
        mira.text()
    );
    assert_eq!(login(&running, "tom", "open sesame").await.json()["user"]["name"], "tom");
    assert_eq!(running.outside.state().people_asked, ["a: mira", "a: tom", "b: tom"]);
    let line = running.fake.stored().audit.last().cloned().unwrap();
    assert_eq!((line.what.as_str(), line.detail.as_str()), ("session.login", "by ldap b"));
    let again = login(&running, "mira", "open sesame").await;
    assert_eq!(again.status, 200, "he is known by now");
    for (name, password) in
        [("mira", "wrong"), ("mira", ""), ("", "open sesame"), ("eve", "open sesame")]
    {
        assert_eq!(
            login(&running, name, password).await.problem(),
            "wrong-login",
            "{name} {password}"
        );
    }
}

#[tokio::test]
async fn who_has_a_password_here_is_asked_of_no_directory() {
    let running = running().await;
    assert_eq!(login(&running, "root", "open sesame").await.problem(), "wrong-login");
    assert_eq!(login(&running, "root", "correct horse").await.status, 200);
    let name = running.user("robot", false, &[]);
    let mut robot = running.fake.stored().accounts[&name].clone();
    (robot.password, robot.service) = (None, true);
    running.fake.stored().accounts.insert(name, robot);
    assert_eq!(login(&running, "robot", "open sesame").await.problem(), "wrong-login");
    assert_eq!(running.outside.state().people_asked, [""; 0]);
}

#[tokio::test]
async fn who_has_a_password_here_is_not_let_in_by_another_of_his_names() {
    let mut settings = directory("a");
    settings.membership.same_names = true;
    let login_settings = LoginSettings { ldap: vec![settings], ..LoginSettings::default() };
    let running = start_as(None, login_settings).await;
    running.user("root", true, &[]);
    let name = running.user("mira", false, &[]);
    // Found by what he typed, as by a mail address.
    running.outside.state().aliases = [("r@x".to_owned(), "root".to_owned())].into();
    running.outside.state().people =
        [("a".to_owned(), Ok(vec![person("9", "root"), person("1", "mira")]))].into();
    assert_eq!(login(&running, "r@x", "open sesame").await.problem(), "wrong-login");
    let line = running.fake.stored().audit.last().cloned().unwrap();
    assert_eq!(line.detail, "by ldap a: root has a password here");
    // Without a password here she is who she is there, and keeps what she has here.
    let mut mira = running.fake.stored().accounts[&name].clone();
    mira.password = None;
    running.fake.stored().accounts.insert(name, mira);
    let entered = login(&running, "mira", "open sesame").await.json();
    assert_eq!(
        (&entered["user"]["name"], &entered["user"]["admin"]),
        (&json!("mira"), &json!(false))
    );
}

#[tokio::test]
async fn who_is_removed_there_or_in_its_group_no_more_gets_in_no_more() {
    let running = running().await;
    assert_eq!(login(&running, "mira", "open sesame").await.status, 200);
    let left = Person { groups: BTreeSet::new(), ..person("1", "mira") };
    running.outside.state().people.insert("a".to_owned(), Ok(vec![left]));
    assert_eq!(login(&running, "mira", "open sesame").await.problem(), "wrong-login");
    running.outside.state().people.insert("a".to_owned(), Ok(vec![]));
    assert_eq!(login(&running, "mira", "open sesame").await.problem(), "wrong-login");
    // Somebody of her name whom the other directory brings is not she.
    running.outside.state().people.insert("b".to_owned(), Ok(vec![person("1", "mira")]));
    assert_eq!(login(&running, "mira", "open sesame").await.problem(), "wrong-login");
    let line = running.fake.stored().audit.last().cloned().unwrap();
    assert_eq!(line.detail, "by ldap b: there is another user called mira here");
}

#[tokio::test]
async fn a_directory_that_is_away_is_no_wrong_password() {
    let running = running().await;
    running.outside.state().people.remove("a");
    assert_eq!(login(&running, "tom", "open sesame").await.status, 200, "the other one knows him");
    let unknown = login(&running, "mira", "open sesame").await;
    assert_eq!((unknown.status, unknown.problem()), (503, "directory-away".to_owned()));
    assert!(unknown.text().contains("the directory that knows"), "{}", unknown.text());
    assert_eq!(login(&running, "root", "correct horse").await.status, 200, "of this server itself");
}

#[tokio::test]
async fn who_is_in_no_group_or_has_somebody_elses_name_stays_out() {
    let running = running().await;
    let outsider = Person { groups: ["cn=staff".to_owned()].into(), ..person("2", "eve") };
    running.outside.state().people.insert("a".to_owned(), Ok(vec![outsider]));
    assert_eq!(login(&running, "eve", "open sesame").await.problem(), "wrong-login");
    let stored = running.fake.stored().audit.last().cloned().unwrap();
    assert!(stored.detail.contains("in no group that is let in"), "{stored:?}");
    assert!(!running.fake.stored().accounts.contains_key(&UserName::new("eve").unwrap()));
    // Found by what he typed, called otherwise there: the name of this machine's own user is nobody's.
    let taken = Person { name: "local".to_owned(), ..person("3", "local") };
    running.outside.state().people.insert("a".to_owned(), Ok(vec![taken]));
    assert_eq!(login(&running, "local", "open sesame").await.problem(), "wrong-login");
}

#[tokio::test]
async fn guessing_at_a_directory_is_slowed_down_as_any() {
    let running = running().await;
    let mut statuses = Vec::new();
    for _ in 0..9 {
        statuses.push(login(&running, "mira", "wrong").await.status);
    }
    assert_eq!(statuses, [[401; 8].as_slice(), &[429]].concat());
    assert_eq!(running.outside.state().people_asked.len(), 16, "nobody is asked for the last one");
}
