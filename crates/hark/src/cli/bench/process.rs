//! A server as a child process, and what the system says of it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::sys;

/// The kernel's clock ticks a second (`getconf CLK_TCK`; fixed on Linux).
const TICKS: u64 = 100;

/// A server that this program started.
#[derive(Debug)]
pub(super) struct Own {
    child: Child,
    /// Where agents send to.
    pub(super) udp: SocketAddr,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// User and system time.
    pub(super) cpu: Duration,
    /// Resident memory in bytes.
    pub(super) resident: u64,
    /// Proportional share of memory in bytes.
    pub(super) proportional: u64,
}

impl Own {
    /// Starts a server on `folder` and core 0, and waits until it listens.
    ///
    /// # Errors
    /// If it does not.
    pub(super) fn start(folder: &Path, secret: &str, udp: SocketAddr) -> anyhow::Result<Self> {
        Self::start_with(folder, secret, udp, "")
    }

    /// As [`Own::start`], with `more` in its configuration.
    ///
    /// # Errors
    /// If it does not start.
    pub(super) fn start_with(
        folder: &Path,
        secret: &str,
        udp: SocketAddr,
        more: &str,
    ) -> anyhow::Result<Self> {
        let config = folder.join("bench.yaml");
        let text = format!("{}{more}", configuration(secret));
        std::fs::write(&config, text).context("cannot write a configuration")?;
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command
            .arg("server")
            .arg("--config")
            .arg(config)
            .arg("--data")
            .arg(folder.join("data"))
            .args(["--udp", &udp.to_string(), "--http", "127.0.0.1:0"])
            .arg("--log")
            .arg(folder.join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        // Ctrl-C goes to this program, which then ends the server.
        sys::apart(&mut command);
        sys::start_on_core(&mut command, 0);
        let mut child = command.spawn().context("cannot start the server")?;
        let stdout = child.stdout.take().context("the server has no output")?;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if let Some(port) = line.trim().strip_prefix("agents  udp port ") {
                let port = port.parse().context("the server named no port")?;
                return Ok(Self { child, udp: SocketAddr::new(udp.ip(), port) });
            }
        }
        bail!("the server did not start; see {}", folder.join("log").display())
    }

    /// Returns what it uses.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let read =
            |name: &str| std::fs::read_to_string(folder.join(name)).context("the server has ended");
        Ok(Usage {
            cpu: cpu(&read("stat")?),
            resident: kibibytes(&read("status")?, "VmRSS:"),
            proportional: kibibytes(&read("smaps_rollup")?, "Pss:"),
        })
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    /// If it has ended by itself.
    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Ended already or ended now: either is right.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Nothing is shed: what a flood costs is measured with all of it kept.
fn configuration(secret: &str) -> String {
    format!(
        "secret: \"{secret}\"\njournal_enabled: false\nshed_after: 0s\nthresholds:\n  \
         cpu_monitor: {{cpu_percent: {{warning: 80, critical: 90}}}}\n  \
         memory_monitor: {{percent: {{warning: 85, critical: 95}}}}\n  \
         disk_monitor: {{partitions: {{\"/\": {{percent: {{warning: 85, critical: 95}}}}}}}}\n"
    )
}

/// Fields 14 and 15 of `proc_pid_stat(5)`, after the name in parentheses.
fn cpu(stat: &str) -> Duration {
    let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after.split(' ').collect();
    let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 1000 / TICKS)
}

fn kibibytes(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let stat = "77 (a) b) S 1 77 77 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 12 1 2";
        assert_eq!(cpu(stat), Duration::from_secs(2));
        assert_eq!(kibibytes("VmPeak:  9 kB\nVmRSS:\t   120 kB\n", "VmRSS:"), 120 * 1024);
    }
}
