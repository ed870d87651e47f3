//! What must be done, as a list that can be printed and tested.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hark_model::Secret;

use super::{
    AgentSection, CONFIG, DATA, Init, Part, USER, WATCHDOG_CONFIG, Wanted, sysvinit, unit,
};

/// Where the program is put unless a package has put it somewhere.
const PROGRAM: &str = "/usr/local/bin/hark";

/// Folders whose programs only root can change: what lies there is used where it is.
const SYSTEM_FOLDERS: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/usr/sbin", "/opt"];

/// A configuration for a machine that has none: an empty one is whole.
const FIRST_CONFIG: &str = "# The configuration of hark: every key has a default.\n\
    # `hark config check` says what is wrong, `hark doctor` what this machine does not let it do.\n";

/// A configuration for a watch that has none: it must be said who is told.
const FIRST_WATCHDOG: &str = "# The configuration of `hark watchdog`. It tells by receivers of its own:\n\
    # receivers:\n\
    #   ops: {email: {to: ops@example.net, from: hark@example.net, server: mail.example.net}}\n\
    log: {target: syslog}\n";

/// What must be done, in order. Each step may be found done.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The machine's root folder.
    pub(crate) root: PathBuf,
    /// The steps.
    pub(crate) steps: Vec<Step>,
    /// What a person should know in the end.
    pub(crate) notes: Vec<String>,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Root's, and anybody may read.
    Root,
    /// Root's; the service may read.
    RootForService,
    /// The service's own.
    Service,
}

/// One thing to do. Paths are those inside the root.
#[derive(Debug)]
pub(crate) enum Step {
    /// The service's user exists.
    User,
    /// A folder is there.
    Folder { path: PathBuf, mode: u32, owner: Owner },
    /// The program lies there, whole.
    Program { from: PathBuf, to: PathBuf },
    /// A file has this text. `keep`: one that is there already stays as it is.
    File { path: PathBuf, text: Secret, mode: u32, owner: Owner, keep: bool },
    /// A link leads there.
    Link { path: PathBuf, to: PathBuf },
    /// A file or link is not there.
    Absent { path: PathBuf },
    /// A program of the system is run, whether or not it succeeds if `may_fail`. Its arguments are
    /// fixed words. `only_if_changed`: not if all steps before were found done.
    Run { program: &'static str, arguments: Vec<String>, may_fail: bool, only_if_changed: bool },
}

impl Step {
    fn run(program: &'static str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
        Self::Run { program, arguments, may_fail: false, only_if_changed: false }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => write!(f, "user {USER}, without password, shell or privilege"),
            Self::Folder { path, mode, .. } => write!(f, "folder {} ({mode:04o})", path.display()),
            Self::Program { from, to } => {
                write!(f, "program {} (from {})", to.display(), from.display())
            }
            Self::File { path, mode, .. } => write!(f, "file {} ({mode:04o})", path.display()),
            Self::Link { path, to } => write!(f, "link {} -> {}", path.display(), to.display()),
            Self::Absent { path } => write!(f, "no {}", path.display()),
            Self::Run { program, arguments, .. } => {
                write!(f, "run {program} {}", arguments.join(" "))
            }
        }
    }
}

/// Returns what starts services under `root`.
pub(crate) fn find_init(root: &Path) -> Init {
    let at = |path: &str| root.join(path).exists();
    let live = root == Path::new("/");
    // A machine may have systemd's files without being run by it; an image is not run at all.
    let systemd = if live {
        at("run/systemd/system")
    } else {
        at("lib/systemd/systemd") || at("usr/lib/systemd/systemd")
    };
    if systemd { Init::Systemd } else { Init::Sysvinit }
}

