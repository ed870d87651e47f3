//! Without servers: the settings, the guard, and what is kept. The answers of real ones are in
//! `tests/servers`.

use std::sync::Arc;

use hark_config::{Document, NoSecrets, Style};
use hark_net::{Guard, Resolver, Trust};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn read(settings: &str) -> (Revocation, String) {
    let document = Document::single(settings);
    let root = document.root(&NoSecrets);
    let read = Revocation::read(&root);
    (read, document.diagnostics().render(Style::Plain))
}

#[test]
fn nothing_is_asked_unless_the_settings_say_so() {
    for (settings, ocsp, crl) in [
        ("{}", Ocsp::Nobody, false),
        ("ocsp: false\ncrl: false\n", Ocsp::Nobody, false),
        ("ocsp: true\n", Ocsp::Anybody, false),
        ("ocsp: stapled\ncrl: true\n", Ocsp::Server, true),
    ] {
        let (read, wrong) = read(settings);
        assert_eq!((read.ocsp, read.crl, wrong.as_str()), (ocsp, crl, ""), "{settings}");
    }
    for (settings, words) in [
        ("ocsp: sometimes\n", "true, false or stapled"),
        ("ocsp: true\ninsecure: true\n", "must be trusted for that"),
        ("crl: true\ninsecure: true\n", "must be trusted for that"),
    ] {
        let (_, wrong) = read(settings);
        assert!(wrong.contains(words), "{settings}: {wrong}");
    }
}

fn context(guard: Guard) -> Context {
    Context { guard, ..Context::new(Arc::new(Resolver::default())) }
}

fn asking(context: &Context) -> Asking<'_> {
    let (began, limit) = (Clock.micros(), Duration::from_secs(2));
    Asking { context, began, limit, has_asked: AtomicBool::new(false) }
}

#[tokio::test]
async fn a_certificate_cannot_lead_to_a_private_address_that_is_kept_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let guarded = context(Guard::PublicOnly);
    let why = asking(&guarded).fetch(&place, None, 10).await.unwrap_err();
    assert!(why.contains("private address"), "{why}");
}

/// Answers every question with `list`, and counts.
async fn files(listener: TcpListener, list: Vec<u8>, asked: Arc<std::sync::atomic::AtomicU32>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        asked.fetch_add(1, Ordering::SeqCst);
        let mut heard = [0; 2048];
        assert!(stream.read(&mut heard).await.unwrap() > 0);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", list.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&list).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_good_is_not_asked_again_within_the_hour_and_what_is_not_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = format!("http://127.0.0.1:{}/list", listener.local_addr().unwrap().port());
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
    let chain = |serial: u8| {
        let mut params = rcgen::CertificateParams::new(vec!["www.test".to_owned()]).unwrap();
        params.serial_number = Some(vec![serial].into());
        params.crl_distribution_points =
            vec![rcgen::CrlDistributionPoint { uris: vec![place.clone()] }];
        let own = params.signed_by(&rcgen::KeyPair::generate().unwrap(), &issuer).unwrap();
        vec![own.der().clone()]
    };
    let revoked = rcgen::RevokedCertParams {
        serial_number: vec![2].into(),
        revocation_time: rcgen::date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = rcgen::CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 2),
        next_update: rcgen::date_time_ymd(2126, 1, 1),
        crl_number: 1_u64.into(),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&issuer).unwrap().der().to_vec();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, issuer.pem()).unwrap();
    let tls = Tls::new(Trust::File(ca_file));
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let serving = files(listener, list, Arc::clone(&asked));

    let looks = async {
        let open = context(Guard::Open);
        let (read, _) = read("crl: true\n");
        let found = async |chain: &[CertificateDer<'static>]| {
            let trusted = Trusted { tls: &tls, chain, name: "www.test" };
            let found = read.find(&open, trusted, None, Duration::from_secs(2)).await;
            (found.crl, found.time.is_some(), asked.load(Ordering::SeqCst))
        };
        let (good, bad) = (chain(1), chain(2));
        assert_eq!(found(&good).await, (Some(Ok(Listed::No)), true, 1));
        assert_eq!(found(&good).await, (Some(Ok(Listed::No)), false, 1));
        // Another certificate is another question.
        assert_eq!(found(&bad).await, (Some(Ok(Listed::Revoked)), true, 2));
        assert_eq!(found(&bad).await, (Some(Ok(Listed::Revoked)), true, 3));
        assert_eq!(found(&good).await, (Some(Ok(Listed::No)), true, 4));
    };
    tokio::select! {
        () = looks => {}
        () = serving => {}
    }
}

#[test]
fn that_nobody_tells_is_a_warning_and_one_that_says_revoked_is_enough() {
    let judged = |ocsp: Option<Result<Answer, String>>, crl: Option<Result<Listed, String>>| {
        let found = Found { ocsp, crl, stapled: None, time: None };
        let finding = found.judge(Finding::new(Status::Ok, "TLSv1.3".to_owned()));
        (finding.status, finding.text)
    };
    let why = || Err("busy".to_owned());
    let (status, text) = judged(Some(Ok(Answer::Good)), Some(Ok(Listed::Revoked)));
    assert_eq!((status, text.as_str()), (Status::Critical, "TLSv1.3, the certificate was revoked"));
    let (status, text) = judged(Some(why()), Some(Ok(Listed::Revoked)));
    assert!(status == Status::Critical && text.contains("busy"), "{text}");
    let (status, text) = judged(Some(why()), Some(Ok(Listed::No)));
    assert!(status == Status::Warning && text.contains("busy"), "{text}");
    assert_eq!(judged(None, None), (Status::Ok, "TLSv1.3".to_owned()));
}
