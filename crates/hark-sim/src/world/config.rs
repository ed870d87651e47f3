//! What a world is made of, and how much goes wrong in it.

use super::network::Weather;

/// What the world is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct WorldConfig {
    /// How many hosts; the first is the parent of the others.
    pub n_hosts: usize,
    /// How often agents send.
    pub interval_ms: u64,
    /// How many receivers; everything goes to each. The first has a fallback besides.
    pub n_receivers: usize,
    /// How bad the network is until it is calm.
    pub weather: Weather,
    /// How often what goes wrong.
    pub faults: Faults,
    /// When all faults end.
    pub calm_from_ms: u64,
}

/// Mean time between two faults of a kind, in milliseconds; 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// The server is killed.
    pub server_killed: u64,
    /// The server dies at a write of its state or of history.
    pub server_dies_writing: u64,
    /// The server stands still, as under SIGSTOP.
    pub server_paused: u64,
    /// The server's disk is full for a while.
    pub disk_full: u64,
    /// History alone has no room for a while.
    pub history_full: u64,
    /// A write of history fails once.
    pub history_fails: u64,
    /// An agent is killed and comes back.
    pub agent_killed: u64,
    /// A host is cut off.
    pub host_cut: u64,
    /// The server's wall clock jumps.
    pub server_clock: u64,
    /// An agent's wall clock jumps.
    pub agent_clock: u64,
    /// A machine is in trouble: silent, busy, full.
    pub trouble: u64,
    /// A receiver is away.
    pub receiver_away: u64,
    /// Somebody silences a host.
    pub silence: u64,
    /// Share of deliveries of which the server does not hear that they arrived.
    pub unsure: f64,
}

impl WorldConfig {
    /// Some hosts and everything that can go wrong, for 40 minutes; then 40 minutes to come to rest.
    pub fn rough() -> Self {
        let minutes = |n: u64| n * 60_000;
        Self {
            n_hosts: 5,
            interval_ms: 10_000,
            n_receivers: 2,
            weather: Weather { loss: 0.1, copies: 0.05, late: 0.05 },
            faults: Faults {
                server_killed: minutes(12),
                server_dies_writing: minutes(8),
                server_paused: minutes(25),
                disk_full: minutes(25),
                history_full: minutes(15),
                history_fails: minutes(15),
                agent_killed: minutes(10),
                host_cut: minutes(8),
                server_clock: minutes(25),
                agent_clock: minutes(20),
                trouble: minutes(4),
                receiver_away: minutes(10),
                silence: minutes(15),
                unsure: 0.05,
            },
            calm_from_ms: minutes(40),
        }
    }

    /// Nothing goes wrong.
    pub fn calm() -> Self {
        Self { weather: Weather::CALM, faults: Faults::default(), ..Self::rough() }
    }

    /// Returns when everything must have come to rest.
    pub fn end_ms(&self) -> u64 {
        self.calm_from_ms + 40 * 60_000
    }
}
