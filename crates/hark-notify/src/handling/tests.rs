use std::net::IpAddr;
use std::sync::Arc;

use hark_net::BoxFuture;
use proptest::prelude::*;

use super::*;

const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];
const NOW: Unix = Unix(1_800_000_000_000);

fn name(text: &str) -> ReceiverName {
    ReceiverName::new(text).unwrap()
}

fn token(incident: u64) -> String {
    let until = NOW + TOKEN_LIFE;
    Tokens::new(&KEY)
        .make(IncidentId(incident), NOW, &name("ops"), until)
        .unwrap()
        .expose()
        .to_owned()
}

fn open(token: &str, now: Unix) -> Result<Claim, TokenError> {
    Tokens::new(&KEY).open(token, &[name("chat"), name("ops")], now)
}

fn context(page: &str) -> Context {
    let resolve = |_: String| -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    };
    Context {
        resolve: Arc::new(resolve),
        page: page.to_owned(),
        own_name: "mon.example.net".to_owned(),
        tokens: Some(Tokens::new(&KEY)),
        mail: crate::MailStyle::default(),
        browsers: None,
        trace: crate::Trace::default(),
    }
}

#[test]
fn a_token_says_incident_receiver_and_end() {
    let claim = open(&token(42), NOW).unwrap();
    assert_eq!((claim.incident, claim.receiver.as_str()), (IncidentId(42), "ops"));
    assert_eq!(claim.until, Unix(NOW.0 + 86_400_000));
    assert!(claim.is_about(NOW));
    assert!(!claim.is_about(Unix(NOW.0 + 1000)), "another incident of the same number");
}

#[test]
fn a_token_is_good_for_a_day_and_not_a_moment_longer() {
    let end = NOW + TOKEN_LIFE;
    assert!(open(&token(1), Unix(end.0 - 1)).is_ok());
    assert_eq!(open(&token(1), end).unwrap_err(), TokenError::Expired);
}

#[test]
fn a_token_of_another_server_or_of_a_receiver_that_is_gone_is_refused() {
    let other = Tokens::new(&[8; KEY_BYTES]);
    let receivers = [name("ops")];
    assert_eq!(other.open(&token(1), &receivers, NOW).unwrap_err(), TokenError::Foreign);
    let gone = Tokens::new(&KEY).open(&token(1), &[name("chat")], NOW);
    assert_eq!(gone.unwrap_err(), TokenError::Foreign);
}

#[test]
fn mail_servers_may_change_the_case_of_a_token() {
    assert_eq!(open(&token(9).to_uppercase(), NOW).unwrap().incident, IncidentId(9));
}

#[test]
fn numbers_that_no_server_reaches_get_no_token() {
    let made = |n| Tokens::new(&KEY).make(IncidentId(n), NOW, &name("ops"), NOW);
    assert!(made((1 << 40) - 1).is_some());
    assert!(made(1 << 40).is_none());
}

#[test]
fn only_what_goes_on_can_be_acknowledged() {
    let [problem, recovery, event] = crate::render::samples().try_into().unwrap();
    let context = context("https://hark.example.net/");
    assert!(context.acknowledge_token(&recovery).is_none());
    assert!(context.acknowledge_token(&event).is_none());
    let link = context.acknowledge_link(&problem).unwrap();
    let token = link.strip_prefix("https://hark.example.net/a/").unwrap();
    let claim = Tokens::new(&KEY).open(token, [&problem.receiver], problem.at).unwrap();
    assert_eq!(Some(claim.incident), problem.incident);
    assert!(claim.is_about(problem.since));
    assert_eq!(context.acknowledge_token(&problem).as_deref(), Some(token), "the same at each try");
}

#[test]
fn without_a_page_there_is_a_token_but_no_link() {
    let problem = crate::render::samples().swap_remove(0);
    assert!(context("").acknowledge_token(&problem).is_some());
    assert!(context("").acknowledge_link(&problem).is_none());
}

#[test]
fn no_token_or_key_is_shown_by_debug() {
    assert_eq!(format!("{:?}", Tokens::new(&KEY)), "Tokens(…)");
    assert!(!format!("{:?}", context("")).contains('7'));
}

#[test]
fn names_from_outside_are_one_bounded_line() {
    assert_eq!(person(" Mira\n\u{1b}[2J  Bell "), "Mira [2J Bell");
    assert_eq!(person(&"ä".repeat(200)).len(), MAX_BY);
}

proptest! {
    #[test]
    fn a_token_fits_where_services_and_mail_have_room(incident in 0u64..1 << 40) {
        let token = token(incident);
        prop_assert_eq!(token.len(), TOKEN_CHARS);
        prop_assert!(token.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        prop_assert_eq!(open(&token, NOW).unwrap().incident, IncidentId(incident));
    }

    #[test]
    fn a_token_with_any_other_digit_is_refused(at in 0..TOKEN_CHARS, with in "[a-z2-7]") {
        let mut changed = token(77);
        changed.replace_range(at..=at, &with);
        if changed != token(77) {
            prop_assert_eq!(open(&changed, NOW), Err(TokenError::Foreign));
        }
    }

    #[test]
    fn any_text_is_refused_without_harm(text in ".{0,80}") {
        prop_assert_eq!(open(&text, NOW), Err(TokenError::Foreign));
    }
}
