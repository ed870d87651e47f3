//! Check types against the real servers of Debian's packages, and beside the Nagios plugins that do the
//! same.
//!
//! Each test starts what it needs with folders of its own on ports that the system chooses, and ends it
//! by its process number, also when it fails. `scripts/setup-test` installs the servers; a test that
//! lacks one fails and says which.

// `cfg(test)` is always true here; it tells the linter that helpers are test code as well.
#[cfg(test)]
mod bad;
#[cfg(test)]
mod bind;
#[cfg(test)]
mod caches;
#[cfg(test)]
mod chrony;
#[cfg(test)]
mod dovecot;
#[cfg(test)]
mod http;
#[cfg(test)]
mod kamailio;
#[cfg(test)]
mod mariadb;
#[cfg(test)]
mod mosquitto;
#[cfg(test)]
mod nginx;
#[cfg(test)]
mod openvpn;
#[cfg(test)]
mod ping;
#[cfg(test)]
mod postfix;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod prosody;
#[cfg(test)]
mod rabbitmq;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod slapd;
#[cfg(test)]
mod snmpd;
#[cfg(test)]
mod sshd;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tcp;
#[cfg(test)]
mod udp;
#[cfg(test)]
mod vsftpd;
