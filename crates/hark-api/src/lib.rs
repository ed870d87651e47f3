//! The shapes of the API under `/api/0`: what a client sends, what the server answers.
//!
//! Shared by the server (`hark-web`), by the command line, and by the `OpenAPI` document, which is
//! generated from these types. One file is one subject. Every type here is a promise: fields are
//! added, never renamed or removed, within one version of the path.
//!
//! Rules of the shapes: resources carry RFC 3339 times in fields that end in `_at`
//! ([`time::Timestamp`]); the three bulk forms (fleet, series, live frames) carry Unix seconds in
//! fields that end in `_unix_s`, for their size; durations are seconds and say so in the name.
//! Requests refuse unknown fields, so that a misspelt one is told instead of ignored.
//!
//! This crate knows no routes, no sockets and no store, and decides nothing: it converts words of
//! `hark-model` into words on the wire. Start at [`problem`] for errors and [`list`] for lists.

pub mod actions;
pub mod agents;
pub mod alerts;
pub mod audit;
pub mod auth;
pub mod browsers;
pub mod checks;
pub mod configuration;
pub mod dashboards;
pub mod deliveries;
pub mod dns;
pub mod enrol;
pub mod events;
pub mod fleet;
pub mod handling;
pub mod hosts;
pub mod incidents;
pub mod jobs;
pub mod keeping;
pub mod list;
pub mod live;
pub mod overview;
pub mod passkeys;
pub mod problem;
pub mod pushes;
pub mod receivers;
pub mod reports;
pub mod route_test;
pub mod second_factor;
pub mod series;
pub mod server;
pub mod sessions;
pub mod setup;
pub mod silences;
pub mod sought;
pub mod status_pages;
pub mod summaries;
pub mod time;
pub mod tokens;
pub mod updates;
pub mod users;
pub mod words;

pub use list::{Cursor, Page};
pub use problem::ProblemDocument;
pub use time::Timestamp;
