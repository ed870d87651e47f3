//! Tests of the engine from outside: scenarios, random sequences, a reference model.

mod invariants;
mod ops;
mod reference;
mod scenarios;
mod store;
mod sweep;
mod world;
