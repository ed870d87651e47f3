//! `mysql` against MariaDB, beside `check_mysql`.

use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;
use std::time::Duration;

use hark_model::Status;
use tempfile::TempDir;

use crate::support::certificates::{Authority, NAME};
use crate::support::process::{Process, as_nobody, folder_of_nobody, succeed, until};
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, look, needs, plugin_without_limit, same,
};

struct MariaDb {
    port: u16,
    authority: Authority,
    _process: Process,
    _folder: TempDir,
}

/// It makes its tables anew and may share the machine with other tests.
const PATIENCE: Duration = Duration::from_mins(1);

/// The user that `as_nobody` means.
const NOBODY: u32 = 65534;

const USERS: &str = "create user watcher@'127.0.0.1' identified by 'hush';\n\
    create user strange@'127.0.0.1' identified via unix_socket;\n\
    create database shop;\n\
    grant select on shop.* to watcher@'127.0.0.1';\n\
    create table shop.orders (n int, what text);\n\
    insert into shop.orders values (42, null), (7, 'x');\n";

async fn mariadb() -> MariaDb {
    const PROGRAM: &str = "/usr/sbin/mariadbd";
    needs(PROGRAM);
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let own = folder_of_nobody(folder.path(), "own");
    let (data, users) = (own.join("data").display().to_string(), own.join("users"));
    std::fs::write(&users, USERS).unwrap();
    let pair = authority.good();
    let key = own.join("key");
    std::fs::copy(&pair.key, &key).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    drop(chown(&key, Some(NOBODY), Some(NOBODY)));
    let run = |program: &str, arguments: &[String]| {
        let mut command = Command::new(program);
        command.arg("--no-defaults").args(arguments).current_dir(&own);
        as_nobody(&mut command, folder.path());
        command
    };
    let install = ["--auth-root-authentication-method=normal", "--skip-test-db"];
    let mut install: Vec<String> = install.map(str::to_owned).to_vec();
    install.push(format!("--datadir={data}"));
    succeed(&mut run("/usr/bin/mariadb-install-db", &install));
    let port = free_port();
    let arguments = [
        format!("--datadir={data}"),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--socket={}", own.join("socket").display()),
        format!("--pid-file={}", own.join("pid").display()),
        format!("--init-file={}", users.display()),
        format!("--ssl-cert={}", pair.certificate.display()),
        format!("--ssl-key={}", key.display()),
        "--innodb-flush-log-at-trx-commit=0".to_owned(),
        "--innodb-buffer-pool-size=8M".to_owned(),
        "--skip-name-resolve".to_owned(),
    ];
    let process = Process::start(&mut run(PROGRAM, &arguments), &own);
    until("MariaDB knows its users", PATIENCE, async || {
        let login = [("user", "watcher"), ("password", "hush")];
        look("mysql", port, &login).await.status == Status::Ok
    })
    .await;
    MariaDb { port, authority, _process: process, _folder: folder }
}

#[tokio::test]
async fn mysql_logs_in_to_mariadb_and_asks_as_check_mysql_does() {
    let server = mariadb().await;
    let number = server.port.to_string();
    let at = ["-H", "127.0.0.1", "-P", &*number];
    let theirs = |more: &[&str]| plugin_without_limit("check_mysql", &[&at[..], more].concat());
    // Without a login it is enough that it answers; the plugin has an option for that.
    let ours = expect("mysql", server.port, &[], Status::Ok, "MariaDB 1").await;
    assert!(ours.text.contains("refuses us: Access denied"), "{}", ours.text);
    same(&ours, &theirs(&["-n", "-u", "hark"]));
    let login = [("user", "watcher"), ("password", "hush")];
    let ours = expect("mysql", server.port, &login, Status::Ok, "logged in as watcher").await;
    same(&ours, &theirs(&["-u", "watcher", "-p", "hush"]));
    let figure = |name: &str| ours.measures.iter().find(|m| m.name == name).map(|m| m.value);
    assert!(figure("threads").is_some_and(|n| n >= 1.0), "{ours:?}");
    let wrong = [("user", "watcher"), ("password", "wrong")];
    let ours = expect("mysql", server.port, &wrong, Status::Critical, "Access denied").await;
    same(&ours, &theirs(&["-u", "watcher", "-p", "wrong"]));
    let query = [("database", "shop"), ("query", "select n, what from orders")];
    let query = [&login[..], &query].concat();
    let ours = expect("mysql", server.port, &query, Status::Ok, "2 rows, the first says 42").await;
    assert!(ours.measures.iter().any(|m| m.name == "value" && (m.value - 42.0).abs() < 1e-9));
    let say = |query: &str, more: &[&str]| {
        let begin = ["-u", "watcher", "-p", "hush", "-d", "shop", "-q", query];
        plugin_without_limit("check_mysql_query", &[&at[..], &begin, more].concat())
    };
    same(&ours, &say("select n, what from orders", &[]));
    let bounded = [&query[..], &[("conditions", "value < 40")]].concat();
    let ours = expect("mysql", server.port, &bounded, Status::Critical, "value is 42").await;
    same(&ours, &say("select n, what from orders", &["-c", "40"]));
    let query = [&login[..], &[("query", "select what from shop.orders")]].concat();
    expect("mysql", server.port, &query, Status::Ok, "the first says nothing").await;
    let query = [&login[..], &[("query", "select nonsense")]].concat();
    let ours = expect("mysql", server.port, &query, Status::Critical, "Unknown column 'nonsense'");
    same(&ours.await, &say("select nonsense", &[]));
    let query = [&login[..], &[("query", "set @a = 1")]].concat();
    expect("mysql", server.port, &query, Status::Ok, "0 rows").await;
    let elsewhere = [&login[..], &[("database", "mysql")]].concat();
    expect("mysql", server.port, &elsewhere, Status::Critical, "Access denied").await;
    let strange = [("user", "strange"), ("password", "hush")];
    expect("mysql", server.port, &strange, Status::Critical, "").await;
    let away = free_port();
    let ours = look("mysql", away, &login).await;
    let away = away.to_string();
    same(
        &ours,
        &plugin_without_limit("check_mysql", &["-H", "127.0.0.1", "-P", &away, "-u", "watcher"]),
    );
    good_slow_and_over_ipv6_alone("mysql", server.port, &login).await;

    let ca_file = server.authority.file();
    let tls = [("tls", "true"), ("tls_name", NAME), ("ca_file", ca_file.as_str())];
    let trusting = [&login[..], &tls].concat();
    expect("mysql", server.port, &trusting, Status::Ok, "certificate good for").await;
    let untrusted = [&login[..], &tls[..2]].concat();
    expect("mysql", server.port, &untrusted, Status::Critical, "UnknownIssuer").await;
    let other = [("tls", "starttls"), ("tls_name", "other.test"), ("ca_file", ca_file.as_str())];
    expect("mysql", server.port, &other, Status::Critical, "other.test").await;
}
