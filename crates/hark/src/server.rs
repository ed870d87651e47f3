//! The server: its threads, what they say to each other, and its life from start to end.
//!
//! ```text
//! sockets -> intake ──Batch──> engine_loop ──Commit──> store_loop ──rows──> outbox -> receivers
//!              │  ▲  ▲            ▲  │ │                  │   │
//!              │  │  └──Watch─────┘  │ └─Probe─> probes   │   └─lines─> live page
//!              │  └─Done──────────────────────────────────┘
//!              └─frames─> history_loop ──Done──> intake
//! ```
//!
//! [`run`] starts all of it and ends it in order: no more datagrams, then the engine, then the store and
//! history with everything synced. Being killed at any moment is as good: see `store_loop`.

mod addresses;
mod asking;
pub(crate) mod assemble;
pub(crate) mod backend;
mod backups;
pub(crate) mod blind;
mod browsers;
pub(crate) mod call;
pub(crate) mod certificate;
pub(crate) mod deadman;
mod discovery;
mod dropped;
mod dyndns;
mod engine_loop;
pub(crate) mod event_files;
mod exports;
pub(crate) mod folder;
mod handling;
pub(crate) mod happened;
pub(crate) mod history_loop;
mod hosts;
pub(crate) mod inlets;
mod intake;
mod leavers;
mod links;
mod listen;
mod mailbox;
mod message_journal;
mod messages;
mod no_history;
mod outbox;
mod outside;
mod own_agent;
mod own_datagram;
mod own_limits;
mod parts;
mod polls;
mod probes;
mod progress;
mod pushes;
pub(crate) mod quarantine;
mod readers;
mod recall;
mod recorder;
pub(crate) mod relay;
mod releases;
mod reload;
mod remote_write;
mod repairs;
mod reports;
mod retention;
pub(crate) mod run;
mod self_report;
mod self_test;
mod series_index;
mod store_loop;
mod tally;
mod targets;
mod threads;
mod topics;
mod vitals;

pub(crate) use store_loop::chain;
