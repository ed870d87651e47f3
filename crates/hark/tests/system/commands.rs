//! The commands as one types them, and what services of a machine are asked to do: to detach, to end, to
//! read their configuration again, to log to a file, and not to run twice.

use std::fs::Permissions;
use std::io::{BufRead, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::support::hook::Hook;
use crate::support::http;
use crate::support::process::{clean, hark, run, send_signal, succeed};
use crate::support::server::{START, Server, Start};
use crate::support::wait::{Deadline, until};
use crate::support::{HARK, PASSWORD, folder, write};

/// How long a command may take that asks nobody far away.
const LIMIT: Duration = Duration::from_secs(30);

/// How long a service may take to end after SIGTERM.
const END: Duration = Duration::from_secs(5);

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_configuration_is_shown_whole_and_starts_nothing() {
    let folder = folder();
    write(
        folder.path(),
        "wrong.yaml",
        "interval: 10 parsecs\nhb_prot: 50003\nroutes:\n  - {name: all, to: [nobody]}\n",
    );
    let checked = hark(folder.path(), "config check -c wrong.yaml");
    assert_eq!(code(&checked), 2);
    let text = complained(&checked);
    for expected in [
        "wrong.yaml:1:11",
        "parsecs",
        "wrong.yaml:2:1",
        "did you mean `hb_port`?",
        "wrong.yaml:4:22",
        "there is no receiver `nobody`",
        "3 errors",
    ] {
        assert!(text.contains(expected), "{expected} is missing in:\n{text}");
    }
    for line in ["server -c wrong.yaml --data d", "up -c wrong.yaml --data d"] {
        let refused = hark(folder.path(), line);
        assert_eq!(code(&refused), 2, "{line}");
        assert!(complained(&refused).contains("3 errors"), "{line}");
        assert!(!folder.path().join("d").exists(), "{line} made something");
    }
    write(
        folder.path(),
        "slips.yaml",
        "thresholds:\n  cpu_monitor: {cpu_percnet: {warning: 80}}\n  my_raid: {failed: {critical: 0}}\n\
         checks:\n  web: {tcp: {port: 80}, host: web1}\n\
         receivers:\n  mail: {email: {to: [], from: hark@example.net}, fallback: mial}\n",
    );
    let checked = hark(folder.path(), "config check -c slips.yaml");
    assert_eq!(code(&checked), 2);
    let text = complained(&checked);
    for expected in [
        "slips.yaml:2:17",
        "did you mean `cpu_percent`?",
        "warning: there is no own collector `my_raid`",
        "warning: no file declares the host `web1`",
        "nobody would get the mail",
        "did you mean `mail`?",
        "3 errors",
    ] {
        assert!(text.contains(expected), "{expected} is missing in:\n{text}");
    }
    write(folder.path(), "right.yaml", "hb_port: 50123\nsecret: not to be shown\n");
    let right = hark(folder.path(), "config check -c right.yaml");
    assert_eq!(code(&right), 0, "{}", complained(&right));
    let shown = said(&hark(folder.path(), "config show -c right.yaml"));
    assert!(shown.contains("hb_port: 50123"), "{shown}");
    assert!(!shown.contains("not to be shown"), "{shown}");
    let schema = said(&hark(folder.path(), "config schema"));
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(schema["properties"]["thresholds"].is_object());
}

#[test]
fn one_look_ends_with_the_exit_code_of_a_plugin() {
    let folder = folder();
    let hook = Hook::start();
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let open_port = open.local_addr().unwrap().port();
    let closed_port = {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap().port()
    };
    let page = hook.url();
    for (line, expected, begins) in [
        (format!("check tcp 127.0.0.1:{open_port}"), 0, "TCP OK"),
        (format!("check tcp 127.0.0.1:{closed_port}"), 2, "TCP CRITICAL"),
        ("check ping 127.0.0.1 count=1".to_owned(), 0, "PING OK"),
        (format!("check http {page}"), 0, "HTTP OK"),
        (format!("check http {page} contains=not-there"), 2, "HTTP CRITICAL"),
        (format!("check http http://127.0.0.1:{closed_port}/"), 2, "HTTP CRITICAL"),
        ("check tcp 127.0.0.1:1 tiemout=3s".to_owned(), 3, ""),
        // Called wrongly it is unknown, not critical.
        ("check".to_owned(), 3, ""),
        ("check tcp".to_owned(), 3, ""),
        ("check tcp 127.0.0.1:1 timeout".to_owned(), 3, ""),
        ("check tpc 127.0.0.1:1".to_owned(), 3, ""),
        ("check tcp 127.0.0.1:1 --no-such-option".to_owned(), 3, ""),
        ("check --help".to_owned(), 0, "Look once"),
        ("status --no-such-option".to_owned(), 2, ""),
    ] {
        let looked = hark(folder.path(), &line);
        assert_eq!(code(&looked), expected, "{line}: {}{}", said(&looked), complained(&looked));
        assert!(said(&looked).starts_with(begins), "{line}: {}", said(&looked));
    }
}

#[test]
fn where_nothing_runs_each_command_says_what_to_do() {
    let folder = folder();
    for (line, expected, says) in [
        ("status --data none", 3, "hark up"),
        ("explain 1 --data none", 1, "hark up"),
        ("enroll --data none", 1, "--url"),
        ("send --data none -m hello", 1, "hark agent"),
        ("send --data none", 1, "-m TEXT"),
        ("agent --data none", 1, "hark enroll"),
        ("agent localhost --data none", 1, "hark enroll"),
        ("agent --token nonsense --data none", 1, "begins with"),
        ("agent --secret-file nowhere localhost --data none", 1, "cannot read nowhere"),
        ("journal --data none", 1, "there is no journal at none/journal/messages.journal"),
    ] {
        let done = hark(folder.path(), line);
        let text = complained(&done);
        assert_eq!(code(&done), expected, "{line}: {text}");
        assert!(text.contains(says), "{line}: {text}");
    }
}

#[test]
fn who_may_not_read_the_servers_folder_is_told_that_and_how_to_ask() {
    const NOBODY: u32 = 65534;
    let folder = folder();
    // Where anybody may look: neither the folder of the tests nor that of the program has to be.
    let program = folder.path().join("hark");
    std::fs::copy(HARK, &program).unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let mut server = Start::new("server", folder.path()).go();
    server.set_up(PASSWORD);
    let url = format!("--url http://127.0.0.1:{}", server.http);
    let closed = format!("only the server's user can read {}", server.data.display());
    let is_root = folder.path().metadata().unwrap().uid() == 0;
    let as_another = |line: &str| {
        let mut command = clean(&program, folder.path());
        command.args(line.split_whitespace());
        command.arg("--data").arg(&server.data);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        } else {
            // Who cannot be somebody else shuts it before himself.
            std::fs::set_permissions(&server.data, Permissions::from_mode(0o000)).unwrap();
        }
        let done = run(&mut command, LIMIT);
        std::fs::set_permissions(&server.data, Permissions::from_mode(0o700)).unwrap();
        assert!(!done.status.success(), "{line}: {}", said(&done));
        complained(&done)
    };
    for line in ["status", "hosts", "silence", "history", "backup /tmp/no-such-backup", "backup"] {
        let text = as_another(line);
        assert!(text.contains(&closed) && text.contains("`sudo`"), "{line}: {text}");
        assert!(!text.contains("cannot ask") && !text.contains("there is no"), "{line}: {text}");
    }
    let text = as_another(&format!("status {url}"));
    assert!(text.contains(&closed) && text.contains("HARK_TOKEN"), "{text}");
    // The owner is not told to be somebody else: a token that is wrong, and a folder without one.
    let text = complained(&hark(folder.path(), &format!("status {url} --token hark_wrong")));
    assert!(text.contains("is none of this server's"), "{text}");
    let text = complained(&hark(folder.path(), &format!("status {url} --data none")));
    assert!(text.contains("there is no token in none") && text.contains("--data"), "{text}");
}

