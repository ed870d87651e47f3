//! `tls` against nginx, beside `check_tcp`.

use std::path::Path;

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::support::certificates::{Authority, NAME, Pair};
use crate::support::process::Process;
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, look, plugin, same, start, until_open,
};

struct Nginx {
    good: u16,
    expired: u16,
    other: u16,
    /// Speaks versions that nobody should speak.
    old: u16,
    plain: u16,
    ca_file: String,
    _process: Process,
    _folder: TempDir,
}

/// Starts a web server with one port for each kind of certificate.
async fn nginx() -> Nginx {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let [good, expired, other, old, plain] = [(); 5].map(|()| free_port());
    let server = |port: u16, pair: &Pair, more: &str| {
        format!(
            "server {{ listen 127.0.0.1:{port} ssl; server_name {NAME}; ssl_certificate {}; \
             ssl_certificate_key {}; {more} return 200; }}\n",
            pair.certificate.display(),
            pair.key.display(),
        )
    };
    let new = "ssl_protocols TLSv1.2 TLSv1.3;";
    let ancient = "ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;";
    let servers = format!(
        "{}{}{}{}server {{ listen 127.0.0.1:{plain}; return 200; }}\n",
        server(good, &authority.good(), new),
        server(expired, &authority.expired(), new),
        server(other, &authority.for_another(), new),
        server(old, &authority.good(), ancient),
    );
    let process = serve(folder.path(), &servers);
    for port in [good, expired, other, old, plain] {
        until_open(port).await;
    }
    let ca_file = authority.file();
    Nginx { good, expired, other, old, plain, ca_file, _process: process, _folder: folder }
}

/// Starts a web server with these `server` blocks.
pub(crate) fn serve(folder: &Path, servers: &str) -> Process {
    let dir = folder.display();
    let paths: Vec<String> = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {dir}/{name};"))
        .to_vec();
    let settings = format!(
        "user root;\nworker_processes 1;\npid {dir}/pid;\nerror_log {dir}/log;\n\
         events {{}}\nhttp {{\naccess_log off;\n{}\n{servers}\n}}\n",
        paths.join("\n"),
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, settings).unwrap();
    let log = folder.join("log").display().to_string();
    let file = file.display().to_string();
    start("/usr/sbin/nginx", &["-c", &file, "-e", &log, "-g", "daemon off;"], folder)
}

impl Nginx {
    fn trusting(&self) -> Vec<(&str, &str)> {
        vec![("tls_name", NAME), ("ca_file", self.ca_file.as_str())]
    }
}

#[tokio::test]
async fn tls_judges_the_chain_of_nginx_as_check_tcp_judges_its_days() {
    let server = nginx().await;
    let trusting = server.trusting();
    let beside = |port: u16| {
        plugin("check_tcp", &["-H", "127.0.0.1", "-p", &port.to_string(), "-S", "-D", "14,3"])
    };
    let good = expect("tls", server.good, &trusting, Status::Ok, "certificate good for").await;
    same(&good, &beside(server.good));
    for (name, value) in [
        ("tls_version", Fact::from("TLSv1.3")),
        ("key_type", Fact::from("EC")),
        ("key_bits", Fact::from(256_u32)),
        ("chain_length", Fact::from(2_u32)),
        ("trusted", Fact::from(true)),
    ] {
        assert_eq!(good.facts.get(name), &value, "{name}");
    }
    let expired = expect("tls", server.expired, &trusting, Status::Critical, "xpired").await;
    same(&expired, &beside(server.expired));
    assert!(expired.text.contains("certificate good for -"), "{}", expired.text);
    // What check_tcp does not look at: the name, and who vouches for it.
    let other = expect("tls", server.other, &trusting, Status::Critical, "not trusted").await;
    assert_eq!(beside(server.other).0, Status::Ok, "{}", other.text);
    let unknown = [("tls_name", NAME)];
    expect("tls", server.good, &unknown, Status::Critical, "UnknownIssuer").await;
    let names = [&trusting[..], &[("names", "[svc.test, www.test]")]].concat();
    expect("tls", server.good, &names, Status::Critical, "is not for www.test").await;
    expect("tls", server.plain, &trusting, Status::Critical, "no TLS").await;
    let away = free_port();
    same(&look("tls", away, &trusting).await, &beside(away));
}

#[tokio::test]
async fn tls_sees_which_old_versions_nginx_speaks() {
    let server = nginx().await;
    let all = [&server.trusting()[..], &[("refuse", "[TLSv1.0, TLSv1.1, TLSv1.2]")]].concat();
    let finding = expect("tls", server.old, &all, Status::Critical, "TLSv1.0 is spoken").await;
    let spoken = ["TLSv1.0", "TLSv1.1", "TLSv1.2"].map(str::to_owned).to_vec();
    assert_eq!(finding.facts.get("spoken"), &Fact::from(spoken));
    let finding = expect("tls", server.good, &all, Status::Critical, "TLSv1.2 is spoken").await;
    assert_eq!(finding.facts.get("spoken"), &Fact::from(vec!["TLSv1.2".to_owned()]));
    let old = [&server.trusting()[..], &[("refuse", "[TLSv1.0, TLSv1.1]")]].concat();
    expect("tls", server.good, &old, Status::Ok, "TLSv1.3 with").await;
}

#[tokio::test]
async fn tls_to_nginx_is_measured_and_goes_over_ipv6() {
    let server = nginx().await;
    good_slow_and_over_ipv6_alone("tls", server.good, &server.trusting()).await;
}
