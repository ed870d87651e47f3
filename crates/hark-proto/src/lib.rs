//! The native protocol, version 1: what agents and the server say to each other over UDP.
//!
//! Every datagram is sealed with a key that only this agent and the server have; `docs/protocol.md`
//! describes each byte, with vectors that `golden/v1` holds for machines.
//!
//! - [`header`]: the 26 bytes in clear, and what is refused for a look at them alone.
//! - [`key`]: from a shared secret or an enrolled key to the two keys of a session; seal and open.
//! - [`body`]: what is inside: heartbeats with sample frames, sets, reports, and the replies.
//! - [`request`]: the same agent over HTTPS, where datagrams do not pass.
//! - [`times`]: what an agent's clock says, by the server's.
//! - [`seek`]: how an agent finds its server on the local network.
//! - [`server::ServerSession`] and [`client::ClientSession`]: the two machines. Start there.
//!
//! Deliberately absent: sockets, clocks, random numbers, disks (all are arguments), the meaning of
//! samples (`hark-engine`), and the seeds' dialects.

#![deny(clippy::indexing_slicing)]

pub mod body;
pub mod bucket;
pub mod client;
pub mod header;
pub mod items;
pub mod key;
pub mod refused;
pub mod request;
pub mod seek;
pub mod server;
pub mod times;
pub mod window;

pub use body::{
    AckFlags, Backlog, BacklogBuilder, Beat, BeatBuilder, Body, Content, Fetch, Frame, Frames,
    Hello, MAX_PAPER, Outcome, Paper, PaperAssembler, Piece, Report, ReportBuilder, ReportItem,
    SetAssembler, SetsPart, decode, set_number, split_set,
};
pub use client::{Acked, ClientSession, Identity, Reply, SealError, next_session};
pub use header::{AgentId, Envelope, Header, Kind, peek};
pub use items::ItemWindow;
pub use key::{AgentKey, SessionKeys, simple_identity};
pub use refused::Refused;
pub use request::{PROOF, Signed};
pub use server::{AckFacts, Received, ServerSession};
pub use window::Window;

/// The longest datagram: what passes every IPv6 path and the usual tunnels unfragmented.
pub const MAX_DATAGRAM: usize = 1199;

/// The shortest datagram to the server; shorter bodies are padded. No reply but a [`Kind::Piece`] is
/// longer than [`MAX_REPLY`], and a piece is asked for with a datagram as long: so the server never
/// answers with more than it was sent.
pub const MIN_REQUEST: usize = 96;

/// The longest reply, pieces excepted.
pub const MAX_REPLY: usize = MIN_REQUEST;

/// The bytes that authentication adds (Poly1305).
pub const TAG: usize = 16;
