//! The doctor, asked about sound machines and sick ones, by root and by somebody else.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Process, clean, run};
use crate::support::server::Start;
use crate::support::{HARK, PASSWORD, folder, write};

const LIMIT: Duration = Duration::from_mins(1);

/// Asks the doctor; returns the exit code and the findings.
fn doctor(folder: &Path, words: &[&str]) -> (i32, Vec<Value>) {
    asked(folder, &[&["--data", "data"], words].concat())
}

/// As [`doctor`], with the data folder among the words.
fn asked(folder: &Path, words: &[&str]) -> (i32, Vec<Value>) {
    let mut command = clean(HARK, folder);
    command.args(["doctor", "--json"]).args(words);
    let output = run(&mut command, LIMIT);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{words:?}: {e}: {errors}"));
    let code = output.status.code().unwrap();
    assert_eq!(answer["exit_code"], code);
    (code, answer["findings"].as_array().unwrap().clone())
}

fn find<'f>(findings: &'f [Value], area: &str, what: &str) -> &'f Value {
    findings
        .iter()
        .find(|f| f["area"] == area && f["what"].as_str().unwrap().contains(what))
        .unwrap_or_else(|| panic!("nothing about {area} {what}: {findings:#?}"))
}

#[test]
fn what_another_user_may_not_do_is_told_with_the_command_that_mends_it() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::set_permissions(folder.path().join("data"), std::fs::Permissions::from_mode(0o755))
        .unwrap();
    let config =
        write(folder.path(), "hark.yaml", "checks: {gw: {ping: {address: 127.0.0.1}, host: gw}}\n");
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, findings) = doctor(folder.path(), &["--agent", "--user", "nobody"]);
    assert_eq!(code, 2, "{findings:#?}");
    let io = find(&findings, "rights", "/proc/1/io");
    assert_eq!(
        (&io["level"], &io["mend"]),
        (&Value::from("warning"), &Value::from("hark agent install --capability sys-ptrace"),)
    );
    assert_eq!(find(&findings, "data", "cannot be written")["level"], "problem");
    assert!(
        find(&findings, "data", "open to others")["mend"].as_str().unwrap().starts_with("chmod")
    );
    for finding in findings.iter().filter(|f| f["level"] != "ok") {
        for part in ["what", "why", "mend"] {
            assert_ne!(finding[part], "", "{finding}");
        }
    }
    // What works is said as well: this machine has a processor and memory.
    assert_eq!(find(&findings, "collector", "cpu")["level"], "ok");
    // It is said of root as well if root may not, as in many containers, and not if root may.
    let (_, findings) = doctor(folder.path(), &["--agent", "--as-told"]);
    let told = findings.iter().any(|f| f["what"].as_str().unwrap().contains("/proc/1/io"));
    assert_eq!(told, std::fs::read("/proc/1/io").is_err());
    assert_eq!(find(&findings, "data", "can be written")["level"], "ok");
}

#[test]
fn a_watched_log_and_a_socket_that_may_not_be_read_are_told_with_the_group_that_may() {
    let folder = folder();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(folder.path(), 0o755);
    let adm = Some(4);
    for (name, group, bits) in
        [("open.log", None, 0o644), ("adm.log", adm, 0o640), ("own.log", None, 0o600)]
    {
        let path = write(folder.path(), name, "");
        std::os::unix::fs::chown(&path, None, group).unwrap();
        mode(&path, bits);
    }
    let engine = folder.path().join("engine.sock");
    let _listens = std::os::unix::net::UnixListener::bind(&engine).unwrap();
    std::os::unix::fs::chown(&engine, None, adm).unwrap();
    mode(&engine, 0o660);
    let at = folder.path().display();
    let config = write(
        folder.path(),
        "hark.yaml",
        &format!(
            "agent:\n  collectors: {{containers: {{socket: {at}/engine.sock}}}}\n  logs:\n    \
             open: {{file: {at}/open.log, match: x}}\n    adm: {{file: '{at}/a*.log', match: x}}\n    \
             own: {{file: {at}/own.log, match: x}}\n    later: {{file: {at}/later.log, match: x}}\n"
        ),
    );
    mode(&config, 0o644);
    let words = ["--agent", "--user", "nobody", "-c", config.to_str().unwrap()];
    let (_, findings) = doctor(folder.path(), &words);
    for name in ["open: its file can be read", "later: there is no such file"] {
        assert_eq!(find(&findings, "log", name)["level"], "ok");
    }
    let group = "hark agent install --group adm";
    for (area, what, mend) in [
        ("log", "adm.log may not be read", group),
        ("log", "own.log may not be read", "hark agent install --capability dac-read-search"),
        ("collector", "engine.sock may not be read", group),
    ] {
        let finding = find(&findings, area, what);
        assert_eq!((&finding["level"], &finding["mend"]), (&"warning".into(), &mend.into()));
    }
}

