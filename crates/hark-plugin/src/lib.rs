//! Foreign programs: run without being harmed by them, and read without being deceived by them.
//!
//! - [`Program`] is what a person wrote: a name and arguments, never anything for a shell; [`Permit`] says
//!   who named it and by what right it is run.
//! - [`Runner`] runs programs side by side on the caller's thread: in groups of their own, with limits of
//!   time, output and number, and refuses those that other users could have changed ([`trust`]).
//! - The readers are functions of bytes: [`nagios`] (the contract of Nagios plugins), [`exposition`]
//!   (Prometheus, `OpenMetrics`), [`lines`] (JSON lines of our own), [`extract`] (values taken out of any
//!   text by pattern). They take any input, allocate within bounds, and are fuzzed.
//!
//! Deliberately absent: when something is run, and where its results go (the agent), an async
//! runtime, threads, and any shell.

#![deny(clippy::indexing_slicing)]

pub mod document;
pub mod exposition;
pub mod extract;
pub mod lines;
mod measure;
pub mod nagios;
mod program;
pub mod runner;
pub mod statsd;
mod sys;
pub mod text;
pub mod trust;

pub use measure::Measured;
pub use program::{Origin, PATH, Permit, Program, ProgramError};
pub use runner::{Exit, Finished, Given, Happened, Invocation, Output, RunId, Runner, StartError};
pub use sys::{Bell, Poller, Token, Waited, bells, waited};