#[test]
fn what_is_not_a_list_is_not_watched() {
    let folder = folder();
    // A file is not to be watched, and nothing that is done.
    for line in [
        "audit --csv --watch",
        "hosts restore web1 --watch",
        "hosts access web1 --owner mira --watch",
        "cmd web1 restart --watch",
        "config history 7 --watch",
        "backup somewhere --watch",
    ] {
        assert_eq!(code(&hark(folder.path(), line)), 2, "{line}");
    }
}

#[test]
fn the_checks_of_all_hosts_are_counted_and_the_audit_is_searched() {
    let folder = folder();
    let config = "hosts: {db1: {}, web1: {}}\nchecks:\n  shop: {host: [db1, web1], push: \
                  {every: 1d}, description: Whether people can buy}\n";
    let mut server = Start::new("server", folder.path()).config(config).go();
    server.set_up(PASSWORD);
    let jobs = server.get("/api/0/pushes");
    let path = jobs[0]["path"].as_str().unwrap_or_else(|| panic!("{jobs}")).to_owned();
    let failed = http::request(server.http, "POST", &format!("{path}/fail"), &[], None).unwrap();
    assert_eq!(failed.status, 200);
    until("the job that failed", LIMIT, || {
        let done = hark(folder.path(), "checks --data data");
        let text = said(&done);
        let line = text.lines().find(|line| line.starts_with("shop "))?;
        let counts: Vec<&str> = line.split_whitespace().collect();
        (counts.get(1..7)? == ["push", "2", "1", "0", "0", "0"]).then(|| assert_eq!(code(&done), 2))
    });
    let all = said(&hark(folder.path(), "checks --data data --json"));
    assert!(all.contains("Whether people can buy"), "{all}");

    let found = said(&hark(folder.path(), "audit --data data --contains MIRA --json"));
    assert!(found.contains("setup") && !found.contains("[]"), "{found}");
    assert_eq!(
        said(&hark(folder.path(), "audit --data data --contains nowhere --json")).trim(),
        "[]"
    );
    // What happened comes in both directions, page by page.
    assert_eq!(code(&hark(folder.path(), "comment 1 -m seen --data data")), 0);
    for list in ["audit", "events", "hosts/db1/events", "deliveries", "happened"] {
        let pages = |sort: &str| {
            let (mut all, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = server.get(&format!("/api/0/{list}?limit=1{sort}{cursor}"));
                all.extend(page["items"].as_array().unwrap().clone());
                let Some(next) = page["next"].as_str() else { return all };
                cursor = format!("&cursor={next}");
            }
        };
        // More may happen between two looks.
        until(&format!("{list} in both directions"), LIMIT, || {
            let newest_first = pages("");
            let mut oldest_first = pages("&sort=at");
            oldest_first.reverse();
            let enough = newest_first.len() > 1 || list != "audit";
            let is_same = pages("&sort=-at") == newest_first && oldest_first == newest_first;
            (enough && is_same).then_some(())
        });
    }
}