#[test]
fn logs_and_collectors_that_only_the_server_names_are_tried() {
    let folder = folder();
    let at = folder.path().display();
    write(folder.path(), "app.log", "");
    write(folder.path(), "own.log", "");
    let config = format!(
        "secret: shared by all of this test\nagent_configs: {{all: {{match: {{}}, give: {{interval: 1s, \
         collectors: {{certificates: {{paths: ['{at}/none.pem']}}, load: {{enabled: false}}}}, logs: {{\
         app: {{file: {at}/app.log, match: x}}, late: {{file: {at}/late.log, match: x}}, \
         own: {{file: {at}/other.log, match: x}}}}}}}}}}\n"
    );
    let mut server = Start::new("server", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    let own = format!(
        "agent: {{name: web1, server: '127.0.0.1:{}', secret: shared by all of this test, \
         logs: {{own: {{file: {at}/own.log, match: x}}}}}}\n",
        server.udp
    );
    write(folder.path(), "agent.yaml", &own);
    let words = ["--agent", "--as-told", "--data", "web1", "-c", "agent.yaml"];
    let (_, before) = asked(folder.path(), &words);
    assert_eq!(find(&before, "log", "own: its file")["level"], "ok");
    assert!(!before.iter().any(|found| found.to_string().contains("app: ")), "{before:#?}");
    assert_eq!(find(&before, "collector", "load: ")["level"], "ok");

    let mut agent = clean(HARK, folder.path());
    agent.args(["agent", "--data", "web1", "-c", "agent.yaml"]);
    let agent = Process::start(&mut agent, folder.path(), "agent");
    server.host_when("web1", LIMIT, |host| {
        let checks = host["checks"].as_array().into_iter().flatten();
        checks.into_iter().any(|c| c["name"] == "agent configuration" && c["status"] == "ok")
    });
    // Beside the agent that runs, and when it does not.
    let look = || {
        let (_, findings) = asked(folder.path(), &words);
        for what in ["app: its file can be read", "late: there is no such", "own: its file can be"]
        {
            assert_eq!(find(&findings, "log", what)["level"], "ok");
        }
        assert!(!findings.iter().any(|found| found.to_string().contains("load: ")));
    };
    look();
    drop(agent);
    look();

    // As one that another version of the agent took.
    std::fs::write(folder.path().join("web1/agent/given"), "intervall: 5s\n").unwrap();
    let (code, findings) = asked(folder.path(), &words);
    let said = find(&findings, "config", "what the server gave last cannot be used");
    assert!(code >= 1 && said["what"].as_str().unwrap().contains("intervall"), "{said}");
    assert_eq!(find(&findings, "log", "own: its file")["level"], "ok");
}

#[test]
fn a_servers_ports_certificate_and_names_are_tried() {
    let folder = folder();
    let (taken, also_taken) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let tcp = taken.local_addr().unwrap().port();
    let udp = also_taken.local_addr().unwrap().port();
    write(folder.path(), "bad.pem", "this is none\n");
    let config = write(
        folder.path(),
        "hark.yaml",
        &format!(
            "hb_host: 127.0.0.1\nhbd_host: 127.0.0.1\nhbd_port: {tcp}\nhb_port: {udp}\n\
         tls: {{certificate: {0}/bad.pem, key: {0}/bad.pem}}\n\
         agent: {{server: no-such-name.invalid}}\n",
            folder.path().display()
        ),
    );
    let (code, findings) = doctor(folder.path(), &["--as-told", "-c", config.to_str().unwrap()]);
    assert_eq!(code, 2);
    for kind in [format!("tcp 127.0.0.1:{tcp}"), format!("udp 127.0.0.1:{udp}")] {
        let port = find(&findings, "ports", &kind);
        assert!(port["level"] == "problem" && port["mend"].as_str().unwrap().contains("ss -lnp"));
    }
    assert_eq!(find(&findings, "tls", "bad.pem")["level"], "problem");
    assert_eq!(find(&findings, "dns", "no-such-name.invalid")["level"], "problem");
}

#[test]
fn a_tree_of_another_machine_is_looked_at_in_its_place() {
    let folder = folder();
    let root = folder.path().join("root");
    for (name, text) in [
        ("proc/sys/fs/inotify/max_user_instances", "8\n"),
        ("proc/sys/fs/inotify/max_user_watches", "65536\n"),
        ("proc/loadavg", "nonsense\n"),
    ] {
        std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        write(&root, name, text);
    }
    let words = ["--agent", "--as-told", "--root", root.to_str().unwrap()];
    let (code, findings) = doctor(folder.path(), &words);
    assert_eq!(code, 1, "{findings:#?}");
    let limit = find(&findings, "limits", "max_user_instances is 8");
    assert!(
        limit["mend"].as_str().unwrap().contains("sysctl -w fs.inotify.max_user_instances=128")
    );
    assert_eq!(find(&findings, "limits", "max_user_watches")["level"], "ok");
    assert_eq!(find(&findings, "collector", "proc/loadavg")["level"], "warning");
    let wrong = write(folder.path(), "wrong.yaml", "nonsense: 1\n");
    let mut command = clean(HARK, folder.path());
    command.args(["doctor", "--as-told", "-c"]).arg(&wrong);
    assert_eq!(run(&mut command, LIMIT).status.code(), Some(2));
}

#[test]
fn what_was_asked_for_and_is_not_there_is_told_with_what_mends_it() {
    let folder = folder();
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let config = "agent:\n  collectors: {smart: {drives: [/dev/sda]}, systemd: {units: [nginx]}, sensors: {interval: 1m}}\n  \
        logs: {sys: {journal: {}, match: x}}\n";
    write(folder.path(), "asked.yaml", config);
    let words = ["--agent", "--as-told", "--root", root.to_str().unwrap(), "-c", "asked.yaml"];
    let (_, findings) = doctor(folder.path(), &words);
    for (area, what, mend) in [
        ("collector", "smart: there is no /dev/sda", "apt install smartmontools"),
        ("collector", "systemd: there is no ", "systemd has started"),
        ("log", "sys: there is no journal", "`file`"),
    ] {
        let found = find(&findings, area, what);
        assert_eq!(found["level"], "warning");
        assert!(found["mend"].as_str().unwrap().contains(mend), "{found}");
    }
    // One that runs anyway was not asked for by saying how often.
    let missing = find(&findings, "collector", "not on this machine");
    assert!(missing["level"] == "ok" && missing["what"].as_str().unwrap().contains("sensors"));
}

#[test]
fn programs_that_would_not_be_run_are_told_also_where_a_secret_cannot_be_read() {
    let folder = folder();
    let open = write(folder.path(), "open.sh", "#!/bin/sh\n");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    let at = folder.path().display();
    let config = format!(
        "agent:\n  server: '127.0.0.1:9'\n  secret: {{file: {at}/none}}\n  \
         plugins: {{open: {at}/open.sh, none: check_nosuch, fine: /bin/true}}\n  \
         nagios_runner: {{commands: ['{at}/gone.sh']}}\n  \
         commands: {{load: {{command: nosuch-command, extract: '(.)'}}}}\n  \
         custom: {{mine: {{command: {at}/open.sh}}}}\n  actions: {{mend: {{run: {at}/nothing}}}}\n"
    );
    write(folder.path(), "agent.yaml", &config);
    let (code, findings) = doctor(folder.path(), &["--agent", "--as-told", "-c", "agent.yaml"]);
    assert_eq!(code, 2, "{findings:#?}");
    let unread = find(&findings, "config", "a secret cannot be read");
    assert!(unread["what"].as_str().unwrap().contains("/none"), "{unread}");
    for what in [
        "open: not run: ",
        "none: not run: there is no program `check_nosuch`",
        "nagios_runner: not run: ",
        "load: not run: there is no program `nosuch-command`",
        "mine: not run: ",
        "mend: not run: ",
    ] {
        assert_eq!(find(&findings, "program", what)["level"], "warning");
    }
    assert!(
        find(&findings, "program", "open: ")["what"].as_str().unwrap().contains("changed by other")
    );
    assert_eq!(find(&findings, "program", "fine: ")["level"], "ok");
}
