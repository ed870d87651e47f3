use hark_config::{Document, NoSecrets, Style};

use super::*;

fn device(get: &[(&str, &str)]) -> Device {
    let document = Document::single("address: 127.0.0.1\n");
    let root = document.root(&NoSecrets);
    let get = get.iter().map(|(name, oid)| ((*name).to_owned(), Oid::parse(oid).unwrap()));
    Device {
        endpoint: Endpoint::read(&root, Given::default(), &DEFAULTS).unwrap(),
        security: Security::Community(Secret::new("public")),
        get: get.collect(),
        interfaces: None,
    }
}

fn said(values: &[(&str, Value)]) -> Said {
    let values = values.iter().map(|(oid, value)| (Oid::parse(oid).unwrap(), value.clone()));
    Said { values: values.collect(), interfaces: None }
}

#[test]
fn values_are_measures_and_facts() {
    let text = |text: &str| Value::Text(text.to_owned());
    let device = device(&[("load", "1.3.6.1.4.1.1"), ("where", "sysLocation.0")]);
    let finding = device.judge(&said(&[
        ("sysUpTime.0", Value::Number(129_600.0)),
        ("sysName.0", text("sw1")),
        ("1.3.6.1.4.1.1", text("0.25")),
        ("sysLocation.0", text("cellar")),
    ]));
    assert_eq!(finding.status, Status::Ok);
    assert_eq!(finding.text, "sw1, up 1.5 days, load 0.25, where cellar");
    let names: Vec<_> = finding.measures.iter().map(|m| (&*m.name, m.value)).collect();
    assert_eq!(names, [("uptime_seconds", 129_600.0), ("load", 0.25)]);
    assert_eq!(finding.facts.get("where"), &"cellar".into());
}

#[test]
fn a_value_that_is_not_there_is_critical() {
    let device = device(&[("load", "1.3.6.1.4.1.1")]);
    for said in [said(&[]), said(&[("1.3.6.1.4.1.1", Value::Missing)])] {
        let finding = device.judge(&said);
        assert_eq!(finding.status, Status::Critical);
        assert_eq!(finding.text, "the device, it has no load (1.3.6.1.4.1.1)");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (settings, why) in [
        ("version: '3'", "the key `user` is missing"),
        ("version: '3'\nuser: a\nauth_password: short", "at least 8 characters"),
        ("version: '3'\nuser: a\nprivacy_password: long-enough", "needs an `auth_password`"),
        ("version: '3'\nuser: a\ncommunity: x", "is for `version: 2c`"),
        ("user: a", "is for `version: '3'`"),
        ("get: {load: load}", "is not an object identifier"),
        ("get: {a b: 1.3.6}", "a name has letters"),
    ] {
        let document = Document::single(&format!("address: 127.0.0.1\n{settings}\n"));
        drop(Snmp.read(&document.root(&NoSecrets), Given::default()));
        let errors = document.diagnostics().render(Style::Plain);
        assert!(errors.contains(why), "{settings}: {errors}");
    }
}
