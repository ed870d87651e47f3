use hark_net::Trust;
use tokio::io::DuplexStream;

use super::*;
use crate::ber;

const BOUND: u8 = 0x61;
const ENTRY: u8 = 0x64;
const DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const EXTENDED: u8 = 0x78;

fn directory() -> Directory {
    Directory {
        host: "dir.example.net".to_owned(),
        port: 389,
        way: Way::Plain,
        tls: Tls::new(Trust::System),
        reader: Some(("cn=hark".to_owned(), Secret::new("secret-of-the-reader"))),
        base: "dc=x".to_owned(),
        filter: "(uid={name})".to_owned(),
        id: "objectGUID".to_owned(),
        name: "uid".to_owned(),
        full_name: "cn".to_owned(),
        member_of: "memberOf".to_owned(),
        groups: None,
        timeout: Duration::from_secs(5),
    }
}

fn message(id: i64, tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    ber::group(ber::SEQUENCE, &[ber::number(ber::INTEGER, id), ber::group(tag, parts)])
}

fn outcome(id: i64, tag: u8, code: i64) -> Vec<u8> {
    let empty = || ber::element(ber::OCTETS, b"");
    message(id, tag, &[ber::number(ber::ENUMERATED, code), empty(), empty()])
}

fn entry(id: i64, dn: &str, attributes: &[(&str, &[u8])]) -> Vec<u8> {
    let octets = |bytes: &[u8]| ber::element(ber::OCTETS, bytes);
    let attribute = |(name, value): &(&str, &[u8])| {
        let set = ber::group(ber::SET, &[octets(value)]);
        ber::group(ber::SEQUENCE, &[octets(name.as_bytes()), set])
    };
    let attributes: Vec<_> = attributes.iter().map(attribute).collect();
    message(id, ENTRY, &[octets(dn.as_bytes()), ber::group(ber::SEQUENCE, &attributes)])
}

const MIRA: &[(&str, &[u8])] =
    &[("objectGUID", b"\xff\x00\xfe"), ("UID", b"mira"), ("memberOf", b"cn=a")];

/// Returns a conversation with a server that says this whatever it hears; and what it hears.
async fn saying(messages: &[Vec<u8>]) -> (Talk<DuplexStream>, DuplexStream) {
    let (ours, mut theirs) = tokio::io::duplex(8 * 1024 * 1024);
    theirs.write_all(&messages.concat()).await.unwrap();
    (Talk::new(ours), theirs)
}

/// Logs in at a server that says this after it has let the reader in.
async fn log_in(messages: &[Vec<u8>]) -> Result<Option<Person>, String> {
    log_in_at(&directory(), messages).await
}

async fn log_in_at(directory: &Directory, messages: &[Vec<u8>]) -> Result<Option<Person>, String> {
    let all = [&[outcome(1, BOUND, 0)], messages].concat();
    let (talk, mut theirs) = saying(&all).await;
    theirs.shutdown().await.unwrap();
    let password = Secret::new("hush");
    let done = directory.talk(talk, "mira", &password).await;
    done.map_err(|error| crate::net::chain(&error))
}

fn with_groups(is_nested: bool) -> Directory {
    let groups = Groups {
        base: "ou=groups".to_owned(),
        filter: "member={dn}".to_owned(),
        name: "cn".to_owned(),
        is_nested,
    };
    Directory { groups: Some(groups), ..directory() }
}

/// Returns a group as it is found by search number `of`.
fn group(of: i64, name: &str) -> Vec<u8> {
    entry(of, &format!("cn={name}"), &[("cn", name.as_bytes())])
}

#[test]
fn what_people_type_means_nothing_in_a_filter() {
    assert_eq!(escaped("mira"), "mira");
    assert_eq!(escaped("*)(uid=*"), "\\2a\\29\\28uid\\3d\\2a");
    assert_eq!(escaped("ü\\\0"), "\\c3\\bc\\5c\\00");
    let text = "(&(objectClass=person)(uid={name}))".replace("{name}", &escaped("*)(|(uid=*"));
    let plain = wire::filter("(&(objectClass=person)(uid=x))").unwrap();
    let typed = wire::filter(&text).unwrap();
    // The same shape: a conjunction of two comparisons, with a longer value.
    assert_eq!(typed.len(), plain.len() + "*)(|(uid=*".len() - 1);
    assert!(typed.ends_with(b"*)(|(uid=*"));
}

