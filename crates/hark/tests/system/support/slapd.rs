//! A real directory of the test's own: OpenLDAP with its own folder, port and certificate, never the system's.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::process::{Process, clean, succeed};
use super::wait::until;
use super::write;

const PROGRAM: &str = "/usr/sbin/slapd";

/// How long it may take to start or end: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory below `dc=test`, whose administrator is `cn=admin,dc=test`.
#[derive(Debug)]
pub(crate) struct Slapd {
    /// Where it answers, in the clear until TLS is asked for.
    pub(crate) port: u16,
    /// The authority that vouches for it.
    pub(crate) ca_file: PathBuf,
    folder: PathBuf,
    process: Option<Process>,
}

impl Slapd {
    /// Starts one that holds `entries`; its administrator's password is `secret`.
    pub(crate) fn start(parent: &Path, secret: &str, entries: &str) -> Self {
        assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is missing: run scripts/setup-test");
        let folder = parent.join("slapd");
        std::fs::create_dir(&folder).unwrap();
        let ca_file = certify(&folder);
        let dir = folder.display();
        let settings = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\npidfile {dir}/pid\n\
             TLSCertificateFile {dir}/leaf.pem\nTLSCertificateKeyFile {dir}/leaf.key\n\
             TLSVerifyClient never\nsecurity tls=1\nmodulepath /usr/lib/ldap\n\
             moduleload back_mdb\ndatabase mdb\nsuffix \"dc=test\"\nrootdn \"cn=admin,dc=test\"\n\
             rootpw {secret}\ndirectory {dir}/data\naccess to attrs=userPassword by anonymous auth\n\
             access to * by users read\n"
        );
        write(&folder, "slapd.conf", &settings);
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut slapd = Self { port, ca_file, folder, process: None };
        slapd.hold(entries);
        slapd
    }

    /// Takes it away.
    pub(crate) fn pause(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal("TERM");
            process.wait(PATIENCE);
        }
    }

    /// Brings it back with other entries, on the same port.
    pub(crate) fn hold(&mut self, entries: &str) {
        self.pause();
        let data = self.folder.join("data");
        drop(std::fs::remove_dir_all(&data));
        std::fs::create_dir(&data).unwrap();
        write(&self.folder, "entries", entries);
        let mut add = clean("/usr/sbin/slapadd", &self.folder);
        succeed(add.args(["-q", "-f", "slapd.conf", "-l", "entries"]), PATIENCE);
        let url = format!("ldap://127.0.0.1:{}/", self.port);
        let mut run = clean(PROGRAM, &self.folder);
        run.args(["-f", "slapd.conf", "-d", "0", "-h", &url]);
        self.process = Some(Process::start(&mut run, &self.folder, "slapd"));
        let port = self.port;
        let is_there = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok();
        until("the directory's answer", PATIENCE, is_there);
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        // In order: it closes its data itself.
        self.pause();
    }
}

/// Makes an authority and a certificate by it; returns the file of the former.
fn certify(folder: &Path) -> PathBuf {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    write(folder, "leaf.pem", &leaf.pem());
    write(folder, "leaf.key", &key.serialize_pem());
    write(folder, "ca.pem", &issuer.pem())
}
