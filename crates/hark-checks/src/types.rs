//! The table of check types: one file each.

pub(crate) mod amqp;
pub(crate) mod dns;
pub(crate) mod dns_zone;
pub(crate) mod domain;
pub(crate) mod exec;
pub(crate) mod flow;
pub(crate) mod ftp;
pub(crate) mod http;
pub(crate) mod icmp;
pub(crate) mod imap;
pub(crate) mod ldap;
pub(crate) mod memcached;
pub(crate) mod mqtt;
pub(crate) mod mysql;
pub(crate) mod ntp;
pub(crate) mod openvpn;
pub(crate) mod plugin;
pub(crate) mod pop3;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod sip;
pub(crate) mod smtp;
pub(crate) mod snmp;
pub(crate) mod ssh;
pub(crate) mod tcp;
pub(crate) mod tls;
pub(crate) mod udp;
pub(crate) mod xmpp;

#[cfg(test)]
mod tests;
