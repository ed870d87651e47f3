//! `sip` against kamailio. Debian has no Nagios plugin for it.

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::support::certificates::{Authority, NAME};
use crate::support::process::Process;
use crate::support::relay::Relay;
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, look_at, start, until_open,
};

struct Kamailio {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

/// Starts a telephony server that answers `OPTIONS` to all but `sip:nobody@…`.
async fn kamailio() -> Kamailio {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let dir = folder.path().display();
    let modules = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
        .map(|lib| format!("{lib}/kamailio/modules/"))
        .join(":");
    let settings = format!(
        "debug=0\nlog_stderror=yes\nchildren=1\ntcp_children=1\nauto_aliases=no\n\
         listen=udp:127.0.0.1:{port}\nlisten=tcp:127.0.0.1:{port}\nlisten=udp:[::1]:{port}\n\
         mpath=\"{modules}\"\nloadmodule \"pv.so\"\nloadmodule \"sl.so\"\nrequest_route {{\n\
         if ($rU == \"nobody\") {{ sl_send_reply(\"404\", \"Not Found\"); exit; }}\n\
         if (method == \"OPTIONS\") {{ sl_send_reply(\"200\", \"Keepalive\"); exit; }}\n\
         sl_send_reply(\"405\", \"Method Not Allowed\");\n}}\n"
    );
    let file = folder.path().join("kamailio.cfg");
    std::fs::write(&file, settings).unwrap();
    let (file, runtime) = (file.display().to_string(), format!("{dir}/run"));
    std::fs::create_dir(&runtime).unwrap();
    let arguments = ["-DD", "-E", "-m", "16", "-M", "4", "-f", &file, "-Y", &runtime];
    let process = start("/usr/sbin/kamailio", &arguments, folder.path());
    until_open(port).await;
    Kamailio { port, _process: process, _folder: folder }
}

#[tokio::test]
async fn sip_asks_kamailio_over_udp_tcp_and_tls() {
    let server = kamailio().await;
    let good = expect("sip", server.port, &[], Status::Ok, "answers 200 Keepalive").await;
    assert_eq!(good.facts.get("status"), &Fact::from(200_u16));
    let Fact::Text(name) = good.facts.get("server") else { unreachable!("{good:?}") };
    assert!(name.starts_with("kamailio"), "{name}");
    let tcp = [("transport", "tcp")];
    expect("sip", server.port, &tcp, Status::Ok, "answers 200 Keepalive").await;
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let relay = Relay::secured(server.port, authority.good().acceptor()).await;
    let ca_file = authority.file();
    let tls =
        [("tls", "true"), ("tls_name", NAME), ("ca_file", &*ca_file), ("uri", "sip:a@b.test")];
    expect("sip", relay.port(), &tls, Status::Ok, "certificate good for").await;
    let six = look_at("sip", "::1", server.port, &[("family", "ipv6")]).await;
    assert_eq!(six.status, Status::Ok, "{}", six.text);
    good_slow_and_over_ipv6_alone("sip", server.port, &tcp).await;
}

#[tokio::test]
async fn sip_judges_the_status_that_kamailio_answers() {
    let server = kamailio().await;
    for transport in ["udp", "tcp"] {
        let nobody = [("transport", transport), ("uri", "sip:nobody@b.test")];
        expect("sip", server.port, &nobody, Status::Critical, "answers 404 Not Found").await;
        let expected = [&nobody[..], &[("status", "[200-299, 404]")]].concat();
        expect("sip", server.port, &expected, Status::Ok, "answers 404 Not Found").await;
    }
}
