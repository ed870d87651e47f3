use hark_config::{Document, NoSecrets};

use super::*;

fn judge(settings: &str, said: &Said) -> (Status, String) {
    let text = format!("address: 127.0.0.1\n{settings}");
    let document = Document::single(&text);
    let root = document.root(&NoSecrets);
    let password = root.opt_secret("password");
    let database = Server {
        endpoint: Endpoint::read(&root, Given::default(), &DEFAULTS).unwrap(),
        user: "watcher".to_owned(),
        login: password.is_some(),
        password,
        database: None,
        query: None,
    };
    let finding = database.judge(said);
    (finding.status, finding.text)
}

fn refusal(code: u16, message: &str) -> Said {
    let error = Some(ServerError { code, message: message.to_owned() });
    Said { version: "5.5.5-10.11.14-MariaDB-0+deb12u2".to_owned(), error, ..Said::default() }
}

#[test]
fn a_server_that_refuses_us_is_well_unless_a_login_is_wanted() {
    let denied = refusal(1045, "Access denied");
    let (status, text) = judge("", &denied);
    assert_eq!(status, Status::Ok);
    assert_eq!(text, "MariaDB 10.11.14 answers, and refuses us: Access denied");
    assert_eq!(judge("password: x\n", &denied).0, Status::Critical);
    let unable = Said { unable: Some(IN_THE_CLEAR.to_owned()), ..Said::default() };
    assert_eq!(judge("password: x\n", &unable).0, Status::Critical);
}

#[test]
fn a_server_that_serves_nobody_is_critical() {
    for said in [refusal(1040, "Too many connections"), refusal(1129, "Host is blocked")] {
        assert_eq!(judge("", &said).0, Status::Critical, "{said:?}");
    }
}

#[test]
fn versions_are_named_as_people_do() {
    let named = |version: &str| name(&Said { version: version.to_owned(), ..Said::default() });
    assert_eq!(named("8.0.36"), "MySQL 8.0.36");
    assert_eq!(named("11.4.2-MariaDB-log"), "MariaDB 11.4.2");
    assert_eq!(named(""), "the server");
}
