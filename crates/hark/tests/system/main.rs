//! The whole program as its users run it: real processes, real servers around it, real addresses.
//!
//! Each test starts what it needs on ports that the system chooses, in a temporary folder, and ends all
//! of it by its process number, also when it fails. Some need root, network namespaces, a mail server or
//! a browser: `scripts/setup-test` installs them, and a test that lacks one fails and says which.

// `cfg(test)` is always true here; it tells the linter that helpers are test code as well.
#[cfg(test)]
mod alone;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod api;
#[cfg(test)]
mod as_prometheus;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod dashboards;
#[cfg(test)]
mod datagrams;
#[cfg(test)]
mod day;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod dns;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod durable;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod events;
#[cfg(test)]
mod first_start;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod given;
#[cfg(test)]
mod handling;
#[cfg(test)]
mod inlets;
#[cfg(test)]
mod install;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod ldap;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod main_job;
#[cfg(test)]
mod mini;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod old_api;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod page;
#[cfg(test)]
mod portable;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod push;
#[cfg(test)]
mod quiet;
#[cfg(test)]
mod relayed;
#[cfg(test)]
mod remote_write;
#[cfg(test)]
mod reports;
mod retention;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod shedding;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod sites;
#[cfg(test)]
mod status_pages;
#[cfg(test)]
mod status_readers;
#[cfg(test)]
mod support;
#[cfg(test)]
mod top;
#[cfg(test)]
mod update;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod web_push;
#[cfg(test)]
mod words;
