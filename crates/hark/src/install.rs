//! Making hark a service of the machine: `hark agent install`, `hark server install`, `hark watchdog
//! install`.
//!
//! What must be done is computed first, as a plan that can be printed (`--dry-run`) and compared;
//! `steps` carries it out and decides nothing but "is already so". The texts of the services are pure
//! functions of [`Wanted`] (`unit`, `sysvinit`).
//!
//! The service runs as a user of its own without any privilege that was not asked for by name. The
//! program lies where root alone can write, the configuration as well: what the service could change
//! by itself would be no bound on it.

mod plan;
#[cfg_attr(windows, path = "install/absent.rs")]
mod steps;
mod sysvinit;
mod unit;

use std::path::PathBuf;

use hark_model::HostName;

pub(crate) use plan::{find_init, install, remove, unit_texts};
pub(crate) use steps::carry_out;

/// The user that services run as.
pub(crate) const USER: &str = "hark";

/// Where services keep their state.
pub(crate) const DATA: &str = crate::config::SYSTEM_DATA_DIR;

/// Where services read their configuration.
pub(crate) const CONFIG: &str = "/etc/hark";

/// Where the watch on the server reads its own: it must not fall with a mistake in the server's.
pub(crate) const WATCHDOG_CONFIG: &str = "/etc/hark/watchdog.yaml";

/// What shall run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `hark agent`.
    Agent,
    /// `hark server`.
    Server,
    /// `hark up`: the server with an agent for its machine.
    Up,
    /// `hark watchdog`: tells when the server has ended or hangs.
    Watchdog,
}

impl Part {
    /// Returns the service's name.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Self::Agent => "hark-agent",
            Self::Server | Self::Up => "hark-server",
            Self::Watchdog => "hark-watchdog",
        }
    }

    /// Returns the command of hark that runs it.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Server => "server",
            Self::Up => "up",
            Self::Watchdog => "watchdog",
        }
    }

    /// Returns the word before `install`.
    fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Server | Self::Up => "server",
            Self::Watchdog => "watchdog",
        }
    }

    /// Returns where it reads its configuration.
    fn config(self) -> &'static str {
        match self {
            Self::Agent | Self::Server | Self::Up => CONFIG,
            Self::Watchdog => WATCHDOG_CONFIG,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Agent => "hark agent: measures this machine for its server",
            Self::Server => "hark server: hears every heartbeat",
            Self::Up => "hark server, with an agent for this machine",
            Self::Watchdog => "hark watchdog: tells when the hark server ends or hangs",
        }
    }
}

/// What starts services on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Init {
    /// Units of systemd.
    Systemd,
    /// Scripts in `/etc/init.d` with LSB headers.
    Sysvinit,
}

/// A privilege that a service may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Capability {
    /// Ping, where the system does not let everybody.
    NetRaw,
    /// Ports below 1024.
    NetBindService,
    /// Read every file, whoever owns it: logs, other users' folders.
    DacReadSearch,
    /// Look into other users' processes: open files, working folders.
    SysPtrace,
    /// Ask ATA and SAS disks how they are, with smartctl; opens the disks to the service.
    SysRawio,
    /// Ask drives of NVM Express how they are, with smartctl; opens the disks to the service, and much else.
    SysAdmin,
}

impl Capability {
    /// Returns the kernel's word.
    fn word(self) -> &'static str {
        match self {
            Self::NetRaw => "CAP_NET_RAW",
            Self::NetBindService => "CAP_NET_BIND_SERVICE",
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::SysRawio => "CAP_SYS_RAWIO",
            Self::SysAdmin => "CAP_SYS_ADMIN",
        }
    }

    /// Returns the one that the kernel calls so, if a service may be given it.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        <Self as clap::ValueEnum>::value_variants().iter().copied().find(|one| one.word() == word)
    }

    /// Returns the kernel's number (linux/capability.h).
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::DacReadSearch => 2,
            Self::NetBindService => 10,
            Self::NetRaw => 13,
            Self::SysRawio => 17,
            Self::SysPtrace => 19,
            Self::SysAdmin => 21,
        }
    }

    /// Returns true if it is for asking disks, which a service does not even see otherwise.
    fn asks_disks(self) -> bool {
        match self {
            Self::SysRawio | Self::SysAdmin => true,
            Self::NetRaw | Self::NetBindService | Self::DacReadSearch | Self::SysPtrace => false,
        }
    }
}

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// What shall run.
    pub(crate) part: Part,
    /// What starts it.
    pub(crate) init: Init,
    /// The machine's root folder; another one for images.
    pub(crate) root: PathBuf,
    /// The program as it lies now.
    pub(crate) program: PathBuf,
    /// Privileges beyond none.
    pub(crate) capabilities: Vec<Capability>,
    /// Groups besides its own: `adm` for logs, `docker` for containers.
    pub(crate) groups: Vec<String>,
    /// The agent's section of the configuration, where one is to be written.
    pub(crate) agent: Option<AgentSection>,
    /// Whether the service is started once it is there.
    pub(crate) start: bool,
}

