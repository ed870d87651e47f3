//! `tls` and revoked certificates: against nginx, a responder and lists, both of openssl.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use hark_conditions::Fact;
use hark_model::Status;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CrlDistributionPoint, CustomExtension,
    IsCa, KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

use crate::nginx::serve;
use crate::support::certificates::NAME;
use crate::support::process::{Process, succeed, until};
use crate::support::relay::Relay;
use crate::support::{PATIENCE, expect, free_port, look, start, until_open};

/// `id-pe-authorityInfoAccess`.
const ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
/// `id-ad-ocsp`, as an element.
const RESPONDER: &[u8] = &[6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1];

/// What openssl knows of the numbers: 01 is good, 02 was revoked, all others are unknown.
const INDEX: &str = "V\t21260101000000Z\t\t01\tunknown\t/CN=one\n\
                     R\t21260101000000Z\t260101000000Z,keyCompromise\t02\tunknown\t/CN=two\n";

struct World {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
    servers: String,
}

fn authority(folder: &Path, name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(rcgen::DnType::CommonName, "revoking authority");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), issuer.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), issuer.key().serialize_pem()).unwrap();
    issuer
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let issuer = authority(folder.path(), "ca");
    // The same name, another key.
    authority(folder.path(), "other");
    std::fs::write(folder.path().join("index"), INDEX).unwrap();
    World { folder, issuer, servers: String::new() }
}

