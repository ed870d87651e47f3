//! The boot of the machine, told once.

use std::time::Duration;

use hark_model::{EventKind, Now, Unix};
use hark_proto::ReportItem;

use super::{Agent, event};
use crate::collectors::{Root, uptime};

/// Without a boot known before, a machine that has been up for less than this has just booted.
const JUST_BOOTED: Duration = Duration::from_mins(10);

/// The file with the boot that was told last.
const BOOT: &str = "boot";

impl Agent {
    /// Tells the server that the machine has booted, once for each boot.
    pub(super) fn tell_boot(&mut self, root: &Root, now: Now) {
        let Some(boot) = root.text("proc/sys/kernel/random/boot_id") else { return };
        let told = self.home.read(BOOT).ok().flatten();
        if told.as_deref().map(str::trim) == Some(boot.as_str()) {
            return;
        }
        if told.is_some() || up_for(root).is_some_and(|up| up < JUST_BOOTED) {
            let at = booted_at(root).unwrap_or(now.unix);
            let kernel = root.text("proc/sys/kernel/osrelease").unwrap_or_default();
            let text = format!("host booted, kernel {kernel}");
            self.heart.sender.report(&ReportItem::Event(event(at, EventKind::Boot, &text)), now);
            // The report first: told twice is better than not at all.
            drop(self.heart.sync_reports());
        }
        if let Err(error) = self.home.write(BOOT, &boot) {
            tracing::warn!(%error, "cannot note that the boot was told: it may be told again");
        }
    }
}

pub(super) fn booted_at(root: &Root) -> Option<Unix> {
    let stat = root.text("proc/stat")?;
    let seconds: i64 =
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Unix(seconds.checked_mul(1000)?))
}

fn up_for(root: &Root) -> Option<Duration> {
    let seconds = uptime::parse(root.text("proc/uptime")?.as_bytes())?;
    Duration::try_from_secs_f64(seconds).ok()
}
