//! The table of receiver types: one file each.

pub(crate) mod alertmanager;
pub(crate) mod apprise;
pub(crate) mod discord;
pub(crate) mod dweet;
pub(crate) mod email;
pub(crate) mod exec;
pub(crate) mod github;
pub(crate) mod gitlab;
pub(crate) mod google_chat;
pub(crate) mod gotify;
pub(crate) mod hark;
pub(crate) mod home_assistant;
pub(crate) mod line;
pub(crate) mod matrix;
pub(crate) mod mattermost;
pub(crate) mod mqtt;
pub(crate) mod ntfy;
pub(crate) mod opsgenie;
pub(crate) mod pagerduty;
pub(crate) mod pushbullet;
pub(crate) mod pushover;
pub(crate) mod rocketchat;
pub(crate) mod signal;
pub(crate) mod slack;
pub(crate) mod syslog;
pub(crate) mod teams;
pub(crate) mod telegram;
pub(crate) mod twilio;
pub(crate) mod url;
pub(crate) mod web_push;
pub(crate) mod webex;
pub(crate) mod webhook;
pub(crate) mod xmpp;
pub(crate) mod zulip;

#[cfg(test)]
pub(crate) mod tests;