#[test]
fn before_set_up_commands_show_the_link() {
    let folder = folder();
    let mut server = Start::new("server", folder.path()).go();
    for (line, expected) in [("status --data data", 3), ("enroll --data data", 1)] {
        let early = hark(folder.path(), line);
        assert_eq!(code(&early), expected);
        let text = complained(&early);
        assert!(text.contains("not set up yet") && text.contains("/setup?code="), "{text}");
        assert!(!text.contains("cannot ask"), "{text}");
    }
    server.set_up(PASSWORD);
    assert_eq!(code(&hark(folder.path(), "status --data data")), 0);
    let enrolled = hark(folder.path(), "enroll --data data --address mon.example.net");
    let text = complained(&enrolled);
    assert_eq!(code(&enrolled), 0, "{text}");
    assert!(text.contains(" UTC:\n") && !text.contains('"'), "{text}");
    assert!(text.contains("It leads to mon.example.net:"), "{text}");
    assert!(said(&enrolled).starts_with("hark agent --token hark-"));
    // The line that is told for a service is one that is taken, with the host's name as well.
    let named = hark(folder.path(), "enroll --data data --address mon.example.net --host db1");
    let told = complained(&named);
    let line = told.lines().find_map(|line| line.strip_prefix("sudo hark ")).expect("a line");
    assert!(line.ends_with(" --name db1"), "{line}");
    let root = folder.path().join("image");
    std::fs::create_dir_all(root.join("etc")).unwrap();
    let installed = hark(folder.path(), &format!("{line} --dry-run --root {}", root.display()));
    assert_eq!(code(&installed), 0, "{}", complained(&installed));
    // What was stored for set-up is gone with the next start.
    server.process.signal("TERM");
    assert!(server.process.wait(END).success());
    assert!(folder.path().join("data/setup-link").exists());
    let again = Start::new("server", folder.path()).go();
    assert!(!folder.path().join("data/setup-link").exists());
    drop(again);
}

