//! Dynamic DNS: names follow the addresses of hosts.
//!
//! ```text
//! hosts (addresses of agents that have proven who they are)
//!   └─> wishes ─> Machine ─> Job ─> perform (a Way, or a question to the authoritative servers) ─> Machine
//!                    └─> Effect: what must be remembered first, what is said
//! ```
//!
//! - [`Settings`] reads the section `dyndns` and the two keys of the older tool.
//! - [`wishes`] says what is wanted of each name, [`Machine`] what is published when. Both are pure: time is
//!   an argument, what outlives the program is an [`Effect`].
//! - [`perform`] does one [`Job`] by the way of its zone: one file each in `ways/`.
//!
//! What this crate deliberately cannot do: learn an address by itself, keep anything, or decide whether a
//! host is down.

mod account;
mod addresses;
mod call;
mod key;
mod machine;
mod message;
mod name;
mod perform;
mod record;
mod server;
mod settings;
#[cfg(test)]
mod testing;
mod verify;
mod way;
mod ways;
mod zone;

pub use addresses::Addresses;
pub use machine::{
    Checked, Effect, Job, MAX_NAMES, Machine, NameView, Outcome, Said, TOLERATED, What, ZoneView,
};
pub use name::{DnsName, DnsNameError};
pub use perform::perform;
pub use record::{NameRecord, ZoneRecord};
pub use server::Server;
pub use settings::{KEYS, Settings};
pub use verify::Found;
pub use way::{Again, Change, Context, Failure, RecordSet, Scope, Way, WayType};
pub use ways::TYPES;
pub use zone::{Host, Source, Verify, Want, Wish, Zone, wishes};
