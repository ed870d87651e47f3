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

/// Without a need to ask disks nothing of `/dev` is there but what every program has.
const NO_DEVICES: &str = "PrivateDevices=yes\n";

/// For smartctl: disks, and drives of NVM Express, which are no block devices themselves. It opens them for writing as well,
/// since that is how questions are sent to them. `PrivateDevices` would also take away the right to ask.
const DISKS: &str = "\
PrivateDevices=no
DevicePolicy=closed
DeviceAllow=block-* rw
DeviceAllow=char-nvme rw
";

/// Whose the disks are on every system with systemd.
const DISK_GROUP: &str = "disk";

/// Returns the unit's text; `program` is where the program lies for systemd.
pub(super) fn text(wanted: &Wanted, program: &str) -> String {
    let title = wanted.part.title();
    let command = wanted.part.command();
    let capabilities: Vec<&str> = wanted.capabilities.iter().map(|c| c.word()).collect();
    let capabilities = capabilities.join(" ");
    let asks_disks = wanted.capabilities.iter().any(|capability| capability.asks_disks());
    let devices = if asks_disks { DISKS } else { NO_DEVICES };
    let mut groups: Vec<&str> = wanted.groups.iter().map(String::as_str).collect();
    if asks_disks && !groups.contains(&DISK_GROUP) {
        groups.push(DISK_GROUP);
    }
    let groups = match groups.as_slice() {
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
         {own}{devices}{SANDBOX}\
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
            assert!(unit.contains("\nPrivateDevices=yes\n") && !unit.contains("DeviceAllow"));
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

    #[test]
    fn disks_are_there_for_those_who_may_ask_them_alone() {
        let mut wanted = wanted(Part::Agent, Init::Systemd);
        wanted.groups = vec!["adm".into()];
        for capability in [Capability::SysRawio, Capability::SysAdmin] {
            wanted.capabilities = vec![capability];
            let unit = text(&wanted, "/usr/bin/hark");
            assert!(unit.contains(&format!("\nAmbientCapabilities={}\n", capability.word())));
            assert!(unit.contains("\nSupplementaryGroups=adm disk\n"), "{unit}");
            assert!(unit.contains("\nPrivateDevices=no\nDevicePolicy=closed\n"), "{unit}");
            assert!(unit.contains("\nDeviceAllow=block-* rw\n"), "{unit}");
        }
        wanted.groups = vec!["disk".into()];
        assert!(text(&wanted, "/usr/bin/hark").contains("\nSupplementaryGroups=disk\n"));
    }
}