#[test]
fn a_piped_password_becomes_a_hash_that_logs_in() {
    let folder = folder();
    let passwd = |password: &str| {
        let mut command = clean(HARK, folder.path());
        command.args(["passwd", "mira"]).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let weak = passwd("short");
    assert_eq!(code(&weak), 1);
    assert!(complained(&weak).contains("at least 10"), "{}", complained(&weak));
    let users = said(&passwd(PASSWORD));
    assert!(!users.contains(PASSWORD));
    let config = users.replace("password:", "admin: true\n    password:");
    let server = Start::new("server", folder.path()).config(&config).go();
    assert!(server.code.is_none(), "there is an administrator already");
    let log_in = |password: &str| {
        let body = serde_json::json!({"username": "mira", "password": password});
        http::request(server.http, "POST", "/api/0/auth/login", &[], Some(&body)).unwrap().status
    };
    assert_eq!(log_in("not this one"), 401);
    assert_eq!(log_in(PASSWORD), 200);
}

#[test]
fn a_message_goes_through_the_own_agent_into_journal_and_page() {
    let folder = folder();
    let mut server = Start::new("up", folder.path()).config("agent: {interval: 1s}\n").go();
    server.set_up(PASSWORD);
    let sent = hark(folder.path(), "send --data data --kind backup --tag nightly -m took-5-hours");
    assert_eq!(code(&sent), 0, "{}", complained(&sent));
    until("the message among the events", LIMIT, || {
        let events = server.get("/api/0/events?limit=100");
        events.to_string().contains("took-5-hours").then_some(())
    });
    until("the message in the journal", LIMIT, || {
        let journal = hark(folder.path(), "journal -c hark.yaml --data data --json");
        assert_eq!(code(&journal), 0, "{}", complained(&journal));
        let text = said(&journal);
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        text.contains("took-5-hours").then_some(())
    });
    let nobody = hark(folder.path(), "send --data elsewhere -m lost");
    assert_eq!(code(&nobody), 1);
    assert!(complained(&nobody).contains("elsewhere"), "{}", complained(&nobody));
}

#[test]
fn the_status_command_says_in_its_exit_code_how_things_are() {
    let folder = folder();
    let away = hark(folder.path(), "status --data nowhere --url http://127.0.0.1:9");
    assert_eq!(code(&away), 3, "{}", complained(&away));
    let mut server = Start::new("up", folder.path()).config("agent: {interval: 1s}\n").go();
    server.set_up(PASSWORD);
    let status_is = |expected: i32| {
        until(&format!("status {expected}"), LIMIT, || {
            let status = hark(folder.path(), "status --all --data data");
            (code(&status) == expected).then(|| said(&status))
        })
    };
    let well = status_is(0);
    assert!(well.contains("HOST"), "{well}");
    let limits = |level: &str| {
        let config = format!(
            "agent: {{interval: 1s}}\nthresholds:\n  memory_monitor: {{percent: {{{level}: 0.1}}}}\n"
        );
        write(folder.path(), "hark.yaml", &config);
        server.process.signal("HUP");
    };
    limits("warning");
    assert!(status_is(1).contains("memory_monitor.percent"));
    limits("critical");
    let bad = status_is(2);
    assert!(bad.contains("memory_monitor.percent"), "{bad}");
    assert!(bad.contains("critical") && bad.contains(" ago"), "{bad}");
    assert!(!bad.contains('\u{1b}'), "colours are for terminals: {bad}");
    let rows: Vec<&str> = bad.lines().skip_while(|line| !line.starts_with("INCIDENT")).collect();
    let incident = rows[1].split_whitespace().next().unwrap();
    assert!(rows[1].contains(" > 0.1"), "{bad}");
    let explained = said(&hark(folder.path(), &format!("explain {incident} --data data")));
    assert!(explained.contains(" > 0.1"), "{explained}");
    let last = explained.lines().last().unwrap();
    assert!(last.starts_with("now "), "{explained}");
    assert_eq!(explained.matches("\nnow ").count(), 1, "{explained}");
}

#[test]
fn a_detached_server_runs_on_and_ends_within_five_seconds() {
    let folder = folder();
    let start = Start::new("server", folder.path());
    let mut command = start.command();
    command.arg("-d");
    // As ssh does, this waits for the end of output and errors and not only of the process.
    let started = run(&mut command, START);
    let text = complained(&started);
    assert!(started.status.success(), "{text}");
    let id: u32 = text.rsplit("process ").next().unwrap().trim().parse().unwrap();
    let process = Path::new("/proc").join(id.to_string());
    assert!(process.exists(), "{text}");
    assert!(said(&started).contains("setup?code="), "{}", said(&started));
    for standard in ["0", "1", "2"] {
        let open = std::fs::read_link(process.join("fd").join(standard)).unwrap();
        assert_eq!(open, Path::new("/dev/null"));
    }
    // It has no terminal and is the head of its own session.
    let stat = std::fs::read_to_string(process.join("stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_eq!(fields[3], id.to_string(), "its session: {stat}");
    let log_file = start.data.join("hark.log");
    assert!(text.contains(&format!("logs to {}", log_file.display())), "{text}");
    let log = || std::fs::read_to_string(&log_file).unwrap_or_default();
    assert!(log().contains("listening"), "{}", log());
    send_signal(id, "TERM");
    // Its parent has ended: whoever inherits it may not have buried it yet.
    let ended = |stat: String| stat.rsplit(')').next().is_some_and(|s| s.trim().starts_with('Z'));
    until("its end", END, || {
        std::fs::read_to_string(process.join("stat")).map_or(Some(()), |s| ended(s).then_some(()))
    });
    assert!(log().contains("ending"), "{}", log());
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let folder = folder();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Start::new("server", folder.path()).command();
    let mut child = command.stdout(Stdio::piped()).stderr(full).spawn().unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let started = output.lines().map_while(Result::ok).any(|line| line.contains("data"));
    send_signal(child.id(), "TERM");
    let status = child.wait().unwrap();
    assert!(started && status.success(), "{status:?}");
}

#[test]
fn a_wrong_file_at_reload_changes_nothing_and_is_told() {
    let folder = folder();
    let hook = Hook::start();
    let config = format!(
        "agent: {{interval: 1s}}\nreceivers:\n  hook: {{webhook: {{url: '{}'}}}}\n",
        hook.url()
    );
    let mut server = Start::new("up", folder.path()).config(&config).go();
    server.set_up(PASSWORD);
    write(folder.path(), "hark.yaml", &config.replace("webhook", "wehook"));
    server.process.signal("HUP");
    let told = until("the call about the configuration", LIMIT, || {
        hook.calls().into_iter().find(|c| c.text("check") == "config")
    });
    assert_eq!(told.text("status"), "critical");
    assert!(server.process.errors().contains("did you mean `webhook`?"));
    assert_eq!(receivers(&server), ["hook"]);
    // Both signals that end it do so in time and in order, also then.
    write(folder.path(), "hark.yaml", &config.replace("  hook:", "  second:"));
    server.process.signal("HUP");
    until("the new receiver", LIMIT, || (receivers(&server) == ["second"]).then_some(()));
    server.process.signal("INT");
    assert!(server.process.wait(END).success());
}

fn receivers(server: &Server) -> Vec<String> {
    let all = server.get("/api/0/receivers");
    let name = |r: &serde_json::Value| r["name"].as_str().unwrap().to_owned();
    all.as_array().unwrap().iter().map(name).collect()
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let folder = folder();
    let start = Start::new("server", folder.path());
    let mut first = start.go();
    let second = run(&mut start.command(), START);
    assert_eq!(code(&second), 1);
    assert!(complained(&second).contains("another hark already runs"), "{}", complained(&second));
    assert!(first.process.is_running());
    first.process.kill();
    // A lock does not outlive its process, however that ended.
    let begun = Deadline::after(END);
    drop(start.go());
    assert!(!begun.is_over());
}

#[test]
fn a_shell_takes_the_completions() {
    let folder = folder();
    let script = said(&hark(folder.path(), "completion bash"));
    let file = write(folder.path(), "hark.bash", &script);
    let line = format!(
        "source {}; COMP_WORDS=(hark conf); COMP_CWORD=1; _hark hark conf hark; echo ${{COMPREPLY[@]}}",
        file.display()
    );
    assert_eq!(succeed(Command::new("bash").args(["-c", &line]), LIMIT).trim(), "config");
}

#[test]
fn foreign_configurations_are_turned_into_ones_that_hark_takes() {
    let folder = folder();
    write(
        folder.path(),
        "config.py",
        "config.base_tick = 30\nconfig.emails.to = ['me@example.net']\n\
         www = Host('127.0.0.1', '::1', 'www')\nchecks.add([CheckPing4, CheckHTTP4], www, retry=2)\n\
         checks.add(Mine, www)\n\
         checks.add([CheckPing6, CheckDNSRec4, CheckHTTPS6, CheckOpenVPN4, CheckJabber6], www, error_every=1, every=4)\n\
         checks.add(CheckSMTP4, www, command='RCPT TO:<a@b>', response='550')\n\
         checks.add(CheckDNSZone, ['example.net'], ip_version=4)\n",
    );
    let imported = hark(folder.path(), "import picomon config.py -o hark.yaml");
    assert_eq!(code(&imported), 0, "{}", complained(&imported));
    let notes = complained(&imported);
    assert!(notes.contains("config.py:5: left out: `Mine` is a class of your own"), "{notes}");
    assert!(notes.contains("2 hosts and 9 checks in hark.yaml"), "{notes}");
    assert_eq!(code(&hark(folder.path(), "config check -c hark.yaml")), 0);
    let again = hark(folder.path(), "import picomon config.py -o hark.yaml");
    assert_eq!(code(&again), 1);
    assert!(complained(&again).contains("--force"), "{}", complained(&again));

    std::fs::create_dir(folder.path().join("objects")).unwrap();
    write(
        folder.path(),
        "objects/all.cfg",
        "define command{\n command_name ping\n command_line $USER1$/check_ping -H $HOSTADDRESS$ -w $ARG1$ -c $ARG2$\n}\n\
         define host{\n host_name gw\n address 127.0.0.1\n check_command ping!100,20%!500,60%\n}\n\
         define command{\n command_name any\n command_line $USER1$/$ARG1$\n}\n\
         define service{\n host_name gw\n service_description a\n check_command any!check_smtp -H $HOSTADDRESS$ -S -f a@b\n}\n\
         define service{\n host_name gw\n service_description b\n check_command any!check_ssh -p 2222 gw\n}\n\
         define service{\n host_name gw\n service_description c\n check_command any!check_dns -H a.example -s 192.0.2.53 -a 192.0.2.1\n}\n\
         define service{\n host_name gw\n service_description d\n check_command any!check_ntp_time -H gw -w 0.5 -c 1\n}\n\
         define service{\n host_name gw\n service_description e\n check_command any!check_imap -H gw -S -p 993 -w 1 -c 3\n}\n\
         define service{\n host_name gw\n service_description f\n check_command any!check_jabber -H gw\n}\n\
         define service{\n host_name gw\n service_description g\n check_command any!check_http -I 192.0.2.1 -H www -S --sni -e 200 -r ok -k 'A: b'\n}\n\
         define service{\n host_name gw\n service_description h\n check_command any!check_disk -w 10% -c 5%\n}\n",
    );
    let imported = hark(folder.path(), "import nagios objects --json");
    assert_eq!(code(&imported), 0, "{}", complained(&imported));
    let result: serde_json::Value = serde_json::from_slice(&imported.stdout).unwrap();
    assert_eq!(result["is_accepted"], true, "{result:#}");
    assert_eq!(result["checks"], 9);
    let config = result["config"].as_str().unwrap();
    assert_eq!(
        config.matches("plugin:").count(),
        1,
        "only check_disk has no type of its own: {config}"
    );
    let broken = hark(folder.path(), "import nagios config.py");
    assert_eq!(code(&broken), 2);
    assert!(complained(&broken).contains("config.py:"), "{}", complained(&broken));
}
