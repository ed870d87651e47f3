//! The table of check types: one file each.

pub(crate) mod exec;
pub(crate) mod ftp;
pub(crate) mod http;
pub(crate) mod icmp;
pub(crate) mod imap;
pub(crate) mod openvpn;
pub(crate) mod plugin;
pub(crate) mod pop3;
pub(crate) mod sip;
pub(crate) mod smtp;
pub(crate) mod ssh;
pub(crate) mod tcp;
pub(crate) mod xmpp;

#[cfg(test)]
mod tests;
