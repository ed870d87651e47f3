//! hark as a service: into an image, checked by systemd's own tools, and by a script that really runs.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::support::hook::Hook;
use crate::support::process::{clean, run, send_signal};
use crate::support::wait::until;
use crate::support::{HARK, folder, write};

/// How long a command may take: the program is copied and written to the disk.
const LIMIT: Duration = Duration::from_mins(2);

/// Makes a tree that looks like a machine's root.
fn image(folder: &Path) -> std::path::PathBuf {
    let root = folder.join("image");
    for name in ["etc", "usr/lib/systemd", "bin"] {
        std::fs::create_dir_all(root.join(name)).unwrap();
    }
    for (name, text) in [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("etc/group", "root:x:0:\n"),
        ("etc/shadow", "root:*:19000:0:99999:7:::\n"),
        ("etc/gshadow", "root:*::\n"),
        ("usr/lib/systemd/systemd", ""),
    ] {
        write(&root, name, text);
    }
    root
}

fn hark(folder: &Path, arguments: &[&str]) -> String {
    let output = run(clean(HARK, folder).args(arguments), LIMIT);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn an_image_gets_the_whole_service_and_a_second_time_changes_nothing() {
    let folder = folder();
    let root = image(folder.path());
    let secret = write(folder.path(), "secret", "a shared one\n");
    let arguments = [
        "agent",
        "install",
        "--root",
        root.to_str().unwrap(),
        "--server",
        "mon.example.net",
        "--secret-file",
        secret.to_str().unwrap(),
        "--name",
        "db1.example.net",
        "--group",
        "adm",
        "--capability",
        "net-raw",
    ];
    let dry = hark(folder.path(), &[&arguments[..], &["--dry-run"]].concat());
    assert!(dry.contains("would have: user hark"), "{dry}");
    assert!(!root.join("usr/local").exists() && !root.join("var").exists(), "only looked");
    let first = hark(folder.path(), &arguments);
    assert!(!first.contains("a shared one"), "{first}");
    let passwd = std::fs::read_to_string(root.join("etc/passwd")).unwrap();
    let user = passwd.lines().find(|line| line.starts_with("hark:")).unwrap();
    assert!(user.ends_with(":/var/lib/hark:/usr/sbin/nologin"), "{user}");
    let id: u32 = user.split(':').nth(2).unwrap().parse().unwrap();
    let data = std::fs::metadata(root.join("var/lib/hark")).unwrap();
    assert_eq!((data.uid(), data.permissions().mode() & 0o7777), (id, 0o700));
    let program = std::fs::metadata(root.join("usr/local/bin/hark")).unwrap();
    assert_eq!((program.uid(), program.permissions().mode() & 0o7777), (0, 0o755));
    // The service reads its secret and cannot write it.
    let kept = std::fs::metadata(root.join("etc/hark/agent-secret")).unwrap();
    assert_eq!((kept.uid(), kept.permissions().mode() & 0o7777), (0, 0o640));
    assert_ne!(kept.gid(), 0);
    let config = std::fs::read_to_string(root.join("etc/hark/conf.d/agent-install.yaml")).unwrap();
    assert!(config.contains("/etc/hark/agent-secret") && !config.contains("a shared"), "{config}");
    assert!(config.contains("\"name\": \"db1.example.net\""), "{config}");
    let link = root.join("etc/systemd/system/multi-user.target.wants/hark-agent.service");
    let to = std::fs::read_link(link).unwrap();
    assert_eq!(to, Path::new("/etc/systemd/system/hark-agent.service"));
    let second = hark(folder.path(), &arguments);
    let did: Vec<&str> = second.lines().filter(|line| !line.starts_with("unchanged ")).collect();
    assert_eq!(did, Vec::<&str>::new());
    assert_eq!(first.lines().count(), second.lines().count());
    // What was written is a configuration; the secret's place is that of the image.
    let here = config.replace("/etc/hark", root.join("etc/hark").to_str().unwrap());
    let path = write(folder.path(), "check.yaml", &here);
    hark(folder.path(), &["config", "check", "-c", path.to_str().unwrap()]);
    let removed =
        hark(folder.path(), &["agent", "install", "--root", root.to_str().unwrap(), "--remove"]);
    assert!(removed.contains("note: "), "{removed}");
    assert!(!root.join("etc/systemd/system/hark-agent.service").exists());
    assert!(root.join("etc/hark/hark.yaml").exists() && root.join("var/lib/hark").exists());
}

/// systemd's own judgement: nothing in the units is unknown to it, and what a broken-in service could
/// still do is little.
#[test]
fn systemd_finds_no_fault_in_the_units_and_little_exposure() {
    let folder = folder();
    let root = image(folder.path());
    for (arguments, unit) in [
        (&["agent", "install"][..], "hark-agent.service"),
        (&["server", "install"], "hark-server.service"),
        (&["server", "install", "--with-agent"], "hark-server.service"),
        (&["watchdog", "install"], "hark-watchdog.service"),
    ] {
        hark(folder.path(), &[arguments, &["--root", root.to_str().unwrap()]].concat());
        let path = root.join("etc/systemd/system").join(unit);
        // The program is looked for on this machine, where hark is not installed.
        let unit_text =
            std::fs::read_to_string(&path).unwrap().replace("/usr/local/bin/hark", HARK);
        let here = write(folder.path(), unit, &unit_text);
        let verified = run(Command::new("systemd-analyze").arg("verify").arg(&here), LIMIT);
        let said: String = text(&verified).lines().filter(|line| line.contains("hark")).collect();
        assert_eq!(said, "", "{arguments:?}");
        let mut judge = Command::new("systemd-analyze");
        // An agent's control group is its own, so that its programs can be held in groups below.
        let threshold =
            if unit_text.contains("Delegate=yes") { "--threshold=26" } else { "--threshold=25" };
        judge.args(["security", "--offline=true", threshold, "--no-pager"]).arg(&here);
        let judged = run(&mut judge, LIMIT);
        assert!(judged.status.success(), "{arguments:?}: {}", text(&judged));
    }
}

/// The watch as a service of its own: what its script runs really watches.
#[test]
fn the_watch_on_the_server_is_a_service_of_its_own_once_somebody_is_told() {
    let folder = folder();
    let root = image(folder.path());
    let at = |name: &str| root.join(name);
    let install = ["watchdog", "install", "--init", "sysvinit", "--root", root.to_str().unwrap()];
    let said = hark(folder.path(), &install);
    assert!(said.contains("`receivers` of /etc/hark/watchdog.yaml"), "{said}");
    let script = at("etc/init.d/hark-watchdog");
    assert_eq!(mode(&script), 0o755);
    assert_eq!(mode(&at("etc/hark/watchdog.yaml")), 0o640);
    let hook = Hook::start();
    let config = write(
        folder.path(),
        "watchdog.yaml",
        &format!(
            "watchdog: {{every: 1s, misses: 1, url: 'http://127.0.0.1:9/'}}\n\
             receivers: {{ops: {{webhook: {{url: '{}'}}}}}}\n",
            hook.url()
        ),
    );
    let defaults = write(
        folder.path(),
        "defaults",
        &format!(
            "PROGRAM={}\nDATA={}\nRUN_AS=nobody\nPIDFILE={}\nHARK_CONFIG={}\n",
            at("usr/local/bin/hark").display(),
            at("var/lib/state").display(),
            folder.path().join("hark.pid").display(),
            config.display(),
        ),
    );
    let script = |word: &str| {
        let mut command = clean("/bin/sh", folder.path());
        command.arg(&script).arg(word).env("HARK_DEFAULTS", &defaults);
        let output = run(&mut command, LIMIT);
        (output.status.code().unwrap(), text(&output))
    };
    assert_eq!(script("start"), (0, "hark-watchdog started\n".to_owned()));
    let told = until("that the server is away", LIMIT, || hook.calls().first().cloned());
    assert_eq!((told.text("host"), told.text("check")), ("self", "server"), "{}", told.raw);
    assert_eq!(script("stop"), (0, "hark-watchdog stopped\n".to_owned()));
    // Nobody to be told: it says so and does not pretend to run.
    write(folder.path(), "watchdog.yaml", "log: {level: info}\n");
    assert_eq!(script("start").0, 1);
    let removed = hark(folder.path(), &[&install[..], &["--remove"]].concat());
    assert!(!at("etc/init.d/hark-watchdog").exists(), "{removed}");
    assert!(at("etc/hark/watchdog.yaml").exists());
}

#[test]
fn the_script_starts_stops_and_tells_how_it_is() {
    let folder = folder();
    let root = image(folder.path());
    let at = |name: &str| root.join(name);
    hark(
        folder.path(),
        &["server", "install", "--init", "sysvinit", "--root", root.to_str().unwrap()],
    );
    let script = at("etc/init.d/hark-server");
    assert_eq!(mode(&script), 0o755);
    assert_eq!(
        std::fs::read_link(at("etc/rc2.d/S20hark-server")).unwrap(),
        Path::new("../init.d/hark-server")
    );
    // Everything that it touches lies in the folder, and another user runs it.
    let config = write(folder.path(), "hark.yaml", "log: {level: info}\n");
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o644)).unwrap();
    let state = at("var/lib/state");
    let log = folder.path().join("log");
    std::fs::create_dir(&log).unwrap();
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o777)).unwrap();
    let defaults = write(
        folder.path(),
        "defaults",
        &format!(
            "PROGRAM={}\nDATA={}\nRUN_AS=nobody\nPIDFILE={}\nHARK_CONFIG={}\n\
         OPTIONS='--log {}/hark.log --http 127.0.0.1:0 --udp 127.0.0.1:0'\n",
            at("usr/local/bin/hark").display(),
            state.display(),
            folder.path().join("hark.pid").display(),
            config.display(),
            log.display(),
        ),
    );
    let script = |word: &str| {
        let mut command = clean("/bin/sh", folder.path());
        command.arg(&script).arg(word).env("HARK_DEFAULTS", &defaults);
        let output = run(&mut command, LIMIT);
        (output.status.code().unwrap(), text(&output))
    };
    let pid = || -> u32 {
        let text = std::fs::read_to_string(folder.path().join("hark.pid")).unwrap();
        text.trim().parse().unwrap()
    };
    assert_eq!(script("status"), (3, "hark-server does not run\n".to_owned()));
    assert_eq!(script("start"), (0, "hark-server started\n".to_owned()));
    let running = pid();
    assert_eq!(script("status"), (0, format!("hark-server runs as process {running}\n")));
    assert_eq!(script("start"), (0, "hark-server runs already\n".to_owned()));
    assert_eq!(pid(), running);
    let nobody = std::fs::metadata(format!("/proc/{running}")).unwrap().uid();
    assert_eq!(nobody, 65534);
    let served = || std::fs::read_to_string(log.join("hark.log")).unwrap_or_default();
    until("its first lines", LIMIT, || served().contains("listening").then_some(()));
    assert_eq!(mode(&state), 0o700);
    assert_eq!(script("restart").0, 0);
    assert_ne!(pid(), running);
    send_signal(pid(), "KILL");
    until("that it is seen to be dead", LIMIT, || (script("status").0 == 1).then_some(()));
    let (code, said) = script("start");
    assert_eq!(code, 0, "{said} {}", served());
    assert_eq!(script("stop"), (0, "hark-server stopped\n".to_owned()));
    assert_eq!(script("status").0, 3);
    assert_eq!(script("stop"), (0, "hark-server does not run\n".to_owned()));
    assert_eq!(script("dance").0, 2);
    // What ends at once is not called started.
    write(folder.path(), "hark.yaml", "nonsense: 1\n");
    let (code, said) = script("start");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("config check"), "{said}");
}
