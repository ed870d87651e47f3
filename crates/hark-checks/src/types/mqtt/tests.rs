use hark_config::{Document, NoSecrets, Style};

use super::*;

#[test]
fn what_the_broker_says_is_told_in_words() {
    for (version, said, status, text) in [
        (Version::V311, Said::Login(0), Status::Ok, "MQTT 3.1.1, logged in"),
        (
            Version::V311,
            Said::Login(5),
            Status::Critical,
            "MQTT 3.1.1, the login is refused: not authorized",
        ),
        (
            Version::V5,
            Said::Login(0x86),
            Status::Critical,
            "MQTT 5, the login is refused: wrong user or password",
        ),
        (
            Version::V5,
            Said::Topic(0x87),
            Status::Critical,
            "MQTT 5, the topic is refused: not authorized",
        ),
        (
            Version::V5,
            Said::Ended(0x8b),
            Status::Critical,
            "MQTT 5, the broker ends the connection: it is shutting down",
        ),
        (
            Version::V5,
            Said::Back(Duration::from_millis(3)),
            Status::Ok,
            "MQTT 5, the message was back after 3.0 ms",
        ),
    ] {
        let finding = judge(version, &said);
        assert_eq!((finding.status, &*finding.text), (status, text));
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (settings, why) in [
        ("password: x", "a password needs a `user`"),
        ("topic: a/#", "neither `+` nor `#`"),
        ("version: 4", "5"),
    ] {
        let document = Document::single(&format!("address: 127.0.0.1\n{settings}\n"));
        drop(Mqtt.read(&document.root(&NoSecrets), Given::default()));
        let errors = document.diagnostics().render(Style::Plain);
        assert!(errors.contains(why), "{settings}: {errors}");
    }
}
