//! Plans are for systems with systemd or sysvinit.

use anyhow::bail;

use super::plan::Plan;

/// Says so.
///
/// # Errors
/// Always.
pub(crate) fn carry_out(_plan: &Plan, _dry: bool) -> anyhow::Result<()> {
    bail!(
        "this is not installed as a service on this system: start it by what starts services there"
    )
}
