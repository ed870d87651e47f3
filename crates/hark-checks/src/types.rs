//! The table of check types: one file each.

pub(crate) mod http;
pub(crate) mod icmp;
pub(crate) mod tcp;

#[cfg(test)]
mod tests;
