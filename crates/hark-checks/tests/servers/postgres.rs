//! `postgres` against PostgreSQL, beside `check_pgsql`.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::support::certificates::{Authority, NAME};
use crate::support::process::{Process, as_nobody, folder_of_nobody, succeed};
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, look, needs, plugin, same, until_open,
};

struct Postgres {
    port: u16,
    authority: Authority,
    _process: Process,
    _folder: TempDir,
}

/// Returns the folder of the programs of the newest PostgreSQL.
fn programs() -> PathBuf {
    const FOLDER: &str = "/usr/lib/postgresql";
    needs(FOLDER);
    let versions = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let with_server = versions.map(|path| path.join("bin")).filter(|p| p.join("initdb").exists());
    with_server.max().unwrap_or_else(|| panic!("no PostgreSQL: run scripts/setup-test"))
}

/// The user that `as_nobody` means.
const NOBODY: u32 = 65534;

async fn postgres(expired: bool) -> Postgres {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let own = folder_of_nobody(folder.path(), "own");
    let data = own.join("data").display().to_string();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(programs().join(program));
        command.args(arguments).current_dir(&own);
        as_nobody(&mut command, folder.path());
        command
    };
    succeed(&mut run("initdb", &["-D", &data, "-U", "admin", "-A", "trust", "--no-sync"]));
    let pair = if expired { authority.expired() } else { authority.good() };
    let (certificate, key) = (own.join("cert"), own.join("key"));
    std::fs::copy(&pair.certificate, &certificate).unwrap();
    std::fs::copy(&pair.key, &key).unwrap();
    for file in [&certificate, &key] {
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
        drop(chown(file, Some(NOBODY), Some(NOBODY)));
    }
    let access = "local all all trust\nhost all trusted 127.0.0.1/32 trust\n\
        hostssl all clear 127.0.0.1/32 password\nhost all clear 127.0.0.1/32 password\n\
        host all kept_out 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(Path::new(&data).join("pg_hba.conf"), access).unwrap();
    let port = free_port();
    let (number, socket) = (port.to_string(), own.display().to_string());
    let (certificate, key) = (certificate.display(), key.display());
    let options = [
        "listen_addresses=127.0.0.1".to_owned(),
        "fsync=off".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_cert_file={certificate}"),
        format!("ssl_key_file={key}"),
    ];
    let mut arguments = vec!["-D", &*data, "-p", &number, "-k", &socket];
    arguments.extend(options.iter().flat_map(|option| ["-c", option]));
    let process = Process::start(&mut run("postgres", &arguments), &own);
    until_open(port).await;
    let users = "create role watcher login password 'hush'; create role trusted login; \
        create role clear login password 'plain'";
    let psql = ["-h", &socket, "-p", &number, "-U", "admin", "-d", "postgres", "-qc", users];
    // It may still be starting up when the port is open.
    crate::support::process::until("psql", crate::support::PATIENCE, async || {
        run("psql", &psql).output().unwrap().status.success()
    })
    .await;
    Postgres { port, authority, _process: process, _folder: folder }
}

#[tokio::test]
async fn postgres_is_asked_for_a_login_and_an_answer_as_check_pgsql_does() {
    let server = postgres(false).await;
    let number = server.port.to_string();
    // Without a login it is enough that it answers as what it is.
    expect("postgres", server.port, &[], Status::Ok, "PostgreSQL answers, and ").await;
    let password = [("user", "watcher"), ("password", "hush")];
    let ours = expect("postgres", server.port, &password, Status::Ok, "logged in as watcher").await;
    let at = ["-H", "127.0.0.1", "-P", &*number, "-d", "postgres"];
    let theirs = |more: &[&str]| plugin("check_pgsql", &[&at[..], more].concat());
    same(&ours, &theirs(&["-l", "watcher", "-p", "hush"]));
    assert_eq!(ours.facts.get("standby"), &Fact::Bool(false));
    let wrong = [("user", "watcher"), ("password", "wrong")];
    let ours = expect("postgres", server.port, &wrong, Status::Critical, "refuses us").await;
    same(&ours, &theirs(&["-l", "watcher", "-p", "wrong"]));
    assert_eq!(ours.facts.get("error_code"), &Fact::from("28P01"));
    let query = [&password[..], &[("query", "select 6*7 as n union all select 1")]].concat();
    let ours =
        expect("postgres", server.port, &query, Status::Ok, "2 rows, the first says 42").await;
    let value = ours.measures.iter().find(|m| m.name == "value").unwrap();
    assert!((value.value - 42.0).abs() < 1e-9);
    let nonsense = [&password[..], &[("query", "select nonsense")]].concat();
    expect("postgres", server.port, &nonsense, Status::Critical, "column \"nonsense\"").await;
    let nowhere = [&password[..], &[("database", "nowhere")]].concat();
    expect("postgres", server.port, &nowhere, Status::Critical, "\"nowhere\" does not exist").await;
    let trusted = [("user", "trusted"), ("query", "select null")];
    expect("postgres", server.port, &trusted, Status::Ok, "the first says nothing").await;
    let kept_out = [("user", "kept_out"), ("login", "true")];
    expect("postgres", server.port, &kept_out, Status::Critical, "rejects connection").await;
    let away = free_port();
    let ours = look("postgres", away, &password).await;
    same(&ours, &plugin("check_pgsql", &["-H", "127.0.0.1", "-P", &away.to_string()]));
    good_slow_and_over_ipv6_alone("postgres", server.port, &password).await;
}

#[tokio::test]
async fn postgres_is_spoken_with_over_tls_and_gets_a_bare_password_only_there() {
    let server = postgres(false).await;
    let ca_file = server.authority.file();
    let clear = [("user", "clear"), ("password", "plain")];
    expect("postgres", server.port, &clear, Status::Critical, "does not get without TLS").await;
    let tls = [("tls", "true"), ("tls_name", NAME), ("ca_file", ca_file.as_str())];
    let trusting = [&clear[..], &tls].concat();
    expect("postgres", server.port, &trusting, Status::Ok, "certificate good for").await;
    let untrusted = [("tls", "true"), ("tls_name", NAME)];
    expect("postgres", server.port, &untrusted, Status::Critical, "UnknownIssuer").await;
    let other = [("tls", "true"), ("tls_name", "other.test"), ("ca_file", ca_file.as_str())];
    expect("postgres", server.port, &other, Status::Critical, "other.test").await;
    let late = postgres(true).await;
    let ca_file = late.authority.file();
    let tls = [("tls", "starttls"), ("tls_name", NAME), ("ca_file", ca_file.as_str())];
    let finding = expect("postgres", late.port, &tls, Status::Critical, "no TLS").await;
    assert!(finding.text.to_lowercase().contains("expired"), "{}", finding.text);
}