#[tokio::test]
async fn whoever_the_directory_lets_in_is_read_as_it_holds_him() {
    let found = [entry(2, "uid=mira,dc=x", MIRA), outcome(2, DONE, 0), outcome(3, BOUND, 0)];
    let person = log_in(&found).await.unwrap().unwrap();
    assert_eq!((person.id.as_str(), person.name.as_str()), ("hex:ff00fe", "mira"));
    assert_eq!((person.full_name.as_str(), person.groups), ("", vec!["cn=a".to_owned()]));
}

#[tokio::test]
async fn whoever_it_does_not_let_in_is_nobody_for_whatever_reason() {
    assert_eq!(log_in(&[outcome(2, DONE, 0)]).await, Ok(None), "nobody of this name");
    for code in NOT_LET_IN {
        let refused = [entry(2, "uid=mira", MIRA), outcome(2, DONE, 0), outcome(3, BOUND, code)];
        assert_eq!(log_in(&refused).await, Ok(None), "{code}");
    }
}

#[tokio::test]
async fn what_is_no_answer_to_the_question_lets_nobody_in() {
    let mira = || entry(2, "uid=mira", MIRA);
    let picture = vec![0; 1000 * 1000];
    let long: &[(&str, &[u8])] = &[("uid", &picture)];
    let endless: Vec<_> = (0..5).map(|_| entry(2, "uid=mira", long)).collect();
    for (messages, why) in [
        (vec![mira(), mira(), outcome(2, DONE, 0)], "\"mira\" is the name of several entries"),
        (vec![mira(), outcome(2, DONE, 4)], "\"mira\" is the name of several entries"),
        (vec![mira(), outcome(2, DONE, 3)], "refuses the search for the user: timeLimitExceeded"),
        (vec![outcome(2, DONE, 10)], "refuses the search for the user: referral"),
        (
            vec![mira(), outcome(2, DONE, 0), outcome(3, BOUND, 10)],
            "refuses the log-in of the user: referral",
        ),
        (vec![mira(), outcome(2, DONE, 0), outcome(3, BOUND, 51)], "log-in of the user: busy"),
        (vec![mira(), outcome(2, DONE, 0), outcome(3, DONE, 0)], "another answer to a log-in"),
        (vec![mira(), outcome(2, DONE, 0), outcome(4, BOUND, 0)], "what was not asked"),
        (vec![outcome(2, BOUND, 0)], "another answer to a search"),
        (vec![outcome(0, EXTENDED, 52)], "it ends: unavailable"),
        (vec![mira()], "the connection broke: unexpected end of file"),
        (endless, "more than is read"),
        (
            vec![entry(2, "uid=mira", &[("objectGUID", b"1")]), outcome(2, DONE, 0)],
            "\"uid=mira\" has no uid",
        ),
        (vec![entry(2, "uid=mira", &[("uid", b"mira")]), outcome(2, DONE, 0)], "has no objectGUID"),
        (vec![entry(2, "uid=mi\nra", MIRA), outcome(2, DONE, 0)], "a name of an entry is no text"),
        (vec![b"HTTP/1.1 400".to_vec()], "it does not speak LDAP"),
    ] {
        let told = log_in(&messages).await.unwrap_err();
        assert!(told.contains(why), "{why}: {told}");
        assert!(!told.contains("hush") && !told.contains("secret-of"), "{told}");
    }
}