impl World {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Adds a web server, whose certificate has that number and names that responder and that list. It
    /// shows the authority's certificate only where it has `more` settings, since none need to.
    fn server(&mut self, serial: u8, ocsp: Option<&str>, crl: Option<&str>, more: &str) -> u16 {
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        params.serial_number = Some(vec![serial].into());
        if let Some(place) = ocsp {
            let name = [&[0x86, place.len().try_into().unwrap()], place.as_bytes()].concat();
            let one = element(&[RESPONDER, &name].concat());
            let extension = CustomExtension::from_oid_content(ACCESS, element(&one));
            params.custom_extensions.push(extension);
        }
        if let Some(place) = crl {
            params.crl_distribution_points =
                vec![CrlDistributionPoint { uris: vec![place.to_owned()] }];
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let port = free_port();
        let above = if more.is_empty() { String::new() } else { self.issuer.pem() };
        let shown = certificate.pem() + &above;
        std::fs::write(self.path(&format!("{port}.pem")), shown).unwrap();
        std::fs::write(self.path(&format!("{port}.own.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{port}.key")), key.serialize_pem()).unwrap();
        let _written = writeln!(
            self.servers,
            "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {0}.pem; \
             ssl_certificate_key {0}.key; {more} return 200; }}",
            self.path(&port.to_string()),
        );
        port
    }

    async fn serve(&self, ports: &[u16]) -> Process {
        let process = serve(self.folder.path(), &self.servers);
        for port in ports {
            until_open(*port).await;
        }
        process
    }

    /// Starts a responder that signs as `signer`.
    async fn responder(&self, signer: &str) -> (Process, String) {
        let port = free_port();
        let number = port.to_string();
        let arguments = [
            "ocsp",
            "-port",
            &number,
            "-index",
            &self.path("index"),
            "-CA",
            &self.path("ca.pem"),
            "-rsigner",
            &self.path(&format!("{signer}.pem")),
            "-rkey",
            &self.path(&format!("{signer}.key")),
            "-ndays",
            "7",
            "-ignore_err",
        ];
        let folder = self.folder.path().join(signer);
        std::fs::create_dir(&folder).unwrap();
        let process = start("/usr/bin/openssl", &arguments, &folder);
        // To see whether the port is open would keep it waiting for a question for ever.
        until("the responder waits", PATIENCE, async || {
            let printed = std::fs::read_to_string(folder.join("printed")).unwrap_or_default();
            printed.contains("waiting for OCSP client")
        })
        .await;
        (process, format!("http://127.0.0.1:{port}/"))
    }

    /// Writes a list of what was revoked, signed by `signer` and good in that time.
    fn list(&self, name: &str, signer: &str, until: &[&str]) {
        let folder = self.path("");
        let settings = format!(
            "[ca]\ndefault_ca = x\n[x]\ndatabase = {folder}index\ndefault_md = sha256\n\
             crlnumber = {folder}number\n"
        );
        std::fs::write(self.path("ca.cnf"), settings).unwrap();
        std::fs::write(self.path("number"), "01\n").unwrap();
        let key = self.path(&format!("{signer}.key"));
        let certificate = self.path(&format!("{signer}.pem"));
        let pem = self.path("list.pem");
        let begin = ["ca", "-gencrl", "-config", &self.path("ca.cnf"), "-out", &pem];
        let whose = ["-keyfile", &key, "-cert", &certificate];
        succeed(Command::new("openssl").args(begin).args(whose).args(until));
        let der = self.path(name);
        succeed(
            Command::new("openssl").args(["crl", "-in", &pem, "-outform", "DER", "-out", &der]),
        );
    }
}

fn element(content: &[u8]) -> Vec<u8> {
    [&[0x30, content.len().try_into().unwrap()], content].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ocsp_of_openssl_says_which_certificates_of_nginx_were_revoked() {
    let mut world = world();
    let (_responder, asked) = world.responder("ca").await;
    let (_forger, forged) = world.responder("other").await;
    let silent = Relay::says("").await;
    let silent = format!("http://127.0.0.1:{}/", silent.port());
    let away = format!("http://127.0.0.1:{}/", free_port());
    let good = world.server(1, Some(&asked), None, "");
    let revoked = world.server(2, Some(&asked), None, "");
    let unknown = world.server(3, Some(&asked), None, "");
    let forged = world.server(1, Some(&forged), None, "");
    let silent = world.server(1, Some(&silent), None, "");
    let away = world.server(1, Some(&away), None, "");
    let nobody = world.server(1, None, None, "");
    let _nginx = world.serve(&[good, revoked, unknown, forged, silent, away, nobody]).await;
    let ca_file = world.path("ca.pem");
    let trusting = [("tls_name", NAME), ("ca_file", ca_file.as_str())];
    let asking = [&trusting[..], &[("ocsp", "true"), ("timeout", "2s")]].concat();

    let finding = expect("tls", good, &asking, Status::Ok, "not revoked").await;
    for (name, value) in [
        ("revoked", Fact::from(false)),
        ("ocsp", Fact::from("good")),
        ("ocsp_stapled", Fact::from(false)),
    ] {
        assert_eq!(finding.facts.get(name), &value, "{name}");
    }
    assert!(finding.measures.iter().any(|one| one.name == "revocation_seconds"), "{finding:?}");
    expect("tls", revoked, &asking, Status::Critical, "the certificate was revoked").await;
    // Nobody tells: a warning, and by a condition more than that.
    for (port, words) in [
        (unknown, "does not know the certificate"),
        (forged, "not signed by the certificate's authority"),
        (silent, "no answer within"),
        (away, "refused"),
        (nobody, "names no responder"),
    ] {
        let finding = expect("tls", port, &asking, Status::Warning, words).await;
        assert_eq!(finding.facts.get("revoked"), &Fact::Absent, "{words}");
        let strict = [&asking[..], &[("conditions", "revoked is false")]].concat();
        expect("tls", port, &strict, Status::Critical, "`revoked is false` is not met").await;
    }
    // Not asked for: nothing is said of it.
    let finding = expect("tls", revoked, &trusting, Status::Ok, "TLSv1.").await;
    assert_eq!(finding.facts.get("revoked"), &Fact::Absent);
    // Where the chain is not trusted nobody is asked: anybody could have written whom.
    let stranger = [("tls_name", NAME), ("ocsp", "true")];
    let finding = expect("tls", revoked, &stranger, Status::Critical, "UnknownIssuer").await;
    assert!(!finding.text.contains("revoked"), "{}", finding.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nginx_staples_is_read_and_nobody_else_is_asked() {
    let mut world = world();
    let away = format!("http://127.0.0.1:{}/", free_port());
    let stapling = |name: &str| format!("ssl_stapling on; ssl_stapling_file {};", world.path(name));
    let (good, revoked) = (stapling("good.der"), stapling("revoked.der"));
    let bare = world.server(1, Some(&away), None, "");
    let good = world.server(1, Some(&away), None, &good);
    let revoked = world.server(2, Some(&away), None, &revoked);
    for (name, port) in [("good", good), ("revoked", revoked)] {
        let arguments = [
            "ocsp",
            "-index",
            &world.path("index"),
            "-CA",
            &world.path("ca.pem"),
            "-rsigner",
            &world.path("ca.pem"),
            "-rkey",
            &world.path("ca.key"),
            "-issuer",
            &world.path("ca.pem"),
            "-cert",
            &world.path(&format!("{port}.own.pem")),
            "-ndays",
            "7",
            "-no_nonce",
            "-respout",
            &world.path(&format!("{name}.der")),
        ];
        succeed(Command::new("openssl").args(arguments));
    }
    let _nginx = world.serve(&[bare, good, revoked]).await;
    let ca_file = world.path("ca.pem");
    let with = |ocsp: &'static str| [("tls_name", NAME), ("ca_file", &ca_file), ("ocsp", ocsp)];
    for ocsp in ["true", "stapled"] {
        let finding = expect("tls", good, &with(ocsp), Status::Ok, "not revoked").await;
        assert_eq!(finding.facts.get("ocsp_stapled"), &Fact::from(true));
        assert!(finding.measures.iter().all(|one| one.name != "revocation_seconds"), "{finding:?}");
        expect("tls", revoked, &with(ocsp), Status::Critical, "was revoked").await;
    }
    expect("tls", bare, &with("stapled"), Status::Warning, "staples no answer").await;
    expect("tls", bare, &with("true"), Status::Warning, "refused").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_openssl_say_which_certificates_of_nginx_were_revoked() {
    let mut world = world();
    let files = free_port();
    let _written =
        writeln!(world.servers, "server {{ listen 127.0.0.1:{files}; root {}; }}", world.path(""));
    world.list("now.crl", "ca", &["-crldays", "7"]);
    let ended = ["-crl_lastupdate", "250101000000Z", "-crl_nextupdate", "250201000000Z"];
    world.list("ended.crl", "ca", &ended);
    world.list("forged.crl", "other", &["-crldays", "7"]);
    let place = |name: &str| format!("http://127.0.0.1:{files}/{name}");
    let away = format!("http://127.0.0.1:{}/", free_port());
    let good = world.server(1, None, Some(&place("now.crl")), "");
    let revoked = world.server(2, None, Some(&place("now.crl")), "");
    let ended = world.server(2, None, Some(&place("ended.crl")), "");
    let forged = world.server(2, None, Some(&place("forged.crl")), "");
    let missing = world.server(2, None, Some(&place("missing.crl")), "");
    let away = world.server(2, None, Some(&away), "");
    let none = world.server(2, None, None, "");
    let _nginx = world.serve(&[files, good, revoked, ended, forged, missing, away, none]).await;
    let ca_file = world.path("ca.pem");
    let asking = [("tls_name", NAME), ("ca_file", ca_file.as_str()), ("crl", "true")];
    let finding = expect("tls", good, &asking, Status::Ok, "not revoked").await;
    assert_eq!(finding.facts.get("revoked"), &Fact::from(false));
    expect("tls", revoked, &asking, Status::Critical, "the certificate was revoked").await;
    for (port, words) in [
        (ended, "list expired"),
        (forged, "BadSignature"),
        (missing, "404"),
        (away, "refused"),
        (none, "names no list"),
    ] {
        let finding = expect("tls", port, &asking, Status::Warning, words).await;
        assert_eq!(finding.facts.get("revoked"), &Fact::Absent, "{}", finding.text);
    }
    // Not asked for.
    assert_eq!(look("tls", revoked, &asking[..2]).await.status, Status::Ok);
}
