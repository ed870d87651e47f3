//! Receivers against the real servers of Debian's packages.
//!
//! Each test starts what it needs with folders of its own on ports that the system chooses, and ends it
//! by its process number, also when it fails. `scripts/setup-test` installs the servers; a test that
//! lacks one fails and says which.

// `cfg(test)` is always true here; it tells the linter that helpers are test code as well.
#[cfg(test)]
mod alertmanager;
#[cfg(test)]
mod blinkstick;
#[cfg(test)]
mod dovecot;
#[cfg(test)]
mod mosquitto;
#[cfg(test)]
mod prosody;
#[cfg(test)]
mod support;
