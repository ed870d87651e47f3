use hark_config::{Document, NoSecrets, Style};

use super::*;
use crate::families;

fn errors(text: &str) -> String {
    let document = Document::single(&format!("address: mx.example\n{text}"));
    let root = document.root(&NoSecrets);
    root.finish(KEYS);
    drop(families::read(&Smtp, &root, &[], crate::conditions::Conditions::default()));
    document.diagnostics().render(Style::Plain)
}

#[test]
fn what_cannot_be_said_is_refused() {
    for (text, wrong) in [
        ("helo: two words\n", "one word of ASCII"),
        ("from: \"a@b\\r\\nDATA\"\n", "is no address"),
        ("from: a b@example\n", "is no address"),
        ("commands: [\"RSET\\r\\nDATA\"]\n", "one line"),
        ("commands: [{expect: x}]\n", "the key `send` is missing"),
        ("commands: [{send: RSET, exepct: x}]\n", "exepct"),
        ("commands: [{send: RSET, expect: '('}]\n", "unclosed group"),
    ] {
        let errors = errors(text);
        assert!(errors.contains(wrong), "{text}: {errors}");
    }
    assert!(errors(&format!("commands: [{}RSET]\n", "RSET, ".repeat(50))).contains("at most 50"));
}

#[test]
fn senders_are_taken_with_and_without_brackets() {
    assert_eq!(read_sender("<a@example.net>").unwrap(), "a@example.net");
    assert_eq!(read_sender("a@example.net").unwrap(), "a@example.net");
    assert_eq!(read_sender("").unwrap(), "", "the sender of bounces");
}

#[test]
fn tls_from_the_start_has_its_own_port() {
    let target = |text: &str| {
        let document = Document::single(&format!("address: mx.example\n{text}"));
        let root = document.root(&NoSecrets);
        families::read(&Smtp, &root, &[], crate::conditions::Conditions::default())
            .unwrap()
            .target()
    };
    assert_eq!(target(""), "mx.example:25");
    assert_eq!(target("tls: starttls\n"), "mx.example:25");
    assert_eq!(target("tls: true\n"), "mx.example:465");
    assert_eq!(target("tls: true\nport: 587\n"), "mx.example:587");
}
