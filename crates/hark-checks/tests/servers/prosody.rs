//! `xmpp` against prosody, beside `check_jabber`.

use std::process::Command;

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::support::certificates::{Authority, NAME};
use crate::support::process::{Process, as_nobody, folder_of_nobody, open_to_all};
use crate::support::relay::Relay;
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, look, needs, plugin, same, until_open,
};

struct Prosody {
    clients: u16,
    servers: u16,
    authority: Authority,
    _process: Process,
    _folder: TempDir,
}

/// Starts a server of instant messages for [`NAME`].
async fn prosody() -> Prosody {
    const PROGRAM: &str = "/usr/bin/prosody";
    needs(PROGRAM);
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let pair = authority.good();
    open_to_all(&pair.key);
    let data = folder_of_nobody(folder.path(), "data");
    let (clients, servers) = (free_port(), free_port());
    let dir = data.display();
    let settings = format!(
        "data_path = \"{dir}\"\npidfile = \"{dir}/pid\"\nlog = {{ debug = \"{dir}/log\" }}\n\
         modules_enabled = {{ \"tls\"; \"saslauth\"; \"disco\" }}\n\
         modules_disabled = {{ \"posix\" }}\ninterfaces = {{ \"127.0.0.1\" }}\n\
         c2s_ports = {{ {clients} }}\ns2s_ports = {{ {servers} }}\nhttp_ports = {{}}\n\
         https_ports = {{}}\nc2s_require_encryption = true\nauthentication = \"internal_hashed\"\n\
         ssl = {{ certificate = \"{}\"; key = \"{}\" }}\nVirtualHost \"{NAME}\"\n",
        pair.certificate.display(),
        pair.key.display(),
    );
    let file = folder.path().join("prosody.cfg.lua");
    std::fs::write(&file, settings).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["-F", "--config", &file.display().to_string()]);
    as_nobody(&mut command, folder.path());
    let process = Process::start(&mut command, folder.path());
    until_open(clients).await;
    until_open(servers).await;
    Prosody { clients, servers, authority, _process: process, _folder: folder }
}

#[tokio::test]
async fn xmpp_opens_a_stream_at_prosody_as_check_jabber_does() {
    let server = prosody().await;
    let domain = [("domain", NAME)];
    let good = expect("xmpp", server.clients, &domain, Status::Ok, "opens a stream").await;
    let number = server.clients.to_string();
    // The plugin takes any stream as an answer, also one that ends because the domain is not known; hark
    // does only where no domain is set.
    let theirs = plugin("check_jabber", &["-H", "127.0.0.1", "-p", &number]);
    same(&good, &theirs);
    same(&look("xmpp", server.clients, &[]).await, &theirs);
    assert_eq!(good.facts.get("from"), &Fact::from(NAME));
    let features = good.facts.get("features");
    assert_eq!(features, &Fact::from(vec!["starttls".to_owned()]));
    let unknown = [("domain", "nobody.test")];
    expect("xmpp", server.clients, &unknown, Status::Critical, "host-unknown").await;
    let away = free_port();
    let closed = look("xmpp", away, &domain).await;
    same(&closed, &plugin("check_jabber", &["-H", "127.0.0.1", "-p", &away.to_string()]));
    let between = [("domain", NAME), ("role", "server")];
    expect("xmpp", server.servers, &between, Status::Ok, "opens a stream").await;
    good_slow_and_over_ipv6_alone("xmpp", server.clients, &domain).await;
}

#[tokio::test]
async fn xmpp_agrees_on_tls_with_prosody_for_the_domain() {
    let server = prosody().await;
    let ca_file = server.authority.file();
    let trusting = [("domain", NAME), ("tls", "starttls"), ("ca_file", ca_file.as_str())];
    let good = expect("xmpp", server.clients, &trusting, Status::Ok, "certificate good for").await;
    let Fact::Texts(mechanisms) = good.facts.get("mechanisms") else { unreachable!("{good:?}") };
    assert!(mechanisms.contains(&"SCRAM-SHA-1".to_owned()), "{mechanisms:?}");
    let wanted = [&trusting[..], &[("mechanisms", "SCRAM-SHA-1")]].concat();
    expect("xmpp", server.clients, &wanted, Status::Ok, "").await;
    let missing = [&trusting[..], &[("mechanisms", "EXTERNAL")]].concat();
    expect("xmpp", server.clients, &missing, Status::Critical, "does not offer EXTERNAL").await;
    let untrusted = [("domain", NAME), ("tls", "starttls")];
    expect("xmpp", server.clients, &untrusted, Status::Critical, "UnknownIssuer").await;
    let other_name = [&trusting[..], &[("tls_name", "other.test")]].concat();
    expect("xmpp", server.clients, &other_name, Status::Critical, "other.test").await;
    let chain = [("tls", "starttls"), ("protocol", "xmpp"), ("tls_name", NAME)];
    let chain = [&chain[..], &[("ca_file", ca_file.as_str())]].concat();
    expect("tls", server.clients, &chain, Status::Ok, "with").await;
    // TLS from the start, before a server that speaks none.
    let acceptor = server.authority.good().acceptor();
    let direct = Relay::secured(server.clients, acceptor).await;
    let options = [("domain", NAME), ("tls", "true"), ("ca_file", ca_file.as_str())];
    expect("xmpp", direct.port(), &options, Status::Ok, "certificate good for").await;
}
