//! `redis` against Redis and `memcached` against memcached, beside `check_redis` and `check_memcached`.

use std::process::Command;

use hark_conditions::Fact;
use hark_model::Status;
use tempfile::TempDir;

use crate::support::certificates::{Authority, NAME};
use crate::support::process::{Process, as_nobody, folder_of_nobody};
use crate::support::relay::Relay;
use crate::support::{
    expect, free_port, good_slow_and_over_ipv6_alone, needs, plugin, plugin_without_limit, same,
    until_open,
};

/// Starts a server as nobody.
async fn start(program: &str, port: u16, arguments: &[&str]) -> (Process, TempDir) {
    needs(program);
    let folder = tempfile::tempdir().unwrap();
    let own = folder_of_nobody(folder.path(), "data");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&own);
    as_nobody(&mut command, folder.path());
    let process = Process::start(&mut command, &own);
    until_open(port).await;
    (process, folder)
}

async fn redis(port: u16, more: &[&str]) -> (Process, TempDir) {
    let number = port.to_string();
    let own = ["--port", &number, "--bind", "127.0.0.1", "--save", "", "--dir", "."];
    start("/usr/bin/redis-server", port, &[&own[..], more].concat()).await
}

#[tokio::test]
async fn redis_is_asked_for_its_figures() {
    let port = free_port();
    let _server = redis(port, &["--maxmemory", "64mb"]).await;
    let finding = expect("redis", port, &[], Status::Ok, ", master").await;
    let measure = |name: &str| finding.measures.iter().find(|m| m.name == name).map(|m| m.value);
    assert_eq!(measure("memory_limit_bytes"), Some(64.0 * 1024.0 * 1024.0));
    assert!(measure("clients").is_some_and(|n| n >= 1.0), "{finding:?}");
    let theirs = |port: u16| plugin("check_redis", &["-H", "127.0.0.1", "-p", &port.to_string()]);
    same(&finding, &theirs(port));
    let away = free_port();
    same(&expect("redis", away, &[], Status::Critical, "refused").await, &theirs(away));
    assert_eq!(finding.facts.get("role"), &Fact::from("master"));
    assert_ne!(finding.facts.get("info_redis_mode"), &Fact::Absent);
    good_slow_and_over_ipv6_alone("redis", port, &[]).await;
    let authority_folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(authority_folder.path());
    let ca_file = authority.file();
    let over_tls = Relay::secured(port, authority.good().acceptor()).await;
    let options = [("tls", "true"), ("tls_name", NAME), ("ca_file", ca_file.as_str())];
    expect("redis", over_tls.port(), &options, Status::Ok, "certificate good for").await;
}

#[tokio::test]
async fn redis_lets_in_who_has_the_password() {
    let port = free_port();
    let _server = redis(
        port,
        &["--requirepass", "sesame", "--user", "watcher", "on", ">hush", "~*", "+ping"],
    )
    .await;
    let theirs = |more: &[&str]| {
        let number = port.to_string();
        plugin("check_redis", &[&["-H", "127.0.0.1", "-p", &number][..], more].concat())
    };
    let ours = expect("redis", port, &[("password", "sesame")], Status::Ok, "Redis ").await;
    same(&ours, &theirs(&["-x", "sesame"]));
    let ours = expect("redis", port, &[], Status::Critical, "it wants a password: NOAUTH").await;
    same(&ours, &theirs(&[]));
    // With a wrong one the plugin breaks off in its own code.
    assert_eq!(theirs(&["-x", "no"]).0, Status::Unknown);
    expect("redis", port, &[("password", "no")], Status::Critical, "refuses the login: WRONGPASS")
        .await;
    // A user that may do nothing but be there.
    let watcher = [("user", "watcher"), ("password", "hush")];
    expect("redis", port, &watcher, Status::Warning, "it answers, but not INFO: NOPERM").await;
    let modest = [&watcher[..], &[("info", "false")]].concat();
    expect("redis", port, &modest, Status::Ok, "it answers").await;
}

#[tokio::test]
async fn redis_that_is_cut_from_its_master_is_a_warning() {
    let (port, master) = (free_port(), free_port().to_string());
    let of = format!("127.0.0.1 {master}");
    let _server = redis(port, &["--replicaof", &of]).await;
    let finding = expect("redis", port, &[], Status::Warning, "cut from 127.0.0.1").await;
    assert_eq!(finding.facts.get("role"), &Fact::from("slave"));
}

#[tokio::test]
async fn memcached_says_its_version_and_its_figures() {
    let port = free_port();
    let number = port.to_string();
    let arguments = ["-l", "127.0.0.1", "-p", &number, "-U", "0", "-m", "32"];
    let _server = start("/usr/bin/memcached", port, &arguments).await;
    let finding = expect("memcached", port, &[], Status::Ok, "memcached 1.").await;
    let theirs = |port: u16| {
        let number = port.to_string();
        plugin_without_limit("check_memcached", &["-H", "127.0.0.1", "-p", &number])
    };
    same(&finding, &theirs(port));
    let away = free_port();
    same(&expect("memcached", away, &[], Status::Critical, "refused").await, &theirs(away));
    let limit = finding.measures.iter().find(|m| m.name == "memory_limit_bytes").unwrap();
    assert!((limit.value - 32.0 * 1024.0 * 1024.0).abs() < 1.0, "{limit:?}");
    assert_eq!(finding.facts.get("evictions"), &Fact::Absent, "a measure, not a fact of its own");
    assert_ne!(finding.facts.get("stat_threads"), &Fact::Absent);
    good_slow_and_over_ipv6_alone("memcached", port, &[]).await;
}

#[tokio::test]
async fn memcached_that_wants_a_login_is_a_warning() {
    let port = free_port();
    let number = port.to_string();
    let users = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(users.path(), "watcher:hush\n").unwrap();
    crate::support::process::open_to_all(users.path());
    let file = users.path().display().to_string();
    let arguments = ["-l", "127.0.0.1", "-p", &number, "-U", "0", "-Y", &file];
    let _server = start("/usr/bin/memcached", port, &arguments).await;
    expect("memcached", port, &[], Status::Warning, "it wants a login").await;
}