#[tokio::test]
async fn groups_of_groups_count_where_that_is_said_and_each_once() {
    let mira = [entry(2, "uid=mira,dc=x", MIRA), outcome(2, DONE, 0)];
    let nested = [
        group(3, "berlin"),
        outcome(3, DONE, 0),
        // The groups that berlin is in; one of them is in berlin.
        group(4, "dba"),
        group(4, "BERLIN"),
        outcome(4, DONE, 0),
        group(5, "staff"),
        group(5, "dba"),
        outcome(5, DONE, 0),
        outcome(6, DONE, 0),
        outcome(7, BOUND, 0),
    ];
    let found = log_in_at(&with_groups(true), &[&mira[..], &nested].concat()).await;
    assert_eq!(found.unwrap().unwrap().groups, ["cn=a", "berlin", "dba", "staff"]);
    let direct = [group(3, "berlin"), outcome(3, DONE, 0), outcome(4, BOUND, 0)];
    let found = log_in_at(&with_groups(false), &[&mira[..], &direct].concat()).await;
    assert_eq!(found.unwrap().unwrap().groups, ["cn=a", "berlin"]);
}

#[tokio::test]
async fn groups_without_end_let_nobody_in() {
    let mira = vec![entry(2, "uid=mira,dc=x", MIRA), outcome(2, DONE, 0)];
    let chain =
        (0..2000).flat_map(|n| [group(3 + n, &format!("group-{n}")), outcome(3 + n, DONE, 0)]);
    let messages: Vec<_> = mira.into_iter().chain(chain).collect();
    let told = log_in_at(&with_groups(true), &messages).await.unwrap_err();
    assert!(told.contains("is in more than 1500 groups"), "{told}");
}

#[test]
fn one_search_asks_for_the_groups_of_many() {
    let groups = with_groups(true).groups.unwrap();
    let [one, other] = ["cn=a".to_owned(), "cn=(b".to_owned()];
    assert_eq!(groups.of(std::slice::from_ref(&one), "mira"), "(member=cn\\3da)");
    assert_eq!(groups.of(&[one, other], "mira"), "(|(member=cn\\3da)(member=cn\\3d\\28b))");
}

#[tokio::test]
async fn references_to_other_servers_are_passed_over() {
    let reference = message(2, REFERENCE, &[ber::element(ber::OCTETS, b"ldap://other/dc=x")]);
    let found =
        [reference, entry(2, "uid=mira,dc=x", MIRA), outcome(2, DONE, 0), outcome(3, BOUND, 0)];
    assert!(log_in(&found).await.unwrap().is_some());
}

#[tokio::test]
async fn what_was_said_before_tls_is_not_taken_for_what_is_said_within() {
    let (talk, _theirs) = saying(&[outcome(1, EXTENDED, 0)]).await;
    start_tls(talk).await.unwrap();
    let (talk, _theirs) = saying(&[outcome(1, EXTENDED, 0), outcome(1, BOUND, 0)]).await;
    let told = start_tls(talk).await.unwrap_err().to_string();
    assert!(told.contains("before TLS began"), "{told}");
    let (talk, _theirs) = saying(&[outcome(1, EXTENDED, 2)]).await;
    let told = start_tls(talk).await.unwrap_err().to_string();
    assert!(told.contains("refuses STARTTLS: protocolError"), "{told}");
}

#[tokio::test]
async fn a_password_goes_to_the_entry_that_was_found_and_an_empty_one_nowhere() {
    let found = [
        outcome(1, BOUND, 0),
        entry(2, "uid=mira,dc=x", MIRA),
        outcome(2, DONE, 0),
        outcome(3, BOUND, 0),
    ];
    let (talk, mut theirs) = saying(&found).await;
    directory().talk(talk, "mira", &Secret::new("hush")).await.unwrap();
    let mut heard = Vec::new();
    theirs.read_to_end(&mut heard).await.unwrap();
    assert!(heard.windows(13).any(|part| part == b"uid=mira,dc=x"));
    assert!(heard.starts_with(&wire::bind(1, "cn=hark", "secret-of-the-reader")));
    let rest = [wire::bind(3, "uid=mira,dc=x", "hush"), wire::unbind(4)].concat();
    assert!(heard.ends_with(&rest));
    for (name, password) in [("mira", ""), ("", "hush")] {
        // Nobody is even looked for: there is no such host.
        let resolver = hark_net::Resolver::default();
        let asked = directory().log_in(&resolver, name, &Secret::new(password)).await;
        assert!(matches!(asked, Ok(None)), "{name:?} {password:?}: {asked:?}");
    }
}