/// How the agent finds its server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AgentSection {
    /// Servers, tried in turn; empty if the token names them.
    pub(crate) servers: Vec<String>,
    /// A token, to join once.
    pub(crate) token: Option<String>,
    /// A file with the secret that all share.
    pub(crate) secret_file: Option<PathBuf>,
    /// What the host calls itself; none is the system's own name.
    pub(crate) name: Option<HostName>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ordinary wish.
    pub(super) fn wanted(part: Part, init: Init) -> Wanted {
        Wanted {
            part,
            init,
            root: PathBuf::from("/"),
            program: PathBuf::from("/usr/bin/hark"),
            capabilities: Vec::new(),
            groups: Vec::new(),
            agent: None,
            start: true,
        }
    }

    #[test]
    fn an_image_is_never_started_and_gets_the_program() {
        let mut wanted = wanted(Part::Agent, Init::Systemd);
        let live: Vec<String> = steps(&install(&wanted).unwrap());
        assert!(live.contains(&"run systemctl start hark-agent".to_owned()), "{live:?}");
        assert!(
            !live.iter().any(|step| step.starts_with("program ")),
            "it lies in a system folder"
        );
        wanted.root = PathBuf::from("/image");
        let image = steps(&install(&wanted).unwrap());
        assert!(!image.iter().any(|step| step.starts_with("run ")), "{image:?}");
        assert!(image.contains(&"program /usr/local/bin/hark (from /usr/bin/hark)".to_owned()));
    }

    #[test]
    fn the_watch_on_the_server_has_a_configuration_of_its_own() {
        for init in [Init::Systemd, Init::Sysvinit] {
            let plan = install(&wanted(Part::Watchdog, init)).unwrap();
            let steps = steps(&plan);
            assert!(steps.contains(&format!("file {WATCHDOG_CONFIG} (0640)")), "{steps:?}");
            assert!(!steps.iter().any(|step| step.contains("hark.yaml")), "{steps:?}");
            assert!(plan.notes[0].contains("receivers"), "{:?}", plan.notes);
        }
    }

    #[test]
    fn removing_leaves_state_and_configuration() {
        for init in [Init::Systemd, Init::Sysvinit] {
            let mut wanted = wanted(Part::Server, init);
            wanted.root = PathBuf::from("/image");
            let steps = steps(&remove(&wanted));
            assert!(steps.iter().all(|step| step.starts_with("no /etc/")), "{steps:?}");
            assert!(!steps.iter().any(|s| s.contains(CONFIG) || s.contains(DATA)), "{steps:?}");
        }
    }

    #[test]
    fn a_token_that_is_none_is_refused_before_anything_is_done() {
        let mut wanted = wanted(Part::Agent, Init::Systemd);
        let token = Some("nonsense".to_owned());
        wanted.agent = Some(AgentSection { token, ..AgentSection::default() });
        assert!(install(&wanted).unwrap_err().to_string().contains("cannot read the token"));
        wanted.agent = None;
        assert!(install(&wanted).unwrap().notes[0].contains("--token"));
        wanted.program = PathBuf::from("/usr/bin/a b");
        assert!(install(&wanted).is_err());
    }

    fn steps(plan: &plan::Plan) -> Vec<String> {
        plan.steps.iter().map(ToString::to_string).collect()
    }
}