/// Returns what makes the service that is wanted.
///
/// # Errors
/// If what was asked for cannot be written down.
pub(crate) fn install(wanted: &Wanted) -> anyhow::Result<Plan> {
    let program = program(wanted);
    let text = program.to_str().context("the program's path is not UTF-8")?;
    if text.contains(|c: char| c.is_whitespace() || "\"'\\$%@".contains(c)) {
        bail!("{text} holds a character that has a meaning for init: put hark elsewhere");
    }
    let mut steps = vec![Step::User];
    if program != wanted.program || !is_live(&wanted.root) {
        steps.push(Step::Program { from: wanted.program.clone(), to: program.clone() });
    }
    let folder = |path: &str, mode, owner| Step::Folder { path: path.into(), mode, owner };
    steps.push(folder(CONFIG, 0o750, Owner::RootForService));
    steps.push(folder(DATA, 0o700, Owner::Service));
    let (path, first) = match wanted.part {
        Part::Agent | Part::Server | Part::Up => {
            (Path::new(CONFIG).join("hark.yaml"), FIRST_CONFIG)
        }
        Part::Watchdog => (PathBuf::from(WATCHDOG_CONFIG), FIRST_WATCHDOG),
    };
    steps.push(Step::File {
        path,
        text: Secret::new(first),
        mode: 0o640,
        owner: Owner::RootForService,
        keep: true,
    });
    steps.extend(agent_files(wanted)?);
    steps.extend(service_files(wanted, text));
    steps.extend(start(wanted));
    let mut notes = Vec::new();
    let is_led = |agent: &AgentSection| {
        !agent.servers.is_empty() || agent.token.is_some() || agent.secret_file.is_some()
    };
    if wanted.part == Part::Agent && !wanted.agent.as_ref().is_some_and(is_led) {
        notes.push(format!(
            "no server was named: give --token or --server with --secret-file, or write the section \
             `agent` into {CONFIG}/hark.yaml"
        ));
    }
    if wanted.init == Init::Sysvinit
        && !(wanted.groups.is_empty() && wanted.capabilities.is_empty())
    {
        notes.push(format!(
            "a script gives neither privileges nor groups: `usermod -a -G GROUP {USER}` puts the user into one"
        ));
    }
    if wanted.part == Part::Watchdog {
        notes.push(format!(
            "who is told stands in `receivers` of {WATCHDOG_CONFIG}: without one it does not start"
        ));
    }
    Ok(Plan { root: wanted.root.clone(), steps, notes })
}

/// Returns what takes the service away. State, configuration, user and program stay: others may use
/// them, and what is deleted cannot be asked for again.
pub(crate) fn remove(wanted: &Wanted) -> Plan {
    let service = wanted.part.service();
    let mut steps = Vec::new();
    let live = is_live(&wanted.root);
    match wanted.init {
        Init::Systemd => {
            let name = format!("{service}.service");
            if live {
                let arguments = vec!["disable".to_owned(), "--now".to_owned(), name];
                steps.push(Step::Run {
                    program: "systemctl",
                    arguments,
                    may_fail: true,
                    only_if_changed: false,
                });
            }
            steps.push(Step::Absent { path: wants(service) });
            steps.push(Step::Absent { path: unit_path(service) });
            if live {
                steps.push(Step::run("systemctl", &["daemon-reload"]));
            }
        }
        Init::Sysvinit => {
            if live && script_path(service).exists() {
                let arguments = vec![script_path(service).display().to_string(), "stop".to_owned()];
                steps.push(Step::Run {
                    program: "/bin/sh",
                    arguments,
                    may_fail: true,
                    only_if_changed: false,
                });
            }
            let links = run_levels(service).into_iter().map(|(path, _)| path);
            steps.extend(links.map(|path| Step::Absent { path }));
            steps.push(Step::Absent { path: script_path(service) });
        }
    }
    let notes = vec![format!(
        "{CONFIG}, {DATA}, the user {USER} and the program stay; remove them by hand if nobody needs \
         them"
    )];
    Plan { root: wanted.root.clone(), steps, notes }
}

fn is_live(root: &Path) -> bool {
    root == Path::new("/")
}

/// Returns where the program shall lie.
fn program(wanted: &Wanted) -> PathBuf {
    let from = &wanted.program;
    if is_live(&wanted.root) && SYSTEM_FOLDERS.iter().any(|f| from.starts_with(f)) {
        return from.clone();
    }
    PathBuf::from(PROGRAM)
}

