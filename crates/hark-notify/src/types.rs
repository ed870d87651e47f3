//! The table of receiver types: one file each.

pub(crate) mod discord;
pub(crate) mod email;
pub(crate) mod gotify;
pub(crate) mod matrix;
pub(crate) mod mattermost;
pub(crate) mod ntfy;
pub(crate) mod pushbullet;
pub(crate) mod pushover;
pub(crate) mod slack;
pub(crate) mod telegram;
pub(crate) mod webhook;

#[cfg(test)]
pub(crate) mod tests;
