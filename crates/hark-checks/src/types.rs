//! The table of check types: one file each.
//!
//! What two types *do* alike is shared: the way there ([`crate::endpoint`]), dialogues of lines, of bytes and of
//! messages ([`crate::session`], [`crate::frames`]), logins ([`crate::login`]), the web ([`crate::web`]). What
//! they only *say* alike is not: `imap` and `pop3`, `postgres` and `mysql`, `memcached` and `redis` have tables of
//! the same shape, but every word in them (names, keys, ports, facts, what the manual promises) is their own.
//! A frame for two would take all of that as parameters, be no shorter, and hide what one type is.

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
