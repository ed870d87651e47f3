//! Tests of the engine from outside: scenarios, random sequences, a reference model.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "the whole crate is tests: what is not expected may fail at once"
)]

mod course;
mod deliveries;
mod hosts;
mod invariants;
mod maintenance;
mod ops;
mod reach;
mod reference;
mod results;
mod sampled;
mod scenarios;
mod store;
mod sweep;
mod world;
