//! Values that programs bring which are no agents.

use hark_model::Now;

use crate::effect::Effects;
use crate::engine::Engine;
use crate::input::{Heard, Sampled};

/// The fact that every agent tells of its host: where it is there, the agent alone is the sign of life.
pub const AGENT_FACT: &str = "agent_version";

/// The fact of a host that somebody's samples have made: whose. Such a host stays when the server starts
/// anew, though no file names it and no agent is heard of it: its history hangs on it.
pub const MADE_BY_FACT: &str = "metrics_from";

impl Engine {
    pub(crate) fn sampled(&mut self, sampled: &Sampled, now: Now, fx: &mut Effects) {
        let Sampled { host, alive, ref values } = *sampled;
        let has_agent = self
            .hosts
            .get(host)
            .is_some_and(|host| host.facts.iter().any(|(name, _)| &**name == AGENT_FACT));
        if let Some(every) = alive.filter(|_| !has_agent) {
            let interval_ms = u32::try_from(hark_model::time::millis(every)).unwrap_or(u32::MAX);
            let heard = Heard {
                host,
                interval_ms,
                moved_to: None,
                rtt_us: None,
                taken_at: now.unix,
                skew_ms: 0,
                values: Vec::new(),
            };
            self.heard_after(&heard, now, fx);
        }
        for (series, at, value) in values {
            self.measured(host, series, *value, *at, now, fx);
        }
    }
}
