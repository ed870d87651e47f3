use hark_config::{Document, NoSecrets, Style};

use super::*;

fn search(attribute: Option<&str>, expect: Option<&str>, min_entries: usize) -> Search {
    Search {
        base: String::new(),
        scope: Scope::Base,
        filter: Vec::new(),
        attribute: attribute.map(str::to_owned),
        expect: expect.map(str::to_owned),
        min_entries,
    }
}

fn found(values: &[&str], code: i64) -> Found {
    let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
    let attributes = vec![("Mail;lang-de".to_owned(), values)];
    let entry = Entry { name: b"uid=anna".to_vec(), attributes };
    Found { entries: vec![entry], outcome: Outcome { code, message: String::new() } }
}

#[test]
fn entries_and_their_values_must_be_what_is_expected() {
    let one = found(&["a@example.net", "b@example.net"], 0);
    for (search, status, text) in [
        (search(None, None, 1), Status::Ok, "1 entries"),
        (search(None, None, 2), Status::Critical, "1 entries, fewer than 2"),
        (search(Some("mail"), None, 1), Status::Ok, "1 entries"),
        (search(Some("cn"), None, 1), Status::Critical, "1 entries, none has cn"),
        (search(Some("mail"), Some("b@example.net"), 1), Status::Ok, "1 entries"),
        (
            search(Some("mail"), Some("c@example.net"), 1),
            Status::Critical,
            "1 entries, none has mail \"c@example.net\", but \"a@example.net\"",
        ),
    ] {
        let finding = search.judge(&one);
        assert_eq!((finding.status, &*finding.text), (status, text));
    }
    let finding = search(None, None, 1).judge(&found(&[], 32));
    assert_eq!(finding.text, "the search fails: noSuchObject");
    assert_eq!(finding.status, Status::Critical);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (settings, why) in [
        ("filter: (uid=", "`)` is missing"),
        ("bind_dn: cn=a", "a name needs a `password`"),
        ("password: x", "a password needs a `bind_dn`"),
        ("expect: x", "a value needs an `attribute`"),
    ] {
        let document = Document::single(&format!("address: 127.0.0.1\n{settings}\n"));
        drop(Ldap.read(&document.root(&NoSecrets), Given::default()));
        let errors = document.diagnostics().render(Style::Plain);
        assert!(errors.contains(why), "{settings}: {errors}");
    }
}