fn agent_files(wanted: &Wanted) -> anyhow::Result<Vec<Step>> {
    let Some(agent) = &wanted.agent else { return Ok(Vec::new()) };
    let conf_d = Path::new(CONFIG).join("conf.d");
    let mut steps =
        vec![Step::Folder { path: conf_d.clone(), mode: 0o750, owner: Owner::RootForService }];
    let mut section = serde_json::Map::new();
    if !agent.servers.is_empty() {
        section.insert("server".to_owned(), agent.servers.clone().into());
    }
    if let Some(name) = &agent.name {
        section.insert("name".to_owned(), name.as_str().into());
    }
    let secret_file = |name: &str, text: Secret| {
        let path = Path::new(CONFIG).join(name);
        let value = serde_json::json!({ "file": path });
        let owner = Owner::RootForService;
        (value, Step::File { path, text, mode: 0o640, owner, keep: false })
    };
    if let Some(token) = &agent.token {
        hark_model::EnrolToken::decode(token.trim()).context("cannot read the token")?;
        let (value, step) = secret_file("agent-token", Secret::new(format!("{}\n", token.trim())));
        section.insert("token".to_owned(), value);
        steps.push(step);
    } else if let Some(file) = &agent.secret_file {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let (value, step) = secret_file("agent-secret", Secret::new(text));
        section.insert("secret".to_owned(), value);
        steps.push(step);
    }
    // JSON is YAML, and leaves no question of quoting.
    let text = serde_json::json!({ "agent": section });
    steps.push(Step::File {
        path: conf_d.join("agent-install.yaml"),
        text: Secret::new(format!("# Written by `hark agent install`.\n{text:#}\n")),
        mode: 0o640,
        owner: Owner::RootForService,
        keep: false,
    });
    Ok(steps)
}

fn unit_path(service: &str) -> PathBuf {
    Path::new("/etc/systemd/system").join(format!("{service}.service"))
}

/// Returns the texts of which the unit of a service is made: what is written here, and what an administrator has
/// laid over it (`systemctl edit`), in their order. Nothing if there is none.
pub(crate) fn unit_texts(root: &Path, service: &str) -> Vec<String> {
    let unit = unit_path(service);
    let unit = root.join(unit.strip_prefix("/").unwrap_or(&unit));
    let Ok(text) = std::fs::read_to_string(&unit) else { return Vec::new() };
    let listed = std::fs::read_dir(unit.with_extension("service.d"));
    let found = listed.into_iter().flatten().flatten().map(|entry| entry.path());
    let mut over: Vec<PathBuf> =
        found.filter(|path| path.extension().is_some_and(|word| word == "conf")).collect();
    over.sort();
    let over = over.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    std::iter::once(text).chain(over).collect()
}

fn wants(service: &str) -> PathBuf {
    Path::new("/etc/systemd/system/multi-user.target.wants").join(format!("{service}.service"))
}

fn script_path(service: &str) -> PathBuf {
    Path::new("/etc/init.d").join(service)
}

/// Returns the links of the run levels, with where they lead. They are what `update-rc.d` would make;
/// making them here works in an image as well.
fn run_levels(service: &str) -> Vec<(PathBuf, PathBuf)> {
    let to = Path::new("../init.d").join(service);
    let link = |(level, prefix): (u8, &str)| {
        (PathBuf::from(format!("/etc/rc{level}.d/{prefix}{service}")), to.clone())
    };
    let levels =
        [(2, "S20"), (3, "S20"), (4, "S20"), (5, "S20"), (0, "K01"), (1, "K01"), (6, "K01")];
    levels.into_iter().map(link).collect()
}

fn service_files(wanted: &Wanted, program: &str) -> Vec<Step> {
    let service = wanted.part.service();
    let file = |path, text, mode| Step::File {
        path,
        text: Secret::new(text),
        mode,
        owner: Owner::Root,
        keep: false,
    };
    match wanted.init {
        Init::Systemd => vec![
            file(unit_path(service), unit::text(wanted, program), 0o644),
            Step::Link { path: wants(service), to: unit_path(service) },
        ],
        Init::Sysvinit => {
            let script = file(script_path(service), sysvinit::text(wanted, program), 0o755);
            let links = run_levels(service).into_iter().map(|(path, to)| Step::Link { path, to });
            std::iter::once(script).chain(links).collect()
        }
    }
}

/// Returns what makes the running system take it up; nothing in an image.
fn start(wanted: &Wanted) -> Vec<Step> {
    let service = wanted.part.service();
    if !is_live(&wanted.root) || !wanted.start {
        return Vec::new();
    }
    let if_changed = |program, arguments: Vec<String>| Step::Run {
        program,
        arguments,
        may_fail: false,
        only_if_changed: true,
    };
    match wanted.init {
        Init::Systemd => vec![
            Step::run("systemctl", &["daemon-reload"]),
            if_changed("systemctl", vec!["restart".to_owned(), service.to_owned()]),
            Step::run("systemctl", &["start", service]),
        ],
        Init::Sysvinit => {
            let script = script_path(service).display().to_string();
            vec![
                if_changed("/bin/sh", vec![script.clone(), "restart".to_owned()]),
                Step::run("/bin/sh", &[&script, "start"]),
            ]
        }
    }
}
