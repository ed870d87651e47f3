use hark_config::{Document, NoSecrets};

use super::*;

fn server(settings: &str) -> Server {
    let document = Document::single(settings);
    let root = document.root(&NoSecrets);
    let fingerprints = root.parse_many("fingerprint", read_fingerprint);
    let given = Given { host: Some("192.0.2.7"), ..Given::default() };
    Server {
        endpoint: Endpoint::read(&root, given, &DEFAULTS).unwrap(),
        software: root.opt_str("software").map(str::to_owned),
        fingerprints: fingerprints.into_iter().map(|one| one.value).collect(),
        kinds: &[],
    }
}

fn identification(protocol: &str) -> Identification {
    Identification { protocol: protocol.to_owned(), software: "OpenSSH_9.2p1 Debian-2".to_owned() }
}

const FINGERPRINT: &str = "SHA256:AXJpwFzPqTwVkjkPbFeYd+rCbLgfuL4QvZzQaYzM4bM";

fn key() -> HostKey {
    let (kind, fingerprint) = ("ssh-ed25519".to_owned(), FINGERPRINT.to_owned());
    HostKey { kind, fingerprint, bits: 256 }
}

#[test]
fn the_key_must_be_one_of_those_that_are_expected() {
    let other = "SHA256:BXJpwFzPqTwVkjkPbFeYd+rCbLgfuL4QvZzQaYzM4bM";
    for (settings, status) in [
        (String::new(), Status::Ok),
        (format!("fingerprint: {FINGERPRINT}\n"), Status::Ok),
        (format!("fingerprint: ['{other}', '{FINGERPRINT}']\n"), Status::Ok),
        (format!("fingerprint: '{other}'\n"), Status::Critical),
    ] {
        let judged = server(&settings).judge(&identification("2.0"), Some(&key()), &Ok(()));
        assert_eq!(judged.0, status, "{settings}: {}", judged.1);
        assert!(judged.1.contains(FINGERPRINT), "{}", judged.1);
    }
}

#[test]
fn a_key_that_cannot_be_asked_for_matters_only_where_one_is_expected() {
    let nothing = Err("no key exchange in common; it offers x".to_owned());
    let (status, text) = server("").judge(&identification("1.99"), None, &nothing);
    assert_eq!(status, Status::Ok);
    assert!(text.ends_with("no key exchange in common; it offers x"), "{text}");
    let wanting = server(&format!("fingerprint: {FINGERPRINT}\n"));
    assert_eq!(wanting.judge(&identification("2.0"), None, &nothing).0, Status::Critical);
}

#[test]
fn version_and_name_are_judged() {
    let (status, text) = server("").judge(&identification("1.5"), None, &Ok(()));
    assert_eq!(status, Status::Critical);
    assert!(text.contains("speaks only version 1.5"), "{text}");
    let judge = |software: &str| {
        let server = server(&format!("software: {software}\n"));
        server.judge(&identification("2.0"), Some(&key()), &Ok(())).0
    };
    assert_eq!(judge("OpenSSH_9"), Status::Ok);
    assert_eq!(judge("dropbear"), Status::Critical);
}
