//! The `hark` binary: server, agent and tools.
//!
//! This crate is the shell around the others: it reads the command line and the configuration, owns the
//! sockets, threads and timers, and carries datagrams, results and reloads to the engine and the
//! engine's effects to the disk, the receivers and the page. What it decides itself is little; where it
//! does, the deciding part is a pure function with tests beside it.
//!
//! Start at [`cli`], then [`server`].

mod cli;
mod config;
mod doctor;
mod exchange;
mod fleet;
#[cfg_attr(windows, expect(dead_code, reason = "plans are carried out on other systems"))]
mod install;
mod log;
mod manager;
mod out;
mod server;
mod stop;
mod sys;
mod update;
mod watchdog;

use std::process::ExitCode;

fn main() -> ExitCode {
    sys::give_memory_back();
    sys::keep_files_private();
    cli::run()
}
