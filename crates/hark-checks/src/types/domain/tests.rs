use std::sync::Arc;

use hark_config::{Document, NoSecrets};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const REGISTRY: &str = "\
   Domain Name: EXAMPLE.NET\r
   Registrar WHOIS Server: whois.registrar.example\r
   Registry Expiry Date: 2027-03-01T04:00:00Z\r
   Registrar: Example Registrar, Inc.\r
   Domain Status: clientDeleteProhibited https://icann.org/epp#clientDeleteProhibited\r
>>> Last update of WHOIS database: 2026-11-21T00:00:00Z <<<\r
";

fn date(text: &str) -> String {
    read::day(text).map_or("none".to_owned(), |expiry| expiry.date.to_string())
}

#[test]
fn days_are_read_in_the_forms_of_registries() {
    for text in [
        "2027-03-01T04:00:00Z",
        "2027-03-01",
        "2027.03.01",
        "2027/03/01 00:00:00",
        "20270301",
        "01-Mar-2027",
        "1 March 2027",
        "01.03.2027 12:00:00",
    ] {
        assert_eq!(date(text), "2027-03-01", "{text}");
    }
    for text in ["", "never", "2027-13-01", "1-1-1", "99999999"] {
        assert_eq!(date(text), "none", "{text}");
    }
}

#[test]
fn a_registry_is_read_by_its_words() {
    let read = read::whois(REGISTRY);
    assert_eq!(read.expires.unwrap().date.to_string(), "2027-03-01");
    assert_eq!(read.registrar.as_deref(), Some("Example Registrar, Inc."));
    assert_eq!(read.statuses, ["clientdeleteprohibited"]);
    assert_eq!(read.refer.as_deref(), Some("whois.registrar.example"));
    assert!(!read.is_free);
    assert!(read::whois("No match for \"NOBODY.NET\".").is_free);
    assert_eq!(
        read::whois("refer:        whois.verisign-grs.com\n").refer.as_deref(),
        Some("whois.verisign-grs.com")
    );
    let japanese = read::whois("[Registrar]  Some KK\n[Expires on]    2027/03/01\n");
    assert_eq!(japanese.expires.unwrap().date.to_string(), "2027-03-01");
}

#[test]
fn rdap_is_read_as_its_rfc_says() {
    let body = br#"{"objectClassName": "domain", "status": ["active"],
        "events": [{"eventAction": "registration", "eventDate": "1995-08-14T04:00:00Z"},
                   {"eventAction": "expiration", "eventDate": "2027-03-01T04:00:00Z"}],
        "entities": [{"roles": ["registrar"], "vcardArray": ["vcard", [["version", {}, "text", "4.0"],
                   ["fn", {}, "text", "Example Registrar"]]]}]}"#;
    let read = read::rdap(body).unwrap();
    assert_eq!(read.expires.unwrap().date.to_string(), "2027-03-01");
    assert_eq!(read.registrar.as_deref(), Some("Example Registrar"));
    assert_eq!(read.statuses, ["active"]);
    assert_eq!(read::rdap(b"{}"), None);
}

fn check(settings: &str) -> Box<dyn Check> {
    let document = Document::single(settings);
    Domain.read(&document.root(&NoSecrets), Given::default()).unwrap()
}

#[test]
fn what_ends_soon_is_seen_coming() {
    let registered = |days: i64| {
        let now = Unix(1_900_000_000_000);
        let at = Unix(now.0 + days * 86_400_000);
        let expires = Some(read::Expiry { date: jiff::civil::date(2030, 3, 1), at });
        let all = Registered {
            name: "example.net".to_owned(),
            rdap: None,
            whois: None,
            warning: 30.0,
            critical: 7.0,
            timeout: Duration::from_secs(5),
            web: Web::read(&Document::single("").root(&NoSecrets), Given::default()),
        };
        all.judge(&Registration { expires, ..Registration::default() }, now).status
    };
    assert_eq!(registered(31), Status::Ok);
    assert_eq!(registered(29), Status::Warning);
    assert_eq!(registered(6), Status::Critical);
}

#[tokio::test]
async fn whois_is_asked_and_a_silent_one_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; 64];
        let n = stream.read(&mut heard).await.unwrap();
        assert_eq!(&heard[..n], b"example.net\r\n");
        stream.write_all(REGISTRY.replace("2027", "2199").as_bytes()).await.unwrap();
    };
    let context = Context::new(Arc::new(hark_net::Resolver::default()));
    let one = check(&format!("name: Example.NET\nwhois: '127.0.0.1:{port}'"));
    let (found, ()) = tokio::join!(crate::run(&*one, &context), serve);
    assert_eq!(found.0.status, Status::Ok, "{}", found.0.text);
    assert!(found.0.text.starts_with("example.net is registered until 2199-03-01"));
    drop(listener);
    let found = crate::run(&*one, &context).await.0;
    assert_eq!(found.status, Status::Unknown, "{}", found.text);
}

proptest! {
    #[test]
    fn no_answer_brings_the_reader_down(answer in "\\PC{0,300}", day in "[0-9A-Za-z./ :T-]{0,30}") {
        drop(read::whois(&answer));
        drop(read::rdap(answer.as_bytes()));
        drop(read::whois(&format!("expires: {day}\n")));
    }
}
