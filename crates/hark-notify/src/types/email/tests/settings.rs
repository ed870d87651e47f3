//! What the configuration may say.

use super::*;

fn mistakes(text: &str) -> String {
    let document = Document::single(text);
    let receiver = Email.read(&document.root(&NoSecrets));
    let errors = document.diagnostics().render(Style::Plain);
    assert!(document.has_errors() || receiver.is_some());
    errors
}

#[test]
fn mistakes_are_found_when_the_configuration_is_read() {
    let cases = [
        ("from: a@b.c\n", "the key `to` is missing"),
        ("to: a@b.c\n", "the key `from` is missing"),
        ("to: nonsense\nfrom: a@b.c\n", "not a mail address"),
        ("to: mich@büro.example\nfrom: a@b.c\n", "xn--"),
        ("to: a@b.c\nfrom: a@b.c\nsubject: '{{ sumary }}'\n", "`sumary` is undefined"),
        ("to: a@b.c\nfrom: a@b.c\nsecurity: ssl\n", "ssl"),
        ("to: a@b.c\nfrom: a@b.c\nuser: x\n", "a user without `password`"),
        ("to: a@b.c\nfrom: a@b.c\npassword: x\n", "a password without `user`"),
        ("to: a@b.c\nfrom: a@b.c\ntimeout: 0s\n", "more than 0s"),
        ("to: a@b.c\nfrom: a@b.c\nserver: 'a b'\n", "cannot contain ' '"),
    ];
    for (text, expected) in cases {
        let errors = mistakes(text);
        assert!(errors.contains(expected), "{text}\n{errors}");
    }
    let warned = mistakes("to: a@b.c\nfrom: a@b.c\nsecurity: none\nuser: x\npassword: y\n");
    assert!(warned.contains("the password travels unprotected"), "{warned}");
}

#[test]
fn the_greeting_is_a_name_or_an_address_in_brackets() {
    assert_eq!(hello("mon.example.net"), "mon.example.net");
    assert_eq!(hello("192.0.2.1"), "[192.0.2.1]");
    assert_eq!(hello("2001:db8::1"), "[IPv6:2001:db8::1]");
    assert_eq!(hello("not a name\r\n"), "[127.0.0.1]");
}
