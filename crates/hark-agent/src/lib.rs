//! The agent: what runs on each host that is watched.
//!
//! One thread waits for its next heartbeat, for the server and for local programs ([`Agent::run`]).
//! At each interval the [`collectors`] look at the machine; what they found goes into the [`spool`],
//! then out as one sealed datagram. What the server has stored it acknowledges; what it has not waits
//! on the disk and is sent later, behind everything that is new.
//!
//! ```text
//! collectors -> sampler -> sender -> endpoint (socket)
//!   jobs -> inlet ^          |  ^
//!                            v  |
//!                           spool (disk)
//! ```
//!
//! Plugins, commands, exporters and what else foreign programs say is the matter of [`jobs`], a thread
//! of its own that exists only where something of it is configured. Checks of processes run no program:
//! they are done along with heartbeats.
//!
//! Only [`collectors`], [`jobs`], `endpoint`, `way_back`, `inject` and `home` touch the machine; `sender` decides, with time
//! and datagrams as arguments, and is tested with the server's real machine over a bad network.
//!
//! Deliberately absent: any command the server could make it run, any listening on the network, an
//! async runtime (but for the moment of joining, see `enrol`, and on hosts that are sites, see `site`), and the meaning of what is measured.
//!
//! What may take long has threads of its own: slow collectors one (`slow`), programs and sockets of
//! the host's settings another ([`jobs`]), each file system on another machine one.
//!
//! To add a collector: one file in `collectors/`, one line `mod`, one entry in
//! [`collectors::COLLECTORS`].

#![deny(clippy::indexing_slicing)]

mod agent;
mod along;
mod central;
pub mod collectors;
mod debian_version;
pub mod doctor;
mod endpoint;
mod enrol;
mod heart;
mod home;
#[cfg(unix)]
mod http_get;
mod identity;
pub mod inject;
mod inlet;
pub mod jobs;
mod levels;
pub mod logs;
mod manual;
mod marks;
mod metrics;
mod mounts;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod netlink;
mod own_check;
#[cfg(any(test, not(all(target_os = "linux", not(feature = "portable")))))]
mod portable;
mod pressure;
mod process_table;
mod programs;
mod pulse;
mod rate;
mod sampler;
mod schedule;
mod sender;
pub mod settings;
mod site;
mod slots;
mod slow;
mod source;
pub mod spool;
mod stop;
mod sys;
mod twice;
mod way_back;

pub use agent::{Agent, AgentError, Summary};
pub use along::{Along, AlongError};
pub use endpoint::{DEFAULT_PORT, Names, Server, ServerError};
pub use enrol::EnrolError;
pub use heart::{Heart, Setup};
pub use home::HomeError;
pub use identity::{IdentityError, has_joined};
pub use manual::manual;
pub use metrics::{METRICS, metrics_of};
pub use pulse::Pulse;
pub use sender::{Counts, Moment, Wire};
pub use settings::{Access, AgentConfig, UpdateSettings, UpdateSource};
pub use site::SiteSettings;
pub use stop::Stop;
pub use way_back::Returning;
