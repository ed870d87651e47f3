use hark_config::{Document, NoSecrets, Style};

use super::*;
use crate::families;
use crate::stream::play;

fn errors(text: &str) -> String {
    let document = Document::single(&format!("address: '2001:db8::5'\n{text}"));
    let root = document.root(&NoSecrets);
    drop(families::read(&Sip, &root, &[], crate::conditions::Conditions::default()));
    document.diagnostics().render(Style::Plain)
}

#[test]
fn what_cannot_be_asked_is_refused() {
    for (text, wrong) in [
        ("uri: 'mailto:a@b'\n", "is no address such as `sip:"),
        ("uri: \"sip:a\\r\\nVia: x\"\n", "is no address such as `sip:"),
        ("status: 100\n", "is not a final status"),
        ("status: 299-200\n", "is not a final status"),
        ("transport: udp\ntls: true\n", "TLS goes over TCP"),
    ] {
        let errors = errors(text);
        assert!(errors.contains(wrong), "{text}: {errors}");
    }
    assert_eq!(errors("tls: true\nstatus: [404, 200-299]\n"), "");
}

#[test]
fn provisional_answers_and_those_to_others_are_passed_over() {
    let answer = |status: &str, call: &str| {
        format!("SIP/2.0 {status}\r\nCall-ID: {call}@hark.invalid\r\nContent-Length: 0\r\n\r\n")
    };
    let all = [answer("100 Trying", "ab"), answer("200 OK", "zz"), answer("486 Busy Here", "ab")];
    let mut waiting = all.concat().into_bytes();
    let question = options("sip:a", Transport::Tcp, "ab");
    let mut asked = Asked { question, mark: "ab", pending: Vec::new(), answer: None };
    let (_, end) = play(&mut asked, |_| {
        let n = waiting.len().min(10);
        waiting.drain(..n).collect()
    });
    assert_eq!(end, Ok(()));
    assert_eq!(asked.answer.unwrap().code, 486);
}

#[test]
fn addresses_of_ipv6_stand_in_brackets() {
    let document = Document::single("address: '2001:db8::5'\n");
    let endpoint = Endpoint::read(&document.root(&NoSecrets), Given::default(), &DEFAULTS).unwrap();
    assert_eq!(default_uri(&endpoint, Transport::Udp), "sip:[2001:db8::5]");
    assert_eq!(default_uri(&endpoint, Transport::Tls), "sips:[2001:db8::5]");
}
