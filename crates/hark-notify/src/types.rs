//! The table of receiver types: one file each.

pub(crate) mod email;
pub(crate) mod webhook;

#[cfg(test)]
mod tests;
