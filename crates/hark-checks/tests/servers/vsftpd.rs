//! `ftp` against vsftpd, beside `check_ftp`.

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::support::certificates::{Authority, NAME};
use crate::support::process::{Process, open_to_all};
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, look, plugin, same, start, until_open,
};

struct Vsftpd {
    port: u16,
    ca_file: String,
    _process: Process,
    _folder: TempDir,
}

/// Starts a file server; `settings` are added to its own.
async fn vsftpd(settings: &str) -> Vsftpd {
    let folder = tempfile::tempdir().unwrap();
    open_to_all(folder.path());
    let authority = Authority::new(folder.path());
    let pair = authority.good();
    for name in ["empty", "files"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let (port, dir) = (free_port(), folder.path().display());
    let settings = format!(
        "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\n\
         anonymous_enable=YES\nlocal_enable=NO\nanon_root={dir}/files\nsecure_chroot_dir={dir}/empty\n\
         ftp_username=daemon\nnopriv_user=nobody\nseccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\n\
         vsftpd_log_file={dir}/log\nftpd_banner=files of the test\nmax_login_fails=1\n\
         ssl_enable=YES\nallow_anon_ssl=YES\nssl_tlsv1=YES\nrsa_cert_file={}\n\
         rsa_private_key_file={}\n{settings}",
        pair.certificate.display(),
        pair.key.display(),
    );
    let file = folder.path().join("vsftpd.conf");
    std::fs::write(&file, settings).unwrap();
    let process = start("/usr/sbin/vsftpd", &[&file.display().to_string()], folder.path());
    until_open(port).await;
    Vsftpd { port, ca_file: authority.file(), _process: process, _folder: folder }
}

#[tokio::test]
async fn ftp_speaks_with_vsftpd_as_check_ftp_does() {
    let server = vsftpd("").await;
    let number = server.port.to_string();
    let beside =
        |more: &[&str]| plugin("check_ftp", &[&["-H", "127.0.0.1", "-p", &number], more].concat());
    let good = expect("ftp", server.port, &[], Status::Ok, "greets with \"files of the").await;
    same(&good, &beside(&[]));
    expect("ftp", server.port, &[("greeting", "files")], Status::Ok, "").await;
    expect("ftp", server.port, &[("greeting", "ProFTPD")], Status::Critical, "greeting").await;
    assert_eq!(beside(&["-e", "ProFTPD"]).0, Status::Warning);
    let away = free_port();
    let closed = look("ftp", away, &[]).await;
    same(&closed, &plugin("check_ftp", &["-H", "127.0.0.1", "-p", &away.to_string()]));
    good_slow_and_over_ipv6_alone("ftp", server.port, &[]).await;
}

#[tokio::test]
async fn ftp_logs_in_at_vsftpd_in_the_clear_and_over_tls() {
    let server = vsftpd("").await;
    let anonymous = [("user", "anonymous")];
    let good = expect("ftp", server.port, &anonymous, Status::Ok, "").await;
    assert_eq!(good.facts.get("logged_in"), &Fact::from(true));
    let trust = [("tls", "starttls"), ("ca_file", server.ca_file.as_str()), ("tls_name", NAME)];
    let chain = [&trust[..], &[("protocol", "ftp")]].concat();
    expect("tls", server.port, &chain, Status::Ok, "with").await;
    let secured = [&trust[..], &anonymous].concat();
    expect("ftp", server.port, &secured, Status::Ok, "certificate good for").await;
    let somebody = [&trust[..], &[("user", "somebody"), ("password", "x")]].concat();
    expect("ftp", server.port, &somebody, Status::Critical, "refuses the login: 530").await;
    let untrusted = [("tls", "starttls"), ("tls_name", NAME)];
    expect("ftp", server.port, &untrusted, Status::Critical, "UnknownIssuer").await;
    let bare = vsftpd("ssl_enable=NO\n").await;
    let trust = [("tls", "starttls"), ("insecure", "true")];
    expect("ftp", bare.port, &trust, Status::Critical, "refuses TLS: 530").await;
    let full = vsftpd("implicit_ssl=YES\n").await;
    let trust = [("tls", "true"), ("ca_file", full.ca_file.as_str()), ("tls_name", NAME)];
    expect("ftp", full.port, &trust, Status::Ok, "certificate good for").await;
}
