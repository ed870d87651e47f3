//! Collectors, spool and sender.
