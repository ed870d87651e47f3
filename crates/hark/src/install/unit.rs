//! The unit of systemd.

use super::{DATA, Part, USER, Wanted};

/// How long a part may go without a sign of life before systemd starts it anew.
const WATCHDOG: &str = "5min";

/// What both need; each line is a right that is not there.
///
/// - Home folders and `/tmp` stay readable for an agent: it measures the file systems under them, and
///   their files are protected from it by their owners as from any other user.
/// - `adjtimex` only asks: without `CAP_SYS_TIME` nobody sets a clock.
/// - An agent gets its control group for itself (`Delegate`), to make one below for each program that it
///   runs; the others belong to root, and a server may not even see them as files that can be written.
/// - `AF_NETLINK` is how sockets and addresses are counted.
const SANDBOX: &str = "\
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service adjtimex
SystemCallFilter=~@mount @swap @reboot @raw-io @module @debug @cpu-emulation @obsolete
SystemCallErrorNumber=EPERM
";

/// Returns the unit's text; `program` is where the program lies for systemd.
pub(super) fn text(wanted: &Wanted, program: &str) -> String {
    let title = wanted.part.title();
    let command = wanted.part.command();
    let capabilities: Vec<&str> = wanted.capabilities.iter().map(|c| c.word()).collect();
    let capabilities = capabilities.join(" ");
    let groups = match wanted.groups.as_slice() {
        [] => String::new(),
        groups => format!("SupplementaryGroups={}\n", groups.join(" ")),
    };
    let own = match wanted.part {
        // A monitor that dies first says nothing about why memory ran out.
        Part::Agent => "ProtectHome=read-only\nOOMScoreAdjust=-500\nDelegate=yes\n",
        Part::Server => {
            "ProtectHome=yes\nProtectProc=invisible\nProtectClock=yes\nProtectControlGroups=yes\nLimitNOFILE=65536\n"
        }
        Part::Up => "ProtectHome=read-only\nDelegate=yes\nLimitNOFILE=65536\n",
        // It sees processes of its own user alone, which the server's is.
        Part::Watchdog => {
            "ProtectHome=yes\nProtectProc=invisible\nProtectClock=yes\nProtectControlGroups=yes\n"
        }
    };
    format!(
        "# Written by `hark {word} install`, which writes it anew. Own settings: systemctl edit {service}\n\
         [Unit]\n\
         Description={title}\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         Type=notify\n\
         # While a new version is on trial the program is a child of the old one.\n\
         NotifyAccess=all\n\
         ExecStart={program} {command} --data {DATA}\n\
         ExecReload=/bin/kill -HUP $MAINPID\n\
         Environment=HARK_CONFIG={config}\n\
         User={USER}\n\
         Group={USER}\n\
         {groups}\
         Restart=always\n\
         RestartSec=5s\n\
         TimeoutStartSec=infinity\n\
         TimeoutStopSec=10s\n\
         WatchdogSec={WATCHDOG}\n\
         StateDirectory=hark\n\
         StateDirectoryMode=0700\n\
         UMask=0077\n\
         CapabilityBoundingSet={capabilities}\n\
         AmbientCapabilities={capabilities}\n\
         {own}{SANDBOX}\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        word = wanted.part.word(),
        config = wanted.part.config(),
        service = wanted.part.service(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::wanted;
    use super::super::{Capability, Init};
    use super::*;

    #[test]
    fn without_being_asked_for_there_is_no_privilege() {
        for part in [Part::Agent, Part::Server, Part::Up, Part::Watchdog] {
            let unit = text(&wanted(part, Init::Systemd), "/usr/local/bin/hark");
            assert!(unit.contains("\nCapabilityBoundingSet=\nAmbientCapabilities=\n"), "{unit}");
            assert!(unit.contains(&format!("\nExecStart=/usr/local/bin/hark {} ", part.command())));
            assert!(unit.contains(&format!("\nEnvironment=HARK_CONFIG={}\n", part.config())));
            assert!(unit.contains("\nUser=hark\n") && !unit.contains("Supplementary"), "{unit}");
        }
    }

    #[test]
    fn what_was_asked_for_is_in_both_lines() {
        let mut wanted = wanted(Part::Agent, Init::Systemd);
        wanted.capabilities = vec![Capability::NetRaw, Capability::DacReadSearch];
        wanted.groups = vec!["adm".into(), "docker".into()];
        let unit = text(&wanted, "/usr/bin/hark");
        for line in ["CapabilityBoundingSet", "AmbientCapabilities"] {
            assert!(
                unit.contains(&format!("\n{line}=CAP_NET_RAW CAP_DAC_READ_SEARCH\n")),
                "{unit}"
            );
        }
        assert!(unit.contains("\nSupplementaryGroups=adm docker\n"), "{unit}");
    }
}
