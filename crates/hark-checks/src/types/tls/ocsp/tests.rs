//! Questions that openssl answers, as the responder of an authority of the test's own.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use hark_model::time::Clock;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

use super::*;

/// With the highest bit set, so that the number needs a zero before it.
const SERIAL: [u8; 2] = [0x9b, 0x01];

/// An authority, a certificate of it, and who may answer for it.
struct World {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let issuer = authority("authority");
    let mut params = CertificateParams::new(vec!["www.test".to_owned()]).unwrap();
    params.serial_number = Some(SERIAL.to_vec().into());
    let certificate = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    let world = World { folder, certificate: certificate.der().clone(), issuer };
    let issuer = &world.issuer;
    world.write("ca", &issuer.pem(), issuer.key());
    let other = authority("authority");
    world.write("other", &other.pem(), other.key());
    for (name, purpose, until) in [
        ("named", ExtendedKeyUsagePurpose::OcspSigning, 2126),
        ("ended", ExtendedKeyUsagePurpose::OcspSigning, 2020),
        ("server", ExtendedKeyUsagePurpose::ServerAuth, 2126),
    ] {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![purpose];
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, issuer).unwrap();
        world.write(name, &signed.pem(), &key);
    }
    world
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl World {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, certificate: &str, key: &KeyPair) {
        std::fs::write(self.file(&format!("{name}.pem")), certificate).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn subject(&self) -> Subject {
        let key = PublicKey::of(&parse(self.issuer.der()).unwrap()).unwrap();
        Subject::new(&parse(&self.certificate).unwrap(), key)
    }

    /// Has openssl answer our question as `signer`, who knows what stands in `index`.
    fn answer(&self, signer: &str, index: &str) -> Vec<u8> {
        std::fs::write(self.file("index"), index).unwrap();
        let question = self.subject().question().unwrap();
        std::fs::write(self.file("question"), question).unwrap();
        let argument = |name: &str| self.file(name).display().to_string();
        let output = Command::new("openssl")
            .args(["ocsp", "-index", &argument("index"), "-CA", &argument("ca.pem")])
            .args(["-rsigner", &argument(&format!("{signer}.pem"))])
            .args(["-rkey", &argument(&format!("{signer}.key")), "-ndays", "7"])
            .args(["-reqin", &argument("question"), "-respout", &argument("answer")])
            .output();
        let output = output.expect("openssl is missing: run scripts/setup-test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(self.file("answer")).unwrap()
    }

    fn read(&self, signer: &str, index: &str) -> Result<Answer, String> {
        let answer = self.answer(signer, index);
        self.subject().read(&answer, Clock.now().unix).map(|told| told.answer)
    }
}

const GOOD: &str = "V\t21260101000000Z\t\t9B01\tunknown\t/CN=www.test\n";
const REVOKED: &str =
    "R\t21260101000000Z\t260101000000Z,keyCompromise\t9B01\tunknown\t/CN=www.test\n";
const OTHER: &str = "V\t21260101000000Z\t\t9B02\tunknown\t/CN=other.test\n";

#[test]
fn what_openssl_answers_is_understood() {
    let world = world();
    for (index, answer) in
        [(GOOD, Answer::Good), (REVOKED, Answer::Revoked), (OTHER, Answer::Unknown)]
    {
        assert_eq!(world.read("ca", index), Ok(answer), "{index}");
    }
}

#[test]
fn only_the_authority_and_whom_it_has_named_for_that_are_believed() {
    let world = world();
    assert_eq!(world.read("named", REVOKED), Ok(Answer::Revoked));
    for signer in ["other", "server", "ended"] {
        let why = world.read(signer, GOOD).unwrap_err();
        assert!(why.contains("not signed by the certificate's authority"), "{signer}: {why}");
    }
    let mut forged = world.answer("ca", REVOKED);
    // The state: a revocation (1) without a reason is as long as its time.
    let at = forged.windows(2).position(|pair| pair[0] == 0xa1).unwrap();
    forged[at] = 0xa2;
    let why = world.subject().read(&forged, Clock.now().unix).unwrap_err();
    assert!(why.contains("not signed"), "{why}");
}

#[test]
fn an_answer_is_good_for_its_own_time() {
    let world = world();
    let answer = world.answer("ca", GOOD);
    let now = Clock.now().unix;
    let read = |days: i64| world.subject().read(&answer, Unix(now.0 + days * 86_400_000));
    assert_eq!(read(6).unwrap().answer, Answer::Good);
    assert_eq!(read(0).unwrap().until.seconds() / 60, (now.seconds() + 7 * 86_400) / 60);
    assert!(read(8).unwrap_err().contains("was good until"), "{:?}", read(8));
    assert!(read(-1).unwrap_err().contains("good only from"), "{:?}", read(-1));
}

#[test]
fn an_answer_about_another_certificate_says_nothing_of_ours() {
    let world = world();
    let answer = world.answer("ca", GOOD);
    let mut other = world.subject();
    other.serial = vec![0x9b, 0x02];
    let why = other.read(&answer, Clock.now().unix).unwrap_err();
    assert!(why.contains("about other certificates"), "{why}");
}

#[test]
fn a_refusal_is_told_and_nonsense_is_none() {
    let subject = world().subject();
    let read = |bytes: &[u8]| subject.read(bytes, Clock.now().unix).unwrap_err();
    for (status, words) in [(1, "understand"), (3, "busy"), (6, "others"), (9, "no reason")] {
        let why = read(&[0x30, 3, 0x0a, 1, status]);
        assert!(why.contains("refuses") && why.contains(words), "{status}: {why}");
    }
    for bytes in [&b"<html>"[..], &[], &[0x30, 3, 0x0a, 1, 0]] {
        assert!(read(bytes).contains("cannot be read"), "{bytes:?}: {}", read(bytes));
    }
}

#[test]
fn times_have_one_form() {
    assert_eq!(time(b"20261121095351Z"), Some(Unix(1_795_254_831_000)));
    for text in ["20261121095351", "20261121095351.5Z", "20261321095351Z", "2026112109535\u{ff}Z"] {
        assert_eq!(time(text.as_bytes()), None, "{text}");
    }
}

/// An answer as openssl writes it, made once.
static ANSWER: LazyLock<(Subject, Vec<u8>)> = LazyLock::new(|| {
    let world = world();
    (world.subject(), world.answer("named", REVOKED))
});

proptest! {
    #[test]
    fn whatever_a_responder_sends_is_read_without_panic(
        at in 0_usize..2000,
        byte: u8,
        cut in 0_usize..2000,
    ) {
        let (subject, whole) = &*ANSWER;
        let n = whole.len();
        let mut answer = whole.clone();
        answer[at % n] = byte;
        answer.truncate(n - cut % n);
        let told = subject.read(&answer, Clock.now().unix);
        prop_assert!(told.is_err() || answer == *whole || told.is_ok_and(|t| t.answer == Answer::Revoked));
        // Also what is read only after the signature was found to be good.
        if let Ok(basic) = basic(&answer)
            && let Some(signed) = WithSignature::read(basic)
        {
            let _answers = answers(signed.message).map(|answers| answers.len());
        }
    }
}
