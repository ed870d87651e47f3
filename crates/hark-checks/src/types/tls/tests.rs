use hark_config::{Document, NoSecrets, Style};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::conditions::Conditions;
use crate::families;
use crate::link::Phases;
use crate::tls::TlsSeen;

fn errors(text: &str) -> String {
    let document = Document::single(&format!("address: www.test\n{text}"));
    let root = document.root(&NoSecrets);
    drop(families::read(&TlsOfServer, &root, &[], Conditions::default()));
    document.diagnostics().render(Style::Plain)
}

#[test]
fn starttls_has_a_protocol_and_its_port() {
    for (text, wrong) in [
        ("tls: starttls\n", "the key `protocol` is missing"),
        ("protocol: smtp\n", "TLS from the start is the same"),
        ("tls: false\n", "nothing to look at without TLS"),
        ("names: '*.example.net'\n", "is not a name"),
        ("refuse: [TLSv1.3]\n", "TLSv1.3"),
    ] {
        let errors = errors(text);
        assert!(errors.contains(wrong), "{text}: {errors}");
    }
    for (text, target) in [
        ("", "www.test:443"),
        ("tls: starttls\nprotocol: imap\n", "www.test:143"),
        ("tls: starttls\nprotocol: smtp\nport: 587\n", "www.test:587"),
    ] {
        let document = Document::single(&format!("address: www.test\n{text}"));
        let root = document.root(&NoSecrets);
        let check = families::read(&TlsOfServer, &root, &[], Conditions::default()).unwrap();
        assert_eq!(check.target(), target);
    }
}

/// An authority, and the certificate of a server by it; each ends in a year of its own.
struct World {
    chain: Vec<CertificateDer<'static>>,
    issuer: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
    folder: tempfile::TempDir,
}

const SERIAL: u64 = 77;

fn world(authority_until: i32, server_until: i32) -> World {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority");
    params.not_after = rcgen::date_time_ymd(authority_until, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
    let names = vec!["www.test".to_owned(), "*.shop.test".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.serial_number = Some(SERIAL.into());
    params.not_after = rcgen::date_time_ymd(server_until, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let own = params.signed_by(&key, &issuer).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
    World { chain: vec![own.der().clone(), issuer.der().clone()], issuer, folder }
}

/// The second of January 2030.
const NOW: Unix = Unix(1_893_542_400_000);

impl World {
    fn server(&self, settings: &str) -> Server {
        let ca_file = self.folder.path().join("ca.pem");
        let text = format!("address: www.test\nca_file: {}\n{settings}", ca_file.display());
        let document = Document::single(&text);
        let root = document.root(&NoSecrets);
        let endpoint = Endpoint::read(&root, Given::default(), &DEFAULTS).unwrap();
        let names = root.parse_many("names", read_name);
        Server {
            trust: Tls::new(Trust::of_settings(
                root.opt_str("ca_file"),
                root.bool("insecure", false),
            )),
            endpoint,
            protocol: None,
            names: names.into_iter().map(|one| one.value).collect(),
            refuse: Vec::new(),
            crl_file: None,
            revocation: Revocation::default(),
        }
    }

    fn seen(&self) -> Seen {
        let tls = TlsSeen {
            version: "TLSv1.3".to_owned(),
            cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
            alpn: None,
            certificate: CertificateFacts::read(&self.chain[0], NOW),
            chain: self.chain.clone(),
        };
        let phases = Phases::default();
        Seen { address: ([192, 0, 2, 7], 443).into(), phases, tls: Some(tls) }
    }

    fn judge(&self, settings: &str, spoken: &[Spoken]) -> Finding {
        self.judge_with(settings, spoken, Vec::new())
    }

    fn judge_with(
        &self,
        settings: &str,
        spoken: &[Spoken],
        lists: Vec<CertificateRevocationListDer<'static>>,
    ) -> Finding {
        let (server, seen) = (self.server(settings), self.seen());
        let verdict = server.verdict(&seen, lists, NOW);
        server.judge(&seen, spoken, &verdict, &Found::default(), NOW)
    }

    /// A list on which the server's certificate stands, good until that year.
    fn list(&self, until: i32) -> CertificateRevocationListDer<'static> {
        let revoked = rcgen::RevokedCertParams {
            serial_number: SERIAL.into(),
            revocation_time: rcgen::date_time_ymd(2029, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2029, 1, 2),
            next_update: rcgen::date_time_ymd(until, 1, 1),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().into()
    }
}

#[test]
fn a_chain_that_is_trusted_for_all_names_is_ok_and_measured() {
    let finding = world(2040, 2035).judge("names: [a.shop.test, www.test]\n", &[]);
    assert_eq!(finding.status, Status::Ok, "{}", finding.text);
    let facts = finding.all_facts();
    for (name, value) in [
        ("trusted", hark_conditions::Fact::from(true)),
        ("chain_length", hark_conditions::Fact::from(2_u32)),
        ("key_type", hark_conditions::Fact::from("EC")),
        ("self_signed", hark_conditions::Fact::from(false)),
    ] {
        assert_eq!(facts.get(name), &value, "{name}");
    }
    assert_eq!(facts.get("chain_days"), facts.get("certificate_days"), "its own ends first");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let old = (Version::V1_0, Ok(true));
    let finding = world(2040, 2029).judge("names: other.test\n", &[old]);
    assert_eq!(finding.status, Status::Critical);
    for words in ["Expired", "not for other.test", "TLSv1.0 is spoken", "good for -366 days"] {
        let text = finding.text.to_lowercase();
        assert!(text.contains(&words.to_lowercase()), "{words}: {}", finding.text);
    }
    let refused = (Version::V1_0, Ok(false));
    assert_eq!(world(2040, 2035).judge("", &[refused]).status, Status::Ok);
    let untold = (Version::V1_1, Err("timed out".to_owned()));
    let finding = world(2040, 2035).judge("", &[untold]);
    assert_eq!(finding.status, Status::Unknown, "{}", finding.text);
}

#[test]
fn a_certificate_above_that_ends_first_is_seen_coming() {
    // The authority ends in 364 days, the server's own certificate five years later.
    let world = world(2031, 2035);
    assert_eq!(world.judge("", &[]).status, Status::Ok);
    let finding = world.judge("certificate_warning: 400\n", &[]);
    assert_eq!(finding.status, Status::Warning, "{}", finding.text);
    assert!(finding.text.contains("of the chain ends in 364 days"), "{}", finding.text);
}

#[test]
fn without_trust_names_and_days_are_judged_none_the_less() {
    let world = world(2040, 2035);
    assert_eq!(world.judge("insecure: true\ntls_name: x.test\n", &[]).status, Status::Ok);
    let names = world.judge("insecure: true\nnames: x.test\n", &[]);
    assert_eq!(names.status, Status::Critical, "{}", names.text);
    let other = world.judge("tls_name: x.test\n", &[]);
    assert!(other.text.contains("is not trusted"), "{}", other.text);
}

#[test]
fn a_certificate_on_a_list_is_revoked_and_an_old_list_is_no_answer() {
    let world = world(2040, 2035);
    let judge = |until| world.judge_with("", &[], vec![world.list(until)]);
    let revoked = judge(2031);
    assert_eq!(revoked.status, Status::Critical);
    assert!(revoked.text.contains("evoked"), "{}", revoked.text);
    let too_old = judge(2030);
    assert_eq!(too_old.status, Status::Critical);
    assert!(!too_old.text.contains("evoked"), "{}", too_old.text);
}
