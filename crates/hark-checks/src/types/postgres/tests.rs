use hark_config::{Document, NoSecrets};

use super::*;

fn judge(settings: &str, said: &Said) -> (Status, String) {
    let text = format!("address: 127.0.0.1\n{settings}");
    let document = Document::single(&text);
    let root = document.root(&NoSecrets);
    let password = root.opt_secret("password");
    let query = root.opt_str("query").map(str::to_owned);
    let database = Server {
        endpoint: Endpoint::read(&root, Given::default(), &DEFAULTS).unwrap(),
        user: "watcher".to_owned(),
        login: password.is_some() || query.is_some(),
        password: password.map(Into::into),
        database: "shop".to_owned(),
        query,
    };
    let finding = database.judge(said);
    (finding.status, finding.text)
}

fn refusal(code: &str, message: &str) -> Said {
    let (code, message) = (code.to_owned(), message.to_owned());
    let error = Some(ServerError { severity: "FATAL".to_owned(), code, message });
    Said { error, ..Said::default() }
}

#[test]
fn a_server_that_refuses_us_is_well_unless_a_login_is_wanted() {
    let wrong = refusal("28P01", "password authentication failed");
    assert_eq!(judge("", &wrong).0, Status::Ok);
    assert_eq!(judge("password: x\n", &wrong).0, Status::Critical);
    let wants = Said { wants: Some("a password"), ..Said::default() };
    let text = "PostgreSQL answers, and wants a password".to_owned();
    assert_eq!(judge("", &wants), (Status::Ok, text));
    assert_eq!(judge("query: select 1\n", &wants).0, Status::Critical);
}

#[test]
fn a_server_that_serves_nobody_is_critical() {
    for said in [
        refusal("57P03", "the database system is starting up"),
        refusal("53300", "sorry, too many clients already"),
    ] {
        let (status, text) = judge("", &said);
        assert_eq!(status, Status::Critical);
        assert!(text.starts_with("PostgreSQL refuses: "), "{text}");
    }
}

#[test]
fn the_answer_to_a_question_is_shown() {
    let version = Some("15.18".to_owned());
    let answer = Some((1, Some("42".to_owned())));
    let said = Said { is_in: true, version, answer, ..Said::default() };
    let text = "PostgreSQL 15.18, 1 rows, the first says 42".to_owned();
    assert_eq!(judge("query: select 42\n", &said), (Status::Ok, text));
    let failed = Said { is_in: true, ..refusal("42P01", "no such relation") };
    assert_eq!(judge("query: select 42\n", &failed).0, Status::Critical);
}
